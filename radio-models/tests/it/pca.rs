//! Principal components against NumPy, and their laws.

use ndarray::{Array1, Array2, Axis, s};
use proptest::prelude::*;
use radio_models::{Error, Pca, PcaOptions};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

fn matrix(value: &Value) -> Array2<f64> {
    let row = |row: &Value| {
        row.as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap())
            .collect::<Vec<_>>()
    };
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(row).collect();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, k)| rows[i][k])
}

#[track_caller]
fn close(found: impl IntoIterator<Item = f64>, expected: impl IntoIterator<Item = f64>, tolerance: f64) {
    for (found, expected) in found.into_iter().zip(expected) {
        assert!(
            (found - expected).abs() <= tolerance * expected.abs().max(1.0),
            "{found} {expected}"
        );
    }
}

#[test]
fn as_numpy() {
    let golden: Value = serde_json::from_str(include_str!("../golden/pca.json")).unwrap();
    let to_f32 = |name: &str| matrix(&golden[name]).mapv(|x| x as f32);
    let (values, errors) = (to_f32("values"), to_f32("errors"));
    let list = |name: &str| {
        golden[name]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::as_f64)
            .collect::<Vec<_>>()
    };
    let options = PcaOptions::default().with_rank(3).with_iterations(40).with_refills(0);
    let pca = Pca::fit(values.view(), errors.view(), &options).unwrap();
    close(pca.mean().iter().copied(), list("mean").into_iter().flatten(), 1e-9);
    // The products are of 32-bit numbers: 6e-8, times what separates the components.
    close(
        pca.variances().iter().copied(),
        list("variances").into_iter().flatten(),
        1e-5,
    );
    close(pca.components().iter().copied(), matrix(&golden["components"]), 1e-5);
    let chi2 = pca.chi2(values.view(), errors.view()).unwrap();
    let expected = list("chi2");
    assert_eq!(
        chi2.iter().map(Option::is_none).collect::<Vec<_>>(),
        expected.iter().map(Option::is_none).collect::<Vec<_>>()
    );
    close(chi2.into_iter().flatten(), expected.into_iter().flatten(), 1e-4);
}

