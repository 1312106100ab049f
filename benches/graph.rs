//! Graphs of clustered points, and samples of neighbourhoods.
//!
//! CPU time of all threads, as criterion's statistics; wall time of the whole is in its progress.
#![allow(clippy::unwrap_used, reason = "a panic is how a bench fails")]

mod cpu;
mod points;
mod quick;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use radio_models::{Graph, NeighborSampler};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use cpu::Cpu;
use points::{SEED, points};

const NEIGHBOURS: usize = 16;
const SEEDS: usize = 1024;
const FAN_OUTS: [usize; 2] = [15, 10];
/// In a quick run.
const BRIEF: Duration = Duration::from_millis(200);

fn build(c: &mut Criterion<Cpu>) {
    let mut group = c.benchmark_group("graph");
    group.sample_size(10);
    let sizes = if quick::is_quick() {
        &[100_000][..]
    } else {
        &[100_000, 1_000_000]
    };
    for &n in sizes {
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
    let n = quick::or(1_000_000, 100_000);
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

fn main() {
    let criterion = Criterion::default().with_measurement(Cpu);
    let mut criterion = if quick::is_quick() {
        criterion.sample_size(10).warm_up_time(BRIEF).measurement_time(BRIEF)
    } else {
        criterion.configure_from_args()
    };
    build(&mut criterion);
    sample(&mut criterion);
    criterion.final_summary();
}
