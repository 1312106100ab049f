//! The spectrum of one object as it arrives, without noise.

use super::dice::Dice;
use super::instrument::{PIXELS, add_line, line_width, pixel_of, wavelength};
use super::lines::{H_BETA, LYMAN_ALPHA, LYMAN_LIMIT, NebularRatios};
use super::sky::LIGHT;
use super::target::Class;
use super::template::{Template, Templates, position, shift};

/// Distance of the pixels where smooth curves are evaluated; it divides the number of intervals.
const KNOT: usize = 20;
/// Pixels left and right of a band's middle over which its flux is averaged.
const BAND: usize = 60;

/// Makes spectra in units of 1e-17 erg/(s cm² Å) on the survey's grid.
#[derive(Debug)]
pub(super) struct Painter {
    templates: Templates,
    /// Where each pixel's wavelength lies in a template, before the redshift.
    positions: Vec<f32>,
}

impl Painter {
    pub(super) fn new() -> Self {
        let positions = (0..PIXELS).map(|i| position(wavelength(i)) as f32).collect();
        Self {
            templates: Templates::new(),
            positions,
        }
    }

    /// Fills `spectrum` with an object of this class at redshift `z`.
    ///
    /// Returns the first pixel from which on the spectrum is what its class and redshift say: below Lyman α, a quasar
    /// shows what lies in front of it.
    pub(super) fn paint(&self, class: Class, z: f64, clustered: bool, dice: &mut Dice, spectrum: &mut [f32]) -> usize {
        let (band, magnitude) = class.draw_magnitude(dice);
        let flux = flux_density(magnitude, band);
        match class {
            Class::Bgs | Class::Lrg | Class::Elg => self.galaxy(class, z, clustered, (band, flux), dice, spectrum),
            Class::Qso => self.quasar(z, (band, flux), dice, spectrum),
            Class::Star => self.star(z, (band, flux), dice, spectrum),
        }
        if class == Class::Qso {
            (pixel_of(LYMAN_ALPHA * (1.0 + z)).max(0.0) as usize).min(PIXELS)
        } else {
            0
        }
    }

    /// Old and young stars, dust, and the lines of ionized gas.
    fn galaxy(
        &self,
        class: Class,
        z: f64,
        clustered: bool,
        (band, flux): (f64, f64),
        dice: &mut Dice,
        spectrum: &mut [f32],
    ) {
        // Galaxies in clusters form fewer stars (Dressler 1980).
        let quiescent = match class {
            Class::Lrg => true,
            Class::Elg => false,
            _ => dice.chance(if clustered { 0.65 } else { 0.3 }),
        };
        let (young, dust, beta_width) = if quiescent {
            (dice.uniform(0.0, 0.12), dice.uniform(0.0, 0.2), dice.exponential(0.15))
        } else if class == Class::Elg {
            (
                dice.uniform(0.75, 1.0),
                dice.uniform(0.0, 0.6),
                6.0 * (0.9 * dice.normal()).exp(),
            )
        } else {
            let young = dice.uniform(0.25, 0.8);
            (young, dice.uniform(0.2, 1.2), 9.0 * young * (0.5 * dice.normal()).exp())
        };
        // The attenuation law of Charlot & Fall 2000.
        let attenuation = |wavelength: f64| (-dust * (wavelength / 5500.0).powf(-0.7)).exp();
        let stars = |x: f32| {
            let (a, b) = (self.templates.old.at(x), self.templates.young.at(x));
            a + (b - a) * young as f32
        };

        let shift = shift(z) as f32;
        for (value, &x) in spectrum.iter_mut().zip(&self.positions) {
            *value = stars(x - shift);
        }
        multiply(spectrum, |wavelength| attenuation(wavelength / (1.0 + z)));
        let scale = normalize(spectrum, band, flux);

        // An equivalent width at rest grows by 1 + z, as all wavelengths do.
        let continuum = scale * f64::from(stars(position(H_BETA) as f32)) * attenuation(H_BETA);
        let beta_flux = beta_width * (1.0 + z) * continuum;
        let ratios = NebularRatios::star_forming(dice.normal_within(-0.75, 0.25, -1.4, -0.4));
        let dispersion = dice.uniform(45.0, 130.0);
        for (rest, ratio) in ratios.lines() {
            let center = rest * (1.0 + z);
            let sigma = line_width(center).hypot(center * dispersion / LIGHT);
            add_line(
                spectrum,
                center,
                beta_flux * ratio * attenuation(rest) / attenuation(H_BETA),
                sigma,
            );
        }
    }

    /// A power law, broad lines, and hydrogen in front.
    fn quasar(&self, z: f64, (band, flux): (f64, f64), dice: &mut Dice, spectrum: &mut [f32]) {
        // The mean slope is that of Vanden Berk et al. 2001.
        let slope = -1.56 + 0.3 * dice.normal();
        let (strength, width) = ((0.35 * dice.normal()).exp() as f32, dice.uniform(0.0, 1.0) as f32);
        let [sharp, wide] = &self.templates.quasar;
        let shift = shift(z) as f32;
        for (value, &x) in spectrum.iter_mut().zip(&self.positions) {
            let (a, b) = (sharp.at(x - shift), wide.at(x - shift));
            *value = 1.0 + strength * (a + (b - a) * width);
        }
        multiply(spectrum, |wavelength| (wavelength / 5500.0).powf(slope));
        normalize(spectrum, band, flux);
        absorb(spectrum, z, dice);
    }

