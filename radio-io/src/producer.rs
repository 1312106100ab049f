//! The thread that reads: from windows of pieces to batches.

use std::mem;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave_record_batch;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::decode::{self, FLUX_UNIT, Part};
use crate::fast::Slot;
use crate::filling::Filling;
use crate::grid::Grid;
use crate::metrics::Counters;
use crate::order::{Piece, Window};
use crate::reader::SkippedTile;
use crate::ring::Ring;
use crate::task::Task;
use crate::tile::{Tile, Tiles};
use crate::{BadTiles, Error, ReadOptions, Result, Shuffle, SpectrumBatch};

/// What the reading thread has to say.
#[derive(Debug)]
pub(crate) enum Event {
    /// A batch, and its number in the pass.
    Batch(u64, SpectrumBatch),
    Skipped(SkippedTile),
    Failed(Error),
    End,
}

/// Why the reading thread stops early.
pub(crate) enum Stop {
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

/// The reading end of a [`Reader`](crate::Reader).
pub(crate) struct Producer {
    options: ReadOptions,
    sender: SyncSender<Event>,
    counters: Arc<Counters>,
    tiles: Tiles,
    ring: Arc<Ring>,
    /// The batch that the windows before did not fill.
    filling: Option<Filling>,
    /// Number of the batch that comes next.
    next: u64,
    /// Numbers of empty batches that wait for the first tile that can be read: it says how a batch looks.
    unshaped: Vec<u64>,
    /// What all tiles have to have in common.
    kind: Option<(SchemaRef, Option<Grid>)>,
}

/// A piece that is being read.
struct Opened {
    tile: Arc<Tile>,
    /// Its rows that are wanted: their places in the piece, ascending, and their numbers in the file.
    wanted: Wanted,
    /// All of these but their matrices.
    rows: RecordBatch,
}

/// Rows of a piece: their places in it, ascending, and their numbers in the file.
#[derive(Clone, Default)]
struct Wanted {
    places: Vec<usize>,
    numbers: Vec<u64>,
}

impl Producer {
    pub(crate) fn new(options: ReadOptions, sender: SyncSender<Event>, counters: Arc<Counters>, next: u64) -> Self {
        Self {
            tiles: Tiles::new(options.clone()),
            ring: Ring::new(Part::ALL.len() * batches_at_once(&options)),
            options,
            sender,
            counters,
            filling: None,
            next,
            unshaped: Vec::new(),
            kind: None,
        }
    }

    /// Reads all windows, and says how it ended, if somebody listens.
    pub(crate) fn run(mut self, windows: impl Iterator<Item = Window>) {
        let last = match self.read(windows) {
            Ok(()) => Event::End,
            Err(Stop::Failed(error)) => Event::Failed(error),
            Err(Stop::Gone) => return,
        };
        // The consumer may leave at any time.
        let _ = self.send(last);
    }

    fn read(&mut self, windows: impl Iterator<Item = Window>) -> Result<(), Stop> {
        for window in windows {
            self.window(&window)?;
        }
        if let Some(last) = self.filling.take() {
            self.finish(last)?;
        }
        match self.unshaped.len() as u64 {
            0 => Ok(()),
            batches => Err(Error::Unreadable { batches }.into()),
        }
    }

    fn send(&self, event: Event) -> Result<(), Stop> {
        let before = Instant::now();
        let outcome = self.sender.send(event).map_err(|_| Stop::Gone);
        self.counters.producer_waited(before.elapsed());
        outcome
    }

    /// Reads a window and sends the batches that it fills.
    fn window(&mut self, window: &Window) -> Result<(), Stop> {
        let mut opened = self.open(window)?;
        let mut batches = self.batches(window.order.len());
        let pixels = self.pixels();
        if pixels > 0 {
            let errors = self.fill(window, &opened, &mut batches, pixels)?;
            for (number, error) in errors {
                // Of two bad columns of a piece the first one is told.
                if let Some(this) = opened[number].take() {
                    self.bad(&window.pieces[number], this.wanted.places.len(), error)?;
                }
            }
        }
        gather(window, &opened, &mut batches, self.options.batch_rows.get())?;
        for batch in batches {
            if batch.rows == self.options.batch_rows.get() {
                self.finish(batch)?;
            } else {
                self.filling = Some(batch);
            }
        }
        Ok(())
    }

