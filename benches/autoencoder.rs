//! Training steps and reconstructions of both autoencoders, in their small sizes, on DESI spectra of 244 tokens.
//!
//! `cargo bench -p radio-benches --bench autoencoder` prints a table first, then criterion's groups, which count CPU time;
//! `-- table` stops after the table. It uses the CPU, with as many threads as RAYON_NUM_THREADS says, or the device that
//! RADIO_DEVICE names: with `--features tch`, `RADIO_DEVICE=tch` is LibTorch.
//! benches/peers/autoencoder.py does the same with PyTorch.
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
use ndarray::{Array2, Array3};
use radio_models::{Autoencoder, ConvAutoencoderConfig, MaskedAutoencoderConfig, Tokens, Trainer, TrainerOptions};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::cpu::Cpu;

/// As a program that trains should have: the system's gives large blocks back after each step, and faults them in again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TOKENS: usize = 244;
const PATCH: usize = 32;
/// Spectra of a step in training.
const TRAINING: usize = 64;
/// Spectra that are reconstructed at once.
const INFERENCE: usize = 256;
const SEED: u64 = 1;
/// Steps of which the median is told, after two to warm up.
fn steps() -> usize {
    quick::or(9, 3)
}

fn main() {
    let name = std::env::var("RADIO_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
    let mut cases = cases(&name);
    println!("| {name} | ms per step | CPU ms per step | spectra per second |\n|---|---|---|---|");
    for case in &mut cases {
        case.row();
    }
    if quick::is_quick() || std::env::args().any(|argument| argument == "table") {
        return;
    }
    let mut criterion = Criterion::default()
        .with_measurement(Cpu)
        .sample_size(10)
        .configure_from_args();
    let mut group = criterion.benchmark_group("autoencoder");
    for Case { name, rows, step } in &mut cases {
        group.throughput(Throughput::Elements(*rows as u64));
        group.bench_function(*name, |bencher| bencher.iter(&mut *step));
    }
    group.finish();
    criterion.final_summary();
}

struct Case {
    name: &'static str,
    rows: usize,
    step: Box<dyn FnMut()>,
}

impl Case {
    fn row(&mut self) {
        (0..2).for_each(|_| (self.step)());
        let times = (0..steps()).map(|_| {
            let (wall, cpu) = (Instant::now(), ProcessTime::now());
            (self.step)();
            (wall.elapsed(), cpu.elapsed())
        });
        let (wall, cpu): (Vec<Duration>, Vec<Duration>) = times.unzip();
        let [wall, cpu] = [wall, cpu].map(|mut times| {
            times.sort_unstable();
            1e3 * times[times.len() / 2].as_secs_f64()
        });
        let rate = 1e3 * self.rows as f64 / wall;
        println!("| {} | {wall:.1} | {cpu:.1} | {rate:.0} |", self.name);
    }
}

/// Every case that runs on the device of this name.
fn cases(device: &str) -> [Case; 4] {
    let device = radio_models::device(device).unwrap();
    let conv = || ConvAutoencoderConfig::small(TOKENS, PATCH).init(&device).unwrap();
    let masked = || MaskedAutoencoderConfig::small(TOKENS, PATCH).init(&device).unwrap();
    [
        training("conv, training", conv()),
        inference("conv, inference", conv()),
        training("masked, training", masked()),
        inference("masked, inference", masked()),
    ]
}

/// Forward and backward, clipping and AdamW.
fn training(name: &'static str, model: impl Autoencoder + 'static) -> Case {
    let mut trainer = Trainer::new(TrainerOptions::default(), model).unwrap();
    let tokens = spectra(TRAINING);
    let step = Box::new(move || {
        black_box(trainer.step(&tokens).unwrap());
    });
    Case {
        name,
        rows: TRAINING,
        step,
    }
}

fn inference(name: &'static str, model: impl Autoencoder + 'static) -> Case {
    let tokens = spectra(INFERENCE);
    let step = Box::new(move || drop(black_box(model.reconstruct(&tokens).unwrap())));
    Case {
        name,
        rows: INFERENCE,
        step,
    }
}

/// Flux around 1 with errors of 0.1, on one grid; one pixel in fifty is bad.
fn spectra(rows: usize) -> Tokens<'static> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let shape = (rows, TOKENS, PATCH);
    let values = Array3::from_shape_simple_fn(shape, || rng.random_range(0.5..1.5_f32));
    let errors = Array3::from_shape_simple_fn(shape, || if rng.random_bool(0.02) { 0.0 } else { 0.1_f32 });
    let middle = |token: usize| 3600.0 + 0.8 * (token as f64 + 0.5) * PATCH as f64;
    let wavelength = Array2::from_shape_fn((rows, TOKENS), |(_, token)| middle(token));
    let ids: Vec<i64> = (0..rows as i64).collect();
    Tokens::new(ids, values, errors, wavelength, vec![10.0; rows]).unwrap()
}
