//! How far a place in the latent space is from where spectra usually are.

use ndarray::{ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

/// Places of normal spectra in the latent space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Density {
    /// What each latent number is multiplied by, so that all spread alike.
    scale: Vec<f32>,
    /// Scaled places, one after the other.
    places: Vec<f32>,
}

/// Which of the nearest places counts.
const NEIGHBOUR: usize = 2;
/// Most places that are kept.
pub(super) const PLACES: usize = 2048;

impl Density {
    /// Of latent vectors `(n, latent)`, of which the first [`PLACES`] are kept.
    pub(super) fn new(latent: &ArrayView2<'_, f32>) -> Self {
        let scale: Vec<f32> = latent
            .columns()
            .into_iter()
            .map(|column| {
                let n = column.len().max(1) as f64;
                let mean = column.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
                let variance = column.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
                if variance > 0.0 {
                    variance.sqrt().recip() as f32
                } else {
                    0.0
                }
            })
            .collect();
        let rows = latent.outer_iter().take(PLACES);
        let places = rows.flat_map(|row| row.iter().zip(&scale).map(|(x, scale)| x * scale).collect::<Vec<_>>());
        Self {
            places: places.collect(),
            scale,
        }
    }

    /// Distance to the second-nearest place, without the one at `except`.
    pub(super) fn distance(&self, latent: &ArrayView1<'_, f32>, except: Option<usize>) -> f64 {
        let latent: Vec<f32> = latent.iter().zip(&self.scale).map(|(x, scale)| x * scale).collect();
        let mut nearest = [f32::INFINITY; NEIGHBOUR];
        for (i, place) in self.places.chunks_exact(latent.len().max(1)).enumerate() {
            let squares = place.iter().zip(&latent).map(|(a, b)| (a - b) * (a - b));
            let square: f32 = squares.sum();
            if square < nearest[NEIGHBOUR - 1] && except != Some(i) {
                let at = nearest.partition_point(|&other| other <= square);
                nearest.copy_within(at..NEIGHBOUR - 1, at + 1);
                nearest[at] = square;
            }
        }
        f64::from(nearest[NEIGHBOUR - 1]).sqrt()
    }
}
