//! What a pass takes of memory, by a counting allocator: so it is a program of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use radio_io::{Error, ReadOptions, ReadPlan, Reader, Resources, Runtime, Shuffle, TileSlice};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const TILES: usize = 24;
const ROWS: usize = 300;
const PIXELS: usize = 1024;
/// Flux and ivar.
const ROW_BYTES: usize = 2 * 4 * PIXELS;
const BATCH: usize = 64;
const WINDOW: usize = 256;

fn write(folder: &Path) -> ReadPlan {
    let element = Arc::new(Field::new("element", DataType::Float32, false));
    let lists = |seed: usize| -> ArrayRef {
        let noise = (0..ROWS * PIXELS).map(|i| ((i * 2_654_435_761 + seed) % 10_007) as f32);
        let values = Arc::new(Float32Array::from_iter_values(noise));
        Arc::new(FixedSizeListArray::new(element.clone(), PIXELS as i32, values, None))
    };
    let grid = format!(r#"{{"start": 3600.0, "step": 0.8, "n": {PIXELS}}}"#);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .build();
    let mut plan = ReadPlan::default();
    for tile in 0..TILES {
        let ids = Int64Array::from_iter_values((tile * ROWS) as i64..((tile + 1) * ROWS) as i64);
        // All over the sky.
        let degrees = |step: usize, most: usize| {
            let rows = tile * ROWS..(tile + 1) * ROWS;
            Float64Array::from_iter_values(rows.map(|row| (row * step % most) as f64))
        };
        let columns = [
            ("targetid", Arc::new(ids) as ArrayRef),
            ("ra", Arc::new(degrees(137, 360))),
            ("dec", Arc::new(degrees(7, 90))),
            ("flux", lists(tile)),
            ("ivar", lists(tile + 7)),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let metadata = [("wavelength".to_owned(), grid.clone())].into();
        let schema = Arc::new(Schema::new_with_metadata(batch.schema().fields().clone(), metadata));
        let path = folder.join(format!("{tile}.parquet"));
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties.clone())).unwrap();
        writer.write(&batch.with_schema(schema).unwrap()).unwrap();
        writer.close().unwrap();
        plan.extend([TileSlice::new(path.to_str().unwrap(), 0..ROWS as u64)]);
    }
    plan
}

/// Bytes at the peak of a pass, of which the consumer keeps one batch at a time. It waits once for the reading thread to get
/// as far ahead as `least` bytes, however busy the machine is.
fn peak(plan: &ReadPlan, options: ReadOptions, least: usize) -> usize {
    let profiler = dhat::Profiler::builder().testing().build();
    let mut rows = 0;
    let until = Instant::now() + Duration::from_secs(60);
    for batch in Reader::new(plan, options).unwrap() {
        rows += batch.unwrap().len();
        while dhat::HeapStats::get().max_bytes < least && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    assert_eq!(rows, TILES * ROWS);
    let peak = dhat::HeapStats::get().max_bytes;
    drop(profiler);
    peak
}

/// One test, since the allocator counts for the whole program.
#[test]
fn memory_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let plan = write(folder.path());
    let size = |n| NonZeroUsize::new(n).unwrap();
    let base = ReadOptions::default().with_batch_rows(size(BATCH));
    let batch_bytes = BATCH * ROW_BYTES;
    // Beside the batches: two pages a thread as they are stored and decoded, footers, ids.
    let beside = 10 << 20;

    let mut resources = Resources::default();
    resources.threads = Some(size(2));
    for shuffle in [Shuffle::None, Shuffle::Window { rows: size(WINDOW) }, Shuffle::Global] {
        for batches in [10, 14] {
            resources.memory = Some((batches * batch_bytes) as u64);
            let runtime = Runtime::new(&resources).unwrap();
            let options = base
                .clone()
                .with_shuffle(shuffle)
                .with_runtime(&runtime)
                .with_prefetch(size(40));
            let least = (batches - 2) * batch_bytes;
            let found = peak(&plan, options, least);
            assert!(
                found <= batches * batch_bytes + beside,
                "{shuffle:?}: {found} bytes, where {batches} batches are {}",
                batches * batch_bytes
            );
            // The budget is used, too: with a slow consumer all of it.
            assert!(found >= least, "{shuffle:?}: only {found} bytes");
        }
        assert!(
            (14 * batch_bytes + beside) * 2 < TILES * ROWS * ROW_BYTES,
            "the data are larger by far"
        );
    }

    // Less than a window.
    resources.memory = Some(3 * batch_bytes as u64);
    let runtime = Runtime::new(&resources).unwrap();
    let options = base
        .with_shuffle(Shuffle::Window { rows: size(WINDOW) })
        .with_runtime(&runtime);
    let error = Reader::new(&plan, options).unwrap().next().unwrap().unwrap_err();
    let Error::Option {
        name: "memory",
        expected,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert!(expected.starts_with("at least 5242880 bytes"), "{error}");

    #[cfg(feature = "hats")]
    repartition_keeps_its_memory(folder.path());
}

/// All rows into tiles of another kind.
#[cfg(feature = "hats")]
fn repartition_keeps_its_memory(folder: &Path) {
    use radio_io::{Partitioning, RepartitionOptions, repartition};

    let inputs: Vec<_> = (0..TILES).map(|tile| folder.join(format!("{tile}.parquet"))).collect();
    // Snappy's tables, buffers of files, footers; 60 bytes a row.
    let beside = 8 << 20;
    for memory in [12 << 20, 24 << 20] {
        let options = RepartitionOptions::default()
            .with_partitioning(Partitioning::Order(1))
            .with_memory(memory);
        let profiler = dhat::Profiler::builder().testing().build();
        let done = repartition(&inputs, folder.join(memory.to_string()), &options, |_, _| {}).unwrap();
        let found = dhat::HeapStats::get().max_bytes as u64;
        drop(profiler);
        assert_eq!(
            (done.read, done.written),
            ((TILES * ROWS) as u64, (TILES * ROWS) as u64)
        );
        assert!(done.tiles.len() > 20, "{} tiles", done.tiles.len());
        assert!(found <= memory + beside, "{found} bytes, where {memory} are allowed");
    }
}
