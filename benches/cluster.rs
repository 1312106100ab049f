//! The same pass by the embedded reader and by three workers on this machine: CPU time of all processes, and the time to the first batch.
//!
//! `cargo bench -p radio-benches --features cluster --bench cluster` makes a mock survey of 6,000 spectra (kept in the target folder), moves its
//! tiles to three folders, and prints one table: the middle one of five passes of each kind, in turns. GB are those of the batches that
//! the embedded reader gives. The last line has 12,000 tiles, links to one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on stops"
)]

mod quick;

use std::fs;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use cpu_time::ProcessTime;
use radio_io::cluster::{Access, Cluster, Output, Worker};
use radio_io::mock::Mock;
use radio_io::{ReadOptions, ReadPlan, Reader, Resources, Shuffle, TileSlice, Topology};
use radio_tokenize::{ArrowColumns, TokenFormat, Tokenizer};

/// As programs should have that make and drop batches.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The argument before the node and the folder of a process that is a worker.
const WORKER: &str = "--worker";
const NODES: [&str; 3] = ["a", "b", "c"];
fn spectra() -> usize {
    quick::or(6_000, 1_200)
}

fn rounds() -> usize {
    quick::or(5, 3)
}

fn tile_count() -> usize {
    quick::or(12_000, 1_200)
}

/// Runs over 64 MiB of which one time is taken.
const LIMIT_RUNS: usize = 8;
/// Readers of a row each.
const READERS: u32 = 200;
/// CPU time in /proc is counted in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == WORKER) {
        return work(&arguments[at + 1], &arguments[at + 2]);
    }
    let survey = Survey::new(&quick::folder("cluster"));
    println!(
        "| | CPU s per GB, here | workers | all, of the embedded reader's | first batch, ms |\n|---|---:|---:|---:|---:|"
    );
    let mut embedded = None;
    let kinds: [(&str, &dyn Fn() -> Pass); 4] = [
        ("embedded reader", &|| survey.embedded(false)),
        ("cluster", &|| survey.cluster(&[])),
        ("embedded reader, tokenized", &|| survey.embedded(true)),
        ("cluster, tokenized by workers", &|| {
            let tokens = Output::call("tokens", "tokenize", ["flux", "ivar", "mask"]);
            survey.cluster(&[Output::column("targetid"), tokens])
        }),
    ];
    let mut passes: Vec<Vec<Pass>> = vec![Vec::new(); kinds.len()];
    for _ in 0..rounds() {
        for ((_, pass), passes) in kinds.iter().zip(&mut passes) {
            passes.push(pass());
        }
    }
    for (number, ((name, _), mut passes)) in kinds.iter().zip(passes).enumerate() {
        passes.sort_by_key(|pass| pass.here + pass.workers);
        let pass = &passes[rounds() / 2];
        let all = (pass.here + pass.workers).as_secs_f64();
        if number % 2 == 0 {
            embedded = Some(all);
        }
        let gigabytes = survey.gigabytes;
        println!(
            "| {name} | {:.2} | {:.2} | {:.2} | {:.0} |",
            pass.here.as_secs_f64() / gigabytes,
            pass.workers.as_secs_f64() / gigabytes,
            all / embedded.unwrap_or(all),
            1e3 * pass.first.as_secs_f64()
        );
    }
    println!(
        "| (the same bytes through a TCP connection to this machine) | {:.2} | | | |",
        per_gigabyte(through_loopback)
    );
    println!("| (the same bytes copied once) | {:.2} | | | |", per_gigabyte(copied));
    let [here, there] = survey.an_ask().map(|time| 1e3 * time.as_secs_f64());
    println!("\nAn ask for a row: {here:.2} ms of CPU here, {there:.2} ms at the worker.");
    println!(
        "A spectrum: {:.1} kB, as tokens {:.1} kB.",
        survey.kilobytes[0], survey.kilobytes[1]
    );
    let [whole, rows] = [false, true].map(|a_row| 1e3 * survey.first_of_many(a_row).as_secs_f64());
    println!(
        "A plan of {} tiles: first batch after {whole:.0} ms; of a row of each, which opens 2,048 of them, after {rows:.0} ms.",
        tile_count(),
    );
}

