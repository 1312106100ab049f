//! The whole way once: a survey of tiles is indexed, streamed, tokenized, scored, grouped and documented.
//!
//! ```text
//! cargo run --release -p radio-examples --example pipeline                          # a mock survey of 20,000 spectra
//! cargo run --release -p radio-examples --example pipeline -- --tiles my/tiles      # your own tiles
//! cargo run --release -p radio-examples --example pipeline -- --catalog my/hats     # positions only: groups
//! ```
//!
//! Every step is a function of one screen, and calls the crate that the step is about.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use radio_datasheet::{Answers, Datasheet};
use radio_fof::{Density, Groups, RedshiftFof, Survey};
use radio_index::{AnomalyScore, GroupMember, Index, KeyColumns, PixelSummary, ReadPlan, Run, Selection, SyncOptions};
use radio_io::mock::Mock;
use radio_io::{BadTiles, ReadOptions, Reader, Resources, Runtime, Shuffle};
use radio_models::{
    AnomalyScorer, ConvAutoencoder, ConvAutoencoderConfig, Ending, Error as ModelError, Model, Part, Position,
    ScoreFile, Trainer, TrainerOptions,
};
use radio_tokenize::Tokenizer;

#[path = "common/mod.rs"]
mod common;

pub(crate) use common::Result;
use common::{Split, batches, end, fingerprint, part_of, progress, recorded};

/// Models make and drop large tensors all the time, which the system's allocator gives back to the system each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Pixels of a token.
const PATCH: usize = 32;
/// Spectra of a training step.
const TRAINING_BATCH: usize = 64;
/// Fractions of the tiles for training and for calibration.
const SPLIT: Split = [0.8, 0.2];
/// Fewest spectra of other tiles that scores are calibrated on.
const FEWEST_TO_CALIBRATE: u64 = 500;
/// Linking length across the line of sight, in mean separations of galaxies (Robotham et al. 2011).
const B0: f64 = 0.06;
/// How many times longer it is along the line of sight (the same).
const R0: f64 = 18.0;

/// Takes a spectroscopic survey the whole way: index, stream, tokenize, score, group, document.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Folder of Parquet tiles with spectra. Without it (and without --catalog) a mock survey is made
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,
    /// Folder of a Parquet or HATS catalogue with positions and redshifts: groups are found in it
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// Database of the index, one for each survey: sqlite:PATH or postgres://... [default: sqlite:OUT/index.db]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Folder for everything that is made; one for each survey
    #[arg(long, value_name = "DIR", default_value = "radio-out")]
    out: PathBuf,
    /// Spectra of the mock survey
    #[arg(long, value_name = "N", default_value = "20000")]
    spectra: NonZeroUsize,
    /// Seed of the mock survey, the shuffle and the model
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Smallest redshift to select
    #[arg(long, value_name = "Z", allow_negative_numbers = true)]
    z_min: Option<f64>,
    /// Redshift to select below
    #[arg(long, value_name = "Z", allow_negative_numbers = true)]
    z_max: Option<f64>,
    /// Spectral class to select (GALAXY, QSO, STAR); may be repeated
    #[arg(long, value_name = "CLASS")]
    class: Vec<String>,
    /// Select good redshifts only (ZWARN = 0)
    #[arg(long)]
    good: bool,
    /// Which value of a boolean redshift warning means good; needed where tiles have such a column
    #[arg(long, value_name = "BOOL")]
    good_warning: Option<bool>,
    /// Training steps of the autoencoder
    #[arg(long, value_name = "N", default_value = "400")]
    steps: NonZeroUsize,
    /// The survey's own answers for the datasheet, in TOML [default: OUT/answers.toml, made where it is missing]
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// How much of this machine to use, in TOML: threads, cpus, memory, cache, cache_folder [default: all CPUs, no cache]
    #[arg(long, value_name = "FILE")]
    resources: Option<PathBuf>,
}

impl Options {
    /// How all steps read: what is bad is left out, and named.
    fn read(&self) -> Result<ReadOptions> {
        let resources = match &self.resources {
            None => Resources::default(),
            Some(path) => {
                let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
                toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?
            }
        };
        Ok(ReadOptions::default()
            .with_bad_tiles(BadTiles::Skip)
            .with_runtime(&Runtime::new(&resources)?))
    }

