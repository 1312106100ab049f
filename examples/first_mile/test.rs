//! The first mile with real FITS files, and again after a stop.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use radio_datasheet::{Document, check};
use radio_index::blocking::Index;

#[allow(dead_code, reason = "its main function is not called here")]
#[path = "main.rs"]
mod first_mile;

fn run(fits: &Path, out: &Path, more: &[&str]) -> first_mile::Result<()> {
    let folders = [
        "first_mile",
        "--fits",
        fits.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    first_mile::run(&first_mile::Options::parse_from(folders.iter().chain(more)))
}

/// The folder of real FITS files, or `None` with a word about it.
fn data() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let data = PathBuf::from(std::env::var_os("RADIO_REAL_DATA").unwrap_or_else(|| default.into())).join("fits");
    if data.is_dir() {
        return Some(data);
    }
    let message = format!("SKIPPED no real data at {} (set RADIO_REAL_DATA)\n", data.display());
    std::io::stderr().write_all(message.as_bytes()).unwrap();
    None
}

#[test]
fn fits_files_become_a_data_set() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    run(&data, &out, &[]).unwrap();
    let index = Index::open(&format!("sqlite:{}", out.join("index.db").display())).unwrap();
    let summary = index.summary().unwrap();
    // 12 coadded rows and 25 files of one.
    assert_eq!((summary.catalogue.rows, summary.tiles.rows), (37, 37));
    assert!(check(&out, &summary).unwrap().is_true());
    let document = Document::from_json(&fs::read_to_string(out.join("datasheet.json")).unwrap()).unwrap();
    let pixels = document.summary.pixels.unwrap();
    // Seven fibres of DESI have no signal.
    assert_eq!((pixels.spectra, pixels.dead), (37, 7));
    assert!(!out.join("parts").exists());

    // Again, with a tile that is gone: it comes back, and nothing else has changed.
    let tile = PathBuf::from(summary.files[0].uri.trim_start_matches("file://"));
    let before = fs::read(&tile).unwrap();
    fs::remove_file(&tile).unwrap();
    run(&data, &out, &[]).unwrap();
    assert!(fs::read(&tile).unwrap() == before);
    assert_eq!(index.summary().unwrap().catalogue.rows, 37);

    // Exposures are other rows.
    let exposures = folder.path().join("exposures");
    run(
        &data.join("desi"),
        &exposures,
        &["--exposures", "--order", "3", "--profile", "archive"],
    )
    .unwrap();
    let index = Index::open(&format!("sqlite:{}", exposures.join("index.db").display())).unwrap();
    assert_eq!(index.summary().unwrap().catalogue.rows, 10);
}

/// Those of a damaged file are missing, all others are there.
#[test]
fn damaged_files_are_left_out() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let fits = folder.path().join("fits");
    fs::create_dir(&fits).unwrap();
    let whole = |name: &str| fs::read(data.join(name)).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(fits.join(name), bytes).unwrap();
    write("spec-a.fits", &whole("sdss/spec-4055-55359-0001.fits"));
    write("coadd-5-169.fits", &whole("desi/coadd-5-169-thru20210419.fits"));
    write("spec-cut.fits", &whole("sdss/spec-4055-55359-0006.fits")[..100_000]);
    write("spec-cut.fits.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2]);
    write("noise.fits", &[7; 5000]);
    // Found only when its rows are read: ids that are no numbers.
    let mut bytes = whole("desi/coadd-sv3-dark-26065.fits");
    let card = b"TFORM1  = 'K       '";
    let at = bytes.windows(card.len()).position(|window| window == card).unwrap();
    bytes[at..at + card.len()].copy_from_slice(b"TFORM1  = '8A      '");
    write("coadd-ids.fits", &bytes);
    // Its redshifts are damaged.
    write("coadd-special.fits", &whole("desi/coadd-special-dark-27247.fits"));
    write("redrock-special.fits", b"SIMPLE");
    let out = folder.path().join("out");
    run(&fits, &out, &[]).unwrap();
    let index = Index::open(&format!("sqlite:{}", out.join("index.db").display())).unwrap();
    assert_eq!(index.summary().unwrap().catalogue.rows, 6);
}

#[test]
fn a_folder_without_spectra_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("broken.fits"), "SIMPLE").unwrap();
    let error = run(folder.path(), &folder.path().join("out"), &[])
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("no FITS file with spectra"), "{error}");
}
