//! Scores in standard deviations of spectra with the same S/N.

use ndarray::s;
use radio_models::{AnomalyScorer, ConvAutoencoder, Error, Score, ScoreKind};

use crate::common::{Batch, device, model, survey};

const TOKENS: usize = 6;
const PATCH: usize = 8;

/// Spectra whose S/N is that of their noise.
fn spectra(seed: u64, rows: usize) -> Batch {
    let mut batch = survey(seed, rows, TOKENS, PATCH);
    for row in 0..rows {
        let sigma = batch.errors.slice(s![row, .., ..]).fold(0.0f32, |a, &b| a.max(b));
        batch.snr[row] = 1.0 / sigma;
        batch.ids[row] += 10_000 * seed as i64;
    }
    batch
}

fn calibrated() -> AnomalyScorer<ConvAutoencoder> {
    let batches = (1..=4).map(|seed| spectra(seed, 400));
    let batches: Vec<Batch> = batches.collect();
    AnomalyScorer::new(model(TOKENS, PATCH))
        .calibrated(batches.iter().map(|batch| Ok::<_, Error>(batch.tokens())))
        .unwrap()
}

fn scores(scorer: &AnomalyScorer<ConvAutoencoder>, number: fn(&Score) -> Option<f64>) -> Vec<(f64, f64)> {
    let batch = spectra(9, 2000);
    let rows = scorer.score(&batch.tokens()).unwrap().rows;
    rows.iter()
        .map(|row| (row.snr.unwrap(), number(row).unwrap()))
        .collect()
}

/// Of normal spectra half are above 0, 16 % above 1 and 16 % below -1, at any S/N.
#[track_caller]
fn is_calibrated(mut pairs: Vec<(f64, f64)>) {
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    for bin in pairs.chunks(500) {
        let above = |limit: f64| bin.iter().filter(|pair| pair.1 > limit).count() as f64 / bin.len() as f64;
        // Four standard errors of 500, and as much again for the calibration's own.
        assert!((above(0.0) - 0.5).abs() < 0.13, "{}", above(0.0));
        assert!((above(1.0) - 0.16).abs() < 0.1, "{}", above(1.0));
        assert!((above(-1.0) - 0.84).abs() < 0.1, "{}", above(-1.0));
    }
}

#[test]
fn scores_are_standard_deviations_at_any_snr() {
    let scorer = calibrated();
    is_calibrated(scores(&scorer, |row| row.score));
    is_calibrated(scores(&scorer, |row| row.worst_patch));
    is_calibrated(scores(&scorer, |row| row.latent));
    // What is raw is not: an untrained model fits bright spectra worse.
    let raw = scores(&scorer, |row| row.chi2);
    let mean = |pairs: &[(f64, f64)]| pairs.iter().map(|pair| pair.1).sum::<f64>() / pairs.len() as f64;
    let (bright, faint): (Vec<_>, Vec<_>) = raw.into_iter().partition(|pair| pair.0 > 8.0);
    assert!(mean(&bright) > 1.5 * mean(&faint));
}

#[test]
fn a_calibration_is_stored_with_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scorer.safetensors");
    let scorer = calibrated();
    scorer.save(&path).unwrap();
    let loaded = AnomalyScorer::<ConvAutoencoder>::load(&path, &device()).unwrap();
    assert!(loaded.calibration() == scorer.calibration());
    let batch = spectra(9, 50);
    assert_eq!(
        loaded.score(&batch.tokens()).unwrap(),
        scorer.score(&batch.tokens()).unwrap()
    );
    assert_eq!(scorer.calibration().unwrap().rows(), 1600);
}

#[test]
fn a_calibration_does_not_depend_on_the_order() {
    let [one, other] = [spectra(1, 300), spectra(2, 300)];
    let calibrate = |batches: [&Batch; 2]| {
        let batches = batches.map(|batch| Ok::<_, Error>(batch.tokens()));
        AnomalyScorer::new(model(TOKENS, PATCH)).calibrated(batches).unwrap()
    };
    let (a, b) = (calibrate([&one, &other]), calibrate([&other, &one]));
    let batch = spectra(9, 50);
    let (a, b) = (a.score(&batch.tokens()).unwrap(), b.score(&batch.tokens()).unwrap());
    for (a, b) in a.rows.iter().zip(&b.rows) {
        assert!((a.score.unwrap() - b.score.unwrap()).abs() < 1e-6, "{a:?} {b:?}");
        assert!((a.latent.unwrap() - b.latent.unwrap()).abs() < 1e-6, "{a:?} {b:?}");
    }
}

#[test]
fn the_kind_says_what_the_score_is() {
    let batch = spectra(9, 20);
    let scorer = calibrated();
    let rows = |kind| scorer.clone().kind(kind).score(&batch.tokens()).unwrap().rows;
    assert!(
        rows(ScoreKind::WorstPatch)
            .iter()
            .all(|row| row.score == row.worst_patch)
    );
    assert!(rows(ScoreKind::Latent).iter().all(|row| row.score == row.latent));
    assert!(rows(ScoreKind::Mse).iter().all(|row| row.score == row.score_raw));
    let raw = AnomalyScorer::new(model(TOKENS, PATCH));
    assert!(
        raw.score(&batch.tokens())
            .unwrap()
            .rows
            .iter()
            .all(|row| row.score == row.chi2 && row.latent.is_none())
    );
    let error = raw.kind(ScoreKind::Latent).score(&batch.tokens()).unwrap_err();
    assert!(error.to_string().contains("calibration"), "{error}");
}

#[test]
fn too_few_spectra_are_refused() {
    let batch = spectra(1, 99);
    let error = AnomalyScorer::new(model(TOKENS, PATCH))
        .calibrated([Ok::<_, Error>(batch.tokens())])
        .unwrap_err();
    assert!(matches!(error, Error::Calibration { found: 99, needed: 100 }));
    let error = AnomalyScorer::new(model(TOKENS, PATCH))
        .calibrated([Err(Error::Diverged { step: 1 })])
        .unwrap_err();
    assert!(matches!(error, Error::Batch { .. }));
}
