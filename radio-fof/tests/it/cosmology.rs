use radio_fof::Cosmology;

use crate::oracle;

/// H0, Ω_m, Ω_Λ, z, E(z), comoving distance and transverse comoving distance in Mpc.
///
/// Made with astropy 8.0.2 and scipy 1.17.1 (`pip install astropy scipy`):
/// `c = LambdaCDM(H0, Om, Ol, Tcmb0=0); c.efunc(z), c.comoving_distance(z), c.comoving_transverse_distance(z)`.
/// Tolerance 1e-8: scipy's quadrature aims at 1.5e-8 and is usually far better.
#[rustfmt::skip]
const ASTROPY: [(f64, f64, f64, f64, f64, f64, f64); 36] = [
    (70.0, 0.3, 0.7, 1e-06, 1.0000004500003488, 0.004282748438078205, 0.004282748438078205),
    (70.0, 0.3, 0.7, 0.003, 1.0013531385580212, 12.83957001521992, 12.83957001521992),
    (70.0, 0.3, 0.7, 0.1, 1.048475083156486, 418.4544876277019, 418.4544876277019),
    (70.0, 0.3, 0.7, 1.0, 1.7606816861659007, 3303.8288058874678, 3303.8288058874678),
    (70.0, 0.3, 0.7, 10.0, 20.0, 9440.249626400235, 9440.249626400235),
    (70.0, 0.3, 0.7, 1100.0, 20009.747399704975, 13683.510509942074, 13683.510509942074),
    (100.0, 0.25, 0.75, 1e-06, 1.0000003750003046, 0.0029979240191501623, 0.0029979240191501623),
    (100.0, 0.25, 0.75, 0.003, 1.0011277424734568, 8.988710325676589, 8.988710325676589),
    (100.0, 0.25, 0.75, 0.1, 1.0405527377312502, 294.01997616789794, 294.01997616789794),
    (100.0, 0.25, 0.75, 1.0, 1.6583123951777, 2385.626164142441, 2385.626164142441),
    (100.0, 0.25, 0.75, 10.0, 18.261982367749674, 7051.3465312928365, 7051.3465312928365),
    (100.0, 0.25, 0.75, 1100.0, 18266.31670589339, 10304.998968759044, 10304.998968759044),
    (67.66, 0.30966, 0.69034, 1e-06, 1.0000004644903566, 0.0044308659208068596, 0.0044308659208068596),
    (67.66, 0.30966, 0.69034, 0.003, 1.0013966792339686, 13.283333841345081, 13.283333841345081),
    (67.66, 0.30966, 0.69034, 0.1, 1.0499987904754937, 432.6147971862814, 432.6147971862814),
    (67.66, 0.30966, 0.69034, 1.0, 1.779780885390109, 3398.7181014803045, 3398.7181014803045),
    (67.66, 0.30966, 0.69034, 10.0, 20.318656451645616, 9656.045203766527, 9656.045203766527),
    (67.66, 0.30966, 0.69034, 1100.0, 20329.351900097554, 13977.067849048019, 13977.067849048019),
    (70.0, 0.3, 0.5, 1e-06, 1.0000006500003387, 0.004282748008196442, 0.004282748008196585),
    (70.0, 0.3, 0.5, 0.003, 1.001953046853993, 12.835724406547149, 12.835728249761521),
    (70.0, 0.3, 0.5, 0.1, 1.0683164325236227, 414.49900495781395, 414.6284378265114),
    (70.0, 0.3, 0.5, 1.0, 1.9235384061671343, 3124.866005763928, 3180.615303186969),
    (70.0, 0.3, 0.5, 10.0, 20.591260281974, 8867.179237531349, 10189.654434136044),
    (70.0, 0.3, 0.5, 1100.0, 20015.804530420453, 13064.31034410156, 17510.745307573306),
    (70.0, 0.4, 0.8, 1e-06, 1.00000040000042, 0.004282748547720567, 0.004282748547720424),
    (70.0, 0.4, 0.8, 0.003, 1.0012037808558256, 12.840529250291578, 12.840525402760345),
    (70.0, 0.4, 0.8, 0.1, 1.044222198576529, 419.3649029448013, 419.2308834360985),
    (70.0, 0.4, 0.8, 1.0, 1.7888543819998317, 3306.41572748544, 3241.115169374057),
    (70.0, 0.4, 0.8, 10.0, 22.561028345356956, 9009.54339748532, 7738.0845456000525),
    (70.0, 0.4, 0.8, 1100.0, 23100.0190692562, 12715.918418071566, 9295.22604579039),
    (70.0, 1.0, 0.0, 1e-06, 1.0000015000003748, 0.004282746187300069, 0.004282746187300069),
    (70.0, 1.0, 0.0, 0.003, 1.0045033733143955, 12.819411723744322, 12.819411723744322),
    (70.0, 1.0, 0.0, 0.1, 1.153689732987167, 398.6161359719868, 398.6161359719868),
    (70.0, 1.0, 0.0, 1.0, 2.8284271247461903, 2508.7765142747644, 2508.7765142747644),
    (70.0, 1.0, 0.0, 10.0, 36.4828726939094, 5982.90373983278, 5982.90373983278),
    (70.0, 1.0, 0.0, 1100.0, 36532.6333707276, 8307.356604689317, 8307.356604689317),
];

