//! Distances in an expanding universe.

use crate::constants::SPEED_OF_LIGHT_KM_S;
use crate::error::{Result, check_option};
use crate::quadrature::integrate;

/// A universe of matter, curvature and a cosmological constant (ΛCDM; no radiation).
///
/// # Examples
///
/// ```
/// use radio_fof::Cosmology;
///
/// let cosmology = Cosmology::flat(70.0, 0.3)?;
/// assert!((cosmology.comoving_distance_mpc(0.1) - 418.454).abs() < 1e-3);
/// assert_eq!(cosmology, Cosmology::default());
/// # Ok::<(), radio_fof::Error>(())
/// ```
///
/// # References
///
/// Hogg 1999, astro-ph/9905116, eqs. (14) to (16).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cosmology {
    h0_km_s_mpc: f64,
    omega_m: f64,
    omega_lambda: f64,
}

impl Cosmology {
    /// A flat universe: Hubble constant in km/s/Mpc, density of matter today in units of the critical density.
    ///
    /// With H0 = 100 distances come out in Mpc/h.
    ///
    /// # Errors
    ///
    /// [`Error::Option`](crate::Error::Option), see [`Cosmology::new`].
    pub fn flat(h0_km_s_mpc: f64, omega_m: f64) -> Result<Self> {
        Self::new(h0_km_s_mpc, omega_m, 1.0 - omega_m)
    }

    /// A universe that may be curved: Ω_k = 1 - Ω_m - Ω_Λ.
    ///
    /// # Errors
    ///
    /// [`Error::Option`](crate::Error::Option) unless H0 is positive, Ω_m is not negative, all are finite, and
    /// there was a Big Bang (E² is positive at every redshift).
    pub fn new(h0_km_s_mpc: f64, omega_m: f64, omega_lambda: f64) -> Result<Self> {
        let h0_is_good = h0_km_s_mpc > 0.0 && h0_km_s_mpc.is_finite();
        check_option(h0_is_good, "h0_km_s_mpc", h0_km_s_mpc, "positive and finite")?;
        check_option(
            omega_m >= 0.0 && omega_m.is_finite(),
            "omega_m",
            omega_m,
            "finite and not negative",
        )?;
        check_option(omega_lambda.is_finite(), "omega_lambda", omega_lambda, "finite")?;
        let cosmology = Self {
            h0_km_s_mpc,
            omega_m,
            omega_lambda,
        };
        check_option(
            cosmology.has_big_bang(),
            "omega_lambda",
            omega_lambda,
            "small enough for a Big Bang",
        )?;
        Ok(cosmology)
    }

    /// The Hubble constant in km/s/Mpc.
    pub fn h0_km_s_mpc(&self) -> f64 {
        self.h0_km_s_mpc
    }

    /// The density of matter today, in units of the critical density.
    pub fn omega_m(&self) -> f64 {
        self.omega_m
    }

    /// The density of the cosmological constant, in units of today's critical density.
    pub fn omega_lambda(&self) -> f64 {
        self.omega_lambda
    }

    /// The curvature term, 1 - Ω_m - Ω_Λ: positive in an open universe.
    pub fn omega_k(&self) -> f64 {
        1.0 - self.omega_m - self.omega_lambda
    }

    /// The expansion rate at redshift `z` relative to today's, E(z) = H(z) / H0.
    pub fn e(&self, z: f64) -> f64 {
        self.e_squared(1.0 + z).sqrt()
    }

    /// The Hubble parameter H(z) in km/s/Mpc.
    pub fn hubble_km_s_mpc(&self, z: f64) -> f64 {
        self.h0_km_s_mpc * self.e(z)
    }

