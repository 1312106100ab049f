//! A tokenizer that is slow and obvious, and the law that the real one agrees with it.

use proptest::prelude::*;
use radio_tokenize::{Normalize, Tail, TokenBatch, flag};

use crate::support::{Sample, check_invariants, tame};

/// A good pixel: wavelength, flux, inverse variance.
type Good = (f64, f64, f64);

/// Offset, scale and flags, straight from the documentation.
fn measure(normalize: Normalize, redshift: f64, good: &[Good]) -> (f64, f64, u32) {
    if let (Normalize::RestFrameMedian { from, to }, false) = (normalize, good.is_empty()) {
        let rest = |wavelength: f64| wavelength / (1.0 + redshift);
        let in_window = |&&(wavelength, ..): &&Good| (from..=to).contains(&rest(wavelength));
        let window: Vec<Good> = good.iter().filter(in_window).copied().collect();
        return match measure(Normalize::Median, redshift, &window) {
            (.., flag::DEAD) => {
                let (offset, scale, flags) = measure(Normalize::Median, redshift, good);
                (offset, scale, flags | flag::WINDOW_IS_SPECTRUM)
            }
            measured => measured,
        };
    }
    let good: Vec<(f64, f64)> = good.iter().map(|&(_, f, w)| (f, w)).collect();
    if good.is_empty() {
        return (0.0, 1.0, flag::DEAD);
    }
    let n = good.len() as f64;
    let spread = |spread: f64| match spread > 0.0 {
        true => (0.0, spread, flag::SCALE_IS_SPREAD),
        false => (0.0, 1.0, flag::SCALE_IS_ONE),
    };
    let moments = |weight: fn(f64) -> f64| {
        let weights: f64 = good.iter().map(|&(_, w)| weight(w)).sum();
        let mean = good.iter().map(|&(f, w)| weight(w) * f).sum::<f64>() / weights;
        let variance = good
            .iter()
            .map(|&(f, w)| weight(w) * (f - mean) * (f - mean))
            .sum::<f64>()
            / weights;
        (mean, variance.sqrt())
    };
    let mean_and_spread = |(mean, sigma)| match sigma > 0.0 {
        true => (mean, sigma, 0),
        false => (mean, 1.0, flag::SCALE_IS_ONE),
    };
    match normalize {
        Normalize::Median | Normalize::PatchMedian => {
            let level = median(good.iter().map(|&(f, _)| f).collect());
            let sigma = 1.4826022 * median(good.iter().map(|&(f, _)| (f - level).abs()).collect());
            if level > 1.2533141 * sigma / n.sqrt() {
                (0.0, level, 0)
            } else {
                spread(sigma)
            }
        }
        Normalize::Mean => match moments(|_| 1.0) {
            (mean, sigma) if mean > sigma / n.sqrt() => (0.0, mean, 0),
            (_, sigma) => spread(sigma),
        },
        Normalize::WeightedMean => mean_and_spread(moments(|w| w)),
        Normalize::MeanStd => mean_and_spread(moments(|_| 1.0)),
        _ => (0.0, 1.0, 0),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n == 0 {
        0.0
    } else {
        (values[(n - 1) / 2] + values[n / 2]) / 2.0
    }
}

/// Are they the same but for the rounding of a few operations in `f32`?
#[track_caller]
fn close(found: f32, expected: f64, what: &str) {
    let error = (f64::from(found) - expected).abs();
    assert!(
        error <= 2e-6 * expected.abs().max(1.0),
        "{what}: found {found}, expected {expected}"
    );
}

#[track_caller]
fn compare(sample: &Sample, patch: usize, stride: usize, tail: Tail, normalize: Normalize, batch: &TokenBatch) {
    let snr = batch.spectrum_snr().unwrap();
    for i in 0..sample.rows() {
        let cut = sample.offsets[i]..sample.offsets[i + 1];
        let pixels: Vec<Option<Good>> = cut
            .map(|k| {
                let (flux, ivar) = (f64::from(sample.flux[k]), f64::from(sample.ivar[k]));
                sample.good(k).then_some((sample.wavelength[k], flux, ivar))
            })
            .collect();
        let wavelength = &sample.wavelength[sample.offsets[i]..sample.offsets[i + 1]];
        let good: Vec<Good> = pixels.iter().flatten().copied().collect();
        let measure = |good: &[Good]| measure(normalize, sample.redshift[i], good);
        let is_per_token = normalize == Normalize::PatchMedian;
        let mut flags = 0;
        if !is_per_token || good.is_empty() {
            flags = measure(&good).2;
        }
        assert_eq!(batch.lengths[i], pixels.len());

        let mut tokens = 0;
        for from in (0..pixels.len()).step_by(stride) {
            let covered_before = tokens > 0 && from - stride + patch >= pixels.len();
            let whole = from + patch <= pixels.len();
            if covered_before || (!whole && tail == Tail::Drop) {
                break;
            }
            let at = |j: usize| pixels.get(from + j).copied().flatten();
            let here: Vec<Good> = (0..patch).filter_map(at).collect();
            let (offset, scale) = if is_per_token {
                let (offset, scale, token_flags) = measure(&here);
                flags |= token_flags & !flag::DEAD;
                (offset, scale)
            } else {
                let (offset, scale, _) = measure(&good);
                (offset, scale)
            };
            let scaling = [i, if is_per_token { tokens } else { 0 }];
            close(batch.offset[scaling], offset, "offset");
            close(batch.scale[scaling], scale, "scale");
            for j in 0..patch {
                let (value, error, is_good) = match at(j) {
                    Some((_, f, w)) => ((f - offset) / scale, 1.0 / (scale * w.sqrt()), true),
                    None => (0.0, 0.0, false),
                };
                close(batch.values[[i, tokens, j]], value, "value");
                close(batch.errors[[i, tokens, j]], error, "error");
                assert_eq!(batch.pixels[[i, tokens, j]], is_good);
            }
            let snr = here.iter().map(|&(_, f, w)| f * w.sqrt()).sum::<f64>() / here.len().max(1) as f64;
            close(batch.snr[[i, tokens]], snr, "S/N");
            let covered = &wavelength[from..(from + patch).min(wavelength.len())];
            assert_eq!(batch.wavelength_min[[i, tokens]], covered[0]);
            assert_eq!(batch.wavelength_max[[i, tokens]], covered[covered.len() - 1]);
            let mean = covered.iter().sum::<f64>() / covered.len() as f64;
            assert!((batch.wavelength[[i, tokens]] - mean).abs() < 1e-9);
            tokens += 1;
        }
        assert_eq!(batch.flags[i] & !flag::WAVELENGTH_GAP, flags, "flags of {good:?}");
        let covered = if tokens == 0 {
            0
        } else {
            pixels.len().min((tokens - 1) * stride + patch)
        };
        let covered = pixels[..covered].iter().flatten();
        close(
            snr[i],
            median(covered.map(|&(_, f, w)| f * w.sqrt()).collect()),
            "spectrum S/N",
        );
        for padding in tokens..batch.valid.ncols() {
            assert!(!batch.valid[[i, padding]]);
            assert_eq!(batch.wavelength[[i, padding]], 0.0);
        }
    }
}

proptest! {
    #![proptest_config(crate::support::fixed())]

    #[test]
    fn agrees_with_the_slow_tokenizer(
        sample in tame(0..=70),
        (a, b) in (1_usize..20, 1_usize..20),
        tail in prop::sample::select(vec![Tail::PadAndMask, Tail::Drop]),
        normalize in prop::sample::select(crate::support::NORMALIZE.to_vec()),
    ) {
        let (patch, stride) = (a.max(b), a.min(b));
        let tokenizer = radio_tokenize::Tokenizer::new(patch).stride(stride).tail(tail).normalize(normalize);
        let batch = tokenizer.tokenize(&sample.spectra()).unwrap();
        check_invariants(&batch);
        compare(&sample, patch, stride, tail, normalize, &batch);
    }
}
