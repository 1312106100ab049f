//! How much structure there is on which scale.

use std::f64::consts::{E, PI};

use super::WebMock;

/// The radius that amplitudes are given for, in Mpc/h.
const EIGHT: f64 = 8.0;

/// The temperature of the microwave background in units of 2.7 K (Fixsen 2009, arXiv:0911.1955).
const THETA: f64 = 2.7255 / 2.7;

/// The linear spectrum of matter at redshift 0, without acoustic waves. [`WebMock::spectrum`] makes it.
///
/// # References
///
/// EisensteinHu1998, eqs. (26) and (28) to (31).
#[derive(Clone, Debug, PartialEq)]
pub struct LinearSpectrum {
    omega_m: f64,
    h: f64,
    n_s: f64,
    /// The sound horizon in Mpc.
    sound_horizon: f64,
    /// What baryons leave of the shape parameter on small scales.
    alpha: f64,
    amplitude: f64,
}

impl LinearSpectrum {
    pub(super) fn new(options: &WebMock) -> Self {
        let matter = options.omega_m * options.h.powi(2);
        let baryons = options.omega_b * options.h.powi(2);
        let fraction = options.omega_b / options.omega_m;
        let mut spectrum = Self {
            omega_m: options.omega_m,
            h: options.h,
            n_s: options.n_s,
            // Eq. (26) of EisensteinHu1998.
            sound_horizon: 44.5 * (9.83 / matter).ln() / (1.0 + 10.0 * baryons.powf(0.75)).sqrt(),
            // Eq. (31).
            alpha: 1.0 - 0.328 * (431.0 * matter).ln() * fraction + 0.38 * (22.3 * matter).ln() * fraction.powi(2),
            amplitude: 1.0,
        };
        spectrum.amplitude = (options.sigma_8 / spectrum.sigma(EIGHT)).powi(2);
        spectrum
    }

    /// The power P(k) in (Mpc/h)³, of a wave number in h/Mpc; 0 where that is not above 0.
    #[must_use]
    pub fn power(&self, k: f64) -> f64 {
        if k > 0.0 {
            self.amplitude * k.powf(self.n_s) * self.transfer(k).powi(2)
        } else {
            0.0
        }
    }

    /// The standard deviation of the mean overdensity in spheres of this radius, in Mpc/h: σ₈ for 8.
    ///
    /// # Complexity
    ///
    /// A sum over 4096 wave numbers.
    #[must_use]
    pub fn sigma(&self, radius_mpc_h: f64) -> f64 {
        // All scales that matter, in equal steps of ln k.
        let (first, last, steps) = (1e-5f64.ln(), 1e3f64.ln(), 4096);
        let step = (last - first) / f64::from(steps);
        let terms = (0..=steps).map(|i| {
            let k = (first + step * f64::from(i)).exp();
            k.powi(3) * self.power(k) * top_hat(k * radius_mpc_h).powi(2)
        });
        (terms.sum::<f64>() * step / (2.0 * PI.powi(2))).sqrt()
    }

    /// The transfer function, 1 for long waves.
    fn transfer(&self, k: f64) -> f64 {
        // Eqs. (30), (28) and (29) of EisensteinHu1998, whose k is in 1/Mpc in the first two.
        let wave = 0.43 * k * self.h * self.sound_horizon;
        let shape = self.omega_m * self.h * (self.alpha + (1.0 - self.alpha) / (1.0 + wave.powi(4)));
        let q = k * THETA.powi(2) / shape;
        let l = (2.0 * E + 1.8 * q).ln();
        let c = 14.2 + 731.0 / (1.0 + 62.5 * q);
        l / (l + c * q * q)
    }
}

/// The Fourier transform of a sphere of radius 1 and volume 1.
pub(super) fn top_hat(x: f64) -> f64 {
    if x < 1e-2 {
        return 1.0 - x * x / 10.0;
    }
    3.0 * (x.sin() - x * x.cos()) / x.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by colossus 1.4.0 (Diemer 2018, arXiv:1712.04512), `matterPowerSpectrum(k, model='eisenstein98_zb')`, for a flat universe
    /// with the default options and Tcmb0 = 2.7255.
    #[test]
    fn the_spectrum_is_that_of_others() {
        let spectrum = LinearSpectrum::new(&WebMock::default());
        let check = |k: f64, expected: f64| {
            let ratio = spectrum.power(k) / expected;
            // They integrate σ₈ to a precision of a few 1e-4 over other limits.
            assert!((ratio - 1.0).abs() < 1e-3, "k = {k}: {ratio}");
        };
        check(1e-3, 3504.4704013203154);
        check(1e-2, 20429.193734259494);
        check(0.1, 5588.051776496435);
        check(1.0, 63.79160536867859);
        check(10.0, 0.21533941022014197);
        assert_eq!(spectrum.power(0.0), 0.0);
    }

    #[test]
    fn the_amplitude_is_sigma_8() {
        for sigma_8 in [0.8, 1.7] {
            let spectrum = LinearSpectrum::new(&WebMock::default().with_sigma_8(sigma_8));
            assert!((spectrum.sigma(8.0) - sigma_8).abs() < 1e-12);
        }
    }

    #[test]
    fn the_series_of_a_sphere_goes_on() {
        assert!((top_hat(0.01 - 1e-12) - top_hat(0.01 + 1e-12)).abs() < 1e-9);
        assert_eq!(top_hat(0.0), 1.0);
    }
}
