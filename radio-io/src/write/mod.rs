//! Writing tiles: Parquet files of spectra that every program reads, and that this crate reads fastest.

mod codec;
mod header;
mod lists;
mod options;
mod part;
mod scalars;
mod shape;

pub use options::{Profile, WriteOptions};
pub(crate) use part::Part;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowSchemaConverter, encode_arrow_schema};
use parquet::basic::ColumnOrder;
use parquet::bloom_filter::Sbbf;
use parquet::errors::{ParquetError, Result as Encoded};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, KeyValue, ParquetColumnIndex, ParquetMetaData, ParquetMetaDataBuilder,
    ParquetMetaDataWriter, ParquetOffsetIndex, RowGroupMetaData, SortingColumn,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::writer::TrackedWrite;
use parquet::schema::types::SchemaDescPtr;

use self::codec::Codec;
use self::lists::Lists;
use self::scalars::Scalars;
use self::shape::Shape;
use crate::error::{io, not_written};
use crate::{Error, Result, SpectrumColumns};

/// Batches are put together to this many pages of each column, at least.
const PAGES_OF_BATCH: u64 = 8;
/// What footers name as the program that wrote them.
pub(crate) const CREATED_BY: &str = concat!("radio-io version ", env!("CARGO_PKG_VERSION"));
/// How often a filter of ids may say that one is there that is not.
const FALSE_POSITIVES: f64 = 0.01;

/// Writes one tile, batch after batch.
///
/// - Lists of numbers or booleans (`flux`, `ivar`, `mask`, …; also in a struct) are required columns: a null in them is an error. Their pages
///   are written from the batches' own memory.
/// - Rows are in the order of their id, where there is one: a row that is not is an error, and [`WriteOptions::without_order`] says that there is no
///   order. The id has a Bloom filter; the column of the order has statistics by page, other columns but lists by row group.
/// - Every page has a checksum (CRC-32), which readers can check.
/// - The schema's metadata (the wavelength grid, units) is written as it is, for Arrow and for other readers.
///
/// The file appears with [`finish`](Self::finish), complete and on disk. A writer that is dropped or killed before, or whose disk is full, leaves what
/// was there as it was.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch};
/// use arrow_schema::{DataType, Field};
/// use radio_io::{Profile, TileWriter, WriteOptions};
///
/// let element = Arc::new(Field::new("element", DataType::Float32, false));
/// let flux = FixedSizeListArray::new(element, 3, Arc::new(Float32Array::from(vec![1.0; 6])), None);
/// let batch = RecordBatch::try_from_iter([
///     ("targetid", Arc::new(Int64Array::from(vec![17, 39])) as ArrayRef),
///     ("flux", Arc::new(flux)),
/// ])?;
///
/// let folder = tempfile::tempdir()?;
/// let options = WriteOptions::default().with_profile(Profile::Training);
/// let mut writer = TileWriter::create(folder.path().join("tile.parquet"), batch.schema(), options)?;
/// writer.write(&batch)?;
/// assert_eq!(writer.finish()?.rows, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TileWriter {
    part: Part,
    file: TrackedWrite<Arc<File>>,
    /// Of the batches, and as it is written.
    schema: SchemaRef,
    written: SchemaRef,
    columns: SchemaDescPtr,
    options: WriteOptions,
    /// The column that rows are in order of, and its number.
    order: Option<(String, usize)>,
    /// The number of the column that has a filter.
    ids: Option<usize>,
    last: Option<i64>,
    codec: Codec,
    /// The row group: large batches, and small ones that are still to be put together.
    group: Vec<RecordBatch>,
    group_bytes: u64,
    small: Vec<RecordBatch>,
    small_bytes: u64,
    rows: u64,
    groups: Vec<RowGroupMetaData>,
    column_indexes: ParquetColumnIndex,
    offset_indexes: ParquetOffsetIndex,
}

/// A tile that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenTile {
    /// Rows.
    pub rows: u64,
    /// Size on disk, bytes.
    pub bytes: u64,
}

