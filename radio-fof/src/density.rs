//! The number density of galaxies along the survey.

use rayon::prelude::*;

use crate::cosmology::Cosmology;
use crate::error::{Error, Result, check_column, check_length, check_option};
use crate::fitted;
use crate::running;
use crate::smoothed;

/// Solid angle of the whole sky in square degrees, rounded up.
pub(crate) const WHOLE_SKY_SQUARE_DEGREES: f64 = 41_253.0;

/// How many galaxies like the observed ones there are per comoving Mpc³. Linking lengths are proportional to
/// density^(-1/3), so that groups mean the same at every distance.
///
/// All but the first and the last are measured from the redshifts of the sample that is linked. Galaxies are counted as
/// observed: completeness enters the linking lengths separately.
///
/// | density | follows | for |
/// |---|---|---|
/// | [`Density::Constant`] | nothing | volume-limited samples |
/// | [`Density::measured`] | every structure wider than 40 Mpc | large areas |
/// | [`Density::smoothed`] | structures of some 100 Mpc | GAMA's and Nessie's choice |
/// | [`Density::fitted`] | the selection alone, with three parameters | small areas, flux limits |
/// | [`Density::table`] | what you know, or [`Selection::density`](crate::Selection::density) | all others |
///
/// # Examples
///
/// ```
/// use radio_fof::{Cosmology, Density};
///
/// // Galaxies spread evenly over a quarter of the sky, 3e-4 per Mpc³ out to z = 0.1, where D is 418 Mpc.
/// let cosmology = Cosmology::default();
/// let z: Vec<f64> = (1..=23_023)
///     .map(|i| cosmology.redshift_at_comoving_distance_mpc(418.454 * (f64::from(i) / 23_023.0).cbrt()))
///     .collect();
/// for density in [Density::measured(10_313.24), Density::smoothed(10_313.24)] {
///     let at = density.at(&z, &cosmology)?;
///     assert!((at[20_000] / 3e-4 - 1.0).abs() < 0.02);
/// }
/// # Ok::<(), radio_fof::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Density {
    /// The same everywhere, in galaxies per Mpc³: for volume-limited samples.
    Constant(f64),
    /// A running density. See [`Density::measured`].
    #[non_exhaustive]
    Measured {
        /// Solid angle of the survey in square degrees.
        area_square_degrees: f64,
        /// Full width of the running window in Mpc.
        window_mpc: f64,
    },
    /// A density smoothed with a Gaussian. See [`Density::smoothed`].
    #[non_exhaustive]
    Smoothed {
        /// Solid angle of the survey in square degrees.
        area_square_degrees: f64,
        /// Standard deviation of the Gaussian in Mpc.
        window_mpc: f64,
    },
    /// A smooth curve through the redshift distribution. See [`Density::fitted`].
    #[non_exhaustive]
    Fitted {
        /// Solid angle of the survey in square degrees.
        area_square_degrees: f64,
    },
    /// A known function of redshift. See [`Density::table`].
    #[non_exhaustive]
    Table {
        /// Increasing redshifts.
        z: Vec<f64>,
        /// Galaxies per Mpc³ at each of them.
        density: Vec<f64>,
    },
}

impl Density {
    /// A running density, measured from the sample itself and the solid angle that it covers: at each galaxy, the
    /// number of galaxies within 20 Mpc in front of it and behind it (along the line of sight, anywhere in the survey),
    /// over the comoving volume of that slice.
    ///
    /// Near the ends of the sample the slice ends with the sample, so that the density does not drop there; a sample
    /// thinner than one window is taken to go on beyond its ends. In a thin survey the largest structures show up in
    /// such a density and shorten their own linking lengths; a wider window ([`Density::window_mpc`]), or
    /// [`Density::fitted`], weakens that.
    ///
    /// # References
    ///
    /// Running densities in windows of 40 Mpc are what Robotham et al. 2011, MNRAS 416, 2640 and its successors use;
    /// they smooth the distances before, see [`Density::smoothed`].
    pub fn measured(area_square_degrees: f64) -> Self {
        Self::Measured {
            area_square_degrees,
            window_mpc: 40.0,
        }
    }

    /// A density smoothed along the line of sight with a Gaussian of 40 Mpc standard deviation: at each distance, the
    /// number of galaxies, each weighted by the Gaussian, over the comoving volume between the nearest and the farthest
    /// galaxy, weighted alike. So an even distribution has its own density everywhere, the ends included. A sample thinner
    /// than the Gaussian is taken to go on beyond its ends; a Gaussian narrower than a 25,000th of the sample's depth is
    /// widened to that.
    ///
    /// # References
    ///
    /// The kernel density estimate of Robotham et al. 2011, MNRAS 416, 2640, and of the program Nessie. They take the
    /// kernel's mean over a window of 40 Mpc besides (which is as if it were 4 % wider) and divide by the volume of that
    /// window alone, so their density falls to half at both ends of the sample and is too low where the volume grows
    /// fast within one kernel.
    pub fn smoothed(area_square_degrees: f64) -> Self {
        Self::Smoothed {
            area_square_degrees,
            window_mpc: 40.0,
        }
    }

