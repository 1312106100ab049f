//! The thread that reads: from windows of pieces to batches.

use std::collections::BTreeMap;
use std::mem;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave_record_batch;
use radio_index::ReadPlan;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use crate::budget::Budget;
use crate::decode::{FLUX_UNIT, Part};
use crate::fast::Slot;
use crate::filling::Filling;
use crate::grid::Grid;
use crate::metrics::Counters;
use crate::opening::{Opened, Opener, Origin, Wanted, wanted};
use crate::order::{Piece, Window};
use crate::queue::{Event, Gone, Sender};
use crate::reader::SkippedTile;
use crate::ring::Ring;
use crate::task::Task;
use crate::tile::guarded;
use crate::{BadTiles, Error, ReadOptions, Result, Runtime};

/// Why the reading thread stops early.
pub(crate) enum Stop {
    /// A tile is bad.
    Failed(Error),
    /// Nobody listens any more.
    Gone,
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The reading end of a [`Reader`](crate::Reader).
pub(crate) struct Producer {
    options: ReadOptions,
    runtime: Runtime,
    sender: Sender,
    counters: Arc<Counters>,
    opener: Opener,
    budget: Budget,
    ring: Arc<Ring>,
    /// The batch that the windows before did not fill.
    filling: Option<Filling>,
    /// Number of the batch that comes next; none before the first window.
    next: Option<u64>,
    /// Batches before this one were given to another reader.
    start: u64,
    /// Numbers of empty batches that wait for the first tile that can be read: it says how a batch looks.
    unshaped: Vec<u64>,
    /// What all tiles have to have in common.
    kind: Option<(SchemaRef, Option<Grid>)>,
}

impl Producer {
    pub(crate) fn new(
        plan: Arc<ReadPlan>,
        options: ReadOptions,
        runtime: Runtime,
        sender: Sender,
        counters: Arc<Counters>,
        batches: Range<u64>,
    ) -> Self {
        let budget = Budget::new(&options, &runtime, batches.end);
        let ring = runtime.ring();
        Self {
            opener: Opener::new(plan, options.clone(), runtime.clone(), ring.clone(), counters.clone()),
            ring,
            budget,
            options,
            runtime,
            sender,
            counters,
            filling: None,
            next: None,
            start: batches.start,
            unshaped: Vec::new(),
            kind: None,
        }
    }

    /// Reads all windows, and says how it ended, if somebody listens.
    pub(crate) fn run(mut self, windows: impl Iterator<Item = Window>) {
        self.runtime.pin();
        let last = match self.read(windows) {
            Ok(()) => Event::End,
            Err(Stop::Failed(error)) => Event::Failed(error),
            Err(Stop::Gone) => return,
        };
        // The consumer may leave at any time.
        let _ = self.sender.send(last);
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
            // The list of what was skipped says it; other ranks would wait.
            _ if self.options.world.get() == 1 => Ok(()),
            batches => Err(Error::Unreadable { batches }.into()),
        }
    }

    /// Waits until there is memory for so many batches more.
    fn reserve(&mut self, batches: usize, opened: &[Option<Opened>]) -> Result<(), Stop> {
        let mut rows = opened.iter().flatten();
        let bytes = match self.pixels() {
            0 => rows.next().map_or(0, |this| {
                let sizes = this
                    .rows
                    .columns()
                    .iter()
                    .map(|column| column.to_data().get_slice_memory_size());
                sizes.map(Result::unwrap_or_default).sum::<usize>() / this.rows.num_rows().max(1)
            }),
            pixels => {
                let parts = if rows.any(Opened::has_mask) { 3 } else { 2 };
                pixels * parts * size_of::<f32>()
            }
        };
        let most = self.budget.batches(bytes)?;
        // The consumer has one.
        let batch_bytes = self.options.batch_rows.get().saturating_mul(bytes);
        self.ring.allow(most.saturating_add(1).saturating_mul(batch_bytes));
        let before = Instant::now();
        self.sender.reserve(batches, most)?;
        self.counters.producer_waited(before.elapsed());
        Ok(())
    }

    /// Makes ready for the first window: it may begin in the middle of a batch.
    fn begin(&mut self, window: &Window) -> Result<(), Stop> {
        if self.next.is_some() {
            return Ok(());
        }
        let full = self.options.batch_rows.get() as u64;
        self.next = Some(window.first / full);
        let before = (window.first % full) as usize;
        if before > 0 {
            self.sender.reserve(1, usize::MAX)?;
            self.filling = Some(Filling {
                rows: before,
                bad: (0..before).collect(),
                ..Filling::default()
            });
        }
        Ok(())
    }

    /// Reads a window and sends the batches that it fills.
    fn window(&mut self, window: &Window) -> Result<(), Stop> {
        self.begin(window)?;
        let by_blocks = self.runtime.cache().map(|_| window.by_blocks());
        let window = by_blocks.as_ref().unwrap_or(window);
        let mut opened = self.open(window)?;
        // Pages of tiles are read once, for all batches together; what is in memory already comes batch by batch, into a buffer
        // that was used just now and is still in the processor's cache.
        let is_in_memory = opened
            .iter()
            .flatten()
            .all(|this| matches!(this.origin, Origin::Cache(_)));
        let mut order = window.order.as_slice();
        while !order.is_empty() {
            let begun = self.filling.as_ref().map_or(0, |batch| batch.rows);
            let most = if is_in_memory {
                self.options.batch_rows.get() - begun
            } else {
                order.len()
            };
            let (now, later) = order.split_at(order.len().min(most));
            order = later;
            self.read_rows(window, &mut opened, now)?;
        }
        Ok(())
    }

