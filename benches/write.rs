//! Tiles in every profile, beside what cannot be saved: writing the same bytes to a file, or compressing them.
//!
//! `cargo bench -p radio-benches --bench write` prints a table of a gigabyte a second of CPU time, on one thread. The spectra are those of the
//! mock; files are in the folder TMPDIR. parquet's own writer does the same for comparison. `-- 16000 200` divides so many spectra anew, in so many
//! mebibytes, and tells the peak of memory.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on stops, and prints what it found"
)]

#[allow(dead_code, unreachable_pub, reason = "tests write other files, too")]
#[path = "../radio-io/tests/it/fits.rs"]
mod coadd;
mod memory;
mod quick;

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use cpu_time::ProcessTime;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use radio_io::fits::{FitsOptions, spectra};
use radio_io::mock::Mock;
use radio_io::{Partitioning, Profile, RepartitionOptions, TileWriter, WriteOptions, repartition};

/// Where a process is to make a mock survey, and nothing else.
const MOCK: &str = "RADIO_BENCH_MOCK";
fn number_of_spectra() -> usize {
    quick::or(2000, 400)
}

/// Times of which the middle one is told.
fn runs() -> usize {
    quick::or(7, 3)
}

/// Bytes that are compressed at a time, as in a page.
const PAGE: usize = 512 << 10;

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    match (&numbers[..], std::env::var_os(MOCK)) {
        (&[spectra], Some(folder)) => return drop(Mock::new(spectra).write(folder, |_| {}).unwrap()),
        (&[spectra, megabytes], _) => return divide(spectra, megabytes),
        _ => {}
    }
    let folder = tempfile::tempdir().unwrap();
    Mock::new(number_of_spectra())
        .write(folder.path().join("mock"), |_| {})
        .unwrap();
    let batches = batches(&folder.path().join("mock"));
    let columns: Vec<Vec<&[u8]>> = ["flux", "ivar", "mask"]
        .iter()
        .map(|name| batches.iter().map(|batch| bytes(batch, name)).collect())
        .collect();
    let size = columns.iter().flatten().map(|part| part.len()).sum::<usize>() as f64;
    let path = folder.path().join("out");
    println!(
        "| {} spectra, {:.0} MB | CPU ms | GB/s | of the limit | size, MB |\n|---|---:|---:|---:|---:|",
        number_of_spectra(),
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

    let file = coadd::write(
        folder.path(),
        "coadd-bench.fits",
        coadd::coadd(500, &coadd::ARMS).concat(),
    );
    let size = std::fs::metadata(&file).unwrap().len() as f64;
    println!(
        "\n| a coadd of 500 spectra, {:.0} MB | CPU ms | MB/s |\n|---|---:|---:|",
        size / 1e6
    );
    for (what, profile) in [
        ("read, arms joined", None),
        ("into a tile, Compatible", Some(Profile::Compatible)),
    ] {
        let time = timed(|| {
            let batches: Vec<RecordBatch> = spectra(&file, &FitsOptions::default())
                .unwrap()
                .map(Result::unwrap)
                .collect();
            if let Some(profile) = profile {
                write(&path, &batches, profile);
            }
        });
        let seconds = time.as_secs_f64();
        println!("| {what} | {:.0} | {:.0} |", 1e3 * seconds, size / 1e6 / seconds);
    }
}

/// So many spectra from tiles into tiles of another order, in so much memory.
fn divide(spectra: usize, megabytes: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mock = folder.path().join("mock");
    // By a process of its own, whose memory does not count.
    let made = Command::new(std::env::current_exe().unwrap())
        .arg(spectra.to_string())
        .env(MOCK, &mock)
        .status();
    assert!(made.unwrap().success());
    let inputs = tiles(&mock);
    let size: u64 = inputs.iter().map(|tile| std::fs::metadata(tile).unwrap().len()).sum();
    memory::reset_peak();
    let (cpu, wall) = (ProcessTime::now(), Instant::now());
    let options = RepartitionOptions::default()
        .with_partitioning(Partitioning::Order(5))
        .with_memory((megabytes as u64) << 20);
    let done = repartition(&inputs, folder.path().join("out"), &options, |_, _| {}).unwrap();
    assert_eq!(done.written, spectra as u64);
    println!("| repartition | read, GB | CPU s | wall s | peak MB |\n|---|---:|---:|---:|---:|");
    println!(
        "| {} tiles into {}, {megabytes} MiB | {:.2} | {:.1} | {:.1} | {} |",
        inputs.len(),
        done.tiles.len(),
        size as f64 / 1e9,
        cpu.elapsed().as_secs_f64(),
        wall.elapsed().as_secs_f64(),
        memory::peak_mb()
    );
}

fn tiles(folder: &Path) -> Vec<PathBuf> {
    let mut tiles: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    tiles.sort();
    tiles
}

/// All rows of the tiles of a folder, as they are stored.
fn batches(folder: &Path) -> Vec<RecordBatch> {
    let read = |tile: &PathBuf| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(tile).unwrap()).unwrap();
        reader
            .with_batch_size(1024)
            .build()
            .unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
    };
    tiles(folder).iter().flat_map(read).collect()
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
    let mut times: Vec<Duration> = (0..runs())
        .map(|_| {
            let cpu = ProcessTime::now();
            work();
            cpu.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
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
