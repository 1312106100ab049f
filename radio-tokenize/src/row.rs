//! The work on one spectrum.

use std::ops::Range;

use crate::batch::RowMut;
use crate::flag;
use crate::median::Buffers;
use crate::network::LISTS;
use crate::normalize::{Normalize, Scaling, by_known_median, by_mean, by_mean_and_std, by_median, by_weighted_mean};
use crate::patches::Patches;
use crate::pixels::{Pixels, classify, classify_flux, count_good};
use crate::simd::Simd;
use crate::spectra::Row;
use crate::sums::Sums;
use crate::wavelengths::TokenWavelengths;

/// So many pixels are done at a time, so that what is done with them finds them in the nearest cache.
const BLOCK: usize = 512;
/// Bytes that memory is asked for in advance: processors look ahead by themselves, but not from page to page.
const AHEAD: usize = 4096;

/// Buffers of one thread, so that no row allocates.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Bits of the flux, [`BAD`](crate::median::BAD) where the pixel is not good.
    flux: Vec<i32>,
    /// √ivar, empty where there is none.
    root: Vec<f32>,
    patches: Patches,
    sums: Sums,
    buffers: Buffers,
}

/// Where the patches of a row start, and how long they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) patch: usize,
    pub(crate) stride: usize,
    /// Number of tokens of this row.
    pub(crate) tokens: usize,
}

impl Cut {
    /// The pixels of token `k` in a row of so many pixels.
    #[inline(always)]
    pub(crate) fn pixels(self, k: usize, pixels: usize) -> Range<usize> {
        let first = k * self.stride;
        first..pixels.min(first + self.patch)
    }

    /// The pixels of some tokens, one at least.
    #[inline(always)]
    fn pixels_of(self, tokens: &Range<usize>, pixels: usize) -> Range<usize> {
        self.pixels(tokens.start, pixels).start..self.pixels(tokens.end - 1, pixels).end
    }
}

/// Writes the tokens of one row. `shared` are its wavelengths if they are known already.
///
/// The row depends on nothing but `row`, `cut` and `normalize`: not on its batch, not on what is in the scratch. It writes
/// all of `out`.
#[inline(always)]
pub(crate) fn write_row<S: Simd>(
    simd: S,
    row: &Row<'_>,
    cut: Cut,
    normalize: Normalize,
    shared: Option<&TokenWavelengths>,
    scratch: &mut Scratch,
    out: &mut RowMut<'_>,
) {
    let good = scratch.classify(simd, row);
    scratch.sums.resize(cut.tokens);
    let mut flags = if good == 0 { flag::DEAD } else { 0 };
    if normalize == Normalize::PatchMedian {
        flags |= scratch.write_each(simd, cut, out);
    } else {
        let scaling = match good {
            0 => Scaling::UNIT,
            _ => scratch.measure(simd, row, normalize, good),
        };
        out.offset.fill(scaling.offset);
        out.scale.fill(scaling.scale);
        flags |= scaling.flags;
        flags |= scratch.write(simd, cut, scaling, out);
    }
    scratch.sums.write(cut, out);
    let end = cut.tokens * cut.patch;
    out.values[end..].fill(0.0);
    out.errors.get_mut(end..).unwrap_or_default().fill(0.0);
    out.pixels[end..].fill(false);
    for fill in [&mut *out.valid_fraction, &mut *out.snr] {
        fill[cut.tokens..].fill(0.0);
    }
    out.valid[cut.tokens..].fill(false);

    let has_gap = match shared {
        Some(shared) => shared.write(out),
        None => TokenWavelengths::write_row(row.wavelength, cut, out),
    };
    if has_gap {
        flags |= flag::WAVELENGTH_GAP;
    }
    out.flags.fill(flags);
    out.length.fill(row.flux.len());
}

impl Scratch {
    /// Finds the good pixels; how many are there?
    #[inline(always)]
    fn classify<S: Simd>(&mut self, simd: S, row: &Row<'_>) -> usize {
        let n = row.flux.len();
        self.flux.resize(n, 0);
        self.root.resize(row.ivar.map_or(0, <[f32]>::len), 0.0);
        let mut good = 0;
        for first in (0..n).step_by(BLOCK) {
            let block = first..n.min(first + BLOCK);
            let flux = &row.flux[block.clone()];
            let bits = &mut self.flux[block.clone()];
            let mask = row.mask.map(|mask| &mask[block.clone()]);
            simd.prefetch(flux, AHEAD);
            let Some(ivar) = row.ivar else {
                good += match mask {
                    None => classify_flux(flux, |_| false, bits),
                    Some(mask) => classify_flux(flux, |i| mask[i] != 0, bits),
                };
                continue;
            };
            let ivar = &ivar[block.clone()];
            simd.prefetch(ivar, AHEAD);
            let root = &mut self.root[block];
            good += match mask {
                None => classify(flux, ivar, |_| false, bits, root),
                Some(mask) => classify(flux, ivar, |i| mask[i] != 0, bits, root),
            };
        }
        good
    }

