//! A cluster of real processes on this machine, each of which sees its own tiles only, beside the embedded reader; and its faults.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

#[path = "it/tile.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod tile;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::DataType;
use radio_io::cluster::{Cluster, Output, Worker};
use radio_io::datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use radio_io::{
    BadTiles, Error, PlanTile, ReadOptions, ReadPlan, Reader, Resources, Shuffle, State, TileSlice, TileWriter,
    Topology, WriteOptions,
};

use crate::tile::{GRID, flat};

/// Tells a process of this program that it is a worker: node, folder, address and token.
const WORKER: &str = "RADIO_TEST_WORKER";
const NODES: [&str; 3] = ["a", "b", "c"];
const TILES: usize = 12;
const ROWS: usize = 700;

/// What a worker process does; as a test by itself, nothing.
#[test]
fn worker_process() {
    let Ok(says) = std::env::var(WORKER) else { return };
    let [node, tiles, address, token] = <[&str; 4]>::try_from(says.split('|').collect::<Vec<_>>()).unwrap();
    let resources: Resources = serde_json::from_str(r#"{"threads": 1, "memory": 50000000}"#).unwrap();
    let mut worker = Worker::builder(node)
        .tiles(tiles)
        .resources(resources)
        .udf(ScalarUDF::from(Last::new()));
    if !token.is_empty() {
        worker = worker.token(token);
    }
    let says = |address| {
        use std::io::Write as _;
        writeln!(std::io::stderr(), "serving on {address}").unwrap();
    };
    worker.build().unwrap().run(address.parse().unwrap(), says).unwrap();
}

/// The last digit of an id.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Last(Signature);

impl Last {
    fn new() -> Self {
        Self(Signature::any(1, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for Last {
    fn name(&self) -> &'static str {
        "last_digit"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> radio_io::datafusion::error::Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> radio_io::datafusion::error::Result<ColumnarValue> {
        // The wavelength grid comes with every argument.
        assert_eq!(args.arg_fields[0].metadata()["wavelength"], GRID);
        let ids = ColumnarValue::values_to_arrays(&args.args)?.remove(0);
        let digits: Int64Array = ids
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .map(|id| id % 10)
            .collect();
        Ok(ColumnarValue::Array(Arc::new(digits)))
    }
}

struct WorkerProcess {
    child: Child,
    address: SocketAddr,
    says: String,
}

impl WorkerProcess {
    fn start(node: &str, tiles: &Path, port: u16, token: &str) -> Self {
        let says = format!("{node}|{}|127.0.0.1:{port}|{token}", tiles.display());
        Self::spawn(says)
    }

    fn spawn(says: String) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker_process", "--nocapture"])
            .env(WORKER, &says)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        let address = lines.find_map(|line| line.strip_prefix("serving on ").map(|address| address.parse().unwrap()));
        // What it says later must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            address: address.expect("a worker that serves"),
            child,
            says,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Where it was, as after a crash.
    fn restart(&mut self) {
        self.kill();
        let parts: Vec<&str> = self.says.split('|').collect();
        let says = format!("{}|{}|{}|{}", parts[0], parts[1], self.address, parts[3]);
        *self = Self::spawn(says);
    }

    /// The most memory that it ever had, MB.
    fn peak_mb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A survey on three nodes.
struct Survey {
    folder: tempfile::TempDir,
    /// Of all tiles in one folder, for the embedded reader.
    here: ReadPlan,
    /// By the names that the tiles have on the nodes.
    there: ReadPlan,
    workers: Vec<WorkerProcess>,
    cluster: Cluster,
}

impl Survey {
    /// Each tile is on `copies` nodes.
    fn new(copies: usize) -> Self {
        Self::with(copies, |_, _| ())
    }

    /// The same, of which `damage` was done to the tile of a node before the workers start.
    fn with(copies: usize, damage: impl Fn(&str, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let all = folder.path().join("all");
        fs::create_dir(&all).unwrap();
        NODES
            .iter()
            .for_each(|node| fs::create_dir(folder.path().join(node)).unwrap());
        let mut topology = Topology::default();
        let (mut here, mut there, mut known) = (Vec::new(), Vec::new(), BTreeMap::new());
        for number in 0..TILES {
            let name = format!("{number:02}.parquet");
            let ids: Vec<i64> = (0..ROWS).map(|row| (number * ROWS + row) as i64).collect();
            let batch = flat(&ids, Some(GRID));
            let path = all.join(&name);
            let options = WriteOptions::default().with_page_bytes(4_000);
            let mut writer = TileWriter::create(&path, batch.schema(), options).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            for copy in 0..copies {
                let node = NODES[(number + copy) % NODES.len()];
                let to = folder.path().join(node).join(&name);
                fs::copy(&path, &to).unwrap();
                let time = fs::metadata(&path).unwrap().modified().unwrap();
                fs::File::options()
                    .write(true)
                    .open(&to)
                    .unwrap()
                    .set_modified(time)
                    .unwrap();
                damage(node, &to);
                topology.extend([(node, name.clone())]);
            }
            here.push(TileSlice::new(path.to_str().unwrap(), 0..ROWS as u64));
            there.push(TileSlice::new(name.as_str(), 0..ROWS as u64));
            let tile = PlanTile {
                node: NODES[number % NODES.len()].into(),
                size: fs::metadata(&path).unwrap().len(),
                rows: ROWS as u64,
                ..PlanTile::default()
            };
            known.insert(Arc::from(name), tile);
        }
        let workers: Vec<_> = NODES
            .iter()
            .map(|node| WorkerProcess::start(node, &folder.path().join(node), 0, ""))
            .collect();
        let nodes = NODES.iter().zip(&workers).map(|(&node, worker)| (node, worker.url()));
        let cluster = Cluster::connect(nodes, None)
            .unwrap()
            .with_topology(topology)
            .with_patience(Duration::from_secs(20));
        Self {
            folder,
            here: here.into_iter().collect(),
            there: ReadPlan::from_iter(there).with_tiles(known),
            workers,
            cluster,
        }
    }

    fn embedded(&self, options: &ReadOptions) -> Vec<RecordBatch> {
        let batches = Reader::new(&self.here, options.clone()).unwrap();
        batches.map(|batch| batch.unwrap().record_batch().clone()).collect()
    }

    fn ids(&self) -> Vec<i64> {
        (0..(TILES * ROWS) as i64).collect()
    }
}

fn options() -> ReadOptions {
    let mut options = ReadOptions::default()
        .with_batch_rows(NonZeroUsize::new(100).unwrap())
        .with_columns(["z"]);
    options.prefetch = NonZeroUsize::new(2).unwrap();
    options
}

fn shuffles() -> [Shuffle; 3] {
    [
        Shuffle::None,
        Shuffle::Window {
            rows: NonZeroUsize::new(1_500).unwrap(),
        },
        Shuffle::Global,
    ]
}

fn ids_of(batches: &[RecordBatch]) -> Vec<i64> {
    let of = |batch: &RecordBatch| batch["targetid"].as_primitive::<Int64Type>().values().to_vec();
    let mut ids: Vec<i64> = batches.iter().flat_map(of).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn batches_are_those_of_the_embedded_reader() {
    let survey = Survey::new(1);
    for shuffle in shuffles() {
        for (world, drop_last) in [(1, false), (3, true)] {
            let mut options = options()
                .with_shuffle(shuffle)
                .with_seed(5)
                .with_rank(world - 1, NonZeroU64::new(world).unwrap());
            options.drop_last = drop_last;
            let expected = survey.embedded(&options);
            let mut reader = survey.cluster.reader(&survey.there, options.clone()).unwrap();
            let mut found = Vec::new();
            let mut states: Vec<State> = vec![reader.state()];
            while let Some(batch) = reader.next() {
                found.push(batch.unwrap());
                states.push(reader.state());
            }
            assert_eq!(found, expected, "{shuffle:?}");
            // Every node gave its own share.
            let nodes = reader.nodes();
            assert!(
                nodes.iter().all(|node| node.rows > 0 && node.failures == 0),
                "{nodes:?}"
            );
            // From anywhere in the pass, across what is stored of a state.
            for at in [1, states.len() / 2, states.len() - 1] {
                let state = serde_json::from_str(&serde_json::to_string(&states[at]).unwrap()).unwrap();
                let rest = survey.cluster.resume(&survey.there, options.clone(), &state).unwrap();
                assert_eq!(rest.map(Result::unwrap).collect::<Vec<_>>(), expected[at..]);
            }
        }
    }
}

/// Behind a name there may be another address after each restart; the test has one, and the workers' own names.
#[test]
fn workers_are_found_by_a_name() {
    let survey = Survey::new(1);
    let mut worker = WorkerProcess::start("a", &survey.folder.path().join("a"), 0, "");
    let name = format!("localhost:{}", worker.address.port());
    let cluster = Cluster::discover(&name, None).unwrap();
    let of_a = survey
        .there
        .slices()
        .iter()
        .filter(|slice| survey.there.tile(slice.uri()).unwrap().node == "a");
    let known = of_a
        .clone()
        .map(|slice| (slice.uri().into(), survey.there.tile(slice.uri()).unwrap().clone()));
    let plan: ReadPlan = of_a.cloned().collect::<ReadPlan>().with_tiles(known);
    let mut reader = cluster.reader(&plan, options()).unwrap();
    let mut rows = reader.next().unwrap().unwrap().num_rows();
    worker.restart();
    rows += reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>();
    assert_eq!(rows as u64, plan.rows());

    // Nobody of the node b is there.
    let cluster = cluster.with_patience(Duration::from_millis(200));
    let error = cluster
        .reader(&survey.there, options())
        .unwrap()
        .find_map(Result::err)
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("no worker of this node answers at localhost"),
        "{error}"
    );
}

#[test]
fn functions_are_called_where_the_tiles_are() {
    let survey = Survey::new(1);
    let cluster = survey.cluster.clone().with_outputs([
        Output::column("targetid"),
        Output::call("digit", "last_digit", ["targetid"]),
    ]);
    let options = options().with_shuffle(Shuffle::window());
    let mut rows = 0;
    for batch in cluster.reader(&survey.there, options.clone()).unwrap() {
        let batch = batch.unwrap();
        assert_eq!(batch.num_columns(), 2);
        let [ids, digits] = ["targetid", "digit"].map(|name| batch[name].as_primitive::<Int64Type>().values().to_vec());
        assert!(ids.iter().zip(&digits).all(|(id, digit)| id % 10 == *digit));
        rows += batch.num_rows();
    }
    assert_eq!(rows, TILES * ROWS);

    for (output, says) in [
        (Output::call("x", "rm_rf", ["targetid"]), "no function \"rm_rf\""),
        (Output::call("x", "last_digit", ["nothing"]), "no column \"nothing\""),
    ] {
        let cluster = survey.cluster.clone().with_outputs([output]);
        let error = cluster
            .reader(&survey.there, options.clone())
            .unwrap()
            .next()
            .unwrap()
            .unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// Kills workers in the middle of passes, and starts them again: every row comes once.
#[test]
fn killed_workers_that_come_back() {
    let mut survey = Survey::new(1);
    let options = options().with_shuffle(Shuffle::Window {
        rows: NonZeroUsize::new(1_500).unwrap(),
    });
    let expected = survey.embedded(&options);
    let mut kills = 0;
    let mut epoch = 0;
    let mut failures = 0;
    while kills < 20 {
        let mut reader = survey.cluster.reader(&survey.there, options.clone()).unwrap();
        let mut found = Vec::new();
        loop {
            // Pseudo-random moments: the batch, and what was read ahead by then.
            if found.len() % 17 == (7 * kills + epoch) % 17 && kills < 20 {
                let worker = kills % survey.workers.len();
                survey.workers[worker].restart();
                kills += 1;
            }
            let Some(batch) = reader.next() else { break };
            found.push(batch.unwrap());
        }
        assert_eq!(found, expected, "after {kills} kills");
        epoch += 1;
        failures += reader.nodes().iter().map(|node| node.failures).sum::<u64>();
    }
    assert!(failures > 0, "no kill was noticed");
}

#[test]
fn a_lost_worker_whose_tiles_are_elsewhere() {
    let mut survey = Survey::new(2);
    let options = options().with_shuffle(Shuffle::Global);
    let expected = survey.embedded(&options);
    let mut reader = survey.cluster.reader(&survey.there, options).unwrap();
    let mut found = vec![reader.next().unwrap().unwrap()];
    survey.workers[1].kill();
    found.extend(reader.by_ref().map(Result::unwrap));
    assert_eq!(found, expected);
    assert!(reader.skipped().is_empty());
}

#[test]
fn a_lost_worker_whose_tiles_are_nowhere_else() {
    let mut survey = Survey::new(1);
    let cluster = survey.cluster.clone().with_patience(Duration::from_millis(300));
    survey.workers[1].kill();
    let of_b: Vec<PathBuf> = (1..TILES)
        .step_by(3)
        .map(|tile| format!("{tile:02}.parquet").into())
        .collect();

    let error = cluster
        .reader(&survey.there, options())
        .unwrap()
        .find_map(Result::err)
        .unwrap();
    assert!(error.to_string().contains("node b stays away"), "{error}");
    let Error::Away { node, tiles, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((node.as_str(), &tiles), ("b", &of_b));

    for shuffle in shuffles() {
        let options = options().with_bad_tiles(BadTiles::Skip).with_shuffle(shuffle);
        let mut reader = cluster.reader(&survey.there, options).unwrap();
        let found: Vec<RecordBatch> = reader.by_ref().map(Result::unwrap).collect();
        let expected: Vec<i64> = survey
            .ids()
            .into_iter()
            .filter(|id| (*id as usize / ROWS) % 3 != 1)
            .collect();
        assert_eq!(ids_of(&found), expected);
        let mut skipped: Vec<PathBuf> = reader.skipped().iter().map(|tile| tile.path.clone()).collect();
        skipped.sort_unstable();
        assert_eq!(skipped, of_b);
        assert!(reader.skipped().iter().all(|tile| tile.rows == ROWS as u64));
    }
}

/// Damage to some tiles, in place.
fn damage(node: &str, path: &Path) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let bytes = fs::read(path).unwrap();
    match (node, name) {
        (_, "03.parquet") => fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
        (_, "04.parquet") => {
            // A bit of a page, some rows behind the first.
            let mut bytes = bytes;
            let at = bytes.len() / 3;
            bytes[at] ^= 16;
            fs::write(path, bytes).unwrap();
        }
        (_, "05.parquet") => fs::remove_file(path).unwrap(),
        _ => {}
    }
}

#[test]
fn bad_tiles_are_named_and_the_rest_goes_on() {
    let survey = Survey::with(1, damage);
    for (tile, node, says) in [
        ("03.parquet", "a", "is it complete?"),
        ("04.parquet", "b", "checksum"),
        ("05.parquet", "c", "could not use"),
    ] {
        let of_tile = survey
            .there
            .slices()
            .iter()
            .filter(|slice| slice.uri() == tile)
            .cloned();
        let plan = ReadPlan::from_iter(of_tile);
        let error = survey
            .cluster
            .reader(&plan, options())
            .unwrap()
            .find_map(Result::err)
            .unwrap();
        let text = error.to_string();
        assert!(
            [&format!("node {node}"), tile, says]
                .iter()
                .all(|word| text.contains(*word)),
            "{text}"
        );
    }
    // The embedded reader, on tiles that are as bad.
    for (slice, node) in survey.there.slices().iter().zip(NODES.iter().cycle()) {
        let (from, to) = (
            survey.folder.path().join(node).join(slice.uri()),
            survey.folder.path().join("all").join(slice.uri()),
        );
        if from.exists() {
            fs::copy(from, to).unwrap();
        } else {
            fs::remove_file(to).unwrap();
        }
    }
    for shuffle in shuffles() {
        let options = options().with_bad_tiles(BadTiles::Skip).with_shuffle(shuffle);
        let expected = survey.embedded(&options);
        let mut reader = survey.cluster.reader(&survey.there, options).unwrap();
        let found: Vec<RecordBatch> = reader.by_ref().map(Result::unwrap).collect();
        assert_eq!(ids_of(&found), ids_of(&expected), "{shuffle:?}");
        assert_eq!(found, expected, "{shuffle:?}");
        let mut skipped: Vec<PathBuf> = reader.skipped().iter().map(|tile| tile.path.clone()).collect();
        skipped.sort_unstable();
        assert_eq!(skipped, ["03.parquet", "04.parquet", "05.parquet"].map(PathBuf::from));
    }
}

#[test]
fn bad_copies_are_had_elsewhere() {
    let survey = Survey::with(2, |node, path| {
        if node == "b" {
            damage(node, path);
        }
    });
    for shuffle in shuffles() {
        let options = options().with_shuffle(shuffle);
        let found = survey.cluster.reader(&survey.there, options.clone()).unwrap();
        assert_eq!(found.map(Result::unwrap).collect::<Vec<_>>(), survey.embedded(&options));
    }
}

#[test]
fn what_a_worker_refuses() {
    let survey = Survey::new(1);
    let outside = survey.here.slices()[0].uri();
    let link = survey.folder.path().join("a/link.parquet");
    std::os::unix::fs::symlink(outside, link).unwrap();
    for path in [outside, "../all/00.parquet", "/etc/passwd", "link.parquet"] {
        let plan = ReadPlan::from_iter([TileSlice::new(path, 0..1)]);
        let cluster = survey
            .cluster
            .clone()
            .with_topology([("a", path)].into_iter().collect());
        let error = cluster.reader(&plan, options()).unwrap().next().unwrap().unwrap_err();
        assert!(error.to_string().contains("is not below"), "{path}: {error}");
    }

    // A tile that the index gives to a node which is none of these.
    let plan = ReadPlan::from_iter([TileSlice::new("00.parquet", 0..1)]);
    let cluster = survey
        .cluster
        .clone()
        .with_topology([("z", "00.parquet")].into_iter().collect());
    let error = cluster.reader(&plan, options()).unwrap().next().unwrap().unwrap_err();
    assert!(error.to_string().contains("on none of the nodes"), "{error}");

    // Another node than was meant, and a wrong address.
    let error = Cluster::connect([("b", survey.workers[0].url())], None).unwrap_err();
    assert!(error.to_string().contains("another one answers"), "{error}");
    let error = Cluster::connect([("b", "node-b")], None).unwrap_err();
    assert!(error.to_string().contains("is no address"), "{error}");

    let worker = WorkerProcess::start("a", &survey.folder.path().join("a"), 0, "secret");
    assert!(Cluster::connect([("a", worker.url())], Some("secret")).is_ok());
    for wrong in ["", "Secret", "secret2"] {
        let error = Cluster::connect([("a", worker.url())], Some(wrong)).unwrap_err();
        assert!(error.to_string().contains("the token"), "{error}");
    }
}

/// Rows of 31 kB, many more than fit the budgets: what is not taken is not read.
#[test]
fn a_slow_consumer_does_not_fill_memory() {
    const PIXELS: usize = 4_000;
    const MANY: usize = 12_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.parquet");
    let grid = format!(r#"{{"start": 3600.0, "step": 0.8, "n": {PIXELS}}}"#);
    let small = flat(&[0], Some(&grid));
    let mut writer = None;
    for first in (0..MANY).step_by(500) {
        let ids: ArrayRef = Arc::new((first as i64..(first + 500) as i64).collect::<Int64Array>());
        let element = Arc::new(arrow_schema::Field::new("element", DataType::Float32, false));
        let floats = |seed: usize| -> ArrayRef {
            let values = (0..500 * PIXELS).map(|i| ((i * 7 + seed) % 1_000) as f32);
            let values = Arc::new(values.collect::<arrow_array::Float32Array>());
            Arc::new(arrow_array::FixedSizeListArray::new(
                element.clone(),
                PIXELS as i32,
                values,
                None,
            ))
        };
        let batch = RecordBatch::try_from_iter([("targetid", ids), ("flux", floats(1)), ("ivar", floats(2))]).unwrap();
        let fields: Vec<_> = batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(false))
            .collect();
        let schema = arrow_schema::Schema::new_with_metadata(fields, small.schema().metadata().clone());
        let batch = RecordBatch::try_new(Arc::new(schema), batch.columns().to_vec()).unwrap();
        let writer =
            writer.get_or_insert_with(|| TileWriter::create(&path, batch.schema(), WriteOptions::default()).unwrap());
        writer.write(&batch).unwrap();
    }
    writer.unwrap().finish().unwrap();
    let worker = WorkerProcess::start("a", folder.path(), 0, "");
    let plan = ReadPlan::from_iter([TileSlice::new("large.parquet", 0..MANY as u64)]);
    let cluster = Cluster::connect([("a", worker.url())], None)
        .unwrap()
        .with_topology([("a", "large.parquet")].into_iter().collect())
        .with_memory(30 << 20);
    let without: [&str; 0] = [];
    let mut reader = cluster.reader(&plan, options().with_columns(without)).unwrap();
    // As long as somebody wants to wait: ten minutes are what the engine keeps things for that nobody uses.
    let pause = std::env::var("RADIO_TEST_PAUSE").map_or(3, |seconds| seconds.parse().unwrap());
    let before = peak_mb();
    let first = reader.next().unwrap().unwrap();
    assert_eq!(first.num_rows(), 100);
    std::thread::sleep(Duration::from_secs(pause));
    let asked: u64 = reader.nodes().iter().map(|node| node.rows).sum();
    assert!(
        asked < 3_000,
        "{asked} of {MANY} rows came in though one batch was taken"
    );
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), MANY - 100);
    // Of 576 MB. A worker has two asks of 50 MB and what is being sent, and maps the tile.
    let (worker, here) = (worker.peak_mb(), peak_mb() - before);
    assert!(worker < 330, "the worker took {worker} MB");
    assert!(here < 200, "the consumer took {here} MB");
}

fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
