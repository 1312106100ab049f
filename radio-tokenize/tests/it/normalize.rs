//! Offset and scale, by hand.

use radio_tokenize::{Error, Normalize, Spectra, Tokenizer, flag};

use crate::support::tokenize;

/// Offset, scale and flags of fluxes with inverse variances.
#[track_caller]
fn check(normalize: Normalize, flux: &[f32], ivar: &[f32], expected: (f32, f32, u32)) {
    let batch = tokenize(&Tokenizer::new(3).normalize(normalize), flux, ivar);
    assert_eq!(
        (batch.offset[[0, 0]], batch.scale[[0, 0]], batch.flags[0]),
        expected,
        "{normalize:?} of {flux:?}"
    );
}

/// The same for [`Normalize::Median`], with all inverse variances 1.
#[track_caller]
fn check_median(flux: &[f32], scale: f32, flags: u32) {
    check(Normalize::Median, flux, &vec![1.0; flux.len()], (0.0, scale, flags));
}

#[test]
fn medians_of_even_and_odd_counts() {
    check_median(&[7.0], 7.0, 0);
    check_median(&[10.0, 11.0], 10.5, 0);
    check_median(&[12.0, 10.0, 11.0], 11.0, 0);
    check_median(&[13.0, 10.0, 12.0, 11.0], 11.5, 0);
    check(
        Normalize::Median,
        &[13.0, 10.0, 12.0, 11.0],
        &[1.0, 0.0, 1.0, 1.0],
        (0.0, 12.0, 0),
    );
    // The sum of the two in the middle would overflow.
    check(Normalize::Median, &[f32::MAX; 2], &[1e-4; 2], (0.0, f32::MAX, 0));
}

#[test]
fn a_median_without_significance_is_not_used() {
    let sigma = |mad: f64| (1.482_602_218_505_602 * mad) as f32;
    check_median(&[-1.0, -2.0, -3.0], sigma(1.0), flag::SCALE_IS_SPREAD);
    check_median(&[-4.0, 0.0, 3.0], sigma(3.0), flag::SCALE_IS_SPREAD);
    // Median 1, deviations 0 1 1 1 1: the error of the median is 1.2533 · 1.4826 / √5 = 0.83.
    check_median(&[0.0, 0.0, 1.0, 2.0, 2.0], 1.0, 0);
    // Median 1, MAD 2: the error is 1.66.
    check_median(&[-1.0, -1.0, 1.0, 3.0, 3.0], sigma(2.0), flag::SCALE_IS_SPREAD);
    // Four values, deviations 0.5 0.5 3.5 3.5: half of them are small, but the MAD, 2, is not.
    check_median(&[-2.0, 1.0, 2.0, 5.0], sigma(2.0), flag::SCALE_IS_SPREAD);
    // Median 3, deviations 0.5 0.5 4 4: the MAD is 2.25, the error 2.09; only half of the deviations show it.
    check_median(&[-1.0, 2.5, 3.5, 7.0], 3.0, 0);
}

#[test]
fn no_light_and_no_spread_give_a_scale_of_one() {
    check_median(&[0.0; 5], 1.0, flag::SCALE_IS_ONE);
    check_median(&[-0.0, 0.0, 0.0], 1.0, flag::SCALE_IS_ONE);
    check_median(&[-2.0; 4], 1.0, flag::SCALE_IS_ONE);
    check_median(&[-2.0], 1.0, flag::SCALE_IS_ONE);
    // A scale that is not a normal number would lose digits.
    check_median(&[1e-40; 4], 1.0, flag::SCALE_IS_ONE);
    // The MAD of these overflows.
    check_median(&[f32::MAX, f32::MAX, -f32::MAX, -f32::MAX], 1.0, flag::SCALE_IS_ONE);
}

