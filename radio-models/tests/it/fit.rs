//! The whole of a training: windows, checkpoints, validation, refusals.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use radio_models::burn::optim::GradientsParams;
use radio_models::{
    Autoencoder, ConvAutoencoder, ConvAutoencoderConfig, Ending, Error, MaskedAutoencoder, MaskedAutoencoderConfig,
    Model, Position, Sizes, Tokens, Trainer, TrainerOptions,
};

use crate::common::{Batch, all_gradients, device, relative_difference, small, survey};

const TOKENS: usize = 9;
const PATCH: usize = 8;

fn conv() -> ConvAutoencoder {
    small(TOKENS, PATCH).init(&device()).unwrap()
}

fn masked() -> MaskedAutoencoder {
    let config = MaskedAutoencoderConfig::new(TOKENS, PATCH)
        .with_width(16)
        .with_encoder(2);
    config.init(&device()).unwrap()
}

/// Spectra with ragged masks: more and more tokens of a row are bad.
fn ragged(seed: u64, rows: usize) -> Batch {
    let mut batch = survey(seed, rows, TOKENS, PATCH);
    for row in 0..rows {
        for token in 0..row % TOKENS {
            batch.errors.slice_mut(ndarray::s![row, token, ..]).fill(0.0);
        }
        batch.ids[row] += 1000 * seed as i64;
    }
    batch
}

/// The batches of a pass: twelve, others in each epoch.
fn passes(position: Position) -> impl Iterator<Item = Result<Tokens<'static>, Error>> {
    let batches = 12 * position.epoch + position.batch..12 * (position.epoch + 1);
    batches.map(|batch| Ok(owned(&ragged(batch, 6))))
}

fn owned(batch: &Batch) -> Tokens<'static> {
    let Batch {
        ids,
        values,
        errors,
        wavelength,
        snr,
    } = batch.clone();
    Tokens::new(ids, values, errors, wavelength, snr).unwrap()
}

/// Sum of squares, pixels and gradients of one batch.
fn gradients<M: Autoencoder>(model: &M, batch: &Batch) -> (f64, usize, Vec<f64>) {
    let (squares, good) = model.loss(&batch.tokens(), 0.05, 3).unwrap().unwrap();
    let value = squares.clone().into_data().iter::<f64>().next().unwrap();
    let gradients = GradientsParams::from_grads(squares.backward(), model);
    (value, good, all_gradients(model, &gradients))
}

/// The gradient of a window is that of one batch of all its rows: 1e-6 of its length, f32 sums in another order.
#[track_caller]
fn windows_are_batches<M: Autoencoder>(model: M) {
    let model = model.train();
    let whole = ragged(1, 48);
    let (value, good, expected) = gradients(&model, &whole);
    let (mut sum, mut count, mut added) = (0.0, 0, vec![0.0; expected.len()]);
    for rows in [0..16, 16..17, 17..32, 32..48] {
        let part = gradients(&model, &whole.select(&rows.collect::<Vec<_>>()));
        sum += part.0;
        count += part.1;
        added
            .iter_mut()
            .zip(part.2)
            .for_each(|(sum, gradient)| *sum += gradient);
    }
    assert_eq!(count, good);
    assert!((sum / value - 1.0).abs() < 1e-6, "{sum} {value}");
    let relative = relative_difference(&added, &expected);
    assert!(relative < 1e-6, "{relative}");
}

#[test]
fn a_window_has_the_gradient_of_one_batch() {
    windows_are_batches(conv());
    windows_are_batches(masked());
}

#[test]
fn a_window_makes_the_step_of_one_batch() {
    let whole = ragged(1, 48);
    let mut at_once = Trainer::new(TrainerOptions::default(), conv()).unwrap();
    let loss = at_once.step(&whole.tokens()).unwrap().unwrap();
    let mut in_parts = Trainer::new(TrainerOptions::default(), conv()).unwrap();
    for rows in [0..20, 20..48] {
        let part = whole.select(&rows.collect::<Vec<_>>());
        in_parts.accumulate(&part.tokens()).unwrap();
    }
    let record = in_parts.update().unwrap().unwrap();
    assert!((record.loss / loss - 1.0).abs() < 1e-6);
    let reconstruct = |trainer: &Trainer<ConvAutoencoder>| trainer.model().reconstruct(&whole.tokens()).unwrap().values;
    let difference = (reconstruct(&at_once) - reconstruct(&in_parts)).mapv(f32::abs);
    assert!(difference.iter().all(|&x| x < 1e-4), "{difference}");
}

