//! The cosmic web example, run as its users run it, on a small universe.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::Path;

use clap::Parser as _;
use radio_index::Selection;
use radio_index::blocking::Index;

#[allow(dead_code, reason = "its main function is not called here")]
#[path = "main.rs"]
mod cosmic_web;

/// Small enough for a test: what comes out is all of it, and better than a guess.
const SMALL: [&str; 10] = [
    "--galaxies",
    "6000",
    "--cells",
    "32",
    "--box-size",
    "100",
    "--hidden",
    "16",
    "--steps",
    "60",
];

fn run(out: &Path, arguments: &[&str]) -> cosmic_web::Result<[radio_models::web::Comparison; 2]> {
    let arguments = [&["cosmic_web", "--out", out.to_str().unwrap()], &SMALL[..], arguments].concat();
    cosmic_web::run(&cosmic_web::Options::parse_from(arguments))
}

#[test]
fn classes_are_learned_recorded_and_drawn() {
    let out = tempfile::tempdir().unwrap();
    let comparisons = run(out.path(), &[]).unwrap();
    for comparison in &comparisons {
        let [graph, .., majority] = &comparison.models[..] else {
            panic!("{comparison}")
        };
        assert!(
            graph.confusion.macro_f1() > majority.confusion.macro_f1() + 0.1,
            "{comparison}"
        );
    }
    let text = fs::read_to_string(out.path().join("comparison.md")).unwrap();
    assert!(text.contains(&comparisons[1].to_string()));
    let picture = fs::read_to_string(out.path().join("web.svg")).unwrap();
    assert!(picture.contains("as GraphSAGE sees them") && picture.len() < 1 << 20);
    assert!(out.path().join("training/losses.svg").is_file());

    let index = Index::open(&format!("sqlite:{}", out.path().join("index.db").display())).unwrap();
    let runs = index.class_runs().unwrap();
    assert_eq!(runs.len(), 1);
    assert!(runs[0].name.ends_with(&runs[0].model_hash) && runs[0].options.contains("fan_outs"));
    drop(index);
    // Again: the training is there, and so is its result.
    assert_eq!(run(out.path(), &[]).unwrap(), comparisons);
    let index = Index::open(&format!("sqlite:{}", out.path().join("index.db").display())).unwrap();
    assert_eq!(index.class_runs().unwrap(), runs);
    // The catalogue is empty: nothing of the run is in a selection of it.
    assert!(index.classes(&runs[0].name, &Selection::all()).unwrap().len() <= 6000);
}

#[test]
fn a_survey_in_redshift_space_is_one_too() {
    let out = tempfile::tempdir().unwrap();
    let arguments = [
        "--survey",
        "--redshift-space",
        "--near",
        "--aggregation",
        "pool",
        "--galaxies",
        "20000",
    ];
    let comparisons = run(out.path(), &arguments).unwrap();
    assert!(
        comparisons[1].models[0].confusion.accuracy() > 0.3,
        "{}",
        comparisons[1]
    );
}

#[test]
fn what_makes_no_sense_is_an_error() {
    let out = tempfile::tempdir().unwrap();
    let error = run(out.path(), &["--cells", "33"]).unwrap_err().to_string();
    assert!(error.contains("cells is 33"), "{error}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = run(file.path(), &[]).unwrap_err().to_string();
    assert!(error.contains(file.path().to_str().unwrap()), "{error}");
}
