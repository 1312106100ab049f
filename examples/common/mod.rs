//! What several examples need: from a plan to tokens, progress, and an end with an error that reads well.
#![allow(dead_code, reason = "no example needs all of it")]

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};
use ndarray::ArrayView2;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use radio_index::{AnomalyScore, PixelSummary, ReadPlan};
use radio_io::{ReadOptions, Reader, SpectrumBatch};
use radio_models::{Part, Position, Scores, Tokens};
use radio_tokenize::{Spectra, TokenBatch, Tokenizer};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The end of a program: an error is printed with its causes.
pub(crate) fn end(result: Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    // A cause that only repeats what was said is left out.
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    eprintln!("error: {message}");
    ExitCode::FAILURE
}

/// The address of an index: that, or the path of a file.
pub(crate) fn index_url(index: &str) -> String {
    if index.contains(':') {
        index.to_owned()
    } else {
        format!("sqlite:{index}")
    }
}

pub(crate) fn text(file: &Path) -> Result<String> {
    Ok(fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?)
}

/// The token in a file, which has to have one.
pub(crate) fn token(file: &Path) -> Result<String> {
    match text(file)?.trim() {
        "" => Err(format!("{}: no token in it", file.display()).into()),
        token => Ok(token.to_owned()),
    }
}

pub(crate) fn progress(what: &'static str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("  {msg:<22} {wide_bar} {pos}/{len} {eta}");
    let bar = ProgressBar::new(length).with_message(what);
    style
        .map(|style| bar.clone().with_style(style))
        .unwrap_or(bar)
        .with_finish(indicatif::ProgressFinish::AndClear)
}

/// Fractions of the tiles for training and for validation; the rest is for tests.
pub(crate) type Split = [f64; 2];

/// The tiles of a plan that are in this part of the survey.
pub(crate) fn part_of(plan: &ReadPlan, part: Part, seed: u64, split: Split) -> ReadPlan {
    // By the name alone, so that nothing changes when the tiles are moved.
    let name = |uri: &str| uri.rsplit('/').next().unwrap_or_default().to_owned();
    let slices = plan.slices().iter();
    let slices = slices.filter(|slice| Part::of(&name(slice.uri()), seed, split) == part);
    let chosen: ReadPlan = slices.cloned().collect();
    chosen.with_tiles(
        plan.slices()
            .iter()
            .filter_map(|slice| Some((slice.uri().into(), plan.tile(slice.uri())?.clone()))),
    )
}

/// How many pixels of the spectra of a plan are good: what only a look at each can tell.
pub(crate) fn pixels(plan: &ReadPlan) -> Result<PixelSummary> {
    let mut pixels = PixelSummary::default();
    // Slice by slice, since tiles of several dialects do not go into one pass.
    for slice in plan.slices() {
        for batch in Reader::new(&ReadPlan::from_iter([slice.clone()]), ReadOptions::default())? {
            for spectrum in batch?.spectra() {
                pixels.add(spectrum.flux, spectrum.ivar, spectrum.mask);
            }
        }
    }
    Ok(pixels)
}

/// What tells a plan from others.
pub(crate) fn fingerprint(plan: &ReadPlan) -> Result<String> {
    Ok(format!(
        "plan {:016x}",
        Reader::new(plan, ReadOptions::default())?.state().plan()
    ))
}

/// The batches of one pass over a plan, from a position on, as tokens.
pub(crate) fn batches(
    plan: &ReadPlan,
    read: &ReadOptions,
    tokenizer: &Tokenizer,
    position: Position,
) -> Result<impl Iterator<Item = Result<Tokens<'static>>> + use<>> {
    let read = read.clone().with_epoch(position.epoch);
    let start = Reader::new(plan, read.clone())?.state().at(position.batch);
    let tokenizer = tokenizer.clone();
    let reader = Reader::resume(plan, read, &start)?;
    Ok(ahead(reader.map(move |batch| tokenize(&tokenizer, &batch?))))
}

/// The same items, made on a thread of their own, two ahead: a model does not wait for its next batch.
pub(crate) fn ahead<T: Send + 'static>(items: impl Iterator<Item = T> + Send + 'static) -> impl Iterator<Item = T> {
    let (sender, receiver) = mpsc::sync_channel(2);
    thread::spawn(move || {
        for item in items {
            // Nobody wants the rest.
            if sender.send(item).is_err() {
                break;
            }
        }
    });
    receiver.into_iter()
}

/// The scores in a file, as the index records them. A dead fibre has none: it is in the file with its flag, but not among the
/// anomalies.
pub(crate) fn recorded(path: &Path) -> Result<Vec<AnomalyScore>> {
    let file = File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut scores = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file)?.build()? {
        for row in Scores::from_record_batch(&batch?).map_err(|e| format!("{}: {e}", path.display()))? {
            let Some(score) = row.score else { continue };
            let mut one = AnomalyScore::new(row.targetid, score);
            (one.score_raw, one.snr) = (row.score_raw, row.snr);
            (one.worst_wavelength, one.flags) = (row.worst_wavelength, row.flags.into());
            scores.push(one);
        }
    }
    Ok(scores)
}

/// Spectra with one wavelength grid, or with a grid each, into patches.
pub(crate) fn tokenize(tokenizer: &Tokenizer, batch: &SpectrumBatch) -> Result<Tokens<'static>> {
    as_tokens(batch.ids(), cut(tokenizer, batch, batch.flux())?)
}

/// The same, with this flux in place of the batch's.
pub(crate) fn cut(tokenizer: &Tokenizer, batch: &SpectrumBatch, flux: &[f32]) -> Result<TokenBatch> {
    let matrix = |ivar: ArrayView2<'_, f32>| ArrayView2::from_shape(ivar.raw_dim(), flux).ok();
    let spectra = match (
        batch.ivar_matrix().and_then(matrix),
        batch.ivar_matrix(),
        batch.grid(),
        batch.wavelength(),
    ) {
        (Some(flux), Some(ivar), Some(grid), _) => Spectra::on_grid(flux, ivar, grid)?,
        (.., wavelength) => Spectra::ragged(batch.offsets(), flux, batch.ivar(), wavelength.ok_or("no wavelengths")?)?,
    };
    Ok(tokenizer.tokenize(&spectra.mask(batch.mask())?)?)
}

/// What the model wants to know of a batch.
pub(crate) fn as_tokens(ids: &[i64], batch: TokenBatch) -> Result<Tokens<'static>> {
    let snr = batch.spectrum_snr()?.to_vec();
    let name = batch.tokenizer.fingerprint();
    Ok(Tokens::new(ids.to_vec(), batch.values, batch.errors, batch.wavelength, snr)?.made_by(name))
}
