//! Offset and scale of a spectrum.

use crate::flag;
use crate::median::{gather, key, median, unkey};
use crate::select::{Select, sum_by};

/// How a spectrum is brought to order one: `value = (flux - offset) / scale`, with one offset and one scale per
/// spectrum, computed from its good pixels.
///
/// Where the data do not determine a usable scale the scale is 1 and [`flag::SCALE_IS_ONE`] is set. A spread that is
/// less than the rounding error of the offset in `f32` (a constant spectrum) counts as none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Normalize {
    /// Offset 0, scale the median: keeps the shape of the continuum and the zero of the flux.
    ///
    /// A spectrum without significant light has no level to divide by. Let `MAD` be the median absolute deviation
    /// from the median and n the number of good pixels; the robust error of the median is
    /// 1.2533 · 1.4826 · MAD / √n (1.2533 = √(π/2) is the price of a median over a mean in Gaussian noise). If the
    /// median is not larger than that, the scale is 1.4826 · MAD with [`flag::SCALE_IS_MAD`].
    #[default]
    Median,
    /// Offset the mean weighted by `ivar`, scale the weighted root mean square about it.
    WeightedMean,
    /// Offset the mean, scale the standard deviation (divided by n, not n − 1).
    MeanStd,
    /// Offset 0, scale 1: the flux as it is.
    None,
}

impl Normalize {
    /// The word for it in the canonical text of a configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::WeightedMean => "weighted-mean",
            Self::MeanStd => "mean-std",
            Self::None => "none",
        }
    }

    /// Measures a spectrum; `keys` is scratch.
    pub(crate) fn measure(self, flux: &[f32], ivar: &[f32], good: &[Select], keys: &mut Vec<i32>) -> Scaling {
        if !good.iter().any(|good| good.is_on()) {
            return Scaling {
                offset: 0.0,
                scale: 1.0,
                flags: flag::DEAD,
            };
        }
        match self {
            Self::Median => by_median(flux, good, keys),
            Self::WeightedMean => by_moments(flux, |k| good[k].keep(ivar[k]), good),
            Self::MeanStd => by_moments(flux, |k| good[k].keep(1.0), good),
            Self::None => Scaling {
                offset: 0.0,
                scale: 1.0,
                flags: 0,
            },
        }
    }
}

/// How to normalise one spectrum. The offset is finite, the scale positive and normal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scaling {
    pub(crate) offset: f32,
    pub(crate) scale: f32,
    pub(crate) flags: u32,
}

/// 1.4826: a median absolute deviation times this is the standard deviation of a Gaussian.
const SIGMA_PER_MAD: f64 = 1.482_602_218_505_602;

/// √(π/2): the standard error of a median over that of a mean, in Gaussian noise.
const MEDIAN_ERROR: f64 = 1.253_314_137_315_500_3;

/// See [`Normalize::Median`].
fn by_median(flux: &[f32], good: &[Select], keys: &mut Vec<i32>) -> Scaling {
    let keys = gather(flux, good, keys);
    let n = keys.len();
    let level = median(keys).unwrap_or(0.0);
    // The median is larger than its error just if the MAD is below this limit.
    let limit = f64::from(level) * (n as f64).sqrt() / (MEDIAN_ERROR * SIGMA_PER_MAD);
    if level.is_normal() && level > 0.0 {
        let within = keys
            .iter()
            .filter(|&&key| f64::from(deviation(key, level)) < limit)
            .count();
        // Nearly every spectrum with light in it ends here, without a second selection: if more than half of the
        // deviations are below the limit, so is their median.
        if within > n / 2 {
            return Scaling {
                offset: 0.0,
                scale: level,
                flags: 0,
            };
        }
    }
    for k in keys.iter_mut() {
        *k = key(deviation(*k, level));
    }
    let mad = median(keys).unwrap_or(0.0);
    if level.is_normal() && f64::from(mad) < limit {
        return Scaling {
            offset: 0.0,
            scale: level,
            flags: 0,
        };
    }
    let scale = (SIGMA_PER_MAD * f64::from(mad)) as f32;
    if scale.is_normal() {
        return Scaling {
            offset: 0.0,
            scale,
            flags: flag::SCALE_IS_MAD,
        };
    }
    Scaling {
        offset: 0.0,
        scale: 1.0,
        flags: flag::SCALE_IS_ONE,
    }
}

/// How far the flux behind `key` is from `level`.
fn deviation(key: i32, level: f32) -> f32 {
    (unkey(key) - level).abs()
}

/// Weighted mean and weighted rms about it. Two passes, because one would cancel, in `f64`, where neither squares nor
/// sums of `f32` overflow. A pixel that is not good must have weight 0.
fn by_moments(flux: &[f32], weight: impl Fn(usize) -> f32, good: &[Select]) -> Scaling {
    let flux = |k: usize| f64::from(good[k].keep(flux[k]));
    let weight = |k| f64::from(weight(k));
    let weights = sum_by(good.len(), weight);
    let mean = sum_by(good.len(), |k| weight(k) * flux(k)) / weights;
    let variance = sum_by(good.len(), |k| weight(k) * (flux(k) - mean) * (flux(k) - mean)) / weights;
    let (offset, scale) = (mean as f32, variance.sqrt() as f32);
    if scale.is_normal() && scale > f32::EPSILON * offset.abs() {
        return Scaling {
            offset,
            scale,
            flags: 0,
        };
    }
    Scaling {
        offset,
        scale: 1.0,
        flags: flag::SCALE_IS_ONE,
    }
}
