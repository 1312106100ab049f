use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave_record_batch;
use radio_index::ReadPlan;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::grid::{Grid, KEY};
use crate::order::{Piece, Window, windows};
use crate::{Error, ReadOptions, Result, SpectrumBatch, decode};

/// One pass over the rows of a plan, in batches: an iterator that a thread of its own keeps ahead of its consumer.
///
/// Which rows come in which batch is a function of the plan and the options alone, the same on one core and on many.
/// After an error there are no more batches. All tiles of a plan have to have the same dialect and, in the flat one,
/// the same wavelength grid.
///
/// # Complexity
///
/// Decoding is shared by all cores. In memory are at most one window of decoded rows (a batch where nothing is
/// shuffled) and [`prefetch`](ReadOptions::prefetch) batches.
///
/// # Examples
///
/// See the [crate's documentation](crate).
#[derive(Debug)]
pub struct Reader {
    batches: Receiver<Result<SpectrumBatch>>,
    left: usize,
    rows: u64,
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
        let (sender, batches) = sync_channel(options.prefetch.get());
        thread::Builder::new()
            .name("radio-io".into())
            .spawn(move || {
                let mut producer = Producer {
                    options,
                    sender,
                    left,
                    carried: None,
                    schema: None,
                };
                // The consumer may leave at any time.
                let _ = producer.run(windows);
            })
            .map_err(|source| Error::Io {
                path: "a reading thread".into(),
                source,
            })?;
        Ok(Self { batches, left, rows })
    }

    /// Rows that all batches of the pass have together.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

impl Iterator for Reader {
    type Item = Result<SpectrumBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let batch = self
            .batches
            .recv()
            .unwrap_or(Err(Error::Interrupted { batches: self.left }));
        self.left = if batch.is_ok() { self.left - 1 } else { 0 };
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

/// The other end of the channel.
struct Producer {
    options: ReadOptions,
    sender: SyncSender<Result<SpectrumBatch>>,
    left: usize,
    /// Rows of the windows before that did not fill a batch.
    carried: Option<RecordBatch>,
    schema: Option<(SchemaRef, Option<Grid>)>,
}

/// The consumer is gone.
struct Gone;

impl Producer {
    fn run(&mut self, windows: Vec<Window>) -> Result<(), Gone> {
        for window in windows {
            if self.left == 0 {
                return Ok(());
            }
            match self.window(window) {
                Ok(batches) => batches.into_iter().try_for_each(|batch| self.send(batch))?,
                Err(error) => return self.sender.send(Err(error)).map_err(|_| Gone),
            }
        }
        match self.carried.take() {
            Some(last) if self.left > 0 => self.send(last),
            _ => Ok(()),
        }
    }

    fn send(&mut self, batch: RecordBatch) -> Result<(), Gone> {
        self.left = self.left.saturating_sub(1);
        let grid = self.schema.as_ref().and_then(|(_, grid)| grid.as_ref());
        let batch = SpectrumBatch::new(batch, grid).ok_or(Error::Interrupted { batches: self.left });
        self.sender.send(batch).map_err(|_| Gone)
    }

    /// Decodes a window and cuts it into batches; what does not fill one is carried over to the next.
    fn window(&mut self, Window { pieces, order }: Window) -> Result<Vec<RecordBatch>> {
        let decoded: Vec<Result<RecordBatch>> = pieces
            .par_iter()
            .map(|piece| decode::read(piece, &self.options))
            .collect();
        let mut sources = Vec::with_capacity(pieces.len() + 1);
        for (piece, batch) in pieces.iter().zip(decoded) {
            let batch = batch?;
            self.check_schema(piece, &batch)?;
            sources.push(batch);
        }
        let carried = self.carried.take();
        let carried_rows = carried.as_ref().map_or(0, RecordBatch::num_rows);
        let last = sources.len();
        sources.extend(carried);
        let rows: Vec<(usize, usize)> = (0..carried_rows).map(|row| (last, row)).chain(order).collect();

        let sources: Vec<&RecordBatch> = sources.iter().collect();
        let mut batches = Vec::new();
        let chunks = rows.chunks_exact(self.options.batch_rows.get());
        let rest = chunks.remainder();
        for chunk in chunks {
            batches.push(gather(&sources, chunk)?);
        }
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
                let different = first.fields().iter().zip(found.fields()).find(|(a, b)| a != b);
                let reason = match different {
                    Some((a, b)) => format!(
                        "column {:?} is {}, in the tiles before {}",
                        b.name(),
                        b.data_type(),
                        a.data_type()
                    ),
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
