//! Damaged files are errors.

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;
use radio_io::Error;
use radio_io::fits::{FitsFile, FitsOptions, HduKind, catalogue, spectra};

use crate::fits::{coadd, floats, hdu, image, primary, table, write};

/// Reads everything there is, and says what the first error is.
fn read_all(path: &Path) -> Result<(), Error> {
    let file = FitsFile::open(path)?;
    let images_and_tables = file.hdus().iter().map(|hdu| match hdu.kind() {
        HduKind::Image { shape } if shape.is_empty() => Ok(()),
        HduKind::Image { .. } => file.image::<f32>(hdu.name()).map(drop),
        HduKind::Table { .. } => file.table(hdu.name(), &[]).map(drop),
        _ => Ok(()),
    });
    let mut results: Vec<Result<(), Error>> = images_and_tables.collect();
    for batches in [
        spectra(path, &FitsOptions::default()),
        catalogue(path, &FitsOptions::default()),
    ] {
        results.push(batches.and_then(|mut batches| batches.try_for_each(|batch| batch.map(drop))));
    }
    results.into_iter().collect()
}

fn small() -> Vec<u8> {
    coadd(2, &[("B", 3600.0, 40), ("R", 3620.0, 30)]).concat()
}

fn golden() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fits-tiles.fits");
    std::fs::read(path).unwrap()
}

/// What a header may say by malice or mistake.
const VALUES: [&str; 16] = [
    "-1",
    "0",
    "3",
    "999",
    "99999",
    "2147483647",
    "4294967297",
    "999999999999999999",
    "9223372036854775807",
    "-9223372036854775808",
    "99999999999999999999999",
    "1E300",
    "'9999999999J'",
    "'1QB(9)'",
    "T",
    "",
];

/// Cards, by where they begin, whose values say how large something is.
fn sizes(file: &[u8]) -> Vec<usize> {
    let keywords = [
        "NAXIS", "BITPIX", "PCOUNT", "GCOUNT", "TFIELDS", "TFORM", "TNULL", "THEAP", "ZNAXIS", "ZTILE", "ZBITPIX",
        "ZVAL", "ZCMPTYPE", "BZERO", "TZERO", "HPX",
    ];
    let is_size = |card: &[u8]| keywords.iter().any(|keyword| card.starts_with(keyword.as_bytes()));
    (0..file.len()).step_by(80).filter(|&at| is_size(&file[at..])).collect()
}

