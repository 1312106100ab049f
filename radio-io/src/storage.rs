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

#[cfg(feature = "object-store")]
use crate::store::{Object, Store};
use crate::{Error, ReadOptions, Result};

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

/// Where the tiles of a plan are.
#[derive(Clone, Debug)]
pub(crate) enum Storage {
    /// In the local file system. The files stay open that were opened last.
    Files(Arc<Mutex<VecDeque<Arc<File>>>>),
    #[cfg(feature = "object-store")]
    Store(Store),
}

impl Storage {
    #[cfg_attr(not(feature = "object-store"), allow(unused_variables))]
    pub(crate) fn new(options: &ReadOptions) -> Self {
        #[cfg(feature = "object-store")]
        if let Some(store) = &options.store {
            return Self::Store(store.clone());
        }
        Self::Files(Arc::default())
    }

    /// What tells a tile from another one in its place, by now.
    pub(crate) fn stamp(&self, uri: &str) -> Result<Stamp> {
        match self {
            Self::Files(_) => std::fs::metadata(uri).map(|metadata| Stamp::from(&metadata)),
            #[cfg(feature = "object-store")]
            Self::Store(store) => store.open(uri).map(|object| object.stamp),
        }
        .map_err(|source| failed(uri, source))
    }

    pub(crate) fn open(&self, uri: &str) -> Result<TileFile> {
        let (bytes, stamp) = self.open_bytes(uri)?;
        Ok(TileFile {
            path: uri.into(),
            stamp,
            open: Mutex::new(Open::from(&bytes)),
            storage: self.clone(),
        })
    }

    fn open_bytes(&self, uri: &str) -> Result<(Positioned, Stamp)> {
        match self {
            Self::Files(files) => {
                let file = File::open(uri).map_err(|source| failed(uri, source))?;
                let stamp = Stamp::from(&file.metadata().map_err(|source| failed(uri, source))?);
                let file = Arc::new(file);
                let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
                if files.len() >= MOST_OPEN {
                    files.pop_front();
                }
                files.push_back(file.clone());
                Ok((Positioned::File(file, stamp.size), stamp))
            }
            #[cfg(feature = "object-store")]
            Self::Store(store) => {
                let object = store.open(uri).map_err(|source| failed(uri, source))?;
                let stamp = object.stamp;
                Ok((Positioned::Object(object), stamp))
            }
        }
    }
}

fn failed(uri: &str, source: io::Error) -> Error {
    Error::Io {
        path: uri.into(),
        source,
    }
}

/// The file of a tile, which is opened again where it was closed in the meantime.
#[derive(Debug)]
pub(crate) struct TileFile {
    path: PathBuf,
    pub(crate) stamp: Stamp,
    storage: Storage,
    open: Mutex<Open>,
}

#[derive(Debug)]
enum Open {
    File(Weak<File>),
    #[cfg(feature = "object-store")]
    Object(Object),
}

impl From<&Positioned> for Open {
    fn from(bytes: &Positioned) -> Self {
        match bytes {
            Positioned::File(file, _) => Self::File(Arc::downgrade(file)),
            #[cfg(feature = "object-store")]
            Positioned::Object(object) => Self::Object(object.clone()),
        }
    }
}

impl TileFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and [`Error::Changed`] where another file is in its place by now.
    pub(crate) fn get(&self) -> Result<Positioned> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = match &*open {
            Open::File(file) => file.upgrade().map(|file| Positioned::File(file, self.stamp.size)),
            #[cfg(feature = "object-store")]
            Open::Object(object) => Some(Positioned::Object(object.clone())),
        };
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let (bytes, stamp) = self.storage.open_bytes(&self.path.to_string_lossy())?;
        if stamp != self.stamp {
            return Err(Error::Changed {
                path: self.path.clone(),
            });
        }
        *open = Open::from(&bytes);
        Ok(bytes)
    }
}

/// A file that many threads read at once. (parquet's own way with a `File` seeks, in all its clones together.)
#[derive(Clone, Debug)]
pub(crate) enum Positioned {
    /// And its size.
    File(Arc<File>, u64),
    #[cfg(feature = "object-store")]
    Object(Object),
}

impl Positioned {
    pub(crate) fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Self::File(file, _) => file.read_exact_at(bytes, at),
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.read_exact_at(bytes, at),
        }
    }

    /// The file, if it is one: then small parts of it are read fast.
    pub(crate) fn as_file(&self) -> Option<&File> {
        match self {
            Self::File(file, _) => Some(file),
            #[cfg(feature = "object-store")]
            Self::Object(_) => None,
        }
    }
}

impl Length for Positioned {
    fn len(&self) -> u64 {
        match self {
            Self::File(_, size) => *size,
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.stamp.size,
        }
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
        if start.saturating_add(length as u64) > self.len() {
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
        let left = usize::try_from(self.from.len().saturating_sub(self.at)).unwrap_or(usize::MAX);
        let count = bytes.len().min(left);
        self.from.read_exact_at(&mut bytes[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
