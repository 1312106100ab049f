//! What is said of tokens as a whole.

use crate::batch::RowMut;
use crate::median::float;
use crate::pixels::clamp;
use crate::row::Cut;
use crate::select::{LANES, add, keep};

/// What is said of tokens as a whole, from those of their pixels that exist.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    /// Good pixels of each token.
    good: Vec<u32>,
    /// The sum of their signal to noise, in lanes.
    snr: Vec<[f64; LANES]>,
}

impl Sums {
    pub(crate) fn resize(&mut self, tokens: usize) {
        self.good.resize(tokens, 0);
        self.snr.resize(tokens, [0.0; LANES]);
    }

    /// Adds up token `k`.
    #[inline(always)]
    pub(crate) fn set(&mut self, k: usize, pixels: &[bool], flux: &[i32], root: Option<&[f32]>) {
        let (eights, rest) = pixels.as_chunks::<8>();
        let ones = |eight: &[bool; 8]| u64::from_ne_bytes(eight.map(u8::from)).count_ones();
        self.good[k] = eights.iter().map(ones).sum::<u32>() + rest.iter().map(|&good| u32::from(good)).sum::<u32>();
        let Some(root) = root else {
            self.snr[k] = [0.0; LANES];
            return;
        };
        // Of the lengths that most people use compilers make straight code, which is three times as fast.
        self.snr[k] = match pixels.len() {
            16 => sum_of_snr(&pixels[..16], &flux[..16], &root[..16]),
            32 => sum_of_snr(&pixels[..32], &flux[..32], &root[..32]),
            64 => sum_of_snr(&pixels[..64], &flux[..64], &root[..64]),
            _ => sum_of_snr(pixels, flux, root),
        };
    }

    #[inline(always)]
    pub(crate) fn write(&self, cut: Cut, out: &mut RowMut<'_>) {
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
