//! A datasheet of a mock survey, checked as users check it, and read by the programs that it is written for.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use clap::Parser as _;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use radio_datasheet::{Answers, Datasheet, Document, Summary};
use radio_index::blocking::Index;
use radio_index::{KeyColumns, PixelSummary, Selection, SyncOptions};

#[allow(dead_code, reason = "its main function is not called here")]
#[path = "main.rs"]
mod datasheet_check;

use datasheet_check::common::pixels;

fn check(out: &Path, arguments: &[&str]) -> bool {
    let tiles = out.join("tiles");
    let arguments = [
        &[
            "datasheet_check",
            "--dir",
            out.to_str().unwrap(),
            "--tiles",
            tiles.to_str().unwrap(),
        ],
        arguments,
    ]
    .concat();
    datasheet_check::run(&datasheet_check::Options::parse_from(arguments)).unwrap()
}

/// A mock survey with its index and its datasheet.
fn survey(out: &Path, spectra: usize) -> Summary {
    radio_io::mock::Mock::new(spectra)
        .write(out.join("tiles"), |_| {})
        .unwrap();
    let index = Index::open(&format!("sqlite:{}", out.join("index.db").display())).unwrap();
    index.sync(&SyncOptions::new(out.join("tiles"))).unwrap();
    let summary = index.summary().unwrap();
    let answers = Answers::from_toml("title = 'A mock survey'\n[distribution]\nlicence = 'MIT'").unwrap();
    Datasheet::new(&summary, &answers).write(out).unwrap();
    summary
}

#[test]
fn what_drifts_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    survey(out, 300);
    for depth in ["stat", "footer", "content"] {
        assert!(check(out, &["--depth", depth]));
    }
    assert!(check(
        out,
        &["--json", "--since", out.join("datasheet.json").to_str().unwrap()]
    ));

    let sheet = out.join("DATA_README.md");
    let text = fs::read_to_string(&sheet).unwrap();
    fs::write(&sheet, text.replacen("| 300 |", "| 301 |", 1)).unwrap();
    assert!(!check(out, &[]));
    fs::write(&sheet, text).unwrap();
    assert!(check(out, &[]));

    // A byte more at the end of a tile is no Parquet any more.
    let tile = fs::read_dir(out.join("tiles")).unwrap().next().unwrap().unwrap().path();
    fs::OpenOptions::new()
        .append(true)
        .open(&tile)
        .unwrap()
        .write_all(b"x")
        .unwrap();
    assert!(!check(out, &[]));
    // And once the index knows of it, the datasheet's own check names the tile.
    let index = Index::open(&format!("sqlite:{}", out.join("index.db").display())).unwrap();
    index.sync(&SyncOptions::new(out.join("tiles"))).unwrap();
    let report = radio_datasheet::check(out, &index.summary().unwrap()).unwrap();
    let name = tile.file_name().unwrap().to_str().unwrap();
    assert!(
        report.differences.iter().any(|found| found.place.contains(name)),
        "{report}"
    );

    // Nothing of it is in a folder without a datasheet.
    let empty = tempfile::tempdir().unwrap();
    let options = ["datasheet_check", "--dir", empty.path().to_str().unwrap()];
    assert!(datasheet_check::run(&datasheet_check::Options::parse_from(options)).is_err());
}

#[test]
fn pixels_are_counted_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let mut summary = survey(out, 60);
    let index = Index::open(&format!("sqlite:{}", out.join("index.db").display())).unwrap();
    let counted = pixels(&index.plan(&Selection::all()).unwrap()).unwrap();
    let write = |summary: &Summary| Datasheet::new(summary, &Answers::default()).write(out).unwrap();
    fs::remove_file(out.join("DATA_README.md")).unwrap();
    summary.pixels = Some(counted);
    write(&summary);
    assert!(check(out, &["--depth", "content"]));
    // As if a pixel of a tile had been masked since, and nothing else were changed.
    let mut other = counted;
    other.masked -= 1;
    summary.pixels = Some(other);
    write(&summary);
    assert!(check(out, &["--depth", "footer"]));
    assert!(!check(out, &["--depth", "content"]));
}

/// All Parquet files below a folder, and every batch of these columns in them.
fn batches(folder: &Path, columns: &[&str]) -> Vec<RecordBatch> {
    let mut folders = vec![folder.to_owned()];
    let mut batches = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // Margins of HATS are rows twice; names that begin with `_` are about the data.
                if !path.to_str().unwrap().contains("margin") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "parquet")
                && !path.file_name().unwrap().to_str().unwrap().starts_with(['_', '.'])
                && !path.to_str().unwrap().ends_with("data_thumbnail.parquet")
            {
                let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
                let known = builder.parquet_schema().root_schema().get_fields().iter();
                let roots = known
                    .enumerate()
                    .filter(|(_, field)| columns.contains(&field.name()))
                    .map(|(at, _)| at);
                let mask = parquet::arrow::ProjectionMask::roots(builder.parquet_schema(), roots);
                batches.extend(builder.with_projection(mask).build().unwrap().map(Result::unwrap));
            }
        }
    }
    batches
}

