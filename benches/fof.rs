//! Friends-of-friends groups: of points in a box, and of galaxies in a survey.
//!
//! `cargo bench -p radio-benches --bench fof` prints a table first, then criterion's groups, which count CPU time. `-- table` stops after the
//! table; `-- table 6400000` has one of that size. `benches/peers/fof.py` runs this program on the data that it gives to the peers.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its table, and a panic is how it fails"
)]

mod cpu;
mod memory;
mod points;
mod quick;

use std::fs;
use std::path::Path;
use std::time::Instant;

use cpu_time::ProcessTime;
use criterion::{BenchmarkId, Criterion, Throughput};
use ndarray::{Array1, Array2};
use radio_fof::mock::{MockGalaxies, MockSurvey};
use radio_fof::{Comparison, Cosmology, Density, Fof, Groups, RedshiftFof, Survey};
use rayon::prelude::*;

use cpu::Cpu;

/// In mean separations of points, which are 1.
const LINKING_LENGTH: f64 = 0.2;
const SIZES: [usize; 2] = [100_000, 1_000_000];
fn rounds() -> usize {
    quick::or(5, 3)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    // Cargo adds `--bench`.
    let mut words = arguments
        .iter()
        .map(String::as_str)
        .filter(|word| !word.starts_with("--"));
    match words.find(|word| ["box", "survey"].contains(word)) {
        Some("box") => return box_of_peers(&words.collect::<Vec<_>>()),
        Some(_) => return survey_of_peers(&words.collect::<Vec<_>>()),
        None => {}
    }
    let sizes: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = match &sizes[..] {
        [] if quick::is_quick() => vec![SIZES[0]],
        [] => SIZES.to_vec(),
        _ => sizes,
    };
    table(&sizes);
    if quick::is_quick() || has("table") {
        return;
    }
    let mut criterion = Criterion::default().with_measurement(Cpu).configure_from_args();
    for n in sizes {
        criterion_box(&mut criterion, n);
        criterion_survey(&mut criterion, n);
    }
    criterion.final_summary();
}

/// Clustered points in a periodic box, at a mean separation of 1.
fn clustered_box(n: usize) -> (Array2<f64>, f64) {
    let side = (n as f64).cbrt();
    (points::points(n).mapv_into(|x| x.rem_euclid(side)), side)
}

/// Deeper surveys, not denser ones, have more galaxies.
fn mock(n: usize) -> MockGalaxies {
    let (faintest, depth) = match n {
        ..=300_000 => (17.8, 0.3),
        300_001..=3_000_000 => (19.5, 0.6),
        _ => (21.0, 1.0),
    };
    MockSurvey::new(n)
        .faintest(faintest)
        .max_redshift(depth)
        .make()
        .unwrap()
}

fn survey_fof(area_square_degrees: f64) -> RedshiftFof {
    RedshiftFof::new(0.08, 18.0, Density::measured(area_square_degrees))
}

fn criterion_box(criterion: &mut Criterion<Cpu>, n: usize) {
    let mut group = criterion.benchmark_group("box");
    group.sample_size(10).throughput(Throughput::Elements(n as u64));
    let (xyz, side) = clustered_box(n);
    group.bench_with_input(BenchmarkId::new("link", n), &xyz, |b, xyz| {
        b.iter(|| Fof::new(LINKING_LENGTH).periodic(side).link(xyz.view()).unwrap());
    });
    // What any grid has to do first: keys in order.
    let keys = keys(&xyz);
    group.bench_with_input(BenchmarkId::new("sort of keys", n), &keys, |b, keys| {
        b.iter_batched(|| keys.clone(), sorted, criterion::BatchSize::LargeInput);
    });
}

fn criterion_survey(criterion: &mut Criterion<Cpu>, n: usize) {
    let mut group = criterion.benchmark_group("survey");
    group.sample_size(10).throughput(Throughput::Elements(n as u64));
    let mock = mock(n);
    let fof = survey_fof(mock.area_square_degrees);
    group.bench_with_input(BenchmarkId::new("link", n), &mock, |b, mock| {
        b.iter(|| fof.link(&mock.survey()).unwrap());
    });
    let labels = fof.link(&mock.survey()).unwrap();
    let groups = Groups::from_labels(labels.view()).unwrap();
    group.bench_with_input(BenchmarkId::new("group table", n), &mock, |b, mock| {
        b.iter(|| groups.properties(&mock.survey(), &Cosmology::default()).unwrap());
    });
    group.bench_with_input(BenchmarkId::new("comparison", n), &mock, |b, mock| {
        b.iter(|| Comparison::new(labels.view(), mock.halo.view(), 2).unwrap());
    });
}

