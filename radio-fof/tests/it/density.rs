//! Densities, and what they do to linking lengths.

use radio_fof::{Cosmology, Density, Error, MagnitudeLimit, RedshiftFof, Survey};

use crate::oracle;

#[test]
fn an_even_sample_has_its_own_density() {
    // 40,000 galaxies, evenly spread between 300 and 500 Mpc over a tenth of the sky, and 30 degrees from them a pair
    // whose separation is varied: it tells which linking length is in force at its distance.
    let cosmology = Cosmology::default();
    let (near, far, n) = (300.0_f64, 500.0_f64, 40_000);
    let area = 4_125.296_124_941_927;
    let volume = 0.1 * 4.0 / 3.0 * std::f64::consts::PI * (far.powi(3) - near.powi(3));
    let density = f64::from(n) / volume;
    let z_at = |distance: f64| {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            let is_below = cosmology.comoving_distance_mpc(middle) < distance;
            (low, high) = if is_below { (middle, high) } else { (low, middle) };
        }
        low
    };
    let mut uniform = oracle::uniform(3);
    let mut ra: Vec<f64> = (0..n).map(|_| 40.0 + 200.0 * uniform()).collect();
    let mut dec: Vec<f64> = (0..n).map(|_| 40.0 * uniform()).collect();
    let mut z: Vec<f64> = (0..n)
        .map(|i| (near.powi(3) + (far.powi(3) - near.powi(3)) * (f64::from(i) + 0.5) / f64::from(n)).cbrt())
        .map(z_at)
        .collect();

    // In the middle, and at both ends, where a window that did not end with the sample would see half the density.
    for distance in [400.0, near + 0.5, far - 0.5] {
        let length = 0.05 * density.powf(-1.0 / 3.0);
        for (factor, linked) in [(0.98, true), (1.02, false)] {
            let gap = (factor * length / distance).to_degrees();
            ra.extend([10.0, 10.0]);
            dec.extend([0.0, gap]);
            z.extend([z_at(distance); 2]);
            let fof = RedshiftFof::new(0.05, 10.0, Density::measured(area));
            let labels = fof.link(&Survey::new(&ra, &dec, &z)).unwrap();
            assert_eq!(
                labels[labels.len() - 1] >= 0,
                linked,
                "at {distance} Mpc, {factor} linking lengths"
            );
            for column in [&mut ra, &mut dec, &mut z] {
                column.truncate(n as usize);
            }
        }
    }
}

#[test]
fn a_wider_window_averages_more() {
    // A dense sheet at z = 0.1 within a thin field: in a narrow window the pair sees the sheet and is not linked.
    let mut uniform = oracle::uniform(5);
    let mut z: Vec<f64> = (0..2000).map(|_| 0.05 + 0.1 * uniform()).collect();
    z.extend((0..2000).map(|_| 0.1 + 1e-4 * uniform()));
    let mut ra: Vec<f64> = z.iter().map(|_| 100.0 + 20.0 * uniform()).collect();
    let mut dec: Vec<f64> = z.iter().map(|_| 20.0 * uniform()).collect();
    ra.extend([10.0, 10.0]);
    dec.extend([0.0, 0.06]);
    z.extend([0.1; 2]);
    let survey = Survey::new(&ra, &dec, &z);
    let is_linked = |window| {
        let density = Density::measured(400.0).window_mpc(window);
        let labels = RedshiftFof::new(0.06, 10.0, density).link(&survey).unwrap();
        labels[labels.len() - 1] >= 0
    };
    assert!(!is_linked(2.0));
    assert!(is_linked(200.0));
}

#[test]
fn tiny_samples_have_a_density_too() {
    let fof = RedshiftFof::new(0.06, 18.0, Density::measured(100.0));
    assert_eq!(fof.link(&Survey::new(&[], &[], &[])).unwrap().to_vec(), [0_i64; 0]);
    assert_eq!(fof.link(&Survey::new(&[1.0], &[1.0], &[0.1])).unwrap().to_vec(), [-1]);
    assert_eq!(
        fof.link(&Survey::new(&[1.0; 3], &[1.0; 3], &[0.1; 3]))
            .unwrap()
            .to_vec(),
        [0; 3]
    );
}

