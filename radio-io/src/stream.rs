//! Batches for async programs.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_core::Stream;

use crate::{Reader, Result, SpectrumBatch};

/// The batches of a [`Reader`] as a stream, in any async runtime.
///
#[cfg_attr(feature = "mock", doc = "```")]
#[cfg_attr(not(feature = "mock"), doc = "```ignore")]
/// use futures_util::TryStreamExt as _;
/// use radio_io::{ReadOptions, Reader, mock::Mock};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let plan = Mock::new(300).write(folder.path(), |_rows_done| {})?.plan;
/// let work = async {
///     let mut batches = Reader::new(&plan, ReadOptions::default())?.into_stream();
///     let mut rows = 0;
///     while let Some(batch) = batches.try_next().await? {
///         rows += batch.len();
///     }
///     assert_eq!((rows as u64, batches.reader().state().batch()), (plan.rows(), 2));
///     Ok::<(), radio_io::Error>(())
/// };
/// tokio::runtime::Builder::new_current_thread().build()?.block_on(work)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct BatchStream {
    reader: Reader,
    /// Since when a task waits for the next batch.
    waits_since: Option<Instant>,
}

impl BatchStream {
    pub(crate) fn new(reader: Reader) -> Self {
        Self {
            reader,
            waits_since: None,
        }
    }

    /// The reader: its state, metrics and skipped tiles.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }
}

impl Stream for BatchStream {
    type Item = Result<SpectrumBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let since = *self.waits_since.get_or_insert_with(Instant::now);
        let next = self.reader.poll(context, since);
        if next.is_ready() {
            self.waits_since = None;
        }
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.reader.size_hint()
    }
}
