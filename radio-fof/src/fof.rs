//! Friends of friends with one linking length.

use ndarray::Array1;
use rayon::prelude::*;

use crate::error::{Error, Result, check_option, check_rows};
use crate::grid::Grid;
use crate::labels::number_groups;
use crate::metric::Metric;
use crate::positions::{Coordinate, Points, Positions};
use crate::tree;

/// Squares of numbers within these bounds neither vanish nor overflow.
const SMALLEST: f64 = 1e-150;
const LARGEST: f64 = 1e150;

/// Friends-of-friends groups of points in three dimensions, with one linking length.
///
/// Two points are friends when their distance is *at most* the linking length; a group is everything that chains of
/// friends reach. The grouping is exact, so every correct implementation finds the same one.
///
/// # Examples
///
/// ```
/// use ndarray::array;
/// use radio_fof::Fof;
///
/// let xyz = array![[9.9, 5.0, 5.0], [0.1, 5.0, 5.0], [5.0, 5.0, 5.0]];
/// assert_eq!(Fof::new(0.5).link(xyz.view())?.to_vec(), [-1, -1, -1]);
/// assert_eq!(Fof::new(0.5).periodic(10.0).link(xyz.view())?.to_vec(), [0, 0, -1]);
/// assert_eq!(Fof::new(0.5).min_members(1).link(xyz.view())?.to_vec(), [0, 1, 2]);
/// # Ok::<(), radio_fof::Error>(())
/// ```
///
/// # References
///
/// Huchra & Geller 1982, ApJ 257, 423 (the method); Davis, Efstathiou, Frenk & White 1985, ApJ 292, 371 (in
/// simulations, where b = 0.2 mean separations is the custom).
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Fof {
    linking_length: f64,
    box_size: Option<f64>,
    min_members: usize,
}

impl Fof {
    /// Groups at this linking length, in the unit of the positions (not in mean separations). Between 1e-150 and 1e150.
    pub fn new(linking_length: f64) -> Self {
        Self {
            linking_length,
            box_size: None,
            min_members: 2,
        }
    }

    /// Makes space a periodic cube with sides of `box_size`, in the unit of the positions, which must then lie in
    /// [0, `box_size`]. Distances are taken the shortest way round. Default: open space.
    pub fn periodic(mut self, box_size: f64) -> Self {
        self.box_size = Some(box_size);
        self
    }

    /// Sets of fewer points than this are no groups. At least 1. Default: 2.
    pub fn min_members(mut self, min_members: usize) -> Self {
        self.min_members = min_members;
        self
    }

    /// Gives every point the number of its group.
    ///
    /// `positions` is a view of shape `(n, 3)` or three slices, Cartesian x, y and z in any one unit, see [`Positions`].
    /// The result has shape `(n,)`: groups count from 0 in the order of their first point, and -1 marks a point outside
    /// every group. It does not depend on the number of threads. Distances are computed in `f64`, whatever type the
    /// positions have.
    ///
    /// # Errors
    ///
    /// Before any work is done: [`Error::Option`] for an option out of range; [`Error::Shape`] or [`Error::Length`]
    /// unless there are three columns of one length; [`Error::Value`] for the first coordinate that is NaN, infinite,
    /// beyond ±1e150 or outside the periodic box; [`Error::TooManyRows`].
    ///
    /// # Complexity
    ///
    /// One sort of n keys, then O(n) for any usual distribution of points, however crowded; O(n) memory (55 to 75 bytes
    /// per point, with the result). Outliers, however far away, make no difference. Where the points fill more than
    /// 1.2 million linking lengths along an axis, or the box is as wide, a k-d tree replaces the grid, in
    /// O((n + pairs of friends) log n).
    #[expect(clippy::needless_pass_by_value, reason = "positions are references already")]
    pub fn link(&self, positions: impl Positions) -> Result<Array1<i64>> {
        self.check()?;
        let points = positions.points()?;
        check_rows(points.len())?;
        self.check_points(&points)?;
        if points.len() == 0 {
            return Ok(Array1::default(0));
        }
        let metric = Metric::new(self.linking_length, self.box_size);
        let roots = match Grid::new(&points, metric) {
            Some(grid) => grid.link(&points, metric)?,
            None => {
                let points: Vec<[f64; 3]> = (0..points.len()).map(|row| points.at(row)).collect();
                tree::link(&points, metric)?
            }
        };
        Ok(number_groups(&roots, self.min_members))
    }

    fn check(&self) -> Result<()> {
        let in_range = |value: f64| (SMALLEST..=LARGEST).contains(&value);
        let expected = "positive, between 1e-150 and 1e150";
        check_option(
            in_range(self.linking_length),
            "linking_length",
            self.linking_length,
            expected,
        )?;
        if let Some(box_size) = self.box_size {
            check_option(in_range(box_size), "box_size", box_size, expected)?;
        }
        check_option(self.min_members > 0, "min_members", self.min_members, "at least 1")
    }

    fn check_points<T: Coordinate>(&self, points: &Points<'_, T>) -> Result<()> {
        let in_space = |value: f64| match self.box_size {
            Some(box_size) => (0.0..=box_size).contains(&value),
            None => value.abs() <= LARGEST,
        };
        let bad_axis = |row: usize| points.at(row).into_iter().position(|value| !in_space(value));
        let Some((row, axis)) = (0..points.len())
            .into_par_iter()
            .find_map_first(|row| bad_axis(row).map(|axis| (row, axis)))
        else {
            return Ok(());
        };
        Err(Error::Value {
            column: ["x", "y", "z"][axis],
            row,
            value: points.at(row)[axis],
            expected: match self.box_size {
                Some(_) => "in [0, box_size]; drop the row or wrap the position",
                None => "finite and within ±1e150; drop the row or repair it",
            },
        })
    }
}
