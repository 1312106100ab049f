//! Neighbours in space.

use std::sync::atomic::{AtomicU32, Ordering};

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::Graph;
use super::space::Space;
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
        let Some(near) = space.near()? else {
            return Ok(Self::from_degrees(&degrees, Vec::new()));
        };
        let neighbours: Vec<AtomicU32> = (0..space.len() * k)
            .into_par_iter()
            .map(|_| AtomicU32::new(0))
            .collect();
        let order = space.order();
        (0..space.len()).into_par_iter().for_each_init(Vec::new, |others, at| {
            near.nearest(at, k, others);
            let row = &neighbours[order[at] as usize * k..][..k];
            row.iter()
                .zip(others)
                .for_each(|(to, near)| to.store(order[near.1 as usize], Ordering::Relaxed));
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
        let Some(near) = space.near()? else {
            return Ok(Self::from_degrees(&vec![0; space.len()], Vec::new()));
        };
        let chunks = (0..space.len().div_ceil(POINTS)).into_par_iter();
        let parts = chunks.map(|chunk| {
            let points = chunk * POINTS..space.len().min((chunk + 1) * POINTS);
            let (mut degrees, mut neighbours) = (Vec::with_capacity(points.len()), Vec::new());
            for at in points {
                let start = neighbours.len();
                near.within(at, radius, |_, other| neighbours.push(space.order()[other]));
                neighbours[start..].sort_unstable();
                degrees.push((neighbours.len() - start) as u32);
            }
            (degrees, neighbours)
        });
        Ok(Self::from_parts(parts.collect()).renumbered(space.order()))
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
