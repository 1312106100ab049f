//! The same plan on several nodes: rows are read where their tiles are, and come in the order of the embedded reader.
//!
//! A [`Worker`] on each node reads the tiles of its own disks. A [`Cluster`] asks them for the rows of a plan, range by range, and its
//! [`reader`](Cluster::reader) gives the batches that [`Reader`](crate::Reader) would give for the same plan and options, row for row and bit
//! for bit: the order is a function of the plan and the seed, and whoever knows both knows which node to ask for which rows. It needs no
//! tile, and a node is never asked for a tile that it does not hold.
//!
//! Functions that were registered with the workers make of rows what a model takes, so that tokens cross the network in place of
//! spectra: see [`Output`].
//!
//! # What carries it
//!
//! Plans, their transport and back-pressure are those of `datafusion-distributed`, which streams record batches from worker to worker
//! over Arrow Flight and writes nothing to a disk. Ballista ends a stage, and spills it to the disks of executors, before the first batch
//! comes out, and wants every file to be visible everywhere; Ray Data takes for granted that storage is shared. What the engine leaves to
//! us is here: which node has what, the order of rows, ranges that are asked again, and the refusal of plans that are none of tiles.
//!
//! # Faults
//!
//! A range whose node fails is asked again, from a node that holds a copy or after a pause; only rows that did not come are
//! asked for, so none is lost and none is double. A node that stays away longer than the [`patience`](Cluster::with_patience) is an
//! [`Error::Away`] with the tiles that are on no other, or with [`BadTiles::Skip`](crate::BadTiles::Skip) its rows are left out and listed.
//! A piece of a tile that cannot be read (truncated, damaged, not there) is had from another holder, or is treated as the embedded
//! reader does. Checksums of pages are verified where the tile has them, as [`TileWriter`](crate::TileWriter) writes them: an
//! uncompressed page has nothing else that would show a flipped bit.
//!
//! Copies of a tile are to have the same size and time of change, which `rsync -t` and `cp -p` see to: a tile that changed since the plan
//! was made is a bad one.
//!
//! # Examples
//!
#![cfg_attr(feature = "mock", doc = "```")]
#![cfg_attr(not(feature = "mock"), doc = "```ignore")]
//! use radio_io::cluster::{Access, Cluster, Worker};
//! use radio_io::{ReadOptions, Reader, Shuffle, Topology, mock::Mock};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let tiles = folder.path().to_owned();
//! let plan = Mock::new(300).write(&tiles, |_rows_done| {})?.plan;
//! // In a program of its own, on the node that has the tiles:
//! let (address, serving) = std::sync::mpsc::channel();
//! let worker = Worker::builder("node-a").tiles(&tiles).build()?;
//! std::thread::spawn(move || worker.run(([127, 0, 0, 1], 0).into(), |on| address.send(on).unwrap()));
//!
//! // Where the model is:
//! let cluster = Cluster::connect([("node-a", format!("http://{}", serving.recv()?))], &Access::default())?
//!     .with_topology(plan.slices().iter().map(|slice| ("node-a", slice.uri())).collect());
//! let options = ReadOptions::default().with_shuffle(Shuffle::window()).with_seed(7);
//! let here = Reader::new(&plan, options.clone())?;
//! for (here, there) in here.zip(cluster.reader(&plan, options)?) {
//!     assert_eq!(here?.record_batch(), &there?);
//! }
//! # Ok(())
//! # }
//! ```

mod access;
mod addresses;
mod ask;
mod client;
mod counters;
mod exec;
mod fault;
mod homes;
mod merge;
mod output;
#[cfg(feature = "progress")]
mod progress;
mod reader;
mod tiles;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use radio_index::ReadPlan;
use tokio::runtime::{Handle, Runtime};
use url::Url;

pub use self::access::Access;
pub use self::counters::NodeMetrics;
pub use self::output::Output;
#[cfg(feature = "progress")]
pub use self::progress::Progress;
pub use self::reader::{ClusterReader, ClusterStream};
pub use self::worker::{Worker, WorkerBuilder};

use self::addresses::Addresses;
use self::client::Client;
use self::fault::chain;
use crate::error::io;
use crate::{Error, ReadOptions, Result, State, Topology};

/// How long a node may stay away that alone has tiles.
const PATIENCE: Duration = Duration::from_mins(1);
/// Memory of the batches that wait for the consumer.
const MEMORY: u64 = 256 << 20;

/// The nodes that hold the tiles of a survey, and the way to them.
///
/// Clones share their connections.
#[derive(Clone)]
pub struct Cluster {
    addresses: Addresses,
    client: Client,
    threads: Arc<Threads>,
    topology: Option<Arc<Topology>>,
    outputs: Vec<Output>,
    patience: Duration,
    memory: u64,
}

