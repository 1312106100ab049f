//! What is to be injected into a spectrum.

use serde::Serialize;

use super::anomaly::Anomaly;

/// An anomaly that one spectrum is to get, as [`Injector::draw`](super::Injector::draw) gives it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Injection {
    /// What.
    pub kind: Anomaly,
    /// How strong, in σ; the kinds say what that means. for [`Anomaly::WrongRedshift`] it is the least change.
    pub amplitude: f64,
    /// The seed of everything else: where it is, how wide, which arm, which donor.
    pub seed: u64,
}

impl Injection {
    /// An anomaly of one's own choice.
    ///
    /// # Examples
    ///
    /// The same seed puts a line twice as high into the same place.
    ///
    /// ```
    /// use radio_models::injection::{Anomaly, Injection, Injector, InjectorOptions, Spectrum};
    ///
    /// let injector = Injector::new(InjectorOptions::default())?;
    /// let wavelength: Vec<f64> = (0..500).map(|i| 6000.0 + f64::from(i)).collect();
    /// let ivar = [1.0; 500];
    /// let highest = |amplitude| {
    ///     let mut flux = [0.0f32; 500];
    ///     let mut spectrum = Spectrum::new(&wavelength, &mut flux, &ivar)?;
    ///     injector.inject(&Injection::new(Anomaly::EmissionLine, amplitude, 7), &mut spectrum)?;
    ///     let highest = (0..500).max_by(|&a, &b| flux[a].total_cmp(&flux[b]));
    ///     Ok::<_, radio_models::Error>(highest.map(|i| (i, flux[i])))
    /// };
    /// let (Some((a, five)), Some((b, ten))) = (highest(5.0)?, highest(10.0)?) else { unreachable!() };
    /// assert_eq!((a, five, ten), (b, 5.0, 10.0));
    /// # Ok::<(), radio_models::Error>(())
    /// ```
    #[must_use]
    pub fn new(kind: Anomaly, amplitude: f64, seed: u64) -> Self {
        Self { kind, amplitude, seed }
    }
}
