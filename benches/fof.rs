//! Friends-of-friends groups of clustered points in a periodic box.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros have no docs, and a panic is how a bench fails"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use radio_fof::Fof;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

const SEED: u64 = 1;

/// `n` points at a mean separation of 1: half of them uniform, half in clumps of 50 within 0.3.
fn clustered_box(n: usize) -> (Array2<f64>, f64) {
    let side = (n as f64).cbrt();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let mut centre = [0.0; 3];
    let points = Array2::from_shape_fn((n, 3), |(i, axis)| {
        if i % 2 == 0 {
            return rng.random_range(0.0..side);
        }
        if i % 100 == 1 {
            centre[axis] = rng.random_range(0.0..side);
        }
        (centre[axis] + rng.random_range(-0.3..0.3)).rem_euclid(side)
    });
    (points, side)
}

fn link(c: &mut Criterion) {
    let mut group = c.benchmark_group("fof");
    group.sample_size(10);
    for n in [10_000, 100_000, 1_000_000] {
        let (xyz, side) = clustered_box(n);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_with_input(BenchmarkId::new("link", n), &xyz, |b, xyz| {
            b.iter(|| Fof::new(0.2).periodic(side).link(xyz.view()).unwrap());
        });
    }
}

criterion_group!(benches, link);
criterion_main!(benches);
