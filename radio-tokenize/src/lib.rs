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
//! - **A name for a configuration.** A batch carries its [`Tokenizer`], whose [`fingerprint`](Tokenizer::fingerprint) tells a
//!   model whether tokens are of its kind.
//! - **The same result** for a row, whatever its batch and the number of threads.
//!
//! # What becomes of odd spectra
//!
//! | spectrum | tokens |
//! |---|---|
//! | no good pixel (dead fibre, all masked), or no pixel at all | values and errors 0, none valid, scale 1, [`flag::DEAD`] |
//! | all zero; of means and medians a constant that is negative; of spreads any constant | scale 1, [`flag::SCALE_IS_ONE`] |
//! | median (or mean) negative, or not larger than its own error | scale is the spread about it, [`flag::SCALE_IS_SPREAD`] |
//! | an even number of good pixels | the median is the mean of the two in the middle, as numpy has it |
//! | one good pixel | if it is positive it is the scale; its token is valid if that is half of the patch |
//! | NaN or infinite flux; `ivar` 0, negative, NaN or infinite; mask not 0 | the pixel is bad, and nothing of it reaches any number |
//! | value or error beyond `f32`, or an error below 1.2e-38 (`ivar` · scale² overflows) | the pixel is bad, [`flag::PIXEL_OUT_OF_RANGE`] |
//! | shorter than a patch, or not a multiple of it | see [`Tail`]: filled up, dropped, or an error that names the row |
//! | a gap between arms inside of a patch | one token over the gap, [`flag::WAVELENGTH_GAP`] |
//! | wavelengths that are not finite, not positive, repeated or unsorted | [`Error::Wavelength`], which names row and pixel, before any work |
//! | a rest-frame window without good pixels, or no redshift | the median of the whole spectrum, [`flag::WINDOW_IS_SPECTRUM`] |
//! | no `ivar` | see [`Spectra::flux_on_grid`]: no errors, no signal to noise |
//! | an empty batch | an empty batch |
//!
//! # How fast it is
//!
//! 1024 spectra of 4096 pixels in patches of 32 take 8.3 µs each of one core (AMD Zen 4, November 2026) with errors and all that
//! is said of tokens, of which 2 to 3 µs are the memory's; numpy takes 19 µs or more for values, errors and mask alone. Give
//! [`Tokenizer::tokenize_into`] the tokens of the last batch to write over, since fresh memory can take longer than the work.
//! Instructions of AVX2 and AVX-512 are used where a processor has them; the tokens are the same to the last bit.
//!
//! # Features
//!
//! | feature | brings | default |
//! |---|---|---|
//! | `arrow` | spectra from Arrow record batches (`ArrowSpectra`), tokens to and from them (`Tokenizer::tokenize_record_batch`, `TokenBatch::into_record_batch`) | no |
//! | `datafusion` | `Tokenizer::into_udf`: a tokenizer as a scalar function of DataFusion, for queries and for workers of radio-io's cluster | no |
//!
//! # What it is not
//!
//! It reads no files. It does not learn: patches become embeddings in the model ([`TokenBatch::project`] is for export). It
//! does not shift to the rest frame, resample, or subtract a continuum.
//!
//! # References
//!
//! - Parker et al. 2024, MNRAS, doi:10.1093/mnras/stae1450 (AstroCLIP): patches of spectra as tokens.
//! - Shen et al. 2025, arXiv:2510.17959 (Universal Spectral Tokenization): native grids and wavelength encodings.

#[cfg(feature = "arrow")]
mod arrow;
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
mod rows;
mod select;
mod simd;
mod snr;
mod spectra;
mod sums;
mod tokenizer;
#[cfg(feature = "datafusion")]
mod udf;
mod wavelengths;

#[cfg(feature = "arrow")]
pub use arrow::{ArrowColumns, ArrowSpectra, FloatFormat, RowFormat, TokenFormat};
pub use batch::TokenBatch;
pub use detokenize::Pixels;
pub use encoding::WavelengthEncoding;
pub use error::{Error, Result};
pub use masking::Masking;
pub use normalize::Normalize;
pub use spectra::Spectra;
pub use tokenizer::{Tail, Tokenizer};
