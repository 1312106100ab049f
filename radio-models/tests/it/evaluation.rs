//! Evaluations: what counts, what is left out, intervals, tables.

use radio_models::Error;
use radio_models::injection::{Anomaly, Evaluation, Evaluator, Label, auroc, average_precision};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Labels, S/N and a score that grows with the logarithm of the amplitude. Two kinds; the second is easier to find.
struct Rows {
    labels: Vec<Label>,
    snr: Vec<Option<f64>>,
    scores: Vec<Option<f64>>,
}

fn rows(n: usize, seed: u64) -> Rows {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut rows = Rows {
        labels: vec![],
        snr: vec![],
        scores: vec![],
    };
    for _ in 0..n {
        // The sum of twelve is nearly normal with variance 1.
        let noise = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let label = (rng.random::<f64>() < 0.1).then(|| {
            let kind = if rng.random() {
                Anomaly::EmissionLine
            } else {
                Anomaly::SkyComb
            };
            (kind, rng.random_range(2f64.ln()..20f64.ln()).exp())
        });
        let signal = label.map_or(0.0, |(kind, amplitude)| {
            amplitude.ln() * if kind == Anomaly::SkyComb { 2.5 } else { 1.0 }
        });
        rows.labels.push(label);
        rows.snr.push(Some(rng.random_range(1.0..50.0)));
        rows.scores.push(Some(noise + signal));
    }
    rows
}

impl Rows {
    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator::new(&self.labels, &self.snr).unwrap().with_bootstraps(200)
    }

    fn evaluate(&self) -> Evaluation {
        self.evaluator().evaluate(&self.scores).unwrap()
    }
}

#[test]
fn overall_and_kinds_are_the_plain_metrics_of_their_rows() {
    let rows = rows(2000, 1);
    let evaluation = rows.evaluate();
    let check = |kind: Option<Anomaly>, found: f64, found_precision: f64| {
        let chosen = (0..2000).filter(|&i| rows.labels[i].is_none_or(|label| kind.is_none_or(|kind| kind == label.0)));
        let (scores, positive): (Vec<f64>, Vec<bool>) = chosen
            .map(|i| (rows.scores[i].unwrap(), rows.labels[i].is_some()))
            .unzip();
        assert_eq!(Some(found), auroc(&scores, &positive));
        assert_eq!(Some(found_precision), average_precision(&scores, &positive));
    };
    check(None, evaluation.overall.auroc.value, evaluation.overall.auprc.value);
    assert_eq!(evaluation.kinds.len(), 2);
    for (&kind, detection) in &evaluation.kinds {
        check(Some(kind), detection.auroc.value, detection.auprc.value);
    }
    let (line, comb) = (
        &evaluation.kinds[&Anomaly::EmissionLine],
        &evaluation.kinds[&Anomaly::SkyComb],
    );
    assert_eq!(line.injected + comb.injected, evaluation.overall.injected);
    assert!(comb.auroc.value > line.auroc.value);
    // The threshold at 1 % is 2.33, so half are recalled at exp(2.33) and exp(2.33 / 2.5).
    let half = |detection: &radio_models::injection::Detection| detection.half_recall_amplitude.unwrap().value;
    assert!((8.0..13.0).contains(&half(line)), "{}", half(line));
    assert!((2.0..3.2).contains(&half(comb)), "{}", half(comb));
    assert!(evaluation.snr_correlation.unwrap().value.abs() < 0.06);
}

#[test]
fn intervals_hold_the_value_and_shrink_with_the_number_of_rows() {
    let width = |n: usize| {
        let estimate = rows(n, 2).evaluate().overall.auroc;
        let (low, high) = estimate.interval.unwrap();
        assert!(low <= estimate.value && estimate.value <= high);
        high - low
    };
    let (small, large) = (width(500), width(8000));
    assert!(
        (2.0..8.0).contains(&(small / large)),
        "{small} {large}: a factor of 4 is expected"
    );
}

#[test]
fn intervals_cover_the_truth() {
    // Two normals apart by 1: the area is Φ(1/√2) = 0.7602. Of 100 experiments, 95 intervals should have it.
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let mut covered = 0;
    for seed in 0..100 {
        let labels: Vec<Label> = (0..300)
            .map(|i| (i % 5 == 0).then_some((Anomaly::Spikes, 5.0)))
            .collect();
        let mut score = |label: &Label| {
            let noise = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
            Some(noise + if label.is_some() { 1.0 } else { 0.0 })
        };
        let scores: Vec<_> = labels.iter().map(&mut score).collect();
        let snr = vec![None; 300];
        let evaluator = Evaluator::new(&labels, &snr)
            .unwrap()
            .with_bootstraps(400)
            .with_seed(seed);
        let (low, high) = evaluator.evaluate(&scores).unwrap().overall.auroc.interval.unwrap();
        covered += usize::from(low <= 0.7602 && 0.7602 <= high);
    }
    // The standard deviation of the count is 2.2.
    assert!((88..=100).contains(&covered), "{covered}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let rows = rows(500, 4);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| rows.evaluate())
    };
    assert_eq!(with(1), with(3));
    assert_ne!(
        rows.evaluate(),
        rows.evaluator().with_seed(1).evaluate(&rows.scores).unwrap()
    );
}

