//! Parquet: rows into a part, parts into one file.

use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{KeyValue, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::ChunkReader;
use parquet::file::writer::SerializedFileWriter;

use super::SEAL_ROWS;
use super::parts::Parts;
use crate::error::{Error, Result, Source};
use crate::scorer::Scores;

/// A part with fewer rows shares its row group with its neighbours: many small ones make a file slow to read.
const FEW_ROWS: u64 = SEAL_ROWS as u64 / 2;

/// A column with more values than this holds is smaller without a dictionary, since nearly all of them are different.
const DICTIONARY_BYTES: usize = 1 << 15;

/// The rows as a Parquet file.
pub(super) fn encode(rows: &RecordBatch, metadata: Vec<KeyValue>) -> Result<Vec<u8>, Source> {
    let mut writer = ArrowWriter::try_new(Vec::new(), Scores::schema(), Some(properties(metadata)))?;
    writer.write(rows)?;
    Ok(writer.into_inner()?)
}

/// Writes the rows of all parts to `file`, which shall be called `path`.
pub(super) fn join(parts: &Parts, metadata: Vec<KeyValue>, file: File, path: &Path) -> Result<File> {
    let failed = |e| Error::file("complete the scores", path, e);
    let mut joined = Joined::new(file, metadata).map_err(failed)?;
    for (path, part) in parts.iter() {
        let cannot_read = |e: Source| Error::file("read the scores in", path, e);
        let part_file = File::open(path).map_err(|e| cannot_read(e.into()))?;
        if part.rows < FEW_ROWS {
            let rows = ParquetRecordBatchReaderBuilder::try_new(part_file)
                .and_then(|reader| reader.with_batch_size(SEAL_ROWS).build())
                .map_err(|e| cannot_read(e.into()))?;
            for rows in rows {
                joined.add(&rows.map_err(|e| cannot_read(e.into()))?).map_err(failed)?;
            }
        } else {
            let footer = footer(&part_file).map_err(cannot_read)?;
            joined.flush().map_err(failed)?;
            joined.copy(&part_file, &footer).map_err(failed)?;
        }
    }
    joined.finish().map_err(failed)
}

/// A file that grows by whole row groups.
struct Joined {
    writer: SerializedFileWriter<File>,
    /// Rows of small parts, in memory, until they are enough for a row group.
    few: Option<ArrowWriter<Vec<u8>>>,
}

impl Joined {
    fn new(file: File, metadata: Vec<KeyValue>) -> Result<Self, Source> {
        // By way of the Arrow writer, so that the footer has the Arrow schema, and in it the units.
        let writer = ArrowWriter::try_new(file, Scores::schema(), Some(properties(metadata)))?;
        let (writer, _) = writer.into_serialized_writer()?;
        Ok(Self { writer, few: None })
    }

    fn add(&mut self, rows: &RecordBatch) -> Result<(), Source> {
        let writer = match self.few.take() {
            Some(writer) => writer,
            None => ArrowWriter::try_new(Vec::new(), Scores::schema(), Some(properties(Vec::new())))?,
        };
        let writer = self.few.insert(writer);
        writer.write(rows)?;
        if writer.in_progress_rows() >= SEAL_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Source> {
        if let Some(writer) = self.few.take() {
            let group = Bytes::from(writer.into_inner()?);
            self.copy(&group, &footer(&group)?)?;
        }
        Ok(())
    }

    /// Appends all row groups of a Parquet file as they are.
    fn copy<R: ChunkReader>(&mut self, from: &R, footer: &ParquetMetaData) -> Result<(), Source> {
        for (index, group) in footer.row_groups().iter().enumerate() {
            let column_indexes = footer.column_index().and_then(|groups| groups.get(index));
            let offset_indexes = footer.offset_index().and_then(|groups| groups.get(index));
            let mut to = self.writer.next_row_group()?;
            for (index, column) in group.columns().iter().enumerate() {
                let chunk = ColumnCloseResult {
                    bytes_written: u64::try_from(column.compressed_size())?,
                    rows_written: u64::try_from(group.num_rows())?,
                    metadata: column.clone(),
                    // We write none.
                    bloom_filter: None,
                    column_index: column_indexes.and_then(|columns| columns.get(index)).cloned(),
                    offset_index: offset_indexes.and_then(|columns| columns.get(index)).cloned(),
                };
                to.append_column(from, chunk)?;
            }
            to.close()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<File, Source> {
        self.flush()?;
        Ok(self.writer.into_inner()?)
    }
}

fn footer<R: ChunkReader>(file: &R) -> Result<ParquetMetaData, Source> {
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
    Ok(reader.parse_and_finish(file)?)
}

fn properties(metadata: Vec<KeyValue>) -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_key_value_metadata(Some(metadata))
        .build()
}
