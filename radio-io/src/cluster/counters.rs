//! What nodes gave, and who waited for whom.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Time that adds up, from any thread.
#[derive(Debug, Default)]
pub(super) struct Time(AtomicU64);

impl Time {
    pub(super) fn add(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// Counts of one node.
#[derive(Debug, Default)]
pub(super) struct NodeCounters {
    asks: AtomicU64,
    failures: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
    waited: Time,
}

/// What a node gave so far of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeMetrics {
    /// Its name.
    pub node: String,
    /// Ranges of the plan that it was asked for, those that were asked again included.
    pub asks: u64,
    /// Asks that it did not answer to the end.
    pub failures: u64,
    /// Rows that came from it.
    pub rows: u64,
    /// Bytes of their Arrow buffers.
    pub bytes: u64,
    /// Time that batches waited for it, when nothing else was missing.
    pub waited: Duration,
}

impl NodeCounters {
    pub(super) fn asked(&self) {
        self.asks.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, rows: usize, bytes: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn waited_for(&self, time: Duration) {
        self.waited.add(time);
    }

    pub(super) fn metrics(&self, node: &str) -> NodeMetrics {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        NodeMetrics {
            node: node.to_owned(),
            asks: get(&self.asks),
            failures: get(&self.failures),
            rows: get(&self.rows),
            bytes: get(&self.bytes),
            waited: self.waited.get(),
        }
    }
}
