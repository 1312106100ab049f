//! An open tile: its metadata, its columns, and how to get at its rows.

use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::PageIndexPolicy;
use radio_index::ReadPlan;

use crate::columns::Columns;
use crate::decode::Part;
use crate::error::unreadable;
use crate::fast::Slot;
use crate::filling::Filling;
use crate::ring::Ring;
use crate::storage::{Stamp, Storage, TileFile};
use crate::task::Task;
use crate::{Error, ReadOptions, Result, Shuffle, decode};

/// Tiles that are kept open where rows come in pieces: a tile is done with when its pieces were read.
const MOST_OPEN: usize = 64;

/// An open file, and what its footer says.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: TileFile,
    pub(crate) metadata: ArrowReaderMetadata,
}

/// A tile that is ready to be read.
#[derive(Debug)]
pub(crate) struct Tile {
    pub(crate) source: Source,
    pub(crate) columns: Columns,
    /// All planned rows but their matrices, where these are read one by one.
    kept: OnceLock<Arc<Kept>>,
}

/// Rows of a tile, and their numbers in the file, ascending.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) numbers: Vec<u64>,
    pub(crate) rows: RecordBatch,
}

impl Source {
    pub(crate) fn open(uri: &str, storage: &Storage) -> Result<Self> {
        let file = storage.open(uri)?;
        // With the page index, pages before the wanted rows are not decoded.
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let bytes = file.get()?;
        let metadata = ArrowReaderMetadata::load(&bytes, options).map_err(unreadable(uri.as_ref()))?;
        Ok(Self { file, metadata })
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Bytes of a row, decoded, on average.
    pub(crate) fn row_bytes(&self) -> u64 {
        let groups = self.metadata.metadata().row_groups().iter();
        let bytes: u64 = groups
            .map(|group| u64::try_from(group.total_byte_size()).unwrap_or_default())
            .fold(0, u64::saturating_add);
        bytes.div_ceil(self.rows().max(1))
    }

    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or_default()
    }
}

impl Tile {
    fn open(uri: &str, storage: &Storage, options: &ReadOptions) -> Result<Self> {
        let source = Source::open(uri, storage)?;
        let columns = Columns::find(&source, options)?;
        Ok(Self {
            source,
            columns,
            kept: OnceLock::new(),
        })
    }

    pub(crate) fn has_mask(&self) -> bool {
        let mut arms = self.columns.arms().iter();
        arms.any(|arm| arm.columns[Part::Mask as usize].is_some())
    }

    /// Reads rows with their matrices, in memory of the ring.
    pub(crate) fn read_whole(&self, numbers: &[u64], options: &ReadOptions, ring: &Arc<Ring>) -> Result<RecordBatch> {
        let columns = self.read(numbers, options)?;
        let Some(grid) = self.columns.grid() else {
            return Ok(columns);
        };
        let pixels = grid.wavelength.len();
        let mut parts = Part::ALL.map(|part| {
            let is_there = part != Part::Mask || self.has_mask();
            is_there.then(|| ring.take(numbers.len() * pixels))
        });
        let slots = parts.each_mut().map(|values| {
            let bytes = values
                .as_mut()
                .map(|values| bytemuck::cast_slice_mut::<u32, u8>(values));
            let places = bytes
                .into_iter()
                .flat_map(|bytes| bytes.chunks_exact_mut(pixels.max(1) * size_of::<u32>()));
            let slot = |(&row, values)| Slot { row, values };
            numbers.iter().zip(places).map(slot).collect()
        });
        for task in Task::of_tile(self, slots) {
            task.run()?;
        }
        let schema = columns.schema();
        let filling = Filling {
            rows: numbers.len(),
            bad: Vec::new(),
            parts,
            columns: vec![columns],
        };
        let failed = |source: arrow_schema::ArrowError| Error::Batch { source: source.into() };
        let whole = filling.record_batch(&schema, Some(grid), ring).map_err(failed)?;
        let whole = whole.ok_or(Error::Interrupted { batches: 1 })?;
        if self.has_mask() {
            return Ok(whole);
        }
        let columns = whole.schema();
        let kept = columns
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| field.name() != Part::Mask.name());
        whole
            .project(&kept.map(|(number, _)| number).collect::<Vec<_>>())
            .map_err(failed)
    }

    /// Reads rows but their matrices, if they have any.
    pub(crate) fn read(&self, numbers: &[u64], options: &ReadOptions) -> Result<RecordBatch> {
        let rows = self.source.rows();
        if let Some(&row) = numbers.iter().find(|row| **row >= rows) {
            return Err(Error::Stale {
                path: self.source.path().to_owned(),
                row,
                rows,
            });
        }
        if let Some(grid) = self.columns.grid() {
            let mut arms = self.columns.arms().iter();
            arms.try_for_each(|arm| arm.check(&self.source, numbers, grid))?;
        }
        decode::read(self, numbers, options)
    }
}