    /// The comoving distance along the line of sight to redshift `z`, in Mpc: D = c/H0 ∫ dz/E(z).
    ///
    /// The relative error is below 1e-8 from tiny redshifts to 1100, in flat and open universes with Ω_m ≥ 0.02 and
    /// Ω_Λ ≥ 0, and in closed ones with 0 ≤ Ω_Λ ≤ 1. Universes that nearly had a bounce instead of a Big Bang, or that are all but empty of
    /// matter, do worse beyond z = 3.
    ///
    /// # Complexity
    ///
    /// Twenty evaluations of the integrand.
    pub fn comoving_distance_mpc(&self, z: f64) -> f64 {
        // In x = (1 + z)^(-1/2) the integrand is smooth down to the Big Bang:
        // dz/E = -2 dx (Ω_m + Ω_k x² + Ω_Λ x⁶)^(-1/2). The width 1 - x is written so that it keeps its digits at small z.
        let width = -(-0.5 * z.ln_1p()).exp_m1();
        let integrand = |x: f64| {
            let x2 = x * x;
            2.0 / (self.omega_m + x2 * (self.omega_k() + x2 * x2 * self.omega_lambda)).sqrt()
        };
        self.hubble_distance_mpc() * integrate(1.0 - width, width, integrand)
    }

    /// The transverse comoving distance to redshift `z`, in Mpc: times an angle in radians, it is the comoving length
    /// that subtends it. In a flat universe, the comoving distance.
    pub fn transverse_comoving_distance_mpc(&self, z: f64) -> f64 {
        self.transverse(self.comoving_distance_mpc(z))
    }

    /// The transverse comoving distance that belongs to a comoving distance, both in Mpc.
    pub(crate) fn transverse(&self, distance_mpc: f64) -> f64 {
        if self.is_flat() {
            return distance_mpc;
        }
        let omega_k = self.omega_k();
        let radius = self.hubble_distance_mpc() / omega_k.abs().sqrt();
        let angle = distance_mpc / radius;
        radius * if omega_k > 0.0 { angle.sinh() } else { angle.sin() }
    }

    /// The luminosity distance to redshift `z`, in Mpc: (1 + z) times the transverse comoving distance.
    pub fn luminosity_distance_mpc(&self, z: f64) -> f64 {
        (1.0 + z) * self.transverse_comoving_distance_mpc(z)
    }

    /// The distance modulus at redshift `z`, in magnitudes: apparent minus absolute magnitude, without k correction.
    ///
    /// # References
    ///
    /// Hogg 1999, eq. (25): 5 log10(luminosity distance / 10 pc).
    pub fn distance_modulus(&self, z: f64) -> f64 {
        5.0 * self.luminosity_distance_mpc(z).log10() + 25.0
    }

    /// The comoving volume of the shell between redshifts `near` and `far`, in Mpc³ per steradian.
    ///
    /// # References
    ///
    /// Hogg 1999, eq. (28), integrated: D³/3 in a flat universe.
    pub fn comoving_volume_mpc3_per_sr(&self, near: f64, far: f64) -> f64 {
        self.shell_volume(self.comoving_distance_mpc(near), self.comoving_distance_mpc(far))
    }

    /// The redshift at a comoving distance in Mpc, to a relative 1e-12: the inverse of
    /// [`Cosmology::comoving_distance_mpc`]. NaN beyond the distance of redshift 10,000, and where the distance is no
    /// positive number (0 at 0).
    ///
    /// # Complexity
    ///
    /// A handful of distances: Newton's method with bisection as its fallback.
    pub fn redshift_at_comoving_distance_mpc(&self, distance_mpc: f64) -> f64 {
        let slope = |z: f64| self.hubble_distance_mpc() / self.e(z);
        invert(distance_mpc, |z| self.comoving_distance_mpc(z), slope)
    }

