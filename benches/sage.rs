//! GraphSAGE on clustered points: the graph, samples, training and inference.
//!
//! `cargo bench -p radio-benches --bench sage` prints a table for a million nodes; `-- 6400000` for as many as you say, with the peak of memory
//! after each step. It uses the CPU, with as many threads as RAYON_NUM_THREADS says, or the device that RADIO_DEVICE names: with
//! `--features tch`, `RADIO_DEVICE=tch` is LibTorch. benches/peers/sage.py does the same with PyTorch Geometric.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on stops, and prints what it found"
)]

mod memory;
mod points;
mod quick;

use std::num::NonZeroUsize;
use std::time::Instant;

use cpu_time::ProcessTime;
use ndarray::Array2;
use radio_models::{Graph, GraphSageConfig, NeighborSampler, NodeBatch, Position, Trainer, TrainerOptions};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use points::{SEED, points};

/// As a program that trains should have: the system's gives large blocks back after each step, and faults them in again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NEIGHBOURS: usize = 16;
const FEATURES: usize = 16;
const CLASSES: usize = 4;
const SEEDS: usize = 1024;
const FAN_OUTS: [usize; 2] = [15, 10];
/// Steps that are timed, after three to warm up.
const STEPS: u32 = 60;

fn main() {
    let mut arguments = std::env::args().filter_map(|argument| argument.parse().ok());
    let nodes: usize = arguments.next().unwrap_or(quick::or(1_000_000, 100_000));
    let name = std::env::var("RADIO_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
    let device = radio_models::device(&name).unwrap();
    println!("| {nodes} nodes, {name} | CPU ms | wall ms | peak MB |\n|---|---:|---:|---:|");

    let positions = points(nodes);
    let directed = timed("nearest 16", 1, || {
        Graph::nearest(positions.view(), NEIGHBOURS).unwrap()
    });
    let graph = timed("both ways", 1, || directed.symmetric());
    drop((directed, positions));
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let features = Array2::from_shape_simple_fn((nodes, FEATURES), || rng.random_range(-1.7..1.7_f32));
    let classes: Vec<u8> = (0..nodes).map(|_| rng.random_range(0..CLASSES as u8)).collect();
    let seeds: Vec<u32> = (0..nodes as u32).collect();
    let size = NonZeroUsize::new(SEEDS).unwrap();
    let sampler = NeighborSampler::new(&FAN_OUTS);
    let pass = |epoch: u64| {
        let mut position = Position::default();
        position.epoch = epoch;
        sampler.batches(&graph, &seeds, size, position).unwrap()
    };

    let batches = nodes.div_ceil(SEEDS) as u32;
    timed("samples of 15 and 10 for 1024 nodes, each of a pass", batches, || {
        assert_eq!(pass(0).count() as u32, batches);
    });

    let config = GraphSageConfig::new(FEATURES, CLASSES)
        .with_norm(false)
        .with_residual(false);
    let mut trainer = Trainer::new(TrainerOptions::default(), config.init(&device).unwrap()).unwrap();
    let mut samples = pass(1);
    let mut step = || {
        let sample = samples.next().unwrap().unwrap();
        let batch = NodeBatch::new(sample, features.view(), &classes).unwrap();
        trainer.step(&batch).unwrap().unwrap();
    };
    (0..3).for_each(|_| step());
    timed("training step on 1024 nodes, with its sample", STEPS, || {
        (0..STEPS).for_each(|_| step());
    });
    let model = trainer.finish();
    timed("classes of all nodes", 1, || {
        model.logits(&graph, features.view()).unwrap()
    });
}

/// A row of the table: what each of so many takes.
fn timed<T>(what: &str, count: u32, work: impl FnOnce() -> T) -> T {
    memory::reset_peak();
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    let made = work();
    let (wall, cpu) = (wall.elapsed() / count, cpu.elapsed() / count);
    let ms = |time: std::time::Duration| 1e3 * time.as_secs_f64();
    println!("| {what} | {:.1} | {:.1} | {} |", ms(cpu), ms(wall), memory::peak_mb());
    made
}
