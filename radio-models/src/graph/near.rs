//! Neighbours in space.

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
    /// [`Error::Shape`], [`Error::Option`] where k is 0 or there are too many points, [`Error::Position`] for a position that is not finite.
    ///
    /// # Complexity
    ///
    /// O(n (k + log n)), in parallel; 56 bytes a point beside the graph while it is made.
    ///
    /// # References
    ///
    /// The k-d tree is that of the crate kiddo.
    pub fn nearest(positions: ArrayView2<'_, f64>, k: usize) -> Result<Self> {
        let points = points(&positions)?;
        if k == 0 {
            return Err(Error::option("k", k, "at least 1"));
        }
        let k = k.min(points.len().saturating_sub(1));
        let Some(tree) = tree(&points)? else {
            return Ok(Self::from_degrees(&vec![0; points.len()], Vec::new()));
        };
        let count = std::num::NonZeroUsize::new(k + 1).unwrap_or(std::num::NonZeroUsize::MIN);
        let mut neighbours = vec![0u32; points.len() * k];
        let rows = neighbours
            .par_chunks_mut(k * POINTS)
            .zip(points.par_chunks(POINTS))
            .enumerate();
        rows.for_each(|(part, (rows, points))| {
            for (i, (row, point)) in rows.chunks_exact_mut(k).zip(points).enumerate() {
                let node = (part * POINTS + i) as u32;
                let found = tree.query(point).nearest_n::<SquaredEuclidean<f64>>(count).execute();
                let mut found: Vec<(f64, u32)> = found.iter().map(|near| (near.distance, near.item)).collect();
                found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                // Among many equal points the point itself may be one of those that are left out.
                let others = found.iter().filter(|near| near.1 != node).take(k);
                row.iter_mut().zip(others).for_each(|(to, near)| *to = near.1);
            }
        });
        Ok(Self::from_degrees(&vec![k as u32; points.len()], neighbours))
    }

    /// Each point and all others that are not farther than `radius`, ascending: `(n, 3)` positions in the unit of the radius. The graph is
    /// [symmetric](Self::symmetric).
    ///
    /// # Errors
    ///
    /// [`Error::Shape`], [`Error::Option`] where the radius is not finite and positive or there are too many points, [`Error::Position`]
    /// for a position that is not finite.
    ///
    /// # Complexity
    ///
    /// O(n log n + edges log degree), in parallel.
    pub fn within(positions: ArrayView2<'_, f64>, radius: f64) -> Result<Self> {
        let points = points(&positions)?;
        if !(radius > 0.0 && radius.is_finite()) {
            return Err(Error::option("radius", radius, "above 0 and finite"));
        }
        let Some(tree) = tree(&points)? else {
            return Ok(Self::from_degrees(&vec![0; points.len()], Vec::new()));
        };
        let parts = points.par_chunks(POINTS).enumerate().map(|(part, points)| {
            let (mut degrees, mut neighbours) = (Vec::with_capacity(points.len()), Vec::new());
            for (i, point) in points.iter().enumerate() {
                let (node, start) = ((part * POINTS + i) as u32, neighbours.len());
                let found = tree
                    .query(point)
                    .within::<SquaredEuclidean<f64>>(radius * radius)
                    .unsorted()
                    .execute();
                neighbours.extend(found.iter().map(|near| near.item).filter(|&near| near != node));
                neighbours[start..].sort_unstable();
                degrees.push((neighbours.len() - start) as u32);
            }
            (degrees, neighbours)
        });
        Ok(Self::from_parts(parts.collect()))
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

fn points(positions: &ArrayView2<'_, f64>) -> Result<Vec<[f64; 3]>> {
    let rows = positions.nrows();
    check_shape("positions", positions.shape(), &[rows, 3], "x, y and z for each point")?;
    check_nodes(rows)?;
    let points: Vec<[f64; 3]> = positions.outer_iter().map(|row| [row[0], row[1], row[2]]).collect();
    match points.iter().position(|point| point.iter().any(|x| !x.is_finite())) {
        Some(row) => Err(Error::Position {
            row,
            found: points[row],
        }),
        None => Ok(points),
    }
}

/// `None` where nobody has a neighbour.
fn tree(points: &[[f64; 3]]) -> Result<Option<ImmutableKdTree<f64, 3>>> {
    if points.len() < 2 {
        return Ok(None);
    }
    let tree = ImmutableKdTree::new_from_slice(points);
    tree.map(Some)
        .map_err(|e| Error::execution("building a k-d tree", format!("{e:?}")))
}
