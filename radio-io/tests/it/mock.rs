//! The mock survey: the files are what DESI's are, and the spectra obey the laws that they claim.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Mutex;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_select::concat::concat_batches;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use radio_io::Error;
use radio_io::mock::{Mock, MockReport};

const PIXELS: usize = 7781;

fn wavelength(pixel: usize) -> f64 {
    3600.0 + 0.8 * pixel as f64
}

/// A survey in a temporary folder.
struct Survey {
    dir: tempfile::TempDir,
    report: MockReport,
}

impl Survey {
    fn new(spectra: usize, seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let report = Mock::new(spectra).seed(seed).write(dir.path(), |_| {}).unwrap();
        Self { dir, report }
    }

    /// Every tile's file name and bytes.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.dir.path()).unwrap().map(Result::unwrap);
        entries
            .map(|entry| {
                (
                    entry.file_name().into_string().unwrap(),
                    fs::read(entry.path()).unwrap(),
                )
            })
            .collect()
    }

    /// Every tile's rows as one batch, in the order of the report's pixels.
    fn tiles(&self) -> Vec<RecordBatch> {
        self.report
            .pixels
            .iter()
            .map(|pixel| read(&self.dir.path().join(format!("tile-{pixel}.parquet"))))
            .collect()
    }

    fn all(&self) -> Rows {
        let tiles = self.tiles();
        Rows(concat_batches(&tiles[0].schema(), &tiles).unwrap())
    }
}

fn read(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

struct Rows(RecordBatch);

impl Rows {
    fn len(&self) -> usize {
        self.0.num_rows()
    }
    fn long(&self, column: &str, row: usize) -> Option<i64> {
        let array = self.0[column].as_primitive::<Int64Type>();
        array.is_valid(row).then(|| array.value(row))
    }
    fn int(&self, column: &str, row: usize) -> i32 {
        self.0[column].as_primitive::<Int32Type>().value(row)
    }
    fn double(&self, column: &str, row: usize) -> Option<f64> {
        let array = self.0[column].as_primitive::<Float64Type>();
        array.is_valid(row).then(|| array.value(row))
    }
    fn text(&self, column: &str, row: usize) -> Option<&str> {
        let array = self.0[column].as_string::<i32>();
        array.is_valid(row).then(|| array.value(row))
    }
    fn spectrum(&self, column: &str, row: usize) -> Vec<f32> {
        self.0[column]
            .as_fixed_size_list()
            .value(row)
            .as_primitive::<Float32Type>()
            .values()
            .to_vec()
    }
    fn mask(&self, row: usize) -> Vec<i32> {
        self.0["mask"]
            .as_fixed_size_list()
            .value(row)
            .as_primitive::<Int32Type>()
            .values()
            .to_vec()
    }
    fn with(&self, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.len()).filter(|&row| wanted(row)).collect()
    }
    fn is_dead(&self, row: usize) -> bool {
        self.text("objtype", row) == Some("")
    }
}

#[test]
fn the_same_seed_writes_the_same_bytes_on_any_number_of_threads() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Survey::new(120, 3)).files()
    };
    let one = on(1);
    assert!(one.len() > 1, "one tile cannot show an effect of threads");
    assert!(one == on(3));
}

#[test]
fn another_seed_or_size_is_another_survey() {
    let ids = |spectra, seed| {
        let rows = Survey::new(spectra, seed).all();
        (0..rows.len())
            .map(|row| rows.double("target_ra", row).unwrap().to_bits())
            .collect::<HashSet<u64>>()
    };
    assert!(ids(50, 1).is_disjoint(&ids(50, 2)));
    assert_eq!(ids(50, 1).len(), 50);
}

#[test]
fn every_count_is_exact() {
    for spectra in [0, 1, 2, 50, 130] {
        let dir = tempfile::tempdir().unwrap();
        let calls = Mutex::new(Vec::new());
        let report = Mock::new(spectra)
            .write(dir.path(), |done| calls.lock().unwrap().push(done))
            .unwrap();
        let survey = Survey { dir, report };
        let files = survey.files();
        let rows: usize = survey.tiles().iter().map(RecordBatch::num_rows).sum();
        assert_eq!((rows, survey.report.rows), (spectra, spectra as u64));
        assert_eq!(
            (files.len(), survey.report.pixels.len()),
            (survey.report.tiles, survey.report.tiles)
        );
        assert_eq!(files.values().map(Vec::len).sum::<usize>() as u64, survey.report.bytes);
        let calls = calls.into_inner().unwrap();
        assert_eq!(calls.len(), survey.report.tiles);
        assert!(
            calls.is_sorted() && calls.last().copied().unwrap_or(0) == spectra as u64,
            "{calls:?}"
        );
    }
}

