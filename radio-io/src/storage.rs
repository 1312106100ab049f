//! Where the bytes of a tile come from.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::{Error, Result};

/// Files that are open at once, of however many tiles.
const MOST_OPEN: usize = 256;

/// What tells a file from another one that is written in its place: its size, and the time of its last change, in ns since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    pub(crate) mtime_ns: i64,
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        let seconds = metadata.mtime().saturating_mul(1_000_000_000);
        Self {
            size: metadata.len(),
            mtime_ns: seconds.saturating_add(metadata.mtime_nsec()),
        }
    }
}

/// The files that stay open: those that were opened last.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenFiles(Arc<Mutex<VecDeque<Arc<File>>>>);

impl OpenFiles {
    fn keep(&self, file: Arc<File>) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= MOST_OPEN {
            files.pop_front();
        }
        files.push_back(file);
    }
}

/// The file of a tile, which is opened again where it was closed in the meantime.
#[derive(Debug)]
pub(crate) struct TileFile {
    pub(crate) path: PathBuf,
    pub(crate) stamp: Stamp,
    files: OpenFiles,
    open: Mutex<Weak<File>>,
}

impl TileFile {
    pub(crate) fn open(path: &Path, files: &OpenFiles) -> Result<Self> {
        let (file, stamp) = open(path)?;
        files.keep(file.clone());
        Ok(Self {
            path: path.to_owned(),
            stamp,
            files: files.clone(),
            open: Mutex::new(Arc::downgrade(&file)),
        })
    }

    /// The open file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and [`Error::Changed`] where another file is in its place by now.
    pub(crate) fn get(&self) -> Result<Positioned> {
        let mut kept = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let size = self.stamp.size;
        if let Some(file) = kept.upgrade() {
            return Ok(Positioned { file, size });
        }
        let (file, stamp) = open(&self.path)?;
        if stamp != self.stamp {
            return Err(Error::Changed {
                path: self.path.clone(),
            });
        }
        *kept = Arc::downgrade(&file);
        self.files.keep(file.clone());
        Ok(Positioned { file, size })
    }
}

fn open(path: &Path) -> Result<(Arc<File>, Stamp)> {
    let failed = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let stamp = Stamp::from(&file.metadata().map_err(failed)?);
    Ok((Arc::new(file), stamp))
}

/// A file that many threads read at once. (parquet's own way with a `File` seeks, in all its clones together.)
#[derive(Clone, Debug)]
pub(crate) struct Positioned {
    pub(crate) file: Arc<File>,
    size: u64,
}

impl Positioned {
    pub(crate) fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, at)
    }
}

impl Length for Positioned {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Positioned {
    type T = BufReader<ReadFrom>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(ReadFrom {
            from: self.clone(),
            at: start,
        }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // A length that lies must not allocate more than there is.
        if start.saturating_add(length as u64) > self.size {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at byte {start} are not there"
            )));
        }
        let mut bytes = vec![0; length];
        self.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// Reads on from a place.
#[derive(Debug)]
pub(crate) struct ReadFrom {
    from: Positioned,
    at: u64,
}

impl Read for ReadFrom {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.from.size.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let count = bytes.len().min(left);
        self.from.read_exact_at(&mut bytes[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