    /// Reads rows of the pieces of a window in their order, and sends the batches that they fill.
    fn read_rows(
        &mut self,
        window: &Window,
        opened: &mut [Option<Opened>],
        order: &[(usize, usize)],
    ) -> Result<(), Stop> {
        let begun = usize::from(self.filling.is_some());
        let mut batches = self.batches(order.len());
        self.reserve(batches.len() - begun, opened)?;
        let pixels = self.pixels();
        if pixels > 0 {
            let errors = self.fill(window, order, opened, &mut batches, pixels)?;
            for (number, error) in errors {
                let parts = (0..opened.len()).filter(|&part| window.whole[part] == window.whole[number]);
                let taken: Vec<Opened> = parts.filter_map(|part| opened[part].take()).collect();
                let rows: usize = taken.iter().map(|this| this.wanted.places.len()).sum();
                // Of two bad columns of a piece the first one is told.
                if rows > 0 {
                    self.bad(&window.pieces[number], rows, error)?;
                }
            }
        }
        gather(order, opened, &mut batches, self.options.batch_rows.get())?;
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
        let wanted = wanted(window);
        let counts: Vec<usize> = wanted.iter().map(|wanted| wanted.places.len()).collect();
        let pieces: Vec<(&Piece, Wanted)> = window.pieces.iter().zip(wanted).collect();
        let open = |(piece, wanted): (&Piece, Wanted)| -> Option<Result<Opened>> {
            (!wanted.places.is_empty()).then(|| guarded(&*piece.uri, || self.opener.open(piece, wanted)))
        };
        let outcomes: Vec<Option<Result<Opened>>> = self
            .runtime
            .install(|| pieces.into_par_iter().with_max_len(1).map(open).collect());
        let mut opened = Vec::with_capacity(outcomes.len());
        let mut failed = BTreeMap::new();
        for ((piece, &whole), outcome) in window.pieces.iter().zip(&window.whole).zip(outcomes) {
            opened.push(match outcome.transpose() {
                Ok(None) => None,
                Ok(Some(this)) => {
                    self.check_kind(piece, &this)?;
                    Some(this)
                }
                Err(error) => {
                    failed.entry(whole).or_insert((piece, error));
                    None
                }
            });
        }
        for (whole, (piece, error)) in failed {
            let parts = (0..opened.len()).filter(|&number| window.whole[number] == whole);
            let mut rows = 0;
            for number in parts {
                rows += counts[number];
                opened[number] = None;
            }
            self.bad(piece, rows, error)?;
        }
        Ok(opened)
    }

    /// What becomes of a piece that cannot be read.
    fn bad(&self, piece: &Piece, rows: usize, error: Error) -> Result<(), Stop> {
        if self.options.bad_tiles == BadTiles::Fail {
            return Err(error.into());
        }
        let skipped = SkippedTile {
            path: PathBuf::from(&*piece.uri),
            rows: rows as u64,
            first_row: piece.numbers().next().unwrap_or_default(),
            error,
        };
        Ok(self.sender.send(Event::Skipped(skipped))?)
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
        order: &[(usize, usize)],
        opened: &[Option<Opened>],
        batches: &mut [Filling],
        pixels: usize,
    ) -> Result<Vec<(usize, Error)>> {
        let full = self.options.batch_rows.get();
        let has_masks = opened.iter().flatten().any(Opened::has_mask);
        let mut slots: Vec<[Vec<Slot<'_>>; 3]> = opened.iter().map(|_| Default::default()).collect();
        let mut rest = order;
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
        let tasks: Vec<(usize, Task<'_>)> = opened
            .iter()
            .zip(slots)
            .enumerate()
            .filter_map(|(piece, (this, slots))| Some((piece, &this.as_ref()?.origin, slots)))
            .flat_map(|(piece, origin, slots)| {
                let tasks = match origin {
                    Origin::Tile(tile) => Task::of_tile(tile, slots),
                    Origin::Cache(block) => Task::of_block(block, slots),
                };
                tasks.into_iter().map(move |task| (piece, task))
            })
            .collect();
        let run = |(piece, task): (usize, Task<'_>)| match guarded(&*window.pieces[piece].uri, || task.run()) {
            Ok(rows) => {
                self.counters.rows_by_parquet(rows as u64);
                None
            }
            Err(error) => Some((piece, error)),
        };
        Ok(self
            .runtime
            .install(|| tasks.into_par_iter().with_max_len(1).filter_map(run).collect()))
    }

    fn finish(&mut self, batch: Filling) -> Result<(), Stop> {
        let number = self.next.unwrap_or(self.start);
        self.next = Some(number + 1);
        let is_new = number >= self.start;
        if !(is_new && batch.has_rows()) {
            self.sender.release();
        }
        if !is_new {
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
        Ok(self.sender.send(Event::Batch(number, batch))?)
    }

    fn check_kind(&mut self, piece: &Piece, opened: &Opened) -> Result<()> {
        let found = opened.rows.schema();
        let grid = opened.grid();
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

/// Brings the rows that are no matrices to their batches, and counts all.
fn gather(order: &[(usize, usize)], opened: &[Option<Opened>], batches: &mut [Filling], full: usize) -> Result<()> {
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
    let mut rest = order;
    for batch in batches {
        let (order, later) = rest.split_at(rest.len().min(full - batch.rows));
        rest = later;
        let mut rows = Vec::with_capacity(order.len());
        for &(piece, row) in order {
            match opened[piece].as_ref().and_then(|this| this.find(row)) {
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
