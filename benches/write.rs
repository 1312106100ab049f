//! Tiles in every profile, beside what cannot be saved: writing the same bytes to a file, or compressing them.
//!
//! `cargo bench -p radio-benches --bench write` prints a table of a gigabyte a second of CPU time, on one thread. The spectra are those of the
//! mock; files are in the folder TMPDIR. parquet's own writer does the same for comparison.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on stops, and prints what it found"
)]

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use cpu_time::ProcessTime;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use radio_io::mock::Mock;
use radio_io::{Profile, TileWriter, WriteOptions};

const SPECTRA: usize = 2000;
/// Times of which the middle one is told.
const RUNS: usize = 7;
/// Bytes that are compressed at a time, as in a page.
const PAGE: usize = 512 << 10;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    Mock::new(SPECTRA).write(folder.path().join("mock"), |_| {}).unwrap();
    let batches = batches(&folder.path().join("mock"));
    let columns: Vec<Vec<&[u8]>> = ["flux", "ivar", "mask"]
        .iter()
        .map(|name| batches.iter().map(|batch| bytes(batch, name)).collect())
        .collect();
    let size = columns.iter().flatten().map(|part| part.len()).sum::<usize>() as f64;
    let path = folder.path().join("out");
    println!(
        "| {SPECTRA} spectra, {:.0} MB | CPU ms | GB/s | of the limit | size, MB |\n|---|---:|---:|---:|---:|",
        size / 1e6
    );

    let copy = timed(|| {
        let mut file = File::create(&path).unwrap();
        columns.iter().flatten().for_each(|part| file.write_all(part).unwrap());
        file.sync_all().unwrap();
    });
    row("copy to a file", size, copy, copy, &path);
    let training = timed(|| write(&path, &batches, Profile::Training));
    row("TileWriter, Training", size, training, copy, &path);
    let stock = timed(|| stock_write(&path, &batches, Profile::Training));
    row("parquet's ArrowWriter, the same", size, stock, copy, &path);

    let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
    let compress = timed(|| {
        for (number, column) in columns.iter().enumerate() {
            for page in column.iter().flat_map(|part| part.chunks(PAGE)) {
                // The mask is of whole numbers.
                let page = if number < 2 { split(page) } else { page.to_vec() };
                black_box(compressor.compress(&page).unwrap());
            }
        }
    });
    row(
        "bytes apart and Zstandard 1, in memory",
        size,
        compress,
        compress,
        &path,
    );
    let archive = timed(|| write(&path, &batches, Profile::Archive));
    row("TileWriter, Archive", size, archive, compress, &path);
    let stock = timed(|| stock_write(&path, &batches, Profile::Archive));
    row("parquet's ArrowWriter, the same", size, stock, compress, &path);
    let compatible = timed(|| write(&path, &batches, Profile::Compatible));
    row("TileWriter, Compatible", size, compatible, copy, &path);
}

/// All rows of the tiles of a folder, as they are stored.
fn batches(folder: &Path) -> Vec<RecordBatch> {
    let mut tiles: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    tiles.sort();
    let read = |tile: &std::path::PathBuf| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(tile).unwrap()).unwrap();
        reader
            .with_batch_size(1024)
            .build()
            .unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
    };
    tiles.iter().flat_map(read).collect()
}

fn bytes<'a>(batch: &'a RecordBatch, name: &str) -> &'a [u8] {
    let values = batch.column_by_name(name).unwrap().as_fixed_size_list().values();
    match values.as_primitive_opt::<arrow_array::types::Float32Type>() {
        Some(floats) => floats.values().inner().as_slice(),
        None => values
            .as_primitive::<arrow_array::types::Int32Type>()
            .values()
            .inner()
            .as_slice(),
    }
}

fn write(path: &Path, batches: &[RecordBatch], profile: Profile) {
    let options = WriteOptions::default().with_profile(profile).without_order();
    let mut writer = TileWriter::create(path, batches[0].schema(), options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

fn leaf(column: &str) -> ColumnPath {
    ColumnPath::from(vec![column.to_owned(), "list".to_owned(), "element".to_owned()])
}

fn stock_write(path: &Path, batches: &[RecordBatch], profile: Profile) {
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None);
    let properties = match profile {
        Profile::Archive => properties
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()))
            .set_column_encoding(leaf("flux"), Encoding::BYTE_STREAM_SPLIT)
            .set_column_encoding(leaf("ivar"), Encoding::BYTE_STREAM_SPLIT),
        _ => properties.set_compression(Compression::UNCOMPRESSED),
    };
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batches[0].schema(), Some(properties.build())).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap().sync_all().unwrap();
}

/// The first bytes of all numbers, then the second ones.
fn split(page: &[u8]) -> Vec<u8> {
    (0..4)
        .flat_map(|byte| page[byte..].iter().step_by(4).copied())
        .collect()
}

fn timed(mut work: impl FnMut()) -> Duration {
    work();
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let cpu = ProcessTime::now();
            work();
            cpu.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2]
}

fn row(what: &str, size: f64, time: Duration, limit: Duration, path: &Path) {
    let (seconds, limit) = (time.as_secs_f64(), limit.as_secs_f64());
    println!(
        "| {what} | {:.0} | {:.2} | {:.0} % | {:.0} |",
        1e3 * seconds,
        size / 1e9 / seconds,
        100.0 * limit / seconds,
        std::fs::metadata(path).unwrap().len() as f64 / 1e6
    );
}
