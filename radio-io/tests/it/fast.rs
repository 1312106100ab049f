//! The fast path beside parquet's own reader: the same to the bit, whatever the tile was written with.

use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, Int32Array, Int64Array, ListArray, RecordBatch};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use proptest::prelude::*;
use radio_io::{ReadOptions, ReadPlan, Reader, Shuffle, SpectrumBatch, TileSlice};

/// How a tile is written.
#[derive(Clone, Debug)]
struct Form {
    rows: usize,
    pixels: usize,
    codec: Compression,
    encoding: Encoding,
    has_dictionary: bool,
    version: WriterVersion,
    page_bytes: usize,
    page_rows: usize,
    write_batch: usize,
    group_rows: usize,
    has_index: bool,
    has_statistics: bool,
    is_fixed: bool,
    list_is_nullable: bool,
    element_is_nullable: bool,
    /// Every so many pixels is null; none for 0.
    nulls: usize,
    /// So many different bytes make the values: few compress well.
    letters: u8,
    seed: u64,
}

fn form() -> impl Strategy<Value = Form> {
    let codecs = prop_oneof![
        Just(Compression::UNCOMPRESSED),
        Just(Compression::SNAPPY),
        Just(Compression::ZSTD(ZstdLevel::default())),
        Just(Compression::LZ4_RAW),
        Just(Compression::GZIP(GzipLevel::default())),
        Just(Compression::BROTLI(BrotliLevel::default())),
    ];
    let versions = prop_oneof![Just(WriterVersion::PARQUET_1_0), Just(WriterVersion::PARQUET_2_0)];
    let encodings = prop_oneof![Just(Encoding::PLAIN), Just(Encoding::BYTE_STREAM_SPLIT)];
    let shape = (
        1..150_usize,
        prop_oneof![4 => 1..30_usize, 2 => Just(700), 1 => Just(4096)],
    );
    // Snappy compresses 64 KiB at a time.
    let page_bytes = prop_oneof![16..20_000_usize, 20_000..400_000_usize];
    let sizes = (page_bytes, 1..60_usize, 1..200_usize, 1..200_usize);
    let nulls = prop_oneof![3 => Just(0), 1 => 1..500_usize];
    let letters = prop_oneof![Just(2_u8), Just(255)];
    let flags = proptest::array::uniform6(any::<bool>());
    (
        shape,
        codecs,
        encodings,
        versions,
        sizes,
        nulls,
        letters,
        flags,
        any::<u64>(),
    )
        .prop_map(
            |((rows, pixels), codec, encoding, version, sizes, nulls, letters, flags, seed)| Form {
                rows,
                pixels,
                codec,
                encoding,
                has_dictionary: flags[0] && flags[1],
                version,
                page_bytes: sizes.0,
                page_rows: sizes.1,
                write_batch: sizes.2,
                group_rows: sizes.3,
                has_index: flags[2],
                has_statistics: flags[3],
                is_fixed: flags[1],
                list_is_nullable: flags[4],
                element_is_nullable: flags[5] || nulls > 0,
                nulls,
                letters,
                seed,
            },
        )
}

impl Form {
    /// Is there nothing that the fast path leaves to parquet's reader?
    fn is_fast(&self) -> bool {
        !self.has_dictionary && self.nulls == 0
    }

