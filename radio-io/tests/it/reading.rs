use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use proptest::prelude::*;
use radio_io::{ReadOptions, ReadPlan, Reader, Shuffle, SpectrumBatch, TileSlice};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use crate::tile::{GRID, PIXELS, flat, plan, ragged, write};

fn n(x: usize) -> NonZeroUsize {
    NonZeroUsize::new(x).unwrap()
}

fn read(plan: &ReadPlan, options: ReadOptions) -> Vec<SpectrumBatch> {
    Reader::new(plan, options).unwrap().collect::<Result<_, _>>().unwrap()
}

fn ids(batches: &[SpectrumBatch]) -> Vec<i64> {
    batches.iter().flat_map(|batch| batch.ids().to_vec()).collect()
}

/// Is every row what `tile::flat` wrote for its id?
fn check_rows(batches: &[SpectrumBatch]) {
    for batch in batches {
        let grid = [4000.0, 4002.0, 4004.0, 4006.0, 4008.0];
        assert_eq!(batch.grid(), Some(grid.as_slice()));
        assert_eq!(
            (batch.flux_matrix().unwrap().dim(), batch.ivar_matrix().unwrap().dim()),
            ((batch.len(), 5), (batch.len(), 5))
        );
        for spectrum in batch.spectra() {
            let flux: Vec<f32> = (0..PIXELS).map(|p| spectrum.id as f32 + p as f32 / 10.0).collect();
            assert_eq!(spectrum.flux, flux);
            assert_eq!(spectrum.ivar, [spectrum.id as f32; PIXELS]);
            assert_eq!(
                (spectrum.mask, spectrum.wavelength),
                ([0, 0, 1, 0, 0].as_slice(), grid.as_slice())
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the sizes: every planned row comes once, whole, in batches of the right size, the same every time.
    #[test]
    fn batches_hold_the_plan(
        tiles in proptest::collection::vec((1..700_usize, 1..300_usize), 1..4),
        batch in 1..400_usize,
        window in 1..900_usize,
        skip in 0..5_u64,
        shuffled: bool,
        drop_last: bool,
        prefetch in 1..5_usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut slices = Vec::new();
        let mut expected = BTreeMap::new();
        for (number, &(rows, group_rows)) in tiles.iter().enumerate() {
            let ids: Vec<i64> = (0..rows as i64).map(|row| number as i64 * 10_000 + row).collect();
            let path = write(&folder.path().join(format!("{number}.parquet")), &flat(&ids, Some(GRID)), group_rows);
            // A hole in every tile, so that rows have to be skipped.
            let path = path.to_str().unwrap();
            for rows in [0..skip.min(rows as u64), (skip + 3).min(rows as u64)..rows as u64] {
                expected.extend(rows.clone().map(|row| (ids[row as usize], ())));
                slices.push(TileSlice::new(path, rows));
            }
        }
        let plan = ReadPlan::from_iter(slices);
        let shuffle = if shuffled { Shuffle::Window { rows: n(window) } } else { Shuffle::None };
        let mut options =
            ReadOptions::default().with_batch_rows(n(batch)).with_shuffle(shuffle).with_prefetch(n(prefetch));
        options.drop_last = drop_last;
        let batches = read(&plan, options.clone());
        check_rows(&batches);

        let found = ids(&batches);
        let whole = expected.len() / batch * batch;
        prop_assert_eq!(found.len(), if drop_last { whole } else { expected.len() });
        prop_assert_eq!(Reader::new(&plan, options.clone()).unwrap().rows(), found.len() as u64);
        prop_assert!(batches.iter().rev().skip(1).all(|b| b.len() == batch));
        let mut unique = found.clone();
        unique.sort_unstable();
        unique.dedup();
        prop_assert_eq!(unique.len(), found.len());
        prop_assert!(unique.iter().all(|id| expected.contains_key(id)));
        if !shuffled {
            prop_assert!(found.is_sorted());
        }
        prop_assert_eq!(found, ids(&read(&plan, options)));
    }
}

#[test]
fn a_struct_tile_keeps_its_rows_ragged() {
    let folder = tempfile::tempdir().unwrap();
    let flux = [vec![Some(1.0), None, Some(-3.0)], vec![], vec![Some(7.0)]];
    let path = write(
        &folder.path().join("t.parquet"),
        &ragged(&["00017", "18", "27"], &flux),
        2,
    );
    let options = ReadOptions::default().with_columns(["star"]);
    let batches = read(&plan([(path.as_path(), 3)]), options);
    let [batch] = batches.as_slice() else {
        panic!("{batches:?}")
    };
    assert_eq!(batch.ids(), [17, 18, 27]);
    assert_eq!(batch.offsets(), [0, 3, 3, 4]);
    assert_eq!((batch.grid(), batch.flux_matrix()), (None, None));
    assert_eq!(batch.wavelength(), Some([5000.0, 5001.0, 5002.0, 5000.0].as_slice()));
    assert!(batch.flux()[1].is_nan() && batch.flux()[0] == 1.0 && batch.flux()[3] == 7.0);
    assert_eq!(batch.ivar(), [4.0, 0.0, 4.0, 4.0]);
    assert_eq!(batch.mask(), [0, 0, 1, 0]);
    let star = batch.record_batch().column_by_name("star").unwrap().as_boolean();
    assert_eq!(star.iter().collect::<Vec<_>>(), [Some(true), Some(false), Some(true)]);
}

#[test]
fn further_columns_follow_their_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        &folder.path().join("t.parquet"),
        &flat(&(0..500).collect::<Vec<_>>(), Some(GRID)),
        100,
    );
    let options = ReadOptions::default()
        .with_shuffle(Shuffle::window())
        .with_columns(["z"]);
    let batches = read(&plan([(path.as_path(), 500)]), options);
    assert!(!ids(&batches).is_sorted());
    for batch in &batches {
        let z = batch
            .record_batch()
            .column_by_name("z")
            .unwrap()
            .as_primitive::<Float64Type>();
        for (id, z) in batch.ids().iter().zip(z) {
            assert_eq!(z, (id % 2 == 0).then_some(*id as f64 / 100.0));
        }
    }
}

#[test]
fn the_seed_and_the_epoch_make_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        &folder.path().join("t.parquet"),
        &flat(&(0..600).collect::<Vec<_>>(), Some(GRID)),
        600,
    );
    let order = |seed, epoch| {
        let options = ReadOptions::default()
            .with_shuffle(Shuffle::window())
            .with_seed(seed)
            .with_epoch(epoch);
        ids(&read(&plan([(path.as_path(), 600)]), options))
    };
    assert_eq!(order(1, 0), order(1, 0));
    assert_ne!(order(1, 0), order(2, 0));
    assert_ne!(order(1, 0), order(1, 1));
}