/// Redshifts of `n` galaxies at the middle of equal parts of a distribution, given by its density in z up to a factor.
fn drawn_evenly(n: usize, near: f64, far: f64, curve: impl Fn(f64) -> f64) -> Vec<f64> {
    const STEPS: usize = 200_000;
    let width = (far - near) / STEPS as f64;
    let total: f64 = (0..STEPS).map(|k| curve(near + (k as f64 + 0.5) * width)).sum();
    let (mut z, mut until) = (Vec::new(), 0.0);
    for k in 0..STEPS {
        until += curve(near + (k as f64 + 0.5) * width);
        while z.len() < n && (z.len() as f64 + 0.5) / n as f64 <= until / total {
            z.push(near + (k as f64 + 0.5) * width);
        }
    }
    z
}

#[test]
fn even_samples_have_one_density_everywhere() {
    // The ends included, in flat and curved space.
    let (near, far, n) = (0.05, 0.2, 50_000);
    for cosmology in [Cosmology::default(), Cosmology::new(70.0, 0.3, 0.2).unwrap()] {
        let volume_at = |z: f64| cosmology.transverse_comoving_distance_mpc(z).powi(2) / cosmology.e(z);
        let z = drawn_evenly(n, near, far, volume_at);
        let area = 1000.0;
        let volume = area * 1_f64.to_radians().powi(2) * cosmology.comoving_volume_mpc3_per_sr(near, far);
        let expected = n as f64 / volume;
        for density in [
            Density::measured(area),
            Density::smoothed(area),
            Density::smoothed(area).window_mpc(10.0),
        ] {
            let found = density.at(&z, &cosmology).unwrap();
            for (found, z) in found.iter().zip(&z) {
                assert!(
                    (found / expected - 1.0).abs() < 0.01,
                    "{density:?} at {z}: {found}, expected {expected}"
                );
            }
        }
    }
}

#[test]
fn smoothed_densities_are_weighted_counts_over_weighted_volumes() {
    let cosmology = Cosmology::default();
    let mut uniform = oracle::uniform(17);
    let z: Vec<f64> = (0..300).map(|_| 0.05 + 0.1 * uniform() * uniform()).collect();
    let (area, sigma) = (500.0, 30.0);
    let found = Density::smoothed(area).window_mpc(sigma).at(&z, &cosmology).unwrap();
    let distances: Vec<f64> = z.iter().map(|&z| cosmology.comoving_distance_mpc(z)).collect();
    let (near, far) = distances
        .iter()
        .fold((f64::MAX, 0.0_f64), |(n, f), &d| (n.min(d), f.max(d)));
    for (found, at) in found.iter().zip(&distances) {
        let weight = |d: f64| (-0.5 * ((d - at) / sigma).powi(2)).exp();
        let count: f64 = distances.iter().map(|&d| weight(d)).sum();
        let steps = 20_000;
        let width = (far - near) / f64::from(steps);
        let volume: f64 = (0..steps)
            .map(|k| near + (f64::from(k) + 0.5) * width)
            .map(|d| weight(d) * d * d * width)
            .sum();
        let expected = count / (volume * area * 1_f64.to_radians().powi(2));
        assert!((found / expected - 1.0).abs() < 1e-3, "{found}, expected {expected}");
    }
}

#[test]
fn fitted_densities_see_no_structure() {
    // Baugh & Efstathiou's curve, and a wall of 1000 galaxies at z = 0.15.
    let cosmology = Cosmology::default();
    let curve = |z: f64| z.powf(1.8) * (-(z / 0.14_f64).powf(1.7)).exp();
    let mut z = drawn_evenly(40_000, 0.01, 0.5, curve);
    let area = 2000.0;
    let true_density = |at: f64, n: f64| {
        let total: f64 = (0..100_000)
            .map(|k| curve(0.01 + 0.49e-5 * (f64::from(k) + 0.5)) * 0.49e-5)
            .sum();
        let volume = (cosmology.comoving_volume_mpc3_per_sr(at, at + 1e-5)) / 1e-5 * area * 1_f64.to_radians().powi(2);
        n * curve(at) / total / volume
    };
    let found = Density::fitted(area).at(&z, &cosmology).unwrap();
    for (found, &z) in found.iter().zip(&z).step_by(101) {
        let expected = true_density(z, 40_000.0);
        assert!(
            (found / expected - 1.0).abs() < 0.005,
            "at {z}: {found}, expected {expected}"
        );
    }
    z.extend((0..1000).map(|k| 0.15 + 1e-6 * f64::from(k)));
    let at_wall = |density: Density| density.at(&z, &cosmology).unwrap()[z.len() - 1] / true_density(0.15, 40_000.0);
    assert!(at_wall(Density::measured(area)) > 1.15);
    assert!(at_wall(Density::fitted(area)) < 1.06);
}

