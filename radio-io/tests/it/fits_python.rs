//! Real DESI files beside what astropy reads of them, also tile by tile compressed by astropy.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use radio_io::fits::{FitsFile, FitsOptions};

use crate::fits_real::{check_column, read, tile};
use crate::real::root;

/// The Python of RADIO_PYTHON, or that of RADIO_HATS_PYTHON (lsdb brings astropy), or else python3, where it has astropy.
fn python() -> Option<String> {
    let named = ["RADIO_PYTHON", "RADIO_HATS_PYTHON"].map(|name| std::env::var(name).ok());
    let mut pythons = named.into_iter().flatten().chain(["python3".to_owned()]);
    let has_astropy = |python: &String| {
        let output = Command::new(python)
            .args(["-c", "import astropy, pyarrow.parquet"])
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    let python = pythons.find(has_astropy);
    if python.is_none() {
        let message = "SKIPPED FITS by astropy: no Python has it (set RADIO_HATS_PYTHON)\n";
        std::io::stderr().write_all(message.as_bytes()).unwrap();
    }
    python
}

/// The images of a compressed file are those that astropy reads: integers and whole floats to the bit, quantized ones to the rounding of f32.
fn check_images(packed: &Path, plain: &Path, tolerance: f64) {
    let (packed, plain) = (FitsFile::open(packed).unwrap(), FitsFile::open(plain).unwrap());
    let mut seen = 0;
    for hdu in plain.hdus().iter().filter(|hdu| hdu.number() > 0) {
        let name = format!("{}: {}", packed.path().display(), hdu.name());
        assert!(packed.hdu(hdu.name()).unwrap().card("ZCMPTYPE").is_some(), "{name}");
        let [found, expected] = [&packed, &plain].map(|file| file.image::<f64>(hdu.name()).unwrap());
        assert_eq!(found.shape(), expected.shape(), "{name}");
        let near = |(a, b): (&f64, &f64)| a == b || (a - b).abs() <= tolerance * b.abs() || a.is_nan() && b.is_nan();
        assert!(found.iter().zip(&expected).all(near), "{name}");
        if let Ok(expected) = plain.image::<i32>(hdu.name()) {
            assert_eq!(packed.image::<i32>(hdu.name()).unwrap(), expected, "{name}");
        }
        seen += 1;
    }
    // Of each arm five.
    assert_eq!(seen, 15);
}

/// Coadds and exposures: ids, positions and masks are equal, flux and ivar to 1e-6, since arms are summed there in doubles.
#[test]
fn desi_spectra_are_those_of_astropy() {
    let (Some(root), Some(python)) = (root(), python()) else {
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/fits_reference.py");
    for (name, more) in [
        ("coadd-sv3-dark-26065", &[][..]),
        ("coadd-5-169-thru20210419", &[]),
        ("spectra-sv3-dark-26065", &["EXPID"]),
        ("spectra-5-169-thru20210419", &["EXPID"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = root.join(format!("fits/desi/{name}.fits"));
        let output = Command::new(&python)
            .arg(&script)
            .args([&path, &folder.path().to_owned()])
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

        let options = FitsOptions::default().with_columns(more.iter().copied());
        let found = read(path.clone(), &options);
        let expected = tile(folder.path().join("spectra.parquet"));
        assert_eq!(found.num_rows(), 5);
        for field in expected.schema().fields() {
            let column = field.name().as_str();
            // Doubles, and lists whose elements may be null.
            let found = arrow_cast::cast(&found[column], expected[column].data_type()).unwrap();
            check_column(&format!("{name}: {column}"), &found, &expected[column]);
        }

        let file = |method: &str| folder.path().join(format!("{method}.fits"));
        for (method, tolerance) in [
            ("rice", 1e-6),
            ("rice_zeros", 1e-6),
            ("gzip1", 0.0),
            ("gzip2", 0.0),
            ("gzip2_quantized", 1e-6),
        ] {
            check_images(&file(method), &file(&format!("{method}_is")), tolerance);
        }
        // Where nothing was quantized, the spectra are the same.
        for method in ["gzip1", "gzip2"] {
            let packed = read(file(method), &options);
            for column in ["targetid", "flux", "ivar", "mask"] {
                assert_eq!(&packed[column], &found[column], "{name}, {method}: {column}");
            }
        }
    }
}
