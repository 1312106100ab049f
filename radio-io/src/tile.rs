//! An open tile: its metadata, its columns, and how to get at its rows.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::PageIndexPolicy;
use radio_index::ReadPlan;

use crate::columns::Columns;
use crate::storage::{OpenFiles, TileFile};
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
    fn open(path: &Path, files: &OpenFiles) -> Result<Self> {
        let file = TileFile::open(path, files)?;
        // With the page index, pages before the wanted rows are not decoded.
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Tile {
            path: path.to_owned(),
            source,
        };
        let bytes = file.get()?;
        // The decoder is made for whole files: a damaged one can make it panic.
        let metadata = catch_unwind(AssertUnwindSafe(|| ArrowReaderMetadata::load(&bytes, options)))
            .map_err(|_| failed("the footer cannot be decoded: damaged".into()))?
            .map_err(|e| failed(e.into()))?;
        Ok(Self { file, metadata })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.file.path
    }

    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or_default()
    }
}

impl Tile {
    fn open(path: &Path, files: &OpenFiles, options: &ReadOptions) -> Result<Self> {
        let source = Source::open(path, files)?;
        let columns = Columns::find(&source, options)?;
        Ok(Self {
            source,
            columns,
            kept: OnceLock::new(),
        })
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
    files: OpenFiles,
    open: Mutex<Open>,
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
            options,
            files: OpenFiles::default(),
            open: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, uri: &Arc<str>) -> Result<Arc<Tile>> {
        if let Some(tile) = self.lock().known(uri) {
            return Ok(tile);
        }
        // Two threads may open the same tile; one of the two is kept.
        let tile = Arc::new(Tile::open(Path::new(&**uri), &self.files, &self.options)?);
        let stamp = tile.source.file.stamp;
        if let Some(known) = self.plan.tile(uri)
            && known.mtime_ns != 0
            && (known.size, known.mtime_ns) != (stamp.size, stamp.mtime_ns)
        {
            return Err(Error::Changed {
                path: tile.source.path().to_owned(),
            });
        }
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
        let first = self.plan.slices().partition_point(|slice| slice.uri() < uri);
        let slices = self.plan.slices()[first..]
            .iter()
            .take_while(|slice| slice.uri() == uri);
        let numbers: Vec<u64> = slices.flat_map(radio_index::TileSlice::rows).collect();
        let rows = tile.read(&numbers, &self.options)?;
        Ok(tile.kept.get_or_init(|| Arc::new(Kept { numbers, rows })).clone())
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
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
