//! What a survey selects: how many galaxies it would see at each distance if they were spread evenly.

use std::ops::Range;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use crate::cosmology::Cosmology;
use crate::density::{Density, steradians};
use crate::error::{Error, Result, check_column, check_few, check_length, check_option};

/// A survey of all galaxies brighter than an apparent magnitude.
///
/// # Examples
///
/// ```
/// use radio_fof::{Cosmology, MagnitudeLimit};
///
/// // Four galaxies of a survey to magnitude 18 and redshift 0.2.
/// let (z, magnitude) = ([0.05, 0.08, 0.12, 0.15], [15.0, 16.5, 17.8, 17.0]);
/// let selection = MagnitudeLimit::new(18.0).max_redshift(0.2).measure(&z, &magnitude, &Cosmology::default())?;
///
/// let randoms = selection.redshifts(1000, 7);
/// assert!(randoms.iter().all(|&z| z > 0.0 && z <= 0.2));
/// let density = selection.density(100.0).at(&[0.05, 0.19], &Cosmology::default())?;
/// assert!(density[0] > density[1]);
/// # Ok::<(), radio_fof::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct MagnitudeLimit {
    faintest: f64,
    max_redshift: Option<f64>,
    window_mpc: f64,
}

/// The even distribution behind a magnitude-limited sample: its mean density, without the sample's own structures.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Selection {
    cosmology: Cosmology,
    /// Comoving distances between the bins, Mpc.
    edges: Vec<f64>,
    /// Galaxies that an even distribution would have in each bin.
    counts: Vec<f64>,
}

impl MagnitudeLimit {
    /// Galaxies of this apparent magnitude or brighter.
    pub fn new(faintest: f64) -> Self {
        Self {
            faintest,
            max_redshift: None,
            window_mpc: 40.0,
        }
    }

    /// The redshift at which the sample is cut off. Default: that of its farthest galaxy.
    pub fn max_redshift(mut self, max_redshift: f64) -> Self {
        self.max_redshift = Some(max_redshift);
        self
    }

    /// Thickness of the shells, in comoving Mpc, whose over- and underdensities are told from the selection. Default: 40.
    pub fn window_mpc(mut self, window_mpc: f64) -> Self {
        self.window_mpc = window_mpc;
        self
    }

