use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use ndarray::Axis;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};
use parquet::file::metadata::{KeyValue, PageIndexPolicy};
use parquet::file::properties::WriterProperties;
use proptest::collection::vec;
use proptest::prelude::*;
use radio_models::{AnomalyScorer, Error, Score, ScoreFile, Scores};

use crate::common::{model, survey};

const RUN: &str = "night 7";
const MODEL: &str = "0123456789abcdef";

fn scores(seed: u64) -> Scores {
    let mut batch = survey(seed, 4, 5, 8);
    batch.errors.index_axis_mut(Axis(0), 1).fill(0.0);
    AnomalyScorer::new(model(5, 8)).score(&batch.tokens()).unwrap()
}

/// A batch of so many rows, the same each time.
pub(crate) fn batch(number: u64, rows: usize) -> Scores {
    (0..rows as u64)
        .map(|row| {
            let mut score = Score::default();
            score.targetid = (number * 1_000_000 + row) as i64;
            score.score = (row % 7 != 0).then(|| (number as f64 + 0.1 * row as f64).sin());
            score.snr = Some((row as f64).sqrt());
            score.flags = u32::from(row % 7 == 0);
            score
        })
        .collect()
}

pub(crate) fn at_most(rows: usize) -> NonZeroUsize {
    NonZeroUsize::new(rows).unwrap()
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Does the file have these rows, and no others?
#[track_caller]
pub(crate) fn check(path: &Path, batches: &[Scores]) {
    let mut expected = Scores::default();
    batches.iter().for_each(|scores| expected.extend(scores.clone()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let found: Vec<RecordBatch> = reader
        .with_batch_size(1 << 24)
        .build()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    match found.as_slice() {
        [] => assert!(expected.rows.is_empty()),
        found => assert_eq!(found, [expected.to_record_batch().unwrap()]),
    }
}

fn rows_of_groups(path: &Path) -> Vec<i64> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let groups = reader.metadata().row_groups().iter();
    groups
        .map(parquet::file::metadata::RowGroupMetaData::num_rows)
        .collect()
}

/// A target in a folder of its own.
struct Target {
    _folder: tempfile::TempDir,
    path: PathBuf,
    parts: PathBuf,
}

impl Target {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            path: folder.path().join("scores.parquet"),
            parts: folder.path().join(".scores.parquet.parts"),
            _folder: folder,
        }
    }

    fn resume(&self) -> ScoreFile {
        ScoreFile::resume(&self.path, RUN, MODEL).unwrap()
    }

    /// Leaves `batches` as a killed process would.
    fn leave(&self, batches: &[Scores], seal_rows: usize) {
        let mut file = self.resume().with_seal_rows(at_most(seal_rows));
        batches.iter().for_each(|scores| file.write(scores).unwrap());
    }

    fn finish(&self, batches: &[Scores]) {
        let mut file = self.resume();
        let done = file.batches() as usize;
        batches[done..].iter().for_each(|scores| file.write(scores).unwrap());
        file.finish().unwrap();
        check(&self.path, batches);
        assert!(!self.parts.exists());
    }

    fn parts(&self) -> Vec<PathBuf> {
        let is_part = |name: &String| name.ends_with(".parquet");
        names(&self.parts)
            .into_iter()
            .filter(is_part)
            .map(|name| self.parts.join(name))
            .collect()
    }
}

fn ten() -> Vec<Scores> {
    (0..10).map(|number| batch(number, 3)).collect()
}

#[test]
fn what_is_written_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.parquet");
    let mut file = ScoreFile::create(&path, RUN, MODEL).unwrap();
    file.write(&scores(1)).unwrap();
    file.write(&Scores::default()).unwrap();
    file.write(&scores(2)).unwrap();
    assert!(!path.exists());
    file.finish().unwrap();
    assert_eq!(names(folder.path()), ["scores.parquet"]);

    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
    assert_eq!(reader.schema().fields(), Scores::schema().fields());
    let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
    let value = |key: &str| {
        let pair = metadata.iter().find(|pair| pair.key == key);
        pair.unwrap().value.clone().unwrap()
    };
    assert_eq!(value("radio.run"), RUN);
    assert_eq!(value("radio.model_hash"), MODEL);
    assert!(value("radio.producer").starts_with("radio-models "));
    assert_eq!(metadata.len(), 4, "{metadata:?}");
    check(&path, &[scores(1), scores(2)]);
}

