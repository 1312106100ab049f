//! A bar that shows how far a pass is.

use indicatif::{ProgressBar, ProgressStyle};

use crate::{Reader, Result, SpectrumBatch};

/// The batches of a [`Reader`], with a bar on standard error: rows, rates, and for how much of the time the consumer waited. Where
/// standard error is no terminal there is no bar.
///
#[cfg_attr(feature = "mock", doc = "```")]
#[cfg_attr(not(feature = "mock"), doc = "```ignore")]
/// use radio_io::{ReadOptions, Reader, mock::Mock};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let plan = Mock::new(300).write(folder.path(), |_rows_done| {})?.plan;
/// let mut batches = Reader::new(&plan, ReadOptions::default())?.with_progress();
/// let rows: usize = batches.by_ref().map(|batch| batch.map_or(0, |batch| batch.len())).sum();
/// assert_eq!((rows, batches.reader().metrics().batches), (300, 2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Progress {
    reader: Reader,
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new(reader: Reader) -> Self {
        let bar = bar(reader.rows(), reader.passed());
        Self { reader, bar }
    }

    /// The reader: its state, metrics and skipped tiles.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }
}

/// `passed` is what a pass that was resumed left behind.
pub(crate) fn bar(rows: u64, passed: u64) -> ProgressBar {
    let bar = ProgressBar::new(rows);
    let form = "{bar:40} {human_pos} of {human_len} rows, {msg}, {eta} to go";
    bar.set_style(ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_position(passed);
    bar.reset_eta();
    bar
}

impl Iterator for Progress {
    type Item = Result<SpectrumBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.reader.next();
        match &next {
            Some(Ok(batch)) => {
                self.bar.inc(batch.len() as u64);
                let metrics = self.reader.metrics();
                let (rate, starved) = (metrics.bytes_per_second() / 1e9, 100.0 * metrics.starved());
                self.bar.set_message(format!("{rate:.2} GB/s, starved {starved:.1} %"));
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