fn options() -> TrainerOptions {
    TrainerOptions::default()
        .with_steps(20)
        .with_accumulate(2)
        .with_validate_every(5)
        .with_checkpoint_every(4)
}

/// What a training of 20 steps leaves: the log, and the fingerprint of the model.
fn result<M: Autoencoder>(trainer: Trainer<M>, folder: &Path) -> (String, String) {
    let log = fs::read_to_string(folder.join("log.jsonl")).unwrap();
    (log, trainer.finish().fingerprint().unwrap())
}

fn validation() -> Result<Vec<Result<Tokens<'static>, Error>>, Error> {
    Ok(vec![Ok(owned(&ragged(1_000, 10))), Ok(owned(&ragged(1_001, 3)))])
}

/// Trains at one go, and with a stop after `batches` batches; both must end alike.
#[track_caller]
fn goes_on<M: Autoencoder>(model: &M, batches: usize) {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut trainer = Trainer::new(options(), model.clone()).unwrap();
    let ending = trainer
        .fit(|at| Ok(passes(at)), validation, folders[0].path(), |_| {})
        .unwrap();
    assert_eq!((ending, trainer.steps()), (Ending::Steps, 20));
    let expected = result(trainer, folders[0].path());

    let mut left = batches;
    let mut trainer = Trainer::new(options(), model.clone()).unwrap();
    let error = trainer.fit(
        |at| {
            Ok::<_, Error>(
                passes(at)
                    .map(|batch| {
                        left = usize::wrapping_sub(left, 1);
                        if left == 0 {
                            Err(Error::Diverged { step: 77 })
                        } else {
                            batch
                        }
                    })
                    .collect::<Vec<_>>(),
            )
        },
        validation,
        folders[1].path(),
        |_| {},
    );
    assert!(matches!(error, Err(Error::Batch { .. })), "{error:?}");
    drop(trainer);
    let can = Trainer::<M>::can_resume(folders[1].path()).unwrap();
    let mut trainer = if can {
        // The same options again change nothing.
        let trainer = Trainer::resume(folders[1].path(), &device()).unwrap();
        trainer.with_options(options()).unwrap()
    } else {
        Trainer::new(options(), model.clone()).unwrap()
    };
    assert_eq!(can, batches > 8);
    trainer
        .fit(|at| Ok(passes(at)), validation, folders[1].path(), |_| {})
        .unwrap();
    assert_eq!(result(trainer, folders[1].path()), expected, "after {batches} batches");
    assert!(
        fs::read_to_string(folders[1].path().join("losses.svg"))
            .unwrap()
            .contains("validation")
    );
}

#[test]
fn a_training_goes_on_as_if_it_had_not_stopped() {
    for batches in [3, 11, 12, 25, 36] {
        goes_on(&conv(), batches);
    }
    goes_on(&masked(), 25);
}

#[test]
fn half_a_checkpoint_is_not_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("checkpoint.new")).unwrap();
    assert!(!Trainer::<ConvAutoencoder>::can_resume(folder.path()).unwrap());
    let error = Trainer::<ConvAutoencoder>::resume(folder.path(), &device()).unwrap_err();
    assert!(error.to_string().contains("go on from"), "{error}");
    let mut trainer = Trainer::new(options(), conv()).unwrap();
    trainer
        .fit(|at| Ok(passes(at)), validation, folder.path(), |_| {})
        .unwrap();
    let names = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["checkpoint-000000020", "log.jsonl", "losses.svg"]);
    // Another architecture is told apart.
    let error = Trainer::<MaskedAutoencoder>::resume(folder.path(), &device()).unwrap_err();
    assert!(error.to_string().contains("conv-autoencoder"), "{error}");
}