#[test]
fn narrow_samples_have_a_fitted_density_too() {
    // Clusters and thin slices: whatever their width, the curve is about as dense as the sample is smoothed.
    let cosmology = Cosmology::default();
    let mut uniform = oracle::uniform(51);
    for width in [0.3, 0.1, 0.03, 0.01, 0.003] {
        let mut normal = || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        let z: Vec<f64> = (0..2000).map(|_| 0.1 * (1.0 + 0.3 * width * normal())).collect();
        let fitted = Density::fitted(100.0).at(&z, &cosmology).unwrap();
        let sigma = 0.1 * 0.3 * width * 4283.0;
        let smoothed = Density::smoothed(100.0)
            .window_mpc(0.2 * sigma)
            .at(&z, &cosmology)
            .unwrap();
        for ((fitted, smoothed), z) in fitted.iter().zip(&smoothed).zip(&z) {
            // Where there are many.
            if (z / 0.1 - 1.0).abs() < 0.3 * width {
                assert!(
                    (0.8..1.25).contains(&(fitted / smoothed)),
                    "{width}: {fitted}, {smoothed} at {z}"
                );
            }
        }
    }
    // A cluster in front of a field.
    let mut z: Vec<f64> = (0..300)
        .map(|_| 0.023 + 0.0033 * (uniform() + uniform() - 1.0))
        .collect();
    z.extend((0..50).map(|_| 0.01 + 0.2 * uniform()));
    assert!(
        Density::fitted(10.0)
            .at(&z, &cosmology)
            .unwrap()
            .iter()
            .all(|density| *density > 0.0)
    );
}

#[test]
fn odd_samples_and_windows_have_a_density_or_an_error() {
    let cosmology = Cosmology::default();
    let smoothed = |z: &[f64], window: f64| Density::smoothed(100.0).window_mpc(window).at(z, &cosmology).unwrap();
    // Nearly equal, and equal, redshifts are one sample.
    let (equal, near) = (smoothed(&[0.1, 0.1], 40.0)[0], smoothed(&[0.1, 0.1 + 1e-15], 40.0)[0]);
    assert!((near / equal - 1.0).abs() < 1e-6);
    let further = smoothed(&[0.1, 0.1001], 40.0)[0];
    assert!((further / equal - 1.0).abs() < 1e-2);
    // Windows wider than the universe, and narrower than anything.
    for window in [1e12, 1e-5] {
        assert!(
            smoothed(&[0.1, 0.2, 0.3], window)
                .iter()
                .all(|density| density.is_finite() && *density > 0.0)
        );
    }
    let error = Density::measured(100.0)
        .window_mpc(1e300)
        .at(&[0.1, 0.2], &cosmology)
        .unwrap_err();
    assert!(matches!(error, Error::Value { column: "density", .. }), "{error}");
    // And no linking length comes of it.
    let fof = RedshiftFof::new(0.06, 18.0, Density::measured(100.0).window_mpc(1e300));
    let error = fof.link(&Survey::new(&[0.0; 2], &[0.0; 2], &[0.1, 0.2])).unwrap_err();
    assert!(matches!(error, Error::Value { column: "density", .. }), "{error}");
}

