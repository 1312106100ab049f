//! What groups of galaxies are like.

use std::f64::consts::PI;

use rayon::prelude::*;

use crate::centre::iterative_centre;
use crate::constants::{GRAVITY, SPEED_OF_LIGHT_KM_S};
use crate::cosmology::Cosmology;
use crate::error::{Error, Result, check_length};
use crate::groups::Groups;
use crate::redshift::NO_DISTANCE;
use crate::survey::Survey;

/// The absolute magnitude of the Sun in the r band (AB), for luminosities (Willmer 2018, ApJS 236, 47: 4.65; this is
/// the value of Robotham et al. 2011, which Nessie keeps).
const SUN_ABSOLUTE_MAGNITUDE: f64 = 4.67;

/// A group of galaxies and its properties. Lengths named comoving are; angles are degrees.
///
/// From [`Groups::properties`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Group {
    /// Number of the group, as in the labels.
    pub group_id: i64,
    /// Number of its members.
    pub size: u32,
    /// Row of its central galaxy, by iteration: of all members the one farthest on the sky from their centre of light is
    /// left out, again and again, until two are left; the brighter of these is central. (Robotham et al. 2011, section
    /// 4.2.1.)
    pub centre_row: u32,
    /// Right ascension of the central galaxy, degrees.
    pub ra: f64,
    /// Declination of the central galaxy, degrees.
    pub dec: f64,
    /// Median redshift of the members.
    pub z: f64,
    /// Comoving distance at the median redshift, Mpc.
    pub distance_mpc: f64,
    /// Median distance of the members from the central galaxy, across the line of sight, comoving Mpc.
    pub r50_mpc: f64,
    /// Distance within which 68 % of the members are: one σ. Comoving Mpc.
    pub r68_mpc: f64,
    /// Distance of the farthest member, comoving Mpc.
    pub r100_mpc: f64,
    /// Velocity dispersion along the line of sight, km/s, by the gapper estimate, less the errors of the velocities; 0
    /// where the errors are larger.
    pub velocity_dispersion_km_s: f64,
    /// Root mean square error of the members' velocities, km/s.
    pub velocity_error_km_s: f64,
    /// A / G σ² R50 in solar masses, with A = 10 and R50 as a proper length. (Robotham et al. 2011, eq. 18.)
    pub dynamical_mass_msun: f64,
    /// Mass of the virial theorem in solar masses. (Tempel et al. 2014, eq. 8.)
    pub virial_mass_msun: f64,
    /// Right ascension of the centre of light, degrees.
    pub light_ra: f64,
    /// Declination of the centre of light, degrees.
    pub light_dec: f64,
    /// Row of the brightest member; `None` where the survey has no magnitudes.
    pub brightest_row: Option<u32>,
    /// Absolute magnitude of all members together; `None` where the survey has no magnitudes.
    pub absolute_magnitude: Option<f64>,
    /// Luminosity of all members together, in luminosities of the Sun (r band, 4.67 mag); `None` where the survey has no
    /// magnitudes.
    pub luminosity_lsun: Option<f64>,
}

