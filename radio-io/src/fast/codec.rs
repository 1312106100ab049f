//! Decompression into memory that is there already. parquet's own codecs append to a vector that they fill with zeros first.

use std::io::Read;

use parquet::basic::Compression;

/// Decompresses all of `stored` into all of `values`; `None` where that does not come out even, or the codec is not known.
pub(super) fn decompress(codec: Compression, stored: &[u8], values: &mut [u8]) -> Option<()> {
    let length = match codec {
        Compression::UNCOMPRESSED => {
            (stored.len() == values.len()).then(|| values.copy_from_slice(stored))?;
            return Some(());
        }
        Compression::SNAPPY => snap::raw::Decoder::new().decompress(stored, values).ok()?,
        Compression::ZSTD(_) => zstd::bulk::decompress_to_buffer(stored, values).ok()?,
        Compression::LZ4_RAW => lz4_flex::block::decompress_into(stored, values).ok()?,
        Compression::GZIP(_) => fill(flate2::read::MultiGzDecoder::new(stored), values)?,
        Compression::BROTLI(_) => fill(brotli::Decompressor::new(stored, 4096), values)?,
        // Old LZ4 has several forms, and nobody writes LZO.
        _ => return None,
    };
    (length == values.len()).then_some(())
}

/// Reads until `values` is full, and makes sure that there is no more.
fn fill(mut from: impl Read, values: &mut [u8]) -> Option<usize> {
    from.read_exact(values).ok()?;
    (from.read(&mut [0]).ok()? == 0).then_some(values.len())
}
