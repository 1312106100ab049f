//! How likely each class is.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};

use super::CLASSES;
use crate::error::{Error, Result, check_shape};

const K: usize = CLASSES.len();

/// The probabilities of the classes of galaxies, each row with the sum 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilities {
    rows: Vec<[f64; K]>,
}

impl Probabilities {
    pub(super) fn new(rows: Vec<[f64; K]>) -> Self {
        Self { rows }
    }

    /// Those of void, sheet, filament and knot for each galaxy.
    #[must_use]
    pub fn rows(&self) -> &[[f64; K]] {
        &self.rows
    }

    /// The most likely class of each galaxy; of equal ones the first.
    #[must_use]
    pub fn classes(&self) -> Vec<u8> {
        let most = |row: &[f64; K]| (1..K).fold(0, |best, class| if row[class] > row[best] { class } else { best });
        self.rows.iter().map(|row| most(row) as u8).collect()
    }

    /// The columns `targetid`, `void`, `sheet`, `filament` and `knot`: what an index records.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where there is not an id for each galaxy.
    pub fn to_record_batch(&self, ids: &[i64]) -> Result<RecordBatch> {
        check_shape("ids", &[ids.len()], &[self.rows.len()], "an id for each galaxy")?;
        let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
        let of = |class: usize| -> ArrayRef {
            Arc::new(self.rows.iter().map(|row| Some(row[class])).collect::<Float64Array>())
        };
        let columns = CLASSES
            .iter()
            .enumerate()
            .map(|(class, name)| (*name, of(class), false));
        RecordBatch::try_from_iter_with_nullable(std::iter::once(("targetid", ids, false)).chain(columns))
            .map_err(|e| Error::Arrow { source: e.into() })
    }
}
