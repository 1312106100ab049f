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
//! use radio_io::cluster::{Cluster, Worker};
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
//! let cluster = Cluster::connect([("node-a", format!("http://{}", serving.recv()?))])?
//!     .with_topology(plan.slices().iter().map(|slice| ("node-a", slice.uri())).collect());
//! let options = ReadOptions::default().with_shuffle(Shuffle::window()).with_seed(7);
//! let here = Reader::new(&plan, options.clone())?;
//! for (here, there) in here.zip(cluster.reader(&plan, options)?) {
//!     assert_eq!(here?.record_batch(), &there?);
//! }
//! # Ok(())
//! # }
//! ```

mod ask;
mod client;
mod counters;
mod exec;
mod fault;
mod homes;
mod merge;
mod output;
mod reader;
mod tiles;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use radio_index::ReadPlan;
use tokio::runtime::{Handle, Runtime};
use url::Url;

pub use self::counters::NodeMetrics;
pub use self::output::Output;
pub use self::reader::{ClusterReader, ClusterStream};
pub use self::worker::{Worker, WorkerBuilder};
/// The engine whose functions a worker takes.
pub use datafusion;

use self::client::Client;
use self::counters::{NodeCounters, Time};
use self::fault::{Fault, chain};
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
    inner: Arc<Inner>,
    threads: Arc<Threads>,
    topology: Option<Arc<Topology>>,
    outputs: Vec<Output>,
    memory: u64,
}

/// What all readers of a cluster share.
#[derive(Clone)]
struct Inner {
    names: Vec<String>,
    urls: Vec<Url>,
    client: Client,
    threads: Handle,
    patience: Duration,
    counters: Arc<[NodeCounters]>,
    /// Time that batches waited for their consumer.
    held_back: Arc<Time>,
}

/// The threads of a cluster, which may be dropped anywhere.
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

impl Cluster {
    /// Connects to workers: the names of nodes, as the index has them, and where each answers, `http://node-a:7420` for instance.
    ///
    /// # Errors
    ///
    /// [`Error::Node`] where an address is none, or what answers there is another node, or no worker of this version. A node
    /// that does not answer is no error here: it may come.
    pub fn connect<N: Into<String>, U: AsRef<str>>(nodes: impl IntoIterator<Item = (N, U)>) -> Result<Self> {
        Self::start(nodes, None)
    }

    /// The same, for workers that want a token.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), and where the token is not the one of a worker.
    pub fn connect_with_token<N: Into<String>, U: AsRef<str>>(
        nodes: impl IntoIterator<Item = (N, U)>,
        token: &str,
    ) -> Result<Self> {
        Self::start(nodes, Some(token))
    }

    fn start<N: Into<String>, U: AsRef<str>>(
        nodes: impl IntoIterator<Item = (N, U)>,
        token: Option<&str>,
    ) -> Result<Self> {
        let (mut names, mut urls) = (Vec::new(), Vec::new());
        for (name, url) in nodes {
            let (node, url) = (name.into(), url.as_ref());
            let parsed = Url::parse(url)
                .ok()
                .filter(|url| url.has_host() && url.scheme() == "http");
            let Some(parsed) = parsed else {
                let reason = format!("{url:?} is no address: expected one like http://{node}:7420");
                return Err(Error::Node { node, reason });
            };
            if names.contains(&node) {
                let reason = "there are two of this name".into();
                return Err(Error::Node { node, reason });
            }
            names.push(node);
            urls.push(parsed);
        }
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("radio-cluster")
            .enable_all()
            .build();
        let threads = threads.map_err(io("the threads of a cluster".as_ref()))?;
        let _inside = threads.enter();
        let client = Client::new(token).map_err(|error| Error::Node {
            node: String::new(),
            reason: chain(&error),
        })?;
        let cluster = Self {
            inner: Arc::new(Inner {
                counters: names.iter().map(|_| NodeCounters::default()).collect(),
                held_back: Arc::default(),
                names,
                urls,
                client,
                threads: threads.handle().clone(),
                patience: PATIENCE,
            }),
            threads: Arc::new(Threads(Some(threads))),
            topology: None,
            outputs: Vec::new(),
            memory: MEMORY,
        };
        reader::wait(cluster.inner.clone().check())?;
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
        let inner = Inner {
            patience,
            ..Inner::clone(&self.inner)
        };
        self.inner = Arc::new(inner);
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

    /// What each node gave so far, in all readers.
    #[must_use]
    pub fn metrics(&self) -> Vec<NodeMetrics> {
        let nodes = self.inner.names.iter().zip(self.inner.counters.iter());
        nodes.map(|(name, counters)| counters.metrics(name)).collect()
    }

    /// Time that batches waited for their consumers, in all readers: where it grows, the nodes are not the limit.
    #[must_use]
    pub fn held_back(&self) -> Duration {
        self.inner.held_back.get()
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("nodes", &self.inner.names)
            .field("urls", &self.inner.urls)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Is everybody who answers the one that was meant?
    async fn check(self: Arc<Self>) -> Result<()> {
        let asked: Vec<_> = (0..self.names.len())
            .map(|node| {
                let this = self.clone();
                self.threads
                    .spawn(async move { this.client.version(&this.urls[node]).await })
            })
            .collect();
        for (name, asked) in self.names.iter().zip(asked) {
            let answer = asked.await.unwrap_or_else(|error| Err(Fault::Away(error.to_string())));
            let reason = match answer {
                Ok(version) if version == worker::version(name) => continue,
                Ok(version) => format!("another one answers: {version:?}, expected {:?}", worker::version(name)),
                Err(Fault::Away(reason)) if !reason.contains(worker::WRONG_TOKEN) => {
                    tracing::warn!(node = name, reason, "does not answer yet");
                    continue;
                }
                Err(Fault::Away(reason) | Fault::Refused(reason) | Fault::Piece { reason, .. }) => reason,
            };
            return Err(Error::Node {
                node: name.clone(),
                reason,
            });
        }
        Ok(())
    }
}
