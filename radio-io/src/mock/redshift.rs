//! What a pipeline would make of a spectrum: a redshift, its error, and how sure it is.

use super::dice::Dice;
use super::instrument::wavelength;

/// Redrock's flag SMALL_DELTA_CHI2, and the difference below which it is set.
const SMALL_DELTA_CHI2: i64 = 1 << 2;
const LEAST_DELTA_CHI2: f64 = 9.0;
/// How often a fit with that flag has found something else.
const WRONG_FRACTION: f64 = 0.7;
/// Pixels of a block within which a spectrum without features would be flat.
const BLOCK: usize = 250;
/// Errors end here: a worse one is a wrong redshift.
const LARGEST_ERROR: f64 = 5e-3;

/// The result of a redshift fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Redshift {
    pub(super) z: f64,
    pub(super) error: f64,
    pub(super) warning: i64,
    pub(super) delta_chi2: f64,
}

/// Fits a noiseless spectrum at the true redshift `z` as a pipeline would fit it with noise of this inverse variance.
///
/// The error is the Cramér–Rao bound, 1/σ² = Σ ivar (∂f/∂z)², where ∂f/∂z = −λ/(1+z) ∂f/∂λ. The difference in χ² is
/// what the model gains over a spectrum without features, Σ ivar (f − ⟨f⟩)² with the mean of blocks, and scatters as
/// noise makes it. Where it is small the fit is flagged, and mostly wrong.
pub(super) fn measure(z: f64, model: &[f32], ivar: &[f32], from: usize, dice: &mut Dice) -> Redshift {
    let (mut gain, mut information) = (0.0, 0.0);
    for block in (from..model.len()).step_by(BLOCK) {
        let end = (block + BLOCK).min(model.len());
        let (mut sum, mut sum_f, mut sum_ff) = (0.0, 0.0, 0.0);
        for i in block..end {
            let (f, w) = (f64::from(model[i]), f64::from(ivar[i]));
            sum += w;
            sum_f += w * f;
            sum_ff += w * f * f;
            if 0 < i && i + 1 < model.len() {
                let slope = f64::from(model[i + 1] - model[i - 1]) / (wavelength(i + 1) - wavelength(i - 1));
                information += w * (slope * wavelength(i) / (1.0 + z)).powi(2);
            }
        }
        gain += sum_ff - sum_f * sum_f / sum;
    }
    let gain = gain.max(0.0);
    let delta_chi2 = (gain + 2.0 * gain.sqrt() * dice.normal()).max(0.0);
    let error = information.sqrt().recip().min(LARGEST_ERROR);
    if delta_chi2 >= LEAST_DELTA_CHI2 {
        return Redshift {
            z: z + error * dice.normal(),
            error,
            warning: 0,
            delta_chi2,
        };
    }
    let z = if dice.chance(WRONG_FRACTION) {
        dice.uniform(0.01, 1.7)
    } else {
        z + error * dice.normal()
    };
    Redshift {
        z,
        error,
        warning: SMALL_DELTA_CHI2,
        delta_chi2,
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::super::dice::Purpose;
    use super::super::instrument::PIXELS;
    use super::*;

    const Z: f64 = 0.5;
    /// Where the line is, and how wide, in Å.
    const CENTRE: f64 = 6000.0;
    const SIGMA: f64 = 12.0;
    const FITS: u64 = 4000;

    /// Fits of a flat spectrum with one Gaussian line of this height, where ivar is 1.
    fn fits(height: f64) -> Vec<Redshift> {
        let model: Vec<f32> = (0..PIXELS)
            .map(|i| (1.0 + height * (-0.5 * ((wavelength(i) - CENTRE) / SIGMA).powi(2)).exp()) as f32)
            .collect();
        let ivar = vec![1.0; PIXELS];
        (0..FITS)
            .map(|row| measure(Z, &model, &ivar, 0, &mut Dice::new(1, Purpose::Spectrum, row)))
            .collect()
    }

    /// (Σ ivar (∂f/∂z)²)^(-1/2) of that line as an integral: ∂f/∂z = −λ/(1+z) ∂f/∂λ, and the square of the slope of a
    /// Gaussian has the integral √π/(2σ).
    fn expected_error(height: f64) -> f64 {
        let step = wavelength(1) - wavelength(0);
        let information = (height * CENTRE / (1.0 + Z)).powi(2) * PI.sqrt() / (2.0 * SIGMA) / step;
        information.sqrt().recip()
    }

    /// Mean and variance.
    fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
        let n = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / n;
        (mean, values.map(|x| (x - mean).powi(2)).sum::<f64>() / n)
    }

    #[test]
    fn sure_redshifts_err_as_they_say() {
        let fits = fits(5.0);
        let (expected, n) = (expected_error(5.0), FITS as f64);
        for fit in &fits {
            assert_eq!(fit.warning, 0);
            assert!((fit.error / expected - 1.0).abs() < 0.01, "{} {expected}", fit.error);
        }
        // Five standard errors of each.
        let (mean, variance) = moments(fits.iter().map(|fit| (fit.z - Z) / fit.error));
        assert!(mean.abs() < 5.0 / n.sqrt(), "mean {mean}");
        assert!((variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "variance {variance}");
    }

    #[test]
    fn unsure_redshifts_are_flagged_and_mostly_wrong() {
        // This line gains about 5: some fits are above the limit by chance.
        let (flagged, sure): (Vec<_>, Vec<_>) = fits(0.44).into_iter().partition(|fit| fit.warning != 0);
        assert!(
            flagged.len() > 2000 && sure.len() > 200,
            "{} {}",
            flagged.len(),
            sure.len()
        );
        assert!(flagged.iter().all(|fit| fit.delta_chi2 < LEAST_DELTA_CHI2));
        assert!(sure.iter().all(|fit| fit.delta_chi2 >= LEAST_DELTA_CHI2));
        let is_wrong = |fit: &&Redshift| (fit.z - Z).abs() > 6.0 * fit.error;
        assert_eq!(sure.iter().filter(is_wrong).count(), 0);
        // A few of the wrong ones are close by chance: within 6 errors of the 1.69 that they spread over.
        let close = 12.0 * expected_error(0.44) / 1.69;
        let part = flagged.iter().filter(is_wrong).count() as f64 / flagged.len() as f64;
        assert!((part - WRONG_FRACTION * (1.0 - close)).abs() < 0.04, "{part}");
    }
}
