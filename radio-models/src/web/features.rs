//! What the surroundings of a galaxy are like.

use ndarray::{Array2, ArrayView2, Axis, concatenate};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::eigen::eigenvalues;
use crate::error::{Error, Result, check_shape};
use crate::graph::{Graph, Near, Space};

/// What is measured around each galaxy, in the unit of the positions.
///
/// - ln of the distance to the k-th nearest, for each of [`neighbours`](Self::neighbours);
/// - ln (1 + number) of galaxies in each shell between the [`radii`](Self::radii), the first one a ball;
/// - of the galaxy with its k nearest, for each of [`moments`](Self::moments): the largest and the smallest eigenvalue of the tensor of
///   inertia about their mean, in units of the sum of all three (a filament has a large one, a sheet a small one), and how far off the mean is.
///
/// # Examples
///
/// ```
/// use radio_models::web::Surroundings;
///
/// let surroundings = Surroundings::default();
/// assert_eq!(surroundings.names().len(), 17);
/// assert_eq!(surroundings.names()[7], "ln(1 + galaxies within 2)");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Surroundings {
    /// Which neighbours' distances. Default: 1, 2, 4, 8, 16, 32 and 64.
    pub neighbours: Vec<usize>,
    /// Ascending radii of shells. Default: 2, 4, 8 and 16, meant for Mpc/h.
    pub radii: Vec<f64>,
    /// Of how many neighbours the tensor of inertia is made. Default: 16 and 64.
    pub moments: Vec<usize>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            neighbours: vec![1, 2, 4, 8, 16, 32, 64],
            radii: vec![2.0, 4.0, 8.0, 16.0],
            moments: vec![16, 64],
        }
    }
}

impl Surroundings {
    /// Sets [`neighbours`](Self::neighbours).
    #[must_use]
    pub fn with_neighbours(mut self, neighbours: impl Into<Vec<usize>>) -> Self {
        self.neighbours = neighbours.into();
        self
    }

    /// Sets [`radii`](Self::radii).
    #[must_use]
    pub fn with_radii(mut self, radii: impl Into<Vec<f64>>) -> Self {
        self.radii = radii.into();
        self
    }

    /// Sets [`moments`](Self::moments).
    #[must_use]
    pub fn with_moments(mut self, moments: impl Into<Vec<usize>>) -> Self {
        self.moments = moments.into();
        self
    }

    /// What each feature is.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let distances = self.neighbours.iter().map(|k| format!("ln(distance to neighbour {k})"));
        let shells = self.radii.iter().enumerate().map(|(shell, radius)| match shell {
            0 => format!("ln(1 + galaxies within {radius})"),
            _ => format!("ln(1 + galaxies from {} to {radius})", self.radii[shell - 1]),
        });
        let moments = self.moments.iter().flat_map(|k| {
            ["largest inertia", "smallest inertia", "offset of the mean"]
                .map(|what| format!("{what} of {k} neighbours"))
        });
        distances.chain(shells).chain(moments).collect()
    }

    fn check(&self) -> Result<()> {
        if self.neighbours.contains(&0) || self.moments.contains(&0) {
            return Err(Error::option("neighbours", 0, "at least 1"));
        }
        let mut smaller = 0.0;
        for &radius in &self.radii {
            if !(radius > smaller && radius.is_finite()) {
                return Err(Error::option("radii", radius, "finite, above 0 and ascending"));
            }
            smaller = radius;
        }
        Ok(())
    }

    /// The features of each galaxy, `(n, features)`, of positions `(n, 3)`.
    ///
    /// Where there are fewer galaxies than neighbours are asked for, the farthest counts for the others. The edges of a survey are seen as
    /// the end of the world.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a radius or a number that makes no sense; [`Error::Shape`], and [`Error::Position`] for a position that is not finite.
    ///
    /// # Complexity
    ///
    /// O(n (k + log n + galaxies within the largest radius)), in parallel.
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
    pub fn measure(&self, positions: ArrayView2<'_, f64>) -> Result<Array2<f32>> {
        self.check()?;
        let space = Space::new(&positions)?;
        let mut features = Array2::zeros((space.len(), self.names().len()));
        let Some(near) = space.near()? else {
            return Ok(features);
        };
        let most = self.neighbours.iter().chain(&self.moments).copied().max().unwrap_or(0);
        // In the order of a space-filling curve: what one galaxy looked at is in the cache for the next.
        let rows: Vec<Vec<f32>> = (0..space.len())
            .into_par_iter()
            .map_init(Vec::new, |others, at| self.of(&space, &near, at, most, others))
            .collect();
        for (row, &galaxy) in rows.iter().zip(space.order()) {
            let into = features.row_mut(galaxy as usize);
            into.into_iter().zip(row).for_each(|(into, &x)| *into = x);
        }
        Ok(features)
    }

    fn of(&self, space: &Space, near: &Near<'_>, at: usize, most: usize, others: &mut Vec<(f64, u32)>) -> Vec<f32> {
        let mut features = Vec::new();
        near.nearest(at, most, others);
        // Two galaxies in one place are not infinitely close.
        let least = 1e-3 * self.radii.first().copied().unwrap_or(1.0);
        for &k in &self.neighbours {
            let square = others.get(k - 1).or(others.last()).map_or(0.0, |other| other.0);
            features.push(square.sqrt().max(least).ln() as f32);
        }
        if let Some(&radius) = self.radii.last() {
            let mut counts = vec![0u32; self.radii.len()];
            near.within(at, radius, |square, _| {
                let shell = self.radii.partition_point(|radius| radius * radius < square);
                if let Some(count) = counts.get_mut(shell) {
                    *count += 1;
                }
            });
            features.extend(counts.iter().map(|&count| f64::from(count).ln_1p() as f32));
        }
        let points = space.points();
        for &k in &self.moments {
            let around = others.iter().take(k).map(|other| points[other.1 as usize]);
            features.extend(moments(points[at], around));
        }
        features
    }
}

