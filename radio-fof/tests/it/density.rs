//! The running density is private; what can be seen is which constant density finds the same groups.

use radio_fof::{Cosmology, Density, RedshiftFof, Survey};

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
