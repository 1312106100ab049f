//! How far a place in the latent space is from where spectra usually are.

use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Places of normal spectra in the latent space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Density {
    /// What each latent number is multiplied by, so that all spread alike.
    scale: Vec<f32>,
    /// Scaled places `(latent, n)`: the first numbers of all, then the second ones.
    places: Vec<f32>,
    /// Mean distance of each place to its neighbours.
    spacing: Vec<f32>,
}

/// Most places that are kept.
pub(super) const PLACES: usize = 2048;
/// Neighbours that say how densely spectra lie around a place.
const NEIGHBOURS: usize = 7;
/// Which of the nearest places is the one that the distance is to: a single one may be an anomaly, too.
const NEAREST: usize = 2;
/// Least distance, in standard deviations: of places that are the same.
const LEAST: f32 = 1e-6;

impl Density {
    /// Of latent vectors `(n, latent)`, of which the first [`PLACES`] are kept.
    ///
    /// # Complexity
    ///
    /// O(n² latent) for the n that are kept.
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
        let numbers = latent.columns().into_iter().zip(&scale);
        let places = numbers.flat_map(|(column, scale)| column.into_iter().take(PLACES).map(move |x| x * scale));
        let mut density = Self {
            places: places.collect(),
            scale,
            spacing: Vec::new(),
        };
        let rows: Vec<_> = latent.outer_iter().take(PLACES).enumerate().collect();
        let spacing = rows.into_par_iter().map(|(i, row)| {
            let distances = density.neighbours(&row, Some(i)).map(|(distance, _)| distance);
            distances.iter().sum::<f32>() / NEIGHBOURS as f32
        });
        density.spacing = spacing.collect();
        density
    }

    /// Do its numbers fit together, and to so many latent ones?
    pub(super) fn check(&self, latent: usize) -> Result<(), &'static str> {
        let places = self.spacing.len();
        if self.scale.len() == latent && places > NEIGHBOURS && self.places.len() == latent * places {
            return Ok(());
        }
        Err("its places in the latent space do not fit the model")
    }

    /// ln(d / s) of the distance d to the second-nearest place and the mean spacing s of the seven nearest ones: above 0 where a
    /// spectrum is farther from normal ones than these are from each other. The place at `except` is left out.
    ///
    /// Where spectra are rare anyway a distance says less than where they lie close together.
    ///
    /// # References
    ///
    /// Breunig et al. 2000 (LOF) for the comparison with the spacing of the neighbours; Schubert et al. 2014, section 4, for the
    /// form without reachability.
    pub(super) fn log_distance(&self, latent: &ArrayView1<'_, f32>, except: Option<usize>) -> f64 {
        let neighbours = self.neighbours(latent, except);
        let spacing = neighbours.iter().map(|&(_, i)| self.spacing[i]).sum::<f32>() / NEIGHBOURS as f32;
        f64::from((neighbours[NEAREST - 1].0 + LEAST) / (spacing + LEAST)).ln()
    }

    /// Distances and numbers of the nearest places, ascending; infinite where there are not so many.
    fn neighbours(&self, latent: &ArrayView1<'_, f32>, except: Option<usize>) -> [(f32, usize); NEIGHBOURS] {
        let count = self.places.len() / self.scale.len().max(1);
        let mut squares = vec![0.0f32; count];
        for ((x, scale), places) in latent
            .iter()
            .zip(&self.scale)
            .zip(self.places.chunks_exact(count.max(1)))
        {
            let x = x * scale;
            // Place by place is as fast as the processor adds vectors.
            squares
                .iter_mut()
                .zip(places)
                .for_each(|(square, place)| *square += (place - x) * (place - x));
        }
        let mut nearest = [(f32::INFINITY, 0); NEIGHBOURS];
        for (i, square) in squares.into_iter().enumerate() {
            if square < nearest[NEIGHBOURS - 1].0 && except != Some(i) {
                let at = nearest.partition_point(|&(other, _)| other <= square);
                nearest.copy_within(at..NEIGHBOURS - 1, at + 1);
                nearest[at] = (square, i);
            }
        }
        nearest.map(|(square, i)| (square.sqrt(), i))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, Axis};
    use proptest::prelude::*;

    use super::*;

    /// Mean distance to the seven nearest rows, and the distance to the second of them, in f64.
    fn by_hand(latent: &Array2<f64>, of: &Array1<f64>, except: Option<usize>) -> (f64, f64, Vec<usize>) {
        let mut distances: Vec<(f64, usize)> = latent
            .outer_iter()
            .enumerate()
            .filter(|(i, _)| except != Some(*i))
            .map(|(i, row)| ((&row - of).mapv(|x| x * x).sum().sqrt(), i))
            .collect();
        distances.sort_by(|a, b| a.0.total_cmp(&b.0));
        let near = &distances[..NEIGHBOURS];
        let mean = near.iter().map(|near| near.0).sum::<f64>() / NEIGHBOURS as f64;
        (mean, near[1].0, near.iter().map(|near| near.1).collect())
    }

    proptest! {
        #[test]
        fn equals_the_formula(
            numbers in prop::collection::vec(-1.0f32..1.0, 3 * 12..3 * 60),
            stretch in 0.01f32..100.0,
        ) {
            let rows = numbers.len() / 3;
            let latent = Array2::from_shape_vec((rows, 3), numbers[..3 * rows].to_vec()).unwrap();
            let mut stretched = latent.clone();
            stretched.column_mut(1).mapv_inplace(|x| stretch * x);
            let density = Density::new(&stretched.view());
            // How a latent number is scaled has no influence.
            let std = latent.mapv(f64::from).std_axis(Axis(0), 0.0);
            let scaled = latent.mapv(f64::from) / &std;
            for (i, row) in stretched.outer_iter().enumerate() {
                for except in [None, Some(i)] {
                    let (_, second, near) = by_hand(&scaled, &scaled.row(i).to_owned(), except);
                    let spacing = near.iter().map(|&j| by_hand(&scaled, &scaled.row(j).to_owned(), Some(j)).0);
                    let spacing = spacing.sum::<f64>() / NEIGHBOURS as f64;
                    let expected = ((second + 1e-6) / (spacing + 1e-6)).ln();
                    let found = density.log_distance(&row, except);
                    prop_assert!((found - expected).abs() < 1e-3, "{found} {expected}");
                }
            }
        }
    }

    #[test]
    fn the_same_distance_says_more_where_places_are_close() {
        // A dense row of places and a sparse one.
        let place = |i: usize| {
            if i < 100 {
                [0.01 * i as f32, 0.0]
            } else {
                [i as f32, 50.0]
            }
        };
        let latent = Array2::from_shape_fn((200, 2), |(i, axis)| place(i)[axis]);
        let density = Density::new(&latent.view());
        let [dense, sparse] =
            [[0.5, 0.5], [150.0, 50.5]].map(|at| density.log_distance(&Array1::from_iter(at).view(), None));
        assert!(dense > sparse + 1.0, "{dense} {sparse}");
    }

    #[test]
    fn places_that_are_all_the_same_are_no_error() {
        let density = Density::new(&Array2::ones((100, 2)).view());
        let same = density.log_distance(&Array1::ones(2).view(), Some(0));
        assert!(same.is_finite());
    }
}