impl TileWriter {
    /// Begins a tile at `path`, in a folder that is there; a file of that name is replaced when the tile is finished.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for an option outside its range, [`Error::Column`] where there is no such column to be in order of, or it is of another type,
    /// [`Error::Io`] where the file cannot be made, [`Error::Write`] for a schema that Parquet does not know.
    pub fn create(path: impl AsRef<Path>, schema: SchemaRef, options: WriteOptions) -> Result<Self> {
        let path = path.as_ref();
        options.check()?;
        let order = order(path, &schema, &options)?;
        let ids = ids(&schema).or(order.as_ref().map(|order| order.1));
        let written = Arc::new(shape::written(&schema, order.as_ref().map(|order| order.0.as_str())));
        let columns = ArrowSchemaConverter::new()
            .convert(&written)
            .map_err(not_written(path))?;
        let (part, file) = Part::create(path)?;
        let codec = Codec::new(options.profile).map_err(io(path))?;
        let mut file = TrackedWrite::new(Arc::new(file));
        std::io::Write::write_all(&mut file, b"PAR1").map_err(io(path))?;
        Ok(Self {
            part,
            file,
            schema,
            written,
            columns: Arc::new(columns),
            options,
            ids,
            order,
            last: None,
            codec,
            group: Vec::new(),
            group_bytes: 0,
            small: Vec::new(),
            small_bytes: 0,
            rows: 0,
            groups: Vec::new(),
            column_indexes: Vec::new(),
            offset_indexes: Vec::new(),
        })
    }

