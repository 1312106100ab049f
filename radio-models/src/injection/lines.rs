//! Anomalies that touch few pixels: lines, troughs, spikes, sky lines.

use super::injector::Change;
use super::random::Random;

/// Full width at half maximum of a Gaussian with standard deviation 1.
const FWHM: f64 = 2.354_820_045;
/// A Gaussian is cut off this many standard deviations from its centre, where it is 3e-4 of its height.
const REACH: f64 = 4.0;
/// Widths (FWHM) in pixels.
const LINE_WIDTH: (f64, f64) = (3.0, 12.0);
const TROUGH_WIDTH: (f64, f64) = (40.0, 200.0);
/// Numbers of spikes, and of their pixels.
const SPIKES: (usize, usize) = (3, 8);
const MOST_SPIKE_PIXELS: usize = 3;
/// Width (standard deviation) of a sky line in pixels, and how far it reaches, so that no two of them overlap on the
/// grids of DESI and SDSS.
const SKY_WIDTH: f64 = 1.5;
const SKY_REACH: f64 = 4.5;
/// Vacuum wavelength of a line over that in air, in the red (Morton 1991, ApJS 77, 119, at 8500 Å).
const VACUUM: f64 = 1.000_274_8;
/// Bright lines of OH, in Å, in air, ascending (Osterbrock et al. 1996, PASP 108, 277).
const OH_LINES: [f64; 28] = [
    7276.4, 7316.3, 7340.9, 7750.6, 7794.1, 7821.5, 7913.7, 7964.7, 7993.3, 8025.8, 8344.6, 8399.2, 8430.2, 8465.4,
    8493.4, 8778.3, 8827.1, 8885.9, 8919.6, 8943.4, 8988.4, 9038.1, 9375.9, 9419.7, 9439.7, 9476.8, 9502.8, 9552.5,
];

/// An emission line at a good pixel.
pub(super) fn emission_line(weights: &[f64], amplitude: f64, random: &mut Random) -> Option<Change> {
    gaussian(weights, amplitude, LINE_WIDTH, random)
}

/// A trough around a good pixel.
pub(super) fn absorption_trough(weights: &[f64], depth: f64, random: &mut Random) -> Option<Change> {
    gaussian(weights, -depth, TROUGH_WIDTH, random)
}

fn gaussian(weights: &[f64], amplitude: f64, width: (f64, f64), random: &mut Random) -> Option<Change> {
    let center = good_pixel(weights, random)?;
    let sigma = random.uniform(width.0, width.1) / FWHM;
    let mut change = Change::none(weights.len());
    add(
        &mut change.flux,
        weights,
        amplitude,
        center as f64,
        REACH * sigma,
        |x| (-0.5 * (x / sigma).powi(2)).exp(),
    );
    change.amplitude = change.peak(weights);
    Some(change)
}

/// A handful of short spikes.
pub(super) fn spikes(weights: &[f64], amplitude: f64, random: &mut Random) -> Option<Change> {
    let mut change = Change::none(weights.len());
    for _ in 0..SPIKES.0 + random.below(SPIKES.1 - SPIKES.0 + 1) {
        let first = good_pixel(weights, random)?;
        let length = 1 + random.below(MOST_SPIKE_PIXELS);
        let pixels = change.flux.iter_mut().zip(weights).skip(first).take(length);
        for (flux, weight) in pixels.filter(|(_, weight)| **weight > 0.0) {
            *flux = amplitude / weight.sqrt();
        }
    }
    change.amplitude = change.peak(weights);
    Some(change)
}

/// Residuals of sky lines; `None` where the spectrum has none of the lines.
pub(super) fn sky_comb(wavelength: &[f64], weights: &[f64], amplitude: f64, random: &mut Random) -> Option<Change> {
    let mut change = Change::none(weights.len());
    let mut sign = random.sign();
    for line in OH_LINES {
        let line = line * VACUUM;
        let right = wavelength.partition_point(|&x| x < line);
        if right == 0 || right == wavelength.len() {
            continue;
        }
        let (x0, x1) = (wavelength[right - 1], wavelength[right]);
        let center = (right - 1) as f64 + (line - x0) / (x1 - x0);
        // The difference of two sky lines that are a little apart.
        add(&mut change.flux, weights, sign * amplitude, center, SKY_REACH, |x| {
            -x / SKY_WIDTH * (-0.5 * (x / SKY_WIDTH).powi(2)).exp()
        });
        sign = -sign;
    }
    change.amplitude = change.peak(weights);
    (change.amplitude > 0.0).then_some(change)
}

/// Adds a profile, a function of the distance from `center` in pixels, in such a size that the largest of its
/// |flux| / σ in a good pixel is the amplitude.
fn add(flux: &mut [f64], weights: &[f64], amplitude: f64, center: f64, reach: f64, profile: impl Fn(f64) -> f64) {
    let first = (center - reach).ceil().max(0.0) as usize;
    let end = ((center + reach).floor() + 1.0).clamp(0.0, flux.len() as f64) as usize;
    let value = |i: usize| {
        if weights[i] > 0.0 {
            profile(i as f64 - center)
        } else {
            0.0
        }
    };
    let peak = (first..end)
        .map(|i| (value(i) * weights[i].sqrt()).abs())
        .fold(0.0, f64::max);
    if peak > 0.0 {
        for (i, flux) in flux.iter_mut().enumerate().take(end).skip(first) {
            *flux += amplitude / peak * value(i);
        }
    }
}

/// Any good pixel, each as likely as the others.
fn good_pixel(weights: &[f64], random: &mut Random) -> Option<usize> {
    let good = || (0..weights.len()).filter(|&i| weights[i] > 0.0);
    let nth = random.below(good().count());
    good().nth(nth)
}
