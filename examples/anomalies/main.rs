//! How well are anomalies found? Seeded ones are put into a survey, a model is trained, and every score is judged by them.
//!
//! ```text
//! cargo run --release -p radio-examples --example anomalies                                  # a mock survey of 20,000 spectra
//! cargo run --release -p radio-examples --example anomalies -- --tiles my/tiles              # your own
//! cargo run --release -p radio-examples --example anomalies -- --tiles my/tiles --scorer radio-anomalies/scorer.safetensors
//! ```
//!
//! The last one trains nothing and injects nothing: it scores spectra with a model that another run made. All make a gallery
//! of the most unusual spectra, `gallery.html`. A training that was stopped goes on where it was when it is started again.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

mod judge;
mod survey;
mod top;

#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use radio_index::blocking::Index;
use radio_index::{KeyColumns, Run, Selection, SyncOptions};
use radio_io::Shuffle;
use radio_io::mock::Mock;
use radio_models::gallery::Gallery;
use radio_models::{
    AnomalyScorer, Autoencoder, ConvAutoencoder, ConvAutoencoderConfig, MaskedAutoencoder, MaskedAutoencoderConfig,
    Part, Position, Precision, ScoreFile, Trainer, TrainerOptions,
};

pub(crate) use common::Result;
use common::{Split, end, fingerprint, part_of, progress, recorded};
use judge::{Judge, principal_components};
use survey::Survey;
use top::Top;

/// Models make and drop large tensors all the time, which the system's allocator gives back to the system each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Half of the tiles are for tests: two injected spectra in a hundred are few.
const SPLIT: Split = [0.5, 0.15];
/// Least number of spectra to calibrate on.
const FEWEST: u64 = 200;
/// Fraction of the tests' spectra that have an anomaly when each kind is looked at.
const DENSE: f64 = 0.5;

/// Trains an autoencoder, scores every spectrum, and judges the scores by injected anomalies.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Folder of Parquet tiles with spectra [default: a mock survey is made]
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,
    /// Spectra of the mock survey
    #[arg(long, value_name = "N", default_value = "20000")]
    spectra: NonZeroUsize,
    /// Seed of the mock survey, the anomalies, the shuffle and the model
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Which model
    #[arg(long, value_enum, default_value_t = Kind::Conv)]
    model: Kind,
    /// Score with this model, and train none
    #[arg(long, value_name = "FILE")]
    scorer: Option<PathBuf>,
    /// Where the model computes: cpu, tch, tch:cuda:0, vulkan, wgpu, cuda:0
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    device: String,
    /// Train with matrix products of 16 bits, for graphics cards
    #[arg(long)]
    mixed: bool,
    /// Training steps
    #[arg(long, value_name = "N", default_value = "1500")]
    steps: NonZeroUsize,
    /// Spectra of a training step
    #[arg(long, value_name = "N", default_value = "64")]
    batch: NonZeroUsize,
    /// Fraction of the spectra that get an anomaly, above 0 and up to 1
    #[arg(long, value_name = "X", default_value_t = 0.02, value_parser = fraction)]
    fraction: f64,
    /// Smallest and largest amplitude of an anomaly, in standard errors of a pixel
    #[arg(long, value_names = ["LEAST", "MOST"], num_args = 2, default_values_t = [2.0, 20.0])]
    amplitudes: Vec<f64>,
    /// Spectra in the gallery
    #[arg(long, value_name = "N", default_value = "100")]
    gallery: usize,
    /// Whose data it is, for the foot of the gallery
    #[arg(long, value_name = "TEXT")]
    credit: Option<String>,
    /// Folder for everything that is made
    #[arg(long, value_name = "DIR", default_value = "radio-anomalies")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Convolutions through a narrow latent space
    Conv,
    /// A transformer that predicts hidden tokens
    Masked,
}

fn fraction(text: &str) -> std::result::Result<f64, String> {
    let fraction: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let fits = fraction > 0.0 && fraction <= 1.0;
    fits.then_some(fraction)
        .ok_or_else(|| "not above 0 and up to 1".to_owned())
}

#[allow(dead_code, reason = "a test calls `run`")]
fn main() -> std::process::ExitCode {
    end(run(&Options::parse()))
}

