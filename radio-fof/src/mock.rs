//! A made-up redshift survey whose groups are known.

use ndarray::Array1;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal, Poisson};

use crate::constants::{GRAVITY, SPEED_OF_LIGHT_KM_S};
use crate::cosmology::Cosmology;
use crate::density::{WHOLE_SKY_SQUARE_DEGREES, interpolate};
use crate::error::{Result, check_option};
use crate::properties::ra_dec;
use crate::survey::{Survey, direction};

/// A made-up survey to a limit in magnitude: halos spread evenly, with galaxies in them.
///
/// Halos have masses from 10¹² to 10¹⁵ solar masses, dn/dM ∝ M^-1.9. Each has a central galaxy and, in the mean,
/// (M / 10^12.8 M☉)^0.9 others, with the density of an isothermal sphere out to its virial radius and a velocity
/// dispersion √(GM / 2R) along the line of sight, so that groups have fingers of god. Luminosities follow a Schechter
/// function (M* = -20.8, α = -1.1), brightest in the centre. There is no large-scale structure. It is for tests, benches
/// and a first tuning, and no substitute for a simulation.
///
/// # Examples
///
/// ```
/// use radio_fof::{Comparison, Density, RedshiftFof};
/// use radio_fof::mock::MockSurvey;
///
/// let mock = MockSurvey::new(2000).make()?;
/// let fof = RedshiftFof::new(0.06, 18.0, Density::fitted(mock.area_square_degrees));
/// let labels = fof.link(&mock.survey())?;
/// let comparison = Comparison::new(labels.view(), mock.halo.view(), 5)?;
/// assert!(comparison.found.purity > 0.5);
/// # Ok::<(), radio_fof::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct MockSurvey {
    galaxies: usize,
    area_square_degrees: f64,
    max_redshift: f64,
    faintest: f64,
    seed: u64,
}

/// Galaxies of a [`MockSurvey`], one value each.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MockGalaxies {
    /// Right ascension, degrees.
    pub ra: Vec<f64>,
    /// Declination, degrees.
    pub dec: Vec<f64>,
    /// Redshift, with the galaxy's own velocity.
    pub z: Vec<f64>,
    /// Apparent magnitude.
    pub magnitude: Vec<f64>,
    /// Absolute magnitude.
    pub absolute_magnitude: Vec<f64>,
    /// Number of the halo; -1 for a galaxy that is the only one of its halo in the survey.
    pub halo: Array1<i64>,
    /// Solid angle of the survey in square degrees.
    pub area_square_degrees: f64,
}

impl MockGalaxies {
    /// The galaxies as a survey, with their absolute magnitudes.
    pub fn survey(&self) -> Survey<'_> {
        Survey::new(&self.ra, &self.dec, &self.z).absolute_magnitudes(&self.absolute_magnitude)
    }
}

const LEAST_MASS_MSUN: f64 = 1e12;
const MOST_MASS_MSUN: f64 = 1e15;
const MASS_SLOPE: f64 = -1.9;
/// Absolute magnitudes of the brightest and the faintest galaxies.
const BRIGHTEST: f64 = -23.5;
const FAINTEST: f64 = -17.0;
/// Nodes of the tables that are interpolated.
const NODES: usize = 2048;

impl MockSurvey {
    /// A survey of this many galaxies.
    pub fn new(galaxies: usize) -> Self {
        Self {
            galaxies,
            area_square_degrees: 8000.0,
            max_redshift: 0.3,
            faintest: 17.8,
            seed: 1,
        }
    }

    /// Its solid angle, around (180°, 0°). Default: 8000 square degrees.
    pub fn area_square_degrees(mut self, area: f64) -> Self {
        self.area_square_degrees = area;
        self
    }

    /// Where it ends. Default: 0.3.
    pub fn max_redshift(mut self, max_redshift: f64) -> Self {
        self.max_redshift = max_redshift;
        self
    }

    /// The faintest apparent magnitude. Default: 17.8.
    pub fn faintest(mut self, faintest: f64) -> Self {
        self.faintest = faintest;
        self
    }