    /// The redshift at a distance modulus in magnitudes: the inverse of [`Cosmology::distance_modulus`]. NaN where there
    /// is none below redshift 10,000.
    pub fn redshift_at_distance_modulus(&self, modulus: f64) -> f64 {
        let luminosity_distance = 10_f64.powf(0.2 * (modulus - 25.0));
        let slope = |z: f64| {
            let distance = self.comoving_distance_mpc(z);
            // dD_M/dD = sqrt(1 + Ω_k (D_M H0 / c)²), from the metric.
            let transverse = self.transverse(distance);
            let curved = 1.0 + self.omega_k() * (transverse / self.hubble_distance_mpc()).powi(2);
            transverse + (1.0 + z) * curved.max(0.0).sqrt() * self.hubble_distance_mpc() / self.e(z)
        };
        invert(luminosity_distance, |z| self.luminosity_distance_mpc(z), slope)
    }

    /// The comoving volume, per steradian, between two comoving distances, in Mpc³.
    pub(crate) fn shell_volume(&self, near_mpc: f64, far_mpc: f64) -> f64 {
        if self.is_flat() {
            return (far_mpc - near_mpc) * (near_mpc * (near_mpc + far_mpc) + far_mpc * far_mpc) / 3.0;
        }
        integrate(near_mpc, far_mpc - near_mpc, |distance| {
            self.transverse(distance).powi(2)
        })
    }

    /// The comoving distance at which spheres are largest, in Mpc; infinite unless the universe is closed.
    pub(crate) fn equator(&self) -> f64 {
        if self.is_flat() || self.omega_k() > 0.0 {
            return f64::INFINITY;
        }
        std::f64::consts::FRAC_PI_2 * self.hubble_distance_mpc() / self.omega_k().abs().sqrt()
    }

    /// Sums like 0.3 + 0.7 leave a curvature of a few 1e-17, which is none.
    fn is_flat(&self) -> bool {
        self.omega_k().abs() < 1e-14
    }

    pub(crate) fn hubble_distance_mpc(&self) -> f64 {
        SPEED_OF_LIGHT_KM_S / self.h0_km_s_mpc
    }

    /// E² at 1 + z = `y`.
    fn e_squared(&self, y: f64) -> f64 {
        self.omega_lambda + y * y * (self.omega_k() + y * self.omega_m)
    }

    /// Is E² positive for all y = 1 + z ≥ 1? It is 1 at y = 1, and its only other minimum is at -2 Ω_k / (3 Ω_m).
    fn has_big_bang(&self) -> bool {
        if self.omega_m == 0.0 {
            return self.omega_k() >= 0.0;
        }
        let lowest = -2.0 * self.omega_k() / (3.0 * self.omega_m);
        lowest <= 1.0 || self.e_squared(lowest) > 0.0
    }
}

impl Default for Cosmology {
    /// Flat, H0 = 70 km/s/Mpc, Ω_m = 0.3.
    fn default() -> Self {
        Self {
            h0_km_s_mpc: 70.0,
            omega_m: 0.3,
            omega_lambda: 0.7,
        }
    }
}

/// The first z at which the `function`, 0 at 0 and increasing from there, has a value; NaN where it turns back before, or
/// that is not below 10,000.
fn invert(value: f64, function: impl Fn(f64) -> f64, slope: impl Fn(f64) -> f64) -> f64 {
    const FARTHEST: f64 = 1e4;
    if value == 0.0 {
        return 0.0;
    }
    if !(value > 0.0 && value.is_finite()) {
        return f64::NAN;
    }
    // Up to the first place that is beyond it: in closed universes the function turns back.
    let mut low = 0.0;
    let mut high = (value / slope(0.0)).min(1e-3);
    while function(high) < value {
        low = high;
        high *= 1.25;
        if high > FARTHEST || function(high) < function(low) {
            return f64::NAN;
        }
    }
    let mut z = 0.5 * (low + high);
    for _ in 0..200 {
        let excess = function(z) - value;
        *if excess > 0.0 { &mut high } else { &mut low } = z;
        let newton = z - excess / slope(z);
        let next = if low < newton && newton < high {
            newton
        } else {
            0.5 * (low + high)
        };
        if (next - z).abs() <= 1e-13 * next {
            return next;
        }
        z = next;
    }
    z
}
