//! Matrix products of 16 bits.

use radio_models::{
    Autoencoder, ConvAutoencoder, ConvAutoencoderConfig, MaskedAutoencoder, MaskedAutoencoderConfig, Precision,
    Trainer, TrainerOptions,
};

use crate::common::{device, survey};

const TOKENS: usize = 9;
const PATCH: usize = 8;

fn conv() -> ConvAutoencoder {
    ConvAutoencoderConfig::new(TOKENS, PATCH).init(&device()).unwrap()
}

fn masked() -> MaskedAutoencoder {
    MaskedAutoencoderConfig::new(TOKENS, PATCH).init(&device()).unwrap()
}

/// bfloat16 has 8 digits: after some layers, one number in a hundred of the largest is what may be lost.
#[track_caller]
fn reconstructs_nearly_the_same<M: Autoencoder>(model: &M) {
    let batch = survey(1, 12, TOKENS, PATCH);
    let full = model.reconstruct(&batch.tokens()).unwrap();
    let mixed = model.clone().with_precision(Precision::Mixed).unwrap();
    let made = mixed.reconstruct(&batch.tokens()).unwrap();
    for (made, full) in [
        (made.values.flatten(), full.values.flatten()),
        (made.latent.flatten(), full.latent.flatten()),
    ] {
        let largest = full.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        let difference = made.iter().zip(&full).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference > 0.0, "nothing has 16 bits");
        assert!(difference < 0.03 * largest, "{difference} of {largest}");
    }
    // The weights are as they were, and so is the model when it is used as before.
    assert_eq!(mixed.fingerprint().unwrap(), model.fingerprint().unwrap());
    let again = mixed.with_precision(Precision::Full).unwrap();
    assert_eq!(again.reconstruct(&batch.tokens()).unwrap(), full);
}

#[test]
fn convolutions_are_nearly_the_same() {
    reconstructs_nearly_the_same(&conv());
}

#[test]
fn attention_is_nearly_the_same() {
    reconstructs_nearly_the_same(&masked());
}

/// Losses of a training that overfits one batch, and the model's reconstruction afterwards.
fn losses<M: Autoencoder>(model: M, options: &TrainerOptions) -> (Vec<f32>, M) {
    let batch = survey(2, 12, TOKENS, PATCH);
    let mut trainer = Trainer::new(options.clone(), model).unwrap();
    let losses = (0..60).map(|_| trainer.step(&batch.tokens()).unwrap().unwrap());
    (losses.collect(), trainer.finish())
}

#[track_caller]
fn learns_as_well<M: Autoencoder>(model: &M) {
    let options = TrainerOptions::default().with_steps(60);
    let mixed = options.clone().with_precision(Precision::Mixed);
    let (full, _) = losses(model.clone(), &options);
    for options in [mixed.clone(), mixed.with_recompute()] {
        let (mixed, trained) = losses(model.clone(), &options);
        assert!((mixed[0] / full[0] - 1.0).abs() < 0.02, "{} {}", mixed[0], full[0]);
        // The means of the last steps: a masked autoencoder hides other tokens in each.
        let mean = |losses: &[f32]| losses[50..].iter().sum::<f32>() / 10.0;
        let (mixed, full) = (mean(&mixed), mean(&full));
        assert!(mixed < 1.2 * full, "{mixed} {full}");
        // What comes out has full precision.
        let batch = survey(2, 12, TOKENS, PATCH);
        let made = trained.reconstruct(&batch.tokens()).unwrap();
        let same = trained.with_precision(Precision::Full).unwrap();
        assert_eq!(same.reconstruct(&batch.tokens()).unwrap(), made);
    }
}

#[test]
fn convolutions_learn_as_well() {
    learns_as_well(&conv());
}

#[test]
fn attention_learns_as_well() {
    learns_as_well(&masked());
}

#[test]
fn a_resumed_training_keeps_it_and_options_change_it() {
    let batch = || vec![Ok::<_, radio_models::Error>(owned())];
    let folder = tempfile::tempdir().unwrap();
    let options = TrainerOptions::default()
        .with_steps(4)
        .with_precision(Precision::Mixed)
        .with_validate_every(0);
    let fit = |mut trainer: Trainer<ConvAutoencoder>| {
        trainer
            .fit(|_| Ok(batch()), || Ok(Vec::new()), folder.path(), |_| {})
            .unwrap();
        trainer
    };
    fit(Trainer::new(options.clone(), conv()).unwrap());
    let resumed = || Trainer::<ConvAutoencoder>::resume(folder.path(), &device()).unwrap();
    assert_eq!(resumed().options().precision, Precision::Mixed);
    let loss = |options: &TrainerOptions| {
        let mut trainer = resumed().with_options(options.clone()).unwrap();
        trainer.step(&owned()).unwrap().unwrap()
    };
    let mixed = loss(&options);
    let full = loss(&options.with_precision(Precision::Full));
    assert!(mixed != full && (mixed / full - 1.0).abs() < 0.1, "{mixed} {full}");
}

fn owned() -> radio_models::Tokens<'static> {
    let batch = survey(3, 8, TOKENS, PATCH);
    radio_models::Tokens::new(batch.ids, batch.values, batch.errors, batch.wavelength, batch.snr).unwrap()
}
