//! Images and tables of every kind.

use std::io::Write as _;
use std::path::Path;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, RecordBatch, StringArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use ndarray::array;
use proptest::prelude::*;
use radio_io::fits::{FitsFile, FitsOptions, HduKind, catalogue, spectra};

use crate::fits::{ARMS, coadd, doubles, floats, image, primary, table, write};

fn golden() -> FitsFile {
    FitsFile::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fits-tiles.fits")).unwrap()
}

/// Opens a file of a primary HDU and this one.
fn open(hdu: &[u8]) -> (tempfile::TempDir, FitsFile) {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "one.fits", [primary(), hdu.to_vec()].concat());
    let file = FitsFile::open(path).unwrap();
    (folder, file)
}

/// Integers are read as floats and as integers; `None` where they cannot be.
#[track_caller]
fn check(bitpix: i64, more: &[&str], data: &[u8], floats: &[f64], integers: Option<&[i64]>) {
    let axes = [data.len() / (bitpix.unsigned_abs() as usize / 8)];
    let (_folder, file) = open(&image("A", bitpix, &axes, more, data));
    let found = file.image::<f64>("A").unwrap();
    let same = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan();
    assert!(
        found.len() == floats.len() && found.iter().zip(floats).all(same),
        "{found}"
    );
    let single = file.image::<f32>("A").unwrap();
    assert!(
        single
            .iter()
            .zip(floats)
            .all(|(a, b)| *a == *b as f32 || a.is_nan() && b.is_nan()),
        "{single}"
    );
    let found = file.image::<i64>("A").ok();
    assert_eq!(found.as_ref().map(|found| found.as_slice().unwrap()), integers);
    // The lowest bits, where 32 are enough.
    let found = file.image::<i32>("A").ok();
    let integers = integers
        .filter(|_| bitpix != 64)
        .map(|values| values.iter().map(|x| *x as i32).collect::<Vec<_>>());
    assert_eq!(found.map(|found| found.into_iter().collect::<Vec<_>>()), integers);
}

#[test]
fn images_of_every_bitpix() {
    check(8, &[], &[0, 1, 255], &[0.0, 1.0, 255.0], Some(&[0, 1, 255]));
    check(
        8,
        &["BZERO=-128"],
        &[0, 128, 255],
        &[-128.0, 0.0, 127.0],
        Some(&[-128, 0, 127]),
    );
    check(16, &[], &[0x80, 0, 0, 7], &[-32768.0, 7.0], Some(&[-32768, 7]));
    check(
        16,
        &["BZERO=32768"],
        &[0x80, 0, 0x7f, 0xff],
        &[0.0, 65535.0],
        Some(&[0, 65535]),
    );
    check(32, &[], &[0xff, 0xff, 0xff, 0xfe], &[-2.0], Some(&[-2]));
    let unsigned = [0x80, 0, 0, 5, 0x7f, 0xff, 0xff, 0xff];
    check(
        32,
        &["BZERO=2147483648"],
        &unsigned,
        &[5.0, 4294967295.0],
        Some(&[5, 4294967295]),
    );
    check(64, &[], &(-3i64).to_be_bytes(), &[-3.0], Some(&[-3]));
    check(
        64,
        &["BZERO=9223372036854775808"],
        &(i64::MIN + 9).to_be_bytes(),
        &[0.0],
        Some(&[9]),
    );
    check(-32, &[], &floats([1.5, f32::NAN]), &[1.5, f64::NAN], None);
    check(-64, &[], &doubles([1.5, f64::NAN]), &[1.5, f64::NAN], None);
    check(16, &["BSCALE=0.5", "BZERO=1.0D1"], &[0, 3], &[11.5], None);
    check(-32, &["BSCALE=2.0"], &floats([1.5]), &[3.0], None);
    check(16, &["BLANK=7"], &[0, 7, 0, 8], &[f64::NAN, 8.0], Some(&[7, 8]));
}

