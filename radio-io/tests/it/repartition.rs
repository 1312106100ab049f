//! Files into tiles: against a slow obvious version, in little memory, and after a kill.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray, StructArray,
    UInt32Array,
};
use arrow_schema::{DataType, Field};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use radio_io::{Error, Partitioning, RepartitionOptions, Repartitioned, repartition};

/// Id and position of a row.
pub(crate) type Row = (i64, Option<f64>, f64);

/// Rows whose pixels say which row they are of.
fn batch(rows: &[Row], pixels: usize) -> RecordBatch {
    let element = Arc::new(Field::new("element", DataType::Float32, false));
    let values = rows
        .iter()
        .flat_map(|row| (0..pixels).map(|pixel| (row.0 * 3 + pixel as i64) as f32));
    let flux = FixedSizeListArray::new(
        element,
        pixels as i32,
        Arc::new(Float32Array::from_iter_values(values)),
        None,
    );
    RecordBatch::try_from_iter_with_nullable([
        (
            "targetid",
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))) as ArrayRef,
            true,
        ),
        (
            "target_ra",
            Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>()),
            true,
        ),
        (
            "target_dec",
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.2))),
            true,
        ),
        ("flux", Arc::new(flux), false),
    ])
    .unwrap()
}

/// By parquet's own writer.
pub(crate) fn inputs(folder: &Path, files: &[Vec<Row>], pixels: usize) -> Vec<PathBuf> {
    fs::create_dir_all(folder).unwrap();
    let write = |(number, rows): (usize, &Vec<Row>)| {
        let path = folder.join(format!("{number}.parquet"));
        let batch = batch(rows, pixels);
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        path
    };
    files.iter().enumerate().map(write).collect()
}

pub(crate) fn run(inputs: &[PathBuf], folder: &Path, options: &RepartitionOptions) -> Repartitioned {
    let last = AtomicU64::new(0);
    let done = repartition(inputs, folder, options, |done, of| {
        assert!(done <= of);
        last.fetch_max(done, Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!(last.into_inner(), 2 * done.read);
    assert_eq!(
        done.read,
        done.written + done.rejected.iter().map(|rejected| rejected.2).sum::<u64>()
    );
    assert!(!folder.join(".spill").exists());
    done
}

/// All rows of a tile, by parquet's own reader.
pub(crate) fn read(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// Every row with a position is in the tile of its pixel, whole, and in order.
pub(crate) fn check(done: &Repartitioned, folder: &Path, files: &[Vec<Row>], pixels: usize) {
    let mut expected: BTreeMap<(u8, u64), Vec<i64>> = BTreeMap::new();
    for &(id, ra, dec) in files.iter().flatten() {
        let Some(ra) = ra.filter(|ra| ra.is_finite() && ra.abs() <= 360.0 && dec.abs() <= 90.0) else {
            continue;
        };
        let of = |order: u8| cdshealpix::nested::hash(order, ra.rem_euclid(360.0).to_radians(), dec.to_radians());
        let tile = done
            .tiles
            .iter()
            .find(|tile| of(tile.order) == tile.pixel)
            .expect("a tile for each row");
        expected.entry((tile.order, tile.pixel)).or_default().push(id);
    }
    assert_eq!(expected.len(), done.tiles.len());
    for tile in &done.tiles {
        let rows = read(&folder.join(tile.file()));
        assert_eq!(rows.num_rows() as u64, tile.rows);
        let ids = rows
            .column_by_name("targetid")
            .unwrap()
            .as_primitive::<Int64Type>()
            .values();
        let mut wanted = expected[&(tile.order, tile.pixel)].clone();
        wanted.sort_unstable();
        let mut found = ids.to_vec();
        if rows.column_by_name("_healpix_29").is_some() {
            found.sort_unstable();
        }
        assert_eq!(found, wanted);
        let flux = rows.column_by_name("flux").unwrap().as_fixed_size_list();
        let flux = flux.values().as_primitive::<Float32Type>().values();
        for (id, flux) in ids.iter().zip(flux.chunks_exact(pixels)) {
            assert!(
                flux.iter()
                    .enumerate()
                    .all(|(pixel, &value)| value == (id * 3 + pixel as i64) as f32)
            );
        }
    }
}

fn row() -> impl Strategy<Value = Row> {
    let ra = prop_oneof![8 => (0.0..360.0f64).prop_map(Some), 4 => (10.0..10.2f64).prop_map(Some), 1 => Just(None),
        1 => prop_oneof![Just(f64::NAN), Just(999_999.0), Just(-0.0), Just(360.0), Just(-20.0)].prop_map(Some)];
    let dec = prop_oneof![8 => -90.0..90.0f64, 4 => 5.0..5.2f64, 1 => prop_oneof![Just(90.0), Just(-90.0), Just(1e20)]];
    (0i64..1 << 20, ra, dec)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(29), ..ProptestConfig::with_cases(40) })]

    #[test]
    fn every_row_is_in_its_tile(
        files in prop::collection::vec(prop::collection::vec(row(), 1..80), 1..5),
        pixels in prop_oneof![Just(1usize), Just(3000)],
        partitioning in prop_oneof![(0u8..9).prop_map(Partitioning::Order), (1u64..50, 0u8..12).prop_map(|(most, deepest)| Partitioning::Rows { most, deepest })],
        by_pixel: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let inputs = inputs(&folder.path().join("in"), &files, pixels);
        // The smallest memory: long rows go through the disk.
        let mut options = RepartitionOptions::default().with_partitioning(partitioning).with_memory(1 << 20);
        if by_pixel {
            options = options.with_healpix_29();
        }
        let out = folder.path().join("out");
        let done = run(&inputs, &out, &options);
        check(&done, &out, &files, pixels);
        for tile in done.tiles.iter().filter(|_| by_pixel) {
            let rows = read(&out.join(tile.file()));
            let column = |name: &str| rows.column_by_name(name).unwrap().as_primitive::<Float64Type>().values().clone();
            let found = rows.column(0).as_primitive::<Int64Type>().values();
            let expected: Vec<i64> = column("target_ra").iter().zip(column("target_dec").iter())
                .map(|(ra, dec)| cdshealpix::nested::hash(29, ra.rem_euclid(360.0).to_radians(), dec.to_radians()) as i64)
                .collect();
            prop_assert_eq!(&found[..], &expected[..]);
            prop_assert!(found.is_sorted());
        }
        // Again: all tiles are there.
        let again = run(&inputs, &out, &options);
        prop_assert_eq!(again.kept, done.tiles.len());
        prop_assert_eq!(again.tiles, done.tiles);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(31), ..ProptestConfig::with_cases(150) })]

    /// A damaged file is divided, or an error that names it: never a panic, and never a tile that cannot be read.
    #[test]
    fn damage_is_an_error_or_harmless(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in prop::option::of(any::<prop::sample::Index>())) {
        let folder = tempfile::tempdir().unwrap();
        let rows = (0..60).map(|i| (i, Some(i as f64 * 6.0), i as f64 - 30.0)).collect();
        let inputs = inputs(&folder.path().join("in"), &[rows], 5);
        let mut bytes = fs::read(&inputs[0]).unwrap();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] ^= byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(&inputs[0], bytes).unwrap();
        let out = folder.path().join("out");
        match repartition(&inputs, &out, &RepartitionOptions::default(), |_, _| {}) {
            Ok(done) => done.tiles.iter().for_each(|tile| drop(read(&out.join(tile.file())))),
            Err(error) => prop_assert!(error.to_string().contains(".parquet"), "{error}"),
        }
    }
}

