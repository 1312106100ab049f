//! From reconstructions to anomaly scores.

mod calibration;
mod density;
mod fit;
mod scores;
mod stream;

pub use calibration::{Calibration, ScoreKind};
pub use scores::{Score, Scores};
pub use stream::Streamed;

use std::path::Path;

use burn::tensor::Device;
use ndarray::Axis;
use rayon::prelude::*;

use crate::autoencoder::Autoencoder;
use crate::checkpoint;
use crate::error::{Error, Result, Source};
use crate::tokens::Tokens;
use calibration::Collected;
use fit::{Fit, fit};

/// Scores spectra by what an autoencoder cannot reconstruct.
///
/// For each spectrum, m being 1 for good pixels and 0 for bad ones, and ν = Σ m their number:
///
/// - **chi2**, Σ m (y − ŷ)² / σ² / ν: the whole spectrum, in units of its noise. (The latent numbers are not subtracted: they
///   are not fitted to the spectrum that is scored, and are few.)
/// - **worst_patch**, the largest significance of a single token, in Gaussian standard deviations (Wilson & Hilferty 1931): a
///   line, an artefact, anything narrow.
/// - **latent**, the distance to the nearest spectra of the calibration in the latent space, compared with their distances to
///   each other (Breunig et al. 2000): what can be reconstructed, but from an unusual mixture.
/// - **mse**, Σ m (y − ŷ)² / ν: follows the noise of a spectrum more than anything else, and is here for comparison.
///
/// A bright spectrum shows the limits of the model, a faint one only its noise; a raw score is therefore mostly a measure of
/// brightness. [`calibrated`](Self::calibrated) scores are in standard deviations of the scores of spectra with the same S/N.
/// Of the first three of them is the **combined** score: the first one and half of each of the others, calibrated again. What chi2 takes for
/// normal, such as blends, counts in it, too.
/// Bad pixels have no influence, whatever stands in them.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use ndarray::{Array2, Array3};
/// use radio_models::{AnomalyScorer, ConvAutoencoderConfig, Score, Tokens, device};
///
/// let (flux, mut sigma) = (Array3::ones((2, 5, 4)), Array3::from_elem((2, 5, 4), 0.1));
/// sigma.index_axis_mut(ndarray::Axis(0), 1).fill(0.0); // a stuck fibre
/// let wavelength = Array2::from_elem((2, 5), 5000.0);
/// let tokens = Tokens::new(&[17, -18], &flux, &sigma, &wavelength, &[10.0, 0.0])?;
///
/// let scorer = AnomalyScorer::new(ConvAutoencoderConfig::new(5, 4).init(&device("cpu")?)?);
/// let scores = scorer.score(&tokens)?;
/// assert!(scores.rows[0].score > Some(0.0));
/// assert_eq!((scores.rows[1].score, scores.rows[1].flags), (None, Score::DEAD));
/// # }
/// # Ok::<(), radio_models::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct AnomalyScorer<M: Autoencoder> {
    model: M,
    sigma_floor: f32,
    kind: ScoreKind,
    calibration: Option<Calibration>,
}

