use arrow_array::Array as _;
use ndarray::{Array3, Axis};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use radio_models::{AnomalyScorer, Score, Scores, Trainer, TrainerOptions};

use crate::common::{Batch, good, model, slow_reconstruction, survey};

fn score(batch: &Batch) -> Vec<Score> {
    AnomalyScorer::new(model(batch.values.dim().1, batch.values.dim().2))
        .score(&batch.tokens())
        .unwrap()
        .rows
}

#[track_caller]
fn close(fast: Option<f64>, slow: f64) {
    let fast = fast.unwrap();
    // The reconstruction is in f32, and the residual a difference of about equal numbers.
    assert!((fast - slow).abs() < 1e-4 * slow.abs().max(1e-3), "{fast} {slow}");
}

#[test]
fn equal_the_formula() {
    for floor in [0.0, 0.12] {
        let batch = survey(1, 12, 5, 8);
        let model = model(5, 8);
        let slow = slow_reconstruction(&model, &batch);
        let scores = AnomalyScorer::new(model)
            .sigma_floor(floor)
            .score(&batch.tokens())
            .unwrap();
        for (row, score) in scores.rows.iter().enumerate() {
            let (mut chi2, mut square, mut count, mut worst) = (0.0, 0.0, 0.0, (f64::MIN, 0));
            for token in 0..5 {
                let (mut token_chi2, mut token_count) = (0.0, 0.0);
                for at in (0..8).map(|k| [row, token, k]).filter(|&at| good(&batch, at)) {
                    let residual = f64::from(batch.values[at]) - slow[at];
                    token_chi2 += (residual / f64::from(batch.errors[at].max(floor))).powi(2);
                    square += residual * residual;
                    token_count += 1.0;
                }
                chi2 += token_chi2;
                count += token_count;
                if token_chi2 / token_count > worst.0 {
                    worst = (token_chi2 / token_count, token);
                }
            }
            close(score.score, chi2 / count);
            close(score.score_raw, square / count);
            assert_eq!(score.worst_wavelength, Some(batch.wavelength[[row, worst.1]]));
            assert_eq!((score.targetid, score.snr, score.flags), (row as i64, Some(5.0), 0));
        }
    }
}

#[test]
fn bad_pixels_have_no_influence() {
    let clean = survey(2, 6, 5, 8);
    let expected = score(&clean);
    for junk in [0.0, -3.0, 1e38, f32::NAN, f32::INFINITY] {
        let mut batch = clean.clone();
        for (value, sigma) in batch.values.iter_mut().zip(&batch.errors) {
            if *sigma == 0.0 {
                *value = junk;
            }
        }
        assert_eq!(score(&batch), expected, "{junk}");
    }
    for sigma in [-1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut batch = clean.clone();
        batch.errors.mapv_inplace(|s| if s == 0.0 { sigma } else { s });
        assert_eq!(score(&batch), expected, "{sigma}");
    }
}

#[test]
fn dead_rows_are_flagged() {
    let mut batch = survey(3, 3, 5, 8);
    batch.errors.index_axis_mut(Axis(0), 1).fill(0.0);
    batch.snr[1] = f32::NAN;
    let rows = score(&batch);
    let dead = rows[1];
    assert_eq!((dead.score, dead.score_raw, dead.worst_wavelength), (None, None, None));
    assert_eq!((dead.targetid, dead.snr, dead.flags), (1, None, Score::DEAD));
    let alive = score(&batch.select(&[0, 2]));
    for (a, b) in [(rows[0], alive[0]), (rows[2], alive[1])] {
        assert_eq!(a.flags, 0);
        close(a.score, b.score.unwrap());
    }
}

#[test]
fn what_is_no_number_is_flagged() {
    let batch = survey(4, 2, 5, 8);
    // One step of a monstrous size leaves weights whose products overflow.
    let options = TrainerOptions::default().with_warmup_steps(0).with_learning_rate(1e30);
    let mut trainer = Trainer::new(options, model(5, 8)).unwrap();
    trainer.step(&batch.tokens()).unwrap();
    let scores = AnomalyScorer::new(trainer.finish()).score(&batch.tokens()).unwrap();
    for row in scores.rows {
        assert_eq!(
            (row.score, row.worst_wavelength, row.flags),
            (None, None, Score::NOT_FINITE)
        );
    }
}

#[test]
fn a_fill_value_is_the_most_unusual_of_all() {
    let mut batch = survey(4, 2, 5, 8);
    batch.values.index_axis_mut(Axis(0), 0).fill(f32::MAX);
    batch.values[[1, 1, 1]] = 1e30;
    let rows = score(&batch);
    assert!(
        rows.iter().all(|row| row.score > Some(1e50) && row.flags == 0),
        "{rows:?}"
    );
}

#[test]
fn a_token_without_wavelength_has_none() {
    let mut batch = survey(5, 1, 5, 8);
    batch.wavelength.fill(f64::NAN);
    assert_eq!(score(&batch)[0].worst_wavelength, None);
}

#[test]
fn any_memory_order_will_do() {
    let batch = survey(6, 4, 5, 8);
    let turned = |x: &Array3<f32>| {
        let mut y = Array3::zeros((8, 5, 4));
        y.assign(&x.view().reversed_axes());
        y.reversed_axes()
    };
    let other = Batch {
        values: turned(&batch.values),
        errors: turned(&batch.errors),
        ..batch.clone()
    };
    assert!(!other.values.is_standard_layout());
    assert_eq!(score(&other), score(&batch));
}

#[test]
fn columns_hold_what_the_rows_hold() {
    let mut batch = survey(7, 3, 5, 8);
    batch.errors.index_axis_mut(Axis(0), 2).fill(0.0);
    let scores: Scores = score(&batch).into_iter().collect();
    let columns = scores.to_record_batch().unwrap();
    assert_eq!(columns.schema(), Scores::schema());
    let names: Vec<_> = columns
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let expected = "targetid score score_raw chi2 chi2_calibrated worst_patch latent snr worst_wavelength flags";
    assert_eq!(names.join(" "), expected);
    assert_eq!(columns.num_rows(), 3);
    assert_eq!(columns.column_by_name("score").unwrap().null_count(), 1);
    assert_eq!(columns.column_by_name("flags").unwrap().null_count(), 0);
    assert_eq!(Scores::default().to_record_batch().unwrap().num_rows(), 0);
}

/// Any 32 bits, with the special numbers more often than chance has them.
fn any_number() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => any::<u32>().prop_map(f32::from_bits),
        4 => -2.0f32..2.0,
        1 => prop_oneof![Just(0.0), Just(f32::NAN), Just(f32::INFINITY), Just(f32::MAX), Just(f32::MIN_POSITIVE)],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(8),
        ..ProptestConfig::with_cases(300)
    })]

    #[test]
    fn no_data_make_a_panic_or_a_nan(numbers in prop::collection::vec((any_number(), any_number()), 2 * 3 * 4)) {
        let values = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| numbers[12 * i + 4 * j + k].0);
        let errors = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| numbers[12 * i + 4 * j + k].1);
        let batch = Batch::new(values, errors);
        for (row, score) in score(&batch).iter().enumerate() {
            let alive = (0..12).any(|pixel| good(&batch, [row, pixel / 4, pixel % 4]));
            prop_assert_eq!(score.flags & Score::DEAD == 0, alive);
            prop_assert_eq!(score.score.is_some(), score.flags == 0);
            let numbers = [score.score, score.score_raw, score.snr, score.worst_wavelength];
            prop_assert!(numbers.into_iter().flatten().all(f64::is_finite));
        }
    }
}