#[test]
fn an_empty_plan_has_no_batch() {
    assert!(read(&ReadPlan::default(), ReadOptions::default()).is_empty());
}

#[test]
fn a_reader_can_be_left_early() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        &folder.path().join("t.parquet"),
        &flat(&(0..5_000).collect::<Vec<_>>(), Some(GRID)),
        600,
    );
    let plan = plan([(Path::new(&path), 5_000)]);
    for _ in 0..20 {
        let options = ReadOptions::default().with_batch_rows(n(2)).with_prefetch(n(1));
        let mut reader = Reader::new(&plan, options).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().ids(), [0, 1]);
    }
}

#[test]
fn the_same_grid_may_be_written_in_two_ways() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(&folder.path().join("a.parquet"), &flat(&[1, 2], Some(GRID)), 9);
    let spaced = GRID.replace(": ", " : ");
    let second = write(&folder.path().join("b.parquet"), &flat(&[3, 4], Some(&spaced)), 9);
    let batches = read(
        &plan([(first.as_path(), 2), (second.as_path(), 2)]),
        ReadOptions::default(),
    );
    assert_eq!(ids(&batches), [1, 2, 3, 4]);
    check_rows(&batches);
}

/// A consumer may sit in rayon's global pool, on every one of its threads.
#[test]
fn batches_can_be_waited_for_in_a_thread_pool() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        &folder.path().join("t.parquet"),
        &flat(&(0..2_000).collect::<Vec<_>>(), Some(GRID)),
        500,
    );
    let plan = plan([(path.as_path(), 2_000)]);
    let rows: Vec<usize> = (0..16_u64)
        .into_par_iter()
        .map(|seed| {
            let options = ReadOptions::default()
                .with_batch_rows(n(64))
                .with_prefetch(n(1))
                .with_seed(seed);
            read(&plan, options.with_shuffle(Shuffle::window()))
                .iter()
                .map(SpectrumBatch::len)
                .sum()
        })
        .collect();
    assert_eq!(rows, [2_000; 16]);
}
