//! The way back: from tokens to pixels.

use ndarray::Axis;
use rayon::prelude::*;

use crate::spectra::check_shape;
use crate::{Normalize, Result, TokenBatch, Tokenizer};

/// Spectra restored from tokens, all rows back to back: row `i` is `offsets[i]..offsets[i + 1]`.
///
/// Offsets, flux and inverse variance fit [`Spectra::ragged`](crate::Spectra::ragged), given the wavelengths. Where the
/// tokens have no errors, a mask made of `good` is what keeps bad pixels apart.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pixels {
    /// Where rows begin, and at the end the number of all pixels: one more than there are rows.
    pub offsets: Vec<usize>,
    /// Flux in the unit of the input; 0 where the pixel is not good.
    pub flux: Vec<f32>,
    /// Inverse variance in the inverse square of that unit; 0 where the pixel is not good, and where no
    /// error is known of it. Empty where the tokens have no errors.
    pub ivar: Vec<f32>,
    /// Is the pixel good in some token?
    pub good: Vec<bool>,
}

/// Sums over the tokens that hold a pixel.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    flux: f64,
    sigma: f64,
    tokens: u32,
    /// How many of the tokens have an error for it.
    errors: u32,
}

impl Tokenizer {
    /// Puts tokens back on the pixel grid and undoes the normalisation: `flux = value · scale + offset`.
    ///
    /// For tokens that this tokenizer made it is the exact inverse on good pixels, up to the rounding of `f32`: the
    /// flux to 2⁻²³ (|flux| + |offset|), which is one unit in its last place where the offset is 0 (and to 2⁻¹⁴⁹ of the scale
    /// where the normalised value is subnormal), the inverse variance to 2⁻²¹ of itself (less
    /// exactly where a normalised error is larger than 8e37). What a bad pixel held is gone; it comes back as flux 0 with `ivar` 0, and
    /// so do pixels that [`Tail::Drop`](crate::Tail::Drop) left out.
    ///
    /// The batch may hold other numbers than it came with, say a model's reconstruction in `values`: where tokens
    /// overlap their mean is taken, and where `pixels` was set to true a masked pixel gets the model's flux. A
    /// NaN stays one; flux beyond `f32` becomes the largest `f32`.
    ///
    /// # Errors
    ///
    /// [`Error::Option`](crate::Error::Option) as in [`tokenize`](Self::tokenize),
    /// [`Error::OtherTokenizer`](crate::Error::OtherTokenizer) for tokens that were made otherwise, and
    /// [`Error::Shape`](crate::Error::Shape) if the batch's arrays do not fit each other or this tokenizer. (Tokens
    /// behind those of a row are taken for padding.)
    ///
    /// # Complexity
    ///
    /// O(pixels of all tokens); rows run in parallel.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::array;
    /// use radio_tokenize::{Spectra, Tokenizer};
    ///
    /// let flux = array![[2.0, 4.0, 6.0]];
    /// let ivar = array![[1.0, 0.0, 1.0]];
    /// let tokenizer = Tokenizer::new(2);
    /// let batch = tokenizer.tokenize(&Spectra::on_grid(flux.view(), ivar.view(), &[4000.0, 4001.0, 4002.0])?)?;
    /// assert_eq!(tokenizer.detokenize(&batch)?.flux, [2.0, 0.0, 6.0]);
    /// # Ok::<(), radio_tokenize::Error>(())
    /// ```
    pub fn detokenize(&self, batch: &TokenBatch) -> Result<Pixels> {
        self.check()?;
        self.check_made(&batch.tokenizer)?;
        self.check_batch(batch)?;
        let mut offsets = vec![0];
        let mut end = 0;
        for &length in &batch.lengths {
            end += length;
            offsets.push(end);
        }
        let mut pixels = Pixels {
            offsets,
            flux: vec![0.0; end],
            ivar: vec![0.0; if batch.has_errors() { end } else { 0 }],
            good: vec![false; end],
        };
        pixels
            .rows_mut()
            .into_par_iter()
            .enumerate()
            .for_each_init(Vec::new, |sums, (row, mut out)| {
                self.add_tokens(batch, row, out.flux.len(), sums);
                out.restore(sums);
            });
        Ok(pixels)
    }

