//! Parts of space that do not know of each other.

use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::error::{Error, Result, check_shape};
use crate::split::Part;

/// Parts space into cubes for training, validation and tests, with gaps between them.
///
/// Neighbours share their surroundings, and mostly their class: a model that was trained on one galaxy and is judged by the next has been told the answer.
/// So galaxies closer than the buffer to a cube of another part are left out of training, or of validation; those for tests all stay.
///
/// # Examples
///
/// ```
/// use ndarray::array;
/// use radio_models::Part;
/// use radio_models::web::SpatialSplit;
///
/// let split = SpatialSplit::new(64.0, 8.0).with_fractions([0.7, 0.1]);
/// let parts = split.parts(array![[1.0, 2.0, 3.0], [63.0, 63.0, 63.0]].view())?;
/// assert!(parts.iter().all(|part| part.is_none_or(|part| part != Part::Validation)));
/// # Ok::<(), radio_models::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct SpatialSplit {
    cube: f64,
    buffer: f64,
    fractions: [f64; 2],
    seed: u64,
}

impl SpatialSplit {
    /// Cubes with edges and gaps of these lengths, in the unit of the positions.
    pub fn new(cube: f64, buffer: f64) -> Self {
        Self {
            cube,
            buffer,
            fractions: [0.7, 0.15],
            seed: 0,
        }
    }

    /// Fractions of the cubes for training and for validation; the rest is for tests. Default: 0.7 and 0.15.
    pub fn with_fractions(mut self, fractions: [f64; 2]) -> Self {
        self.fractions = fractions;
        self
    }

    /// Which cube is for what depends on it. Default: 0.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The part that each of the positions `(n, 3)` is in; `None` for the gaps.
    ///
    /// Of two parts that meet, the one in the order training, validation, tests that comes first has the gap.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where the cube is not above 0 or the buffer not from 0 to the cube's edge; [`Error::Shape`], [`Error::Position`].
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
    pub fn parts(&self, positions: ArrayView2<'_, f64>) -> Result<Vec<Option<Part>>> {
        if !(self.cube > 0.0 && self.cube.is_finite()) {
            return Err(Error::option("cube", self.cube, "above 0 and finite"));
        }
        if !(0.0..=self.cube).contains(&self.buffer) {
            return Err(Error::option("buffer", self.buffer, "from 0 to the edge of a cube"));
        }
        check_shape(
            "positions",
            positions.shape(),
            &[positions.nrows(), 3],
            "x, y and z for each point",
        )?;
        let rows = (0..positions.nrows()).into_par_iter();
        rows.map(|row| {
            let point = [0, 1, 2].map(|axis| positions[[row, axis]]);
            if !point.iter().all(|x| x.is_finite()) {
                return Err(Error::Position { row, found: point });
            }
            Ok(self.part(point))
        })
        .collect()
    }

    fn part(&self, point: [f64; 3]) -> Option<Part> {
        let own = point.map(|x| (x / self.cube).floor());
        let part = self.of_cube(own);
        for step in 0..27 {
            let steps = [step % 3, step / 3 % 3, step / 9].map(|step| f64::from(step) - 1.0);
            // The distance to the cube that many steps away.
            let away = [0, 1, 2].map(|axis| {
                let inside = point[axis] - own[axis] * self.cube;
                match steps[axis] {
                    step if step < 0.0 => inside,
                    step if step > 0.0 => self.cube - inside,
                    _ => 0.0,
                }
            });
            let other = [0, 1, 2].map(|axis| own[axis] + steps[axis]);
            let distance = away.iter().map(|x| x * x).sum::<f64>().sqrt();
            if distance < self.buffer && order(self.of_cube(other)) > order(part) {
                return None;
            }
        }
        Some(part)
    }

    fn of_cube(&self, cube: [f64; 3]) -> Part {
        let [x, y, z] = cube;
        Part::of(&format!("{x} {y} {z}"), self.seed, self.fractions)
    }
}

fn order(part: Part) -> u8 {
    match part {
        Part::Training => 0,
        Part::Validation => 1,
        Part::Test => 2,
    }
}