    /// Adds rows. Their memory is held until the row group is full.
    ///
    /// # Errors
    ///
    /// [`Error::Mixed`] for another schema than the tile's; [`Error::Value`], which names row and column, for a null in a list and for a row out of order:
    /// nothing of the batch was added. [`Error::Write`] where the disk is full.
    ///
    /// # Complexity
    ///
    /// O(values), without a copy for [`Profile::Training`] and batches of at least some megabytes.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.check(batch)?;
        let mut batch = batch.clone();
        while batch.num_rows() > 0 {
            let bytes = bytes_of(&batch);
            let row_bytes = (bytes / batch.num_rows() as u64).max(1);
            let room = self
                .options
                .row_group_bytes
                .saturating_sub(self.group_bytes + self.small_bytes);
            let rows = usize::try_from((room / row_bytes).max(1))
                .unwrap_or(usize::MAX)
                .min(batch.num_rows());
            let (head, rest) = (batch.slice(0, rows), batch.slice(rows, batch.num_rows() - rows));
            self.small_bytes += row_bytes * rows as u64;
            self.small.push(head);
            if self.small_bytes >= PAGES_OF_BATCH * self.options.page_bytes as u64 {
                self.gather()?;
            }
            if self.group_bytes + self.small_bytes + row_bytes > self.options.row_group_bytes {
                self.flush()?;
            }
            batch = rest;
        }
        Ok(())
    }

    /// Writes what is left, and moves the tile to its place.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] and [`Error::Io`] where the disk is full: what was there stays.
    pub fn finish(mut self) -> Result<WrittenTile> {
        self.flush()?;
        let path = self.part.path().to_owned();
        let metadata = self.metadata();
        let file = Arc::clone(self.file.inner());
        ParquetMetaDataWriter::new_with_tracked(self.file, &metadata)
            .finish()
            .map_err(not_written(&path))?;
        // What it still held it has written when it was dropped, and said nothing.
        let mut end = [0; 4];
        let length = file.metadata().map_err(io(&path))?.len();
        let is_whole = file.read_exact_at(&mut end, length.saturating_sub(4)).is_ok() && &end == b"PAR1";
        if !is_whole {
            return Err(not_written(&path)("the end could not be written: is the disk full?"));
        }
        let bytes = self.part.complete(&file)?;
        Ok(WrittenTile { rows: self.rows, bytes })
    }

    fn check(&mut self, batch: &RecordBatch) -> Result<()> {
        let schema = batch.schema();
        let names = |schema: &Schema| -> Vec<(String, DataType)> {
            schema
                .fields()
                .iter()
                .map(|field| (field.name().clone(), field.data_type().clone()))
                .collect()
        };
        if !Arc::ptr_eq(&schema, &self.schema) && names(&schema) != names(&self.schema) {
            return Err(Error::Mixed {
                path: self.part.path().to_owned(),
                reason: "the columns of a batch are others than those that the tile was begun with".into(),
            });
        }
        let value = |row: usize, column: &str, reason: String| Error::Value {
            path: self.part.path().to_owned(),
            row: self.rows_so_far() + row as u64,
            column: column.to_owned(),
            reason,
        };
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            if shape::shape(field) != Shape::Other
                && let Some((row, path)) = shape::first_null(field, column)
            {
                return Err(value(
                    row,
                    &path,
                    "is null: write NaN with an inverse variance of 0 for what is not known".into(),
                ));
            }
        }
        let Some((name, number)) = &self.order else {
            return Ok(());
        };
        let numbers =
            arrow_cast::cast(batch.column(*number), &DataType::Int64).map_err(not_written(self.part.path()))?;
        let numbers = numbers.as_primitive::<Int64Type>();
        let mut last = self.last;
        for row in 0..numbers.len() {
            if numbers.is_null(row) {
                return Err(value(
                    row,
                    name,
                    "is null or no whole number: rows are in its order".into(),
                ));
            }
            let number = numbers.value(row);
            if let Some(last) = last.filter(|&last| last > number) {
                let reason = format!("{number} comes after {last}: sort the rows, or write without an order");
                return Err(value(row, name, reason));
            }
            last = Some(number);
        }
        self.last = last;
        Ok(())
    }

    fn rows_so_far(&self) -> u64 {
        let waiting = self
            .group
            .iter()
            .chain(&self.small)
            .map(|batch| batch.num_rows() as u64);
        self.rows + waiting.sum::<u64>()
    }

    /// Puts small batches together, so that no page is small.
    fn gather(&mut self) -> Result<()> {
        let batch = match &self.small[..] {
            [] => return Ok(()),
            [batch] => batch.clone(),
            batches => concat_batches(&self.schema, batches).map_err(not_written(self.part.path()))?,
        };
        self.group.push(batch);
        self.group_bytes += self.small_bytes;
        self.small.clear();
        self.small_bytes = 0;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.gather()?;
        if self.group.is_empty() {
            return Ok(());
        }
        let batches = std::mem::take(&mut self.group);
        self.group_bytes = 0;
        let path = self.part.path().to_owned();
        self.row_group(&batches).map_err(not_written(&path))
    }

    fn row_group(&mut self, batches: &[RecordBatch]) -> Encoded<()> {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let others: Vec<usize> = (0..self.schema.fields().len())
            .filter(|&column| shape::shape(self.schema.field(column)) == Shape::Other)
            .collect();
        let order = self.order.as_ref().map(|order| order.0.as_str());
        let scalars = if others.is_empty() {
            None
        } else {
            let schema = Arc::new(self.written.project(&others)?);
            let project =
                |batch: &RecordBatch| RecordBatch::try_new(schema.clone(), batch.project(&others)?.columns().to_vec());
            let batches = batches.iter().map(project).collect::<Result<Vec<_>, _>>()?;
            Some(Scalars::new(&batches, self.codec.compression(), order)?)
        };

        let (mut chunks, mut column_index, mut offset_index) = (Vec::new(), Vec::new(), Vec::new());
        let (mut leaf, mut scalar) = (0, 0);
        for (number, field) in self.schema.fields().iter().enumerate() {
            let leaves_of = match shape::shape(field) {
                Shape::Lists => 1,
                Shape::ListsInStruct(leaves) => leaves,
                Shape::Other => {
                    let scalars = scalars
                        .as_ref()
                        .ok_or_else(|| ParquetError::General("columns without rows".into()))?;
                    // A column of another form may have several leaves.
                    while leaf < self.columns.num_columns() && self.columns.get_column_root_idx(leaf) == number {
                        let (chunk, by_page, pages) =
                            scalars.write(&mut self.file, scalar, &self.columns.column(leaf))?;
                        chunks.push(chunk);
                        column_index.push(by_page);
                        offset_index.push(pages);
                        (leaf, scalar) = (leaf + 1, scalar + 1);
                    }
                    continue;
                }
            };
            let mut lists: Vec<Vec<Lists>> = (0..leaves_of).map(|_| Vec::with_capacity(batches.len())).collect();
            for batch in batches {
                for (lists, leaf) in lists.iter_mut().zip(shape::leaves(batch, number)) {
                    lists.push(leaf.ok_or_else(|| ParquetError::General("a list of an unknown form".into()))?);
                }
            }
            for lists in lists {
                let column = self.columns.column(leaf);
                let (chunk, pages) = lists::write(
                    &mut self.file,
                    &column,
                    &lists,
                    &mut self.codec,
                    self.options.page_bytes,
                )?;
                chunks.push(chunk);
                column_index.push(ColumnIndexMetaData::NONE);
                offset_index.push(pages);
                leaf += 1;
            }
        }

        let leaf_of = |column: usize| {
            // Numbers and text have one leaf.
            let leaf = (0..self.columns.num_columns()).find(|&leaf| self.columns.get_column_root_idx(leaf) == column);
            leaf.ok_or_else(|| ParquetError::General(format!("no leaf of column {column}")))
        };
        if let Some(ids) = self.ids {
            let leaf = leaf_of(ids)?;
            let offset = self.file.bytes_written();
            filter(batches, ids, rows).write(&mut self.file)?;
            let length = self.file.bytes_written() - offset;
            let chunk = chunks[leaf].clone().into_builder();
            let chunk = chunk
                .set_bloom_filter_offset(Some(offset as i64))
                .set_bloom_filter_length(Some(length as i32));
            chunks[leaf] = chunk.build()?;
        }
        let sorting = match &self.order {
            Some((_, column)) => Some(vec![SortingColumn {
                column_idx: leaf_of(*column)? as i32,
                descending: false,
                nulls_first: false,
            }]),
            None => None,
        };
        let size = chunks.iter().map(ColumnChunkMetaData::uncompressed_size).sum();
        let first = chunks.first().map_or(0, |chunk| chunk.byte_range().0);
        let group = RowGroupMetaData::builder(self.columns.clone())
            .set_num_rows(rows as i64)
            .set_total_byte_size(size)
            .set_file_offset(first as i64)
            .set_ordinal(i16::try_from(self.groups.len()).unwrap_or(i16::MAX))
            .set_sorting_columns(sorting)
            .set_column_metadata(chunks)
            .build()?;
        self.groups.push(group);
        self.column_indexes.push(column_index);
        self.offset_indexes.push(offset_index);
        self.rows += rows as u64;
        Ok(())
    }

    fn metadata(&mut self) -> ParquetMetaData {
        let orders = self.columns.columns().iter().map(|column| {
            let sort = ColumnOrder::sort_order_for_type(
                column.logical_type_ref(),
                column.converted_type(),
                column.physical_type(),
            );
            ColumnOrder::TYPE_DEFINED_ORDER(sort)
        });
        let about = FileMetaData::new(
            1,
            self.rows as i64,
            Some(CREATED_BY.to_owned()),
            Some(key_values(&self.written)),
            self.columns.clone(),
            Some(orders.collect()),
        );
        ParquetMetaDataBuilder::new(about)
            .set_row_groups(std::mem::take(&mut self.groups))
            .set_column_index(Some(std::mem::take(&mut self.column_indexes)))
            .set_offset_index(Some(std::mem::take(&mut self.offset_indexes)))
            .build()
    }
}

