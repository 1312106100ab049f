use ndarray::Array1;
use radio_fof::{Comparison, Density, Mock, RedshiftFof, Survey, Tuner};

use crate::oracle;

/// Clumps of galaxies with fingers of god among lonely ones.
fn mock(seed: u64) -> ([Vec<f64>; 3], Array1<i64>) {
    let mut uniform = oracle::uniform(seed);
    let (mut columns, mut truth) = ([(); 3].map(|()| Vec::new()), Vec::new());
    let mut centre = [0.0; 3];
    for i in 0..4000 {
        let place = [60.0 * uniform(), 60.0 * uniform() - 30.0, 0.05 + 0.1 * uniform()];
        let is_lonely = i % 2 == 0;
        if i % 16 == 1 {
            centre = place;
        }
        let mut wiggle = |width: f64| width * (uniform() + uniform() + uniform() - 1.5);
        let at = if is_lonely {
            place
        } else {
            let width = 0.3 / centre[2] / 30.0;
            let cos_dec = centre[1].to_radians().cos();
            [
                centre[0] + wiggle(width) / cos_dec,
                centre[1] + wiggle(width),
                centre[2] + wiggle(0.0015),
            ]
        };
        columns.iter_mut().zip(at).for_each(|(column, x)| column.push(x));
        truth.push(if is_lonely { -1 } else { i64::from(i / 16) });
    }
    (columns, truth.into())
}

#[test]
fn tuned_lengths_are_the_best_of_their_neighbourhood() {
    let (first, second) = (mock(1), mock(2));
    let survey = |columns: &'static [Vec<f64>; 3]| Survey::new(&columns[0], &columns[1], &columns[2]);
    let leak = |columns: [Vec<f64>; 3]| -> &'static [Vec<f64>; 3] { Box::leak(Box::new(columns)) };
    let (a, b) = (leak(first.0), leak(second.0));
    let mocks = [
        Mock::new(survey(a), first.1.view()),
        Mock::new(survey(b), second.1.view()),
    ];
    let base = |b0, r0| RedshiftFof::new(b0, r0, Density::fitted(3500.0));
    let tuned = Tuner::new(base(0.03, 10.0)).min_members(4).tune(&mocks).unwrap();
    assert!(tuned.s_total > 0.5, "{tuned:?}");
    assert!(tuned.runs > 5 && tuned.runs < 150, "{tuned:?}");

    let score = |fof: &RedshiftFof| {
        let each = |survey: Survey<'_>, truth: &Array1<i64>| {
            let labels = fof.link(&survey).unwrap();
            Comparison::new(labels.view(), truth.view(), 4).unwrap()
        };
        let both = [each(survey(a), &first.1), each(survey(b), &second.1)];
        (2.0 / both.iter().map(|c| 1.0 / c.s_total()).sum::<f64>(), both)
    };
    let (best, comparisons) = score(&tuned.fof);
    assert_eq!((best, comparisons.to_vec()), (tuned.s_total, tuned.comparisons.clone()));
    assert_eq!(tuned.fof, base(tuned.b0, tuned.r0));
    assert!(score(&base(0.03, 10.0)).0 < best);
    // No place around it on a coarse grid is better by more than the roughness of the score.
    for (factor_b, factor_r) in [(0.8, 1.0), (1.25, 1.0), (1.0, 0.7), (1.0, 1.4), (0.8, 0.7), (1.25, 1.4)] {
        let (other, _) = score(&base(tuned.b0 * factor_b, tuned.r0 * factor_r));
        assert!(other < best + 0.01, "{other} at {factor_b}, {factor_r} of {tuned:?}");
    }
}

#[test]
fn what_cannot_be_tuned_is_refused() {
    let fof = RedshiftFof::new(0.05, 10.0, Density::Constant(1e-3));
    let error = Tuner::new(fof.clone()).tune(&[]).unwrap_err();
    assert_eq!(error.to_string(), "0 mocks are too few: at least 1 are needed");
    let truth = Array1::from(vec![0, 0]);
    let mock = |z: &'static [f64]| Mock::new(Survey::new(&[1.0, 2.0], &[0.0; 2], z), truth.view());
    oracle::assert_option_refused(
        Tuner::new(fof.clone()).tolerance(0.0).tune(&[mock(&[0.1; 2])]),
        "tolerance",
    );
    oracle::assert_value_refused(Tuner::new(fof.clone()).tune(&[mock(&[0.1, -0.1])]), "z", 1);
    oracle::assert_option_refused(Tuner::new(fof.clone()).max_runs(0).tune(&[mock(&[0.1; 2])]), "max_runs");
    let error = Tuner::new(fof.clone())
        .min_members(3)
        .tune(&[mock(&[0.1; 2])])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "0 true groups of min_members in a mock are too few: at least 1 are needed"
    );
    oracle::assert_option_refused(Tuner::new(fof).min_members(0).tune(&[mock(&[0.1; 2])]), "min_members");
}
