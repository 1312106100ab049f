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