#[test]
fn axes_are_those_of_numpy() {
    let (_folder, file) = open(&image("A", 8, &[3, 2], &[], &[1, 2, 3, 4, 5, 6]));
    let expected = array![[1, 2, 3], [4, 5, 6]].into_dyn();
    assert_eq!(file.image::<i32>("a").unwrap(), expected);
    assert_eq!(file.hdus()[1].kind(), &HduKind::Image { shape: vec![2, 3] });
    assert_eq!(file.hdus()[1].number(), 1);
    let (_folder, file) = open(&image("EMPTY", -32, &[0, 7], &[], &[]));
    assert_eq!(file.image::<f32>("EMPTY").unwrap().shape(), [7, 0]);
}

/// Values of compressed images agree with those that astropy found to the bit, but for quantized ones: those to the
/// rounding of f32.
#[test]
fn compressed_images_of_astropy() {
    let file = golden();
    let mut seen = 0;
    for hdu in file.hdus() {
        let Some(name) = hdu.name().strip_suffix("_IS") else {
            continue;
        };
        assert_eq!(file.hdu(name).unwrap().kind(), hdu.kind(), "{name}");
        let (found, expected) = (file.image::<f64>(name).unwrap(), file.image::<f64>(hdu.name()).unwrap());
        let tolerance = if name.starts_with("DITHER") || name.starts_with("PLAIN") {
            1e-6
        } else {
            0.0
        };
        for (pixel, (a, b)) in found.iter().zip(&expected).enumerate() {
            let near = (a - b).abs() <= tolerance * b.abs() || a.is_nan() && b.is_nan();
            assert!(near, "{name}, pixel {pixel}: {a}, expected {b}");
        }
        if let Ok(expected) = file.image::<i64>(hdu.name()) {
            assert_eq!(file.image::<i64>(name).unwrap(), expected, "{name}");
        }
        seen += 1;
    }
    assert_eq!(seen, 17);
    let nan = file.image::<f32>("DITHER2").unwrap();
    assert!(
        nan[[3, 4]].is_nan() && nan[[5, 7]] == 0.0,
        "blanks and zeros survive dithering"
    );
}

#[test]
fn columns_of_every_type() {
    let file = golden();
    let batch = file.table("TABLE", &[]).unwrap();
    let check = |name: &str, expected: &dyn Array| assert_eq!(&batch[name].to_data(), &expected.to_data(), "{name}");
    check("LOGICAL", &BooleanArray::from(vec![true, false, true]));
    let bits = FixedSizeBinaryArray::try_from_iter([[0x80u8, 0], [0x40, 0], [0x20, 0]].into_iter()).unwrap();
    check("BITS", &bits);
    check("BYTE", &UInt8Array::from(vec![0, 100, 255]));
    check("SIGNED_BYTE", &Int8Array::from(vec![-128, 0, 127]));
    check("SHORT", &Int16Array::from(vec![Some(-32768), None, Some(32767)]));
    check("USHORT", &UInt16Array::from(vec![0, 7, 65535]));
    check("INT", &Int32Array::from(vec![i32::MIN, 5, i32::MAX]));
    check("UINT", &UInt32Array::from(vec![0, 7, u32::MAX]));
    check(
        "LONG",
        &Int64Array::from(vec![i64::MIN, 39_633_345_008_634_465, i64::MAX]),
    );
    check("ULONG", &UInt64Array::from(vec![0, 7, u64::MAX]));
    let single = batch["FLOAT"].as_primitive::<Float32Type>();
    assert!(single.value(0) == 1.5 && single.value(1).is_nan() && single.null_count() == 0);
    check("DOUBLE", &Float64Array::from(vec![1e300, -0.0, f64::INFINITY]));
    check("SCALED", &Float64Array::from(vec![10.0, 11.5, 9.5]));
    check("NAME", &StringArray::from(vec!["GALAXY", "QSO", ""]));
    let vectors = batch["VECTOR"].as_fixed_size_list();
    let values = Float32Array::from_iter_values((0..9_u8).map(f32::from));
    assert_eq!(
        (vectors.value_length(), vectors.values().as_primitive::<Float32Type>()),
        (3, &values)
    );
    assert_eq!(
        batch.schema().field_with_name("INT").unwrap().metadata()["unit"],
        "nmgy"
    );
    assert_eq!(batch.num_columns(), 15);
    let some = file.table("TABLE", &["name", "BYTE"]).unwrap();
    assert_eq!(
        some.schema()
            .fields()
            .iter()
            .map(|f| f.name().as_str())
            .collect::<Vec<_>>(),
        ["NAME", "BYTE"]
    );
    for (column, reason) in [
        ("COMPLEX", "cannot be read"),
        ("RAGGED", "cannot be read"),
        ("X", "no column X"),
    ] {
        let error = file.table("TABLE", &[column]).unwrap_err().to_string();
        assert!(error.contains("HDU 35 (TABLE): ") && error.contains(reason), "{error}");
    }
}

