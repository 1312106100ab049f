//! Workers on hosts of their own: each in a network namespace, at the end of a cable that can be cut, and in a mount namespace, where
//! another folder has its place. Needs `ip` of iproute2 and the right to make namespaces.

use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use arrow_array::RecordBatch;
use radio_io::cluster::{Access, Cluster};
use radio_io::{ReadPlan, Shuffle, TileSlice, Topology};

use crate::survey::{NODES, Survey, options};
use crate::worker::{Orders, WorkerProcess};

/// A host, which goes when it is dropped.
struct Host {
    namespace: String,
    address: Ipv4Addr,
}

impl Host {
    /// The reason where there can be none.
    fn new(number: u8) -> Result<Self, String> {
        let id = std::process::id();
        let (namespace, cable) = (format!("radio-{id}-{number}"), format!("r{id}-{number}"));
        // Of the networks for private use; another process of this test has another one.
        let net = format!("10.{}.{}", 64 + id % 128, number);
        ip(&format!("netns add {namespace}"))?;
        let host = Self {
            namespace,
            address: format!("{net}.2").parse().unwrap(),
        };
        let namespace = &host.namespace;
        ip(&format!("link add {cable} type veth peer name eth0 netns {namespace}"))?;
        ip(&format!("addr add {net}.1/30 dev {cable}"))?;
        ip(&format!("link set {cable} up"))?;
        ip(&format!("-n {namespace} addr add {net}.2/30 dev eth0"))?;
        host.plug(true);
        Ok(host)
    }

    fn plug(&self, is_in: bool) {
        let state = if is_in { "up" } else { "down" };
        ip(&format!("-n {} link set eth0 {state}", self.namespace)).unwrap();
    }

    /// A worker whose tiles are in `home`, which it sees as `tiles`.
    fn start(&self, node: &str, home: &Path, tiles: &Path) -> WorkerProcess {
        let mount = "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"";
        let mut orders = Orders::new(node, tiles);
        orders.address = (self.address, 7420).into();
        let within = ["ip", "netns", "exec", &self.namespace, "sh", "-c", mount, "sh"];
        orders.within = within
            .into_iter()
            .chain([home, tiles].map(|path| path.to_str().unwrap()))
            .map(Into::into)
            .collect();
        orders.start()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = ip(&format!("netns del {}", self.namespace));
    }
}

fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

/// All tiles have the path of one folder, in which the coordinator has none and each worker its own.
#[test]
fn each_sees_its_own_tiles_and_cables_are_cut() {
    let hosts: Result<Vec<Host>, String> = (1..=3).map(Host::new).collect();
    let hosts = match hosts {
        Ok(hosts) => hosts,
        Err(reason) => {
            // Past the test harness, which would keep it to itself.
            writeln!(
                std::io::stderr(),
                "SKIPPED hosts: no network namespaces here ({reason})"
            )
            .unwrap();
            return;
        }
    };
    let survey = Survey::new(1);
    let tiles = survey.folder.path().join("tiles");
    fs::create_dir(&tiles).unwrap();
    let place = |name: &str| tiles.join(name).to_str().unwrap().to_owned();
    let slices = survey.there.slices().iter();
    let known = slices.clone().map(|slice| {
        (
            place(slice.uri()).into(),
            survey.there.tile(slice.uri()).unwrap().clone(),
        )
    });
    let moved = slices
        .clone()
        .map(|slice| TileSlice::new(place(slice.uri()), slice.rows()));
    let plan = moved.collect::<ReadPlan>().with_tiles(known);
    let workers: Vec<WorkerProcess> = hosts
        .iter()
        .zip(NODES)
        .map(|(host, node)| host.start(node, &survey.folder.path().join(node), &tiles))
        .collect();
    let cluster = Cluster::connect(
        NODES.iter().zip(&workers).map(|(&node, worker)| (node, worker.url())),
        &Access::default(),
    )
    .unwrap();
    // Which node has what is in the plan.
    assert_eq!(
        Topology::from(&plan).holders(&place("01.parquet")).collect::<Vec<_>>(),
        ["b"]
    );

    let options = options().with_shuffle(Shuffle::Global);
    let expected = survey.embedded(&options);
    assert_eq!(fs::read_dir(&tiles).unwrap().count(), 0);
    let found: Vec<RecordBatch> = cluster
        .reader(&plan, options.clone())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(found, expected);

    // A cut too short to be noticed, and one that is: nobody says that a packet is lost.
    for (cut, is_noticed) in [(Duration::from_millis(500), false), (Duration::from_secs(40), true)] {
        let mut reader = cluster.reader(&plan, options.clone()).unwrap();
        let mut found = vec![reader.next().unwrap().unwrap()];
        hosts[1].plug(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(cut);
                hosts[1].plug(true);
            });
            found.extend(reader.by_ref().map(Result::unwrap));
        });
        assert_eq!(found, expected);
        let failures: u64 = reader.nodes().iter().map(|node| node.failures).sum();
        assert_eq!(failures > 0, is_noticed, "{:?}", reader.nodes());
    }
}
