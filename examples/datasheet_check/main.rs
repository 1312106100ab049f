//! Does a datasheet still tell the truth? For a cron job or CI.
//!
//! ```text
//! cargo run --release -p radio-examples --example datasheet_check -- --dir radio-out --tiles radio-out/mock-20000-1
//! ```
//!
//! Tiles are compared with the index, and everything that `DATA_README.md`, `datasheet.json` and `croissant.json` state is compared with what
//! the index counts; nothing is changed. The exit code is 0 where all is as it was counted, 1 where anything has drifted, and 2 where that could
//! not be found out. `--since OLD.json` tells what changed since an older `datasheet.json`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use radio_datasheet::{Document, check, diff};
use radio_index::blocking::Index;
use radio_index::{Depth, Selection, SyncOptions};

#[path = "../common/mod.rs"]
pub(crate) mod common;

pub(crate) use common::Result;
use common::pixels;

/// Compares a datasheet with the index and the tiles that it describes.
#[derive(Debug, Parser)]
#[command(args_override_self = true)]
pub(crate) struct Options {
    /// Folder of DATA_README.md
    #[arg(long, value_name = "DIR", default_value = "radio-out")]
    dir: PathBuf,
    /// The index; by default index.db in that folder
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Folder of the tiles: without it the disk is not looked at
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,
    /// How closely to look at the tiles
    #[arg(long, value_enum, default_value_t = Look::Footer)]
    depth: Look,
    /// An older datasheet.json: what changed since then?
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Look {
    /// Names, sizes and times
    Stat,
    /// Rows, columns and types
    Footer,
    /// Key columns, row by row, and the pixels of all spectra
    Content,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Is everything as it was counted?
pub(crate) fn run(options: &Options) -> Result<bool> {
    let url = options
        .database
        .clone()
        .unwrap_or_else(|| format!("sqlite:{}", options.dir.join("index.db").display()));
    let index = Index::open(&url)?;
    let mut is_true = true;
    if let Some(tiles) = &options.tiles {
        let depth = match options.depth {
            Look::Stat => Depth::Stat,
            Look::Footer => Depth::Footer,
            Look::Content => Depth::Content,
        };
        let report = index.verify(&SyncOptions::new(tiles), depth)?;
        is_true &= report.findings.is_empty();
        if options.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            println!(
                "{} tiles, {} of them not as they were indexed",
                report.tiles,
                report.findings.len()
            );
            for finding in &report.findings {
                println!("  {}: {:?}", finding.uri, finding.problem);
            }
        }
    }
    let mut summary = index.summary()?;
    if let (Look::Content, Some(stated)) = (options.depth, document(&options.dir)?.summary.pixels) {
        // An index counts no pixels, and a datasheet may have been made of some spectra only.
        if stated.spectra == summary.catalogue.rows {
            summary.pixels = Some(pixels(&index.plan(&Selection::all())?)?);
        } else {
            eprintln!(
                "pixels of {} spectra are not counted again, since there are others",
                stated.spectra
            );
        }
    }
    let report = check(&options.dir, &summary)?;
    is_true &= report.is_true();
    if options.json {
        print!("{}", report.to_json());
    } else {
        println!(
            "{} differences between the datasheet and the index",
            report.differences.len()
        );
        print!("{report}");
    }
    if let Some(old) = &options.since {
        let changes = diff(&read(old)?, &document(&options.dir)?);
        if options.json {
            println!("{}", serde_json::to_string(&changes)?);
        } else {
            print!("\n{changes}");
        }
    }
    Ok(is_true)
}

fn document(dir: &Path) -> Result<Document> {
    read(&dir.join(Document::FILE_NAME))
}

fn read(path: &Path) -> Result<Document> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(Document::from_json(&text).map_err(|e| format!("{}: {e}", path.display()))?)
}