#[test]
fn an_unfinished_file_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.parquet");
    fs::write(&path, "the scores of yesterday").unwrap();
    let mut file = ScoreFile::create(&path, "", "").unwrap();
    file.write(&scores(3)).unwrap();
    assert_eq!(names(folder.path()).len(), 2);
    drop(file);
    assert_eq!(names(folder.path()), ["scores.parquet"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "the scores of yesterday");
    ScoreFile::create(&path, "", "").unwrap().finish().unwrap();
    check(&path, &[]);
}

#[test]
fn unless_something_is_sealed() {
    let target = Target::new();
    fs::write(&target.path, "the scores of yesterday").unwrap();
    target.leave(&ten(), 6);
    assert_eq!(target.parts().len(), 5);
    assert_eq!(fs::read_to_string(&target.path).unwrap(), "the scores of yesterday");
    let file = target.resume();
    assert_eq!((file.batches(), file.rows()), (10, 30));
    file.finish().unwrap();
    check(&target.path, &ten());
    assert!(!target.parts.exists());
}

#[test]
fn one_goes_on_where_the_other_was() {
    let target = Target::new();
    let mut batches = ten();
    batches[4] = Scores::default();
    let mut safe = 0;
    for life in 1..10 {
        let mut file = target.resume().with_seal_rows(at_most(5));
        assert_eq!(file.batches(), safe);
        for number in safe..life {
            file.write(&batches[number as usize]).unwrap();
        }
        safe = file.batches();
        let rows: usize = batches[..safe as usize].iter().map(|scores| scores.rows.len()).sum();
        assert_eq!(file.rows(), rows as u64);
    }
    assert_eq!(safe, 9);
    target.finish(&batches);
    // What is finished is not gone on with.
    assert_eq!(target.resume().batches(), 0);
    check(&target.path, &batches);
}

#[test]
fn a_part_holds_65536_rows() {
    let target = Target::new();
    let batches: Vec<Scores> = (0..5).map(|number| batch(number, 20_000)).collect();
    let mut file = target.resume();
    for (scores, safe) in batches.iter().zip([0, 0, 0, 4, 4]) {
        file.write(scores).unwrap();
        assert_eq!(file.batches(), safe);
    }
    file.finish().unwrap();
    check(&target.path, &batches);
    assert_eq!(rows_of_groups(&target.path), [80_000, 20_000]);
}

#[test]
fn small_parts_share_a_row_group() {
    let target = Target::new();
    let sizes = [[100; 50].as_slice(), &[40_000, 70_000], &[9_000; 9], &[1]].concat();
    let batches: Vec<Scores> = (0..).zip(&sizes).map(|(number, &rows)| batch(number, rows)).collect();
    target.leave(&batches, 1);
    assert_eq!(target.parts().len(), sizes.len());
    target.finish(&batches);
    // Those that are large enough are as they were.
    assert_eq!(rows_of_groups(&target.path), [5_000, 40_000, 70_000, 72_000, 9_001]);
}