fn rows(path: &Path, options: &FitsOptions) -> Vec<RecordBatch> {
    spectra(path, options).unwrap().map(Result::unwrap).collect()
}

/// A coadd whose HDUs are in any order is the same coadd.
#[test]
fn order_of_hdus_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let arms = ARMS.map(|(arm, start, pixels)| (arm, start, pixels / 10));
    // A tenth of each arm leaves gaps, which is allowed as long as they are not larger than the arms.
    let arms = [
        arms[0],
        ("R", 3600.0 + 0.8 * 260.0, arms[1].2),
        ("Z", 3600.0 + 0.8 * 480.0, arms[2].2),
    ];
    let hdus = coadd(7, &arms);
    let straight = rows(
        &write(folder.path(), "straight.fits", hdus.concat()),
        &FitsOptions::default(),
    );
    assert_eq!(straight.len(), 1);
    assert_eq!(straight[0]["flux"].as_fixed_size_list().value_length(), 480 + 288);
    let mut shuffled = hdus[1..].to_vec();
    shuffled.reverse();
    shuffled.swap(2, 9);
    let file = [vec![hdus[0].clone()], shuffled].concat().concat();
    assert_eq!(
        rows(&write(folder.path(), "shuffled.fits", file), &FitsOptions::default()),
        straight
    );

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&hdus.concat()).unwrap();
    let path = write(folder.path(), "packed.fits.gz", packed.finish().unwrap());
    assert_eq!(rows(&path, &FitsOptions::default()), straight);

    let three = FitsOptions::default().with_batch_rows(3.try_into().unwrap());
    let parts = rows(&folder.path().join("shuffled.fits"), &three);
    assert_eq!(parts.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(
        arrow_select::concat::concat_batches(&straight[0].schema(), &parts).unwrap(),
        straight[0]
    );
}

/// Inverse-variance means, masks, and what is not in the file.
#[test]
fn arms_are_joined() {
    let folder = tempfile::tempdir().unwrap();
    let arm = |name: &str, start: f64, flux: [f32; 3], ivar: [f32; 3], mask: [u8; 3]| {
        [
            image(
                &format!("{name}_WAVELENGTH"),
                -64,
                &[3],
                &[],
                &doubles([start, start + 1.0, start + 2.0]),
            ),
            image(&format!("{name}_FLUX"), -32, &[3, 1], &[], &floats(flux)),
            image(&format!("{name}_IVAR"), -32, &[3, 1], &[], &floats(ivar)),
            image(&format!("{name}_MASK"), 8, &[3, 1], &[], &mask),
        ]
        .concat()
    };
    let fibres = table("FIBERMAP", &[("TARGETID", "K")], &[(-7i64).to_be_bytes().to_vec()]);
    let file = [
        primary(),
        arm("R", 5002.0, [4.0, 5.0, 6.0], [3.0, 0.0, 2.0], [0, 4, 8]),
        fibres,
        arm("B", 5000.0, [1.0, 2.0, 8.0], [1.0, 0.0, 1.0], [1, 2, 0]),
    ];
    let path = write(folder.path(), "coadd-x.fits", file.concat());
    let batch = &rows(&path, &FitsOptions::default())[0];
    let values = |name: &str| batch[name].as_fixed_size_list().values().clone();
    assert_eq!(
        values("flux").as_primitive::<Float32Type>().values(),
        &[1.0, 0.0, 5.0, 0.0, 6.0]
    );
    assert_eq!(
        values("ivar").as_primitive::<Float32Type>().values(),
        &[1.0, 0.0, 4.0, 0.0, 2.0]
    );
    assert_eq!(values("mask").as_primitive::<Int32Type>().values(), &[0, 2, 0, 4, 0]);
    assert_eq!(batch["targetid"].as_primitive::<Int64Type>().value(0), -7);
    for column in ["target_ra", "healpix", "z", "objtype", "desi_target"] {
        assert_eq!(batch[column].null_count(), 1, "{column}");
    }
    assert_eq!(batch["survey"].as_string::<i32>().value(0), "x");
}

