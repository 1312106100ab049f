//! The bridge to Python: a cache's files are Arrow, which pyarrow maps for numpy and torch.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use radio_io::{ReadOptions, Reader, Resources, Runtime};

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
