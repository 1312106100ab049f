//! From injection to table: a score that knows about errors against one that does not.

use ndarray::Array2;
use radio_models::injection::{Anomaly, Evaluator, Injector, InjectorOptions, Label, Spectrum};
use radio_models::{Pca, PcaOptions};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

const ROWS: usize = 1500;
const PIXELS: usize = 400;

#[test]
fn chi_square_beats_the_mean_square_residual() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let options = InjectorOptions::default()
        .with_fraction(0.1)
        .with_kinds([Anomaly::EmissionLine, Anomaly::AbsorptionTrough, Anomaly::Spikes])
        .with_amplitudes(3.0, 15.0);
    let injector = Injector::new(options).unwrap();
    let wavelength: Vec<f64> = (0..PIXELS).map(|i| 5000.0 + 2.0 * i as f64).collect();
    let mut clean = Array2::zeros((ROWS, PIXELS));
    let mut values = clean.clone();
    let mut errors = Array2::zeros((ROWS, PIXELS));
    let (mut labels, mut snr): (Vec<Label>, Vec<_>) = (vec![], vec![]);
    for row in 0..ROWS {
        // A continuum whose slope and curvature vary, with a signal-to-noise ratio of 2 to 50 per pixel.
        let sigma = rng.random_range(0.02f64.ln()..0.5f64.ln()).exp();
        let (slope, curvature) = (rng.random_range(-0.5..0.5), rng.random_range(-0.3..0.3));
        let mut flux: Vec<f32> = (0..PIXELS)
            .map(|i| {
                let x = i as f64 / PIXELS as f64 - 0.5;
                let noise = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
                (1.0 + slope * x + curvature * x * x + sigma * noise) as f32
            })
            .collect();
        clean.row_mut(row).assign(&ndarray::aview1(&flux));
        let ivar = vec![(1.0 / (sigma * sigma)) as f32; PIXELS];
        let mut spectrum = Spectrum::new(&wavelength, &mut flux, &ivar).unwrap();
        let injected = injector
            .draw(row as i64)
            .and_then(|injection| injector.inject(&injection, &mut spectrum).unwrap());
        labels.push(injected.map(|injected| (injected.kind, injected.amplitude)));
        snr.push(Some(1.0 / sigma));
        values.row_mut(row).assign(&ndarray::aview1(&flux));
        errors.row_mut(row).fill(sigma as f32);
    }

    // With the anomalies in it, the second component would be a trough.
    let pca = Pca::fit(clean.view(), errors.view(), &PcaOptions::default().with_rank(2)).unwrap();
    let chi2 = pca.chi2(values.view(), errors.view()).unwrap();
    let residual = &values - &pca.reconstruct(values.view(), errors.view()).unwrap();
    let mse: Vec<_> = residual
        .outer_iter()
        .map(|row| Some(f64::from(row.dot(&row))))
        .collect();
    let evaluator = Evaluator::new(&labels, &snr).unwrap().with_bootstraps(200);
    let table = evaluator.compare("mse", &[("mse", &mse), ("chi2", &chi2)]).unwrap();
    let [mse, chi2] = [0, 1].map(|i| &table.scores[i].evaluation);
    // Measured: areas of 0.62 and 0.993, correlations of −1.00 and 0.05, a ratio of 3.4 [2.7, 4.5].
    assert!(
        mse.overall.auroc.value < 0.7 && chi2.overall.auroc.value > 0.97,
        "{table}"
    );
    assert!(mse.snr_correlation.unwrap().value < -0.95, "{table}");
    assert!(chi2.snr_correlation.unwrap().value.abs() < 0.15, "{table}");
    assert!(table.scores[1].auprc_ratio.interval.unwrap().0 > 2.0, "{table}");
}
