//! How one spectrum becomes tokens, as a picture.
//!
//! ```text
//! cargo run -p radio-examples --example draw_tokens                                 # the best spectrum of a mock survey
//! cargo run -p radio-examples --example draw_tokens -- --tiles my/tiles --id 39633345008634465 --patch 64
//! ```
//!
//! This file finds the spectrum and cuts it; `figure.rs` draws the panels, of what `marks.rs` has.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use std::fs;
use std::path::{Path, PathBuf};

use arrow_cast::display::array_value_to_string;
use clap::Parser;
use radio_index::blocking::Index;
use radio_index::{KeyColumns, Selection, SyncOptions};
use radio_io::mock::Mock;
use radio_io::{BadTiles, ReadOptions, ReadPlan, Reader, Spectrum, SpectrumBatch};
use radio_tokenize::{Normalize, Spectra, TokenBatch, Tokenizer, flag};

#[path = "../common/mod.rs"]
mod common;
mod figure;
mod marks;

pub(crate) use common::Result;

/// Spectra of the mock survey.
const MOCK_SPECTRA: usize = 100;
/// What the tokens say was out of the ordinary, in words.
const FLAGS: [(u32, &str); 5] = [
    (flag::DEAD, "no good pixel"),
    (
        flag::SCALE_IS_SPREAD,
        "a level is not significant: scaled by the spread",
    ),
    (flag::SCALE_IS_ONE, "nothing to scale by: the scale is 1"),
    (flag::PIXEL_OUT_OF_RANGE, "some pixels out of range"),
    (flag::WAVELENGTH_GAP, "a token spans a gap in wavelength"),
];

/// Draws how one spectrum becomes tokens: its pixels, what a model sees, and what is known of each token
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Folder of Parquet tiles with spectra. Without it a small mock survey is made, and forgotten again
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,
    /// Which spectrum to draw [default: the one with the highest signal to noise]
    #[arg(long, value_name = "TARGETID", allow_negative_numbers = true)]
    id: Option<i64>,
    /// Pixels of a token
    #[arg(long, value_name = "PIXELS", default_value_t = 32)]
    patch: usize,
    /// Pixels from the start of a token to that of the next; they overlap where it is less than a patch [default: a patch]
    #[arg(long, value_name = "PIXELS")]
    stride: Option<usize>,
    /// How flux is brought to order one: median, mean, mean-std, weighted-mean, patch-median or none
    #[arg(long, value_name = "HOW", default_value = "median", value_parser = normalize)]
    normalize: Normalize,
    /// Whose data it is, for the foot of the picture ("DESI data, CC BY 4.0")
    #[arg(long, value_name = "TEXT")]
    credit: Option<String>,
    /// The picture
    #[arg(long, value_name = "FILE", default_value = "tokens.svg")]
    out: PathBuf,
}

impl Options {
    fn tokenizer(&self) -> Tokenizer {
        Tokenizer::new(self.patch)
            .stride(self.stride.unwrap_or(self.patch))
            .normalize(self.normalize)
    }
}

/// The names are those of a tokenizer's configuration.
fn normalize(name: &str) -> std::result::Result<Normalize, String> {
    let value = toml::Value::from(name).try_into();
    value.map_err(|e: toml::de::Error| e.message().to_owned())
}

#[allow(dead_code, reason = "a test calls `run`")]
fn main() -> std::process::ExitCode {
    common::end(run(&Options::parse()))
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let tokenizer = options.tokenizer();
    let mock = tempfile::tempdir()?;
    let (tiles, credit) = match &options.tiles {
        Some(tiles) => (tiles.as_path(), ""),
        None => {
            Mock::new(MOCK_SPECTRA).write(mock.path(), |_rows| {})?;
            (mock.path(), "A mock spectrum of radio-io: no telescope saw this")
        }
    };
    let batch = find(tiles, options.id, &tokenizer)?;
    let spectrum = batch.spectra().next().ok_or("its tile has no such row any more")?;
    if spectrum.flux.is_empty() {
        return Err(format!("the spectrum {} has no pixels", spectrum.id).into());
    }
    let tokens = tokenize(&tokenizer, &spectrum)?;
    // The way back tells which pixels are good in a token.
    let good = tokenizer.detokenize(&tokens)?.good;

    let (title, unit) = (title(&batch), unit(&batch));
    let picture = figure::Figure {
        title: &title,
        unit: &unit,
        credit: options.credit.as_deref().unwrap_or(credit),
        spectrum,
        good: &good,
        tokens: &tokens,
    };
    let svg = picture.draw().to_string();
    fs::write(&options.out, &svg).map_err(|e| format!("{}: {e}", options.out.display()))?;

    let (pixels, good) = (good.len(), good.iter().filter(|&&is_good| is_good).count());
    let (cut, valid) = (
        tokens.valid.len(),
        tokens.valid.iter().filter(|&&is_valid| is_valid).count(),
    );
    println!("  spectrum     {title}");
    println!("  pixels       {pixels}, {good} of them good");
    println!(
        "  tokens       {cut} of {} pixels, {valid} of them valid",
        options.patch
    );
    println!("  scaling      {}, flux in {unit}", picture.scale());
    println!(
        "  S/N          {:.1} (median of the good pixels)",
        tokens.spectrum_snr()?[0]
    );
    println!("  flags        {}", in_words(tokens.flags[0]));
    println!("  tokenizer    {tokenizer}");
    println!("  fingerprint  {}", tokenizer.fingerprint());
    println!(
        "  picture      {} ({} kB)",
        options.out.display(),
        svg.len().div_ceil(1000)
    );
    Ok(())
}

