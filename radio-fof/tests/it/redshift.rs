use proptest::prelude::*;
use radio_fof::{Cosmology, Density, RedshiftFof, Survey};

use crate::oracle;

/// Columns of a made-up survey.
#[derive(Clone, Debug, Default)]
struct Columns {
    ra: Vec<f64>,
    dec: Vec<f64>,
    z: Vec<f64>,
    completeness: Vec<f64>,
}

impl Columns {
    fn survey(&self) -> Survey<'_> {
        Survey::new(&self.ra, &self.dec, &self.z).completeness(&self.completeness)
    }
}

/// Numbers of one run; `h` is what Nessie divides by, 1 for consistent units.
#[derive(Clone, Copy, Debug)]
struct Settings {
    b0: f64,
    r0: f64,
    density: f64,
    mass: f64,
    cosmology: Cosmology,
    h: f64,
}

/// Groups straight from the definition: every pair, formulas as in the papers, angles by haversines.
fn definition(columns: &Columns, s: Settings) -> Vec<i64> {
    let gravity = 4.300_917_27e-9;
    let lengths: Vec<(f64, f64, f64)> = (0..columns.z.len())
        .map(|i| {
            let z = columns.z[i];
            let hubble = s.cosmology.hubble_km_s_mpc(z);
            let critical = 3.0 * hubble * hubble / (8.0 * std::f64::consts::PI * gravity);
            let radius = (3.0 * s.mass / (4.0 * std::f64::consts::PI * 200.0 * critical)).powf(1.0 / 3.0);
            let sigma = (2.0 * gravity * s.mass / radius).sqrt();
            let separation = s.density.powf(-1.0 / 3.0) * columns.completeness[i].powf(-1.0 / 3.0);
            let g = (s.b0 * separation).min(radius * (1.0 + z));
            let theta = g / (s.h * s.cosmology.transverse_comoving_distance_mpc(z));
            let along = (g * s.r0 * (1.0 + z) / (s.cosmology.e(z) * s.h)).min(sigma * (1.0 + z) / hubble);
            (s.cosmology.comoving_distance_mpc(z), theta, along)
        })
        .collect();
    let are_friends = |i: usize, j: usize| {
        let ((di, ti, li), (dj, tj, lj)) = (lengths[i], lengths[j]);
        let (dec_i, dec_j) = (columns.dec[i].to_radians(), columns.dec[j].to_radians());
        let half_ra = (0.5 * (columns.ra[i] - columns.ra[j])).to_radians().sin();
        let half_dec = (0.5 * (dec_i - dec_j)).sin();
        let chord = 2.0 * (half_dec * half_dec + dec_i.cos() * dec_j.cos() * half_ra * half_ra).sqrt();
        (di - dj).abs() <= (li + lj) / 2.0 && chord <= (ti + tj) / 2.0
    };
    oracle::groups(columns.z.len(), 2, are_friends)
}

fn link(columns: &Columns, s: Settings) -> Vec<i64> {
    let fof = RedshiftFof::new(s.b0, s.r0, Density::Constant(s.density))
        .cosmology(s.cosmology)
        .max_mass_msun(s.mass);
    fof.link(&columns.survey()).unwrap().to_vec()
}