impl Groups {
    /// Measures the properties of every group that has members, in the order of their numbers.
    ///
    /// Galaxies weigh as their light ([`Survey::absolute_magnitudes`]); without magnitudes they weigh alike.
    ///
    /// The velocity dispersion is the gapper estimate of Beers, Flynn & Gebhardt 1990 (AJ 100, 32), which is steady for
    /// small groups, with Robotham's corrections: for the central galaxy, taken to be at rest, and for errors. With N
    /// velocities c z / (1 + z̃) in order, gaps g_i between them and weights w_i = i (N - i):
    ///
    /// σ_gap = √π / (N (N - 1)) Σ w_i g_i (eq. 16), σ² = N / (N - 1) σ_gap² - σ_err² (eq. 17).
    ///
    /// The virial mass is 2.325e12 M☉ (R_g / Mpc) (√3 σ / 100 km/s)², with R_g = 4.582 σ_sky and σ_sky² = Σ r² / (2 N),
    /// r the proper distance of a member from the centre across the line of sight (Tempel et al. 2014, A&A 566, A1,
    /// eqs. 4 and 8).
    ///
    /// # Where Nessie differs
    ///
    /// σ_err² is the mean of the squared errors here. Nessie takes the mean of the errors themselves for it, so 50 km/s
    /// on every galaxy take away 50 (km/s)² there instead of 2500. Nessie's raw mass has A = 1 and a comoving R50.
    ///
    /// # Errors
    ///
    /// [`Error::Length`](crate::Error::Length) where the survey has another number of rows than the labels, and all that
    /// [`RedshiftFof::link`](crate::RedshiftFof::link) finds wrong with a survey. [`Error::Value`](crate::Error::Value) for
    /// the redshift of a group that has no positive distance in this cosmology.
    ///
    /// # Complexity
    ///
    /// O(n log n), in parallel over groups.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::array;
    /// use radio_fof::{Cosmology, Groups, Survey};
    ///
    /// let (ra, dec, z) = ([150.0, 150.1, 149.9, 10.0], [2.0; 4], [0.1, 0.101, 0.099, 0.2]);
    /// let survey = Survey::new(&ra, &dec, &z).absolute_magnitudes(&[-21.0, -20.0, -20.0, -19.0]);
    /// let groups = Groups::from_labels(array![0, 0, 0, -1].view())?;
    /// let group = &groups.properties(&survey, &Cosmology::default())?[0];
    /// assert_eq!((group.size, group.centre_row, group.brightest_row), (3, 0, Some(0)));
    /// // 0.1 degrees at 418.45 Mpc.
    /// assert!((group.r100_mpc - 0.7299).abs() < 1e-4);
    /// # Ok::<(), radio_fof::Error>(())
    /// ```
    ///
    /// # References
    ///
    /// Robotham et al. 2011, MNRAS 416, 2640, section 4.
    pub fn properties(&self, survey: &Survey<'_>, cosmology: &Cosmology) -> Result<Vec<Group>> {
        survey.check()?;
        check_length("ra", survey.len(), "label", self.rows())?;
        let has_members = |&group: &usize| !self.members(group).is_empty();
        let measure =
            |members: &mut Members, group: usize| members.measure(group, self.members(group), survey, cosmology);
        (0..self.len())
            .into_par_iter()
            .filter(has_members)
            .map_init(Members::default, measure)
            .collect()
    }
}

/// The members of one group; the memory is used again for the next.
#[derive(Debug, Default)]
struct Members {
    directions: Vec<[f64; 3]>,
    light: Vec<f64>,
    sorted: Vec<f64>,
}

impl Members {
    fn measure(&mut self, group: usize, rows: &[u32], survey: &Survey<'_>, cosmology: &Cosmology) -> Result<Group> {
        let rows_of = || rows.iter().map(|&row| row as usize);
        self.directions.clear();
        self.directions.extend(rows_of().map(|row| survey.direction(row)));
        self.light.clear();
        self.light.extend(rows_of().map(|row| survey.light(row)));

        self.sort(rows_of().map(|row| survey.z[row]));
        let z = quantile(&self.sorted, 0.5);
        let distance_mpc = cosmology.comoving_distance_mpc(z);
        let gapper = self.gapper_dispersion(z);
        let squared_error = rows_of().map(|row| survey.velocity_error(row).powi(2)).sum::<f64>() / rows.len() as f64;
        let velocity_dispersion = (gapper * gapper - squared_error).max(0.0).sqrt();

        let centre = iterative_centre(&self.directions, &self.light);
        let transverse = check_distance(cosmology.transverse(distance_mpc), rows[centre], z)?;
        let centre_direction = self.directions[centre];
        let projected = |direction: &[f64; 3]| transverse * chord(direction, &centre_direction);
        let distances: Vec<f64> = self.directions.iter().map(projected).collect();
        let mean_square = distances.iter().map(|r| (r / (1.0 + z)).powi(2)).sum::<f64>() / rows.len() as f64;
        self.sort(distances.into_iter());
        let [r50, r68, r100] = [0.5, 0.68, 1.0].map(|part| quantile(&self.sorted, part));

        let gravitational_radius = 4.582 * (0.5 * mean_square).sqrt();
        let (light_ra, light_dec) = ra_dec(&centre_of_light(&self.directions, &self.light));
        let brightest = (0..rows.len()).fold(0, |best, k| if self.light[k] > self.light[best] { k } else { best });
        let magnitude = survey.total_magnitude(rows);
        Ok(Group {
            group_id: group as i64,
            size: rows.len() as u32,
            centre_row: rows[centre],
            ra: survey.ra[rows[centre] as usize].rem_euclid(360.0),
            dec: survey.dec[rows[centre] as usize],
            z,
            distance_mpc,
            r50_mpc: r50,
            r68_mpc: r68,
            r100_mpc: r100,
            velocity_dispersion_km_s: velocity_dispersion,
            velocity_error_km_s: squared_error.sqrt(),
            dynamical_mass_msun: 10.0 / GRAVITY * velocity_dispersion.powi(2) * r50 / (1.0 + z),
            virial_mass_msun: 2.325e12 * gravitational_radius * 3.0 * (velocity_dispersion / 100.0).powi(2),
            light_ra,
            light_dec,
            brightest_row: magnitude.map(|_| rows[brightest]),
            absolute_magnitude: magnitude,
            luminosity_lsun: magnitude.map(|magnitude| 10_f64.powf(0.4 * (SUN_ABSOLUTE_MAGNITUDE - magnitude))),
        })
    }

