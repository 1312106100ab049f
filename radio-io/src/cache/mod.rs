//! Rows that were read once stay in shared memory, or in a folder of a fast disk, for later epochs and for other processes.
//!
//! # Files
//!
//! One plain Arrow IPC file (not compressed, buffers aligned to 64 bytes) holds the wanted rows of 256 consecutive rows of a tile, in one
//! record batch. Its columns are `row_in_tile` (`UInt64`) and those of a [`SpectrumBatch`](crate::SpectrumBatch), with the mask only
//! where the tile has one; its schema's metadata has `wavelength` and `flux_unit` as a batch has them, and the tile, its size and its time of
//! change. A file has its final name, `….arrow`, from the moment at which it is complete; it is never changed, only replaced.

mod block;
mod folder;

use std::collections::HashMap;
use std::fs::{File, FileTimes};
use std::hash::Hasher;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arrow_array::RecordBatch;
use twox_hash::XxHash64;

pub(crate) use self::block::Block;
use self::folder::Folder;
use crate::order::PIECE_ROWS;
use crate::storage::Stamp;
use crate::{ReadOptions, Result};

/// Files that stay mapped: Linux lets a process have some 65,000 mappings.
const MOST_MAPPED: usize = 32_768;
/// What the files of a cache hold depends on this version of what reads tiles.
const VERSION: u32 = 1;

/// A folder of files that are mapped as they are needed, and stay mapped.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: Folder,
    /// By their names.
    mapped: Mutex<HashMap<String, Arc<Block>>>,
    filled: AtomicU64,
    refused: AtomicU64,
    /// Bytes for which there was no room: as much need not be asked for again.
    too_much: AtomicU64,
}

/// What a cache has: see [`Runtime::cache_report`](crate::Runtime::cache_report).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheReport {
    /// Where it is.
    pub folder: PathBuf,
    /// Bytes that it may take.
    pub budget: u64,
    /// Bytes that it takes, for all processes together.
    pub used: u64,
    /// Files that this process uses, each with up to 256 rows of a tile.
    pub blocks: u64,
    /// Their rows.
    pub rows: u64,
    /// Files that this process wrote.
    pub filled: u64,
    /// How often this process wanted to write one and there was no room: its rows are read from their tile in every epoch.
    pub refused: u64,
}

impl std::fmt::Display for CacheReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: {:.3} of {:.3} GB used, {} rows in {} files, {} of them written now",
            self.folder.display(),
            self.used as f64 / 1e9,
            self.budget as f64 / 1e9,
            self.rows,
            self.blocks,
            self.filled
        )?;
        match self.refused {
            0 => Ok(()),
            refused => write!(
                f,
                "; {refused} times there was no room: the rows are read from their tiles"
            ),
        }
    }
}

/// Rows of a tile that are in one file, and the tile as it is now.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    name: String,
    key: String,
    stamp: Stamp,
    rows: &'a [u64],
}

/// What a cache has of some rows.
pub(crate) enum Found {
    All(Arc<Block>),
    /// The file has other rows of the tile.
    Others(Arc<Block>),
    Nothing,
}

/// Rows of a tile, by their numbers, that are in the file with this one.
pub(crate) fn block_of(row: u64) -> Range<u64> {
    let first = row - row % PIECE_ROWS;
    first..first.saturating_add(PIECE_ROWS)
}

/// What is read of each row, and from where: part of the key of all blocks of a pass.
pub(crate) fn key_of(options: &ReadOptions) -> String {
    let spectrum = &options.spectrum;
    let names = [
        &spectrum.id,
        &spectrum.flux,
        &spectrum.ivar,
        &spectrum.mask,
        &spectrum.wavelength,
        &spectrum.arms,
        &options.columns,
    ];
    #[cfg(feature = "object-store")]
    let store = options.store.as_ref().map(|store| format!("{store:?}"));
    #[cfg(not(feature = "object-store"))]
    let store = None::<String>;
    serde_json::json!({"version": VERSION, "store": store, "columns": names}).to_string()
}

impl<'a> Wanted<'a> {
    /// Rows of one block, for a pass with the key of [`key_of`].
    pub(crate) fn new(pass: &str, uri: &str, stamp: Stamp, rows: &'a [u64]) -> Self {
        let first = rows.first().map_or(0, |row| block_of(*row).start);
        // The same tile may be named from here or from there.
        let uri = std::path::absolute(uri).unwrap_or_else(|_| uri.into());
        let key = format!("{pass} {first} {}", uri.display());
        let mut hash = XxHash64::with_seed(0);
        hash.write(key.as_bytes());
        Self {
            name: format!("{:016x}.arrow", hash.finish()),
            key,
            stamp,
            rows,
        }
    }

    /// Numbers that rows of the block have.
    pub(crate) fn block(&self) -> Range<u64> {
        block_of(self.rows.first().copied().unwrap_or_default())
    }
}

impl Cache {
    pub(crate) fn open(folder: &Path, budget: u64) -> Result<Self> {
        Ok(Self {
            folder: Folder::open(folder, budget)?,
            mapped: Mutex::default(),
            filled: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            too_much: AtomicU64::new(u64::MAX),
        })
    }