/// Every value of a column of numbers that is there and finite.
fn values(batches: &[RecordBatch], name: &str) -> Vec<f64> {
    let column = |batch: &RecordBatch| -> Vec<f64> {
        let Some(column) = batch.column_by_name(name) else {
            return Vec::new();
        };
        let column = arrow_cast::cast(column, &arrow_schema::DataType::Float64).unwrap();
        column
            .as_primitive::<Float64Type>()
            .iter()
            .flatten()
            .filter(|x| x.is_finite())
            .collect()
    };
    batches.iter().flat_map(column).collect()
}

/// The figures of a datasheet against Arrow's own reading of the tiles.
#[track_caller]
fn check_figures(summary: &Summary, folder: &Path, [ra, dec, z]: [&str; 3]) {
    let batches = batches(folder, &[ra, dec, z, "zerr", "deltachi2", "targetid", "spectype"]);
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!((summary.tiles.rows, summary.catalogue.rows), (rows as u64, rows as u64));
    let redshifts: Vec<f64> = values(&batches, z)
        .into_iter()
        .filter(|z| z.abs() < 999_999.0)
        .collect();
    assert_eq!(summary.catalogue.without_redshift, (rows - redshifts.len()) as u64);
    let bounds = |values: &[f64]| {
        values
            .iter()
            .fold((f64::MAX, f64::MIN), |(a, b), &x| (a.min(x), b.max(x)))
    };
    let mut per_tile: Vec<u64> = summary.files.iter().map(|file| file.rows).collect();
    per_tile.sort_unstable();
    let spread = summary.tiles.rows_per_tile;
    assert_eq!(
        (Some(&spread.min), Some(&spread.max)),
        (per_tile.first(), per_tile.last())
    );
    for file in &summary.files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&file.uri).unwrap()).unwrap();
        assert_eq!(
            file.rows,
            reader.metadata().file_metadata().num_rows() as u64,
            "{}",
            file.uri
        );
        assert_eq!(file.bytes, fs::metadata(&file.uri).unwrap().len(), "{}", file.uri);
    }
    assert_eq!(
        summary.tiles.bytes,
        summary.files.iter().map(|file| file.bytes).sum::<u64>()
    );
    assert_eq!(
        summary.sky.pixels.iter().map(|pixel| pixel.1).sum::<u64>(),
        values(&batches, ra).len() as u64
    );
    let of = summary.catalogue.z.unwrap();
    assert_eq!((of.min, of.max), bounds(&redshifts));
    let of = summary.catalogue.dec.unwrap();
    assert_eq!((of.min, of.max), bounds(&values(&batches, dec)));
    let of = summary.catalogue.ra.unwrap();
    assert_eq!((of.min, of.max), bounds(&values(&batches, ra)));
    let histogram = &summary.redshifts;
    for (bin, &count) in histogram.counts.iter().enumerate() {
        let edge = |bin: usize| histogram.start + bin as f64 * histogram.width;
        let inside = redshifts
            .iter()
            .filter(|&&z| edge(bin) <= z && z < edge(bin + 1))
            .count();
        assert_eq!(count, inside as u64, "bin {bin}");
    }
    for spread in &summary.catalogue.spreads {
        let there = values(&batches, &spread.column);
        for (part, &count) in spread.counts.iter().enumerate() {
            let from = part.checked_sub(1).map_or(f64::MIN, |edge| spread.edges[edge]);
            let below = spread.edges.get(part).copied().unwrap_or(f64::MAX);
            let inside = there.iter().filter(|&&x| from <= x && x < below).count();
            assert_eq!(count, inside as u64, "{} from {from} to {below}", spread.column);
        }
    }
    let spreads = ["zerr", "deltachi2"].map(|column| usize::from(!values(&batches, column).is_empty()));
    assert_eq!(summary.catalogue.spreads.len(), spreads.iter().sum::<usize>());
    let mut classes: BTreeMap<String, u64> = BTreeMap::new();
    let mut ids: Vec<i64> = Vec::new();
    for batch in &batches {
        if let Some(column) = batch.column_by_name("spectype") {
            let column = arrow_cast::cast(column, &arrow_schema::DataType::Utf8).unwrap();
            let texts = column.as_string::<i32>();
            (0..texts.len()).for_each(|row| {
                let class = if texts.is_valid(row) { texts.value(row) } else { "" };
                *classes.entry(class.to_owned()).or_default() += 1;
            });
        }
        if let Some(column) = batch.column_by_name("targetid") {
            ids.extend(column.as_primitive::<Int64Type>().values());
        }
    }
    if !classes.is_empty() {
        let counted: BTreeMap<String, u64> = summary.catalogue.classes.iter().cloned().collect();
        assert_eq!(counted, classes);
    }
    if !ids.is_empty() {
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(summary.catalogue.ids, ids.len() as u64);
    }
}

