//! The anomalies example, run as its users run it: on a mock and on real tiles.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Parser as _;

#[allow(dead_code, reason = "its main function is not called here")]
#[path = "main.rs"]
mod anomalies;

/// Runs the example with `--out OUT` and these arguments.
fn run(out: &Path, arguments: &[&str]) -> anomalies::Result<()> {
    let arguments = [&["anomalies", "--out", out.to_str().unwrap()], arguments].concat();
    anomalies::run(&anomalies::Options::parse_from(arguments))
}

fn folder_of_real_tiles(survey: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let folder = std::env::var_os("RADIO_REAL_DATA").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let folder = folder.join("tiles").join(survey);
    if folder.is_dir() {
        return Some(folder);
    }
    let message = format!("SKIPPED no real data at {} (set RADIO_REAL_DATA)\n", folder.display());
    std::io::stderr().write_all(message.as_bytes()).unwrap();
    None
}

/// Small enough for a test: what comes out is nonsense, but all of it.
const MOCK: [&str; 8] = [
    "--spectra",
    "4000",
    "--steps",
    "12",
    "--gallery",
    "7",
    "--fraction",
    "0.1",
];

#[test]
fn anomalies_are_put_in_scored_judged_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    run(out, &MOCK).unwrap();
    for (file, least) in [("comparison.json", 20), ("comparison-dense.json", 500)] {
        let comparison: serde_json::Value = serde_json::from_str(&fs::read_to_string(out.join(file)).unwrap()).unwrap();
        let scores = comparison["scores"].as_array().unwrap();
        assert_eq!(scores.len(), 6);
        for score in scores {
            let overall = &score["evaluation"]["overall"];
            assert!(overall["injected"].as_u64().unwrap() > least, "{overall}");
            assert!((0.0..=1.0).contains(&overall["auroc"]["value"].as_f64().unwrap()));
        }
    }
    let gallery = fs::read_to_string(out.join("gallery.html")).unwrap();
    assert_eq!(gallery.matches("<article").count(), 7);
    assert!(gallery.contains("no telescope saw these"));
    assert!(out.join("training-conv-autoencoder/losses.svg").exists());
    let rows = rows_of(&out.join("scores.parquet"));

    // Again: nothing is trained, and everything is as it was.
    let before = fs::read_to_string(out.join("comparison.json")).unwrap();
    run(out, &MOCK).unwrap();
    assert_eq!(fs::read_to_string(out.join("comparison.json")).unwrap(), before);
    assert_eq!(rows_of(&out.join("scores.parquet")), rows);

    // The other model, and real spectra with the first.
    let scorer = out.join("mock-scorer.safetensors");
    fs::rename(out.join("scorer.safetensors"), &scorer).unwrap();
    run(out, &[&MOCK[..], &["--model", "masked", "--batch", "16"]].concat()).unwrap();
    assert!(out.join("training-masked-autoencoder/losses.svg").exists());
    for (survey, expected) in [("desi", 12), ("sdss", 25)] {
        let Some(tiles) = folder_of_real_tiles(survey) else {
            continue;
        };
        let real = out.join(survey);
        let arguments = ["--tiles", tiles.to_str().unwrap(), "--scorer", scorer.to_str().unwrap()];
        run(&real, &arguments).unwrap();
        let rows = rows_of(&real.join("scores.parquet"));
        assert_eq!(rows.len(), expected);
        let dead = rows
            .iter()
            .filter(|(score, flags)| score.is_none() && *flags == 1)
            .count();
        assert!(
            rows.iter()
                .all(|(score, flags)| score.is_some_and(f64::is_finite) == (*flags == 0)),
            "{rows:?}"
        );
        assert_eq!(dead, if survey == "desi" { 7 } else { 0 });
    }
    // A model of another kind is no model.
    let error = run(
        out,
        &[
            "--spectra",
            "4000",
            "--model",
            "masked",
            "--scorer",
            scorer.to_str().unwrap(),
        ],
    )
    .unwrap_err();
    assert!(error.to_string().contains("conv-autoencoder"), "{error}");
}

/// Score and flags of each row.
fn rows_of(path: &Path) -> Vec<(Option<f64>, u32)> {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, UInt32Type};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap();
    let batches = reader.build().unwrap().map(Result::unwrap);
    let rows = batches.flat_map(|batch| {
        let score = batch
            .column_by_name("score")
            .unwrap()
            .as_primitive::<Float64Type>()
            .clone();
        let flags = batch
            .column_by_name("flags")
            .unwrap()
            .as_primitive::<UInt32Type>()
            .clone();
        let one = move |row| (score.is_valid(row).then(|| score.value(row)), flags.value(row));
        (0..batch.num_rows()).map(one).collect::<Vec<_>>()
    });
    rows.collect()
}
