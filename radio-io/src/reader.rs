use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave_record_batch;
use radio_index::ReadPlan;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::decode::FLUX_UNIT;
use crate::grid::{Grid, KEY};
use crate::order::{Piece, Window, windows};
use crate::{BadTiles, Error, ReadOptions, Result, SpectrumBatch, decode};

/// More rows than any survey has: a plan of more was made by mistake.
const MOST_ROWS: u64 = 1 << 40;

/// One pass over the rows of a plan, in batches: an iterator that a thread of its own keeps ahead of its consumer.
///
/// Which rows come in which batch is a function of the plan, the options and the tiles alone, the same on one core and on
/// many. After an error there are no more batches. All tiles of a plan have to have the same dialect and, in the flat one,
/// the same wavelength grid.
///
/// # Complexity
///
/// Decoding is shared by all cores, in a pool of this crate's own, so that a batch may be waited for anywhere. In memory are at most one window of decoded rows (a batch where
/// nothing is shuffled) with the batches that are gathered from it, and [`prefetch`](ReadOptions::prefetch) batches. Rows are
/// found through a tile's page index; in a tile without one, the pages of a row group before them are decoded, too.
///
/// # Examples
///
/// See the [crate's documentation](crate).
#[derive(Debug)]
pub struct Reader {
    events: Receiver<Event>,
    /// Batches that are to come, at most.
    left: usize,
    rows: u64,
    skipped: Vec<SkippedTile>,
}

/// Rows of a tile that were left out, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct SkippedTile {
    /// The tile.
    pub path: PathBuf,
    /// Rows of the plan that were left out.
    pub rows: u64,
    /// What was wrong; the first of several things.
    pub error: Error,
}

/// What the reading thread has to say.
#[derive(Debug)]
enum Event {
    Batch(SpectrumBatch),
    Skipped(SkippedTile),
    Failed(Error),
    End,
}

impl Reader {
    /// Starts to read ahead.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where no thread can be started, [`Error::Option`] for a plan of more than 2⁴⁰ rows. What is wrong with a
    /// tile comes out of the iterator, in its place.
    pub fn new(plan: &ReadPlan, options: ReadOptions) -> Result<Self> {
        if plan.rows() > MOST_ROWS {
            let (value, expected) = (plan.rows().to_string(), format!("at most {MOST_ROWS}"));
            return Err(Error::Option {
                name: "rows of the plan",
                value,
                expected,
            });
        }
        let batch_rows = options.batch_rows.get() as u64;
        let rows = if options.drop_last {
            plan.rows() / batch_rows * batch_rows
        } else {
            plan.rows()
        };
        let left = rows.div_ceil(batch_rows) as usize;
        let windows = windows(plan.clone(), &options);
        let (sender, events) = sync_channel(options.prefetch.get());
        thread::Builder::new()
            .name("radio-io".into())
            .spawn(move || {
                let mut producer = Producer {
                    options,
                    sender,
                    carried: None,
                    schema: None,
                };
                let last = match producer.run(windows) {
                    Ok(()) => Event::End,
                    Err(Stop::Failed(error)) => Event::Failed(error),
                    Err(Stop::Gone) => return,
                };
                // The consumer may leave at any time.
                let _ = producer.sender.send(last);
            })
            .map_err(|source| Error::Io {
                path: "a reading thread".into(),
                source,
            })?;
        Ok(Self {
            events,
            left,
            rows,
            skipped: Vec::new(),
        })
    }

    /// Rows that all batches of the pass have together, if no tile is skipped.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The tiles of which rows were left out so far, with [`BadTiles::Skip`].
    #[must_use]
    pub fn skipped(&self) -> &[SkippedTile] {
        &self.skipped
    }

    fn skip(&mut self, tile: SkippedTile) {
        match self.skipped.iter_mut().find(|known| known.path == tile.path) {
            Some(known) => known.rows += tile.rows,
            None => self.skipped.push(tile),
        }
    }
}

