//! Groups of two.

use rayon::prelude::*;

use crate::constants::SPEED_OF_LIGHT_KM_S;
use crate::cosmology::Cosmology;
use crate::error::{Result, check_length};
use crate::groups::Groups;
use crate::properties::{centre_of_light, check_distance, chord, ra_dec};
use crate::survey::Survey;

/// A group of exactly two galaxies. From [`Groups::pairs`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pair {
    /// Number of the group, as in the labels.
    pub group_id: i64,
    /// Rows of the two galaxies, the smaller one first.
    pub rows: [u32; 2],
    /// Angle between them, arcseconds.
    pub separation_arcsec: f64,
    /// Distance across the line of sight at their mean redshift, comoving Mpc.
    pub projected_mpc: f64,
    /// Difference of their velocities, c |z1 - z2| / (1 + their mean), km/s.
    pub velocity_difference_km_s: f64,
    /// Right ascension of their centre of light, degrees.
    pub ra: f64,
    /// Declination of their centre of light, degrees.
    pub dec: f64,
    /// Their redshifts, averaged by light.
    pub z: f64,
    /// Absolute magnitude of both together; `None` where the survey has no magnitudes.
    pub absolute_magnitude: Option<f64>,
}

impl Groups {
    /// The pairs: all groups of exactly two members, in the order of their numbers.
    ///
    /// Nessie's pair table has the difference of the redshifts in its column of velocities, and degrees.
    ///
    /// # Errors
    ///
    /// As [`Groups::properties`].
    ///
    /// # Complexity
    ///
    /// O(n).
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::array;
    /// use radio_fof::{Cosmology, Groups, Survey};
    ///
    /// let survey = Survey::new(&[10.0, 10.0], &[0.0, 0.1], &[0.100, 0.101]);
    /// let pair = &Groups::from_labels(array![0, 0].view())?.pairs(&survey, &Cosmology::default())?[0];
    /// assert!((pair.separation_arcsec - 360.0).abs() < 1e-3);
    /// assert!((pair.velocity_difference_km_s - 272.4).abs() < 0.1);
    /// # Ok::<(), radio_fof::Error>(())
    /// ```
    pub fn pairs(&self, survey: &Survey<'_>, cosmology: &Cosmology) -> Result<Vec<Pair>> {
        survey.check()?;
        check_length("ra", survey.len(), "label", self.rows())?;
        let pair = |group: usize| match *self.members(group) {
            [first, second] => Some(pair(group, [first, second], survey, cosmology)),
            _ => None,
        };
        (0..self.len()).into_par_iter().filter_map(pair).collect()
    }
}

fn pair(group: usize, rows: [u32; 2], survey: &Survey<'_>, cosmology: &Cosmology) -> Result<Pair> {
    let directions = rows.map(|row| survey.direction(row as usize));
    let light = rows.map(|row| survey.light(row as usize));
    let z = rows.map(|row| survey.z[row as usize]);
    let mean_z = 0.5 * (z[0] + z[1]);
    let chord = chord(&directions[0], &directions[1]);
    let transverse = check_distance(cosmology.transverse_comoving_distance_mpc(mean_z), rows[0], mean_z)?;
    let (ra, dec) = ra_dec(&centre_of_light(&directions, &light));
    Ok(Pair {
        group_id: group as i64,
        rows,
        separation_arcsec: (2.0 * (0.5 * chord).min(1.0).asin()).to_degrees() * 3600.0,
        projected_mpc: chord * transverse,
        velocity_difference_km_s: SPEED_OF_LIGHT_KM_S * (z[0] - z[1]).abs() / (1.0 + mean_z),
        ra,
        dec,
        z: (light[0] * z[0] + light[1] * z[1]) / (light[0] + light[1]),
        absolute_magnitude: survey.total_magnitude(&rows),
    })
}
