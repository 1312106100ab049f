//! What of a spectrum stands out of its noise.

/// Scales of the wavelet transform: the coarsest kernel is 37 pixels wide (standard deviation).
const SCALES: u32 = 6;
/// Standard deviation of the wavelet coefficients of white noise with variance 1, by scale.
const NOISE: [f64; SCALES as usize] = [0.7235, 0.2854, 0.1779, 0.1222, 0.0858, 0.0606];
/// A coefficient of so many standard deviations is no noise: in 50,000 of them three are.
const THRESHOLD: f64 = 4.0;
/// The second pass finds what the first left of a strong line.
const PASSES: usize = 2;
/// The B3 spline.
const KERNEL: [f64; 5] = [1.0 / 16.0, 1.0 / 4.0, 3.0 / 8.0, 1.0 / 4.0, 1.0 / 16.0];

/// The signal in a spectrum: the flux without the wavelet coefficients that are within 4 σ of 0.
///
/// A running mean would either leave half of each narrow line in the noise or half of the noise in the signal.
/// `weights` are inverse variances, 0 in bad pixels, where the signal is that of the neighbours. The à trous transform
/// with B3 spline and hard thresholds is that of Starck & Murtagh 1994 (A&A 288, 342), as a convolution normalised by
/// the weights.
pub(super) fn denoise(flux: &[f32], weights: &[f64]) -> Vec<f64> {
    let mut signal = vec![0.0; flux.len()];
    for _ in 0..PASSES {
        // A bad pixel may hold NaN, so it is not multiplied with its weight.
        let residual = |i: usize| {
            if weights[i] > 0.0 {
                f64::from(flux[i]) - signal[i]
            } else {
                0.0
            }
        };
        let residual: Vec<f64> = (0..flux.len()).map(residual).collect();
        for (signal, found) in signal.iter_mut().zip(significant(&residual, weights)) {
            *signal += found;
        }
    }
    signal
}

fn significant(flux: &[f64], weights: &[f64]) -> Vec<f64> {
    let mut sums: Vec<f64> = flux.iter().zip(weights).map(|(flux, weight)| flux * weight).collect();
    let mut weights = weights.to_vec();
    let mut signal = vec![0.0; flux.len()];
    let mut fine: Vec<Option<f64>> = means(&sums, &weights);
    for (scale, noise) in NOISE.into_iter().enumerate() {
        let step = 1 << scale;
        sums = convolve(&sums, step);
        let coarser_weights = convolve(&weights, step);
        let coarse = means(&sums, &coarser_weights);
        for i in 0..signal.len() {
            if let (Some(fine), Some(coarse)) = (fine[i], coarse[i])
                && (fine - coarse).abs() * weights[i].sqrt() > THRESHOLD * noise
            {
                signal[i] += fine - coarse;
            }
        }
        (fine, weights) = (coarse, coarser_weights);
    }
    for (signal, base) in signal.iter_mut().zip(without_gaps(&fine)) {
        *signal += base;
    }
    signal
}

/// The convolution with a kernel whose taps are `step` pixels apart; nothing is outside.
fn convolve(values: &[f64], step: usize) -> Vec<f64> {
    let mut out = vec![0.0; values.len()];
    for (tap, factor) in KERNEL.into_iter().enumerate() {
        // Tap 2 is the centre. The two ranges below are where both ends of the tap are inside.
        let shift = tap.abs_diff(2) * step;
        if shift >= values.len() {
            continue;
        }
        let (from, to) = if tap < 2 { (0, shift) } else { (shift, 0) };
        let length = values.len() - shift;
        for (out, value) in out[to..to + length].iter_mut().zip(&values[from..from + length]) {
            *out += factor * value;
        }
    }
    out
}

fn means(sums: &[f64], weights: &[f64]) -> Vec<Option<f64>> {
    let mean = |(sum, weight): (&f64, &f64)| (*weight > 0.0).then(|| sum / weight);
    sums.iter().zip(weights).map(mean).collect()
}

/// Fills each gap with the value to its left, or else to its right; 0 where there is nothing at all.
fn without_gaps(values: &[Option<f64>]) -> Vec<f64> {
    let mut last = values.iter().flatten().copied().next().unwrap_or(0.0);
    let fill = |value: &Option<f64>| {
        last = value.unwrap_or(last);
        last
    };
    values.iter().map(fill).collect()
}
