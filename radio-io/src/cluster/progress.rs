use std::time::Instant;

use arrow_array::RecordBatch;
use indicatif::ProgressBar;

use super::ClusterReader;
use crate::Result;

/// The batches of a [`ClusterReader`], with a bar on standard error: rows, bytes a second, for how much of the time batches waited for the
/// node that is waited for most, and for how much of it they waited for their consumer. Where standard error is no terminal there is no bar.
#[derive(Debug)]
pub struct Progress {
    reader: ClusterReader,
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    pub(super) fn new(reader: ClusterReader, passed: u64) -> Self {
        let bar = crate::progress::bar(reader.rows(), passed);
        Self {
            reader,
            bar,
            started: Instant::now(),
        }
    }

    /// The reader: its state, nodes and skipped tiles.
    #[must_use]
    pub fn reader(&self) -> &ClusterReader {
        &self.reader
    }

    fn message(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let nodes = self.reader.nodes();
        let bytes: u64 = nodes.iter().map(|node| node.bytes).sum();
        let mut message = format!("{:.2} GB/s", bytes as f64 / 1e9 / seconds);
        if let Some(slowest) = nodes.iter().max_by_key(|node| node.waited) {
            let waited = 100.0 * slowest.waited.as_secs_f64() / seconds;
            message = format!("{message}, waited for {} {waited:.0} %", slowest.node);
        }
        let held_back = 100.0 * self.reader.held_back().as_secs_f64() / seconds;
        format!("{message}, held back {held_back:.0} %")
    }
}

impl Iterator for Progress {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.reader.next();
        match &next {
            Some(Ok(batch)) => {
                self.bar.inc(batch.num_rows() as u64);
                self.bar.set_message(self.message());
            }
            // An error is told below the bar.
            Some(Err(_)) => self.bar.abandon(),
            None => self.bar.finish_and_clear(),
        }
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.reader.size_hint()
    }
}
