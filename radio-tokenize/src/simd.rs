//! The widest instructions that a processor has, found when the program runs.
//!
//! [`dispatch`] compiles a task three times: for any processor, for those with AVX2 and for those with AVX-512. Everything
//! marked `#[inline(always)]` that the task calls is compiled along, and the compiler vectorises its loops. None of that
//! changes a result: the same operations are done in the same order (Rust never contracts a product and a sum).
//!
//! One thing compilers do not find is to move the numbers that satisfy a condition together, which is most of the work of a
//! selection. [`Simd::within`] does it in three ways; for 4096 numbers the first takes 2.5 µs, the last 0.5 (AMD Zen 4).

use std::ops::RangeInclusive;

use pulp::Arch;
#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

use crate::median::key;

/// Work that is compiled for several kinds of processors.
pub(crate) trait Task {
    /// Does it. Implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S);
}

/// Does a task with the widest instructions of this processor.
pub(crate) fn dispatch(task: impl Task) {
    match Arch::new() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(v4) => v4.vectorize(
            #[inline(always)]
            || task.run(Avx512(v4)),
        ),
        #[cfg(target_arch = "x86_64")]
        Arch::V3(v3) => v3.vectorize(
            #[inline(always)]
            || task.run(Avx2(v3)),
        ),
        _ => task.run(Portable),
    }
}

/// Does a task as a processor does that has AVX2 and no more, where this one has it.
#[cfg(test)]
pub(crate) fn on_avx2(task: impl Task) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = V3::try_new() {
        return v3.vectorize(
            #[inline(always)]
            || task.run(Avx2(v3)),
        );
    }
    task.run(Portable);
}

/// What [`Simd::within`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Within {
    /// Keys below the range.
    pub(crate) below: usize,
    /// Keys in the range, which lie in front of the output now.
    pub(crate) kept: usize,
}

/// What is written once for each kind of processor.
pub(crate) trait Simd: Copy {
    /// Copies the keys in a range to the front of `out`, in their order, and counts those below it. `BITS`: they are still
    /// the bits of floats.
    ///
    /// `out` is at least [`PADDING`] longer than `keys`; what lies behind the keys that are kept is overwritten.
    fn within<const BITS: bool>(self, keys: &[i32], range: RangeInclusive<i32>, out: &mut [i32]) -> Within;

    /// Compiles `f` for this processor as a function of its own, so that it is not copied to every place that calls it. It is
    /// `#[inline(always)]`.
    fn outline<R>(self, f: impl FnOnce() -> R) -> R;

    /// Asks for memory that will be needed.
    fn prefetch<T>(self, values: &[T], ahead: usize);
}

/// Numbers that may be written behind those that are kept.
pub(crate) const PADDING: usize = 16;

/// Any processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Simd for Portable {
    #[inline(always)]
    fn within<const BITS: bool>(self, keys: &[i32], range: RangeInclusive<i32>, out: &mut [i32]) -> Within {
        let mut within = Within { below: 0, kept: 0 };
        one_by_one::<BITS>(keys, &range, out, &mut within);
        within
    }

    #[inline(never)]
    fn outline<R>(self, f: impl FnOnce() -> R) -> R {
        f()
    }

    fn prefetch<T>(self, _values: &[T], _ahead: usize) {}
}

/// Written without a branch: the next key overwrites one that is not kept.
#[inline(always)]
fn one_by_one<const BITS: bool>(keys: &[i32], range: &RangeInclusive<i32>, out: &mut [i32], within: &mut Within) {
    let (first, last) = (*range.start(), *range.end());
    let width = last.wrapping_sub(first).cast_unsigned();
    let as_key = |seen: i32| if BITS { key(seen) } else { seen };
    for &seen in keys {
        let key = as_key(seen);
        out[within.kept] = key;
        within.kept += usize::from(key.wrapping_sub(first).cast_unsigned() <= width);
    }
    within.below += keys.iter().map(|&seen| u32::from(as_key(seen) < first)).sum::<u32>() as usize;
}

/// To the second cache: the first one is in use.
#[cfg(target_arch = "x86_64")]
const HINT: i32 = std::arch::x86_64::_MM_HINT_T1;

/// A processor with AVX2.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(V3);

#[cfg(target_arch = "x86_64")]
impl Simd for Avx2 {
    #[inline(always)]
    fn within<const BITS: bool>(self, keys: &[i32], range: RangeInclusive<i32>, out: &mut [i32]) -> Within {
        let (avx, avx2) = (self.0.avx, self.0.avx2);
        let first = avx._mm256_set1_epi32(*range.start());
        let last = avx._mm256_set1_epi32(*range.end());
        let mut below = avx._mm256_setzero_si256();
        let mut kept = 0;
        let (eights, rest) = keys.as_chunks::<8>();
        for eight in eights {
            let mut eight = pulp::cast(*eight);
            if BITS {
                // As `key` does.
                let rest = avx2._mm256_srli_epi32::<1>(avx2._mm256_srai_epi32::<31>(eight));
                eight = avx2._mm256_xor_si256(eight, rest);
            }
            let is_below = avx2._mm256_cmpgt_epi32(first, eight);
            let is_out = avx2._mm256_or_si256(is_below, avx2._mm256_cmpgt_epi32(eight, last));
            below = avx2._mm256_sub_epi32(below, is_below);
            let kept_lanes = !avx._mm256_movemask_ps(avx._mm256_castsi256_ps(is_out)) as u8;
            let order = avx2._mm256_cvtepu8_epi32(pulp::cast([FRONT[usize::from(kept_lanes)], 0]));
            let front: [i32; 8] = pulp::cast(avx2._mm256_permutevar8x32_epi32(eight, order));
            out[kept..kept + 8].copy_from_slice(&front);
            kept += kept_lanes.count_ones() as usize;
        }
        let below: [u32; 8] = pulp::cast(below);
        let mut within = Within {
            below: below.iter().sum::<u32>() as usize,
            kept,
        };
        one_by_one::<BITS>(rest, &range, out, &mut within);
        within
    }

