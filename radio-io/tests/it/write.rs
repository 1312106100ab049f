//! Tiles that are written and read back: by parquet's reader, by ours, and byte by byte.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float32Builder, Int32Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    StructArray,
};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::concat::concat_batches;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use radio_io::{Error, Profile, ReadOptions, ReadPlan, Reader, TileSlice, TileWriter, WriteOptions};

const PROFILES: [Profile; 3] = [Profile::Compatible, Profile::Archive, Profile::Training];

fn element(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", data_type, false))
}

/// Rows of the flat dialect with ids from `first` on.
pub(crate) fn flat(first: i64, rows: usize, pixels: usize) -> RecordBatch {
    let numbers = |salt: usize| (0..rows * pixels).map(move |i| ((i + salt + first as usize * 7) % 8191) as f32 / 3.0);
    let lists = |item: DataType, values: ArrayRef| -> ArrayRef {
        Arc::new(FixedSizeListArray::new(element(item), pixels as i32, values, None))
    };
    let ids = first..first + rows as i64;
    let batch = RecordBatch::try_from_iter_with_nullable([
        (
            "targetid",
            Arc::new(Int64Array::from_iter_values(ids.clone())) as ArrayRef,
            true,
        ),
        (
            "spectype",
            Arc::new(
                ids.clone()
                    .map(|id| (id % 5 > 0).then_some(["GALAXY", "QSO"][id as usize % 2]))
                    .collect::<StringArray>(),
            ),
            true,
        ),
        (
            "z",
            Arc::new(
                ids.map(|id| (id % 3 > 0).then_some(id as f64))
                    .collect::<Float64Array>(),
            ),
            true,
        ),
        (
            "flux",
            lists(DataType::Float32, Arc::new(Float32Array::from_iter_values(numbers(0)))),
            false,
        ),
        (
            "ivar",
            lists(DataType::Float32, Arc::new(Float32Array::from_iter_values(numbers(5)))),
            false,
        ),
        (
            "mask",
            lists(
                DataType::Int32,
                Arc::new(Int32Array::from_iter_values(numbers(3).map(|x| i32::from(x > 2500.0)))),
            ),
            false,
        ),
    ])
    .unwrap();
    let metadata = format!(r#"{{"start": 3600.0, "step": 0.8, "n": {pixels}}}"#);
    let schema = batch
        .schema()
        .as_ref()
        .clone()
        .with_metadata([("wavelength".to_owned(), metadata)].into());
    RecordBatch::try_new(Arc::new(schema), batch.columns().to_vec()).unwrap()
}

/// Rows of the struct dialect: these numbers of pixels, one of them none.
fn ragged(lengths: &[usize]) -> RecordBatch {
    let (mut flux, mut mask, mut code) = (
        ListBuilder::new(Float32Builder::new()),
        ListBuilder::new(BooleanBuilder::new()),
        ListBuilder::new(Int32Builder::new()),
    );
    for (row, &length) in lengths.iter().enumerate() {
        for pixel in 0..length {
            flux.values().append_value((row * 31 + pixel) as f32);
            mask.values().append_value((row + pixel) % 3 == 0);
            code.values().append_value(pixel as i32);
        }
        flux.append(true);
        mask.append(true);
        code.append(true);
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("flux", Arc::new(flux.finish())),
        ("mask", Arc::new(mask.finish())),
        ("code", Arc::new(code.finish())),
    ];
    let fields = columns
        .iter()
        .map(|(name, array)| Arc::new(Field::new(*name, array.data_type().clone(), true)));
    let spectrum = StructArray::new(
        fields.collect(),
        columns.iter().map(|(_, array)| array.clone()).collect(),
        None,
    );
    let ids = (0..lengths.len()).map(|row| format!("{:014}", 3 * row));
    RecordBatch::try_from_iter_with_nullable([
        (
            "object_id",
            Arc::new(StringArray::from_iter_values(ids)) as ArrayRef,
            true,
        ),
        ("spectrum", Arc::new(spectrum), true),
    ])
    .unwrap()
}

pub(crate) fn write(path: &Path, batches: &[RecordBatch], options: WriteOptions) -> u64 {
    let mut writer = TileWriter::create(path, batches[0].schema(), options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    let written = writer.finish().unwrap();
    assert_eq!(written.bytes, fs::metadata(path).unwrap().len());
    written.rows
}

/// All rows, by parquet's own reader, which compares the checksums of pages and knows of the indexes; and the footer.
pub(crate) fn read(path: &Path) -> (RecordBatch, Arc<ParquetMetaData>) {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(File::open(path).unwrap(), options).unwrap();
    let (schema, metadata) = (builder.schema().clone(), builder.metadata().clone());
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    (concat_batches(&schema, &batches).unwrap(), metadata)
}

/// Equal values, whatever may be null.
pub(crate) fn assert_equal(found: &RecordBatch, expected: &RecordBatch) {
    assert_eq!(found.num_rows(), expected.num_rows());
    for (number, field) in expected.schema().fields().iter().enumerate() {
        let cast = arrow_cast::cast(expected.column(number), found.column(number).data_type()).unwrap();
        assert_eq!(found.column(number).as_ref(), cast.as_ref(), "{}", field.name());
    }
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tile.parquet");
    (folder, path)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(10), ..ProptestConfig::with_cases(60) })]

    #[test]
    fn what_is_written_is_read(
        rows in prop::collection::vec(1usize..40, 1..6),
        pixels in 1usize..300,
        page_bytes in 1usize..5000,
        row_group_bytes in 1u64..200_000,
    ) {
        let (_folder, path) = folder();
        let mut first = 1;
        let batches: Vec<RecordBatch> = rows.iter().map(|&rows| {
            first += rows as i64;
            // Some lie in the middle of their memory.
            flat(first - rows as i64 - 1, rows + 2, pixels).slice(1, rows)
        }).collect();
        let expected = concat_batches(&batches[0].schema(), &batches).unwrap();
        for profile in PROFILES {
            let options = WriteOptions::default().with_profile(profile).with_page_bytes(page_bytes).with_row_group_bytes(row_group_bytes);
            prop_assert_eq!(write(&path, &batches, options), expected.num_rows() as u64);
            let (found, metadata) = read(&path);
            assert_equal(&found, &expected);
            let [found_schema, schema] = [found.schema(), expected.schema()];
            prop_assert_eq!(found_schema.metadata().get("wavelength"), schema.metadata().get("wavelength"));
            prop_assert!(metadata.num_row_groups() > 0);
            // And by the fast path of this crate.
            let plan = ReadPlan::from_iter([TileSlice::new(path.to_str().unwrap(), 0..expected.num_rows() as u64)]);
            let mut row = 0;
            for batch in Reader::new(&plan, ReadOptions::default()).unwrap() {
                let batch = batch.unwrap();
                let wanted = expected.slice(row, batch.len());
                let flux = wanted.column(3).as_fixed_size_list();
                let wanted_flux = &flux.values().as_primitive::<arrow_array::types::Float32Type>().values()[row_range(flux, pixels)];
                prop_assert_eq!(batch.flux(), wanted_flux);
                row += batch.len();
            }
            prop_assert_eq!(row, expected.num_rows());
        }
    }

    #[test]
    fn lists_of_any_length_are_read(
        lengths in prop::collection::vec(prop_oneof![Just(0usize), 1usize..4, 0usize..400], 1..60),
        page_bytes in 1usize..3000,
        row_group_bytes in 1u64..20_000,
    ) {
        let (_folder, path) = folder();
        let expected = ragged(&lengths);
        for profile in PROFILES {
            let options = WriteOptions::default().with_profile(profile).with_page_bytes(page_bytes).with_row_group_bytes(row_group_bytes);
            write(&path, std::slice::from_ref(&expected), options);
            assert_equal(&read(&path).0, &expected);
        }
    }
}

