//! An epoch of shuffled batches: 64 tiles of 500 rows with flux and ivar of 4096 pixels, in batches of 256.
//!
//! `cargo bench -p radio-benches --bench stream` makes its data once (3 GB, kept in the target folder) and prints one table:
//! CPU-seconds (of all threads) per GB of decoded flux and ivar, and the peak of the process's memory. Every row is measured in
//! the same run, in a process of its own, nine times, and the middle one is told; parquet's own reader, which decodes into record batches and
//! gathers rows from them, is the peer, copies of warm memory and reads from the page cache are the limit.
//!
//! `python benches/peers/stream.py target/tmp/stream/Snappy` measures the same epoch with pyarrow, PyTorch, Hugging Face datasets, Daft and
//! Ray Data.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on stops"
)]

mod memory;
mod quick;

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder};
use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::interleave::interleave_record_batch;
use cpu_time::ProcessTime;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use radio_io::{ReadOptions, ReadPlan, Reader, Resources, Runtime, Shuffle, TileSlice, fetch};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// The argument before what one process measures.
const MEASURE: &str = "--measure";
/// Of which the middle one is told: the first ones find cold caches.
fn epochs() -> usize {
    quick::or(9, 3)
}

const SEED: u64 = 20_260_401;

fn tile_count() -> usize {
    quick::or(64, 8)
}

const ROWS: usize = 500;
const PIXELS: usize = 4096;
const BATCH: usize = 256;
const WINDOW_ROWS: usize = 2048;
const WINDOW: Shuffle = Shuffle::Window {
    rows: NonZeroUsize::new(WINDOW_ROWS).unwrap(),
};
/// Bytes of flux and ivar.
fn bytes() -> usize {
    tile_count() * ROWS * PIXELS * 8
}

fn main() {
    let arguments: Vec<String> = env::args().skip_while(|argument| argument != MEASURE).skip(1).collect();
    if let [what, tiles, cache, ..] = arguments.as_slice() {
        println!("{}", measure(what, Path::new(tiles), Path::new(cache)));
        return;
    }
    let folder = quick::folder("stream");
    let profiles: [(&str, WriterPropertiesBuilder); 3] = [
        ("Snappy", properties(Compression::SNAPPY)),
        ("uncompressed", properties(Compression::UNCOMPRESSED)),
        (
            "byte stream split, ZSTD 1",
            properties(Compression::ZSTD(ZstdLevel::try_new(1).unwrap())).set_encoding(Encoding::BYTE_STREAM_SPLIT),
        ),
    ];
    println!(
        "| what | tiles | CPU s per GB | of parquet's reader | wall s per GB | peak MB |\n|---|---|---|---|---|---|"
    );
    for (name, properties) in profiles {
        let tiles = folder.join(name.replace(' ', "-"));
        make(&tiles, &properties.build());
        let taken = |what| Taken::in_a_process(what, &tiles, Path::new("none"));
        let stock = taken("parquet's reader, window");
        stock.print("parquet's reader, window", name, None);
        let mut rows = vec!["radio, in order", "radio, window"];
        // Pages that have to be decoded whole are none for single rows.
        if name != "byte stream split, ZSTD 1" {
            rows.push("radio, global");
        }
        if name == "Snappy" {
            rows.extend([
                "limit: reading from the page cache",
                "limit: copying each row, warm memory",
            ]);
        }
        for what in rows {
            taken(what).print(what, name, Some(&stock));
        }
        if name == "Snappy" {
            cached(&tiles, &stock);
        }
    }
    println!();
    for name in ["uncompressed", "Snappy"] {
        random_access(name, &folder.join(name));
    }
    slow_consumer(&folder.join("Snappy"));
}

/// Epochs over rows that are in shared memory, which a process fills and others use. Their peaks are those of what belongs to
/// the process alone.
fn cached(tiles: &Path, stock: &Taken) {
    let Ok(cache) = tempfile::tempdir_in("/dev/shm") else {
        println!("SKIPPED: no shared memory here");
        return;
    };
    for what in [
        "radio, window, fills the cache",
        "radio, window, cached",
        "radio, global, cached",
    ] {
        Taken::in_a_process(what, tiles, cache.path()).print(what, "Snappy", Some(stock));
    }
}

/// What one row of the table takes, in this process.
fn measure(what: &str, tiles: &Path, cache: &Path) -> Taken {
    let paths = paths(tiles);
    let read = |shuffle, count| radio(tiles, shuffle, &Resources::default(), count);
    let cached = |shuffle, count| {
        let mut resources = Resources::default();
        resources.cache = 2 << 30;
        resources.cache_folder = Some(cache.to_owned());
        radio(tiles, shuffle, &resources, count)
    };
    match what {
        "parquet's reader, window" => repeat(epochs(), || stock(&paths)),
        "radio, in order" => read(Shuffle::None, epochs()),
        "radio, window" => read(WINDOW, epochs()),
        "radio, global" => read(Shuffle::Global, epochs()),
        "radio, window, fills the cache" => cached(WINDOW, 1),
        "radio, window, cached" => cached(WINDOW, epochs()),
        "radio, global, cached" => cached(Shuffle::Global, epochs()),
        "limit: reading from the page cache" => read_limit(&paths),
        _ => copy_limit(),
    }
}

