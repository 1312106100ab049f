//! What is left out in training.

use rayon::prelude::*;

use super::GraphSageConfig;
use crate::hash::scramble;

/// By how much each number of each node is multiplied, `(nodes, hidden)`: 0, or what keeps the mean (Srivastava et al. 2014).
///
/// A function of the seed, the draw, the layer and the node: the same for a node in any batch, on any device.
pub(super) fn kept(config: &GraphSageConfig, draw: u64, layer: usize, nodes: &[u32]) -> Vec<f32> {
    let (width, scale) = (config.hidden, (1.0 / (1.0 - config.dropout)) as f32);
    // Of 16 random bits.
    let least = (config.dropout * 65536.0).round() as u64;
    let stream = scramble(scramble(scramble(config.seed) ^ draw) ^ layer as u64);
    let mut kept = vec![0.0; nodes.len() * width];
    kept.par_chunks_mut(width).zip(nodes).for_each(|(row, &node)| {
        let stream = scramble(stream ^ u64::from(node));
        for (word, numbers) in row.chunks_mut(4).enumerate() {
            let random = scramble(stream.wrapping_add(word as u64));
            for (i, number) in numbers.iter_mut().enumerate() {
                *number = if random >> (16 * i) & 0xffff >= least {
                    scale
                } else {
                    0.0
                };
            }
        }
    });
    kept
}