/// What is copied can be found by the page index, and has its statistics.
#[test]
fn rows_in_the_middle_can_be_read() {
    let target = Target::new();
    let batches: Vec<Scores> = (0..3).map(|number| batch(number, 50_000)).collect();
    target.leave(&batches, 1);
    target.finish(&batches);
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(File::open(&target.path).unwrap(), options);
    let reader = reader.unwrap();
    for (number, group) in reader.metadata().row_groups().iter().enumerate() {
        let statistics = group.column(0).statistics().unwrap();
        let first = (number as i64 * 1_000_000).to_le_bytes();
        assert_eq!(statistics.min_bytes_opt(), Some(&first[..]));
        assert_eq!(statistics.null_count_opt(), Some(0));
    }
    let selection = RowSelection::from(vec![RowSelector::skip(99_990), RowSelector::select(20)]);
    let found: Vec<RecordBatch> = reader
        .with_row_selection(selection)
        .build()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut expected: Scores = batches[1].rows[49_990..].iter().copied().collect();
    expected.extend(batches[2].rows[..10].iter().copied());
    assert_eq!(found, [expected.to_record_batch().unwrap()]);
}

#[test]
fn create_begins_anew() {
    let target = Target::new();
    target.leave(&ten(), 1);
    let mut file = ScoreFile::create(&target.path, "another", MODEL).unwrap();
    assert_eq!((file.batches(), file.rows()), (0, 0));
    assert!(target.parts().is_empty());
    file.write(&batch(7, 2)).unwrap();
    file.finish().unwrap();
    check(&target.path, &[batch(7, 2)]);
}

#[test]
fn one_writer_at_a_time() {
    let target = Target::new();
    let busy = |result: Result<ScoreFile, Error>| {
        let error = result.unwrap_err();
        assert!(
            matches!(&error, Error::Busy { path } if *path == target.path),
            "{error}"
        );
    };
    for _ in 0..3 {
        let mut first = target.resume().with_seal_rows(at_most(1));
        first.write(&batch(0, 1)).unwrap();
        busy(ScoreFile::resume(&target.path, RUN, MODEL));
        busy(ScoreFile::create(&target.path, RUN, MODEL));
        assert_eq!(target.parts().len(), 1);
        first.finish().unwrap();
        check(&target.path, &[batch(0, 1)]);
    }
    // Dropped or finished, it is the next one's turn; and another target is nobody else's.
    let _first = target.resume();
    ScoreFile::create(target.path.with_file_name("b.parquet"), RUN, MODEL)
        .unwrap()
        .finish()
        .unwrap();
}