/// Read is written and rejected, reason by reason and file by file.
#[test]
fn rows_that_are_in_no_tile_are_counted_by_reason() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = vec![
        (1, Some(10.0), 5.0),
        (2, None, 5.0),
        (3, Some(f64::NAN), 5.0),
        (4, Some(999_999.0), 5.0),
        (5, Some(10.0), -91.0),
        (6, Some(200.0), 5.0),
    ];
    let inputs = inputs(&folder.path().join("in"), &[rows.clone(), rows[..1].to_vec()], 3);
    let batch = batch(&rows, 3);
    let ids = Int64Array::from(vec![Some(1), None, Some(3), Some(4), None, None]);
    let mut columns = batch.columns().to_vec();
    columns[0] = Arc::new(ids);
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&inputs[1]).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let done = run(&inputs, &folder.path().join("out"), &RepartitionOptions::default());
    assert_eq!((done.read, done.written), (12, 3));
    let expected = [
        (&inputs[0], "no position", 2),
        (&inputs[0], "a position off the sky", 2),
        (&inputs[1], "no position", 1),
        (&inputs[1], "a position off the sky", 1),
        (&inputs[1], "no id", 3),
    ];
    assert_eq!(
        done.rejected,
        expected.map(|(path, why, rows)| (path.clone(), why.to_owned(), rows))
    );
}

