//! Group tables, pair tables, comparison and completeness, against Nessie's of the same small survey.
//!
//! `golden/nessie_tables.csv` names its generator. Tolerances: Nessie's distances are good to 1e-5 (its quadrature), its
//! constants of nature to 2e-4.

use ndarray::{Array1, array};
use proptest::prelude::*;
use radio_fof::{Comparison, Cosmology, Density, Error, Group, Groups, Pair, RedshiftFof, Survey, completeness};

use crate::oracle;

struct Golden {
    ra: Vec<f64>,
    dec: Vec<f64>,
    z: Vec<f64>,
    completeness: Vec<f64>,
    magnitude: Vec<f64>,
    error: Vec<f64>,
    truth: Array1<i64>,
    counted: Vec<f64>,
    density: Vec<f64>,
    groups: Vec<Vec<f64>>,
    pairs: Vec<Vec<f64>>,
    s_total: Vec<Vec<f64>>,
}

impl Golden {
    fn read() -> Self {
        let numbers = |text: &str, kind: &str| -> Vec<Vec<f64>> {
            text.lines()
                .filter_map(|line| line.strip_prefix(kind))
                .map(|line| line.split(',').map(|field| field.parse().unwrap()).collect())
                .collect()
        };
        let column = |rows: &[Vec<f64>], k: usize| -> Vec<f64> { rows.iter().map(|row| row[k]).collect() };
        let survey: Vec<Vec<f64>> = include_str!("../golden/nessie_small.csv")
            .lines()
            .skip(2)
            .map(|line| line.split(',').map(|field| field.parse().unwrap()).collect())
            .collect();
        let tables = include_str!("../golden/nessie_tables.csv");
        let galaxies = numbers(tables, "galaxy,");
        assert_eq!((survey.len(), galaxies.len()), (800, 800));
        Self {
            ra: column(&survey, 0),
            dec: column(&survey, 1),
            z: column(&survey, 2),
            completeness: column(&survey, 3),
            magnitude: column(&galaxies, 0),
            error: column(&galaxies, 1),
            truth: column(&galaxies, 2).into_iter().map(|label| label as i64).collect(),
            counted: column(&galaxies, 3),
            density: column(&galaxies, 4),
            groups: numbers(tables, "group,"),
            pairs: numbers(tables, "pair,"),
            s_total: numbers(tables, "s_total,"),
        }
    }

    fn survey(&self) -> Survey<'_> {
        Survey::new(&self.ra, &self.dec, &self.z)
            .completeness(&self.completeness)
            .absolute_magnitudes(&self.magnitude)
            .velocity_errors_km_s(&self.error)
    }

    fn labels(&self) -> Array1<i64> {
        let fof = RedshiftFof::new(0.06, 10.0, Density::Constant(3e-5)).nessie_compatible();
        fof.link(&self.survey()).unwrap()
    }
}

#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs().max(1e-9),
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn group_tables_are_those_of_nessie() {
    let golden = Golden::read();
    let groups = Groups::from_labels(golden.labels().view()).unwrap();
    let table = groups.properties(&golden.survey(), &Cosmology::default()).unwrap();
    assert_eq!(table.len(), golden.groups.len());
    // Nessie numbers its groups otherwise: each is found by its brightest member.
    for row in &golden.groups {
        let [
            centre,
            size,
            z,
            distance,
            r50,
            r68,
            r100,
            dispersion,
            error,
            raw_mass,
            virial,
            brightest,
            ra,
            dec,
            magnitude,
            light,
        ] = row[..]
        else {
            panic!("{row:?}")
        };
        let group: &Group = table
            .iter()
            .find(|group| group.brightest_row == Some(brightest as u32))
            .unwrap_or_else(|| panic!("no group with brightest galaxy {brightest}"));
        let what = format!("{group:?}");
        assert_eq!(
            (f64::from(group.size), f64::from(group.centre_row)),
            (size, centre),
            "{what}"
        );
        assert_close(group.z, z, 1e-12, &what);
        assert_close(group.distance_mpc, distance, 1e-5, &what);
        assert_close(group.r50_mpc, r50, 1e-5, &what);
        assert_close(group.r68_mpc, r68, 1e-5, &what);
        assert_close(group.r100_mpc, r100, 1e-5, &what);
        assert_close(group.velocity_dispersion_km_s, dispersion, 1e-9, &what);
        assert_close(group.velocity_error_km_s, error, 1e-9, &what);
        assert_close(group.dynamical_mass_msun * (1.0 + z) / 10.0, raw_mass, 3e-4, &what);
        // Nessie measures along the sphere here, not straight across.
        assert_close(group.virial_mass_msun, virial, 2e-4, &what);
        assert_close(group.light_ra, ra.rem_euclid(360.0), 1e-9, &what);
        assert_close(group.light_dec, dec, 1e-9, &what);
        assert_close(group.absolute_magnitude.unwrap(), magnitude, 1e-9, &what);
        assert_close(group.luminosity_lsun.unwrap(), light, 1e-9, &what);
    }
}