    /// A black body with the lines of its temperature.
    fn star(&self, z: f64, (band, flux): (f64, f64), dice: &mut Dice, spectrum: &mut [f32]) {
        let temperature = dice.normal_within(5600.0, 1300.0, 3600.0, 9800.0);
        // Metals fade in hot stars, hydrogen is strongest near 9500 K.
        let metals = (1.5 * (6000.0 - temperature) / 3000.0).exp().min(1.7) * dice.uniform(0.6, 1.2);
        let hydrogen = (-0.5 * ((temperature - 9500.0) / 1700.0).powi(2)).exp() + 0.06;
        let Templates {
            star_metals,
            star_hydrogen,
            ..
        } = &self.templates;
        mix_depths(
            spectrum,
            &self.positions,
            shift(z) as f32,
            (star_metals, metals),
            (star_hydrogen, hydrogen),
        );
        multiply(spectrum, |wavelength| planck(wavelength, temperature));
        normalize(spectrum, band, flux);
    }
}

/// Fills `spectrum` with the transmission of two absorbers.
fn mix_depths(spectrum: &mut [f32], positions: &[f32], shift: f32, a: (&Template, f64), b: (&Template, f64)) {
    for (value, &x) in spectrum.iter_mut().zip(positions) {
        *value = (-(a.0.at(x - shift) * a.1 as f32 + b.0.at(x - shift) * b.1 as f32)).exp();
    }
}

/// Multiplies by a smooth function of the observed wavelength, which is evaluated at knots only.
fn multiply(spectrum: &mut [f32], curve: impl Fn(f64) -> f64) {
    let mut from = curve(wavelength(0)) as f32;
    for (k, chunk) in spectrum.chunks_mut(KNOT).enumerate() {
        let to = curve(wavelength((k + 1) * KNOT)) as f32;
        for (i, value) in chunk.iter_mut().enumerate() {
            *value *= from + (to - from) * (i as f32 / KNOT as f32);
        }
        from = to;
    }
}

/// Scales to a mean of `flux` around the observed wavelength `band`; returns the factor.
fn normalize(spectrum: &mut [f32], band: f64, flux: f64) -> f64 {
    let middle = pixel_of(band) as usize;
    let around = &spectrum[middle - BAND..middle + BAND];
    let mean = around.iter().map(|&value| f64::from(value)).sum::<f64>() / around.len() as f64;
    let scale = flux / mean;
    for value in spectrum {
        *value *= scale as f32;
    }
    scale
}

/// The Lyman α forest and the Lyman limit of what lies before a quasar.
///
/// The optical depth is lognormal along the line of sight (Bi & Davidsen 1997), about as thick on average as
/// Faucher-Giguère et al. 2008 measured: 0.0018 (1 + z)^3.92.
fn absorb(spectrum: &mut [f32], z: f64, dice: &mut Dice) {
    /// Width of the lognormal, and the factor that brings its mean transmission near the measured one.
    const SPREAD: f64 = 1.6;
    const THINNING: f64 = 0.45;
    /// Correlation of neighbouring pixels: structure of about three pixels.
    const MEMORY: f64 = 0.72;
    let end = pixel_of(LYMAN_ALPHA * (1.0 + z)).max(0.0) as usize;
    let mut field = dice.normal();
    for (i, value) in spectrum.iter_mut().enumerate().take(end) {
        let wavelength = wavelength(i);
        field = MEMORY * field + (1.0 - MEMORY * MEMORY).sqrt() * dice.normal();
        let mut depth = THINNING * 0.0018 * (wavelength / LYMAN_ALPHA).powf(3.92) * (SPREAD * field).exp();
        if wavelength < LYMAN_LIMIT * (1.0 + z) {
            depth += 2.0;
        }
        *value *= (-depth).exp() as f32;
    }
}

/// A black body's flux density per wavelength, 1 at 6000 Å.
fn planck(wavelength: f64, temperature: f64) -> f64 {
    // h c / k, in Å K.
    const SECOND_RADIATION_CONSTANT: f64 = 1.438_777e8;
    let shape = |wavelength: f64| {
        (wavelength / 6000.0).powi(-5) / (SECOND_RADIATION_CONSTANT / (wavelength * temperature)).exp_m1()
    };
    shape(wavelength) / shape(6000.0)
}

/// Flux density in 1e-17 erg/(s cm² Å) of an AB magnitude at a wavelength in Å (Oke & Gunn 1983).
fn flux_density(magnitude: f64, wavelength: f64) -> f64 {
    let per_frequency = 10f64.powf(-0.4 * (magnitude + 48.6));
    per_frequency * LIGHT * 1e13 / (wavelength * wavelength) * 1e17
}
