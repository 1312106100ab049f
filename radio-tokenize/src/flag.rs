//! Bits of [`TokenBatch::flags`](crate::TokenBatch::flags): what was out of the ordinary in a spectrum.
//!
//! ```
//! use ndarray::array;
//! use radio_tokenize::{Spectra, Tokenizer, flag};
//!
//! // The median of this spectrum is negative: it cannot be its scale.
//! let flux = array![[-3.0, -1.0, -2.0, 5.0]];
//! let ivar = array![[1.0, 1.0, 1.0, 1.0]];
//! let spectra = Spectra::on_grid(flux.view(), ivar.view(), &[4000.0, 4001.0, 4002.0, 4003.0])?;
//! let batch = Tokenizer::new(4).tokenize(&spectra)?;
//! assert_eq!(batch.flags[0] & flag::SCALE_IS_SPREAD, flag::SCALE_IS_SPREAD);
//! # Ok::<(), radio_tokenize::Error>(())
//! ```

/// The spectrum has no good pixel. Offset is 0, scale is 1, all values are 0, no token is valid.
pub const DEAD: u32 = 1 << 0;

/// The level that was to be the scale (a median or a mean) is negative or within one of its own errors of 0, so the scale is
/// the spread about it: see [`Normalize`](crate::Normalize). Of [`PatchMedian`](crate::Normalize::PatchMedian): in one token
/// at least.
pub const SCALE_IS_SPREAD: u32 = 1 << 1;

/// There are good pixels but no spread or level to scale by, so the scale is 1. Of
/// [`PatchMedian`](crate::Normalize::PatchMedian): in one token at least.
pub const SCALE_IS_ONE: u32 = 1 << 2;

/// At least one good pixel was masked because its normalised value or error cannot be held by an `f32`: one of them
/// overflows, or the error is below the smallest normal `f32` (about 1.2e-38).
pub const PIXEL_OUT_OF_RANGE: u32 = 1 << 3;

/// The window of [`RestFrameMedian`](crate::Normalize::RestFrameMedian) holds no good pixel of this spectrum, or its redshift
/// is unknown: the median is that of the whole spectrum.
pub const WINDOW_IS_SPECTRUM: u32 = 1 << 4;

/// Inside of at least one token neighbouring pixels are more than three times as far apart as the closer of those beside them (between the
/// arms of a spectrograph, where a piece was cut out). Such a token is valid like others; its
/// [`wavelength_min`](crate::TokenBatch::wavelength_min) and [`wavelength_max`](crate::TokenBatch::wavelength_max) tell how
/// far it goes.
pub const WAVELENGTH_GAP: u32 = 1 << 5;
