//! Trains an autoencoder on tokens that workers make where the tiles are: `cluster_train --help`. See README.md beside this file.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

#[path = "../common/mod.rs"]
mod common;
mod workers;

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use clap::Parser;
use radio_index::{Selection, blocking::Index};
use radio_io::cluster::{Cluster, ClusterReader, Output};
use radio_io::{ReadOptions, ReadPlan, Shuffle, State};
use radio_models::{
    AnomalyScorer, ConvAutoencoder, ConvAutoencoderConfig, Part, Position, Tokens, Trainer, TrainerOptions,
};
use radio_tokenize::TokenBatch;

pub(crate) use common::Result;
use common::{Split, as_tokens, end, progress};
use workers::Workers;

/// Models make and drop large tensors all the time, which the system's allocator gives back to the system each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tiles that the model learns from, and tiles that say what scores are usual.
const SPLIT: Split = [0.8, 0.2];
/// Fewest spectra to calibrate by.
const LEAST_APART: u64 = 100;

/// Trains on the spectra of an index, whose tiles are on other nodes.
#[derive(Debug, Parser)]
struct Options {
    /// Index: a file, sqlite:… or postgres://…
    #[arg(long, value_name = "INDEX")]
    index: String,
    #[command(flatten)]
    workers: Workers,
    /// Spectra of a step
    #[arg(long, value_name = "N", default_value = "64")]
    batch_rows: NonZeroUsize,
    /// Passes over the spectra
    #[arg(long, value_name = "N", default_value = "1")]
    epochs: NonZeroUsize,
    /// Folder of the checkpoint: a run that was stopped goes on
    #[arg(long, value_name = "DIR", default_value = "checkpoint")]
    checkpoint: PathBuf,
    /// Where the model goes in the end, calibrated on a fifth of the tiles that it has not seen [default: beside the checkpoint, with
    /// .safetensors at the end]
    #[arg(long, value_name = "FILE")]
    scorer: Option<PathBuf>,
    /// Seed of model, order, and of which tiles are set apart
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where the model computes: cpu, tch, tch:cuda:0, vulkan, wgpu, cuda:0
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    device: String,
}

fn main() -> std::process::ExitCode {
    end(run(&Options::parse()))
}

fn run(options: &Options) -> Result<()> {
    let index = Index::open(&common::index_url(&options.index))?;
    let plan = index.plan(&Selection::all())?;
    index.close();
    if plan.is_empty() {
        return Err("the index has no row of a tile; register tiles with cluster_worker --register".into());
    }
    let cluster = options.workers.cluster()?.with_outputs([
        Output::column("targetid"),
        Output::call("tokens", "tokenize", ["flux", "ivar", "mask"]),
    ]);
    let read = ReadOptions::default()
        .with_batch_rows(options.batch_rows)
        .with_shuffle(Shuffle::window())
        .with_seed(options.seed);
    let [mut training, mut apart] =
        [Part::Training, Part::Validation].map(|part| common::part_of(&plan, part, options.seed, SPLIT));
    if training.is_empty() || apart.rows() < LEAST_APART {
        // Too few tiles to set some apart: the model learns from all.
        (training, apart) = (plan.clone(), ReadPlan::default());
    }
    println!(
        "{} spectra in {} tiles of {} nodes; {} more are set apart",
        training.rows(),
        training.tiles(),
        plan.nodes().len(),
        apart.rows()
    );
    let plan = training;
    let mut trainer = trainer(options, &cluster, &plan, &read)?;
    let bar = progress("training", trainer.options().steps as u64);
    let (started, before) = (Instant::now(), trainer.steps());
    let ending = trainer.fit(
        |position| Batches::new(&cluster, &plan, &read, position),
        || Ok(Vec::new()),
        &options.checkpoint,
        |record| bar.set_position(record.step as u64),
    )?;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let spectra = (trainer.steps() - before) * options.batch_rows.get();
    println!(
        "{ending:?}: {spectra} spectra in {seconds:.1} s, {:.0} a second",
        spectra as f64 / seconds
    );
    if let Some(record) = trainer.history().records().last() {
        println!("loss {:.3} after step {}", record.loss, record.step);
    }
    let mut scorer = AnomalyScorer::new(trainer.finish());
    if apart.is_empty() {
        println!("too few tiles to set some apart, so that scores are not calibrated: they will be raw ones");
    } else {
        let position = Position::default();
        scorer = scorer.calibrated(Batches::new(&cluster, &apart, &read, position)?)?;
    }
    let beside = || options.checkpoint.with_added_extension("safetensors");
    let file = options.scorer.clone().unwrap_or_else(beside);
    scorer.save(&file)?;
    println!("{}: ready for cluster_worker --scorer", file.display());
    Ok(())
}

/// That of the checkpoint, or a new one for as many tokens as the first spectrum has.
fn trainer(
    options: &Options,
    cluster: &Cluster,
    plan: &ReadPlan,
    read: &ReadOptions,
) -> Result<Trainer<ConvAutoencoder>> {
    let device = radio_models::device(&options.device)?;
    if fs::read_dir(&options.checkpoint).is_ok_and(|mut files| files.next().is_some()) {
        let trainer = Trainer::resume(&options.checkpoint, &device)?;
        println!("going on after step {}", trainer.steps());
        return Ok(trainer);
    }
    let first = cluster.reader(plan, read.clone())?.next().ok_or("no spectrum")??;
    let (_, tokens, patch) = TokenBatch::from_column(&first, "tokens")?.values.dim();
    let steps = plan.rows().div_ceil(options.batch_rows.get() as u64) as usize * options.epochs.get();
    let model = ConvAutoencoderConfig::small(tokens, patch)
        .with_seed(options.seed)
        .init(&device)?;
    let training = TrainerOptions::default()
        .with_steps(steps)
        .with_validate_every(0)
        .with_checkpoint_every(100);
    Ok(Trainer::new(training, model)?.trained_on(format!("plan {:016x}", State::new(plan, read).plan()))?)
}

/// One pass, from a position on; says at its end who was waited for.
struct Batches {
    batches: ClusterReader,
    started: Instant,
}

impl Batches {
    fn new(cluster: &Cluster, plan: &ReadPlan, read: &ReadOptions, position: Position) -> Result<Self> {
        let read = read.clone().with_epoch(position.epoch);
        let state = State::new(plan, &read).at(position.batch);
        Ok(Self {
            batches: cluster.resume(plan, read, &state)?,
            started: Instant::now(),
        })
    }
}

impl Iterator for Batches {
    type Item = Result<Tokens<'static>>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(
            self.batches
                .next()?
                .map_err(Into::into)
                .and_then(|batch| tokens(&batch)),
        )
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        workers::report(&self.batches, self.started);
    }
}

fn tokens(batch: &RecordBatch) -> Result<Tokens<'static>> {
    let ids = batch["targetid"]
        .as_primitive_opt::<Int64Type>()
        .ok_or("ids that are no numbers")?;
    as_tokens(ids.values(), TokenBatch::from_column(batch, "tokens")?)
}
