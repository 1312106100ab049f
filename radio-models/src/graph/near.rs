//! Neighbours in space.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering};

use kiddo::{ImmutableKdTree, SquaredEuclidean};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::{Graph, check_nodes};
use crate::error::{Error, Result, check_shape};

/// Points that are looked at together.
const POINTS: usize = 1024;

#[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
impl Graph {
    /// Each point and its `k` nearest others, the nearest first: `(n, 3)` positions in any unit of length.
    ///
    /// Where there are no more than `k` others, all of them. Of points at the same distance the one with the smaller number comes
    /// first; which of them is left out where that decides is not said, but the same each time.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`], [`Error::Option`] where k is 0 or there are too many points, [`Error::Position`] for a position that is not finite or beyond 1e150.
    ///
    /// # Complexity
    ///
    /// O(n (k + log n)), in parallel. Memory for a copy of the points, their order and the tree beside the graph.
    ///
    /// # References
    ///
    /// The k-d tree is that of the crate kiddo.
    pub fn nearest(positions: ArrayView2<'_, f64>, k: usize) -> Result<Self> {
        let space = Space::new(&positions)?;
        if k == 0 {
            return Err(Error::option("k", k, "at least 1"));
        }
        let k = k.min(space.len().saturating_sub(1));
        let degrees = vec![k as u32; space.len()];
        let (Some(tree), Some(count)) = (space.tree()?, NonZeroUsize::new(k + 1)) else {
            return Ok(Self::from_degrees(&degrees, Vec::new()));
        };
        let neighbours: Vec<AtomicU32> = (0..space.len() * k)
            .into_par_iter()
            .map(|_| AtomicU32::new(0))
            .collect();
        space.points.par_iter().zip(&space.order).for_each(|(point, &node)| {
            let found = tree.query(point).nearest_n::<SquaredEuclidean<f64>>(count).execute();
            let found = found
                .iter()
                .map(|near| (near.distance, space.order[near.item as usize]));
            // Among many equal points the point itself may be one of those that are left out.
            let mut others: Vec<(f64, u32)> = found.filter(|near| near.1 != node).collect();
            others.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let row = &neighbours[node as usize * k..][..k];
            row.iter()
                .zip(others)
                .for_each(|(to, near)| to.store(near.1, Ordering::Relaxed));
        });
        let neighbours = neighbours.into_iter().map(AtomicU32::into_inner).collect();
        Ok(Self::from_degrees(&degrees, neighbours))
    }

    /// Each point and all others that are not farther than `radius`, ascending: `(n, 3)` positions in the unit of the radius. The graph is
    /// [symmetric](Self::symmetric).
    ///
    /// # Errors
    ///
    /// [`Error::Shape`], [`Error::Option`] where the radius is not finite and positive or there are too many points, [`Error::Position`]
    /// for a position that is not finite or beyond 1e150.
    ///
    /// # Complexity
    ///
    /// O(n log n + edges log degree), in parallel.
    pub fn within(positions: ArrayView2<'_, f64>, radius: f64) -> Result<Self> {
        let space = Space::new(&positions)?;
        if !(radius > 0.0 && radius.is_finite()) {
            return Err(Error::option("radius", radius, "above 0 and finite"));
        }
        let Some(tree) = space.tree()? else {
            return Ok(Self::from_degrees(&vec![0; space.len()], Vec::new()));
        };
        let parts = space
            .points
            .par_chunks(POINTS)
            .zip(space.order.par_chunks(POINTS))
            .map(|(points, nodes)| {
                let (mut degrees, mut neighbours) = (Vec::with_capacity(points.len()), Vec::new());
                for (point, &node) in points.iter().zip(nodes) {
                    let start = neighbours.len();
                    let found = tree
                        .query(point)
                        .within::<SquaredEuclidean<f64>>(radius * radius)
                        .unsorted()
                        .execute();
                    let found = found.iter().map(|near| space.order[near.item as usize]);
                    neighbours.extend(found.filter(|&near| near != node));
                    neighbours[start..].sort_unstable();
                    degrees.push((neighbours.len() - start) as u32);
                }
                (degrees, neighbours)
            });
        Ok(Self::from_parts(parts.collect()).renumbered(&space.order))
    }

    /// What an edge is in space: from each node to each of its neighbours the vector and its length, `(edges, 4)`, in the unit of the
    /// positions `(n, 3)`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where there is not a position for each node.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::array;
    /// use radio_models::Graph;
    ///
    /// let positions = array![[0.0, 0.0, 0.0], [3.0, 4.0, 0.0]];
    /// let graph = Graph::nearest(positions.view(), 1)?;
    /// assert_eq!(graph.separations(positions.view())?.row(0).to_vec(), [3.0, 4.0, 0.0, 5.0]);
    /// # Ok::<(), radio_models::Error>(())
    /// ```
    pub fn separations(&self, positions: ArrayView2<'_, f64>) -> Result<Array2<f32>> {
        check_shape(
            "positions",
            positions.shape(),
            &[self.nodes(), 3],
            "a position for each node",
        )?;
        let mut separations = Array2::zeros((self.edges(), 4));
        let mut rows = separations.outer_iter_mut();
        for node in 0..self.nodes() {
            for (&neighbour, mut row) in self.neighbours(node).iter().zip(rows.by_ref()) {
                let vector = [0, 1, 2].map(|axis| positions[[neighbour as usize, axis]] - positions[[node, axis]]);
                let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
                row.iter_mut()
                    .zip(vector.iter().chain([&length]))
                    .for_each(|(to, &x)| *to = x as f32);
            }
        }
        Ok(separations)
    }
}

/// Points in an order in which those that follow each other are close: what one looks at is in the cache for the next.
struct Space {
    points: Vec<[f64; 3]>,
    /// The number of each.
    order: Vec<u32>,
}

impl Space {
    fn new(positions: &ArrayView2<'_, f64>) -> Result<Self> {
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

    fn len(&self) -> usize {
        self.points.len()
    }

    /// `None` where nobody has a neighbour.
    fn tree(&self) -> Result<Option<ImmutableKdTree<f64, 3>>> {
        if self.len() < 2 {
            return Ok(None);
        }
        let tree = ImmutableKdTree::new_from_slice(&self.points);
        tree.map(Some)
            .map_err(|e| Error::execution("building a k-d tree", format!("{e:?}")))
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
