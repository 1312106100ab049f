//! Which spectra get an anomaly, and putting it there.

use serde::Serialize;

use super::anomaly::Anomaly;
use super::draw::Injection;
use super::random::Random;
use super::spectrum::{Donor, Spectrum};
use super::{lines, wide};
use crate::error::{Error, Result};

/// Puts anomalies into spectra.
///
/// Which spectrum gets which anomaly depends on the seed and the spectrum's id, and on nothing else: not on the batch,
/// the order or the number of threads. Another version of this crate may draw others, and another platform may differ
/// in the last digits.
#[derive(Clone, Debug)]
pub struct Injector {
    options: InjectorOptions,
    kinds: Vec<Anomaly>,
}

impl Injector {
    /// An injector with these options.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where one is outside its range, or blends are asked for without donors.
    pub fn new(options: InjectorOptions) -> Result<Self> {
        options.check()?;
        let kinds = options.kinds.clone().unwrap_or_else(|| {
            let possible = |kind: &Anomaly| *kind != Anomaly::Blend || !options.donors.is_empty();
            Anomaly::ALL.into_iter().filter(possible).collect()
        });
        Ok(Self { options, kinds })
    }

    /// The anomaly that the spectrum with this id gets; `None` for most.
    ///
    /// # Complexity
    ///
    /// O(1), about 30 ns.
    ///
    /// # Examples
    ///
    /// ```
    /// use radio_models::injection::{Injector, InjectorOptions};
    ///
    /// let injector = Injector::new(InjectorOptions::default().with_seed(1).with_fraction(0.1))?;
    /// let injected = (0..1000).filter(|&id| injector.draw(id).is_some()).count();
    /// assert!((70..130).contains(&injected));
    /// # Ok::<(), radio_models::Error>(())
    /// ```
    #[must_use]
    pub fn draw(&self, id: i64) -> Option<Injection> {
        let mut random = Random::new(self.options.seed, id.cast_unsigned());
        // Every number is drawn, always in this order, so that another fraction or amplitude changes nothing else.
        let chosen = random.uniform(0.0, 1.0) < self.options.fraction;
        let kind = *self.kinds.get(random.below(self.kinds.len()))?;
        let amplitude = random.log_uniform(self.options.amplitudes.0, self.options.amplitudes.1);
        let seed = random.seed();
        chosen.then_some(Injection { kind, amplitude, seed })
    }

    /// Changes the flux of good pixels, and says what was done.
    ///
    /// `None` where nothing could be done, and the spectrum is as it was: it has no good pixel, none of the sky lines,
    /// only one arm, or no wavelength in common with the donor, it is too faint for a blend or has no feature that another
    /// redshift would move visibly, or the amplitude is 0 (of a wrong redshift, the least change). Label it as a normal one then.
    /// The same spectrum and the same injection give the same flux; where the anomaly is depends on which pixels are
    /// good.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where the amplitude of the injection is negative or not finite.
    ///
    /// # Complexity
    ///
    /// O(pixels): for 7781 of them 20 to 200 µs, and about 1 ms for [`Anomaly::WrongRedshift`].
    pub fn inject(&self, injection: &Injection, spectrum: &mut Spectrum<'_>) -> Result<Option<Injected>> {
        let amplitude = injection.amplitude;
        if !(amplitude >= 0.0 && amplitude.is_finite()) {
            return Err(Error::option("amplitude", amplitude, "at least 0 and finite"));
        }
        let (wavelength, weights) = (spectrum.wavelength, spectrum.weights());
        let mut random = Random::new(injection.seed, 0);
        let random = &mut random;
        let change = match injection.kind {
            Anomaly::EmissionLine => lines::emission_line(&weights, amplitude, random),
            Anomaly::AbsorptionTrough => lines::absorption_trough(&weights, amplitude, random),
            Anomaly::ArmStep => wide::arm_step(self, wavelength, &weights, amplitude, random),
            Anomaly::WrongRedshift => wide::wrong_redshift(spectrum, &weights, amplitude, random),
            Anomaly::Blend => wide::blend(self, spectrum, &weights, amplitude, random),
            Anomaly::Spikes => lines::spikes(&weights, amplitude, random),
            Anomaly::SkyComb => lines::sky_comb(wavelength, &weights, amplitude, random),
        };
        Ok(change.and_then(|change| change.apply(injection.kind, spectrum)))
    }

    /// What it injects.
    #[must_use]
    pub fn options(&self) -> &InjectorOptions {
        &self.options
    }
}

