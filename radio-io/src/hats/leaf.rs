//! Leaf files: their footers, their key columns, their rows.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, RowGroupMetaData};

use super::{HEALPIX_29, Partition, catalogue, votable};
use crate::error::{io, unreadable};
use crate::tile::{guarded, guarded_batches};
use crate::{Error, Result, TileWriter};

/// Rows of key columns that are decoded at once.
const BATCH_ROWS: usize = 65_536;
/// Bytes of whole rows that are decoded at once.
const BATCH_BYTES: u64 = 32 << 20;

/// A leaf whose footer was read.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) partition: Partition,
    pub(super) path: PathBuf,
    /// Size on disk.
    pub(super) bytes: u64,
    footer: ArrowReaderMetadata,
}

impl Leaf {
    /// Opens the leaf of a partition of the catalogue in this folder. It has to have as many rows.
    pub(super) fn open(folder: &Path, partition: Partition) -> Result<Self> {
        let path = folder.join(partition.leaf());
        let leaf = Self::open_file(&path, partition)?;
        let rows = rows_of(leaf.metadata());
        if rows != partition.rows {
            let reason = format!("has {rows} rows, expected the {} of the partition", partition.rows);
            return Err(catalogue(&path, reason));
        }
        Ok(leaf)
    }

    fn open_file(path: &Path, partition: Partition) -> Result<Self> {
        let file = open(path)?;
        let bytes = file.metadata().map_err(io(path))?.len();
        let footer = load(path, &file, ArrowReaderOptions::new())?;
        Ok(Self {
            partition,
            path: path.to_owned(),
            bytes,
            footer,
        })
    }

    pub(super) fn metadata(&self) -> &ParquetMetaData {
        self.footer.metadata()
    }

    /// Its columns as they are in the file, with the metadata that a leaf of a catalogue should have.
    pub(super) fn schema(&self) -> SchemaRef {
        let schema = self.footer.schema();
        let mut metadata = schema.metadata().clone();
        // It declares an index to pandas, which LSDB takes for its own.
        metadata.remove("pandas");
        metadata.extend(votable::votable(schema));
        Schema::new_with_metadata(schema.fields().clone(), metadata).into()
    }

    /// Has it the columns of a catalogue, and positions in these ones?
    pub(super) fn check(&self, ra: &str, dec: &str) -> Result<()> {
        let floats = [DataType::Float32, DataType::Float64];
        let columns = [
            (HEALPIX_29, &[DataType::Int64][..], "int64"),
            (ra, &floats, "float32 or float64"),
            (dec, &floats, "float32 or float64"),
        ];
        for (name, types, expected) in columns {
            let reason = match self.footer.schema().field_with_name(name) {
                Ok(field) if types.contains(field.data_type()) => continue,
                Ok(field) => format!("is of type {}, expected {expected}", field.data_type()),
                Err(_) => format!("not found, expected {expected}"),
            };
            return Err(self.column(name, reason));
        }
        Ok(())
    }

    /// Has it the columns of another leaf?
    pub(super) fn check_like(&self, first: &Self) -> Result<()> {
        let form = |field: &Field| (field.name().clone(), field.data_type().clone(), field.is_nullable());
        let (own, theirs) = (self.footer.schema().fields(), first.footer.schema().fields());
        let differs = own.iter().zip(theirs).find(|(a, b)| form(a) != form(b));
        let reason = match differs {
            Some((a, b)) => {
                let ((name, own, is_nullable), (other, theirs, may_be_null)) = (form(a), form(b));
                let null = |is_nullable| if is_nullable { " or null" } else { "" };
                format!(
                    "column {name:?} is {own}{}, but the column there in {} is {other:?}, {theirs}{}",
                    null(is_nullable),
                    first.path.display(),
                    null(may_be_null)
                )
            }
            None if own.len() != theirs.len() => {
                format!(
                    "{} columns, but {} in {}",
                    own.len(),
                    theirs.len(),
                    first.path.display()
                )
            }
            None => {
                let columns = |leaf: &Self| leaf.metadata().file_metadata().schema_descr().columns().to_vec();
                if columns(self) == columns(first) {
                    return Ok(());
                }
                format!("its columns are stored as other types than in {}", first.path.display())
            }
        };
        Err(Error::Mixed {
            path: self.path.clone(),
            reason,
        })
    }

    pub(super) fn column(&self, column: &str, reason: String) -> Error {
        Error::Column {
            path: self.path.clone(),
            column: column.to_owned(),
            reason,
        }
    }

    pub(super) fn value(&self, row: u64, column: &str, reason: String) -> Error {
        Error::Value {
            path: self.path.clone(),
            row,
            column: column.to_owned(),
            reason,
        }
    }

    /// Some columns, batch by batch.
    pub(super) fn read(&self, columns: &[&str]) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
        let file = open(&self.path)?;
        let mask = ProjectionMask::columns(self.metadata().file_metadata().schema_descr(), columns.iter().copied());
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.footer.clone())
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(unreadable(&self.path))?;
        Ok(guarded_batches(&self.path, reader))
    }

    /// Copies some of its rows, which are ascending; of the other ones it reads no page.
    pub(super) fn copy(&self, rows: impl Iterator<Item = Range<u64>>, writer: &mut TileWriter) -> Result<()> {
        let file = open(&self.path)?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let footer = load(&self.path, &file, options)?;
        let groups = self.metadata().row_groups();
        let bytes: i64 = groups.iter().map(RowGroupMetaData::total_byte_size).sum();
        let row_bytes = (bytes.unsigned_abs() / self.partition.rows.max(1)).max(1);
        let rows = rows.map(|rows| rows.start as usize..rows.end as usize);
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer)
            .with_row_selection(RowSelection::from_consecutive_ranges(
                rows,
                self.partition.rows as usize,
            ))
            .with_batch_size((BATCH_BYTES / row_bytes).clamp(1, BATCH_ROWS as u64) as usize)
            .build()
            .map_err(unreadable(&self.path))?;
        for batch in guarded_batches(&self.path, reader) {
            writer.write(&batch?)?;
        }
        Ok(())
    }
}

/// Rows of a file, by its footer.
pub(super) fn count_rows(path: &Path) -> Result<u64> {
    let footer = load(path, &open(path)?, ArrowReaderOptions::new())?;
    Ok(rows_of(footer.metadata()))
}

fn rows_of(metadata: &ParquetMetaData) -> u64 {
    metadata.file_metadata().num_rows().try_into().unwrap_or(0)
}

fn load(path: &Path, file: &File, options: ArrowReaderOptions) -> Result<ArrowReaderMetadata> {
    guarded(path, || {
        ArrowReaderMetadata::load(file, options).map_err(unreadable(path))
    })
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => catalogue(path, "no such leaf, but there is a partition for it"),
        _ => io(path)(e),
    })
}
