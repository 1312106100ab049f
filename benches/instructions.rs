//! Instructions that the hottest loops take, counted by valgrind: a regression shows on a machine that is busy, too.
//!
//! `cargo bench -p radio-benches --bench instructions` runs each loop in a process of its own under `valgrind --tool=callgrind`, once and three
//! times, takes half the difference for a pass, and compares it with instructions.json beside this file. A pass that takes 3 % more than there
//! is an error; `-- --write` writes the file anew. Counts belong to a compiler and to a processor, after which the C library chooses how to copy:
//! with others, or without valgrind, this says SKIPPED and compares nothing.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on stops, and prints what it found"
)]

mod points;
mod quick;

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use ndarray::Array2;
use radio_fof::Fof;
use radio_io::mock::Mock;
use radio_io::{ReadOptions, ReadPlan, Reader, Runtime, Shuffle, TileSlice};
use radio_tokenize::{Spectra, Tokenizer};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// The argument before the loop and the number of passes of a process that is counted.
const PASSES: &str = "--passes";
/// How much more a pass may take.
const TOLERANCE: f64 = 0.03;
const SPECTRA: usize = 600;
const ROWS: usize = 200;
const PIXELS: usize = 4096;
const POINTS: usize = 30_000;

/// A name, and what makes what it needs and then passes.
type Loop = (&'static str, fn(usize));

const LOOPS: [Loop; 3] = [
    ("radio-io: rows from pages to their places", stream),
    ("radio-tokenize: spectra into tokens", tokenize),
    ("radio-fof: friends of friends in a box", link),
];

/// What a committed file knows.
#[derive(Serialize, Deserialize)]
struct Baseline {
    rustc: String,
    processor: String,
    instructions: BTreeMap<String, u64>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == PASSES) {
        let (_, run) = LOOPS[arguments[at + 1].parse::<usize>().unwrap()];
        run(arguments[at + 2].parse().unwrap());
        return ExitCode::SUCCESS;
    }
    if quick::is_quick() {
        println!("SKIPPED instructions: counting them takes minutes");
        return ExitCode::SUCCESS;
    }
    if let Err(error) = Command::new("valgrind").arg("--version").output() {
        println!("SKIPPED instructions: valgrind is not here ({error})");
        return ExitCode::SUCCESS;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json");
    let (rustc, processor) = (rustc(), processor());
    let known: Baseline = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let writes = arguments.iter().any(|argument| argument == "--write");
    if !writes && known.rustc != rustc {
        println!(
            "SKIPPED instructions: counted with {}, and this is {rustc}",
            known.rustc
        );
        return ExitCode::SUCCESS;
    }
    make_survey();
    println!("| | instructions | of the baseline |\n|---|---:|---:|");
    let mut instructions = BTreeMap::new();
    let mut is_worse = false;
    for (number, (name, _)) in LOOPS.iter().enumerate() {
        let [one, three] = [1, 3].map(|passes| count(number, passes));
        let pass = (three - one) / 2;
        let before = known.instructions.get(*name).copied();
        let ratio = before.map(|before| pass as f64 / before as f64);
        is_worse |= ratio.is_none_or(|ratio| ratio > 1.0 + TOLERANCE);
        let ratio = ratio.map_or_else(|| "new".to_owned(), |ratio| format!("{ratio:.3}"));
        println!("| {name} | {pass} | {ratio} |");
        instructions.insert((*name).to_owned(), pass);
    }
    if writes {
        let mut text = serde_json::to_string_pretty(&Baseline {
            rustc,
            processor,
            instructions,
        })
        .unwrap();
        text.push('\n');
        fs::write(path, text).unwrap();
        return ExitCode::SUCCESS;
    }
    if is_worse {
        println!(
            "A loop takes more than {TOLERANCE} more than in {}: mend it, or write the file anew with `-- --write`",
            path.display()
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn rustc() -> String {
    let version = Command::new("rustc").arg("--version").output().unwrap();
    String::from_utf8(version.stdout).unwrap().trim().to_owned()
}

/// Its maker, family and model.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap();
    let value = |name: &str| {
        let line = info.lines().find(|line| line.split(':').next().unwrap().trim() == name);
        line.map_or("", |line| line.rsplit(':').next().unwrap().trim())
    };
    ["vendor_id", "cpu family", "model"].map(value).join(" ")
}

/// Instructions of a process from begin to end.
fn count(number: usize, passes: usize) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args([PASSES, &number.to_string(), &passes.to_string()])
        .current_dir(folder.path())
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    let count = text.lines().find_map(|line| line.split_once("Collected : ")).unwrap().1;
    count.trim().parse().unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions")
}

/// Makes tiles, which are not compressed: what is counted is ours.
fn make_survey() {
    let plan = Mock::new(SPECTRA).write(folder(), |_| {}).unwrap().plan;
    let slices: Vec<(&str, Range<u64>)> = plan.slices().iter().map(|slice| (slice.uri(), slice.rows())).collect();
    fs::write(folder().join("plan.json"), serde_json::to_vec(&slices).unwrap()).unwrap();
}

fn stream(passes: usize) {
    let slices: Vec<(String, Range<u64>)> =
        serde_json::from_slice(&fs::read(folder().join("plan.json")).unwrap()).unwrap();
    let plan: ReadPlan = slices
        .into_iter()
        .map(|(uri, rows)| TileSlice::new(uri, rows))
        .collect();
    let runtime = Runtime::new(&serde_json::from_str(r#"{"threads": 1}"#).unwrap()).unwrap();
    for _ in 0..passes {
        let options = ReadOptions::default()
            .with_shuffle(Shuffle::Window {
                rows: NonZeroUsize::new(300).unwrap(),
            })
            .with_seed(1)
            .with_runtime(&runtime);
        let rows: usize = Reader::new(&plan, options)
            .unwrap()
            .map(|batch| black_box(batch.unwrap()).len())
            .sum();
        assert_eq!(rows, SPECTRA);
    }
}

fn tokenize(passes: usize) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(points::SEED);
    let flux = Array2::from_shape_simple_fn((ROWS, PIXELS), || rng.random_range(0.5..2.0_f32));
    let ivar = Array2::from_shape_simple_fn((ROWS, PIXELS), || if rng.random_bool(0.02) { 0.0 } else { 4.0_f32 });
    let wavelength: Vec<f64> = (0..PIXELS).map(|i| 3600.0 + 0.8 * i as f64).collect();
    let spectra = Spectra::on_grid(flux.view(), ivar.view(), &wavelength).unwrap();
    for _ in 0..passes {
        black_box(Tokenizer::new(32).tokenize(&spectra).unwrap());
    }
}

fn link(passes: usize) {
    let side = (POINTS as f64).cbrt();
    let points = points::points(POINTS).mapv_into(|x| x.rem_euclid(side));
    for _ in 0..passes {
        black_box(Fof::new(0.2).periodic(side).link(points.view()).unwrap());
    }
}
