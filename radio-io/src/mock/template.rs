//! Spectra at rest, built once, from which every object is mixed.

use super::lines::{Absorption, BALMER_LEVELS, INTERSTELLAR, METALS, QUASAR, QUASAR_NARROW, balmer};
use super::sky::LIGHT;

/// Shortest and longest wavelength of a template, in Å: what the grid shows of redshifts from −0.001 to 3.5.
const SHORTEST: f64 = 780.0;
const LONGEST: f64 = 9900.0;
/// Distance of two samples in ln λ: 30 km/s, half a pixel or less.
const STEP: f64 = 1e-4;
/// Velocity dispersion of the stars of an old galaxy, and of a young one, in km/s.
const OLD_DISPERSION: f64 = 210.0;
const YOUNG_DISPERSION: f64 = 90.0;
/// Width of a star's lines, in km/s: hardly more than the spectrograph's.
const STAR_DISPERSION: f64 = 55.0;

/// Flux density of an old stellar population at these wavelengths, 1 at 5500 Å; the break at 4000 Å comes on top.
const OLD_CONTINUUM: [(f64, f64); 14] = [
    (780.0, 0.01),
    (1800.0, 0.05),
    (2400.0, 0.10),
    (2640.0, 0.16),
    (2900.0, 0.33),
    (3200.0, 0.50),
    (3650.0, 0.68),
    (4100.0, 0.90),
    (4700.0, 1.00),
    (5500.0, 1.00),
    (6500.0, 0.97),
    (7500.0, 0.92),
    (8500.0, 0.86),
    (9900.0, 0.76),
];
/// The same for a population of young stars.
const YOUNG_CONTINUUM: [(f64, f64); 12] = [
    (780.0, 0.05),
    (912.0, 0.3),
    (1216.0, 4.6),
    (1500.0, 4.3),
    (2000.0, 3.0),
    (2500.0, 2.3),
    (3000.0, 1.95),
    (3640.0, 1.75),
    (4500.0, 1.35),
    (5500.0, 1.0),
    (7000.0, 0.70),
    (9900.0, 0.42),
];

/// A function of rest wavelength, sampled evenly in ln λ.
#[derive(Debug)]
pub(super) struct Template(Vec<f32>);

impl Template {
    fn from_fn(value: impl Fn(f64) -> f64) -> Self {
        let samples = ((LONGEST / SHORTEST).ln() / STEP) as usize + 2;
        Self(
            (0..samples)
                .map(|i| value(SHORTEST * (STEP * i as f64).exp()) as f32)
                .collect(),
        )
    }

    /// The value at a [`position`], between samples by a straight line. Outside it stays what it is at the end.
    #[inline]
    pub(super) fn at(&self, position: f32) -> f32 {
        let position = position.clamp(0.0, (self.0.len() - 2) as f32);
        let i = position as usize;
        let (a, b) = (self.0[i], self.0[i + 1]);
        a + (b - a) * (position - i as f32)
    }

    fn add_gaussian(&mut self, wavelength: f64, peak: f64, sigma: f64) {
        let reach = 5.0 * sigma;
        let first = position((wavelength - reach).max(SHORTEST)).ceil() as usize;
        let last = (position(wavelength + reach) as usize).min(self.0.len() - 1);
        for (i, value) in self.0.iter_mut().enumerate().take(last + 1).skip(first) {
            let x = (SHORTEST * (STEP * i as f64).exp() - wavelength) / sigma;
            *value += (peak * (-0.5 * x * x).exp()) as f32;
        }
    }

    /// Adds the optical depth of a line in something with this velocity dispersion (km/s). The width grows, the area
    /// stays.
    fn add_absorption(&mut self, line: Absorption, dispersion: f64) {
        let sigma = line.sigma.hypot(line.wavelength * dispersion / LIGHT);
        self.add_gaussian(line.wavelength, line.depth * line.sigma / sigma, sigma);
    }
}

/// Where a rest wavelength lies in a template, counted in samples.
pub(super) fn position(wavelength: f64) -> f64 {
    (wavelength / SHORTEST).ln() / STEP
}

/// How many samples a redshift moves a spectrum.
pub(super) fn shift(z: f64) -> f64 {
    z.ln_1p() / STEP
}

/// Everything that objects are mixed from.
#[derive(Debug)]
pub(super) struct Templates {
    /// Flux density of an old stellar population, 1 at 5500 Å in the continuum.
    pub(super) old: Template,
    /// Flux density of a young one, 1 at 5500 Å.
    pub(super) young: Template,
    /// Emission of a quasar over its power law: with sharp lines and with wide ones.
    pub(super) quasar: [Template; 2],
    /// Optical depth of metals in a star like the Sun.
    pub(super) star_metals: Template,
    /// Optical depth of hydrogen in a star like Sirius.
    pub(super) star_hydrogen: Template,
}