fn row_range(lists: &FixedSizeListArray, pixels: usize) -> std::ops::Range<usize> {
    // A sliced array's values are all values of its rows.
    0..lists.len() * pixels
}

#[test]
fn a_footer_says_what_readers_ask() {
    let (_folder, path) = folder();
    for profile in PROFILES {
        write(
            &path,
            &[flat(100, 500, 60)],
            WriteOptions::default()
                .with_profile(profile)
                .with_row_group_bytes(200 * 730),
        );
        let (_, metadata) = read(&path);
        assert!(metadata.num_row_groups() >= 3);
        for (number, group) in metadata.row_groups().iter().enumerate() {
            assert_eq!(group.sorting_columns().unwrap()[0].column_idx, 0);
            let id = group.column(0);
            assert!(id.bloom_filter_offset().is_some() && id.statistics().is_some());
            let leaf = |name: &str| {
                group
                    .columns()
                    .iter()
                    .position(|c| c.column_path().string().starts_with(name))
                    .unwrap()
            };
            assert!(group.column(leaf("z")).statistics().is_some());
            assert!(group.column(leaf("flux")).statistics().is_none());
            let flux = group.column(leaf("flux"));
            assert_eq!(
                (flux.column_descr().max_def_level(), flux.column_descr().max_rep_level()),
                (1, 1)
            );
            let pages = metadata.offset_index().unwrap()[number][leaf("flux")].page_locations();
            assert_eq!(pages[0].offset, flux.data_page_offset());
            assert_eq!(pages[0].first_row_index, 0);
        }
        let reader = parquet::file::serialized_reader::SerializedFileReader::new_with_options(
            File::open(&path).unwrap(),
            parquet::file::serialized_reader::ReadOptionsBuilder::new()
                .with_reader_properties(
                    parquet::file::properties::ReaderProperties::builder()
                        .set_read_bloom_filter(true)
                        .build(),
                )
                .build(),
        )
        .unwrap();
        let group = parquet::file::reader::FileReader::get_row_group(&reader, 0).unwrap();
        let filter = group.get_column_bloom_filter(0).unwrap();
        assert!(filter.check(&100_i64) && filter.check(&101_i64));
        let wrong = (10_000..11_000_i64).filter(|id| filter.check(id)).count();
        assert!(wrong < 60, "{wrong} of 1000");
    }
}