#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (found / expected - 1.0).abs() < tolerance,
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn distances_are_those_of_astropy() {
    for (h0, omega_m, omega_lambda, z, e, distance, transverse) in ASTROPY {
        let cosmology = Cosmology::new(h0, omega_m, omega_lambda).unwrap();
        let what = format!("{cosmology:?} at z = {z}");
        assert_close(cosmology.e(z), e, 1e-14, &what);
        assert_close(cosmology.hubble_km_s_mpc(z), h0 * e, 1e-14, &what);
        assert_close(cosmology.comoving_distance_mpc(z), distance, 1e-8, &what);
        assert_close(cosmology.transverse_comoving_distance_mpc(z), transverse, 1e-8, &what);
    }
}

/// H0, Ω_m, Ω_Λ, z, luminosity distance in Mpc, distance modulus, comoving volume per steradian between z / 2 and z in
/// Mpc³.
///
/// Made as above, with `c.luminosity_distance(z), c.distmod(z), (c.comoving_volume(z) - c.comoving_volume(z / 2)) / (4π)`.
/// Tolerance 1e-8 as above; for volumes in curved universes 1e-6, since astropy's closed form loses digits at small z.
#[rustfmt::skip]
const ASTROPY_LUMINOSITY: [(f64, f64, f64, f64, f64, f64, f64); 12] = [
    (70.0, 0.3, 0.7, 0.01, 43.158235071933476, 33.17531838091248, 22745.88704962604),
    (70.0, 0.3, 0.7, 0.5, 2832.9380939001253, 42.2611854215409, 1903976368.8805954),
    (70.0, 0.3, 0.7, 3.0, 25422.741745189862, 47.026111928689645, 57878101245.54621),
    (67.66, 0.30966, 0.69034, 0.01, 44.64761507872728, 33.248991326670264, 25182.560096215206),
    (67.66, 0.30966, 0.69034, 0.5, 2921.165892490943, 42.327781105900996, 2085699689.1040044),
    (67.66, 0.30966, 0.69034, 3.0, 26056.4056443147, 47.07957253337899, 62118856416.79945),
    (70.0, 0.3, 0.5, 0.01, 43.11545376543675, 33.17316480580593, 22673.340892372256),
    (70.0, 0.3, 0.5, 0.5, 2744.9419675834683, 42.192665836053166, 1700176313.8702679),
    (70.0, 0.3, 0.5, 3.0, 25268.79558949686, 47.01292271112292, 51344418217.898994),
    (70.0, 0.4, 0.8, 0.01, 43.16874180631607, 33.17584695459277, 22763.829592629783),
    (70.0, 0.4, 0.8, 0.5, 2828.5601000859456, 42.25782705442826, 1916531717.2709544),
    (70.0, 0.4, 0.8, 3.0, 23167.93375202964, 46.82443651333779, 47584036918.64794),
];

