//! The work on one spectrum.

use std::ops::Range;

use crate::batch::RowMut;
use crate::flag;
use crate::median::{BAD, Buffers, bits_if, float, key, mean, median};
use crate::network::{LISTS, Lanes, Network};
use crate::normalize::{Normalize, Scaling, by_known_median, by_mean, by_mean_and_std, by_median, by_weighted_mean};
use crate::select::{LANES, add, keep};
use crate::simd::Simd;
use crate::spectra::Row;
use crate::wavelengths::TokenWavelengths;

/// So many pixels are done at a time, so that what is done with them finds them in the nearest cache.
const BLOCK: usize = 512;
/// Bytes that memory is asked for in advance: processors look ahead by themselves, but not from page to page.
const AHEAD: usize = 4096;

/// Buffers of one thread, so that no row allocates.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Bits of the flux, [`BAD`] where the pixel is not good.
    flux: Vec<i32>,
    /// √ivar, empty where there is none.
    root: Vec<f32>,
    /// Values, errors and good pixels of a row before they are copied to tokens that overlap.
    scaled: (Vec<f32>, Vec<f32>, Vec<bool>),
    /// Tokens whose medians are computed together.
    lanes: Vec<Lanes>,
    network: Network,
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
        let lost = if cut.stride == cut.patch {
            scratch.write(simd, cut, scaling, out)
        } else {
            scratch.write_overlapping(simd, cut, scaling, out)
        };
        if lost > 0 {
            flags |= flag::PIXEL_OUT_OF_RANGE;
        }
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

    /// Writes tokens that lie side by side, as the pixels do. How many good pixels had to go?
    #[inline(always)]
    fn write<S: Simd>(&mut self, simd: S, cut: Cut, scaling: Scaling, out: &mut RowMut<'_>) -> usize {
        let end = cut.tokens * cut.patch;
        let n = self.flux.len().min(end);
        let tokens = (BLOCK / cut.patch).max(1);
        let mut good = 0;
        for first in (0..cut.tokens).step_by(tokens) {
            let pixels = first * cut.patch..n.min((first + tokens) * cut.patch);
            let errors = out.errors.get_mut(pixels.clone()).unwrap_or_default();
            let (values, good_pixels) = (&mut out.values[pixels.clone()], &mut out.pixels[pixels.clone()]);
            simd.prefetch(&*values, AHEAD);
            simd.prefetch(&*errors, AHEAD);
            simd.prefetch(&*good_pixels, AHEAD);
            good += self.pixels(pixels).scale(simd, scaling, values, errors, good_pixels);
            for k in first..cut.tokens.min(first + tokens) {
                let pixels = cut.pixels(k, n);
                self.sums.set(
                    k,
                    &out.pixels[pixels.clone()],
                    &self.flux[pixels.clone()],
                    self.root.get(pixels),
                );
            }
        }
        out.values[n..end].fill(0.0);
        out.errors.get_mut(n..end).unwrap_or_default().fill(0.0);
        out.pixels[n..end].fill(false);
        count_good(&self.flux[..n]) - good
    }

    /// Writes tokens that overlap. How many good pixels had to go?
    #[inline(always)]
    fn write_overlapping<S: Simd>(&mut self, simd: S, cut: Cut, scaling: Scaling, out: &mut RowMut<'_>) -> usize {
        let n = self.flux.len();
        let (mut value, mut error, mut good) = std::mem::take(&mut self.scaled);
        value.resize(n, 0.0);
        error.resize(self.root.len(), 0.0);
        good.resize(n, false);
        let lost = count_good(&self.flux)
            - self
                .pixels(0..n)
                .scale(simd, scaling, &mut value, &mut error, &mut good);
        for k in 0..cut.tokens {
            let pixels = cut.pixels(k, n);
            let token = k * cut.patch..(k + 1) * cut.patch;
            copy(&value[pixels.clone()], &mut out.values[token.clone()]);
            copy(&good[pixels.clone()], &mut out.pixels[token.clone()]);
            if let (Some(error), Some(token)) = (error.get(pixels.clone()), out.errors.get_mut(token)) {
                copy(error, token);
            }
            let root = self.root.get(pixels.clone());
            self.sums.set(k, &good[pixels.clone()], &self.flux[pixels], root);
        }
        self.scaled = (value, error, good);
        lost
    }

    /// [`Normalize::PatchMedian`]: measures and writes every token by itself, and returns the flags.
    #[inline(always)]
    fn write_each<S: Simd>(&mut self, simd: S, cut: Cut, out: &mut RowMut<'_>) -> u32 {
        let mut flags = 0;
        for k in (0..cut.tokens).step_by(LISTS) {
            let tokens = LISTS.min(cut.tokens - k);
            let medians = self.medians(simd, cut, k, tokens);
            for (k, &(good, level)) in (k..).zip(&medians[..tokens]) {
                let pixels = cut.pixels(k, self.flux.len());
                let scaling = match good {
                    0 => Scaling::UNIT,
                    _ => by_known_median(simd, level, &self.flux[pixels.clone()], good, &mut self.buffers),
                };
                (out.offset[k], out.scale[k]) = (scaling.offset, scaling.scale);
                flags |= scaling.flags;
                let (first, end) = (k * cut.patch, (k + 1) * cut.patch);
                let token = first..first + pixels.len();
                let (values, padding) = out.values[first..end].split_at_mut(pixels.len());
                padding.fill(0.0);
                let errors = out.errors.get_mut(first..end).unwrap_or_default();
                let (errors, padding) = errors.split_at_mut(pixels.len().min(errors.len()));
                padding.fill(0.0);
                let (good_pixels, padding) = out.pixels[first..end].split_at_mut(pixels.len());
                padding.fill(false);
                if self
                    .pixels(pixels.clone())
                    .scale(simd, scaling, values, errors, good_pixels)
                    < good
                {
                    flags |= flag::PIXEL_OUT_OF_RANGE;
                }
                let root = self.root.get(pixels.clone());
                self.sums.set(k, &out.pixels[token], &self.flux[pixels], root);
            }
        }
        out.offset[cut.tokens..].fill(0.0);
        out.scale[cut.tokens..].fill(1.0);
        flags
    }

    /// The number of good pixels and the median of up to [`LISTS`] tokens, the first of which is token `k`.
    #[inline(always)]
    fn medians<S: Simd>(&mut self, simd: S, cut: Cut, k: usize, tokens: usize) -> [(usize, f32); LISTS] {
        /// Longer lists are selected from, not sorted.
        const LONGEST_SORTED: usize = 128;
        let n = self.flux.len();
        let mut medians = [(0, 0.0); LISTS];
        if cut.patch > LONGEST_SORTED {
            for (k, found) in (k..k + tokens).zip(&mut medians) {
                let bits = &self.flux[cut.pixels(k, n)];
                let good = count_good(bits);
                *found = (good, median(simd, bits, good, &mut self.buffers).unwrap_or(0.0));
            }
            return medians;
        }
        self.network.resize(cut.patch);
        self.lanes.clear();
        self.lanes.resize(cut.patch, [BAD; LISTS]);
        for list in 0..tokens {
            let bits = &self.flux[cut.pixels(k + list, n)];
            medians[list].0 = count_good(bits);
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

    /// Some pixels of the row.
    #[inline(always)]
    fn pixels(&self, range: Range<usize>) -> Pixels<'_> {
        Pixels {
            root: self.root.get(range.clone()),
            flux: &self.flux[range],
        }
    }
}

