//! A batch while it is being filled.

use std::sync::Arc;

use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{ArrayRef, ArrowPrimitiveType, FixedSizeListArray, PrimitiveArray, RecordBatch};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;

use crate::decode::{FLUX, IVAR, MASK, element};
use crate::grid::Grid;
use crate::ring::Ring;
use crate::{Error, Result, SpectrumBatch};

/// A batch whose rows have their places before they are read.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    /// Rows that have a place, those that turned out bad included.
    pub(crate) rows: usize,
    /// Places of rows that could not be read, in order.
    pub(crate) bad: Vec<usize>,
    /// Matrices of flux, ivar and mask, where rows share a grid.
    pub(crate) parts: [Option<Vec<u32>>; 3],
    /// Everything else, of the good rows.
    pub(crate) columns: Vec<RecordBatch>,
}

impl Filling {
    pub(crate) fn has_rows(&self) -> bool {
        self.bad.len() < self.rows
    }

    /// Makes the batch, which holds the good rows.
    /// A matrix that no tile has is one of zeros.
    pub(crate) fn finish(self, schema: &SchemaRef, grid: Option<&Grid>, ring: &Arc<Ring>) -> Result<SpectrumBatch> {
        let Some(batch) = self
            .record_batch(schema, grid, ring)
            .map_err(|source| Error::Batch { source: source.into() })?
        else {
            return Err(Error::Interrupted { batches: 1 });
        };
        SpectrumBatch::new(batch, grid).ok_or(Error::Interrupted { batches: 1 })
    }

    pub(crate) fn record_batch(
        mut self,
        schema: &SchemaRef,
        grid: Option<&Grid>,
        ring: &Arc<Ring>,
    ) -> Result<Option<RecordBatch>, ArrowError> {
        let columns = match self.columns.len() {
            1 => self.columns.pop(),
            _ => Some(concat_batches(schema, &self.columns)?),
        };
        let (Some(columns), Some(grid)) = (&columns, grid) else {
            return Ok(columns);
        };
        let pixels = grid.wavelength.len();
        let rows = columns.num_rows();
        let mut matrix = |number: usize| {
            let Some(mut values) = self.parts[number].take() else {
                return ring.zeros(rows * pixels);
            };
            self.close_gaps(&mut values, pixels);
            ring.lend(values)
        };
        let (flux, ivar, mask) = (matrix(0), matrix(1), matrix(2));
        let parts: [(&str, ArrayRef); 3] = [
            (FLUX, lists::<Float32Type>(flux, rows, pixels)?),
            (IVAR, lists::<Float32Type>(ivar, rows, pixels)?),
            (MASK, lists::<Int32Type>(mask, rows, pixels)?),
        ];
        let mut fields = columns.schema().fields().to_vec();
        let mut arrays = columns.columns().to_vec();
        // Behind the id.
        let field = |(name, array): &(&str, ArrayRef)| Arc::new(Field::new(*name, array.data_type().clone(), false));
        fields.splice(1..1, parts.iter().map(field));
        arrays.splice(1..1, parts.iter().map(|(_, array)| array.clone()));
        let schema = Schema::new_with_metadata(fields, columns.schema().metadata().clone());
        RecordBatch::try_new(Arc::new(schema), arrays).map(Some)
    }

    /// Moves rows to where bad ones were, so that the good ones lie back to back.
    fn close_gaps(&self, values: &mut [u32], pixels: usize) {
        let mut bad = self.bad.iter().peekable();
        let mut to = 0;
        for row in 0..self.rows {
            if bad.next_if_eq(&&row).is_some() {
                continue;
            }
            if to < row {
                values.copy_within(row * pixels..(row + 1) * pixels, to * pixels);
            }
            to += 1;
        }
    }
}

fn lists<T: ArrowPrimitiveType>(values: Buffer, rows: usize, pixels: usize) -> Result<ArrayRef, ArrowError> {
    let values = PrimitiveArray::<T>::new(ScalarBuffer::new(values, 0, rows * pixels), None);
    let length = i32::try_from(pixels).map_err(|e| ArrowError::InvalidArgumentError(e.to_string()))?;
    let lists = FixedSizeListArray::try_new_with_length(element::<T>(), length, Arc::new(values), None, rows)?;
    Ok(Arc::new(lists))
}
