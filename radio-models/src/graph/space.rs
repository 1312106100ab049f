//! Points in space, and who is near to whom.

use std::num::NonZeroUsize;

use kiddo::{ImmutableKdTree, SquaredEuclidean};
use ndarray::ArrayView2;
use rayon::prelude::*;

use super::check_nodes;
use crate::error::{Error, Result, check_shape};

/// Points in an order in which those that follow each other are close: what one looks at is in the cache for the next.
pub(crate) struct Space {
    points: Vec<[f64; 3]>,
    /// The number of each.
    order: Vec<u32>,
}

impl Space {
    pub(crate) fn new(positions: &ArrayView2<'_, f64>) -> Result<Self> {
        let rows = positions.nrows();
        check_shape("positions", positions.shape(), &[rows, 3], "x, y and z for each point")?;
        check_nodes(rows)?;
        let point = |row: usize| [0, 1, 2].map(|axis| positions[[row, axis]]);
        if let Some(row) = (0..rows).find(|&row| !point(row).iter().all(|x| x.abs() < LARGEST)) {
            return Err(Error::Position { row, found: point(row) });
        }
        let (mut least, mut most) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for row in 0..rows {
            let point = point(row);
            for axis in 0..3 {
                least[axis] = least[axis].min(point[axis]);
                most[axis] = most[axis].max(point[axis]);
            }
        }
        let size = (0..3)
            .map(|axis| most[axis] / 2.0 - least[axis] / 2.0)
            .fold(0.0, f64::max);
        let mut order: Vec<(u64, u32)> = (0..rows)
            .into_par_iter()
            .map(|row| {
                let cell = [0, 1, 2].map(|axis| ((point(row)[axis] / 2.0 - least[axis] / 2.0) / size * CELLS) as u64);
                (
                    spread(cell[0]) | spread(cell[1]) << 1 | spread(cell[2]) << 2,
                    row as u32,
                )
            })
            .collect();
        order.par_sort_unstable();
        Ok(Self {
            points: order.iter().map(|&(_, row)| point(row as usize)).collect(),
            order: order.into_iter().map(|(_, row)| row).collect(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.points.len()
    }

    /// The points, in this order.
    pub(crate) fn points(&self) -> &[[f64; 3]] {
        &self.points
    }

    /// The row of each point.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// `None` where nobody has a neighbour.
    pub(crate) fn near(&self) -> Result<Option<Near<'_>>> {
        if self.len() < 2 {
            return Ok(None);
        }
        let tree = ImmutableKdTree::new_from_slice(&self.points);
        let tree = tree.map_err(|e| Error::execution("building a k-d tree", format!("{e:?}")))?;
        Ok(Some(Near { space: self, tree }))
    }
}

/// Who is near to whom.
pub(crate) struct Near<'a> {
    space: &'a Space,
    tree: ImmutableKdTree<f64, 3>,
}

impl Near<'_> {
    /// The squared distances and the places of the `k` points nearest to the one in this place, the nearest first and of equal distances the one
    /// with the smaller row, without itself.
    pub(crate) fn nearest(&self, at: usize, k: usize, others: &mut Vec<(f64, u32)>) {
        others.clear();
        let Some(count) = NonZeroUsize::new(k.saturating_add(1).min(self.space.len())) else {
            return;
        };
        let query = self.tree.query(&self.space.points[at]);
        let found = query.nearest_n::<SquaredEuclidean<f64>>(count).execute();
        let found = found.iter().map(|near| (near.distance, near.item));
        // Among many equal points the point itself may be one of those that are left out.
        others.extend(found.filter(|near| near.1 as usize != at));
        let row = |place: u32| self.space.order[place as usize];
        others.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(row(a.1).cmp(&row(b.1))));
        others.truncate(k);
    }

    /// Visits the squared distances and the places of all points not farther than `radius` from the one in this place, without itself.
    pub(crate) fn within(&self, at: usize, radius: f64, mut visit: impl FnMut(f64, usize)) {
        let query = self.tree.query(&self.space.points[at]);
        let found = query
            .within::<SquaredEuclidean<f64>>(radius * radius)
            .unsorted()
            .execute();
        for near in found.iter().filter(|near| near.item as usize != at) {
            visit(near.distance, near.item as usize);
        }
    }
}

/// Squares of distances have to be finite.
const LARGEST: f64 = 1e150;
/// Cells along the longest side.
const CELLS: f64 = 1023.0;

/// Moves ten bits apart, for a number along a space-filling curve (Morton 1966).
fn spread(x: u64) -> u64 {
    (0..10).fold(0, |sum, bit| sum | (x >> bit & 1) << (3 * bit))
}
