//! Spectra that real surveys contain and tests forget.

use ndarray::Array2;
use radio_tokenize::{Error, Spectra, Tail, Tokenizer, flag};

use crate::support::{NORMALIZE, Sample, check_invariants, tokenize};

#[test]
fn a_dead_spectrum_is_zero_and_flagged() {
    for normalize in NORMALIZE {
        let batch = tokenize(&Tokenizer::new(4).normalize(normalize), &[5.0; 10], &[0.0; 10]);
        assert_eq!(
            (batch.flags[0], batch.scale[[0, 0]], batch.offset[[0, 0]]),
            (flag::DEAD, 1.0, 0.0)
        );
        assert!(batch.values.iter().all(|&value| value == 0.0));
        assert!(batch.valid.iter().all(|&valid| !valid));
        assert_eq!(batch.spectrum_snr().unwrap()[0], 0.0);
        // Its pixels have wavelengths all the same.
        assert!(batch.wavelength.iter().all(|&wavelength| wavelength > 3500.0));
    }
}

#[test]
fn a_mask_alone_kills_a_spectrum() {
    let mut sample = Sample::row(&[5.0; 8], &[1.0; 8]);
    sample.mask = vec![i32::MIN, -1, 1, 2, 4, 8, 16, i32::MAX];
    let batch = Tokenizer::new(8).tokenize(&sample.spectra()).unwrap();
    assert_eq!(batch.flags[0], flag::DEAD);
}

/// Are just the pixels in `good` good, among fluxes near 2?
#[track_caller]
fn check_good(flux: &[f32], ivar: &[f32], good: &[bool]) {
    let batch = tokenize(&Tokenizer::new(flux.len()), flux, ivar);
    assert_eq!(batch.pixels.iter().copied().collect::<Vec<bool>>(), good);
    assert_eq!((batch.scale[[0, 0]], batch.flags[0]), (2.0, 0), "junk in the scale");
}

#[test]
fn junk_pixels_are_bad_and_leave_no_trace() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    check_good(&[2.0, nan, 2.0, 2.0], &[1.0; 4], &[true, false, true, true]);
    check_good(&[2.0, inf, 2.0, -inf], &[1.0; 4], &[true, false, true, false]);
    check_good(
        &[2.0, 9e9, 2.0, 9e9],
        &[1.0, -1.0, 1.0, nan],
        &[true, false, true, false],
    );
    check_good(
        &[2.0, 9e9, 2.0, 9e9],
        &[1.0, inf, 1.0, -inf],
        &[true, false, true, false],
    );
    check_good(
        &[2.0, -9e9, 2.0, nan],
        &[1.0, 0.0, 1.0, -0.0],
        &[true, false, true, false],
    );
}

