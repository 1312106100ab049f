//! One spectrum that a model does not know, and what is known of it.

use crate::error::{Error, Result};

/// A spectrum with its reconstruction and its score, for one card of a [`Gallery`](super::Gallery).
///
/// # Examples
///
/// ```
/// use radio_models::gallery::Candidate;
///
/// let (wavelength, flux, sigma, model) = (vec![4000.0, 4000.8], vec![1.0, 9.0], vec![0.5; 2], vec![1.1; 2]);
/// let candidate = Candidate::new(39_633_345_008_634_465, 7.2, wavelength, flux, sigma, model)?
///     .with_class("GALAXY")
///     .with_redshift(0.3687)
///     .with_ra_dec(105.48977, 56.66930)
///     .with_fact("survey", "main / dark");
/// assert_eq!(candidate.score(), 7.2);
/// # Ok::<(), radio_models::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Candidate {
    pub(super) targetid: i64,
    pub(super) score: f64,
    pub(super) wavelength: Vec<f64>,
    pub(super) flux: Vec<f32>,
    pub(super) sigma: Vec<f32>,
    pub(super) model: Vec<f32>,
    pub(super) snr: Option<f64>,
    pub(super) redshift: Option<f64>,
    pub(super) class: Option<String>,
    pub(super) ra_dec: Option<(f64, f64)>,
    pub(super) worst: Option<(f64, f64)>,
    pub(super) facts: Vec<(String, String)>,
}

impl Candidate {
    /// A spectrum of `n` pixels.
    ///
    /// `wavelength` has shape `(n,)`, in Å in vacuum as observed; `flux`, `sigma` and `model` have the same shape and
    /// one unit, which [`Gallery::flux_unit`](super::Gallery::flux_unit) names. `sigma` is the error of a pixel, one
    /// standard deviation, and 0 where the pixel is bad. A pixel whose flux or error is not finite is bad, too; one
    /// whose wavelength is not a number from 1 Å to 1 m is left out, and pixels may come in any order.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the lengths differ.
    pub fn new(
        targetid: i64,
        score: f64,
        wavelength: Vec<f64>,
        flux: Vec<f32>,
        sigma: Vec<f32>,
        model: Vec<f32>,
    ) -> Result<Self> {
        let pixels = wavelength.len();
        for (array, found) in [("flux", flux.len()), ("sigma", sigma.len()), ("model", model.len())] {
            if found != pixels {
                return Err(Error::Shape {
                    array,
                    found: vec![found],
                    expected: vec![pixels],
                    help: "a candidate has as many values as wavelengths",
                });
            }
        }
        Ok(Self {
            targetid,
            score,
            wavelength,
            flux,
            sigma,
            model,
            snr: None,
            redshift: None,
            class: None,
            ra_dec: None,
            worst: None,
            facts: Vec::new(),
        })
    }

    /// The signal to noise ratio, of one pixel or as the survey defines it.
    pub fn with_snr(mut self, snr: f64) -> Self {
        self.snr = Some(snr);
        self
    }

    /// The redshift. From −0.1 to 30, the picture has names of spectral lines and an axis of rest-frame wavelengths.
    pub fn with_redshift(mut self, redshift: f64) -> Self {
        self.redshift = Some(redshift);
        self
    }

    /// What a pipeline takes the object for, such as `QSO`; readers can choose by it.
    pub fn with_class(mut self, class: impl Into<String>) -> Self {
        self.class = Some(class.into());
        self
    }

    /// Right ascension and declination, in degrees, ICRS.
    pub fn with_ra_dec(mut self, ra: f64, dec: f64) -> Self {
        self.ra_dec = Some((ra, dec));
        self
    }

    /// Where the worst patch begins and ends, in Å as observed.
    pub fn with_worst(mut self, from_angstrom: f64, to_angstrom: f64) -> Self {
        self.worst = Some((from_angstrom, to_angstrom));
        self
    }

    /// Anything else, shown as it is; can be called again for more.
    pub fn with_fact(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.facts.push((name.into(), value.into()));
        self
    }

    /// The number of the target.
    pub fn targetid(&self) -> i64 {
        self.targetid
    }

    /// The anomaly score: high where the model knows nothing like it.
    pub fn score(&self) -> f64 {
        self.score
    }

    /// The redshift, where spectral lines can be drawn at it.
    pub(super) fn usable_redshift(&self) -> Option<f64> {
        self.redshift.filter(|redshift| (-0.1..=30.0).contains(redshift))
    }

    /// The ends of the worst patch, where both are numbers, in order.
    pub(super) fn worst_range(&self) -> Option<[f64; 2]> {
        let (from, to) = self.worst?;
        (from.is_finite() && to.is_finite()).then(|| [from.min(to), from.max(to)])
    }
}
