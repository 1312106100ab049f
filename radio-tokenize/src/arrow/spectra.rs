//! Spectra that lie in the columns of a record batch.

use arrow_array::RecordBatch;
use arrow_buffer::ScalarBuffer;
use ndarray::ArrayView2;

use super::arms;
use super::column::Column;
use super::element::Element;
use super::grid::Grid;
use super::lists::{Layout, Lists};
use crate::{ArrowColumns, Error, Result, Spectra};

/// Spectra of a record batch: it shares the batch's memory, and [`spectra`](Self::spectra) borrows from it.
///
/// What the columns may be:
/// - lists are `List`, `LargeList` or `FixedSizeList`; batches may be slices of others;
/// - flux, inverse variance and wavelength are `Float32`, `Float64` or `Float16`. Flux and inverse variance of `Float32`,
///   and wavelengths of `Float64`, are not copied; a number that overflows `f32` makes its pixel bad, and so does an inverse
///   variance that underflows;
/// - the mask is of any type of integer (`Int32` is not copied) or Boolean;
/// - a null pixel is bad, but for wavelengths, which must all be there;
/// - a row that is null in one of its columns is a row without good pixels. It keeps its place; where each row has its
///   own grid it has no pixels at all.
///
/// Arms are joined into new memory.
///
/// # Examples
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Arc;
///
/// use arrow_array::RecordBatch;
/// use arrow_array::builder::{FixedSizeListBuilder, Float32Builder};
/// use radio_tokenize::{ArrowColumns, ArrowSpectra, Tokenizer};
///
/// let mut lists = FixedSizeListBuilder::new(Float32Builder::new(), 3);
/// lists.values().append_slice(&[4.0, 5.0, 6.0]);
/// lists.append(true);
/// let column = Arc::new(lists.finish());
/// let mut batch = RecordBatch::try_from_iter([("flux", column.clone() as _), ("ivar", column as _)])?;
/// let grid = r#"{"start": 3600.0, "step": 0.8, "n": 3}"#;
/// batch.schema_metadata_mut().insert("wavelength".into(), grid.into());
///
/// let spectra = ArrowSpectra::new(&batch, &ArrowColumns::default())?;
/// let tokens = Tokenizer::new(3).tokenize(&spectra.spectra()?)?;
/// assert_eq!(tokens.scale[[0, 0]], 5.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ArrowSpectra {
    wavelength: Wavelengths,
    flux: ScalarBuffer<f32>,
    ivar: Option<ScalarBuffer<f32>>,
    mask: Option<ScalarBuffer<i32>>,
    redshift: Option<ScalarBuffer<f64>>,
    /// The columns at the top level that they are made of.
    tops: Vec<usize>,
    /// The grid of all rows, where they share one.
    grid: Option<Grid>,
}

#[derive(Clone, Debug)]
enum Wavelengths {
    Shared {
        rows: usize,
        grid: Vec<f64>,
    },
    PerRow {
        offsets: Vec<usize>,
        values: ScalarBuffer<f64>,
    },
}

impl ArrowSpectra {
    /// Finds the spectra in a batch.
    ///
    /// # Errors
    ///
    /// [`Error::Column`] for a column that is missing or has a type that is not accepted, [`Error::Metadata`] if there are
    /// neither columns of wavelengths nor a grid in the schema's metadata, [`Error::Value`] for a row whose columns have
    /// different lengths, or whose arms are not on the grid of the first row.
    ///
    /// # Complexity
    ///
    /// O(rows) where nothing has to be copied, else O(pixels).
    pub fn new(batch: &RecordBatch, columns: &ArrowColumns) -> Result<Self> {
        let flux = Column::find(batch, &columns.flux);
        if flux.is_none() && arms::has_any(batch, columns) {
            return Self::of_arms(batch, columns);
        }
        let flux = match flux {
            Some(flux) => flux,
            None => Column::need(batch, "flux", &columns.flux, "name it in ArrowColumns::flux")?,
        };
        let ivar = match columns.flux_only {
            true => None,
            false => {
                let advice = "name it in ArrowColumns::ivar, or set ArrowColumns::flux_only if there is none";
                Some(Column::need(batch, "ivar", &columns.ivar, advice)?)
            }
        };
        let mask = Column::find(batch, &columns.mask);
        let wavelength = Column::find(batch, &columns.wavelength);
        let found = [Some(&flux), ivar.as_ref(), mask.as_ref(), wavelength.as_ref()];
        let parts = Parts {
            tops: found.into_iter().flatten().map(|column| column.top).collect(),
            flux: Lists::new(&flux, f32::ACCEPTED)?,
            ivar: ivar.map(|column| Lists::new(&column, f32::ACCEPTED)).transpose()?,
            mask: mask.map(|column| Lists::new(&column, i32::ACCEPTED)).transpose()?,
        };
        match wavelength {
            Some(column) => parts.on_grids(&Lists::new(&column, f64::ACCEPTED)?),
            None => parts.on_grid(Grid::from_metadata(batch.schema_ref().metadata())?),
        }
    }

