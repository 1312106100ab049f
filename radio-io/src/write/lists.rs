//! Columns of lists, page by page: levels as run lengths, values as they lie in memory.
//!
//! A list without nulls has levels that its length says, so none is made value by value. Without compression a page is the memory of the
//! batch behind some bytes of levels, and writing it is a copy.

use std::borrow::Cow;
use std::io::Write;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::DataType;
use parquet::basic::{Encoding, Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder};
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::writer::TrackedWrite;
use parquet::schema::types::ColumnDescPtr;

use super::codec::Codec;
use super::header::{self, push_varint};

/// A list column of one batch: its values, and where each row begins and ends in them.
#[derive(Debug)]
pub(super) struct Lists {
    values: Values,
    /// One more than there are rows; the first one need not be 0.
    offsets: Vec<usize>,
}

#[derive(Debug)]
enum Values {
    /// Numbers of this many bytes, as they lie in memory.
    Numbers(Buffer, usize),
    /// A bit for each.
    Booleans(BooleanBuffer),
}

/// Can lists of this type be written here? Numbers of 4 or 8 bytes, and booleans.
pub(super) fn is_list(data_type: &DataType) -> bool {
    let (DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item)) = data_type else {
        return false;
    };
    item.data_type() == &DataType::Boolean || width(item.data_type()).is_some()
}

fn width(data_type: &DataType) -> Option<usize> {
    data_type
        .primitive_width()
        .filter(|width| data_type.is_numeric() && matches!(width, 4 | 8))
}

/// The values of a list array, and where each row begins and ends in them.
pub(super) fn parts(array: &dyn Array) -> Option<(&ArrayRef, Vec<usize>)> {
    if let Some(lists) = array.as_fixed_size_list_opt() {
        let length = usize::try_from(lists.value_length()).ok()?;
        return Some((lists.values(), (0..=lists.len()).map(|row| row * length).collect()));
    }
    if let Some(lists) = array.as_list_opt::<i32>() {
        return Some((lists.values(), lists.offsets().iter().map(|&at| at as usize).collect()));
    }
    let lists = array.as_list_opt::<i64>()?;
    Some((lists.values(), lists.offsets().iter().map(|&at| at as usize).collect()))
}

impl Lists {
    /// Of a list array without nulls, in it and among its values.
    pub(super) fn new(array: &dyn Array) -> Option<Self> {
        let (values, offsets) = parts(array)?;
        let values = match values.data_type() {
            DataType::Boolean => Values::Booleans(values.as_boolean().values().clone()),
            numbers => {
                let (width, data) = (width(numbers)?, values.to_data());
                let bytes = data.buffers().first()?;
                Values::Numbers(
                    bytes.slice_with_length(data.offset() * width, data.len() * width),
                    width,
                )
            }
        };
        Some(Self { values, offsets })
    }

    fn bytes_of_value(&self) -> usize {
        match self.values {
            Values::Numbers(_, width) => width,
            Values::Booleans(_) => 1,
        }
    }

    /// Ranges of rows that fill a page each.
    fn pages(&self, page_bytes: usize) -> impl Iterator<Item = Range<usize>> {
        let (rows, most) = (self.offsets.len() - 1, page_bytes / self.bytes_of_value());
        let mut start = 0;
        std::iter::from_fn(move || {
            (start < rows).then(|| {
                let limit = self.offsets[start] + most;
                let end = self.offsets.partition_point(|&at| at <= limit) - 1;
                let page = start..end.clamp(start + 1, rows);
                start = page.end;
                page
            })
        })
    }