#[test]
fn rows_without_a_score() {
    let mut rows = rows(1000, 5);
    let before = rows.evaluate();
    let anomaly = rows.labels.iter().position(Option::is_some).unwrap();
    let normal = rows.labels.iter().position(Option::is_none).unwrap();
    rows.scores[anomaly] = None;
    rows.scores[normal] = None;
    let after = rows.evaluate();
    assert_eq!((after.overall.unscored, after.unscored_normals), (1, 1));
    assert_eq!(after.overall.injected, before.overall.injected);
    assert_eq!(after.normals, before.normals - 1);
    assert!(
        after.overall.auroc.value < before.overall.auroc.value,
        "an anomaly without a score is missed"
    );
}

#[test]
fn never_reached_is_none() {
    let mut rows = rows(1000, 6);
    for (score, label) in rows.scores.iter_mut().zip(&rows.labels) {
        *score = score.map(|x| if label.is_some() { x - 20.0 } else { x });
    }
    let overall = rows.evaluate().overall;
    assert_eq!(overall.half_recall_amplitude, None);
    assert_eq!((overall.recall.value, overall.auroc.value), (0.0, 0.0));
}

#[test]
fn no_samples_no_intervals() {
    let rows = rows(200, 7);
    let evaluation = rows.evaluator().with_bootstraps(0).evaluate(&rows.scores).unwrap();
    assert_eq!(evaluation.overall.auroc.interval, None);
    assert_eq!(
        evaluation.overall.auroc.to_string(),
        format!("{:.3}", evaluation.overall.auroc.value)
    );
}

#[test]
fn wrong_input_is_refused() {
    let line = Some((Anomaly::EmissionLine, 3.0));
    let snr = [None, None];
    assert!(matches!(
        Evaluator::new(&[None, line], &snr[..1]),
        Err(Error::Shape { array: "snr", .. })
    ));
    assert!(matches!(
        Evaluator::new(&[None, None], &snr),
        Err(Error::Option { name: "labels", .. })
    ));
    assert!(matches!(
        Evaluator::new(&[line, line], &snr),
        Err(Error::Option { name: "labels", .. })
    ));
    let bad = Some((Anomaly::Blend, f64::NAN));
    assert!(matches!(
        Evaluator::new(&[None, bad], &snr),
        Err(Error::Option { name: "labels", .. })
    ));
    let labels = [None, line];
    let evaluator = Evaluator::new(&labels, &snr).unwrap();
    let name = |result: Result<Evaluation, Error>| match result {
        Err(Error::Option { name, .. }) => name,
        Err(Error::Shape { array, .. }) => array,
        other => panic!("{other:?}"),
    };
    assert_eq!(name(evaluator.evaluate(&[Some(1.0)])), "scores");
    assert_eq!(name(evaluator.evaluate(&[Some(f64::NAN), Some(1.0)])), "scores");
    assert_eq!(name(evaluator.evaluate(&[None, Some(1.0)])), "scores");
    let scores = [Some(1.0), Some(2.0)];
    assert_eq!(
        name(evaluator.clone().with_precision_at([0]).evaluate(&scores)),
        "precision_at"
    );
    assert_eq!(
        name(evaluator.clone().with_false_positive_rate(f64::NAN).evaluate(&scores)),
        "false_positive_rate"
    );
    assert!(matches!(
        evaluator.compare("x", &[("y", &scores)]),
        Err(Error::Option { name: "baseline", .. })
    ));
}

#[test]
fn a_comparison_has_paired_ratios_two_tables_and_json() {
    let rows = rows(3000, 8);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(9);
    let noisy: Vec<_> = rows
        .scores
        .iter()
        .map(|x| x.map(|x| x + rng.random_range(-3.0..3.0)))
        .collect();
    let table = rows
        .evaluator()
        .compare("noisy|", &[("plain", &rows.scores), ("noisy|", &noisy)])
        .unwrap();
    assert_eq!(table.scores[0].evaluation, rows.evaluate());
    let ratio = table.scores[0].auprc_ratio;
    assert!(ratio.value > 1.0 && ratio.interval.unwrap().0 > 1.0);
    assert_eq!(table.scores[1].auprc_ratio.interval, Some((1.0, 1.0)));

    let text = table.to_string();
    let columns: Vec<usize> = text
        .lines()
        .map(|line| line.replace("\\|", "").matches('|').count())
        .collect();
    assert_eq!(columns[..4], [9, 9, 9, 9]);
    assert_eq!(columns[5..9], [7, 7, 7, 7]);
    assert!(text.contains("| emission-line |"), "{text}");
    assert!(text.contains("false positive rate of 1 %"), "{text}");

    let json = serde_json::to_value(&table).unwrap();
    let auroc = &json["scores"][0]["evaluation"]["kinds"]["sky-comb"]["auroc"]["value"];
    assert!(auroc.as_f64().unwrap() > 0.9);
}
