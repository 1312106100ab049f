//! Random numbers, one independent stream for each thing that is drawn.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

/// What a stream of random numbers is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Where a cluster is and how rich.
    Cluster = 1,
    /// What a fibre looks at, and where.
    Target = 2,
    /// The pixels that are bad in a whole tile, and how deep the tile is.
    Tile = 3,
    /// The object's spectrum, its noise and its measured redshift.
    Spectrum = 4,
}

/// A stream of random numbers.
///
/// The generator is xoshiro256++, which `rand` lists among those whose output stays the same between platforms and
/// releases. Every row has its own stream, so no row depends on which thread came first.
#[derive(Debug)]
pub(super) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    /// The stream of the `item`-th thing of one purpose in the survey with this seed.
    pub(super) fn new(seed: u64, purpose: Purpose, item: u64) -> Self {
        let survey = scramble(seed.wrapping_add((purpose as u64) << 32));
        Self(Xoshiro256PlusPlus::seed_from_u64(scramble(survey ^ item)))
    }

    /// Uniform in [low, high).
    pub(super) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// True with probability `p`.
    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.0.random::<f64>() < p
    }

    /// From the normal distribution with mean 0 and variance 1.
    pub(super) fn normal(&mut self) -> f64 {
        self.0.sample(StandardNormal)
    }

    /// From the normal distribution, again and again until the value is between `low` and `high`.
    ///
    /// The interval must hold a fair part of the probability, or this takes long.
    pub(super) fn normal_within(&mut self, mean: f64, sigma: f64, low: f64, high: f64) -> f64 {
        loop {
            let value = mean + sigma * self.normal();
            if (low..=high).contains(&value) {
                return value;
            }
        }
    }

    /// From the exponential distribution with this mean.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.0.random::<f64>()).ln()
    }

    /// The index of one of the `weights`, with a probability in proportion to it.
    pub(super) fn pick(&mut self, weights: &[f64]) -> usize {
        let mut left = self.uniform(0.0, weights.iter().sum());
        for (i, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return i;
            }
        }
        weights.len().saturating_sub(1)
    }
}

/// Makes a number of which every bit depends on every bit of `x` (the finalizer of splitmix64, Steele et al. 2014).
fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
