//! There and back.

use ndarray::Array3;
use proptest::prelude::*;
use radio_tokenize::{Error, Pixels, Spectra, Tail, Tokenizer};

use crate::support::{Sample, tame, tokenizers, wild};

fn there_and_back(tokenizer: &Tokenizer, sample: &Sample) -> Pixels {
    tokenizer
        .detokenize(&tokenizer.tokenize(&sample.spectra()).unwrap())
        .unwrap()
}

proptest! {
    #![proptest_config(crate::support::fixed())]

    #[test]
    fn good_pixels_come_back_and_bad_ones_do_not(sample in tame(0..=70), tokenizer in tokenizers()) {
        let tokenizer = tokenizer.tail(Tail::PadAndMask);
        let batch = tokenizer.tokenize(&sample.spectra()).unwrap();
        let pixels = tokenizer.detokenize(&batch).unwrap();
        prop_assert_eq!(&pixels.offsets, &sample.offsets);
        for i in 0..sample.rows() {
            for k in sample.offsets[i]..sample.offsets[i + 1] {
                prop_assert_eq!(pixels.good[k], sample.good(k));
                let (flux, ivar) = if sample.good(k) { (sample.flux[k], sample.ivar[k]) } else { (0.0, 0.0) };
                // The documented bounds.
                let offset = if sample.good(k) { batch.offset[[i, 0]].abs() } else { 0.0 };
                let bound = (f64::from(flux.abs()) + f64::from(offset)) * 2_f64.powi(-23);
                prop_assert!((f64::from(pixels.flux[k]) - f64::from(flux)).abs() <= bound, "flux {}", flux);
                if offset == 0.0 {
                    prop_assert!(pixels.flux[k].to_bits().abs_diff(flux.to_bits()) <= 1, "flux {}", flux);
                }
                prop_assert!((pixels.ivar[k] - ivar).abs() <= ivar * 2_f32.powi(-21), "ivar {}", ivar);
            }
        }
    }

    #[test]
    fn a_batch_that_came_back_gives_the_same_mask(sample in wild(), tokenizer in tokenizers()) {
        let batch = tokenizer.tokenize(&sample.spectra()).unwrap();
        let pixels = tokenizer.detokenize(&batch).unwrap();
        prop_assert!(pixels.flux.iter().chain(&pixels.ivar).all(|x| x.is_finite()));
        let spectra = Spectra::ragged(&pixels.offsets, &pixels.flux, &pixels.ivar, &sample.wavelength).unwrap();
        // Without normalisation, which would find another scale where pixels were out of range.
        let tokenizer = tokenizer.normalize(radio_tokenize::Normalize::None);
        let again = tokenizer.tokenize(&spectra).unwrap();
        prop_assert_eq!(&pixels.good, &tokenizer.detokenize(&again).unwrap().good);
    }
}

#[test]
fn a_dropped_tail_does_not_come_back() {
    let sample = Sample::row(&[1.0, 2.0, 3.0, 4.0, 5.0], &[1.0; 5]);
    let pixels = there_and_back(&Tokenizer::new(2).tail(Tail::Drop), &sample);
    assert_eq!(pixels.flux, [1.0, 2.0, 3.0, 4.0, 0.0]);
    assert_eq!(pixels.good, [true, true, true, true, false]);
    // Shorter than a patch: no token at all.
    let pixels = there_and_back(&Tokenizer::new(9).tail(Tail::Drop), &sample);
    assert_eq!((pixels.offsets, pixels.good), (vec![0, 5], vec![false; 5]));
}

#[test]
fn padding_tokens_do_not_matter() {
    let sample = Sample::row(&[1.0, 2.0, 3.0], &[1.0; 3]);
    let tokenizer = Tokenizer::new(2);
    let batch = tokenizer.clone().min_tokens(7).tokenize(&sample.spectra()).unwrap();
    assert_eq!(batch.values.dim(), (1, 7, 2));
    // With or without the option: it is no part of a tokenizer's fingerprint.
    assert_eq!(tokenizer.detokenize(&batch).unwrap().flux, [1.0, 2.0, 3.0]);
    assert_eq!(
        tokenizer.min_tokens(7).detokenize(&batch).unwrap().flux,
        [1.0, 2.0, 3.0]
    );
}

#[test]
fn the_largest_inverse_variance_comes_back_finite() {
    // A scale for which the roundings conspire to carry it past the largest f32.
    let pixels = there_and_back(&Tokenizer::new(1), &Sample::row(&[28.557571], &[f32::MAX]));
    assert_eq!(pixels.ivar, [f32::MAX]);
}

#[test]
fn overlapping_tokens_are_averaged() {
    let tokenizer = Tokenizer::new(2).stride(1);
    let mut batch = tokenizer
        .tokenize(&Sample::row(&[2.0, 2.0, 2.0], &[1.0; 3]).spectra())
        .unwrap();
    batch.values[[0, 0, 1]] = 1.0;
    batch.values[[0, 1, 0]] = 2.0;
    assert_eq!(tokenizer.detokenize(&batch).unwrap().flux, [2.0, 3.0, 2.0]);
}

#[test]
fn a_model_may_fill_in_masked_pixels() {
    let tokenizer = Tokenizer::new(3);
    let mut batch = tokenizer
        .tokenize(&Sample::row(&[2.0, 2.0, 2.0], &[1.0, 0.0, 1.0]).spectra())
        .unwrap();
    batch.values.fill(3.0);
    batch.pixels.fill(true);
    let pixels = tokenizer.detokenize(&batch).unwrap();
    assert_eq!(pixels.flux, [6.0; 3]);
    assert_eq!(pixels.ivar, [1.0, 0.0, 1.0]);
}

#[test]
fn batches_of_another_shape_are_refused() {
    let tokenizer = Tokenizer::new(2);
    let batch = tokenizer
        .tokenize(&Sample::row(&[1.0; 6], &[1.0; 6]).spectra())
        .unwrap();
    let expected = vec![1, 3, 2];
    let mut other = batch.clone();
    other.values = Array3::zeros((1, 2, 2));
    let error = Error::Shape {
        what: "values",
        found: vec![1, 2, 2],
        expected: expected.clone(),
    };
    assert_eq!(tokenizer.detokenize(&other), Err(error));
    let mut other = batch.clone();
    other.pixels = Array3::default((0, 3, 2));
    let error = Error::Shape {
        what: "pixels",
        found: vec![0, 3, 2],
        expected,
    };
    assert_eq!(tokenizer.detokenize(&other), Err(error));
    // More tokens are padding, but then in all arrays.
    let mut other = batch.clone();
    other.values = Array3::zeros((1, 4, 2));
    let error = Error::Shape {
        what: "errors",
        found: vec![1, 3, 2],
        expected: vec![1, 4, 2],
    };
    assert_eq!(tokenizer.detokenize(&other), Err(error));
    let mut other = batch.clone();
    other.lengths[0] = usize::MAX;
    assert!(matches!(
        tokenizer.detokenize(&other),
        Err(Error::Shape { what: "values", .. })
    ));
    // Tokens of another tokenizer.
    let error = Tokenizer::new(2).stride(1).detokenize(&batch).unwrap_err();
    assert_eq!(
        error.to_string(),
        "these tokens were made by radio-tokenize/1 patch=2 stride=2 tail=pad-and-mask normalize=median, \
         not by radio-tokenize/1 patch=2 stride=1 tail=pad-and-mask normalize=median"
    );
    assert!(matches!(
        Tokenizer::new(0).detokenize(&batch),
        Err(Error::Option { name: "patch", .. })
    ));
}
