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
    /// O(nodes + edges log degree), in parallel. Memory for the graph once more and for the result twice, while it is made.
    #[must_use]
    pub fn symmetric(&self) -> Self {
        // By how many others each node is named, and by whom, in any order.
        let naming: Vec<AtomicU32> = (0..self.nodes()).map(|_| AtomicU32::new(0)).collect();
        self.neighbours.par_iter().for_each(|&to| {
            naming[to as usize].fetch_add(1, Ordering::Relaxed);
        });
        let degrees: Vec<u32> = naming.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let starts = starts(&degrees);
        let back: Vec<AtomicU32> = (0..self.edges()).into_par_iter().map(|_| AtomicU32::new(0)).collect();
        (0..self.nodes()).into_par_iter().for_each(|node| {
            for &to in self.neighbours(node) {
                let left = naming[to as usize].fetch_sub(1, Ordering::Relaxed);
                back[starts[to as usize] + left as usize - 1].store(node as u32, Ordering::Relaxed);
            }
        });
        let parts = (0..self.nodes().div_ceil(NODES)).into_par_iter().map(|part| {
            let nodes = part * NODES..self.nodes().min((part + 1) * NODES);
            let (mut kept, mut neighbours) = (Vec::with_capacity(nodes.len()), Vec::new());
            for node in nodes {
                let (row, naming) = (neighbours.len(), &back[starts[node]..][..degrees[node] as usize]);
                neighbours.extend_from_slice(self.neighbours(node));
                neighbours.extend(naming.iter().map(|node| node.load(Ordering::Relaxed)));
                let length = sorted_once(&mut neighbours[row..]);
                neighbours.truncate(row + length);
                kept.push(length as u32);
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

/// Sorts a row, moves what is there several times behind the rest, and says how long that is.
fn sorted_once(row: &mut [u32]) -> usize {
    row.sort_unstable();
    let mut length = 0;
    for at in 0..row.len() {
        if length == 0 || row[at] != row[length - 1] {
            row[length] = row[at];
            length += 1;
        }
    }
    length
}
