//! Serves the tiles of one node to trainers: `cluster_worker --help`. See README.md beside this file.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

#[path = "../common/mod.rs"]
mod common;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use clap::Parser;
use radio_index::{SyncOptions, blocking::Index};
use radio_io::Resources;
use radio_io::cluster::Worker;
use radio_models::{AnomalyScorer, ConvAutoencoder, Tokens, device};
use radio_tokenize::{ArrowColumns, TokenBatch, TokenFormat, Tokenizer};

pub(crate) use common::Result;
use common::end;

/// As many readers come and go, memory goes to and fro: the system's allocator would give it back each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Reads the Parquet tiles below a folder for trainers elsewhere, cuts spectra into tokens for them, and scores them.
#[derive(Debug, Parser)]
struct Options {
    /// Name of this node, as the index has it [default: the environment's NODE_NAME]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Folder that the tiles are in, or in folders below it
    #[arg(long, value_name = "DIR")]
    tiles: PathBuf,
    /// Address to serve on
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:7420")]
    listen: SocketAddr,
    /// File with a token that trainers have to show
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with a certificate for the name that trainers call this worker by, PEM: the way is encrypted
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// File with its private key
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Threads that decode [default: one for each CPU]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Bytes of memory for each range that is read; a trainer asks for a few at once
    #[arg(long, value_name = "BYTES", default_value = "536870912")]
    memory: u64,
    /// Pixels of a token
    #[arg(long, value_name = "N", default_value = "32")]
    patch: NonZeroUsize,
    /// File of a model (cluster_train makes one), to score spectra by where they are
    #[arg(long, value_name = "FILE")]
    scorer: Option<PathBuf>,
    /// Index to register the tiles in, under the name of this node, instead of serving them: a file, sqlite:… or postgres://…
    #[arg(long, value_name = "INDEX")]
    register: Option<String>,
}

fn main() -> std::process::ExitCode {
    end(run(&Options::parse()))
}

fn run(options: &Options) -> Result<()> {
    let node = options.node.clone().or_else(|| std::env::var("NODE_NAME").ok());
    let node = node.ok_or("which node is this? give --node NAME, or NODE_NAME in the environment")?;
    if let Some(index) = &options.register {
        return register(index, &node, &options.tiles);
    }
    let mut resources = Resources::default();
    resources.threads = options.threads;
    resources.memory = Some(options.memory);
    let tokenizer = Tokenizer::new(options.patch.get());
    let mut worker = Worker::builder(&node)
        .tiles(&options.tiles)
        .resources(resources)
        .udf(tokenizer.clone().into_udf());
    if let Some(file) = &options.scorer {
        let scorer = AnomalyScorer::<ConvAutoencoder>::load(file, &device("cpu")?)?;
        worker = worker.udf(scorer.into_udf(move |spectra| tokens(&tokenizer, spectra))?);
    }
    if let Some(file) = &options.token_file {
        worker = worker.token(common::token(file)?);
    }
    if let (Some(certificate), Some(key)) = (&options.tls_certificate, &options.tls_key) {
        worker = worker.tls(common::text(certificate)?, common::text(key)?);
    }
    let says = |address| println!("{node}: serving {} on {address}", options.tiles.display());
    Ok(worker.build()?.run(options.listen, says)?)
}

/// What the model wants to know of spectra.
fn tokens(tokenizer: &Tokenizer, spectra: &RecordBatch) -> Result<Tokens<'static>> {
    let ids = spectra.column_by_name("targetid").ok_or("no column targetid")?;
    let ids = ids.as_primitive_opt::<Int64Type>().ok_or("ids that are no numbers")?;
    let tokens = tokenizer.tokenize_record_batch(spectra, &ArrowColumns::default(), &TokenFormat::default())?;
    common::as_tokens(ids.values(), TokenBatch::from_record_batch(&tokens)?)
}

fn register(index: &str, node: &str, tiles: &Path) -> Result<()> {
    let index = Index::open(&common::index_url(index))?;
    let synced = index.sync(&SyncOptions::new(tiles).with_node(node))?;
    println!(
        "{node}: {} tiles added, {} updated, {} unchanged, {} removed",
        synced.added.len(),
        synced.updated.len(),
        synced.unchanged,
        synced.removed.len()
    );
    for (tile, reason) in &synced.failed {
        eprintln!("  left out: {tile}: {reason}");
    }
    index.close();
    Ok(())
}
