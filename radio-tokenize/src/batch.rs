//! The output: tokens of a batch of spectra.

use ndarray::{Array, Array1, Array2, Array3, Dimension, IntoDimension};

use crate::Tokenizer;

/// Tokens of a batch: n rows, t tokens (those of the longest row), p pixels in a patch.
///
/// Shorter rows are filled up with *padding tokens*: not valid and 0 everywhere, in their wavelengths too. Everything
/// is finite. A pixel is **good** if it was good in the [`Spectra`](crate::Spectra) and its normalised value and
/// error fit an `f32` ([`flag::PIXEL_OUT_OF_RANGE`](crate::flag::PIXEL_OUT_OF_RANGE) tells where one did not).
/// Pixels beyond the end of a spectrum are not good.
///
/// All arrays are in standard layout. [`TokenBatch::default`] has no rows: it is memory for
/// [`Tokenizer::tokenize_into`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TokenBatch {
    /// How the tokens were made; its [`fingerprint`](Tokenizer::fingerprint) is what a model should compare.
    pub tokenizer: Tokenizer,
    /// Normalised flux `(flux - offset) / scale`, shape (n, t, p); 0 where the pixel is not good.
    pub values: Array3<f32>,
    /// Normalised standard error `1 / (scale √ivar)`, shape (n, t, p); 0 where the pixel is not good, and only there. Of
    /// spectra without inverse variance nobody knows the errors: the shape is (n, t, 0).
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
    /// Mean of flux √ivar over the token's good pixels, shape (n, t); 0 if there are none, and without `ivar`.
    pub snr: Array2<f32>,
    /// What was subtracted from the flux, in its unit. Shape (n, 1), or (n, t) for
    /// [`Normalize::PatchMedian`](crate::Normalize::PatchMedian); either broadcasts to (n, t).
    pub offset: Array2<f32>,
    /// What the flux was then divided by, in its unit; positive. Of the shape of `offset`.
    pub scale: Array2<f32>,
    /// What was out of the ordinary, as bits from [`flag`](crate::flag). Shape (n).
    pub flags: Array1<u32>,
    /// Number of pixels of the spectrum, shape (n).
    pub lengths: Array1<usize>,
}

impl TokenBatch {
    /// Gives all arrays the shapes of a batch with so many `scales` per row. Memory that is there is used again; what it
    /// holds is to be written over.
    pub(crate) fn reshape(&mut self, [rows, tokens, patch]: [usize; 3], scales: usize, has_errors: bool) {
        let pixels = (rows, tokens, patch);
        reshape(&mut self.values, pixels);
        reshape(&mut self.errors, (rows, tokens, if has_errors { patch } else { 0 }));
        reshape(&mut self.pixels, pixels);
        reshape(&mut self.valid, (rows, tokens));
        for floats in [&mut self.valid_fraction, &mut self.snr] {
            reshape(floats, (rows, tokens));
        }
        for wavelengths in [&mut self.wavelength, &mut self.wavelength_min, &mut self.wavelength_max] {
            reshape(wavelengths, (rows, tokens));
        }
        for scaling in [&mut self.offset, &mut self.scale] {
            reshape(scaling, (rows, scales));
        }
        reshape(&mut self.flags, rows);
        reshape(&mut self.lengths, rows);
    }

    /// Had the spectra inverse variances?
    pub(crate) fn has_errors(&self) -> bool {
        self.errors.dim().2 > 0
    }

    /// All rows, to be written.
    pub(crate) fn rows_mut(&mut self) -> RowsMut<'_> {
        let (rows, tokens, patch) = self.values.dim();
        RowsMut {
            rows,
            tokens,
            pixels: tokens * patch,
            errors: tokens * self.errors.dim().2,
            scales: self.scale.ncols(),
            all: RowMut {
                values: slice(&mut self.values),
                errors: slice(&mut self.errors),
                pixels: slice(&mut self.pixels),
                valid: slice(&mut self.valid),
                valid_fraction: slice(&mut self.valid_fraction),
                wavelength: slice(&mut self.wavelength),
                wavelength_min: slice(&mut self.wavelength_min),
                wavelength_max: slice(&mut self.wavelength_max),
                snr: slice(&mut self.snr),
                offset: slice(&mut self.offset),
                scale: slice(&mut self.scale),
                flags: slice(&mut self.flags),
                length: slice(&mut self.lengths),
            },
        }
    }
}

/// Gives an array another shape, in standard layout.
fn reshape<T: Copy + Default, D: Dimension>(array: &mut Array<T, D>, shape: impl IntoDimension<Dim = D>) {
    let shape = shape.into_dimension();
    if *array.shape() == *shape.slice() && array.is_standard_layout() {
        return;
    }
    let (mut memory, _) = std::mem::take(array).into_raw_vec_and_offset();
    if memory.capacity() < shape.size() {
        // Fresh memory comes zeroed from the system, page by page when it is written.
        *array = Array::from_elem(shape, T::default());
        return;
    }
    memory.resize(shape.size(), T::default());
    // The number of elements is that of the shape.
    *array = Array::from_shape_vec(shape, memory).unwrap_or_default();
}

/// The elements of an array in standard layout, as all of a batch are.
fn slice<T, D: Dimension>(array: &mut Array<T, D>) -> &mut [T] {
    array.as_slice_mut().unwrap_or_default()
}

/// Where rows that lie side by side are written, so that threads can share them out.
#[derive(Debug)]
pub(crate) struct RowsMut<'a> {
    pub(crate) rows: usize,
    /// Of a row.
    tokens: usize,
    pub(crate) pixels: usize,
    errors: usize,
    scales: usize,
    /// The slices of all rows.
    all: RowMut<'a>,
}

/// Where one row is written.
#[derive(Debug, Default)]
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
    pub(crate) offset: &'a mut [f32],
    pub(crate) scale: &'a mut [f32],
    /// One element a row, as the next.
    pub(crate) flags: &'a mut [u32],
    pub(crate) length: &'a mut [usize],
}

impl<'a> RowsMut<'a> {
    /// The first rows, and the others.
    pub(crate) fn split_at(mut self, rows: usize) -> (Self, Self) {
        let first = Self {
            rows,
            all: self.take(rows),
            ..self
        };
        self.rows -= rows;
        (first, self)
    }

    /// The first row; there must be one.
    pub(crate) fn next(&mut self) -> RowMut<'a> {
        self.rows -= 1;
        self.take(1)
    }

    fn take(&mut self, rows: usize) -> RowMut<'a> {
        let Self {
            tokens,
            pixels,
            errors,
            scales,
            ref mut all,
            ..
        } = *self;
        RowMut {
            values: cut(&mut all.values, rows * pixels),
            errors: cut(&mut all.errors, rows * errors),
            pixels: cut(&mut all.pixels, rows * pixels),
            valid: cut(&mut all.valid, rows * tokens),
            valid_fraction: cut(&mut all.valid_fraction, rows * tokens),
            wavelength: cut(&mut all.wavelength, rows * tokens),
            wavelength_min: cut(&mut all.wavelength_min, rows * tokens),
            wavelength_max: cut(&mut all.wavelength_max, rows * tokens),
            snr: cut(&mut all.snr, rows * tokens),
            offset: cut(&mut all.offset, rows * scales),
            scale: cut(&mut all.scale, rows * scales),
            flags: cut(&mut all.flags, rows),
            length: cut(&mut all.length, rows),
        }
    }
}

/// Cuts elements from the front of a slice.
fn cut<'a, T>(slice: &mut &'a mut [T], elements: usize) -> &'a mut [T] {
    slice.split_off_mut(..elements).unwrap_or_default()
}
