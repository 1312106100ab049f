//! All columns that are no lists: parquet's own writer makes them in memory, and their pages get checksums on the way to the file.

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_schema::DataType;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::TrackedWrite;
use parquet::schema::types::{ColumnDescPtr, ColumnPath};

use super::header;
use crate::fast::header::{Kind, read};

/// Columns of one row group as parquet wrote them.
#[derive(Debug)]
pub(super) struct Scalars {
    bytes: Vec<u8>,
    metadata: parquet::file::metadata::ParquetMetaData,
}

/// What a footer says of a column chunk.
pub(super) type Chunk = (ColumnChunkMetaData, ColumnIndexMetaData, OffsetIndexMetaData);

impl Scalars {
    /// Encodes the columns of some batches, at least one, of which the rows are in the order of the column `sorted`.
    pub(super) fn new(batches: &[RecordBatch], compression: Compression, sorted: Option<&str>) -> Result<Self> {
        let schema = batches[0].schema();
        let mut properties = WriterProperties::builder()
            .set_compression(compression)
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_max_row_group_row_count(None);
        for field in schema.fields() {
            // Few values, as a rule: survey, class.
            if matches!(
                field.data_type(),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean
            ) && Some(field.name().as_str()) != sorted
            {
                properties = properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), true);
            }
        }
        if let Some(sorted) = sorted {
            // A reader finds the page of a row by them.
            properties = properties.set_column_statistics_enabled(ColumnPath::from(sorted), EnabledStatistics::Page);
        }
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, schema, Some(properties.build()))?;
        for batch in batches {
            writer.write(batch)?;
        }
        let metadata = writer.close()?;
        Ok(Self { bytes, metadata })
    }

    /// Writes the chunk of the leaf column `number` to the file, where it is the column `column`.
    pub(super) fn write<W: Write>(
        &self,
        file: &mut TrackedWrite<W>,
        number: usize,
        column: &ColumnDescPtr,
    ) -> Result<Chunk> {
        let chunk = self.metadata.row_group(0).column(number);
        let rows_of_pages = self.rows_of_pages(number)?;
        let start = file.bytes_written();
        let (offset, length) = chunk.byte_range();
        let mut bytes = &self.bytes[offset as usize..(offset + length) as usize];
        let (mut index, mut pages, mut dictionary) = (OffsetIndexBuilder::new(), rows_of_pages.into_iter(), None);
        let (mut data, mut added) = (None, 0);
        while !bytes.is_empty() {
            let unknown = || ParquetError::General("a page header of an unknown form".into());
            let (page, length) = read(bytes).ok_or_else(unknown)?;
            let (old, rest) = bytes.split_at(length);
            let (body, rest) = rest.split_at_checked(page.stored).ok_or_else(unknown)?;
            let new = header::with_crc(old, crc32fast::hash(body)).ok_or_else(unknown)?;
            let at = file.bytes_written() as i64;
            file.write_all(&new)?;
            file.write_all(body)?;
            added += (new.len() - old.len()) as i64;
            if page.kind == Kind::Dictionary {
                dictionary = Some(at);
            } else {
                data.get_or_insert(at);
                index.append_row_count(pages.next().ok_or_else(unknown)?);
                index.append_offset_and_size(at, (new.len() + body.len()) as i32);
            }
            bytes = rest;
        }
        let metadata = ColumnChunkMetaData::builder(column.clone())
            .set_encodings(chunk.encodings().collect())
            .set_compression(chunk.compression())
            .set_num_values(chunk.num_values())
            .set_total_compressed_size((file.bytes_written() - start) as i64)
            .set_total_uncompressed_size(chunk.uncompressed_size() + added)
            .set_data_page_offset(data.unwrap_or(start as i64))
            .set_dictionary_page_offset(dictionary);
        let metadata = match chunk.statistics() {
            Some(statistics) => metadata.set_statistics(statistics.clone()),
            None => metadata,
        };
        let columns = self.metadata.column_index();
        let column_index = columns.and_then(|index| index.first()?.get(number)).cloned();
        Ok((
            metadata.build()?,
            column_index.unwrap_or(ColumnIndexMetaData::NONE),
            index.build(),
        ))
    }

    /// The number of rows of each data page.
    fn rows_of_pages(&self, number: usize) -> Result<Vec<i64>> {
        let index = self
            .metadata
            .offset_index()
            .and_then(|index| index.first()?.get(number));
        let index = index.ok_or_else(|| ParquetError::General("pages without an index".into()))?;
        let mut starts: Vec<i64> = index.page_locations().iter().map(|page| page.first_row_index).collect();
        starts.push(self.metadata.row_group(0).num_rows());
        Ok(starts.windows(2).map(|ends| ends[1] - ends[0]).collect())
    }
}
