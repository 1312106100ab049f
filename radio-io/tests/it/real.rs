use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use radio_io::{ReadOptions, ReadPlan, Reader, SpectrumBatch, TileSlice};

/// The folder of the real data, or `None` with a word about it.
pub(crate) fn root() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let root = PathBuf::from(std::env::var("RADIO_REAL_DATA").unwrap_or_else(|_| default.into()));
    if !fs::exists(&root).unwrap() {
        // Past the test harness, which keeps the output of a test that passes to itself.
        let message = format!(
            "SKIPPED no real data at {} (set RADIO_REAL_DATA)
",
            root.display()
        );
        std::io::stderr().write_all(message.as_bytes()).unwrap();
        return None;
    }
    Some(root)
}

/// All batches of the tiles of a folder of the real data.
fn read(folder: &str, rows: &[(&str, u64)]) -> Option<Vec<SpectrumBatch>> {
    let root = root()?.join(folder);
    let slice = |(name, rows): &(&str, u64)| TileSlice::new(root.join(name).to_str().unwrap(), 0..*rows);
    let plan: ReadPlan = rows.iter().map(slice).collect();
    Some(
        Reader::new(&plan, ReadOptions::default())
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap(),
    )
}

#[test]
fn desi_tiles() {
    let tiles = [
        ("coadd-4-80613-thru20210324.parquet", 1),
        ("coadd-5-169-thru20210419.parquet", 5),
        ("coadd-special-dark-27247.parquet", 1),
        ("coadd-sv3-dark-26065.parquet", 5),
    ];
    let Some(batches) = read("tiles/desi", &tiles) else {
        return;
    };
    let [batch] = batches.as_slice() else {
        panic!("{batches:?}")
    };
    assert_eq!(batch.flux_matrix().unwrap().dim(), (12, 7781));
    let grid = batch.grid().unwrap();
    assert_eq!((grid[0], grid.len()), (3600.0, 7781));
    assert!((grid[7780] - 9824.0).abs() < 1e-9);
    // Seven of the twelve are dead fibres and sky without signal.
    let dead = batch.spectra().filter(|s| s.ivar.iter().all(|&x| x == 0.0)).count();
    assert_eq!(dead, 7);
}

#[test]
fn sdss_tiles() {
    let tiles = [("galaxy.parquet", 9), ("qso.parquet", 13), ("star.parquet", 3)];
    let Some(batches) = read("tiles/sdss", &tiles) else {
        return;
    };
    let [batch] = batches.as_slice() else {
        panic!("{batches:?}")
    };
    assert_eq!((batch.len(), batch.grid()), (25, None));
    for s in batch.spectra() {
        assert!((3_810..=4_622).contains(&s.flux.len()), "{}", s.flux.len());
        assert!(
            s.wavelength.is_sorted() && s.wavelength[0] > 3_500.0,
            "{:?}",
            &s.wavelength[..3]
        );
        assert!(s.flux.iter().all(|x| x.is_finite()));
    }
    assert!(batch.ids().contains(&358_518_180_504));
}
