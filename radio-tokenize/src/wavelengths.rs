//! Where tokens lie.

use crate::batch::RowMut;
use crate::row::Cut;
use crate::select::sum_by;

/// Mean, first and last wavelength of each token of a grid that rows share.
#[derive(Debug, Default)]
pub(crate) struct TokenWavelengths {
    mean: Vec<f64>,
    min: Vec<f64>,
    max: Vec<f64>,
    has_gap: bool,
}

impl TokenWavelengths {
    pub(crate) fn new(wavelength: &[f64], cut: Cut) -> Self {
        let mut tokens = Self {
            mean: vec![0.0; cut.tokens],
            min: vec![0.0; cut.tokens],
            max: vec![0.0; cut.tokens],
            has_gap: false,
        };
        tokens.has_gap = fill(wavelength, cut, &mut tokens.mean, &mut tokens.min, &mut tokens.max);
        tokens
    }

    /// Writes them to a row. Is there a gap inside of a token?
    #[inline(always)]
    pub(crate) fn write(&self, out: &mut RowMut<'_>) -> bool {
        for (from, to) in [
            (&self.mean, &mut *out.wavelength),
            (&self.min, &mut *out.wavelength_min),
            (&self.max, &mut *out.wavelength_max),
        ] {
            let (front, padding) = to.split_at_mut(from.len());
            front.copy_from_slice(from);
            padding.fill(0.0);
        }
        self.has_gap
    }

    /// Writes those of a row that has a grid of its own. Is there a gap inside of a token?
    #[inline(always)]
    pub(crate) fn write_row(wavelength: &[f64], cut: Cut, out: &mut RowMut<'_>) -> bool {
        for padding in [&mut *out.wavelength, &mut *out.wavelength_min, &mut *out.wavelength_max] {
            padding[cut.tokens..].fill(0.0);
        }
        fill(wavelength, cut, out.wavelength, out.wavelength_min, out.wavelength_max)
    }
}

/// Fills in mean, first and last wavelength of each token, over those of its pixels that exist.
#[inline(always)]
fn fill(wavelength: &[f64], cut: Cut, mean: &mut [f64], min: &mut [f64], max: &mut [f64]) -> bool {
    let may_have_gap = may_have_gap(wavelength);
    let mut has_gap = false;
    for k in 0..cut.tokens {
        let range = cut.pixels(k, wavelength.len());
        let pixels = &wavelength[range.clone()];
        if let (Some(&first), Some(&last)) = (pixels.first(), pixels.last()) {
            // Rounding may carry the mean past an end, and a sum of absurdly large wavelengths overflows.
            mean[k] = (sum_by(pixels, |x| x) / pixels.len() as f64).clamp(first, last);
            (min[k], max[k]) = (first, last);
            has_gap |= may_have_gap && spans_gap(wavelength, range);
        }
    }
    has_gap
}

/// A step this many times longer than the shorter of the steps beside it is a gap.
const GAP: f64 = 3.0;

/// Where no step is a gap beside any other there is none at all.
#[inline(always)]
fn may_have_gap(wavelength: &[f64]) -> bool {
    const LANES: usize = 8;
    let (mut shortest, mut longest) = ([f64::INFINITY; LANES], [0.0; LANES]);
    let after = wavelength.get(1..).unwrap_or_default();
    let steps = wavelength.chunks(LANES).zip(after.chunks(LANES));
    for (before, after) in steps {
        for i in 0..before.len().min(after.len()) {
            let step = after[i] - before[i];
            shortest[i] = if step < shortest[i] { step } else { shortest[i] };
            longest[i] = if step > longest[i] { step } else { longest[i] };
        }
    }
    let shortest = shortest.into_iter().fold(f64::INFINITY, f64::min);
    longest.into_iter().any(|longest| longest > GAP * shortest)
}

/// Is there a gap between two of these pixels? The steps beside one may lie outside of the token.
#[inline(always)]
fn spans_gap(wavelength: &[f64], token: std::ops::Range<usize>) -> bool {
    let step = |i: usize| wavelength[i + 1] - wavelength[i];
    let last = wavelength.len().saturating_sub(2);
    let mut gap = false;
    // The first and the last step of a spectrum have one beside them only.
    if token.start == 0 && token.end > 1 && last > 0 {
        gap |= step(0) > GAP * step(1);
    }
    if token.start <= last && token.end > last + 1 && last > 0 {
        gap |= step(last) > GAP * step(last - 1);
    }
    for i in token.start.max(1)..(token.end - 1).min(last) {
        let (before, after) = (step(i - 1), step(i + 1));
        gap |= step(i) > GAP * if before < after { before } else { after };
    }
    gap
}
