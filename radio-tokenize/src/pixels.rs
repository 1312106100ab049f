//! The work on pixels: which are good, and what they are once they are scaled.
//!
//! The loops are written so that compilers vectorise them: over indices of slices of one length, without branches.

use crate::median::{BAD, bits_if, float};
use crate::normalize::Scaling;
use crate::select::keep;
use crate::simd::Simd;

/// Bits of the flux, and how many pixels are good.
#[inline(always)]
pub(crate) fn classify_flux(flux: &[f32], is_masked: impl Fn(usize) -> bool, bits: &mut [i32]) -> usize {
    let n = flux.len();
    let bits = &mut bits[..n];
    let mut count = 0_u32;
    for i in 0..n {
        let good = (flux[i].abs() <= f32::MAX) & !is_masked(i);
        bits[i] = bits_if(good, flux[i]);
        count += u32::from(good);
    }
    count as usize
}

/// Bits of the flux, the root of the inverse variance, and how many pixels are good.
#[inline(always)]
pub(crate) fn classify(
    flux: &[f32],
    ivar: &[f32],
    is_masked: impl Fn(usize) -> bool,
    bits: &mut [i32],
    root: &mut [f32],
) -> usize {
    let n = flux.len();
    let (ivar, bits, root) = (&ivar[..n], &mut bits[..n], &mut root[..n]);
    let mut count = 0_u32;
    for i in 0..n {
        // A NaN fails every comparison, so these three are "finite, finite and positive" without a branch.
        let good = (flux[i].abs() <= f32::MAX) & (ivar[i] > 0.0) & (ivar[i] <= f32::MAX) & !is_masked(i);
        root[i] = ivar[i].sqrt();
        bits[i] = bits_if(good, flux[i]);
        count += u32::from(good);
    }
    count as usize
}

/// The product of two finite numbers overflows at most to an infinity.
#[inline(always)]
pub(crate) fn clamp(x: f32) -> f32 {
    // Unlike those of the standard library, one instruction each.
    let x = if x < f32::MAX { x } else { f32::MAX };
    if x > -f32::MAX { x } else { -f32::MAX }
}

/// How many of the floats with these bits are good?
#[inline(always)]
pub(crate) fn count_good(bits: &[i32]) -> usize {
    bits.iter().map(|&bits| u32::from(bits != BAD)).sum::<u32>() as usize
}

/// Pixels that are scaled alike.
#[derive(Debug)]
pub(crate) struct Pixels<'a> {
    /// Bits of the flux.
    pub(crate) flux: &'a [i32],
    /// √ivar, where there is one.
    pub(crate) root: Option<&'a [f32]>,
}

impl Pixels<'_> {
    /// Normalises the good pixels. Those that do not fit become bad; how many are good now?
    #[inline(always)]
    pub(crate) fn scale<S: Simd>(
        &self,
        simd: S,
        scaling: Scaling,
        values: &mut [f32],
        errors: &mut [f32],
        good: &mut [bool],
    ) -> usize {
        simd.outline(
            #[inline(always)]
            || self.scale_here(scaling, values, errors, good),
        )
    }

    #[inline(always)]
    fn scale_here(&self, scaling: Scaling, values: &mut [f32], errors: &mut [f32], good: &mut [bool]) -> usize {
        let n = self.flux.len();
        let (flux, values, good) = (self.flux, &mut values[..n], &mut good[..n]);
        // One rounding, so that a value is the nearest f32: a quotient in f32 would be as good, but a divider is slow.
        let (offset, inverse) = (f64::from(scaling.offset), 1.0 / f64::from(scaling.scale));
        // Of a bad pixel it is not a number.
        let value = |bits: i32| ((f64::from(float(bits)) - offset) * inverse) as f32;
        let mut count = 0_u32;
        let Some(root) = self.root else {
            for i in 0..n {
                let value = value(flux[i]);
                let fits = value.abs() <= f32::MAX;
                values[i] = keep(fits, value);
                good[i] = fits;
                count += u32::from(fits);
            }
            return count as usize;
        };
        let (root, errors) = (&root[..n], &mut errors[..n]);
        for i in 0..n {
            let value = value(flux[i]);
            let error = 1.0 / (root[i] * scaling.scale);
            // An error of 0 would give its pixel infinite weight, and accelerators flush subnormals to 0.
            let fits = (value.abs() <= f32::MAX) & (f32::MIN_POSITIVE..=f32::MAX).contains(&error);
            values[i] = keep(fits, value);
            errors[i] = keep(fits, error);
            good[i] = fits;
            count += u32::from(fits);
        }
        count as usize
    }
}
