//! The rows of a batch, shared out among threads.

use std::cell::RefCell;

use crate::batch::RowsMut;
use crate::row::{Scratch, write_row};
use crate::simd::{Simd, Task, dispatch};
use crate::spectra::RowBuffers;
use crate::wavelengths::TokenWavelengths;
use crate::{Spectra, Tokenizer};

/// Each thread gets about so many pieces of a batch.
const PIECES_PER_THREAD: usize = 4;
/// So many pixels take some ten microseconds, which is long beside what it takes to hand a piece over.
const PIECE_PIXELS: usize = 32_768;

/// Rows of a batch, from `first` on, and where their tokens go.
pub(crate) struct Rows<'a, 's> {
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) spectra: &'a Spectra<'s>,
    /// Where the tokens of every row lie, if rows share a grid.
    pub(crate) shared: Option<&'a TokenWavelengths>,
    pub(crate) first: usize,
    pub(crate) out: RowsMut<'a>,
}

impl Rows<'_, '_> {
    /// Writes the tokens of all rows.
    pub(crate) fn write(self) {
        let rows = self.out.rows;
        let pixels_per_row = self.out.pixels + 1;
        // Enough pieces that no thread waits long for another, each worth handing over.
        let pieces = PIECES_PER_THREAD * rayon::current_num_threads();
        self.in_parallel(rows.div_ceil(pieces).max(PIECE_PIXELS / pixels_per_row).max(1));
    }

    /// Shares the rows out among rayon's threads in pieces of about so many rows.
    fn in_parallel(self, piece: usize) {
        if self.out.rows <= piece {
            let mut scratch = SCRATCH.take();
            dispatch(Piece {
                rows: self,
                scratch: &mut scratch,
            });
            SCRATCH.set(scratch);
            return;
        }
        let half = self.out.rows / 2;
        let (left, right) = self.out.split_at(half);
        let left = Rows { out: left, ..self };
        let right = Rows {
            out: right,
            first: self.first + half,
            ..self
        };
        rayon::join(|| left.in_parallel(piece), || right.in_parallel(piece));
    }
}

thread_local! {
    /// Kept from batch to batch: fresh memory is slow.
    static SCRATCH: RefCell<(Scratch, RowBuffers)> = RefCell::default();
}

/// Rows that one thread does.
struct Piece<'a, 's> {
    rows: Rows<'a, 's>,
    scratch: &'a mut (Scratch, RowBuffers),
}

impl Task for Piece<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (scratch, buffers) = self.scratch;
        let Rows {
            tokenizer,
            spectra,
            shared,
            first,
            mut out,
        } = self.rows;
        for i in first..first + out.rows {
            let row = spectra.row(i, buffers);
            let cut = tokenizer.cut(row.flux.len());
            write_row(simd, &row, cut, tokenizer.normalize, shared, scratch, &mut out.next());
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;
    use crate::simd::{Portable, on_avx2};
    use crate::{Normalize, TokenBatch};

    /// Tokens made with the instructions that any processor has, or with AVX2's.
    fn narrow(tokenizer: &Tokenizer, spectra: &Spectra<'_>, avx2: bool) -> TokenBatch {
        let mut batch = tokenizer.tokenize(spectra).unwrap_or_default();
        for floats in [&mut batch.values, &mut batch.errors] {
            floats.fill(f32::NAN);
        }
        let mut scratch = Default::default();
        let rows = Rows {
            tokenizer,
            spectra,
            shared: None,
            first: 0,
            out: batch.rows_mut(),
        };
        let scratch = &mut scratch;
        let piece = Piece { rows, scratch };
        match avx2 {
            true => on_avx2(piece),
            false => piece.run(Portable),
        }
        batch
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_processor_makes_the_same_tokens(
            bits in proptest::collection::vec(prop_oneof![any::<u32>(), 0x3e00_0000_u32..0x4100_0000], 2 * 700),
            patch in prop::sample::select(vec![5_usize, 32, 64, 200]),
            overlap in 0_usize..2,
            normalize in prop::sample::select(vec![
                Normalize::Median, Normalize::Mean, Normalize::MeanStd, Normalize::WeightedMean, Normalize::PatchMedian,
            ]),
        ) {
            let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
            let (flux, ivar) = values.split_at(700);
            let flux = Array2::from_shape_fn((1, 700), |(_, i)| flux[i]);
            let ivar = Array2::from_shape_fn((1, 700), |(_, i)| ivar[i]);
            let wavelength: Vec<f64> = (0..700).map(|i| 3600.0 + f64::from(i)).collect();
            let tokenizer = Tokenizer::new(patch).stride(patch - overlap).normalize(normalize);
            let spectra = Spectra::on_grid(flux.view(), ivar.view(), &wavelength);
            let Ok(spectra) = spectra else { return Err(TestCaseError::fail("no spectra")) };
            let wide = tokenizer.tokenize(&spectra);
            for avx2 in [false, true] {
                prop_assert_eq!(&wide, &Ok(narrow(&tokenizer, &spectra, avx2)));
            }
        }
    }
}
