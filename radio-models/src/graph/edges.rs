//! From edges, and both ways.

use std::ops::Range;

use rayon::prelude::*;

use super::{Graph, check_nodes};
use crate::error::{Error, Result};

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
    /// O(nodes + edges log degree), in parallel. Memory for the edges once more and for the result twice, while it is made.
    #[must_use]
    pub fn symmetric(&self) -> Self {
        let bits = block_bits(self.nodes());
        let blocks = self.nodes().div_ceil(1 << bits);
        let turned: Vec<Turned> = (0..blocks)
            .into_par_iter()
            .map(|block| Turned::new(self, block, bits))
            .collect();
        let parts = (0..blocks).into_par_iter().map(|block| {
            let named = Named::new(&turned, block, bits);
            let nodes = block_nodes(self.nodes(), block, bits);
            let (mut kept, mut neighbours, mut own) = (Vec::with_capacity(nodes.len()), Vec::new(), Vec::new());
            for (low, node) in nodes.enumerate() {
                own.clear();
                own.extend_from_slice(self.neighbours(node));
                own.sort_unstable();
                kept.push(merge_once(&own, named.by(low), &mut neighbours) as u32);
            }
            (kept, neighbours)
        });
        Self::from_parts(parts.collect())
    }
}

/// Nodes are in blocks of 2^bits, about as many as there are blocks, so that the edges between two blocks are enough to be read one after
/// the other, and those from a block fit a cache. A node within its block is a number of 16 bits.
fn block_bits(nodes: usize) -> u32 {
    ((usize::BITS - nodes.leading_zeros()) / 2 + 2).min(16)
}

fn block_nodes(nodes: usize, block: usize, bits: u32) -> Range<usize> {
    block << bits..nodes.min((block + 1) << bits)
}

/// The edges from a block, in the order of the blocks that they go to.
struct Turned {
    /// Where the edges to each block begin.
    starts: Vec<usize>,
    /// From which node of this block (above) to which of the other one (below 2^16), ascending in the former.
    edges: Vec<u32>,
}

impl Turned {
    fn new(graph: &Graph, block: usize, bits: u32) -> Self {
        let nodes = block_nodes(graph.nodes(), block, bits);
        let all = graph.row(nodes.start).start..graph.row(nodes.end - 1).end;
        let mut counts = vec![0; graph.nodes().div_ceil(1 << bits)];
        for &to in &graph.neighbours[all.clone()] {
            counts[(to >> bits) as usize] += 1;
        }
        let starts = starts(&counts);
        let (mut next, mut edges) = (starts.clone(), vec![0; all.len()]);
        for (from, node) in (0..).zip(nodes) {
            for &to in graph.neighbours(node) {
                let at = &mut next[(to >> bits) as usize];
                edges[*at] = from << 16 | to & ((1 << bits) - 1);
                *at += 1;
            }
        }
        Self { starts, edges }
    }

    fn to(&self, block: usize) -> &[u32] {
        &self.edges[self.starts[block]..self.starts[block + 1]]
    }
}

/// By whom each node of a block is named as a neighbour.
struct Named {
    starts: Vec<usize>,
    /// Ascending for each node.
    nodes: Vec<u32>,
}

impl Named {
    fn new(turned: &[Turned], block: usize, bits: u32) -> Self {
        let mut counts = vec![0; 1 << bits];
        for edge in turned.iter().flat_map(|from| from.to(block)) {
            counts[(edge & 0xffff) as usize] += 1;
        }
        let starts = starts(&counts);
        let (mut next, mut nodes) = (starts.clone(), vec![0; starts[1 << bits]]);
        for (first, from) in (0..).step_by(1 << bits).zip(turned) {
            for edge in from.to(block) {
                let at = &mut next[(edge & 0xffff) as usize];
                nodes[*at] = first + (edge >> 16);
                *at += 1;
            }
        }
        Self { starts, nodes }
    }

    fn by(&self, low: usize) -> &[u32] {
        &self.nodes[self.starts[low]..self.starts[low + 1]]
    }
}

/// Where the edges of each node, or block, begin, and where the last ones end.
fn starts(counts: &[u32]) -> Vec<usize> {
    let mut end = 0;
    let ends = counts.iter().map(|&count| {
        end += count as usize;
        end
    });
    std::iter::once(0).chain(ends).collect()
}

/// Appends what is in one of two ascending rows, once and ascending, and says how many that are.
fn merge_once(left: &[u32], right: &[u32], into: &mut Vec<u32>) -> usize {
    let start = into.len();
    into.resize(start + left.len() + right.len(), 0);
    let merged = &mut into[start..];
    // No node has this number.
    let (mut length, mut last) = (0, u32::MAX);
    let mut push = |node: u32| {
        merged[length] = node;
        length += usize::from(node != last);
        last = node;
    };
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        let (l, r) = (left[i], right[j]);
        push(l.min(r));
        i += usize::from(l <= r);
        j += usize::from(r <= l);
    }
    left[i..].iter().chain(&right[j..]).for_each(|&node| push(node));
    into.truncate(start + length);
    length
}
