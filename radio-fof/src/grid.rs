//! Friends of friends with one linking length, on a grid.
//!
//! Cells are so small that all points of a cell are friends. What is left is to find out which cells touch, and one
//! pair of friends settles that: crowded places, where the naive search drowns in pairs, become the cheap ones.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rayon::prelude::*;

use crate::cells::{Cells, Keys, MAX_CELLS, MAX_REACH, pieces};
use crate::error::{Result, check_rows};
use crate::metric::Metric;
use crate::near::any_friends;
use crate::positions::{Coordinate, Points};
use crate::sets::DisjointSets;

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
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    axes: [Axis; 3],
    side: f64,
    /// Number of cells along an axis.
    cells: u64,
    /// Cells of friends are at most this far apart along an axis.
    reach: u64,
    is_periodic: bool,
}

/// The cells along an axis: stretches of it that have points, and no more of what is between them than keeps them apart. So a
/// fill value, however far away, needs no cells.
#[derive(Clone, Debug)]
struct Axis {
    /// Where each stretch begins, and the number of its first cell.
    stretches: Vec<(f64, u64)>,
}

impl Grid {
    /// The grid for linking points at the length of `metric`; `None` if its coordinates would not fit in the keys.
    pub(crate) fn new<T: Coordinate>(points: &Points<'_, T>, metric: Metric) -> Option<Self> {
        const MOST: u64 = MAX_CELLS - MAX_REACH;
        let side = metric.length() / 3_f64.sqrt() * (1.0 - MARGIN);
        let from = |start: f64| Axis {
            stretches: vec![(start, 0)],
        };
        if let Some(box_size) = metric.box_size() {
            let cells = (box_size / side).ceil();
            let side = box_size / cells;
            return (cells <= MOST as f64).then(|| Self {
                axes: [0.0; 3].map(from),
                side,
                cells: cells as u64,
                reach: reach(metric.length(), side),
                is_periodic: true,
            });
        }
        let (low, high) = bounds(points);
        let widest = (0..3).map(|axis| (high[axis] - low[axis]) / side).fold(0.0, f64::max);
        let (axes, cells) = if widest < (MOST - 1) as f64 {
            (low.map(from), widest as u64 + 1)
        } else {
            let stretched = [0, 1, 2].map(|axis| Axis::stretched(points, axis, metric.length(), side));
            let cells = stretched.iter().map(|(_, cells)| *cells).max().unwrap_or_default();
            (stretched.map(|(axis, _)| axis), cells)
        };
        (cells <= MOST).then(|| Self {
            axes,
            side,
            cells,
            reach: reach(metric.length(), side),
            is_periodic: false,
        })
    }

    /// Links the points: the result has a number for each, which is the same for all of a group and below their
    /// number.
    pub(crate) fn link<T: Coordinate>(&self, points: &Points<'_, T>, metric: Metric) -> Result<Vec<u32>> {
        let rows = points.len();
        let keys = Keys::new(self.cells + self.reach);
        let images = self.images(points, keys);
        check_rows(rows + images.len())?;
        let cells = Cells::new(keys, rows, |row| keys.key(self.cell(&points.at(row))), &images);
        let sets = DisjointSets::new(cells.len());
        // Copied in the order of cells, so that neighbours are near in memory.
        let sorted: Vec<[f64; 3]> = cells.order().par_iter().map(|&row| points.at(row as usize)).collect();
        let members = |cell: usize| &sorted[cells.slots(cell)];
        let visit = |a: usize, b: usize| {
            let touch = || any_friends(members(a), members(b), metric);
            if !sets.are_joined(a as u32, b as u32) && touch() {
                sets.unite(a as u32, b as u32);
            }
        };
        cells.near_pairs_within(self.reach, visit);
        // In crowded places most blocks are of one group by now; if it is the same group, there is nothing to find out.
        let whole = |mut block: Range<usize>| {
            let root = sets.find(block.start as u32);
            block.all(|cell| sets.find(cell as u32) == root).then_some(root)
        };
        let wholes: Vec<Option<u32>> = cells.blocks().map(whole).collect();
        let are_joined = |a: usize, b: usize| match (wholes[a], wholes[b]) {
            (Some(a), Some(b)) => sets.are_joined(a, b),
            _ => false,
        };
        cells.near_pairs_between(self.reach, are_joined, visit);
        images.par_iter().for_each(|&(key, row)| {
            let own = keys.key(self.cell(&points.at(row as usize)));
            if let (Some(image), Some(own)) = (cells.find(key), cells.find(own)) {
                sets.unite(image as u32, own as u32);
            }
        });

        drop(sorted);
        let roots: Vec<AtomicU32> = (0..rows).into_par_iter().map(|_| AtomicU32::new(0)).collect();
        pieces(cells.len()).for_each(|piece| {
            for cell in piece {
                // There can be more cells than points: a group is known by a point, the first one of its first cell.
                let root = cells.order()[cells.slots(sets.find(cell as u32) as usize).start];
                for &row in &cells.order()[cells.slots(cell)] {
                    roots[row as usize].store(root, Relaxed);
                }
            }
        });
        Ok(roots.into_iter().map(AtomicU32::into_inner).collect())
    }

