use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave_record_batch;
use radio_index::ReadPlan;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::grid::{Grid, KEY};
use crate::order::{Piece, Window, windows};
use crate::{BadTiles, Error, ReadOptions, Result, SpectrumBatch, decode};

/// One pass over the rows of a plan, in batches: an iterator that a thread of its own keeps ahead of its consumer.
///
/// Which rows come in which batch is a function of the plan, the options and the tiles alone, the same on one core and on
/// many. After an error there are no more batches. All tiles of a plan have to have the same dialect and, in the flat one,
/// the same wavelength grid.
///
/// # Complexity
///
/// Decoding is shared by all cores of rayon's global pool. In memory are at most one window of decoded rows (a batch where
/// nothing is shuffled) with the batches that are gathered from it, and [`prefetch`](ReadOptions::prefetch) batches.
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
    /// [`Error::Io`] where no thread can be started. What is wrong with a tile comes out of the iterator, in its place.
    pub fn new(plan: &ReadPlan, options: ReadOptions) -> Result<Self> {
        let batch_rows = options.batch_rows.get() as u64;
        let rows = if options.drop_last {
            plan.rows() / batch_rows * batch_rows
        } else {
            plan.rows()
        };
        let left = rows.div_ceil(batch_rows) as usize;
        let windows = windows(plan, &options);
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
    fn run(&mut self, windows: Vec<Window>) -> Result<(), Stop> {
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
        let decoded: Vec<Result<RecordBatch>> = pieces.par_iter().map(|piece| decode::read(piece, options)).collect();
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
                    let (path, rows) = (PathBuf::from(&piece.uri), piece.rows.end - piece.rows.start);
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
        match &self.schema {
            None => {
                let grid = Some(found.metadata()).filter(|metadata| metadata.contains_key(KEY));
                // The decoder has read this grid already, so it is there and right.
                let grid = grid.and_then(|metadata| Grid::from_metadata(metadata).ok());
                self.schema = Some((found, grid));
                Ok(())
            }
            Some((first, _)) if *first == found => Ok(()),
            Some((first, _)) => {
                let reason = match first.fields().iter().zip(found.fields()).find(|(a, b)| a != b) {
                    Some((a, b)) => {
                        let (name, new, old) = (b.name(), b.data_type(), a.data_type());
                        format!("column {name:?} is {new}, in the tiles before {old}")
                    }
                    None => "the wavelength grid or the unit differs from that of the tiles before".into(),
                };
                let advice = "read such tiles with a reader of their own";
                Err(Error::Mixed {
                    path: piece.uri.clone().into(),
                    reason: format!("{reason}: {advice}"),
                })
            }
        }
    }
}

fn gather(sources: &[&RecordBatch], rows: &[(usize, usize)]) -> Result<RecordBatch> {
    interleave_record_batch(sources, rows).map_err(|source| Error::Tile {
        path: "a batch of several tiles".into(),
        source: source.into(),
    })
}
