//! Voids, sheets, filaments and knots, by the tides.

use ndarray::{Array3, Axis};
use rayon::prelude::*;
use realfft::num_complex::Complex;

use super::fourier::{Fourier, Modes};
use crate::error::{Error, Result};

/// The second derivatives, in the order of the tensor's upper half.
const TENSOR: [[usize; 3]; 6] = [[2, 0, 0], [1, 1, 0], [1, 0, 1], [0, 2, 0], [0, 1, 1], [0, 0, 2]];

/// What is where in a field. [`Field::tidal_web`](super::Field::tidal_web) makes it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TidalWeb {
    /// Number of eigenvalues above the threshold in each cell, `(n, n, n)`: 0 for a void, 1 for a sheet, 2 for a filament and 3 for a
    /// knot.
    pub classes: Array3<u8>,
    /// The smoothed overdensity, `(n, n, n)`: the trace of the tidal tensor.
    pub density: Array3<f32>,
    /// The part of the cells that is in each class.
    pub volume_fractions: [f64; 4],
}

pub(super) fn check(smoothing_mpc_h: f64, threshold: f64) -> Result<()> {
    if !(smoothing_mpc_h >= 0.0 && smoothing_mpc_h.is_finite()) {
        return Err(Error::option(
            "smoothing_mpc_h",
            smoothing_mpc_h,
            "0 or more, and finite",
        ));
    }
    if !threshold.is_finite() {
        return Err(Error::option("threshold", threshold, "finite"));
    }
    Ok(())
}

/// The classes of the field with these modes (Hahn2007).
///
/// O(n³ log n). Three cubes of modes and the result are in memory.
pub(super) fn web(fourier: &Fourier, mut modes: Modes, cells: usize, smoothing_mpc_h: f64, threshold: f64) -> TidalWeb {
    // The potential of which δ is the Laplacian is −δ / k², and each derivative is a factor of i.
    fourier.multiply(&mut modes, |k| {
        Complex::from((-0.5 * (k * smoothing_mpc_h).powi(2)).exp() / (k * k))
    });
    let (mut classes, mut density) = (Array3::zeros([cells; 3]), Array3::zeros([cells; 3]));
    let planes = classes.axis_iter_mut(Axis(0)).zip(density.axis_iter_mut(Axis(0)));
    fourier.derivatives(modes, TENSOR, planes.collect(), |tensor, (mut classes, mut density)| {
        for (i, (class, density)) in classes.iter_mut().zip(&mut density).enumerate() {
            let tensor = tensor.each_ref().map(|plane| f64::from(plane[i]));
            *class = eigenvalues_above(threshold, tensor);
            *density = (tensor[0] + tensor[3] + tensor[5]) as f32;
        }
    });
    TidalWeb {
        volume_fractions: fractions(&classes),
        classes,
        density,
    }
}

fn fractions(classes: &Array3<u8>) -> [f64; 4] {
    let planes = classes.axis_iter(Axis(0)).collect::<Vec<_>>().into_par_iter();
    let counts = planes.map(|plane| {
        let mut counts = [0u64; 4];
        plane.iter().for_each(|&class| counts[usize::from(class)] += 1);
        counts
    });
    let sum = |a: [u64; 4], b: [u64; 4]| std::array::from_fn(|class| a[class] + b[class]);
    let counts = counts.reduce(|| [0; 4], sum);
    counts.map(|count| count as f64 / classes.len() as f64)
}

/// The number of eigenvalues above a threshold, of the symmetric matrix with the upper half xx, xy, xz, yy, yz, zz.
///
/// Descartes' rule of signs: a polynomial whose roots are all real, as those of a symmetric matrix are, has as many positive roots as
/// its coefficients change their sign, not counting zeros.
fn eigenvalues_above(threshold: f64, [xx, xy, xz, yy, yz, zz]: [f64; 6]) -> u8 {
    let (xx, yy, zz) = (xx - threshold, yy - threshold, zz - threshold);
    let (x, y, z) = (yy * zz - yz * yz, xy * zz - yz * xz, xy * yz - yy * xz);
    // λ³ − trace λ² + minors λ − determinant
    let trace = xx + yy + zz;
    let minors = x + xx * zz - xz * xz + xx * yy - xy * xy;
    let determinant = xx * x - xy * y + xz * z;
    let (mut changes, mut positive) = (0, true);
    for coefficient in [-trace, minors, -determinant] {
        if coefficient != 0.0 && (coefficient > 0.0) != positive {
            changes += 1;
            positive = !positive;
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::eigen::by_rotations;

    fn config() -> ProptestConfig {
        ProptestConfig {
            cases: 5000,
            failure_persistence: None,
            ..ProptestConfig::default()
        }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn eigenvalues_are_counted(
            tensor in prop_oneof![
                prop::array::uniform6(-2.0..2.0f64),
                // Equal eigenvalues, and those that are 0.
                prop::array::uniform6((-2..3i8).prop_map(f64::from)),
                prop::array::uniform3((-2..3i8).prop_map(f64::from)).prop_map(|[x, y, z]| [x, 0.0, 0.0, y, 0.0, z]),
            ],
            threshold in prop_oneof![Just(0.2), -1.5..1.5f64],
        ) {
            let [xx, xy, xz, yy, yz, zz] = tensor;
            let values = by_rotations([xx, yy, zz, xy, xz, yz]);
            prop_assert!((values.iter().sum::<f64>() - tensor[0] - tensor[3] - tensor[5]).abs() < 1e-12);
            // Rounding may decide for one that is equal to the threshold.
            prop_assume!(values.iter().all(|value| (value - threshold).abs() > 1e-9));
            let expected = values.iter().filter(|&&value| value > threshold).count();
            prop_assert_eq!(usize::from(eigenvalues_above(threshold, tensor)), expected);
        }
    }

    #[test]
    fn eigenvalues_at_the_threshold_are_not_above() {
        let check = |diagonal: [f64; 3], expected| {
            let [x, y, z] = diagonal;
            assert_eq!(
                eigenvalues_above(0.5, [x, 0.0, 0.0, y, 0.0, z]),
                expected,
                "{diagonal:?}"
            );
        };
        check([0.5, 0.5, 0.5], 0);
        check([0.5, 0.0, 0.5], 0);
        check([0.5, 1.0, 0.5], 1);
        check([1.0, 1.0, 0.5], 2);
        check([1.0, 0.5, 0.0], 1);
    }
}