impl Templates {
    pub(super) fn new() -> Self {
        let (old_metals, old_hydrogen) = (metals(OLD_DISPERSION), hydrogen(OLD_DISPERSION));
        let (young_metals, young_hydrogen) = (metals(YOUNG_DISPERSION), hydrogen(YOUNG_DISPERSION));
        let mut gas = Template::from_fn(|_| 0.0);
        for line in INTERSTELLAR {
            gas.add_absorption(line, YOUNG_DISPERSION);
        }
        Self {
            old: Template::from_fn(|wavelength| {
                let x = position(wavelength) as f32;
                // The 4000 Å break: metals below it, in steps too small to be lines here.
                let depth = 0.30 * step_below(3985.0, 18.0, wavelength)
                    + f64::from(old_metals.at(x) + 0.14 * old_hydrogen.at(x));
                between(&OLD_CONTINUUM, wavelength) * (-depth).exp()
            }),
            young: Template::from_fn(|wavelength| {
                let x = position(wavelength) as f32;
                let depth = 0.12 * young_metals.at(x) + 0.38 * young_hydrogen.at(x) + gas.at(x);
                between(&YOUNG_CONTINUUM, wavelength) * f64::from(-depth).exp()
            }),
            quasar: [quasar(0.65), quasar(1.3)],
            star_metals: metals(STAR_DISPERSION),
            star_hydrogen: hydrogen(STAR_DISPERSION),
        }
    }
}

/// Optical depth of metals: the lines with names, and a blanket of weak ones.
fn metals(dispersion: f64) -> Template {
    let mut depth = Template::from_fn(|_| 0.0);
    for line in METALS {
        depth.add_absorption(line, dispersion);
    }
    // A real spectrum of old stars is nowhere smooth: thousands of faint lines leave ripples, more in the blue. These
    // stand in for them. Their wavelengths are arbitrary, but the same in every spectrum, as the real ones are.
    let mut wavelength = 2000.0;
    let mut phase = 0.5;
    while wavelength < LONGEST {
        // Multiples of the golden ratio modulo 1 are even and have no period.
        phase = (phase + 0.618_033_988_749_895_f64).fract();
        wavelength += 2.0 + 7.0 * phase;
        let blueness = (-(wavelength - 3800.0) / 1300.0).exp().min(2.0);
        let strength = 0.03 + 0.22 * blueness * (phase * 7.3).fract();
        depth.add_absorption(
            Absorption {
                wavelength,
                depth: strength,
                sigma: 1.3,
            },
            dispersion,
        );
    }
    depth
}

/// Optical depth of hydrogen: Balmer lines with a core and wings, and the jump at their limit.
fn hydrogen(dispersion: f64) -> Template {
    let mut depth = Template::from_fn(|wavelength| 0.55 * step_below(3680.0, 12.0, wavelength));
    for level in BALMER_LEVELS {
        // Higher lines are narrower, or they would merge long before the limit.
        let fade = (4.0 / f64::from(level)).powf(1.5).min(1.0);
        let wavelength = balmer(level);
        depth.add_absorption(
            Absorption {
                wavelength,
                depth: 0.75 * fade.sqrt(),
                sigma: 3.2 * fade.sqrt(),
            },
            dispersion,
        );
        depth.add_absorption(
            Absorption {
                wavelength,
                depth: 0.55 * fade,
                sigma: 16.0 * fade,
            },
            dispersion,
        );
    }
    depth
}

/// Emission of a quasar over its power law, with broad lines of `width` times their usual width and the usual area.
fn quasar(width: f64) -> Template {
    let mut emission = Template::from_fn(|_| 0.0);
    let root_tau = std::f64::consts::TAU.sqrt();
    for line in QUASAR {
        let sigma = width * line.sigma;
        // Broad lines are more pointed than one Gaussian.
        emission.add_gaussian(
            line.wavelength,
            0.5 * line.width / (0.6 * sigma * root_tau),
            0.6 * sigma,
        );
        emission.add_gaussian(
            line.wavelength,
            0.5 * line.width / (1.8 * sigma * root_tau),
            1.8 * sigma,
        );
    }
    for line in QUASAR_NARROW {
        emission.add_gaussian(line.wavelength, line.width / (line.sigma * root_tau), line.sigma);
    }
    emission
}

/// Nearly 1 below `edge`, nearly 0 above, with a soft transition.
fn step_below(edge: f64, softness: f64, wavelength: f64) -> f64 {
    1.0 / (1.0 + ((wavelength - edge) / softness).exp())
}

/// The value between `nodes` by a straight line, and that of the nearest one outside them.
pub(super) fn between(nodes: &[(f64, f64)], x: f64) -> f64 {
    let after = nodes.partition_point(|node| node.0 <= x);
    match (after.checked_sub(1).map(|i| nodes[i]), nodes.get(after)) {
        (Some((x0, y0)), Some(&(x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (Some((_, y)), None) | (None, Some(&(_, y))) => y,
        (None, None) => 0.0,
    }
}