#[test]
fn pair_tables_are_those_of_nessie() {
    let golden = Golden::read();
    let groups = Groups::from_labels(golden.labels().view()).unwrap();
    let table = groups.pairs(&golden.survey(), &Cosmology::default()).unwrap();
    assert_eq!(table.len(), golden.pairs.len());
    assert!(table.len() > 10);
    for row in &golden.pairs {
        let [first, second, separation, redshift_difference, ra, dec, z, magnitude] = row[..] else {
            panic!("{row:?}")
        };
        let rows = [first as u32, second as u32];
        let pair: &Pair = table.iter().find(|pair| pair.rows == rows).unwrap();
        let what = format!("{pair:?}");
        assert_close(pair.separation_arcsec, 3600.0 * separation, 1e-7, &what);
        let mean_z = 0.5 * (golden.z[rows[0] as usize] + golden.z[rows[1] as usize]);
        let velocity = 299_792.458 * redshift_difference / (1.0 + mean_z);
        assert_close(pair.velocity_difference_km_s, velocity, 1e-9, &what);
        let projected = separation.to_radians() * Cosmology::default().comoving_distance_mpc(mean_z);
        assert_close(pair.projected_mpc, projected, 1e-4, &what);
        assert_close(pair.ra, ra.rem_euclid(360.0), 1e-9, &what);
        assert_close(pair.dec, dec, 1e-9, &what);
        assert_close(pair.z, z, 1e-12, &what);
        assert_close(pair.absolute_magnitude.unwrap(), magnitude, 1e-9, &what);
    }
}

#[test]
fn comparisons_are_those_of_nessie() {
    let golden = Golden::read();
    let labels = golden.labels();
    assert_eq!(golden.s_total.len(), 2);
    for row in &golden.s_total {
        let comparison = Comparison::new(labels.view(), golden.truth.view(), row[0] as usize).unwrap();
        assert_close(comparison.s_total(), row[1], 1e-9, &format!("{comparison:?}"));
        assert_close(comparison.e_total() * comparison.q_total(), row[1], 1e-9, "product");
    }
}

#[test]
fn completeness_is_that_of_nessie() {
    let golden = Golden::read();
    let mut target_ra = golden.ra.clone();
    let mut target_dec = golden.dec.clone();
    for row in (0..golden.ra.len()).step_by(3) {
        target_ra.push(golden.ra[row]);
        target_dec.push(golden.dec[row] * 0.9999);
    }
    let found = completeness((&golden.ra, &golden.dec), (&target_ra, &target_dec), &[0.5; 800]).unwrap();
    assert_eq!(found, golden.counted);
    assert!(found.iter().any(|&c| c < 0.8));
    let error = completeness((&[1.0, 2.0], &[0.0; 2]), (&[1.0], &[0.0]), &[0.1; 2]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "completeness at row 1 is inf: it must be at most 1; every observed galaxy has to be among the targets"
    );
}