/// Spectra of three shapes with noise, errors and bad pixels; and the same without noise, complete.
fn survey(seed: u64, rows: usize, pixels: usize, sigma: f64) -> (Array2<f32>, Array2<f32>, Array2<f32>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let size = Array2::from_shape_simple_fn((rows, 3), || rng.random_range(-1.0..1.0));
    let truth = Array2::from_shape_fn((rows, pixels), |(row, i)| {
        let x = i as f64 / pixels as f64;
        1.0 + size[[row, 0]] * (7.0 * x).sin() + 0.5 * size[[row, 1]] * (19.0 * x).cos() + 0.2 * size[[row, 2]] * x
    });
    let noise = Array2::from_shape_simple_fn((rows, pixels), || {
        sigma * ((0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0)
    });
    let mut values = (&truth + &noise).mapv(|x| x as f32);
    let mut errors = Array2::from_elem((rows, pixels), sigma as f32);
    for _ in 0..rows * pixels / 20 {
        let at = [rng.random_range(0..rows), rng.random_range(0..pixels)];
        (values[at], errors[at]) =
            [(f32::NAN, 0.1), (1e30, 0.0), (5.0, f32::INFINITY), (-9.0, -1.0)][rng.random_range(0..4)];
    }
    (values, errors, truth.mapv(|x| x as f32))
}

fn fit(values: &Array2<f32>, errors: &Array2<f32>, rank: usize) -> Pca {
    Pca::fit(values.view(), errors.view(), &PcaOptions::default().with_rank(rank)).unwrap()
}

#[test]
fn noise_alone_has_a_chi2_of_one_and_an_anomaly_more() {
    let (mut values, errors, _) = survey(1, 600, 300, 0.05);
    let pca = fit(&values, &errors, 3);
    for i in 100..110 {
        values[[5, i]] += 0.5;
    }
    let chi2 = pca.chi2(values.view(), errors.view()).unwrap();
    let normal: Vec<f64> = chi2[6..].iter().copied().map(Option::unwrap).collect();
    let mean = normal.iter().sum::<f64>() / normal.len() as f64;
    // The mean of 594 χ² with 282 degrees of freedom varies by 0.0035; the fit saw the same spectra.
    assert!((mean - 1.0).abs() < 0.02, "{mean}");
    assert!(
        normal.iter().all(|&chi2| chi2 < 1.5) && chi2[5].unwrap() > 3.0,
        "{:?}",
        chi2[5]
    );
}

#[test]
fn refills_find_what_was_there() {
    let (values, errors, truth) = survey(2, 300, 100, 1e-4);
    let distance = |refills: usize| {
        let options = PcaOptions::default().with_rank(3).with_refills(refills);
        let pca = Pca::fit(values.view(), errors.view(), &options).unwrap();
        let found = pca.reconstruct(values.view(), errors.view()).unwrap();
        (&found - &truth).mapv(f32::abs).mean().unwrap()
    };
    let (none, one, many) = (distance(0), distance(1), distance(10));
    assert!(one < 0.3 * none && many < one && many < 1e-3, "{none} {one} {many}");
}

#[test]
fn bad_pixels_have_no_influence() {
    let (values, errors, _) = survey(3, 100, 80, 0.1);
    let mut other = values.clone();
    for (value, error) in other.iter_mut().zip(&errors) {
        if !(value.is_finite() && error.is_finite() && *error > 0.0) {
            *value = f32::NEG_INFINITY;
        }
    }
    assert_eq!(fit(&values, &errors, 4), fit(&other, &errors, 4));
    let pca = fit(&values, &errors, 4);
    let chi2 = |values: &Array2<f32>| pca.chi2(values.view(), errors.view()).unwrap();
    assert_eq!(chi2(&values), chi2(&other));
}

#[test]
fn the_number_of_threads_changes_nothing_and_the_seed_little() {
    let (values, errors, _) = survey(4, 500, 120, 0.1);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&values, &errors, 5))
    };
    assert_eq!(with(1), with(3));
    // The fill is made of all five components, of which two are noise, so it is left out here.
    let [one, other] = [0, 1].map(|seed| {
        let options = PcaOptions::default().with_rank(5).with_refills(0).with_seed(seed);
        Pca::fit(values.view(), errors.view(), &options).unwrap()
    });
    assert_ne!(one, other);
    close(
        one.leading(3).variances().to_owned(),
        other.leading(3).variances().to_owned(),
        1e-5,
    );
}

#[test]
fn a_dead_spectrum_has_no_chi2_and_is_the_mean() {
    let (values, mut errors, _) = survey(5, 50, 60, 0.1);
    errors.row_mut(7).fill(0.0);
    errors.slice_mut(s![8, 4..]).fill(0.0);
    let pca = fit(&values, &errors, 4);
    let chi2 = pca.chi2(values.view(), errors.view()).unwrap();
    assert_eq!((chi2[7], chi2[8]), (None, None));
    assert_eq!(chi2.iter().flatten().count(), 48);
    let model = pca.reconstruct(values.view(), errors.view()).unwrap();
    close(model.row(7).mapv(f64::from), pca.mean().to_owned(), 1e-6);
    assert!(model.iter().all(|x| x.is_finite()));
}

#[test]
fn a_fill_value_that_nobody_masked_spoils_one_component_at_most() {
    let (values, errors, _) = survey(8, 200, 100, 0.1);
    let mut spoiled = values.clone();
    spoiled[[3, 4]] = 1e30;
    let (before, after) = (fit(&values, &errors, 3), fit(&spoiled, &errors, 4));
    let chi2 = |pca: &Pca| pca.chi2(values.view(), errors.view()).unwrap();
    for (row, (before, after)) in chi2(&before).into_iter().zip(chi2(&after)).enumerate() {
        assert!(
            (after.unwrap() / before.unwrap() - 1.0).abs() < 0.1,
            "{row} {before:?} {after:?}"
        );
    }
}

#[test]
fn more_components_than_there_are_shapes() {
    // All spectra equal: nothing varies, and every component is empty.
    let values = Array2::from_shape_fn((20, 30), |(_, i)| i as f32);
    let errors = Array2::from_elem((20, 30), 1.0);
    let pca = fit(&values, &errors, 5);
    close(pca.variances().to_owned(), Array1::zeros(5), 1e-9);
    let chi2 = pca.chi2(values.view(), errors.view()).unwrap();
    close(chi2.into_iter().flatten(), [0.0; 20], 1e-9);
}