/// Pixels as radio-io reads them against Arrow's own reading.
fn check_pixels(index: &Index, folder: &Path) {
    let read = pixels(&index.plan(&Selection::all()).unwrap()).unwrap();
    let mut expected = PixelSummary::default();
    for batch in batches(folder, &["flux", "ivar", "mask"]) {
        let column = |name: &str| -> Vec<f64> {
            let lists = batch.column_by_name(name).unwrap().as_fixed_size_list();
            let numbers = arrow_cast::cast(lists.values(), &arrow_schema::DataType::Float64).unwrap();
            numbers.as_primitive::<Float64Type>().values().to_vec()
        };
        let (flux, ivar, mask) = (column("flux"), column("ivar"), column("mask"));
        let is_good = |i: usize| flux[i].is_finite() && ivar[i].is_finite() && ivar[i] > 0.0 && mask[i] == 0.0;
        let count = |is: &dyn Fn(usize) -> bool| (0..flux.len()).filter(|&i| is(i)).count() as u64;
        let pixels = flux.len() / batch.num_rows();
        expected.spectra += batch.num_rows() as u64;
        expected.dead += (0..batch.num_rows())
            .filter(|row| !(row * pixels..(row + 1) * pixels).any(is_good))
            .count() as u64;
        expected.pixels += flux.len() as u64;
        expected.good += count(&is_good);
        expected.flux_not_finite += count(&|i| !flux[i].is_finite());
        expected.ivar_not_finite += count(&|i| !ivar[i].is_finite());
        expected.ivar_not_positive += count(&|i| ivar[i] <= 0.0);
        expected.masked += count(&|i| mask[i] != 0.0);
    }
    assert_eq!(read, expected);
    assert!(read.masked > 0 && read.dead > 0 && read.good > 0, "{read:?}");
}

#[test]
fn figures_are_those_of_the_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let summary = survey(folder.path(), 500);
    check_figures(&summary, &folder.path().join("tiles"), ["target_ra", "target_dec", "z"]);
    let index = Index::open(&format!("sqlite:{}", folder.path().join("index.db").display())).unwrap();
    check_pixels(&index, &folder.path().join("tiles"));
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let data = PathBuf::from(std::env::var_os("RADIO_REAL_DATA").unwrap_or_else(|| default.into()));
    for (name, columns) in [
        ("tiles/desi", ["target_ra", "target_dec", "z"]),
        ("catalogs/sdss_dr7_hats/sdss_dr7_vollim", ["ra", "dec", "z"]),
    ] {
        let tiles = data.join(name);
        if !tiles.is_dir() {
            let message = format!("SKIPPED: no real data at {} (set RADIO_REAL_DATA)\n", tiles.display());
            std::io::stderr().write_all(message.as_bytes()).unwrap();
            continue;
        }
        let index = Index::open("sqlite::memory:").unwrap();
        let columns_of_index = KeyColumns::default().with_numbered_rows();
        index
            .sync(&SyncOptions::new(&tiles).with_columns(columns_of_index))
            .unwrap();
        check_figures(&index.summary().unwrap(), &tiles, columns);
        if name.starts_with("tiles") {
            check_pixels(&index, &tiles);
        }
    }
}

#[test]
fn loaders_of_data_sets_read_it() {
    let python = std::env::var("RADIO_PYTHON").unwrap_or_else(|_| "python3".into());
    let has_loader = Command::new(&python)
        .args(["-c", "import jsonschema, mlcroissant, pyarrow"])
        .output();
    if !has_loader.is_ok_and(|output| output.status.success()) {
        let message = format!("SKIPPED {python} has no mlcroissant, jsonschema and pyarrow (set RADIO_PYTHON)\n");
        std::io::stderr().write_all(message.as_bytes()).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let summary = survey(out, 200);
    let document = Document::from_json(&fs::read_to_string(out.join("datasheet.json")).unwrap()).unwrap();
    assert_eq!(document.tiles, ["tiles/*.parquet"]);
    let validate = Command::new(&python)
        .args(["-m", "mlcroissant.scripts.validate", "--jsonld"])
        .arg(out.join("croissant.json"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&validate.stderr).into_owned();
    assert!(validate.status.success(), "{said}");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasheet_check/croissant.py");
    let output = Command::new(&python)
        .arg(script)
        .arg(out)
        .args(["target_ra", "targetid"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let numbers: Vec<f64> = String::from_utf8(output.stdout)
        .unwrap()
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    let tiles = batches(&out.join("tiles"), &["target_ra", "targetid"]);
    let sum = |name: &str| values(&tiles, name).iter().sum::<f64>();
    assert_eq!(numbers[0], summary.tiles.rows as f64);
    assert!((numbers[1] / sum("target_ra") - 1.0).abs() < 1e-9);
    assert!((numbers[2] / sum("targetid") - 1.0).abs() < 1e-9);
}