#[test]
fn refuses_what_no_disk_holds_and_reports_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let error = Mock::new(usize::MAX).write(dir.path(), |_| {}).unwrap_err();
    assert!(matches!(error, Error::Option { name: "spectra", .. }), "{error}");
    let file = dir.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let error = Mock::new(1).write(&file, |_| {}).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if *path == file), "{error}");
}

#[test]
fn two_surveys_at_once_in_one_folder_do_not_meet() {
    let alone = Survey::new(60, 8).files();
    let dir = tempfile::tempdir().unwrap();
    // The part of another process, in the name that an earlier version gave it.
    let other = dir.path().join(format!("{}.part", alone.keys().next().unwrap()));
    fs::write(&other, "half").unwrap();
    let write = || Mock::new(60).seed(8).write(dir.path(), |_| {}).unwrap();
    let (first, second) = std::thread::scope(|scope| {
        let second = scope.spawn(write);
        (write(), second.join().unwrap())
    });
    assert_eq!(first, second);
    assert_eq!(fs::read(&other).unwrap(), b"half");
    fs::remove_file(other).unwrap();
    assert!(Survey { dir, report: first }.files() == alone);
}

#[test]
fn an_error_leaves_no_part() {
    let first = Survey::new(1, 0).files().into_keys().next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let tile = dir.path().join(&first);
    fs::create_dir(&tile).unwrap();
    let error = Mock::new(1).write(dir.path(), |_| {}).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if *path == tile), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// Taken from shared/data/tiles/desi with pyarrow 26: `ParquetFile(path).schema_arrow`.
const COLUMNS: [&str; 16] = [
    "targetid Int64 not null",
    "survey Utf8",
    "objtype Utf8",
    "healpix Int32",
    "target_ra Float64",
    "target_dec Float64",
    "z Float64",
    "zerr Float64",
    "zwarn Int64",
    "spectype Utf8",
    "deltachi2 Float64",
    "desi_target Int64",
    "coadd_fiberstatus Int32",
    "flux 7781 x Float32 not null not null",
    "ivar 7781 x Float32 not null not null",
    "mask 7781 x Int32 not null not null",
];

#[test]
fn tiles_have_the_columns_and_the_metadata_of_desi_tiles() {
    use arrow_schema::DataType;
    let survey = Survey::new(2, 11);
    let schema = survey.tiles()[0].schema();
    let columns: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| {
            let null = |nullable: bool| if nullable { "" } else { " not null" };
            let kind = match field.data_type() {
                DataType::FixedSizeList(item, n) => format!("{n} x {}{}", item.data_type(), null(item.is_nullable())),
                other => other.to_string(),
            };
            format!("{} {kind}{}", field.name(), null(field.is_nullable()))
        })
        .collect();
    assert_eq!(columns, COLUMNS);

    let path = survey
        .dir
        .path()
        .join(format!("tile-{}.parquet", survey.report.pixels[0]));
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let value = |key: &str| {
        pairs
            .iter()
            .find(|pair| pair.key == key)
            .unwrap()
            .value
            .clone()
            .unwrap()
    };
    let grid = r#"{"unit": "Angstrom", "frame": "vacuum, barycentric", "start": 3600.0, "step": 0.8, "n": 7781}"#;
    assert_eq!(value("wavelength"), grid);
    assert_eq!(value("flux_unit"), "1e-17 erg / (s cm2 Angstrom)");
    let about: serde_json::Value = serde_json::from_str(&value("mock")).unwrap();
    assert_eq!((&about["real"], &about["seed"]), (&false.into(), &11.into()));

    for column in reader.metadata().row_group(0).columns() {
        let path = column.column_path().string();
        let spectrum = path.ends_with(".list.element");
        assert_eq!(column.statistics().is_none(), spectrum, "{path}");
        assert_eq!(
            column.dictionary_page_offset().is_some(),
            spectrum && path.starts_with("mask") || is_text(&path)
        );
    }
}

