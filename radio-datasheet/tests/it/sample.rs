//! Summaries to write datasheets of.

use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use radio_datasheet::Answers;
use radio_index::{Bounds, ColumnSummary, RunSummary, Summary};

/// A small survey of 40 square degrees that crosses right ascension 0.
pub(crate) fn survey() -> Summary {
    let mut s = Summary::default();
    s.tiles.count = 47;
    s.tiles.unreadable = 1;
    s.tiles.rows = 61_250;
    s.tiles.row_groups = 52;
    s.tiles.bytes = 3_914_220_116;
    s.tiles.rows_per_tile.min = 312;
    s.tiles.rows_per_tile.p5 = 480;
    s.tiles.rows_per_tile.p50 = 1_308;
    s.tiles.rows_per_tile.p95 = 2_204;
    s.tiles.rows_per_tile.max = 2_511;
    s.tiles.created_by = vec![
        ("radio-io 0.1.0".into(), 45),
        ("parquet-cpp-arrow version 19.0.1".into(), 2),
    ];
    s.columns = vec![
        column("flux.list.element", "FLOAT", 476_586_250, Some(0), 1_906_380_112),
        column("ivar.list.element", "FLOAT", 476_586_250, Some(0), 1_906_380_112),
        column("target_ra", "DOUBLE", 61_250, Some(12), 489_904),
        column("targetid", "INT64", 61_250, Some(0), 490_112),
        column("z", "DOUBLE", 61_250, None, 489_876),
    ];
    let c = &mut s.catalogue;
    c.rows = 61_250;
    c.ids = 60_871;
    c.dead = 2_140;
    c.without_redshift = 2_307;
    c.without_position = 12;
    c.classes = vec![
        ("GALAXY".into(), 48_112),
        ("STAR".into(), 6_904),
        ("QSO".into(), 4_094),
        (String::new(), 2_140),
    ];
    c.warnings = vec![(Some(0), 54_310), (Some(4), 4_633), (None, 2_140), (Some(5), 167)];
    c.z = Some(Bounds {
        min: -0.0021,
        max: 3.7894,
    });
    c.ra = Some(Bounds {
        min: 0.0008,
        max: 359.9993,
    });
    c.dec = Some(Bounds {
        min: -2.8811,
        max: 2.9904,
    });
    s.redshifts.width = 0.05;
    s.redshifts.counts = (0..80)
        .map(|bin| {
            let z = 0.05 * (f64::from(bin) + 0.5);
            (9e4 * z * z * (-(z / 0.28).powf(1.1)).exp() + 40.0 * (-((z - 1.6) / 0.8).powi(2)).exp()) as u64
        })
        .collect();
    s.sky.order = 6;
    s.sky.pixels = patch(6, 0.0, 0.0, 3.5);
    s.anomaly_runs = vec![run("mae-v1", 59_110, 17.25, 0, r#"{"bins":12,"patch":32}"#)];
    s.group_runs = vec![run("fof", 48_112, 214.0, 3_907, "b0=0.06 r0=18")];
    s
}

/// What the people of that survey say.
pub(crate) fn answers() -> Answers {
    Answers::from_toml(
        r#"
        title = "A patch of galaxies"

        [motivation]
        purpose = "To find what nobody looked for.\n\nIt fills the gap between\n\n- a catalogue, and\n- a training set."
        creators = "The radio developers"

        [composition]
        instances = "The spectrum of one fibre, all exposures added."

        [collection]
        instruments = "A mock: see `radio_io::mock`."

        [preprocessing]
        steps = "Arms joined by inverse variance, z < 4 kept."

        [distribution]
        licence = "CC BY 4.0"

        [maintenance]
        contact = "Open an issue."
        "#,
    )
    .unwrap()
}

/// Settings of a law: the same cases every time.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..ProptestConfig::default()
    }
}

pub(crate) fn column(name: &str, data_type: &str, values: u64, nulls: Option<u64>, bytes: u64) -> ColumnSummary {
    let mut column = ColumnSummary::default();
    column.name = name.into();
    column.data_type = data_type.into();
    column.tiles = 47;
    column.values = values;
    column.nulls = nulls;
    column.bytes = bytes;
    column
}

pub(crate) fn run(name: &str, rows: u64, largest: f64, groups: u64, options: &str) -> RunSummary {
    let mut run = RunSummary::default();
    run.run = name.into();
    run.rows = rows;
    run.largest = largest;
    run.groups = groups;
    run.options = options.into();
    run
}

/// Pixels whose centre is within `radius` of a position, all in degrees, with more rows towards the middle.
pub(crate) fn patch(order: u8, ra: f64, dec: f64, radius: f64) -> Vec<(u64, u64)> {
    let unit = |lon: f64, lat: f64| [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()];
    let centre = unit(ra.to_radians(), dec.to_radians());
    (0..12_u64 << (2 * order))
        .filter_map(|pixel| {
            let (lon, lat) = cdshealpix::nested::center(order, pixel);
            let cosine: f64 = centre.iter().zip(unit(lon, lat)).map(|(a, b)| a * b).sum();
            let distance = cosine.clamp(-1.0, 1.0).acos().to_degrees();
            (distance < radius).then(|| (pixel, 1 + (2000.0 * (-(distance / radius).powi(2) * 2.0).exp()) as u64))
        })
        .collect()
}