#[test]
fn smoothed_densities_are_nearly_those_of_nessie() {
    // Ours corrects the ends and the growth of volume within the kernel; between them both agree to a few per cent.
    let golden = Golden::read();
    let density = Density::smoothed(0.3 * 41_252.961_249_419_27);
    let found = density.at(&golden.z, &Cosmology::default()).unwrap();
    let mut compared = 0;
    for ((found, expected), z) in found.iter().zip(&golden.density).zip(&golden.z) {
        if (0.1..0.4).contains(z) {
            assert_close(*found, *expected, 0.06, &format!("z = {z}"));
            compared += 1;
        }
    }
    assert!(compared > 300);
}

#[test]
fn a_group_by_hand() {
    // Three galaxies on the equator at 0, 1 and 3 arcminutes, redshifts 0.100, 0.102, 0.104; the middle one is brightest.
    let (ra, dec, z) = (
        [10.0, 10.0 + 1.0 / 60.0, 10.0 + 3.0 / 60.0],
        [0.0; 3],
        [0.100, 0.102, 0.104],
    );
    let survey = Survey::new(&ra, &dec, &z)
        .absolute_magnitudes(&[-20.0, -22.5, -20.0])
        .velocity_errors_km_s(&[30.0, 40.0, 0.0]);
    let cosmology = Cosmology::default();
    let groups = Groups::from_labels(array![0, 0, 0].view()).unwrap();
    let group = &groups.properties(&survey, &cosmology).unwrap()[0];
    assert_eq!(
        (group.group_id, group.size, group.centre_row, group.brightest_row),
        (0, 3, 1, Some(1))
    );
    assert_eq!((group.ra, group.dec, group.z), (ra[1], 0.0, 0.102));
    // Gaps of Δ = 0.002 c / 1.102, weights 2 and 2: σ_gap = √π / 6 · 4 Δ; σ² = 1.5 σ_gap² - 2500 / 3.
    let gap = 0.002 * 299_792.458 / 1.102;
    let gapper = std::f64::consts::PI.sqrt() / 6.0 * 4.0 * gap;
    assert_close(group.velocity_error_km_s, (2500.0_f64 / 3.0).sqrt(), 1e-12, "error");
    let dispersion = (1.5 * gapper * gapper - 2500.0 / 3.0).sqrt();
    assert_close(group.velocity_dispersion_km_s, dispersion, 1e-9, "dispersion");
    // Distances of 0, 1 and 2 arcminutes.
    let arcminute = cosmology.comoving_distance_mpc(0.102) * (1.0_f64 / 60.0).to_radians();
    assert_close(group.r50_mpc, arcminute, 1e-6, "r50");
    assert_close(group.r68_mpc, 1.36 * arcminute, 1e-6, "r68");
    assert_close(group.r100_mpc, 2.0 * arcminute, 1e-6, "r100");
    let mass = 10.0 / 4.300_917_27e-9 * dispersion * dispersion * arcminute / 1.102;
    assert_close(group.dynamical_mass_msun, mass, 1e-6, "dynamical mass");
    let sky = (5.0 / 6.0_f64).sqrt() * arcminute / 1.102;
    let mass = 2.325e12 * 4.582 * sky * 3.0 * (dispersion / 100.0).powi(2);
    assert_close(group.virial_mass_msun, mass, 1e-6, "virial mass");
    // Light of 1, 10 and 1 galaxies of magnitude -20.
    assert_close(group.light_ra, 10.0 + (10.0 + 3.0) / 12.0 / 60.0, 1e-7, "light");
    assert_close(
        group.absolute_magnitude.unwrap(),
        -20.0 - 2.5 * 12.0_f64.log10(),
        1e-12,
        "magnitude",
    );
    assert_close(
        group.luminosity_lsun.unwrap(),
        12.0 * 10.0_f64.powf(0.4 * 24.67),
        1e-12,
        "luminosity",
    );
}

