//! Friends of friends in redshift surveys.

use std::sync::{Mutex, PoisonError};

use ndarray::{Array1, Array2};
use rayon::prelude::*;

use crate::constants::GRAVITY;
use crate::cosmology::Cosmology;
use crate::density::Density;
use crate::error::{Error, Result, check_option};
use crate::labels::number_groups;
use crate::sets::DisjointSets;
use crate::sky::{self, Galaxy};
use crate::survey::Survey;

/// G in Mpc (km/s)² per solar mass, with the older values that Nessie uses: G = 6.67384e-11, M☉ = 1.9891e30 kg, 1 Mpc = 3.08567758e22 m.
const GRAVITY_NESSIE: f64 = 6.673_84e-11 * 1.989_1e30 / 3.085_677_58e22 * 1e-6;

/// Friends-of-friends groups of galaxies in a redshift survey, after Robotham et al. 2011.
///
/// Redshifts mix distance and velocity, so groups look stretched along the line of sight, and the sample thins out with
/// distance. Hence each galaxy has two linking lengths of its own. With ρ the number density at its redshift, c its
/// completeness, D and D_M its line-of-sight and transverse comoving distance, E = H(z)/H0:
///
/// - g = b0 (ρ c)^(-1/3), but at most the virial radius (comoving, at 200 times the critical density) of a halo of the
///   largest mass: the length across the line of sight, in comoving Mpc;
/// - θ = g / D_M, in radians;
/// - L = g r0 (1 + z) / E, but at most (1 + z) σ / H(z), with σ the velocity scale √(2GM/R) of that halo: the length
///   along the line of sight, in comoving Mpc.
///
/// Galaxies i and j are friends when |D_i - D_j| ≤ (L_i + L_j) / 2 and the chord between their directions on the unit
/// sphere is at most (θ_i + θ_j) / 2 (both inclusive). A group is everything that chains of friends reach.
///
/// # Examples
///
/// ```
/// use radio_fof::{Density, RedshiftFof, Survey};
///
/// // A pair across RA 0, a galaxy far behind it, and one far away on the sky.
/// let (ra, dec, z) = ([359.99, 0.01, 0.0, 90.0], [0.0; 4], [0.1, 0.101, 0.2, 0.1]);
/// let fof = RedshiftFof::new(0.06, 18.0, Density::Constant(2e-3));
/// assert_eq!(fof.link(&Survey::new(&ra, &dec, &z))?.to_vec(), [0, 0, -1, -1]);
/// # Ok::<(), radio_fof::Error>(())
/// ```
///
/// # References
///
/// Robotham et al. 2011, MNRAS 416, 2640 (GAMA groups), section 2. The caps by a halo's radius and velocity are those
/// of the group finder Nessie, which [`RedshiftFof::nessie_compatible`] reproduces.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct RedshiftFof {
    b0: f64,
    r0: f64,
    density: Density,
    cosmology: Cosmology,
    max_mass_msun: f64,
    min_members: usize,
    convention: Convention,
}

/// Where a galaxy is, and how far its neighbours are in the mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    direction: [f64; 3],
    /// Along the line of sight, comoving Mpc.
    distance: f64,
    /// (ρ c)^(-1/3), Mpc.
    separation: f64,
}

/// What unit is b0 ρ^(-1/3) in, and how heavy is the Sun?
#[derive(Clone, Copy, Debug, PartialEq)]
enum Convention {
    /// Everything in Mpc.
    Consistent,
    /// As Nessie does it.
    Nessie,
}

impl RedshiftFof {
    /// `b0`: linking length across the line of sight in mean separations of galaxies; `r0`: how many times longer it is
    /// along the line of sight, at z = 0; `density`: of galaxies, which gives the mean separation.
    ///
    /// There is no default for any of them: 0.06, 18 and a measured density are a start, a mock catalogue gives better.
    pub fn new(b0: f64, r0: f64, density: Density) -> Self {
        Self {
            b0,
            r0,
            density,
            cosmology: Cosmology::default(),
            max_mass_msun: 1e15,
            min_members: 2,
            convention: Convention::Consistent,
        }
    }

