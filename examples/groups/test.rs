//! The example of groups, run as its users run it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use parquet::file::reader::{FileReader, SerializedFileReader};
use radio_fof::Group;
use radio_index::Selection;
use radio_index::blocking::Index;

#[allow(dead_code, reason = "its main function is not called here")]
#[path = "main.rs"]
mod groups;

fn run(out: &Path, arguments: &[&str]) -> groups::Result<Vec<Group>> {
    let arguments = [&["groups", "--out", out.to_str().unwrap()], arguments].concat();
    groups::run(&groups::Options::parse_from(arguments))
}

/// What is on disk tells the same as what was returned.
#[track_caller]
fn check(out: &Path, found: &[Group]) {
    assert!(found.is_sorted_by_key(|group| std::cmp::Reverse(group.size)));
    let table = SerializedFileReader::new(File::open(out.join("groups.parquet")).unwrap()).unwrap();
    assert_eq!(table.metadata().file_metadata().num_rows(), found.len() as i64);
    let index = Index::open(&format!("sqlite:{}", out.join("index.db").display())).unwrap();
    let runs = index.group_runs().unwrap();
    assert!(runs.len() == 1 && runs[0].options.contains("density"), "{runs:?}");
    for picture in ["sky.svg", "wedge.svg"] {
        let text = fs::read_to_string(out.join(picture)).unwrap();
        assert!(
            text.contains("richest") && !text.contains("NaN") && text.len() < 1 << 20,
            "{picture}"
        );
        assert!(text.contains(&format!("{} members", found[0].size)), "{picture}");
    }
}

#[test]
fn the_groups_of_a_mock_survey() {
    let out = tempfile::tempdir().unwrap();
    let before = run(out.path(), &["--galaxies", "5000"]).unwrap();
    check(out.path(), &before);
    let again = run(out.path(), &["--galaxies", "5000"]).unwrap();
    assert_eq!(again, before);
    // Tuned lengths find richer groups than the shorter ones.
    let other = tempfile::tempdir().unwrap();
    let tuned = run(other.path(), &["--galaxies", "5000", "--b0", "0.03", "--tune"]).unwrap();
    let untuned = run(other.path(), &["--galaxies", "5000", "--b0", "0.03"]).unwrap();
    assert!(tuned[0].size > untuned[0].size);
}

#[test]
fn every_density_finds_groups() {
    let out = tempfile::tempdir().unwrap();
    for density in ["even", "measured", "smoothed", "fitted"] {
        let found = run(out.path(), &["--galaxies", "3000", "--density", density, "--nessie"]).unwrap();
        assert!(found.len() > 100, "{density}: {}", found.len());
    }
}

#[test]
fn what_is_no_catalogue_is_an_error() {
    let out = tempfile::tempdir().unwrap();
    let empty = tempfile::tempdir().unwrap();
    let error = run(out.path(), &["--catalog", empty.path().to_str().unwrap()]).unwrap_err();
    assert!(!error.to_string().is_empty());
    let error = run(out.path(), &["--b0=-1"]).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "option b0 is -1.0, expected positive and finite");
}

#[test]
fn the_coma_cluster_is_among_the_richest_of_the_real_sky() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let root = PathBuf::from(std::env::var_os("RADIO_REAL_DATA").unwrap_or_else(|| default.into()));
    let catalog = root.join("catalogs/sdss_dr7_hats");
    if !catalog.is_dir() {
        let message = format!("SKIPPED: no real data at {} (set RADIO_REAL_DATA)\n", catalog.display());
        std::io::stderr().write_all(message.as_bytes()).unwrap();
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let found = run(out.path(), &["--catalog", catalog.to_str().unwrap()]).unwrap();
    check(out.path(), &found);
    // Abell 1656 is at (194.95, +27.98), z = 0.0231 (Struble & Rood 1999), and its dispersion is near 1000 km/s.
    let is_coma = |group: &&Group| (group.ra - 194.95).abs() < 0.5 && (group.dec - 27.98).abs() < 0.5;
    let coma = found[..groups::RICHEST].iter().find(is_coma).unwrap();
    assert!((coma.z - 0.0231).abs() < 0.002, "{coma:?}");
    assert!((600.0..1300.0).contains(&coma.velocity_dispersion_km_s), "{coma:?}");
    let index = Index::open(&format!("sqlite:{}", out.path().join("index.db").display())).unwrap();
    let recorded = index.groups("fof-0.06-18", &Selection::all()).unwrap();
    let members: u32 = found.iter().map(|group| group.size).sum();
    assert_eq!(recorded.len(), members as usize);
}
