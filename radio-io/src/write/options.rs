//! How tiles are written.

use parquet::basic::{Compression, ZstdLevel};

use crate::{Error, Result};

/// For what a tile is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// For every program that reads Parquet: plain values, Snappy.
    #[default]
    Compatible,
    /// For disks and networks: the bytes of floats apart (BYTE_STREAM_SPLIT), Zstandard at level 1. Smaller by a quarter on noisy spectra.
    Archive,
    /// For training: plain values, not compressed. A reader copies them, or maps them as they are.
    Training,
}

impl Profile {
    pub(super) fn codec(self) -> Compression {
        match self {
            Self::Compatible => Compression::SNAPPY,
            // Level 1 is one.
            Self::Archive => Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()),
            Self::Training => Compression::UNCOMPRESSED,
        }
    }
}

/// How tiles are written. The defaults suit most.
#[derive(Clone, Debug)]
#[must_use]
pub struct WriteOptions {
    pub(super) profile: Profile,
    pub(crate) row_group_bytes: u64,
    pub(super) page_bytes: usize,
    pub(super) sorted_by: Option<String>,
    pub(super) is_sorted: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            row_group_bytes: 256 << 20,
            page_bytes: 512 << 10,
            sorted_by: None,
            is_sorted: true,
        }
    }
}

impl WriteOptions {
    /// For what the tile is. Default: [`Profile::Compatible`].
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Size of a row group before compression, bytes; it is held in memory until it is full. Default: 256 MiB.
    pub fn with_row_group_bytes(mut self, bytes: u64) -> Self {
        self.row_group_bytes = bytes;
        self
    }

    /// Size of a page of spectra before compression, bytes, but at least one row: large ones are scanned faster, from small ones a single row is
    /// read faster. Default: 512 KiB, 16 rows of a DESI spectrum.
    pub fn with_page_bytes(mut self, bytes: usize) -> Self {
        self.page_bytes = bytes;
        self
    }

    /// The column that the rows are in order of: of whole numbers, or text of digits. Default: the id, where the tile has one.
    pub fn with_sorted_by(mut self, column: impl Into<String>) -> Self {
        (self.sorted_by, self.is_sorted) = (Some(column.into()), true);
        self
    }

    /// The rows are in no order. Readers that look for an id then look at all of them.
    pub fn without_order(mut self) -> Self {
        self.is_sorted = false;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let option = |name, value: u64| Err(Error::option(name, value, "at least 1"));
        if self.row_group_bytes == 0 {
            return option("row_group_bytes", 0);
        }
        if self.page_bytes == 0 {
            return option("page_bytes", 0);
        }
        Ok(())
    }
}
