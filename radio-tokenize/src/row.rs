//! The work on one spectrum.

use ndarray::ArrayView1;

use crate::batch::RowMut;
use crate::flag;
use crate::median::{gather, median};
use crate::normalize::{Normalize, Scaling};
use crate::select::{Select, sum_by};
use crate::spectra::Row;

/// Buffers of one thread, so that no row allocates. Each is as long as the row at hand.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    flux: Vec<f32>,
    ivar: Vec<f32>,
    planes: Planes,
    keys: Vec<i32>,
}

/// What is computed for every pixel.
#[derive(Debug, Default)]
struct Planes {
    good: Vec<Select>,
    /// Flux √ivar, 0 where not good.
    snr: Vec<f32>,
    value: Vec<f32>,
    error: Vec<f32>,
}

/// Where the patches of a row start, and how long they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) patch: usize,
    pub(crate) stride: usize,
    /// Number of tokens of this row.
    pub(crate) tokens: usize,
}

/// Mean, first and last wavelength of each token.
#[derive(Debug, Default)]
pub(crate) struct TokenWavelengths {
    mean: Vec<f64>,
    min: Vec<f64>,
    max: Vec<f64>,
}

impl TokenWavelengths {
    pub(crate) fn new(wavelength: &[f64], cut: Cut) -> Self {
        let mut tokens = Self {
            mean: vec![0.0; cut.tokens],
            min: vec![0.0; cut.tokens],
            max: vec![0.0; cut.tokens],
        };
        fill_wavelengths(wavelength, cut, &mut tokens.mean, &mut tokens.min, &mut tokens.max);
        tokens
    }
}

/// Writes the tokens of one row. `shared` are its wavelengths if they are known already.
///
/// The row depends on nothing but `row`, `cut` and `normalize`: not on its batch, not on what is in the scratch.
pub(crate) fn write_row(
    row: Row<'_>,
    cut: Cut,
    normalize: Normalize,
    shared: Option<&TokenWavelengths>,
    scratch: &mut Scratch,
    out: &mut RowMut<'_>,
) {
    let Scratch {
        flux,
        ivar,
        planes,
        keys,
    } = scratch;
    let flux = contiguous(&row.flux, flux);
    let ivar = contiguous(&row.ivar, ivar);
    *out.length = flux.len();
    planes.classify(flux, ivar, row.mask);
    let mut scaling = normalize.measure(flux, ivar, &planes.good, keys);
    *out.spectrum_snr = median(gather(&planes.snr, &planes.good, keys)).unwrap_or(0.0);
    if planes.apply(flux, ivar, scaling) {
        scaling.flags |= flag::PIXEL_OUT_OF_RANGE;
    }
    (*out.offset, *out.scale, *out.flags) = (scaling.offset, scaling.scale, scaling.flags);

    planes.write_tokens(cut, out);
    match shared {
        Some(shared) => {
            out.wavelength[..cut.tokens].copy_from_slice(&shared.mean);
            out.wavelength_min[..cut.tokens].copy_from_slice(&shared.min);
            out.wavelength_max[..cut.tokens].copy_from_slice(&shared.max);
        }
        None => {
            fill_wavelengths(
                row.wavelength,
                cut,
                out.wavelength,
                out.wavelength_min,
                out.wavelength_max,
            );
        }
    }
}

impl Planes {
    /// Finds the good pixels and their signal to noise.
    fn classify(&mut self, flux: &[f32], ivar: &[f32], mask: Option<&[i32]>) {
        self.good.clear();
        // A NaN fails every comparison, so these three are "finite, finite and positive" without a branch.
        let good = flux
            .iter()
            .zip(ivar)
            .map(|(f, w)| (f.abs() <= f32::MAX) & (*w > 0.0) & (*w <= f32::MAX));
        self.good.extend(good.map(Select::new));
        if let Some(mask) = mask {
            for (good, &mask) in self.good.iter_mut().zip(mask) {
                *good = good.and(Select::new(mask == 0));
            }
        }
        self.snr.clear();
        // The product of two finite numbers overflows at most to an infinity, which is clamped.
        let snr = flux
            .iter()
            .zip(ivar)
            .map(|(f, w)| (f * w.sqrt()).clamp(-f32::MAX, f32::MAX));
        self.snr.extend(snr.zip(&self.good).map(|(snr, good)| good.keep(snr)));
    }

    /// Normalises the good pixels. Those that do not fit become bad; was there one?
    fn apply(&mut self, flux: &[f32], ivar: &[f32], Scaling { offset, scale, .. }: Scaling) -> bool {
        self.value.clear();
        self.value.extend(flux.iter().map(|f| (f - offset) / scale));
        self.error.clear();
        self.error.extend(ivar.iter().map(|w| 1.0 / (w.sqrt() * scale)));
        let mut lost = false;
        for (((value, error), good), snr) in self
            .value
            .iter_mut()
            .zip(&mut self.error)
            .zip(&mut self.good)
            .zip(&mut self.snr)
        {
            // An error of 0 would give its pixel infinite weight, and accelerators flush subnormals to 0.
            let fits = (value.abs() <= f32::MAX) & (f32::MIN_POSITIVE..=f32::MAX).contains(error);
            let keep = good.and(Select::new(fits));
            lost |= keep != *good;
            (*value, *error, *good, *snr) = (keep.keep(*value), keep.keep(*error), keep, keep.keep(*snr));
        }
        lost
    }

    /// Copies the patches to their tokens; what is not written keeps its 0.
    fn write_tokens(&self, cut: Cut, out: &mut RowMut<'_>) {
        for k in 0..cut.tokens {
            let from = k * cut.stride;
            let pixels = from..self.good.len().min(from + cut.patch);
            let to = k * cut.patch..k * cut.patch + pixels.len();
            out.values[to.clone()].copy_from_slice(&self.value[pixels.clone()]);
            out.errors[to.clone()].copy_from_slice(&self.error[pixels.clone()]);
            let mut good = 0;
            for (out, select) in out.pixels[to].iter_mut().zip(&self.good[pixels.clone()]) {
                *out = select.is_on();
                good += select.count();
            }
            out.valid[k] = 2 * good >= cut.patch;
            out.valid_fraction[k] = (good as f64 / cut.patch as f64) as f32;
            let snr = &self.snr[pixels];
            out.snr[k] = (sum_by(snr.len(), |j| f64::from(snr[j])) / good.max(1) as f64) as f32;
        }
    }
}

/// Mean, first and last wavelength of each token, over those of its pixels that exist.
fn fill_wavelengths(wavelength: &[f64], cut: Cut, mean: &mut [f64], min: &mut [f64], max: &mut [f64]) {
    for k in 0..cut.tokens {
        let from = k * cut.stride;
        let pixels = &wavelength[from..wavelength.len().min(from + cut.patch)];
        if let (Some(&first), Some(&last)) = (pixels.first(), pixels.last()) {
            // Rounding may carry the mean past an end, and a sum of absurdly large wavelengths overflows.
            mean[k] = (pixels.iter().sum::<f64>() / pixels.len() as f64).clamp(first, last);
            (min[k], max[k]) = (first, last);
        }
    }
}

/// The values as a slice, copied to `buffer` if they do not lie side by side.
fn contiguous<'b>(view: &ArrayView1<'b, f32>, buffer: &'b mut Vec<f32>) -> &'b [f32] {
    if let Some(slice) = view.to_slice() {
        return slice;
    }
    buffer.clear();
    buffer.extend(view.iter());
    buffer
}
