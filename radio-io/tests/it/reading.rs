use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use proptest::prelude::*;
use radio_io::{Error, ReadOptions, ReadPlan, Reader, Shuffle, SpectrumBatch, State, TileSlice, fetch};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use crate::tile::{GRID, PIXELS, arms, flat, plan, ragged, write};

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
        shuffle in 0..3_u8,
        drop_last: bool,
        prefetch in 1..5_usize,
        taken: proptest::sample::Index,
        world in 1..4_u64,
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
        let shuffle = match shuffle {
            0 => Shuffle::None,
            1 => Shuffle::Window { rows: n(window) },
            _ => Shuffle::Global,
        };
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
        if shuffle == Shuffle::None {
            prop_assert!(found.is_sorted());
        }
        prop_assert_eq!(&found, &ids(&read(&plan, options.clone())));

        // Resumed at any batch, through any format, the rest is the same, however far was read ahead.
        let taken = taken.index(batches.len() + 1);
        let mut reader = Reader::new(&plan, options.clone()).unwrap();
        let before: Vec<_> = reader.by_ref().take(taken).map(Result::unwrap).collect();
        let state: State = serde_json::from_str(&serde_json::to_string(&reader.state()).unwrap()).unwrap();
        prop_assert_eq!(state.batch(), taken as u64);
        let rest = Reader::resume(&plan, options.clone().with_prefetch(n(7)), &state).unwrap();
        let rest: Vec<_> = rest.map(Result::unwrap).collect();
        check_rows(&rest);
        prop_assert_eq!([ids(&before), ids(&rest)].concat(), found);

        // Ranks take the same number of steps, and no row is read by two.
        let world = NonZeroU64::new(world).unwrap();
        let ranks: Vec<_> = (0..world.get()).map(|rank| read(&plan, options.clone().with_rank(rank, world))).collect();
        prop_assert!(ranks.iter().all(|rank| rank.len() == ranks[0].len()));
        let mut shared: Vec<i64> = ranks.iter().flat_map(|rank| ids(rank)).collect();
        shared.sort_unstable();
        let rows = shared.len();
        shared.dedup();
        prop_assert_eq!(shared.len(), rows);
        if !drop_last {
            prop_assert!(rows + world.get() as usize > expected.len());
        }
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

#[test]
fn what_was_passed_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let tiles: Vec<_> = (0..3_i64)
        .map(|tile| {
            let ids: Vec<i64> = (tile * 512..(tile + 1) * 512).collect();
            write(
                &folder.path().join(format!("{tile}.parquet")),
                &flat(&ids, Some(GRID)),
                100,
            )
        })
        .collect();
    let plan = plan(tiles.iter().map(|path| (path.as_path(), 512)));
    let mut reader = Reader::new(&plan, ReadOptions::default()).unwrap();
    let state = {
        reader.by_ref().take(5).for_each(|batch| drop(batch.unwrap()));
        reader.state()
    };
    // All of their rows were taken.
    std::fs::remove_file(&tiles[0]).unwrap();
    std::fs::remove_file(&tiles[1]).unwrap();
    let rest = Reader::resume(&plan, ReadOptions::default(), &state).unwrap();
    let rest: Vec<_> = rest.map(Result::unwrap).collect();
    assert_eq!(ids(&rest), (1_280..1_536).collect::<Vec<_>>());
}