/// A batch that begins with the spectrum that was asked for.
fn find(tiles: &Path, id: Option<i64>, tokenizer: &Tokenizer) -> Result<SpectrumBatch> {
    let index = Index::open("sqlite::memory:")?;
    // Redshift warnings do not matter here, whichever way round a tile has them.
    let columns = KeyColumns::default().with_good_warning(true);
    let report = index.sync(&SyncOptions::new(tiles).with_columns(columns))?;
    for (tile, reason) in &report.failed {
        eprintln!("  left out: {tile}: {reason}");
    }
    let all = index.plan(&Selection::all())?;
    let id = match id {
        Some(id) => id,
        None => brightest(&all, tokenizer)?.ok_or("no tile has a spectrum that can be read")?,
    };
    let plan = index.plan(&Selection::all().ids([id]))?;
    if plan.is_empty() {
        let first = Reader::new(&all, skipping())?.next().transpose()?;
        let ids = first.iter().flat_map(SpectrumBatch::ids).take(5);
        let some: String = ids.map(|id| format!("{id}, ")).collect();
        return Err(format!("no spectrum {id} in {}; there are {some}…", tiles.display()).into());
    }
    // DESI's tiles have their names for what was observed, SDSS' others, and some have none.
    let with = |columns: &[&str]| {
        let options = ReadOptions::default().with_columns(columns.iter().copied());
        Reader::new(&plan, options)?.next().transpose()
    };
    let batch = with(&["spectype", "z"])
        .or_else(|_| with(&["CLASS", "Z"]))
        .or_else(|_| with(&[]))?;
    Ok(batch.ok_or("its tile has no rows any more")?)
}

/// The spectrum with the highest signal to noise.
fn brightest(plan: &ReadPlan, tokenizer: &Tokenizer) -> Result<Option<i64>> {
    let mut best: Option<(f32, i64)> = None;
    let mut reader = Reader::new(plan, skipping())?;
    for batch in reader.by_ref() {
        for spectrum in batch?.spectra() {
            let snr = tokenize(tokenizer, &spectrum)?.spectrum_snr()?[0];
            if best.is_none_or(|(highest, _)| snr > highest) {
                best = Some((snr, spectrum.id));
            }
        }
    }
    for tile in reader.skipped() {
        eprintln!("  left out: {} rows: {}", tile.rows, tile.error);
    }
    Ok(best.map(|(_, id)| id))
}

fn skipping() -> ReadOptions {
    ReadOptions::default().with_bad_tiles(BadTiles::Skip)
}

/// One spectrum on its own wavelengths into tokens.
fn tokenize(tokenizer: &Tokenizer, spectrum: &Spectrum<'_>) -> Result<TokenBatch> {
    let &Spectrum {
        flux,
        ivar,
        mask,
        wavelength,
        ..
    } = spectrum;
    let offsets = [0, flux.len()];
    let spectra = Spectra::ragged(&offsets, flux, ivar, wavelength)?.mask(mask)?;
    Ok(tokenizer.tokenize(&spectra)?)
}

/// What was observed: "GALAXY 39627866878511337, z = 0.1234".
fn title(batch: &SpectrumBatch) -> String {
    let text = |name: &str| {
        let column = batch.record_batch().column_by_name(name)?;
        array_value_to_string(column, 0).ok().filter(|text| !text.is_empty())
    };
    let class = text("spectype").or_else(|| text("CLASS")).unwrap_or("spectrum".into());
    let mut title = format!("{class} {}", batch.ids()[0]);
    if let Some(z) = text("z")
        .or_else(|| text("Z"))
        .and_then(|z| z.parse().ok())
        .filter(|z: &f64| z.is_finite())
    {
        title += &format!(", z = {z:.4}").replace('-', "−");
    }
    title
}

/// The unit of the flux, as tiles state it.
fn unit(batch: &SpectrumBatch) -> String {
    let schema = batch.record_batch().schema();
    let unit = schema.metadata().get("flux_unit");
    let unit = unit.map_or("the tile's unit", String::as_str).replace("1e-17", "10⁻¹⁷");
    unit.replace("cm2", "cm²").replace("Angstrom", "Å")
}

fn in_words(flags: u32) -> String {
    let set = FLAGS.iter().filter(|(bit, _)| flags & bit != 0);
    let words: Vec<&str> = set.map(|&(_, words)| words).collect();
    if words.is_empty() {
        return "none".into();
    }
    words.join("; ")
}
