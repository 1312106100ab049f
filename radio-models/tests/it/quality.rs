//! Does it do what it is for? Thresholds lie well away from what was measured, which the comments give.

use ndarray::s;
use radio_models::{AnomalyScorer, ConvAutoencoder, ConvAutoencoderConfig, Trainer, TrainerOptions};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::common::{device, survey};

const TOKENS: usize = 16;
const PATCH: usize = 16;

const STEPS: u64 = 500;

fn trained() -> (ConvAutoencoder, Vec<f32>) {
    let config = ConvAutoencoderConfig::new(TOKENS, PATCH)
        .with_width(8)
        .with_hidden(64)
        .with_latent(4);
    let options = TrainerOptions::default()
        .with_steps(STEPS as usize)
        .with_learning_rate(8e-3);
    let mut trainer = Trainer::new(options, config.init(&device()).unwrap()).unwrap();
    let batches = (0..STEPS).map(|seed| survey(seed, 64, TOKENS, PATCH));
    let losses = batches
        .filter_map(|batch| trainer.step(&batch.tokens()).unwrap())
        .collect();
    (trainer.finish(), losses)
}

#[test]
fn learns_spectra_down_to_their_noise_and_finds_an_emission_line() {
    let (model, losses) = trained();
    let last = losses[STEPS as usize - 10..].iter().sum::<f32>() / 10.0;
    // Measured: from 136 to 1.047.
    assert!(losses[0] > 20.0 && last < 1.15, "{} {last}", losses[0]);

    // Spectra that it has not seen, without and with a line of 2 pixels (sigma) and a height of 5 times the noise.
    let scorer = AnomalyScorer::new(model);
    let quiet = survey(1_000_000, 256, TOKENS, PATCH);
    let mut loud = quiet.clone();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut lines = Vec::new();
    for row in 0..256 {
        let (token, centre) = (rng.random_range(0..TOKENS), rng.random_range(4.0..12.0f32));
        let sigma = quiet.errors.slice(s![row, .., ..]).fold(0.0f32, |a, &b| a.max(b));
        for (k, value) in loud.values.slice_mut(s![row, token, ..]).iter_mut().enumerate() {
            *value += 5.0 * sigma * (-0.5 * ((k as f32 - centre) / 2.0).powi(2)).exp();
        }
        lines.push(loud.wavelength[[row, token]]);
    }
    let before = scorer.score(&quiet.tokens()).unwrap().rows;
    let after = scorer.score(&loud.tokens()).unwrap().rows;

    let mean = before.iter().filter_map(|row| row.score).sum::<f64>() / 256.0;
    let higher = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| after.score > before.score)
        .count();
    let found = after
        .iter()
        .zip(&lines)
        .filter(|(row, line)| row.worst_wavelength == Some(**line))
        .count();
    // Measured: 1.037, 256 and 255.
    assert!((0.95..1.15).contains(&mean), "mean reduced chi-square {mean}");
    assert!(higher >= 240, "{higher} of 256 score higher with the line");
    assert!(found >= 200, "the line is found at its wavelength in {found} of 256");
}
