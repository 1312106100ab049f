//! Laws of what the injector does to a spectrum.

use std::collections::HashMap;

use proptest::prelude::*;
use radio_models::Error;
use radio_models::injection::{Anomaly, Donor, Injected, Injection, Injector, InjectorOptions, Spectrum};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// A spectrum with a slope, two lines, noise that varies, and bad pixels of three sorts.
#[derive(Clone)]
struct Row {
    wavelength: Vec<f64>,
    flux: Vec<f32>,
    ivar: Vec<f32>,
    mask: Vec<i32>,
}

impl Row {
    /// On DESI's grid.
    fn desi(seed: u64) -> Self {
        Self::new(seed, (0..7781).map(|i| 3600.0 + 0.8 * f64::from(i)).collect())
    }

    /// On the logarithmic grid of SDSS.
    fn sdss(seed: u64) -> Self {
        Self::new(
            seed,
            (0..3800).map(|i| 10f64.powf(3.5802 + 1e-4 * f64::from(i))).collect(),
        )
    }

    fn new(seed: u64, wavelength: Vec<f64>) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let n = wavelength.len();
        let (mut flux, mut ivar, mut mask) = (vec![], vec![], vec![0; n]);
        for (i, &x) in wavelength.iter().enumerate() {
            let line = |center: f64, peak: f64| peak * (-0.5 * ((x - center) / 2.5).powi(2)).exp();
            let sigma = 0.1 + 0.05 * (x / 300.0).sin() + if i % 97 < 4 { 0.3 } else { 0.0 };
            let noise = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
            let truth = 2.0 + (x - 6000.0) / 3000.0 + line(5000.0, 30.0) + line(6563.0, 8.0);
            flux.push((truth + sigma * noise) as f32);
            ivar.push((1.0 / (sigma * sigma)) as f32);
        }
        for _ in 0..40 {
            ivar[rng.random_range(0..n)] = 0.0;
            mask[rng.random_range(0..n)] = 4;
            flux[rng.random_range(0..n)] = f32::NAN;
        }
        ivar[n / 3] = f32::INFINITY;
        ivar[n / 3 + 1] = f32::NAN;
        Self {
            wavelength,
            flux,
            ivar,
            mask,
        }
    }

    fn good(&self, i: usize) -> bool {
        self.ivar[i] > 0.0 && self.ivar[i].is_finite() && self.flux[i].is_finite() && self.mask[i] == 0
    }

    fn inject(&self, injector: &Injector, injection: Injection) -> (Option<Injected>, Self) {
        let mut changed = self.clone();
        let spectrum = Spectrum::new(&self.wavelength, &mut changed.flux, &self.ivar).unwrap();
        let mut spectrum = spectrum.with_mask(&self.mask).unwrap();
        (injector.inject(&injection, &mut spectrum).unwrap(), changed)
    }

    /// The change in units of σ, where the pixel is good.
    fn change(&self, after: &Self) -> Vec<Option<f64>> {
        let change = |i: usize| (f64::from(after.flux[i]) - f64::from(self.flux[i])) * f64::from(self.ivar[i]).sqrt();
        (0..self.flux.len()).map(|i| self.good(i).then(|| change(i))).collect()
    }
}

fn injector() -> Injector {
    let donor = Row::sdss(99);
    let donor = Donor::new(&donor.wavelength, &donor.flux, &donor.ivar, Some(&donor.mask)).unwrap();
    Injector::new(InjectorOptions::default().with_donors([donor])).unwrap()
}

/// Adding to a flux of up to 32 rounds by 2e-6, which is up to 1e-4 of the least σ.
const TOLERANCE: f64 = 2e-4;

