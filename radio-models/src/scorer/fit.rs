//! One spectrum beside its reconstruction.

use ndarray::ArrayView2;

use super::Score;
use crate::tokens::is_good;

/// What the comparison of one spectrum gives. Nothing here is NaN or infinite.
#[derive(Clone, Debug, Default)]
pub(super) struct Fit {
    /// Reduced chi-square.
    pub(super) chi2: Option<f64>,
    /// Mean square residual.
    pub(super) mse: Option<f64>,
    /// Significance of the worst token.
    pub(super) worst_patch: Option<f64>,
    /// Which one it is.
    pub(super) worst: Option<usize>,
    pub(super) flags: u32,
}

/// Compares one spectrum, shape `(t, p)`, with its reconstruction.
pub(super) fn fit(
    flux: &ArrayView2<'_, f32>,
    sigma: &ArrayView2<'_, f32>,
    model: &ArrayView2<'_, f32>,
    sigma_floor: f32,
) -> Fit {
    let (mut chi2, mut square, mut good) = (0.0, 0.0, 0usize);
    let mut worst: Option<(f64, usize)> = None;
    let patches = flux.outer_iter().zip(sigma.outer_iter()).zip(model.outer_iter());
    for (token, ((flux, sigma), model)) in patches.enumerate() {
        let (mut token_chi2, mut token_good) = (0.0, 0usize);
        for ((&y, &s), &model) in flux.iter().zip(sigma).zip(model) {
            if is_good(y, s) {
                let residual = f64::from(y) - f64::from(model);
                let pull = residual / f64::from(s.max(sigma_floor));
                token_chi2 += pull * pull;
                square += residual * residual;
                token_good += 1;
            }
        }
        if token_good > 0 {
            chi2 += token_chi2;
            good += token_good;
            let significance = significance(token_chi2, token_good);
            if worst.is_none_or(|(largest, _)| significance > largest) {
                worst = Some((significance, token));
            }
        }
    }
    if good == 0 {
        return Fit {
            flags: Score::DEAD,
            ..Fit::default()
        };
    }
    let (chi2, mse) = (chi2 / good as f64, square / good as f64);
    if !(chi2.is_finite() && mse.is_finite()) {
        return Fit {
            flags: Score::NOT_FINITE,
            ..Fit::default()
        };
    }
    Fit {
        chi2: Some(chi2),
        mse: Some(mse),
        worst_patch: worst.map(|(significance, _)| significance),
        worst: worst.map(|(_, token)| token),
        flags: 0,
    }
}

/// How many standard deviations a chi-square with as many degrees of freedom lies above what noise makes it, by the cube root
/// that is nearly normal (Wilson & Hilferty 1931).
fn significance(chi2: f64, freedom: usize) -> f64 {
    let variance = 2.0 / (9.0 * freedom as f64);
    ((chi2 / freedom as f64).cbrt() - (1.0 - variance)) / variance.sqrt()
}
