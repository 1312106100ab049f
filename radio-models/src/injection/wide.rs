//! Anomalies that touch much of the spectrum: arms, redshifts, blends.

use super::injector::{Change, Injector, median};
use super::random::Random;
use super::smooth::denoise;
use super::spectrum::{Spectrum, interpolate};

/// Change of ln(1 + z) of a wrong redshift.
const STRETCH: (f64, f64) = (0.01, 0.1);

/// Offset of one arm; `None` where good pixels are in one arm only, so that there would be no step.
pub(super) fn arm_step(
    injector: &Injector,
    wavelength: &[f64],
    weights: &[f64],
    amplitude: f64,
    random: &mut Random,
) -> Option<Change> {
    let borders = &injector.options().arm_borders_angstrom;
    let arm_of = |i: usize| borders.partition_point(|&border| border <= wavelength[i]);
    let mut arms: Vec<usize> = (0..weights.len()).filter(|&i| weights[i] > 0.0).map(arm_of).collect();
    arms.dedup();
    if arms.len() < 2 {
        return None;
    }
    let arm = arms[random.below(arms.len())];
    let inside = || (0..weights.len()).filter(|&i| weights[i] > 0.0 && arm_of(i) == arm);
    let offset = random.sign() * amplitude * median(inside().map(|i| 1.0 / weights[i].sqrt()))?;
    let mut change = Change::none(weights.len());
    inside().for_each(|i| change.flux[i] = offset);
    change.amplitude = amplitude;
    Some(change)
}

/// The signal at the wavelengths of another redshift, under the noise that there was; `None` where that changes no pixel by
/// `least` σ.
pub(super) fn wrong_redshift(
    spectrum: &Spectrum<'_>,
    weights: &[f64],
    least: f64,
    random: &mut Random,
) -> Option<Change> {
    let signal = denoise(spectrum.flux, weights);
    let stretch = (random.sign() * random.uniform(STRETCH.0, STRETCH.1)).exp();
    let wavelength = spectrum.wavelength;
    let (&first, &last) = (wavelength.first()?, wavelength.last()?);
    // Beyond the end of the spectrum nothing is known: the signal goes on as it ends.
    let sources = wavelength.iter().map(|x| (x / stretch).clamp(first, last));
    let moved = interpolate(wavelength, &signal, sources);
    let mut change = Change::none(weights.len());
    for i in (0..weights.len()).filter(|&i| weights[i] > 0.0) {
        change.flux[i] = moved[i]? - signal[i];
    }
    change.amplitude = change.peak(weights);
    (change.amplitude >= least).then_some(change)
}

/// The light of a donor, no brighter than what is there; `None` where that is too faint, and where the donor has no light in
/// the good pixels of the spectrum.
pub(super) fn blend(
    injector: &Injector,
    spectrum: &Spectrum<'_>,
    weights: &[f64],
    amplitude: f64,
    random: &mut Random,
) -> Option<Change> {
    let wavelength = spectrum.wavelength;
    let good = spectrum.flux.iter().zip(weights).filter(|&(_, &weight)| weight > 0.0);
    let brightness = median(good.map(|(&flux, weight)| f64::from(flux) * weight.sqrt()))?;
    let amplitude = amplitude.min(brightness);
    if amplitude < injector.options().amplitudes.0 {
        return None;
    }
    let donors = &injector.options().donors;
    let donor = donors.get(random.below(donors.len()))?.at(wavelength);
    let light = || donor.iter().zip(weights).filter(|&(_, &weight)| weight > 0.0);
    let scale = amplitude / median(light().filter_map(|(flux, weight)| Some(flux.as_ref()?.abs() * weight.sqrt())))?;
    if !scale.is_finite() {
        return None;
    }
    let mut change = Change::none(weights.len());
    for (i, flux) in donor.iter().enumerate() {
        if weights[i] > 0.0 {
            change.flux[i] = scale * flux.unwrap_or(0.0);
        }
    }
    change.amplitude = amplitude;
    Some(change)
}
