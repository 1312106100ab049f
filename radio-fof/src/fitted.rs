//! A smooth curve through a redshift distribution.

use rayon::prelude::*;

use crate::cosmology::Cosmology;
use crate::error::{Error, Result, check_few};
use crate::simplex::minimise;

/// Bins of the redshift distribution that a curve is fitted to: so fine that they do not show.
const BINS: usize = 4096;

/// More calls than any fit takes.
const MOST_CALLS: usize = 5000;

/// The density behind the most likely dN/dz = A z^α exp(-(z / z_c)^β). See [`Density::fitted`](crate::Density::fitted).
///
/// In u = ln z, with the mode m of the curve in place of z_c, its logarithm is α (u - m) - α/β (exp(β (u - m)) - 1): 0 at the
/// mode and negative elsewhere, so nothing overflows however narrow the distribution is.
pub(crate) fn density(z: &[f64], distances: &[f64], steradians: f64, cosmology: &Cosmology) -> Result<Vec<f64>> {
    let nearest = z.iter().copied().fold(f64::INFINITY, f64::min);
    let farthest = z.iter().copied().fold(0.0, f64::max);
    if z.is_empty() {
        return Ok(Vec::new());
    }
    check_few(z.len(), 10, "redshifts to fit a curve to")?;
    if farthest <= 1.001 * nearest {
        return Err(Error::Unmeasurable {
            what: "a fitted density",
            reason: "all redshifts are about equal; use another density",
        });
    }

    // Bins of ln z, where the curve is smooth however near the sample begins.
    let n = z.len() as f64;
    let width = (farthest / nearest).ln() / BINS as f64;
    let mut counts = vec![0.0; BINS];
    for &z in z {
        counts[(((z / nearest).ln() / width) as usize).min(BINS - 1)] += 1.0;
    }
    let centres: Vec<f64> = (0..BINS).map(|bin| nearest.ln() + (bin as f64 + 0.5) * width).collect();
    let ln_curve = |u: f64, [mode, ln_alpha, ln_beta]: [f64; 3]| {
        let (alpha, beta) = (ln_alpha.exp(), ln_beta.exp());
        alpha * (u - mode) - alpha / beta * (beta * (u - mode)).exp_m1()
    };
    // The logarithm of ∫ dz over the sample: a bin is z d(ln z) wide.
    let ln_integral = |curve: [f64; 3]| {
        let terms: Vec<f64> = centres.iter().map(|&u| ln_curve(u, curve) + u).collect();
        let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        most + (terms.iter().map(|term| (term - most).exp()).sum::<f64>() * width).ln()
    };
    let minus_ln_likelihood = |curve: [f64; 3]| -> f64 {
        let each = centres
            .iter()
            .zip(&counts)
            .map(|(&u, count)| count * ln_curve(u, curve));
        ln_integral(curve) - each.sum::<f64>() / n
    };
    // Baugh & Efstathiou's β, and the α that makes the curve as wide: near its mode it is a Gaussian of u with the
    // variance 1 / (α β).
    let mean = z.iter().map(|z| z.ln()).sum::<f64>() / n;
    let variance = z.iter().map(|z| (z.ln() - mean).powi(2)).sum::<f64>() / n;
    let guess = [mean, (1.0 / (1.5 * variance)).ln(), 1.5_f64.ln()];
    let step = [0.3 * variance.sqrt(), 0.5, 0.3];
    let best = minimise(guess, step, 1e-6, MOST_CALLS, minus_ln_likelihood);
    if !best.value.is_finite() || best.calls >= MOST_CALLS {
        return Err(Error::Unmeasurable {
            what: "a fitted density",
            reason: "no curve of this kind fits the redshifts; use another density",
        });
    }
    let ln_amplitude = n.ln() - ln_integral(best.at);
    let density_at = |(&z, &distance): (&f64, &f64)| {
        let volume_per_z = cosmology.transverse(distance).powi(2) * cosmology.hubble_distance_mpc() / cosmology.e(z);
        (ln_amplitude + ln_curve(z.ln(), best.at)).exp() / (steradians * volume_per_z)
    };
    Ok(z.par_iter().zip(distances).map(density_at).collect())
}
