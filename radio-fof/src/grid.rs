//! Friends of friends with one linking length, on a grid.
//!
//! Cells are so small that all points of a cell are friends. What is left is to find out which cells touch, and one
//! pair of friends settles that: crowded places, where the naive search drowns in pairs, become the cheap ones.

use rayon::prelude::*;

use crate::cells::{Cells, MAX_CELLS, pieces};
use crate::labels::number_groups;
use crate::metric::Metric;
use crate::sets::DisjointSets;

use ndarray::Array1;

/// Cells are smaller than b / √3, whose diagonal is b, by this part of it. It covers the rounding of the quotients
/// that become cell coordinates (at most 2^21 · 2^-52) a thousand times over.
const MARGIN: f64 = 1e-6;

/// How many cells apart, along an axis, the cells of friends can be.
///
/// Two points whose cells are n apart are more than n - 1 cells apart. A linking length is √3 cells, so that is 2, in
/// open space and in large boxes. A periodic box holds a whole number of cells, which makes them smaller, up to 6 / 5
/// times where there are 6 (fewer are all within 2 of each other): then a linking length can be more than 2 cells, but
/// never more than 3.
fn reach(length: f64, side: f64) -> u64 {
    if length * (1.0 + MARGIN) < 2.0 * side { 2 } else { 3 }
}

/// A grid that fits a set of points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    origin: [f64; 3],
    side: f64,
    /// Cells of friends are at most this far apart along an axis.
    reach: u64,
    /// Number of cells along an axis, where the box is periodic.
    wraps: Option<u64>,
}

impl Grid {
    /// The grid for linking `points` at the length of `metric`; `None` if its coordinates would not fit in the keys.
    pub(crate) fn new(points: &[[f64; 3]], metric: Metric) -> Option<Self> {
        let side = metric.length() / 3_f64.sqrt() * (1.0 - MARGIN);
        if let Some(box_size) = metric.box_size() {
            let cells = (box_size / side).ceil();
            let fits = cells <= MAX_CELLS as f64;
            let side = box_size / cells;
            return fits.then(|| Self {
                origin: [0.0; 3],
                side,
                reach: reach(metric.length(), side),
                wraps: Some(cells as u64),
            });
        }
        let mut low = [f64::INFINITY; 3];
        let mut high = [f64::NEG_INFINITY; 3];
        for point in points {
            for axis in 0..3 {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        let fits = (0..3).all(|axis| (high[axis] - low[axis]) / side < (MAX_CELLS - 1) as f64);
        fits.then_some(Self {
            origin: low,
            side,
            reach: reach(metric.length(), side),
            wraps: None,
        })
    }

    /// Links the points and numbers the groups.
    pub(crate) fn link(&self, points: &[[f64; 3]], metric: Metric, min_members: usize) -> Array1<i64> {
        let key_of = |(i, point): (usize, &[f64; 3])| (Cells::key(self.cell(point)), i as u32);
        let cells = Cells::new(points.par_iter().enumerate().map(key_of).collect());
        let sorted: Vec<[f64; 3]> = cells.order().par_iter().map(|&i| points[i as usize]).collect();

        let sets = DisjointSets::new(cells.len());
        let visit = |a: usize, b: usize| {
            let are_joined = || sets.find(a as u32) == sets.find(b as u32);
            let touch = || {
                sorted[cells.slots(a)]
                    .iter()
                    .any(|p| sorted[cells.slots(b)].iter().any(|q| metric.are_friends(p, q)))
            };
            if !are_joined() && touch() {
                sets.unite(a as u32, b as u32);
            }
        };
        pieces(cells.len()).for_each(|piece| cells.near_pairs(piece, self.reach, visit));
        if let Some(side) = self.wraps {
            cells.wrapped_pairs(side, self.reach, visit);
        }

        let mut roots = vec![0; points.len()];
        for cell in 0..cells.len() {
            let root = sets.find(cell as u32);
            for &point in &cells.order()[cells.slots(cell)] {
                roots[point as usize] = root;
            }
        }
        number_groups(&roots, cells.len(), min_members)
    }

    fn cell(&self, point: &[f64; 3]) -> [u64; 3] {
        let last = self.wraps.map_or(MAX_CELLS, |cells| cells) - 1;
        [0, 1, 2].map(|axis| (((point[axis] - self.origin[axis]) / self.side) as u64).min(last))
    }
}