/// The tiles of a plan, of which the last used ones stay open.
pub(crate) struct Tiles {
    plan: Arc<ReadPlan>,
    options: ReadOptions,
    storage: Storage,
    open: Mutex<Open>,
    stamps: Mutex<HashMap<Arc<str>, Stamp>>,
}

#[derive(Default)]
struct Open {
    uses: u64,
    /// With the number of the use that was the last one.
    tiles: HashMap<Arc<str>, (Arc<Tile>, u64)>,
}

impl Tiles {
    pub(crate) fn new(plan: Arc<ReadPlan>, options: ReadOptions) -> Self {
        Self {
            plan,
            storage: Storage::new(&options),
            options,
            open: Mutex::default(),
            stamps: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, uri: &Arc<str>) -> Result<Arc<Tile>> {
        if let Some(tile) = self.lock().known(uri) {
            return Ok(tile);
        }
        // Two threads may open the same tile; one of the two is kept.
        let tile = Arc::new(Tile::open(uri, &self.storage, &self.options)?);
        check(&self.plan, uri, tile.source.file.stamp)?;
        let most = match self.options.shuffle {
            Shuffle::Global => usize::MAX,
            Shuffle::None | Shuffle::Window { .. } => MOST_OPEN,
        };
        self.lock().keep(uri, &tile, most);
        Ok(tile)
    }

    /// All planned rows of a tile but their matrices. They are read once.
    pub(crate) fn kept(&self, uri: &str, tile: &Tile) -> Result<Arc<Kept>> {
        if let Some(kept) = tile.kept.get() {
            return Ok(kept.clone());
        }
        let numbers = self.planned(uri, 0..u64::MAX);
        let rows = tile.read(&numbers, &self.options)?;
        Ok(tile.kept.get_or_init(|| Arc::new(Kept { numbers, rows })).clone())
    }

    /// Numbers of the planned rows of a tile that are in a range.
    pub(crate) fn planned(&self, uri: &str, within: Range<u64>) -> Vec<u64> {
        let slices = self.plan.slices();
        let first = slices.partition_point(|slice| (slice.uri(), slice.rows().end) <= (uri, within.start));
        let slices = slices[first..].iter();
        slices
            .take_while(|slice| slice.uri() == uri && slice.rows().start < within.end)
            .flat_map(|slice| slice.rows().start.max(within.start)..slice.rows().end.min(within.end))
            .collect()
    }

    /// What tells a tile from another one in its place. It is looked for once in a pass.
    pub(crate) fn stamp(&self, uri: &Arc<str>) -> Result<Stamp> {
        let lock = || self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stamp) = lock().get(uri) {
            return Ok(*stamp);
        }
        let stamp = self.stamp_now(uri)?;
        check(&self.plan, uri, stamp)?;
        lock().insert(uri.clone(), stamp);
        Ok(stamp)
    }

    pub(crate) fn stamp_now(&self, uri: &str) -> Result<Stamp> {
        self.storage.stamp(uri)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Is the tile the one that the plan was made for?
pub(crate) fn check(plan: &ReadPlan, uri: &str, stamp: Stamp) -> Result<()> {
    match plan.tile(uri) {
        Some(known) if known.mtime_ns != 0 && (known.size, known.mtime_ns) != (stamp.size, stamp.mtime_ns) => {
            Err(Error::Changed { path: uri.into() })
        }
        _ => Ok(()),
    }
}

impl Open {
    fn known(&mut self, uri: &str) -> Option<Arc<Tile>> {
        let (tile, last) = self.tiles.get_mut(uri)?;
        self.uses += 1;
        *last = self.uses;
        Some(tile.clone())
    }

    fn keep(&mut self, uri: &Arc<str>, tile: &Arc<Tile>, most: usize) {
        if self.tiles.len() >= most {
            let oldest = self.tiles.iter().min_by_key(|(_, (_, last))| *last);
            let oldest = oldest.map(|(uri, _)| uri.clone());
            oldest.and_then(|uri| self.tiles.remove(&uri));
        }
        self.uses += 1;
        self.tiles.insert(uri.clone(), (tile.clone(), self.uses));
    }
}

/// Does what decodes a tile. The decoders are made for whole files: damaged ones can make them panic.
pub(crate) fn guarded<T>(path: impl AsRef<Path>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(unreadable(path.as_ref())("the decoder gave up: damaged")))
}

/// The batches of a file of parquet's own reader, which may be damaged.
#[cfg(feature = "hats")]
pub(crate) fn guarded_batches(
    path: &Path,
    mut reader: parquet::arrow::arrow_reader::ParquetRecordBatchReader,
) -> impl Iterator<Item = Result<RecordBatch>> + use<> {
    let path = path.to_owned();
    std::iter::from_fn(move || guarded(&path, || reader.next().transpose().map_err(unreadable(&path))).transpose())
}