    fn lists(&self, values: ArrayRef) -> ArrayRef {
        let element = Arc::new(Field::new(
            "element",
            values.data_type().clone(),
            self.element_is_nullable,
        ));
        if self.is_fixed {
            Arc::new(FixedSizeListArray::new(element, self.pixels as i32, values, None))
        } else {
            let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(self.pixels, self.rows));
            Arc::new(ListArray::new(element, offsets, values, None))
        }
    }

    fn write(&self, path: &Path) {
        let mut state = self.seed | 1;
        let mut bits = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes().map(|byte| byte % self.letters)
        };
        let count = self.rows * self.pixels;
        let is_null = |i: usize| self.nulls > 0 && i.is_multiple_of(self.nulls);
        // Any bits: NaN with a payload, infinities, subnormal numbers.
        let mut values = || -> Vec<u32> {
            (0..count)
                .map(|_| u32::from_le_bytes(*bits().first_chunk().unwrap()))
                .collect()
        };
        let mut reals = || {
            let values = values();
            let values = values.iter().enumerate();
            Float32Array::from_iter(values.map(|(i, x)| (!is_null(i)).then_some(f32::from_bits(*x))))
        };
        let (flux, ivar) = (reals(), reals());
        let mask = values();
        let mask = mask.iter().enumerate().map(|(i, x)| (!is_null(i)).then_some(*x as i32));
        let columns: Vec<(&str, ArrayRef, bool)> = vec![
            (
                "targetid",
                Arc::new(Int64Array::from_iter_values(0..self.rows as i64)),
                false,
            ),
            ("flux", self.lists(Arc::new(flux)), self.list_is_nullable),
            ("ivar", self.lists(Arc::new(ivar)), self.list_is_nullable),
            (
                "mask",
                self.lists(Arc::new(Int32Array::from_iter(mask))),
                self.list_is_nullable,
            ),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let grid = format!(r#"{{"start": 4000.0, "step": 2.0, "n": {}}}"#, self.pixels);
        let schema = Schema::new_with_metadata(batch.schema().fields().clone(), [("wavelength".into(), grid)].into());
        let batch = batch.with_schema(Arc::new(schema)).unwrap();
        let mut properties = WriterProperties::builder()
            .set_compression(self.codec)
            .set_writer_version(self.version)
            .set_dictionary_enabled(self.has_dictionary)
            .set_data_page_size_limit(self.page_bytes)
            .set_data_page_row_count_limit(self.page_rows)
            .set_write_batch_size(self.write_batch)
            .set_max_row_group_row_count(Some(self.group_rows))
            .set_offset_index_disabled(!self.has_index)
            .set_statistics_enabled(if self.has_statistics {
                EnabledStatistics::Page
            } else {
                EnabledStatistics::None
            });
        // The writer would take another encoding for integers of version 2.
        for (column, encoding) in [
            ("flux", self.encoding),
            ("ivar", self.encoding),
            ("mask", Encoding::PLAIN),
        ] {
            let leaf = ["list", "element"].map(String::from);
            let path = [column.to_owned()].into_iter().chain(leaf).collect::<Vec<_>>();
            properties = properties.set_column_encoding(path.into(), encoding);
        }
        let mut writer =
            ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties.build())).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
}

type Row = (Vec<u32>, Vec<u32>, Vec<i32>);

/// All rows, as parquet's reader has them; a null pixel is what a batch says of it.
fn decoded(path: &Path) -> Vec<Row> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap())
        .unwrap()
        .build()
        .unwrap();
    let mut rows = Vec::new();
    for batch in reader.map(Result::unwrap) {
        let part = |name: &str, row: usize| {
            let lists = batch.column_by_name(name).unwrap();
            match lists.data_type() {
                DataType::List(_) => lists.as_list::<i32>().value(row),
                _ => lists.as_fixed_size_list().value(row),
            }
        };
        let reals = |name: &str, row: usize, null: f32| -> Vec<u32> {
            let values = part(name, row);
            values
                .as_primitive::<Float32Type>()
                .iter()
                .map(|x| x.unwrap_or(null).to_bits())
                .collect()
        };
        for row in 0..batch.num_rows() {
            let mask = part("mask", row);
            let mask = mask
                .as_primitive::<Int32Type>()
                .iter()
                .map(|x| x.unwrap_or(1))
                .collect();
            rows.push((reals("flux", row, f32::NAN), reals("ivar", row, 0.0), mask));
        }
    }
    rows
}