    /// Opens the tiles of a window, and reads all but the matrices. There is nothing for a piece that is bad, or not wanted.
    fn open(&mut self, window: &Window) -> Result<Vec<Option<Opened>>, Stop> {
        let (tiles, options) = (&self.tiles, &self.options);
        let wanted = wanted(window);
        let counts: Vec<usize> = wanted.iter().map(|wanted| wanted.places.len()).collect();
        let pieces: Vec<(&Piece, Wanted)> = window.pieces.iter().zip(wanted).collect();
        let open = |(piece, wanted): (&Piece, Wanted)| -> Option<Result<Opened>> {
            (!wanted.places.is_empty()).then(|| Opened::read(tiles, piece, wanted, options))
        };
        let outcomes: Vec<Option<Result<Opened>>> =
            decoders()?.install(|| pieces.into_par_iter().with_max_len(1).map(open).collect());
        let mut opened = Vec::with_capacity(outcomes.len());
        for ((piece, count), outcome) in window.pieces.iter().zip(counts).zip(outcomes) {
            opened.push(match outcome {
                None => None,
                Some(Ok(this)) => {
                    self.check_kind(piece, &this)?;
                    Some(this)
                }
                Some(Err(error)) => {
                    self.bad(piece, count, error)?;
                    None
                }
            });
        }
        Ok(opened)
    }

    /// What becomes of a piece that cannot be read.
    fn bad(&self, piece: &Piece, rows: usize, error: Error) -> Result<(), Stop> {
        if self.options.bad_tiles == BadTiles::Fail {
            return Err(error.into());
        }
        let (path, rows) = (PathBuf::from(&*piece.uri), rows as u64);
        self.send(Event::Skipped(SkippedTile { path, rows, error }))
    }

    /// Pixels of every row, where all share a grid; otherwise 0.
    fn pixels(&self) -> usize {
        let grid = self.kind.as_ref().and_then(|(_, grid)| grid.as_ref());
        grid.map_or(0, |grid| grid.wavelength.len())
    }

    /// Batches that so many rows go to; the first one may have some already.
    fn batches(&mut self, rows: usize) -> Vec<Filling> {
        let full = self.options.batch_rows.get();
        let first = self.filling.take().unwrap_or_default();
        let others = (first.rows + rows).div_ceil(full).saturating_sub(1);
        let mut batches = vec![first];
        batches.resize_with(1 + others, Filling::default);
        batches
    }

