//! What a masked autoencoder sees, and what it does not.

use ndarray::{Array3, Axis, s};
use radio_models::{AnomalyScorer, Autoencoder, MaskedAutoencoder, MaskedAutoencoderConfig, Trainer, TrainerOptions};

use crate::common::{Batch, device, survey};

const TOKENS: usize = 12;
const PATCH: usize = 8;

fn config() -> MaskedAutoencoderConfig {
    MaskedAutoencoderConfig::new(TOKENS, PATCH)
        .with_width(16)
        .with_encoder(2)
        .with_seed(3)
}

fn model() -> MaskedAutoencoder {
    config().init(&device()).unwrap()
}

fn reconstruct(batch: &Batch) -> Array3<f32> {
    model().reconstruct(&batch.tokens()).unwrap().values
}

#[track_caller]
fn same(a: &Array3<f32>, b: &Array3<f32>) {
    let largest = (a - b).mapv(f32::abs).fold(0.0f32, |a, &b| a.max(b));
    assert!(largest < 1e-5, "{largest}");
}

/// Two rows whose last four tokens are bad.
fn half_bad() -> Batch {
    let mut batch = survey(1, 6, TOKENS, PATCH);
    batch.errors.slice_mut(s![.., 8.., ..5]).fill(0.0);
    batch
}

#[test]
fn tokens_that_are_not_valid_are_not_read() {
    let batch = half_bad();
    let expected = reconstruct(&batch);
    let loss = |batch: &Batch| {
        let (squares, good) = model().loss(&batch.tokens(), 0.05, 0).unwrap().unwrap();
        (squares.into_data().iter::<f64>().next().unwrap(), good)
    };
    // Three of eight pixels of a token are good: it is not valid, and what is in them is nobody's business.
    let mut other = batch.clone();
    other.values.slice_mut(s![.., 8.., ..]).fill(777.0);
    same(&reconstruct(&other), &expected);
    assert_eq!(loss(&other), loss(&batch));
    // Those of valid tokens are.
    let mut other = batch.clone();
    other.values.slice_mut(s![.., 2, ..]).fill(5.0);
    let difference = (reconstruct(&other) - &expected).mapv(f32::abs);
    assert!(difference.iter().any(|&x| x > 1e-3));
}

#[test]
fn a_spectrum_does_not_depend_on_its_batch() {
    let batch = half_bad();
    let all = reconstruct(&batch);
    for row in 0..6 {
        let one = reconstruct(&batch.select(&[row]));
        same(&one, &all.slice(s![row..=row, .., ..]).to_owned());
    }
}

#[test]
fn a_token_is_predicted_from_the_others() {
    // The reconstruction of a token does not see that token, in none of the passes that count.
    let batch = survey(2, 3, TOKENS, PATCH);
    let expected = reconstruct(&batch);
    for token in 0..TOKENS {
        let mut other = batch.clone();
        other.values.slice_mut(s![.., token, ..]).mapv_inplace(|x| x + 3.0);
        let changed = reconstruct(&other);
        same(
            &changed.slice(s![.., token..=token, ..]).to_owned(),
            &expected.slice(s![.., token..=token, ..]).to_owned(),
        );
        assert!(
            (changed - &expected).iter().any(|x| x.abs() > 1e-4),
            "token {token} tells nothing"
        );
    }
}

#[test]
fn a_wavelength_is_all_that_tells_where_a_token_is() {
    // The order of tokens means nothing: those of a valid spectrum may be anywhere among bad ones.
    let batch = survey(4, 2, 6, PATCH);
    let mut wide = survey(5, 2, TOKENS, PATCH);
    wide.errors.fill(0.0);
    for (token, place) in [(0, 1), (1, 4), (2, 5), (3, 6), (4, 9), (5, 11)] {
        let at = |mut array: Array3<f32>, from: &Array3<f32>| {
            array
                .slice_mut(s![.., place, ..])
                .assign(&from.slice(s![.., token, ..]));
            array
        };
        wide.values = at(wide.values.clone(), &batch.values);
        wide.errors = at(wide.errors.clone(), &batch.errors);
        wide.wavelength
            .column_mut(place)
            .assign(&batch.wavelength.column(token));
    }
    wide.ids.clone_from(&batch.ids);
    let scores = AnomalyScorer::new(model()).score(&wide.tokens()).unwrap();
    assert!(scores.rows.iter().all(|row| row.flags == 0 && row.score.is_some()));
}

#[test]
fn learns_what_neighbours_tell() {
    let options = TrainerOptions::default().with_steps(120).with_learning_rate(4e-3);
    let mut trainer = Trainer::new(options, model()).unwrap();
    let losses: Vec<f32> = (0..120)
        .filter_map(|seed| {
            let mut batch = survey(seed, 32, TOKENS, PATCH);
            batch.ids.iter_mut().for_each(|id| *id += 100 * seed as i64);
            trainer.step(&batch.tokens()).unwrap()
        })
        .collect();
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
    // Measured: from 103 to 5.1.
    assert!(
        mean(&losses[110..]) < 0.2 * losses[0],
        "{} {}",
        losses[0],
        mean(&losses[110..])
    );
}

#[test]
fn dead_spectra_are_fine() {
    let mut batch = survey(6, 4, TOKENS, PATCH);
    batch.errors.index_axis_mut(Axis(0), 2).fill(0.0);
    batch.wavelength.row_mut(2).fill(f64::NAN);
    let reconstruction = model().reconstruct(&batch.tokens()).unwrap();
    assert!(
        reconstruction
            .values
            .iter()
            .chain(&reconstruction.latent)
            .all(|x| x.is_finite())
    );
    batch.errors.fill(0.0);
    assert!(model().loss(&batch.tokens(), 0.05, 0).unwrap().is_none());
}

#[test]
fn options_must_be_possible() {
    let refused = |config: MaskedAutoencoderConfig| config.init(&device()).unwrap_err().to_string();
    assert!(refused(config().with_heads(3)).contains("width is 16"));
    assert!(refused(config().with_hidden(1.0)).contains("hidden is 1"));
    assert!(refused(config().with_hidden(f64::NAN)).contains("hidden is NaN"));
    assert!(refused(config().with_shortest_period_angstrom(0.0)).contains("shortest_period_angstrom is 0"));
    assert!(refused(config().with_encoder(0)).contains("encoder is 0"));
    assert!(refused(config().with_width(1 << 40).with_heads(1)).contains("so small"));
}
