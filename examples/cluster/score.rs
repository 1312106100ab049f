//! Has workers score the spectra where they are: `cluster_score --help`. See README.md beside this file.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

#[path = "../common/mod.rs"]
mod common;
mod workers;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use radio_index::{Run, Selection, blocking::Index};
use radio_io::cluster::Output;
use radio_io::{ReadOptions, State};
use radio_models::{ScoreFile, Scores};

pub(crate) use common::Result;
use common::{end, recorded};
use workers::Workers;

/// Scores all spectra of an index, on the nodes that hold them: spectra stay there, scores come here.
#[derive(Debug, Parser)]
struct Options {
    /// Index: a file, sqlite:… or postgres://…
    #[arg(long, value_name = "INDEX")]
    index: String,
    #[command(flatten)]
    workers: Workers,
    /// Where the scores go, besides into the index; a run that was stopped goes on
    #[arg(long, value_name = "FILE", default_value = "scores.parquet")]
    out: PathBuf,
    /// Spectra that a worker scores at once
    #[arg(long, value_name = "N", default_value = "256")]
    batch_rows: NonZeroUsize,
}

fn main() -> std::process::ExitCode {
    end(run(&Options::parse()))
}

fn run(options: &Options) -> Result<()> {
    let index = Index::open(&common::index_url(&options.index))?;
    let plan = index.plan(&Selection::all())?;
    let read = ReadOptions::default().with_batch_rows(options.batch_rows);
    let scores = Output::call("scores", "score", ["targetid", "flux", "ivar", "mask"]);
    let cluster = options.workers.cluster()?.with_outputs([scores]);

    // Whose scores these will be, the first batch says; a worker with another model refuses.
    let first = cluster.reader(&plan, read.clone())?.next();
    let first = first.ok_or("the index has no row of a tile; register tiles with cluster_worker --register")??;
    let field = first.schema_ref().field(0);
    let scorer = field
        .metadata()
        .get("radio.scorer")
        .ok_or("no scores of radio-models")?
        .clone();
    let state = State::new(&plan, &read);
    let mut file = ScoreFile::resume(
        &options.out,
        &format!("cluster_score of {:016x}", state.plan()),
        &scorer,
    )?;
    if file.rows() > 0 {
        println!("going on after {} spectra", file.rows());
    }

    let started = Instant::now();
    let mut batches = cluster.resume(&plan, read, &state.at(file.batches()))?.with_progress();
    for batch in batches.by_ref() {
        file.write(&Scores::from_column(&batch?, "scores")?)?;
    }
    file.finish()?;
    workers::report(batches.reader(), started);

    let scores = recorded(&options.out)?;
    let run = Run::new(format!("cluster-{scorer}")).with_model_hash(scorer);
    println!(
        "{} scores in {} and in the index, run {}",
        scores.len(),
        options.out.display(),
        run.name
    );
    index.record_scores(&run, scores)?;
    index.close();
    Ok(())
}
