//! Compression of pages.

use std::io;

use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result};

use super::options::Profile;

/// A profile's compressor, and its memory.
pub(super) struct Codec {
    profile: Profile,
    zstd: Option<zstd::bulk::Compressor<'static>>,
    snappy: snap::raw::Encoder,
    /// Levels and values of a page, and both compressed.
    page: Vec<u8>,
    stored: Vec<u8>,
}

impl Codec {
    pub(super) fn new(profile: Profile) -> io::Result<Self> {
        let zstd = match profile.codec() {
            Compression::ZSTD(level) => Some(zstd::bulk::Compressor::new(level.compression_level())?),
            _ => None,
        };
        Ok(Self {
            profile,
            zstd,
            snappy: snap::raw::Encoder::new(),
            page: Vec::new(),
            stored: Vec::new(),
        })
    }

    pub(super) fn compression(&self) -> Compression {
        self.profile.codec()
    }

    /// Are the bytes of floats stored apart?
    pub(super) fn splits(&self) -> bool {
        self.profile == Profile::Archive
    }

    /// What is stored of a page, in one part or several. Of values of `width` bytes, all first bytes come first, then all second ones.
    pub(super) fn encode<'a>(
        &'a mut self,
        levels: &'a [u8],
        values: &'a [u8],
        width: Option<usize>,
    ) -> Result<Vec<&'a [u8]>> {
        if self.profile == Profile::Training {
            return Ok(vec![levels, values]);
        }
        self.page.clear();
        self.page.extend_from_slice(levels);
        match width {
            Some(width) => {
                let count = values.len() / width;
                self.page.resize(levels.len() + values.len(), 0);
                let streams = self.page[levels.len()..].chunks_exact_mut(count.max(1));
                for (byte, stream) in streams.enumerate() {
                    let bytes = values[byte..].iter().step_by(width);
                    stream.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                }
            }
            None => self.page.extend_from_slice(values),
        }
        let external = |e: io::Error| ParquetError::External(e.into());
        match &mut self.zstd {
            Some(zstd) => {
                self.stored.clear();
                self.stored.reserve(zstd::zstd_safe::compress_bound(self.page.len()));
                zstd.compress_to_buffer(&self.page, &mut self.stored)
                    .map_err(external)?;
                Ok(vec![&self.stored])
            }
            None => {
                self.stored.resize(snap::raw::max_compress_len(self.page.len()), 0);
                let length = self.snappy.compress(&self.page, &mut self.stored);
                let length = length.map_err(|e| ParquetError::External(e.into()))?;
                Ok(vec![&self.stored[..length]])
            }
        }
    }
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codec")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
