//! Spectra into patches, beside a copy of the same bytes in memory.
//!
//! `cargo bench -p radio-benches --bench tokenize` prints a table first, in spectra per CPU second, then criterion's groups,
//! which count CPU time, too; `-- table` stops after the table. One thread, but for the last lines of the table.
//! benches/peers/tokenizer.py does the same with numpy, bottleneck and torch.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on stops, and prints what it found"
)]

mod cpu;
mod quick;

use std::hint::black_box;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use criterion::{Criterion, Throughput};
use ndarray::Array2;
use radio_tokenize::{Normalize, Spectra, TokenBatch, Tokenizer, WavelengthEncoding};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::ThreadPool;

use crate::cpu::Cpu;

const SHAPE: (usize, usize) = (1024, 4096);
const SEED: u64 = 1;
/// Passes of which the median is told.
fn passes() -> usize {
    quick::or(15, 3)
}

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let data = Data::new();
    table(&data);
    two_threads(&data);
    if quick::is_quick() || std::env::args().any(|argument| argument == "table") {
        return;
    }
    let mut criterion = Criterion::default()
        .with_measurement(Cpu)
        .sample_size(10)
        .configure_from_args();
    groups(&mut criterion, &data);
    criterion.final_summary();
}

struct Data {
    flux: Array2<f32>,
    /// One pixel in fifty is bad.
    ivar: Array2<f32>,
    wavelength: Vec<f64>,
    /// The same for every row, for spectra that each bring their own.
    wavelengths: Vec<f64>,
    offsets: Vec<usize>,
}

impl Data {
    fn new() -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
        let wavelength: Vec<f64> = (0..SHAPE.1).map(|i| 3600.0 + 0.8 * i as f64).collect();
        Self {
            flux: Array2::from_shape_simple_fn(SHAPE, || rng.random_range(0.5..2.0_f32)),
            ivar: Array2::from_shape_simple_fn(SHAPE, || if rng.random_bool(0.02) { 0.0 } else { 4.0_f32 }),
            wavelengths: wavelength.repeat(SHAPE.0),
            offsets: (0..=SHAPE.0).map(|row| row * SHAPE.1).collect(),
            wavelength,
        }
    }

    fn spectra(&self) -> Spectra<'_> {
        Spectra::on_grid(self.flux.view(), self.ivar.view(), &self.wavelength).unwrap()
    }

    /// Every case: its name, and a pass over all rows.
    #[allow(clippy::type_complexity, reason = "a name would say less")]
    fn cases(&self) -> Vec<(&'static str, Box<dyn FnMut() + Send + '_>)> {
        let spectra = self.spectra();
        let flux_only = Spectra::flux_on_grid(self.flux.view(), &self.wavelength).unwrap();
        let tokenizer = Tokenizer::new(32);
        let mean_std = Tokenizer::new(32).normalize(Normalize::MeanStd);
        let patch_median = Tokenizer::new(64).normalize(Normalize::PatchMedian);
        let tokens = tokenizer.tokenize(&spectra).unwrap();
        let encoding = WavelengthEncoding::for_grid(256, &self.wavelength).unwrap();
        let (fresh, ragged) = (tokenizer.clone(), tokenizer.clone());
        vec![
            ("memcpy", self.memcpy()),
            ("memcpy of all that is read and written", self.copy()),
            ("median, flux + errors", into(tokenizer.clone(), spectra)),
            ("median, flux only", into(tokenizer.clone(), flux_only)),
            ("patch median, 64 pixels", into(patch_median, spectra)),
            ("mean and std", into(mean_std, spectra)),
            ("none", into(Tokenizer::new(32).normalize(Normalize::None), spectra)),
            (
                "median, overlap of one half",
                into(Tokenizer::new(32).stride(16), spectra),
            ),
            (
                "median, a grid per row",
                Box::new(move || {
                    let (flux, ivar) = (self.flux.as_slice().unwrap(), self.ivar.as_slice().unwrap());
                    let spectra = Spectra::ragged(&self.offsets, flux, ivar, &self.wavelengths).unwrap();
                    black_box(ragged.tokenize(&spectra).unwrap());
                }),
            ),
            (
                "median, into fresh memory",
                Box::new(move || drop(black_box(fresh.tokenize(&spectra).unwrap()))),
            ),
            (
                "S/N of spectra",
                Box::new({
                    let tokens = tokens.clone();
                    move || drop(black_box(tokens.spectrum_snr().unwrap()))
                }),
            ),
            (
                "wavelength encoding, 256 dimensions",
                Box::new({
                    let wavelength = tokens.wavelength.clone();
                    move || drop(black_box(encoding.encode(wavelength.view()).unwrap()))
                }),
            ),
            (
                "detokenize",
                Box::new(move || drop(black_box(tokenizer.detokenize(&tokens).unwrap()))),
            ),
        ]
    }

    /// The flux alone.
    fn memcpy(&self) -> Box<dyn FnMut() + Send + '_> {
        let mut copy = self.flux.clone();
        Box::new(move || copy.assign(black_box(&self.flux)))
    }

    /// As many bytes as the tokenizer reads and writes, row by row.
    fn copy(&self) -> Box<dyn FnMut() + Send + '_> {
        let (mut values, mut errors) = (self.flux.clone(), self.ivar.clone());
        let mut pixels = Array2::from_elem(SHAPE, false);
        Box::new(move || {
            for row in 0..SHAPE.0 {
                values.row_mut(row).assign(&black_box(&self.flux).row(row));
                errors.row_mut(row).assign(&black_box(&self.ivar).row(row));
                pixels.row_mut(row).fill(black_box(true));
            }
        })
    }
}

/// A pass into memory that is used again.
fn into<'a>(tokenizer: Tokenizer, spectra: Spectra<'a>) -> Box<dyn FnMut() + Send + 'a> {
    let mut batch = TokenBatch::default();
    Box::new(move || tokenizer.tokenize_into(black_box(&spectra), &mut batch).unwrap())
}

fn table(data: &Data) {
    println!("case | spectra per CPU second");
    for (name, mut pass) in data.cases() {
        pass();
        let times = (0..passes()).map(|_| {
            let start = ProcessTime::now();
            pass();
            start.elapsed()
        });
        println!("{name} | {:.0}", SHAPE.0 as f64 / median(times).as_secs_f64());
    }
}

/// Wall time of some passes with one thread over that with two, in turns; a machine with other work on it shows less.
fn two_threads(data: &Data) {
    let [one, two] = [1, 2].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
    let mut pass = into(Tokenizer::new(32), data.spectra());
    let mut wall = |pool: &ThreadPool| {
        pool.install(|| {
            pass();
            let start = Instant::now();
            (0..passes()).for_each(|_| pass());
            start.elapsed().as_secs_f64()
        })
    };
    let mut ratios: Vec<f64> = (0..passes()).map(|_| wall(&one) / wall(&two)).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    println!(
        "speed of two threads over that of one | {:.2} (median of {}), {:.2} (largest)",
        ratios[ratios.len() / 2],
        ratios.len(),
        ratios[ratios.len() - 1]
    );
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn groups(criterion: &mut Criterion<Cpu>, data: &Data) {
    let mut group = criterion.benchmark_group("tokenize");
    group.throughput(Throughput::Elements(SHAPE.0 as u64));
    for (name, mut pass) in data.cases() {
        group.bench_function(name, |bencher| bencher.iter(&mut pass));
    }
    group.finish();
}