    /// The rows that were asked for.
    fn selection(&self) -> Selection {
        let mut selection = Selection::all();
        if self.z_min.is_some() || self.z_max.is_some() {
            selection = selection.redshift(self.z_min.unwrap_or(f64::MIN)..self.z_max.unwrap_or(f64::MAX));
        }
        if !self.class.is_empty() {
            selection = selection.class(&self.class);
        }
        if self.good {
            selection.good_redshift()
        } else {
            selection
        }
    }

    /// The same in words, to be recorded with the results.
    fn selected(&self) -> String {
        let redshift = |z: Option<f64>| z.map_or("any".to_owned(), |z| z.to_string());
        let class = if self.class.is_empty() {
            "any".to_owned()
        } else {
            self.class.join(" or ")
        };
        let warning = if self.good { ", no redshift warning" } else { "" };
        format!(
            "class {class}, redshift from {} to {}{warning}",
            redshift(self.z_min),
            redshift(self.z_max)
        )
    }

    /// The survey's own answers for the datasheet. Where there are none yet, a file of questions is made.
    fn answers(&self) -> Result<Answers> {
        let own = self.out.join("answers.toml");
        if self.answers.is_none() && !own.exists() {
            // About the mock everything is known.
            let is_mock = self.tiles.is_none() && self.catalog.is_none();
            fs::write(
                &own,
                if is_mock {
                    include_str!("mock_answers.toml")
                } else {
                    Answers::starter()
                },
            )?;
        }
        let path = self.answers.as_ref().unwrap_or(&own);
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Answers::from_toml(&text).map_err(|e| format!("{}: {e}", path.display()))?)
    }
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    end(run(&Options::parse()).await)
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    fs::create_dir_all(&options.out).map_err(|e| format!("{}: {e}", options.out.display()))?;
    // What people wrote is read first: a slip in it should not end a long run.
    let answers = options.answers()?;
    let read = options.read()?;
    let in_out = || format!("sqlite:{}", escaped(&options.out.join("index.db")));
    let index = Index::open(&options.database.clone().unwrap_or_else(in_out)).await?;
    let report = Report {
        started: Instant::now(),
    };

    let tiles = match (&options.tiles, &options.catalog) {
        (Some(tiles), _) => Some(tiles.clone()),
        (None, Some(_)) => None,
        (None, None) => Some(make_mock(options, &report)?),
    };
    let tokenizer = Tokenizer::new(PATCH);
    let (mut groups_in, mut pixels) = (None, None);
    if let Some(tiles) = &tiles {
        let root = sync(&index, tiles, options, KeyColumns::default(), &report).await?;
        let selection = options.selection().under(&root);
        let plan = index.plan(&selection).await?;
        if plan.is_empty() {
            return Err(format!("nothing to read: no row of a readable tile has {}", options.selected()).into());
        }
        let (longest, counted) = stream(&plan, &read, options, &report)?;
        pixels = Some(counted);
        let tokens = tokenizer.tokens(longest);
        let tokenizer = tokenizer.clone().min_tokens(tokens);
        let scorer = train(&plan, &read, &tokenizer, tokens, options, &report)?;
        let scores = score(&plan, &read, &tokenizer, &scorer, &options.out, &report)?;
        let hash = scorer.model().fingerprint()?;
        let settings = format!(
            "{tokenizer}; {} steps, seed {}; {}",
            options.steps,
            options.seed,
            options.selected()
        );
        let run = Run::new(format!("autoencoder-{hash}"))
            .with_model_hash(hash)
            .with_options(settings);
        index.record_scores(&run, scores).await?;
        show_anomalies(&index, &run).await?;
        groups_in = Some(selection);
    }
    if let Some(catalog) = &options.catalog {
        // A catalogue of positions may do without ids.
        let root = sync(
            &index,
            catalog,
            options,
            KeyColumns::default().with_numbered_rows(),
            &report,
        )
        .await?;
        groups_in = Some(options.selection().under(&root));
    }
    if let Some(selection) = groups_in {
        group(&index, selection, options, &report).await?;
    }
    let datasheet = document(&index, pixels, &answers, &tokenizer, &options.out, &report).await?;
    let scores = tiles.is_some().then(|| options.out.join("scores.parquet"));
    report.print(index.url(), &datasheet, scores.as_deref());
    index.close().await;
    Ok(())
}

