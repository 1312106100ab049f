//! A smooth curve through a redshift distribution.

use rayon::prelude::*;

use crate::cosmology::Cosmology;
use crate::error::{Result, check_few, check_option};
use crate::simplex::minimise;

/// Bins of the redshift distribution that a curve is fitted to: so fine that they do not show.
const BINS: usize = 4096;

/// The density behind the most likely dN/dz = A z^α exp(-(z / z_c)^β). See [`Density::fitted`].
pub(crate) fn density(z: &[f64], distances: &[f64], steradians: f64, cosmology: &Cosmology) -> Result<Vec<f64>> {
    let nearest = z.iter().copied().fold(f64::INFINITY, f64::min);
    let farthest = z.iter().copied().fold(0.0, f64::max);
    if z.is_empty() {
        return Ok(Vec::new());
    }
    check_few(z.len(), 10, "redshifts to fit a curve to")?;
    let expected = "another one, as all redshifts are about equal";
    check_option(farthest > 1.001 * nearest, "density", "fitted", expected)?;

    // Bins of ln z, where the curve is smooth however near the sample begins.
    let width = (farthest / nearest).ln() / BINS as f64;
    let mut counts = vec![0.0; BINS];
    for &z in z {
        counts[(((z / nearest).ln() / width) as usize).min(BINS - 1)] += 1.0;
    }
    let centres: Vec<f64> = (0..BINS)
        .map(|bin| nearest * ((bin as f64 + 0.5) * width).exp())
        .collect();
    let ln_curve =
        |z: f64, [alpha, ln_zc, ln_beta]: [f64; 3]| alpha * z.ln() - ((z.ln() - ln_zc) * ln_beta.exp()).exp();
    // ∫ dz: a bin is z d(ln z) wide.
    let integral = |curve: [f64; 3]| -> f64 { centres.iter().map(|&z| ln_curve(z, curve).exp() * z * width).sum() };
    let minus_ln_likelihood = |curve: [f64; 3]| -> f64 {
        let each: f64 = centres
            .iter()
            .zip(&counts)
            .map(|(&z, count)| count * ln_curve(z, curve))
            .sum();
        z.len() as f64 * integral(curve).ln() - each
    };
    // Baugh & Efstathiou's exponents are the first guess.
    let mean = z.iter().sum::<f64>() / z.len() as f64;
    let guess = [2.0, mean.ln(), 1.5_f64.ln()];
    let best = minimise(guess, [0.5, 0.3, 0.3], 1e-6, 2000, minus_ln_likelihood).at;
    let amplitude = z.len() as f64 / integral(best);
    let density_at = |(&z, &distance): (&f64, &f64)| {
        let volume_per_z = cosmology.transverse(distance).powi(2) * cosmology.hubble_distance_mpc() / cosmology.e(z);
        amplitude * ln_curve(z, best).exp() / (steradians * volume_per_z)
    };
    Ok(z.par_iter().zip(distances).map(density_at).collect())
}
