//! Spectra as the components see them: centred and filled, or in units of their errors.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis, s};
use rayon::prelude::*;

use super::Pca;
use super::linalg::cholesky_solve;

/// The rows are cut into so many parts, whose sums are added in their order: so the number of threads changes nothing.
const PARTS: usize = 32;
/// Rows of one matrix product: with 7808 pixels a block fits into a cache.
const BLOCK: usize = 64;
/// What is added to the diagonal of the normal equations, in units of its mean.
const RIDGE: f64 = 1e-10;

/// Spectra with their errors.
pub(super) struct Data<'a> {
    pub(super) values: ArrayView2<'a, f32>,
    pub(super) errors: ArrayView2<'a, f32>,
    /// A value beyond ± this counts as this.
    pub(super) limit: f32,
}

impl Data<'_> {
    pub(super) fn rows(&self) -> usize {
        self.values.nrows()
    }

    pub(super) fn pixels(&self) -> usize {
        self.values.ncols()
    }

    /// Value and error of the pixels of a row; `None` for bad ones.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = Option<(f32, f32)>> {
        let pixels = self.values.row(row).into_iter().zip(self.errors.row(row));
        pixels.map(|(&value, &error)| {
            let good = value.is_finite() && error.is_finite() && error > 0.0;
            good.then(|| (value.clamp(-self.limit, self.limit), error))
        })
    }

    /// The rows of each part.
    fn parts(&self) -> Vec<Range<usize>> {
        let rows = self.rows();
        (0..PARTS)
            .map(|part| part * rows / PARTS..(part + 1) * rows / PARTS)
            .collect()
    }

    /// The square roots of the weights of the rows: 1 / (σ² + floor²), where σ is the median error of the good pixels,
    /// over the mean of that; 0 for a row without a good pixel.
    pub(super) fn root_weights(&self, floor: f64) -> Array1<f64> {
        let weight = |row: usize| {
            let mut errors: Vec<f32> = self.row(row).flatten().map(|(_, error)| error).collect();
            if errors.is_empty() {
                return 0.0;
            }
            let middle = errors.len() / 2;
            let (_, &mut median, _) = errors.select_nth_unstable_by(middle, f32::total_cmp);
            1.0 / (f64::from(median).powi(2) + floor * floor)
        };
        let weights: Array1<f64> = (0..self.rows()).into_par_iter().map(weight).collect::<Vec<_>>().into();
        match weights.mean() {
            Some(mean) if mean > 0.0 => weights.mapv(|weight| (weight / mean).sqrt()),
            _ => weights,
        }
    }

    /// The weighted mean of the good pixels, 0 where there is none.
    pub(super) fn mean(&self, roots: &Array1<f64>) -> Array1<f64> {
        let sums = self.parts().into_par_iter().map(|rows| {
            let mut sums = Array1::from_elem(self.pixels(), (0.0f64, 0.0f64));
            for row in rows {
                let weight = roots[row] * roots[row];
                for (sum, pixel) in sums.iter_mut().zip(self.row(row)) {
                    if let Some((value, _)) = pixel {
                        *sum = (sum.0 + weight * f64::from(value), sum.1 + weight);
                    }
                }
            }
            sums
        });
        let mut total = Array1::from_elem(self.pixels(), (0.0, 0.0));
        for part in sums.collect::<Vec<_>>() {
            total.zip_mut_with(&part, |total, part| *total = (total.0 + part.0, total.1 + part.1));
        }
        total.mapv(|(sum, weight)| if weight > 0.0 { sum / weight } else { 0.0 })
    }

    /// The sum of a function of blocks of rows that are centred, filled and multiplied by the root of their weight,
    /// `(block, pixels)`, and of these roots, `(block)`.
    pub(super) fn sum(
        &self,
        roots: &Array1<f64>,
        mean: &Array1<f64>,
        filling: &Filling,
        term: impl Fn(ArrayView2<'_, f32>, ArrayView1<'_, f64>) -> Array2<f32> + Sync,
    ) -> Array2<f64> {
        let sums = self.parts().into_par_iter().map(|rows| {
            let mut block = Array2::zeros((BLOCK.min(rows.len()), self.pixels()));
            let mut sum: Option<Array2<f64>> = None;
            for first in rows.clone().step_by(BLOCK) {
                let last = (first + BLOCK).min(rows.end);
                for (row, out) in (first..last).zip(block.axis_iter_mut(Axis(0))) {
                    self.centre(row, roots[row], mean, filling, out);
                }
                let rows = block.slice(s![..last - first, ..]);
                let term = term(rows, roots.slice(s![first..last])).mapv(f64::from);
                sum = Some(sum.map_or_else(|| term.clone(), |sum| sum + &term));
            }
            sum
        });
        let sums = sums.collect::<Vec<_>>().into_iter().flatten();
        sums.reduce(|a, b| a + b).unwrap_or_default()
    }

    fn centre(&self, row: usize, root: f64, mean: &Array1<f64>, filling: &Filling, mut out: ArrayViewMut1<'_, f32>) {
        for (i, (out, pixel)) in out.iter_mut().zip(self.row(row)).enumerate() {
            let value = pixel.map_or_else(|| filling.at(row, i), |(value, _)| f64::from(value));
            *out = (root * (value - mean[i])) as f32;
        }
    }
}

/// What bad pixels are filled with.
pub(super) struct Filling {
    model: Pca,
    /// (n, k)
    coefficients: Array2<f64>,
}

impl Filling {
    /// The fill for these spectra that the model gives; the mean where most of a spectrum's pixels are bad.
    pub(super) fn new(data: &Data<'_>, model: Pca) -> Self {
        Self {
            coefficients: model.coefficients(
                data,
                data.pixels().div_ceil(2).max(model.components.nrows() + 1),
                |_| 1.0,
            ),
            model,
        }
    }

    fn at(&self, row: usize, pixel: usize) -> f64 {
        self.model.mean[pixel] + self.coefficients.row(row).dot(&self.model.components.column(pixel))
    }
}

/// A spectrum and the components, each pixel in units of its error, 0 where it is bad.
pub(super) struct Whitened {
    /// (k, pixels)
    pub(super) design: Array2<f64>,
    pub(super) target: Array1<f64>,
    pub(super) good: usize,
}

impl Whitened {
    pub(super) fn new(pca: &Pca) -> Self {
        Self {
            design: Array2::zeros(pca.components.dim()),
            target: Array1::zeros(pca.mean.len()),
            good: 0,
        }
    }

    pub(super) fn fill(
        &mut self,
        pca: &Pca,
        pixels: impl Iterator<Item = Option<(f32, f32)>>,
        root_weight: impl Fn(f64) -> f64,
    ) {
        self.good = 0;
        let mut roots = Array1::zeros(self.target.len());
        for (i, pixel) in pixels.enumerate() {
            self.target[i] = 0.0;
            if let Some((value, error)) = pixel {
                roots[i] = root_weight(f64::from(error));
                self.target[i] = roots[i] * (f64::from(value) - pca.mean[i]);
                self.good += 1;
            }
        }
        self.design.assign(&pca.components);
        self.design *= &roots;
    }

    /// The coefficients that minimise |target − designᵀ a|².
    pub(super) fn solve(&self) -> Array1<f64> {
        let mut normal = self.design.dot(&self.design.t()); // (k, k)
        let ridge = RIDGE * normal.diag().mean().unwrap_or(0.0);
        normal.diag_mut().mapv_inplace(|x| x + ridge);
        cholesky_solve(normal, self.design.dot(&self.target))
    }
}
