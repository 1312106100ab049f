//! Signal to noise of whole spectra.

use ndarray::{Array1, Axis};
use rayon::prelude::*;

use crate::median::{Buffers, bits_if, median};
use crate::simd::{Simd, Task, dispatch};
use crate::{Normalize, Result, TokenBatch};

impl TokenBatch {
    /// The median of flux / σ over the good pixels of each spectrum, shape (n); 0 where there are none, and for spectra
    /// without inverse variance. A pixel that several tokens hold counts once, one that [`Tail::Drop`](crate::Tail::Drop)
    /// left out not at all. Where the offset is large beside the flux, it errs by some 2⁻²⁴ |offset| / σ.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`](crate::Error::Shape) if the arrays were changed so that they do not fit each other.
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
    /// let (flux, ivar) = (array![[2.0, 4.0, 6.0]], array![[1.0, 1.0, 0.0]]);
    /// let spectra = Spectra::on_grid(flux.view(), ivar.view(), &[4000.0, 4001.0, 4002.0])?;
    /// let batch = Tokenizer::new(2).tokenize(&spectra)?;
    /// assert_eq!(batch.spectrum_snr()?.to_vec(), [3.0]);
    /// # Ok::<(), radio_tokenize::Error>(())
    /// ```
    pub fn spectrum_snr(&self) -> Result<Array1<f32>> {
        let rows = self.lengths.len();
        if rows == 0 {
            return Ok(Array1::default(0));
        }
        self.tokenizer.check_batch(self)?;
        let mut snr = vec![0.0; rows];
        if self.has_errors() {
            snr.par_iter_mut().enumerate().for_each_init(
                <(Vec<i32>, Buffers)>::default,
                |(bits, buffers), (row, snr)| {
                    let good = self.snr_of_row(row, bits);
                    dispatch(Median {
                        bits,
                        good,
                        buffers,
                        median: snr,
                    });
                },
            );
        }
        Ok(snr.into())
    }

    /// Fills in the bits of the signal to noise of a row's pixels; how many are good?
    fn snr_of_row(&self, row: usize, bits: &mut Vec<i32>) -> usize {
        let cut = self.tokenizer.cut(self.lengths[row]);
        let mut count = 0;
        bits.clear();
        let values = self.values.index_axis(Axis(0), row);
        let errors = self.errors.index_axis(Axis(0), row);
        let pixels = self.pixels.index_axis(Axis(0), row);
        for k in 0..cut.tokens.min(values.nrows()) {
            // What the next token holds, too, is left to it.
            let own = if k + 1 == cut.tokens { cut.patch } else { cut.stride };
            let scaling = [
                row,
                if self.tokenizer.normalize == Normalize::PatchMedian {
                    k
                } else {
                    0
                },
            ];
            let (offset, scale) = (f64::from(self.offset[scaling]), f64::from(self.scale[scaling]));
            let token = values.row(k).into_iter().zip(errors.row(k)).zip(pixels.row(k));
            for ((&value, &error), &good) in token.take(own) {
                let snr = (f64::from(value) * scale + offset) / (f64::from(error) * scale);
                let max = f64::from(f32::MAX);
                // A pixel that a model filled in has a value but no error.
                let counts = good && error > 0.0 && !snr.is_nan();
                bits.push(bits_if(counts, snr.clamp(-max, max) as f32));
                count += usize::from(counts);
            }
        }
        count
    }
}

/// The median of a row.
struct Median<'a> {
    bits: &'a [i32],
    good: usize,
    buffers: &'a mut Buffers,
    median: &'a mut f32,
}

impl Task for Median<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        *self.median = median(simd, self.bits, self.good, self.buffers).unwrap_or(0.0);
    }
}
