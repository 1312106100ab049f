//! From reconstructions to anomaly scores.

use burn::module::Module;
use ndarray::{ArrayView2, Axis};

use crate::autoencoder::PatchAutoencoder;
use crate::error::{Error, Result};
use crate::scores::{Score, Scores};
use crate::tokens::{Tokens, is_good};

/// Scores spectra by what an autoencoder cannot reconstruct.
///
/// The score is the reduced chi-square Σ m (y − ŷ)² / σ² / ν over the pixels of a spectrum, m being 1 for good pixels
/// and 0 for bad ones, and ν = Σ m their number. (The latent numbers are not subtracted: they are not fitted to the
/// spectrum that is scored, and are few.) Bad pixels have no influence, whatever stands in them.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use ndarray::{Array2, Array3};
/// use radio_models::{AnomalyScorer, PatchAutoencoderConfig, Score, Tokens, device};
///
/// let (flux, mut sigma) = (Array3::ones((2, 5, 4)), Array3::from_elem((2, 5, 4), 0.1));
/// sigma.index_axis_mut(ndarray::Axis(0), 1).fill(0.0); // a stuck fibre
/// let wavelength = Array2::from_elem((2, 5), 5000.0);
/// let tokens = Tokens::new(&[17, -18], flux.view(), sigma.view(), wavelength.view(), &[10.0, 0.0])?;
///
/// let scorer = AnomalyScorer::new(PatchAutoencoderConfig::new(5, 4).init(&device("cpu")?)?);
/// let scores = scorer.score(&tokens)?;
/// assert!(scores.rows[0].score > Some(0.0));
/// assert_eq!((scores.rows[1].score, scores.rows[1].flags), (None, Score::DEAD));
/// # }
/// # Ok::<(), radio_models::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct AnomalyScorer {
    model: PatchAutoencoder,
    sigma_floor: f32,
}

impl AnomalyScorer {
    /// A scorer with this model, trained or not.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a scorer owns its model; what is kept is a view of the same weights"
    )]
    pub fn new(model: PatchAutoencoder) -> Self {
        Self {
            model: model.valid(),
            sigma_floor: 0.0,
        }
    }

    /// Least sigma of a pixel, in units of the scale of its spectrum. Default: 0, so that the score is chi-square.
    ///
    /// Very bright spectra show the limits of the model rather than their own oddity; a floor as high as those limits
    /// (0.05, say, as in training) takes them off the top of the list.
    pub fn sigma_floor(mut self, floor: f32) -> Self {
        self.sigma_floor = floor;
        self
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &PatchAutoencoder {
        &self.model
    }

    /// Scores each spectrum, in the order of the rows.
    ///
    /// All rows go through the model at once: hand over batches of some hundreds. The score of a spectrum does not
    /// depend on the others in its batch (beyond rounding, as matrices of another size may be summed in another order).
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a floor that is negative or not finite, [`Error::Shape`] where the tokens are not of the
    /// model's shape, [`Error::Execution`] where the device fails.
    ///
    /// # Complexity
    ///
    /// That of [`PatchAutoencoder::reconstruct`]; the sums over pixels are made in `f64` in O(n t p).
    pub fn score(&self, tokens: &Tokens<'_>) -> Result<Scores> {
        if !(self.sigma_floor.is_finite() && self.sigma_floor >= 0.0) {
            let value = self.sigma_floor.to_string();
            return Err(Error::Option {
                name: "sigma_floor",
                value,
                expected: "finite and not below 0",
            });
        }
        let reconstruction = self.model.reconstruct(tokens)?;
        let scores = (0..tokens.rows()).map(|row| {
            let flux = tokens.values().index_axis_move(Axis(0), row);
            let sigma = tokens.errors().index_axis_move(Axis(0), row);
            let fit = self.fit(&flux, &sigma, &reconstruction.index_axis(Axis(0), row));
            let worst_wavelength = fit.worst.map(|token| tokens.wavelength()[[row, token]]);
            Score {
                targetid: tokens.ids()[row],
                score: fit.score,
                score_raw: fit.score_raw,
                snr: Some(f64::from(tokens.snr()[row])).filter(|x| x.is_finite()),
                worst_wavelength: worst_wavelength.filter(|x| x.is_finite()),
                flags: fit.flags,
            }
        });
        Ok(scores.collect())
    }

    /// Compares one spectrum, shape `(t, p)`, with its reconstruction.
    fn fit(&self, flux: &ArrayView2<'_, f32>, sigma: &ArrayView2<'_, f32>, model: &ArrayView2<'_, f32>) -> Fit {
        let (mut chi2, mut square, mut good) = (0.0, 0.0, 0usize);
        let mut worst: Option<(f64, usize)> = None;
        let patches = flux.outer_iter().zip(sigma.outer_iter()).zip(model.outer_iter());
        for (token, ((flux, sigma), model)) in patches.enumerate() {
            let (mut token_chi2, mut token_good) = (0.0, 0usize);
            for ((&y, &s), &model) in flux.iter().zip(sigma).zip(model) {
                if is_good(y, s) {
                    let residual = f64::from(y) - f64::from(model);
                    let pull = residual / f64::from(s.max(self.sigma_floor));
                    token_chi2 += pull * pull;
                    square += residual * residual;
                    token_good += 1;
                }
            }
            if token_good > 0 {
                chi2 += token_chi2;
                good += token_good;
                let mean = token_chi2 / token_good as f64;
                if worst.is_none_or(|(largest, _)| mean > largest) {
                    worst = Some((mean, token));
                }
            }
        }
        if good == 0 {
            return Fit {
                flags: Score::DEAD,
                ..Fit::default()
            };
        }
        let (score, score_raw) = (chi2 / good as f64, square / good as f64);
        if !(score.is_finite() && score_raw.is_finite()) {
            return Fit {
                flags: Score::NOT_FINITE,
                ..Fit::default()
            };
        }
        Fit {
            score: Some(score),
            score_raw: Some(score_raw),
            worst: worst.map(|(_, token)| token),
            flags: 0,
        }
    }
}

/// What the comparison of one spectrum gives.
#[derive(Default)]
struct Fit {
    score: Option<f64>,
    score_raw: Option<f64>,
    worst: Option<usize>,
    flags: u32,
}
