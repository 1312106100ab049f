//! The first mile: a folder of FITS files becomes tiles, an index and a datasheet.
//!
//! ```text
//! cargo run --release -p radio-examples --example first_mile -- --fits my/fits --out my-survey
//! ```
//!
//! Coadds of DESI, with the redshifts of `redrock-*` beside them, and spectra of SDSS, BOSS and eBOSS are found in all folders below; what is neither is
//! named and left out. Each survey becomes tiles of its own, `OUT/tiles/desi` and `OUT/tiles/sdss`, one for each HEALPix pixel. A run that
//! was stopped goes on when it is started again; the pipeline example goes on from the tiles.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use radio_datasheet::{Answers, Datasheet};
use radio_index::blocking::Index;
use radio_index::{KeyColumns, Selection, SyncOptions};
use radio_io::fits::{self, FitsOptions};
use radio_io::{Partitioning, Profile, RepartitionOptions, TileWriter, WriteOptions, repartition};

#[path = "../common/mod.rs"]
mod common;

pub(crate) use common::Result;
use common::{end, pixels, progress};

/// Makes tiles, an index and a datasheet of FITS files.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Folder of FITS files, in folders of any depth
    #[arg(long, value_name = "DIR")]
    fits: PathBuf,
    /// Folder for everything that is made
    #[arg(long, value_name = "DIR", default_value = "radio-survey")]
    out: PathBuf,
    /// Each exposure of DESI (spectra-*.fits), instead of their sums (coadd-*.fits)
    #[arg(long)]
    exposures: bool,
    /// HEALPix order of the tiles
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(0..=12))]
    order: u8,
    /// For what the tiles are
    #[arg(long, value_enum, default_value_t = For::Compatible)]
    profile: For,
    /// Memory for spectra on their way, MiB
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..))]
    memory: u64,
    /// Answers for the datasheet, TOML
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum For {
    /// Every program that reads Parquet
    Compatible,
    /// Disks and networks
    Archive,
    /// Training
    Training,
}

#[allow(dead_code, reason = "a test calls `run`")]
fn main() -> std::process::ExitCode {
    end(run(&Options::parse()))
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let answers = match &options.answers {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            Answers::from_toml(&text).map_err(|e| format!("{}: {e}", path.display()))?
        }
        None => Answers::default(),
    };
    let parts = options.out.join("parts");
    let surveys = convert(options, &parts)?;
    if surveys.is_empty() {
        return Err(format!("{}: no FITS file with spectra", options.fits.display()).into());
    }
    let tiles = options.out.join("tiles");
    for (survey, files) in &surveys {
        let profile = match options.profile {
            For::Compatible => Profile::Compatible,
            For::Archive => Profile::Archive,
            For::Training => Profile::Training,
        };
        let division = RepartitionOptions::default()
            .with_partitioning(Partitioning::Order(options.order))
            .with_memory(options.memory << 20)
            .with_write(WriteOptions::default().with_profile(profile));
        let bar = progress("dividing", 0);
        let done = repartition(files, tiles.join(survey), &division, |done, of| {
            bar.set_length(of);
            bar.set_position(done);
        })?;
        bar.finish_and_clear();
        let before = match done.kept {
            0 => String::new(),
            kept => format!(", {kept} of them there before"),
        };
        println!(
            "  {survey:<6} {} rows in {} tiles{before}",
            done.written,
            done.tiles.len()
        );
        for (path, reason, rows) in &done.rejected {
            eprintln!("  left out: {rows} rows of {}: {reason}", path.display());
        }
    }

    let index = Index::open(&format!("sqlite:{}", options.out.join("index.db").display()))?;
    let synced = index.sync(&SyncOptions::new(&tiles).with_columns(KeyColumns::default()))?;
    for (tile, reason) in &synced.failed {
        eprintln!("  left out: {tile}: {reason}");
    }
    let mut summary = index.summary()?;
    summary.pixels = Some(pixels(&index.plan(&Selection::all())?)?);
    let path = Datasheet::new(&summary, &answers)
        .fact(
            "Source",
            format!("{} FITS files", surveys.values().map(Vec::len).sum::<usize>()),
        )
        .fact(
            "Program",
            concat!("radio-io ", env!("CARGO_PKG_VERSION"), ", example first_mile"),
        )
        .write(&options.out)?;
    // All rows are in tiles now.
    fs::remove_dir_all(&parts)?;
    println!("  tiles      {}", tiles.display());
    println!("  index      {}", index.url());
    println!("  datasheet  {}", path.display());
    Ok(())
}

/// The spectra of each FITS file in a Parquet file of its own; by survey. Those that an earlier run made stay.
fn convert(options: &Options, parts: &Path) -> Result<BTreeMap<&'static str, Vec<PathBuf>>> {
    let files = files(&options.fits)?;
    let bar = progress("reading FITS", files.len() as u64);
    let mut surveys: BTreeMap<&'static str, Vec<PathBuf>> = BTreeMap::new();
    let mut left_out = 0;
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let is_other = name.starts_with(if options.exposures { "coadd-" } else { "spectra-" });
        if is_other || name.starts_with("redrock-") {
            bar.inc(1);
            continue;
        }
        let mut leave_out = |error: &radio_io::Error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            let (error, file) = (error.to_string(), file.display().to_string());
            // It may be that of its redshifts which is damaged.
            let file = if error.contains(&file) {
                String::new()
            } else {
                file + ": "
            };
            bar.suspend(|| eprintln!("  left out: {file}{error}{cause}"));
            bar.inc(1);
            left_out += 1;
        };
        let batches = match fits::spectra(file, &FitsOptions::default()) {
            Ok(batches) => batches,
            Err(error) => {
                leave_out(&error);
                continue;
            }
        };
        let schema = batches.schema();
        let survey = if schema.index_of("spectrum").is_ok() {
            "sdss"
        } else {
            "desi"
        };
        // Its place below the folder, in one word.
        let place = file
            .strip_prefix(&options.fits)
            .unwrap_or(file)
            .to_string_lossy()
            .replace('/', "~");
        let part = parts.join(survey).join(format!("{place}.parquet"));
        if !part.exists() {
            fs::create_dir_all(parts.join(survey))?;
            let plain = WriteOptions::default().with_profile(Profile::Training).without_order();
            let mut writer = TileWriter::create(&part, schema, plain)?;
            let mut damage = None;
            for batch in batches {
                match batch {
                    Ok(batch) => writer.write(&batch)?,
                    Err(error) => damage = Some(error),
                }
            }
            if let Some(error) = damage {
                leave_out(&error);
                continue;
            }
            writer.finish()?;
            // As old as what it is made of: made again it is the same file, and the tiles of an earlier run are kept.
            File::options()
                .write(true)
                .open(&part)?
                .set_modified(fs::metadata(file)?.modified()?)?;
        }
        surveys.entry(survey).or_default().push(part);
        bar.inc(1);
    }
    bar.finish_and_clear();
    if left_out > 0 {
        eprintln!("  left out: {left_out} of {} files", files.len());
    }
    Ok(surveys)
}

/// All FITS files below a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))? {
            let path = entry?.path();
            let name = path.to_string_lossy();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".fits") || name.ends_with(".fits.gz") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
