//! The model and its loss equal their formulas.

use ndarray::Array3;
use radio_models::{Autoencoder, Trainer, TrainerOptions};

use crate::common::{Batch, good, model, slow_reconstruction, survey};

/// f32 sums over some hundred products: 1e-4 leaves room for another order of summation.
const TOLERANCE: f64 = 1e-4;

fn slow_loss(batch: &Batch, reconstruction: &Array3<f64>, floor: f32) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for ((row, token, k), &model) in reconstruction.indexed_iter() {
        let at = [row, token, k];
        if good(batch, at) {
            let sigma = f64::from(batch.errors[at].max(floor));
            sum += ((f64::from(batch.values[at]) - model) / sigma).powi(2);
            count += 1.0;
        }
    }
    sum / count
}

#[track_caller]
fn check(batch: &Batch, floor: f32) {
    let model = model(batch.values.dim().1, batch.values.dim().2);
    let slow = slow_reconstruction(&model, batch);
    let fast = model.reconstruct(&batch.tokens()).unwrap();
    for (fast, slow) in fast.values.iter().zip(&slow) {
        assert!(
            (f64::from(*fast) - slow).abs() < TOLERANCE * slow.abs().max(1.0),
            "{fast} {slow}"
        );
    }
    let expected = slow_loss(batch, &slow, floor);
    let options = TrainerOptions::default().with_sigma_floor(floor);
    let loss = Trainer::new(options, model)
        .unwrap()
        .step(&batch.tokens())
        .unwrap()
        .unwrap();
    assert!(
        (f64::from(loss) - expected).abs() < TOLERANCE * expected,
        "{loss} {expected}"
    );
}

#[test]
fn equals_the_formula() {
    check(&survey(1, 20, 5, 8), 0.05);
    check(&survey(2, 1, 1, 1), 0.05);
    check(&survey(3, 7, 9, 3), 1e-3);
}

#[test]
fn the_floor_bounds_a_pixel() {
    let mut batch = survey(4, 8, 5, 8);
    batch
        .errors
        .index_axis_mut(ndarray::Axis(0), 3)
        .mapv_inplace(|sigma| sigma * 1e-4);
    check(&batch, 0.1);
}

#[test]
fn dead_rows_do_not_count() {
    let alive = survey(5, 8, 5, 8);
    let mut with_dead = alive.select(&[0, 1, 2, 3, 0, 4, 5, 6, 7]);
    with_dead.errors.index_axis_mut(ndarray::Axis(0), 4).fill(0.0);
    with_dead.values.index_axis_mut(ndarray::Axis(0), 4).fill(f32::NAN);
    let loss = |batch: &Batch| {
        let mut trainer = Trainer::new(TrainerOptions::default(), model(5, 8)).unwrap();
        trainer.step(&batch.tokens()).unwrap().unwrap()
    };
    let (a, b) = (loss(&alive), loss(&with_dead));
    assert!((a - b).abs() < 1e-5 * a, "{a} {b}");
}
