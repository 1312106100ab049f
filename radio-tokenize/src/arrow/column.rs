//! Columns of a record batch, by their dotted paths.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::NullBuffer;

use crate::{Error, Result};

/// A column that was found.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) path: String,
    /// The column at the top level that it is, or is a part of.
    pub(super) top: usize,
    pub(super) array: ArrayRef,
    /// Which rows are there, in the structs around it, too.
    pub(super) nulls: Option<NullBuffer>,
}

impl Column {
    /// The first of the paths that the batch has.
    pub(super) fn find(batch: &RecordBatch, paths: &[String]) -> Option<Self> {
        paths.iter().find_map(|path| Self::at(batch, path))
    }

    /// As [`find`](Self::find), for a column that must be there; `what` it holds.
    pub(super) fn need(batch: &RecordBatch, what: &str, paths: &[String], advice: &str) -> Result<Self> {
        Self::find(batch, paths).ok_or_else(|| Error::Column {
            column: what.into(),
            reason: format!("not found (looked for {}); {advice}", paths.join(", ")),
        })
    }

    pub(super) fn at(batch: &RecordBatch, path: &str) -> Option<Self> {
        let mut names = path.split('.');
        let top = batch.schema_ref().index_of(names.next()?).ok()?;
        let mut array = batch.columns().get(top)?.clone();
        let mut nulls = array.nulls().cloned();
        for name in names {
            array = array.as_struct_opt()?.column_by_name(name)?.clone();
            nulls = NullBuffer::union(nulls.as_ref(), array.nulls());
        }
        Some(Self {
            path: path.into(),
            top,
            array,
            nulls,
        })
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// [`Error::Column`] for a type that is not accepted.
    pub(super) fn wrong_type(&self, expected: &str) -> Error {
        let found = self.array.data_type();
        Error::Column {
            column: self.path.clone(),
            reason: format!("its type is {found}, expected {expected}"),
        }
    }
}
