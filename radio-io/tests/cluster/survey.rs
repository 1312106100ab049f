//! A survey on three nodes.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use radio_io::cluster::{Access, Cluster};
use radio_io::{PlanTile, ReadOptions, ReadPlan, Reader, Shuffle, TileSlice, TileWriter, Topology, WriteOptions};

use crate::tile::{GRID, flat};
use crate::worker::{Orders, WorkerProcess};

pub(crate) const NODES: [&str; 3] = ["a", "b", "c"];
pub(crate) const TILES: usize = 12;
pub(crate) const ROWS: usize = 700;

/// A survey on three nodes.
pub(crate) struct Survey {
    pub(crate) folder: tempfile::TempDir,
    /// Of all tiles in one folder, for the embedded reader.
    pub(crate) here: ReadPlan,
    /// By the names that the tiles have on the nodes.
    pub(crate) there: ReadPlan,
    pub(crate) workers: Vec<WorkerProcess>,
    pub(crate) cluster: Cluster,
}

impl Survey {
    /// Each tile is on `copies` nodes.
    pub(crate) fn new(copies: usize) -> Self {
        Self::with(copies, |_, _| ())
    }

    /// The same, of which `damage` was done to the tile of a node before the workers start.
    pub(crate) fn with(copies: usize, damage: impl Fn(&str, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let all = folder.path().join("all");
        fs::create_dir(&all).unwrap();
        NODES
            .iter()
            .for_each(|node| fs::create_dir(folder.path().join(node)).unwrap());
        let mut topology = Topology::default();
        let (mut here, mut there, mut known) = (Vec::new(), Vec::new(), BTreeMap::new());
        for number in 0..TILES {
            let name = format!("{number:02}.parquet");
            let ids: Vec<i64> = (0..ROWS).map(|row| (number * ROWS + row) as i64).collect();
            let batch = flat(&ids, Some(GRID));
            let path = all.join(&name);
            let options = WriteOptions::default().with_page_bytes(4_000);
            let mut writer = TileWriter::create(&path, batch.schema(), options).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            for copy in 0..copies {
                let node = NODES[(number + copy) % NODES.len()];
                let to = folder.path().join(node).join(&name);
                fs::copy(&path, &to).unwrap();
                let time = fs::metadata(&path).unwrap().modified().unwrap();
                fs::File::options()
                    .write(true)
                    .open(&to)
                    .unwrap()
                    .set_modified(time)
                    .unwrap();
                damage(node, &to);
                topology.extend([(node, name.clone())]);
            }
            here.push(TileSlice::new(path.to_str().unwrap(), 0..ROWS as u64));
            there.push(TileSlice::new(name.as_str(), 0..ROWS as u64));
            let tile = PlanTile {
                node: NODES[number % NODES.len()].into(),
                size: fs::metadata(&path).unwrap().len(),
                rows: ROWS as u64,
                ..PlanTile::default()
            };
            known.insert(Arc::from(name), tile);
        }
        let workers: Vec<_> = NODES
            .iter()
            .map(|node| Orders::new(node, &folder.path().join(node)).start())
            .collect();
        let nodes = NODES.iter().zip(&workers).map(|(&node, worker)| (node, worker.url()));
        let cluster = Cluster::connect(nodes, &Access::default())
            .unwrap()
            .with_topology(topology)
            .with_patience(Duration::from_secs(20));
        Self {
            folder,
            here: here.into_iter().collect(),
            there: ReadPlan::from_iter(there).with_tiles(known),
            workers,
            cluster,
        }
    }

    pub(crate) fn embedded(&self, options: &ReadOptions) -> Vec<RecordBatch> {
        let batches = Reader::new(&self.here, options.clone()).unwrap();
        batches.map(|batch| batch.unwrap().record_batch().clone()).collect()
    }

    pub(crate) fn ids(&self) -> Vec<i64> {
        (0..(TILES * ROWS) as i64).collect()
    }
}

pub(crate) fn options() -> ReadOptions {
    let mut options = ReadOptions::default()
        .with_batch_rows(NonZeroUsize::new(100).unwrap())
        .with_columns(["z"]);
    options.prefetch = NonZeroUsize::new(2).unwrap();
    options
}

pub(crate) fn shuffles() -> [Shuffle; 3] {
    [
        Shuffle::None,
        Shuffle::Window {
            rows: NonZeroUsize::new(1_500).unwrap(),
        },
        Shuffle::Global,
    ]
}

pub(crate) fn ids_of(batches: &[RecordBatch]) -> Vec<i64> {
    let of = |batch: &RecordBatch| batch["targetid"].as_primitive::<Int64Type>().values().to_vec();
    let mut ids: Vec<i64> = batches.iter().flat_map(of).collect();
    ids.sort_unstable();
    ids
}
