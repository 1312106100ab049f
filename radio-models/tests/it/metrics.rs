//! Metrics against scikit-learn, SciPy and their definitions.

use proptest::prelude::*;
use radio_models::injection::{Anomaly, Evaluator, Label, auroc, average_precision, precision_at, spearman};
use serde_json::Value;

/// Rounding of sums of at most 200 numbers between 0 and 1.
const TOLERANCE: f64 = 1e-12;

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/metrics.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn flags(value: &Value) -> Vec<bool> {
    value.as_array().unwrap().iter().map(|x| x.as_bool().unwrap()).collect()
}

#[track_caller]
fn check(found: Option<f64>, expected: &Value) {
    let (found, expected) = (found.unwrap(), expected.as_f64().unwrap());
    assert!((found - expected).abs() < TOLERANCE, "{found} {expected}");
}

#[test]
fn as_scikit_learn_and_scipy() {
    for case in golden()["rankings"].as_array().unwrap() {
        let (scores, other, positive) = (
            numbers(&case["scores"]),
            numbers(&case["other"]),
            flags(&case["positive"]),
        );
        check(auroc(&scores, &positive), &case["auroc"]);
        check(average_precision(&scores, &positive), &case["average_precision"]);
        check(spearman(&scores, &other), &case["spearman"]);
    }
}

#[test]
fn half_recall_as_by_isotonic_regression_of_scikit_learn() {
    for case in golden()["half_recall"].as_array().unwrap() {
        let (amplitude, recalled) = (numbers(&case["amplitude"]), flags(&case["recalled"]));
        // 100 normals between 0 and 1, of which one may be above the threshold: recalled ones are above all.
        let injected = amplitude.iter().map(|&amplitude| Some((Anomaly::Spikes, amplitude)));
        let labels: Vec<Label> = injected.chain(vec![None; 100]).collect();
        let scores = recalled.iter().map(|&recalled| if recalled { 2.0 } else { -2.0 });
        let scores: Vec<_> = scores.chain((0..100).map(|i| f64::from(i) / 100.0)).map(Some).collect();
        let snr = vec![None; labels.len()];
        let evaluator = Evaluator::new(&labels, &snr).unwrap().with_bootstraps(0);
        let half = evaluator.evaluate(&scores).unwrap().overall.half_recall_amplitude;
        let expected = case["half"].as_f64().unwrap();
        assert!(
            (half.unwrap().value / expected - 1.0).abs() < 1e-12,
            "{half:?} {expected}"
        );
    }
}

#[test]
fn what_cannot_be_measured_is_none() {
    assert_eq!(auroc(&[], &[]), None);
    assert_eq!(auroc(&[1.0, 2.0], &[true, true]), None);
    assert_eq!(auroc(&[1.0], &[true, false]), None);
    assert_eq!(auroc(&[f64::NAN, 1.0], &[true, false]), None);
    assert_eq!(average_precision(&[1.0], &[false]), None);
    assert_eq!(precision_at(&[1.0], &[true], 0), None);
    assert_eq!(precision_at(&[], &[], 3), None);
    assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
    assert_eq!(spearman(&[1.0], &[1.0]), None);
    // Infinities and both zeros are ordinary scores.
    assert_eq!(auroc(&[f64::NEG_INFINITY, f64::INFINITY], &[false, true]), Some(1.0));
    assert_eq!(auroc(&[-0.0, 0.0], &[false, true]), Some(0.5));
}

/// Scores with many ties, and classes.
fn rows() -> impl Strategy<Value = Vec<(i32, bool)>> {
    prop::collection::vec((-5..5, any::<bool>()), 2..60)
}

