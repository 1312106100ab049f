//! Parquet footers: one read of the end of a file, decoded once.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::Hasher;
use std::io::{Read, Seek, SeekFrom};

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescriptor;

use crate::fnv::Fnv;

/// Most footers are shorter than this; a longer one costs a second read.
const TAIL: u64 = 64 << 10;
/// Length of the footer (4 bytes) and the magic number (4 bytes) that end a Parquet file.
const ENDING: usize = 8;

/// What one footer says.
#[derive(Debug)]
pub(crate) struct Footer {
    pub(crate) metadata: ParquetMetaData,
    pub(crate) bytes: u64,
    pub(crate) hash: u64,
}

/// Columns of a file, all its row groups taken together.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) path: String,
    pub(crate) data_type: String,
    pub(crate) codec: String,
    pub(crate) values: i64,
    pub(crate) nulls: Option<i64>,
    pub(crate) bytes: i64,
}

/// A part of a file that a row group fills.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowGroup {
    pub(crate) first_row: i64,
    pub(crate) rows: i64,
    pub(crate) first_byte: i64,
    pub(crate) bytes: i64,
}

impl Footer {
    /// Reads the footer of an open file of `size` bytes; the error is a reason for people.
    pub(crate) fn read(file: &mut File, size: u64) -> Result<Self, String> {
        let mut tail = read_end(file, size.min(TAIL))?;
        let Some((_, [l0, l1, l2, l3, magic @ ..])) = tail.split_last_chunk::<ENDING>() else {
            return Err(format!("{size} bytes are too few for a Parquet file"));
        };
        if magic != b"PAR1" {
            return Err("no Parquet magic number at the end: truncated, or not a Parquet file".into());
        }
        let bytes = u64::from(u32::from_le_bytes([*l0, *l1, *l2, *l3]));
        let with_ending = bytes + ENDING as u64;
        if with_ending > size {
            return Err(format!("the footer claims {bytes} bytes of a file of {size}: damaged"));
        }
        if with_ending > tail.len() as u64 {
            tail = read_end(file, with_ending)?;
        }
        let start = tail.len() - usize::try_from(with_ending).map_err(|e| e.to_string())?;
        let footer = tail.get(start..tail.len() - ENDING).unwrap_or_default();
        let metadata = ParquetMetaDataReader::decode_metadata(footer).map_err(|e| e.to_string())?;
        for (number, group) in metadata.row_groups().iter().enumerate() {
            for chunk in group.columns() {
                check_place(chunk, size - with_ending).map_err(|reason| {
                    format!(
                        "row group {number}, column {:?}: {reason}",
                        chunk.column_path().string()
                    )
                })?;
            }
        }
        let mut hash = Fnv::default();
        hash.write(footer);
        Ok(Self {
            metadata,
            bytes,
            hash: hash.finish(),
        })
    }

    pub(crate) fn rows(&self) -> i64 {
        self.metadata.file_metadata().num_rows()
    }

    pub(crate) fn created_by(&self) -> &str {
        self.metadata.file_metadata().created_by().unwrap_or_default()
    }

    /// Two files with the same columns of the same types have the same hash.
    pub(crate) fn schema_hash(&self) -> u64 {
        let mut hash = Fnv::default();
        for column in self.metadata.file_metadata().schema_descr().columns() {
            hash.write(column.path().string().as_bytes());
            hash.write(type_name(column).as_bytes());
            hash.write(&[0]);
        }
        hash.finish()
    }

    pub(crate) fn row_groups(&self) -> Vec<RowGroup> {
        let mut first_row = 0;
        let groups = self.metadata.row_groups().iter().map(|group| {
            let rows = group.num_rows();
            let ranges = || group.columns().iter().map(byte_range);
            let first_byte = ranges().map(|(start, _)| start).min().unwrap_or_default();
            let bytes: u64 = ranges().map(|(_, length)| length).sum();
            let this = RowGroup {
                first_row,
                rows,
                first_byte: to_i64(first_byte),
                bytes: to_i64(bytes),
            };
            first_row += rows;
            this
        });
        groups.collect()
    }

    pub(crate) fn columns(&self) -> Vec<Column> {
        let mut columns = BTreeMap::<String, Column>::new();
        for chunk in self.metadata.row_groups().iter().flat_map(RowGroupMetaData::columns) {
            let path = chunk.column_path().string();
            let nulls = chunk.statistics().and_then(Statistics::null_count_opt).map(to_i64);
            let bytes = chunk.compressed_size();
            let codec = format!("{:?}", chunk.compression());
            let codec = codec.split('(').next().unwrap_or_default();
            match columns.get_mut(&path) {
                Some(column) => {
                    column.values += chunk.num_values();
                    column.nulls = column.nulls.zip(nulls).map(|(a, b)| a + b);
                    column.bytes += bytes;
                }
                None => {
                    let column = Column {
                        path: path.clone(),
                        data_type: type_name(chunk.column_descr()),
                        codec: codec.to_owned(),
                        values: chunk.num_values(),
                        nulls,
                        bytes,
                    };
                    columns.insert(path, column);
                }
            }
        }
        columns.into_values().collect()
    }
}

/// First byte and length of a column chunk, as [`check_place`] saw them.
fn byte_range(chunk: &ColumnChunkMetaData) -> (u64, u64) {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    (
        u64::try_from(start).unwrap_or_default(),
        u64::try_from(chunk.compressed_size()).unwrap_or_default(),
    )
}

/// Does a column chunk lie before the footer? The decoder takes this for granted.
fn check_place(chunk: &ColumnChunkMetaData, end: u64) -> Result<(), String> {
    if chunk.num_values() == 0 {
        // No page is read, and writers do not agree on where it would be.
        return Ok(());
    }
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let length = chunk.compressed_size();
    let last = start.checked_add(length).and_then(|last| u64::try_from(last).ok());
    if start < 0 || length < 0 || chunk.data_page_offset() < start || last.is_none_or(|last| last > end) {
        return Err(format!(
            "{length} bytes from {start} of a file with {end} bytes of data: damaged"
        ));
    }
    Ok(())
}

fn read_end(file: &mut File, length: u64) -> Result<Vec<u8>, String> {
    let offset = i64::try_from(length).map_err(|e| e.to_string())?;
    let mut tail = Vec::new();
    file.seek(SeekFrom::End(-offset)).map_err(|e| e.to_string())?;
    file.take(length).read_to_end(&mut tail).map_err(|e| e.to_string())?;
    Ok(tail)
}

/// `INT64`, `BYTE_ARRAY (String)`, …
fn type_name(column: &ColumnDescriptor) -> String {
    let physical = column.physical_type();
    match column.logical_type_ref() {
        Some(logical) => format!("{physical} ({logical:?})"),
        None => physical.to_string(),
    }
}

fn to_i64(x: u64) -> i64 {
    i64::try_from(x).unwrap_or(i64::MAX)
}
