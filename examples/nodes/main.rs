//! Classes of the nodes of any graph: how a graph network compares with published ones.
//!
//! ```text
//! cargo run --release -p radio-examples --example nodes -- minesweeper --layers 8 --steps 800 --learning-rate 0.003
//! cargo run --release -p radio-examples --example nodes -- minesweeper --layers 8 --steps 800 --learning-rate 0.003 --alone
//! cargo run --release -p radio-examples --example nodes -- cora --plain --hidden 256 --dropout 0.8 --weight-decay 0.1 --models 10
//! ```
//!
//! The second one leaves out the edges. The folder has two Parquet files: `nodes.parquet` with the columns `feature` (a list of numbers for each node), `label` and, for one split,
//! `train`, `val` and `test`, or for several `train_0` and so on; and `edges.parquet` with `src` and `dst`, each edge once. Each split
//! trains a model; that of the smallest validation loss is judged.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

#[path = "../common/mod.rs"]
mod common;
mod dataset;

use std::convert::Infallible;
use std::iter::once;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Parser;
use ndarray::Array2;
use radio_models::injection::auroc;
use radio_models::{Graph, GraphSageConfig, NeighborSampler, NodeBatch, Trainer, TrainerOptions};

pub(crate) use common::Result;
use common::{end, progress};
use dataset::{Dataset, Split};

/// Models make and drop large tensors all the time, which the system's allocator gives back to the system each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Trains a GraphSAGE on each split of a graph, and judges it on the nodes for tests.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Folder with nodes.parquet and edges.parquet
    folder: PathBuf,
    /// Splits, at most
    #[arg(long, value_name = "N", default_value = "10")]
    splits: NonZeroUsize,
    /// Models of each split, with seeds that follow each other
    #[arg(long, value_name = "N", default_value = "1")]
    models: NonZeroUsize,
    /// Leave out the edges: what the features alone can do
    #[arg(long)]
    alone: bool,
    /// Layers of the model
    #[arg(long, value_name = "N", default_value = "2")]
    layers: NonZeroUsize,
    /// Numbers that stand for a node between the layers
    #[arg(long, value_name = "N", default_value = "64")]
    hidden: NonZeroUsize,
    /// Part of the numbers that is left out in training
    #[arg(long, value_name = "P", default_value_t = 0.2)]
    dropout: f64,
    /// Leave out LayerNorm and residual
    #[arg(long)]
    plain: bool,
    /// Training steps, each on all nodes for training
    #[arg(long, value_name = "N", default_value = "300")]
    steps: NonZeroUsize,
    /// Highest learning rate
    #[arg(long, value_name = "RATE", default_value_t = 0.01)]
    learning_rate: f64,
    /// Decay of the weights
    #[arg(long, value_name = "RATE", default_value_t = 0.0005)]
    weight_decay: f32,
    /// Seed of the first model
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where the model computes: cpu, tch, tch:cuda:0, vulkan, wgpu, cuda:0
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    device: String,
}

fn main() -> std::process::ExitCode {
    end(run(&Options::parse()).map(|_| ()))
}

/// How well some nodes are told apart.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) accuracy: f64,
    /// Area under the ROC curve, where there are two classes.
    pub(crate) auroc: Option<f64>,
}

impl std::fmt::Display for Judged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "accuracy {:.4}", self.accuracy)?;
        match self.auroc {
            Some(area) => write!(f, ", ROC-AUC {area:.4}"),
            None => Ok(()),
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<Vec<Judged>> {
    let mut data = Dataset::read(&options.folder)?;
    println!(
        "{}: {} nodes with {} features in {} classes, {} edges, {} splits",
        options.folder.display(),
        data.classes.len(),
        data.features.ncols(),
        data.count,
        data.graph.edges() / 2,
        data.splits.len()
    );
    if options.alone {
        data.graph = Graph::from_edges(data.classes.len(), &[])?;
        println!("the edges are left out");
    }
    let mut judged = Vec::new();
    for (number, split) in data.splits.iter().take(options.splits.get()).enumerate() {
        for seed in (options.seed..).take(options.models.get()) {
            let logits = logits(options, &data, split, seed)?;
            let of_validation = judge(&logits, &data, &split.validation);
            let of_test = judge(&logits, &data, &split.test);
            println!("split {number}, seed {seed}: {of_test} (validation: {of_validation})");
            judged.push(of_test);
        }
    }
    let accuracies: Vec<f64> = judged.iter().map(|judged| judged.accuracy).collect();
    let areas: Vec<f64> = judged.iter().filter_map(|judged| judged.auroc).collect();
    print!("mean of {}: accuracy {}", judged.len(), spread(&accuracies));
    match areas.as_slice() {
        [] => println!(),
        areas => println!(", ROC-AUC {}", spread(areas)),
    }
    Ok(judged)
}

/// Trains a model on a split and asks it about all nodes.
fn logits(options: &Options, data: &Dataset, split: &Split, seed: u64) -> Result<Array2<f32>> {
    let device = radio_models::device(&options.device)?;
    let config = GraphSageConfig::new(data.features.ncols(), data.count)
        .with_hidden(options.hidden.get())
        .with_layers(options.layers.get())
        .with_dropout(options.dropout)
        .with_norm(!options.plain)
        .with_residual(!options.plain)
        .with_seed(seed);
    let steps = options.steps.get();
    let training = TrainerOptions::default()
        .with_steps(steps)
        .with_learning_rate(options.learning_rate)
        .with_weight_decay(options.weight_decay)
        .with_validate_every(5)
        .with_checkpoint_every(0);
    let sampler = NeighborSampler::new(&vec![NeighborSampler::ALL; options.layers.get()]);
    let batch = |seeds: &[u32]| -> Result<NodeBatch<'_>> {
        let sample = sampler.sample(&data.graph, seeds, 0, 0)?;
        Ok(NodeBatch::new(sample, data.features.view(), &data.classes)?)
    };
    let (learned, validation) = (batch(&split.training)?, batch(&split.validation)?);
    let bar = progress("training", steps as u64);
    let folder = tempfile::tempdir()?;
    let mut trainer = Trainer::new(training, config.init(&device)?)?;
    trainer.fit(
        |_| Ok::<_, Infallible>(once(Ok(learned.clone()))),
        || Ok(once(Ok(validation.clone()))),
        folder.path(),
        |record| bar.set_position(record.step as u64),
    )?;
    bar.finish_and_clear();
    Ok(trainer.finish().logits(&data.graph, data.features.view())?)
}

fn judge(logits: &Array2<f32>, data: &Dataset, nodes: &[u32]) -> Judged {
    let (mut right, mut scores, mut positive) = (0, Vec::new(), Vec::new());
    for &node in nodes {
        let (row, class) = (logits.row(node as usize), data.classes[node as usize]);
        let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        right += usize::from(best.is_some_and(|(best, _)| best == usize::from(class)));
        if let [negative, of_positive] = row.as_slice().unwrap_or_default() {
            scores.push(f64::from(of_positive - negative));
            positive.push(class == 1);
        }
    }
    Judged {
        accuracy: right as f64 / nodes.len() as f64,
        auroc: auroc(&scores, &positive),
    }
}

/// Mean and standard deviation.
fn spread(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    format!("{mean:.4} ± {:.4}", variance.sqrt())
}
