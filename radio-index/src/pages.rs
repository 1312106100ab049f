//! Decoding whole columns with the stock page reader, from bytes that are read in few large pieces.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use parquet::basic::{BrotliLevel, Compression, GzipLevel, Type as PhysicalType, ZstdLevel};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::file_schema::Leaf;
use crate::footer::{ColumnChunk, Footer};
use crate::read_at::ReadAt;

/// Bytes between two columns that are read along rather than read around.
const GAP: u64 = 64 << 10;

/// The values of a column, as the key columns need them. In reals, null is NaN.
pub(crate) enum Cells {
    Integers(Vec<Option<i64>>),
    Booleans(Vec<Option<bool>>),
    Reals(Vec<f64>),
    Texts(Texts),
}

/// A column of strings, of which most are the same.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Texts {
    values: Vec<String>,
    number_of: HashMap<String, u32>,
    /// One more than the number of the value; 0 is null.
    cells: Vec<u32>,
}

impl Texts {
    pub(crate) fn nulls(rows: usize) -> Self {
        Self {
            cells: vec![0; rows],
            ..Self::default()
        }
    }

    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        let number = self.cells.get(row)?.checked_sub(1)?;
        self.values.get(number as usize).map(String::as_str)
    }

    /// Adds a string; FITS pads its strings with blanks.
    fn push(&mut self, bytes: Option<&[u8]>) {
        let Some(bytes) = bytes else { return self.cells.push(0) };
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end();
        // Most often it is the one of the row before.
        let last = self.cells.last().and_then(|cell| cell.checked_sub(1));
        if last
            .and_then(|last| self.values.get(last as usize))
            .is_some_and(|last| last == text)
        {
            self.cells.extend(last.map(|last| last + 1));
            return;
        }
        let number = match self.number_of.get(text) {
            Some(&number) => number,
            None => {
                let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX - 1);
                self.values.push(text.to_owned());
                self.number_of.insert(text.to_owned(), number);
                number
            }
        };
        self.cells.push(number + 1);
    }
}

/// Some columns of a file, ready to be decoded.
pub(crate) struct Pages<'a> {
    footer: &'a Footer,
    rows: usize,
    /// For each row group the bytes of the columns.
    windows: Vec<Vec<Arc<Window>>>,
}