fn is_text(column: &str) -> bool {
    ["survey", "objtype", "spectype"].contains(&column)
}

#[test]
fn every_row_lies_in_the_tile_of_its_position_and_ids_are_unique_and_sorted() {
    let survey = Survey::new(300, 5);
    let mut ids = HashSet::new();
    for (tile, &pixel) in survey.tiles().into_iter().zip(&survey.report.pixels) {
        let rows = Rows(tile);
        let mut last = i64::MIN;
        for row in 0..rows.len() {
            let (ra, dec) = (
                rows.double("target_ra", row).unwrap(),
                rows.double("target_dec", row).unwrap(),
            );
            assert!(
                (0.0..360.0).contains(&ra) && (-90.0..=90.0).contains(&dec),
                "{ra} {dec}"
            );
            assert_eq!(cdshealpix::nested::hash(6, ra.to_radians(), dec.to_radians()), pixel);
            assert_eq!(rows.int("healpix", row), pixel as i32);
            let id = rows.long("targetid", row).unwrap();
            assert!(id > last && ids.insert(id), "{id} after {last}");
            // Imaging release 9010, as in most of DESI's identifiers; the bit above it says blank sky.
            let release = (id & !(1 << 59)) >> 42;
            assert!(id < 0 || release == 9010, "{id} does not look like DESI's");
            last = id;
        }
    }
    assert_eq!(ids.len(), 300);
    assert!(survey.report.pixels.is_sorted());
}

#[test]
fn the_patch_has_desis_density_and_crosses_right_ascension_0() {
    let rows = Survey::new(300, 5).all();
    // The centre: where four pixels meet, sin dec = 1/3.
    let (sin0, cos0) = (1.0 / 3.0, (8f64 / 9.0).sqrt());
    // 300 spectra at 457 per square degree.
    let radius = (300.0 / 457.0 / std::f64::consts::PI).sqrt();
    let (mut west, mut near) = (0, 0);
    for row in 0..300 {
        let (ra, dec) = (
            rows.double("target_ra", row).unwrap(),
            rows.double("target_dec", row).unwrap(),
        );
        let (sin, cos) = dec.to_radians().sin_cos();
        let away = (sin * sin0 + cos * cos0 * ra.to_radians().cos())
            .min(1.0)
            .acos()
            .to_degrees();
        assert!(away < radius * 1.001, "{away} degrees from the centre");
        west += usize::from(ra > 180.0);
        near += usize::from(away < radius / 2.0);
    }
    assert!((60..240).contains(&west), "{west} of 300 west of 0");
    assert!((20..150).contains(&near), "{near} of 300 in the middle quarter");
}

#[test]
fn galaxies_cluster() {
    let rows = Survey::new(300, 5).all();
    let galaxies = rows.with(|row| rows.text("spectype", row) == Some("GALAXY"));
    // Pairs at the same redshift within 1000 km/s: as many as n(z) makes by chance, and those of clusters.
    let pairs = |shift: f64| {
        let mut count = 0;
        for (n, &i) in galaxies.iter().enumerate() {
            for &j in &galaxies[n + 1..] {
                let (a, b) = (rows.double("z", i).unwrap(), rows.double("z", j).unwrap() + shift);
                count += usize::from((a - b).abs() < 0.0033 * (1.0 + a));
            }
        }
        count
    };
    let chance = (pairs(0.03) + pairs(-0.03)) / 2;
    assert!(pairs(0.0) > 2 * chance, "{} pairs, {chance} by chance", pairs(0.0));
}

