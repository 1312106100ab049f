//! That rows need no memory of their own, by a counting allocator: so it is a program of its own.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ndarray::Array2;
use radio_tokenize::{Normalize, Spectra, TokenBatch, Tokenizer};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const PIXELS: usize = 500;

/// Allocations for a batch into memory that has seen a batch of this size.
fn allocations(tokenizer: &Tokenizer, rows: usize) -> u64 {
    // Noise about nothing, so that the second median is taken, too; some pixels are bad.
    let noise = |i: usize| (i.wrapping_mul(2_654_435_761) % 10_007) as f32 / 10_007.0 - 0.5;
    let flux = Array2::from_shape_fn((PIXELS, rows), |(k, i)| noise(i * PIXELS + k));
    let ivar = Array2::from_shape_fn((rows, PIXELS), |(i, k)| noise(7 * (i * PIXELS + k)) + 0.4);
    let wavelength: Vec<f64> = (0..PIXELS).map(|i| 3600.0 + 0.8 * i as f64).collect();
    let redshift = vec![0.0; rows];
    // The flux lies column by column: its rows are copied together before they are read.
    let spectra = Spectra::on_grid(flux.t(), ivar.view(), &wavelength).unwrap();
    let spectra = spectra.redshift(&redshift).unwrap();
    let mut batch = TokenBatch::default();
    tokenizer.tokenize_into(&spectra, &mut batch).unwrap();
    let before = dhat::HeapStats::get().total_blocks;
    tokenizer.tokenize_into(&spectra, &mut batch).unwrap();
    dhat::HeapStats::get().total_blocks - before
}

#[test]
fn rows_need_no_memory() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let window = Normalize::RestFrameMedian {
        from: 3600.0,
        to: 3700.0,
    };
    let normalize = [
        Normalize::Median,
        Normalize::Mean,
        Normalize::MeanStd,
        Normalize::WeightedMean,
        Normalize::PatchMedian,
        Normalize::None,
        window,
    ];
    pool.install(|| {
        for normalize in normalize {
            for (patch, stride) in [(32, 32), (32, 10), (200, 200)] {
                let tokenizer = Tokenizer::new(patch).stride(stride).normalize(normalize);
                let (few, many) = (allocations(&tokenizer, 10), allocations(&tokenizer, 1000));
                assert_eq!(few, many, "{tokenizer}");
                assert!(many < 20, "{many} allocations for a batch with {tokenizer}");
            }
        }
    });
}
