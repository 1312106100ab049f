//! Workers that are killed, and tiles that are damaged.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_array::RecordBatch;
use radio_io::cluster::{Access, Cluster};
use radio_io::{BadTiles, Error, ReadPlan, Shuffle};

use crate::survey::{NODES, ROWS, Survey, TILES, ids_of, options, shuffles};
use crate::worker::Orders;

/// Kills workers in the middle of passes, and starts them again: every row comes once.
#[test]
fn killed_workers_that_come_back() {
    let mut survey = Survey::new(1);
    let options = options().with_shuffle(Shuffle::Window {
        rows: NonZeroUsize::new(1_500).unwrap(),
    });
    let expected = survey.embedded(&options);
    let mut kills = 0;
    let mut epoch = 0;
    let mut failures = 0;
    while kills < 20 {
        let mut reader = survey.cluster.reader(&survey.there, options.clone()).unwrap();
        let mut found = Vec::new();
        loop {
            // Pseudo-random moments: the batch, and what was read ahead by then.
            if found.len() % 17 == (7 * kills + epoch) % 17 && kills < 20 {
                let worker = kills % survey.workers.len();
                survey.workers[worker].restart();
                kills += 1;
            }
            let Some(batch) = reader.next() else { break };
            found.push(batch.unwrap());
        }
        assert_eq!(found, expected, "after {kills} kills");
        epoch += 1;
        failures += reader.nodes().iter().map(|node| node.failures).sum::<u64>();
    }
    assert!(failures > 0, "no kill was noticed");
}

#[test]
fn a_lost_worker_whose_tiles_are_elsewhere() {
    let mut survey = Survey::new(2);
    let options = options().with_shuffle(Shuffle::Global);
    let expected = survey.embedded(&options);
    let mut reader = survey.cluster.reader(&survey.there, options).unwrap();
    let mut found = vec![reader.next().unwrap().unwrap()];
    survey.workers[1].kill();
    found.extend(reader.by_ref().map(Result::unwrap));
    assert_eq!(found, expected);
    assert!(reader.skipped().is_empty());
}

#[test]
fn a_lost_worker_whose_tiles_are_nowhere_else() {
    let mut survey = Survey::new(1);
    let cluster = survey.cluster.clone().with_patience(Duration::from_millis(300));
    survey.workers[1].kill();
    let of_b: Vec<PathBuf> = (1..TILES)
        .step_by(3)
        .map(|tile| format!("{tile:02}.parquet").into())
        .collect();

    let error = cluster
        .reader(&survey.there, options())
        .unwrap()
        .find_map(Result::err)
        .unwrap();
    assert!(error.to_string().contains("node b stays away"), "{error}");
    let Error::Away { node, tiles, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((node.as_str(), &tiles), ("b", &of_b));

    for shuffle in shuffles() {
        let options = options().with_bad_tiles(BadTiles::Skip).with_shuffle(shuffle);
        let mut reader = cluster.reader(&survey.there, options).unwrap();
        let found: Vec<RecordBatch> = reader.by_ref().map(Result::unwrap).collect();
        let expected: Vec<i64> = survey
            .ids()
            .into_iter()
            .filter(|id| (*id as usize / ROWS) % 3 != 1)
            .collect();
        assert_eq!(ids_of(&found), expected);
        let mut skipped: Vec<PathBuf> = reader.skipped().iter().map(|tile| tile.path.clone()).collect();
        skipped.sort_unstable();
        assert_eq!(skipped, of_b);
        assert!(reader.skipped().iter().all(|tile| tile.rows == ROWS as u64));
    }
}

/// Damage to some tiles, in place.
fn damage(node: &str, path: &Path) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let bytes = fs::read(path).unwrap();
    match (node, name) {
        (_, "03.parquet") => fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
        (_, "04.parquet") => {
            // A bit of a page, some rows behind the first.
            let mut bytes = bytes;
            let at = bytes.len() / 3;
            bytes[at] ^= 16;
            fs::write(path, bytes).unwrap();
        }
        (_, "05.parquet") => fs::remove_file(path).unwrap(),
        _ => {}
    }
}

#[test]
fn bad_tiles_are_named_and_the_rest_goes_on() {
    let survey = Survey::with(1, damage);
    for (tile, node, says) in [
        ("03.parquet", "a", "is it complete?"),
        ("04.parquet", "b", "checksum"),
        ("05.parquet", "c", "could not use"),
    ] {
        let of_tile = survey
            .there
            .slices()
            .iter()
            .filter(|slice| slice.uri() == tile)
            .cloned();
        let plan = ReadPlan::from_iter(of_tile);
        let error = survey
            .cluster
            .reader(&plan, options())
            .unwrap()
            .find_map(Result::err)
            .unwrap();
        let text = error.to_string();
        assert!(
            [&format!("node {node}"), tile, says]
                .iter()
                .all(|word| text.contains(*word)),
            "{text}"
        );
    }
    // The embedded reader, on tiles that are as bad.
    for (slice, node) in survey.there.slices().iter().zip(NODES.iter().cycle()) {
        let (from, to) = (
            survey.folder.path().join(node).join(slice.uri()),
            survey.folder.path().join("all").join(slice.uri()),
        );
        if from.exists() {
            fs::copy(from, to).unwrap();
        } else {
            fs::remove_file(to).unwrap();
        }
    }
    for shuffle in shuffles() {
        let options = options().with_bad_tiles(BadTiles::Skip).with_shuffle(shuffle);
        let expected = survey.embedded(&options);
        let mut reader = survey.cluster.reader(&survey.there, options).unwrap();
        let found: Vec<RecordBatch> = reader.by_ref().map(Result::unwrap).collect();
        assert_eq!(ids_of(&found), ids_of(&expected), "{shuffle:?}");
        assert_eq!(found, expected, "{shuffle:?}");
        let mut skipped: Vec<PathBuf> = reader.skipped().iter().map(|tile| tile.path.clone()).collect();
        skipped.sort_unstable();
        assert_eq!(skipped, ["03.parquet", "04.parquet", "05.parquet"].map(PathBuf::from));
    }
}

#[test]
fn bad_copies_are_had_elsewhere() {
    let survey = Survey::with(2, |node, path| {
        if node == "b" {
            damage(node, path);
        }
    });
    for shuffle in shuffles() {
        let options = options().with_shuffle(shuffle);
        let found = survey.cluster.reader(&survey.there, options.clone()).unwrap();
        assert_eq!(found.map(Result::unwrap).collect::<Vec<_>>(), survey.embedded(&options));
    }
}

/// A worker of one ask at a time, and two who want rows, with hardly any patience: nobody counts as lost.
#[test]
fn a_busy_worker_is_waited_for() {
    let survey = Survey::new(1);
    let mut orders = Orders::new("a", &survey.folder.path().join("a"));
    orders.asks = NonZeroUsize::MIN;
    let worker = orders.start();
    let cluster = Cluster::connect([("a", worker.url())], &Access::default()).unwrap();
    let cluster = cluster.with_patience(Duration::from_millis(1));
    let tiles = survey.there.slices().iter().step_by(NODES.len());
    let plan: ReadPlan = tiles.clone().cloned().collect();
    let cluster = cluster.with_topology(tiles.map(|tile| ("a", tile.uri())).collect());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let batches = cluster.reader(&plan, options()).unwrap();
                let rows: usize = batches.map(|batch| batch.unwrap().num_rows()).sum();
                assert_eq!(rows as u64, plan.rows());
            });
        }
    });
}