/// So many epochs, as in a training: the runtime is the same.
fn radio(tiles: &Path, shuffle: Shuffle, resources: &Resources, epochs: usize) -> Taken {
    let plan = plan(tiles);
    let runtime = Runtime::new(resources).unwrap();
    let options = ReadOptions::default()
        .with_runtime(&runtime)
        .with_shuffle(shuffle)
        .with_seed(SEED);
    let mut taken = repeat(epochs, || {
        let mut reader = Reader::new(&plan, options.clone()).unwrap();
        let rows = reader.by_ref().map(|batch| black_box(batch.unwrap()).len()).sum();
        assert_eq!(reader.metrics().rows_by_parquet, 0);
        rows
    });
    if resources.cache > 0 {
        // An epoch more, since looking at the memory takes time.
        let own = Reader::new(&plan, options).unwrap().map(|batch| {
            black_box(batch.unwrap());
            memory::own_mb()
        });
        taken.peak_mb = own.max().unwrap();
    }
    taken
}

fn plan(tiles: &Path) -> ReadPlan {
    paths(tiles)
        .iter()
        .map(|path| TileSlice::new(path.to_str().unwrap(), 0..ROWS as u64))
        .collect()
}

/// A thousand random rows, the same from all tiles, beside a scan of all.
fn random_access(name: &str, tiles: &Path) {
    let paths = paths(tiles);
    let mut random = StdRng::seed_from_u64(SEED);
    let plan: ReadPlan = (0..1_000)
        .map(|_| {
            let row = random.random_range(0..ROWS as u64);
            TileSlice::new(
                paths[random.random_range(0..tile_count())].to_str().unwrap(),
                row..row + 1,
            )
        })
        .collect();
    let runtime = Runtime::new(&Resources::default()).unwrap();
    let time = |work: &dyn Fn()| {
        let mut runs: Vec<(Duration, Duration)> = (0..9)
            .map(|_| {
                let (wall, cpu) = (Instant::now(), ProcessTime::now());
                work();
                (cpu.elapsed(), wall.elapsed())
            })
            .collect();
        runs.sort();
        runs[4]
    };
    let (cpu, wall) = time(&|| {
        let batch = fetch(&plan, ReadOptions::default().with_runtime(&runtime))
            .unwrap()
            .unwrap();
        assert_eq!(black_box(batch).len() as u64, plan.rows());
    });
    let (scan, _) = time(&|| {
        for path in &paths {
            let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
            builder
                .build()
                .unwrap()
                .for_each(|batch| drop(black_box(batch.unwrap())));
        }
    });
    println!(
        "{} random rows of {name} tiles: {:.1} ms of CPU, {:.1} ms on the clock; parquet's scan of all rows takes {:.0} times the CPU",
        plan.rows(),
        1e3 * cpu.as_secs_f64(),
        1e3 * wall.as_secs_f64(),
        scan.as_secs_f64() / cpu.as_secs_f64()
    );
}

/// A consumer that takes 5 ms a batch, as a model would, must not wait.
fn slow_consumer(tiles: &Path) {
    let plan = plan(tiles);
    let mut reader = Reader::new(&plan, ReadOptions::default().with_shuffle(Shuffle::window())).unwrap();
    for batch in reader.by_ref() {
        black_box(batch.unwrap());
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("a consumer that takes 5 ms a batch: {}", reader.metrics());
}

/// What an epoch takes.
struct Taken {
    cpu: Duration,
    wall: Duration,
    peak_mb: u64,
}

/// Runs work on all rows so many times, and takes the run in the middle.
fn repeat(times: usize, mut work: impl FnMut() -> usize) -> Taken {
    memory::reset_peak();
    let mut runs: Vec<(Duration, Duration)> = (0..times)
        .map(|_| {
            let (wall, cpu) = (Instant::now(), ProcessTime::now());
            assert_eq!(work(), tile_count() * ROWS);
            (cpu.elapsed(), wall.elapsed())
        })
        .collect();
    runs.sort();
    let (cpu, wall) = runs[times / 2];
    Taken {
        cpu,
        wall,
        peak_mb: memory::peak_mb(),
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.cpu.as_nanos(), self.wall.as_nanos(), self.peak_mb)
    }
}