#[test]
fn wrong_input_is_refused() {
    let (values, errors, _) = survey(6, 20, 10, 0.1);
    let refused = |options: &PcaOptions| match Pca::fit(values.view(), errors.view(), options) {
        Err(Error::Option { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&PcaOptions::default().with_rank(0)), "rank");
    assert_eq!(refused(&PcaOptions::default().with_rank(11)), "rank");
    assert_eq!(
        refused(&PcaOptions::default().with_rank(2).with_iterations(0)),
        "iterations"
    );
    let pca = fit(&values, &errors, 2);
    let (narrow, short) = (values.slice(s![.., 1..]), errors.slice(s![1.., ..]));
    assert!(matches!(
        pca.chi2(narrow, narrow),
        Err(Error::Shape { array: "values", .. })
    ));
    assert!(matches!(
        pca.chi2(values.view(), short),
        Err(Error::Shape { array: "errors", .. })
    ));
    let options = PcaOptions::default().with_rank(2);
    assert!(matches!(
        Pca::fit(values.view(), short, &options),
        Err(Error::Shape { array: "errors", .. })
    ));
    let none = Array2::zeros((0, 10));
    assert_eq!(pca.chi2(none.view(), none.view()).unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn components_are_orthonormal_and_ordered(seed: u64, rows in 5usize..80, pixels in 5usize..80) {
        let (values, errors, _) = survey(seed, rows, pixels, 0.1);
        let pca = fit(&values, &errors, 5);
        let product = pca.components().dot(&pca.components().t());
        for ((i, k), &x) in product.indexed_iter() {
            prop_assert!((x - f64::from(u8::from(i == k))).abs() < 1e-9, "{} {} {}", i, k, x);
        }
        let variances = pca.variances().to_vec();
        prop_assert!(variances.is_sorted_by(|a, b| a >= b), "{:?}", variances);
    }

    #[test]
    fn chi2_does_not_rise_with_the_rank(seed: u64) {
        let (values, errors, _) = survey(seed, 40, 60, 0.1);
        let pca = fit(&values, &errors, 8);
        let good = values.iter().zip(&errors).map(|(x, e)| x.is_finite() && e.is_finite() && *e > 0.0);
        let good: Vec<f64> = good.map(|good| f64::from(u8::from(good))).collect();
        let good = Array2::from_shape_vec((40, 60), good).unwrap().sum_axis(Axis(1));
        let mut before = [f64::INFINITY; 40];
        for rank in 0..=8 {
            let chi2 = pca.leading(rank).chi2(values.view(), errors.view()).unwrap();
            for row in 0..40 {
                let sum = chi2[row].unwrap() * (good[row] - rank as f64);
                prop_assert!(sum <= before[row] * (1.0 + 1e-9), "{} {} {}", rank, sum, before[row]);
                before[row] = sum;
            }
        }
    }

    #[test]
    fn chi2_knows_no_scale(seed: u64, scale in 0.01f32..100.0) {
        let (values, errors, _) = survey(seed, 30, 40, 0.1);
        let pca = fit(&values, &errors, 3);
        let halved = errors.mapv(|x| x * 0.5);
        let once = pca.chi2(values.view(), errors.view()).unwrap();
        let twice = pca.chi2(values.view(), halved.view()).unwrap();
        for (once, twice) in once.iter().flatten().zip(twice.iter().flatten()) {
            prop_assert!((twice / once - 4.0).abs() < 1e-6);
        }
        // Scaling the spectra and their errors together scales the components' sizes only.
        let (values, errors) = (values.mapv(|x| x * scale), errors.mapv(|x| x * scale));
        let scaled = fit(&values, &errors, 3).chi2(values.view(), errors.view()).unwrap();
        for (once, scaled) in once.iter().flatten().zip(scaled.iter().flatten()) {
            prop_assert!((scaled / once - 1.0).abs() < 0.02, "{} {}", scaled, once);
        }
    }
}
