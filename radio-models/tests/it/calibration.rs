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

fn with_the_same_snr(mut batch: Batch) -> Batch {
    batch.snr.fill(5.0);
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
    is_calibrated(scores(&scorer, |row| row.chi2_calibrated));
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
    assert!(rows(ScoreKind::Chi2).iter().all(|row| row.score == row.chi2_calibrated));
    assert!(rows(ScoreKind::Mse).iter().all(|row| row.score == row.score_raw));
    let raw = AnomalyScorer::new(model(TOKENS, PATCH));
    assert!(
        raw.score(&batch.tokens())
            .unwrap()
            .rows
            .iter()
            .all(|row| row.score == row.chi2 && row.latent.is_none())
    );
    // Where two spectra have the same S/N, the combined score ranks them as chi2 and half of each of the others do.
    let batch = with_the_same_snr(batch);
    let mut rows = scorer.score(&batch.tokens()).unwrap().rows;
    let sum = |row: &Score| row.chi2_calibrated.unwrap() + 0.5 * (row.worst_patch.unwrap() + row.latent.unwrap());
    rows.sort_by(|a, b| sum(a).total_cmp(&sum(b)));
    assert!(rows.is_sorted_by_key(|row| row.score));
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

#[test]
fn the_floor_of_sigma_belongs_to_the_calibration() {
    let batch = spectra(1, 400);
    let calibrate = |floor| {
        let scorer = AnomalyScorer::new(model(TOKENS, PATCH)).sigma_floor(floor);
        scorer.calibrated([Ok::<_, Error>(batch.tokens())]).unwrap()
    };
    let scorer = calibrate(0.2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scorer.safetensors");
    scorer.save(&path).unwrap();
    let loaded = AnomalyScorer::<ConvAutoencoder>::load(&path, &device()).unwrap();
    let rows = |scorer: &AnomalyScorer<ConvAutoencoder>| scorer.score(&batch.tokens()).unwrap();
    assert_eq!(rows(&loaded), rows(&scorer));
    assert_ne!(rows(&loaded), rows(&calibrate(0.0)));
    assert_eq!(loaded.fingerprint().unwrap(), scorer.fingerprint().unwrap());
    assert_ne!(loaded.fingerprint().unwrap(), calibrate(0.0).fingerprint().unwrap());
    let error = loaded.sigma_floor(0.1).score(&batch.tokens()).unwrap_err();
    assert!(error.to_string().contains("that of the calibration"), "{error}");
}

/// With 25 spectra in a bin of S/N, scores still do not follow it.
#[test]
fn few_spectra_calibrate_in_bins_too() {
    let batch = spectra(1, 250);
    let scorer = AnomalyScorer::new(model(TOKENS, PATCH));
    let scorer = scorer.calibrated([Ok::<_, Error>(batch.tokens())]).unwrap();
    let mut pairs = scores(&scorer, |row| row.score);
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let median = |bin: &[(f64, f64)]| {
        let mut numbers: Vec<f64> = bin.iter().map(|pair| pair.1).collect();
        numbers.sort_by(f64::total_cmp);
        numbers[numbers.len() / 2]
    };
    for bin in pairs.chunks(500) {
        assert!(median(bin).abs() < 0.7, "{}", median(bin));
    }
}

#[test]
fn a_damaged_calibration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scorer.safetensors");
    calibrated().save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let calibration = header["__metadata__"]["radio.calibration"].as_str().unwrap();
    let calibration: serde_json::Value = serde_json::from_str(calibration).unwrap();
    for (part, of) in [
        ("spacing", "density"),
        ("scale", "density"),
        ("places", "density"),
        ("at", "chi2"),
        ("median", "worst_patch"),
        ("below", "latent"),
        ("above", "latent"),
        ("median", "combined"),
    ] {
        let (mut header, mut calibration) = (header.clone(), calibration.clone());
        calibration[of][part].as_array_mut().unwrap().pop();
        header["__metadata__"]["radio.calibration"] = calibration.to_string().into();
        let header = serde_json::to_vec(&header).unwrap();
        let damaged = [&(header.len() as u64).to_le_bytes(), &header[..], &bytes[8 + length..]].concat();
        std::fs::write(&path, damaged).unwrap();
        let error = AnomalyScorer::<ConvAutoencoder>::load(&path, &device()).unwrap_err();
        assert!(
            matches!(error, Error::Model { .. }) && error.to_string().contains("calibration"),
            "{error}"
        );
    }
}
