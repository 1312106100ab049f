//! The downhill simplex method.

/// Where a search ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Minimum<const N: usize> {
    pub(crate) at: [f64; N],
    pub(crate) value: f64,
    /// How often the function was called.
    pub(crate) calls: usize,
}

/// Finds a local minimum from a first guess and a first step along each axis, until no corner of the simplex is farther
/// than `tolerance` from the best one along any axis, or the function was called `most_calls` times. A value that is NaN
/// counts as infinite.
///
/// Nelder & Mead 1965, The Computer Journal 7, 308, with the coefficients given there.
pub(crate) fn minimise<const N: usize>(
    guess: [f64; N],
    step: [f64; N],
    tolerance: f64,
    most_calls: usize,
    mut function: impl FnMut([f64; N]) -> f64,
) -> Minimum<N> {
    let mut calls = 0;
    let mut value = |at: [f64; N]| {
        calls += 1;
        let value = function(at);
        (if value.is_nan() { f64::INFINITY } else { value }, calls)
    };
    let mut corners = vec![(value(guess).0, guess)];
    for axis in 0..N {
        let mut corner = guess;
        corner[axis] += step[axis];
        corners.push((value(corner).0, corner));
    }
    let mut last_call = N + 1;
    loop {
        // Stable: of equal corners the older one is the better one.
        corners.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (best_value, best) = corners[0];
        let is_close = |(_, corner): &(f64, [f64; N])| (0..N).all(|k| (corner[k] - best[k]).abs() <= tolerance);
        if corners.iter().all(is_close) || last_call >= most_calls {
            return Minimum {
                at: best,
                value: best_value,
                calls: last_call,
            };
        }
        let (worst_value, worst) = corners[N];
        let (second_value, _) = corners[N - 1];
        let centre: [f64; N] =
            std::array::from_fn(|k| corners[..N].iter().map(|(_, corner)| corner[k]).sum::<f64>() / N as f64);
        let mut try_at = |along: f64| {
            let corner = std::array::from_fn(|k| centre[k] + along * (worst[k] - centre[k]));
            let (value, calls) = value(corner);
            last_call = calls;
            (value, corner)
        };
        let reflected = try_at(-1.0);
        if reflected.0 < best_value {
            let expanded = try_at(-2.0);
            corners[N] = if expanded.0 < reflected.0 { expanded } else { reflected };
        } else if reflected.0 < second_value {
            corners[N] = reflected;
        } else {
            let contracted = if reflected.0 < worst_value {
                try_at(-0.5)
            } else {
                try_at(0.5)
            };
            if contracted.0 < worst_value.min(reflected.0) {
                corners[N] = contracted;
            } else {
                for (corner_value, corner) in &mut corners[1..] {
                    *corner = std::array::from_fn(|k| 0.5 * (best[k] + corner[k]));
                    (*corner_value, last_call) = value(*corner);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::minimise;

    #[test]
    fn valleys_lead_to_the_minimum() {
        let rosenbrock = |[x, y]: [f64; 2]| (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2);
        let found = minimise([-1.2, 1.0], [0.5, 0.5], 1e-8, 1000, rosenbrock);
        assert!(
            (found.at[0] - 1.0).abs() < 1e-6 && (found.at[1] - 1.0).abs() < 1e-6,
            "{found:?}"
        );
        assert!(found.calls < 300, "{found:?}");
    }

    #[test]
    fn infinite_and_undefined_places_are_left() {
        let root = |[x]: [f64; 1]| if x < 0.0 { f64::NAN } else { (x.sqrt() - 1.5).powi(2) };
        let found = minimise([0.1], [-1.0], 1e-6, 1000, root);
        assert!((found.at[0] - 2.25).abs() < 1e-5, "{found:?}");
        assert_eq!(minimise([0.0; 3], [1.0; 3], 0.0, 10, |_| f64::NAN).value, f64::INFINITY);
    }
}
