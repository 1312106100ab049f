use std::fs;
use std::path::Path;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use radio_io::{BadTiles, Error, ReadOptions, ReadPlan, Reader, Shuffle, SpectrumBatch, TileSlice};
use std::sync::Arc;

use crate::tile::{GRID, flat, plan, ragged, write};

/// Reads all of a tile; the error must name the tile and say each of `words`.
#[track_caller]
fn check(path: &Path, rows: u64, options: ReadOptions, words: &[&str]) {
    let result: Result<Vec<_>, Error> = Reader::new(&plan([(path, rows)]), options).unwrap().collect();
    let error = result.unwrap_err();
    let message = error.to_string();
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    for word in words {
        assert!(message.contains(word), "{message:?} does not say {word:?}");
    }
}

fn replace(batch: &RecordBatch, column: &str, array: &ArrayRef) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let parts = columns.map(|(f, a)| (f.name(), if f.name() == column { array.clone() } else { a.clone() }));
    let new = RecordBatch::try_from_iter(parts).unwrap();
    let schema = arrow_schema::Schema::new_with_metadata(new.schema().fields().clone(), schema.metadata().clone());
    new.with_schema(Arc::new(schema)).unwrap()
}

#[test]
fn files_that_are_no_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    check(&path, 1, ReadOptions::default(), &[]);
    fs::write(&path, "some text, in spite of the name").unwrap();
    check(&path, 1, ReadOptions::default(), &["not a readable Parquet tile"]);
    write(&path, &flat(&[1, 2, 3], Some(GRID)), 9);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    check(&path, 3, ReadOptions::default(), &["is it complete?"]);
}

#[test]
fn columns_that_are_missing_or_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let options = ReadOptions::default;
    let good = flat(&[1, 2, 3], Some(GRID));

    write(&path, &good.project(&[0, 1, 2, 4]).unwrap(), 9);
    check(
        &path,
        3,
        options(),
        &["\"ivar\"", "looked for ivar, IVAR, spectrum.ivar"],
    );
    write(&path, &good, 9);
    check(
        &path,
        3,
        options().with_columns(["no_such"]),
        &["\"no_such\"", "asked for"],
    );
    check(&path, 3, options().with_columns(["mask"]), &["\"mask\"", "already"]);
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    write(&path, &replace(&good, "flux", &text), 9);
    check(&path, 3, options(), &["\"flux\"", "Utf8 is not a list of numbers"]);
    write(&path, &replace(&good, "targetid", &text), 9);
    check(&path, 3, options(), &["row 0", "\"targetid\"", "string of digits"]);
    write(&path, &flat(&[1, 2, 3], None), 9);
    check(
        &path,
        3,
        options(),
        &["\"wavelength\"", "no wavelength grid in the file's metadata"],
    );
    write(&path, &flat(&[1, 2, 3], Some(r#"{"start": 1, "step": 1, "n": 6}"#)), 9);
    check(
        &path,
        3,
        options(),
        &["row 0", "\"flux\"", "5 pixels, but its grid has 6"],
    );
}

#[test]
fn rows_whose_parts_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let long = ragged(&["1", "2"], &[vec![Some(1.0)], vec![Some(1.0), Some(2.0)]]);
    let short = ragged(&["1", "2"], &[vec![Some(1.0)], vec![Some(1.0)]]);
    let with_other_ivar = |names: [&str; 2]| {
        let [long, short] = [&long, &short].map(|batch| batch.column_by_name("spectrum").unwrap().clone());
        RecordBatch::try_from_iter([
            ("object_id", Arc::new(StringArray::from(vec!["1", "2"])) as ArrayRef),
            (names[0], long),
            (names[1], short),
        ])
        .unwrap()
    };
    write(&path, &with_other_ivar(["spectrum", "other"]), 9);
    let mut options = ReadOptions::default();
    options.spectrum.ivar = vec!["other.ivar".into()];
    check(
        &path,
        2,
        options,
        &["row 1", "\"other.ivar\"", "1 pixels, but \"spectrum.flux\" has 2"],
    );
}

#[test]
fn wavelengths_that_do_not_increase() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    // The flux stands in for a wavelength column.
    let mut options = ReadOptions::default();
    options.spectrum.wavelength = vec!["spectrum.flux".into()];
    let bad_rows = [
        vec![Some(5000.0), Some(4999.0)],
        vec![Some(5000.0), Some(5000.0)],
        vec![Some(5000.0), None],
        vec![Some(-1.0), Some(5000.0)],
        vec![Some(5000.0), Some(f32::INFINITY)],
    ];
    for bad in bad_rows {
        write(&path, &ragged(&["1", "2"], &[vec![Some(1.0), Some(2.0)], bad]), 9);
        check(
            &path,
            2,
            options.clone(),
            &["row 1", "\"spectrum.flux\"", "have to increase"],
        );
    }
}