    fn of_arms(batch: &RecordBatch, columns: &ArrowColumns) -> Result<Self> {
        let arms = arms::find(batch, columns)?;
        let joined = arms.join(batch.num_rows())?;
        let rows = batch.num_rows();
        Ok(Self {
            wavelength: match &joined.grid {
                Some(grid) => Wavelengths::Shared {
                    rows,
                    grid: grid.wavelengths(),
                },
                // No row has wavelengths.
                None => Wavelengths::PerRow {
                    offsets: vec![0; rows + 1],
                    values: ScalarBuffer::default(),
                },
            },
            flux: joined.flux.into(),
            ivar: Some(joined.ivar.into()),
            mask: joined.mask.map(ScalarBuffer::from),
            redshift: None,
            tops: arms.tops(),
            grid: joined.grid,
        })
    }

    /// Adds the redshifts, which [`Normalize::RestFrameMedian`](crate::Normalize::RestFrameMedian) needs. They are of any
    /// type of float; null where they are unknown.
    ///
    /// # Errors
    ///
    /// [`Error::Column`] if the column is missing or has a type that is not accepted, [`Error::Shape`] if the batch has
    /// not as many rows as the spectra.
    pub fn with_redshift(self, batch: &RecordBatch, columns: &ArrowColumns) -> Result<Self> {
        let advice = "the normalisation needs it: name it in ArrowColumns::redshift";
        let column = Column::need(batch, "redshift", &columns.redshift, advice)?;
        let values = f64::read(&column.array).ok_or_else(|| column.wrong_type(f64::ACCEPTED))?;
        // A null in a struct around it.
        let of_row = |(row, &z)| if column.is_null(row) { f64::NAN } else { z };
        let values = match column.nulls {
            Some(_) => values.iter().enumerate().map(of_row).collect(),
            None => values,
        };
        Ok(Self {
            redshift: Some(values),
            ..self
        })
    }

    /// The spectra, as they are tokenized.
    ///
    /// # Errors
    ///
    /// [`Error::Wavelength`] for wavelengths that are not finite, positive and strictly increasing, [`Error::Shape`] if the
    /// redshifts are those of another batch.
    pub fn spectra(&self) -> Result<Spectra<'_>> {
        let (flux, ivar) = (&*self.flux, self.ivar.as_deref());
        let mut spectra = match &self.wavelength {
            Wavelengths::Shared { rows, grid } => {
                let flux = matrix("flux", *rows, grid.len(), flux)?;
                match ivar {
                    Some(ivar) => Spectra::on_grid(flux, matrix("ivar", *rows, grid.len(), ivar)?, grid)?,
                    None => Spectra::flux_on_grid(flux, grid)?,
                }
            }
            Wavelengths::PerRow { offsets, values } => match ivar {
                Some(ivar) => Spectra::ragged(offsets, flux, ivar, values)?,
                None => Spectra::flux_ragged(offsets, flux, values)?,
            },
        };
        if let Some(mask) = &self.mask {
            spectra = spectra.mask(mask)?;
        }
        match &self.redshift {
            Some(redshift) => spectra.redshift(redshift),
            None => Ok(spectra),
        }
    }

    pub(super) fn has_ivar(&self) -> bool {
        self.ivar.is_some()
    }

    pub(super) fn grid(&self) -> Option<&Grid> {
        self.grid.as_ref()
    }

    /// Is column number `top` a part of the spectra?
    pub(super) fn has_column(&self, top: usize) -> bool {
        self.tops.contains(&top)
    }
}

/// What was found of spectra that need not be joined.
struct Parts {
    tops: Vec<usize>,
    flux: Lists,
    ivar: Option<Lists>,
    mask: Option<Lists>,
}

impl Parts {
    /// All rows have one grid.
    fn on_grid(self, grid: Grid) -> Result<ArrowSpectra> {
        let of = "the wavelength grid of the schema's metadata";
        for lists in self.all() {
            lists.check_pixels(|_| Some(grid.pixels), of)?;
        }
        let rows = self.flux.len();
        let layout = Layout::Even { pixels: grid.pixels };
        let wavelength = Wavelengths::Shared {
            rows,
            grid: grid.wavelengths(),
        };
        self.read(&layout, wavelength, Some(grid))
    }