#[test]
fn a_selection_by_hand() {
    // Ten bright galaxies, seen everywhere, are spread by volume, wherever they are. Of ten more that can be seen in the nearer of
    // two shells of volumes 1 and 7 only, and are there, all are counted there.
    let cosmology = Cosmology::default();
    let far = cosmology.redshift_at_comoving_distance_mpc(400.0);
    let near = |part: f64| cosmology.redshift_at_comoving_distance_mpc(200.0 * part);
    let limit = MagnitudeLimit::new(18.0).max_redshift(far).window_mpc(200.001);
    let volumes = [200.0_f64.powi(3) / 3.0, (400.0_f64.powi(3) - 200.0_f64.powi(3)) / 3.0];
    let steradians = 100.0 * 1_f64.to_radians().powi(2);
    let densities = |z: &[f64], magnitude: &[f64]| {
        let density = limit.measure(z, magnitude, &cosmology).unwrap().density(100.0);
        density.at(&[near(0.5), far * 0.9], &cosmology).unwrap()
    };
    let even = 10.0 / (steradians * (volumes[0] + volumes[1]));
    for found in densities(&[near(0.9); 10], &[5.0; 10]) {
        assert!((found / even - 1.0).abs() < 1e-6, "{found}, expected {even}");
    }
    // Seen to the end of the nearer shell: ten of them there, and none beyond; the bright ones are one in eight there.
    let faint = 18.0 - 5.0 * (200.0_f64 * (1.0 + near(1.0)) / (190.0 * (1.0 + near(0.95)))).log10() - 1e-9;
    let (mut z, mut magnitude) = (vec![near(0.95); 10], vec![faint; 10]);
    z.extend([
        near(0.9),
        far * 0.95,
        far * 0.95,
        far * 0.95,
        far * 0.95,
        far * 0.95,
        far * 0.95,
        far * 0.95,
    ]);
    magnitude.extend([5.0; 8]);
    let found = densities(&z, &magnitude);
    let expected = [11.0 / (steradians * volumes[0]), 7.0 / (steradians * volumes[1])];
    for (found, expected) in found.iter().zip(expected) {
        assert!((found / expected - 1.0).abs() < 1e-4, "{found}, expected {expected}");
    }
}