    /// The same seed makes the same survey. Default: 1.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Makes the galaxies, in the default cosmology, in no order.
    ///
    /// # Errors
    ///
    /// [`Error::Option`](crate::Error::Option) for an area beyond the whole sky, and for a limit that is so bright
    /// that hardly any galaxy is in the survey.
    ///
    /// # Complexity
    ///
    /// A few µs per galaxy.
    pub fn make(&self) -> Result<MockGalaxies> {
        let area = self.area_square_degrees;
        check_option(
            area > 0.0 && area <= WHOLE_SKY_SQUARE_DEGREES,
            "area_square_degrees",
            area,
            "positive, at most 41253",
        )?;
        let depth_is_good = self.max_redshift > 0.003 && self.max_redshift <= 10.0;
        check_option(depth_is_good, "max_redshift", self.max_redshift, "between 0.003 and 10")?;
        let faintest_is_good = self.faintest >= 10.0 && self.faintest.is_finite();
        check_option(faintest_is_good, "faintest", self.faintest, "at least 10")?;

        let cosmology = Cosmology::default();
        let sky = Sky::new(&cosmology, self.max_redshift, area);
        let schechter = Schechter::new();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let mut galaxies = Vec::new();
        let mut halo = 0;
        let mut empty = 0;
        while galaxies.len() < self.galaxies {
            let begin = galaxies.len();
            self.fill(halo, &cosmology, &sky, &schechter, &mut random, &mut galaxies);
            if galaxies.len() == begin + 1 {
                galaxies[begin].halo = -1;
            }
            halo += i64::from(galaxies.len() > begin + 1);
            empty = if galaxies.len() > begin { 0 } else { empty + 1 };
            let expected = "a fainter limit: not one of a million halos has a galaxy that is bright enough";
            check_option(empty < 1_000_000, "faintest", self.faintest, expected)?;
        }
        galaxies.truncate(self.galaxies);
        // The last halo may have lost all but one.
        if let [.., before, last] = &mut galaxies[..]
            && before.halo != last.halo
        {
            last.halo = -1;
        }
        for i in (1..galaxies.len()).rev() {
            galaxies.swap(i, random.random_range(0..=i));
        }
        let column = |of: fn(&Galaxy) -> f64| galaxies.iter().map(of).collect();
        Ok(MockGalaxies {
            ra: column(|g| g.ra),
            dec: column(|g| g.dec),
            z: column(|g| g.z),
            magnitude: column(|g| g.magnitude),
            absolute_magnitude: column(|g| g.absolute_magnitude),
            halo: galaxies.iter().map(|g| g.halo).collect(),
            area_square_degrees: area,
        })
    }