impl std::fmt::Debug for TileWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TileWriter")
            .field("path", &self.part.path())
            .field("options", &self.options)
            .field("rows", &self.rows_so_far())
            .finish_non_exhaustive()
    }
}

/// A schema's metadata for a footer, for Arrow and for other readers; the same bytes each time.
pub(crate) fn key_values(schema: &Schema) -> Vec<KeyValue> {
    let metadata = schema.metadata().iter();
    let mut key_values: Vec<KeyValue> = metadata
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
        .collect();
    key_values.sort_by(|a, b| a.key.cmp(&b.key));
    key_values.push(KeyValue::new(
        ARROW_SCHEMA_META_KEY.to_owned(),
        encode_arrow_schema(schema),
    ));
    key_values
}

/// The column that rows are in order of, and its number.
fn order(path: &Path, schema: &Schema, options: &WriteOptions) -> Result<Option<(String, usize)>> {
    if !options.is_sorted {
        return Ok(None);
    }
    let names = match &options.sorted_by {
        Some(name) => std::slice::from_ref(name),
        None => &SpectrumColumns::default().id[..],
    };
    let error = |column: &str, reason: &str| Error::Column {
        path: path.to_owned(),
        column: column.to_owned(),
        reason: reason.to_owned(),
    };
    let Some((number, field)) = names.iter().find_map(|name| schema.column_with_name(name)) else {
        return match &options.sorted_by {
            Some(name) => Err(error(name, "not found, but rows are to be in its order")),
            None => Ok(None),
        };
    };
    let is_known = field.data_type().is_integer()
        || matches!(
            field.data_type(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
    if is_known {
        return Ok(Some((field.name().clone(), number)));
    }
    Err(error(
        field.name(),
        "rows are in the order of whole numbers or of text of digits: name another column, or write without an order",
    ))
}

/// The number of the column of ids, whole numbers or text.
fn ids(schema: &Schema) -> Option<usize> {
    let names = SpectrumColumns::default().id;
    let (number, field) = names.iter().find_map(|name| schema.column_with_name(name))?;
    matches!(field.data_type(), DataType::Int64 | DataType::Utf8).then_some(number)
}

/// A filter of the values of a column, as they are stored.
fn filter(batches: &[RecordBatch], column: usize, rows: usize) -> Sbbf {
    let filter = Sbbf::new_with_ndv_fpp(rows.max(1) as u64, FALSE_POSITIVES);
    // The rate is a constant that fits.
    let mut filter = filter.unwrap_or_else(|_| Sbbf::new_with_num_of_bytes(rows));
    for batch in batches {
        let column = batch.column(column);
        if let Some(texts) = column.as_string_opt::<i32>() {
            texts.iter().flatten().for_each(|text| filter.insert(text));
        } else if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
            numbers.values().iter().for_each(|number| filter.insert(number));
        }
    }
    filter
}

/// Bytes of the rows of a batch, not of all the memory that they lie in.
fn bytes_of(batch: &RecordBatch) -> u64 {
    let bytes = batch
        .columns()
        .iter()
        .map(|column| column.to_data().get_slice_memory_size().unwrap_or_default());
    bytes.sum::<usize>() as u64
}
