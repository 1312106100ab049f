//! Some neighbours of some nodes, for a step of training.

use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::thread;

use rayon::prelude::*;

use super::Graph;
use crate::error::{Error, Result};
use crate::hash::scramble;
use crate::trainer::Position;

/// Samples that lie ready.
const AHEAD: usize = 2;

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
        let mut places = Places::with_room_for(self.most(seeds.len()).min(graph.nodes()));
        for (place, &node) in seeds.iter().enumerate() {
            if node as usize >= graph.nodes() {
                return Err(Error::option("seeds", node, "numbers of nodes of the graph"));
            }
            if places.place(node, place as u32) != place as u32 {
                return Err(Error::option("seeds", node, "each node once"));
            }
        }
        let stream = scramble(scramble(scramble(self.seed) ^ epoch) ^ batch);
        let (mut drawn, mut met) = (Vec::new(), Vec::new());
        for &fan_out in &self.fan_outs {
            // In three passes, each over memory at random: the processor waits for many places at once where they do not depend on
            // each other.
            let frontier = &sample.nodes[sample.offsets.len() - 1..];
            let rows: Vec<&[u32]> = frontier.iter().map(|&node| graph.neighbours(node as usize)).collect();
            met.clear();
            for (&node, neighbours) in frontier.iter().zip(rows) {
                draw(
                    scramble(stream ^ u64::from(node)),
                    neighbours.len(),
                    fan_out,
                    &mut drawn,
                );
                met.extend(drawn.iter().map(|&i| neighbours[i as usize]));
                sample.offsets.push(sample.neighbours.len() + met.len());
            }
            for &node in &met {
                let next = sample.nodes.len() as u32;
                let place = places.place(node, next);
                if place == next {
                    sample.nodes.push(node);
                }
                sample.neighbours.push(place);
            }
            sample.within.push(sample.nodes.len());
        }
        Ok(sample)
    }

    /// The neighbourhoods of all seeds, so many at a time, in another order in each epoch; from a position on.
    ///
    /// They are drawn on a thread of their own, two ahead: a model does not wait for its next batch. Order and samples are a function
    /// of the sampler's seed and of the position, so that a resumed pass is that of an uninterrupted one.
    ///
    /// # Errors
    ///
    /// [`Error::Execution`] where no thread can be had; of each sample as [`sample`](Self::sample).
    ///
    /// # Complexity
    ///
    /// O(seeds log seeds) at the beginning, for the order. 4 bytes for each seed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    ///
    /// use radio_models::{Graph, NeighborSampler, Position};
    ///
    /// let graph = Graph::from_edges(5, &[[0, 1], [1, 2], [2, 3], [3, 4]])?;
    /// let sampler = NeighborSampler::new(&[2]);
    /// let size = NonZeroUsize::new(2).ok_or("no batch")?;
    /// let samples = sampler.batches(&graph, &[0, 1, 2], size, Position::default())?;
    /// let seeds: Vec<usize> = samples.map(|sample| Ok(sample?.within(0))).collect::<radio_models::Result<_>>()?;
    /// assert_eq!(seeds, [2, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn batches(
        &self,
        graph: &Graph,
        seeds: &[u32],
        size: NonZeroUsize,
        position: Position,
    ) -> Result<impl Iterator<Item = Result<Sample>> + use<>> {
        let stream = scramble(scramble(self.seed) ^ position.epoch);
        let keys = seeds.par_iter().map(|&node| (scramble(stream ^ u64::from(node)), node));
        let mut keys: Vec<(u64, u32)> = keys.collect();
        keys.par_sort_unstable();
        let order: Vec<u32> = keys.into_iter().map(|(_, node)| node).collect();
        let (sampler, graph) = (self.clone(), graph.clone());
        let (sender, receiver) = mpsc::sync_channel(AHEAD);
        let draw = move || {
            let first = usize::try_from(position.batch).unwrap_or(usize::MAX);
            for (batch, seeds) in order.chunks(size.get()).enumerate().skip(first) {
                // Nobody wants the rest.
                if sender
                    .send(sampler.sample(&graph, seeds, position.epoch, batch as u64))
                    .is_err()
                {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name("radio-sampler".to_owned()).spawn(draw);
        thread.map_err(|e| Error::execution("starting a thread for samples", e))?;
        Ok(receiver.into_iter())
    }

    /// Room for the nodes that are met if few are met twice; where all neighbours are taken, for some.
    fn most(&self, seeds: usize) -> usize {
        let fan_outs = self.fan_outs.iter().map(|&fan_out| fan_out.min(16));
        let hops = fan_outs.scan(seeds, |nodes, fan_out| {
            *nodes = nodes.saturating_mul(fan_out);
            Some(*nodes)
        });
        hops.fold(seeds, usize::saturating_add).min(1 << 20)
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

    /// Some of the seeds, with what belongs to them.
    pub(crate) fn part(&self, seeds: std::ops::Range<usize>) -> Self {
        let mut part = Self {
            nodes: Vec::new(),
            offsets: vec![0],
            neighbours: Vec::new(),
            within: vec![seeds.len()],
        };
        // Places in the whole, of the nodes of the part; and the other way round.
        let mut whole: Vec<u32> = seeds.map(|seed| seed as u32).collect();
        let mut places = vec![u32::MAX; self.nodes.len()];
        whole
            .iter()
            .enumerate()
            .for_each(|(at, &place)| places[place as usize] = at as u32);
        for _ in 0..self.hops() {
            for at in part.offsets.len() - 1..whole.len() {
                for &neighbour in self.neighbours(whole[at] as usize) {
                    let place = &mut places[neighbour as usize];
                    if *place == u32::MAX {
                        *place = whole.len() as u32;
                        whole.push(neighbour);
                    }
                    part.neighbours.push(*place);
                }
                part.offsets.push(part.neighbours.len());
            }
            part.within.push(whole.len());
        }
        part.nodes = whole.iter().map(|&place| self.nodes[place as usize]).collect();
        part
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
    let steps = (count - most..count).enumerate().map(|(step, last)| {
        let random = scramble(stream.wrapping_add(step as u64));
        (((u128::from(random) * (last as u128 + 1)) >> 64) as u32, last as u32)
    });
    if count <= 64 {
        let mut taken = steps.fold(0u64, |taken, (any, last)| {
            let bit = 1 << any;
            taken | if taken & bit == 0 { bit } else { 1 << last }
        });
        while taken != 0 {
            drawn.push(taken.trailing_zeros());
            taken &= taken - 1;
        }
        return;
    }
    for (any, last) in steps {
        match drawn.binary_search(&any) {
            Err(at) => drawn.insert(at, any),
            Ok(_) => drawn.push(last),
        }
    }
}

/// Where nodes are in a list: a hash table with linear probing, at most half full.
struct Places {
    /// A node in the upper half, its place in the lower one.
    slots: Vec<u64>,
    taken: usize,
}

impl Places {
    /// No node has this number.
    const EMPTY: u64 = u64::MAX;

    fn with_room_for(nodes: usize) -> Self {
        Self {
            slots: vec![Self::EMPTY; (2 * nodes).next_power_of_two().max(64)],
            taken: 0,
        }
    }

    /// The place of a node, which is `next` if it has none yet.
    fn place(&mut self, node: u32, next: u32) -> u32 {
        if 2 * self.taken >= self.slots.len() {
            let larger = vec![Self::EMPTY; 2 * self.slots.len()];
            let slots = std::mem::replace(&mut self.slots, larger);
            for slot in slots.into_iter().filter(|&slot| slot != Self::EMPTY) {
                let at = self.slot((slot >> 32) as u32);
                self.slots[at] = slot;
            }
        }
        let at = self.slot(node);
        if self.slots[at] == Self::EMPTY {
            self.slots[at] = u64::from(node) << 32 | u64::from(next);
            self.taken += 1;
        }
        self.slots[at] as u32
    }

    /// The slot that the node is in, or the empty one that it would be in.
    fn slot(&self, node: u32) -> usize {
        let bits = self.slots.len().trailing_zeros();
        // Fibonacci hashing (Knuth, section 6.4): nodes that follow each other lie apart.
        let mut at = (u64::from(node).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - bits)) as usize;
        while self.slots[at] != Self::EMPTY && (self.slots[at] >> 32) as u32 != node {
            at = (at + 1) & (self.slots.len() - 1);
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_are_those_of_a_map(nodes in prop::collection::vec(prop_oneof![0u32..50, any::<u32>()], 0..2000)) {
            let (mut places, mut expected) = (Places::with_room_for(3), HashMap::new());
            for (next, node) in nodes.into_iter().filter(|&node| node != u32::MAX).enumerate() {
                prop_assert_eq!(places.place(node, next as u32), *expected.entry(node).or_insert(next as u32));
            }
        }
    }

    /// With 64 neighbours bits say what is taken, with more a list does.
    #[test]
    fn both_ways_to_draw_are_uniform() {
        for count in [64usize, 65] {
            let mut counts = vec![0.0; count];
            let mut drawn = Vec::new();
            for stream in 0..20_000 {
                draw(scramble(stream), count, 10, &mut drawn);
                assert!(drawn.len() == 10 && drawn.windows(2).all(|pair| pair[0] < pair[1]));
                drawn.iter().for_each(|&i| counts[i as usize] += 1.0);
            }
            let mean = 200_000.0 / count as f64;
            let chi2: f64 = counts.iter().map(|n: &f64| (n - mean).powi(2) / mean).sum();
            // Five standard deviations of its distribution.
            let freedom = count as f64 - 1.0;
            assert!(chi2 < freedom + 5.0 * (2.0 * freedom).sqrt(), "{count} {chi2}");
        }
    }
}