/// Largest and smallest eigenvalue of the tensor of inertia of some points, in units of their sum, and the distance of their mean from the first one
/// in units of the root of the sum.
fn moments(point: [f64; 3], others: impl Iterator<Item = [f64; 3]>) -> [f32; 3] {
    let (mut count, mut mean, mut squares) = (1.0, [0.0; 3], [[0.0; 3]; 3]);
    for other in others {
        let x = [0, 1, 2].map(|axis| other[axis] - point[axis]);
        count += 1.0;
        for i in 0..3 {
            mean[i] += x[i];
            for j in 0..3 {
                squares[i][j] += x[i] * x[j];
            }
        }
    }
    let mean = mean.map(|sum| sum / count);
    let [xx, yy, zz, xy, xz, yz] = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]
        .map(|(i, j): (usize, usize)| squares[i][j] / count - mean[i] * mean[j]);
    let trace = xx + yy + zz;
    if trace <= 0.0 {
        return [0.0; 3];
    }
    let [largest, _, smallest] = eigenvalues([xx, yy, zz, xy, xz, yz]);
    let offset = mean.iter().map(|x| x * x).sum::<f64>();
    [largest / trace, smallest / trace, (offset / trace).sqrt()].map(|x| x as f32)
}

/// Galaxies as a graph: who is next to whom, and what the surroundings of each are like.
///
/// # Examples
///
/// ```
/// use ndarray::Array2;
/// use radio_models::web::{Surroundings, WebGraph};
///
/// let positions = Array2::from_shape_fn((500, 3), |(i, axis)| ((i * [7, 31, 97][axis]) % 101) as f64);
/// let web = WebGraph::new(positions.view(), 16, &Surroundings::default())?;
/// assert_eq!(web.features().dim(), (500, 17));
/// assert!(web.graph().degree(0) >= 16);
/// # Ok::<(), radio_models::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WebGraph {
    graph: Graph,
    features: Array2<f32>,
}

impl WebGraph {
    /// A graph of each galaxy and its nearest others, both ways, with the features of their surroundings.
    ///
    /// # Errors
    ///
    /// As [`Graph::nearest`] and [`Surroundings::measure`].
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
    pub fn new(positions: ArrayView2<'_, f64>, neighbours: usize, surroundings: &Surroundings) -> Result<Self> {
        Ok(Self {
            graph: Graph::nearest(positions, neighbours)?.symmetric(),
            features: surroundings.measure(positions)?,
        })
    }

    /// Further features of each galaxy, `(n, f)`: its redshift, or what an autoencoder makes of its spectrum.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where there is not a row for each galaxy, [`Error::Option`] for a number that is not finite.
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
    pub fn with_features(mut self, features: ArrayView2<'_, f32>) -> Result<Self> {
        let expected = [self.graph.nodes(), features.ncols()];
        check_shape("features", features.shape(), &expected, "a row for each galaxy")?;
        if let Some(((row, column), x)) = features.indexed_iter().find(|(_, x)| !x.is_finite()) {
            let value = format!("{x} in row {row}, column {column}");
            return Err(Error::option("features", value, "finite: fill in what is missing"));
        }
        self.features = concatenate(Axis(1), &[self.features.view(), features])
            .map_err(|e| Error::execution("joining features", e))?;
        Ok(self)
    }

    /// The graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The features, `(n, f)`.
    #[must_use]
    pub fn features(&self) -> &Array2<f32> {
        &self.features
    }

    /// The same galaxies, alone.
    pub(super) fn without_edges(&self) -> Result<Self> {
        Ok(Self {
            graph: Graph::from_edges(self.graph.nodes(), &[])?,
            features: self.features.clone(),
        })
    }
}
