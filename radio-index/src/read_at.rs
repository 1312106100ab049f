//! Where the bytes of a tile come from.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::UNIX_EPOCH;

use bytes::Bytes;

/// Something with bytes at offsets: a local file today, an object in a store tomorrow.
pub(crate) trait ReadAt {
    /// What tells one state of the bytes from another.
    fn state(&self) -> io::Result<State>;

    /// Exactly the `length` bytes from `offset`; fewer are an error.
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes>;
}

/// A state of some bytes: as long as it is the same, they are taken to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) size: u64,
    /// Last change, nanoseconds since 1970.
    pub(crate) mtime_ns: i64,
}

impl State {
    pub(crate) fn of(metadata: &std::fs::Metadata) -> Self {
        let mtime = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        Self {
            size: metadata.len(),
            mtime_ns: mtime.and_then(|t| i64::try_from(t.as_nanos()).ok()).unwrap_or_default(),
        }
    }
}

impl ReadAt for File {
    fn state(&self) -> io::Result<State> {
        self.metadata().map(|metadata| State::of(&metadata))
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    }
}
