//! Memory where more comes than is taken.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::DataType;
use radio_io::cluster::{Access, Cluster};
use radio_io::{ReadPlan, TileSlice, TileWriter, WriteOptions};

use crate::survey::options;
use crate::tile::flat;
use crate::worker::Orders;

/// Rows of 31 kB, many more than fit the budgets: what is not taken is not read.
#[test]
fn a_slow_consumer_does_not_fill_memory() {
    const PIXELS: usize = 4_000;
    const MANY: usize = 12_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.parquet");
    let grid = format!(r#"{{"start": 3600.0, "step": 0.8, "n": {PIXELS}}}"#);
    let small = flat(&[0], Some(&grid));
    let mut writer = None;
    for first in (0..MANY).step_by(500) {
        let ids: ArrayRef = Arc::new((first as i64..(first + 500) as i64).collect::<Int64Array>());
        let element = Arc::new(arrow_schema::Field::new("element", DataType::Float32, false));
        let floats = |seed: usize| -> ArrayRef {
            let values = (0..500 * PIXELS).map(|i| ((i * 7 + seed) % 1_000) as f32);
            let values = Arc::new(values.collect::<arrow_array::Float32Array>());
            Arc::new(arrow_array::FixedSizeListArray::new(
                element.clone(),
                PIXELS as i32,
                values,
                None,
            ))
        };
        let batch = RecordBatch::try_from_iter([("targetid", ids), ("flux", floats(1)), ("ivar", floats(2))]).unwrap();
        let fields: Vec<_> = batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(false))
            .collect();
        let schema = arrow_schema::Schema::new_with_metadata(fields, small.schema().metadata().clone());
        let batch = RecordBatch::try_new(Arc::new(schema), batch.columns().to_vec()).unwrap();
        let writer =
            writer.get_or_insert_with(|| TileWriter::create(&path, batch.schema(), WriteOptions::default()).unwrap());
        writer.write(&batch).unwrap();
    }
    writer.unwrap().finish().unwrap();
    let worker = Orders::new("a", folder.path()).start();
    let plan = ReadPlan::from_iter([TileSlice::new("large.parquet", 0..MANY as u64)]);
    let cluster = Cluster::connect([("a", worker.url())], &Access::default())
        .unwrap()
        .with_topology([("a", "large.parquet")].into_iter().collect())
        .with_memory(30 << 20);
    let without: [&str; 0] = [];
    let mut reader = cluster.reader(&plan, options().with_columns(without)).unwrap();
    // As long as somebody wants to wait: ten minutes are what the engine keeps things for that nobody uses.
    let pause = std::env::var("RADIO_TEST_PAUSE").map_or(3, |seconds| seconds.parse().unwrap());
    let before = peak_mb();
    let first = reader.next().unwrap().unwrap();
    assert_eq!(first.num_rows(), 100);
    std::thread::sleep(Duration::from_secs(pause));
    let asked: u64 = reader.nodes().iter().map(|node| node.rows).sum();
    assert!(
        asked < 3_000,
        "{asked} of {MANY} rows came in though one batch was taken"
    );
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), MANY - 100);
    // Of 576 MB. A worker has two asks of 50 MB and what is being sent, and maps the tile.
    let (worker, here) = (worker.peak_mb(), peak_mb() - before);
    assert!(worker < 330, "the worker took {worker} MB");
    assert!(here < 200, "the consumer took {here} MB");
}

fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