/// Tiles of one grid must not say that they are of another one.
#[test]
fn files_of_other_wavelengths_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, grid: Option<&str>| {
        let path = folder.path().join(name);
        let batch = batch(&[(1, Some(10.0), 5.0)], 3);
        let metadata = grid.map(|grid| ("wavelength".to_owned(), grid.to_owned()));
        let schema = batch
            .schema()
            .as_ref()
            .clone()
            .with_metadata(metadata.into_iter().collect());
        let batch = batch.with_schema(Arc::new(schema)).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        path
    };
    let first = write("a.parquet", Some(r#"{"start": 3600.0, "step": 0.8, "n": 3}"#));
    let same = write("b.parquet", Some(r#"{"n": 3, "step": 0.80, "start": 3600}"#));
    let options = RepartitionOptions::default();
    run(&[first.clone(), same], &folder.path().join("out"), &options);
    for grid in [Some(r#"{"start": 5760.0, "step": 0.8, "n": 3}"#), None] {
        let other = write("c.parquet", grid);
        let error = repartition(
            &[first.clone(), other],
            folder.path().join("other"),
            &options,
            |_, _| {},
        );
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("c.parquet") && error.contains("its wavelength grid is not that of"),
            "{error}"
        );
    }
}

pub(crate) fn survey() -> Vec<Vec<Row>> {
    let position = |i: i64| (Some((i * 37 % 360) as f64), (i * 53 % 170 - 85) as f64);
    (0..4)
        .map(|file| {
            (0..200)
                .map(|i| (file * 1000 + i, position(file * 7 + i).0, position(i).1))
                .collect()
        })
        .collect()
}

/// Columns of the struct dialect (lists of any length, some empty) and of arms, through the disk: every value comes back.
#[test]
fn every_dialect_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let rows = 600;
    let arm = |salt: i64, pixels: i64| -> ArrayRef {
        let values = (0..rows * pixels).map(|i| (i * salt % 9973) as f32);
        let element = Arc::new(Field::new("element", DataType::Float32, false));
        let values = Arc::new(Float32Array::from_iter_values(values));
        Arc::new(FixedSizeListArray::new(element, pixels as i32, values, None))
    };
    let mut lists = [0; 2].map(|_| ListBuilder::new(Float32Builder::new()));
    for row in 0..rows {
        for list in &mut lists {
            (0..row % 7 * 90).for_each(|pixel| list.values().append_value((row * 1000 + pixel) as f32));
            list.append(true);
        }
    }
    let [flux, ivar] = lists.map(|mut list| Arc::new(list.finish()) as ArrayRef);
    let fields = ["flux", "ivar"].map(|name| Arc::new(Field::new(name, flux.data_type().clone(), true)));
    let spectrum = StructArray::new(fields.into_iter().collect(), vec![flux, ivar], None);
    let ids: Vec<i64> = (0..rows).map(|row| row * 7919 % rows).collect();
    let degrees = |step: i64, most: i64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(
            (0..rows).map(|row| (row * step % most) as f64 - (most / 4) as f64),
        ))
    };
    let batch = RecordBatch::try_from_iter_with_nullable([
        (
            "object_id",
            Arc::new(StringArray::from_iter_values(ids.iter().map(|id| format!("{id:06}")))) as ArrayRef,
            true,
        ),
        ("RA", degrees(37, 360), true),
        ("DEC", degrees(11, 80), true),
        ("spectrum", Arc::new(spectrum), true),
        ("B_WAVELENGTH", arm(1, 40), false),
        ("B_FLUX", arm(3, 40), false),
        ("R_FLUX", arm(7, 60), false),
    ])
    .unwrap();
    let path = folder.path().join("in.parquet");
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let options = RepartitionOptions::default()
        .with_partitioning(Partitioning::Order(1))
        .with_memory(1 << 20);
    let out = folder.path().join("out");
    let done = run(&[path], &out, &options);
    assert_eq!(done.written, rows as u64);
    for tile in &done.tiles {
        let found = read(&out.join(tile.file()));
        let of_row = |text: Option<&str>| {
            ids.iter()
                .position(|&id| Some(id) == text.and_then(|text| text.parse().ok()))
        };
        let rows = found
            .column(0)
            .as_string::<i32>()
            .iter()
            .map(|id| of_row(id).unwrap() as u32);
        let expected = take_record_batch(&batch, &UInt32Array::from_iter_values(rows)).unwrap();
        for (number, found) in found.columns().iter().enumerate() {
            let expected = arrow_cast::cast(expected.column(number), found.data_type()).unwrap();
            assert_eq!(found.as_ref(), expected.as_ref());
        }
    }
}

#[test]
fn threads_do_not_change_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(&folder.path().join("in"), &survey(), 500);
    let options = RepartitionOptions::default()
        .with_partitioning(Partitioning::Order(1))
        .with_memory(1 << 20);
    let outs = [1, 4].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let out = folder.path().join(threads.to_string());
        (pool.install(|| run(&inputs, &out, &options)), out)
    });
    let [(one, first), (four, second)] = outs;
    assert_eq!(one, four);
    for tile in &one.tiles {
        assert!(fs::read(first.join(tile.file())).unwrap() == fs::read(second.join(tile.file())).unwrap());
    }
}

