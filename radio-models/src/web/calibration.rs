//! What is learned from numbers alone: the scale of features, and how sure a model may be.

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::{CLASSES, Probabilities};

const K: usize = CLASSES.len();

/// Mean and standard deviation of each feature of the training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Standard {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Standard {
    pub(super) fn of(features: &Array2<f32>) -> Self {
        let rows = features.nrows().max(1) as f64;
        let columns = features.axis_iter(Axis(1));
        let of_column = columns.map(|column| {
            let mean = column.iter().map(|&x| f64::from(x)).sum::<f64>() / rows;
            let variance = column.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / rows;
            // A feature that is the same for all says nothing.
            (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
        });
        let (mean, deviation) = of_column.unzip();
        Self { mean, deviation }
    }

    pub(super) fn features(&self) -> usize {
        self.mean.len()
    }

    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
    pub(super) fn apply(&self, features: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut standardised = features.as_standard_layout().into_owned();
        for mut row in standardised.outer_iter_mut() {
            let scale = self.mean.iter().zip(&self.deviation);
            row.iter_mut()
                .zip(scale)
                .for_each(|(x, (mean, deviation))| *x = ((f64::from(*x) - mean) / deviation) as f32);
        }
        standardised
    }
}

/// Logits become probabilities: softmax(a z + b).
///
/// # References
///
/// Guo et al. 2017 (arXiv:1706.04599), section 4.2: temperature scaling, with the bias of vector scaling, which gives classes back the frequency that weights took
/// from them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Calibration {
    scale: f64,
    bias: [f64; K],
}

impl Calibration {
    /// Of the likelihood of the classes of some nodes the largest, by Newton's method: the logarithm is concave in scale and bias.
    pub(super) fn fit(logits: &Array2<f32>, classes: &[u8], nodes: &[u32]) -> Self {
        // Scale, then biases; a weak prior around 1 and 0 keeps finite what the nodes do not say.
        const PRIOR: f64 = 1e-3;
        let mut calibration = Self {
            scale: 1.0,
            bias: [0.0; K],
        };
        for _ in 0..50 {
            let (mut gradient, mut curvature) = ([0.0; K + 1], [[0.0; K + 1]; K + 1]);
            for &node in nodes {
                let z = logits.row(node as usize);
                let p = calibration.of(|class| f64::from(z[class]));
                let mean: f64 = (0..K).map(|class| p[class] * f64::from(z[class])).sum();
                // Derivatives of the logit of each class: by the scale z, by its own bias 1.
                for class in 0..K {
                    let z = f64::from(z[class]);
                    let is = f64::from(u8::from(usize::from(classes[node as usize]) == class));
                    gradient[0] += (is - p[class]) * z;
                    gradient[class + 1] += is - p[class];
                    curvature[0][0] += p[class] * (z - mean) * z;
                    let mixed = p[class] * (z - mean);
                    curvature[0][class + 1] += mixed;
                    curvature[class + 1][0] += mixed;
                    for other in 0..K {
                        let own = f64::from(u8::from(class == other));
                        curvature[class + 1][other + 1] += p[class] * (own - p[other]);
                    }
                }
            }
            gradient[0] -= PRIOR * (calibration.scale - 1.0);
            curvature[0][0] += PRIOR;
            for class in 0..K {
                gradient[class + 1] -= PRIOR * calibration.bias[class];
                curvature[class + 1][class + 1] += PRIOR;
            }
            let step = solve(curvature, gradient);
            // Far from the best a full step may go too far.
            let longest = step.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            let share = (1.0 / longest).min(1.0);
            calibration.scale += share * step[0];
            for class in 0..K {
                calibration.bias[class] += share * step[class + 1];
            }
            if longest < 1e-9 {
                break;
            }
        }
        calibration
    }

    fn of(&self, logit: impl Fn(usize) -> f64) -> [f64; K] {
        let mut p = [0, 1, 2, 3].map(|class: usize| self.scale * logit(class) + self.bias[class]);
        let most = p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        p.iter_mut().for_each(|p| *p = (*p - most).exp());
        let sum: f64 = p.iter().sum();
        p.map(|p| p / sum)
    }

    pub(super) fn apply(&self, logits: &Array2<f32>) -> Probabilities {
        let rows = logits.outer_iter();
        Probabilities::new(rows.map(|z| self.of(|class| f64::from(z[class]))).collect())
    }
}

/// Solves A x = b of a symmetric positive definite A by elimination.
#[expect(clippy::needless_range_loop, reason = "rows and columns of a matrix")]
fn solve<const N: usize>(mut a: [[f64; N]; N], mut b: [f64; N]) -> [f64; N] {
    for pivot in 0..N {
        for row in pivot + 1..N {
            let factor = a[row][pivot] / a[pivot][pivot];
            for column in pivot..N {
                a[row][column] -= factor * a[pivot][column];
            }
            b[row] -= factor * b[pivot];
        }
    }
    for pivot in (0..N).rev() {
        for column in pivot + 1..N {
            b[pivot] -= a[pivot][column] * b[column];
        }
        b[pivot] /= a[pivot][pivot];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::scramble;

    /// Logits that are twice too sure, and shifted for one class, are mended.
    #[test]
    fn calibration_mends_what_was_done_to_logits() {
        let uniform = |i: u64| (scramble(i) >> 11) as f64 / (1u64 << 53) as f64;
        let n = 20_000;
        let truth = Array2::from_shape_fn((n, K), |(row, class)| 4.0 * uniform((row * K + class) as u64) as f32);
        let classes: Vec<u8> = (0..n)
            .map(|row| {
                let even = Calibration {
                    scale: 1.0,
                    bias: [0.0; K],
                };
                let p = even.of(|class| f64::from(truth[[row, class]]));
                let mut x = uniform(1_000_000 + row as u64);
                let class = p.iter().position(|p| {
                    x -= p;
                    x < 0.0
                });
                class.unwrap_or(K - 1) as u8
            })
            .collect();
        let mut spoilt = truth.mapv(|z| 2.0 * z);
        spoilt.column_mut(2).mapv_inplace(|z| z + 3.0);
        let nodes: Vec<u32> = (0..n as u32).collect();
        let found = Calibration::fit(&spoilt, &classes, &nodes);
        // The bias is determined up to a number for all.
        let relative = found.bias[2] - (found.bias[0] + found.bias[1] + found.bias[3]) / 3.0;
        assert!((found.scale - 0.5).abs() < 0.02, "{found:?}");
        assert!((relative + 1.5).abs() < 0.1, "{found:?}");
        // A class that is never there, and nodes that are all of one, leave numbers finite.
        let alone = Calibration::fit(&spoilt, &vec![1; n], &nodes);
        assert!(
            alone.scale.is_finite() && alone.bias.iter().all(|b| b.is_finite()),
            "{alone:?}"
        );
    }
}