#[test]
fn ids_have_a_filter_in_whatever_order_rows_are() {
    let (_folder, path) = folder();
    let batch = flat(5, 20, 3);
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(Int64Array::from_iter_values(0..20)));
    let mut fields: Vec<_> = batch.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("_healpix_29", DataType::Int64, false)));
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    for (options, sorted) in [
        (WriteOptions::default().with_sorted_by("_healpix_29"), Some(6)),
        (WriteOptions::default().without_order(), None),
        (WriteOptions::default(), Some(0)),
    ] {
        write(&path, std::slice::from_ref(&batch), options);
        let (_, metadata) = read(&path);
        let group = metadata.row_group(0);
        assert!(group.column(0).bloom_filter_offset().is_some());
        assert!(group.column(6).bloom_filter_offset().is_none());
        assert_eq!(group.sorting_columns().map(|columns| columns[0].column_idx), sorted);
    }
}

#[test]
fn a_flipped_bit_is_found() {
    let (_folder, path) = folder();
    for profile in PROFILES {
        write(
            &path,
            &[flat(0, 50, 200)],
            WriteOptions::default().with_profile(profile),
        );
        let (_, metadata) = read(&path);
        let bytes = fs::read(&path).unwrap();
        // In the last byte of each page of each column, so that only the checksum can know.
        for (leaf, pages) in metadata.offset_index().unwrap()[0].iter().enumerate() {
            for page in pages.page_locations() {
                let mut damaged = bytes.clone();
                damaged[page.offset as usize + page.compressed_page_size as usize - 1] ^= 0x10;
                fs::write(&path, damaged).unwrap();
                let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
                let found: Result<Vec<_>, _> = builder.build().unwrap().collect();
                let error = found.expect_err("a damaged page").to_string();
                assert!(error.contains("CRC"), "{profile:?}, leaf {leaf}: {error}");
            }
        }
    }
}

#[test]
fn bad_rows_are_named() {
    let (folder, path) = folder();
    let batch = flat(5, 3, 4);
    let mut writer = TileWriter::create(&path, batch.schema(), WriteOptions::default()).unwrap();
    writer.write(&batch).unwrap();
    let error = writer.write(&flat(6, 3, 4)).unwrap_err().to_string();
    assert!(
        error.ends_with(r#"row 3, column "targetid": 6 comes after 7: sort the rows, or write without an order"#),
        "{error}"
    );
    let error = writer.write(&ragged(&[1])).unwrap_err();
    assert!(matches!(error, Error::Mixed { .. }), "{error}");
    // What was refused is not in the tile.
    assert_eq!(writer.finish().unwrap().rows, 3);
    assert_equal(&read(&path).0, &batch);

    let schema = Arc::new(Schema::new(vec![Field::new(
        "flux",
        DataType::new_list(DataType::Float32, true),
        true,
    )]));
    let mut flux = ListBuilder::new(Float32Builder::new()).with_field(Field::new_list_field(DataType::Float32, true));
    flux.append_value([Some(1.0)]);
    flux.append_value([Some(1.0), None]);
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(flux.finish())]).unwrap();
    let other = folder.path().join("other.parquet");
    let mut writer = TileWriter::create(&other, schema, WriteOptions::default()).unwrap();
    let error = writer.write(&batch).unwrap_err().to_string();
    assert!(error.contains(r#"row 1, column "flux.element": is null"#), "{error}");
    drop(writer);
    // Nothing is left of a tile that was not finished.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    for (options, word) in [
        (WriteOptions::default().with_sorted_by("nothing"), "nothing"),
        (WriteOptions::default().with_sorted_by("z"), "whole numbers"),
        (WriteOptions::default().with_page_bytes(0), "page_bytes"),
        (WriteOptions::default().with_row_group_bytes(0), "row_group_bytes"),
    ] {
        let error = TileWriter::create(&other, flat(0, 1, 1).schema(), options)
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{error}");
    }
    assert!(matches!(
        TileWriter::create(
            folder.path().join("no/such/folder"),
            flat(0, 1, 1).schema(),
            WriteOptions::default()
        ),
        Err(Error::Io { .. })
    ));
}