#[test]
fn dead_fibres_are_dead_and_blank_sky_is_noise() {
    let survey = Survey::new(300, 9);
    let rows = survey.all();
    let dead = rows.with(|row| rows.is_dead(row));
    let sky = rows.with(|row| rows.text("objtype", row) == Some("SKY"));
    assert_eq!(
        (dead.len() as u64, sky.len() as u64),
        (survey.report.dead, survey.report.sky)
    );
    assert!(
        (1..=15).contains(&dead.len()) && (1..=10).contains(&sky.len()),
        "{} {}",
        dead.len(),
        sky.len()
    );

    for row in 0..300 {
        let target = rows.text("objtype", row) == Some("TGT");
        for column in ["z", "zerr", "deltachi2"] {
            assert_eq!(rows.double(column, row).is_some(), target, "{column} of row {row}");
        }
        assert_eq!(
            (rows.long("zwarn", row).is_some(), rows.text("spectype", row).is_some()),
            (target, target)
        );
        assert_eq!(rows.long("targetid", row).unwrap() < 0, rows.is_dead(row));
        assert_eq!(rows.int("coadd_fiberstatus", row) != 0, rows.is_dead(row));
    }
    for &row in &dead {
        assert!(rows.spectrum("ivar", row).iter().all(|&ivar| ivar == 0.0));
    }
    // Values that must be normal with mean 0 and variance 1, 5 standard errors.
    let mut values = Vec::new();
    for &row in &sky {
        let (flux, ivar) = (rows.spectrum("flux", row), rows.spectrum("ivar", row));
        values.extend(
            flux.iter()
                .zip(ivar)
                .filter(|pair| pair.1 > 0.0)
                .map(|(f, w)| f64::from(f * w.sqrt())),
        );
    }
    check_normal(&values);
}

#[track_caller]
fn check_normal(values: &[f64]) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let far = values.iter().filter(|x| x.abs() > 3.0).count() as f64 / n;
    assert!(mean.abs() < 5.0 / n.sqrt(), "mean {mean} of {n}");
    assert!(
        (variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
        "variance {variance} of {n}"
    );
    assert!((far - 0.0027).abs() < 5.0 * (0.0027 / n).sqrt(), "{far} beyond 3 sigma");
}

#[test]
fn noise_of_objects_follows_ivar() {
    // Second differences remove a spectrum that is straight over three pixels, and have six times the variance. Faint
    // galaxies are straight enough, apart from their lines.
    let rows = Survey::new(100, 2).all();
    let mut values = Vec::new();
    for row in rows.with(|row| rows.text("spectype", row) == Some("GALAXY")) {
        let (flux, ivar) = (rows.spectrum("flux", row), rows.spectrum("ivar", row));
        for i in (4000..7000).step_by(3) {
            let weights = [ivar[i], ivar[i + 1], ivar[i + 2]];
            let signal = (flux[i] + flux[i + 1] + flux[i + 2]) / 3.0;
            if weights.contains(&0.0) || signal * weights[1].sqrt() > 4.0 {
                continue;
            }
            let variance = 1.0 / weights[0] + 4.0 / weights[1] + 1.0 / weights[2];
            values.push(f64::from((flux[i] - 2.0 * flux[i + 1] + flux[i + 2]) / variance.sqrt()));
        }
    }
    let variance = values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64;
    // Three per cent: lines leave a little, and the cut on the noisy signal removes a little.
    assert!(
        values.len() > 10_000 && (variance - 1.0).abs() < 0.03,
        "{variance} of {}",
        values.len()
    );
}

#[test]
fn spoilt_pixels_have_a_bit_and_no_weight() {
    let rows = Survey::new(100, 2).all();
    let (mut spoilt, mut pixels) = (0u32, 0u32);
    for row in rows.with(|row| !rows.is_dead(row)) {
        let ivar = rows.spectrum("ivar", row);
        for (i, (mask, ivar)) in rows.mask(row).into_iter().zip(ivar).enumerate() {
            assert_eq!(mask != 0, ivar == 0.0, "pixel {i} of row {row}");
            assert!(ivar >= 0.0 && ivar.is_finite());
            spoilt += u32::from(mask != 0);
            pixels += 1;
        }
        assert!(rows.spectrum("flux", row).iter().all(|flux| flux.is_finite()));
    }
    let part = f64::from(spoilt) / f64::from(pixels);
    assert!((0.003..0.007).contains(&part), "{part} of the pixels are spoilt");
    // A bad column is bad in every row of its tile.
    let tile = Rows(Survey::new(100, 2).tiles().swap_remove(0));
    let lit = tile.with(|row| !tile.is_dead(row));
    let columns: HashSet<usize> = (0..PIXELS)
        .filter(|&i| lit.iter().all(|&row| tile.mask(row)[i] & 2 != 0))
        .collect();
    assert!((1..=15).contains(&columns.len()), "{columns:?}");
}

