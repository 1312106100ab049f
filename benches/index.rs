//! radio-index at the size of DESI: 12,000 tiles, 6.4 million galaxies.
//!
//! `cargo bench -p radio-benches --bench index` makes its data once (2 GB, kept in the target folder) and prints first what is
//! done once (syncs, ingestion, joins: wall and CPU seconds, peak memory), then criterion's groups, which count CPU time.
//! PostgreSQL is measured where it is installed, with its own defaults; its own CPU time is not counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on stops"
)]

mod cpu;
mod memory;
mod quick;

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use criterion::measurement::Measurement;
use criterion::{Criterion, Throughput};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int64Type};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use radio_datasheet::{Answers, Datasheet};
use radio_index::blocking::Index;
use radio_index::{CatalogueOptions, Depth, FooterReader, Selection, SyncOptions};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::cpu::Cpu;

const SEED: u64 = 20_260_401;

fn tile_count() -> usize {
    quick::or(12_000, 1_200)
}

fn all_galaxies() -> usize {
    quick::or(6_400_000, 640_000)
}

const KEYS: [&str; 3] = ["targetid", "target_ra", "target_dec"];

fn main() {
    let folder = quick::folder("index");
    let data = Data::make(&folder);
    println!("\n| what | database | rows or files | wall s | CPU s | per s | peak MB |\n|---|---|---|---|---|---|---|");
    let sqlite = format!("sqlite:{}", folder.join("index.db").display());
    once(&data, "SQLite", &sqlite, &folder);
    let server = postgres();
    if let Some(server) = &server {
        once(&data, "PostgreSQL", &server.connection_uri(), &folder);
    }
    if quick::is_quick() {
        return;
    }
    println!();

    let mut criterion = Criterion::default()
        .with_measurement(Cpu)
        .sample_size(10)
        .configure_from_args();
    footers(&mut criterion, &data);
    selections(&mut criterion, "SQLite", &sqlite, &data);
    if let Some(server) = &server {
        // The server works in other processes: only the time on the clock says how long it takes.
        let mut criterion = Criterion::default().sample_size(10).configure_from_args();
        selections(&mut criterion, "PostgreSQL", &server.connection_uri(), &data);
        criterion.final_summary();
    }
    criterion.final_summary();
}

/// What is done once in the life of an index.
fn once(data: &Data, name: &str, url: &str, folder: &Path) {
    reset(url, folder);
    // Tiles with few rows: their footers and registry.
    let index = Index::open(url).unwrap();
    let tiles = SyncOptions::new(&data.tiles).with_node("tiles");
    let report = row("first sync of tiles", name, tile_count(), || {
        index.sync(&tiles).unwrap()
    });
    assert_eq!((report.added.len(), report.failed.len()), (tile_count(), 0));
    let report = row("second sync, nothing changed", name, tile_count(), || {
        index.sync(&tiles).unwrap()
    });
    assert_eq!(report.unchanged, tile_count() as u64);
    let report = row("verify: stat", name, tile_count(), || {
        index.verify(&tiles, Depth::Stat).unwrap()
    });
    assert!(report.is_clean());
    let report = row("verify: footer", name, tile_count(), || {
        index.verify(&tiles, Depth::Footer).unwrap()
    });
    assert!(report.is_clean());
    let sheet = row("datasheet of all tiles, summary included", name, tile_count(), || {
        let (summary, answers) = (index.summary().unwrap(), Answers::default());
        Datasheet::new(&summary, &answers).write(folder).unwrap()
    });
    assert!(fs::read_to_string(sheet).unwrap().contains(if quick::is_quick() {
        "| tiles | 1,200 | footer |"
    } else {
        "| tiles | 12,000 | footer |"
    }));
    drop(index);
    reset(url, folder);

    // Tiles with many rows: the catalogue.
    let index = Index::open(url).unwrap();
    let report = row("ingest galaxies, indexes included", name, all_galaxies(), || {
        index.sync(&SyncOptions::new(&data.catalogue)).unwrap()
    });
    assert_eq!((report.rows, report.failed.len()), (all_galaxies() as u64, 0));
    let join = CatalogueOptions::new(&data.separate);
    let report = row("join a catalogue by id", name, all_galaxies(), || {
        index.join_catalogue(&join).unwrap()
    });
    assert_eq!(report.joined, all_galaxies() as u64);
    let summary = row("summary", name, all_galaxies(), || index.summary().unwrap());
    assert_eq!(summary.catalogue.rows, all_galaxies() as u64);
    index.close();
}

/// An empty database again.
fn reset(url: &str, folder: &Path) {
    if url.starts_with("sqlite") {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(folder.join(format!("index.db{suffix}")));
        }
    } else {
        let drop = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
        let done = std::process::Command::new("psql").args([url, "-qc", drop]).output();
        assert!(
            done.is_ok_and(|done| done.status.success()),
            "psql is needed beside PostgreSQL"
        );
    }
}

