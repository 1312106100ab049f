//! A density in a window that runs along the line of sight.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rayon::prelude::*;

use crate::cells::pieces;
use crate::cosmology::Cosmology;
use crate::order::sorted;

/// The number of galaxies in a window around each, over its volume. See [`Density::measured`](crate::Density::measured).
pub(crate) fn density(distances: &[f64], steradians: f64, window_mpc: f64, cosmology: &Cosmology) -> Vec<f64> {
    let sorted = sorted(distances.par_iter().copied());
    let (nearest, farthest) = match (sorted.first(), sorted.last()) {
        (Some(&(nearest, _)), Some(&(farthest, _))) if farthest - nearest >= window_mpc => (nearest, farthest),
        _ => (0.0, f64::INFINITY),
    };
    let densities: Vec<AtomicU64> = distances.par_iter().map(|_| AtomicU64::new(0)).collect();
    pieces(sorted.len()).for_each(|piece| {
        let bounds = |distance: f64| {
            let low = (distance - 0.5 * window_mpc).max(nearest);
            let high = (distance + 0.5 * window_mpc).min(farthest);
            (low, high)
        };
        // The windows move along with the galaxies: their ends are followed, not searched for.
        let (low, high) = bounds(sorted[piece.start].0);
        let mut begin = sorted.partition_point(|&(d, _)| d < low);
        let mut end = sorted.partition_point(|&(d, _)| d <= high);
        for &(distance, row) in &sorted[piece] {
            let (low, high) = bounds(distance);
            begin += sorted[begin..].iter().take_while(|&&(d, _)| d < low).count();
            end += sorted[end..].iter().take_while(|&&(d, _)| d <= high).count();
            let density = (end - begin) as f64 / (steradians * cosmology.shell_volume(low, high));
            densities[row as usize].store(density.to_bits(), Relaxed);
        }
    });
    let density = |bits: AtomicU64| f64::from_bits(bits.into_inner());
    densities.into_par_iter().map(density).collect()
}