/// Galaxies around a few places on the sky, RA 0 and both poles among them, some of them equal.
fn columns() -> impl Strategy<Value = Columns> {
    let centres = prop::sample::select(vec![
        (0.0, 0.0),
        (123.0, 45.0),
        (200.0, 90.0),
        (40.0, -90.0),
        (359.9, -60.0),
    ]);
    let width = prop_oneof![Just(0.0), 0.0..3.0_f64];
    let galaxy = (
        centres,
        width.clone(),
        width,
        any::<bool>(),
        any::<bool>(),
        0.3..=1.0_f64,
    );
    let redshift = prop_oneof![Just(0.05), 0.001..0.15_f64, 0.4..0.45_f64];
    prop::collection::vec((galaxy, redshift), 0..200).prop_map(|galaxies| {
        let mut columns = Columns::default();
        for (((ra, dec), dra, ddec, west, south, completeness), z) in galaxies {
            let ra: f64 = if west { ra - dra } else { ra + dra };
            let dec: f64 = if south { dec - ddec } else { dec + ddec };
            columns.ra.push(ra.rem_euclid(360.0));
            columns.dec.push(dec.clamp(-90.0, 90.0));
            columns.z.push(z);
            columns.completeness.push(completeness);
        }
        columns
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    let cosmology = prop::sample::select(vec![
        (70.0, 0.3, 0.7),
        (100.0, 0.25, 0.75),
        (70.0, 0.3, 0.5),
        (70.0, 0.4, 0.8),
    ]);
    (
        0.02..0.3_f64,
        0.5..30.0_f64,
        1e-5..1e-2_f64,
        prop_oneof![Just(1e15), 1e11..1e16_f64],
        cosmology,
    )
        .prop_map(|(b0, r0, density, mass, (h0, omega_m, omega_lambda))| Settings {
            b0,
            r0,
            density,
            mass,
            cosmology: Cosmology::new(h0, omega_m, omega_lambda).unwrap(),
            h: 1.0,
        })
}

proptest! {
    #![proptest_config(oracle::fixed_cases(256))]

    #[test]
    fn surveys_agree_with_the_definition(columns in columns(), settings in settings()) {
        prop_assert_eq!(link(&columns, settings), definition(&columns, settings));
    }

    #[test]
    fn nessie_divides_by_h_again(columns in columns(), settings in settings()) {
        // A heavy halo, so that no cap is active: those differ by the mass of the Sun.
        let s = Settings { mass: 1e22, h: settings.cosmology.h0_km_s_mpc() / 100.0, ..settings };
        let fof = RedshiftFof::new(s.b0, s.r0, Density::Constant(s.density)).cosmology(s.cosmology).max_mass_msun(s.mass);
        let found = fof.nessie_compatible().link(&columns.survey()).unwrap();
        prop_assert_eq!(found.to_vec(), definition(&columns, s));
    }

    #[test]
    fn order_and_whole_turns_do_not_matter(columns in columns(), settings in settings()) {
        let labels = link(&columns, settings);
        let mut turned = columns.clone();
        for column in [&mut turned.ra, &mut turned.dec, &mut turned.z, &mut turned.completeness] {
            column.reverse();
        }
        for (i, ra) in turned.ra.iter_mut().enumerate() {
            *ra += [-360.0, 0.0, 360.0][i % 3];
        }
        let reversed: Vec<i64> = labels.into_iter().rev().collect();
        prop_assert_eq!(link(&turned, settings), oracle::canonical(&reversed));
    }
}

#[test]
fn threads_do_not_matter() {
    let mut uniform = oracle::uniform(11);
    let n = 20_000;
    let mut column = |low: f64, high: f64| -> Vec<f64> { (0..n).map(|_| low + (high - low) * uniform()).collect() };
    let (ra, dec, z) = (column(0.0, 30.0), column(-15.0, 15.0), column(0.01, 0.2));
    let fof = RedshiftFof::new(0.1, 12.0, Density::measured(900.0));
    let one = oracle::with_threads(1, || fof.link(&Survey::new(&ra, &dec, &z)).unwrap());
    let many = oracle::with_threads(16, || fof.link(&Survey::new(&ra, &dec, &z)).unwrap());
    assert_eq!(one, many);
    assert!(one.iter().any(|&label| label > 100), "the sample has groups");
}

#[test]
fn small_surveys() {
    #[track_caller]
    fn check(ra: &[f64], dec: &[f64], z: &[f64], min_members: usize, labels: &[i64]) {
        let fof = RedshiftFof::new(0.06, 18.0, Density::Constant(2e-3)).min_members(min_members);
        assert_eq!(fof.link(&Survey::new(ra, dec, z)).unwrap().to_vec(), labels);
    }
    check(&[], &[], &[], 2, &[]);
    check(&[1.0], &[1.0], &[0.1], 2, &[-1]);
    check(&[1.0], &[1.0], &[0.1], 1, &[0]);
    check(&[7.0, 7.0], &[1.0, 1.0], &[0.1, 0.1], 2, &[0, 0]);
    check(&[7.0, 7.0], &[1.0, 1.0], &[0.1, 0.1], 3, &[-1, -1]);
    // The pole is one point at every right ascension.
    check(&[0.0, 120.0, 240.0], &[90.0; 3], &[0.1; 3], 2, &[0, 0, 0]);
    // So near that a linking angle is more than the sphere.
    check(&[0.0, 180.0], &[0.0, 0.0], &[1e-6, 1e-6], 2, &[0, 0]);
}

#[test]
fn bad_options_are_refused() {
    #[track_caller]
    fn check(fof: &RedshiftFof, option: &str) {
        oracle::assert_option_refused(fof.link(&Survey::new(&[], &[], &[])), option);
    }
    let fof = |b0, r0, density| RedshiftFof::new(b0, r0, Density::Constant(density));
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        check(&fof(bad, 18.0, 1e-3), "b0");
        check(&fof(0.06, bad, 1e-3), "r0");
        check(&fof(0.06, 18.0, bad), "density");
        check(&fof(0.06, 18.0, 1e-3).max_mass_msun(bad), "max_mass_msun");
        check(
            &RedshiftFof::new(0.06, 18.0, Density::measured(bad)),
            "area_square_degrees",
        );
        check(
            &RedshiftFof::new(0.06, 18.0, Density::measured(10.0).window_mpc(bad)),
            "window_mpc",
        );
    }
    check(
        &RedshiftFof::new(0.06, 18.0, Density::measured(41_254.0)),
        "area_square_degrees",
    );
    check(&fof(0.06, 18.0, 1e-3).min_members(0), "min_members");
}

#[test]
fn bad_data_is_refused_by_row() {
    #[track_caller]
    fn check(survey: &Survey<'_>, message: &str) {
        let fof = RedshiftFof::new(0.06, 18.0, Density::Constant(1e-3));
        assert_eq!(fof.link(survey).unwrap_err().to_string(), message);
    }
    let good = [0.5, 0.5];
    let one_row = "has 1 rows but ra has 2: every column needs one value per row";
    check(&Survey::new(&good, &[0.5], &good), &format!("dec {one_row}"));
    check(&Survey::new(&good, &good, &[0.5]), &format!("z {one_row}"));
    check(
        &Survey::new(&good, &good, &good).completeness(&[0.5]),
        &format!("completeness {one_row}"),
    );
    check(
        &Survey::new(&[1.0, f64::NAN], &good, &good),
        "ra at row 1 is NaN: it must be finite; drop the row",
    );
    check(
        &Survey::new(&good, &[0.0, 90.1], &good),
        "dec at row 1 is 90.1: it must be within [-90, 90]; drop the row",
    );
    check(
        &Survey::new(&good, &good, &[0.1, -0.001]),
        "z at row 1 is -0.001: it must be positive and finite; select z > 0 first",
    );
    check(
        &Survey::new(&good, &good, &[f64::NAN, 0.1]),
        "z at row 0 is NaN: it must be positive and finite; select z > 0 first",
    );
    check(
        &Survey::new(&good, &good, &good).completeness(&[1.0, 0.0]),
        "completeness at row 1 is 0: it must be in (0, 1]",
    );
}

#[test]
fn beyond_the_antipode_there_is_no_linking_angle() {
    // A universe that loitered: light from z = 10 has gone more than half way around it.
    let closed = Cosmology::new(70.0, 0.05, 1.2).unwrap();
    let fof = RedshiftFof::new(0.06, 18.0, Density::Constant(1e-3)).cosmology(closed);
    oracle::assert_value_refused(fof.link(&Survey::new(&[0.0, 0.0], &[0.0, 0.0], &[0.1, 10.0])), "z", 1);
}

#[test]
fn one_long_reach_and_wide_angle_is_linked_too() {
    // A galaxy of very low completeness among others whose linking lengths are twenty times as small.
    let mut uniform = oracle::uniform(31);
    let mut columns = Columns::default();
    for i in 0..3000 {
        columns.ra.push(20.0 * uniform());
        columns.dec.push(10.0 * uniform());
        columns.z.push(0.08 + 0.03 * uniform());
        columns
            .completeness
            .push(if i % 700 == 3 { 1e-4 } else { 0.5 + 0.5 * uniform() });
    }
    let settings = Settings {
        b0: 0.08,
        r0: 12.0,
        density: 5e-3,
        mass: 1e18,
        cosmology: Cosmology::default(),
        h: 1.0,
    };
    assert_eq!(link(&columns, settings), definition(&columns, settings));
}

proptest! {
    #![proptest_config(oracle::fixed_cases(128))]

    #[test]
    fn links_are_the_pairs_of_the_definition(columns in columns(), settings in settings()) {
        let s = settings;
        let fof = RedshiftFof::new(s.b0, s.r0, Density::Constant(s.density)).cosmology(s.cosmology).max_mass_msun(s.mass);
        let found = fof.links(&columns.survey()).unwrap();
        // Pairs of friends: what the definition groups when there are only two galaxies.
        let mut expected = Vec::new();
        let n = columns.z.len().min(40);
        for i in 0..n {
            for j in i + 1..n {
                let pick = |column: &[f64]| vec![column[i], column[j]];
                let two = Columns {
                    ra: pick(&columns.ra),
                    dec: pick(&columns.dec),
                    z: pick(&columns.z),
                    completeness: pick(&columns.completeness),
                };
                if definition(&two, s) == [0, 0] {
                    expected.push([i as u32, j as u32]);
                }
            }
        }
        let found: Vec<[u32; 2]> = found.outer_iter().map(|link| [link[0], link[1]]).collect();
        prop_assert!(found.is_sorted() && found.windows(2).all(|links| links[0] != links[1]));
        let among_first: Vec<[u32; 2]> = found.into_iter().filter(|link| (link[1] as usize) < n).collect();
        prop_assert_eq!(among_first, expected);
    }
}
