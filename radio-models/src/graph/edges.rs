//! From edges, and both ways.

use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use super::{Graph, check_nodes};
use crate::error::{Error, Result};

/// Nodes whose neighbours are put in order together.
const NODES: usize = 4096;

impl Graph {
    /// From pairs of nodes, each an edge from the first to the second. Neighbours are in the order of the edges; an edge that is
    /// there twice stays so.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for too many nodes, [`Error::Edge`] for an edge from or to a node that is none.
    ///
    /// # Complexity
    ///
    /// O(nodes + edges).
    ///
    /// # Examples
    ///
    /// ```
    /// use radio_models::Graph;
    ///
    /// let graph = Graph::from_edges(4, &[[0, 1], [2, 0], [0, 3]])?;
    /// assert_eq!(graph.neighbours(0), [1, 3]);
    /// let error = Graph::from_edges(3, &[[0, 1], [1, 3]]).unwrap_err();
    /// assert_eq!(error.to_string(), "edge 1 goes from 1 to 3, but there are 3 nodes, counted from 0");
    /// # Ok::<(), radio_models::Error>(())
    /// ```
    pub fn from_edges(nodes: usize, edges: &[[u32; 2]]) -> Result<Self> {
        check_nodes(nodes)?;
        let is_bad = |edge: &[u32; 2]| edge.iter().any(|&node| node as usize >= nodes);
        if let Some(edge) = edges.par_iter().position_first(is_bad) {
            let [from, to] = edges[edge];
            return Err(Error::Edge { edge, from, to, nodes });
        }
        let mut degrees = vec![0u32; nodes];
        for &[from, _] in edges {
            degrees[from as usize] += 1;
        }
        let mut next = starts(&degrees);
        let mut neighbours = vec![0; edges.len()];
        for &[from, to] in edges {
            let at = &mut next[from as usize];
            neighbours[*at] = to;
            *at += 1;
        }
        Ok(Self::from_degrees(&degrees, neighbours))
    }

    /// The same graph with each edge both ways, once; neighbours ascend.
    ///
    /// # Complexity
    ///
    /// O(nodes + edges log degree), in parallel. Memory for the neighbours twice over, while it is made.
    #[must_use]
    pub fn symmetric(&self) -> Self {
        let count: Vec<AtomicU32> = (0..self.nodes())
            .map(|node| AtomicU32::new(self.degree(node) as u32))
            .collect();
        self.neighbours.par_iter().for_each(|&to| {
            count[to as usize].fetch_add(1, Ordering::Relaxed);
        });
        let degrees: Vec<u32> = count.into_iter().map(AtomicU32::into_inner).collect();
        let starts = starts(&degrees);
        // Both ways, in any order.
        let both: Vec<AtomicU32> = (0..2 * self.edges())
            .into_par_iter()
            .map(|_| AtomicU32::new(0))
            .collect();
        let taken: Vec<AtomicU32> = (0..self.nodes()).map(|_| AtomicU32::new(0)).collect();
        let put = |node: usize, neighbour: u32| {
            let at = starts[node] + taken[node].fetch_add(1, Ordering::Relaxed) as usize;
            both[at].store(neighbour, Ordering::Relaxed);
        };
        (0..self.nodes()).into_par_iter().for_each(|node| {
            for &neighbour in self.neighbours(node) {
                put(node, neighbour);
                put(neighbour as usize, node as u32);
            }
        });
        let parts = degrees
            .par_chunks(NODES)
            .zip(starts.par_chunks(NODES))
            .map(|(degrees, starts)| {
                let (mut kept, mut neighbours, mut row) = (Vec::with_capacity(degrees.len()), Vec::new(), Vec::new());
                for (&degree, &start) in degrees.iter().zip(starts) {
                    row.clear();
                    row.extend(
                        both[start..start + degree as usize]
                            .iter()
                            .map(|node| node.load(Ordering::Relaxed)),
                    );
                    row.sort_unstable();
                    row.dedup();
                    kept.push(row.len() as u32);
                    neighbours.extend_from_slice(&row);
                }
                (kept, neighbours)
            });
        Self::from_parts(parts.collect())
    }
}

/// Where the neighbours of each node begin.
fn starts(degrees: &[u32]) -> Vec<usize> {
    let mut end = 0;
    let next = degrees.iter().map(|&degree| {
        let start = end;
        end += degree as usize;
        start
    });
    next.collect()
}