pub(crate) fn run(options: &Options) -> Result<()> {
    fs::create_dir_all(&options.out).map_err(|e| format!("{}: {e}", options.out.display()))?;
    let tiles = match &options.tiles {
        Some(tiles) => tiles.clone(),
        None => mock(options)?,
    };
    let index = Index::open(&format!("sqlite:{}", options.out.join("index.db").display()))?;
    // Redshift warnings do not matter here, whichever way round a tile has them.
    let columns = KeyColumns::default().with_good_warning(true);
    let synced = index.sync(&SyncOptions::new(&tiles).with_columns(columns))?;
    for (tile, reason) in &synced.failed {
        eprintln!("  left out: {tile}: {reason}");
    }
    let plan = index.plan(&Selection::all().under(&synced.root))?;
    if plan.is_empty() {
        return Err(format!("{}: no spectrum that can be read", tiles.display()).into());
    }
    let survey = Survey::new(&plan, options)?;
    let device = radio_models::device(&options.device)?;
    match (options.model, &options.scorer) {
        (Kind::Conv, Some(path)) => judged(
            &AnomalyScorer::<ConvAutoencoder>::load(path, &device)?,
            &survey,
            &index,
            options,
        ),
        (Kind::Masked, Some(path)) => judged(
            &AnomalyScorer::<MaskedAutoencoder>::load(path, &device)?,
            &survey,
            &index,
            options,
        ),
        (Kind::Conv, None) => {
            let [tokens, patch] = survey.shape();
            let model = ConvAutoencoderConfig::small(tokens, patch).with_seed(options.seed);
            judged(
                &train(model.init(&device)?, &survey, options)?,
                &survey,
                &index,
                options,
            )
        }
        (Kind::Masked, None) => {
            let [tokens, patch] = survey.shape();
            let model = MaskedAutoencoderConfig::small(tokens, patch).with_seed(options.seed);
            judged(
                &train(model.init(&device)?, &survey, options)?,
                &survey,
                &index,
                options,
            )
        }
    }
}

/// A survey to practise with; made once.
fn mock(options: &Options) -> Result<PathBuf> {
    let folder = options.out.join(format!("mock-{}-{}", options.spectra, options.seed));
    if !folder.exists() {
        // Under another name, until it is complete.
        let incomplete = folder.with_extension("incomplete");
        let bar = progress("making a mock survey", options.spectra.get() as u64);
        let mock = Mock::new(options.spectra.get()).seed(options.seed);
        mock.write(&incomplete, |rows| bar.set_position(rows))?;
        fs::rename(&incomplete, &folder)?;
    }
    Ok(folder)
}

/// Trains a model on half of the tiles, and calibrates its scores on others. Goes on where an earlier run stopped.
fn train<M: Autoencoder>(model: M, survey: &Survey, options: &Options) -> Result<AnomalyScorer<M>> {
    let [training, validation] =
        [Part::Training, Part::Validation].map(|part| part_of(&survey.plan, part, options.seed, SPLIT));
    if training.is_empty() || validation.rows() < FEWEST {
        let found = validation.rows();
        let reason = "its scores are calibrated on: give it more tiles, or a model that another run made (--scorer)";
        return Err(format!(
            "{found} spectra are in the part of the tiles that a model is not trained on and that {reason}"
        )
        .into());
    }
    let folder = options.out.join(format!("training-{}", M::ARCHITECTURE));
    let settings = TrainerOptions::default()
        .with_steps(options.steps.get())
        .with_precision(if options.mixed {
            Precision::Mixed
        } else {
            Precision::Full
        })
        .with_validate_every((options.steps.get() / 10).max(1));
    let device = model.device();
    let trainer = if Trainer::<M>::can_resume(&folder)? {
        Trainer::resume(&folder, &device)?.with_options(settings)?
    } else {
        Trainer::new(settings, model)?
    };
    let data = format!("{}, {}", fingerprint(&training)?, survey.injected());
    let mut trainer = trainer
        .trained_on(data)
        .map_err(|e| format!("{}: {e}", options.out.display()))?;
    let read = survey.read.clone().with_batch_rows(options.batch);
    let shuffled = read.clone().with_shuffle(Shuffle::window()).with_seed(options.seed);
    let bar = progress("training", options.steps.get() as u64);
    bar.set_position(trainer.steps() as u64);
    let (step, before) = (Instant::now(), trainer.steps());
    trainer.fit(
        |position| survey.tokens(&training, &shuffled, position),
        || survey.tokens(&validation, &read, Position::default()),
        &folder,
        |record| {
            bar.set_position(record.step as u64);
            if let Some(validation) = record.validation {
                bar.println(format!(
                    "  step {:>6}   loss {:.3}   validation {validation:.3}",
                    record.step, record.loss
                ));
            }
        },
    )?;
    bar.finish_and_clear();
    println!(
        "  trained {} steps in {:.0} s on {} spectra of {} tiles",
        trainer.steps() - before,
        step.elapsed().as_secs_f64(),
        training.rows(),
        training.tiles()
    );
    let scorer = AnomalyScorer::new(trainer.finish());
    let scorer = scorer.calibrated(survey.tokens(&validation, &read, Position::default())?)?;
    scorer.save(options.out.join("scorer.safetensors"))?;
    Ok(scorer)
}