/// The threads of a cluster, which may be dropped anywhere.
struct Threads {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

impl Cluster {
    /// Connects to workers: the names of nodes, as the index has them, and where each answers, `http://node-a:7420` for instance.
    ///
    /// # Errors
    ///
    /// [`Error::Node`] where an address is none, where what answers there is another node or no worker of this version, or where it
    /// wants another token or shows a certificate that is not believed. A node that does not answer is no error here: it may come.
    pub fn connect<N: Into<String>, U: AsRef<str>>(
        nodes: impl IntoIterator<Item = (N, U)>,
        access: &Access,
    ) -> Result<Self> {
        let mut urls = BTreeMap::new();
        for (node, url) in nodes {
            let (node, url) = (node.into(), url.as_ref());
            let parsed = Url::parse(url).ok().filter(Url::has_host);
            let Some(parsed) = parsed.filter(|url| url.scheme() == access.scheme()) else {
                let reason = wrong_address(url, &node, access);
                return Err(Error::Node { node, reason });
            };
            if urls.insert(node.clone(), parsed).is_some() {
                let reason = "there are two addresses".into();
                return Err(Error::Node { node, reason });
            }
        }
        Self::start(Addresses::Fixed(Arc::new(urls)), access, None)
    }

    /// Connects to all workers that a name in the DNS stands for, `workers:7420` for instance: a headless Service of Kubernetes, or one
    /// record for each node. Workers say which node they are on. When one is gone, the name is looked up again.
    ///
    /// # Errors
    ///
    /// [`Error::Node`] where workers want another token, or show a certificate that is not believed.
    pub fn discover(name: &str, access: &Access) -> Result<Self> {
        let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
        Self::start(Addresses::named(name, access.scheme()), access, Some(host))
    }

    /// `host` is what certificates have to name; none for the host in each address.
    fn start(addresses: Addresses, access: &Access, host: Option<&str>) -> Result<Self> {
        if let Some(reason) = access.fault() {
            let (node, reason) = (String::new(), reason.to_owned());
            return Err(Error::Node { node, reason });
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("radio-cluster")
            .enable_all()
            .build();
        let runtime = runtime.map_err(io("the threads of a cluster".as_ref()))?;
        let client = Client::new(access, host).map_err(|error| Error::Node {
            node: String::new(),
            reason: chain(&error),
        })?;
        let cluster = Self {
            addresses,
            client,
            threads: Arc::new(Threads {
                handle: runtime.handle().clone(),
                runtime: Some(runtime),
            }),
            topology: None,
            outputs: Vec::new(),
            patience: PATIENCE,
            memory: MEMORY,
        };
        let (addresses, client) = (cluster.addresses.clone(), cluster.client.clone());
        let check = async move { addresses.check(&client).await };
        let checked = reader::wait(cluster.threads.handle.spawn(check));
        checked.map_err(|error| io("the threads of a cluster".as_ref())(error.into()))??;
        Ok(cluster)
    }

    /// Says which nodes hold which tiles. Default: what the plan knows, which is one node for each.
    #[must_use]
    pub fn with_topology(mut self, topology: Topology) -> Self {
        self.topology = Some(Arc::new(topology));
        self
    }

    /// Says what comes of the rows. Default: the columns of [`SpectrumBatch`](crate::SpectrumBatch).
    #[must_use]
    pub fn with_outputs(mut self, outputs: impl IntoIterator<Item = Output>) -> Self {
        self.outputs = outputs.into_iter().collect();
        self
    }

    /// Sets how long a node may stay away that alone has tiles, before it counts as lost. Default: a minute.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets the bytes of the batches that wait for the consumer of each reader. What nodes answer comes on top: of each up to three
    /// batches of two ranges. Default: 256 MiB.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Starts to read a plan. Threads, memory and the store of the options are not used: the workers have their own.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::new`](crate::Reader::new). What is wrong with a tile or a node comes out of the iterator, in its place.
    pub fn reader(&self, plan: &ReadPlan, options: ReadOptions) -> Result<ClusterReader> {
        let state = State::new(plan, &options);
        ClusterReader::start(self, plan, options, state)
    }

    /// Goes on with a pass where another reader was, one of a cluster or an embedded one: see [`Reader::resume`](crate::Reader::resume).
    ///
    /// # Errors
    ///
    /// Those of [`Reader::resume`](crate::Reader::resume).
    pub fn resume(&self, plan: &ReadPlan, options: ReadOptions, state: &State) -> Result<ClusterReader> {
        State::new(plan, &options).check(state)?;
        ClusterReader::start(self, plan, options, *state)
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

fn wrong_address(url: &str, node: &str, access: &Access) -> String {
    let scheme = access.scheme();
    let help = match (Url::parse(url).is_ok_and(|url| url.scheme() == "https"), scheme) {
        (true, _) if cfg!(not(feature = "cluster-tls")) => " (TLS is radio-io's feature `cluster-tls`)",
        (true, "http") => " (for TLS say what certificates are to be believed: `Access::with_authority`)",
        _ => "",
    };
    format!("{url:?} is no address: expected one like {scheme}://{node}:7420{help}")
}