impl<M: Autoencoder> AnomalyScorer<M> {
    /// A scorer with this model, trained or not. Its scores are raw: the reduced chi-square.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a scorer owns its model; what is kept is a view of the same weights"
    )]
    pub fn new(model: M) -> Self {
        Self {
            model: model.valid(),
            sigma_floor: 0.0,
            kind: ScoreKind::default(),
            calibration: None,
        }
    }

    /// Least sigma of a pixel, in units of the scale of its spectrum, also in the calibration: set it before. Default: 0, so that the
    /// score is chi-square.
    pub fn sigma_floor(mut self, floor: f32) -> Self {
        self.sigma_floor = floor;
        self
    }

    /// What the column `score` is to be. Default: [`ScoreKind::Combined`].
    pub fn kind(mut self, kind: ScoreKind) -> Self {
        self.kind = kind;
        self
    }

    /// Learns from normal spectra what scores are usual at which S/N. Give it spectra that the model was not trained on: those
    /// of the validation part.
    ///
    /// # Errors
    ///
    /// [`Error::Batch`] with what the iterator failed with, [`Error::Calibration`] where there are fewer than 100 spectra that
    /// have a score, and as [`score`](Self::score).
    ///
    /// # Complexity
    ///
    /// As [`score`](Self::score). It keeps at most 65,536 rows, which are chosen by their ids.
    pub fn calibrated<'a, E: Into<Source>>(
        mut self,
        batches: impl IntoIterator<Item = Result<Tokens<'a>, E>>,
    ) -> Result<Self> {
        self.calibration = None;
        let mut collected = Collected::new(self.model.latent());
        for tokens in batches {
            let tokens = tokens.map_err(Error::batch)?;
            let (fits, latent) = self.fits(&tokens)?;
            collected.add(&tokens, &fits, &latent);
        }
        self.calibration = Some(collected.calibration(self.sigma_floor)?);
        Ok(self)
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.model
    }

    /// What the scores are calibrated by.
    #[must_use]
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// A hash of all that scores depend on: the model, the calibration, the kind of score and the floor of sigma; 16 hexadecimal
    /// digits. It belongs into the name of a run whose scores are gone on with.
    ///
    /// # Errors
    ///
    /// [`Error::Execution`] where the weights cannot be read from the device.
    pub fn fingerprint(&self) -> Result<String> {
        let model = self.model.fingerprint()?;
        checkpoint::hash_of(&(model, self.kind, self.sigma_floor, &self.calibration))
    }

    /// Writes the model and the calibration, with its floor of sigma, to one safetensors file, as [`Model::save`](crate::Model::save) does. The
    /// [`kind`](Self::kind) is not stored.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        checkpoint::save(&self.model, self.calibration.as_ref(), path.as_ref())
    }

    /// Reads what [`save`](Self::save) wrote, onto `device`. A file without a calibration gives a scorer of raw scores.
    ///
    /// # Errors
    ///
    /// As [`Model::load`](crate::Model::load).
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let (model, calibration) = checkpoint::load::<M, Calibration>(path.as_ref(), device)?;
        if let Some(Err(reason)) = calibration
            .as_ref()
            .map(|calibration| calibration.check(model.latent()))
        {
            return Err(Error::Model {
                path: path.as_ref().to_owned(),
                reason: format!("of its calibration, {reason}"),
            });
        }
        let scorer = Self::new(model);
        Ok(Self {
            sigma_floor: calibration.as_ref().map_or(0.0, Calibration::sigma_floor),
            calibration,
            ..scorer
        })
    }

    /// Scores each spectrum, in the order of the rows.
    ///
    /// All rows go through the model at once: hand over batches of some hundreds. The score of a spectrum does not
    /// depend on the others in its batch (beyond rounding, as matrices of another size may be summed in another order).
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a floor that is negative or not finite and for a kind that needs a calibration; [`Error::Shape`] and
    /// [`Error::Tokenizer`] where the tokens are not of the model's kind, [`Error::Execution`] where the device fails.
    ///
    /// # Complexity
    ///
    /// O(n t p) beside the model, and with a calibration 2048 distances in the latent space for each row.
    pub fn score(&self, tokens: &Tokens<'_>) -> Result<Scores> {
        if self.kind == ScoreKind::Latent && self.calibration.is_none() {
            return Err(Error::option(
                "kind",
                "latent",
                "another one without a calibration, which knows where normal spectra are",
            ));
        }
        let (fits, latent) = self.fits(tokens)?;
        let (kind, calibration) = (self.kind, self.calibration.as_ref());
        let rows = fits.par_iter().enumerate().map(|(row, fit)| {
            let worst_wavelength = fit.worst.map(|token| tokens.wavelength()[[row, token]]);
            let mut score = Score {
                targetid: tokens.ids()[row],
                snr: Some(f64::from(tokens.snr()[row])).filter(|x| x.is_finite()),
                chi2: fit.chi2,
                worst_patch: fit.worst_patch,
                score_raw: fit.mse,
                worst_wavelength: worst_wavelength.filter(|x| x.is_finite()),
                flags: fit.flags,
                ..Score::default()
            };
            if fit.flags == 0 {
                let latent = &latent.row(row);
                match calibration {
                    Some(calibration) => calibration.apply(kind, latent, &mut score),
                    None => score.score = kind.raw(&score),
                }
            }
            score
        });
        Ok(Scores { rows: rows.collect() })
    }

    /// How well each spectrum is reconstructed, and where it is in the latent space.
    fn fits(&self, tokens: &Tokens<'_>) -> Result<(Vec<Fit>, ndarray::Array2<f32>)> {
        if !(self.sigma_floor.is_finite() && self.sigma_floor >= 0.0) {
            return Err(Error::option("sigma_floor", self.sigma_floor, "finite and not below 0"));
        }
        if self
            .calibration
            .as_ref()
            .is_some_and(|calibration| calibration.sigma_floor() != self.sigma_floor)
        {
            let expected = "that of the calibration: set it, then calibrate";
            return Err(Error::option("sigma_floor", self.sigma_floor, expected));
        }
        let model = self.model.reconstruct(tokens)?;
        let (values, errors, floor) = (tokens.values(), tokens.errors(), self.sigma_floor);
        let fits = (0..tokens.rows()).into_par_iter().map(|row| {
            let [flux, sigma, model] =
                [values, errors, model.values.view()].map(|array| array.index_axis_move(Axis(0), row));
            fit(&flux, &sigma, &model, floor)
        });
        Ok((fits.collect(), model.latent))
    }
}
