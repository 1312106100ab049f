//! Tokens hidden from a model, for self-supervision.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::spectra::check_shape;
use crate::{Error, Result};

/// Which tokens of a spectrum a model does not see and has to predict.
///
/// Of v valid tokens round(fraction · v) are hidden, one by one or in runs; tokens that are not valid never are. What is
/// hidden of a spectrum depends on its id, the seed, the epoch and which of its tokens are valid: not on the batch that it
/// is in, nor on padding, threads or platform. Rows with one id (a target observed twice) have the same in common.
///
/// # Examples
///
/// ```
/// use ndarray::Array2;
/// use radio_tokenize::Masking;
///
/// let valid = Array2::from_elem((2, 100), true);
/// let hidden = Masking::random(0.75).seed(1).epoch(7).draw(&[39_627, 39_628], valid.view())?;
/// assert_eq!(hidden.row(0).iter().filter(|&&hidden| hidden).count(), 75);
///
/// let runs = Masking::runs(0.3, 10).draw(&[39_627, 39_628], valid.view())?;
/// assert_eq!(runs.row(0).iter().filter(|&&hidden| hidden).count(), 30);
/// # Ok::<(), radio_tokenize::Error>(())
/// ```
///
/// # References
///
/// He et al. 2022 (arXiv:2111.06377) for single tokens at random, 75 % of them; Parker et al. 2024
/// (doi:10.1093/mnras/stae1450) for runs in spectra.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct Masking {
    fraction: f64,
    run: usize,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    epoch: u64,
}

impl Masking {
    /// Hides this fraction of the valid tokens (0 to 1), each set of tokens being as likely as any other.
    pub fn random(fraction: f64) -> Self {
        Self::runs(fraction, 1)
    }

    /// Hides this fraction of the valid tokens in runs of `length`, each arrangement of runs and of single visible tokens
    /// being as likely as any other: a model cannot guess a token of a long run from its neighbours.
    ///
    /// Runs may touch. One is shorter, where `length` does not divide the number of hidden tokens. Tokens that are not
    /// valid are stepped over.
    pub fn runs(fraction: f64, length: usize) -> Self {
        Self {
            fraction,
            run: length,
            seed: 0,
            epoch: 0,
        }
    }

    /// Seed of the choice. Default: 0.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Which pass over the data this is: each has its own choice. Default: 0.
    pub fn epoch(self, epoch: u64) -> Self {
        Self { epoch, ..self }
    }

    /// Chooses the hidden tokens of spectra with these `ids` (n) and [`valid`](crate::TokenBatch::valid) tokens (n, t). The
    /// result has shape (n, t) and is true where a token is hidden.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a fraction outside of 0 to 1 and for runs of length 0, [`Error::Shape`] if there are not as
    /// many ids as rows.
    ///
    /// # Complexity
    ///
    /// O(n t).
    #[expect(
        clippy::needless_pass_by_value,
        reason = "views are passed by value, as everywhere in ndarray"
    )]
    pub fn draw(&self, ids: &[i64], valid: ArrayView2<'_, bool>) -> Result<Array2<bool>> {
        self.check()?;
        check_shape("ids", &[ids.len()], &[valid.nrows()])?;
        let mut hidden = Array2::from_elem(valid.raw_dim(), false);
        for ((&id, valid), mut hidden) in ids.iter().zip(valid.outer_iter()).zip(hidden.outer_iter_mut()) {
            let tokens = valid.iter().zip(&mut hidden).filter(|(valid, _)| **valid);
            let count = valid.iter().filter(|&&valid| valid).count();
            self.draw_row(self.random_numbers(id), count, tokens.map(|(_, hidden)| hidden));
        }
        Ok(hidden)
    }

    /// Chooses among the `count` valid tokens of a row.
    fn draw_row<'t>(&self, mut random: SplitMix, count: usize, mut tokens: impl Iterator<Item = &'t mut bool>) {
        let mut to_hide = (self.fraction * count as f64).round() as usize;
        let mut runs = to_hide.div_ceil(self.run);
        // The run that is shorter, and by how much.
        let missing = runs * self.run - to_hide;
        let short = random.below(runs);
        // Every row of runs and of single visible tokens is as likely as any other: at each place it is a run with the
        // probability of runs among what is left (Knuth, The Art of Computer Programming 2, algorithm 3.4.2S).
        let mut visible = count - to_hide;
        let mut number = 0;
        while to_hide > 0 {
            if random.below(visible + runs) >= runs {
                visible -= 1;
                tokens.next();
                continue;
            }
            let length = self.run - if number == short { missing } else { 0 };
            for hidden in tokens.by_ref().take(length) {
                *hidden = true;
            }
            to_hide -= length;
            runs -= 1;
            number += 1;
        }
    }

    /// The random numbers of a spectrum.
    fn random_numbers(&self, id: i64) -> SplitMix {
        let mut random = SplitMix(self.seed);
        for part in [self.epoch, id.cast_unsigned()] {
            random = SplitMix(random.next() ^ part);
        }
        random
    }

    fn check(&self) -> Result<()> {
        let wrong = |name, value: String, expected| Err(Error::Option { name, value, expected });
        if !(0.0..=1.0).contains(&self.fraction) {
            return wrong("fraction", format!("{:?}", self.fraction), "0 to 1");
        }
        if self.run == 0 {
            return wrong("length", "0".into(), "at least one token");
        }
        Ok(())
    }
}

/// Random numbers that are the same for ever, which libraries do not promise.
///
/// # References
///
/// Steele, Lea & Flood 2014, OOPSLA, figure 17 (SplitMix64).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, or 0. (The bias is less than n / 2⁶⁴.)
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}