#[test]
fn one_good_pixel() {
    let batch = tokenize(&Tokenizer::new(4), &[1.0, 3.0, 1.0, 1.0], &[0.0, 4.0, 0.0, 0.0]);
    assert_eq!(batch.values.iter().copied().collect::<Vec<f32>>(), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!(batch.errors[[0, 0, 1]], 0.5 / 3.0);
    assert_eq!((batch.valid[[0, 0]], batch.valid_fraction[[0, 0]]), (false, 0.25));
    assert_eq!((batch.snr[[0, 0]], batch.spectrum_snr().unwrap()[0]), (6.0, 6.0));
    assert_eq!((batch.scale[[0, 0]], batch.flags[0]), (3.0, 0));
}

#[test]
fn a_token_is_valid_from_one_half_on() {
    let batch = tokenize(&Tokenizer::new(4), &[1.0; 8], &[1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(batch.valid.row(0).to_vec(), [true, false]);
    assert_eq!(batch.valid_fraction.row(0).to_vec(), [0.5, 0.25]);
}

/// Tokens of a spectrum of `pixels` pixels, for each tail; `None` is an error.
#[track_caller]
fn check_tokens(pixels: usize, patch: usize, stride: usize, padded: usize, dropped: usize, exact: Option<usize>) {
    let tokenizer = Tokenizer::new(patch).stride(stride);
    let sample = Sample::row(&vec![1.0; pixels], &vec![1.0; pixels]);
    for (tail, expected) in [
        (Tail::PadAndMask, Some(padded)),
        (Tail::Drop, Some(dropped)),
        (Tail::Error, exact),
    ] {
        let tokenizer = tokenizer.clone().tail(tail);
        match (tokenizer.tokenize(&sample.spectra()), expected) {
            (Ok(batch), Some(expected)) => {
                check_invariants(&batch);
                assert_eq!(batch.values.dim(), (1, expected, patch), "{tokenizer}");
                assert_eq!(tokenizer.tokens(pixels), expected, "{tokenizer}");
            }
            (Err(error), None) => assert_eq!(
                error,
                Error::Tail {
                    row: 0,
                    pixels,
                    patch,
                    stride
                }
            ),
            (result, expected) => panic!("{tokenizer}: expected {expected:?}, found {result:?}"),
        }
    }
}

#[test]
fn tails() {
    check_tokens(0, 4, 4, 0, 0, Some(0));
    check_tokens(1, 4, 4, 1, 0, None);
    check_tokens(3, 4, 4, 1, 0, None);
    check_tokens(4, 4, 4, 1, 1, Some(1));
    check_tokens(5, 4, 4, 2, 1, None);
    check_tokens(8, 4, 4, 2, 2, Some(2));
    check_tokens(5, 1, 1, 5, 5, Some(5));
    // Overlapping: every pixel is in a token, and no token holds only pixels that others have.
    check_tokens(8, 4, 2, 3, 3, Some(3));
    check_tokens(9, 4, 2, 4, 3, None);
    check_tokens(5, 4, 1, 2, 2, Some(2));
    // DESI: 7781 = 31 · 251.
    check_tokens(7781, 32, 32, 244, 243, None);
    check_tokens(7781, 31, 31, 251, 251, Some(251));
}

#[test]
fn a_padded_tail_keeps_its_pixels() {
    let batch = tokenize(&Tokenizer::new(4), &[2.0; 5], &[1.0; 5]);
    assert_eq!(
        batch.values.iter().copied().collect::<Vec<f32>>(),
        [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    );
    assert_eq!(batch.valid.row(0).to_vec(), [true, false]);
    assert_eq!(batch.wavelength[[0, 1]], batch.wavelength_max[[0, 1]]);
}

#[test]
fn a_dropped_tail_counts_for_the_scale() {
    let tokenizer = Tokenizer::new(2).tail(Tail::Drop);
    let batch = tokenize(&tokenizer, &[1.0, 3.0, 3.0], &[1.0; 3]);
    assert_eq!((batch.scale[[0, 0]], batch.values[[0, 0, 1]]), (3.0, 1.0));
}

#[test]
fn overlapping_tokens_repeat_pixels() {
    let batch = tokenize(&Tokenizer::new(3).stride(1), &[1.0, 2.0, 3.0, 4.0], &[1.0; 4]);
    let values: Vec<f32> = batch.values.iter().map(|value| value * 2.5).collect();
    assert_eq!(values, [1.0, 2.0, 3.0, 2.0, 3.0, 4.0]);
}

#[test]
fn an_empty_batch_has_no_rows() {
    let none = Array2::<f32>::zeros((0, 7781));
    let grid: Vec<f64> = (0..7781).map(|i| 3600.0 + 0.8 * f64::from(i)).collect();
    let batch = Tokenizer::new(32)
        .tokenize(&Spectra::on_grid(none.view(), none.view(), &grid).unwrap())
        .unwrap();
    assert_eq!(batch.values.dim(), (0, 0, 32));
    check_invariants(&batch);
    let batch = Tokenizer::new(32)
        .tokenize(&Spectra::ragged(&[0], &[], &[], &[]).unwrap())
        .unwrap();
    assert_eq!(batch.values.dim(), (0, 0, 32));
    assert_eq!(Tokenizer::new(32).detokenize(&batch).unwrap().offsets, [0]);
}

#[test]
fn rows_without_pixels_are_dead() {
    let none = Array2::<f32>::zeros((3, 0));
    let batch = Tokenizer::new(32)
        .tokenize(&Spectra::on_grid(none.view(), none.view(), &[]).unwrap())
        .unwrap();
    assert_eq!(batch.values.dim(), (3, 0, 32));
    assert_eq!(batch.flags.to_vec(), [flag::DEAD; 3]);
    check_invariants(&batch);
}

#[test]
fn shorter_rows_end_in_padding() {
    let sample = Sample::new(&[vec![(1.0, 1.0, 0); 2], vec![], vec![(1.0, 1.0, 0); 6]]);
    let batch = Tokenizer::new(2).tokenize(&sample.spectra()).unwrap();
    check_invariants(&batch);
    assert_eq!(batch.valid.row(0).to_vec(), [true, false, false]);
    assert_eq!(batch.valid.row(1).to_vec(), [false; 3]);
    assert_eq!(batch.valid.row(2).to_vec(), [true; 3]);
    assert_eq!(batch.lengths.to_vec(), [2, 0, 6]);
}

#[test]
fn a_pixel_that_overflows_is_masked() {
    // The median of tiny fluxes divides a large one beyond f32.
    let batch = tokenize(&Tokenizer::new(4), &[1e-10, 1e-10, 1e30, 1e-10], &[1.0; 4]);
    assert_eq!((batch.scale[[0, 0]], batch.flags[0]), (1e-10, flag::PIXEL_OUT_OF_RANGE));
    assert_eq!(
        batch.pixels.iter().copied().collect::<Vec<bool>>(),
        [true, true, false, true]
    );
    // An error beyond f32: sigma 1e18 over a scale of 1e-25.
    let batch = tokenize(&Tokenizer::new(4), &[1e-25; 4], &[1.0, 1.0, 1e-36, 1.0]);
    assert_eq!(
        (batch.flags[0], batch.pixels[[0, 0, 2]]),
        (flag::PIXEL_OUT_OF_RANGE, false)
    );
    // An error that would vanish: sigma 1e-19 over a scale of 1e30.
    let batch = tokenize(&Tokenizer::new(4), &[1e30; 4], &[1.0, 1.0, 1e38, 1.0]);
    assert_eq!(
        (batch.flags[0], batch.pixels[[0, 0, 2]]),
        (flag::PIXEL_OUT_OF_RANGE, false)
    );
    // A signal to noise beyond f32 is clamped.
    let batch = tokenize(&Tokenizer::new(1), &[1.0, 1.0, 1e30], &[1.0, 1.0, 1e20]);
    assert_eq!(batch.snr.row(0).to_vec(), [1.0, 1.0, f32::MAX]);
    assert_eq!(batch.spectrum_snr().unwrap()[0], 1.0);
}

#[test]
fn a_batch_can_be_filled_up() {
    let flux = Array2::from_elem((2, 8), 3.0_f32);
    let wavelength: Vec<f64> = (0..8).map(|i| 4000.0 + f64::from(i)).collect();
    let spectra = Spectra::on_grid(flux.view(), flux.view(), &wavelength).unwrap();
    let plain = Tokenizer::new(4).tokenize(&spectra).unwrap();
    let filled = Tokenizer::new(4).min_tokens(5).tokenize(&spectra).unwrap();
    assert_eq!((plain.valid.dim(), filled.valid.dim()), ((2, 2), (2, 5)));
    assert_eq!(filled.values.slice(ndarray::s![.., ..2, ..]), plain.values);
    assert!(filled.valid.slice(ndarray::s![.., 2..]).iter().all(|valid| !valid));
    assert_eq!(
        Tokenizer::new(4).min_tokens(5).fingerprint(),
        Tokenizer::new(4).fingerprint()
    );
    assert_eq!(
        Tokenizer::new(4).min_tokens(1).tokenize(&spectra).unwrap().valid.dim(),
        (2, 2)
    );
}

/// Are the flags of a spectrum on these wavelengths, in patches of 4, just these?
#[track_caller]
fn check_gap(wavelength: &[f64], flags: u32) {
    let values = vec![1.0; wavelength.len()];
    let on_grid = Array2::ones((1, wavelength.len()));
    let offsets = [0, wavelength.len()];
    let ragged = Spectra::ragged(&offsets, &values, &values, wavelength).unwrap();
    for spectra in [
        Spectra::on_grid(on_grid.view(), on_grid.view(), wavelength).unwrap(),
        ragged,
    ] {
        let batch = Tokenizer::new(4).tokenize(&spectra).unwrap();
        check_invariants(&batch);
        assert_eq!(batch.flags[0], flags, "{wavelength:?}");
    }
}

#[test]
fn a_gap_between_arms_is_flagged_where_a_patch_spans_it() {
    check_gap(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 0);
    check_gap(&[1.0, 2.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0], flag::WAVELENGTH_GAP);
    check_gap(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 18.0], flag::WAVELENGTH_GAP);
    check_gap(&[1.0, 12.0, 13.0, 14.0], flag::WAVELENGTH_GAP);
    // Between two patches it hurts nobody.
    check_gap(&[1.0, 2.0, 3.0, 4.0, 15.0, 16.0, 17.0, 18.0], 0);
    // One pixel that is missing, and an arm with wider pixels, are no gap.
    check_gap(&[1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 8.0, 9.0], 0);
    check_gap(&[1.0, 2.0, 4.0, 6.0, 8.0, 10.0], 0);
    // Too few pixels to compare steps.
    check_gap(&[1.0, 100.0], 0);
    check_gap(&[1.0], 0);
    check_gap(&[], flag::DEAD);
}

#[test]
fn spectra_without_variances_have_no_errors() {
    let flux = ndarray::array![[2.0, f32::NAN, 4.0, 6.0, f32::INFINITY], [0.0; 5]];
    let grid = [4000.0, 4001.0, 4002.0, 4003.0, 4004.0];
    let spectra = Spectra::flux_on_grid(flux.view(), &grid).unwrap();
    let batch = Tokenizer::new(2).tokenize(&spectra).unwrap();
    check_invariants(&batch);
    assert_eq!(batch.errors.dim(), (2, 3, 0));
    assert_eq!(
        batch.values.iter().copied().collect::<Vec<f32>>()[..6],
        [0.5, 0.0, 1.0, 1.5, 0.0, 0.0]
    );
    assert_eq!(batch.valid.row(0).to_vec(), [true, true, false]);
    assert_eq!((batch.snr.sum(), batch.spectrum_snr().unwrap().sum()), (0.0, 0.0));
    assert_eq!(batch.flags.to_vec(), [0, flag::SCALE_IS_ONE]);
    let pixels = Tokenizer::new(2).detokenize(&batch).unwrap();
    assert_eq!(pixels.flux[..5], [2.0, 0.0, 4.0, 6.0, 0.0]);
    assert_eq!(pixels.ivar, [0.0; 0]);
    // A mask counts all the same.
    let batch = Tokenizer::new(2)
        .tokenize(&spectra.mask(&[0, 0, 1, 0, 0, 0, 0, 0, 0, 0]).unwrap())
        .unwrap();
    assert_eq!((batch.scale[[0, 0]], batch.pixels[[0, 1, 0]]), (4.0, false));
}

#[test]
fn arrays_that_do_not_fit_each_other_are_refused() {
    let batch = tokenize(&Tokenizer::new(2), &[1.0; 6], &[1.0; 6]);
    assert_eq!(batch.spectrum_snr().unwrap().to_vec(), [1.0]);
    assert_eq!(radio_tokenize::TokenBatch::default().spectrum_snr().unwrap().len(), 0);
    let mut other = batch.clone();
    other.errors = ndarray::Array3::zeros((1, 2, 2));
    assert!(matches!(other.spectrum_snr(), Err(Error::Shape { what: "errors", .. })));
    let mut other = batch.clone();
    other.lengths[0] = 100;
    assert!(matches!(other.spectrum_snr(), Err(Error::Shape { what: "values", .. })));
    let mut other = batch;
    other.scale = ndarray::Array2::ones((1, 2));
    assert!(matches!(other.spectrum_snr(), Err(Error::Shape { .. })));
}

#[test]
fn what_a_model_filled_in_has_no_signal_to_noise() {
    let mut batch = tokenize(&Tokenizer::new(4), &[2.0; 4], &[1.0, 0.0, 1.0, 0.0]);
    batch.pixels.fill(true);
    batch.values.fill(1.0);
    assert_eq!(batch.spectrum_snr().unwrap().to_vec(), [2.0]);
    batch.values[[0, 0, 0]] = f32::NAN;
    assert_eq!(batch.spectrum_snr().unwrap().to_vec(), [2.0]);
    batch.errors = ndarray::Array3::zeros((0, 0, 0));
    assert!(matches!(
        Tokenizer::new(4).detokenize(&batch),
        Err(Error::Shape { what: "errors", .. })
    ));
}

#[test]
fn so_many_tokens_are_refused() {
    let grid = [1.0];
    let none = Array2::<f32>::zeros((0, 1));
    for min_tokens in [usize::MAX, 1 << 42, Tokenizer::MAX_MIN_TOKENS + 1] {
        let spectra = Spectra::on_grid(none.view(), none.view(), &grid).unwrap();
        let error = Tokenizer::new(4).min_tokens(min_tokens).tokenize(&spectra);
        assert!(
            matches!(error, Err(Error::Option { name: "min_tokens", .. })),
            "{error:?}"
        );
    }
}
