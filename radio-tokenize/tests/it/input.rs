//! What is refused, and what the message says.

use ndarray::Array2;
use radio_tokenize::{Error, Spectra, Tail, Tokenizer};

use crate::support::Sample;

/// The message for one row with these wavelengths, first row empty.
#[track_caller]
fn check_wavelengths(wavelength: &[f64], message: &str) {
    let values = vec![1.0; wavelength.len()];
    let error = Spectra::ragged(&[0, 0, wavelength.len()], &values, &values, wavelength).unwrap_err();
    assert_eq!(error.to_string(), message);
    let grid = Array2::<f32>::ones((2, wavelength.len()));
    let error = Spectra::on_grid(grid.view(), grid.view(), wavelength).unwrap_err();
    assert_eq!(error.to_string(), message.replace("row 1", "row 0"));
}

#[test]
fn wavelengths_must_be_finite_positive_and_increase() {
    check_wavelengths(
        &[1.0, f64::NAN],
        "wavelength NaN at row 1, pixel 1: wavelengths must be finite",
    );
    check_wavelengths(
        &[1.0, 2.0, f64::INFINITY],
        "wavelength inf at row 1, pixel 2: wavelengths must be finite",
    );
    check_wavelengths(
        &[0.0, 1.0],
        "wavelength 0 at row 1, pixel 0: wavelengths must be positive",
    );
    check_wavelengths(
        &[1.0, -1.0],
        "wavelength -1 at row 1, pixel 1: wavelengths must be positive",
    );
    let unsorted = "wavelengths must increase strictly; sort the pixels and drop duplicates";
    check_wavelengths(&[3.0, 2.0], &format!("wavelength 2 at row 1, pixel 1: {unsorted}"));
    check_wavelengths(&[1.0, 2.0, 2.0], &format!("wavelength 2 at row 1, pixel 2: {unsorted}"));
}

#[test]
fn absurdly_large_wavelengths_do_not_overflow() {
    let wavelength = [f64::MAX / 4.0, f64::MAX / 2.0, f64::MAX];
    let spectra = Spectra::ragged(&[0, 3], &[1.0; 3], &[1.0; 3], &wavelength).unwrap();
    assert!(Tokenizer::new(3).tokenize(&spectra).unwrap().wavelength[[0, 0]].is_finite());
}

/// The message for offsets that do not cut three values.
#[track_caller]
fn check_offsets(offsets: &[usize], position: usize, value: usize) {
    let error = Spectra::ragged(offsets, &[1.0; 3], &[1.0; 3], &[1.0, 2.0, 3.0]).unwrap_err();
    match error {
        Error::Offsets {
            position: p, value: v, ..
        } => assert_eq!((p, v), (position, value), "{offsets:?}"),
        other => panic!("{other} for {offsets:?}"),
    }
}

#[test]
fn offsets_must_not_lie() {
    check_offsets(&[], 0, 0);
    check_offsets(&[0], 0, 0);
    check_offsets(&[1, 3], 0, 1);
    check_offsets(&[0, 2], 1, 2);
    check_offsets(&[0, 4], 1, 4);
    check_offsets(&[0, 2, 1, 3], 2, 1);
    check_offsets(&[0, usize::MAX, 3], 2, 3);
}

#[test]
fn shapes_must_agree() {
    let (a, b) = (Array2::<f32>::ones((2, 3)), Array2::<f32>::ones((3, 2)));
    let grid = [1.0, 2.0, 3.0];
    let shape = |what, found: &[usize], expected: &[usize]| {
        Some(Error::Shape {
            what,
            found: found.to_vec(),
            expected: expected.to_vec(),
        })
    };
    assert_eq!(
        Spectra::on_grid(a.view(), b.view(), &grid).err(),
        shape("ivar", &[3, 2], &[2, 3])
    );
    assert_eq!(
        Spectra::on_grid(a.view(), a.view(), &grid[..2]).err(),
        shape("wavelength", &[2], &[3])
    );
    assert_eq!(
        Spectra::ragged(&[0, 3], &[1.0; 3], &[1.0; 2], &grid).err(),
        shape("ivar", &[2], &[3])
    );
    assert_eq!(
        Spectra::ragged(&[0, 3], &[1.0; 3], &[1.0; 3], &grid[1..]).err(),
        shape("wavelength", &[2], &[3])
    );
    let spectra = Spectra::on_grid(a.view(), a.view(), &grid).unwrap();
    assert_eq!(spectra.mask(&[0; 5]).err(), shape("mask", &[5], &[6]));
}

/// Is the option refused, by name?
#[track_caller]
fn check_option(tokenizer: &Tokenizer, option: &str) {
    let sample = Sample::row(&[1.0], &[1.0]);
    match tokenizer.tokenize(&sample.spectra()) {
        Err(Error::Option { name, .. }) => assert_eq!(name, option),
        other => panic!("{tokenizer}: {other:?}"),
    }
    assert_eq!(tokenizer.tokens(100), 0);
}

#[test]
fn options_are_checked() {
    check_option(&Tokenizer::new(0), "patch");
    check_option(&Tokenizer::new(usize::MAX), "patch");
    check_option(&Tokenizer::new(8).stride(0), "stride");
    check_option(&Tokenizer::new(8).stride(9), "stride");
    let sample = Sample::row(&[1.0], &[1.0]);
    let error = Tokenizer::new(0).tokenize(&sample.spectra()).unwrap_err();
    assert_eq!(error.to_string(), "option patch is 0, expected 1 to 65536 pixels");
}

#[test]
fn a_tail_is_reported_for_the_first_row_that_has_one() {
    let sample = Sample::new(&[vec![(1.0, 1.0, 0); 4], vec![(1.0, 1.0, 0); 3], vec![(1.0, 1.0, 0); 1]]);
    let error = Tokenizer::new(2)
        .tail(Tail::Error)
        .tokenize(&sample.spectra())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 1 has 3 pixels, which patches of 2 every 2 pixels do not cover exactly; \
         use Tail::PadAndMask or Tail::Drop"
    );
}