    /// The values of some rows, in the order of Parquet's PLAIN encoding.
    fn bytes(&self, rows: &Range<usize>) -> Cow<'_, [u8]> {
        let (start, end) = (self.offsets[rows.start], self.offsets[rows.end]);
        match &self.values {
            Values::Numbers(bytes, width) => Cow::Borrowed(&bytes[start * width..end * width]),
            Values::Booleans(bits) => {
                let bits = bits.slice(start, end - start).sliced();
                Cow::Owned(bits[..(end - start).div_ceil(8)].to_vec())
            }
        }
    }

    /// How many levels some rows have: a value each, and one for an empty list.
    fn levels_in(&self, rows: &Range<usize>) -> usize {
        let ends = &self.offsets[rows.start..=rows.end];
        ends.windows(2).map(|ends| (ends[1] - ends[0]).max(1)).sum()
    }

    /// The levels of some rows: how they begin (repetition), and that they are not empty (definition). Each is a length and runs.
    fn levels(&self, rows: &Range<usize>, levels: &mut Vec<u8>) {
        let lengths = || {
            self.offsets[rows.start..=rows.end]
                .windows(2)
                .map(|ends| ends[1] - ends[0])
        };
        // A list begins with 0, and goes on with 1; an empty one is a level, too.
        let repetition = lengths().flat_map(|length| [(1, 0), (length.saturating_sub(1), 1)]);
        push_runs(levels, repetition);
        push_runs(levels, lengths().map(|length| (length.max(1), u8::from(length > 0))));
    }
}

/// Runs of levels of one bit (parquet-format, Encodings.md, "RLE / Bit-Packing Hybrid"), behind their length in bytes. Equal neighbours are
/// one run.
fn push_runs(levels: &mut Vec<u8>, runs: impl Iterator<Item = (usize, u8)>) {
    let start = levels.len();
    levels.extend([0; 4]);
    let mut last = (0, 0);
    let push = |levels: &mut Vec<u8>, (length, level): (usize, u8)| {
        if length > 0 {
            push_varint(levels, (length as u64) << 1);
            levels.push(level);
        }
    };
    for (length, level) in runs.filter(|run| run.0 > 0) {
        if level == last.1 {
            last.0 += length;
        } else {
            push(levels, last);
            last = (length, level);
        }
    }
    push(levels, last);
    let length = (levels.len() - start - 4) as u32;
    levels[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Writes a column chunk of lists, batch after batch.
pub(super) fn write<W: Write>(
    file: &mut TrackedWrite<W>,
    column: &ColumnDescPtr,
    batches: &[Lists],
    codec: &mut Codec,
    page_bytes: usize,
) -> parquet::errors::Result<(ColumnChunkMetaData, OffsetIndexMetaData)> {
    let start = file.bytes_written();
    let mut index = OffsetIndexBuilder::new();
    let (mut values, mut uncompressed) = (0, 0);
    let mut levels = Vec::new();
    let is_split = codec.splits() && matches!(column.physical_type(), Type::FLOAT | Type::DOUBLE);
    let encoding = if is_split {
        Encoding::BYTE_STREAM_SPLIT
    } else {
        Encoding::PLAIN
    };
    for lists in batches {
        for rows in lists.pages(page_bytes) {
            levels.clear();
            lists.levels(&rows, &mut levels);
            let bytes = lists.bytes(&rows);
            let size = levels.len() + bytes.len();
            let parts = codec.encode(&levels, &bytes, is_split.then(|| lists.bytes_of_value()))?;
            let mut crc = crc32fast::Hasher::new();
            parts.iter().for_each(|part| crc.update(part));
            let stored = parts.iter().map(|part| part.len()).sum();
            let levels_in_page = lists.levels_in(&rows);
            let header = header::data_page(size, stored, crc.finalize(), levels_in_page, encoding as i32);
            let at = file.bytes_written();
            file.write_all(&header)?;
            for part in parts {
                file.write_all(part)?;
            }
            index.append_row_count(rows.len() as i64);
            let page = i32::try_from(header.len() + stored).map_err(|e| ParquetError::External(e.into()))?;
            index.append_offset_and_size(at as i64, page);
            values += levels_in_page;
            uncompressed += header.len() + size;
        }
    }
    let metadata = ColumnChunkMetaData::builder(column.clone())
        .set_encodings(vec![encoding, Encoding::RLE])
        .set_compression(codec.compression())
        .set_num_values(values as i64)
        .set_total_compressed_size((file.bytes_written() - start) as i64)
        .set_total_uncompressed_size(uncompressed as i64)
        .set_data_page_offset(start as i64)
        .build()?;
    Ok((metadata, index.build()))
}
