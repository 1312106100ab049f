//! Clustered points.

use ndarray::Array2;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

pub(crate) const SEED: u64 = 1;

/// `n` points at a mean separation of 1: half of them uniform, half in clumps of 50 within 0.3; in no order.
pub(crate) fn points(n: usize) -> Array2<f64> {
    let side = (n as f64).cbrt();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let centres: Vec<[f64; 3]> = (0..n / 100 + 1)
        .map(|_| [0, 1, 2].map(|_| rng.random_range(0.0..side)))
        .collect();
    let mut points = Array2::zeros((n, 3));
    for mut point in points.outer_iter_mut() {
        let centre = rng
            .random_bool(0.5)
            .then(|| centres[rng.random_range(0..centres.len())]);
        for axis in 0..3 {
            point[axis] = match centre {
                Some(centre) => centre[axis] + rng.random_range(-0.3..0.3),
                None => rng.random_range(0.0..side),
            };
        }
    }
    points
}