fn n(x: usize) -> NonZeroUsize {
    NonZeroUsize::new(x).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn rows_are_the_same_to_the_bit(
        form in form(),
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), any::<proptest::sample::Index>()), 0..4),
        batch in 1..80_usize,
        seed: u64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        form.write(&path);
        let expected = decoded(&path);
        prop_assert_eq!(expected.len(), form.rows);
        let slice = |rows| TileSlice::new(path.to_str().unwrap(), rows);
        let plan: ReadPlan = if cuts.is_empty() {
            [slice(0..form.rows as u64)].into_iter().collect()
        } else {
            let ends = cuts.iter().map(|(a, b)| (a.index(form.rows + 1) as u64, b.index(form.rows + 1) as u64));
            ends.map(|(a, b)| slice(a.min(b)..a.max(b))).collect()
        };
        for shuffle in [Shuffle::None, Shuffle::Window { rows: n(100) }] {
            let options = ReadOptions::default().with_batch_rows(n(batch)).with_shuffle(shuffle).with_seed(seed);
            let mut reader = Reader::new(&plan, options).unwrap();
            let mut rows = 0;
            for batch in reader.by_ref() {
                for spectrum in batch.unwrap().spectra() {
                    let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                    let (flux, ivar, mask) = &expected[spectrum.id as usize];
                    let is_same = &bits(spectrum.flux) == flux && &bits(spectrum.ivar) == ivar && spectrum.mask == mask;
                    prop_assert!(is_same, "row {}", spectrum.id);
                    rows += 1;
                }
            }
            prop_assert_eq!(rows, plan.rows());
            if form.is_fast() {
                prop_assert_eq!(reader.metrics().rows_by_parquet, 0, "the fast path gave up");
            } else if form.nulls == 1 && rows > 0 {
                prop_assert!(reader.metrics().rows_by_parquet > 0);
            }
        }
    }

    /// A damaged page is an error, or it reads as parquet's own reader has it; nothing panics.
    #[test]
    fn damaged_tiles(form in form(), place: proptest::sample::Index, byte: u8) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        form.write(&path);
        let mut bytes = fs::read(&path).unwrap();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        fs::write(&path, bytes).unwrap();
        let plan: ReadPlan = [TileSlice::new(path.to_str().unwrap(), 0..form.rows as u64)].into_iter().collect();
        if let Ok(batches) = Reader::new(&plan, ReadOptions::default()).unwrap().collect::<Result<Vec<_>, _>>() {
            let expected = std::panic::catch_unwind(|| decoded(&path)).unwrap_or_default();
            let rows = batches.iter().flat_map(SpectrumBatch::spectra);
            for (spectrum, (flux, ivar, mask)) in rows.zip(&expected) {
                let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                let same = (&bits(spectrum.flux) == flux, &bits(spectrum.ivar) == ivar, spectrum.mask == mask);
                prop_assert_eq!(same, (true, true, true), "row {}", spectrum.id);
            }
        }
    }
}

fn fixture(codec: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/checksums-{codec}.parquet"))
}

/// `checksums.py` wrote these tiles.
#[test]
fn a_page_that_does_not_fit_its_checksum() {
    let folder = tempfile::tempdir().unwrap();
    for codec in ["none", "snappy"] {
        let path = folder.path().join(format!("{codec}.parquet"));
        fs::copy(fixture(codec), &path).unwrap();
        let plan: ReadPlan = [TileSlice::new(path.to_str().unwrap(), 0..40)].into_iter().collect();
        let read = || {
            Reader::new(&plan, ReadOptions::default())
                .unwrap()
                .collect::<Result<Vec<_>, _>>()
        };
        let good = read().unwrap();
        for spectrum in good[0].spectra() {
            let id = spectrum.id as f32;
            assert_eq!(
                spectrum.flux,
                [0.0, 0.1, 0.2, 0.3, 0.4].map(|x| (f64::from(id) + x) as f32)
            );
            assert_eq!(
                (spectrum.ivar, spectrum.mask),
                ([id; 5].as_slice(), [0, 0, 1, 0, 0].as_slice())
            );
        }
        let bytes = fs::read(&path).unwrap();
        let footer = bytes.len() - 8 - u32::from_le_bytes(*bytes[bytes.len() - 8..].first_chunk().unwrap()) as usize;
        let mut refused = 0;
        for place in 4..footer {
            let mut bytes = bytes.clone();
            bytes[place] ^= 0x10;
            fs::write(&path, bytes).unwrap();
            match read() {
                Ok(batches) => assert_eq!(batches[0].flux(), good[0].flux(), "byte {place} of {codec}"),
                Err(error) => {
                    let source = std::error::Error::source(&error)
                        .map(ToString::to_string)
                        .unwrap_or_default();
                    refused += usize::from(source.to_lowercase().contains("checksum"));
                }
            }
        }
        assert!(refused > footer / 2, "{refused} of {footer}");
    }
}