    pub(crate) fn report(&self) -> Result<CacheReport> {
        let folder = self.folder.path("");
        let used = self.folder.used().map_err(|source| crate::Error::Io {
            path: folder.clone(),
            source,
        })?;
        let mapped = self.mapped.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(CacheReport {
            folder,
            budget: self.folder.budget(),
            used,
            blocks: mapped.len() as u64,
            rows: mapped.values().map(|block| block.numbers.len() as u64).sum(),
            filled: self.filled.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        })
    }

    /// Looks for rows, here and in what other processes wrote.
    pub(crate) fn find(&self, wanted: &Wanted<'_>) -> Found {
        let known = self.mapped().get(&wanted.name).cloned();
        let known = known.filter(|block| block.stamp == wanted.stamp);
        let is_there = |block: &Block| wanted.rows.iter().all(|row| block.find(*row).is_some());
        let found = match known {
            Some(block) if is_there(&block) => return Found::All(block),
            // By now there may be a file with more rows.
            known => self.map(wanted).or(known),
        };
        match found {
            Some(block) if is_there(&block) => Found::All(block),
            Some(block) => Found::Others(block),
            None => Found::Nothing,
        }
    }

    fn mapped(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Block>>> {
        self.mapped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Maps a file. What cannot be used, since it is damaged or of a tile as it was before, is removed.
    fn map(&self, wanted: &Wanted<'_>) -> Option<Arc<Block>> {
        let path = self.folder.path(&wanted.name);
        let file = File::options().read(true).write(true).open(&path).ok()?;
        let memory = match block::map(&file) {
            Ok(memory) => memory,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a file of the cache cannot be mapped");
                return None;
            }
        };
        let block = Block::decode(&memory, &wanted.key).unwrap_or_else(|reason| {
            tracing::warn!(path = %path.display(), reason, "a file of the cache cannot be used");
            None
        });
        let Some(block) = block.filter(|block| block.stamp == wanted.stamp) else {
            if let Err(error) = self.folder.remove(&wanted.name) {
                tracing::warn!(path = %path.display(), %error, "a file of the cache cannot be removed");
            }
            self.mapped().remove(&wanted.name);
            self.too_much.store(u64::MAX, Ordering::Relaxed);
            return None;
        };
        // This is how other processes see that it is in use.
        let now = FileTimes::new().set_modified(SystemTime::now());
        if let Err(error) = file.set_times(now) {
            tracing::warn!(path = %path.display(), %error, "a file of the cache may be taken for unused");
        }
        let block = Arc::new(block);
        let mut mapped = self.mapped();
        if mapped.len() >= MOST_MAPPED {
            mapped.clear();
        }
        mapped.insert(wanted.name.clone(), block.clone());
        drop(mapped);
        Some(block)
    }

    /// Writes and maps the planned rows of a block, which `read` reads, beside those that another plan put there.
    ///
    /// `None` where that is not possible: there is no room, another process is about it, or the folder cannot be written.
    /// An error is one of reading.
    pub(crate) fn fill(
        &self,
        wanted: &Wanted<'_>,
        planned: &[u64],
        row_bytes: u64,
        read: impl FnOnce(&[u64]) -> Result<RecordBatch>,
    ) -> Result<Option<Arc<Block>>> {
        let union = |found: &Found| {
            let mut numbers = planned.to_vec();
            if let Found::Others(block) = found {
                numbers.extend(block.numbers.iter());
            }
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        // Names, types and metadata take some bytes, too.
        let bytes = (union(&self.find(wanted)).len() as u64)
            .saturating_mul(row_bytes.saturating_add(32))
            .saturating_add(4 << 10);
        if bytes >= self.too_much.load(Ordering::Relaxed) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Ok(None);
        }
        let part = match self.folder.begin(&wanted.name, bytes) {
            Ok(Some(part)) => part,
            Ok(None) => return Ok(None),
            Err(error) => {
                if error.kind() == io::ErrorKind::QuotaExceeded {
                    self.too_much.fetch_min(bytes, Ordering::Relaxed);
                }
                self.refuse(wanted, &error);
                return Ok(None);
            }
        };
        // From here on nobody else writes it.
        let found = self.find(wanted);
        if let Found::All(block) = found {
            return Ok(Some(block));
        }
        let numbers = union(&found);
        let batch = read(&numbers)?;
        let written = block::write(&part.file, &wanted.key, wanted.stamp, &numbers, &batch);
        if let Err(error) = written.and_then(|()| part.finish()) {
            self.refuse(wanted, &error);
            return Ok(None);
        }
        self.filled.fetch_add(1, Ordering::Relaxed);
        // By now another process may have put something else in its place.
        Ok(match self.find(wanted) {
            Found::All(block) => Some(block),
            Found::Others(_) | Found::Nothing => None,
        })
    }

    fn refuse(&self, wanted: &Wanted<'_>, error: &io::Error) {
        let first = self.refused.fetch_add(1, Ordering::Relaxed) == 0;
        if error.kind() != io::ErrorKind::QuotaExceeded || first {
            tracing::warn!(name = wanted.name, %error, "rows are not cached");
        }
    }
}