    fn sort(&mut self, values: impl Iterator<Item = f64>) {
        self.sorted.clear();
        self.sorted.extend(values);
        self.sorted.sort_unstable_by(f64::total_cmp);
    }

    /// The velocity dispersion of the sorted redshifts in km/s, before the errors are taken away.
    fn gapper_dispersion(&self, median_z: f64) -> f64 {
        let n = self.sorted.len() as f64;
        if n < 2.0 {
            return 0.0;
        }
        let weighted: f64 = (1_u32..)
            .zip(self.sorted.windows(2))
            .map(|(i, z)| f64::from(i) * (n - f64::from(i)) * (z[1] - z[0]))
            .sum();
        let gapper = PI.sqrt() / (n * (n - 1.0)) * weighted * SPEED_OF_LIGHT_KM_S / (1.0 + median_z);
        (n / (n - 1.0)).sqrt() * gapper
    }
}

/// The magnitude whose light is 1, so that light is a number of ordinary size.
const LIGHT_MAGNITUDE: f64 = -20.0;

impl Survey<'_> {
    /// How much a galaxy's position weighs: its light, in units of a galaxy of magnitude -20.
    pub(crate) fn light(&self, row: usize) -> f64 {
        self.absolute_magnitudes
            .map_or(1.0, |magnitudes| 10_f64.powf(0.4 * (LIGHT_MAGNITUDE - magnitudes[row])))
    }

    /// The light of some galaxies together, as an absolute magnitude; `None` where there are no magnitudes.
    pub(crate) fn total_magnitude(&self, rows: &[u32]) -> Option<f64> {
        self.absolute_magnitudes?;
        let light: f64 = rows.iter().map(|&row| self.light(row as usize)).sum();
        Some(LIGHT_MAGNITUDE - 2.5 * light.log10())
    }

    fn velocity_error(&self, row: usize) -> f64 {
        self.velocity_errors_km_s.map_or(0.0, |errors| errors[row])
    }
}

/// A transverse distance, if it is one; beyond the antipode of a closed universe it is not positive.
pub(crate) fn check_distance(transverse_mpc: f64, row: u32, z: f64) -> Result<f64> {
    if transverse_mpc > 0.0 && transverse_mpc.is_finite() {
        return Ok(transverse_mpc);
    }
    Err(Error::Value {
        column: "z",
        row: row as usize,
        value: z,
        expected: NO_DISTANCE,
    })
}

/// The sum of directions, each times its light: it points to the centre of light.
pub(crate) fn centre_of_light(directions: &[[f64; 3]], light: &[f64]) -> [f64; 3] {
    let mut sum = [0.0; 3];
    for (direction, light) in directions.iter().zip(light) {
        for axis in 0..3 {
            sum[axis] += light * direction[axis];
        }
    }
    sum
}

/// Right ascension in [0, 360) and declination of a vector, in degrees.
pub(crate) fn ra_dec(&[x, y, z]: &[f64; 3]) -> (f64, f64) {
    let ra = y.atan2(x).to_degrees();
    let positive = if ra < 0.0 { ra + 360.0 } else { ra };
    // A tiny negative angle has become 360.
    let ra = if positive < 360.0 { positive } else { 0.0 };
    (ra, z.atan2(x.hypot(y)).to_degrees())
}

/// The straight distance of two points on the unit sphere.
pub(crate) fn chord(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    (0..3).map(|axis| (a[axis] - b[axis]).powi(2)).sum::<f64>().sqrt()
}

/// The value below which a part of the sorted values is, linear between them (Hyndman & Fan 1996, type 7: the default of
/// R and NumPy). There is at least one.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = (sorted.len() - 1) as f64 * part;
    let before = place as usize;
    let after = (before + 1).min(sorted.len() - 1);
    sorted[before] + place.fract() * (sorted[after] - sorted[before])
}
