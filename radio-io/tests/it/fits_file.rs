//! Images and tables of every kind.

use std::io::Write as _;
use std::path::Path;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Int32Type, Int64Type};
use arrow_array::{
    Array, BooleanArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
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

/// The bytes of a cell.
fn cell(form: &str, value: &str) -> Vec<u8> {
    match form {
        "K" => value.parse::<i64>().unwrap().to_be_bytes().to_vec(),
        "J" => value.parse::<i32>().unwrap().to_be_bytes().to_vec(),
        "I" => value.parse::<i16>().unwrap().to_be_bytes().to_vec(),
        "D" => doubles([value.parse().unwrap()]),
        "E" => floats([value.parse().unwrap()]),
        _ => value.as_bytes().to_vec(),
    }
}

/// Has a table of these columns (name, TFORM and value) a row of these keys, and no others?
#[track_caller]
fn check_keys(hdu: &str, columns: &[(&str, &str, &str)], expected: &[(&str, &str)]) {
    let forms: Vec<(&str, &str)> = columns.iter().map(|&(name, form, _)| (name, form)).collect();
    let row = columns.iter().flat_map(|&(_, form, value)| cell(form, value)).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        folder.path(),
        "zcatalog.fits",
        [primary(), table(hdu, &forms, &[row])].concat(),
    );
    let batches: Vec<RecordBatch> = catalogue(path, &FitsOptions::default())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let schema = batches[0].schema();
    let found = schema.fields().iter().zip(batches[0].columns()).map(|(field, column)| {
        let text = arrow_cast::display::array_value_to_string(column, 0).unwrap();
        (field.name().as_str(), text)
    });
    let found: Vec<(&str, String)> = found.filter(|(_, text)| !text.is_empty()).collect();
    let found: Vec<(&str, &str)> = found.iter().map(|(name, text)| (*name, text.as_str())).collect();
    assert_eq!(found, expected);
}

/// The spellings of DESI's zcatalogs of both versions (desidatamodel, zcatalog/v1 and v2), of SDSS and of other tables.
#[test]
fn catalogues_of_several_releases() {
    let all = [
        ("targetid", "39633345008634465"),
        ("survey", "main"),
        ("objtype", "TGT"),
        ("healpix", "10012"),
        ("target_ra", "150.5"),
        ("target_dec", "-2.25"),
        ("z", "0.5"),
        ("zerr", "0.0001"),
        ("zwarn", "4"),
        ("spectype", "GALAXY"),
        ("deltachi2", "25.5"),
        ("desi_target", "1"),
        ("coadd_fiberstatus", "8"),
    ];
    let v1 = [
        ("TARGETID", "K", "39633345008634465"),
        ("SURVEY", "7A", "main   "),
        ("HEALPIX", "J", "10012"),
        ("Z", "D", "0.5"),
        ("ZERR", "D", "0.0001"),
        ("ZWARN", "K", "4"),
        ("SPECTYPE", "6A", "GALAXY"),
        ("DELTACHI2", "D", "25.5"),
        ("COADD_FIBERSTATUS", "J", "8"),
        ("TARGET_RA", "D", "150.5"),
        ("TARGET_DEC", "D", "-2.25"),
        ("OBJTYPE", "3A", "TGT"),
        ("SV1_DESI_TARGET", "K", "7"),
        ("DESI_TARGET", "K", "1"),
        ("MORE", "K", "7"),
    ];
    check_keys("ZCATALOG", &v1, &all);
    let v2 = v1.map(|(name, form, value)| match (name, form) {
        ("Z", _) => ("Z_BEST", form, value),
        ("ZERR", _) => ("ZERR_BEST", form, value),
        ("ZWARN", _) => ("ZWARN_BEST", "J", value),
        ("SPECTYPE", _) => ("SPECTYPE_BEST", form, value),
        ("DELTACHI2", _) => ("DELTACHI2_BEST", "E", value),
        _ => (name, form, value),
    });
    check_keys("ZCATALOG", &v2, &all);
    // In small letters, and of Survey Validation.
    let small = v1.map(|(name, form, value)| (name.to_ascii_lowercase(), form, value));
    let small: Vec<(&str, &str, &str)> = small
        .iter()
        .filter(|column| column.0 != "desi_target")
        .map(|(name, form, value)| (name.as_str(), *form, *value))
        .collect();
    let mut sv1 = all;
    sv1[11].1 = "7";
    check_keys("ZCATALOG", &small, &sv1);
    check_keys(
        "ZCAT",
        &[("TARGETID", "K", "5"), ("SV3_DESI_TARGET", "K", "2")],
        &[("targetid", "5"), ("desi_target", "2")],
    );

    let sdss = [
        ("object_id", "3A", "123"),
        ("PLUG_RA", "D", "150.5"),
        ("PLUG_DEC", "D", "-2.25"),
        ("Z", "E", "0.5"),
        ("Z_ERR", "E", "0.25"),
        ("ZWARNING", "I", "16"),
        ("CLASS", "6A", "QSO   "),
    ];
    // No column of pixels: that of the position, as Python's cdshealpix has it.
    let expected = [
        ("targetid", "123"),
        ("healpix", "27211"),
        ("target_ra", "150.5"),
        ("target_dec", "-2.25"),
        ("z", "0.5"),
        ("zerr", "0.25"),
        ("zwarn", "16"),
        ("spectype", "QSO"),
    ];
    check_keys("SPALL", &sdss, &expected);
    let plain = [("ra", "D", "150.5"), ("DEC", "D", "-2.25")];
    check_keys("", &plain, &expected[1..4]);
}

/// Whether true is good, publishers disagree.
#[test]
fn a_warning_that_is_true_or_false_is_not_guessed() {
    let columns = [("TARGETID", "K", "5"), ("Z", "D", "0.5"), ("ZWARN", "L", "T")];
    check_keys("ZCATALOG", &columns, &[("targetid", "5"), ("z", "0.5")]);
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