#[test]
fn training_stops_when_it_does_not_get_better() {
    let folder = tempfile::tempdir().unwrap();
    let options = options()
        .with_steps(400)
        .with_validate_every(1)
        .with_patience(3)
        .with_learning_rate(0.03);
    let mut trainer = Trainer::new(options, conv()).unwrap();
    let ending = trainer
        .fit(|at| Ok(passes(at)), validation, folder.path(), |_| {})
        .unwrap();
    assert_eq!(ending, Ending::Patience);
    // And it stays at that.
    let steps = trainer.steps();
    let ending = trainer.fit(
        |at| Ok(passes(at)),
        validation,
        folder.path(),
        |_| panic!("a step too many"),
    );
    assert_eq!((ending.unwrap(), trainer.steps()), (Ending::Patience, steps));
    let losses: Vec<f32> = trainer
        .history()
        .records()
        .iter()
        .filter_map(|record| record.validation)
        .collect();
    assert_eq!(losses.len(), trainer.steps());
    let (best, least) = losses
        .iter()
        .copied()
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap();
    assert_eq!(best + 1 + 3, losses.len(), "{losses:?}");
    // The best model is the one that is kept.
    let model = trainer.finish();
    let (mut sum, mut good) = (0.0, 0);
    for batch in validation().unwrap() {
        let (squares, count) = model.loss(&batch.unwrap(), 0.05, 0).unwrap().unwrap();
        sum += squares.into_data().iter::<f64>().next().unwrap();
        good += count;
    }
    assert!((sum / good as f64 / f64::from(least) - 1.0).abs() < 1e-5);
}

#[test]
fn nothing_to_learn_is_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut dead = ragged(1, 6);
    dead.errors.fill(0.0);
    let calls = RefCell::new(0);
    let mut trainer = Trainer::new(options(), conv()).unwrap();
    let ending = trainer.fit(
        |_| {
            *calls.borrow_mut() += 1;
            Ok::<_, Error>([Ok(owned(&dead)), Ok(owned(&dead))])
        },
        || Ok(Vec::new()),
        folder.path(),
        |_| panic!("no step was made"),
    );
    assert_eq!((ending.unwrap(), calls.into_inner()), (Ending::NoData, 1));
}

#[test]
fn a_window_may_be_longer_than_a_pass() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(options().with_steps(2).with_accumulate(5), conv()).unwrap();
    let pass = |position: Position| Ok(passes(position).take(3 - position.batch as usize));
    let ending = trainer.fit(pass, || Ok(Vec::new()), folder.path(), |_| {});
    assert_eq!((ending.unwrap(), trainer.steps()), (Ending::Steps, 2));
}

#[test]
fn a_training_has_its_folder_and_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let options = options().with_steps(4);
    let fit =
        |trainer: &mut Trainer<ConvAutoencoder>| trainer.fit(|at| Ok(passes(at)), validation, folder.path(), |_| {});
    let mut trainer = Trainer::new(options.clone(), conv())
        .unwrap()
        .trained_on("plan 17")
        .unwrap();
    fit(&mut trainer).unwrap();
    assert_eq!(trainer.finish().origin().data.as_deref(), Some("plan 17"));

    // Another training does not end what is there.
    let error = fit(&mut Trainer::new(options.clone(), conv()).unwrap()).unwrap_err();
    assert!(format!("{error:?}").contains("4 steps"), "{error:?}");
    let resume = || Trainer::<ConvAutoencoder>::resume(folder.path(), &device()).unwrap();
    let error = resume().trained_on("plan 18").unwrap_err();
    assert!(
        error.to_string().contains("plan 17") && error.to_string().contains("plan 18"),
        "{error}"
    );
    let mut trainer = resume()
        .trained_on("plan 17")
        .unwrap()
        .with_options(options.with_steps(6))
        .unwrap();
    fit(&mut trainer).unwrap();
    assert_eq!(
        (trainer.steps(), trainer.finish().origin().data.as_deref()),
        (6, Some("plan 17"))
    );
}

