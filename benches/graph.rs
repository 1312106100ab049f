//! Graphs of clustered points, and samples of neighbourhoods.
//!
//! CPU time of all threads, as criterion's statistics; wall time of the whole is in its progress.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros have no docs, and a panic is how a bench fails"
)]

mod cpu;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use radio_models::{Graph, NeighborSampler};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use cpu::Cpu;

const SEED: u64 = 1;
const NEIGHBOURS: usize = 16;
const SEEDS: usize = 1024;
const FAN_OUTS: [usize; 2] = [15, 10];

/// `n` points at a mean separation of 1: half of them uniform, half in clumps of 50 within 0.3; in no order.
fn points(n: usize) -> Array2<f64> {
    let side = (n as f64).cbrt();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let centres: Vec<[f64; 3]> = (0..n / 100 + 1)
        .map(|_| [0, 1, 2].map(|_| rng.random_range(0.0..side)))
        .collect();
    let mut points = Array2::zeros((n, 3));
    for mut point in points.outer_iter_mut() {
        let centre = rng
            .random_bool(0.5)
            .then(|| centres[rng.random_range(0..centres.len())]);
        for axis in 0..3 {
            point[axis] = match centre {
                Some(centre) => centre[axis] + rng.random_range(-0.3..0.3),
                None => rng.random_range(0.0..side),
            };
        }
    }
    points
}

fn build(c: &mut Criterion<Cpu>) {
    let mut group = c.benchmark_group("graph");
    group.sample_size(10);
    for n in [100_000, 1_000_000] {
        let points = points(n);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_with_input(BenchmarkId::new("nearest", n), &points, |b, points| {
            b.iter(|| Graph::nearest(points.view(), NEIGHBOURS).unwrap());
        });
        let graph = Graph::nearest(points.view(), NEIGHBOURS).unwrap();
        group.bench_with_input(BenchmarkId::new("symmetric", n), &graph, |b, graph| {
            b.iter(|| graph.symmetric());
        });
        group.bench_with_input(BenchmarkId::new("within", n), &points, |b, points| {
            b.iter(|| Graph::within(points.view(), 1.0).unwrap());
        });
    }
}

fn sample(c: &mut Criterion<Cpu>) {
    let mut group = c.benchmark_group("sample");
    let n = 1_000_000;
    let graph = Graph::nearest(points(n).view(), NEIGHBOURS).unwrap().symmetric();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
    group.throughput(Throughput::Elements(SEEDS as u64));
    group.bench_function(BenchmarkId::new("15 and 10 neighbours", n), |b| {
        let sampler = NeighborSampler::new(&FAN_OUTS);
        let mut batch = 0;
        b.iter_batched(
            || {
                rand::seq::index::sample(&mut rng, n, SEEDS)
                    .iter()
                    .map(|i| i as u32)
                    .collect::<Vec<_>>()
            },
            |seeds| {
                batch += 1;
                sampler.sample(&graph, &seeds, 0, batch).unwrap()
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(Cpu);
    targets = build, sample
}
criterion_main!(benches);
