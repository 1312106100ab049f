//! Graphs: who is next to whom.

mod edges;
mod file;
mod near;
#[cfg(feature = "petgraph")]
mod petgraph;
mod sampler;
mod space;

pub use sampler::{NeighborSampler, Sample};
pub(crate) use space::{Near, Space};

use arrow_buffer::ScalarBuffer;
use rayon::prelude::*;

use crate::error::{Error, Result};

/// A directed graph of up to 4,294,967,294 nodes in compressed sparse rows (CSR): the neighbours of each node, one after the other.
///
/// Nodes are numbers from 0, in the order of whatever they stand for. An edge goes from a node to each of its
/// [`neighbours`](Self::neighbours), which for a model are those that the node hears from. A graph of 6.4 million nodes and 100 million edges
/// takes 460 MB: 4 bytes for an edge and 8 for a node.
///
/// It is made from positions ([`nearest`](Self::nearest), [`within`](Self::within)), from edges ([`from_edges`](Self::from_edges)), or
/// [opened](Self::open) from a file, which is mapped and not read. Clones share their memory.
///
/// # Examples
///
/// ```
/// use ndarray::array;
/// use radio_models::Graph;
///
/// let galaxies = array![[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [5.0, 0.0, 0.0]]; // Mpc
/// let graph = Graph::nearest(galaxies.view(), 1)?;
/// assert_eq!(graph.neighbours(0), [1]);
/// assert_eq!(graph.neighbours(2), [1]);
/// // The third galaxy is not the nearest of the second. In both directions:
/// assert_eq!(graph.symmetric().neighbours(1), [0, 2]);
/// # Ok::<(), radio_models::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Graph {
    /// Where the neighbours of each node begin, and where the last ones end: `(nodes + 1)`.
    offsets: ScalarBuffer<u64>,
    neighbours: ScalarBuffer<u32>,
}

impl Graph {
    /// The number of nodes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The number of edges; of a [symmetric](Self::symmetric) graph, each counts twice.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.neighbours.len()
    }

    /// The neighbours of a node.
    ///
    /// # Panics
    ///
    /// Where there is no such node.
    #[must_use]
    pub fn neighbours(&self, node: usize) -> &[u32] {
        &self.neighbours[self.row(node)]
    }

    /// The number of neighbours of a node.
    ///
    /// # Panics
    ///
    /// Where there is no such node.
    #[must_use]
    pub fn degree(&self, node: usize) -> usize {
        self.row(node).len()
    }

    /// Where the neighbours of each node begin among all [`edges`](Self::edges), and where the last ones end: `(nodes + 1)`.
    #[must_use]
    pub fn offsets(&self) -> &[u64] {
        &self.offsets
    }

    /// The neighbours of all nodes, `(edges)`.
    #[must_use]
    pub fn targets(&self) -> &[u32] {
        &self.neighbours
    }

    fn row(&self, node: usize) -> std::ops::Range<usize> {
        // They fit: the neighbours are in memory.
        self.offsets[node] as usize..self.offsets[node + 1] as usize
    }

    /// The same rows in another order: row i becomes that of node `order[i]`.
    fn renumbered(&self, order: &[u32]) -> Self {
        let mut rows = vec![0; order.len()];
        order
            .iter()
            .enumerate()
            .for_each(|(row, &node)| rows[node as usize] = row);
        let parts = rows.par_chunks(4096).map(|rows| {
            let neighbours: Vec<&[u32]> = rows.iter().map(|&row| self.neighbours(row)).collect();
            let degrees = neighbours.iter().map(|row| row.len() as u32).collect();
            (degrees, neighbours.concat())
        });
        Self::from_parts(parts.collect())
    }

    /// From the number of neighbours of each node, and all neighbours.
    fn from_degrees(degrees: &[u32], neighbours: Vec<u32>) -> Self {
        let mut offsets = Vec::with_capacity(degrees.len() + 1);
        let mut end = 0;
        offsets.push(end);
        offsets.extend(degrees.iter().map(|&degree| {
            end += u64::from(degree);
            end
        }));
        Self {
            offsets: offsets.into(),
            neighbours: neighbours.into(),
        }
    }

    /// From the neighbours of some nodes at a time, in their order: how many each has, and which.
    fn from_parts(parts: Vec<(Vec<u32>, Vec<u32>)>) -> Self {
        let degrees: Vec<u32> = parts.iter().flat_map(|(degrees, _)| degrees).copied().collect();
        let mut neighbours = vec![0; parts.iter().map(|(_, neighbours)| neighbours.len()).sum()];
        let mut rest = neighbours.as_mut_slice();
        let mut copies = Vec::with_capacity(parts.len());
        for (_, from) in parts {
            let (to, after) = rest.split_at_mut(from.len());
            copies.push((to, from));
            rest = after;
        }
        copies.into_par_iter().for_each(|(to, from)| to.copy_from_slice(&from));
        Self::from_degrees(&degrees, neighbours)
    }
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Graph of {} nodes and {} edges", self.nodes(), self.edges())
    }
}

/// Nodes are numbered with 32 bits, and one number is left over.
fn check_nodes(nodes: usize) -> Result<()> {
    if nodes < u32::MAX as usize {
        return Ok(());
    }
    Err(Error::option("nodes", nodes, "below 4,294,967,295"))
}