/// Where the plan knows the tiles, as radio-index's does.
#[test]
fn a_tile_that_is_another_file_than_the_plan_knows() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder.path().join("t.parquet"), &flat(&[1, 2, 3], Some(GRID)), 9);
    let metadata = fs::metadata(&path).unwrap();
    let mtime = metadata
        .modified()
        .unwrap()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let known = |mtime_ns| radio_io::PlanTile {
        node: String::new(),
        size: metadata.len(),
        mtime_ns,
        rows: 3,
    };
    let uri: Arc<str> = path.to_str().unwrap().into();
    let mtime = i64::try_from(mtime.as_nanos()).unwrap();
    let same = plan([(path.as_path(), 3)]).with_tiles([(uri.clone(), known(mtime))]);
    assert_eq!(
        Reader::new(&same, ReadOptions::default())
            .unwrap()
            .map(Result::unwrap)
            .count(),
        1
    );
    let other = plan([(path.as_path(), 3)]).with_tiles([(uri, known(mtime - 1))]);
    let error = Reader::new(&other, ReadOptions::default())
        .unwrap()
        .next()
        .unwrap()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("t.parquet: changed since the plan was made: sync the index again"),
        "{error}"
    );
}

#[test]
fn a_tile_that_shrank_since_it_was_indexed() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder.path().join("t.parquet"), &flat(&[1, 2, 3], Some(GRID)), 9);
    check(
        &path,
        5,
        ReadOptions::default(),
        &["row 3", "has 3 rows", "sync the index again"],
    );
}

#[test]
fn tiles_of_two_kinds_in_one_plan() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(&folder.path().join("a.parquet"), &flat(&[1, 2], Some(GRID)), 9);
    let grid = GRID.replace("4000", "4001");
    let second = write(&folder.path().join("b.parquet"), &flat(&[3, 4], Some(&grid)), 9);
    let plan = ReadPlan::from_iter([&first, &second].map(|path| TileSlice::new(path.to_str().unwrap(), 0..2)));
    let error = Reader::new(&plan, ReadOptions::default())
        .unwrap()
        .collect::<Result<Vec<_>, _>>()
        .unwrap_err();
    assert!(
        matches!(&error, Error::Mixed { path, .. } if *path == second),
        "{error}"
    );
    assert!(error.to_string().contains("wavelength grid"), "{error}");
}

#[test]
fn good_batches_come_before_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let good = write(
        &folder.path().join("a.parquet"),
        &flat(&(0..512).collect::<Vec<_>>(), Some(GRID)),
        99,
    );
    let gone = folder.path().join("b.parquet");
    let mut reader = Reader::new(
        &plan([(good.as_path(), 512), (gone.as_path(), 7)]),
        ReadOptions::default(),
    )
    .unwrap();
    assert_eq!(reader.next().unwrap().unwrap().len(), 256);
    assert_eq!(reader.next().unwrap().unwrap().len(), 256);
    assert!(matches!(reader.next().unwrap(), Err(Error::Io { path, .. }) if path == gone));
    assert!(reader.next().is_none());
}