#[test]
fn a_state_of_another_pass_is_refused() {
    let plan = plan([(Path::new("a"), 300), (Path::new("b"), 300)]);
    let other = ReadPlan::from_iter([TileSlice::new("a", 0..301), TileSlice::new("b", 0..300)]);
    let options = ReadOptions::default().with_shuffle(Shuffle::window());
    let state = Reader::new(&plan, options.clone()).unwrap().state();
    let refused = |plan: &ReadPlan, options: &ReadOptions| match Reader::resume(plan, options.clone(), &state) {
        Ok(_) => None,
        Err(Error::OtherState { reason }) => Some(reason),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(refused(&plan, &options), None);
    assert_eq!(
        refused(&plan, &options.clone().with_prefetch(n(3)).with_columns(["z"])),
        None
    );
    assert!(refused(&other, &options).unwrap().contains("the plan is another one"));
    for other in [
        options.clone().with_batch_rows(n(255)),
        options.clone().with_shuffle(Shuffle::None),
        options.clone().with_drop_last(),
        options.clone().with_rank(1, NonZeroU64::new(2).unwrap()),
    ] {
        assert!(refused(&plan, &other).unwrap().contains("the order of the rows"));
    }
    for other in [options.clone().with_seed(1), options.clone().with_epoch(1)] {
        assert!(refused(&plan, &other).unwrap().contains("the seed or the epoch"));
    }
}

#[test]
fn a_rank_is_one_of_the_world() {
    let options = ReadOptions::default().with_rank(2, NonZeroU64::new(2).unwrap());
    let error = Reader::new(&ReadPlan::default(), options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "option rank is 2, expected less than world, which is 2"
    );
}

#[test]
fn the_consumer_and_the_producer_are_watched() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        &folder.path().join("t.parquet"),
        &flat(&(0..600).collect::<Vec<_>>(), Some(GRID)),
        600,
    );
    let mut reader = Reader::new(&plan([(path.as_path(), 600)]), ReadOptions::default()).unwrap();
    let bytes: usize = reader
        .by_ref()
        .map(|batch| batch.unwrap().len() * (8 + 3 * 4 * PIXELS))
        .sum();
    let metrics = reader.metrics();
    assert_eq!((metrics.batches, metrics.rows, metrics.bytes), (3, 600, bytes as u64));
    assert!((0.0..=1.0).contains(&metrics.starved()), "{metrics}");
    assert!(metrics.first_batch <= metrics.elapsed);
}

/// From Arrow to slices and matrices, the values stay where they are.
#[test]
fn views_are_the_buffers_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder.path().join("t.parquet"), &flat(&[1, 2, 3], Some(GRID)), 9);
    let batches = read(&plan([(path.as_path(), 3)]), ReadOptions::default());
    let batch = &batches[0];
    let column = batch
        .record_batch()
        .column_by_name("flux")
        .unwrap()
        .as_fixed_size_list();
    let values = column.values().as_primitive::<Float32Type>().values();
    assert_eq!(values.as_ptr(), batch.flux().as_ptr());
    assert_eq!(values.as_ptr(), batch.flux_matrix().unwrap().as_ptr());
    assert_eq!(values[5..].as_ptr(), batch.spectra().nth(1).unwrap().flux.as_ptr());
}

#[test]
fn rows_are_fetched_in_the_order_of_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let tiles: Vec<_> = (0..3_i64)
        .map(|tile| {
            let ids: Vec<i64> = (tile * 900..(tile + 1) * 900).collect();
            write(
                &folder.path().join(format!("{tile}.parquet")),
                &flat(&ids, Some(GRID)),
                250,
            )
        })
        .collect();
    // Every third row of the first tile, and the last row of the others: pieces with gaps.
    let mut slices: Vec<_> = (0..300)
        .map(|row| TileSlice::new(tiles[0].to_str().unwrap(), 3 * row..3 * row + 1))
        .collect();
    slices.extend([1, 2].map(|tile| TileSlice::new(tiles[tile].to_str().unwrap(), 899..900)));
    let plan = ReadPlan::from_iter(slices);
    let batch = fetch(&plan, ReadOptions::default().with_columns(["z"]))
        .unwrap()
        .unwrap();
    let expected: Vec<i64> = (0..300).map(|row| 3 * row).chain([1_799, 2_699]).collect();
    assert_eq!(batch.ids(), expected);
    check_rows(&[batch]);
    let shuffled = read(&plan, ReadOptions::default().with_shuffle(Shuffle::window()));
    check_rows(&shuffled);
    let mut found = ids(&shuffled);
    found.sort_unstable();
    assert_eq!(found, expected);
    assert!(fetch(&ReadPlan::default(), ReadOptions::default()).unwrap().is_none());
}

fn two_arms() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.spectrum.arms = vec!["B".into(), "R".into()];
    options
}

#[test]
fn arms_are_joined() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<i64> = (0..300).collect();
    let path = write(&folder.path().join("t.parquet"), &arms(&ids), 70);
    let options = two_arms().with_shuffle(Shuffle::window()).with_batch_rows(n(77));
    let batches = read(&plan([(path.as_path(), 300)]), options);
    let mut seen = 0;
    for batch in &batches {
        let grid = [4000.0, 4002.0, 4004.0, 4006.0, 4008.0, 4010.0];
        assert_eq!(batch.grid(), Some(grid.as_slice()));
        let text = batch.record_batch().schema().metadata()["wavelength"].clone();
        assert_eq!(text, r#"{"n":6,"start":4000.0,"step":2.0}"#);
        for spectrum in batch.spectra() {
            let id = spectrum.id as f32;
            let (flux, ivar, mask) = if spectrum.id == 299 {
                ([0.0; 6], [0.0; 6], [0, 8, 0, 0, 0, 0])
            } else {
                // The fourth pixel is seen by both: (1 · id + 3 · 2 id) / 4.
                (
                    [id, id, id, 1.75 * id, 2.0 * id, 2.0 * id],
                    [1.0, 1.0, 1.0, 4.0, 3.0, 3.0],
                    [0; 6],
                )
            };
            assert_eq!(
                (spectrum.flux, spectrum.ivar, spectrum.mask),
                (flux.as_slice(), ivar.as_slice(), mask.as_slice())
            );
            seen += 1;
        }
    }
    assert_eq!(seen, 300);
}

