//! Galaxies that follow the density.

use ndarray::Array3;
use rand::RngExt;
use rayon::prelude::*;

use super::random::{Purpose, stream};
use super::survey::{Mask, dot, unit};
use super::tidal::TidalWeb;
use super::zeldovich::{Between, wrap};
use super::{RedshiftSpace, WebMock};

/// The least 1 + δ that counts, so that a power of it is finite.
const LEAST: f64 = 0.1;

/// One galaxy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Galaxy {
    /// Where it seems to be, in Mpc/h: in the box, or from the observer.
    pub(super) position: [f64; 3],
    /// ψ in Mpc/h.
    pub(super) displacement: [f64; 3],
    pub(super) class: u8,
}

/// Draws the galaxies that are seen, in the order of their numbers.
///
/// O(galaxies times tries), the tries being the highest weight over the mean one of matter. With the other options as they are by
/// default: 10 for a bias of 0, 1 for one of 1, 3.5 for 1.5, 9 for 2 and 50 for 3.
pub(super) fn draw(options: &WebMock, displacement: &[Array3<f32>; 3], web: &TidalWeb) -> Vec<Galaxy> {
    let law = Law::new(options, displacement, web);
    let mask = options.survey.as_ref().map(|survey| Mask::new(survey, options.seed));
    let galaxies = (0..options.galaxies).into_par_iter().filter_map(|number| {
        let mut galaxy = law.draw(number);
        match &mask {
            None => {
                let seen = redshifted(options, galaxy.position, galaxy.displacement);
                galaxy.position = seen.map(|x| wrap(x, options.box_size_mpc_h));
            }
            Some(mask) => {
                galaxy.position = redshifted(options, mask.relative(galaxy.position), galaxy.displacement);
                if !mask.has(number, galaxy.position) {
                    return None;
                }
            }
        }
        Some(galaxy)
    });
    galaxies.collect()
}

/// Where a galaxy seems to be.
fn redshifted(options: &WebMock, position: [f64; 3], displacement: [f64; 3]) -> [f64; 3] {
    let sight = match options.redshift_space {
        RedshiftSpace::Off => return position,
        RedshiftSpace::Axis(along) => std::array::from_fn(|axis| f64::from(u8::from(axis == along))),
        RedshiftSpace::LineOfSight => unit(position),
    };
    // Velocities are f H a ψ.
    let further = options.growth_rate() * dot(displacement, sight);
    std::array::from_fn(|axis| position[axis] + further * sight[axis])
}

/// How galaxies follow the density: places at random in the young universe are moved by ψ, and kept as often as δ tells.
struct Law<'a> {
    options: &'a WebMock,
    displacement: &'a [Array3<f32>; 3],
    web: &'a TidalWeb,
    /// The highest weight.
    most: f64,
}

impl<'a> Law<'a> {
    fn new(options: &'a WebMock, displacement: &'a [Array3<f32>; 3], web: &'a TidalWeb) -> Self {
        let mut law = Self {
            options,
            displacement,
            web,
            most: 0.0,
        };
        let weights = web
            .density
            .iter()
            .fold([f32::MAX, f32::MIN], |[least, most], &density| {
                [least.min(density), most.max(density)]
            });
        law.most = weights
            .map(|density| law.weight(density))
            .into_iter()
            .fold(0.0, f64::max);
        law
    }

    /// In the real space of the box. The galaxy is one of many that are the same on any number of threads.
    fn draw(&self, number: usize) -> Galaxy {
        let n = self.options.cells;
        let cell = self.options.box_size_mpc_h / n as f64;
        let mut random = stream(self.options.seed, Purpose::Galaxy, number);
        loop {
            let start = [(); 3].map(|()| random.random_range(0.0..n as f64));
            let displacement = self.displacement(start);
            let end: [f64; 3] = std::array::from_fn(|axis| wrap(start[axis] + displacement[axis] / cell, n as f64));
            let place = end.map(|x| x as usize);
            let weight = self.weight(self.web.density[place]);
            if random.random_range(0.0..1.0) * self.most <= weight {
                return Galaxy {
                    position: end.map(|x| x * cell),
                    displacement,
                    class: self.web.classes[place],
                };
            }
        }
    }

    /// ψ at a place, in cells from the corner, between the centres of eight cells.
    fn displacement(&self, place: [f64; 3]) -> [f64; 3] {
        let [xs, ys, zs] = place.map(|place| Between::new(place - 0.5, self.options.cells));
        let mut displacement = [0.0; 3];
        for (x, wx) in xs.cells() {
            for (y, wy) in ys.cells() {
                for (z, wz) in zs.cells() {
                    for (sum, axis) in displacement.iter_mut().zip(self.displacement) {
                        *sum += wx * wy * wz * f64::from(axis[[x, y, z]]);
                    }
                }
            }
        }
        displacement
    }

    /// How many more galaxies there are than matter.
    fn weight(&self, density: f32) -> f64 {
        (1.0 + f64::from(density)).max(LEAST).powf(self.options.bias - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::mock::{Field, Survey};

    /// Of a wave along y, wherever it is looked at.
    #[test]
    fn displacements_lie_between_those_of_cells() {
        let (cells, side) = (64, 64.0);
        let k = TAU / side;
        // Cells are 1 Mpc/h wide, and their centres half of it from the corner.
        let density = Array3::from_shape_fn([cells; 3], |(_, y, _)| (k * (y as f64 + 0.5)).cos() as f32);
        let field = Field::new(density, side).unwrap();
        let options = WebMock::default().with_cells(cells).with_box_size_mpc_h(side);
        let (displacement, web) = (field.displacement(), field.tidal_web(0.0, 0.2).unwrap());
        let law = Law::new(&options, &displacement, &web);
        for y in [0.0, 0.2, 3.5, 17.9, 63.99] {
            let [along, found, across] = law.displacement([63.7, y, 0.3]);
            // The chord is less than 1 / 800 of the height away from the curve.
            assert!((found + (k * y).sin() / k).abs() < 2e-3 / k, "{y}: {found}");
            assert!(along.abs() < 1e-4 && across.abs() < 1e-4);
        }
    }

    #[test]
    fn velocities_move_galaxies_along_the_line_of_sight() {
        let mock = WebMock::default().with_survey(Survey::default());
        let check = |space, position: [f64; 3], expected: [f64; 3]| {
            let options = mock.clone().with_redshift_space(space);
            let moved = redshifted(&options, position, [3.0, 0.0, 4.0]);
            let f = options.growth_rate();
            for axis in 0..3 {
                assert!(
                    (moved[axis] - position[axis] - f * expected[axis]).abs() < 1e-12,
                    "{space:?} {moved:?}"
                );
            }
        };
        check(RedshiftSpace::Off, [1.0, 2.0, 3.0], [0.0; 3]);
        check(RedshiftSpace::Axis(0), [1.0, 2.0, 3.0], [3.0, 0.0, 0.0]);
        check(RedshiftSpace::Axis(2), [1.0, 2.0, 3.0], [0.0, 0.0, 4.0]);
        check(RedshiftSpace::LineOfSight, [0.0, -7.0, 0.0], [0.0; 3]);
        check(RedshiftSpace::LineOfSight, [0.0, 0.0, -7.0], [0.0, 0.0, 4.0]);
        check(RedshiftSpace::LineOfSight, [5.0, 0.0, 5.0], [3.5, 0.0, 3.5]);
        // At the observer there is none.
        check(RedshiftSpace::LineOfSight, [0.0; 3], [0.0; 3]);
        assert!((mock.growth_rate() - 0.315f64.powf(0.55)).abs() < 1e-15);
    }
}
