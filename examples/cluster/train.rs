//! Trains an autoencoder on tokens that workers make where the tiles are: `cluster_train --help`. See README.md beside this file.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use clap::Parser;
use radio_index::{Selection, blocking::Index};
use radio_io::cluster::{Cluster, ClusterReader, NodeMetrics, Output};
use radio_io::{ReadOptions, ReadPlan, Shuffle, State};
use radio_models::{ConvAutoencoder, ConvAutoencoderConfig, Position, Tokens, Trainer, TrainerOptions};
use radio_tokenize::TokenBatch;

pub(crate) use common::Result;
use common::{as_tokens, end, progress};

/// Models make and drop large tensors all the time, which the system's allocator gives back to the system each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Trains on the spectra of an index, whose tiles are on other nodes.
#[derive(Debug, Parser)]
struct Options {
    /// Index: a file, sqlite:… or postgres://…
    #[arg(long, value_name = "INDEX")]
    index: String,
    /// A node and the address of its worker; once for each node
    #[arg(long, value_name = "NAME=http://HOST:7420", value_parser = worker, required_unless_present = "workers")]
    worker: Vec<(String, String)>,
    /// Or a name in the DNS that stands for all workers, as a headless Service does
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "worker")]
    workers: Option<String>,
    /// File with the token of the workers
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Spectra of a step
    #[arg(long, value_name = "N", default_value = "64")]
    batch_rows: NonZeroUsize,
    /// Passes over the spectra
    #[arg(long, value_name = "N", default_value = "1")]
    epochs: NonZeroUsize,
    /// Folder of the checkpoint: a run that was stopped goes on
    #[arg(long, value_name = "DIR", default_value = "checkpoint")]
    checkpoint: PathBuf,
    /// Seed of model and order
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where the model computes: cpu, tch, tch:cuda:0, vulkan, wgpu, cuda:0
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    device: String,
}

fn worker(text: &str) -> std::result::Result<(String, String), String> {
    let parts = text
        .split_once('=')
        .map(|(node, url)| (node.to_owned(), url.to_owned()));
    parts.ok_or_else(|| "expected a node and an address, node-a=http://node-a:7420".to_owned())
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
    let token = options.token_file.as_deref().map(common::token).transpose()?;
    let cluster = match &options.workers {
        Some(name) => Cluster::discover(name, token.as_deref())?,
        None => Cluster::connect(options.worker.iter().cloned(), token.as_deref())?,
    };
    let cluster = cluster.with_outputs([
        Output::column("targetid"),
        Output::call("tokens", "tokenize", ["flux", "ivar", "mask"]),
    ]);
    let read = ReadOptions::default()
        .with_batch_rows(options.batch_rows)
        .with_shuffle(Shuffle::window())
        .with_seed(options.seed);
    println!(
        "{} spectra in {} tiles of {} nodes",
        plan.rows(),
        plan.tiles(),
        plan.nodes().len()
    );
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
        let seconds = self.started.elapsed().as_secs_f64();
        for NodeMetrics {
            node,
            asks,
            failures,
            rows,
            bytes,
            waited,
            ..
        } in self.batches.nodes()
        {
            println!(
                "{node}: {rows} spectra, {:.0} a second, {:.1} MB/s; {asks} asks, {failures} failed; waited for it {:.1} s",
                rows as f64 / seconds,
                bytes as f64 / 1e6 / seconds,
                waited.as_secs_f64()
            );
        }
        let held_back = self.batches.held_back().as_secs_f64();
        println!("batches waited {held_back:.1} of {seconds:.1} s for the model");
    }
}

fn tokens(batch: &RecordBatch) -> Result<Tokens<'static>> {
    let ids = batch["targetid"]
        .as_primitive_opt::<Int64Type>()
        .ok_or("ids that are no numbers")?;
    as_tokens(ids.values(), TokenBatch::from_column(batch, "tokens")?)
}