#[test]
fn luminosity_distances_moduli_and_volumes_are_those_of_astropy() {
    for (h0, omega_m, omega_lambda, z, distance, modulus, volume) in ASTROPY_LUMINOSITY {
        let cosmology = Cosmology::new(h0, omega_m, omega_lambda).unwrap();
        let what = format!("{cosmology:?} at z = {z}");
        assert_close(cosmology.luminosity_distance_mpc(z), distance, 1e-8, &what);
        assert_close(cosmology.distance_modulus(z), modulus, 1e-9, &what);
        assert_close(cosmology.comoving_volume_mpc3_per_sr(0.5 * z, z), volume, 1e-6, &what);
    }
}

#[test]
fn redshifts_are_found_again() {
    for (h0, omega_m, omega_lambda) in [(70.0, 0.3, 0.7), (70.0, 0.3, 0.5), (70.0, 0.4, 0.8), (100.0, 1.0, 0.0)] {
        let cosmology = Cosmology::new(h0, omega_m, omega_lambda).unwrap();
        for z in [1e-6, 0.003, 0.1, 1.0, 8.0, 1100.0] {
            let what = format!("{cosmology:?} at z = {z}");
            let distance = cosmology.comoving_distance_mpc(z);
            assert_close(cosmology.redshift_at_comoving_distance_mpc(distance), z, 1e-9, &what);
            let modulus = cosmology.distance_modulus(z);
            assert_close(cosmology.redshift_at_distance_modulus(modulus), z, 1e-9, &what);
        }
        assert_eq!(cosmology.redshift_at_comoving_distance_mpc(0.0), 0.0);
        for nowhere in [-1.0, 1e9, f64::NAN, f64::INFINITY] {
            assert!(
                cosmology.redshift_at_comoving_distance_mpc(nowhere).is_nan(),
                "{nowhere}"
            );
        }
        assert!(cosmology.redshift_at_distance_modulus(100.0).is_nan());
    }
    // Where spheres shrink again beyond the equator, near redshifts are found all the same.
    let closed = Cosmology::new(70.0, 0.05, 1.2).unwrap();
    assert_close(
        closed.redshift_at_distance_modulus(closed.distance_modulus(0.1)),
        0.1,
        1e-9,
        "closed",
    );
}

#[test]
fn closed_forms() {
    // Matter only: D = 2c/H0 (1 - (1 + z)^(-1/2)). Empty: D_M = c/H0 (z + z²/2) / (1 + z) (Milne).
    let hubble_distance = 299_792.458 / 70.0;
    let matter = Cosmology::flat(70.0, 1.0).unwrap();
    let empty = Cosmology::new(70.0, 0.0, 0.0).unwrap();
    for z in [1e-9, 0.01_f64, 0.5, 3.0, 30.0] {
        let width = -(-0.5 * z.ln_1p()).exp_m1();
        assert_close(
            matter.comoving_distance_mpc(z),
            2.0 * hubble_distance * width,
            1e-13,
            "matter",
        );
        let milne = hubble_distance * z * (1.0 + 0.5 * z) / (1.0 + z);
        assert_close(empty.transverse_comoving_distance_mpc(z), milne, 1e-8, "empty");
    }
}

#[test]
fn accessors() {
    let cosmology = Cosmology::new(67.0, 0.25, 0.5).unwrap();
    assert_eq!(
        (cosmology.h0_km_s_mpc(), cosmology.omega_m(), cosmology.omega_lambda()),
        (67.0, 0.25, 0.5)
    );
    assert_eq!(cosmology.omega_k(), 0.25);
    assert_eq!(Cosmology::default(), Cosmology::flat(70.0, 0.3).unwrap());
}

#[test]
fn impossible_universes_are_refused() {
    #[track_caller]
    fn check(h0: f64, omega_m: f64, omega_lambda: f64, option: &str) {
        oracle::assert_option_refused(Cosmology::new(h0, omega_m, omega_lambda), option);
    }
    check(0.0, 0.3, 0.7, "h0_km_s_mpc");
    check(f64::NAN, 0.3, 0.7, "h0_km_s_mpc");
    check(70.0, -0.1, 0.7, "omega_m");
    check(70.0, 0.3, f64::INFINITY, "omega_lambda");
    check(70.0, 0.1, 2.0, "omega_lambda");
    check(70.0, 0.0, 1.1, "omega_lambda");
}
