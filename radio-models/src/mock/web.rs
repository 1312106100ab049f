//! A mock universe.

use ndarray::{Array2, Array3};

use super::fourier::Fourier;
use super::{WebMock, field, galaxies, tidal, zeldovich};
use crate::error::Result;

/// A mock of the cosmic web: galaxies and their classes. [`WebMock::make`] makes it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Web {
    /// Where galaxies seem to be, in Mpc/h, `(n, 3)`: in the periodic box, each from 0 to its size; with a survey, from the observer.
    pub positions: Array2<f64>,
    /// How far each galaxy has moved since the beginning, ψ in Mpc/h, `(n, 3)`. Its velocity is f H times as much, with the
    /// [rate of growth](WebMock::growth_rate) f.
    pub displacements: Array2<f32>,
    /// The true class of each galaxy, `(n)`, that of the cell where it is in real space: the place of its name in [`CLASSES`](crate::web::CLASSES).
    pub classes: Vec<u8>,
    /// The part of the box that is in each class.
    pub volume_fractions: [f64; 4],
    /// The class of each cell, `(cells, cells, cells)`.
    pub cells: Array3<u8>,
    /// The smoothed overdensity at the centre of each cell, `(cells, cells, cells)`.
    pub density: Array3<f32>,
    /// Length of a side of the box in Mpc/h.
    pub box_size_mpc_h: f64,
}

impl WebMock {
    /// Makes the universe and its galaxies.
    ///
    /// Everything is a function of the options: the same on any number of threads. Between processors with other instructions the
    /// last bits differ.
    ///
    /// # Errors
    ///
    /// [`Error::Option`](crate::Error::Option) for an option out of its range, before any work is done.
    ///
    /// # Complexity
    ///
    /// O(n³ log n) for n cells per side, and O(galaxies), in parallel; galaxies of a high bias take longer, each 50
    /// times as long with one of 3 as with one of 1. Memory of 29 n³ bytes, and 100 for each galaxy.
    ///
    /// # References
    ///
    /// EisensteinHu1998, Zeldovich1970, Hockney1988, Hahn2007 and ForeroRomero2009.
    pub fn make(&self) -> Result<Web> {
        self.check()?;
        let fourier = Fourier::new(self.cells, self.box_size_mpc_h);
        let linear = field::linear(self, &fourier);
        let displacement = zeldovich::displacement(&fourier, linear, self.cells);
        let modes = zeldovich::moved(&fourier, &displacement, self.box_size_mpc_h);
        let web = tidal::web(&fourier, modes, self.cells, self.smoothing_mpc_h, self.threshold);
        let galaxies = galaxies::draw(self, &displacement, &web);
        let shape = (galaxies.len(), 3);
        Ok(Web {
            positions: Array2::from_shape_fn(shape, |(row, axis)| galaxies[row].position[axis]),
            displacements: Array2::from_shape_fn(shape, |(row, axis)| galaxies[row].displacement[axis] as f32),
            classes: galaxies.iter().map(|galaxy| galaxy.class).collect(),
            volume_fractions: web.volume_fractions,
            cells: web.classes,
            density: web.density,
            box_size_mpc_h: self.box_size_mpc_h,
        })
    }
}
