use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::{Duration, Instant};

use radio_index::ReadPlan;

use crate::budget::rows_at_once;
use crate::metrics::Counters;
use crate::order::{Window, rows_of_rank, windows};
use crate::producer::Producer;
use crate::queue::{Event, Receiver, queue};
use crate::stream::BatchStream;
use crate::{Error, Metrics, ReadOptions, Result, Runtime, SpectrumBatch, State};

/// More rows than any survey has: a plan of more was made by mistake.
const MOST_ROWS: u64 = 1 << 40;

/// One pass over the rows of a plan, in batches: an iterator that a thread of its own keeps ahead of its consumer.
///
/// Which row comes at which place of which batch is known before anything is read: a function of the plan, the options and
/// nothing else, the same on one core and on many. A pass can therefore be [resumed](Self::resume) at any batch. After an error
/// there are no more batches. All tiles of a plan have to have the same dialect and, in the flat one, the same wavelength grid.
///
/// # Complexity
///
/// Each row goes from its page to its place in its batch, on all threads of the [`Runtime`], which never wait for a consumer, so
/// that a batch may be waited for anywhere. In memory are the batches that are filled or wait, within the budget of
/// [`Resources::memory`](crate::Resources::memory), and a page per thread; where rows have grids of their own, the decoded
/// window beside its batches. The memory of a batch is used again when it is dropped.
///
/// # Examples
///
/// See the [crate's documentation](crate).
#[derive(Debug)]
pub struct Reader {
    events: Receiver,
    state: State,
    /// Rows of the whole pass, and its batches.
    rows: u64,
    batches: u64,
    #[cfg(feature = "progress")]
    batch_rows: u64,
    has_ended: bool,
    skipped: Vec<SkippedTile>,
    metrics: Metrics,
    counters: Arc<Counters>,
    began: Instant,
}

/// Rows of a tile that were left out, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct SkippedTile {
    /// The tile.
    pub path: PathBuf,
    /// Rows of the plan that were left out.
    pub rows: u64,
    /// Number in the tile of the first row of the piece that was left out first.
    pub first_row: u64,
    /// What was wrong; the first of several things.
    pub error: Error,
}

impl Reader {
    /// Starts to read ahead.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where no thread can be started, [`Error::Option`] for a plan of more than 2⁴⁰ rows or a rank that is not
    /// below `world`. What is wrong with a tile comes out of the iterator, in its place, and so does [`Error::Option`] for
    /// [`Resources::memory`](crate::Resources::memory) that is too small: how large a row is, is known when the first tile is open.
    pub fn new(plan: &ReadPlan, options: ReadOptions) -> Result<Self> {
        let state = State::new(plan, &options);
        Self::start(plan, options, state)
    }

    /// Goes on with a pass where another reader was: its batches are those that the other one would have given next. What was
    /// passed is not read again, but for the rest of a window with [`BadTiles::Skip`](crate::BadTiles::Skip): which rows are left out
    /// with a bad one must not depend on where a pass goes on.
    ///
    /// # Errors
    ///
    /// [`Error::OtherState`] where plan or options are not those of the state, or it is behind the last batch, and those of
    /// [`new`](Self::new).
    pub fn resume(plan: &ReadPlan, options: ReadOptions, state: &State) -> Result<Self> {
        State::new(plan, &options).check(state)?;
        Self::start(plan, options, *state)
    }

    fn start(plan: &ReadPlan, mut options: ReadOptions, state: State) -> Result<Self> {
        let (rows, _) = extent(plan, &options, &state)?;
        let batch_rows = options.batch_rows.get() as u64;
        // No batch has more rows than there are.
        if let Some(most) = usize::try_from(rows).ok().and_then(NonZeroUsize::new) {
            options.batch_rows = options.batch_rows.min(most);
        }
        let runtime = options.runtime.clone().map_or_else(Runtime::shared, Ok)?;
        let plan = Arc::new(plan.clone());
        let at_once = rows_at_once(&options, &runtime);
        let start = state.batch().saturating_mul(batch_rows);
        let windows = windows(plan.clone(), &options, start, at_once);
        Self::spawn(plan, options, runtime, state, rows, windows)
    }

    /// Reads windows that were planned elsewhere: their rows in their order. All of them are rows of the plan.
    #[cfg(feature = "cluster")]
    pub(crate) fn of_windows(plan: &ReadPlan, mut options: ReadOptions, windows: Vec<Window>) -> Result<Self> {
        let rows: usize = windows.iter().map(|window| window.order.len()).sum();
        // No batch has more rows than there are.
        options.batch_rows = options
            .batch_rows
            .min(NonZeroUsize::new(rows).unwrap_or(NonZeroUsize::MIN));
        let runtime = options.runtime.clone().map_or_else(Runtime::shared, Ok)?;
        let state = State::new(plan, &options);
        Self::spawn(
            Arc::new(plan.clone()),
            options,
            runtime,
            state,
            rows as u64,
            windows.into_iter(),
        )
    }

