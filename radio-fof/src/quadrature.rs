//! Gauss-Legendre quadrature of fixed order.

use std::sync::LazyLock;

/// Enough for distances in any plausible cosmology to 1e-10; the tests hold them to 1e-8.
const ORDER: usize = 20;

/// Nodes and weights on [-1, 1].
static RULE: LazyLock<[(f64, f64); ORDER]> = LazyLock::new(rule);

/// The integral of a smooth `function` from `low` to `low + width`.
pub(crate) fn integrate(low: f64, width: f64, function: impl Fn(f64) -> f64) -> f64 {
    let half = 0.5 * width;
    half * RULE
        .iter()
        .map(|&(node, weight)| weight * function(low + half * (1.0 + node)))
        .sum::<f64>()
}

/// Roots of the Legendre polynomial by Newton's method, from the usual first guess (Abramowitz & Stegun 1964, 22.16.6).
fn rule() -> [(f64, f64); ORDER] {
    std::array::from_fn(|i| {
        let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (ORDER as f64 + 0.5)).cos();
        // Convergence is quadratic; five steps from an error below 1e-2 reach the last bit.
        for _ in 0..5 {
            let (value, slope) = legendre(x);
            x -= value / slope;
        }
        let (_, slope) = legendre(x);
        (x, 2.0 / ((1.0 - x * x) * slope * slope))
    })
}

/// The Legendre polynomial of this order at `x` and its derivative, by the three-term recurrence.
fn legendre(x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for n in 2..=ORDER {
        let n = n as f64;
        (before, value) = (value, ((2.0 * n - 1.0) * x * value - (n - 1.0) * before) / n);
    }
    (value, ORDER as f64 * (x * value - before) / (x * x - 1.0))
}