fn kind() -> impl Strategy<Value = Anomaly> {
    prop::sample::select(Anomaly::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn only_good_pixels_in_the_stated_range_change(kind in kind(), amplitude in 2.0..20.0, seed: u64, sdss: bool) {
        let row = if sdss { Row::sdss(seed) } else { Row::desi(seed) };
        let (injected, after) = row.inject(&injector(), Injection::new(kind, amplitude, seed));
        let injected = injected.unwrap();
        prop_assert_eq!(injected.kind, kind);
        let (first, last) = injected.range_angstrom;
        for i in 0..row.flux.len() {
            if row.flux[i].to_bits() != after.flux[i].to_bits() {
                prop_assert!(row.good(i) && after.flux[i].is_finite());
                prop_assert!((first..=last).contains(&row.wavelength[i]));
            }
        }
    }

    #[test]
    fn the_amplitude_is_what_it_says(kind in kind(), amplitude in 2.0..20.0, seed: u64, sdss: bool) {
        let row = if sdss { Row::sdss(seed) } else { Row::desi(seed) };
        let (injected, after) = row.inject(&injector(), Injection::new(kind, amplitude, seed));
        let reached = injected.unwrap().amplitude;
        match kind {
            Anomaly::WrongRedshift => prop_assert!(reached >= amplitude),
            Anomaly::Blend => prop_assert!(reached <= amplitude),
            _ => prop_assert!((reached - amplitude).abs() < 1e-9 * amplitude),
        }
        let change: Vec<f64> = row.change(&after).into_iter().flatten().collect();
        let peak = change.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        match kind {
            Anomaly::EmissionLine | Anomaly::AbsorptionTrough | Anomaly::Spikes | Anomaly::SkyComb => {
                prop_assert!((peak - amplitude).abs() < TOLERANCE, "{} {}", peak, amplitude);
            }
            Anomaly::ArmStep | Anomaly::Blend => {
                let mut sizes: Vec<f64> = change.iter().map(|x| x.abs()).filter(|&x| x > 1e-6).collect();
                sizes.sort_by(f64::total_cmp);
                let median = sizes[sizes.len() / 2];
                // The median of change / σ is not exactly change / (median σ) where rounding makes ties.
                prop_assert!((median / reached - 1.0).abs() < 0.02, "{} {}", median, reached);
            }
            Anomaly::WrongRedshift => {
                prop_assert!((peak - reached).abs() < TOLERANCE * reached.max(1.0), "{} {}", peak, reached);
            }
        }
        let sign = |wanted: f64| change.iter().all(|x| x * wanted > -TOLERANCE);
        prop_assert!(kind != Anomaly::EmissionLine && kind != Anomaly::Spikes || sign(1.0));
        prop_assert!(kind != Anomaly::AbsorptionTrough || sign(-1.0));
    }

    #[test]
    fn the_change_is_linear_in_the_amplitude(kind in kind(), amplitude in 1.0..10.0, factor in 1.0..4.0f64, seed: u64) {
        // These two depend on what is there.
        prop_assume!(!matches!(kind, Anomaly::WrongRedshift | Anomaly::Blend));
        let (row, injector) = (Row::desi(seed), injector());
        let change = |amplitude| row.change(&row.inject(&injector, Injection::new(kind, amplitude, seed)).1);
        for (one, other) in change(amplitude).into_iter().zip(change(amplitude * factor)) {
            if let (Some(one), Some(other)) = (one, other) {
                let tolerance = TOLERANCE * (1.0 + one.abs()) * factor;
                prop_assert!((one * factor - other).abs() < tolerance, "{} {}", one * factor, other);
            }
        }
    }

    #[test]
    fn a_draw_depends_on_seed_and_id_only(seed: u64, id: i64) {
        let options = InjectorOptions::default().with_seed(seed).with_fraction(1.0);
        let injector = Injector::new(options.clone()).unwrap();
        let injection = injector.draw(id).unwrap();
        let _other = injector.draw(id.wrapping_add(1));
        prop_assert_eq!(Some(injection), injector.draw(id));
        prop_assert!((2.0..=20.0).contains(&injection.amplitude));
        // A smaller fraction is a part of the larger one, with the same anomalies.
        let half = Injector::new(options.with_fraction(0.5)).unwrap().draw(id);
        prop_assert!(half.is_none() || half == Some(injection));
        let row = Row::desi(1);
        let bits = |row: &Row| row.flux.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let twice = [0, 1].map(|_| bits(&row.inject(&injector, injection).1));
        prop_assert_eq!(&twice[0], &twice[1]);
    }
}

#[test]
fn draws_have_the_fraction_and_all_kinds_and_amplitudes() {
    let injector = Injector::new(InjectorOptions::default().with_seed(3)).unwrap();
    let mut counts: HashMap<Anomaly, usize> = HashMap::new();
    let draws: Vec<Injection> = (0..100_000).filter_map(|id| injector.draw(id - 50_000)).collect();
    draws.iter().for_each(|draw| *counts.entry(draw.kind).or_default() += 1);
    // 2000 ± 44, and 333 ± 17 of each kind that needs no donor.
    assert!((1800..2200).contains(&draws.len()), "{}", draws.len());
    assert_eq!(counts.len(), 6);
    assert!(counts.values().all(|count| (250..420).contains(count)), "{counts:?}");
    // Half are below the geometric mean, sqrt(2 · 20).
    let low = draws.iter().filter(|draw| draw.amplitude < 40f64.sqrt()).count() as f64;
    assert!((low / draws.len() as f64 - 0.5).abs() < 0.05);
}

#[test]
fn a_blend_is_of_two_that_are_seen() {
    let row = Row::desi(12);
    let mut pulls: Vec<f64> = (0..row.flux.len())
        .filter(|&i| row.good(i))
        .map(|i| f64::from(row.flux[i]) * f64::from(row.ivar[i]).sqrt())
        .collect();
    pulls.sort_by(f64::total_cmp);
    let brightness = pulls[pulls.len() / 2];
    // No brighter than the spectrum itself.
    let (injected, _) = row.inject(&injector(), Injection::new(Anomaly::Blend, 1000.0, 5));
    assert!((injected.unwrap().amplitude / brightness - 1.0).abs() < 1e-3);
    // And none where that is too faint.
    let mut faint = row.clone();
    for (flux, ivar) in faint.flux.iter_mut().zip(&mut faint.ivar) {
        *flux *= 0.05;
        *ivar *= 2.0;
    }
    assert!(brightness * 0.05 * 2f64.sqrt() < 2.0);
    assert_eq!(
        faint.inject(&injector(), Injection::new(Anomaly::Blend, 5.0, 5)).0,
        None
    );
}

#[test]
fn a_wrong_redshift_moves_lines_and_leaves_the_noise() {
    let row = Row::desi(11);
    let injector = injector();
    let (injected, after) = row.inject(&injector, Injection::new(Anomaly::WrongRedshift, 1.0, 5));
    assert!(injected.unwrap().amplitude > 1.0);
    // Where is the line of 30 now, and is anything left where it was?
    let near = |row: &Row, center: f64| {
        let chosen = (0..row.flux.len()).filter(|&i| row.good(i) && (row.wavelength[i] - center).abs() < 4.0);
        chosen.map(|i| row.flux[i]).fold(f32::MIN, f32::max)
    };
    let highest = (0..after.flux.len())
        .filter(|&i| row.good(i))
        .max_by(|&a, &b| after.flux[a].total_cmp(&after.flux[b]));
    let stretch = row.wavelength[highest.unwrap()] / 5000.0;
    assert!((0.009..0.101).contains(&stretch.ln().abs()), "{stretch}");
    assert!(
        near(&row, 5000.0) > 25.0 && near(&after, 5000.0) < 4.0,
        "{}",
        near(&after, 5000.0)
    );
    assert!(near(&after, 6563.0 * stretch) > 7.0);
    // Away from all lines, neighbours differ by noise only, as before.
    let noise = |row: &Row| {
        let quiet = (100..1000).filter(|&i| row.good(i) && row.good(i - 1));
        let pulls: Vec<f64> = quiet
            .map(|i| {
                let sigma = (1.0 / row.ivar[i] + 1.0 / row.ivar[i - 1]).sqrt();
                f64::from((row.flux[i] - row.flux[i - 1]) / sigma)
            })
            .collect();
        (pulls.iter().map(|x| x * x).sum::<f64>() / pulls.len() as f64).sqrt()
    };
    let (before, after) = (noise(&row), noise(&after));
    assert!(
        (before - 1.0).abs() < 0.1 && (after / before - 1.0).abs() < 0.03,
        "{before} {after}"
    );
}

#[test]
fn the_parts_of_a_spectrum_that_anomalies_touch() {
    let row = Row::desi(12);
    let injector = injector();
    let width = |kind, seed| {
        let (low, high) = row
            .inject(&injector, Injection::new(kind, 5.0, seed))
            .0
            .unwrap()
            .range_angstrom;
        (low, high, high - low)
    };
    for seed in 0..20 {
        // ±4 σ of a Gaussian is 3.4 times its FWHM of 3 to 12, or 40 to 200 pixels, of 0.8 Å.
        assert!(width(Anomaly::EmissionLine, seed).2 < 3.4 * 12.0 * 0.8);
        assert!(width(Anomaly::AbsorptionTrough, seed).2 < 3.4 * 200.0 * 0.8);
        let (low, high, _) = width(Anomaly::SkyComb, seed);
        assert!((7260.0..7300.0).contains(&low) && (9540.0..9570.0).contains(&high));
        let (low, high, _) = width(Anomaly::ArmStep, seed);
        let borders = [(3600.0, 5780.0), (5780.0, 7570.0), (7570.0, 9824.0)];
        assert!(
            borders
                .iter()
                .any(|arm| (arm.0 - low).abs() < 5.0 && (arm.1 - high).abs() < 5.0),
            "{low} {high}"
        );
    }
}

#[test]
fn where_nothing_can_be_done_nothing_is() {
    let mut dead = Row::desi(13);
    dead.ivar.fill(0.0);
    for kind in Anomaly::ALL {
        assert_eq!(dead.inject(&injector(), Injection::new(kind, 5.0, 1)).0, None);
    }
    let blue = Row::new(1, (0..500).map(|i| 3600.0 + f64::from(i)).collect());
    let (injected, after) = blue.inject(&injector(), Injection::new(Anomaly::SkyComb, 5.0, 1));
    assert!(injected.is_none() && after.change(&blue).into_iter().flatten().all(|x| x == 0.0));
    assert_eq!(
        blue.inject(&injector(), Injection::new(Anomaly::ArmStep, 5.0, 1)).0,
        None
    );
    // The donor begins at 3803 Å: half of this one sees it.
    let uv = Row::new(1, (0..100).map(|i| 3600.0 + f64::from(i)).collect());
    assert_eq!(uv.inject(&injector(), Injection::new(Anomaly::Blend, 5.0, 1)).0, None);
    assert!(
        blue.inject(&injector(), Injection::new(Anomaly::Blend, 5.0, 1))
            .0
            .unwrap()
            .range_angstrom
            .0
            > 3800.0
    );

    let mut none: [f32; 0] = [];
    let mut empty = Spectrum::new(&[], &mut none, &[]).unwrap();
    for kind in Anomaly::ALL {
        assert_eq!(
            injector().inject(&Injection::new(kind, 5.0, 1), &mut empty).unwrap(),
            None
        );
    }
    let lone = Row {
        wavelength: vec![9000.0],
        flux: vec![1.0],
        ivar: vec![1.0],
        mask: vec![0],
    };
    for kind in Anomaly::ALL {
        let _may_be_none = lone.inject(&injector(), Injection::new(kind, 5.0, 1)).0;
    }
}

#[test]
fn wrong_input_is_refused() {
    let name = |options: InjectorOptions| match Injector::new(options) {
        Err(Error::Option { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    let options = InjectorOptions::default;
    assert_eq!(name(options().with_fraction(1.1)), "fraction");
    assert_eq!(name(options().with_fraction(f64::NAN)), "fraction");
    assert_eq!(name(options().with_amplitudes(0.0, 1.0)), "amplitudes");
    assert_eq!(name(options().with_amplitudes(3.0, 2.0)), "amplitudes");
    assert_eq!(name(options().with_amplitudes(3.0, f64::INFINITY)), "amplitudes");
    assert_eq!(name(options().with_kinds([])), "kinds");
    assert_eq!(name(options().with_kinds([Anomaly::Blend])), "donors");
    assert_eq!(
        name(options().with_arm_borders_angstrom([7570.0, 5780.0])),
        "arm_borders_angstrom"
    );

    let mut flux = [1.0; 3];
    let ivar = [1.0; 3];
    let up = [1.0, 2.0, 3.0];
    assert!(matches!(
        Spectrum::new(&up, &mut flux, &ivar[..2]),
        Err(Error::Shape { array: "ivar", .. })
    ));
    assert!(matches!(
        Spectrum::new(&up[..2], &mut flux, &ivar),
        Err(Error::Shape { array: "flux", .. })
    ));
    for bad in [
        [1.0, 1.0, 2.0],
        [3.0, 2.0, 1.0],
        [0.0, 1.0, 2.0],
        [1.0, 2.0, f64::NAN],
        [1.0, 2.0, f64::INFINITY],
    ] {
        let spectrum = Spectrum::new(&bad, &mut flux, &ivar);
        assert!(matches!(spectrum, Err(Error::Option { name: "wavelength", .. })));
    }
    let mut spectrum = Spectrum::new(&up, &mut flux, &ivar).unwrap();
    for amplitude in [-1.0, f64::NAN, f64::INFINITY] {
        let injection = Injection::new(Anomaly::Spikes, amplitude, 1);
        assert!(injector().inject(&injection, &mut spectrum).is_err());
    }
    assert!(matches!(
        spectrum.with_mask(&[0]),
        Err(Error::Shape { array: "mask", .. })
    ));
    assert!(matches!(
        Donor::new(&up, &[1.0; 3], &[0.0; 3], None),
        Err(Error::Option { name: "donor", .. })
    ));
    assert!(matches!(
        Donor::new(&up, &[1.0; 3], &ivar, Some(&[0])),
        Err(Error::Shape { array: "mask", .. })
    ));
}
