//! From rows of a tile to a `RecordBatch` of one schema, whatever the dialect of the tile.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, FixedSizeListArray, Int32Array, Int64Array, ListArray, PrimitiveArray,
    RecordBatch, StructArray,
};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use arrow_select::concat::concat_batches;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};

use parquet::file::metadata::PageIndexPolicy;

use crate::grid::{Grid, KEY};
use crate::order::Piece;
use crate::{Error, ReadOptions, Result, SpectrumColumns};

/// Names of the columns of every batch.
pub(crate) const ID: &str = "targetid";
pub(crate) const FLUX: &str = "flux";
pub(crate) const IVAR: &str = "ivar";
pub(crate) const MASK: &str = "mask";
pub(crate) const WAVELENGTH: &str = "wavelength";
/// Key of the metadata of a tile and of a batch.
pub(crate) const FLUX_UNIT: &str = "flux_unit";

/// Reads the rows of a piece.
pub(crate) fn read(piece: &Piece, options: &ReadOptions) -> Result<RecordBatch> {
    let path = Path::new(&*piece.uri);
    let file = File::open(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    let tile = |source: Box<dyn std::error::Error + Send + Sync>| Error::Tile {
        path: path.to_owned(),
        source,
    };
    // With the page index, pages before the wanted rows are not decoded.
    let reader_options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    let metadata = ArrowReaderMetadata::load(&file, reader_options).map_err(|e| tile(e.into()))?;
    let columns = Columns::find(path, &metadata, options)?;

    let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or_default();
    if piece.rows.end > rows {
        return Err(Error::Stale {
            path: path.to_owned(),
            row: piece.rows.start.max(rows),
            rows,
        });
    }
    let range = piece.rows.start as usize..piece.rows.end as usize;
    let selection = RowSelection::from_consecutive_ranges([range.clone()].into_iter(), rows as usize);
    let paths = columns.paths();
    let mask = ProjectionMask::leaves(
        metadata.parquet_schema(),
        metadata
            .parquet_schema()
            .columns()
            .iter()
            .enumerate()
            .filter_map(|(leaf, column)| {
                let name = column.path().string();
                paths.iter().any(|path| is_within(&name, path)).then_some(leaf)
            }),
    );
    let schema = metadata.schema().clone();
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_projection(mask)
        .with_row_selection(selection)
        .with_batch_size(range.len())
        .build()
        .map_err(|e| tile(e.into()))?;
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, ArrowError>>().map_err(|e| tile(e.into()))?;
    let projected = batches.first().map_or_else(|| schema.clone(), RecordBatch::schema);
    let batch = concat_batches(&projected, &batches).map_err(|e| tile(e.into()))?;
    if batch.num_rows() != range.len() {
        return Err(tile(
            format!("{} rows where {} should be", batch.num_rows(), range.len()).into(),
        ));
    }
    Normalizer {
        path,
        rows: piece.rows.clone(),
        batch: &batch,
        metadata: schema.metadata(),
    }
    .normalize(&columns, options)
}

/// Is the leaf the column itself, or a part of it (the elements of a list)?
fn is_within(leaf: &str, column: &str) -> bool {
    leaf.strip_prefix(column)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The columns of one tile, by their dotted paths.
struct Columns {
    id: String,
    flux: String,
    ivar: String,
    mask: Option<String>,
    wavelength: Wavelength,
    more: Vec<String>,
}

enum Wavelength {
    /// One grid for all rows.
    Shared(Grid),
    /// A grid in every row.
    Column(String),
}

impl Columns {
    fn find(path: &Path, metadata: &ArrowReaderMetadata, options: &ReadOptions) -> Result<Self> {
        let SpectrumColumns {
            id,
            flux,
            ivar,
            mask,
            wavelength,
        } = &options.spectrum;
        let schema = metadata.schema();
        let missing = |column: &str, reason: String| Error::Column {
            path: path.to_owned(),
            column: column.into(),
            reason,
        };
        let find = |names: &[String]| names.iter().find(|name| has(schema, name)).cloned();
        let need = |column: &str, names: &[String]| {
            find(names).ok_or_else(|| {
                let arms = if has(schema, "B_FLUX") {
                    ": the arms of this tile have to be joined first"
                } else {
                    ""
                };
                missing(column, format!("not found (looked for {}){arms}", names.join(", ")))
            })
        };
        for column in &options.columns {
            if [ID, FLUX, IVAR, MASK, WAVELENGTH].contains(&column.as_str()) {
                let reason = "every batch has a column of this name already: do not ask for it";
                return Err(missing(column, reason.into()));
            }
            if schema.field_with_name(column).is_err() {
                return Err(missing(column, "not found, but asked for".into()));
            }
        }
        Ok(Self {
            id: need(ID, id)?,
            flux: need(FLUX, flux)?,
            ivar: need(IVAR, ivar)?,
            mask: find(mask),
            wavelength: match find(wavelength) {
                Some(column) => Wavelength::Column(column),
                None => {
                    let grid = Grid::from_metadata(schema.metadata());
                    Wavelength::Shared(grid.map_err(|reason| missing(WAVELENGTH, reason))?)
                }
            },
            more: options.columns.clone(),
        })
    }

    fn paths(&self) -> Vec<&str> {
        let mut paths = vec![self.id.as_str(), &self.flux, &self.ivar];
        paths.extend(self.mask.as_deref());
        if let Wavelength::Column(column) = &self.wavelength {
            paths.push(column);
        }
        paths.extend(self.more.iter().map(String::as_str));
        paths
    }
}

/// Does the schema have a column with this dotted path?
fn has(schema: &Schema, path: &str) -> bool {
    let mut names = path.split('.');
    let Some(field) = names.next().and_then(|name| schema.field_with_name(name).ok()) else {
        return false;
    };
    let mut data_type = field.data_type();
    for name in names {
        let DataType::Struct(fields) = data_type else {
            return false;
        };
        let Some((_, field)) = fields.find(name) else {
            return false;
        };
        data_type = field.data_type();
    }
    true
}

/// Lists without gaps: all values, and where each row begins and ends.
struct Lists<T: ArrowPrimitiveType> {
    values: PrimitiveArray<T>,
    offsets: Vec<i32>,
}

/// Brings the rows of one piece into the common schema.
struct Normalizer<'a> {
    path: &'a Path,
    rows: Range<u64>,
    batch: &'a RecordBatch,
    /// Of the file: the stock reader's batches have none.
    metadata: &'a HashMap<String, String>,
}

impl Normalizer<'_> {
    fn normalize(&self, columns: &Columns, options: &ReadOptions) -> Result<RecordBatch> {
        let flux = self.lists::<Float32Type>(&columns.flux, f32::NAN)?;
        let ivar = self.lists::<Float32Type>(&columns.ivar, 0.0)?;
        let mask = match &columns.mask {
            Some(column) => self.lists::<Int32Type>(column, 1)?,
            None => Lists {
                values: Int32Array::from_value(0, flux.values.len()),
                offsets: flux.offsets.clone(),
            },
        };
        self.same_lengths(&columns.flux, &flux.offsets, &columns.ivar, &ivar.offsets)?;
        self.same_lengths(
            &columns.flux,
            &flux.offsets,
            columns.mask.as_deref().unwrap_or(MASK),
            &mask.offsets,
        )?;

        let mut metadata = self.metadata.clone();
        metadata.retain(|key, _| key == KEY || key == FLUX_UNIT);
        let mut parts: Vec<(Field, ArrayRef)> = Vec::new();
        let mut add =
            |name: &str, array: ArrayRef| parts.push((Field::new(name, array.data_type().clone(), false), array));
        add(ID, self.ids(&columns.id)?);
        match &columns.wavelength {
            Wavelength::Shared(grid) => {
                let pixels = grid.wavelength.len();
                self.all_of_length(&columns.flux, &flux.offsets, pixels)?;
                add(FLUX, fixed(flux, pixels).map_err(|e| self.tile(e))?);
                add(IVAR, fixed(ivar, pixels).map_err(|e| self.tile(e))?);
                add(MASK, fixed(mask, pixels).map_err(|e| self.tile(e))?);
            }
            Wavelength::Column(column) => {
                metadata.remove(KEY);
                let wavelength = self.lists::<Float64Type>(column, f64::NAN)?;
                self.same_lengths(&columns.flux, &flux.offsets, column, &wavelength.offsets)?;
                self.increasing(column, &wavelength)?;
                add(FLUX, ragged(flux).map_err(|e| self.tile(e))?);
                add(IVAR, ragged(ivar).map_err(|e| self.tile(e))?);
                add(MASK, ragged(mask).map_err(|e| self.tile(e))?);
                add(WAVELENGTH, ragged(wavelength).map_err(|e| self.tile(e))?);
            }
        }
        for name in &options.columns {
            let field = self
                .batch
                .schema_ref()
                .field_with_name(name)
                .map_err(|e| self.tile(e))?;
            let array = self
                .batch
                .column_by_name(name)
                .ok_or_else(|| self.column(name, "not decoded"))?;
            // Tiles may differ in what they promise of a column, as long as its type is the same.
            parts.push((Field::new(name, field.data_type().clone(), true), array.clone()));
        }
        let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = parts.into_iter().unzip();
        RecordBatch::try_new(Arc::new(Schema::new_with_metadata(fields, metadata)), arrays).map_err(|e| self.tile(e))
    }

    /// The linkage keys: integers of any width, or strings of digits.
    fn ids(&self, path: &str) -> Result<ArrayRef> {
        let array = self.array(path)?;
        let wrong = || {
            let found = array.data_type();
            self.column(
                path,
                &format!("{found} is not an id: expected an integer or a string of digits"),
            )
        };
        if !is_id(array.data_type()) {
            return Err(wrong());
        }
        let ids = cast(&array, &DataType::Int64).map_err(|_| wrong())?;
        match (0..ids.len()).find(|&row| ids.is_null(row)) {
            Some(row) if array.is_null(row) => Err(self.value(path, row, "no id")),
            Some(row) => Err(self.value(path, row, "not an id: expected a string of digits that fits 64 bits")),
            None => Ok(Arc::new(Int64Array::new(
                ids.as_primitive::<arrow_array::types::Int64Type>().values().clone(),
                None,
            ))),
        }
    }

    /// A column of lists of numbers. A null in a list becomes `null`, a null list an empty one.
    fn lists<T: ArrowPrimitiveType>(&self, path: &str, null: T::Native) -> Result<Lists<T>> {
        let array = self.array(path)?;
        let wrong = || self.column(path, &format!("{} is not a list of numbers", array.data_type()));
        let (values, offsets): (ArrayRef, Vec<i32>) = match array.data_type() {
            DataType::List(_) => {
                let lists = array.as_list::<i32>();
                (lists.values().clone(), lists.value_offsets().to_vec())
            }
            DataType::LargeList(_) => {
                let lists = array.as_list::<i64>();
                let offsets: Option<Vec<i32>> = lists.value_offsets().iter().map(|&x| x.try_into().ok()).collect();
                (
                    lists.values().clone(),
                    offsets.ok_or_else(|| self.column(path, "more than 2³¹ pixels in a piece"))?,
                )
            }
            DataType::FixedSizeList(_, length) => {
                let lists = array.as_fixed_size_list();
                (
                    lists.values().clone(),
                    (0..=lists.len() as i32).map(|row| row * length).collect(),
                )
            }
            _ => return Err(wrong()),
        };
        let (first, last) = (
            offsets.first().copied().unwrap_or(0),
            offsets.last().copied().unwrap_or(0),
        );
        let values = values.slice(first as usize, (last - first) as usize);
        let values = cast(&values, &T::DATA_TYPE).map_err(|_| wrong())?;
        let values = values.as_primitive::<T>();
        let values = match values.nulls() {
            Some(nulls) if nulls.null_count() > 0 => {
                PrimitiveArray::from_iter_values(values.iter().map(|x| x.unwrap_or(null)))
            }
            _ => PrimitiveArray::new(values.values().clone(), None),
        };
        Ok(Lists {
            values,
            offsets: offsets.into_iter().map(|x| x - first).collect(),
        })
    }

    /// The array at a dotted path.
    fn array(&self, path: &str) -> Result<ArrayRef> {
        let mut names = path.split('.');
        let first = names.next().unwrap_or_default();
        let gone = || self.column(path, "not decoded");
        let mut array = self.batch.column_by_name(first).ok_or_else(gone)?.clone();
        for name in names {
            let parent: &StructArray = array.as_struct_opt().ok_or_else(gone)?;
            array = parent.column_by_name(name).ok_or_else(gone)?.clone();
        }
        Ok(array)
    }

    fn same_lengths(&self, one: &str, a: &[i32], other: &str, b: &[i32]) -> Result<()> {
        match a
            .windows(2)
            .zip(b.windows(2))
            .position(|(a, b)| a[1] - a[0] != b[1] - b[0])
        {
            None => Ok(()),
            Some(row) => {
                let (a, b) = (a[row + 1] - a[row], b[row + 1] - b[row]);
                Err(self.value(other, row, &format!("{b} pixels, but {one:?} has {a}")))
            }
        }
    }

    /// Wavelengths that do not increase belong to no spectrum that anything behind this could use.
    fn increasing(&self, path: &str, wavelength: &Lists<Float64Type>) -> Result<()> {
        for (row, ends) in wavelength.offsets.windows(2).enumerate() {
            let mut before = 0.0;
            for (pixel, &here) in wavelength.values.values()[ends[0] as usize..ends[1] as usize]
                .iter()
                .enumerate()
            {
                if !(here > before && here.is_finite()) {
                    let reason = format!(
                        "pixel {pixel} is at {here} after {before}: wavelengths have to increase, from above 0"
                    );
                    return Err(self.value(path, row, &reason));
                }
                before = here;
            }
        }
        Ok(())
    }

    fn all_of_length(&self, path: &str, offsets: &[i32], pixels: usize) -> Result<()> {
        match offsets
            .windows(2)
            .position(|ends| (ends[1] - ends[0]) as usize != pixels)
        {
            None => Ok(()),
            Some(row) => {
                let found = offsets[row + 1] - offsets[row];
                let reason = format!("{found} pixels, but the grid in the file's metadata has {pixels}");
                Err(self.value(path, row, &reason))
            }
        }
    }

    fn tile(&self, source: ArrowError) -> Error {
        Error::Tile {
            path: self.path.to_owned(),
            source: source.into(),
        }
    }

    fn column(&self, column: &str, reason: &str) -> Error {
        Error::Column {
            path: self.path.to_owned(),
            column: column.into(),
            reason: reason.into(),
        }
    }

    fn value(&self, column: &str, row: usize, reason: &str) -> Error {
        let row = self.rows.start + row as u64;
        Error::Value {
            path: PathBuf::from(self.path),
            row,
            column: column.into(),
            reason: reason.into(),
        }
    }
}

fn is_id(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_id(values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        other => other.is_integer(),
    }
}

fn element<T: ArrowPrimitiveType>() -> Arc<Field> {
    Arc::new(Field::new("element", T::DATA_TYPE, false))
}

fn fixed<T: ArrowPrimitiveType>(lists: Lists<T>, length: usize) -> Result<ArrayRef, ArrowError> {
    let length = i32::try_from(length).map_err(|e| ArrowError::InvalidArgumentError(e.to_string()))?;
    let rows = lists.offsets.len().saturating_sub(1);
    let lists = FixedSizeListArray::try_new_with_length(element::<T>(), length, Arc::new(lists.values), None, rows)?;
    Ok(Arc::new(lists))
}

fn ragged<T: ArrowPrimitiveType>(lists: Lists<T>) -> Result<ArrayRef, ArrowError> {
    let offsets = OffsetBuffer::new(ScalarBuffer::from(lists.offsets));
    Ok(Arc::new(ListArray::try_new(
        element::<T>(),
        offsets,
        Arc::new(lists.values),
        None,
    )?))
}
