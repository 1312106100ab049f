//! Scoring a survey in one call, which stops and goes on.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use radio_models::{AnomalyScorer, Error, ScoreFile, Scores, Tokens};

use crate::common::{Batch, model, survey};
use crate::score_file::{at_most, check};

fn owned(batch: &Batch) -> Tokens<'static> {
    let batch = batch.clone();
    Tokens::new(batch.ids, batch.values, batch.errors, batch.wavelength, batch.snr).unwrap()
}

/// Batches of one to five rows, some of them without any.
fn batches(seed: u64, count: usize) -> Vec<Batch> {
    (0..count as u64)
        .map(|number| {
            let rows: Vec<usize> = (0..(7 * number + seed) as usize % 5).collect();
            let mut batch = survey(seed + number, 5, 5, 8).select(&rows);
            batch.ids.iter_mut().for_each(|id| *id += 100 * number as i64);
            batch
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        rng_seed: RngSeed::Fixed(3),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Wherever the reader fails, and however often: the file has what one pass without errors gives.
    #[test]
    fn stops_lose_no_row_and_double_none(
        seed in 0u64..1000,
        count in 0usize..12,
        seal in 1usize..9,
        stops in prop::collection::vec(0usize..12, 0..4),
    ) {
        let batches = batches(seed, count);
        let scorer = AnomalyScorer::new(model(5, 8));
        let expected: Vec<Scores> = batches.iter().map(|batch| scorer.score(&batch.tokens()).unwrap()).collect();
        let rows: u64 = expected.iter().map(|scores| scores.rows.len() as u64).sum();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.parquet");
        // A pass whose reader fails at a batch, if it is not already past it.
        let pass = |stop: Option<usize>| {
            let file = ScoreFile::resume(&path, "run", "model").unwrap().with_seal_rows(at_most(seal));
            let mut seen = file.rows();
            let done = scorer.score_into(
                file,
                |position| {
                    let rest = batches.iter().enumerate().skip(position.batch as usize);
                    Ok(rest.map(|(number, batch)| match stop {
                        Some(stop) if stop == number => Err("the disk is gone"),
                        _ => Ok(owned(batch)),
                    }))
                },
                |rows| {
                    assert!(rows >= seen);
                    seen = rows;
                },
            );
            (done, seen)
        };
        for stop in stops.into_iter().filter(|&stop| stop < count) {
            match pass(Some(stop)).0 {
                Err(error) => prop_assert!(matches!(error, Error::Batch { .. }), "{error}"),
                // What was before it had been sealed, and the file finished: the next pass begins anew.
                Ok(_) => check(&path, &expected),
            }
        }
        let (done, seen) = pass(None);
        let done = done.unwrap();
        prop_assert_eq!(done.rows_before + done.rows, rows);
        prop_assert_eq!(seen, rows);
        prop_assert!((0.0..=1.0).contains(&done.busy()));
        check(&path, &expected);
    }
}

#[test]
fn a_reader_that_cannot_begin_leaves_what_is_safe() {
    let batches = batches(1, 6);
    let scorer = AnomalyScorer::new(model(5, 8));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.parquet");
    let resume = || {
        ScoreFile::resume(&path, "run", "model")
            .unwrap()
            .with_seal_rows(at_most(1))
    };
    let first = batches[..4].iter().map(|batch| Ok::<_, &str>(owned(batch)));
    let failing = first.chain([Err("the network is gone")]);
    scorer.score_into(resume(), |_| Ok(failing), |_| {}).unwrap_err();
    let safe = resume().batches();
    assert!(safe >= 3, "{safe}");
    let never = |_| Err::<Vec<Result<Tokens<'static>, &str>>, _>("no such survey");
    let error = scorer.score_into(resume(), never, |_| {}).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "no such survey");
    assert_eq!(resume().batches(), safe);
}

#[test]
fn what_was_written_by_hand_is_there_once() {
    let batches = batches(3, 5);
    let scorer = AnomalyScorer::new(model(5, 8));
    let expected: Vec<Scores> = batches
        .iter()
        .map(|batch| scorer.score(&batch.tokens()).unwrap())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.parquet");
    let mut file = ScoreFile::create(&path, "run", "model").unwrap();
    file.write(&expected[0]).unwrap();
    file.write(&expected[1]).unwrap();
    let rest = |position: radio_models::Position| {
        assert_eq!(position.batch, 2);
        Ok::<_, Error>(batches.iter().skip(2).map(|batch| Ok(owned(batch))))
    };
    scorer.score_into(file, rest, |_| {}).unwrap();
    check(&path, &expected);
}