    /// The smooth curve dN/dz = A z^α exp(-(z / z_c)^β) that makes the redshifts of the sample most likely, over the
    /// comoving volume per redshift and the solid angle. No structure shows up in it, however large.
    ///
    /// # References
    ///
    /// Baugh & Efstathiou 1993, MNRAS 265, 145, eq. (7), where α = 2 and β = 3/2. Nessie fits all three to a histogram
    /// by least squares, as if every bin were equally certain; here the likelihood is maximised, without bins.
    pub fn fitted(area_square_degrees: f64) -> Self {
        Self::Fitted { area_square_degrees }
    }

    /// A known function of redshift, in galaxies per Mpc³: linear between the given redshifts, constant beyond them.
    pub fn table(z: &[f64], density: &[f64]) -> Self {
        Self::Table {
            z: z.to_vec(),
            density: density.to_vec(),
        }
    }

    /// Sets the window of a measured density (its full width) or of a smoothed one (the standard deviation), in Mpc.
    /// The others have none and stay as they are. Default: 40.
    #[must_use]
    pub fn window_mpc(mut self, width: f64) -> Self {
        if let Self::Measured { window_mpc, .. } | Self::Smoothed { window_mpc, .. } = &mut self {
            *window_mpc = width;
        }
        self
    }

    /// The density at each galaxy of a sample with redshifts `z`, in galaxies per comoving Mpc³.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for an area, a window or a density that is not positive; [`Error::Value`] for a redshift that
    /// is not positive, for the table's first redshift that does not increase, and for a density that is not positive and
    /// finite; [`Error::Length`] for a table of two lengths; [`Error::TooFewRows`] and [`Error::Unmeasurable`] where a curve
    /// cannot be fitted.
    ///
    /// # Complexity
    ///
    /// O(n log n): the distances are sorted.
    pub fn at(&self, z: &[f64], cosmology: &Cosmology) -> Result<Vec<f64>> {
        self.check()?;
        check_column("z", z, "positive and finite; select z > 0 first", |z| {
            z > 0.0 && z.is_finite()
        })?;
        let distances: Vec<f64> = z.par_iter().map(|&z| cosmology.comoving_distance_mpc(z)).collect();
        self.at_distances(z, &distances, cosmology)
    }

    pub(crate) fn check(&self) -> Result<()> {
        let expected = "positive and finite";
        let check_area = |area: f64| {
            let is_good = area > 0.0 && area <= WHOLE_SKY_SQUARE_DEGREES;
            let expected = "positive and at most the whole sky, 41253";
            check_option(is_good, "area_square_degrees", area, expected)
        };
        match self {
            &Self::Constant(density) => {
                check_option(density > 0.0 && density.is_finite(), "density", density, expected)
            }
            &(Self::Measured {
                area_square_degrees,
                window_mpc,
            }
            | Self::Smoothed {
                area_square_degrees,
                window_mpc,
            }) => {
                check_area(area_square_degrees)?;
                let is_good = window_mpc > 0.0 && window_mpc.is_finite();
                check_option(is_good, "window_mpc", window_mpc, expected)
            }
            &Self::Fitted { area_square_degrees } => check_area(area_square_degrees),
            Self::Table { z, density } => check_table(z, density),
        }
    }

    /// The density at each galaxy, in Mpc^-3, from their redshifts and their comoving distances in Mpc.
    pub(crate) fn at_distances(&self, z: &[f64], distances: &[f64], cosmology: &Cosmology) -> Result<Vec<f64>> {
        let densities = match self {
            &Self::Constant(density) => vec![density; distances.len()],
            &Self::Measured {
                area_square_degrees,
                window_mpc,
            } => running::density(distances, steradians(area_square_degrees), window_mpc, cosmology),
            &Self::Smoothed {
                area_square_degrees,
                window_mpc,
            } => smoothed::density(distances, steradians(area_square_degrees), window_mpc, cosmology),
            &Self::Fitted { area_square_degrees } => {
                fitted::density(z, distances, steradians(area_square_degrees), cosmology)?
            }
            Self::Table { z: nodes, density } => z.par_iter().map(|&z| interpolate(nodes, density, z)).collect(),
        };
        let expected = "positive and finite; choose another density, window or area";
        check_column("density", &densities, expected, |density| {
            density > 0.0 && density.is_finite()
        })?;
        Ok(densities)
    }
}

/// A solid angle of so many square degrees, in steradians.
pub(crate) fn steradians(square_degrees: f64) -> f64 {
    square_degrees * 1_f64.to_radians().powi(2)
}

fn check_table(z: &[f64], density: &[f64]) -> Result<()> {
    check_option(!z.is_empty(), "table", z, "at least one redshift")?;
    check_length("density", density.len(), "z", z.len())?;
    let increases = |row: usize| z[row].is_finite() && (row == 0 || z[row - 1] < z[row]);
    if let Some(row) = (0..z.len()).find(|&row| !increases(row)) {
        return Err(Error::Value {
            column: "z of the density table",
            row,
            value: z[row],
            expected: "finite and larger than the one before; sort the table",
        });
    }
    check_column("density", density, "positive and finite", |density| {
        density > 0.0 && density.is_finite()
    })
}

/// Linear between the increasing `nodes`, constant beyond them; there is at least one.
pub(crate) fn interpolate(nodes: &[f64], values: &[f64], at: f64) -> f64 {
    let after = nodes.partition_point(|&node| node <= at);
    if after == 0 {
        return values[0];
    }
    if after == nodes.len() {
        return values[after - 1];
    }
    let fraction = (at - nodes[after - 1]) / (nodes[after] - nodes[after - 1]);
    values[after - 1] + fraction * (values[after] - values[after - 1])
}
