//! Where things are: a round patch of sky, and clusters in it.

use super::dice::{Dice, Purpose};
use super::target::Class;

/// Centre of the patch in degrees, ICRS. Right ascension 0 lies inside, so that readers meet the wrap, and four pixels of
/// order 6 meet there (sin dec = 1/3), so that a small survey has several tiles.
const CENTRE: Position = Position {
    ra: 0.0,
    dec: 19.471_220_634_490_69,
};
/// DESI's surface density: 6.4 million galaxies on 14,000 square degrees.
const SPECTRA_PER_SQUARE_DEGREE: f64 = 457.0;
/// Matter density of the flat universe that turns megaparsecs into angles (Planck 2018).
const OMEGA_MATTER: f64 = 0.315;
/// Speed of light over the Hubble constant, in Mpc/h.
const HUBBLE_DISTANCE: f64 = LIGHT / 100.0;
/// Members of the cluster to which the size and the velocity dispersion below belong.
const PIVOT_RICHNESS: f64 = 20.0;
/// Rms distance of members from the cluster's axis, in Mpc/h (comoving), at the pivot.
const CLUSTER_RADIUS: f64 = 1.0;
/// Line-of-sight velocity dispersion at the pivot, in km/s: the Finger of God.
const CLUSTER_DISPERSION: f64 = 500.0;

/// Speed of light in km/s.
pub(super) const LIGHT: f64 = 299_792.458;

/// A direction, in degrees, ICRS.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) ra: f64,
    pub(super) dec: f64,
}

impl Position {
    /// The direction of a vector of any length.
    fn from_vector([x, y, z]: [f64; 3]) -> Self {
        let ra = y.atan2(x).to_degrees().rem_euclid(360.0);
        // rem_euclid rounds a tiny negative angle to 360 itself.
        Self {
            ra: if ra < 360.0 { ra } else { 0.0 },
            dec: z.atan2(x.hypot(y)).to_degrees(),
        }
    }

    /// The unit vector.
    fn vector(self) -> [f64; 3] {
        let (sin_ra, cos_ra) = self.ra.to_radians().sin_cos();
        let (sin_dec, cos_dec) = self.dec.to_radians().sin_cos();
        [cos_dec * cos_ra, cos_dec * sin_ra, sin_dec]
    }

    /// The direction `east` and `north` of here, in radians on the tangent plane.
    fn offset(self, east: f64, north: f64) -> Self {
        let (sin_ra, cos_ra) = self.ra.to_radians().sin_cos();
        let (sin_dec, cos_dec) = self.dec.to_radians().sin_cos();
        Self::from_vector([
            cos_dec * cos_ra - east * sin_ra - north * sin_dec * cos_ra,
            cos_dec * sin_ra + east * cos_ra - north * sin_dec * sin_ra,
            sin_dec + north * cos_dec,
        ])
    }

    /// The pixel of this order (NESTED) that the direction lies in.
    pub(super) fn pixel(self, order: u8) -> u64 {
        cdshealpix::nested::hash(order, self.ra.to_radians(), self.dec.to_radians())
    }
}

/// A circle on the sky with room for so many spectra at DESI's surface density, at most the whole sky.
#[derive(Debug)]
pub(super) struct Patch {
    /// One minus the cosine of the radius: the area over 2π.
    height: f64,
}

impl Patch {
    pub(super) fn new(spectra: usize) -> Self {
        let square_degree = 1f64.to_radians().powi(2);
        let area = spectra as f64 / SPECTRA_PER_SQUARE_DEGREE * square_degree;
        Self {
            height: (area / std::f64::consts::TAU).min(2.0),
        }
    }

    /// A direction in the patch, all equally likely.
    pub(super) fn uniform(&self, dice: &mut Dice) -> Position {
        // Equal heights on a sphere have equal areas. The patch is drawn around the equator's origin, then tilted.
        let cos = 1.0 - self.height * dice.uniform(0.0, 1.0);
        let sin = (1.0 - cos * cos).max(0.0).sqrt();
        let (up, right) = dice.uniform(0.0, std::f64::consts::TAU).sin_cos();
        let (tilt_sin, tilt_cos) = CENTRE.dec.to_radians().sin_cos();
        let (x, y, z) = (cos, sin * right, sin * up);
        Position::from_vector([x * tilt_cos - z * tilt_sin, y, x * tilt_sin + z * tilt_cos])
    }

    fn contains(&self, position: Position) -> bool {
        let (a, b) = (position.vector(), CENTRE.vector());
        1.0 - (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) <= self.height
    }
}

/// Galaxies that belong together.
#[derive(Debug)]
pub(super) struct Cluster {
    centre: Position,
    /// Redshift of the centre.
    pub(super) z: f64,
    /// How many members it would like to have.
    pub(super) richness: f64,
    /// Comoving distance in Mpc/h.
    distance: f64,
}

impl Cluster {
    /// Clusters of 2 to 50 members, together about `members`; few are rich (dN/dn ∝ n⁻²).
    pub(super) fn draw_all(members: f64, patch: &Patch, seed: u64) -> Vec<Self> {
        let mut clusters = Vec::new();
        let mut placed = 0.0;
        while placed < members {
            let mut dice = Dice::new(seed, Purpose::Cluster, clusters.len() as u64);
            let richness = 1.0 / dice.uniform(1.0 / 50.0, 1.0 / 2.0);
            let z = Class::draw_galaxy(&mut dice).draw_redshift(&mut dice);
            clusters.push(Self {
                centre: patch.uniform(&mut dice),
                z,
                richness,
                distance: comoving_distance(z),
            });
            placed += richness;
        }
        clusters
    }

    /// Position and redshift of a member, inside the patch.
    ///
    /// Size and velocity dispersion grow with the cube root of the richness, as they do with the mass of a virialized
    /// halo. Sizes are transverse; along the line of sight the velocities stretch the cluster far more.
    pub(super) fn draw_member(&self, patch: &Patch, dice: &mut Dice) -> (Position, f64) {
        let size = (self.richness / PIVOT_RICHNESS).cbrt();
        let sigma = size * CLUSTER_RADIUS * std::f64::consts::FRAC_1_SQRT_2 / self.distance;
        let velocity = size * CLUSTER_DISPERSION * dice.normal();
        let z = self.z + (1.0 + self.z) * velocity / LIGHT;
        // A cluster that is larger than what the patch shows of it would be tried for ever.
        for _ in 0..100 {
            let position = self.centre.offset(sigma * dice.normal(), sigma * dice.normal());
            if patch.contains(position) {
                return (position, z);
            }
        }
        (patch.uniform(dice), z)
    }
}

/// Comoving distance in Mpc/h in a flat universe (Hogg 1999, eqs. 14–15, without curvature and radiation).
fn comoving_distance(z: f64) -> f64 {
    const STEPS: u32 = 64;
    let inverse_e = |z: f64| 1.0 / (OMEGA_MATTER * (1.0 + z).powi(3) + 1.0 - OMEGA_MATTER).sqrt();
    let h = z / f64::from(STEPS);
    let simpson: f64 = (0..=STEPS)
        .map(|i| match i {
            0 | STEPS => inverse_e(h * f64::from(i)),
            _ if i % 2 == 1 => 4.0 * inverse_e(h * f64::from(i)),
            _ => 2.0 * inverse_e(h * f64::from(i)),
        })
        .sum();
    HUBBLE_DISTANCE * simpson * h / 3.0
}
