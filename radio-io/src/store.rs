//! Tiles in an object store.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use tokio::runtime::{Builder, Runtime};

use crate::storage::Stamp;
use crate::{Error, Result};

/// Bytes that are asked for at once: a request takes tens of milliseconds, however small it is.
const BLOCK: u64 = 4 << 20;
/// Blocks that are kept, of all tiles together.
const BLOCKS: usize = 32;

/// An object store whose tiles are read: S3, Google, Azure, HTTP, and whatever else the crate `object_store` speaks.
///
/// The paths of a plan are then paths in the store. All batches come out as they would from files. Parts of 4 MiB are asked for, as
/// many at once as threads decode, and the last 32 are kept, 128 MiB; what is smaller than a part takes as long as one, so single rows
/// ([`Shuffle::Global`](crate::Shuffle::Global), [`fetch`](crate::fetch)) are better read with a cache. A cache knows a store by the name that it
/// prints, often a bucket's: two stores that print the same and have tiles of the same paths, sizes and times need caches of their own.
/// Clones are the same store.
///
/// # Examples
///
#[cfg_attr(feature = "mock", doc = "```")]
#[cfg_attr(not(feature = "mock"), doc = "```ignore")]
/// use std::sync::Arc;
///
/// use object_store::local::LocalFileSystem;
/// use radio_io::{ReadOptions, ReadPlan, Reader, Store, TileSlice, mock::Mock};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// Mock::new(300).write(folder.path(), |_rows_done| {})?;
/// let store = Store::new(Arc::new(LocalFileSystem::new_with_prefix(folder.path())?))?;
/// # let tile = std::fs::read_dir(folder.path())?.next().unwrap()?.file_name().into_string().unwrap();
/// let plan = ReadPlan::from_iter([TileSlice::new(tile, 0..2)]);
/// let mut batches = Reader::new(&plan, ReadOptions::default().with_store(&store))?;
/// assert_eq!(batches.next().transpose()?.map(|batch| batch.len()), Some(2));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    store: Arc<dyn object_store::ObjectStore>,
    /// Drives the connections; taken when the last clone goes.
    runtime: Option<Runtime>,
    /// The blocks that were read last, by path, time of change and number.
    blocks: Mutex<VecDeque<(BlockName, Bytes)>>,
}

type BlockName = (Path, Stamp, u64);

/// An object of a store.
#[derive(Clone)]
pub(crate) struct Object {
    store: Store,
    path: Path,
    pub(crate) stamp: Stamp,
}

impl Store {
    /// Reads from a store.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the thread cannot be started that drives connections.
    pub fn new(store: Arc<dyn object_store::ObjectStore>) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("radio-io-store")
            .enable_all()
            .build();
        let runtime = runtime.map_err(|source| Error::Io {
            path: "a thread for an object store".into(),
            source,
        })?;
        Ok(Self(Arc::new(Inner {
            store,
            runtime: Some(runtime),
            blocks: Mutex::default(),
        })))
    }

    fn wait<T>(&self, work: impl Future<Output = object_store::Result<T>>) -> io::Result<T> {
        let runtime = self.0.runtime.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        runtime.block_on(work).map_err(|error| match error {
            object_store::Error::NotFound { .. } => io::Error::new(io::ErrorKind::NotFound, error),
            object_store::Error::PermissionDenied { .. } => io::Error::new(io::ErrorKind::PermissionDenied, error),
            other => io::Error::other(other),
        })
    }

    pub(crate) fn open(&self, uri: &str) -> io::Result<Object> {
        let path = Path::parse(uri).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let found = self.wait(self.0.store.head(&path))?;
        Ok(Object {
            store: self.clone(),
            path,
            stamp: Stamp {
                size: found.size,
                mtime_ns: found.last_modified.timestamp_nanos_opt().unwrap_or_default(),
            },
        })
    }
}

impl Object {
    pub(crate) fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let end = at + bytes.len() as u64;
        if end > self.stamp.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if bytes.len() as u64 > BLOCK {
            bytes.copy_from_slice(&self.get(at..end)?);
            return Ok(());
        }
        for number in at / BLOCK..end.div_ceil(BLOCK) {
            let start = number * BLOCK;
            let block = self.block(number)?;
            let (from, to) = (at.max(start), end.min(start + block.len() as u64));
            let part = &block[(from - start) as usize..(to - start) as usize];
            bytes[(from - at) as usize..(to - at) as usize].copy_from_slice(part);
        }
        Ok(())
    }

    fn block(&self, number: u64) -> io::Result<Bytes> {
        let name = (self.path.clone(), self.stamp, number);
        let lock = || self.store.0.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, block)) = lock().iter().find(|(kept, _)| *kept == name) {
            return Ok(block.clone());
        }
        let start = number * BLOCK;
        let block = self.get(start..self.stamp.size.min(start + BLOCK))?;
        let mut blocks = lock();
        if blocks.len() >= BLOCKS {
            blocks.pop_front();
        }
        blocks.push_back((name, block.clone()));
        Ok(block)
    }

    fn get(&self, range: Range<u64>) -> io::Result<Bytes> {
        let length = range.end - range.start;
        let bytes = self.store.wait(self.store.0.store.get_range(&self.path, range))?;
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Whoever drops it may be in an async program, where nothing may be waited for.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// The same one, not one that is like it.
impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Store {}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.0.store)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({}, {})", self.store.0.store, self.path)
    }
}
