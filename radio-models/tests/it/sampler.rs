//! Sampled neighbourhoods against what they have to be.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use radio_models::{Error, Graph, NeighborSampler, Position, Sample};

/// A graph of 40 nodes without double edges, and some of its nodes.
fn graphs() -> impl Strategy<Value = (Graph, Vec<u32>)> {
    let edges = prop::collection::btree_set([0u32..40, 0u32..40], 0..600);
    let seeds = prop::collection::btree_set(0u32..40, 0..10).prop_map(|seeds| seeds.into_iter().rev().collect());
    (edges, seeds).prop_map(|(edges, seeds): (BTreeSet<[u32; 2]>, Vec<u32>)| {
        let edges: Vec<_> = edges.into_iter().collect();
        (Graph::from_edges(40, &edges).unwrap(), seeds)
    })
}

fn fan_outs() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1usize..8, Just(NeighborSampler::ALL)], 0..4)
}

/// What a node, in its place, heard of: numbers in the graph.
fn heard(sample: &Sample, place: usize) -> Vec<u32> {
    let places = sample.neighbours(place).iter();
    places.map(|&place| sample.nodes()[place as usize]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        rng_seed: RngSeed::Fixed(6),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn samples_are_what_they_have_to_be((graph, seeds) in graphs(), fan_outs in fan_outs(), epoch in 0u64..3) {
        let sampler = NeighborSampler::new(&fan_outs).seed(4);
        let sample = sampler.sample(&graph, &seeds, epoch, 7).unwrap();
        prop_assert_eq!(sample.hops(), fan_outs.len());
        prop_assert_eq!(&sample.nodes()[..seeds.len()], &seeds[..]);
        prop_assert_eq!((sample.within(0), sample.within(fan_outs.len())), (seeds.len(), sample.nodes().len()));
        prop_assert_eq!(sample.nodes().iter().collect::<BTreeSet<_>>().len(), sample.nodes().len());
        let mut start = 0;
        let mut reached: BTreeSet<u32> = seeds.iter().copied().collect();
        for (hop, &fan_out) in fan_outs.iter().enumerate() {
            for place in start..sample.within(hop) {
                let all: BTreeSet<u32> = graph.neighbours(sample.nodes()[place] as usize).iter().copied().collect();
                let found = heard(&sample, place);
                let different: BTreeSet<u32> = found.iter().copied().collect();
                prop_assert_eq!(found.len(), all.len().min(fan_out));
                prop_assert_eq!(different.len(), found.len(), "one was drawn twice");
                prop_assert!(different.is_subset(&all));
                reached.extend(different);
            }
            start = sample.within(hop);
            // Who is within the next hop is who was heard of.
            let within: BTreeSet<u32> = sample.nodes()[..sample.within(hop + 1)].iter().copied().collect();
            prop_assert_eq!(&within, &reached);
        }
        for place in start..sample.nodes().len() {
            prop_assert!(sample.neighbours(place).is_empty());
        }
        prop_assert_eq!(sampler.sample(&graph, &seeds, epoch, 7).unwrap(), sample);
    }

    /// What a node hears of does not depend on who else is in the batch.
    #[test]
    fn a_node_draws_for_itself((graph, seeds) in graphs(), fan_out in 1usize..5) {
        let sampler = NeighborSampler::new(&[fan_out]).seed(4);
        let together = sampler.sample(&graph, &seeds, 1, 2).unwrap();
        for (place, &seed) in seeds.iter().enumerate() {
            let alone = sampler.sample(&graph, &[seed], 1, 2).unwrap();
            prop_assert_eq!(heard(&alone, 0), heard(&together, place));
        }
    }
}

/// Pearson's chi-square of counts that are all as likely, per degree of freedom, in standard deviations above its mean.
fn excess(counts: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let freedom = counts.len() as f64 - 1.0;
    let mean = counts.clone().sum::<f64>() / counts.len() as f64;
    let chi2 = counts.map(|count| (count - mean).powi(2) / mean).sum::<f64>();
    (chi2 - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn each_set_is_as_likely_as_any_other() {
    let edges: Vec<[u32; 2]> = (1..9).map(|to| [0, to]).collect();
    let graph = Graph::from_edges(9, &edges).unwrap();
    for (fan_out, sets) in [(1, 8), (3, 56), (7, 8)] {
        let sampler = NeighborSampler::new(&[fan_out]).seed(9);
        // Over batches, over epochs, and over seeds of the sampler.
        for what in 0..3 {
            let mut counts = BTreeMap::new();
            for i in 0..100 * sets {
                let (sampler, epoch, batch) = match what {
                    0 => (sampler.clone(), 3, i),
                    1 => (sampler.clone(), i, 3),
                    _ => (sampler.clone().seed(i), 3, 3),
                };
                let sample = sampler.sample(&graph, &[0], epoch, batch).unwrap();
                *counts.entry(heard(&sample, 0)).or_insert(0.0) += 1.0;
            }
            assert_eq!(counts.len(), sets as usize);
            let excess = excess(counts.values().copied());
            assert!(excess < 4.0, "{fan_out} {what} {excess}");
        }
    }
}

#[test]
fn bad_input_is_named() {
    let graph = Graph::from_edges(3, &[[0, 1]]).unwrap();
    let message = |fan_outs: &[usize], seeds: &[u32]| {
        let error: Error = NeighborSampler::new(fan_outs).sample(&graph, seeds, 0, 0).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        message(&[2], &[0, 3]),
        "option seeds is 3, expected numbers of nodes of the graph"
    );
    assert_eq!(message(&[2], &[0, 1, 0]), "option seeds is 0, expected each node once");
    assert_eq!(message(&[2, 0], &[0]), "option fan_outs is 0, expected at least 1");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// A pass has each seed once, its samples are those that are drawn one at a time, and it goes on anywhere.
    #[test]
    fn passes_are_shuffled_whole_and_resumable((graph, seeds) in graphs(), size in 1usize..5, epoch in 0u64..3, from in 0u64..4) {
        let sampler = NeighborSampler::new(&[3, 2]).seed(4);
        let size = NonZeroUsize::new(size).unwrap();
        let pass = |position: Position| -> Vec<Sample> {
            let samples = sampler.batches(&graph, &seeds, size, position).unwrap();
            samples.collect::<Result<_, _>>().unwrap()
        };
        let mut position = Position::default();
        position.epoch = epoch;
        let whole = pass(position);
        let mut all: Vec<u32> = whole.iter().flat_map(|sample| sample.nodes()[..sample.within(0)].to_vec()).collect();
        for (batch, sample) in whole.iter().enumerate() {
            let seeds = &sample.nodes()[..sample.within(0)];
            prop_assert_eq!(&sampler.sample(&graph, seeds, epoch, batch as u64).unwrap(), sample);
        }
        all.sort_unstable_by(|a, b| b.cmp(a));
        prop_assert_eq!(&all, &seeds);
        let rest = pass(position.with_batch(from));
        prop_assert_eq!(&rest[..], &whole[whole.len().min(from as usize)..]);
    }
}

#[test]
fn another_epoch_is_in_another_order() {
    let graph = Graph::from_edges(100, &[]).unwrap();
    let seeds: Vec<u32> = (0..100).collect();
    let order = |epoch, seed| {
        let mut position = Position::default();
        position.epoch = epoch;
        let sampler = NeighborSampler::new(&[1]).seed(seed);
        let size = NonZeroUsize::new(100).unwrap();
        let mut samples = sampler.batches(&graph, &seeds, size, position).unwrap();
        samples.next().unwrap().unwrap().nodes().to_vec()
    };
    let orders = [order(0, 0), order(1, 0), order(0, 1), seeds.clone()];
    assert_eq!(orders.iter().collect::<BTreeSet<_>>().len(), 4);
}

#[test]
fn a_pass_says_what_is_wrong() {
    let graph = Graph::from_edges(3, &[]).unwrap();
    let size = NonZeroUsize::new(2).unwrap();
    let samples = NeighborSampler::new(&[1])
        .batches(&graph, &[7], size, Position::default())
        .unwrap();
    let errors: Vec<String> = samples.map(|sample| sample.unwrap_err().to_string()).collect();
    assert_eq!(errors, ["option seeds is 7, expected numbers of nodes of the graph"]);
}
