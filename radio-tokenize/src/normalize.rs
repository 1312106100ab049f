//! Offset and scale.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::flag;
use crate::median::{BAD, Buffers, bits_if, float, median};
use crate::select::{LANES, add, choose, keep, sum_of_pairs_by};
use crate::simd::Simd;

/// How flux is brought to order one: `value = (flux - offset) / scale`, with one offset and one scale per spectrum (one per
/// token for [`PatchMedian`](Self::PatchMedian)), computed from its good pixels.
///
/// A level (a median or a mean) is used as a scale only where it is significant: larger than its own standard error. Where
/// it is not (sky, noise, a negative spectrum), the scale is the spread that belongs to it, and
/// [`flag::SCALE_IS_SPREAD`] is set; where there is no spread either (all zero), it is 1 and [`flag::SCALE_IS_ONE`] is set.
/// A spread that is less than the rounding error of its offset in `f32` (a constant spectrum) counts as none.
///
/// The median of an even number of values is the mean of the two in the middle, as numpy has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Normalize {
    /// Offset 0, scale the median: keeps the shape of the continuum and the zero of the flux.
    ///
    /// Its spread is 1.4826 · MAD, MAD being the median absolute deviation from the median. Its error is
    /// 1.2533 · 1.4826 · MAD / √n for n good pixels (1.2533 = √(π/2) is the price of a median over a mean in Gaussian
    /// noise).
    #[default]
    Median,
    /// Offset 0, scale the mean. Its spread is the standard deviation (divided by n, not n − 1), its error that over √n.
    Mean,
    /// Offset the mean, scale the standard deviation.
    MeanStd,
    /// Offset the mean weighted by `ivar`, scale the weighted root mean square about it.
    WeightedMean,
    /// Offset 0, scale the median of the pixels between two wavelengths of the rest frame, λ / (1 + z): the same part of
    /// every spectrum, for [`Spectra`](crate::Spectra) that have redshifts. (5300 to 5850 Å are the window of Melchior et
    /// al. 2023, arXiv:2211.07890.)
    ///
    /// Where the window holds no good pixel or the redshift is unknown (not finite, or −1 and less) the median is that of
    /// the whole spectrum, and [`flag::WINDOW_IS_SPECTRUM`] is set.
    RestFrameMedian {
        /// Where the window begins, in Angstrom.
        from: f64,
        /// Where it ends, in Angstrom.
        to: f64,
    },
    /// Offset 0, scale the median of each token.
    ///
    /// It destroys the continuum: a model cannot know from the values whether a patch was brighter than its neighbour. No
    /// published model does it; it is here to be compared with.
    PatchMedian,
    /// Offset 0, scale 1: the flux as it is.
    None,
}

/// The words for it in the canonical text of a configuration.
impl fmt::Display for Normalize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Median => f.write_str("median"),
            Self::Mean => f.write_str("mean"),
            Self::MeanStd => f.write_str("mean-std"),
            Self::WeightedMean => f.write_str("weighted-mean"),
            Self::RestFrameMedian { from, to } => write!(f, "rest-frame-median({from},{to})"),
            Self::PatchMedian => f.write_str("patch-median"),
            Self::None => f.write_str("none"),
        }
    }
}

/// What to subtract and to divide by. The offset is finite, the scale positive and normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scaling {
    pub(crate) offset: f32,
    pub(crate) scale: f32,
    pub(crate) flags: u32,
}

impl Scaling {
    /// The flux as it is.
    pub(crate) const UNIT: Self = Self {
        offset: 0.0,
        scale: 1.0,
        flags: 0,
    };

    fn by_level(scale: f32) -> Self {
        Self { scale, ..Self::UNIT }
    }

    /// Mean and standard deviation, from mean and variance.
    fn by_moments((mean, variance): (f64, f64)) -> Self {
        let (offset, scale) = (mean as f32, variance.sqrt() as f32);
        if scale.is_normal() && scale > f32::EPSILON * offset.abs() {
            return Self {
                offset,
                scale,
                flags: 0,
            };
        }
        Self {
            offset,
            scale: 1.0,
            flags: flag::SCALE_IS_ONE,
        }
    }

    /// The spread in place of a level, or 1 in place of a spread.
    fn by_spread(spread: f64) -> Self {
        let scale = spread as f32;
        if scale.is_normal() {
            return Self {
                scale,
                flags: flag::SCALE_IS_SPREAD,
                ..Self::UNIT
            };
        }
        Self {
            flags: flag::SCALE_IS_ONE,
            ..Self::UNIT
        }
    }
}

/// 1.4826: a median absolute deviation times this is the standard deviation of a Gaussian.
const SIGMA_PER_MAD: f64 = 1.482_602_218_505_602;

/// √(π/2): the standard error of a median over that of a mean, in Gaussian noise.
const MEDIAN_ERROR: f64 = 1.253_314_137_315_500_3;

/// [`Normalize::Median`] of the floats with these bits, of which `good` are not [`BAD`].
#[inline(always)]
pub(crate) fn by_median<S: Simd>(simd: S, bits: &[i32], good: usize, buffers: &mut Buffers) -> Scaling {
    match median(simd, bits, good, buffers) {
        Some(level) => by_known_median(simd, level, bits, good, buffers),
        None => Scaling::UNIT,
    }
}