/// A path, as a part of an address.
fn escaped(path: &Path) -> String {
    path.to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23")
}

/// Step 1: a survey to practise with.
fn make_mock(options: &Options, report: &Report) -> Result<PathBuf> {
    let folder = options.out.join(format!("mock-{}-{}", options.spectra, options.seed));
    let bar = progress("making a mock survey", options.spectra.get() as u64);
    let step = Instant::now();
    let mock = Mock::new(options.spectra.get())
        .seed(options.seed)
        .write(&folder, |rows| bar.set_position(rows))?;
    let what = format!(
        "{} tiles, {:.2} GB, {} dead fibres",
        mock.tiles,
        mock.bytes as f64 / 1e9,
        mock.dead
    );
    report.add("mock survey", mock.rows, step, &what);
    Ok(folder)
}

/// Step 2: footers and key columns into the database.
async fn sync(
    index: &Index,
    folder: &Path,
    options: &Options,
    mut columns: KeyColumns,
    report: &Report,
) -> Result<PathBuf> {
    let bar = progress("indexing", 0);
    columns.good_warning = options.good_warning;
    // The results of an earlier run may lie among the tiles, or below them.
    let scores = options.out.join("scores.parquet");
    let sync = SyncOptions::new(folder)
        .with_columns(columns)
        .without(&options.out)
        .without(scores);
    let step = Instant::now();
    let synced = index
        .sync(&sync.with_progress({
            let bar = bar.clone();
            move |done, tiles| {
                bar.set_length(tiles);
                bar.set_position(done);
            }
        }))
        .await?;
    let (added, updated, removed) = (synced.added.len(), synced.updated.len(), synced.removed.len());
    let what = format!(
        "tiles: {added} added, {updated} updated, {} unchanged, {removed} removed",
        synced.unchanged
    );
    report.add("index", synced.rows, step, &what);
    for (tile, reason) in &synced.failed {
        eprintln!("  left out: {tile}: {reason}");
    }
    Ok(synced.root)
}

/// Step 3: one shuffled pass over the selected spectra, as a training loop sees them. Returns the length of the longest spectrum, and how
/// many pixels are good.
fn stream(plan: &ReadPlan, read: &ReadOptions, options: &Options, report: &Report) -> Result<(usize, PixelSummary)> {
    let bar = progress("streaming", plan.rows());
    let read = read.clone().with_shuffle(Shuffle::window()).with_seed(options.seed);
    let (mut pixels, mut longest) = (PixelSummary::default(), 0);
    let step = Instant::now();
    let mut reader = Reader::new(plan, read)?;
    for batch in reader.by_ref() {
        let batch = batch?;
        for spectrum in batch.spectra() {
            pixels.add(spectrum.flux, spectrum.ivar, spectrum.mask);
            longest = longest.max(spectrum.flux.len());
        }
        bar.set_position(pixels.spectra);
    }
    let gigabytes = pixels.pixels as f64 * 12.0 / 1e9;
    let good = 100.0 * pixels.good as f64 / pixels.pixels.max(1) as f64;
    report.add(
        "stream",
        pixels.spectra,
        step,
        &format!("shuffled, {gigabytes:.2} GB of flux, ivar and mask; {good:.1} % of the pixels are good"),
    );
    for tile in reader.skipped() {
        eprintln!("  left out: {} rows: {}", tile.rows, tile.error);
    }
    if longest == 0 {
        return Err("no tile has a spectrum that can be read".into());
    }
    Ok((longest, pixels))
}

