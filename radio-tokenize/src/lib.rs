//! Spectra of a sky survey, cut into tokens for a transformer, with masks, errors and wavelengths kept honest.
//!
//! A token is a patch of neighbouring pixels of one spectrum on its own wavelength grid: nothing is resampled.
//!
//! ```
//! use ndarray::Array2;
//! use radio_tokenize::{Spectra, Tokenizer, WavelengthEncoding};
//!
//! // Two spectra of 100 pixels; the second has lost its first 40.
//! let wavelength: Vec<f64> = (0..100).map(|i| 3600.0 + 0.8 * f64::from(i)).collect();
//! let flux = Array2::from_elem((2, 100), 5.0);
//! let ivar = Array2::from_shape_fn((2, 100), |(row, pixel)| if row == 1 && pixel < 40 { 0.0 } else { 4.0 });
//! let spectra = Spectra::on_grid(flux.view(), ivar.view(), &wavelength)?;
//!
//! let tokenizer = Tokenizer::new(32);
//! let batch = tokenizer.tokenize(&spectra)?;
//! assert_eq!(batch.values.dim(), (2, 4, 32)); // three whole patches and a tail of four pixels
//! assert_eq!(batch.valid.row(1).to_vec(), [false, true, true, false]);
//!
//! let encoding = WavelengthEncoding::for_grid(64, &wavelength)?;
//! let codes = encoding.encode(batch.wavelength.view())?;
//! assert_eq!(codes.dim(), (2, 4, 64));
//!
//! let restored = tokenizer.detokenize(&batch)?;
//! assert_eq!(restored.flux[..100], [5.0; 100]);
//! # Ok::<(), radio_tokenize::Error>(())
//! ```
//!
//! What it promises:
//! - **Masks are kept.** A pixel that is masked, without variance or not a number is 0 in every channel and false in
//!   [`TokenBatch::pixels`]; a token of which more than half is bad is not valid. Nothing that a bad pixel holds
//!   reaches a number in the result.
//! - **No silent NaN.** Every number in a [`TokenBatch`] is finite, for any bits in the flux, variance and mask.
//!   Where a rule had to give way (no light, no spread, no good pixel) a bit in [`TokenBatch::flags`] says so.
//! - **The way back.** Offset and scale are outputs and [`Tokenizer::detokenize`] inverts.
//! - **The same result** for a row, whatever its batch and the number of threads.
//!
//! # What it is not
//!
//! It reads no files and knows no column names. It does not project patches to embeddings: that matrix is learned and
//! belongs to the model. It does not shift to the rest frame, resample, or subtract a continuum.
//!
//! # References
//!
//! - Parker et al. 2024, MNRAS, doi:10.1093/mnras/stae1450 (AstroCLIP): patches of spectra as tokens.
//! - Shen et al. 2025, arXiv:2510.17959 (Universal Spectral Tokenization): native grids and wavelength encodings.

mod batch;
mod detokenize;
mod encoding;
mod error;
pub mod flag;
mod masking;
mod median;
mod network;
mod normalize;
mod patches;
mod pixels;
mod project;
mod row;
mod select;
mod simd;
mod snr;
mod spectra;
mod sums;
mod tokenizer;
mod wavelengths;

pub use batch::TokenBatch;
pub use detokenize::Pixels;
pub use encoding::WavelengthEncoding;
pub use error::{Error, Result};
pub use masking::Masking;
pub use normalize::Normalize;
pub use spectra::Spectra;
pub use tokenizer::{Tail, Tokenizer};