    /// The cosmology that turns redshifts into distances. Default: flat, H0 = 70 km/s/Mpc, Ω_m = 0.3.
    pub fn cosmology(mut self, cosmology: Cosmology) -> Self {
        self.cosmology = cosmology;
        self
    }

    /// The largest halo mass, in solar masses: it caps both linking lengths. Default: 1e15.
    pub fn max_mass_msun(mut self, max_mass_msun: f64) -> Self {
        self.max_mass_msun = max_mass_msun;
        self
    }

    /// Sets of fewer galaxies than this are no groups. At least 1. Default: 2.
    pub fn min_members(mut self, min_members: usize) -> Self {
        self.min_members = min_members;
        self
    }

    /// Finds the groups that Nessie 1.1 finds with the same numbers.
    ///
    /// Nessie divides g by h = H0/100 once more in θ = g / (h D) and in L = g r0 (1 + z) / (h E), although lengths are
    /// in Mpc already. Away from the caps this is the same as the default with b0 / h instead of b0, and with H0 = 100
    /// there is no difference. The caps differ with every H0, by one part in 10⁴: Nessie takes slightly older values for
    /// G and the mass of the Sun.
    pub fn nessie_compatible(mut self) -> Self {
        self.convention = Convention::Nessie;
        self
    }

    /// Gives every galaxy the number of its group.
    ///
    /// The result has shape `(n,)`: groups count from 0 in the order of their first galaxy, and -1 marks a galaxy
    /// outside every group. It does not depend on the number of threads.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for an option out of range; [`Error::Length`] where columns differ in length; [`Error::Value`] for
    /// the first right ascension or declination that is not on the sky, redshift that is not positive or beyond the reach of
    /// the cosmology (the antipode of a closed universe), completeness outside (0, 1] or magnitude outside ±100;
    /// [`Error::TooManyRows`]; and what [`Density::at`] cannot measure.
    ///
    /// # Complexity
    ///
    /// O(n log n + p): p is the number of pairs that lie within about the larger one of their linking angles and four
    /// linking lengths along the line of sight. O(n) memory (about 200 bytes per galaxy).
    pub fn link(&self, survey: &Survey<'_>) -> Result<Array1<i64>> {
        self.link_places(survey, &self.places(survey)?)
    }

    /// All friends: the rows of both, shape `(links, 2)`, the smaller one first, in increasing order.
    ///
    /// Groups are what these links connect. There can be many of them, about the square of its members in a crowded
    /// group; [`RedshiftFof::link`] does not keep them.
    ///
    /// # Errors
    ///
    /// As [`RedshiftFof::link`].
    ///
    /// # Complexity
    ///
    /// As [`RedshiftFof::link`], and O(m log m) for m links, 8 bytes each.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::array;
    /// use radio_fof::{Density, RedshiftFof, Survey};
    ///
    /// let (ra, dec, z) = ([10.0, 10.02, 200.0, 10.04], [0.0; 4], [0.1; 4]);
    /// let fof = RedshiftFof::new(0.02, 18.0, Density::Constant(2e-3));
    /// assert_eq!(fof.links(&Survey::new(&ra, &dec, &z))?, array![[0, 1], [1, 3]]);
    /// # Ok::<(), radio_fof::Error>(())
    /// ```
    pub fn links(&self, survey: &Survey<'_>) -> Result<Array2<u32>> {
        let galaxies = self.galaxies(survey, &self.places(survey)?)?;
        let links = Mutex::new(Vec::new());
        sky::visit_friends(&galaxies, |i, j| {
            let link = [i.min(j), i.max(j)];
            links.lock().unwrap_or_else(PoisonError::into_inner).push(link);
        });
        let mut links = links.into_inner().unwrap_or_else(PoisonError::into_inner);
        links.par_sort_unstable();
        Ok(links.into())
    }

    /// What does not depend on b0 and r0, after checking options and data.
    pub(crate) fn places(&self, survey: &Survey<'_>) -> Result<Vec<Place>> {
        self.check()?;
        survey.check()?;
        let distance = |&z: &f64| self.cosmology.comoving_distance_mpc(z);
        let distances: Vec<f64> = survey.z.par_iter().map(distance).collect();
        let density = self.density.at_distances(survey.z, &distances, &self.cosmology)?;
        let place = |row: usize| Place {
            direction: survey.direction(row),
            distance: distances[row],
            separation: (density[row] * survey.completeness_of(row)).cbrt().recip(),
        };
        Ok((0..survey.len()).into_par_iter().map(place).collect())
    }

