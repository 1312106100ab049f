//! Wavelengths as vectors of sines and cosines.

use std::f64::consts::TAU;

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::MaskedAutoencoderConfig;
use super::view::Places;
use crate::model::upload;
use crate::tokens::Tokens;

/// Codes of the wavelengths of a batch: sin ω_k λ and cos ω_k λ, the periods spaced evenly in their logarithm
/// (Vaswani et al. 2017, section 3.5, for positions). The phase is computed in f64.
pub(super) struct Codes {
    /// Those of different grids, one after the other, each of `t d` numbers.
    grids: Vec<f32>,
    /// Which grid each row has.
    grid_of: Vec<usize>,
    tokens: usize,
    width: usize,
}

impl Codes {
    pub(super) fn new(config: &MaskedAutoencoderConfig, tokens: &Tokens<'_>) -> Self {
        let width = config.width;
        let frequencies = frequencies(config);
        let (mut grids, mut grid_of) = (Vec::new(), Vec::with_capacity(tokens.rows()));
        let wavelength = tokens.wavelength();
        let mut known = 0;
        for (row, grid) in wavelength.outer_iter().enumerate() {
            // Spectra of a survey mostly have one grid, and sines are slow.
            if row == 0 || grid != wavelength.row(row - 1) {
                known += 1;
                for &angstrom in grid {
                    // A token without wavelength is a padding token, which nobody looks at.
                    let angstrom = if angstrom.is_finite() { angstrom } else { 0.0 };
                    for &frequency in &frequencies {
                        let (sin, cos) = (frequency * angstrom).sin_cos();
                        grids.extend([sin as f32, cos as f32]);
                    }
                }
            }
            grid_of.push(known - 1);
        }
        Self {
            grids,
            grid_of,
            tokens: tokens.tokens(),
            width,
        }
    }

    /// Of all tokens of all grids, `(1, g t, d)`.
    pub(super) fn all(&self, device: &Device) -> Tensor<3> {
        let shape = [1, self.grids.len() / self.width, self.width];
        upload(self.grids.clone(), shape, device)
    }

    /// Where the codes of these tokens are in [`all`](Self::all), `(n k)`.
    pub(super) fn places(&self, places: &Places, device: &Device) -> Tensor<1, Int> {
        let rows = places.tokens.chunks(places.per_row).zip(&self.grid_of);
        let places = rows.flat_map(|(tokens, grid)| {
            let start = grid * self.tokens;
            tokens.iter().map(move |token| (start + token) as i64)
        });
        Tensor::from_data(TensorData::from(&places.collect::<Vec<_>>()[..]), device)
    }
}

/// Half as many as a code is long.
fn frequencies(config: &MaskedAutoencoderConfig) -> Vec<f64> {
    let count = config.width / 2;
    let ratio = config.longest_period_angstrom / config.shortest_period_angstrom;
    let period = |k: usize| {
        let part = k as f64 / count.saturating_sub(1).max(1) as f64;
        config.longest_period_angstrom * ratio.powf(-part)
    };
    (0..count).map(|k| TAU / period(k)).collect()
}
