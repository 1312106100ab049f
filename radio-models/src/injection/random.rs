//! Random numbers: an independent stream for each thing that is drawn.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::hash::scramble;

/// A stream of random numbers.
///
/// xoshiro256++ is among the generators of `rand` whose output stays the same between platforms and releases.
#[derive(Debug)]
pub(super) struct Random(Xoshiro256PlusPlus);

impl Random {
    /// The stream of one item of the survey with this seed.
    pub(super) fn new(seed: u64, item: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(scramble(scramble(seed) ^ item)))
    }

    /// Uniform in [low, high).
    pub(super) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// Uniform in the logarithm, in [low, high].
    pub(super) fn log_uniform(&mut self, low: f64, high: f64) -> f64 {
        self.uniform(low.ln(), high.ln()).exp().clamp(low, high)
    }

    /// An integer in [0, n); 0 where `n` is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { self.0.random_range(0..n) }
    }

    /// 1 or −1.
    pub(super) fn sign(&mut self) -> f64 {
        if self.0.random() { 1.0 } else { -1.0 }
    }

    /// Any number: the seed of another stream.
    pub(super) fn seed(&mut self) -> u64 {
        self.0.random()
    }
}