    /// Adds those galaxies of one halo that are bright enough.
    fn fill(
        &self,
        halo: i64,
        cosmology: &Cosmology,
        sky: &Sky,
        schechter: &Schechter,
        random: &mut Xoshiro256PlusPlus,
        galaxies: &mut Vec<Galaxy>,
    ) {
        let (distance, z) = sky.depth(random);
        let modulus = sky.modulus.at(z);
        // Only galaxies that are bright enough are made.
        let bright = schechter.brighter_than(self.faintest - modulus);
        if bright <= 0.0 {
            return;
        }
        let mass = power_law(random.random(), LEAST_MASS_MSUN, MOST_MASS_MSUN, MASS_SLOPE);
        let others = bright * (mass / 10_f64.powf(12.8)).powf(0.9);
        // A mean that is too small for the distribution is no galaxy.
        let others = Poisson::new(others).map_or(0.0, |number| number.sample(random)) as usize;
        let count = others + usize::from(random.random_bool(bright));
        if count == 0 {
            return;
        }
        let mut magnitudes: Vec<f64> = (0..count).map(|_| schechter.draw(bright, random)).collect();
        magnitudes.sort_unstable_by(f64::total_cmp);

        let centre = sky.direction(random);
        let hubble = cosmology.hubble_km_s_mpc(z);
        let radius = (GRAVITY * mass / (100.0 * hubble * hubble)).cbrt();
        let dispersion = (GRAVITY * mass / (2.0 * radius)).sqrt();
        for (k, &absolute_magnitude) in magnitudes.iter().enumerate() {
            // An isothermal sphere has as much mass in every shell of the same thickness.
            let from_centre = if k == 0 {
                0.0
            } else {
                (1.0 + z) * radius * random.random::<f64>()
            };
            let step = isotropic(random);
            let at = [0, 1, 2].map(|axis| distance * centre[axis] + from_centre * step[axis]);
            let velocity = Normal::new(0.0, dispersion).map_or(0.0, |velocity| velocity.sample(random));
            let cosmological = sky.redshift.at(at.iter().map(|x| x * x).sum::<f64>().sqrt());
            let (ra, dec) = ra_dec(&at);
            galaxies.push(Galaxy {
                ra,
                dec,
                z: (cosmological + (1.0 + cosmological) * velocity / SPEED_OF_LIGHT_KM_S).max(1e-4),
                magnitude: absolute_magnitude + modulus,
                absolute_magnitude,
                halo,
            });
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Galaxy {
    ra: f64,
    dec: f64,
    z: f64,
    magnitude: f64,
    absolute_magnitude: f64,
    halo: i64,
}

/// The volume of the survey.
struct Sky {
    farthest: f64,
    /// Half the width in right ascension, degrees, and in the sine of the declination.
    half_ra: f64,
    half_sin_dec: f64,
    redshift: Table,
    modulus: Table,
}

impl Sky {
    fn new(cosmology: &Cosmology, max_redshift: f64, area_square_degrees: f64) -> Self {
        let root = (area_square_degrees / WHOLE_SKY_SQUARE_DEGREES).sqrt();
        // Halos at the far end have galaxies beyond it.
        let deepest = 1.1 * max_redshift + 0.01;
        let z = |node: usize| deepest * (node as f64 / (NODES - 1) as f64).powi(2);
        let distances: Vec<f64> = (0..NODES)
            .map(|node| cosmology.comoving_distance_mpc(z(node)))
            .collect();
        let redshifts: Vec<f64> = (0..NODES).map(z).collect();
        let moduli = redshifts
            .iter()
            .map(|&z| cosmology.distance_modulus(z.max(1e-6)))
            .collect();
        Self {
            farthest: cosmology.comoving_distance_mpc(max_redshift),
            half_ra: 180.0 * root,
            half_sin_dec: root,
            redshift: Table(distances, redshifts.clone()),
            modulus: Table(redshifts, moduli),
        }
    }

    /// Comoving distance and redshift of a halo.
    fn depth(&self, random: &mut Xoshiro256PlusPlus) -> (f64, f64) {
        let distance = self.farthest * random.random_range(1e-4..1.0_f64).cbrt();
        (distance, self.redshift.at(distance))
    }

    fn direction(&self, random: &mut Xoshiro256PlusPlus) -> [f64; 3] {
        let ra = 180.0 + self.half_ra * random.random_range(-1.0..1.0);
        let dec = (self.half_sin_dec * random.random_range(-1.0..1.0_f64)).asin();
        direction(ra, dec.to_degrees())
    }
}

/// A function, linear between its nodes.
struct Table(Vec<f64>, Vec<f64>);

impl Table {
    fn at(&self, x: f64) -> f64 {
        interpolate(&self.0, &self.1, x)
    }
}

/// Absolute magnitudes by luminosity function: its integral and the inverse of that.
struct Schechter {
    part: Table,
    magnitude: Table,
}

impl Schechter {
    fn new() -> Self {
        let magnitude = |node: usize| BRIGHTEST + (FAINTEST - BRIGHTEST) * node as f64 / (NODES - 1) as f64;
        let number = |magnitude: f64| {
            let light = 10_f64.powf(-0.4 * (magnitude + 20.8));
            // dn/dM ∝ (L / L*)^(α + 1) exp(-L / L*): Schechter 1976, ApJ 203, 297, in magnitudes.
            light.powf(-0.1) * (-light).exp()
        };
        let mut until = 0.0;
        let mut cumulative = Vec::with_capacity(NODES);
        for node in 0..NODES {
            cumulative.push(until);
            until += number(magnitude(node));
        }
        let last = cumulative[NODES - 1];
        cumulative.iter_mut().for_each(|part| *part /= last);
        let magnitudes: Vec<f64> = (0..NODES).map(magnitude).collect();
        Self {
            part: Table(magnitudes.clone(), cumulative.clone()),
            magnitude: Table(cumulative, magnitudes),
        }
    }

    /// The part of all galaxies that are brighter than a magnitude.
    fn brighter_than(&self, magnitude: f64) -> f64 {
        self.part.at(magnitude.clamp(BRIGHTEST, FAINTEST))
    }

    /// A magnitude, of the brightest part of all galaxies.
    fn draw(&self, brightest: f64, random: &mut Xoshiro256PlusPlus) -> f64 {
        self.magnitude.at(brightest * random.random::<f64>())
    }
}

/// A number between `least` and `most` with a density like its power, from one in [0, 1).
fn power_law(part: f64, least: f64, most: f64, slope: f64) -> f64 {
    let power = slope + 1.0;
    let (low, high) = (least.powf(power), most.powf(power));
    (low + part * (high - low)).powf(1.0 / power)
}

/// A direction, all alike likely.
fn isotropic(random: &mut Xoshiro256PlusPlus) -> [f64; 3] {
    let z: f64 = random.random_range(-1.0..1.0);
    let (sin, cos) = random.random_range(0.0..std::f64::consts::TAU).sin_cos();
    let across = (1.0 - z * z).sqrt();
    [across * cos, across * sin, z]
}