/// Step 4: tokens, and an autoencoder trained on them; scores are calibrated on tiles that it has not seen.
fn train(
    plan: &ReadPlan,
    read: &ReadOptions,
    tokenizer: &Tokenizer,
    tokens: usize,
    options: &Options,
    report: &Report,
) -> Result<AnomalyScorer<ConvAutoencoder>> {
    let device = radio_models::device("cpu")?;
    let model = ConvAutoencoderConfig::small(tokens, PATCH)
        .with_seed(options.seed)
        .init(&device)?;
    let steps = options.steps.get();
    let [mut training, validation] =
        [Part::Training, Part::Validation].map(|part| part_of(plan, part, options.seed, SPLIT));
    // A handful of tiles cannot be parted.
    let calibrates = training.rows() > 0 && validation.rows() >= FEWEST_TO_CALIBRATE;
    if !calibrates {
        training.clone_from(plan);
    }
    let batch_rows = NonZeroUsize::new(TRAINING_BATCH).ok_or("an empty training batch")?;
    let read = read.clone().with_batch_rows(batch_rows);
    let shuffled = read.clone().with_shuffle(Shuffle::window()).with_seed(options.seed);
    let bar = progress("training", steps as u64);
    let step = Instant::now();
    let training_options = TrainerOptions::default().with_steps(steps).with_validate_every(0);
    let folder = options.out.join("training");
    match fs::remove_dir_all(&folder) {
        // That of an earlier run: the survey may have changed.
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(format!("{}: {e}", folder.display()).into()),
    }
    let mut trainer = Trainer::new(training_options, model)?.trained_on(fingerprint(&training)?)?;
    let ending = trainer.fit(
        |position| batches(&training, &shuffled, tokenizer, position),
        || Ok(Vec::new()),
        &folder,
        |record| bar.set_position(record.step as u64),
    )?;
    let losses: Vec<f32> = trainer.history().records().iter().map(|record| record.loss).collect();
    let what = match (ending, losses.first(), losses.last()) {
        (Ending::NoData, ..) | (_, None, _) | (_, _, None) => "no spectrum with a good pixel".to_owned(),
        (_, Some(_), Some(_)) => {
            let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
            let few = losses.len().div_ceil(20);
            let (first, last) = (mean(&losses[..few]), mean(&losses[losses.len() - few..]));
            format!("{} steps, loss {first:.2} to {last:.2}", losses.len())
        }
    };
    report.add("tokenize + train", (losses.len() * TRAINING_BATCH) as u64, step, &what);
    let scorer = AnomalyScorer::new(trainer.finish());
    if !calibrates {
        scorer.save(options.out.join("model.safetensors"))?;
        return Ok(scorer);
    }
    let step = Instant::now();
    let scorer = scorer.calibrated(batches(&validation, &read, tokenizer, Position::default())?)?;
    scorer.save(options.out.join("model.safetensors"))?;
    let what = format!("scores, on {} tiles that were not trained on", validation.tiles());
    report.add("calibrate", validation.rows(), step, &what);
    Ok(scorer)
}

/// Step 4, second half: every selected spectrum gets a score, in a Parquet file and for the index.
fn score(
    plan: &ReadPlan,
    read: &ReadOptions,
    tokenizer: &Tokenizer,
    scorer: &AnomalyScorer<ConvAutoencoder>,
    out: &Path,
    report: &Report,
) -> Result<Vec<AnomalyScore>> {
    let (path, hash) = (out.join("scores.parquet"), scorer.model().fingerprint()?);
    // Where a run with the same model, calibration and spectra was stopped, this one goes on.
    let (scorer_hash, plan_hash, rows) = (scorer.fingerprint()?, fingerprint(plan)?, read.batch_rows);
    let run = format!("scorer {scorer_hash}, {plan_hash}, {tokenizer}, {rows} rows at a time");
    let file = match ScoreFile::resume(&path, &run, &hash) {
        Err(ModelError::Unfinished { .. }) => ScoreFile::create(&path, &run, &hash)?,
        file => file?,
    };
    let (bar, step) = (progress("scoring", plan.rows()), Instant::now());
    let done = scorer.score_into(
        file,
        |position| batches(plan, read, tokenizer, position),
        |rows| bar.set_position(rows),
    )?;
    let scores = recorded(&path)?;
    let dead = done.rows_before + done.rows - scores.len() as u64;
    let busy = 100.0 * done.busy();
    let what = format!("{dead} without a good pixel; the model was busy {busy:.0} % of the time");
    report.add("tokenize + score", done.rows, step, &what);
    Ok(scores)
}

async fn show_anomalies(index: &Index, run: &Run) -> Result<()> {
    println!("\n  most unusual spectra         score      S/N   worst at");
    for a in index.top_scores(&run.name, 5).await? {
        let (snr, worst) = (a.snr.unwrap_or_default(), a.worst_wavelength.unwrap_or_default());
        let score = if a.score < 1e6 {
            format!("{:.2}", a.score)
        } else {
            format!("{:.3e}", a.score)
        };
        println!("  {:>22} {score:>11} {snr:>8.1} {worst:>8.0} Å", a.targetid);
    }
    println!();
    Ok(())
}