    /// One offset and scale for a spectrum, of which so many pixels are good (at least one).
    #[inline(always)]
    fn measure<S: Simd>(&mut self, simd: S, row: &Row<'_>, normalize: Normalize, good: usize) -> Scaling {
        let Self { flux, buffers, .. } = self;
        match normalize {
            Normalize::Mean => by_mean(flux, good),
            Normalize::MeanStd => by_mean_and_std(flux, good),
            Normalize::WeightedMean => by_weighted_mean(flux, row.ivar.unwrap_or_default()),
            Normalize::None => Scaling::UNIT,
            Normalize::Median | Normalize::PatchMedian => by_median(simd, flux, good, buffers),
            Normalize::RestFrameMedian { from, to } => {
                let to_observed = 1.0 + row.redshift.unwrap_or(f64::NAN);
                // Where the redshift is not a number no wavelength is inside.
                let first = row.wavelength.partition_point(|&x| x < from * to_observed);
                let end = row.wavelength.partition_point(|&x| x <= to * to_observed);
                let window = if to_observed > 0.0 && first < end {
                    &flux[first..end]
                } else {
                    &[]
                };
                let in_window = count_good(window);
                if in_window > 0 {
                    return by_median(simd, window, in_window, buffers);
                }
                let mut scaling = by_median(simd, flux, good, buffers);
                scaling.flags |= flag::WINDOW_IS_SPECTRUM;
                scaling
            }
        }
    }

    /// Writes the tokens, all scaled alike, and returns their flags.
    #[inline(always)]
    fn write<S: Simd>(&mut self, simd: S, cut: Cut, scaling: Scaling, out: &mut RowMut<'_>) -> u32 {
        // Of tokens that lie side by side, some at a time.
        let tokens = match cut.stride == cut.patch {
            true => (BLOCK / cut.patch).max(1),
            false => 1,
        };
        let mut flags = 0;
        for first in (0..cut.tokens).step_by(tokens) {
            let tokens = first..cut.tokens.min(first + tokens);
            let good = count_good(&self.flux[cut.pixels_of(&tokens, self.flux.len())]);
            flags |= self.write_tokens(simd, cut, tokens, good, scaling, out);
        }
        flags
    }

    /// [`Normalize::PatchMedian`]: measures and writes every token by itself, and returns the flags.
    #[inline(always)]
    fn write_each<S: Simd>(&mut self, simd: S, cut: Cut, out: &mut RowMut<'_>) -> u32 {
        let mut flags = 0;
        for first in (0..cut.tokens).step_by(LISTS) {
            let medians = self.patches.medians(simd, &self.flux, cut, first, &mut self.buffers);
            for (k, (good, level)) in (first..cut.tokens).zip(medians) {
                let pixels = cut.pixels(k, self.flux.len());
                let scaling = match good {
                    0 => Scaling::UNIT,
                    _ => by_known_median(simd, level, &self.flux[pixels], good, &mut self.buffers),
                };
                (out.offset[k], out.scale[k]) = (scaling.offset, scaling.scale);
                flags |= scaling.flags | self.write_tokens(simd, cut, k..k + 1, good, scaling, out);
            }
        }
        out.offset[cut.tokens..].fill(0.0);
        out.scale[cut.tokens..].fill(1.0);
        flags
    }

    /// Writes one token or some that lie side by side, with so many good pixels, and returns their flags.
    #[inline(always)]
    fn write_tokens<S: Simd>(
        &mut self,
        simd: S,
        cut: Cut,
        tokens: Range<usize>,
        good: usize,
        scaling: Scaling,
        out: &mut RowMut<'_>,
    ) -> u32 {
        let n = self.flux.len();
        let from = cut.pixels_of(&tokens, n);
        let to = tokens.start * cut.patch..tokens.end * cut.patch;
        let (values, padding) = out.values[to.clone()].split_at_mut(from.len());
        padding.fill(0.0);
        let errors = out.errors.get_mut(to.clone()).unwrap_or_default();
        let (errors, padding) = errors.split_at_mut(from.len().min(errors.len()));
        padding.fill(0.0);
        let (pixels, padding) = out.pixels[to].split_at_mut(from.len());
        padding.fill(false);
        simd.prefetch(values, AHEAD);
        simd.prefetch(errors, AHEAD);
        simd.prefetch(pixels, AHEAD);

        let flux = &self.flux[from.clone()];
        let root = self.root.get(from.clone());
        let fitting = Pixels { flux, root }.scale(simd, scaling, values, errors, pixels);
        for k in tokens {
            let token = cut.pixels(k, n);
            let token = token.start - from.start..token.end - from.start;
            let root = root.map(|root| &root[token.clone()]);
            self.sums.set(k, &pixels[token.clone()], &flux[token], root);
        }
        match fitting < good {
            true => flag::PIXEL_OUT_OF_RANGE,
            false => 0,
        }
    }
}
