//! Random orders that are the same in every release, on every machine.

/// SplitMix64 (Steele, Lea & Flood 2014, fig. 16): the order of an epoch has to be the same in every later release, and
/// no random number library promises that of its shuffle.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64, epoch: u64) -> Self {
        let mut dice = Self(seed);
        // Epochs must not be shifted copies of each other.
        dice.0 = dice.next() ^ epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        dice.0 = dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `end`. The bias of the multiplication is below 2⁻³² for any slice that fits in memory.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// Fisher & Yates, as Knuth gives it (Art of Computer Programming 2, algorithm P).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const ROUNDS: usize = 8;

/// A random order of the numbers below `end`, of which any place is computed by itself: no list of all of them is in memory, and
/// a pass goes on anywhere at once.
///
/// A Feistel network (Luby & Rackoff 1988) shuffles the numbers of an even count of bits; what comes out at `end` or above goes in
/// again, less than four times on average (cycle walking: Black & Rogaway 2002, section 3).
#[derive(Clone, Debug)]
pub(crate) struct Permutation {
    end: u64,
    half: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    pub(crate) fn new(end: u64, mut dice: Dice) -> Self {
        let bits = u64::BITS - end.saturating_sub(1).leading_zeros();
        Self {
            end,
            half: bits.div_ceil(2),
            keys: std::array::from_fn(|_| dice.next()),
        }
    }

    /// The number at a place, which has to be below the end.
    pub(crate) fn at(&self, place: u64) -> u64 {
        let mut number = self.network(place);
        while number >= self.end {
            number = self.network(number);
        }
        number
    }

    fn network(&self, number: u64) -> u64 {
        let mask = (1 << self.half) - 1;
        let (mut left, mut right) = (number >> self.half, number & mask);
        for key in self.keys {
            // The upper bits of the product mix best.
            (left, right) = (right, left ^ ((mix(right ^ key) >> 32) & mask));
        }
        left << self.half | right
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_shuffle_is_uniform() {
        let mut dice = Dice::new(3, 0);
        let mut counts = [[0_u32; 4]; 4];
        for _ in 0..24_000 {
            let mut items = [0, 1, 2, 3];
            dice.shuffle(&mut items);
            for (place, item) in items.into_iter().enumerate() {
                counts[place][item] += 1;
            }
        }
        // 6,000 expected in each cell, standard deviation 67.
        assert!(counts.iter().flatten().all(|&n| n.abs_diff(6_000) < 340), "{counts:?}");
    }

    proptest! {
        #[test]
        fn a_permutation_has_every_number_once(end in 0..3_000_u64, seed: u64, epoch: u64) {
            let order = Permutation::new(end, Dice::new(seed, epoch));
            let mut numbers: Vec<u64> = (0..end).map(|place| order.at(place)).collect();
            numbers.sort_unstable();
            prop_assert!(numbers.into_iter().eq(0..end));
        }

        #[test]
        fn large_ones_stay_below_their_end(end in 1..1_u64 << 40, place: prop::sample::Index, seed: u64) {
            let order = Permutation::new(end, Dice::new(seed, 0));
            prop_assert!(order.at(place.index(end as usize) as u64) < end);
        }
    }

    #[test]
    fn a_permutation_is_uniform() {
        for end in [2, 4, 5, 7, 16, 33] {
            let mut counts = vec![vec![0_f64; end]; end];
            let mut follows = vec![vec![0_f64; end]; end];
            for seed in 0..20_000 {
                let order = Permutation::new(end as u64, Dice::new(seed, 7));
                let numbers: Vec<usize> = (0..end as u64).map(|place| order.at(place) as usize).collect();
                for (place, &number) in numbers.iter().enumerate() {
                    counts[place][number] += 1.0;
                }
                numbers.windows(2).for_each(|pair| follows[pair[0]][pair[1]] += 1.0);
            }
            let off = |found: f64, share: f64| {
                let expected = 20_000.0 * share;
                (found - expected).abs() / (expected * (1.0 - share)).sqrt()
            };
            let worst = counts
                .iter()
                .flatten()
                .map(|&n| off(n, 1.0 / end as f64))
                .fold(0.0, f64::max);
            assert!(worst < 5.0, "{end}: {worst} standard deviations");
            if end > 2 {
                let pairs = (0..end).flat_map(|a| (0..end).filter(move |b| *b != a).map(move |b| (a, b)));
                let worst = pairs
                    .map(|(a, b)| off(follows[a][b], 1.0 / end as f64))
                    .fold(0.0, f64::max);
                assert!(worst < 5.0, "{end}: {worst} standard deviations of pairs");
            }
        }
    }
}
