//! Medians by selection, on integers that sort like the floats they stand for.

use crate::select::choose;
use crate::simd::{PADDING, Simd};

/// In place of the bits of a pixel that does not count: a NaN, whose key sorts behind every finite float.
pub(crate) const BAD: i32 = i32::MAX;

/// The integer that sorts among integers as the float with these `bits` sorts among floats; and its bits again from that.
///
/// Integers are compared in one instruction and cannot be NaN. Negative floats sort backwards by their bits: all bits but
/// the sign are turned around.
#[inline(always)]
pub(crate) fn key(bits: i32) -> i32 {
    bits ^ ((bits >> 31).cast_unsigned() >> 1).cast_signed()
}

/// The float with these bits.
#[inline(always)]
pub(crate) fn float(bits: i32) -> f32 {
    f32::from_bits(bits.cast_unsigned())
}

/// The bits of a float, or [`BAD`].
#[inline(always)]
pub(crate) fn bits_if(good: bool, x: f32) -> i32 {
    choose(good, x.to_bits().cast_signed(), BAD)
}

/// Memory for selections, used again.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    from: Vec<i32>,
    to: Vec<i32>,
    pub(crate) deviations: Vec<i32>,
}

/// The median of the floats with these bits, of which `good` are not [`BAD`]; for an even count the mean of the two in the
/// middle, as numpy has it. `None` if there are none.
#[inline(always)]
pub(crate) fn median<S: Simd>(simd: S, bits: &[i32], good: usize, buffers: &mut Buffers) -> Option<f32> {
    if good == 0 {
        return None;
    }
    simd.outline(
        #[inline(always)]
        || Some(median_of_some(simd, bits, good, buffers)),
    )
}

#[inline(always)]
fn median_of_some<S: Simd>(simd: S, bits: &[i32], good: usize, buffers: &mut Buffers) -> f32 {
    let middle = good / 2;
    let (lower, upper) = select(simd, bits, middle, buffers);
    if good % 2 == 1 {
        return float(key(upper));
    }
    let lower = lower.unwrap_or_else(
        #[inline(always)]
        || largest_below(bits, upper, middle),
    );
    mean(lower, upper)
}

/// The key before `upper`, which has `k` others before it in sorted order: equal, or the largest of those that are less.
#[inline(always)]
fn largest_below(bits: &[i32], upper: i32, k: usize) -> i32 {
    let (mut less, mut largest) = (0, i32::MIN);
    for &bits in bits {
        let key = key(bits);
        less += u32::from(key < upper);
        largest = largest.max(if key < upper { key } else { i32::MIN });
    }
    if less as usize == k { largest } else { upper }
}

/// The mean of the floats behind two keys, rounded once; it cannot overflow.
#[inline(always)]
pub(crate) fn mean(lower: i32, upper: i32) -> f32 {
    ((f64::from(float(key(lower))) + f64::from(float(key(upper)))) / 2.0) as f32
}

/// So few keys are compared each with each.
const FEW: usize = 96;
/// Keys that are looked at to find a range that likely holds the one wanted.
const SAMPLE: usize = 32;
/// The range goes from so many of the sample below the place wanted to so many above: 1.4 standard deviations of a sample's
/// median.
const AROUND: i32 = 4;
/// A round leaves about a quarter of the keys. After so many rounds without success the keys are no sample's work.
const ROUNDS: usize = 12;

/// The key that has `k` others before it in sorted order, and before it the key that has one less, where that was easy to
/// see.
///
/// A small sample gives a range of keys that likely holds the one wanted, and the next round goes on with the keys in that
/// range: the idea of Floyd and Rivest's SELECT, in a form that compilers can vectorise.
///
/// # References
///
/// Floyd & Rivest 1975, Communications of the ACM 18, 165.
#[inline(always)]
fn select<S: Simd>(simd: S, bits: &[i32], mut k: usize, buffers: &mut Buffers) -> (Option<i32>, i32) {
    let Buffers { from, to, .. } = buffers;
    let mut n = bits.len();
    for buffer in [&mut *from, &mut *to] {
        if buffer.len() < n + PADDING {
            buffer.resize(n + PADDING, 0);
        }
    }
    if n <= FEW {
        for (to, &bits) in to.iter_mut().zip(bits) {
            *to = key(bits);
        }
        return select_of_few(&to[..n], k);
    }
    let mut after = round::<S, true>(simd, bits, k, to);
    let (mut from, mut to) = (to, from);
    let mut rounds = 0;
    loop {
        match after {
            Round::Found(key) => return (None, key),
            Round::Left(left, place) => (n, k) = (left, place),
        }
        if n <= FEW {
            return select_of_few(&from[..n], k);
        }
        if rounds == ROUNDS {
            break;
        }
        rounds += 1;
        after = round::<S, false>(simd, &from[..n], k, to);
        (from, to) = (to, from);
    }
    (None, *from[..n].select_nth_unstable(k).1)
}

/// How a round ended.
enum Round {
    /// With the key.
    Found(i32),
    /// With so many keys, among which the one wanted has so many before it.
    Left(usize, usize),
}

