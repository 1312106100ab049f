//! The output: tokens of a batch of spectra.

use ndarray::{Array1, Array2, Array3};

/// Tokens of a batch: n rows, t tokens (those of the longest row), p pixels in a patch.
///
/// Shorter rows are filled up with *padding tokens*: not valid and 0 everywhere, in their wavelengths too. Everything
/// is finite. A pixel is **good** if it was good in the [`Spectra`](crate::Spectra) and its normalised value and
/// error fit an `f32` ([`flag::PIXEL_OUT_OF_RANGE`](crate::flag::PIXEL_OUT_OF_RANGE) tells where one did not).
/// Pixels beyond the end of a spectrum are not good.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TokenBatch {
    /// Normalised flux `(flux - offset) / scale`, shape (n, t, p); 0 where the pixel is not good.
    pub values: Array3<f32>,
    /// Normalised standard error `1 / (scale √ivar)`, shape (n, t, p); 0 where the pixel is not good, and only there.
    pub errors: Array3<f32>,
    /// Is the pixel good? Shape (n, t, p).
    pub pixels: Array3<bool>,
    /// Are at least half of the token's p pixels good? Shape (n, t).
    pub valid: Array2<bool>,
    /// Good pixels of the token, divided by p. Shape (n, t).
    pub valid_fraction: Array2<f32>,
    /// Mean wavelength of the token's pixels (good or not) in Angstrom, shape (n, t).
    pub wavelength: Array2<f64>,
    /// Wavelength of the token's first pixel in Angstrom, shape (n, t).
    pub wavelength_min: Array2<f64>,
    /// Wavelength of the token's last pixel in Angstrom, shape (n, t).
    pub wavelength_max: Array2<f64>,
    /// Mean of flux √ivar over the token's good pixels, shape (n, t); 0 if there are none.
    pub snr: Array2<f32>,
    /// Median of flux √ivar over the pixels that were good in the input, shape (n); 0 if there are none.
    pub spectrum_snr: Array1<f32>,
    /// What was subtracted from the flux, in its unit. Shape (n).
    pub offset: Array1<f32>,
    /// What the flux was then divided by, in its unit; positive. Shape (n).
    pub scale: Array1<f32>,
    /// What was out of the ordinary, as bits from [`flag`](crate::flag). Shape (n).
    pub flags: Array1<u32>,
    /// Number of pixels of the spectrum, shape (n).
    pub lengths: Array1<usize>,
}

/// Where one row of a batch is written.
#[derive(Debug)]
pub(crate) struct RowMut<'a> {
    pub(crate) values: &'a mut [f32],
    pub(crate) errors: &'a mut [f32],
    pub(crate) pixels: &'a mut [bool],
    pub(crate) valid: &'a mut [bool],
    pub(crate) valid_fraction: &'a mut [f32],
    pub(crate) wavelength: &'a mut [f64],
    pub(crate) wavelength_min: &'a mut [f64],
    pub(crate) wavelength_max: &'a mut [f64],
    pub(crate) snr: &'a mut [f32],
    pub(crate) spectrum_snr: &'a mut f32,
    pub(crate) offset: &'a mut f32,
    pub(crate) scale: &'a mut f32,
    pub(crate) flags: &'a mut u32,
    pub(crate) length: &'a mut usize,
}

impl TokenBatch {
    /// A batch of padding. The memory comes zeroed from the system, so nothing is written here.
    pub(crate) fn zeros(rows: usize, tokens: usize, patch: usize) -> Self {
        let pixels = (rows, tokens, patch);
        Self {
            values: Array3::zeros(pixels),
            errors: Array3::zeros(pixels),
            pixels: Array3::default(pixels),
            valid: Array2::default((rows, tokens)),
            valid_fraction: Array2::zeros((rows, tokens)),
            wavelength: Array2::zeros((rows, tokens)),
            wavelength_min: Array2::zeros((rows, tokens)),
            wavelength_max: Array2::zeros((rows, tokens)),
            snr: Array2::zeros((rows, tokens)),
            spectrum_snr: Array1::zeros(rows),
            offset: Array1::zeros(rows),
            scale: Array1::ones(rows),
            flags: Array1::zeros(rows),
            lengths: Array1::zeros(rows),
        }
    }

    /// The batch cut into rows, so that threads can write them side by side.
    pub(crate) fn rows_mut(&mut self) -> Vec<RowMut<'_>> {
        let (rows, tokens, patch) = self.values.dim();
        let pixels = tokens * patch;
        let mut values = Cutter::new(self.values.as_slice_mut(), pixels);
        let mut errors = Cutter::new(self.errors.as_slice_mut(), pixels);
        let mut good = Cutter::new(self.pixels.as_slice_mut(), pixels);
        let mut valid = Cutter::new(self.valid.as_slice_mut(), tokens);
        let mut valid_fraction = Cutter::new(self.valid_fraction.as_slice_mut(), tokens);
        let mut wavelength = Cutter::new(self.wavelength.as_slice_mut(), tokens);
        let mut wavelength_min = Cutter::new(self.wavelength_min.as_slice_mut(), tokens);
        let mut wavelength_max = Cutter::new(self.wavelength_max.as_slice_mut(), tokens);
        let mut snr = Cutter::new(self.snr.as_slice_mut(), tokens);
        let per_row = self.spectrum_snr.iter_mut().zip(&mut self.offset).zip(&mut self.scale);
        let per_row = per_row.zip(&mut self.flags).zip(&mut self.lengths);
        let mut cut = Vec::with_capacity(rows);
        for ((((spectrum_snr, offset), scale), flags), length) in per_row {
            cut.push(RowMut {
                values: values.next(),
                errors: errors.next(),
                pixels: good.next(),
                valid: valid.next(),
                valid_fraction: valid_fraction.next(),
                wavelength: wavelength.next(),
                wavelength_min: wavelength_min.next(),
                wavelength_max: wavelength_max.next(),
                snr: snr.next(),
                spectrum_snr,
                offset,
                scale,
                flags,
                length,
            });
        }
        cut
    }
}

/// Cuts pieces of one length from the front of a slice. Unlike `chunks_mut` it can cut pieces of length 0.
struct Cutter<'a, T> {
    rest: &'a mut [T],
    length: usize,
}

impl<'a, T> Cutter<'a, T> {
    /// `slice` is there for every array in standard layout, as all of a new batch are.
    fn new(slice: Option<&'a mut [T]>, length: usize) -> Self {
        Self {
            rest: slice.unwrap_or_default(),
            length,
        }
    }

    fn next(&mut self) -> &'a mut [T] {
        self.rest.split_off_mut(..self.length).unwrap_or_default()
    }
}
