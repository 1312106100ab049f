//! What does not fit together is refused by name, before any work.

use ndarray::{Array2, Array3};
use radio_models::{
    AnomalyScorer, Autoencoder, ConvAutoencoderConfig, Error, MaskedAutoencoderConfig, Sizes, Tokens, Trainer,
    TrainerOptions,
};

use crate::common::{Batch, device, model, small, survey};

#[track_caller]
fn refused(error: &Error, words: &[&str]) {
    let message = error.to_string();
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}

#[test]
fn arrays_must_agree() {
    let (values, wavelength) = (Array3::zeros((2, 3, 4)), Array2::zeros((2, 3)));
    let check = |ids: &[i64], errors: [usize; 3], wavelength: [usize; 2], snr: &[f32], name: &str| {
        let (errors, wavelength) = (Array3::zeros(errors), Array2::zeros(wavelength));
        let error = Tokens::new(ids, values.view(), errors.view(), wavelength.view(), snr).unwrap_err();
        refused(&error, &[name, "for each"]);
    };
    check(&[1, 2], [2, 3, 5], [2, 3], &[0.0; 2], "errors has shape [2, 3, 5]");
    check(&[1, 2], [2, 3, 4], [3, 2], &[0.0; 2], "wavelength has shape [3, 2]");
    check(&[1, 2, 3], [2, 3, 4], [2, 3], &[0.0; 2], "ids has shape [3]");
    check(&[1, 2], [2, 3, 4], [2, 3], &[], "snr has shape [0]");
    let errors = Array3::zeros((2, 3, 4));
    Tokens::new(&[1, 2], values.view(), errors.view(), wavelength.view(), &[0.0; 2]).unwrap();
}

#[test]
fn tokens_must_fit_the_model() {
    let model = model(5, 8);
    for (tokens, patch) in [(4, 8), (5, 7), (8, 5)] {
        let batch = survey(1, 2, tokens, patch);
        let found = format!("[2, {tokens}, {patch}]");
        let words = ["values", &found, "[2, 5, 8]", "tokenize"];
        refused(
            &AnomalyScorer::new(model.clone()).score(&batch.tokens()).unwrap_err(),
            &words,
        );
        refused(&model.reconstruct(&batch.tokens()).unwrap_err(), &words);
        let mut trainer = Trainer::new(TrainerOptions::default(), model.clone()).unwrap();
        refused(&trainer.step(&batch.tokens()).unwrap_err(), &words);
    }
}

#[test]
fn sizes_must_be_possible() {
    let device = device();
    let check = |config: ConvAutoencoderConfig, name: &str| refused(&config.init(&device).unwrap_err(), &[name]);
    check(ConvAutoencoderConfig::new(0, 8), "tokens is 0");
    check(ConvAutoencoderConfig::new(5, 0), "patch is 0");
    check(small(5, 8).with_width(0), "width is 0");
    check(small(5, 8).with_hidden(0), "hidden is 0");
    check(small(5, 8).with_latent(0), "latent is 0");
    check(small(usize::MAX, 8), "so small that the weights fit");
    check(small(1 << 40, 8).with_hidden(1 << 40), "so small that the weights fit");
}

#[test]
fn options_must_be_possible() {
    let check = |options: TrainerOptions, name: &str| {
        refused(&Trainer::new(options, model(2, 3)).unwrap_err(), &[name]);
    };
    let options = TrainerOptions::default;
    check(options().with_steps(0), "steps is 0");
    check(options().with_learning_rate(0.0), "learning_rate is 0");
    check(options().with_learning_rate(f64::NAN), "learning_rate is NaN");
    check(options().with_weight_decay(-1.0), "weight_decay is -1");
    check(options().with_clip_norm(0.0), "clip_norm is 0");
    check(options().with_sigma_floor(0.0), "sigma_floor is 0");
    let batch = survey(1, 2, 2, 3);
    let scorer = AnomalyScorer::new(model(2, 3)).sigma_floor(f32::NAN);
    refused(&scorer.score(&batch.tokens()).unwrap_err(), &["sigma_floor is NaN"]);
}

#[test]
fn no_rows_are_fine() {
    let batch = Batch::new(Array3::zeros((0, 5, 8)), Array3::zeros((0, 5, 8)));
    let model = model(5, 8);
    assert_eq!(model.reconstruct(&batch.tokens()).unwrap().values.dim(), (0, 5, 8));
    assert_eq!(model.reconstruct(&batch.tokens()).unwrap().latent.dim(), (0, 4));
    assert_eq!(
        Trainer::new(TrainerOptions::default(), model.clone())
            .unwrap()
            .step(&batch.tokens())
            .unwrap(),
        None
    );
    assert!(
        AnomalyScorer::new(model)
            .score(&batch.tokens())
            .unwrap()
            .rows
            .is_empty()
    );
}

#[test]
fn parameters_are_counted() {
    let layers = |sizes: &[(usize, usize)]| sizes.iter().map(|(a, b)| (a + 1) * b).sum::<usize>();
    // Five tokens become eight places of 6 channels, then four of 12 and two of 24.
    let conv = layers(&[
        (8, 6),
        (12, 12),
        (24, 24),
        (48, 32),
        (32, 4),
        (4, 32),
        (32, 48),
        (24, 24),
        (12, 12),
        (6, 8),
    ]);
    assert_eq!(small(5, 8).parameters(), Some(conv));
    assert_eq!(radio_models::burn::module::Module::num_params(&model(5, 8)), conv);
    let config = MaskedAutoencoderConfig::new(5, 8)
        .with_width(6)
        .with_heads(3)
        .with_expansion(2);
    let block = layers(&[(6, 6), (6, 12), (6, 6), (6, 12), (12, 6)]) + 4 * 6;
    let masked = layers(&[(8, 6), (6, 8)]) + 4 * block + 4 * 6 + 6;
    assert_eq!(config.parameters(), Some(masked));
    let model = config.init(&crate::common::device()).unwrap();
    assert_eq!(radio_models::burn::module::Module::num_params(&model), masked);
}
