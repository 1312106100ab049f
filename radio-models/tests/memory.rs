//! What a window of gradient accumulation takes of memory, by a counting allocator: so it is a program of its own.
#![cfg(feature = "flex")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ndarray::{Array2, Array3};
use radio_models::{
    Autoencoder, ConvAutoencoderConfig, MaskedAutoencoderConfig, Tokens, Trainer, TrainerOptions, device,
};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const ROWS: usize = 16;
const TOKENS: usize = 32;
const PATCH: usize = 16;

fn tokens(batch: usize) -> Tokens<'static> {
    let number =
        |(row, token, pixel): (usize, usize, usize)| ((batch + row * 31 + token * 7 + pixel) % 17) as f32 / 17.0;
    let flux = Array3::from_shape_fn((ROWS, TOKENS, PATCH), number);
    let ids: Vec<i64> = (0..ROWS).map(|row| (batch * ROWS + row) as i64).collect();
    let wavelength = Array2::from_shape_fn((ROWS, TOKENS), |(_, token)| 4000.0 + 13.0 * token as f64);
    let sigma = Array3::from_elem((ROWS, TOKENS, PATCH), 0.1);
    Tokens::new(ids, flux, sigma, wavelength, vec![10.0; ROWS]).unwrap()
}

/// Bytes at the peak of the third step, when the optimizer has its state, above what there was before.
fn peak<M: Autoencoder>(model: M, batches: usize) -> u64 {
    let mut trainer = Trainer::new(TrainerOptions::default(), model).unwrap();
    let mut window = || {
        for batch in 0..batches {
            trainer.accumulate(&tokens(batch)).unwrap();
        }
        trainer.update().unwrap().unwrap();
    };
    window();
    window();
    let profiler = dhat::Profiler::builder().testing().build();
    window();
    let peak = dhat::HeapStats::get().max_bytes as u64;
    drop(profiler);
    peak
}

#[track_caller]
fn check<M: Autoencoder>(model: &M) {
    let (one, many) = (peak(model.clone(), 1), peak(model.clone(), 64));
    assert!(
        many as f64 <= 1.1 * one as f64,
        "{one} bytes for one micro-batch, {many} for a window of 64"
    );
}

/// One test, since the allocator counts for all.
#[test]
fn a_window_takes_no_more_than_a_batch() {
    let device = device("cpu").unwrap();
    check(&ConvAutoencoderConfig::new(TOKENS, PATCH).init(&device).unwrap());
    let masked = MaskedAutoencoderConfig::new(TOKENS, PATCH)
        .with_width(32)
        .with_encoder(2);
    check(&masked.init(&device).unwrap());
}