fn table(sizes: &[usize]) {
    println!("| job | rows | CPU s, one thread | wall s, one thread | wall s, two | times | bytes per row | groups |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for &n in sizes {
        let (xyz, side) = clustered_box(n);
        let fof = Fof::new(LINKING_LENGTH).periodic(side);
        row("box, periodic", n, || number(&fof.link(xyz.view()).unwrap()));
        let keys = keys(&xyz);
        row("(sort of 8-byte keys)", n, || sorted(keys.clone()).len());
        drop((xyz, keys));

        let mock = mock(n);
        let survey = mock.survey();
        let fof = survey_fof(mock.area_square_degrees);
        row("survey", n, || number(&fof.link(&survey).unwrap()));
        let labels = fof.link(&survey).unwrap();
        let groups = Groups::from_labels(labels.view()).unwrap();
        row("group table", n, || {
            groups.properties(&survey, &Cosmology::default()).unwrap().len()
        });
        row("comparison with truth", n, || {
            Comparison::new(labels.view(), mock.halo.view(), 2)
                .unwrap()
                .found
                .groups
        });
    }
}

/// What a job takes on one thread and on two, in turns: the middle one of some rounds each.
fn row(job: &str, n: usize, work: impl Fn() -> usize + Sync) {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    memory::reset_peak();
    let before = memory::peak_mb();
    let groups = pool(1).install(&work);
    let bytes = (memory::peak_mb() - before) as f64 * 1024.0 * 1024.0 / n as f64;
    // One pool at a time: idle threads of another one would count.
    let rounds = |threads| -> (Vec<f64>, Vec<f64>) {
        let pool = pool(threads);
        let round = |_| {
            let (begin, begin_cpu) = (Instant::now(), ProcessTime::now());
            pool.install(&work);
            (begin_cpu.elapsed().as_secs_f64(), begin.elapsed().as_secs_f64())
        };
        (0..rounds()).map(round).unzip()
    };
    let ((cpu, one), (_, two)) = (rounds(1), rounds(2));
    let (cpu, one, two) = (middle(cpu), middle(one), middle(two));
    println!(
        "| {job} | {n} | {cpu:.3} | {one:.3} | {two:.3} | {:.2} | {bytes:.0} | {groups} |",
        one / two
    );
}

/// `box FILE LENGTH SIDE THREADS`: links the points of a file (x, y, z of each, as 64-bit numbers), prints CPU seconds, wall seconds and peak
/// memory of the link alone, and leaves the labels in FILE.labels.
fn box_of_peers(arguments: &[&str]) {
    let [file, length, side, threads] = arguments[..] else {
        panic!("box FILE LENGTH SIDE THREADS")
    };
    let numbers = read(Path::new(file));
    let xyz = Array2::from_shape_vec((numbers.len() / 3, 3), numbers).unwrap();
    let fof = Fof::new(length.parse().unwrap()).periodic(side.parse().unwrap());
    report(file, threads, || fof.link(xyz.view()).unwrap());
}

/// `survey FILE B0 R0 DENSITY THREADS`: the same for right ascensions, then declinations, then redshifts, in Nessie's mode.
fn survey_of_peers(arguments: &[&str]) {
    let [file, b0, r0, density, threads] = arguments[..] else {
        panic!("survey FILE B0 R0 DENSITY THREADS")
    };
    let numbers = read(Path::new(file));
    let columns: Vec<&[f64]> = numbers.chunks(numbers.len() / 3).collect();
    let survey = Survey::new(columns[0], columns[1], columns[2]);
    let density = Density::Constant(density.parse().unwrap());
    let fof = RedshiftFof::new(b0.parse().unwrap(), r0.parse().unwrap(), density).nessie_compatible();
    report(file, threads, || fof.link(&survey).unwrap());
}

fn report(file: &str, threads: &str, link: impl Fn() -> Array1<i64> + Sync) {
    let threads = threads.parse().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    memory::reset_peak();
    let before = memory::peak_mb();
    let labels = pool.install(&link);
    let peak = memory::peak_mb() - before;
    let times: Vec<(f64, f64)> = (0..rounds())
        .map(|_| {
            let (begin, begin_cpu) = (Instant::now(), ProcessTime::now());
            pool.install(&link);
            (begin_cpu.elapsed().as_secs_f64(), begin.elapsed().as_secs_f64())
        })
        .collect();
    let (cpu, wall): (Vec<f64>, Vec<f64>) = times.into_iter().unzip();
    println!("{} {} {peak}", middle(cpu), middle(wall));
    let bytes: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    fs::write(format!("{file}.labels"), bytes).unwrap();
}

fn read(file: &Path) -> Vec<f64> {
    let bytes = fs::read(file).unwrap();
    bytes
        .chunks_exact(8)
        .map(|b| f64::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn number(labels: &Array1<i64>) -> usize {
    labels.iter().max().map_or(0, |&last| (last + 1) as usize)
}

/// A cell and a row in a word each, as a grid of cells would sort them.
fn keys(xyz: &Array2<f64>) -> Vec<u64> {
    let side = LINKING_LENGTH / 3_f64.sqrt();
    let key = |point: ndarray::ArrayView1<'_, f64>| point.iter().fold(0, |key, x| key << 12 | (x / side) as u64);
    xyz.outer_iter()
        .zip(0..)
        .map(|(point, row)| key(point) << 23 | row)
        .collect()
}

fn sorted(mut keys: Vec<u64>) -> Vec<u64> {
    keys.par_sort_unstable();
    keys
}
