//! What a window of gradient accumulation takes of memory, by a counting allocator: so it is a program of its own.
#![cfg(feature = "flex")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ndarray::{Array2, Array3};
use radio_models::burn::tensor::Device;
use radio_models::{
    Autoencoder, ConvAutoencoderConfig, Graph, GraphSageConfig, MaskedAutoencoderConfig, NeighborSampler, NodeBatch,
    Sizes, Tokens, Trainer, TrainerOptions, device,
};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const ROWS: usize = 8;
const TOKENS: usize = 244;
const PATCH: usize = 32;

fn tokens(batch: usize, rows: usize) -> Tokens<'static> {
    let number =
        |(row, token, pixel): (usize, usize, usize)| ((batch + row * 31 + token * 7 + pixel) % 17) as f32 / 17.0;
    let flux = Array3::from_shape_fn((rows, TOKENS, PATCH), number);
    let ids: Vec<i64> = (0..rows).map(|row| (batch * rows + row) as i64).collect();
    let wavelength = Array2::from_shape_fn((rows, TOKENS), |(_, token)| 4000.0 + 13.0 * token as f64);
    let sigma = Array3::from_elem((rows, TOKENS, PATCH), 0.1);
    Tokens::new(ids, flux, sigma, wavelength, vec![10.0; rows]).unwrap()
}

/// Bytes at the peak of a training of two steps: weights, the optimizer's state, activations, gradients, the batch.
fn peak<M: Autoencoder>(model: impl FnOnce() -> M, rows: usize, batches: usize) -> u64 {
    let profiler = dhat::Profiler::builder().testing().build();
    let mut trainer = Trainer::new(TrainerOptions::default(), model()).unwrap();
    for _step in 0..2 {
        for batch in 0..batches {
            trainer.accumulate(&tokens(batch, rows)).unwrap();
        }
        trainer.update().unwrap().unwrap();
    }
    drop(trainer);
    let peak = dhat::HeapStats::get().max_bytes as u64;
    drop(profiler);
    peak
}

/// One test, since the allocator counts for all.
#[test]
fn a_window_takes_no_more_than_a_batch() {
    let device = device("cpu").unwrap();
    let masked = || {
        let config = MaskedAutoencoderConfig::small(TOKENS, PATCH).with_encoder(1);
        config.init(&device).unwrap()
    };
    let (one, many) = (peak(masked, ROWS, 1), peak(masked, ROWS, 64));
    assert!(
        many as f64 <= 1.1 * one as f64,
        "{one} bytes for one micro-batch, {many} for a window of 64"
    );

    // Where the weights are as large as the activations, and a micro-batch is more parts than there are threads, whose gradients are
    // added up for it, too.
    let conv = || ConvAutoencoderConfig::small(TOKENS, PATCH).init(&device).unwrap();
    let two = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let [one, many] = [1, 64].map(|batches| two.install(|| peak(conv, 256, batches)));
    assert!(
        many as f64 <= 1.1 * one as f64,
        "{one} bytes for one micro-batch of 256, {many} for a window of 64"
    );

    // A micro-batch of few parts has no sum of gradients. That is seen in a window, and nothing else.
    let gradients = ConvAutoencoderConfig::small(TOKENS, PATCH).parameters().unwrap() * size_of::<f32>();
    let (one, many) = (peak(conv, ROWS, 1), peak(conv, ROWS, 64));
    assert!(
        many as f64 <= 1.02 * (one as f64 + gradients as f64),
        "{one} bytes for one micro-batch, {many} for a window of 64, {gradients} of them gradients"
    );

    // Of a graph network, a window of samples.
    let (one, many) = (peak_of_samples(&device, 1), peak_of_samples(&device, 64));
    assert!(
        many as f64 <= 1.05 * one as f64,
        "{one} bytes for one micro-batch of nodes, {many} for a window of 64"
    );
}

/// The same for a graph of 20,000 nodes, of which 64 are learned from at a time.
fn peak_of_samples(device: &Device, batches: u32) -> u64 {
    const NODES: u32 = 20_000;
    let edges: Vec<[u32; 2]> = (0..NODES * 12).map(|edge| [edge / 12, edge * 7919 % NODES]).collect();
    let graph = Graph::from_edges(NODES as usize, &edges).unwrap();
    let features = Array2::from_shape_fn((NODES as usize, 16), |(node, i)| {
        ((node * 31 + i * 7) % 17) as f32 / 17.0
    });
    let classes: Vec<u8> = (0..NODES).map(|node| (node % 4) as u8).collect();
    let sampler = NeighborSampler::new(&[10, 10]);
    let profiler = dhat::Profiler::builder().testing().build();
    let mut trainer = Trainer::new(
        TrainerOptions::default(),
        GraphSageConfig::new(16, 4).init(device).unwrap(),
    )
    .unwrap();
    for _step in 0..2 {
        // The same sample each time: others have other numbers of nodes.
        for _batch in 0..batches {
            let sample = sampler.sample(&graph, &(0..64).collect::<Vec<_>>(), 0, 0).unwrap();
            trainer
                .accumulate(&NodeBatch::new(sample, features.view(), &classes).unwrap())
                .unwrap();
        }
        trainer.update().unwrap().unwrap();
    }
    drop(trainer);
    let peak = dhat::HeapStats::get().max_bytes as u64;
    drop(profiler);
    peak
}