proptest! {
    #[test]
    fn auroc_counts_pairs(rows in rows()) {
        let (scores, positive): (Vec<f64>, Vec<bool>) = rows.iter().map(|&(x, p)| (f64::from(x), p)).unzip();
        let (mut wins, mut pairs) = (0.0, 0.0);
        for (x, _) in rows.iter().filter(|row| row.1) {
            for (y, _) in rows.iter().filter(|row| !row.1) {
                pairs += 1.0;
                wins += if x > y { 1.0 } else if x == y { 0.5 } else { 0.0 };
            }
        }
        let expected = (pairs > 0.0).then(|| wins / pairs);
        prop_assert_eq!(auroc(&scores, &positive), expected);
    }

    #[test]
    fn average_precision_is_a_sum_over_thresholds(rows in rows()) {
        let (scores, positive): (Vec<f64>, Vec<bool>) = rows.iter().map(|&(x, p)| (f64::from(x), p)).unzip();
        let all = rows.iter().filter(|row| row.1).count() as f64;
        let (mut sum, mut recall_before) = (0.0, 0.0);
        for threshold in (-5..5).rev() {
            let seen = rows.iter().filter(|row| row.0 >= threshold).count() as f64;
            let found = rows.iter().filter(|row| row.0 >= threshold && row.1).count() as f64;
            if seen > 0.0 {
                sum += (found / all - recall_before) * found / seen;
                recall_before = found / all;
            }
        }
        match average_precision(&scores, &positive) {
            Some(found) => prop_assert!((found - sum).abs() < TOLERANCE),
            None => prop_assert_eq!(all, 0.0),
        }
    }

    /// The mean over orders of ties is the mean of the best and the worst order only when the precision is linear in
    /// them, so all orders of the tied rows count here: a hypergeometric mean.
    #[test]
    fn precision_shares_ties(rows in rows(), k in 1usize..70) {
        let (scores, positive): (Vec<f64>, Vec<bool>) = rows.iter().map(|&(x, p)| (f64::from(x), p)).unzip();
        let k_in = k.min(rows.len());
        let chance = |x: i32| {
            let above = rows.iter().filter(|row| row.0 > x).count();
            let tied = rows.iter().filter(|row| row.0 == x).count();
            ((k_in as f64 - above as f64) / tied as f64).clamp(0.0, 1.0)
        };
        let expected = rows.iter().filter(|row| row.1).map(|row| chance(row.0)).sum::<f64>() / k_in as f64;
        prop_assert!((precision_at(&scores, &positive, k).unwrap() - expected).abs() < TOLERANCE);
    }

    #[test]
    fn spearman_is_the_correlation_of_mean_ranks(rows in prop::collection::vec((-5..5, -5..5), 2..60)) {
        let (x, y): (Vec<f64>, Vec<f64>) = rows.iter().map(|&(x, y)| (f64::from(x), f64::from(y))).unzip();
        let rank = |values: &[f64], value: f64| {
            let below = values.iter().filter(|&&other| other < value).count() as f64;
            let equal = values.iter().filter(|&&other| other == value).count() as f64;
            below + (equal + 1.0) / 2.0
        };
        let center = |values: &[f64]| {
            let mean = (values.len() as f64 + 1.0) / 2.0;
            values.iter().map(|&value| rank(values, value) - mean).collect::<Vec<_>>()
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (x_rank, y_rank) = (center(&x), center(&y));
        let norm = (dot(&x_rank, &x_rank) * dot(&y_rank, &y_rank)).sqrt();
        match spearman(&x, &y) {
            Some(found) => prop_assert!((found - dot(&x_rank, &y_rank) / norm).abs() < TOLERANCE),
            None => prop_assert_eq!(norm, 0.0),
        }
    }

    #[test]
    fn only_the_order_matters(rows in rows()) {
        let (scores, positive): (Vec<f64>, Vec<bool>) = rows.iter().map(|&(x, p)| (f64::from(x), p)).unzip();
        let squeezed: Vec<f64> = scores.iter().map(|x| x.exp()).collect();
        let reversed: Vec<f64> = scores.iter().map(|x| -x).collect();
        let area = auroc(&scores, &positive);
        prop_assert_eq!(area, auroc(&squeezed, &positive));
        prop_assert_eq!(average_precision(&scores, &positive), average_precision(&squeezed, &positive));
        if let (Some(area), Some(other)) = (area, auroc(&reversed, &positive)) {
            prop_assert!((area + other - 1.0).abs() < TOLERANCE);
        }
    }
}
