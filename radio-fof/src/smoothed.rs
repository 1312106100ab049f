//! A density smoothed along the line of sight.

use rayon::prelude::*;

use crate::cosmology::Cosmology;

/// Bins per standard deviation. Galaxies are shared by the two nearest nodes, so the error is below a part in 10⁴.
const BINS: f64 = 40.0;

/// The Gaussian ends here, in standard deviations.
const CUT: f64 = 5.0;

/// No more bins than this, for the sake of samples that are all but infinitely deep.
const MOST_BINS: f64 = 1e6;

/// Weighted galaxies over weighted volume. See [`Density::smoothed`](crate::Density::smoothed).
pub(crate) fn density(distances: &[f64], steradians: f64, sigma_mpc: f64, cosmology: &Cosmology) -> Vec<f64> {
    let nearest = distances.iter().copied().fold(f64::INFINITY, f64::min);
    let farthest = distances.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if farthest - nearest < sigma_mpc {
        // All at about one distance: taken to go on beyond it. ∫ D² exp(-(D - d)² / 2σ²) dD = √(2π) σ (d² + σ²).
        let middle = cosmology.transverse(0.5 * (nearest + farthest));
        let volume = std::f64::consts::TAU.sqrt() * sigma_mpc * (middle * middle + sigma_mpc * sigma_mpc);
        return vec![distances.len() as f64 / (steradians * volume); distances.len()];
    }
    let depth = farthest - nearest;
    let sigma_mpc = sigma_mpc.max(BINS * depth / MOST_BINS);
    let bins = (BINS * depth / sigma_mpc).ceil().clamp(1.0, MOST_BINS);
    let width = depth / bins;

    // A node and the share of the next one.
    let place = |distance: f64| {
        let place = ((distance - nearest) / width).min(bins);
        (place as usize, place.fract())
    };
    let nodes = bins as usize + 2;
    let mut counts = vec![0.0; nodes];
    for &distance in distances {
        let (node, share) = place(distance);
        counts[node] += 1.0 - share;
        counts[node + 1] += share;
    }
    // The volume around each node, half a bin at the ends.
    let volume = |node: usize| {
        let at = nearest + width * node as f64;
        let (low, high) = ((at - 0.5 * width).max(nearest), (at + 0.5 * width).min(farthest));
        if low < high {
            cosmology.shell_volume(low, high)
        } else {
            0.0
        }
    };
    let volumes: Vec<f64> = (0..nodes).map(volume).collect();

    let reach = (CUT * sigma_mpc / width).min(bins) as usize;
    let kernel: Vec<f64> = (0..=reach)
        .map(|step| (-0.5 * (step as f64 * width / sigma_mpc).powi(2)).exp())
        .collect();
    let density_at = |node: usize| {
        let near = node.saturating_sub(reach)..(node + reach + 1).min(nodes);
        let weighted = |values: &[f64]| -> f64 { near.clone().map(|k| kernel[k.abs_diff(node)] * values[k]).sum() };
        weighted(&counts) / (steradians * weighted(&volumes))
    };
    let densities: Vec<f64> = (0..nodes).into_par_iter().map(density_at).collect();
    distances
        .par_iter()
        .map(|&distance| {
            let (node, share) = place(distance);
            // The last galaxy is at the last node; beyond it there is no volume.
            let next = densities[(node + 1).min(bins as usize)];
            densities[node] + share * (next - densities[node])
        })
        .collect()
}