    /// In a periodic box, the points near its lower faces once more, beyond the upper ones: their keys and rows.
    fn images<T: Coordinate>(&self, points: &Points<'_, T>, keys: Keys) -> Vec<(u64, u32)> {
        if !self.is_periodic {
            return Vec::new();
        }
        let images_of = |piece: Range<usize>| {
            let mut images = Vec::new();
            for row in piece {
                let point = points.at(row);
                // Almost no point is near a lower face.
                if point.iter().all(|&x| x > (self.reach + 1) as f64 * self.side) {
                    continue;
                }
                let cell = self.cell(&point);
                // A bit of `axes` for each axis along which the image is moved.
                let is_near = |axes: &u64| (0..3).all(|axis| axes >> axis & 1 == 0 || cell[axis] < self.reach);
                let image = |axes: u64| [0, 1, 2].map(|axis| cell[axis] + (axes >> axis & 1) * self.cells);
                images.extend((1..8).filter(is_near).map(|axes| (keys.key(image(axes)), row as u32)));
            }
            images
        };
        pieces(points.len()).map(images_of).collect::<Vec<_>>().concat()
    }

    #[inline]
    fn cell(&self, point: &[f64; 3]) -> [u64; 3] {
        let along = |axis: usize| self.axes[axis].cell(point[axis], self.side).min(self.cells - 1);
        [along(0), along(1), along(2)]
    }
}

impl Axis {
    /// Stretches between gaps of more than a linking length, and the number of cells of all.
    fn stretched<T: Coordinate>(points: &Points<'_, T>, axis: usize, length: f64, side: f64) -> (Self, u64) {
        let mut values: Vec<f64> = (0..points.len())
            .into_par_iter()
            .map(|row| points.at(row)[axis])
            .collect();
        values.par_sort_unstable_by(f64::total_cmp);
        let mut stretches: Vec<(f64, u64)> = Vec::new();
        let (mut last, mut cells) = (f64::NEG_INFINITY, 0);
        for value in values {
            match stretches.last() {
                // The quotient may be too large for an integer: then it is the largest one, and the grid too large.
                Some(&(start, first)) if value - last <= length => {
                    cells = (((value - start) / side) as u64)
                        .saturating_add(first)
                        .saturating_add(1);
                }
                _ => {
                    let first = if stretches.is_empty() {
                        0
                    } else {
                        cells.saturating_add(MAX_REACH)
                    };
                    stretches.push((value, first));
                    cells = first.saturating_add(1);
                }
            }
            last = value;
        }
        (Self { stretches }, cells)
    }

    #[inline]
    fn cell(&self, x: f64, side: f64) -> u64 {
        let (start, first) = match &self.stretches[..] {
            [only] => *only,
            many => many[many.partition_point(|(start, _)| *start <= x).saturating_sub(1)],
        };
        first + ((x - start) / side) as u64
    }
}

/// The smallest and the largest coordinates.
fn bounds<T: Coordinate>(points: &Points<'_, T>) -> ([f64; 3], [f64; 3]) {
    let none = || ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    let join = |(low, high): ([f64; 3], [f64; 3]), (other_low, other_high): ([f64; 3], [f64; 3])| {
        (
            [0, 1, 2].map(|axis| f64::min(low[axis], other_low[axis])),
            [0, 1, 2].map(|axis| f64::max(high[axis], other_high[axis])),
        )
    };
    pieces(points.len())
        .map(|piece| {
            piece.fold(none(), |bounds, row| {
                let point = points.at(row);
                join(bounds, (point, point))
            })
        })
        .reduce(none, join)
}
