//! From rows of a tile to a `RecordBatch` of one schema, whatever the dialect of the tile.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Int32Array, Int64Array, ListArray, PrimitiveArray, RecordBatch, StructArray,
};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use arrow_select::concat::concat_batches;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection};

use crate::arms::Arm;
use crate::columns::{Columns, Spectra};
use crate::error::unreadable;
use crate::grid::KEY;
use crate::tile::{Source, Tile};
use crate::{Error, ReadOptions, Result};

/// Names of the columns of every batch.
pub(crate) const ID: &str = "targetid";
pub(crate) const FLUX: &str = "flux";
pub(crate) const IVAR: &str = "ivar";
pub(crate) const MASK: &str = "mask";
pub(crate) const WAVELENGTH: &str = "wavelength";
/// Key of the metadata of a tile and of a batch.
pub(crate) const FLUX_UNIT: &str = "flux_unit";

/// The parts of a spectrum that lie in a matrix where all rows share a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Flux,
    Ivar,
    Mask,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Flux, Self::Ivar, Self::Mask];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flux => FLUX,
            Self::Ivar => IVAR,
            Self::Mask => MASK,
        }
    }
}

/// Reads rows of a tile as a batch of the common schema; where all its rows share a grid, without the [`Part`]s.
pub(crate) fn read(tile: &Tile, rows: &[u64], options: &ReadOptions) -> Result<RecordBatch> {
    let columns = &tile.columns;
    let mut paths = vec![columns.id.as_str()];
    if let Spectra::Ragged {
        flux,
        ivar,
        mask,
        wavelength,
    } = &columns.spectra
    {
        paths.extend([flux.as_str(), ivar, wavelength]);
        paths.extend(mask.as_deref());
    }
    paths.extend(columns.more.iter().map(String::as_str));
    let batch = decode(&tile.source, rows, &paths)?;
    Normalizer::new(&tile.source, rows, &batch).normalize(columns, options)
}

/// Reads one part of some rows of an arm: the bytes of their values, row after row.
pub(crate) fn read_part(source: &Source, rows: &[u64], arm: &Arm, part: Part) -> Result<Buffer> {
    let Some(column) = &arm.columns[part as usize] else {
        return Ok(Buffer::from_vec(vec![0_i32; arm.pixels * rows.len()]));
    };
    let batch = decode(source, rows, &[column])?;
    let normalizer = Normalizer::new(source, rows, &batch);
    let (values, offsets) = match part {
        Part::Flux => normalizer.lists::<Float32Type>(column, f32::NAN)?.into_bytes(),
        Part::Ivar => normalizer.lists::<Float32Type>(column, 0.0)?.into_bytes(),
        Part::Mask => normalizer.lists::<Int32Type>(column, 1)?.into_bytes(),
    };
    normalizer.all_of_length(column, &offsets, arm.pixels)?;
    Ok(values)
}

/// Reads the wavelengths of some rows.
pub(crate) fn read_wavelengths(source: &Source, rows: &[u64], column: &str) -> Result<Vec<Vec<f64>>> {
    let batch = decode(source, rows, &[column])?;
    let lists = Normalizer::new(source, rows, &batch).lists::<Float64Type>(column, f64::NAN)?;
    let values = lists.values.values();
    let row = |ends: &[i32]| values[ends[0] as usize..ends[1] as usize].to_vec();
    Ok(lists.offsets.windows(2).map(row).collect())
}

/// Decodes columns, by their dotted paths, with parquet's reader. The rows are ascending.
fn decode(source: &Source, rows: &[u64], paths: &[&str]) -> Result<RecordBatch> {
    let path = source.path();
    let file = source.file.get()?;
    let metadata = source.metadata.clone();
    let runs = rows.chunk_by(|a, b| a + 1 == *b);
    let ranges = runs.filter_map(|run| Some(*run.first()? as usize..*run.last()? as usize + 1));
    let selection = RowSelection::from_consecutive_ranges(ranges, source.rows() as usize);
    let leaves = metadata.parquet_schema().columns().iter().enumerate();
    let mask = ProjectionMask::leaves(
        metadata.parquet_schema(),
        leaves.filter_map(|(leaf, column)| {
            let name = column.path().string();
            paths.iter().any(|path| is_within(&name, path)).then_some(leaf)
        }),
    );
    let schema = metadata.schema().clone();
    let read = || -> Result<Vec<RecordBatch>, ArrowError> {
        ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_projection(mask)
            .with_row_selection(selection)
            .with_batch_size(rows.len())
            .build()?
            .collect()
    };
    let batches = read().map_err(unreadable(path))?;
    let projected = batches.first().map_or(schema, RecordBatch::schema);
    let batch = concat_batches(&projected, &batches).map_err(unreadable(path))?;
    if batch.num_rows() != rows.len() {
        let reason = format!("{} rows where {} should be", batch.num_rows(), rows.len());
        return Err(unreadable(path)(reason));
    }
    Ok(batch)
}