fn set(file: &mut [u8], card: usize, value: &str) {
    file[card + 10..card + 80].copy_from_slice(format!("{value:70}").as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(11), failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn damage_never_panics(
        packed: bool,
        bytes in proptest::collection::vec((any::<Index>(), any::<u8>()), 0..20),
        cards in proptest::collection::vec((any::<Index>(), 0..VALUES.len()), 0..3),
        cut in proptest::option::of(any::<Index>()),
    ) {
        let mut file = if packed { golden() } else { small() };
        let places = sizes(&file);
        for (card, value) in cards {
            set(&mut file, places[card.index(places.len())], VALUES[value]);
        }
        for (place, byte) in bytes {
            let place = place.index(file.len());
            file[place] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        let folder = tempfile::tempdir().unwrap();
        // Whatever comes of it.
        let _ = read_all(&write(folder.path(), "damaged.fits", file));
    }
}

/// Each value at each place.
#[test]
fn hostile_headers_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let whole = small();
    for place in sizes(&whole) {
        for value in VALUES {
            let mut file = whole.clone();
            set(&mut file, place, value);
            let _ = read_all(&write(folder.path(), "hostile.fits", file));
        }
    }
}

/// Cut anywhere, a file is an error that says so, but where an arm ends: there are files of fewer arms, and without masks.
#[test]
fn cut_files() {
    let folder = tempfile::tempdir().unwrap();
    let hdus = coadd(2, &[("B", 3600.0, 40), ("R", 3620.0, 30)]);
    let whole = hdus.concat();
    // Of B_IVAR and of B_MASK.
    let ends = [5, 6].map(|hdus_before| hdus[..hdus_before].iter().map(Vec::len).sum::<usize>());
    for cut in (0..whole.len()).step_by(2880).chain((0..whole.len()).step_by(977)) {
        let path = write(folder.path(), "cut.fits", &whole[..cut]);
        let _ = read_all(&path);
        // The zeros that fill the last block of an arm may be missing.
        let is_whole = ends.iter().any(|end| (end - 2560..end + 8).contains(&cut)) || cut >= whole.len() - 2640;
        let result = spectra(&path, &FitsOptions::default());
        assert_eq!(
            result.is_ok(),
            is_whole,
            "cut at {cut}, B ends at {ends:?}: {:?}",
            result.err()
        );
    }
}

/// Three kilobytes that declare a terabyte.
#[test]
fn promises_are_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let check = |hdu: Vec<u8>, expected: &str| {
        let path = write(folder.path(), "small.fits", [primary(), hdu].concat());
        let error = read_all(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\n{expected}");
    };
    let cards = |cards: &[&str]| hdu(&cards.iter().map(|&card| card.to_owned()).collect::<Vec<_>>(), &[]);
    let image_cards = [
        "XTENSION='IMAGE   '",
        "BITPIX=-32",
        "NAXIS=2",
        "NAXIS1=500000",
        "NAXIS2=500000",
        "PCOUNT=0",
        "GCOUNT=1",
    ];
    check(
        cards(&image_cards),
        "HDU 1: its header declares 1000000000000 bytes of data, the file has 0 of them",
    );
    let packed = [
        "XTENSION='BINTABLE'",
        "BITPIX=8",
        "NAXIS=2",
        "NAXIS1=8",
        "NAXIS2=1",
        "PCOUNT=0",
        "GCOUNT=1",
        "TFIELDS=1",
        "TTYPE1='COMPRESSED_DATA'",
        "TFORM1='1PB(0)'",
        "ZIMAGE=T",
        "ZBITPIX=32",
        "ZNAXIS=2",
        "ZNAXIS1=500000",
        "ZNAXIS2=500000",
        "ZTILE1=500000",
        "ZTILE2=500000",
        "ZCMPTYPE='GZIP_1'",
        "EXTNAME='A'",
    ];
    let mut bytes = cards(&packed);
    bytes.resize(bytes.len() + 2880, 0);
    check(
        bytes,
        "HDU 1 (A): 1000000000000 bytes of pixels cannot be in 0 bytes of tiles",
    );
    let table_cards = [
        "XTENSION='BINTABLE'",
        "BITPIX=8",
        "NAXIS=2",
        "NAXIS1=0",
        "NAXIS2=1000000000000",
        "PCOUNT=0",
        "GCOUNT=1",
        "TFIELDS=0",
        "EXTNAME='A'",
    ];
    check(cards(&table_cards), "HDU 1 (A): 1000000000000 rows of no bytes");
    assert!(start.elapsed() < Duration::from_secs(20));
}

/// Errors say where, and what to do.
#[test]
fn words_of_errors() {
    let folder = tempfile::tempdir().unwrap();
    let check = |hdus: &[Vec<u8>], expected: &str| {
        let path = write(folder.path(), "bad.fits", hdus.concat());
        let error =
            spectra(&path, &FitsOptions::default()).map(|mut batches| batches.try_for_each(|batch| batch.map(drop)));
        let error = error.and_then(|result| result).unwrap_err().to_string();
        let error = error.strip_prefix(&format!("{}: ", path.display())).unwrap();
        assert_eq!(error, expected);
    };
    let arms = [("B", 3600.0, 4), ("R", 3601.6, 4)];
    let good = coadd(2, &arms);
    check(
        &[b"PAR1".to_vec()],
        "HDU 0: the file does not begin with SIMPLE: it is no FITS file",
    );
    check(
        &good[..1],
        "all HDUs: no spectra: expected B_WAVELENGTH, B_FLUX, … and FIBERMAP (DESI), or a table of flux, loglam and ivar (SDSS); \
         there are PRIMARY",
    );
    let without = |number: usize| [&good[..number], &good[number + 1..]].concat();
    check(
        &without(1),
        "all HDUs: no HDU of the name FIBERMAP; there are PRIMARY, B_WAVELENGTH, B_FLUX, B_IVAR, B_MASK, R_WAVELENGTH, R_FLUX, R_IVAR, R_MASK",
    );
    check(
        &without(8),
        "all HDUs: no HDU of the name R_IVAR; there are PRIMARY, FIBERMAP, B_WAVELENGTH, B_FLUX, B_IVAR, B_MASK, R_WAVELENGTH, R_FLUX, R_MASK",
    );
    check(
        &without(9),
        "all HDUs: no HDU of the name R_MASK, though there are masks of other arms: is the file complete?",
    );
    let with = |number: usize, hdu: Vec<u8>| {
        let mut hdus = good.clone();
        hdus[number] = hdu;
        hdus
    };
    check(
        &with(7, image("R_FLUX", -32, &[4, 3], &[], &floats([0.0; 12]))),
        "HDU 7 (R_FLUX): [3, 4] pixels, expected 2 (rows of FIBERMAP) of 4 (wavelengths of the arm)",
    );
    check(
        &with(5, image("B_MASK", -32, &[4, 2], &[], &floats([0.0; 8]))),
        "HDU 5 (B_MASK): pixels are stored as BITPIX -32, expected integers of at most 32 bits",
    );
    check(
        &with(1, table("FIBERMAP", &[("FIBER", "J")], &[vec![0; 4], vec![0; 4]])),
        "HDU 1 (FIBERMAP): no column TARGETID",
    );
    check(
        &with(
            1,
            table("FIBERMAP", &[("TARGETID", "3A")], &[b"abc".to_vec(), b"12 ".to_vec()]),
        ),
        "HDU 1 (FIBERMAP): column TARGETID or OBJECT_ID is Utf8, expected Int64: Cast error: Cannot cast string 'abc' to value of Int64 type",
    );
    check(
        &with(1, table("FIBERMAP", &[("TARGETID", "9K")], &[vec![0; 8], vec![0; 8]])),
        "HDU 1 (FIBERMAP): column TARGETID: ends at byte 72 of a row, which has 8 (NAXIS1): its header is damaged",
    );
    let far = coadd(2, &[("B", 3600.0, 4), ("R", 3600.0 + 0.8 * 100.0, 4)]);
    check(
        &far,
        "HDU 6 (R_WAVELENGTH): the gap before this arm is larger than the 8 pixels of all arms up to it",
    );
    let off = coadd(2, &[("B", 3600.0, 4), ("R", 3602.0, 4)]);
    check(
        &off,
        "HDU 6 (R_WAVELENGTH): the wavelengths are not on the grid of the first arm, 3600 Å + i · 0.8 Å",
    );
    let columns = [("flux", "E"), ("loglam", "E"), ("ivar", "E")];
    let sdss = |loglam: [f32; 3]| {
        let rows = loglam.map(|loglam| floats([1.0, loglam, 1.0]));
        [primary(), table("COADD", &columns, &rows)]
    };
    for (loglam, expected) in [
        ([3.5, 3.75, 3.6], "row 2: 3981.0708 Å comes after 5623.413 Å"),
        ([3.5, 3.5, 3.6], "row 1: 3162.2776 Å comes after 3162.2776 Å"),
        ([f32::NAN, 3.5, 3.6], "row 0: NaN Å comes after 0 Å"),
        ([3.5, 3.6, 99.0], "row 2: inf Å comes after 3981.0708 Å"),
    ] {
        let but = ", but column loglam has to increase: the file is damaged, get it again";
        check(&sdss(loglam), &format!("HDU 1 (COADD): {expected}{but}"));
    }
}
