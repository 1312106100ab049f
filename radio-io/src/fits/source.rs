//! The bytes of a FITS file.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::{Error, Result};

/// A file that was compressed as a whole may unpack to that many times its size.
const MOST_UNPACKED: u64 = 64;

/// Bytes at any place of a file. They are read, not mapped: a mapped file that is cut off ends the whole program.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    length: u64,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    File(File),
    /// Of a file that was compressed as a whole.
    Memory(Vec<u8>),
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let io = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let mut magic = [0; 2];
        let is_packed = size > 2 && file.read_exact_at(&mut magic, 0).is_ok() && magic == [0x1f, 0x8b];
        let (bytes, length) = if is_packed {
            let most = size.saturating_mul(MOST_UNPACKED);
            let mut bytes = Vec::new();
            let fail = |reason| Error::Fits {
                path: path.to_owned(),
                hdu: "the whole file".into(),
                reason,
            };
            MultiGzDecoder::new(file)
                .take(most + 1)
                .read_to_end(&mut bytes)
                .map_err(|error| fail(format!("cannot be unpacked ({error}): is it complete? Get it again")))?;
            let length = bytes.len() as u64;
            if length > most {
                return Err(fail(format!(
                    "unpacks to more than {MOST_UNPACKED} times its size: unpack it with gunzip"
                )));
            }
            (Bytes::Memory(bytes), length)
        } else {
            (Bytes::File(file), size)
        };
        Ok(Self {
            path: path.to_owned(),
            length,
            bytes,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Length in bytes, unpacked.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Fills `bytes` from this place on.
    pub(super) fn read(&self, at: u64, bytes: &mut [u8]) -> Result<()> {
        match &self.bytes {
            Bytes::File(file) => file.read_exact_at(bytes, at),
            Bytes::Memory(memory) => usize::try_from(at)
                .ok()
                .and_then(|at| memory.get(at..)?.get(..bytes.len()))
                .map(|found| bytes.copy_from_slice(found))
                .ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into()),
        }
        .map_err(|source| Error::Io {
            path: self.path.clone(),
            source,
        })
    }
}