/// Scores the spectra that the model has not seen, shows the most unusual, and judges the scores.
fn judged<M: Autoencoder>(scorer: &AnomalyScorer<M>, survey: &Survey, index: &Index, options: &Options) -> Result<()> {
    let part = |part| part_of(&survey.plan, part, options.seed, SPLIT);
    let (plan, pca) = match options.scorer {
        Some(_) => (survey.plan.clone(), None),
        None => (
            part(Part::Test),
            Some(principal_components(survey, &part(Part::Training))?),
        ),
    };
    let hash = scorer.model().fingerprint()?;
    let run = Run::new(format!("{}-{hash}", M::ARCHITECTURE)).with_model_hash(&hash);
    let path = options.out.join("scores.parquet");
    let mut file = ScoreFile::create(&path, &run.name, &hash)?;
    let (mut judge, mut top) = (pca.as_ref().map(Judge::new), Top::new(options.gallery));
    let bar = progress("scoring", plan.rows());
    let step = Instant::now();
    let mut rows = 0;
    for piece in survey.pieces(&plan, &survey.read, Position::default())? {
        let piece = piece?;
        let scores = scorer.score(&piece.tokens)?;
        file.write(&scores)?;
        rows += piece.tokens.rows() as u64;
        top.add(&piece, &scores);
        if let Some(judge) = &mut judge {
            judge.add(&piece, &scores)?;
        }
        bar.set_position(rows);
    }
    file.finish()?;
    bar.finish_and_clear();
    println!("  scored {rows} spectra in {:.1} s", step.elapsed().as_secs_f64());
    if rows < plan.rows() {
        let left_out = plan.rows() - rows;
        eprintln!("  left out: {left_out} spectra of tiles that cannot be read");
    }
    index.record_scores(&run, recorded(&path)?)?;

    let mut gallery = Gallery::new("The most unusual spectra")
        .subtitle(format!("{rows} spectra, scored by {}", run.name))
        .flux_unit("1e-17 erg/(s cm² Å)")
        .acknowledge(options.credit.as_deref().unwrap_or(survey.credit()));
    gallery.extend(top.candidates(scorer)?);
    let path = options.out.join("gallery.html");
    gallery.write(&path)?;
    println!("  gallery    {}", path.display());
    let (Some(judge), Some(pca)) = (judge, &pca) else {
        return Ok(());
    };
    show(&judge, options, "comparison.json", "")?;

    // Of each kind there were few.
    let (dense, mut judge) = (survey.with_fraction(DENSE)?, Judge::new(pca));
    let bar = progress("scoring again", plan.rows());
    for piece in dense.pieces(&plan, &survey.read, Position::default())? {
        let piece = piece?;
        judge.add(&piece, &scorer.score(&piece.tokens)?)?;
        bar.inc(piece.tokens.rows() as u64);
    }
    bar.finish_and_clear();
    show(
        &judge,
        options,
        "comparison-dense.json",
        "The same tiles, anomalies in half of their spectra:\n\n",
    )
}

/// Prints what a judge says, and writes it to a file.
fn show(judge: &Judge<'_>, options: &Options, file: &str, title: &str) -> Result<()> {
    let comparison = judge.compare()?;
    println!("\n{title}{comparison}");
    let path = options.out.join(file);
    let json = serde_json::to_string_pretty(&comparison)?;
    fs::write(&path, json).map_err(|e| format!("{}: {e}", path.display()).into())
}
