//! Medians of patches.

use crate::median::{BAD, Buffers, key, mean, median};
use crate::network::{LISTS, Lanes, Network};
use crate::pixels::count_good;
use crate::row::Cut;
use crate::simd::Simd;

/// Longer patches are selected from, not sorted.
const LONGEST_SORTED: usize = 128;

/// Memory for the medians of patches.
#[derive(Debug, Default)]
pub(crate) struct Patches {
    /// The patches whose medians are computed together, as lists side by side.
    lanes: Vec<Lanes>,
    network: Network,
}

/// The number of good pixels of a patch, and their median.
pub(crate) type Median = (usize, f32);

impl Patches {
    /// The medians of up to [`LISTS`] tokens, from token `k` on, of a spectrum whose flux has these bits.
    #[inline(always)]
    pub(crate) fn medians<S: Simd>(
        &mut self,
        simd: S,
        flux: &[i32],
        cut: Cut,
        k: usize,
        buffers: &mut Buffers,
    ) -> [Median; LISTS] {
        let tokens = k..cut.tokens.min(k + LISTS);
        let mut medians = [(0, 0.0); LISTS];
        if cut.patch > LONGEST_SORTED {
            for (k, found) in tokens.zip(&mut medians) {
                let bits = &flux[cut.pixels(k, flux.len())];
                let good = count_good(bits);
                *found = (good, median(simd, bits, good, buffers).unwrap_or(0.0));
            }
            return medians;
        }
        self.network.resize(cut.patch);
        self.lanes.clear();
        self.lanes.resize(cut.patch, [BAD; LISTS]);
        for (list, k) in tokens.enumerate() {
            let bits = &flux[cut.pixels(k, flux.len())];
            medians[list].0 = count_good(bits);
            self.fill(list, bits);
        }
        for bits in self.lanes.as_flattened_mut() {
            *bits = key(*bits);
        }
        self.network.sort(&mut self.lanes);
        for (list, (good, median)) in medians.iter_mut().enumerate() {
            if *good > 0 {
                *median = mean(self.lanes[(*good - 1) / 2][list], self.lanes[*good / 2][list]);
            }
        }
        medians
    }

    /// Makes a patch one of the lists.
    #[inline(always)]
    fn fill(&mut self, list: usize, bits: &[i32]) {
        // Four at a time: with a scatter instruction, which compilers would take, it is slower.
        let ((fours, rest), (lanes, last_lanes)) = (bits.as_chunks::<4>(), self.lanes.as_chunks_mut::<4>());
        for (lanes, four) in lanes.iter_mut().zip(fours) {
            for i in 0..4 {
                lanes[i][list] = four[i];
            }
        }
        let last_lanes = lanes[fours.len()..].as_flattened_mut().iter_mut().chain(last_lanes);
        for (lanes, &bits) in last_lanes.zip(rest) {
            lanes[list] = bits;
        }
    }
}
