//! Some neighbours of some nodes, for a step of training.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::Graph;
use crate::error::{Error, Result};
use crate::hash::scramble;

/// Draws neighbours for batches of seeds, hop by hop (Hamilton et al. 2017, algorithm 2).
///
/// Of a node with more neighbours than the fan-out of its hop, as many are drawn, without replacement, each set being as likely as any other;
/// of one with no more, all are taken. What is drawn is a function of the seed, the epoch, the batch and the node: the same on any
/// number of threads, and after a resume.
///
/// # Examples
///
/// ```
/// use ndarray::Array2;
/// use radio_models::{Graph, NeighborSampler};
///
/// let positions = Array2::from_shape_fn((1000, 3), |(i, axis)| ((i * [7, 31, 97][axis]) % 101) as f64);
/// let graph = Graph::nearest(positions.view(), 20)?;
/// let sampler = NeighborSampler::new(&[15, 10]).seed(1);
///
/// let sample = sampler.sample(&graph, &[17, 18], 0, 0)?;
/// assert_eq!(sample.nodes()[..2], [17, 18]); // the seeds come first
/// assert_eq!(sample.neighbours(0).len(), 15);
/// assert_eq!(sample.within(0), 2); // the seeds, then their neighbours, then all
/// assert!(sample.within(1) <= 2 + 30 && sample.within(2) == sample.nodes().len());
/// # Ok::<(), radio_models::Error>(())
/// ```
///
/// # References
///
/// Hamilton, Ying & Leskovec 2017 (arXiv:1706.02216). Floyd's algorithm draws without replacement (Bentley & Floyd 1987).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NeighborSampler {
    fan_outs: Vec<usize>,
    seed: u64,
}

impl NeighborSampler {
    /// The fan-out that takes all neighbours.
    pub const ALL: usize = usize::MAX;

    /// With the fan-out of each hop, that of the seeds first.
    pub fn new(fan_outs: &[usize]) -> Self {
        Self {
            fan_outs: fan_outs.to_vec(),
            seed: 0,
        }
    }

    /// What everything at random depends on. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The neighbourhood of a batch of different nodes.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a seed that is no node or is there twice, and for a fan-out of 0.
    ///
    /// # Complexity
    ///
    /// O(edges that are drawn): where all neighbours are taken, their number.
    pub fn sample(&self, graph: &Graph, seeds: &[u32], epoch: u64, batch: u64) -> Result<Sample> {
        if self.fan_outs.contains(&0) {
            return Err(Error::option("fan_outs", 0, "at least 1"));
        }
        let mut sample = Sample {
            nodes: seeds.to_vec(),
            offsets: vec![0],
            neighbours: Vec::new(),
            within: vec![seeds.len()],
        };
        let mut places: Places = HashMap::with_capacity_and_hasher(8 * seeds.len(), BuildHasherDefault::default());
        for (place, &node) in seeds.iter().enumerate() {
            if node as usize >= graph.nodes() {
                return Err(Error::option("seeds", node, "numbers of nodes of the graph"));
            }
            if places.insert(node, place as u32).is_some() {
                return Err(Error::option("seeds", node, "each node once"));
            }
        }
        let stream = scramble(scramble(scramble(self.seed) ^ epoch) ^ batch);
        let mut drawn = Vec::new();
        for &fan_out in &self.fan_outs {
            for at in sample.offsets.len() - 1..sample.nodes.len() {
                let node = sample.nodes[at];
                let neighbours = graph.neighbours(node as usize);
                draw(
                    scramble(stream ^ u64::from(node)),
                    neighbours.len(),
                    fan_out,
                    &mut drawn,
                );
                for &neighbour in &drawn {
                    let neighbour = neighbours[neighbour as usize];
                    let next = sample.nodes.len() as u32;
                    let place = *places.entry(neighbour).or_insert(next);
                    if place == next {
                        sample.nodes.push(neighbour);
                    }
                    sample.neighbours.push(place);
                }
                sample.offsets.push(sample.neighbours.len());
            }
            sample.within.push(sample.nodes.len());
        }
        Ok(sample)
    }
}

/// A batch of seeds and some of their neighbours, as [`NeighborSampler::sample`] draws them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    nodes: Vec<u32>,
    offsets: Vec<usize>,
    neighbours: Vec<u32>,
    within: Vec<usize>,
}

impl Sample {
    /// The numbers of all nodes in the graph: the seeds in their order, then those first met on the first hop, and so on. Their places
    /// in this list are what the other methods speak of.
    #[must_use]
    pub fn nodes(&self) -> &[u32] {
        &self.nodes
    }

    /// Places of the neighbours that were drawn for the node in this place; none for those of the last hop.
    #[must_use]
    pub fn neighbours(&self, place: usize) -> &[u32] {
        match self.offsets.get(place..place + 2) {
            Some(&[start, end]) => &self.neighbours[start..end],
            _ => &[],
        }
    }

    /// Number of nodes that are no more than so many hops from a seed: the first ones. Of more hops than there are, all.
    #[must_use]
    pub fn within(&self, hops: usize) -> usize {
        self.within.get(hops).copied().unwrap_or(self.nodes.len())
    }

    /// Number of hops.
    #[must_use]
    pub fn hops(&self) -> usize {
        self.within.len() - 1
    }
}

/// Which of `count` are taken, ascending: all, or `most` of them.
fn draw(stream: u64, count: usize, most: usize, drawn: &mut Vec<u32>) {
    drawn.clear();
    if count <= most {
        drawn.extend(0..count as u32);
        return;
    }
    // Floyd: of 0 to `last` any; if it is there already, `last` itself, which cannot be.
    for (step, last) in (count - most..count).enumerate() {
        let random = scramble(stream.wrapping_add(step as u64));
        let any = ((u128::from(random) * (last as u128 + 1)) >> 64) as u32;
        match drawn.binary_search(&any) {
            Err(at) => drawn.insert(at, any),
            Ok(_) => drawn.push(last as u32),
        }
    }
}

/// Where a node is in the list.
type Places = HashMap<u32, u32, BuildHasherDefault<Multiply>>;

/// A hash of one number, for numbers that nobody chose to collide.
#[derive(Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u32(u32::from(byte)));
    }

    fn write_u32(&mut self, number: u32) {
        let product = (self.0 ^ u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = product ^ (product >> 32);
    }
}
