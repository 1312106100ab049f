//! Spectra to test with.

use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use radio_tokenize::{Normalize, Spectra, Tail, TokenBatch, Tokenizer};

pub(crate) const NORMALIZE: [Normalize; 7] = [
    Normalize::Median,
    Normalize::Mean,
    Normalize::WeightedMean,
    Normalize::MeanStd,
    Normalize::RestFrameMedian {
        from: 3500.0,
        to: 3620.0,
    },
    Normalize::PatchMedian,
    Normalize::None,
];

/// The same cases in every run.
pub(crate) fn fixed() -> ProptestConfig {
    ProptestConfig {
        cases: 512,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_240_801),
        ..Default::default()
    }
}

/// Spectra with a grid per row, owned.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) offsets: Vec<usize>,
    pub(crate) flux: Vec<f32>,
    pub(crate) ivar: Vec<f32>,
    pub(crate) mask: Vec<i32>,
    pub(crate) wavelength: Vec<f64>,
    pub(crate) redshift: Vec<f64>,
}

/// Flux, inverse variance and mask of a pixel.
pub(crate) type Pixel = (f32, f32, i32);

impl Sample {
    /// Every row has its own grid: row i starts at 3600 + 100 i Å, with pixels that grow to the red.
    pub(crate) fn new(rows: &[Vec<Pixel>]) -> Self {
        let mut sample = Self {
            offsets: vec![0],
            flux: vec![],
            ivar: vec![],
            mask: vec![],
            wavelength: vec![],
            // The last ones leave no wavelength in a window, or none that could be known.
            redshift: (0..rows.len())
                .map(|i| [0.0, 0.02, f64::NAN, 5.0, -1.5][i % 5])
                .collect(),
        };
        for (i, row) in rows.iter().enumerate() {
            for (k, &(flux, ivar, mask)) in row.iter().enumerate() {
                sample.flux.push(flux);
                sample.ivar.push(ivar);
                sample.mask.push(mask);
                sample.wavelength.push(grid(i, k));
            }
            sample.offsets.push(sample.flux.len());
        }
        sample
    }

    /// One row with nothing masked.
    pub(crate) fn row(flux: &[f32], ivar: &[f32]) -> Self {
        assert_eq!(flux.len(), ivar.len());
        Self::new(&[flux.iter().zip(ivar).map(|(&flux, &ivar)| (flux, ivar, 0)).collect()])
    }

    pub(crate) fn spectra(&self) -> Spectra<'_> {
        let spectra = Spectra::ragged(&self.offsets, &self.flux, &self.ivar, &self.wavelength).unwrap();
        spectra.mask(&self.mask).unwrap().redshift(&self.redshift).unwrap()
    }

    pub(crate) fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Row `i` alone.
    pub(crate) fn only(&self, i: usize) -> Self {
        let cut = self.offsets[i]..self.offsets[i + 1];
        Self {
            offsets: vec![0, cut.len()],
            flux: self.flux[cut.clone()].to_vec(),
            ivar: self.ivar[cut.clone()].to_vec(),
            mask: self.mask[cut.clone()].to_vec(),
            wavelength: self.wavelength[cut].to_vec(),
            redshift: vec![self.redshift[i]],
        }
    }

    /// Pixel `k` of all pixels is good, as the documentation defines it.
    pub(crate) fn good(&self, k: usize) -> bool {
        self.flux[k].is_finite() && self.ivar[k].is_finite() && self.ivar[k] > 0.0 && self.mask[k] == 0
    }
}

fn grid(row: usize, pixel: usize) -> f64 {
    3600.0 + 100.0 * row as f64 + 0.8 * pixel as f64 + 1e-3 * (pixel * pixel) as f64
}

/// Tokenizes one row with nothing masked.
pub(crate) fn tokenize(tokenizer: &Tokenizer, flux: &[f32], ivar: &[f32]) -> TokenBatch {
    let sample = Sample::row(flux, ivar);
    let batch = tokenizer.tokenize(&sample.spectra()).unwrap();
    check_invariants(&batch);
    batch
}