/// Spellings of two releases, and of SDSS.
#[test]
fn catalogues_of_several_releases() {
    let folder = tempfile::tempdir().unwrap();
    let id = |id: i64| id.to_be_bytes().to_vec();
    let check = |name: &str, columns: &[(&str, &str)], row: Vec<u8>, expected: [&str; 4]| {
        let path = write(
            folder.path(),
            name,
            [primary(), table("ZCATALOG", columns, &[row])].concat(),
        );
        let batches: Vec<RecordBatch> = catalogue(path, &FitsOptions::default())
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let text = |column: &str| {
            let array: ArrayRef = batches[0][column].clone();
            arrow_cast::display::array_value_to_string(&array, 0).unwrap()
        };
        assert_eq!(["targetid", "z", "zwarn", "desi_target"].map(text), expected, "{name}");
    };
    let row = [id(9), doubles([0.5]), id(4), id(1), id(2)].concat();
    let columns = [
        ("TARGETID", "K"),
        ("Z", "D"),
        ("ZWARN", "K"),
        ("DESI_TARGET", "K"),
        ("SV3_DESI_TARGET", "K"),
    ];
    check("v1.fits", &columns, row.clone(), ["9", "0.5", "4", "1"]);
    let columns = [
        ("targetid", "K"),
        ("z_best", "D"),
        ("zwarn_best", "K"),
        ("SV1_DESI_TARGET", "K"),
        ("OTHER", "K"),
    ];
    check("v2.fits", &columns, row, ["9", "0.5", "4", "1"]);
    let columns = [("object_id", "3A"), ("Z", "E"), ("ZWARNING", "I")];
    check(
        "strings.fits",
        &columns,
        [b"123".to_vec(), floats([0.25]), vec![0, 16]].concat(),
        ["123", "0.25", "16", ""],
    );
}

/// `cargo test --release -p radio-io --features fits --test it -- --ignored --nocapture speed_of_a_coadd`: MB of FITS per
/// second of one thread's CPU time.
#[test]
#[ignore = "prints how fast it is"]
fn speed_of_a_coadd() {
    // Nanoseconds on a CPU stand first.
    let cpu_ns = || -> f64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "coadd-speed.fits", coadd(500, &ARMS).concat());
    let megabytes = std::fs::metadata(&path).unwrap().len() as f64 / 1e6;
    // The clock ticks in 4 ms: many passes make it exact enough.
    let passes = 50;
    let start = cpu_ns();
    for _ in 0..passes {
        let batches = spectra(&path, &FitsOptions::default()).unwrap();
        let rows: usize = batches.map(|batch| batch.unwrap().num_rows()).sum();
        assert_eq!(rows, 500);
    }
    let seconds = (cpu_ns() - start) / 1e9 / f64::from(passes);
    let line = format!("500 rows, {megabytes:.0} MB: {:.0} MB/s\n", megabytes / seconds);
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Whatever numbers: what was written is read.
    #[test]
    fn round_trip(values in proptest::collection::vec(any::<i32>(), 1..200), columns in 1..5_usize) {
        let count = values.len() / columns * columns;
        let values = &values[..count];
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_be_bytes()).collect();
        let (_folder, file) = open(&image("A", 32, &[columns, count / columns], &[], &bytes));
        let found = file.image::<i32>("A").unwrap();
        prop_assert_eq!(found.shape(), [count / columns, columns]);
        prop_assert_eq!(found.into_iter().collect::<Vec<_>>(), values);
    }
}