/// What no cluster can do without, in CPU seconds per GB: the middle one of some runs.
fn per_gigabyte(run: fn(&[u8])) -> f64 {
    let bytes = vec![1_u8; 64 << 20];
    let mut times: Vec<Duration> = (0..rounds())
        .map(|_| {
            let before = ProcessTime::now();
            (0..LIMIT_RUNS).for_each(|_| run(&bytes));
            before.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[rounds() / 2].as_secs_f64() / (LIMIT_RUNS * bytes.len()) as f64 * 1e9
}

/// Once into the kernel, and once out of it.
fn through_loopback(bytes: &[u8]) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || TcpStream::connect(address).unwrap().write_all(bytes).unwrap());
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = vec![0; 1 << 20];
        while stream.read(black_box(&mut buffer)).unwrap() > 0 {}
    });
}

fn copied(bytes: &[u8]) {
    // A few megabytes at a time, as batches are.
    bytes.chunks(4 << 20).for_each(|chunk| drop(black_box(chunk.to_vec())));
}

fn tokenized(tokenizer: &Tokenizer, batch: &RecordBatch) -> RecordBatch {
    let (columns, format) = (ArrowColumns::default(), TokenFormat::default());
    tokenizer.tokenize_record_batch(batch, &columns, &format).unwrap()
}

