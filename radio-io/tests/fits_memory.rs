//! What reading FITS takes of memory, by a counting allocator: so it is a program of its own.

#![cfg(feature = "fits")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

#[path = "it/fits.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod fits;

use std::io::Write as _;
use std::path::Path;

use radio_io::fits::{FitsFile, FitsOptions, HduKind, catalogue, spectra};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Reads everything, and returns the bytes at the peak.
fn peak(path: &Path) -> usize {
    let profiler = dhat::Profiler::builder().testing().build();
    let options = FitsOptions::default();
    for batches in [spectra(path, &options), catalogue(path, &options)]
        .into_iter()
        .flatten()
    {
        batches.for_each(drop);
    }
    if let Ok(file) = FitsFile::open(path) {
        for hdu in file.hdus() {
            match hdu.kind() {
                HduKind::Image { .. } => drop(file.image::<f32>(hdu.name())),
                HduKind::Table { .. } => drop(file.table(hdu.name(), &[])),
                _ => {}
            }
        }
    }
    let peak = dhat::HeapStats::get().max_bytes;
    drop(profiler);
    peak
}

/// One test, since the allocator counts for the whole program.
#[test]
fn memory_is_that_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let small = fits::coadd(3, &[("B", 3600.0, 60), ("R", 3640.0, 50)]).concat();
    let golden = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fits-tiles.fits")).unwrap();
    // Arrow's arrays begin with 1 kB each, and buffers of one chunk are read at once.
    let beside = 1 << 20;
    let values = [
        "-1",
        "999",
        "2147483647",
        "100000000",
        "999999999999",
        "9223372036854775807",
        "'999999999J'",
        "'9999999999A'",
    ];
    let keywords = [
        "NAXIS", "PCOUNT", "GCOUNT", "TFIELDS", "TFORM", "BITPIX", "ZNAXIS", "ZTILE", "ZVAL", "ZBITPIX",
    ];
    let check = |file: &[u8], what: &dyn std::fmt::Display| {
        let found = peak(&fits::write(folder.path(), "hostile.fits", file));
        assert!(
            found <= 8 * file.len() + beside,
            "{found} bytes for a file of {}, {what}",
            file.len()
        );
    };
    for whole in [small, golden] {
        let cards = (0..whole.len()).step_by(80).filter(|&at| {
            keywords
                .iter()
                .any(|keyword| whole[at..].starts_with(keyword.as_bytes()))
        });
        for (number, card) in cards.enumerate() {
            let mut file = whole.clone();
            let value = values[number % values.len()];
            file[card + 10..card + 80].copy_from_slice(format!("{value:>20}{:50}", "").as_bytes());
            let keyword = String::from_utf8_lossy(&whole[card..card + 9]);
            check(&file, &format_args!("where {keyword} is {value}"));
        }
        // Cut at every block, and within each.
        for cut in (0..whole.len()).step_by(1440) {
            check(&whole[..cut], &format_args!("cut at {cut}"));
        }
        // As a whole compressed, and the same cut.
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&whole).unwrap();
        let packed = packed.finish().unwrap();
        for cut in (0..packed.len()).step_by(1440).chain([packed.len()]) {
            let found = peak(&fits::write(folder.path(), "hostile.fits.gz", &packed[..cut]));
            assert!(
                found <= 8 * whole.len() + beside,
                "{found} bytes, packed and cut at {cut}"
            );
        }
    }

    // A batch, not the file.
    let path = fits::write(folder.path(), "coadd.fits", fits::coadd(200, &fits::ARMS).concat());
    let size = std::fs::metadata(&path).unwrap().len() as usize;
    let profiler = dhat::Profiler::builder().testing().build();
    let options = FitsOptions::default().with_batch_rows(16.try_into().unwrap());
    let rows: usize = spectra(&path, &options)
        .unwrap()
        .map(|batch| batch.unwrap().num_rows())
        .sum();
    let peak = dhat::HeapStats::get().max_bytes;
    drop(profiler);
    assert_eq!(rows, 200);
    assert!(
        peak < size / 4,
        "{peak} bytes for a file of {size}, read 16 rows at once"
    );
}
