//! An open tile: its metadata, its columns, and how to get at its rows.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_schema::{DataType, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::reader::{ChunkReader, Length};

use crate::decode::{FLUX, ID, IVAR, MASK, WAVELENGTH};
use crate::fast::FixedLists;
use crate::grid::Grid;
use crate::{Error, ReadOptions, Result, SpectrumColumns};

/// Tiles that are kept open.
const MOST_OPEN: usize = 64;

/// A tile that is ready to be read.
#[derive(Debug)]
pub(crate) struct Tile {
    pub(crate) path: PathBuf,
    pub(crate) file: Positioned,
    pub(crate) metadata: ArrowReaderMetadata,
    pub(crate) columns: Columns,
    /// Flux, ivar and mask, where the tile has one grid.
    pub(crate) fixed: [Option<FixedLists>; 3],
}

impl Tile {
    pub(crate) fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        let file = File::open(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        let file = Positioned(Arc::new(file));
        // With the page index, pages before the wanted rows are not decoded.
        let reader_options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Tile {
            path: path.to_owned(),
            source,
        };
        // The decoder is made for whole files: a damaged one can make it panic.
        let metadata = catch_unwind(AssertUnwindSafe(|| ArrowReaderMetadata::load(&file, reader_options)))
            .map_err(|_| failed("the footer cannot be decoded: damaged".into()))?
            .map_err(|e| failed(e.into()))?;
        let columns = Columns::find(path, &metadata, options)?;
        let fixed = match &columns.wavelength {
            Wavelength::Shared(grid) => {
                let pixels = grid.wavelength.len();
                let find = |column: &str, physical| FixedLists::find(metadata.metadata(), column, physical, pixels);
                [
                    find(&columns.flux, PhysicalType::FLOAT),
                    find(&columns.ivar, PhysicalType::FLOAT),
                    columns.mask.as_deref().and_then(|mask| find(mask, PhysicalType::INT32)),
                ]
            }
            Wavelength::Column(_) => [None, None, None],
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            metadata,
            columns,
            fixed,
        })
    }

    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or_default()
    }

    /// The grid that all its rows share, if they do.
    pub(crate) fn grid(&self) -> Option<&Grid> {
        match &self.columns.wavelength {
            Wavelength::Shared(grid) => Some(grid),
            Wavelength::Column(_) => None,
        }
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

/// The columns of one tile, by their dotted paths.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) id: String,
    pub(crate) flux: String,
    pub(crate) ivar: String,
    pub(crate) mask: Option<String>,
    pub(crate) wavelength: Wavelength,
    pub(crate) more: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum Wavelength {
    /// One grid for all rows.
    Shared(Grid),
    /// A grid in every row.
    Column(String),
}

impl Columns {
    pub(crate) fn find(path: &Path, metadata: &ArrowReaderMetadata, options: &ReadOptions) -> Result<Self> {
        let SpectrumColumns {
            id,
            flux,
            ivar,
            mask,
            wavelength,
        } = &options.spectrum;
        let schema = metadata.schema();
        let missing = |column: &str, reason: String| Error::Column {
            path: path.to_owned(),
            column: column.into(),
            reason,
        };
        let find = |names: &[String]| names.iter().find(|name| has(schema, name)).cloned();
        let need = |column: &str, names: &[String]| {
            find(names).ok_or_else(|| {
                let arms = if has(schema, "B_FLUX") {
                    ": the arms of this tile have to be joined first"
                } else {
                    ""
                };
                missing(column, format!("not found (looked for {}){arms}", names.join(", ")))
            })
        };
        for column in &options.columns {
            if [ID, FLUX, IVAR, MASK, WAVELENGTH].contains(&column.as_str()) {
                let reason = "every batch has a column of this name already: do not ask for it";
                return Err(missing(column, reason.into()));
            }
            if schema.field_with_name(column).is_err() {
                return Err(missing(column, "not found, but asked for".into()));
            }
        }
        Ok(Self {
            id: need(ID, id)?,
            flux: need(FLUX, flux)?,
            ivar: need(IVAR, ivar)?,
            mask: find(mask),
            wavelength: match find(wavelength) {
                Some(column) => Wavelength::Column(column),
                None => {
                    let grid = Grid::from_metadata(schema.metadata());
                    Wavelength::Shared(grid.map_err(|reason| missing(WAVELENGTH, reason))?)
                }
            },
            more: options.columns.clone(),
        })
    }
}

/// Does the schema have a column with this dotted path?
fn has(schema: &Schema, path: &str) -> bool {
    let mut names = path.split('.');
    let Some(field) = names.next().and_then(|name| schema.field_with_name(name).ok()) else {
        return false;
    };
    let mut data_type = field.data_type();
    for name in names {
        let DataType::Struct(fields) = data_type else {
            return false;
        };
        let Some((_, field)) = fields.find(name) else {
            return false;
        };
        data_type = field.data_type();
    }
    true
}