/// What holds for every batch whatsoever.
#[track_caller]
pub(crate) fn check_invariants(batch: &TokenBatch) {
    let (rows, tokens, patch) = batch.values.dim();
    let has_errors = batch.errors.dim().2 > 0;
    assert_eq!(batch.errors.dim(), (rows, tokens, if has_errors { patch } else { 0 }));
    for floats in [&batch.values, &batch.errors] {
        assert!(floats.iter().all(|x| x.is_finite()));
    }
    for floats in [&batch.snr, &batch.valid_fraction] {
        assert_eq!(floats.dim(), (rows, tokens));
        assert!(floats.iter().all(|x| x.is_finite()));
    }
    for floats in [&batch.wavelength, &batch.wavelength_min, &batch.wavelength_max] {
        assert_eq!(floats.dim(), (rows, tokens));
        assert!(floats.iter().all(|x| x.is_finite()));
    }
    let snr = batch.spectrum_snr().unwrap();
    assert_eq!(snr.len(), rows);
    assert!(snr.iter().all(|x| x.is_finite()));
    for floats in [&batch.offset, &batch.scale] {
        assert_eq!(floats.nrows(), rows);
        assert!(floats.ncols() == 1 || floats.ncols() == tokens);
        assert!(floats.iter().all(|x| x.is_finite()));
    }
    assert!(batch.scale.iter().all(|&scale| scale > 0.0));
    assert_eq!((batch.flags.len(), batch.lengths.len()), (rows, rows));
    for ((index, &good), &value) in batch.pixels.indexed_iter().zip(&batch.values) {
        assert!(good || value == 0.0, "value {value} at {index:?}");
    }
    for (&good, &error) in batch.pixels.iter().zip(&batch.errors) {
        assert_eq!(good, error > 0.0, "error {error}");
    }
    if !has_errors {
        assert!(
            batch.snr.iter().chain(&snr).all(|&snr| snr == 0.0),
            "S/N without errors"
        );
    }
    for i in 0..rows {
        for k in 0..tokens {
            let good = (0..patch).filter(|&j| batch.pixels[[i, k, j]]).count();
            assert_eq!(batch.valid[[i, k]], 2 * good >= patch);
            assert_eq!(batch.valid_fraction[[i, k]], good as f32 / patch as f32);
            let (min, mean, max) = (
                batch.wavelength_min[[i, k]],
                batch.wavelength[[i, k]],
                batch.wavelength_max[[i, k]],
            );
            assert!(min <= mean && mean <= max, "wavelengths {min}, {mean}, {max}");
        }
    }
}

/// Any tokenizer of short patches that takes spectra of any length.
pub(crate) fn tokenizers() -> impl Strategy<Value = Tokenizer> {
    let tail = prop::sample::select(vec![Tail::PadAndMask, Tail::Drop]);
    let normalize = prop::sample::select(NORMALIZE.to_vec());
    (1_usize..20, 1_usize..20, tail, normalize, 0_usize..9).prop_map(|(a, b, tail, normalize, min_tokens)| {
        Tokenizer::new(a.max(b))
            .stride(a.min(b))
            .tail(tail)
            .normalize(normalize)
            .min_tokens(min_tokens)
    })
}

/// Spectra that make sense, of `pixels` pixels each: some light or none, noise, holes.
pub(crate) fn tame(pixels: RangeInclusive<usize>) -> impl Strategy<Value = Sample> {
    let row = (-1.0_f32..3.0).prop_flat_map(move |level| {
        let flux = (-2.0_f32..2.0).prop_map(move |noise| level + noise);
        let ivar = prop_oneof![1 => Just(0.0_f32), 6 => 0.1_f32..9.0];
        let mask = prop_oneof![8 => Just(0), 1 => any::<i32>()];
        vec((flux, ivar, mask), pixels.clone())
    });
    vec(row, 0..5).prop_map(|rows| Sample::new(&rows))
}

/// Spectra of arbitrary bits.
pub(crate) fn wild() -> impl Strategy<Value = Sample> {
    let float = || {
        prop_oneof![
            4 => any::<u32>().prop_map(f32::from_bits),
            1 => prop::sample::select(vec![f32::MAX, f32::MIN, f32::MIN_POSITIVE, 0.0, -0.0, f32::from_bits(1), 1.0]),
        ]
    };
    // Positive floats of any magnitude, so that there are enough good pixels.
    let ivar = prop_oneof![1 => float(), 3 => (1_u32..0x7f80_0000).prop_map(f32::from_bits)];
    let mask = prop_oneof![8 => Just(0), 1 => any::<i32>()];
    vec(vec((float(), ivar, mask), 0..60), 0..5).prop_map(|rows| Sample::new(&rows))
}
