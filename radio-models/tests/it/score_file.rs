use std::fs::{self, File};
use std::path::Path;

use arrow_array::RecordBatch;
use ndarray::Axis;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use radio_models::{AnomalyScorer, Error, ScoreFile, Scores};

use crate::common::{model, survey};

fn scores(seed: u64) -> Scores {
    let mut batch = survey(seed, 4, 5, 8);
    batch.errors.index_axis_mut(Axis(0), 1).fill(0.0);
    AnomalyScorer::new(model(5, 8)).score(&batch.tokens()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn what_is_written_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.parquet");
    let mut file = ScoreFile::create(&path, "night 7", "0123456789abcdef").unwrap();
    file.write(&scores(1)).unwrap();
    file.write(&Scores::default()).unwrap();
    file.write(&scores(2)).unwrap();
    assert!(!path.exists());
    file.finish().unwrap();
    assert_eq!(names(folder.path()), ["scores.parquet"]);

    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
    let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
    let value = |key: &str| {
        metadata
            .iter()
            .find(|pair| pair.key == key)
            .unwrap()
            .value
            .clone()
            .unwrap()
    };
    assert_eq!(value("radio.run"), "night 7");
    assert_eq!(value("radio.model_hash"), "0123456789abcdef");
    assert!(value("radio.producer").starts_with("radio-models "));

    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    let mut expected = scores(1);
    expected.extend(scores(2));
    assert_eq!(batches, [expected.to_record_batch().unwrap()]);
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
    assert_ne!(fs::read(&path).unwrap(), b"the scores of yesterday");
}

#[test]
fn two_writers_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.parquet");
    let (first, second) = (
        ScoreFile::create(&path, "1", "").unwrap(),
        ScoreFile::create(&path, "2", "").unwrap(),
    );
    first.finish().unwrap();
    drop(second);
    assert_eq!(names(folder.path()), ["scores.parquet"]);
}

#[test]
fn left_overs_of_a_killed_process_are_not_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.parquet");
    // More than this process makes files of its own, so that the next number is among them.
    let left_over = |number: u32| format!(".scores.parquet.{}-{number}.tmp", std::process::id());
    for number in 0..100 {
        fs::write(folder.path().join(left_over(number)), "half").unwrap();
    }
    let mut file = ScoreFile::create(&path, "", "").unwrap();
    file.write(&scores(4)).unwrap();
    file.finish().unwrap();
    assert!(path.exists());
    assert!((0..100).all(|number| fs::read(folder.path().join(left_over(number))).unwrap() == b"half"));
}

#[test]
fn impossible_places_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("nowhere/scores.parquet"), folder.path().join("..")] {
        let error = ScoreFile::create(&path, "", "").unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error:?}");
    }
    assert!(names(folder.path()).is_empty());
}
