//! Rows in the order of their values.

use rayon::prelude::*;

/// Every value with its row, in increasing order; of equal values the smaller row comes first.
///
/// Values travel with their rows, so that comparing them reads memory in order.
pub(crate) fn sorted(values: impl IndexedParallelIterator<Item = f64>) -> Vec<(f64, u32)> {
    let mut sorted: Vec<(f64, u32)> = values.enumerate().map(|(row, value)| (value, row as u32)).collect();
    sorted.par_sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    sorted
}