#[test]
fn groups_without_magnitudes_or_across_the_edge_of_the_sky() {
    let survey = Survey::new(&[359.9, 0.1, 0.0], &[0.0; 3], &[0.1; 3]);
    let groups = Groups::from_labels(array![0, 0, 0].view()).unwrap();
    let group = &groups.properties(&survey, &Cosmology::default()).unwrap()[0];
    assert_eq!(
        (group.brightest_row, group.absolute_magnitude, group.luminosity_lsun),
        (None, None, None)
    );
    assert!(
        group.light_ra < 1e-9 || group.light_ra > 360.0 - 1e-9,
        "{}",
        group.light_ra
    );
    assert_eq!(group.velocity_dispersion_km_s, 0.0);
    let pole = Survey::new(&[0.0, 90.0, 180.0, 270.0], &[89.9; 4], &[0.1; 4]);
    let groups = Groups::from_labels(array![0, 0, 0, 0].view()).unwrap();
    let group = &groups.properties(&pole, &Cosmology::default()).unwrap()[0];
    assert_close(group.light_dec, 90.0, 1e-9, "pole");
    // A single galaxy, where groups of one are asked for.
    let groups = Groups::from_labels(array![-1, 0].view()).unwrap();
    let one = groups
        .properties(&Survey::new(&[1.0, 2.0], &[3.0, 4.0], &[0.1; 2]), &Cosmology::default())
        .unwrap();
    assert_eq!(
        (one[0].size, one[0].ra, one[0].r100_mpc, one[0].velocity_dispersion_km_s),
        (1, 2.0, 0.0, 0.0)
    );
    let error = groups.properties(&survey, &Cosmology::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "ra has 3 rows but label has 2: every column needs one value per row"
    );
}

#[test]
fn comparisons_by_hand() {
    #[track_caller]
    fn check(found: &[i64], truth: &[i64], [bij_found, bij_truth, pure_found, pure_truth]: [f64; 4]) {
        let (found, truth) = (Array1::from(found.to_vec()), Array1::from(truth.to_vec()));
        let comparison = Comparison::new(found.view(), truth.view(), 2).unwrap();
        assert_eq!(
            [
                comparison.found.bijective,
                comparison.truth.bijective,
                comparison.found.purity,
                comparison.truth.purity
            ],
            [bij_found, bij_truth, pure_found, pure_truth],
            "{found} {truth}"
        );
        // It does not matter what groups are called.
        let renamed = truth.mapv(|label| if label < 0 { label } else { 9_000_000_000 - 7 * label });
        assert_eq!(Comparison::new(found.view(), renamed.view(), 2).unwrap(), comparison);
    }
    check(&[], &[], [0.0; 4]);
    check(&[-1, -1], &[-1, -1], [0.0; 4]);
    check(&[-2, i64::MIN], &[0, 0], [0.0, 0.0, 0.0, 0.5]);
    check(&[0, 0, 1, 1], &[5, 5, 3, 3], [1.0; 4]);
    // Halves are no majorities.
    check(&[0, 0, 0, 0], &[0, 0, 1, 1], [0.0, 0.0, 0.5, 1.0]);
    // All members are lonely in truth.
    check(&[0, 0, 0, 0], &[-1; 4], [0.0, 0.0, 0.25, 0.0]);
    // A tie in products (1/2 · 1/1 with the group of one, 1/2 · 2/2): more shared members win.
    check(&[0, 0, 0, 0], &[0, 0, -1, 1], [0.0, 0.0, 0.5, 1.0]);
}

