//! Spectra into patches, beside a copy of the same bytes in memory.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros have no docs, and a panic is how a bench fails"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use radio_tokenize::{Normalize, Spectra, Tokenizer};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

const SHAPE: (usize, usize) = (1024, 4096);
const SEED: u64 = 1;

fn tokenize(c: &mut Criterion) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let flux = Array2::from_shape_simple_fn(SHAPE, || rng.random_range(0.5..2.0_f32));
    // One pixel in fifty is bad.
    let ivar = Array2::from_shape_simple_fn(SHAPE, || if rng.random_bool(0.02) { 0.0 } else { 4.0_f32 });
    let wavelength: Vec<f64> = (0..SHAPE.1).map(|i| 3600.0 + 0.8 * i as f64).collect();
    let spectra = Spectra::on_grid(flux.view(), ivar.view(), &wavelength).unwrap();

    let mut group = c.benchmark_group("tokenize");
    group.sample_size(10).throughput(Throughput::Elements(SHAPE.0 as u64));
    for (name, normalize) in [
        ("median", Normalize::Median),
        ("mean and std", Normalize::MeanStd),
        ("none", Normalize::None),
    ] {
        let tokenizer = Tokenizer::new(32).normalize(normalize);
        group.bench_function(name, |b| b.iter(|| tokenizer.tokenize(&spectra).unwrap()));
    }
    let mut copy = flux.clone();
    group.bench_function("memcpy of the flux", |b| b.iter(|| copy.assign(black_box(&flux))));
}

criterion_group!(benches, tokenize);
criterion_main!(benches);
