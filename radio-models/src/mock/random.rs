//! Random numbers: an independent stream for each thing that is drawn.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::hash::scramble;

/// What numbers are for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Noise,
    Galaxy,
    Hole,
    Completeness,
}

/// The stream of one item. It depends on nothing else, so threads may draw items in any order.
pub(super) fn stream(seed: u64, purpose: Purpose, item: usize) -> Xoshiro256PlusPlus {
    let purpose = scramble(scramble(seed) ^ purpose as u64);
    Xoshiro256PlusPlus::seed_from_u64(scramble(purpose ^ item as u64))
}