#[test]
fn a_tile_without_rows_or_ids_is_one() {
    let (_folder, path) = folder();
    let batch = flat(0, 4, 3);
    write(&path, &[batch.slice(0, 0)], WriteOptions::default());
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
    assert_eq!(builder.metadata().file_metadata().num_rows(), 0);
    let without = batch.project(&[2, 3]).unwrap();
    write(&path, std::slice::from_ref(&without), WriteOptions::default());
    assert_equal(&read(&path).0, &without);
    // In another order, by another column.
    let backwards =
        arrow_select::take::take_record_batch(&batch, &arrow_array::UInt32Array::from(vec![3, 1, 2])).unwrap();
    write(
        &path,
        std::slice::from_ref(&backwards),
        WriteOptions::default().without_order(),
    );
    assert_equal(&read(&path).0, &backwards);
}

/// Real spectra through every profile: the same bits.
#[test]
fn real_spectra_come_back() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let root = PathBuf::from(std::env::var("RADIO_REAL_DATA").unwrap_or_else(|_| default.into())).join("tiles");
    if !root.is_dir() {
        let message = format!("SKIPPED no real data at {} (set RADIO_REAL_DATA)\n", root.display());
        std::io::stderr().write_all(message.as_bytes()).unwrap();
        return;
    }
    let (_folder, path) = folder();
    for survey in ["desi", "sdss"] {
        for tile in fs::read_dir(root.join(survey)).unwrap() {
            let tile = tile.unwrap().path();
            let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&tile).unwrap()).unwrap();
            let schema = builder.schema().clone();
            let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
            let expected = concat_batches(&schema, &batches).unwrap();
            for profile in PROFILES {
                let options = WriteOptions::default().with_profile(profile).without_order();
                write(&path, std::slice::from_ref(&expected), options);
                assert_equal(&read(&path).0, &expected);
            }
        }
    }
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    // A file system of its own, of 1 MB, in a space of its own: nobody else sees it, and it goes with its process.
    let space = ["--user", "--map-root-user", "--mount"];
    let can = |args: &[&str]| {
        Command::new("unshare")
            .args(args)
            .arg("true")
            .status()
            .is_ok_and(|status| status.success())
    };
    let skipped = |why: &str| {
        let message = format!("SKIPPED a full disk: {why}\n");
        std::io::stderr().write_all(message.as_bytes()).unwrap();
    };
    let Some(args) = [&space[..], &space[2..]].into_iter().find(|args| can(args)) else {
        return skipped("this system gives no file system to a test (unshare)");
    };
    let folder = tempfile::tempdir().unwrap();
    let (small, filled) = (folder.path().join("small"), folder.path().join("filled"));
    fs::create_dir(&small).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=1m radio {} && exec \"$0\" --exact write::fill_a_disk --nocapture",
        small.display()
    );
    let output = Command::new("unshare")
        .args(args)
        .args(["sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(SMALL, &small)
        .env(FILLED, &filled)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if text.contains("permission denied") && text.contains("mount:") {
        return skipped("this system lets no test mount a file system");
    }
    assert!(output.status.success() && filled.exists(), "{text}");
}

const SMALL: &str = "RADIO_IO_TEST_SMALL_DISK";
const FILLED: &str = "RADIO_IO_TEST_FILLED";

/// Not a test: what runs on the small file system.
#[test]
fn fill_a_disk() {
    let (Some(small), Some(filled)) = (std::env::var_os(SMALL), std::env::var_os(FILLED)) else {
        return;
    };
    let path = Path::new(&small).join("tile.parquet");
    let (old, new) = (flat(0, 20, 100), flat(0, 2000, 100));
    for profile in PROFILES {
        write(&path, std::slice::from_ref(&old), WriteOptions::default());
        // Full in a row group, and only at the end, in the footer.
        for room in [0, 60_000, 130_000] {
            let ballast = Path::new(&small).join("ballast");
            let free = (1 << 20) - fs::metadata(&path).unwrap().len() - room;
            fs::write(&ballast, vec![1; free as usize / 4096 * 4096]).unwrap();
            let options = WriteOptions::default()
                .with_profile(profile)
                .with_row_group_bytes(100_000);
            let written = TileWriter::create(&path, new.schema(), options).and_then(|mut writer| {
                writer.write(&new)?;
                writer.finish()
            });
            let error = written.expect_err("a full disk");
            let mut cause: &dyn std::error::Error = &error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            let text = cause.to_string();
            assert!(
                text.contains("No space left") || text.contains("is the disk full?"),
                "{error}: {text}"
            );
            fs::remove_file(&ballast).unwrap();
            assert_equal(&read(&path).0, &old);
            assert_eq!(fs::read_dir(&small).unwrap().count(), 1);
        }
    }
    fs::remove_file(&path).unwrap();
    #[cfg(feature = "hats")]
    crate::repartition::fill_a_disk(Path::new(&small));
    fs::write(filled, "").unwrap();
}
