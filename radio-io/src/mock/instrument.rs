//! The spectrograph: its wavelength grid, resolution, sky, noise and bad pixels.

use super::dice::Dice;
use super::template::between;

/// Pixels of a spectrum.
pub(super) const PIXELS: usize = 7781;
/// Wavelength of the first pixel and distance of two, in Å.
const START: f64 = 3600.0;
const STEP: f64 = 0.8;

/// Bits of DESI's spectral pixel mask.
const ALL_BAD: i32 = 1 << 1;
const COSMIC: i32 = 1 << 2;
/// Part of the pixels that cosmic rays spoil, and how many they spoil at once on average.
const COSMIC_FRACTION: f64 = 0.0045;
const COSMIC_LENGTH: f64 = 3.0;
/// Bad columns of a tile are drawn from 1 to this many.
const MOST_BAD_COLUMNS: f64 = 5.0;

/// Variance of reading out one pixel of one arm, in electrons², over all the pixels that add up to it.
const READ_NOISE: f64 = 50.0;
/// Electrons per pixel that one unit of flux yields in a dark-time exposure of 1000 s, per arm, at these wavelengths.
const BLUE_ARM: [(f64, f64); 8] = [
    (3600.0, 3.0),
    (3700.0, 5.0),
    (3900.0, 10.0),
    (4200.0, 18.0),
    (4600.0, 25.0),
    (5200.0, 30.0),
    (5600.0, 31.0),
    (5800.0, 22.0),
];
const RED_ARM: [(f64, f64); 6] = [
    (5760.0, 25.0),
    (5850.0, 36.0),
    (6200.0, 55.0),
    (6800.0, 72.0),
    (7300.0, 76.0),
    (7620.0, 55.0),
];
const INFRARED_ARM: [(f64, f64); 7] = [
    (7520.0, 55.0),
    (7700.0, 80.0),
    (8200.0, 108.0),
    (8800.0, 112.0),
    (9300.0, 90.0),
    (9600.0, 70.0),
    (9824.0, 48.0),
];
/// Sky between the lines in dark time, in units of flux.
const SKY_CONTINUUM: [(f64, f64); 6] = [
    (3600.0, 1.6),
    (4500.0, 1.8),
    (6000.0, 2.2),
    (7500.0, 2.5),
    (8800.0, 3.0),
    (9824.0, 4.2),
];
/// Wavelength (Å, vacuum) and flux of the night sky's atomic lines: O I, Na D, O I twice.
const SKY_LINES: [(f64, f64); 5] = [
    (5199.5, 3.0),
    (5578.89, 130.0),
    (5894.5, 12.0),
    (6302.05, 40.0),
    (6365.54, 14.0),
];
/// Origins (Å) and strengths of the bands of OH, from 9–3 to 8–4.
const OH_BANDS: [(f64, f64); 10] = [
    (6257.0, 8.0),
    (6498.0, 9.0),
    (6861.0, 16.0),
    (7276.0, 30.0),
    (7524.0, 9.0),
    (7748.0, 30.0),
    (7914.0, 42.0),
    (8341.0, 60.0),
    (8827.0, 80.0),
    (9376.0, 75.0),
];

/// Wavelength of a pixel, in Å, in vacuum.
pub(super) fn wavelength(pixel: usize) -> f64 {
    START + STEP * pixel as f64
}

/// Wavelength in pixels: the inverse of [`wavelength`].
pub(super) fn pixel_of(wavelength: f64) -> f64 {
    (wavelength - START) / STEP
}

/// Width (σ) in Å of an unresolved line, as seen in pixels: R grows from 2000 at 3600 Å to 5000 at 9824 Å.
///
/// The width of the pixel is included (its variance is that of a box), so that a sampled Gaussian of this width has
/// very nearly the values of one that is integrated over pixels.
pub(super) fn line_width(wavelength: f64) -> f64 {
    let resolution = 2000.0 + 3000.0 * (wavelength - START) / (9824.0 - START);
    (wavelength / (2.355 * resolution)).hypot(STEP / 12f64.sqrt())
}

/// Adds a line with this flux (in 1e-17 erg/(s cm²)) and width (σ, in Å) to a spectrum.
pub(super) fn add_line(spectrum: &mut [f32], center: f64, flux: f64, sigma: f64) {
    let peak = flux / (sigma * std::f64::consts::TAU.sqrt());
    let first = pixel_of(center - 6.0 * sigma).ceil().max(0.0) as usize;
    let last = pixel_of(center + 6.0 * sigma).floor();
    if last < 0.0 {
        return;
    }
    for (i, value) in spectrum.iter_mut().enumerate().take(last as usize + 1).skip(first) {
        let x = (wavelength(i) - center) / sigma;
        *value += (peak * (-0.5 * x * x).exp()) as f32;
    }
}

/// How an exposure was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exposure {
    /// Exposure time over 1000 s, with the transparency of the air.
    pub(super) depth: f32,
    /// Brightness of the sky over that of dark time.
    pub(super) sky: f32,
}

impl Exposure {
    /// A long one under a dark sky, for faint objects.
    pub(super) const DARK: Self = Self { depth: 1.0, sky: 1.0 };
    /// A short one under the moon, for bright galaxies and stars.
    pub(super) const BRIGHT: Self = Self { depth: 0.3, sky: 3.0 };
}