#[test]
fn emission_lines_are_where_the_redshift_says() {
    let rows = Survey::new(200, 4).all();
    let elgs = rows.with(|row| {
        let bright = rows.double("deltachi2", row).is_some_and(|gain| gain > 1000.0);
        rows.long("desi_target", row) == Some(2) && rows.long("zwarn", row) == Some(0) && bright
    });
    assert!(elgs.len() >= 3, "{} bright ELGs", elgs.len());
    let mut found = 0;
    for &row in &elgs {
        let (flux, ivar) = (rows.spectrum("flux", row), rows.spectrum("ivar", row));
        // The doublet is not resolved here: sum five pixels, and look 60 Å left and right of where it should be.
        let expected = 3728.7 * (1.0 + rows.double("z", row).unwrap());
        let near = |i: &usize| (wavelength(*i) - expected).abs() < 60.0;
        let significance = |i: usize| {
            let pixels = || (i - 2..=i + 2).filter(|&k| ivar[k] > 0.0);
            pixels().map(|k| flux[k] * ivar[k]).sum::<f32>() / pixels().map(|k| ivar[k]).sum::<f32>().sqrt()
        };
        let peak = (2..PIXELS - 2)
            .filter(near)
            .max_by(|&a, &b| significance(a).total_cmp(&significance(b)))
            .unwrap();
        found += usize::from((wavelength(peak) - expected).abs() < 4.0);
    }
    assert!(found * 10 >= elgs.len() * 9, "{found} of {} at their place", elgs.len());
}

#[test]
fn the_calcium_break_of_red_galaxies_is_where_the_redshift_says() {
    let rows = Survey::new(200, 4).all();
    let red = rows.with(|row| {
        rows.long("desi_target", row) == Some(1) && rows.double("deltachi2", row).is_some_and(|gain| gain > 300.0)
    });
    assert!(red.len() >= 20, "{} bright red galaxies", red.len());
    for row in red {
        let z = rows.double("z", row).unwrap();
        let (flux, ivar) = (rows.spectrum("flux", row), rows.spectrum("ivar", row));
        let mean = |from: f64, to: f64| {
            let inside = |i: &usize| (from..to).contains(&(wavelength(*i) / (1.0 + z))) && ivar[*i] > 0.0;
            let weight: f32 = (0..PIXELS).filter(inside).map(|i| ivar[i]).sum();
            (0..PIXELS).filter(inside).map(|i| flux[i] * ivar[i]).sum::<f32>() / weight
        };
        // The windows of D4000 (Balogh et al. 1999): old galaxies have 1.5 to 2.1.
        let break_strength = mean(4000.0, 4100.0) / mean(3850.0, 3950.0);
        assert!(
            (1.2..2.6).contains(&break_strength),
            "{break_strength} in row {row} at z = {z}"
        );
    }
}

#[test]
fn redshifts_errors_and_warnings_are_those_of_their_class() {
    let rows = Survey::new(300, 6).all();
    let targets = rows.with(|row| rows.text("objtype", row) == Some("TGT"));
    for &row in &targets {
        let (z, error) = (rows.double("z", row).unwrap(), rows.double("zerr", row).unwrap());
        let (warning, gain) = (rows.long("zwarn", row).unwrap(), rows.double("deltachi2", row).unwrap());
        assert!((1e-8..=5e-3).contains(&error), "{error}");
        assert_eq!(warning, if gain < 9.0 { 4 } else { 0 });
        let (low, high) = match (rows.text("spectype", row), warning) {
            (_, 4) => (-0.1, 3.6),
            (Some("GALAXY"), _) => (0.03, 1.53),
            (Some("QSO"), _) => (0.75, 3.55),
            _ => (-2e-3, 2e-3),
        };
        assert!(
            (low..high).contains(&z),
            "z = {z} of a {:?}",
            rows.text("spectype", row)
        );
    }
    let flagged = targets
        .iter()
        .filter(|&&row| rows.long("zwarn", row) == Some(4))
        .count();
    assert!(
        (1..=30).contains(&flagged),
        "{flagged} of {} are flagged",
        targets.len()
    );
}