    #[inline(always)]
    fn outline<R>(self, f: impl FnOnce() -> R) -> R {
        self.0.vectorize(f)
    }

    #[inline(always)]
    fn prefetch<T>(self, values: &[T], ahead: usize) {
        let first = values.as_ptr().cast::<i8>().wrapping_add(ahead);
        for line in (0..size_of_val(values)).step_by(64) {
            self.0.sse._mm_prefetch::<HINT>(first.wrapping_add(line));
        }
    }
}

/// For each set of lanes, the lanes that are in it, from the first byte on.
#[cfg(target_arch = "x86_64")]
static FRONT: [u64; 256] = {
    let mut front = [0; 256];
    let mut set = 0;
    while set < 256 {
        let (mut lane, mut at) = (0, 0);
        while lane < 8 {
            if set >> lane & 1 == 1 {
                front[set] |= lane << (8 * at);
                at += 1;
            }
            lane += 1;
        }
        set += 1;
    }
    front
};

/// A processor with AVX-512.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(V4);

#[cfg(target_arch = "x86_64")]
impl Simd for Avx512 {
    #[inline(always)]
    fn within<const BITS: bool>(self, keys: &[i32], range: RangeInclusive<i32>, out: &mut [i32]) -> Within {
        let avx512 = self.0.avx512f;
        let first = avx512._mm512_set1_epi32(*range.start());
        let last = avx512._mm512_set1_epi32(*range.end());
        let width = avx512._mm512_sub_epi32(last, first);
        let mut below = avx512._mm512_setzero_si512();
        let one = avx512._mm512_set1_epi32(1);
        let mut kept = 0;
        let (sixteens, rest) = keys.as_chunks::<16>();
        for sixteen in sixteens {
            let mut sixteen = pulp::cast(*sixteen);
            if BITS {
                // As `key` does.
                let rest = avx512._mm512_srli_epi32::<1>(avx512._mm512_srai_epi32::<31>(sixteen));
                sixteen = avx512._mm512_xor_si512(sixteen, rest);
            }
            let is_below = avx512._mm512_cmplt_epi32_mask(sixteen, first);
            below = avx512._mm512_mask_add_epi32(below, is_below, below, one);
            let is_kept = avx512._mm512_cmple_epu32_mask(avx512._mm512_sub_epi32(sixteen, first), width);
            let front: [i32; 16] = pulp::cast(avx512._mm512_maskz_compress_epi32(is_kept, sixteen));
            out[kept..kept + 16].copy_from_slice(&front);
            kept += is_kept.count_ones() as usize;
        }
        let below: [u32; 16] = pulp::cast(below);
        let mut within = Within {
            below: below.iter().sum::<u32>() as usize,
            kept,
        };
        one_by_one::<BITS>(rest, &range, out, &mut within);
        within
    }

    #[inline(always)]
    fn outline<R>(self, f: impl FnOnce() -> R) -> R {
        self.0.vectorize(f)
    }

    #[inline(always)]
    fn prefetch<T>(self, values: &[T], ahead: usize) {
        let first = values.as_ptr().cast::<i8>().wrapping_add(ahead);
        for line in (0..size_of_val(values)).step_by(64) {
            self.0.sse._mm_prefetch::<HINT>(first.wrapping_add(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs `within` on a kind of processor.
    struct Run<'a> {
        bits: &'a [i32],
        range: RangeInclusive<i32>,
        result: &'a mut (Vec<i32>, usize),
    }

    impl Task for Run<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let mut out = vec![0; self.bits.len() + PADDING];
            let within = simd.within::<true>(self.bits, self.range.clone(), &mut out);
            out.truncate(within.kept);
            let keys: Vec<i32> = self.bits.iter().map(|&bits| key(bits)).collect();
            let mut again = vec![0; keys.len() + PADDING];
            assert_eq!(simd.within::<false>(&keys, self.range, &mut again), within);
            assert_eq!(again[..within.kept], out);
            *self.result = (out, within.below);
        }
    }

    fn check(bits: &[i32], range: &RangeInclusive<i32>) {
        let keys = || bits.iter().map(|&bits| key(bits));
        let expected = (
            keys().filter(|key| range.contains(key)).collect::<Vec<i32>>(),
            keys().filter(|key| key < range.start()).count(),
        );
        let check = |on: &dyn Fn(Run<'_>)| {
            let mut result = (vec![], 0);
            on(Run {
                bits,
                range: range.clone(),
                result: &mut result,
            });
            assert_eq!(result, expected);
        };
        check(&|run| run.run(Portable));
        check(&|run| dispatch(run));
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = V3::try_new() {
            check(&|run| v3.vectorize(|| run.run(Avx2(v3))));
        }
    }

    proptest! {
        #[test]
        fn every_processor_keeps_the_same_keys(
            keys in proptest::collection::vec(prop_oneof![-9..9, any::<i32>()], 0..70),
            (a, b) in prop_oneof![(-9..9, -9..9), any::<(i32, i32)>()],
        ) {
            check(&keys, &(a.min(b)..=a.max(b)));
        }
    }

    #[test]
    fn the_largest_range_holds_all() {
        check(&[i32::MIN, 0, i32::MAX], &(i32::MIN..=i32::MAX));
    }
}