/// Pixels that are scaled alike.
struct Pixels<'a> {
    /// Bits of the flux.
    flux: &'a [i32],
    /// √ivar, where there is one.
    root: Option<&'a [f32]>,
}

impl Pixels<'_> {
    /// Normalises the good pixels. Those that do not fit become bad; how many are good now?
    #[inline(always)]
    fn scale<S: Simd>(
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

/// Bits of the flux, and how many pixels are good.
#[inline(always)]
fn classify_flux(flux: &[f32], is_masked: impl Fn(usize) -> bool, bits: &mut [i32]) -> usize {
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
fn classify(
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
fn clamp(x: f32) -> f32 {
    // Unlike those of the standard library, one instruction each.
    let x = if x < f32::MAX { x } else { f32::MAX };
    if x > -f32::MAX { x } else { -f32::MAX }
}

/// How many of the floats with these bits are good?
#[inline(always)]
fn count_good(bits: &[i32]) -> usize {
    bits.iter().map(|&bits| u32::from(bits != BAD)).sum::<u32>() as usize
}

/// Copies a token that may be cut short by the end of its spectrum.
#[inline(always)]
fn copy<T: Copy + Default>(pixels: &[T], token: &mut [T]) {
    let (front, padding) = token.split_at_mut(pixels.len());
    front.copy_from_slice(pixels);
    padding.fill(T::default());
}

/// What is said of tokens as a whole, from those of their pixels that exist.
#[derive(Debug, Default)]
struct Sums {
    /// Good pixels of each token.
    good: Vec<u32>,
    /// The sum of their signal to noise, in lanes.
    snr: Vec<[f64; LANES]>,
}

impl Sums {
    fn resize(&mut self, tokens: usize) {
        self.good.resize(tokens, 0);
        self.snr.resize(tokens, [0.0; LANES]);
    }

    /// Adds up token `k`.
    #[inline(always)]
    fn set(&mut self, k: usize, pixels: &[bool], flux: &[i32], root: Option<&[f32]>) {
        let (eights, rest) = pixels.as_chunks::<8>();
        let ones = |eight: &[bool; 8]| u64::from_ne_bytes(eight.map(u8::from)).count_ones();
        self.good[k] = eights.iter().map(ones).sum::<u32>() + rest.iter().map(|&good| u32::from(good)).sum::<u32>();
        let Some(root) = root else { return };
        // Of the lengths that most people use compilers make straight code, which is three times as fast.
        self.snr[k] = match pixels.len() {
            16 => sum_of_snr(&pixels[..16], &flux[..16], &root[..16]),
            32 => sum_of_snr(&pixels[..32], &flux[..32], &root[..32]),
            64 => sum_of_snr(&pixels[..64], &flux[..64], &root[..64]),
            _ => sum_of_snr(pixels, flux, root),
        };
    }

    #[inline(always)]
    fn write(&self, cut: Cut, out: &mut RowMut<'_>) {
        let n = cut.tokens;
        let (sums, lanes) = (&self.good[..n], &self.snr[..n]);
        let (valid, fraction, snr) = (&mut out.valid[..n], &mut out.valid_fraction[..n], &mut out.snr[..n]);
        for k in 0..n {
            valid[k] = 2 * sums[k] as usize >= cut.patch;
            fraction[k] = (f64::from(sums[k]) / cut.patch as f64) as f32;
            snr[k] = (add(lanes[k]) / f64::from(sums[k].max(1))) as f32;
        }
    }
}

/// The sum of the signal to noise of good pixels, in lanes.
#[inline(always)]
fn sum_of_snr(pixels: &[bool], flux: &[i32], root: &[f32]) -> [f64; LANES] {
    let term = |good: bool, flux: i32, root: f32| f64::from(keep(good, clamp(float(flux) * root)));
    let mut lanes = [0.0; LANES];
    let (pixels, pixels_rest) = pixels.as_chunks::<LANES>();
    let (flux, flux_rest) = flux.as_chunks::<LANES>();
    let (root, root_rest) = root.as_chunks::<LANES>();
    for ((pixels, flux), root) in pixels.iter().zip(flux).zip(root) {
        for i in 0..LANES {
            lanes[i] += term(pixels[i], flux[i], root[i]);
        }
    }
    let rest = pixels_rest.iter().zip(flux_rest).zip(root_rest);
    for (lane, ((&good, &flux), &root)) in lanes.iter_mut().zip(rest) {
        *lane += term(good, flux, root);
    }
    lanes
}