fn row<T>(what: &str, database: &str, items: usize, work: impl FnOnce() -> T) -> T {
    memory::reset_peak();
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    let result = work();
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    let (rate, peak) = (items as f64 / wall, memory::peak_mb());
    println!("| {what} | {database} | {items} | {wall:.2} | {cpu:.2} | {rate:.0} | {peak} |");
    result
}

/// Footers per CPU-second, beside the stock decoder and beside opening and reading alone.
fn footers(c: &mut Criterion<Cpu>, data: &Data) {
    let paths: Vec<PathBuf> = paths(&data.tiles, tile_count()).collect();
    let mut group = c.benchmark_group("footers");
    group.throughput(Throughput::Elements(tile_count() as u64));
    group.bench_function("limit: open, fstat, pread", |b| {
        b.iter(|| paths.iter().map(|path| tail(path).len()).sum::<usize>());
    });
    group.bench_function("radio: key columns", |b| {
        let mut reader = FooterReader::default().with_columns(KEYS);
        b.iter(|| paths.iter().map(|path| reader.read(path).unwrap().rows()).sum::<u64>());
    });
    group.bench_function("radio: all columns", |b| {
        let mut reader = FooterReader::default();
        b.iter(|| paths.iter().map(|path| reader.read(path).unwrap().rows()).sum::<u64>());
    });
    group.bench_function("peer: parquet's decoder", |b| {
        b.iter(|| {
            let rows = paths.iter().map(|path| {
                let tail = tail(path);
                let (footer, ending) = tail.split_at(tail.len() - 8);
                let length = u32::from_le_bytes(ending[..4].try_into().unwrap()) as usize;
                let metadata = ParquetMetaDataReader::decode_metadata(&footer[footer.len() - length..]).unwrap();
                metadata.file_metadata().num_rows()
            });
            rows.sum::<i64>()
        });
    });
    group.finish();
}

fn tail(path: &Path) -> Vec<u8> {
    let file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    let mut tail = vec![0; size.min(64 << 10) as usize];
    let offset = size - tail.len() as u64;
    file.read_exact_at(&mut tail, offset).unwrap();
    tail
}

/// From a selection to a finished plan, and the limit: the rows' numbers fetched and nothing else.
fn selections<M: Measurement>(c: &mut Criterion<M>, name: &str, url: &str, data: &Data) {
    let index = Index::open(url).unwrap();
    let mut group = c.benchmark_group(format!("plan/{name}"));
    let (ra, dec) = data.somewhere;
    let cases = [
        ("z > 2.5, 1 % of the rows", Selection::all().redshift(2.5..)),
        ("1,000 ids", Selection::all().ids(data.ids.iter().copied())),
        ("a cone of 1°", Selection::all().cone(ra, dec, 1.0)),
        ("everything", Selection::all()),
    ];
    for (case, selection) in cases {
        let rows = index.plan(&selection).unwrap().rows();
        assert!(rows > 0);
        group.bench_function(format!("{case}: {rows} rows"), |b| {
            b.iter(|| black_box(index.plan(&selection).unwrap().rows()));
        });
    }
    group.finish();
}

/// What is measured: made once, the same in every run.
struct Data {
    /// 12,000 tiles of 3 row groups with 2 rows each.
    tiles: PathBuf,
    /// 12,000 tiles of 3 row groups with 6.4 million rows in all.
    catalogue: PathBuf,
    /// The same galaxies in 64 files, in another order.
    separate: PathBuf,
    /// A thousand ids of theirs.
    ids: Vec<i64>,
    /// A position among them.
    somewhere: (f64, f64),
}

impl Data {
    fn make(folder: &Path) -> Self {
        let part = |name: &str| folder.join(name);
        let (tiles, catalogue, separate) = (part("tiles"), part("catalogue"), part("separate"));
        if !part("complete").exists() {
            println!("making tiles and catalogue in {}", folder.display());
            for part in [&tiles, &catalogue, &separate] {
                let _ = fs::remove_dir_all(part);
                fs::create_dir_all(part).unwrap();
            }
            paths(&tiles, tile_count())
                .enumerate()
                .collect::<Vec<_>>()
                .into_par_iter()
                .for_each(|(tile, path)| {
                    write(&path, &galaxies(tile)[..6]);
                });
            paths(&catalogue, tile_count())
                .enumerate()
                .collect::<Vec<_>>()
                .into_par_iter()
                .for_each(|(tile, path)| {
                    write(&path, &galaxies(tile));
                });
            paths(&separate, 64)
                .enumerate()
                .collect::<Vec<_>>()
                .into_par_iter()
                .for_each(|(part, path)| {
                    // Every 64th tile, so that no file has neighbours.
                    write(
                        &path,
                        &(part..tile_count()).step_by(64).flat_map(galaxies).collect::<Vec<_>>(),
                    );
                });
            fs::write(part("complete"), "").unwrap();
        }
        let some = (0..tile_count())
            .step_by(12)
            .map(|tile| galaxies(tile)[tile % 500].targetid);
        let first = &galaxies(tile_count() / 2)[0];
        Self {
            tiles,
            catalogue,
            separate,
            ids: some.collect(),
            somewhere: (first.ra, first.dec),
        }
    }
}