#[test]
fn means_and_spreads() {
    let flux = [1.0, 2.0, 3.0, 6.0];
    check(Normalize::MeanStd, &flux, &[1.0; 4], (3.0, 3.5_f32.sqrt(), 0));
    check(
        Normalize::MeanStd,
        &flux,
        &[1.0, 9.0, 1.0, 0.0],
        (2.0, (2.0_f32 / 3.0).sqrt(), 0),
    );
    // (1 + 3 · 2 + 0.25 · 6) / 4.25 = 2; (1 + 0 + 0.25 · 16) / 4.25.
    check(
        Normalize::WeightedMean,
        &flux,
        &[1.0, 3.0, 0.0, 0.25],
        (2.0, (5.0_f32 / 4.25).sqrt(), 0),
    );
    for normalize in [Normalize::MeanStd, Normalize::WeightedMean] {
        check(normalize, &[0.1; 7], &[0.3; 7], (0.1, 1.0, flag::SCALE_IS_ONE));
        check(normalize, &[0.1], &[0.3], (0.1, 1.0, flag::SCALE_IS_ONE));
        check(
            normalize,
            &[f32::MAX; 3],
            &[f32::MAX; 3],
            (f32::MAX, 1.0, flag::SCALE_IS_ONE),
        );
    }
    check(Normalize::None, &flux, &[1.0; 4], (0.0, 1.0, 0));
}

#[test]
fn a_spread_of_rounding_errors_is_none() {
    let ivar: Vec<f32> = (1..1000_u16).map(|i| 0.3 * f32::from(i).sqrt()).collect();
    check(
        Normalize::WeightedMean,
        &[0.1; 999],
        &ivar,
        (0.1, 1.0, flag::SCALE_IS_ONE),
    );
}

#[test]
fn errors_are_scaled_with_the_flux() {
    let batch = tokenize(&Tokenizer::new(2), &[3.0, 5.0], &[4.0, 0.25]);
    assert_eq!(batch.values.iter().copied().collect::<Vec<f32>>(), [0.75, 1.25]);
    assert_eq!(batch.errors.iter().copied().collect::<Vec<f32>>(), [0.125, 0.5]);
    assert_eq!((batch.snr[[0, 0]], batch.spectrum_snr().unwrap()[0]), (4.25, 4.25));
}

#[test]
fn means() {
    check(Normalize::Mean, &[1.0, 2.0, 3.0, 6.0], &[1.0; 4], (0.0, 3.0, 0));
    check(
        Normalize::Mean,
        &[1.0, 2.0, 3.0, 6.0],
        &[1.0, 1.0, 1.0, 0.0],
        (0.0, 2.0, 0),
    );
    // Mean 0.5, standard deviation 1.5 over √4.
    let sigma = 1.5;
    check(
        Normalize::Mean,
        &[-1.0, -1.0, 2.0, 2.0],
        &[1.0; 4],
        (0.0, sigma, flag::SCALE_IS_SPREAD),
    );
    check(
        Normalize::Mean,
        &[-2.0, -4.0],
        &[1.0; 2],
        (0.0, 1.0, flag::SCALE_IS_SPREAD),
    );
    check(Normalize::Mean, &[-2.0; 5], &[1.0; 5], (0.0, 1.0, flag::SCALE_IS_ONE));
    check(Normalize::Mean, &[0.0; 5], &[1.0; 5], (0.0, 1.0, flag::SCALE_IS_ONE));
    check(Normalize::Mean, &[7.0], &[1.0], (0.0, 7.0, 0));
    check(Normalize::Mean, &[f32::MAX; 3], &[1e-6; 3], (0.0, f32::MAX, 0));
}

#[test]
fn a_variance_survives_an_offset_a_million_times_larger() {
    let flux: Vec<f32> = (0..1000_u16).map(|i| 1e6 + f32::from(i % 2)).collect();
    check(Normalize::MeanStd, &flux, &[1.0; 1000], (1_000_000.5, 0.5, 0));
    // The first value, from which differences are taken, is far off the others.
    let mut flux = vec![1.0; 4096];
    flux[0] = 1e20;
    let batch = tokenize(
        &Tokenizer::new(32).normalize(Normalize::MeanStd),
        &flux,
        &vec![1.0; 4096],
    );
    let expected = 1e20 * (1.0 / 4096.0 - 1.0 / 4096.0_f64.powi(2)).sqrt();
    assert!((f64::from(batch.scale[[0, 0]]) / expected - 1.0).abs() < 1e-6);
}