/// The spectrograph and the sky above it.
#[derive(Debug)]
pub(super) struct Instrument {
    /// Electrons per unit of flux, by pixel.
    sensitivity: Vec<f32>,
    /// Variance of reading out, in electrons², by pixel.
    read_noise: Vec<f32>,
    /// Flux of the dark sky, by pixel.
    sky: Vec<f32>,
}

impl Instrument {
    pub(super) fn new() -> Self {
        let mut instrument = Self {
            sensitivity: vec![0.0; PIXELS],
            read_noise: vec![0.0; PIXELS],
            sky: dark_sky(),
        };
        for arm in [&BLUE_ARM[..], &RED_ARM[..], &INFRARED_ARM[..]] {
            let (first, last) = (arm[0].0, arm[arm.len() - 1].0);
            for i in 0..PIXELS {
                let wavelength = wavelength(i);
                if (first - 1e-6..=last + 1e-6).contains(&wavelength) {
                    // Where two arms overlap, both collect light, and both are read out.
                    instrument.sensitivity[i] += between(arm, wavelength) as f32;
                    instrument.read_noise[i] += READ_NOISE as f32;
                }
            }
        }
        instrument
    }

    /// The inverse variance of every pixel when a spectrum of this flux is observed.
    pub(super) fn ivar(&self, flux: &[f32], exposure: Exposure, ivar: &mut [f32]) {
        let columns = self.sensitivity.iter().zip(&self.read_noise).zip(&self.sky);
        for ((ivar, &flux), ((&sensitivity, &read_noise), &sky)) in ivar.iter_mut().zip(flux).zip(columns) {
            // In electrons: the counts are Poissonian, and reading out adds its own variance.
            let gain = sensitivity * exposure.depth;
            let variance = gain * (sky * exposure.sky + flux.max(0.0)) + read_noise;
            *ivar = gain * gain / variance;
        }
    }
}

/// Adds noise of this inverse variance to a spectrum.
pub(super) fn add_noise(flux: &mut [f32], ivar: &[f32], dice: &mut Dice) {
    for (flux, &ivar) in flux.iter_mut().zip(ivar) {
        *flux += dice.normal() as f32 / ivar.sqrt();
    }
}

/// Columns (first pixel, length) that the detectors of one tile lack.
pub(super) fn bad_columns(dice: &mut Dice) -> Vec<(usize, usize)> {
    let count = dice.uniform(1.0, MOST_BAD_COLUMNS + 1.0) as usize;
    let column = |dice: &mut Dice| {
        (
            dice.uniform(0.0, PIXELS as f64) as usize,
            dice.uniform(1.0, 4.0) as usize,
        )
    };
    (0..count).map(|_| column(dice)).collect()
}

/// Spoils pixels as bad columns and cosmic rays do: junk flux, no weight, a bit in the mask.
pub(super) fn spoil(flux: &mut [f32], ivar: &mut [f32], mask: &mut [i32], columns: &[(usize, usize)], dice: &mut Dice) {
    for &(first, length) in columns {
        for i in first..(first + length).min(PIXELS) {
            flux[i] = 5.0 * dice.normal() as f32;
            ivar[i] = 0.0;
            mask[i] |= ALL_BAD;
        }
    }
    let gap = COSMIC_LENGTH / COSMIC_FRACTION;
    let mut next = dice.exponential(gap);
    while next < PIXELS as f64 {
        let (first, length) = (next as usize, dice.uniform(1.0, 2.0 * COSMIC_LENGTH) as usize);
        let peak = 10.0 + dice.exponential(60.0);
        for i in first..(first + length).min(PIXELS) {
            // What is left of a track after extraction is as often dug out as it is added.
            flux[i] += (peak * dice.normal()) as f32;
            ivar[i] = 0.0;
            mask[i] |= COSMIC;
        }
        next += length as f64 + dice.exponential(gap);
    }
}

/// Flux of the dark sky: a faint continuum, a few atomic lines, and the bands of OH in the red.
///
/// The bands have their real origins and the shape that a rotational temperature of 190 K gives them, but their lines
/// are placed by a rule of thumb: it is a sky *like* the real one (Osterbrock et al. 1996 is the atlas).
fn dark_sky() -> Vec<f32> {
    let mut sky: Vec<f32> = (0..PIXELS)
        .map(|i| between(&SKY_CONTINUUM, wavelength(i)) as f32)
        .collect();
    let mut line = |center: f64, flux: f64| add_line(&mut sky, center, flux, line_width(center));
    for (center, flux) in SKY_LINES {
        line(center, flux);
    }
    for (origin, strength) in OH_BANDS {
        let scale = (origin / 8827.0_f64).powi(2);
        line(origin, 1.2 * strength);
        line(origin + 5.0 * scale, 0.5 * strength);
        for level in 1..=6 {
            let n = f64::from(level);
            let weight = n * (-0.13 * n * (n + 1.0)).exp();
            let red = origin + scale * (25.0 * n + 2.0 * n * (n + 1.0));
            line(red, 1.5 * strength * weight);
            line(red - 7.0 * scale, 0.7 * strength * weight);
            line(origin - scale * (16.0 * n - 1.4 * n * n), 0.6 * strength * weight);
        }
    }
    sky
}