/// Called on a file system of 1 MB: a full disk is an error that says so, and with room again the run goes on.
pub(crate) fn fill_a_disk(small: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let files = survey();
    let options = RepartitionOptions::default()
        .with_partitioning(Partitioning::Order(0))
        .with_memory(1 << 20);
    let refuse = |inputs: &[PathBuf], out: &Path| {
        let error = repartition(inputs, out, &options, |_, _| {}).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let text = format!("{error}: {cause:?}");
        assert!(
            text.contains("No space left") || text.contains("is the disk full?"),
            "{text}"
        );
        assert!(!out.join(".spill").exists());
    };
    // More on its way than there is room for.
    refuse(&inputs(&folder.path().join("large"), &files, 900), &small.join("large"));
    // Room for some tiles.
    let inputs = inputs(&folder.path().join("in"), &files, 100);
    let (ballast, out) = (small.join("ballast"), small.join("out"));
    fs::write(&ballast, vec![1; 800 << 10]).unwrap();
    refuse(&inputs, &out);
    fs::remove_file(&ballast).unwrap();
    let done = run(&inputs, &out, &options);
    assert!(done.kept < done.tiles.len());
    check(&done, &out, &files, 100);
}

#[test]
fn a_run_goes_on_where_it_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let files = survey();
    let inputs = inputs(&folder.path().join("in"), &files, 500);
    let (out, whole) = (folder.path().join("out"), folder.path().join("whole"));
    let options = RepartitionOptions::default()
        .with_partitioning(Partitioning::Order(2))
        .with_memory(1 << 20);
    let expected = run(&inputs, &whole, &options);
    // As a kill leaves it: some tiles, a part of one, and what was on its way.
    run(&inputs, &out, &options);
    let gone = &expected.tiles[expected.tiles.len() / 3..];
    gone.iter()
        .for_each(|tile| fs::remove_file(out.join(tile.file())).unwrap());
    fs::write(out.join(gone[0].file() + ".99-0.part"), "PAR1").unwrap();
    fs::create_dir(out.join(".spill")).unwrap();
    fs::write(out.join(".spill/0.arrows"), "half a").unwrap();
    let done = run(&inputs, &out, &options);
    assert_eq!(done.kept, expected.tiles.len() - gone.len());
    check(&done, &out, &files, 500);
    for tile in &done.tiles {
        assert!(fs::read(out.join(tile.file())).unwrap() == fs::read(whole.join(tile.file())).unwrap());
    }
    assert!(!out.join(gone[0].file() + ".99-0.part").exists());
    // Two at once would be in each other's way.
    let other = File::open(out.join(".radio-repartition")).unwrap();
    other.lock().unwrap();
    let error = repartition(&inputs, &out, &options, |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("no other run"), "{error}");
    drop(other);
    // With other options it is another run.
    let other = options.clone().with_partitioning(Partitioning::Order(3));
    let error = repartition(&inputs, &out, &other, |_, _| {}).unwrap_err().to_string();
    assert!(
        error.contains("made from the same files with the same options"),
        "{error}"
    );
}

#[test]
fn bad_inputs_are_named_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let files = survey();
    let mut inputs = inputs(&folder.path().join("in"), &files, 3);
    let out = folder.path().join("out");
    let refuse = |inputs: &[PathBuf], options: &RepartitionOptions| {
        let error = repartition(inputs, &out, options, |_, _| {}).unwrap_err();
        assert!(!out.exists());
        error
    };
    let options = RepartitionOptions::default();
    let error = refuse(&inputs, &options.clone().with_position("no", "where")).to_string();
    assert!(error.contains(r#"column "no": not found"#), "{error}");
    assert!(
        refuse(&inputs, &options.clone().with_id("name"))
            .to_string()
            .contains("name")
    );
    let error = refuse(&inputs, &options.clone().with_partitioning(Partitioning::Order(30)));
    assert!(
        matches!(
            error,
            Error::Option {
                name: "partitioning",
                ..
            }
        ),
        "{error}"
    );
    assert!(matches!(
        refuse(&inputs, &options.clone().with_memory(0)),
        Error::Option { name: "memory", .. }
    ));

    let text = folder.path().join("in/text.parquet");
    fs::write(&text, "no Parquet").unwrap();
    inputs.push(text.clone());
    let error = refuse(&inputs, &options);
    assert!(matches!(&error, Error::Tile { path, .. } if *path == text), "{error}");
    let other = batch(&files[0], 3).project(&[0, 1, 2]).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&text).unwrap(), other.schema(), None).unwrap();
    writer.write(&other).unwrap();
    writer.close().unwrap();
    let error = refuse(&inputs, &options).to_string();
    assert!(
        error.contains("text.parquet") && error.contains("flux differs"),
        "{error}"
    );
    inputs.pop();
    inputs.push(folder.path().join("nothing"));
    assert!(matches!(refuse(&inputs, &options), Error::Io { .. }));
    assert_eq!(
        repartition(&[], &out, &options, |_, _| {}).unwrap(),
        Repartitioned::default()
    );
}
