//! Samples with replacement, and the intervals that they give.

use rayon::prelude::*;

use super::random::Random;

/// Part of the samples in each of the two tails that an interval leaves out: 95 % are in it.
const TAIL: f64 = 0.025;

/// Calls `measure` with how often each row is in a sample, for each of `samples` samples, and returns the results in
/// the order of the samples. Rows of one stratum replace each other only.
///
/// Each sample has its own random numbers, so the result does not depend on the number of threads.
pub(super) fn resample<T: Send>(
    rows: usize,
    strata: &[Vec<usize>],
    samples: usize,
    seed: u64,
    measure: impl Fn(&[u32]) -> T + Sync,
) -> Vec<T> {
    let sample = |weights: &mut Vec<u32>, item: usize| {
        weights.clear();
        weights.resize(rows, 0);
        let mut random = Random::new(seed, item as u64);
        for stratum in strata {
            for _ in 0..stratum.len() {
                weights[stratum[random.below(stratum.len())]] += 1;
            }
        }
        measure(weights)
    };
    (0..samples).into_par_iter().map_init(Vec::new, sample).collect()
}

/// The 95 % interval of percentiles (Efron 1979); `None` of no values. An infinite bound stays infinite.
pub(super) fn interval(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let below = (TAIL * last as f64).floor() as usize;
    Some((values[below], values[last - below]))
}