#[test]
fn odd_selections_are_found_or_refused() {
    let cosmology = Cosmology::default();
    // At the limit, at the edge of a shell, and almost here.
    for (z, max_redshift, window) in [
        (0.127_859_860_322_607_7, 0.264_566_545_237_416_9, 1000.0),
        (1e-200, 0.1, 40.0),
    ] {
        let limit = MagnitudeLimit::new(18.0).max_redshift(max_redshift).window_mpc(window);
        if let Ok(selection) = limit.measure(&[z], &[18.0], &cosmology) {
            assert!(selection.redshifts(10, 1).iter().all(|z| z.is_finite()));
        }
    }
    // Nobody is seen beyond its own shell: nothing tells one from the other.
    let z: Vec<f64> = (1..200).map(|k| 0.001 * f64::from(k)).collect();
    let error = MagnitudeLimit::new(18.0)
        .measure(&z, &vec![18.0; z.len()], &cosmology)
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Unmeasurable {
                what: "a selection",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn tables_are_linear_and_end() {
    let at = |z: f64| {
        Density::table(&[0.1, 0.2, 0.4], &[1.0, 3.0, 2.0])
            .at(&[z], &Cosmology::default())
            .unwrap()[0]
    };
    assert_eq!(
        [at(0.05), at(0.1), at(0.2), at(0.4), at(0.9)],
        [1.0, 1.0, 3.0, 2.0, 2.0]
    );
    assert!((at(0.15) - 2.0).abs() < 1e-12 && (at(0.3) - 2.5).abs() < 1e-12);
}

#[test]
fn bad_densities_are_refused() {
    #[track_caller]
    fn check(density: &Density, z: &[f64], message: &str) {
        assert_eq!(density.at(z, &Cosmology::default()).unwrap_err().to_string(), message);
    }
    check(
        &Density::table(&[], &[]),
        &[0.1],
        "option table is [], expected at least one redshift",
    );
    check(
        &Density::table(&[0.1, 0.1], &[1.0, 1.0]),
        &[0.1],
        "z of the density table at row 1 is 0.1: it must be finite and larger than the one before; sort the table",
    );
    check(
        &Density::table(&[0.1, 0.2], &[1.0, 0.0]),
        &[0.1],
        "density at row 1 is 0: it must be positive and finite",
    );
    check(
        &Density::fitted(100.0),
        &[0.1, 0.2],
        "2 redshifts to fit a curve to are too few: at least 10 are needed",
    );
    check(
        &Density::fitted(100.0),
        &[0.1; 20],
        "a fitted density cannot be measured: all redshifts are about equal; use another density",
    );
    check(
        &Density::smoothed(100.0),
        &[0.1, -0.2],
        "z at row 1 is -0.2: it must be positive and finite; select z > 0 first",
    );
    assert_eq!(
        Density::fitted(100.0).at(&[], &Cosmology::default()).unwrap(),
        [0.0_f64; 0]
    );
}

#[test]
fn a_selection_is_told_from_structure() {
    // A volume with luminosities from a steep law, all magnitudes below 18, and a shell three times as dense as the rest.
    let cosmology = Cosmology::default();
    let (faintest, max_redshift, area) = (18.0, 0.15, 3000.0);
    let mut uniform = oracle::uniform(23);
    let (mut z, mut magnitude) = (Vec::new(), Vec::new());
    let farthest = cosmology.comoving_distance_mpc(max_redshift);
    let absolute = |uniform: &mut dyn FnMut() -> f64| -22.0 - 2.5 * (uniform() + 1e-3).log10() / -1.2;
    for _ in 0..400_000 {
        let at = cosmology.redshift_at_comoving_distance_mpc(farthest * uniform().cbrt());
        let copies = if (0.08..0.1).contains(&at) { 3 } else { 1 };
        let apparent = absolute(&mut uniform) + cosmology.distance_modulus(at);
        if apparent <= faintest {
            for _ in 0..copies {
                z.push(at);
                magnitude.push(apparent);
            }
        }
    }
    let limit = MagnitudeLimit::new(faintest)
        .max_redshift(max_redshift)
        .window_mpc(20.0);
    let selection = limit.measure(&z, &magnitude, &cosmology).unwrap();
    // The shape of the density is that of the selection: counted where there is no wall.
    let density = selection.density(area);
    let even = |at: f64| density.at(&[at], &cosmology).unwrap()[0];
    let counted = |near: f64, far: f64| {
        let volume = area * 1_f64.to_radians().powi(2) * cosmology.comoving_volume_mpc3_per_sr(near, far);
        z.iter().filter(|z| (near..far).contains(*z)).count() as f64 / volume
    };
    let ratio = |at: f64| counted(at - 0.004, at + 0.004) / even(at);
    let outside = ratio(0.06);
    for (at, expected) in [(0.07, 1.0), (0.09, 3.0), (0.115, 1.0), (0.13, 1.0)] {
        let found = ratio(at) / outside;
        assert!(
            (found / expected - 1.0).abs() < 0.1,
            "at {at}: {found}, expected {expected}"
        );
    }
    // The random catalogue follows it.
    let randoms = selection.redshifts(200_000, 5);
    assert_eq!(randoms, selection.redshifts(200_000, 5));
    assert_ne!(randoms, selection.redshifts(200_000, 6));
    let drawn = |near: f64, far: f64| randoms.iter().filter(|z| (near..far).contains(*z)).count() as f64;
    let expected = |near: f64, far: f64| even(0.5 * (near + far)) * cosmology.comoving_volume_mpc3_per_sr(near, far);
    let scale = drawn(0.06, 0.064) / expected(0.06, 0.064);
    for near in [0.05, 0.07, 0.08, 0.09, 0.1, 0.12] {
        let found = drawn(near, near + 0.004) / (scale * expected(near, near + 0.004));
        assert!((found - 1.0).abs() < 0.1, "at {near}: {found}");
    }
}

#[test]
fn bad_selections_are_refused() {
    #[track_caller]
    fn check(limit: &MagnitudeLimit, z: &[f64], magnitude: &[f64], message: &str) {
        let error: Error = limit.measure(z, magnitude, &Cosmology::default()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let limit = MagnitudeLimit::new(18.0);
    check(
        &limit,
        &[],
        &[],
        "0 redshifts to measure a selection from are too few: at least 1 are needed",
    );
    check(
        &limit,
        &[0.1, 0.2],
        &[17.0, 18.5],
        "magnitude at row 1 is 18.5: it must be finite and not fainter than the limit; drop the row or raise the limit",
    );
    check(
        &limit.clone().max_redshift(0.15),
        &[0.1, 0.2],
        &[17.0, 17.0],
        "z at row 1 is 0.2: it must be in (0, max_redshift]; select such galaxies first",
    );
    check(
        &limit,
        &[0.1, 0.2],
        &[17.0],
        "magnitude has 1 rows but z has 2: every column needs one value per row",
    );
    check(
        &MagnitudeLimit::new(f64::NAN),
        &[0.1],
        &[17.0],
        "option faintest is NaN, expected finite",
    );
}