/// Step 5: friends-of-friends groups from right ascension, declination and redshift.
async fn group(index: &Index, selection: Selection, options: &Options, report: &Report) -> Result<()> {
    let step = Instant::now();
    let in_range = selection.objects().redshift(0.005..10.0);
    // Groups are of galaxies; a catalogue without classes is taken for one of galaxies.
    let of_class = in_range.clone().class(["GALAXY"]);
    let mut galaxies = index.positions(&of_class).await?;
    let mut area = index.sky(&of_class).await?.area_square_degrees();
    if galaxies.z.is_empty() {
        galaxies = index.positions(&in_range).await?;
        area = index.sky(&in_range).await?.area_square_degrees();
    }
    if galaxies.z.is_empty() {
        report.add("group", 0, step, "nothing with a position and a redshift above 0.005");
        return Ok(());
    }
    let fof = RedshiftFof::new(B0, R0, Density::measured(area));
    let labels = fof.link(&Survey::new(&galaxies.ra, &galaxies.dec, &galaxies.z))?;
    let groups = Groups::from_labels(labels.view())?;
    let (largest, grouped) = (groups.sizes().max().unwrap_or_default(), groups.sizes().sum::<usize>());
    let settings = format!("b0 {B0}, r0 {R0}, density measured in 40 Mpc; {}", options.selected());
    let run = Run::new(format!("fof-{B0}-{R0}")).with_options(settings);
    let members = galaxies.targetid.iter().zip(&labels);
    index
        .record_groups(
            &run,
            members.map(|(&targetid, &group_id)| GroupMember { targetid, group_id }),
        )
        .await?;
    let what = format!(
        "{grouped} galaxies in {} groups, the largest of {largest}; {area:.0} deg²",
        groups.len()
    );
    report.add("group", galaxies.z.len() as u64, step, &what);
    Ok(())
}

/// Step 6: the datasheet, from what the index knows.
async fn document(
    index: &Index,
    pixels: Option<PixelSummary>,
    answers: &Answers,
    tokenizer: &Tokenizer,
    out: &Path,
    report: &Report,
) -> Result<(PathBuf, String)> {
    let step = Instant::now();
    let mut summary = index.summary().await?;
    summary.pixels = pixels;
    let datasheet = Datasheet::new(&summary, answers)
        .fact("Tokenizer", tokenizer.to_string())
        .fact("Tokenizer's fingerprint", tokenizer.fingerprint());
    let path = datasheet
        .write(out)
        .map_err(|e| format!("{}: {e}", out.join(Datasheet::FILE_NAME).display()))?;
    report.add(
        "document",
        summary.catalogue.rows,
        step,
        &format!("{} columns", summary.columns.len()),
    );
    let digest = datasheet.document().digest().unwrap_or_default();
    Ok((path, digest))
}

/// Says what was done, how fast, and where it is.
struct Report {
    started: Instant,
}

impl Report {
    fn add(&self, step: &str, rows: u64, started: Instant, what: &str) {
        let seconds = started.elapsed().as_secs_f64();
        let speed = rows as f64 / seconds.max(1e-9);
        println!("  {step:<17} {rows:>8} rows {seconds:>7.2} s {speed:>9.0} rows/s   {what}");
    }

    fn print(&self, url: &str, (datasheet, digest): &(PathBuf, String), scores: Option<&Path>) {
        println!("\n  done in {:.0} s", self.started.elapsed().as_secs_f64());
        println!("  index      {url}");
        if let Some(scores) = scores {
            println!("  scores     {}", scores.display());
        }
        println!(
            "  datasheet  {}, of tiles with the digest {digest}",
            datasheet.display()
        );
        if scores.is_some() {
            let query = "SELECT * FROM anomalies ORDER BY score DESC LIMIT 5";
            match url.strip_prefix("sqlite:") {
                Some(path) => println!("\n  try: sqlite3 '{}' '{query}'", path.trim_start_matches("//")),
                None => println!("\n  try: psql '{url}' -c '{query}'"),
            }
        }
    }
}
