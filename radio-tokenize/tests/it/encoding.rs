//! Wavelength encodings.

use ndarray::{Array2, array, aview0};
use proptest::prelude::*;
use radio_tokenize::{Error, WavelengthEncoding};

#[test]
fn the_phase_is_exact_where_f32_would_err() {
    // 9824 Å is 98,240 of the shortest periods (0.1 Å): the last pair is (sin, cos) of a multiple of 2π.
    let codes = WavelengthEncoding::universal(64)
        .encode(array![9824.0, 9824.025].view())
        .unwrap();
    assert!(codes[[0, 62]].abs() < 1e-6, "sin is {}", codes[[0, 62]]);
    assert!((codes[[0, 63]] - 1.0).abs() < 1e-6, "cos is {}", codes[[0, 63]]);
    // A quarter of a period later.
    assert!((codes[[1, 62]] - 1.0).abs() < 1e-6, "sin is {}", codes[[1, 62]]);
    assert!(codes[[1, 63]].abs() < 1e-6, "cos is {}", codes[[1, 63]]);
    // The first pair has a period of 1e6 Å.
    let phase = std::f64::consts::TAU * 9824.0 / 1e6;
    assert_eq!((codes[[0, 0]], codes[[0, 1]]), (phase.sin() as f32, phase.cos() as f32));
}

/// Numbers with 50 digits from golden/encoding.py (mpmath 1.3.0), rounded to 17.
#[test]
fn codes_are_the_nearest_f32() {
    for line in include_str!("../golden/encoding.csv").lines() {
        let numbers: Vec<f64> = line.split(',').map(|number| number.parse().unwrap()).collect();
        let [shortest, longest, logarithmic, wavelength] = numbers[..4].try_into().unwrap();
        let encoding = WavelengthEncoding::new(8, shortest, longest);
        let encoding = if logarithmic > 0.0 {
            encoding.logarithmic()
        } else {
            encoding
        };
        let codes = encoding.encode(array![wavelength].view()).unwrap();
        for (&code, &exact) in codes.iter().zip(&numbers[4..]) {
            // Half a unit in the last place of 1, and what the phase errs by: 1e5 turns to 1e-15 of each.
            let bound = 0.5_f64.powi(25) + 1e-9;
            assert!((f64::from(code) - exact).abs() <= bound, "{code} for {exact} in {line}");
        }
    }
}

#[test]
fn periods_suit_the_grid() {
    // DESI: 7781 pixels of 0.8 Å from 3600 Å.
    let grid: Vec<f64> = (0..7781).map(|i| 3600.0 + 0.8 * f64::from(i)).collect();
    let (shortest, longest) = WavelengthEncoding::for_grid(128, &grid).unwrap().periods();
    assert!((shortest - 1.6).abs() < 1e-9 && (longest - 4.0 * 6224.0).abs() < 1e-9);
    // SDSS: 1e-4 in log10 λ.
    let grid: Vec<f64> = (0..3810).map(|i| 10_f64.powf(3.58 + 1e-4 * f64::from(i))).collect();
    let encoding = WavelengthEncoding::for_log_grid(128, &grid).unwrap();
    let (shortest, longest) = encoding.periods();
    let pixel = 1e-4 * std::f64::consts::LN_10;
    assert!((shortest - 2.0 * pixel).abs() < 1e-12 && (longest - 4.0 * 3809.0 * pixel).abs() < 1e-9);
    // Two wavelengths that are a shortest period apart in ln λ share the last pair.
    let codes = encoding
        .encode(array![5000.0, 5000.0 * (2.0 * pixel).exp()].view())
        .unwrap();
    assert!((codes[[0, 126]] - codes[[1, 126]]).abs() < 1e-6);
    assert!((codes[[0, 127]] - codes[[1, 127]]).abs() < 1e-6);
}

#[test]
fn padding_is_all_zero() {
    let encoding = WavelengthEncoding::new(6, 1.0, 100.0);
    for encoding in [encoding.clone(), encoding.logarithmic()] {
        let codes = encoding.encode(array![[5000.0, 0.0], [-0.0, 1.0]].view()).unwrap();
        assert_eq!(codes.dim(), (2, 2, 6));
        for (i, k) in [(0, 1), (1, 0)] {
            assert!((0..6).all(|j| codes[[i, k, j]] == 0.0));
        }
        assert!(codes[[1, 1, 1]] != 0.0);
    }
}