    /// Measures the selection of galaxies with redshifts `z` and apparent magnitudes (of any one band, k correction and
    /// evolution neglected).
    ///
    /// A galaxy can be seen out to the distance at which it reaches the magnitude limit. Each one stands for 1 / V
    /// galaxies per volume within that distance, where V is the volume weighted by how crowded each shell is, and that
    /// in turn is the number of galaxies in the shell over the number that all the others predict there. The two are
    /// found in turn, until they agree: the most likely luminosity function and overdensities.
    ///
    /// # Errors
    ///
    /// [`Error::Option`](crate::Error::Option) for a limit, redshift or window out of range;
    /// [`Error::TooFewRows`](crate::Error::TooFewRows) without galaxies; [`Error::Length`](crate::Error::Length);
    /// [`Error::Value`](crate::Error::Value) for a redshift that is not in (0, maximum] and for a magnitude fainter
    /// than the limit; [`Error::Unmeasurable`] where shells are not connected by galaxies that could be seen in several.
    ///
    /// # Complexity
    ///
    /// O(n) for each of some tens of steps, and for each galaxy the search of one redshift.
    ///
    /// # References
    ///
    /// Cole 2011, MNRAS 416, 739, section 2: randoms are clones of each galaxy in its V_max, their number corrected by
    /// V_max / V_dc. Here the clones' density is computed, not drawn, so it has no noise of its own.
    pub fn measure(&self, z: &[f64], magnitudes: &[f64], cosmology: &Cosmology) -> Result<Selection> {
        let farthest = z.iter().copied().fold(0.0, f64::max);
        let max_redshift = self.max_redshift.unwrap_or(farthest);
        self.check(max_redshift, z, magnitudes)?;
        let depth = cosmology.comoving_distance_mpc(max_redshift);
        let bins = (depth / self.window_mpc).ceil().clamp(1.0, 1e6) as usize;
        let edges: Vec<f64> = (0..=bins).map(|bin| depth * bin as f64 / bins as f64).collect();
        let volumes: Vec<f64> = edges
            .windows(2)
            .map(|edge| cosmology.shell_volume(edge[0], edge[1]))
            .collect();
        let bin_of = |distance: f64| ((distance / depth * bins as f64) as usize).min(bins - 1);

        let mut observed = vec![0.0; bins];
        for &z in z {
            observed[bin_of(cosmology.comoving_distance_mpc(z))] += 1.0;
        }
        // The last bin in which a galaxy could be seen, and the part of its volume in which it could.
        let visible = |(&z, &magnitude): (&f64, &f64)| {
            let modulus = cosmology.distance_modulus(z) + self.faintest - magnitude;
            let own = cosmology.comoving_distance_mpc(z);
            let limit = cosmology.redshift_at_distance_modulus(modulus);
            let limit = if limit < max_redshift {
                cosmology.comoving_distance_mpc(limit)
            } else {
                depth
            };
            // It can be seen where it is, whatever rounding says.
            let distance = limit.max(own);
            let bin = bin_of(distance);
            let part = cosmology.shell_volume(edges[bin], distance) / volumes[bin];
            (bin, if bin == bin_of(own) { part.max(LEAST_PART) } else { part })
        };
        let visible: Vec<(usize, f64)> = z.par_iter().zip(magnitudes).map(visible).collect();
        let counts = even_counts(&observed, &volumes, &visible).ok_or(Error::Unmeasurable {
            what: "a selection",
            reason: "too few galaxies could be seen in several shells to tell shells from each other; widen the window",
        })?;
        Ok(Selection {
            cosmology: *cosmology,
            edges,
            counts,
        })
    }

    fn check(&self, max_redshift: f64, z: &[f64], magnitudes: &[f64]) -> Result<()> {
        check_option(self.faintest.is_finite(), "faintest", self.faintest, "finite")?;
        let window_is_good = self.window_mpc > 0.0 && self.window_mpc.is_finite();
        check_option(window_is_good, "window_mpc", self.window_mpc, "positive and finite")?;
        check_few(z.len(), 1, "redshifts to measure a selection from")?;
        check_length("magnitude", magnitudes.len(), "z", z.len())?;
        let limit_is_good = max_redshift > 0.0 && max_redshift.is_finite();
        check_option(limit_is_good, "max_redshift", max_redshift, "positive and finite")?;
        check_column("z", z, "in (0, max_redshift]; select such galaxies first", |z| {
            z > 0.0 && z <= max_redshift
        })?;
        let expected = "finite and not fainter than the limit; drop the row or raise the limit";
        check_column("magnitude", magnitudes, expected, |magnitude| {
            magnitude.is_finite() && magnitude <= self.faintest
        })
    }
}

/// A galaxy can be seen in this part of its own bin, at least: at the near edge of a bin it would weigh without bounds.
const LEAST_PART: f64 = 1e-3;