    /// Brings the rows of the matrices to their places, and returns the pieces where that failed.
    fn fill(
        &self,
        window: &Window,
        opened: &[Option<Opened>],
        batches: &mut [Filling],
        pixels: usize,
    ) -> Result<Vec<(usize, Error)>> {
        let full = self.options.batch_rows.get();
        let has_masks = opened.iter().flatten().any(Opened::has_mask);
        let mut slots: Vec<[Vec<Slot<'_>>; 3]> = opened.iter().map(|_| Default::default()).collect();
        let mut rest = window.order.as_slice();
        for batch in batches {
            let (order, later) = rest.split_at(rest.len().min(full - batch.rows));
            rest = later;
            for (part, buffer) in Part::ALL.into_iter().zip(&mut batch.parts) {
                if buffer.is_none() && (part != Part::Mask || has_masks) {
                    let mut values = self.ring.take(full * pixels);
                    if part == Part::Mask {
                        // Tiles before had none.
                        values.fill(0);
                    }
                    *buffer = Some(values);
                }
                let Some(values) = buffer else { continue };
                let rows = bytemuck::cast_slice_mut::<u32, u8>(values).chunks_exact_mut(pixels * size_of::<u32>());
                for (values, &(piece, row)) in rows.skip(batch.rows).zip(order) {
                    if let Some(row) = opened[piece].as_ref().and_then(|this| this.wanted.number(row)) {
                        slots[piece][part as usize].push(Slot { row, values });
                    }
                }
            }
        }
        let tasks: Vec<(usize, &Tile, Task<'_>)> = opened
            .iter()
            .zip(slots)
            .enumerate()
            .filter_map(|(piece, (this, slots))| Some((piece, &*this.as_ref()?.tile, slots)))
            .flat_map(|(piece, tile, slots)| Task::of(tile, slots).into_iter().map(move |task| (piece, tile, task)))
            .collect();
        let run = |(piece, tile, task): (usize, &Tile, Task<'_>)| match task.run(tile) {
            Ok(rows) => {
                self.counters.rows_by_parquet(rows as u64);
                None
            }
            Err(error) => Some((piece, error)),
        };
        Ok(decoders()?.install(|| tasks.into_par_iter().with_max_len(1).filter_map(run).collect()))
    }

    fn finish(&mut self, batch: Filling) -> Result<(), Stop> {
        let number = self.next;
        self.next += 1;
        if !batch.has_rows() && self.options.world.get() == 1 {
            return Ok(());
        }
        if self.kind.is_none() {
            self.unshaped.push(number);
            return Ok(());
        }
        for empty in mem::take(&mut self.unshaped) {
            self.send_batch(empty, Filling::default())?;
        }
        self.send_batch(number, batch)
    }

    fn send_batch(&self, number: u64, batch: Filling) -> Result<(), Stop> {
        let Some((schema, grid)) = &self.kind else {
            return Err(Error::Interrupted { batches: 1 }.into());
        };
        let span = tracing::trace_span!("batch", number, rows = batch.rows);
        let batch = span.in_scope(|| batch.finish(schema, grid.as_ref(), &self.ring))?;
        self.send(Event::Batch(number, batch))
    }

    fn check_kind(&mut self, piece: &Piece, opened: &Opened) -> Result<()> {
        let found = opened.rows.schema();
        let grid = opened.tile.columns.grid();
        let Some((first, first_grid)) = &self.kind else {
            self.kind = Some((found, grid.cloned()));
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
        } else if grid != first_grid.as_ref() {
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

/// Batches that are in memory at once: those of a window, those that wait, one that is full and one that the consumer has.
fn batches_at_once(options: &ReadOptions) -> usize {
    let window = match options.shuffle {
        Shuffle::None => 1,
        Shuffle::Window { rows } => rows.get().div_ceil(options.batch_rows.get()),
    };
    window.saturating_add(options.prefetch.get()).saturating_add(2)
}

/// Of each piece, the rows that are wanted.
fn wanted(window: &Window) -> Vec<Wanted> {
    let mut wanted = vec![Wanted::default(); window.pieces.len()];
    for &(piece, row) in &window.order {
        wanted[piece].places.push(row);
    }
    for (wanted, piece) in wanted.iter_mut().zip(&window.pieces) {
        wanted.places.sort_unstable();
        let mut places = wanted.places.iter().peekable();
        let numbers = piece.numbers().enumerate();
        wanted.numbers = numbers
            .filter_map(|(place, number)| places.next_if_eq(&&place).map(|_| number))
            .collect();
    }
    wanted
}

impl Wanted {
    /// Which of the wanted rows is at this place of the piece?
    fn find(&self, place: usize) -> Option<usize> {
        self.places.binary_search(&place).ok()
    }

    /// Number in the file of the row at this place of the piece.
    fn number(&self, place: usize) -> Option<u64> {
        self.numbers.get(self.find(place)?).copied()
    }
}

impl Opened {
    fn has_mask(&self) -> bool {
        let mut arms = self.tile.columns.arms().iter();
        arms.any(|arm| arm.columns[Part::Mask as usize].is_some())
    }

    fn read(tiles: &Tiles, piece: &Piece, wanted: Wanted, options: &ReadOptions) -> Result<Self> {
        let tile = tiles.get(&piece.uri)?;
        let rows = tile.source.rows();
        if let Some(last) = piece.rows.last()
            && last.end > rows
        {
            return Err(Error::Stale {
                path: tile.source.path.clone(),
                row: piece.numbers().find(|row| *row >= rows).unwrap_or(rows),
                rows,
            });
        }
        if let Some(grid) = tile.columns.grid() {
            let mut arms = tile.columns.arms().iter();
            arms.try_for_each(|arm| arm.check(&tile.source, &wanted.numbers, grid))?;
        }
        Ok(Self {
            rows: decode::read(&tile, &wanted.numbers, options)?,
            wanted,
            tile,
        })
    }
}

/// Brings the rows that are no matrices to their batches, and counts all.
fn gather(window: &Window, opened: &[Option<Opened>], batches: &mut [Filling], full: usize) -> Result<()> {
    let sources: Vec<&RecordBatch> = opened.iter().flatten().map(|this| &this.rows).collect();
    // Numbers of the sources; those of pieces that are none are not asked for.
    let source_of: Vec<usize> = opened
        .iter()
        .scan(0, |next, this| {
            let number = *next;
            *next += usize::from(this.is_some());
            Some(number)
        })
        .collect();
    let mut rest = window.order.as_slice();
    for batch in batches {
        let (order, later) = rest.split_at(rest.len().min(full - batch.rows));
        rest = later;
        let mut rows = Vec::with_capacity(order.len());
        for &(piece, row) in order {
            match opened[piece].as_ref().and_then(|this| this.wanted.find(row)) {
                Some(row) => rows.push((source_of[piece], row)),
                None => batch.bad.push(batch.rows),
            }
            batch.rows += 1;
        }
        if !rows.is_empty() {
            let gathered = interleave_record_batch(&sources, &rows);
            batch
                .columns
                .push(gathered.map_err(|source| Error::Batch { source: source.into() })?);
        }
    }
    Ok(())
}

/// The threads that decode, for all readers of a program. They never wait for a consumer, who may be a worker of rayon's
/// global pool.
pub(crate) fn decoders() -> Result<&'static ThreadPool> {
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
