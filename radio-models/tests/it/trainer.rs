use ndarray::Axis;
use radio_models::{AnomalyScorer, Autoencoder, ConvAutoencoderConfig, Error, Model, Trainer, TrainerOptions};

use crate::common::{device, model, survey};

#[track_caller]
fn check_rate(options: &TrainerOptions, step: usize, expected: f64) {
    let rate = options.learning_rate_at(step);
    assert!((rate - expected).abs() < 1e-12, "step {step}: {rate}");
}

#[test]
fn the_rate_rises_falls_and_stays() {
    let options = TrainerOptions::default()
        .with_steps(110)
        .with_warmup_steps(10)
        .with_learning_rate(1.0);
    check_rate(&options, 0, 0.1);
    check_rate(&options, 9, 1.0);
    check_rate(&options, 10, 1.0);
    check_rate(&options, 60, 0.505);
    check_rate(&options, 110, 0.01);
    check_rate(&options, 1_000_000, 0.01);
    let no_warmup = options.clone().with_warmup_steps(0);
    check_rate(&no_warmup, 0, 1.0);
    let only_warmup = options.with_steps(10);
    check_rate(&only_warmup, 9, 1.0);
    check_rate(&only_warmup, 11, 0.01);
}

#[test]
fn a_short_training_only_warms_up() {
    let short = TrainerOptions::default().with_steps(10).with_learning_rate(1.0);
    check_rate(&short, 0, 0.1);
    check_rate(&short, 9, 1.0);
    check_rate(&short, 11, 0.01);
    assert!(Trainer::new(short, model(5, 8)).is_ok());
    // Steps of 0 are refused elsewhere; the rate is a number all the same.
    assert!(TrainerOptions::default().with_steps(0).learning_rate_at(0).is_finite());
}

#[test]
fn a_dead_batch_teaches_nothing() {
    let mut batch = survey(1, 4, 5, 8);
    batch.errors.fill(0.0);
    batch.values.fill(f32::NAN);
    let mut trainer = Trainer::new(TrainerOptions::default(), model(5, 8)).unwrap();
    assert_eq!(trainer.step(&batch.tokens()).unwrap(), None);
    assert_eq!(trainer.steps(), 0);
    assert_eq!(
        trainer.finish().fingerprint().unwrap(),
        model(5, 8).fingerprint().unwrap()
    );
}

#[test]
fn divergence_is_an_error_and_undone() {
    let batch = survey(2, 4, 5, 8);
    let mut wild = batch.clone();
    // Under a floor as low as this, such errors weigh more than a number can say.
    wild.errors.index_axis_mut(Axis(0), 2).fill(1e-25);
    let options = TrainerOptions::default().with_sigma_floor(1e-22);
    let mut trainer = Trainer::new(options.clone(), model(5, 8)).unwrap();
    trainer.step(&batch.tokens()).unwrap();
    let before = trainer.model().fingerprint().unwrap();
    assert!(matches!(trainer.step(&wild.tokens()), Err(Error::Diverged { step: 1 })));
    assert_eq!(trainer.model().fingerprint().unwrap(), before);
    let mut same = Trainer::new(options, model(5, 8)).unwrap();
    for _ in 0..2 {
        same.step(&batch.tokens()).unwrap();
    }
    trainer.step(&batch.tokens()).unwrap();
    assert_eq!(
        trainer.finish().fingerprint().unwrap(),
        same.finish().fingerprint().unwrap()
    );
}

#[test]
fn clipping_bounds_the_first_step() {
    // AdamW divides by the size of the gradient, unless that is far below its epsilon of 1e-8.
    let batch = survey(3, 16, 5, 8);
    let moved = |clip: f32| {
        let options = TrainerOptions::default().with_clip_norm(clip).with_weight_decay(0.0);
        let before = model(5, 8);
        let mut trainer = Trainer::new(options, before.clone()).unwrap();
        trainer.step(&batch.tokens()).unwrap();
        let after = trainer.finish().reconstruct(&batch.tokens()).unwrap().latent;
        (after - before.reconstruct(&batch.tokens()).unwrap().latent)
            .mapv(f32::abs)
            .sum()
    };
    let (free, one, tiny) = (moved(f32::INFINITY), moved(1.0), moved(1e-10));
    assert!(free > 0.0 && (free - one).abs() < 1e-2 * free, "{free} {one}");
    assert!(tiny < 0.1 * free, "{free} {tiny}");
}

#[test]
fn a_finished_model_can_be_trained_on() {
    let batch = survey(4, 16, 5, 8);
    let options = TrainerOptions::default().with_steps(30).with_warmup_steps(0);
    let mut losses = Vec::new();
    let mut model = model(5, 8);
    for _ in 0..2 {
        let mut trainer = Trainer::new(options.clone(), model).unwrap();
        for _ in 0..30 {
            losses.extend(trainer.step(&batch.tokens()).unwrap());
        }
        model = trainer.finish();
    }
    assert_eq!(losses.len(), 60);
    assert!(losses[30] < losses[0] && losses[59] < losses[30], "{losses:?}");
}

/// A fill value that nobody masked: it trains nothing, and its spectrum is the most unusual of all.
#[test]
fn an_outlier_does_not_own_the_training() {
    let mut batch = survey(5, 32, 6, 8);
    batch.errors[[7, 2, 3]] = 0.1;
    let train = |value: f32| {
        let mut batch = batch.clone();
        batch.values[[7, 2, 3]] = value;
        let model = ConvAutoencoderConfig::new(6, 8).init(&device()).unwrap();
        let mut trainer = Trainer::new(TrainerOptions::default().with_steps(30), model).unwrap();
        let losses: Vec<f32> = (0..30)
            .map(|_| trainer.step(&batch.tokens()).unwrap().unwrap())
            .collect();
        let scores = AnomalyScorer::new(trainer.finish()).score(&batch.tokens()).unwrap();
        (losses, scores)
    };
    for value in [1e5, -1e12, 1e20] {
        let (losses, scores) = train(value);
        assert!(
            losses.iter().all(|loss| loss.is_finite()) && losses[29] < losses[0],
            "{value}: {losses:?}"
        );
        assert!(losses[0] < 1e4, "{value}: {losses:?}");
        let most = scores
            .rows
            .iter()
            .max_by(|a, b| a.score.partial_cmp(&b.score).unwrap())
            .unwrap();
        assert_eq!(most.targetid, batch.ids[7], "{value}");
    }
}