/// The expected count in each bin, from those observed, the bins' volumes and how far each galaxy could be seen; none where
/// that does not settle.
fn even_counts(observed: &[f64], volumes: &[f64], visible: &[(usize, f64)]) -> Option<Vec<f64>> {
    const MOST_STEPS: usize = 5000;
    let total: f64 = observed.iter().sum();
    let mut crowding = vec![1.0; observed.len()];
    let mut counts = vec![0.0; observed.len()];
    for _ in 0..MOST_STEPS {
        let weighted: Vec<f64> = volumes
            .iter()
            .zip(&crowding)
            .map(|(volume, crowding)| volume * crowding)
            .collect();
        let mut before = vec![0.0; observed.len()];
        for bin in 1..before.len() {
            before[bin] = before[bin - 1] + weighted[bin - 1];
        }
        // Of the galaxies that could last be seen in a bin: those in the whole bin, and those in the bins before it.
        let (mut in_part, mut in_whole) = (vec![0.0; observed.len()], vec![0.0; observed.len()]);
        for &(bin, part) in visible {
            let share = 1.0 / (before[bin] + part * weighted[bin]);
            in_part[bin] += part * share;
            in_whole[bin] += share;
        }
        let last = std::mem::take(&mut counts);
        let mut farther = 0.0;
        counts = vec![0.0; observed.len()];
        for bin in (0..counts.len()).rev() {
            counts[bin] = volumes[bin] * (farther + in_part[bin]);
            farther += in_whole[bin];
        }
        // Crowding is relative: an even sample has as many galaxies as this one.
        let scale = total / counts.iter().sum::<f64>();
        counts.iter_mut().for_each(|count| *count *= scale);
        let moved: f64 = counts.iter().zip(&last).map(|(count, last)| (count - last).abs()).sum();
        if moved <= 1e-7 * total {
            return Some(counts);
        }
        for ((crowding, observed), count) in crowding.iter_mut().zip(observed).zip(&counts) {
            // A shell beyond the reach of every galaxy has none.
            *crowding = if *count > 0.0 { observed / count } else { 0.0 };
        }
    }
    None
}

impl Selection {
    /// The mean density as a function of redshift, for a survey of this solid angle. An area that is no positive number is
    /// refused where the density is used.
    pub fn density(&self, area_square_degrees: f64) -> Density {
        let steradians = steradians(area_square_degrees);
        let node = |bin: usize| {
            let (near, far) = (self.edges[bin], self.edges[bin + 1]);
            let density = self.counts[bin] / (steradians * self.cosmology.shell_volume(near, far));
            (
                self.cosmology.redshift_at_comoving_distance_mpc(0.5 * (near + far)),
                density,
            )
        };
        let (z, density): (Vec<f64>, Vec<f64>) = self.seen().map(node).unzip();
        Density::table(&z, &density)
    }

    /// A random catalogue: redshifts of galaxies spread evenly, as this survey would select them, the same for the same
    /// seed. Give them right ascensions and declinations from the survey's footprint.
    ///
    /// # Complexity
    ///
    /// Some 2 µs each: a distance is turned into a redshift.
    pub fn redshifts(&self, count: usize, seed: u64) -> Vec<f64> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut until = 0.0;
        let cumulative: Vec<f64> = self
            .counts
            .iter()
            .map(|count| {
                until += count;
                until
            })
            .collect();
        let mut distance = || {
            let at = random.random_range(0.0..until);
            let bin = cumulative
                .partition_point(|&until| until <= at)
                .min(self.counts.len() - 1);
            let (near, far) = (self.edges[bin], self.edges[bin + 1]);
            // Even in volume: in proportion to the area of the sphere. A shell of a closed universe can hold the largest.
            let area = |distance: f64| self.cosmology.transverse(distance).powi(2);
            let most = area(near)
                .max(area(far))
                .max(area(self.cosmology.equator().clamp(near, far)));
            loop {
                let distance = random.random_range(near..far);
                if random.random_range(0.0..most) < area(distance) {
                    return distance;
                }
            }
        };
        let distances: Vec<f64> = (0..count).map(|_| distance()).collect();
        distances
            .par_iter()
            .map(|&distance| self.cosmology.redshift_at_comoving_distance_mpc(distance))
            .collect()
    }

    /// The bins in which any galaxy could be seen.
    fn seen(&self) -> Range<usize> {
        0..self
            .counts
            .iter()
            .rposition(|&count| count > 0.0)
            .map_or(0, |last| last + 1)
    }
}