/// Moves the keys of a range that holds the one wanted to the front of `to`. `BITS`: the keys are still bits of floats.
#[inline(always)]
fn round<S: Simd, const BITS: bool>(simd: S, keys: &[i32], k: usize, to: &mut [i32]) -> Round {
    let (low, high) = range::<BITS>(keys, k);
    let within = simd.within::<BITS>(keys, low..=high, to);
    if k < within.below {
        // `low` has keys below it, so there is a number below it.
        let within = simd.within::<BITS>(keys, i32::MIN..=low - 1, to);
        Round::Left(within.kept, k)
    } else if k >= within.below + within.kept {
        let k = k - within.below - within.kept;
        let within = simd.within::<BITS>(keys, high + 1..=i32::MAX, to);
        Round::Left(within.kept, k)
    } else if low == high {
        Round::Found(low)
    } else {
        Round::Left(within.kept, k - within.below)
    }
}
/// A range of keys that likely holds the one with `k` of `keys` before it.
#[inline(always)]
fn range<const BITS: bool>(keys: &[i32], k: usize) -> (i32, i32) {
    let mut sample = [0; SAMPLE];
    let step = keys.len() / SAMPLE;
    for (sample, &seen) in sample.iter_mut().zip(keys.iter().step_by(step)) {
        *sample = if BITS { key(seen) } else { seen };
    }
    let (mut less, mut at_most) = ([0; SAMPLE], [0; SAMPLE]);
    for &other in &sample {
        for i in 0..SAMPLE {
            less[i] += i32::from(other < sample[i]);
            at_most[i] += i32::from(other <= sample[i]);
        }
    }
    let place = (k * SAMPLE / keys.len()) as i32;
    let (mut low, mut high) = (i32::MIN, i32::MAX);
    for i in 0..SAMPLE {
        low = low.max(if less[i] <= place - AROUND { sample[i] } else { i32::MIN });
        high = high.min(if at_most[i] > place + AROUND {
            sample[i]
        } else {
            i32::MAX
        });
    }
    (low, high)
}

/// [`select`] by counting, for each key, those that are less.
#[inline(always)]
fn select_of_few(keys: &[i32], k: usize) -> (Option<i32>, i32) {
    let k = k as i32;
    let (mut before, mut found) = (i32::MIN, i32::MIN);
    let mut look_at = |less: i32, key: i32| {
        before = before.max(if less < k { key } else { i32::MIN });
        found = found.max(if less <= k { key } else { i32::MIN });
    };
    let (sixteens, rest) = keys.as_chunks::<16>();
    for sixteen in sixteens {
        let mut less = [0; 16];
        for &other in keys {
            for i in 0..16 {
                less[i] += i32::from(other < sixteen[i]);
            }
        }
        for i in 0..16 {
            look_at(less[i], sixteen[i]);
        }
    }
    for &key in rest {
        look_at(keys.iter().map(|&other| i32::from(other < key)).sum(), key);
    }
    ((k > 0).then_some(before), found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simd::{Portable, Task, dispatch};

    /// The `k`-th and perhaps the one before it, on this processor.
    struct Select<'a>(&'a [i32], usize, &'a mut (Option<i32>, i32));

    impl Task for Select<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            *self.2 = select(simd, self.0, self.1, &mut Buffers::default());
        }
    }

    fn check(bits: &[i32]) {
        let mut sorted: Vec<i32> = bits.iter().map(|&bits| key(bits)).collect();
        sorted.sort_unstable();
        for k in [0, 1, bits.len() / 3, bits.len() / 2, bits.len() - 1] {
            let k = k.min(bits.len() - 1);
            let mut found = (None, 0);
            dispatch(Select(bits, k, &mut found));
            assert_eq!(found, select(Portable, bits, k, &mut Buffers::default()));
            assert_eq!(found.1, sorted[k], "{k} of {}", bits.len());
            assert!(
                found.0.is_none_or(|before| before == sorted[k - 1]),
                "{k} of {}",
                bits.len()
            );
        }
    }

    proptest! {
        #[test]
        fn selects_what_sorting_selects(
            bits in prop_oneof![
                proptest::collection::vec(any::<i32>(), 1..3000),
                proptest::collection::vec(-3..3_i32, 1..3000),
                proptest::collection::vec(prop_oneof![Just(BAD), Just(i32::MIN), -1000..1000_i32], 1..3000),
            ],
        ) {
            check(&bits);
        }
    }

    #[test]
    fn selects_from_keys_that_mislead_a_sample() {
        // Every key that is looked at in the first round is one of the smallest.
        let n = 4096;
        check(
            &(0..n)
                .map(|i| if i % (n / 32) == 0 { i } else { i32::MAX - i })
                .collect::<Vec<i32>>(),
        );
        check(&(0..n).collect::<Vec<i32>>());
        check(&(0..n).rev().collect::<Vec<i32>>());
        check(&vec![7; 4096]);
        // Two values alone: no range is narrower than both.
        check(&(0..n).map(|i| i % 2).collect::<Vec<i32>>());
        check(
            &(0..n)
                .map(|i| if i % 2 == 0 { BAD } else { i32::MIN })
                .collect::<Vec<i32>>(),
        );
    }

    #[test]
    fn medians_are_numpys() {
        let median = |values: &[f32]| {
            let bits: Vec<i32> = values.iter().map(|&x| bits_if(x.is_finite(), x)).collect();
            let good = values.iter().filter(|x| x.is_finite()).count();
            super::median(Portable, &bits, good, &mut Buffers::default())
        };
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[f32::NAN]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[3.0, -1.0]), Some(1.0));
        assert_eq!(median(&[-3.0, f32::NAN, -1.0, -2.0]), Some(-2.0));
        assert_eq!(median(&[1.0, 1.0, 5.0, 5.0]), Some(3.0));
        assert_eq!(median(&[1.0, 5.0, 5.0, 5.0]), Some(5.0));
        assert_eq!(median(&[f32::MAX, f32::MAX]), Some(f32::MAX));
        // An even count whose two middle values lie far apart, among many.
        let halves: Vec<f32> = (0..1000)
            .map(|i| if i % 2 == 0 { -1.0 - i as f32 } else { 1.0 + i as f32 })
            .collect();
        assert_eq!(median(&halves), Some(0.5));
    }
}