fn paths(folder: &Path, count: usize) -> impl Iterator<Item = PathBuf> {
    (0..count).map(move |number| folder.join(format!("{number:05}.parquet")))
}

struct Galaxy {
    targetid: i64,
    ra: f64,
    dec: f64,
    z: f64,
}

/// The galaxies of one tile: a patch of 0.84 square degrees, as large as a HEALPix pixel of nside 64; together 10,000 square
/// degrees. Ids are made as DESI makes them, of the brick that the galaxy is in; one redshift in a hundred is above 2.5.
fn galaxies(tile: usize) -> Vec<Galaxy> {
    let mut random = StdRng::seed_from_u64(SEED + tile as u64);
    let count = all_galaxies() / tile_count() + usize::from(tile < all_galaxies() % tile_count());
    let (stripe, place) = (tile / 120, tile % 120);
    let galaxy = |_| {
        let sin_dec = (stripe as f64 + random.random::<f64>()) / 100.0 * 0.85 - 0.1;
        let dec = sin_dec.asin().to_degrees();
        let ra = 90.0 + (place as f64 + random.random::<f64>()) * 1.5;
        let brick = ((dec + 90.0) * 4.0).floor() as i64 * 1440 + (ra * 4.0).floor() as i64;
        Galaxy {
            targetid: 9010 << 42 | brick << 22 | random.random_range(0..1 << 16),
            ra,
            dec,
            z: -0.543 * (1.0 - random.random::<f64>()).ln(),
        }
    };
    (0..count).map(galaxy).collect()
}

/// Twelve columns in three row groups.
fn write(path: &Path, galaxies: &[Galaxy]) {
    let schema = "message schema {
        required int64 targetid; required double target_ra; required double target_dec; optional double z;
        optional double zerr; optional int64 zwarn; optional binary spectype (STRING); optional binary objtype (STRING);
        optional int64 desi_target; optional double deltachi2;
        required group flux (LIST) { repeated group list { required float element; } }
        required group ivar (LIST) { repeated group list { required float element; } }
    }";
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut file = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap();
    for rows in galaxies.chunks(galaxies.len().div_ceil(3)) {
        let mut group = file.next_row_group().unwrap();
        let text = |text: &'static str| rows.iter().map(|_| ByteArray::from(text)).collect::<Vec<_>>();
        let reals = |value: fn(&Galaxy) -> f64| rows.iter().map(value).collect::<Vec<_>>();
        column::<Int64Type>(&mut group, &rows.iter().map(|g| g.targetid).collect::<Vec<_>>(), 1);
        column::<DoubleType>(&mut group, &reals(|g| g.ra), 1);
        column::<DoubleType>(&mut group, &reals(|g| g.dec), 1);
        column::<DoubleType>(&mut group, &reals(|g| g.z), 1);
        column::<DoubleType>(&mut group, &reals(|g| 1e-4 * (1.0 + g.z)), 1);
        column::<Int64Type>(
            &mut group,
            &rows.iter().map(|g| i64::from(g.z > 2.9) * 4).collect::<Vec<_>>(),
            1,
        );
        column::<ByteArrayType>(&mut group, &text("GALAXY"), 1);
        column::<ByteArrayType>(&mut group, &text("TGT"), 1);
        column::<Int64Type>(&mut group, &vec![1 << 60; rows.len()], 1);
        column::<DoubleType>(&mut group, &reals(|g| 20.0 + 100.0 * g.z), 1);
        for _ in 0..2 {
            column::<FloatType>(&mut group, &vec![1.5; 4 * rows.len()], 4);
        }
        group.close().unwrap();
    }
    file.close().unwrap();
}

/// Writes values without nulls; where there are several a row, as lists of that length.
fn column<D: DataType>(group: &mut SerializedRowGroupWriter<'_, File>, values: &[D::T], a_row: usize) {
    let mut column = group.next_column().unwrap().unwrap();
    let present = vec![1; values.len()];
    let repeated: Vec<i16> = (0..values.len()).map(|i| i16::from(i % a_row != 0)).collect();
    column
        .typed::<D>()
        .write_batch(values, Some(&present), Some(&repeated))
        .unwrap();
    column.close().unwrap();
}

fn postgres() -> Option<pgtemp::PgTempDB> {
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    folders.sort();
    let binaries = folders.into_iter().rfind(|folder| folder.join("initdb").exists());
    if binaries.is_none() {
        println!("SKIPPED: PostgreSQL is not installed");
    }
    let server = pgtemp::PgTempDB::builder().with_bin_path(binaries?).start();
    while Index::open(&server.connection_uri()).is_err() {
        std::thread::sleep(Duration::from_millis(100));
    }
    Some(server)
}