    /// Every row has its own.
    fn on_grids(self, wavelength: &Lists) -> Result<ArrowSpectra> {
        let of = format!("column {:?}", self.flux.path);
        for lists in self.all().chain([wavelength]) {
            lists.check_pixels(|row| self.flux.pixels(row), &of)?;
        }
        let mut offsets = vec![0];
        let mut end = 0;
        for row in 0..wavelength.len() {
            let is_null = self.all().any(|lists| lists.pixels(row).is_none());
            end += if is_null {
                0
            } else {
                wavelength.pixels(row).unwrap_or(0)
            };
            offsets.push(end);
        }
        let layout = Layout::Ragged(offsets.clone());
        let values = wavelength.read(&layout)?;
        self.read(&layout, Wavelengths::PerRow { offsets, values }, None)
    }

    fn read(self, layout: &Layout, wavelength: Wavelengths, grid: Option<Grid>) -> Result<ArrowSpectra> {
        Ok(ArrowSpectra {
            wavelength,
            flux: self.flux.read(layout)?,
            ivar: self.ivar.map(|ivar| ivar.read(layout)).transpose()?,
            mask: self.mask.map(|mask| mask.read(layout)).transpose()?,
            redshift: None,
            tops: self.tops,
            grid,
        })
    }

    fn all(&self) -> impl Iterator<Item = &Lists> {
        [Some(&self.flux), self.ivar.as_ref(), self.mask.as_ref()]
            .into_iter()
            .flatten()
    }
}

fn matrix<'a>(what: &'static str, rows: usize, pixels: usize, values: &'a [f32]) -> Result<ArrayView2<'a, f32>> {
    ArrayView2::from_shape((rows, pixels), values).map_err(|_| Error::Shape {
        what,
        found: vec![values.len()],
        expected: vec![rows, pixels],
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Float64Type, Int32Type};
    use arrow_array::{ArrayRef, ArrowPrimitiveType, FixedSizeListArray, LargeListArray, ListArray, PrimitiveArray};
    use arrow_buffer::OffsetBuffer;
    use arrow_schema::Field;

    use super::*;

    fn values<T: ArrowPrimitiveType>(values: Vec<T::Native>) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::new(values.into(), None))
    }

    fn field(values: &ArrayRef) -> Arc<Field> {
        Arc::new(Field::new("element", values.data_type().clone(), true))
    }

    /// Lists of two values.
    fn lists(values: &ArrayRef, kind: &str) -> ArrayRef {
        let (field, rows) = (field(values), values.len() / 2);
        let values = values.clone();
        match kind {
            "List" => Arc::new(ListArray::new(
                field,
                OffsetBuffer::from_repeated_length(2, rows),
                values,
                None,
            )),
            "LargeList" => Arc::new(LargeListArray::new(
                field,
                OffsetBuffer::from_repeated_length(2, rows),
                values,
                None,
            )),
            _ => Arc::new(FixedSizeListArray::new(field, 2, values, None)),
        }
    }

    #[test]
    fn columns_of_the_right_types_are_not_copied() {
        let flux = values::<Float32Type>(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let ivar = values::<Float32Type>(vec![1.0; 6]);
        let mask = values::<Int32Type>(vec![0; 6]);
        let wavelength = values::<Float64Type>(vec![5.0, 6.0, 5.0, 6.0, 5.0, 6.0]);
        for kind in ["List", "LargeList", "FixedSizeList"] {
            let columns = [
                ("flux", &flux),
                ("ivar", &ivar),
                ("mask", &mask),
                ("lambda", &wavelength),
            ];
            let batch = RecordBatch::try_from_iter(columns.map(|(name, values)| (name, lists(values, kind)))).unwrap();
            let found = ArrowSpectra::new(&batch.slice(1, 2), &ArrowColumns::default()).unwrap();
            assert_eq!(found.flux, [3.0, 4.0, 5.0, 6.0]);
            let Wavelengths::PerRow { values, .. } = &found.wavelength else {
                panic!("{found:?}")
            };
            let there = |array: &ArrayRef| array.as_primitive::<Float32Type>().values()[2..].as_ptr();
            assert_eq!(found.flux.as_ptr(), there(&flux), "{kind}");
            assert_eq!(found.ivar.unwrap().as_ptr(), there(&ivar), "{kind}");
            assert_eq!(
                found.mask.unwrap().as_ptr(),
                mask.as_primitive::<Int32Type>().values()[2..].as_ptr()
            );
            assert_eq!(
                values.as_ptr(),
                wavelength.as_primitive::<Float64Type>().values()[2..].as_ptr()
            );
        }
    }
}