/// [`by_median`] where the median is known.
#[inline(always)]
pub(crate) fn by_known_median<S: Simd>(
    simd: S,
    level: f32,
    bits: &[i32],
    good: usize,
    buffers: &mut Buffers,
) -> Scaling {
    // The median is larger than its error just if the MAD is below this limit.
    let limit = (f64::from(level) * (good as f64).sqrt() / (MEDIAN_ERROR * SIGMA_PER_MAD)) as f32;
    let is_usable = level.is_normal() && level > 0.0;
    if is_usable {
        // Nearly every spectrum with light in it ends here, without a second selection: if more than half of the
        // deviations are below the limit, so is their median. Just where roundings could matter it is left to the median.
        let near = limit * (1.0 - 1e-6);
        let (low, high) = (level - near, level + near);
        // A bad pixel is not a number, which is within nothing.
        let is_within = |&bits: &i32| u32::from((low < float(bits)) & (float(bits) < high));
        let within = bits.iter().map(is_within).sum::<u32>() as usize;
        if within > good / 2 {
            return Scaling::by_level(level);
        }
    }
    let mad = simd.outline(
        #[inline(always)]
        || median_deviation(simd, level, bits, good, buffers),
    );
    if is_usable && mad < limit {
        return Scaling::by_level(level);
    }
    Scaling::by_spread(SIGMA_PER_MAD * f64::from(mad))
}

#[inline(always)]
fn median_deviation<S: Simd>(simd: S, level: f32, bits: &[i32], good: usize, buffers: &mut Buffers) -> f32 {
    // The largest f32 where it is farther than an f32 can tell.
    let deviation = |&bits: &i32| bits_if(bits != BAD, (float(bits) - level).abs().min(f32::MAX));
    let mut deviations = std::mem::take(&mut buffers.deviations);
    deviations.clear();
    deviations.extend(bits.iter().map(deviation));
    let mad = median(simd, &deviations, good, buffers).unwrap_or(0.0);
    buffers.deviations = deviations;
    mad
}

/// [`Normalize::Mean`].
#[inline(always)]
pub(crate) fn by_mean(bits: &[i32], good: usize) -> Scaling {
    let (mean, variance) = moments(bits, good);
    let level = mean as f32;
    // Mean > standard deviation / √n.
    if level.is_normal() && level > 0.0 && mean * mean * good as f64 > variance {
        return Scaling::by_level(level);
    }
    Scaling::by_spread(variance.sqrt())
}

/// [`Normalize::MeanStd`].
#[inline(always)]
pub(crate) fn by_mean_and_std(bits: &[i32], good: usize) -> Scaling {
    Scaling::by_moments(moments(bits, good))
}

/// Values whose differences are kept at a time.
const BLOCK: usize = 128;

/// Mean and variance of the floats with these bits, of which `good` are not [`BAD`].
///
/// One pass over differences from one of the values. For a variance V the square of its distance from the mean is at most
/// n V, so cancellation costs at most a factor of n of the precision of `f64`, of which `f32` leaves 2²⁹; and neither
/// squares nor sums of `f32` overflow an `f64`.
///
/// # References
///
/// Chan, Golub & LeVeque 1983, The American Statistician 37, 242: "shifted data".
#[inline(always)]
fn moments(bits: &[i32], good: usize) -> (f64, f64) {
    let Some(&origin) = bits.iter().find(|&&bits| bits != BAD) else {
        return (0.0, 0.0);
    };
    // A bad pixel is replaced by one that adds nothing.
    let difference = |bits| f64::from(float(choose(bits != BAD, bits, origin))) - f64::from(float(origin));
    let (mut sums, mut squares) = ([0.0; LANES], [0.0; LANES]);
    let mut differences = [0.0; BLOCK];
    for block in bits.chunks(BLOCK) {
        // One loop for each step: in a common one compilers pair the terms of a lane.
        for (to, &bits) in differences.iter_mut().zip(block) {
            *to = difference(bits);
        }
        differences[block.len()..].fill(0.0);
        let (lanes, _) = differences.as_chunks::<LANES>();
        for lanes in lanes {
            for i in 0..LANES {
                sums[i] += lanes[i];
            }
        }
        for lanes in lanes {
            for i in 0..LANES {
                squares[i] += lanes[i] * lanes[i];
            }
        }
    }
    let (sum, squares) = (add(sums), add(squares));
    let n = good as f64;
    let mean = sum / n;
    let variance = (squares / n - mean * mean).max(0.0);
    (f64::from(float(origin)) + mean, variance)
}

/// [`Normalize::WeightedMean`]. Two passes, because weights may leave a value as good as none, which is then no origin.
#[inline(always)]
pub(crate) fn by_weighted_mean(bits: &[i32], ivar: &[f32]) -> Scaling {
    let flux = |bits| f64::from(keep(bits != BAD, float(bits)));
    let weight = |bits, ivar| f64::from(keep(bits != BAD, ivar));
    let weights = sum_of_pairs_by(bits, ivar, weight);
    let mean = sum_of_pairs_by(bits, ivar, |bits, ivar| weight(bits, ivar) * flux(bits)) / weights;
    let square = |bits, ivar| weight(bits, ivar) * (flux(bits) - mean) * (flux(bits) - mean);
    let squares = sum_of_pairs_by(bits, ivar, square);
    Scaling::by_moments((mean, squares / weights))
}