/// Is the leaf the column itself, or a part of it (the elements of a list)?
fn is_within(leaf: &str, column: &str) -> bool {
    leaf.strip_prefix(column)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Lists without gaps: all values, and where each row begins and ends.
struct Lists<T: ArrowPrimitiveType> {
    values: PrimitiveArray<T>,
    offsets: Vec<i32>,
}

impl<T: ArrowPrimitiveType> Lists<T> {
    fn into_bytes(self) -> (Buffer, Vec<i32>) {
        (self.values.values().inner().clone(), self.offsets)
    }
}

/// Brings the rows of one piece into the common schema.
struct Normalizer<'a> {
    path: &'a Path,
    /// Their numbers in the file.
    rows: &'a [u64],
    batch: &'a RecordBatch,
    /// Of the file: the stock reader's batches have none.
    metadata: &'a HashMap<String, String>,
}

impl<'a> Normalizer<'a> {
    fn new(source: &'a Source, rows: &'a [u64], batch: &'a RecordBatch) -> Self {
        Self {
            path: source.path(),
            rows,
            batch,
            metadata: source.metadata.schema().metadata(),
        }
    }

    fn normalize(&self, columns: &Columns, options: &ReadOptions) -> Result<RecordBatch> {
        let mut metadata = self.metadata.clone();
        metadata.retain(|key, _| key == KEY || key == FLUX_UNIT);
        if let Some(grid) = columns.grid() {
            metadata.insert(KEY.into(), grid.text.clone());
        }
        let mut parts: Vec<(Field, ArrayRef)> = Vec::new();
        let mut add =
            |name: &str, array: ArrayRef| parts.push((Field::new(name, array.data_type().clone(), false), array));
        add(ID, self.ids(&columns.id)?);
        if let Spectra::Ragged {
            flux: flux_column,
            ivar: ivar_column,
            mask: mask_column,
            wavelength: column,
        } = &columns.spectra
        {
            metadata.remove(KEY);
            let flux = self.lists::<Float32Type>(flux_column, f32::NAN)?;
            let ivar = self.lists::<Float32Type>(ivar_column, 0.0)?;
            let mask = match mask_column {
                Some(column) => self.lists::<Int32Type>(column, 1)?,
                None => Lists {
                    values: Int32Array::from_value(0, flux.values.len()),
                    offsets: flux.offsets.clone(),
                },
            };
            let wavelength = self.lists::<Float64Type>(column, f64::NAN)?;
            let others = [
                (ivar_column.as_str(), &ivar.offsets),
                (mask_column.as_deref().unwrap_or(MASK), &mask.offsets),
                (column, &wavelength.offsets),
            ];
            for (other, offsets) in others {
                self.same_lengths(flux_column, &flux.offsets, other, offsets)?;
            }
            self.increasing(column, &wavelength)?;
            add(FLUX, ragged(flux).map_err(|e| self.tile(e))?);
            add(IVAR, ragged(ivar).map_err(|e| self.tile(e))?);
            add(MASK, ragged(mask).map_err(|e| self.tile(e))?);
            add(WAVELENGTH, ragged(wavelength).map_err(|e| self.tile(e))?);
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
                let reason = format!("{found} pixels, but its grid has {pixels}");
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
        let row = self.rows.get(row).copied().unwrap_or_default();
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

pub(crate) fn element<T: ArrowPrimitiveType>() -> Arc<Field> {
    Arc::new(Field::new("element", T::DATA_TYPE, false))
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
