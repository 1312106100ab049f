//! The number density of galaxies along the survey.

use crate::cosmology::Cosmology;
use crate::error::{Result, check_option};

/// Solid angle of the whole sky in square degrees, rounded up.
const WHOLE_SKY_SQUARE_DEGREES: f64 = 41_253.0;

/// How many galaxies like the observed ones there are per comoving Mpc³. Linking lengths are proportional to
/// density^(-1/3), so that groups mean the same at every distance.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Density {
    /// The same everywhere, in galaxies per Mpc³: for volume-limited samples.
    Constant(f64),
    /// A running density, measured from the sample itself. See [`Density::measured`].
    #[non_exhaustive]
    Measured {
        /// Solid angle of the survey in square degrees.
        area_square_degrees: f64,
        /// Full width of the running window in Mpc.
        window_mpc: f64,
    },
}

impl Density {
    /// A running density, measured from the sample itself and the solid angle that it covers: at each galaxy, the
    /// number of galaxies within 20 Mpc in front of it and behind it (along the line of sight, anywhere in the survey),
    /// over the comoving volume of that slice.
    ///
    /// Near the ends of the sample the slice ends with the sample, so that the density does not drop there; a sample
    /// thinner than one window is taken to go on beyond its ends. Galaxies are counted as observed: completeness enters
    /// the linking lengths separately. In a thin survey the largest structures show up in such a density and shorten
    /// their own linking lengths; a wider window ([`Density::window_mpc`]) weakens that.
    ///
    /// # References
    ///
    /// Running densities in windows of 40 Mpc are what Robotham et al. 2011, MNRAS 416, 2640 and its successors use;
    /// they smooth the distances before, which this does not.
    pub fn measured(area_square_degrees: f64) -> Self {
        Self::Measured {
            area_square_degrees,
            window_mpc: 40.0,
        }
    }

    /// Sets the full width of the running window, in Mpc. A constant density has none and stays as it is. Default: 40.
    #[must_use]
    pub fn window_mpc(mut self, width: f64) -> Self {
        if let Self::Measured { window_mpc, .. } = &mut self {
            *window_mpc = width;
        }
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let expected = "positive and finite";
        match *self {
            Self::Constant(density) => check_option(density > 0.0 && density.is_finite(), "density", density, expected),
            Self::Measured {
                area_square_degrees: area,
                window_mpc,
            } => {
                let area_is_good = area > 0.0 && area <= WHOLE_SKY_SQUARE_DEGREES;
                check_option(
                    area_is_good,
                    "area_square_degrees",
                    area,
                    "positive and at most the whole sky, 41253",
                )?;
                check_option(
                    window_mpc > 0.0 && window_mpc.is_finite(),
                    "window_mpc",
                    window_mpc,
                    expected,
                )
            }
        }
    }

    /// The density at each galaxy, in Mpc^-3, from their comoving distances in Mpc.
    pub(crate) fn at(&self, distances: &[f64], cosmology: &Cosmology) -> Vec<f64> {
        match *self {
            Self::Constant(density) => vec![density; distances.len()],
            Self::Measured {
                area_square_degrees,
                window_mpc,
            } => {
                let steradians = area_square_degrees * 1_f64.to_radians().powi(2);
                running_density(distances, steradians, window_mpc, cosmology)
            }
        }
    }
}

fn running_density(distances: &[f64], steradians: f64, window_mpc: f64, cosmology: &Cosmology) -> Vec<f64> {
    let mut sorted = distances.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let (nearest, farthest) = match (sorted.first(), sorted.last()) {
        (Some(&nearest), Some(&farthest)) if farthest - nearest >= window_mpc => (nearest, farthest),
        _ => (0.0, f64::INFINITY),
    };
    let density_at = |&distance: &f64| {
        let low = (distance - 0.5 * window_mpc).max(nearest);
        let high = (distance + 0.5 * window_mpc).min(farthest);
        let count = sorted.partition_point(|&d| d <= high) - sorted.partition_point(|&d| d < low);
        count as f64 / (steradians * cosmology.shell_volume(low, high))
    };
    distances.iter().map(density_at).collect()
}