/// The folder and the lock in it come and go; whoever is refused is refused because of another writer.
#[test]
fn many_writers_take_turns() {
    let target = Target::new();
    let write = || {
        let mut file = ScoreFile::resume(&target.path, RUN, MODEL)?.with_seal_rows(at_most(1));
        assert_eq!(file.batches(), 0);
        file.write(&batch(0, 1))?;
        file.finish()
    };
    let writer = || {
        for _ in 0..40 {
            match write() {
                Ok(()) | Err(Error::Busy { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(writer))));
    check(&target.path, &[batch(0, 1)]);
    assert!(!target.parts.exists());
}

#[test]
fn scores_of_something_else_are_left_alone() {
    let target = Target::new();
    target.leave(&ten(), 6);
    let refused = |run, model| {
        let error = ScoreFile::resume(&target.path, run, model).unwrap_err();
        assert!(
            matches!(&error, Error::Unfinished { path, .. } if *path == target.parts),
            "{error:?}"
        );
        error.to_string()
    };
    let text = refused("night 8", MODEL);
    assert!(
        text.contains(r#"of run "night 7" and model "0123456789abcdef", not of run "night 8""#),
        "{text}"
    );
    refused(RUN, "");
    refused("", "");
    assert_eq!(target.resume().batches(), 10);

    // A version with other columns.
    let first = target.parts().remove(0);
    rewrite(&first, |rows| rows.project(&[0, 1]).unwrap(), |_| {});
    let text = refused(RUN, MODEL);
    assert!(text.contains("columns"), "{text}");
    assert_eq!(target.parts().len(), 5);
}

/// Changes the rows or the footer of a part, which gets the name that belongs to its bytes.
fn rewrite(path: &Path, rows: impl Fn(RecordBatch) -> RecordBatch, footer: impl Fn(&mut Vec<KeyValue>)) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let mut metadata = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
    metadata.retain(|pair| pair.key.starts_with("radio."));
    footer(&mut metadata);
    let batch = rows(reader.build().unwrap().next().unwrap().unwrap());
    let properties = WriterProperties::builder().set_key_value_metadata(Some(metadata));
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    let bytes = writer.into_inner().unwrap();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    fs::remove_file(path).unwrap();
    let (number, _) = path.file_name().unwrap().to_str().unwrap().split_once('-').unwrap();
    fs::write(path.with_file_name(format!("{number}-{hash:016x}.parquet")), bytes).unwrap();
}

fn set(key: &str, value: &str) -> impl Fn(&mut Vec<KeyValue>) {
    move |metadata| {
        metadata.retain(|pair| pair.key != key);
        metadata.push(KeyValue::new(key.to_owned(), value.to_owned()));
    }
}

#[test]
fn from_the_first_damaged_part_on_scores_are_made_again() {
    let copy_of_another = |path: &Path| {
        let parts = path.parent().unwrap();
        let other = names(parts).into_iter().find(|name| !path.ends_with(name)).unwrap();
        fs::copy(parts.join(other), path).unwrap();
    };
    let footer =
        |key: &'static str, value: &'static str| move |path: &Path| rewrite(path, |rows| rows, set(key, value));
    let cut = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    };
    let damages: [&dyn Fn(&Path); 10] = [
        &|path| fs::remove_file(path).unwrap(),
        &|path| fs::write(path, "").unwrap(),
        &|path| fs::write(path, "PAR1").unwrap(),
        &|path| fs::write(path, vec![b'1'; 4_000]).unwrap(),
        &cut,
        &copy_of_another,
        &footer("radio.batches", "0"),
        &footer("radio.batches", "many"),
        &footer("radio.rows", "5"),
        &footer("radio.first_batch", "-1"),
    ];
    for (kind, damage) in damages.iter().enumerate() {
        for number in [0, 2, 4] {
            let target = Target::new();
            target.leave(&ten(), 6);
            let parts = target.parts();
            damage(&parts[number]);
            let file = target.resume();
            assert_eq!(file.batches(), 2 * number as u64, "damage {kind} of part {number}");
            assert_eq!(target.parts(), parts[..number], "damage {kind} of part {number}");
            drop(file);
            target.finish(&ten());
        }
    }
}

#[test]
fn a_part_that_cannot_be_read_is_named_and_stays() {
    let target = Target::new();
    target.leave(&ten(), 6);
    let part = target.parts().remove(2);
    let elsewhere = target.parts.join("elsewhere");
    fs::rename(&part, &elsewhere).unwrap();
    fs::create_dir(&part).unwrap();
    let error = ScoreFile::resume(&target.path, RUN, MODEL).unwrap_err();
    assert!(matches!(&error, Error::File { path, .. } if *path == part), "{error:?}");
    fs::remove_dir(&part).unwrap();
    fs::rename(&elsewhere, &part).unwrap();
    assert_eq!(target.resume().batches(), 10);
}

/// Nothing is finished, and what is before it is not lost.
#[test]
fn a_part_that_goes_bad_later_is_named() {
    for rows in [3, 40_000] {
        let batches: Vec<Scores> = (0..3).map(|number| batch(number, rows)).collect();
        let target = Target::new();
        target.leave(&batches, 1);
        let part = target.parts().remove(1);
        let file = target.resume();
        fs::write(&part, vec![b'1'; 4_000]).unwrap();
        let error = file.finish().unwrap_err();
        assert!(matches!(&error, Error::File { path, .. } if *path == part), "{error:?}");
        assert!(!target.path.exists());
        assert_eq!(target.resume().batches(), 1);
        target.finish(&batches);
    }
}

#[test]
fn left_overs_of_a_killed_process_are_not_in_the_way() {
    let target = Target::new();
    for begin in [ScoreFile::create, ScoreFile::resume] {
        fs::create_dir(&target.parts).unwrap();
        for name in ["new.tmp", "lock", "000000000003.parquet"] {
            fs::write(target.parts.join(name), "half").unwrap();
        }
        let mut file = begin(&target.path, RUN, MODEL).unwrap();
        assert_eq!(names(&target.parts), ["lock"]);
        file.write(&scores(4)).unwrap();
        file.finish().unwrap();
        check(&target.path, &[scores(4)]);
        assert!(!target.parts.exists());
    }
}

/// All that a kill in `finish` can leave.
#[test]
fn a_finish_that_was_killed() {
    let done = Target::new();
    done.leave(&ten(), 6);
    done.finish(&ten());
    for removed in 0..=5 {
        for joined in [0, 1_000, usize::MAX] {
            let target = Target::new();
            target.leave(&ten(), 6);
            let is_named = joined == usize::MAX;
            if is_named {
                fs::copy(&done.path, &target.path).unwrap();
                let parts = target.parts();
                parts[..removed].iter().for_each(|part| fs::remove_file(part).unwrap());
            } else {
                fs::write(target.parts.join("new.tmp"), &fs::read(&done.path).unwrap()[..joined]).unwrap();
            }
            // When the file is there, another run may have the name; before, this one must be finished.
            let other = ScoreFile::resume(&target.path, "another", MODEL);
            assert_eq!(
                other.is_ok(),
                is_named && removed > 0,
                "{removed} removed, {joined} joined"
            );
            drop(other);
            target.finish(&ten());
        }
    }
}

#[test]
fn impossible_places_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let is_folder = folder.path().join("folder");
    fs::create_dir(&is_folder).unwrap();
    let is_file = folder.path().join(".a.parts");
    fs::write(&is_file, "").unwrap();
    for name in ["nowhere/scores.parquet", "..", "folder", "a"] {
        let path = folder.path().join(name);
        for begin in [ScoreFile::create, ScoreFile::resume] {
            let error = begin(&path, "", "").unwrap_err();
            assert!(matches!(error, Error::File { .. }), "{error:?}");
        }
    }
    assert_eq!(names(folder.path()), [".a.parts", "folder"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the batches, and wherever it was killed: every row is there once, in order.
    #[test]
    fn no_row_is_lost_and_none_is_there_twice(
        sizes in vec(prop_oneof![Just(0_usize), 1..30_usize], 0..40),
        seal_rows in 1..80_usize,
        lives in vec(0..25_usize, 0..8),
    ) {
        let batches: Vec<Scores> = (0..).zip(&sizes).map(|(number, &rows)| batch(number, rows)).collect();
        let target = Target::new();
        let mut safe = 0;
        for life in lives {
            let mut file = target.resume().with_seal_rows(at_most(seal_rows));
            prop_assert_eq!(file.batches(), safe);
            batches.iter().skip(safe as usize).take(life).for_each(|scores| file.write(scores).unwrap());
            safe = file.batches();
            let rows: usize = sizes[..safe as usize].iter().sum();
            prop_assert_eq!(file.rows(), rows as u64);
        }
        target.finish(&batches);
    }
}

/// Pages have no checksum that a reader looks at, but parts have: what is taken over is what was written.
#[test]
fn a_byte_that_turned_in_a_part_is_found() {
    let batches = ten();
    let whole = Target::new();
    whole.leave(&batches, 30);
    let part = fs::read(&whole.parts()[0]).unwrap();
    for at in 0..part.len() {
        let target = Target::new();
        target.leave(&batches[..1], 3);
        let mut damaged = part.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&target.parts()[0], damaged).unwrap();
        match ScoreFile::resume(&target.path, RUN, MODEL) {
            Ok(file) => {
                drop(file);
                target.finish(&batches);
            }
            // The names of run, model or columns are damaged.
            Err(error) => assert!(matches!(error, Error::Unfinished { .. }), "{error}"),
        }
    }
}