/// What to inject.
///
/// # Examples
///
/// ```
/// use radio_models::injection::{Anomaly, InjectorOptions};
///
/// let options = InjectorOptions::default().with_kinds([Anomaly::Spikes]).with_amplitudes(5.0, 50.0);
/// assert_eq!(options.fraction, 0.02);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InjectorOptions {
    /// Another seed chooses other spectra. Default: 0.
    pub seed: u64,
    /// Part of the spectra that get an anomaly, 0 to 1. Default: 0.02.
    pub fraction: f64,
    /// Kinds to draw from, each as likely as the others. Default: `None`, which is all of them, blends only where there
    /// are donors.
    pub kinds: Option<Vec<Anomaly>>,
    /// Least and largest amplitude, in σ; uniform in the logarithm. Default: 2 to 20.
    pub amplitudes: (f64, f64),
    /// Spectra to make blends with. Default: none.
    pub donors: Vec<Donor>,
    /// Wavelengths in Å, ascending, where one arm of the spectrograph ends and the next begins. Default: 5780 and 7570,
    /// the middles of the overlaps of DESI's three arms.
    pub arm_borders_angstrom: Vec<f64>,
}

impl Default for InjectorOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            fraction: 0.02,
            kinds: None,
            amplitudes: (2.0, 20.0),
            donors: Vec::new(),
            arm_borders_angstrom: vec![5780.0, 7570.0],
        }
    }
}

impl InjectorOptions {
    /// Sets [`seed`](Self::seed).
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets [`fraction`](Self::fraction).
    #[must_use]
    pub fn with_fraction(mut self, fraction: f64) -> Self {
        self.fraction = fraction;
        self
    }

    /// Sets [`kinds`](Self::kinds).
    #[must_use]
    pub fn with_kinds(mut self, kinds: impl IntoIterator<Item = Anomaly>) -> Self {
        self.kinds = Some(kinds.into_iter().collect());
        self
    }

    /// Sets [`amplitudes`](Self::amplitudes).
    #[must_use]
    pub fn with_amplitudes(mut self, least: f64, largest: f64) -> Self {
        self.amplitudes = (least, largest);
        self
    }

    /// Sets [`donors`](Self::donors).
    #[must_use]
    pub fn with_donors(mut self, donors: impl IntoIterator<Item = Donor>) -> Self {
        self.donors = donors.into_iter().collect();
        self
    }

    /// Sets [`arm_borders_angstrom`](Self::arm_borders_angstrom).
    #[must_use]
    pub fn with_arm_borders_angstrom(mut self, borders: impl IntoIterator<Item = f64>) -> Self {
        self.arm_borders_angstrom = borders.into_iter().collect();
        self
    }

    fn check(&self) -> Result<()> {
        let (least, largest) = self.amplitudes;
        if !(0.0..=1.0).contains(&self.fraction) {
            return Err(Error::option("fraction", self.fraction.to_string(), "0 to 1"));
        }
        if !(least > 0.0 && least <= largest && largest.is_finite()) {
            return Err(Error::option(
                "amplitudes",
                format!("{least} to {largest}"),
                "positive, finite and ascending",
            ));
        }
        let borders = &self.arm_borders_angstrom;
        if !borders.iter().all(|border| border.is_finite()) || !borders.is_sorted() {
            return Err(Error::option(
                "arm_borders_angstrom",
                format!("{borders:?}"),
                "finite and ascending",
            ));
        }
        if let Some(kinds) = &self.kinds {
            if kinds.is_empty() {
                return Err(Error::option("kinds", "an empty list".to_owned(), "at least one kind"));
            }
            if kinds.contains(&Anomaly::Blend) && self.donors.is_empty() {
                return Err(Error::option(
                    "donors",
                    "an empty list".to_owned(),
                    "at least one donor, to make blends",
                ));
            }
        }
        Ok(())
    }
}

/// What was injected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Injected {
    /// What.
    pub kind: Anomaly,
    /// How strong it is, in σ; the kinds say what that means.
    pub amplitude: f64,
    /// Wavelengths in Å of the first and the last pixel that changed.
    pub range_angstrom: (f64, f64),
}

/// What an anomaly adds to each pixel.
pub(super) struct Change {
    pub(super) flux: Vec<f64>,
    pub(super) amplitude: f64,
}

impl Change {
    pub(super) fn none(pixels: usize) -> Self {
        Self {
            flux: vec![0.0; pixels],
            amplitude: 0.0,
        }
    }

    /// The largest |flux| / σ.
    pub(super) fn peak(&self, weights: &[f64]) -> f64 {
        let in_sigma = |(flux, weight): (&f64, &f64)| flux.abs() * weight.sqrt();
        self.flux.iter().zip(weights).map(in_sigma).fold(0.0, f64::max)
    }

    fn apply(&self, kind: Anomaly, spectrum: &mut Spectrum<'_>) -> Option<Injected> {
        let touched = |i: &usize| self.flux[*i] != 0.0;
        let first = (0..spectrum.len()).find(touched)?;
        let last = (first..spectrum.len()).rfind(touched)?;
        for i in (first..=last).filter(touched) {
            spectrum.flux[i] = (f64::from(spectrum.flux[i]) + self.flux[i]) as f32;
        }
        Some(Injected {
            kind,
            amplitude: self.amplitude,
            range_angstrom: (spectrum.wavelength[first], spectrum.wavelength[last]),
        })
    }
}

/// The median, of an even number of values the upper one; `None` of none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}