impl<'a> Pages<'a> {
    /// Reads the bytes of some columns, those that lie close together in one go.
    pub(crate) fn open(file: &dyn ReadAt, footer: &'a Footer, columns: &[usize]) -> Result<Self, String> {
        let rows = usize::try_from(footer.rows()).map_err(|_| format!("{} rows: damaged", footer.rows()))?;
        let mut windows = Vec::with_capacity(footer.row_groups().len());
        for group in 0..footer.row_groups().len() {
            let chunks = columns
                .iter()
                .filter_map(|&column| footer.chunk(group, column))
                .filter(|chunk| chunk.values > 0);
            let mut ranges: Vec<(u64, u64)> = chunks
                .map(|chunk| (chunk.first_byte, chunk.first_byte + chunk.bytes))
                .collect();
            ranges.sort_unstable();
            ranges.dedup_by(|next, kept| {
                let is_close = next.0 <= kept.1.saturating_add(GAP);
                if is_close {
                    kept.1 = kept.1.max(next.1);
                }
                is_close
            });
            let window = |(start, end): (u64, u64)| {
                let bytes = footer.bytes_at(file, start, end - start).map_err(|e| e.to_string())?;
                Ok(Arc::new(Window { start, bytes }))
            };
            windows.push(ranges.into_iter().map(window).collect::<Result<_, String>>()?);
        }
        Ok(Self { footer, rows, windows })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Decodes a whole column.
    pub(crate) fn cells(&self, column: usize) -> Result<Cells, String> {
        let leaf = self.footer.schema().leaves().get(column).ok_or("no such column")?;
        let name = &leaf.path;
        if leaf.descriptor.max_rep_level() > 0 {
            return Err(format!("column {name:?} is a list, not one value a row"));
        }
        if leaf.is_decimal() {
            return Err(format!("column {name:?} holds decimals: store it as a real number"));
        }
        let is_unsigned = leaf.is_unsigned();
        let mut cells = match leaf.descriptor.physical_type() {
            PhysicalType::BOOLEAN => Cells::Booleans(Vec::new()),
            PhysicalType::INT32 | PhysicalType::INT64 => Cells::Integers(Vec::new()),
            PhysicalType::FLOAT | PhysicalType::DOUBLE => Cells::Reals(Vec::new()),
            PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY => Cells::Texts(Texts::default()),
            PhysicalType::INT96 => return Err(format!("column {name:?} holds INT96 time stamps")),
        };
        for group in 0..self.windows.len() {
            let of_column = |reason: String| format!("row group {group}, column {name:?}: {reason}");
            let chunk = self
                .footer
                .chunk(group, column)
                .ok_or_else(|| of_column("not there: damaged".into()))?;
            if chunk.values == 0 {
                continue;
            }
            let reader = self.reader(leaf, group, chunk).map_err(of_column)?;
            append_chunk(reader, leaf.descriptor.max_def_level(), is_unsigned, &mut cells).map_err(of_column)?;
        }
        let found = match &cells {
            Cells::Integers(x) => x.len(),
            Cells::Booleans(x) => x.len(),
            Cells::Reals(x) => x.len(),
            Cells::Texts(x) => x.cells.len(),
        };
        if let (true, Cells::Integers(values)) = (is_unsigned, &cells)
            && let Some(row) = values.iter().position(|value| value.is_some_and(|x| x < 0))
        {
            return Err(format!(
                "row {row}, column {name:?}: too large for a signed 64-bit integer"
            ));
        }
        if found != self.rows {
            return Err(format!(
                "column {name:?} has {found} values, the tile {} rows: damaged",
                self.rows
            ));
        }
        Ok(cells)
    }

    fn reader(&self, leaf: &Leaf, group: usize, chunk: &ColumnChunk) -> Result<ColumnReader, String> {
        let windows = self.windows.get(group).map(Vec::as_slice).unwrap_or_default();
        let window = windows
            .iter()
            .find(|window| window.holds(chunk))
            .ok_or("its bytes were not read")?;
        let signed = |x: u64| i64::try_from(x).map_err(|e| e.to_string());
        let metadata = ColumnChunkMetaData::builder(leaf.descriptor.clone())
            .set_compression(codec(chunk)?)
            .set_num_values(signed(chunk.values)?)
            .set_total_compressed_size(signed(chunk.bytes)?)
            .set_data_page_offset(chunk.data_page)
            .set_dictionary_page_offset(chunk.dictionary_page)
            .build()
            .map_err(|e| e.to_string())?;
        let rows = usize::try_from(chunk.values).map_err(|e| e.to_string())?;
        let pages = SerializedPageReader::new(Arc::clone(window), &metadata, rows, None).map_err(|e| e.to_string())?;
        Ok(get_column_reader(leaf.descriptor.clone(), Box::new(pages)))
    }
}

/// The codec of a chunk, as the stock reader calls it; it needs no level to decompress.
fn codec(chunk: &ColumnChunk) -> Result<Compression, String> {
    Ok(match chunk.codec {
        0 => Compression::UNCOMPRESSED,
        1 => Compression::SNAPPY,
        2 => Compression::GZIP(GzipLevel::default()),
        4 => Compression::BROTLI(BrotliLevel::default()),
        5 => Compression::LZ4,
        6 => Compression::ZSTD(ZstdLevel::default()),
        7 => Compression::LZ4_RAW,
        other => {
            return Err(format!(
                "{} pages (codec {other}) cannot be read: write the file anew",
                chunk.codec()
            ));
        }
    })
}

/// Appends the values of a column chunk, nulls in their places.
fn append_chunk(reader: ColumnReader, max_level: i16, is_unsigned: bool, into: &mut Cells) -> Result<(), String> {
    match (reader, into) {
        (ColumnReader::BoolColumnReader(r), Cells::Booleans(to)) => append(r, max_level, |x| to.push(x.copied())),
        (ColumnReader::Int32ColumnReader(r), Cells::Integers(to)) if is_unsigned => {
            append(r, max_level, |x| to.push(x.map(|x| i64::from(x.cast_unsigned()))))
        }
        (ColumnReader::Int32ColumnReader(r), Cells::Integers(to)) => {
            append(r, max_level, |x| to.push(x.map(|x| i64::from(*x))))
        }
        (ColumnReader::Int64ColumnReader(r), Cells::Integers(to)) => append(r, max_level, |x| to.push(x.copied())),
        (ColumnReader::FloatColumnReader(r), Cells::Reals(to)) => {
            append(r, max_level, |x| to.push(x.map_or(f64::NAN, |x| f64::from(*x))))
        }
        (ColumnReader::DoubleColumnReader(r), Cells::Reals(to)) => {
            append(r, max_level, |x| to.push(x.copied().unwrap_or(f64::NAN)))
        }
        (ColumnReader::ByteArrayColumnReader(r), Cells::Texts(to)) => {
            append(r, max_level, |x| to.push(x.map(ByteArray::data)))
        }
        (ColumnReader::FixedLenByteArrayColumnReader(r), Cells::Texts(to)) => {
            append(r, max_level, |x| to.push(x.map(|x| x.data())))
        }
        _ => Err("the decoder returned another type".into()),
    }
}

fn append<D: DataType>(
    mut reader: ColumnReaderImpl<D>,
    max_level: i16,
    mut push: impl FnMut(Option<&D::T>),
) -> Result<(), String> {
    const AT_A_TIME: usize = 8192;
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    loop {
        values.clear();
        levels.clear();
        let (records, present, _) = reader
            .read_records(AT_A_TIME, Some(&mut levels), None, &mut values)
            .map_err(|e| e.to_string())?;
        if records == 0 {
            return Ok(());
        }
        if present == records {
            values.iter().for_each(|value| push(Some(value)));
        } else {
            let mut values = values.iter();
            levels
                .iter()
                .for_each(|&level| push(if level == max_level { values.next() } else { None }));
        }
    }
}

/// A part of a file in memory, addressed as in the file.
struct Window {
    start: u64,
    bytes: Bytes,
}

impl Window {
    fn holds(&self, chunk: &ColumnChunk) -> bool {
        self.start <= chunk.first_byte && chunk.first_byte + chunk.bytes <= self.len()
    }
}

impl Length for Window {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Window {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let length = self.len().saturating_sub(start);
        Ok(self
            .get_bytes(start, usize::try_from(length).unwrap_or_default())?
            .reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let first = start
            .checked_sub(self.start)
            .and_then(|first| usize::try_from(first).ok());
        let range = first.and_then(|first| Some(first..first.checked_add(length)?));
        match range {
            Some(range) if range.end <= self.bytes.len() => Ok(self.bytes.slice(range)),
            _ => Err(ParquetError::EOF("a page reaches beyond its column: damaged".into())),
        }
    }
}
