//! Where each row is on the sky, and what it is called.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::RepartitionOptions;
use crate::error::{io, unreadable};
use crate::grid::Grid;
use crate::sky::{self, DEEPEST};
use crate::tile::{guarded, guarded_batches};
use crate::{Error, Result};

/// One input file.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    pub(super) schema: SchemaRef,
    pub(super) rows: u64,
}

/// What a row is sorted by, and the pixel of order 29 that it is in; none where it is in no tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) pixel: Option<i64>,
    pub(super) id: i64,
}

/// Why rows are in no tile.
const REASONS: [&str; 3] = ["no position", "a position off the sky", "no id"];
const NO_POSITION: usize = 0;
const OFF_THE_SKY: usize = 1;
const NO_ID: usize = 2;

/// The keys of all rows of a file, in their order.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) rows: Vec<Key>,
    /// Rows that are in no tile, by reason.
    rejected: [u64; REASONS.len()],
}

impl Keys {
    /// Reasons, and the rows that are in no tile for each of them.
    pub(super) fn rejected(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(self.rejected).filter(|(_, rows)| *rows > 0)
    }
}

/// The columns that rows are divided and sorted by.
#[derive(Clone, Debug)]
pub(super) struct KeyColumns {
    pub(super) ra: String,
    pub(super) dec: String,
    pub(super) id: Option<String>,
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let builder = builder(path)?;
        let rows = builder.metadata().file_metadata().num_rows();
        Ok(Self {
            path: path.to_owned(),
            schema: builder.schema().clone(),
            rows: u64::try_from(rows).unwrap_or_default(),
        })
    }

    pub(super) fn keys(&self, columns: &KeyColumns) -> Result<Keys> {
        let builder = builder(&self.path)?;
        let wanted = [Some(&columns.ra), Some(&columns.dec), columns.id.as_ref()];
        let roots = wanted
            .iter()
            .flatten()
            .filter_map(|name| self.schema.index_of(name).ok());
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let reader = builder.with_projection(mask).with_batch_size(65_536).build();
        let reader = reader.map_err(unreadable(&self.path))?;
        let mut keys = Keys::default();
        keys.rows
            .reserve(usize::try_from(self.rows).unwrap_or_default().min(1 << 24));
        for batch in guarded_batches(&self.path, reader) {
            let batch = batch?;
            self.add(&mut keys, &batch, columns)?;
        }
        Ok(keys)
    }

    fn add(&self, keys: &mut Keys, batch: &RecordBatch, columns: &KeyColumns) -> Result<()> {
        let cast = |name: &str, data_type: &DataType| {
            let column = batch
                .column_by_name(name)
                .ok_or_else(|| self.column(name, "not found"))?;
            let to = arrow_cast::cast(column, data_type);
            to.map_err(|e| self.column(name, &format!("cannot be used as {data_type}: {e}")))
        };
        let [ra, dec] = [
            cast(&columns.ra, &DataType::Float64)?,
            cast(&columns.dec, &DataType::Float64)?,
        ];
        let (ra, dec) = (ra.as_primitive::<Float64Type>(), dec.as_primitive::<Float64Type>());
        let ids = columns.id.as_ref().map(|id| cast(id, &DataType::Int64)).transpose()?;
        let ids = ids.as_ref().map(AsArray::as_primitive::<Int64Type>);
        for row in 0..batch.num_rows() {
            let (ra, dec) = (
                ra.is_valid(row).then(|| ra.value(row)).filter(|ra| !ra.is_nan()),
                dec.is_valid(row).then(|| dec.value(row)).filter(|dec| !dec.is_nan()),
            );
            let id = match ids {
                Some(ids) => ids.is_valid(row).then(|| ids.value(row)),
                // In the order in which they come.
                None => Some(0),
            };
            let pixel = match (id, ra.zip(dec)) {
                (None, _) => Err(NO_ID),
                (_, None) => Err(NO_POSITION),
                (_, Some((ra, dec))) => sky::pixel_of_row(DEEPEST, ra, dec).ok_or(OFF_THE_SKY),
            };
            if let Err(reason) = pixel {
                keys.rejected[reason] += 1;
            }
            keys.rows.push(Key {
                pixel: pixel.ok().map(|pixel| pixel as i64),
                id: id.unwrap_or_default(),
            });
        }
        Ok(())
    }

    fn column(&self, column: &str, reason: &str) -> Error {
        Error::Column {
            path: self.path.clone(),
            column: column.to_owned(),
            reason: reason.to_owned(),
        }
    }

    /// Batches of all columns, of so many rows.
    pub(super) fn batches(&self, rows: usize) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        let reader = builder(&self.path)?.with_batch_size(rows).build();
        Ok(guarded_batches(&self.path, reader.map_err(unreadable(&self.path))?))
    }
}

impl KeyColumns {
    /// As the options name them, or by their usual names.
    pub(super) fn find(input: &Input, options: &RepartitionOptions) -> Result<Self> {
        let find = |names: &[&str], chosen: &Option<String>| -> Result<Option<String>> {
            let has = |name: &str| input.schema.index_of(name).is_ok();
            match chosen {
                Some(name) if has(name) => Ok(Some(name.clone())),
                Some(name) => Err(input.column(name, "not found")),
                None => Ok(names.iter().find(|name| has(name)).map(|&name| name.to_owned())),
            }
        };
        let need = |what: &str, names: &[&str], chosen: &Option<String>| {
            let reason = format!("not found (looked for {}): name the column", names.join(", "));
            find(names, chosen)?.ok_or_else(|| input.column(what, &reason))
        };
        Ok(Self {
            ra: need("target_ra", &["target_ra", "TARGET_RA", "ra", "RA"], &options.ra)?,
            dec: need("target_dec", &["target_dec", "TARGET_DEC", "dec", "DEC"], &options.dec)?,
            id: find(&["targetid", "TARGETID", "object_id"], &options.id)?,
        })
    }
}

/// Have all inputs the columns of the first, and its wavelengths, where all rows of a file share them?
pub(super) fn check_schemas(inputs: &[Input]) -> Result<()> {
    let columns = |schema: &Schema| -> Vec<(String, DataType)> {
        let fields = schema.fields().iter();
        fields
            .map(|field| (field.name().clone(), field.data_type().clone()))
            .collect()
    };
    let Some(first) = inputs.first() else {
        return Ok(());
    };
    let expected = columns(&first.schema);
    let grid = |input: &Input| Grid::from_metadata(input.schema.metadata()).ok();
    let wavelengths = grid(first);
    if let Some(other) = inputs.iter().find(|input| grid(input) != wavelengths) {
        let first = first.path.display();
        return Err(Error::Mixed {
            path: other.path.clone(),
            reason: format!("its wavelength grid is not that of {first}: divide the files of each grid for themselves"),
        });
    }
    match inputs.iter().find(|input| columns(&input.schema) != expected) {
        None => Ok(()),
        Some(other) => {
            let found = columns(&other.schema);
            let differs = expected.iter().find(|column| !found.contains(column));
            let differs = differs.or_else(|| found.iter().find(|column| !expected.contains(column)));
            let name = differs.map_or("their order", |column| &column.0);
            Err(Error::Mixed {
                path: other.path.clone(),
                reason: format!("its columns are not those of {}: {name} differs", first.path.display()),
            })
        }
    }
}

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(path).map_err(io(path))?;
    guarded(path, || {
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable(path))
    })
}