    /// Can the arrays have come from this tokenizer?
    pub(crate) fn check_batch(&self, batch: &TokenBatch) -> Result<()> {
        let rows = batch.lengths.len();
        let needed = batch.lengths.iter().map(|&pixels| self.tokens(pixels)).max();
        // More tokens are padding, however many the batch was filled up to.
        let tokens = batch.values.dim().1.max(needed.unwrap_or(0));
        let shape = [rows, tokens, self.cut(0).patch];
        check_shape("values", batch.values.shape(), &shape)?;
        let errors = if batch.has_errors() { shape[2] } else { 0 };
        check_shape("errors", batch.errors.shape(), &[rows, tokens, errors])?;
        check_shape("pixels", batch.pixels.shape(), &shape)?;
        let scales = if self.normalize == Normalize::PatchMedian {
            tokens
        } else {
            1
        };
        check_shape("offset", batch.offset.shape(), &[rows, scales])?;
        check_shape("scale", batch.scale.shape(), &[rows, scales])
    }

    /// Adds up what the tokens of a row say about each of its pixels.
    fn add_tokens(&self, batch: &TokenBatch, row: usize, pixels: usize, sums: &mut Vec<Sum>) {
        sums.clear();
        sums.resize(pixels, Sum::default());
        let cut = self.cut(pixels);
        let values = batch.values.index_axis(Axis(0), row);
        let errors = batch.errors.index_axis(Axis(0), row);
        let good = batch.pixels.index_axis(Axis(0), row);
        for k in 0..cut.tokens {
            let scaling = if self.normalize == Normalize::PatchMedian { k } else { 0 };
            let offset = f64::from(batch.offset[[row, scaling]]);
            let scale = f64::from(batch.scale[[row, scaling]]);
            // The iteration ends with the row, before the padding of its last token.
            let sums = &mut sums[k * cut.stride..];
            for (sum, (&value, &good)) in sums.iter_mut().zip(values.row(k).into_iter().zip(good.row(k))) {
                if good {
                    sum.flux += f64::from(value) * scale + offset;
                    sum.tokens += 1;
                }
            }
            for (sum, (&error, &good)) in sums.iter_mut().zip(errors.row(k).into_iter().zip(good.row(k))) {
                if good && error > 0.0 {
                    sum.sigma += f64::from(error) * scale;
                    sum.errors += 1;
                }
            }
        }
    }
}

/// Where one row is written.
struct RowMut<'a> {
    flux: &'a mut [f32],
    ivar: &'a mut [f32],
    good: &'a mut [bool],
}

impl Pixels {
    /// The pixels cut into rows, so that threads can write them side by side.
    fn rows_mut(&mut self) -> Vec<RowMut<'_>> {
        let (mut flux, mut ivar, mut good) = (&mut self.flux[..], &mut self.ivar[..], &mut self.good[..]);
        let rows = self.offsets.windows(2).map(|ends| {
            let n = ends[1] - ends[0];
            RowMut {
                flux: flux.split_off_mut(..n).unwrap_or_default(),
                // There is none at all where the tokens have no errors.
                ivar: ivar.split_off_mut(..n).unwrap_or_default(),
                good: good.split_off_mut(..n).unwrap_or_default(),
            }
        });
        rows.collect()
    }
}

impl RowMut<'_> {
    /// Takes the means.
    fn restore(&mut self, sums: &[Sum]) {
        let max = f64::from(f32::MAX);
        // Rounding can carry numbers near the largest f32 beyond it: hence the clamps.
        for (i, sum) in sums.iter().enumerate().filter(|(_, sum)| sum.tokens > 0) {
            let tokens = f64::from(sum.tokens);
            self.flux[i] = (sum.flux / tokens).clamp(-max, max) as f32;
            self.good[i] = true;
            let sigma = sum.sigma / f64::from(sum.errors);
            if let Some(ivar) = self.ivar.get_mut(i)
                && sum.errors > 0
            {
                *ivar = sigma.powi(-2).min(max) as f32;
            }
        }
    }
}