    fn spawn(
        plan: Arc<ReadPlan>,
        options: ReadOptions,
        runtime: Runtime,
        state: State,
        rows: u64,
        windows: impl Iterator<Item = Window> + Send + 'static,
    ) -> Result<Self> {
        let batch_rows = options.batch_rows.get() as u64;
        let batches = rows.div_ceil(batch_rows);
        let (sender, events) = queue();
        let counters = Arc::new(Counters::default());
        let producer = Producer::new(plan, options, runtime, sender, counters.clone(), state.batch()..batches);
        thread::Builder::new()
            .name("radio-io".into())
            .spawn(move || producer.run(windows))
            .map_err(|source| Error::Io {
                path: "a reading thread".into(),
                source,
            })?;
        Ok(Self {
            events,
            state,
            rows,
            batches,
            #[cfg(feature = "progress")]
            batch_rows,
            has_ended: false,
            skipped: Vec::new(),
            metrics: Metrics::default(),
            counters,
            began: Instant::now(),
        })
    }

    /// Rows that all batches of the pass have together, if no tile is skipped. Those that a resumed pass left behind count.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Where the pass is: behind the last batch that was taken.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The tiles of which rows were left out so far, with [`BadTiles::Skip`](crate::BadTiles::Skip).
    #[must_use]
    pub fn skipped(&self) -> &[SkippedTile] {
        &self.skipped
    }

    /// What the pass has done so far, and who waited for whom.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.counters.with(Metrics {
            elapsed: self.began.elapsed(),
            ..self.metrics
        })
    }

    /// The same batches for an async program: a task that waits for one takes no thread.
    #[must_use]
    pub fn into_stream(self) -> BatchStream {
        BatchStream::new(self)
    }

    /// The same batches, with a bar on standard error.
    #[cfg(feature = "progress")]
    #[must_use]
    pub fn with_progress(self) -> crate::Progress {
        crate::Progress::new(self)
    }

    /// Rows that were in batches before those of this reader.
    #[cfg(feature = "progress")]
    pub(crate) fn passed(&self) -> u64 {
        self.state.batch().saturating_mul(self.batch_rows).min(self.rows)
    }

    fn take(&mut self, number: u64, batch: &SpectrumBatch, waited: Duration) {
        let metrics = &mut self.metrics;
        if metrics.batches == 0 {
            metrics.first_batch = self.began.elapsed();
        } else {
            metrics.consumer_waited += waited;
        }
        metrics.batches += 1;
        metrics.rows += batch.len() as u64;
        metrics.bytes += batch.bytes();
        self.state = self.state.at(number + 1);
    }
}

/// Rows of a whole pass, and its batches.
///
/// # Errors
///
/// [`Error::Option`] for a plan or a rank that cannot be, [`Error::OtherState`] for a state that is behind the last batch.
pub(crate) fn extent(plan: &ReadPlan, options: &ReadOptions, state: &State) -> Result<(u64, u64)> {
    if plan.rows() > MOST_ROWS {
        let most = format!("at most {MOST_ROWS}");
        return Err(Error::option("rows of the plan", plan.rows(), most));
    }
    if options.rank >= options.world.get() {
        let expected = format!("less than world, which is {}", options.world);
        return Err(Error::option("rank", options.rank, expected));
    }
    let rows = rows_of_rank(plan, options);
    let batches = rows.div_ceil(options.batch_rows.get() as u64);
    if state.batch() > batches {
        let reason = "it is behind the last batch";
        return Err(Error::OtherState { reason });
    }
    Ok((rows, batches))
}

/// Notes that rows of a tile were left out.
pub(crate) fn skip(skipped: &mut Vec<SkippedTile>, tile: SkippedTile) {
    match skipped.iter_mut().find(|known| known.path == tile.path) {
        Some(known) => known.rows += tile.rows,
        None => skipped.push(tile),
    }
}

impl Reader {
    /// The next batch, for a task that began to wait at a moment.
    pub(crate) fn poll(&mut self, context: &Context<'_>, waits_since: Instant) -> Poll<Option<Result<SpectrumBatch>>> {
        while !self.has_ended {
            let event = ready!(self.events.poll(context));
            if let Some(item) = self.heed(event, waits_since.elapsed()) {
                return Poll::Ready(Some(item));
            }
        }
        Poll::Ready(None)
    }

    /// What a consumer gets to see of an event.
    fn heed(&mut self, event: Option<Event>, waited: Duration) -> Option<Result<SpectrumBatch>> {
        match event {
            Some(Event::Batch(number, batch)) => {
                self.take(number, &batch, waited);
                return Some(Ok(batch));
            }
            Some(Event::Skipped(tile)) => skip(&mut self.skipped, tile),
            Some(Event::End) => self.has_ended = true,
            Some(Event::Failed(error)) => {
                self.has_ended = true;
                return Some(Err(error));
            }
            None => {
                self.has_ended = true;
                let batches = self.batches.saturating_sub(self.state.batch());
                return Some(Err(Error::Interrupted { batches }));
            }
        }
        None
    }
}

impl Iterator for Reader {
    type Item = Result<SpectrumBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let before = Instant::now();
        while !self.has_ended {
            let event = self.events.receive();
            if let Some(item) = self.heed(event, before.elapsed()) {
                return Some(item);
            }
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.batches.saturating_sub(self.state.batch());
        (0, Some(if self.has_ended { 0 } else { left as usize }))
    }
}
