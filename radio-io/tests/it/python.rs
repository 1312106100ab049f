//! The bridge to Python: a cache's files are Arrow, which pyarrow maps for numpy and torch.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_schema::DataType;
use radio_io::{Profile, ReadOptions, Reader, Resources, Runtime, TileWriter, WriteOptions};

use crate::tile::{GRID, flat, plan, write};

/// Id, flux, ivar and mask.
type Row = (i64, Vec<f32>, Vec<f32>, Vec<i32>);

/// The Python of RADIO_PYTHON, or else python3, where it has pyarrow.
fn python() -> Option<String> {
    let python = std::env::var("RADIO_PYTHON").unwrap_or_else(|_| "python3".into());
    let has_arrow = Command::new(&python).args(["-c", "import numpy, pyarrow"]).output();
    if has_arrow.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let message = format!("SKIPPED {python} has no pyarrow (set RADIO_PYTHON)\n");
    std::io::stderr().write_all(message.as_bytes()).unwrap();
    None
}

#[test]
fn numpy_and_torch_map_the_files_of_a_cache() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        &folder.path().join("t.parquet"),
        &flat(&(0..300).collect::<Vec<_>>(), Some(GRID)),
        100,
    );
    let mut resources = Resources::default();
    resources.cache = 1 << 30;
    resources.cache_folder = Some(folder.path().join("cache"));
    let options = ReadOptions::default().with_runtime(&Runtime::new(&resources).unwrap());
    let batches = Reader::new(&plan([(path.as_path(), 300)]), options)
        .unwrap()
        .map(Result::unwrap);
    let mut expected = BTreeMap::new();
    for batch in batches {
        for spectrum in batch.spectra() {
            let row = (
                spectrum.id,
                spectrum.flux.to_vec(),
                spectrum.ivar.to_vec(),
                spectrum.mask.to_vec(),
            );
            expected.insert(spectrum.id as u64, row);
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/cache.py");
    let output = Command::new(python)
        .arg(script)
        .arg(folder.path().join("cache"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let errors = String::from_utf8_lossy(&output.stderr);
    for line in errors.lines().filter(|line| line.starts_with("SKIPPED")) {
        std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    let lines = String::from_utf8(output.stdout).unwrap();
    let found: BTreeMap<u64, Row> = lines
        .lines()
        .map(|line| {
            let (row, id, flux, ivar, mask) = serde_json::from_str(line).unwrap();
            (row, (id, flux, ivar, mask))
        })
        .collect();
    assert_eq!(found.len(), 300);
    assert!(found == expected);
}

#[test]
fn pyarrow_reads_tiles_and_their_checksums() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tile.parquet");
    let batch = crate::write::flat(3, 700, 90);
    for (profile, codec) in [
        (Profile::Compatible, "SNAPPY"),
        (Profile::Archive, "ZSTD"),
        (Profile::Training, "UNCOMPRESSED"),
    ] {
        let options = WriteOptions::default()
            .with_profile(profile)
            .with_row_group_bytes(200_000);
        let mut writer = TileWriter::create(&path, batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/tile.py");
        let output = Command::new(&python).arg(script).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (found["rows"].as_u64(), found["codec"].as_str()),
            (Some(700), Some(codec))
        );
        assert_eq!(found["sorted"], serde_json::json!([0]));
        assert_eq!(
            found["wavelength"].as_str(),
            batch.schema().metadata().get("wavelength").map(String::as_str)
        );
        for (column, sum) in (3..).zip(found["sums"].as_array().unwrap()) {
            let values = batch.column(column).as_fixed_size_list().values().clone();
            let values = arrow_cast::cast(&values, &DataType::Float64).unwrap();
            let expected: f64 = values.as_primitive::<Float64Type>().values().iter().sum();
            assert!((sum.as_f64().unwrap() - expected).abs() < 1e-9 * expected.abs());
        }
        let ids = batch.column(0).as_primitive::<Int64Type>().values();
        let galaxies: Vec<i64> = ids.iter().copied().filter(|id| id % 5 > 0 && id % 2 == 0).collect();
        assert_eq!(found["galaxies"], serde_json::json!(galaxies));
    }
}