proptest! {
    #![proptest_config(oracle::fixed_cases(128))]

    #[test]
    fn comparisons_agree_with_the_definition(
        labels in prop::collection::vec((-1..6_i64, -1..6_i64), 0..60), min_members in 1..4_usize
    ) {
        let (found, truth): (Vec<i64>, Vec<i64>) = labels.into_iter().unzip();
        let side = |here: &[i64], there: &[i64]| {
            let size = |labels: &[i64], label: i64| labels.iter().filter(|&&l| l == label).count();
            let (mut groups, mut bijective, mut shared_all, mut members) = (0, 0, 0, 0);
            for group in 0..6 {
                let n = size(here, group);
                if n == 0 || n < min_members { continue }
                // Candidates: every group over there, and a lonely galaxy if there is one.
                let mut best = (0.0, 0, 0.0, 0.0);
                for other in -1..6 {
                    let both = here.iter().zip(there).filter(|&(&a, &b)| a == group && b == other).count();
                    if both == 0 { continue }
                    let (shared, of) = if other < 0 { (1, 1) } else { (both, size(there, other)) };
                    let (f1, f2) = (shared as f64 / n as f64, shared as f64 / of as f64);
                    if f1 * f2 > best.0 || (f1 * f2 == best.0 && shared > best.1) { best = (f1 * f2, shared, f1, f2) }
                }
                groups += 1;
                bijective += usize::from(best.2 > 0.5 && best.3 > 0.5);
                shared_all += best.1;
                members += n;
            }
            let part = |a: usize, b: usize| if b == 0 { 0.0 } else { a as f64 / b as f64 };
            (groups, part(bijective, groups), part(shared_all, members))
        };
        let comparison = Comparison::new(Array1::from(found.clone()).view(), Array1::from(truth.clone()).view(), min_members).unwrap();
        let parts = |m: radio_fof::Match| (m.groups, m.bijective, m.purity);
        prop_assert_eq!(parts(comparison.found), side(&found, &truth));
        prop_assert_eq!(parts(comparison.truth), side(&truth, &found));
    }
}

#[test]
fn galaxies_at_one_place_have_a_centre_at_once() {
    // Quadratic work would take half an hour.
    let n = 200_000;
    let (ra, dec, z) = (vec![10.0; n], vec![20.0; n], vec![0.1; n]);
    let groups = Groups::from_labels(Array1::zeros(n).view()).unwrap();
    let group = &groups
        .properties(&Survey::new(&ra, &dec, &z), &Cosmology::default())
        .unwrap()[0];
    assert_eq!((group.size, group.r100_mpc), (n as u32, 0.0));
}

#[test]
fn beyond_the_antipode_there_are_no_tables() {
    let closed = Cosmology::new(70.0, 0.05, 1.2).unwrap();
    let survey = Survey::new(&[0.0, 0.1], &[0.0; 2], &[10.0; 2]);
    let groups = Groups::from_labels(array![0, 0].view()).unwrap();
    for error in [
        groups.properties(&survey, &closed).unwrap_err(),
        groups.pairs(&survey, &closed).unwrap_err(),
    ] {
        assert!(
            matches!(
                error,
                Error::Value {
                    column: "z",
                    row: 0,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn bad_values_are_refused_by_row() {
    let survey = Survey::new(&[1.0, 2.0], &[0.0; 2], &[0.1; 2]);
    let fof = RedshiftFof::new(0.06, 18.0, Density::Constant(1e-3));
    let message = |survey: Survey<'_>| fof.link(&survey).unwrap_err().to_string();
    assert_eq!(
        message(survey.absolute_magnitudes(&[-20.0, f64::NAN])),
        "absolute_magnitudes at row 1 is NaN: it must be within ±100; drop the row or repair it"
    );
    assert_eq!(
        message(survey.absolute_magnitudes(&[-9999.0, -20.0])),
        "absolute_magnitudes at row 0 is -9999: it must be within ±100; drop the row or repair it"
    );
    assert_eq!(
        message(survey.velocity_errors_km_s(&[-1.0, 1.0])),
        "velocity_errors_km_s at row 0 is -1: it must be finite and not negative"
    );
    assert_eq!(
        message(survey.velocity_errors_km_s(&[1.0])),
        "velocity_errors_km_s has 1 rows but ra has 2: every column needs one value per row"
    );
    let error = Comparison::new(array![0].view(), array![0, 1].view(), 2).unwrap_err();
    assert!(matches!(error, Error::Length { column: "truth", .. }), "{error}");
    oracle::assert_option_refused(Comparison::new(array![0].view(), array![0].view(), 0), "min_members");
}