impl Taken {
    /// In a process of its own, so that no row of the table has memory that another one left to the allocator.
    fn in_a_process(what: &str, tiles: &Path, cache: &Path) -> Self {
        let program = env::current_exe().unwrap();
        let output = Command::new(program)
            .arg(MEASURE)
            .arg(what)
            .args([tiles, cache])
            .args(quick::is_quick().then_some("quick"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
        Self {
            cpu: Duration::from_nanos(numbers[0]),
            wall: Duration::from_nanos(numbers[1]),
            peak_mb: numbers[2],
        }
    }

    fn print(&self, what: &str, tiles: &str, stock: Option<&Self>) {
        let per_gb = |time: Duration| time.as_secs_f64() / (bytes() as f64 / 1e9);
        let ratio = stock.map_or(String::new(), |stock| {
            format!("1/{:.1}", stock.cpu.as_secs_f64() / self.cpu.as_secs_f64())
        });
        let (cpu, wall, peak) = (per_gb(self.cpu), per_gb(self.wall), self.peak_mb);
        println!("| {what} | {tiles} | {cpu:.3} | {ratio} | {wall:.3} | {peak} |");
    }
}

/// What cannot be beaten: the bytes from the page cache into warm memory.
fn read_limit(paths: &[PathBuf]) -> Taken {
    let mut buffer = vec![0_u8; 1 << 20];
    repeat(epochs(), || {
        for path in paths {
            let file = File::open(path).unwrap();
            let size = file.metadata().unwrap().len();
            for at in (0..size).step_by(buffer.len()) {
                let length = buffer.len().min((size - at) as usize);
                file.read_exact_at(&mut buffer[..length], at).unwrap();
            }
            black_box(&buffer);
        }
        tile_count() * ROWS
    })
}

/// And each row once from memory to memory, out of as much as a window holds.
fn copy_limit() -> Taken {
    let from = vec![1_u8; 64 << 20];
    let mut to = from.clone();
    let mut order: Vec<usize> = (0..from.len() / (4 * PIXELS)).collect();
    order.shuffle(&mut StdRng::seed_from_u64(SEED));
    repeat(epochs(), || {
        for _ in 0..bytes() / from.len() {
            for (to, &row) in to.chunks_exact_mut(4 * PIXELS).zip(&order) {
                to.copy_from_slice(&from[row * 4 * PIXELS..][..4 * PIXELS]);
            }
            black_box(&to);
        }
        tile_count() * ROWS
    })
}

/// The same with parquet and arrow alone: tiles in random order, a window of decoded batches, rows gathered from it.
fn stock(paths: &[PathBuf]) -> usize {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut paths = paths.to_vec();
    paths.shuffle(&mut random);
    let mut rows = 0;
    let mut window: Vec<RecordBatch> = Vec::new();
    let mut last = paths.iter().peekable();
    while let Some(path) = last.next() {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        window.extend(builder.with_batch_size(BATCH).build().unwrap().map(Result::unwrap));
        if window.iter().map(RecordBatch::num_rows).sum::<usize>() < WINDOW_ROWS && last.peek().is_some() {
            continue;
        }
        let mut order: Vec<(usize, usize)> = window
            .iter()
            .enumerate()
            .flat_map(|(number, batch)| (0..batch.num_rows()).map(move |row| (number, row)))
            .collect();
        order.shuffle(&mut random);
        let sources: Vec<&RecordBatch> = window.iter().collect();
        for order in order.chunks(BATCH) {
            rows += black_box(interleave_record_batch(&sources, order).unwrap()).num_rows();
        }
        window.clear();
    }
    rows
}

fn properties(codec: Compression) -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(codec)
        .set_dictionary_enabled(false)
}

fn paths(folder: &Path) -> Vec<PathBuf> {
    (0..tile_count())
        .map(|tile| folder.join(format!("{tile:02}.parquet")))
        .collect()
}

/// Writes the tiles, if they are not there: noise, as spectra are to a codec.
fn make(folder: &Path, properties: &WriterProperties) {
    if folder.join("complete").exists() {
        return;
    }
    fs::create_dir_all(folder).unwrap();
    let element = Arc::new(Field::new("element", DataType::Float32, false));
    let list = DataType::FixedSizeList(element.clone(), PIXELS as i32);
    let schema = Arc::new(
        Schema::new(vec![
            Field::new("targetid", DataType::Int64, false),
            Field::new("flux", list.clone(), false),
            Field::new("ivar", list, false),
        ])
        .with_metadata(
            [(
                "wavelength".to_owned(),
                r#"{"start": 3600.0, "step": 0.8, "n": 4096}"#.to_owned(),
            )]
            .into(),
        ),
    );
    let write = |(tile, path): (usize, PathBuf)| {
        let mut random = StdRng::seed_from_u64(SEED + tile as u64);
        let mut matrix = || {
            let mut lists = FixedSizeListBuilder::new(Float32Builder::new(), PIXELS as i32).with_field(element.clone());
            for _ in 0..ROWS {
                let noise: Vec<f32> = (0..PIXELS).map(|_| random.random::<f32>() + 0.5).collect();
                lists.values().append_slice(&noise);
                lists.append(true);
            }
            Arc::new(lists.finish())
        };
        let ids = Int64Array::from_iter_values((tile * ROWS) as i64..((tile + 1) * ROWS) as i64);
        let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(ids), matrix(), matrix()]).unwrap();
        let mut writer =
            ArrowWriter::try_new(File::create(path).unwrap(), schema.clone(), Some(properties.clone())).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    };
    paths(folder)
        .into_iter()
        .enumerate()
        .collect::<Vec<_>>()
        .into_par_iter()
        .for_each(write);
    fs::write(folder.join("complete"), "").unwrap();
}