/// What a worker process does.
fn work(node: &str, tiles: &str) {
    let resources: Resources = serde_json::from_str(r#"{"threads": 1, "memory": 536870912}"#).unwrap();
    let worker = Worker::builder(node)
        .tiles(tiles)
        .resources(resources)
        .udf(Tokenizer::new(32).into_udf())
        .build()
        .unwrap();
    worker
        .run(([127, 0, 0, 1], 0).into(), |address| println!("{address}"))
        .unwrap();
}

/// A pass over all spectra.
#[derive(Clone, Debug)]
struct Pass {
    here: Duration,
    workers: Duration,
    first: Duration,
}

struct Survey {
    plan: ReadPlan,
    topology: Topology,
    gigabytes: f64,
    /// A spectrum, and the tokens of one.
    kilobytes: [f64; 2],
    root: PathBuf,
    workers: Vec<Child>,
    cluster: Cluster,
}

impl Survey {
    fn new(root: &Path) -> Self {
        let mock = Mock::new(spectra()).write(root.join("all"), |_| {}).unwrap();
        let mut topology = Topology::default();
        let mut slices = Vec::new();
        for (slice, node) in mock.plan.slices().iter().zip(NODES.iter().cycle()) {
            let name = Path::new(slice.uri()).file_name().unwrap();
            let home = root.join(node);
            fs::create_dir_all(&home).unwrap();
            let path = home.join(name);
            // A link: one file in the page cache.
            let _ = fs::remove_file(&path);
            fs::hard_link(slice.uri(), &path).unwrap();
            let path = path.to_str().unwrap().to_owned();
            topology.extend([(*node, path.clone())]);
            slices.push(TileSlice::new(path, slice.rows()));
        }
        let plan: ReadPlan = slices.into_iter().collect();
        let (mut bytes, mut tokens) = (0, 0);
        for batch in Reader::new(&plan, options()).unwrap() {
            let batch = batch.unwrap();
            bytes += batch.record_batch().get_array_memory_size();
            tokens += tokenized(&Tokenizer::new(32), batch.record_batch()).get_array_memory_size();
        }
        let (workers, addresses): (Vec<Child>, Vec<String>) = NODES.iter().map(|node| start(node, root)).unzip();
        let cluster = Cluster::connect(
            NODES.iter().zip(addresses).map(|(&node, url)| (node, url)),
            &Access::default(),
        )
        .unwrap();
        Self {
            cluster: cluster.with_topology(topology.clone()),
            kilobytes: [bytes, tokens].map(|bytes| bytes as f64 / 1e3 / plan.rows() as f64),
            plan,
            topology,
            gigabytes: bytes as f64 / 1e9,
            root: root.to_owned(),
            workers,
        }
    }

    fn embedded(&self, tokenize: bool) -> Pass {
        let tokenizer = Tokenizer::new(32);
        self.pass(|| {
            let batches = Reader::new(&self.plan, options()).unwrap();
            batches.map(move |batch| {
                let batch = batch.unwrap();
                if tokenize {
                    return black_box(tokenized(&tokenizer, batch.record_batch())).num_rows();
                }
                black_box(batch).len()
            })
        })
    }

    fn cluster(&self, outputs: &[Output]) -> Pass {
        let cluster = self.cluster.clone().with_outputs(outputs.to_vec());
        self.pass(|| {
            let batches = cluster.reader(&self.plan, options()).unwrap();
            batches.map(|batch| black_box(batch.unwrap()).num_rows())
        })
    }

    fn pass<I: Iterator<Item = usize>>(&self, start: impl FnOnce() -> I) -> Pass {
        let (workers, here, began) = (self.cpu_of_workers(), ProcessTime::now(), Instant::now());
        let mut batches = start();
        let mut rows = batches.next().unwrap();
        let first = began.elapsed();
        rows += batches.sum::<usize>();
        assert_eq!(rows as u64, self.plan.rows());
        Pass {
            here: here.elapsed(),
            workers: self.cpu_of_workers() - workers,
            first,
        }
    }

    fn cpu_of_workers(&self) -> Duration {
        let of = |worker: &Child| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", worker.id())).unwrap();
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
            // utime and stime, the 14th and 15th of all.
            fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap()
        };
        self.workers.iter().map(|worker| TICK * of(worker)).sum()
    }

    /// CPU time of an ask here and at a worker, one for a row after the other: a reader asks how batches look, and for its row.
    fn an_ask(&self) -> [Duration; 2] {
        let first = self.plan.slices().first().unwrap();
        let plan = ReadPlan::from_iter([TileSlice::new(first.uri(), 0..1)]);
        let (here, workers) = (ProcessTime::now(), self.cpu_of_workers());
        for _ in 0..READERS {
            assert_eq!(
                self.cluster
                    .reader(&plan, options())
                    .unwrap()
                    .map(Result::unwrap)
                    .count(),
                1
            );
        }
        [here.elapsed(), self.cpu_of_workers() - workers].map(|time| time / (2 * READERS))
    }

    /// Time from a plan of many tiles, or of a row of each, to its first batch.
    fn first_of_many(&self, a_row: bool) -> Duration {
        let tile = self.plan.slices().first().unwrap();
        let mut topology = self.topology.clone();
        let folders = NODES.map(|node| self.root.join(node).join("many"));
        for folder in &folders {
            let _ = fs::remove_dir_all(folder);
            fs::create_dir_all(folder).unwrap();
        }
        let slices: Vec<TileSlice> = (0..tile_count())
            .map(|number| {
                let path = folders[number % NODES.len()].join(format!("{number:05}.parquet"));
                fs::hard_link(tile.uri(), &path).unwrap();
                let path = path.to_str().unwrap().to_owned();
                topology.extend([(NODES[number % NODES.len()], path.clone())]);
                TileSlice::new(path, 0..if a_row { 1 } else { tile.rows().end })
            })
            .collect();
        let plan: ReadPlan = slices.into_iter().collect();
        let cluster = self.cluster.clone().with_topology(topology);
        let mut times: Vec<Duration> = (0..rounds())
            .map(|_| {
                let began = Instant::now();
                let first = cluster.reader(&plan, options()).unwrap().next().unwrap().unwrap();
                assert_eq!(first.num_rows(), 256);
                began.elapsed()
            })
            .collect();
        times.sort_unstable();
        folders.iter().for_each(|folder| fs::remove_dir_all(folder).unwrap());
        times[rounds() / 2]
    }
}

impl Drop for Survey {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

fn options() -> ReadOptions {
    let rows = NonZeroUsize::new(2_048).unwrap();
    ReadOptions::default()
        .with_shuffle(Shuffle::Window { rows })
        .with_seed(1)
}

fn start(node: &str, root: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([WORKER, node, root.join(node).to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    (child, format!("http://{}", address.trim()))
}
