//! What a pass has done so far, and who waited for whom.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a pass has done so far: see [`Reader::metrics`](crate::Reader::metrics).
///
/// ```
/// use radio_io::{ReadOptions, ReadPlan, Reader};
///
/// # fn main() -> radio_io::Result<()> {
/// let mut reader = Reader::new(&ReadPlan::default(), ReadOptions::default())?;
/// while let Some(batch) = reader.next() {
///     batch?;
/// }
/// println!("{}", reader.metrics());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
    /// Batches that were taken.
    pub batches: u64,
    /// Their rows.
    pub rows: u64,
    /// Their bytes, decoded: ids, flux, ivar, mask and wavelengths.
    pub bytes: u64,
    /// Since the pass began.
    pub elapsed: Duration,
    /// How long the consumer waited for the first batch.
    pub first_batch: Duration,
    /// How long the consumer waited for all batches after the first.
    pub consumer_waited: Duration,
    /// How long the reading thread waited for the consumer: it was ahead.
    pub producer_waited: Duration,
    /// Rows of flux, ivar and mask, each counted, that parquet's own reader decoded, since their pages are not of the form that
    /// is read fast: dictionaries, nulls, lists of other lengths.
    pub rows_by_parquet: u64,
    /// Rows that were in the cache already.
    pub rows_from_cache: u64,
}

impl Metrics {
    /// Share of the time after the first batch in which the consumer waited, 0 to 1: how much it was starved.
    #[must_use]
    pub fn starved(&self) -> f64 {
        let after = self.elapsed.saturating_sub(self.first_batch).as_secs_f64();
        if after > 0.0 {
            self.consumer_waited.as_secs_f64() / after
        } else {
            0.0
        }
    }

    /// Rows per second.
    #[must_use]
    pub fn rows_per_second(&self) -> f64 {
        self.rows as f64 / self.elapsed.as_secs_f64()
    }

    /// Decoded bytes per second.
    #[must_use]
    pub fn bytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.elapsed.as_secs_f64()
    }
}

impl std::fmt::Display for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} rows in {} batches, {:.0} rows/s, {:.2} GB/s, starved {:.1} % of the time",
            self.rows,
            self.batches,
            self.rows_per_second(),
            self.bytes_per_second() / 1e9,
            100.0 * self.starved()
        )
    }
}

/// What the reading thread counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    producer_waited_ns: AtomicU64,
    rows_by_parquet: AtomicU64,
    rows_from_cache: AtomicU64,
}

impl Counters {
    pub(crate) fn producer_waited(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.producer_waited_ns.fetch_add(ns, Ordering::Relaxed);
    }

    pub(crate) fn rows_by_parquet(&self, rows: u64) {
        self.rows_by_parquet.fetch_add(rows, Ordering::Relaxed);
    }

    pub(crate) fn rows_from_cache(&self, rows: u64) {
        self.rows_from_cache.fetch_add(rows, Ordering::Relaxed);
    }

    /// Adds what was counted.
    pub(crate) fn with(&self, metrics: Metrics) -> Metrics {
        Metrics {
            producer_waited: Duration::from_nanos(self.producer_waited_ns.load(Ordering::Relaxed)),
            rows_by_parquet: self.rows_by_parquet.load(Ordering::Relaxed),
            rows_from_cache: self.rows_from_cache.load(Ordering::Relaxed),
            ..metrics
        }
    }
}
