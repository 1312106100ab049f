//! Matter that goes straight on (Zeldovich1970).

use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{Array3, Axis};
use rayon::prelude::*;
use realfft::num_complex::Complex;

use super::fourier::{Fourier, Modes};

/// The mass of a particle. Sums of whole numbers are the same in any order, and those of 2³² particles fit.
const MASS: f64 = (1u64 << 31) as f64;

/// The displacement along x, y and z in Mpc/h, at the centres of the cells.
pub(super) fn displacement(fourier: &Fourier, mut modes: Modes, cells: usize) -> [Array3<f32>; 3] {
    fourier.multiply(&mut modes, |k| Complex::i() / (k * k));
    let mut axes = [(); 3].map(|()| Array3::zeros([cells; 3]));
    let [x, y, z] = &mut axes;
    let planes = x.axis_iter_mut(Axis(0)).zip(y.axis_iter_mut(Axis(0)));
    let planes = planes.zip(z.axis_iter_mut(Axis(0))).map(|((x, y), z)| [x, y, z]);
    fourier.derivatives(
        modes,
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        planes.collect(),
        |from, to| {
            for (from, mut to) in from.iter().zip(to) {
                to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
            }
        },
    );
    axes
}

/// The modes of the overdensity of particles that were displaced from the centres of the cells, each a cloud of the size of a cell
/// (Hockney1988).
pub(super) fn moved(fourier: &Fourier, displacement: &[Array3<f32>; 3], box_size_mpc_h: f64) -> Modes {
    let n = displacement[0].dim().0;
    let masses: Vec<AtomicU64> = (0..n.pow(3)).into_par_iter().map(|_| AtomicU64::new(0)).collect();
    let per_mpc_h = n as f64 / box_size_mpc_h;
    (0..n).into_par_iter().for_each(|x| {
        let [dx, dy, dz] = displacement.each_ref().map(|axis| axis.index_axis(Axis(0), x));
        for (((y, z), dx), (dy, dz)) in dx.indexed_iter().zip(dy.iter().zip(dz)) {
            let place = |start: usize, moved: f32| start as f64 + f64::from(moved) * per_mpc_h;
            let [xs, ys, zs] = [place(x, *dx), place(y, *dy), place(z, *dz)].map(|place| Between::new(place, n));
            for (x, wx) in xs.cells() {
                for (y, wy) in ys.cells() {
                    for (z, wz) in zs.cells() {
                        let mass = (MASS * wx * wy * wz) as u64;
                        masses[(x * n + y) * n + z].fetch_add(mass, Ordering::Relaxed);
                    }
                }
            }
        }
    });
    fourier.forward(|x, plane| {
        for (to, mass) in plane.iter_mut().zip(&masses[x * n * n..]) {
            *to = (mass.load(Ordering::Relaxed) as f64 / MASS - 1.0) as f32;
        }
    })
}

/// A place between the centres of two cells of a periodic axis.
#[derive(Clone, Copy)]
pub(super) struct Between {
    cells: [usize; 2],
    /// How far it is from the first one, in cells.
    far: f64,
}

impl Between {
    /// `place` counts cells from the centre of the first one.
    pub(super) fn new(place: f64, cells: usize) -> Self {
        let before = place.floor();
        let first = wrap(before, cells as f64) as usize;
        let second = if first + 1 == cells { 0 } else { first + 1 };
        Self {
            cells: [first, second],
            far: place - before,
        }
    }

    /// The cells, and the weight of each.
    pub(super) fn cells(self) -> [(usize, f64); 2] {
        [(self.cells[0], 1.0 - self.far), (self.cells[1], self.far)]
    }
}

/// The same place in [0, size).
pub(super) fn wrap(place: f64, size: f64) -> f64 {
    let place = if place < 0.0 || place >= size {
        place - size * (place / size).floor()
    } else {
        place
    };
    // Rounding may reach the end, which is the beginning.
    if (0.0..size).contains(&place) { place } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stay_in_the_box() {
        for (place, expected) in [
            (0.0, 0.0),
            (7.5, 7.5),
            (8.0, 0.0),
            (-0.5, 7.5),
            (-16.5, 7.5),
            (25.0, 1.0),
            (-1e-20, 0.0),
        ] {
            assert_eq!(wrap(place, 8.0), expected, "{place}");
        }
        assert_eq!(wrap(f64::NAN, 8.0), 0.0);
    }

    #[test]
    fn clouds_lie_across_the_border() {
        let check =
            |place, expected: [(usize, f64); 2]| assert_eq!(Between::new(place, 4).cells(), expected, "{place}");
        check(1.25, [(1, 0.75), (2, 0.25)]);
        check(3.5, [(3, 0.5), (0, 0.5)]);
        check(-0.25, [(3, 0.25), (0, 0.75)]);
        check(8.0, [(0, 1.0), (1, 0.0)]);
    }

    /// One particle of 8³ moves by 1.25 cells along y, and all of them by 1.5 cells.
    #[test]
    fn mass_is_where_particles_are() {
        const N: usize = 8;
        let fourier = Fourier::new(N, 16.0);
        let density = |displacement: &[Array3<f32>; 3]| {
            let mut density = Array3::<f32>::zeros([N; 3]);
            let planes = density.axis_iter_mut(Axis(0)).collect();
            fourier.derivatives(
                moved(&fourier, displacement, 16.0),
                [[0; 3]],
                planes,
                |[from], mut to| {
                    to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
                },
            );
            density
        };
        let mut displacement = [(); 3].map(|()| Array3::zeros([N; 3]));
        assert!(density(&displacement).iter().all(|delta| delta.abs() < 1e-6));
        displacement[1][[2, 7, 4]] = 2.5;
        let one = density(&displacement);
        for (cell, &delta) in one.indexed_iter() {
            let expected = match cell {
                (2, 7, 4) => -1.0,
                (2, 0, 4) => 0.75,
                (2, 1, 4) => 0.25,
                _ => 0.0,
            };
            assert!((delta - expected).abs() < 1e-5, "{cell:?}: {delta}");
        }
        displacement[1].fill(3.0);
        assert!(density(&displacement).iter().all(|delta| delta.abs() < 1e-6));
    }
}