#[test]
fn any_shape_gets_one_more_axis() {
    let encoding = WavelengthEncoding::new(2, 1.0, 100.0);
    assert_eq!(encoding.dim(), 2);
    assert_eq!(encoding.encode(aview0(&25.0)).unwrap().shape(), [2]);
    assert_eq!(
        encoding.encode(Array2::zeros((0, 5)).view()).unwrap().shape(),
        [0, 5, 2]
    );
    assert_eq!(encoding.encode(array![25.0].into_dyn().view()).unwrap().shape(), [1, 2]);
    // Not the memory but the array counts.
    let grid = array![[25.0, 50.0, 75.0], [30.0, 60.0, 90.0]];
    assert_eq!(
        encoding.encode(grid.t()).unwrap(),
        encoding.encode(grid.view()).unwrap().permuted_axes([1, 0, 2])
    );
}

#[track_caller]
fn check_refused(encoding: &WavelengthEncoding, option: &str) {
    match encoding.encode(array![1.0].view()) {
        Err(Error::Option { name, .. }) => assert_eq!(name, option),
        other => panic!("{encoding:?}: {other:?}"),
    }
}

#[test]
fn parameters_and_wavelengths_are_checked() {
    for dim in [0, 1, 7, usize::MAX - 1] {
        check_refused(&WavelengthEncoding::new(dim, 1.0, 2.0), "dim");
    }
    for shortest in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        check_refused(&WavelengthEncoding::new(4, shortest, 2.0), "shortest");
    }
    for longest in [1.0, 0.5, f64::NAN, f64::INFINITY] {
        check_refused(&WavelengthEncoding::new(4, 1.0, longest), "longest");
    }
    check_refused(&WavelengthEncoding::new(4, 1e-300, 1e300), "shortest");
    check_refused(&WavelengthEncoding::new(4, 1e-310, 1.0), "shortest");
    let encoding = WavelengthEncoding::universal(4);
    assert!(matches!(
        encoding.encode(array![1.0, f64::MAX].view()),
        Err(Error::Wavelength { row: 0, pixel: 1, .. })
    ));
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        match encoding.encode(array![[1.0, 2.0, 3.0], [1.0, bad, 3.0]].view()) {
            Err(Error::Wavelength { row, pixel, .. }) => assert_eq!((row, pixel), (1, 1)),
            other => panic!("{bad}: {other:?}"),
        }
    }
    assert!(matches!(
        WavelengthEncoding::for_grid(4, &[1.0]),
        Err(Error::Option { .. })
    ));
    assert!(matches!(
        WavelengthEncoding::for_grid(4, &[2.0, 1.0]),
        Err(Error::Wavelength { pixel: 1, .. })
    ));
    assert!(matches!(
        WavelengthEncoding::for_log_grid(4, &[0.0, 1.0]),
        Err(Error::Wavelength { pixel: 0, .. })
    ));
}

proptest! {
    #![proptest_config(crate::support::fixed())]

    #[test]
    fn follows_the_formula(
        half in 1_usize..40,
        shortest in 0.1_f64..10.0,
        ratio in 1.5_f64..1e5,
        wavelength in 1000.0_f64..30_000.0,
        logarithmic in any::<bool>(),
    ) {
        let longest = shortest * ratio;
        let encoding = WavelengthEncoding::new(2 * half, shortest, longest);
        let encoding = if logarithmic { encoding.logarithmic() } else { encoding };
        let codes = encoding.encode(array![wavelength].view()).unwrap();
        let x = if logarithmic { wavelength.ln() } else { wavelength };
        for k in 0..half {
            let step = if half == 1 { 0.0 } else { k as f64 / (half - 1) as f64 };
            let period = (longest.ln() + step * (shortest.ln() - longest.ln())).exp();
            let phase = std::f64::consts::TAU * (x / period).fract();
            // The two ways to the phase differ by some 1e-16 of up to 3e5 turns.
            prop_assert!((f64::from(codes[[0, 2 * k]]) - phase.sin()).abs() < 1e-6);
            prop_assert!((f64::from(codes[[0, 2 * k + 1]]) - phase.cos()).abs() < 1e-6);
        }
    }
}