impl Iterator for Reader {
    type Item = Result<SpectrumBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let batch = match self.events.recv() {
                Ok(Event::Batch(batch)) => Ok(batch),
                Ok(Event::Skipped(tile)) => {
                    self.skip(tile);
                    continue;
                }
                Ok(Event::Failed(error)) => Err(error),
                Ok(Event::End) => {
                    self.left = 0;
                    return None;
                }
                Err(_) if self.left == 0 => return None,
                Err(_) => Err(Error::Interrupted { batches: self.left }),
            };
            self.left = if batch.is_ok() { self.left.saturating_sub(1) } else { 0 };
            return Some(batch);
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

/// The other end of the channel.
struct Producer {
    options: ReadOptions,
    sender: SyncSender<Event>,
    /// Rows of the windows before that did not fill a batch.
    carried: Option<RecordBatch>,
    /// What all tiles have to have in common.
    schema: Option<(SchemaRef, Option<Grid>)>,
}

/// Why the reading thread stops early.
enum Stop {
    /// A tile is bad.
    Failed(Error),
    /// Nobody listens any more.
    Gone,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Producer {
    fn run(&mut self, windows: impl Iterator<Item = Window>) -> Result<(), Stop> {
        for window in windows {
            for batch in self.window(&window)? {
                self.send_batch(batch)?;
            }
        }
        match self.carried.take() {
            Some(last) if !self.options.drop_last => self.send_batch(last),
            _ => Ok(()),
        }
    }

    fn send_batch(&mut self, batch: RecordBatch) -> Result<(), Stop> {
        let grid = self.schema.as_ref().and_then(|(_, grid)| grid.as_ref());
        let batch = SpectrumBatch::new(batch, grid).ok_or(Error::Interrupted { batches: 1 })?;
        self.send(Event::Batch(batch))
    }

    fn send(&self, event: Event) -> Result<(), Stop> {
        self.sender.send(event).map_err(|_| Stop::Gone)
    }

    /// Decodes a window and cuts it into batches; what does not fill one is carried over to the next.
    fn window(&mut self, Window { pieces, order }: &Window) -> Result<Vec<RecordBatch>, Stop> {
        let options = &self.options;
        let decode = || pieces.par_iter().map(|piece| decode::read(piece, options)).collect();
        let decoded: Vec<Result<RecordBatch>> = decoders()?.install(decode);

        let mut sources = Vec::with_capacity(pieces.len() + 1);
        // Where the rows of a piece are among the sources; nowhere if it was skipped.
        let mut source_of = Vec::with_capacity(pieces.len());
        for (piece, batch) in pieces.iter().zip(decoded) {
            match batch {
                Ok(batch) => {
                    self.check_schema(piece, &batch)?;
                    source_of.push(Some(sources.len()));
                    sources.push(batch);
                }
                Err(error) if self.options.bad_tiles == BadTiles::Skip => {
                    source_of.push(None);
                    let (path, rows) = (PathBuf::from(&*piece.uri), piece.rows.end - piece.rows.start);
                    self.send(Event::Skipped(SkippedTile { path, rows, error }))?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let carried = self.carried.take();
        let carried_rows = carried.as_ref().map_or(0, RecordBatch::num_rows);
        let last = sources.len();
        sources.extend(carried);
        let readable = order.iter().filter_map(|&(piece, row)| Some((source_of[piece]?, row)));
        let rows: Vec<(usize, usize)> = (0..carried_rows).map(|row| (last, row)).chain(readable).collect();

        let sources: Vec<&RecordBatch> = sources.iter().collect();
        let chunks = rows.chunks_exact(self.options.batch_rows.get());
        let rest = chunks.remainder();
        let batches = chunks.map(|chunk| gather(&sources, chunk)).collect::<Result<_>>()?;
        if !rest.is_empty() {
            self.carried = Some(gather(&sources, rest)?);
        }
        Ok(batches)
    }

    fn check_schema(&mut self, piece: &Piece, batch: &RecordBatch) -> Result<()> {
        let found = batch.schema();
        let has_grid = found.metadata().contains_key(KEY);
        // The decoder has read this grid already, so it is there and right.
        let grid = has_grid.then(|| Grid::from_metadata(found.metadata()).ok()).flatten();
        let Some((first, first_grid)) = &self.schema else {
            self.schema = Some((found, grid));
            return Ok(());
        };
        let unit = |schema: &SchemaRef| schema.metadata().get(FLUX_UNIT).cloned();
        let difference = if let Some((a, b)) = first.fields().iter().zip(found.fields()).find(|(a, b)| a != b) {
            format!(
                "column {:?} is {}, in the tiles before {}",
                b.name(),
                b.data_type(),
                a.data_type()
            )
        } else if grid != *first_grid {
            "the wavelength grid differs from that of the tiles before".into()
        } else if unit(first) != unit(&found) {
            format!(
                "the unit of the flux is {:?}, in the tiles before {:?}",
                unit(&found),
                unit(first)
            )
        } else {
            return Ok(());
        };
        let reason = format!("{difference}: read tiles of each kind with a reader of their own");
        Err(Error::Mixed {
            path: PathBuf::from(&*piece.uri),
            reason,
        })
    }
}

/// The threads that decode, for all readers of a program. They never wait for a consumer, who may be a worker of rayon's
/// global pool.
fn decoders() -> Result<&'static ThreadPool> {
    static DECODERS: OnceLock<ThreadPool> = OnceLock::new();
    if let Some(pool) = DECODERS.get() {
        return Ok(pool);
    }
    let pool = ThreadPoolBuilder::new()
        .thread_name(|i| format!("radio-io-{i}"))
        .build();
    let pool = pool.map_err(|e| Error::Io {
        path: "a decoding thread".into(),
        source: std::io::Error::other(e),
    })?;
    Ok(DECODERS.get_or_init(|| pool))
}

fn gather(sources: &[&RecordBatch], rows: &[(usize, usize)]) -> Result<RecordBatch> {
    interleave_record_batch(sources, rows).map_err(|source| Error::Batch { source: source.into() })
}