    pub(crate) fn link_places(&self, survey: &Survey<'_>, places: &[Place]) -> Result<Array1<i64>> {
        let galaxies = self.galaxies(survey, places)?;
        let sets = DisjointSets::new(galaxies.len());
        sky::visit_friends(&galaxies, |i, j| sets.unite(i, j));
        Ok(number_groups(&sets.into_roots(), self.min_members))
    }

    /// What each galaxy's linking lengths are: shape `(n, 2)`, the angle in radians (a chord on the unit sphere) and the
    /// length along the line of sight in comoving Mpc, after the caps. For a look at why galaxies are friends, or are not.
    ///
    /// # Errors
    ///
    /// As [`RedshiftFof::link`].
    pub fn linking_lengths_of(&self, survey: &Survey<'_>) -> Result<Array2<f64>> {
        let galaxies = self.galaxies(survey, &self.places(survey)?)?;
        let lengths: Vec<[f64; 2]> = galaxies.iter().map(|galaxy| [galaxy.theta, galaxy.reach]).collect();
        Ok(lengths.into())
    }

    /// The same, with other linking lengths.
    pub(crate) fn with_lengths(&self, b0: f64, r0: f64) -> Self {
        Self { b0, r0, ..self.clone() }
    }

    pub(crate) fn lengths(&self) -> (f64, f64) {
        (self.b0, self.r0)
    }

    fn check(&self) -> Result<()> {
        for (name, value) in [("b0", self.b0), ("r0", self.r0), ("max_mass_msun", self.max_mass_msun)] {
            check_option(value > 0.0 && value.is_finite(), name, value, "positive and finite")?;
        }
        check_option(self.min_members > 0, "min_members", self.min_members, "at least 1")?;
        self.density.check()
    }

    /// Positions and linking lengths.
    fn galaxies(&self, survey: &Survey<'_>, places: &[Place]) -> Result<Vec<Galaxy>> {
        let galaxy = |(place, &z): (&Place, &f64)| {
            let transverse = self.cosmology.transverse(place.distance);
            let (theta, reach) = self.linking_lengths(z, transverse, place.separation);
            Galaxy {
                direction: place.direction,
                distance: place.distance,
                theta,
                reach,
            }
        };
        let galaxies: Vec<Galaxy> = places.par_iter().zip(survey.z).map(galaxy).collect();
        let is_usable = |g: &Galaxy| g.theta > 0.0 && [g.distance, g.theta, g.reach].iter().all(|v| v.is_finite());
        match galaxies.iter().position(|galaxy| !is_usable(galaxy)) {
            Some(row) => Err(Error::Value {
                column: "z",
                row,
                value: survey.z[row],
                expected: NO_DISTANCE,
            }),
            None => Ok(galaxies),
        }
    }

    /// The linking angle in radians and the linking length along the line of sight in comoving Mpc of a galaxy.
    fn linking_lengths(&self, z: f64, transverse_mpc: f64, separation_mpc: f64) -> (f64, f64) {
        let (gravity, h) = match self.convention {
            Convention::Consistent => (GRAVITY, 1.0),
            Convention::Nessie => (GRAVITY_NESSIE, self.cosmology.h0_km_s_mpc() / 100.0),
        };
        let hubble = self.cosmology.hubble_km_s_mpc(z);
        // 200 critical densities, 3 H² / (8πG) each, in a sphere of radius R: GM = 100 H² R³.
        let radius = (gravity * self.max_mass_msun / (100.0 * hubble * hubble)).cbrt();
        let velocity = (2.0 * gravity * self.max_mass_msun / radius).sqrt();

        let g = (self.b0 * separation_mpc).min((1.0 + z) * radius);
        let theta = g / (h * transverse_mpc);
        let reach = (g * self.r0 * (1.0 + z) / (h * self.cosmology.e(z))).min((1.0 + z) * velocity / hubble);
        (theta, reach)
    }
}

pub(crate) const NO_DISTANCE: &str = "a redshift with a finite, positive distance in this cosmology; drop the row";
