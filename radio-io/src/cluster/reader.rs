use std::collections::BTreeSet;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use arrow_array::RecordBatch;
use futures_core::Stream;
use radio_index::ReadPlan;
use tokio::sync::{Semaphore, mpsc};

use super::ask::Group;
use super::counters::{NodeCounters, NodeMetrics, Time};
use super::homes::Homes;
use super::merge::{Event, Merger, Nodes};
use super::{Cluster, Threads};
use crate::order::windows;
use crate::reader::SkippedTile;
use crate::{Error, ReadOptions, Result, State, Topology};

/// Rows of a range that is asked for at once.
const ASKED_ROWS: usize = 2_048;
/// The memory of waiting batches is counted in these.
const KIB: u64 = 1 << 10;

/// One pass over the rows of a plan, read by the nodes of a [`Cluster`]: an iterator of the batches that
/// [`Reader`](crate::Reader) gives for the same plan and options, as Arrow has them.
///
/// After an error there are no more batches.
pub struct ClusterReader {
    events: mpsc::Receiver<Event>,
    nodes: Arc<Nodes>,
    state: State,
    rows: u64,
    batches: u64,
    #[cfg(feature = "progress")]
    batch_rows: u64,
    has_ended: bool,
    skipped: Vec<SkippedTile>,
    _threads: Arc<Threads>,
}

impl ClusterReader {
    pub(super) fn start(cluster: &Cluster, plan: &ReadPlan, mut options: ReadOptions, state: State) -> Result<Self> {
        let (rows, batches) = crate::reader::extent(plan, &options, &state)?;
        let batch_rows = options.batch_rows.get() as u64;
        let start = state.batch().saturating_mul(batch_rows);
        // No batch has more rows than there are.
        if let Some(most) = usize::try_from(rows).ok().and_then(NonZeroUsize::new) {
            options.batch_rows = options.batch_rows.min(most);
        }
        let plan = Arc::new(plan.clone());
        let of_plan = || Arc::new(Topology::from(&*plan));
        let topology = cluster.topology.clone().unwrap_or_else(of_plan);
        let slices = plan.slices().chunk_by(|a, b| a.uri() == b.uri());
        let holders = slices.filter_map(|slices| Some(topology.holders(slices.first()?.uri())));
        let names: BTreeSet<&str> = holders.flatten().filter(|node| cluster.addresses.has(node)).collect();
        let names: Vec<String> = names.into_iter().map(ToOwned::to_owned).collect();
        let homes = Homes::new(&plan, &topology, &names)?;
        let ordered = windows(plan.clone(), &options, start, options.batch_rows.get());
        let groups = Box::new(Group::of(ordered, ASKED_ROWS));
        let memory_kib = u32::try_from(cluster.memory / KIB).unwrap_or(u32::MAX).max(1);
        let (sender, events) = mpsc::channel(options.prefetch.get());
        let nodes = Arc::new(Nodes {
            counters: names.iter().map(|_| NodeCounters::default()).collect(),
            names,
            addresses: cluster.addresses.clone(),
            client: cluster.client.clone(),
            threads: cluster.threads.handle.clone(),
            patience: cluster.patience,
            held_back: Time::default(),
        });
        let merger = Merger {
            nodes: nodes.clone(),
            plan,
            options,
            outputs: cluster.outputs.clone(),
            homes,
            events: sender,
            memory: Arc::new(Semaphore::new(memory_kib as usize)),
            memory_kib,
            start,
        };
        nodes.threads.spawn(merger.run(groups));
        Ok(Self {
            events,
            nodes,
            state,
            rows,
            batches,
            #[cfg(feature = "progress")]
            batch_rows,
            has_ended: false,
            skipped: Vec::new(),
            _threads: cluster.threads.clone(),
        })
    }

    /// Rows that all batches of the pass have together, if no tile is skipped. Those that a resumed pass left behind count.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Where the pass is: behind the last batch that was taken. An embedded reader can go on from there, too.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The tiles of which rows were left out so far, with [`BadTiles::Skip`](crate::BadTiles::Skip): the error names the node.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedTile] {
        &self.skipped
    }

    /// The same batches, with a bar on standard error.
    #[cfg(feature = "progress")]
    #[must_use]
    pub fn with_progress(self) -> super::Progress {
        let passed = self.state.batch().saturating_mul(self.batch_rows).min(self.rows);
        super::Progress::new(self, passed)
    }

    /// What each node gave so far. Rows and bytes divided by the time since the start are its rates.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeMetrics> {
        let nodes = self.nodes.names.iter().zip(&self.nodes.counters);
        nodes.map(|(name, counters)| counters.metrics(name)).collect()
    }

    /// Time that batches waited for their consumer: where it grows, the nodes are not the limit.
    #[must_use]
    pub fn held_back(&self) -> Duration {
        self.nodes.held_back.get()
    }

    /// The same batches for an async program, in any runtime.
    #[must_use]
    pub fn into_stream(self) -> ClusterStream {
        ClusterStream { reader: self }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        while !self.has_ended {
            let Poll::Ready(event) = self.events.poll_recv(context) else {
                return Poll::Pending;
            };
            match event {
                Some(Event::Batch(number, batch, _memory)) => {
                    self.state = self.state.at(number + 1);
                    return Poll::Ready(Some(Ok(batch)));
                }
                Some(Event::Skipped(tile)) => crate::reader::skip(&mut self.skipped, tile),
                Some(Event::End) => self.has_ended = true,
                Some(Event::Failed(error)) => {
                    self.has_ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.has_ended = true;
                    let batches = self.batches.saturating_sub(self.state.batch());
                    return Poll::Ready(Some(Err(Error::Interrupted { batches })));
                }
            }
        }
        Poll::Ready(None)
    }
}

impl Iterator for ClusterReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        wait(std::future::poll_fn(|context| self.poll(context)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.batches.saturating_sub(self.state.batch());
        (0, Some(if self.has_ended { 0 } else { left as usize }))
    }
}

impl std::fmt::Debug for ClusterReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterReader")
            .field("state", &self.state)
            .field("rows", &self.rows)
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

/// The batches of a [`ClusterReader`] as a stream.
#[derive(Debug)]
pub struct ClusterStream {
    reader: ClusterReader,
}

impl ClusterStream {
    /// The reader: its state and skipped tiles.
    #[must_use]
    pub fn reader(&self) -> &ClusterReader {
        &self.reader
    }
}

impl Stream for ClusterStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.reader.poll(context)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.reader.size_hint()
    }
}

/// Waits in the thread that calls, be it one of an async runtime or not.
pub(super) fn wait<T>(work: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut work = pin!(work);
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_another_thread() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let other = thread::spawn(move || sender.send(7));
        assert_eq!(wait(receiver), Ok(7));
        assert_eq!(other.join().unwrap(), Ok(()));
    }
}
