//! The kinds of anomalies.

use std::fmt;

use serde::Serialize;

/// A kind of anomaly.
///
/// The amplitude of each is in units of σ = 1/sqrt(ivar) of a pixel, but a change of 5 σ in one pixel and one in 2000
/// are not equally easy to see: compare amplitudes within a kind only.
///
/// # Examples
///
/// ```
/// use radio_models::injection::Anomaly;
///
/// assert_eq!(Anomaly::EmissionLine.to_string(), "emission-line");
/// assert_eq!(Anomaly::ALL.len(), 7);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anomaly {
    /// A Gaussian emission line anywhere, 3 to 12 pixels wide (FWHM). Amplitude: its largest flux over σ.
    EmissionLine,
    /// A Gaussian trough, 40 to 200 pixels wide (FWHM), as quasars with broad absorption lines have. Amplitude: its
    /// largest depth over σ. It is subtracted, so the flux may become negative where it was low.
    AbsorptionTrough,
    /// One arm of the spectrograph has a constant offset, up or down. Amplitude: the offset over the arm's median σ.
    ArmStep,
    /// The features are at the wavelengths of another redshift, 1 to 10 % higher or lower in 1 + z.
    ///
    /// What stands out of the noise is stretched; the noise stays where it is, so its statistics remain those of the
    /// inverse variance. The amplitude follows from the spectrum: it is the largest change over σ. Where it would be less than
    /// was asked for, nothing is done: a redshift without a visible feature cannot be seen to be wrong. It is an anomaly only to those who know the redshift that the catalogue has: in the
    /// observer's frame it looks like another, quite normal galaxy.
    WrongRedshift,
    /// The light of a second object is added: a [donor](crate::injection::Donor). Amplitude: median of |its flux| over
    /// σ, at most that of the spectrum itself: were the donor brighter, the spectrum would be its own, and in a spectrum fainter
    /// than the least amplitude of the [options](crate::injection::InjectorOptions) nothing is done. The photon noise of the
    /// second object is not added.
    Blend,
    /// Three to eight spikes, 1 to 3 pixels long, as of cosmic rays that nobody masked. Amplitude: flux over σ in each
    /// of their pixels.
    Spikes,
    /// Sky lines of OH that were subtracted at a wrong wavelength: an up and a down, side by side, at each line of a
    /// comb in the red, in alternating order. Amplitude: the largest change over σ, at each line.
    SkyComb,
}

impl Anomaly {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::EmissionLine,
        Self::AbsorptionTrough,
        Self::ArmStep,
        Self::WrongRedshift,
        Self::Blend,
        Self::Spikes,
        Self::SkyComb,
    ];

    /// The name in kebab case, as [`Display`](fmt::Display) and serde write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EmissionLine => "emission-line",
            Self::AbsorptionTrough => "absorption-trough",
            Self::ArmStep => "arm-step",
            Self::WrongRedshift => "wrong-redshift",
            Self::Blend => "blend",
            Self::Spikes => "spikes",
            Self::SkyComb => "sky-comb",
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
