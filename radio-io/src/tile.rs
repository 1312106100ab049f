//! An open tile: its metadata, its columns, and how to get at its rows.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::reader::{ChunkReader, Length};

use crate::columns::Columns;
use crate::{Error, ReadOptions, Result};

/// Tiles that are kept open.
const MOST_OPEN: usize = 64;

/// An open file, and what its footer says.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) file: Positioned,
    pub(crate) metadata: ArrowReaderMetadata,
}

/// A tile that is ready to be read.
#[derive(Debug)]
pub(crate) struct Tile {
    pub(crate) source: Source,
    pub(crate) columns: Columns,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        let file = Positioned(Arc::new(file));
        // With the page index, pages before the wanted rows are not decoded.
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Tile {
            path: path.to_owned(),
            source,
        };
        // The decoder is made for whole files: a damaged one can make it panic.
        let metadata = catch_unwind(AssertUnwindSafe(|| ArrowReaderMetadata::load(&file, options)))
            .map_err(|_| failed("the footer cannot be decoded: damaged".into()))?
            .map_err(|e| failed(e.into()))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            metadata,
        })
    }

    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or_default()
    }
}

impl Tile {
    pub(crate) fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        let source = Source::open(path)?;
        let columns = Columns::find(&source, options)?;
        Ok(Self { source, columns })
    }
}

/// The tiles of a plan, of which the last used ones stay open.
pub(crate) struct Tiles {
    options: ReadOptions,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    uses: u64,
    /// With the number of the use that was the last one.
    tiles: HashMap<Arc<str>, (Arc<Tile>, u64)>,
}

impl Tiles {
    pub(crate) fn new(options: ReadOptions) -> Self {
        Self {
            options,
            open: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, uri: &Arc<str>) -> Result<Arc<Tile>> {
        if let Some(tile) = self.lock().known(uri) {
            return Ok(tile);
        }
        // Two threads may open the same tile; one of the two is kept.
        let tile = Arc::new(Tile::open(Path::new(&**uri), &self.options)?);
        self.lock().keep(uri, &tile);
        Ok(tile)
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

    fn keep(&mut self, uri: &Arc<str>, tile: &Arc<Tile>) {
        let oldest = self.tiles.iter().min_by_key(|(_, (_, last))| *last);
        if self.tiles.len() >= MOST_OPEN
            && let Some(oldest) = oldest.map(|(uri, _)| uri.clone())
        {
            self.tiles.remove(&oldest);
        }
        self.uses += 1;
        self.tiles.insert(uri.clone(), (tile.clone(), self.uses));
    }
}

/// A file that many threads read at once. (parquet's own way with a `File` seeks, in all its clones together.)
#[derive(Clone, Debug)]
pub(crate) struct Positioned(pub(crate) Arc<File>);

impl Length for Positioned {
    fn len(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }
}

impl ChunkReader for Positioned {
    type T = BufReader<ReadFrom>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(ReadFrom {
            file: self.0.clone(),
            at: start,
        }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // A length that lies must not allocate more than there is.
        if start.saturating_add(length as u64) > self.len() {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at byte {start} are not there"
            )));
        }
        let mut bytes = vec![0; length];
        self.0.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// Reads on from a place.
#[derive(Debug)]
pub(crate) struct ReadFrom {
    file: Arc<File>,
    at: u64,
}

impl Read for ReadFrom {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(bytes, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