#[test]
fn tokens_of_another_tokenizer_are_refused() {
    let batch = survey(1, 4, TOKENS, PATCH);
    let mut trainer = Trainer::new(TrainerOptions::default(), conv()).unwrap();
    trainer.step(&batch.tokens().made_by("aaaa")).unwrap();
    let error = trainer.step(&batch.tokens().made_by("bbbb")).unwrap_err().to_string();
    assert!(error.contains("aaaa") && error.contains("bbbb"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    trainer.finish().save(&path).unwrap();
    let model = ConvAutoencoder::load(&path, &device()).unwrap();
    assert_eq!(model.origin().tokenizer.as_deref(), Some("aaaa"));
    model.reconstruct(&batch.tokens().made_by("aaaa")).unwrap();
    let error = model.reconstruct(&batch.tokens()).unwrap_err();
    assert!(error.to_string().contains("no name"), "{error}");
}

#[test]
fn recomputing_gives_the_same_weights() {
    let batch = ragged(1, 12);
    let train = |options: TrainerOptions| {
        let mut trainer = Trainer::new(options, masked()).unwrap();
        for _ in 0..3 {
            trainer.step(&batch.tokens()).unwrap();
        }
        trainer.finish().reconstruct(&batch.tokens()).unwrap().values
    };
    let (kept, again) = (
        train(TrainerOptions::default()),
        train(TrainerOptions::default().with_recompute()),
    );
    assert!((kept - again).iter().all(|x| x.abs() < 1e-5));
}

#[test]
fn options_are_a_text() {
    let text = serde_json::to_string(&options()).unwrap();
    assert_eq!(serde_json::from_str::<TrainerOptions>(&text).unwrap(), options());
    assert_eq!(
        serde_json::from_str::<TrainerOptions>("{}").unwrap(),
        TrainerOptions::default()
    );
    assert!(serde_json::from_str::<TrainerOptions>(r#"{"step": 3}"#).is_err());
}

#[test]
fn presets_can_be_made() {
    for config in [
        ConvAutoencoderConfig::small(244, 32),
        ConvAutoencoderConfig::base(244, 32),
    ] {
        assert!(config.parameters().unwrap() > 1_000_000);
    }
    let [small, base] = [
        MaskedAutoencoderConfig::small(244, 32),
        MaskedAutoencoderConfig::base(244, 32),
    ];
    assert!(small.parameters().unwrap() > 100_000 && base.parameters().unwrap() > 5_000_000);
}

/// The decay of the weights is the optimizer's own, and goes with the options.
#[test]
fn another_decay_counts_at_once() {
    let batch = ragged(1, 6);
    let begin = |decay| {
        let options = options().with_weight_decay(decay);
        let mut trainer = Trainer::new(options, conv()).unwrap();
        trainer.step(&batch.tokens()).unwrap();
        trainer
    };
    let end = |mut trainer: Trainer<ConvAutoencoder>| {
        trainer.step(&batch.tokens()).unwrap();
        trainer.finish().fingerprint().unwrap()
    };
    let changed = begin(0.0).with_options(options().with_weight_decay(0.5)).unwrap();
    let same = begin(0.0).with_options(options().with_weight_decay(0.0)).unwrap();
    assert_eq!(end(same), end(begin(0.0)));
    assert_ne!(end(changed), end(begin(0.0)));
}

#[test]
fn steps_by_hand_come_before_a_fit_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(options(), conv()).unwrap();
    for batch in 0..3 {
        trainer.step(&ragged(batch, 6).tokens()).unwrap();
    }
    trainer
        .fit(|at| Ok(passes(at)), validation, folder.path(), |_| {})
        .unwrap();
    let resumed = Trainer::<ConvAutoencoder>::resume(folder.path(), &device()).unwrap();
    assert_eq!(resumed.steps(), 20);
    assert_eq!(resumed.history().records(), trainer.history().records());
    assert_eq!(resumed.history().records()[0].step, 4);
}

/// A byte that turned anywhere in a checkpoint is found before anything is computed with it.
#[test]
fn a_damaged_checkpoint_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(options(), conv()).unwrap();
    trainer
        .fit(|at| Ok(passes(at)), validation, folder.path(), |_| {})
        .unwrap();
    let resume = || Trainer::<ConvAutoencoder>::resume(folder.path(), &device());
    let checkpoint = folder.path().join("checkpoint-000000020");
    for name in ["model.safetensors", "best.safetensors", "optimizer.bpk"] {
        let path = checkpoint.join(name);
        let bytes = fs::read(&path).unwrap();
        for at in [0, bytes.len() / 3, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            fs::write(&path, damaged).unwrap();
            let error = resume().unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(resume().unwrap().steps(), 20);
}