#[test]
fn bad_tiles_can_be_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let good: Vec<i64> = (0..700).collect();
    let first = write(&folder.path().join("a.parquet"), &flat(&good, Some(GRID)), 99);
    let text = folder.path().join("b.parquet");
    fs::write(&text, "no tile").unwrap();
    let all = flat(&[1_000, 1_001], Some(GRID));
    let without_flux = write(
        &folder.path().join("c.parquet"),
        &all.project(&[0, 1, 3, 4]).unwrap(),
        9,
    );
    let tiles = [
        (first.as_path(), 700),
        (text.as_path(), 600),
        (without_flux.as_path(), 2),
    ];
    for shuffle in [Shuffle::None, Shuffle::window()] {
        for drop_last in [false, true] {
            let mut options = ReadOptions::default()
                .with_bad_tiles(BadTiles::Skip)
                .with_shuffle(shuffle);
            options.drop_last = drop_last;
            let mut reader = Reader::new(&plan(tiles), options).unwrap();
            let batches: Vec<_> = reader.by_ref().collect::<Result<_, _>>().unwrap();
            let mut ids: Vec<i64> = batches.iter().flat_map(|batch| batch.ids().to_vec()).collect();
            ids.sort_unstable();
            ids.dedup();
            assert!(ids.iter().all(|id| *id < 700));
            assert_eq!(ids.len(), batches.iter().map(SpectrumBatch::len).sum::<usize>());

            let mut skipped: Vec<_> = reader
                .skipped()
                .iter()
                .map(|tile| (tile.path.clone(), tile.rows))
                .collect();
            skipped.sort();
            // Every planned row is in a batch or on the list.
            let rows = ids.len() as u64 + skipped.iter().map(|(_, rows)| rows).sum::<u64>();
            assert_eq!(rows, reader.rows());
            if drop_last {
                assert_eq!(reader.rows(), 1_280);
                continue;
            }
            assert_eq!(ids.len(), 700);
            assert_eq!(skipped, [(text.clone(), 600), (without_flux.clone(), 2)]);
            let tile = reader.skipped().iter().find(|tile| tile.path == without_flux).unwrap();
            assert!(tile.error.to_string().contains("\"flux\""), "{}", tile.error);
        }
    }
}

/// Ranks that share a plan keep step, even where one has to wait for its first readable tile.
#[test]
fn ranks_keep_step_over_bad_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("a.parquet");
    fs::write(&bad, "no tile").unwrap();
    let good = write(
        &folder.path().join("b.parquet"),
        &flat(&(0..600).collect::<Vec<_>>(), Some(GRID)),
        99,
    );
    let world = std::num::NonZeroU64::new(2).unwrap();
    let read = |bad_rows: u64, rank: u64| {
        let options = ReadOptions::default()
            .with_bad_tiles(BadTiles::Skip)
            .with_batch_rows(std::num::NonZeroUsize::new(100).unwrap())
            .with_rank(rank, world);
        let plan = plan([(bad.as_path(), bad_rows), (good.as_path(), 600)]);
        Reader::new(&plan, options)
            .unwrap()
            .map(|batch| batch.map(|batch| batch.len()))
            .collect::<Result<Vec<_>, _>>()
    };
    // Of 800 rows the first half is half bad.
    assert_eq!(read(200, 0).unwrap(), [0, 0, 100, 100]);
    assert_eq!(read(200, 1).unwrap(), [100; 4]);
    // Of 1,200 all of the first half.
    assert!(matches!(read(600, 0), Err(Error::Unreadable { batches: 6 })));
    assert_eq!(read(600, 1).unwrap(), [100; 6]);
}

/// Who counts the batches that came knows where the pass is, also where whole batches were left out.
#[test]
fn batches_of_bad_tiles_count() {
    let folder = tempfile::tempdir().unwrap();
    let tile = |name: &str, from: i64| {
        let ids: Vec<i64> = (from..from + 300).collect();
        write(&folder.path().join(name), &flat(&ids, Some(GRID)), 99)
    };
    let (first, last) = (tile("a.parquet", 0), tile("c.parquet", 600));
    let bad = folder.path().join("b.parquet");
    fs::write(&bad, "no tile").unwrap();
    let plan = plan([(first.as_path(), 300), (bad.as_path(), 300), (last.as_path(), 300)]);
    for shuffle in [Shuffle::None, Shuffle::window(), Shuffle::Global] {
        let options = ReadOptions::default()
            .with_bad_tiles(BadTiles::Skip)
            .with_batch_rows(std::num::NonZeroUsize::new(50).unwrap())
            .with_shuffle(shuffle);
        let ids =
            |batches: &[SpectrumBatch]| -> Vec<i64> { batches.iter().flat_map(|batch| batch.ids().to_vec()).collect() };
        let mut reader = Reader::new(&plan, options.clone()).unwrap();
        let start = reader.state();
        let mut whole: Vec<SpectrumBatch> = Vec::new();
        while let Some(batch) = reader.next() {
            whole.push(batch.unwrap());
            assert_eq!(reader.state().batch(), whole.len() as u64);
        }
        assert_eq!(whole.len(), 18);
        for taken in 0..=whole.len() {
            let rest = Reader::resume(&plan, options.clone(), &start.at(taken as u64)).unwrap();
            let rest: Vec<SpectrumBatch> = rest.collect::<Result<_, _>>().unwrap();
            assert_eq!(ids(&rest), ids(&whole[taken..]));
        }
    }
}