/// Offset, scale and flags of a spectrum with pixels at 4000, 4010, … Å and a redshift.
#[track_caller]
fn check_window(redshift: f64, flux: &[f32], ivar: &[f32], expected: (f32, f32, u32)) {
    let wavelength: Vec<f64> = (0..flux.len()).map(|i| 4000.0 + 10.0 * i as f64).collect();
    let normalize = Normalize::RestFrameMedian {
        from: 2000.0,
        to: 2010.0,
    };
    let offsets = [0, flux.len()];
    let spectra = Spectra::ragged(&offsets, flux, ivar, &wavelength).unwrap();
    let batch = Tokenizer::new(2)
        .normalize(normalize)
        .tokenize(&spectra.redshift(&[redshift]).unwrap())
        .unwrap();
    let found = (batch.offset[[0, 0]], batch.scale[[0, 0]], batch.flags[0]);
    assert_eq!(found, expected, "redshift {redshift}");
}

#[test]
fn a_window_moves_with_the_redshift() {
    let (flux, ivar) = ([1.0, 2.0, 3.0, 40.0, 50.0], [1.0; 5]);
    // 4000 to 4020 Å, both ends included; then 4020 to 4040.1 Å.
    check_window(1.0, &flux, &ivar, (0.0, 2.0, 0));
    check_window(1.01, &flux, &ivar, (0.0, 40.0, 0));
    // The error of the median of 3, 4 and 50 is small, that of two pixels is not looked at beyond the window.
    check_window(1.0, &flux, &[1.0, 0.0, 1.0, 1.0, 1.0], (0.0, 2.0, 0));
    let whole = (0.0, 3.0, flag::WINDOW_IS_SPECTRUM);
    for redshift in [0.0, 2.0, f64::NAN, f64::INFINITY, -1.0, -3.0] {
        check_window(redshift, &flux, &ivar, whole);
    }
    check_window(
        1.0,
        &flux,
        &[0.0, 0.0, 0.0, 1.0, 1.0],
        (0.0, 45.0, flag::WINDOW_IS_SPECTRUM),
    );
    check_window(1.0, &flux, &[0.0; 5], (0.0, 1.0, flag::DEAD));
}

#[test]
fn every_patch_has_its_median() {
    let tokenizer = Tokenizer::new(3).normalize(Normalize::PatchMedian);
    let flux = [1.0, 2.0, 3.0, 10.0, 20.0, 30.0, 9.0, -5.0, -5.0, -6.0, 7.0];
    let ivar = [1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let batch = tokenize(&tokenizer, &flux, &ivar);
    assert_eq!(batch.scale.row(0).to_vec(), [2.0, 20.0, 1.0, 1.0]);
    assert_eq!(
        batch.values.iter().copied().collect::<Vec<f32>>(),
        [0.5, 1.0, 1.5, 0.5, 0.0, 1.5, 0.0, 0.0, 0.0, -6.0, 0.0, 0.0]
    );
    // The last token: one negative pixel, without a spread. The third has no good pixel, but the spectrum has.
    assert_eq!(batch.flags[0], flag::SCALE_IS_ONE);
    // Longer patches are not sorted but selected from.
    let flux: Vec<f32> = (0..400_u16).map(|i| 1000.0 + f32::from(i)).collect();
    let batch = tokenize(
        &Tokenizer::new(200).normalize(Normalize::PatchMedian),
        &flux,
        &[1.0; 400],
    );
    assert_eq!(batch.scale.row(0).to_vec(), [1099.5, 1299.5]);
}

#[test]
fn what_is_missing_is_named() {
    let (flux, grid) = (ndarray::array![[1.0, 2.0]], [4000.0, 4001.0]);
    let spectra = Spectra::flux_on_grid(flux.view(), &grid).unwrap();
    let message = |normalize| {
        Tokenizer::new(2)
            .normalize(normalize)
            .tokenize(&spectra)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(Normalize::WeightedMean),
        "normalize weighted-mean needs ivar, which these spectra do not have; add it with Spectra::on_grid"
    );
    let window = Normalize::RestFrameMedian {
        from: 5300.0,
        to: 5850.0,
    };
    assert_eq!(
        message(window),
        "normalize rest-frame-median(5300,5850) needs redshift, which these spectra do not have; add it with \
         Spectra::redshift"
    );
    for (from, to) in [(2.0, 1.0), (0.0, 1.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)] {
        let error = Tokenizer::new(2)
            .normalize(Normalize::RestFrameMedian { from, to })
            .tokenize(&spectra);
        assert!(matches!(error, Err(Error::Option { .. })), "{from} to {to}");
    }
}