#[test]
fn arms_that_are_missing_or_off_the_grid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let all = arms(&[1, 2]);
    let check = |batch: &arrow_array::RecordBatch, options: ReadOptions, words: &str| {
        write(&path, batch, 9);
        let error = Reader::new(&plan([(path.as_path(), 2)]), options)
            .unwrap()
            .next()
            .unwrap()
            .unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    };
    check(
        &all,
        ReadOptions::default(),
        "column \"Z_WAVELENGTH\": not found, but the tile has other columns of the arms B, R, Z",
    );
    check(
        &all.project(&[0, 1, 2, 4, 5, 6, 7, 8]).unwrap(),
        two_arms(),
        "column \"B_IVAR\": not found",
    );
    let mut off = all.columns().to_vec();
    let wavelength = [[4006.0, 4008.1, 4010.0_f32]; 2].map(|row| Some(row.map(Some).to_vec()));
    off[5] = std::sync::Arc::new(arrow_array::ListArray::from_iter_primitive::<Float32Type, _, _>(
        wavelength,
    ));
    let off = arrow_array::RecordBatch::try_new(all.schema(), off).unwrap();
    let mut later = all.columns().to_vec();
    let wavelength = [[4006.0, 4008.0, 4010.0_f32], [4006.0, 4008.0, 4012.0]].map(|row| Some(row.map(Some).to_vec()));
    later[5] = std::sync::Arc::new(arrow_array::ListArray::from_iter_primitive::<Float32Type, _, _>(
        wavelength,
    ));
    let later = arrow_array::RecordBatch::try_new(all.schema(), later).unwrap();
    check(
        &later,
        two_arms(),
        "row 1, column \"R_WAVELENGTH\": pixel 2 is at 4012 Å, in row 0 at 4010 Å",
    );
    check(
        &off,
        two_arms(),
        "column \"R_WAVELENGTH\": row 0: the wavelengths are not on the grid of the first arm, 4000 Å + i · 2 Å",
    );
}

/// Whatever is asked for, memory is that of the rows there are.
#[test]
fn a_batch_may_be_larger_than_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        &folder.path().join("t.parquet"),
        &flat(&(0..700).collect::<Vec<_>>(), Some(GRID)),
        300,
    );
    let plan = plan([(path.as_path(), 700)]);
    for shuffle in [
        Shuffle::None,
        Shuffle::Window {
            rows: NonZeroUsize::MAX,
        },
        Shuffle::Global,
    ] {
        let mut options = ReadOptions::default()
            .with_shuffle(shuffle)
            .with_batch_rows(NonZeroUsize::MAX);
        options.prefetch = NonZeroUsize::MAX;
        let batches = read(&plan, options.clone());
        check_rows(&batches);
        assert_eq!((batches.len(), batches[0].len()), (1, 700), "{shuffle:?}");
        let ranks = [0, 1].map(|rank| read(&plan, options.clone().with_rank(rank, NonZeroU64::new(2).unwrap())));
        let mut all = [ids(&ranks[0]), ids(&ranks[1])].concat();
        all.sort_unstable();
        assert_eq!(all, (0..700).collect::<Vec<_>>(), "{shuffle:?}");
    }
}

#[test]
fn a_state_behind_the_end_is_refused() {
    let plan = plan([(Path::new("a"), 300)]);
    let options = ReadOptions::default();
    let state = Reader::new(&plan, options.clone()).unwrap().state();
    let mut json = serde_json::to_value(state).unwrap();
    json["batch"] = 3.into();
    let state: State = serde_json::from_value(json).unwrap();
    let error = Reader::resume(&plan, options, &state).unwrap_err();
    assert!(error.to_string().contains("behind the last batch"), "{error}");
}
