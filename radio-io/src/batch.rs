use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrowPrimitiveType, RecordBatch};
use arrow_buffer::ScalarBuffer;
use ndarray::ArrayView2;

use crate::decode::{FLUX, ID, IVAR, MASK, WAVELENGTH};
use crate::grid::Grid;

/// Spectra that were read together.
///
/// All pixels of all rows lie back to back, row after row: [`flux`](Self::flux), [`ivar`](Self::ivar) and
/// [`mask`](Self::mask) have the same length, and row `i` is `offsets()[i]..offsets()[i + 1]` of each. Every slice
/// borrows the Arrow buffers of [`record_batch`](Self::record_batch); nothing is copied.
///
/// The columns of the record batch, the same for every dialect of tile:
///
/// | column | type | meaning |
/// |---|---|---|
/// | `targetid` | `Int64` | linkage key |
/// | `flux`, `ivar` | list of `Float32` | in the tile's unit; fixed-size lists where all rows share a grid. A null pixel has flux NaN and ivar 0 |
/// | `mask` | list of `Int32` | anything but 0 is bad; 0 where the tile has no mask |
/// | `wavelength` | list of `Float64` | Å, increasing, as the tile has it; only where rows have their own grids. A shared one is in the schema's metadata |
/// | others | as in the tile | the columns that were asked for |
#[derive(Clone, Debug)]
pub struct SpectrumBatch {
    batch: RecordBatch,
    ids: ScalarBuffer<i64>,
    flux: ScalarBuffer<f32>,
    ivar: ScalarBuffer<f32>,
    mask: ScalarBuffer<i32>,
    wavelength: Wavelength,
    offsets: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Wavelength {
    Shared(Arc<[f64]>),
    PerRow(ScalarBuffer<f64>),
}

/// One spectrum of a batch, borrowed. All slices have the same length, one value a pixel.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Spectrum<'a> {
    /// Linkage key.
    pub id: i64,
    /// Wavelength, Å.
    pub wavelength: &'a [f64],
    /// Flux, in the tile's unit.
    pub flux: &'a [f32],
    /// Inverse variance of the flux.
    pub ivar: &'a [f32],
    /// Anything but 0 is bad.
    pub mask: &'a [i32],
}

impl SpectrumBatch {
    /// Takes a batch of the common schema; `None` where it is not.
    pub(crate) fn new(batch: RecordBatch, grid: Option<&Grid>) -> Option<Self> {
        let ids = batch
            .column_by_name(ID)?
            .as_primitive_opt::<Int64Type>()?
            .values()
            .clone();
        let (flux, offsets) = pixels::<Float32Type>(&batch, FLUX)?;
        let (ivar, _) = pixels::<Float32Type>(&batch, IVAR)?;
        let (mask, _) = pixels::<Int32Type>(&batch, MASK)?;
        let wavelength = match grid {
            Some(grid) => Wavelength::Shared(grid.wavelength.clone()),
            None => Wavelength::PerRow(pixels::<Float64Type>(&batch, WAVELENGTH)?.0),
        };
        Some(Self {
            batch,
            ids,
            flux,
            ivar,
            mask,
            wavelength,
            offsets,
        })
    }

    /// Number of spectra.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Is there no spectrum?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Linkage keys, one a row.
    #[must_use]
    pub fn ids(&self) -> &[i64] {
        &self.ids
    }

    /// Where rows begin and end in the slices of pixels; one more than there are rows.
    #[must_use]
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Flux of all pixels of all rows.
    #[must_use]
    pub fn flux(&self) -> &[f32] {
        &self.flux
    }

    /// Inverse variance of all pixels of all rows.
    #[must_use]
    pub fn ivar(&self) -> &[f32] {
        &self.ivar
    }

    /// Mask of all pixels of all rows.
    #[must_use]
    pub fn mask(&self) -> &[i32] {
        &self.mask
    }

    /// The wavelength grid that all rows share, Å; `None` where rows have their own.
    #[must_use]
    pub fn grid(&self) -> Option<&[f64]> {
        match &self.wavelength {
            Wavelength::Shared(grid) => Some(grid),
            Wavelength::PerRow(_) => None,
        }
    }

    /// Wavelength of all pixels of all rows, Å, where rows have their own grids; `None` where they share one.
    #[must_use]
    pub fn wavelength(&self) -> Option<&[f64]> {
        match &self.wavelength {
            Wavelength::Shared(_) => None,
            Wavelength::PerRow(wavelength) => Some(wavelength),
        }
    }

    /// Flux, shape (rows, pixels), where all rows share a grid.
    #[must_use]
    pub fn flux_matrix(&self) -> Option<ArrayView2<'_, f32>> {
        let grid = self.grid()?;
        ArrayView2::from_shape((self.len(), grid.len()), &self.flux).ok()
    }

    /// Inverse variance, shape (rows, pixels), where all rows share a grid.
    #[must_use]
    pub fn ivar_matrix(&self) -> Option<ArrayView2<'_, f32>> {
        let grid = self.grid()?;
        ArrayView2::from_shape((self.len(), grid.len()), &self.ivar).ok()
    }

    /// Bytes of ids, flux, ivar, mask and wavelengths.
    pub(crate) fn bytes(&self) -> u64 {
        let wavelength = match &self.wavelength {
            Wavelength::Shared(_) => 0,
            Wavelength::PerRow(wavelength) => size_of_val::<[f64]>(wavelength),
        };
        let pixels = size_of_val::<[f32]>(&self.flux) + size_of_val::<[f32]>(&self.ivar);
        (size_of_val::<[i64]>(&self.ids) + pixels + size_of_val::<[i32]>(&self.mask) + wavelength) as u64
    }

    /// The spectra, row after row.
    pub fn spectra(&self) -> impl ExactSizeIterator<Item = Spectrum<'_>> {
        (0..self.len()).map(|row| {
            let pixels = self.offsets[row]..self.offsets[row + 1];
            Spectrum {
                id: self.ids[row],
                wavelength: match &self.wavelength {
                    Wavelength::Shared(grid) => grid,
                    Wavelength::PerRow(wavelength) => &wavelength[pixels.clone()],
                },
                flux: &self.flux[pixels.clone()],
                ivar: &self.ivar[pixels.clone()],
                mask: &self.mask[pixels],
            }
        })
    }

    /// The batch as Arrow has it.
    #[must_use]
    pub fn record_batch(&self) -> &RecordBatch {
        &self.batch
    }
}

/// The values of a list column, and where each row begins and ends in them.
fn pixels<T: ArrowPrimitiveType>(batch: &RecordBatch, name: &str) -> Option<(ScalarBuffer<T::Native>, Vec<usize>)> {
    let column = batch.column_by_name(name)?;
    if let Some(lists) = column.as_fixed_size_list_opt() {
        let length = usize::try_from(lists.value_length()).ok()?;
        let values = lists.values().as_primitive_opt::<T>()?.values().clone();
        return Some((values, (0..=lists.len()).map(|row| row * length).collect()));
    }
    let lists = column.as_list_opt::<i32>()?;
    let ends = lists.value_offsets();
    let (first, last) = (*ends.first()?, *ends.last()?);
    let values = lists
        .values()
        .as_primitive_opt::<T>()?
        .values()
        .slice(first as usize, (last - first) as usize);
    Some((values, ends.iter().map(|end| (end - first) as usize).collect()))
}
