//! The tokenizer: its parameters and its verb.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::row::Cut;
use crate::rows::Rows;
use crate::wavelengths::TokenWavelengths;
use crate::{Error, Normalize, Result, Spectra, TokenBatch};

/// Cuts spectra into patches on their native wavelength grids, normalised and masked.
///
/// The parameters are checked by [`tokenize`](Self::tokenize). [`Display`](fmt::Display) gives the canonical text of
/// the configuration and [`fingerprint`](Self::fingerprint) a short hash of it, to store beside what a model learned. As a
/// serde value (JSON, TOML, …) every field may be left out:
///
/// ```toml
/// patch = 32                 # pixels
/// stride = 32                # as patch
/// tail = "pad-and-mask"      # or "drop", "error"
/// normalize = "median"       # or "mean", "mean-std", "weighted-mean", "patch-median", "none",
///                            # { rest-frame-median = { from = 5300.0, to = 5850.0 } }
/// min_tokens = 0
/// ```
///
/// # Examples
///
/// Half-overlapping patches of 16 pixels of a spectrum of 40:
///
/// ```
/// use ndarray::Array2;
/// use radio_tokenize::{Normalize, Spectra, Tokenizer};
///
/// let wavelength: Vec<f64> = (0..40).map(|i| 3600.0 + 0.8 * f64::from(i)).collect();
/// let flux = Array2::from_elem((1, 40), 7.0);
/// let ivar = Array2::from_elem((1, 40), 4.0);
/// let spectra = Spectra::on_grid(flux.view(), ivar.view(), &wavelength)?;
///
/// let tokenizer = Tokenizer::new(16).stride(8).normalize(Normalize::Median);
/// let batch = tokenizer.tokenize(&spectra)?;
/// assert_eq!(batch.values.dim(), (1, 4, 16));
/// assert_eq!((batch.scale[[0, 0]], batch.values[[0, 0, 0]], batch.snr[[0, 0]]), (7.0, 1.0, 14.0));
/// # Ok::<(), radio_tokenize::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Config")]
#[must_use]
pub struct Tokenizer {
    patch: usize,
    stride: usize,
    tail: Tail,
    pub(crate) normalize: Normalize,
    pub(crate) min_tokens: usize,
}

/// The patch of [`Tokenizer::default`].
const PATCH: usize = 32;

/// Patches of 32 pixels, and the default of everything else.
impl Default for Tokenizer {
    fn default() -> Self {
        Self::new(PATCH)
    }
}

/// A tokenizer as it is written down, where parts may be missing.
#[derive(Deserialize)]
#[serde(rename = "Tokenizer", deny_unknown_fields)]
struct Config {
    patch: Option<usize>,
    stride: Option<usize>,
    #[serde(default)]
    tail: Tail,
    #[serde(default)]
    normalize: Normalize,
    #[serde(default)]
    min_tokens: usize,
}

impl TryFrom<Config> for Tokenizer {
    type Error = Error;

    fn try_from(config: Config) -> Result<Self> {
        let patch = config.patch.unwrap_or(PATCH);
        let tokenizer = Self {
            patch,
            stride: config.stride.unwrap_or(patch),
            tail: config.tail,
            normalize: config.normalize,
            min_tokens: config.min_tokens,
        };
        tokenizer.check()?;
        Ok(tokenizer)
    }
}

/// What becomes of pixels after the last whole patch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Tail {
    /// One more token holds them, filled up with pixels that are not good. A spectrum shorter than a patch gets one
    /// token, an empty one none.
    #[default]
    PadAndMask,
    /// They are left out of the tokens (they still count for the normalisation). A spectrum shorter than a patch has
    /// no token.
    Drop,
    /// A row with such pixels is an error.
    Error,
}

impl Tail {
    fn name(self) -> &'static str {
        match self {
            Self::PadAndMask => "pad-and-mask",
            Self::Drop => "drop",
            Self::Error => "error",
        }
    }
}

impl Tokenizer {
    /// The longest patch, in pixels.
    pub const MAX_PATCH: usize = 65_536;
    /// The most tokens that a batch can be filled up to.
    pub const MAX_MIN_TOKENS: usize = 1 << 20;

    /// Patches of `patch` pixels, from 1 to [`MAX_PATCH`](Self::MAX_PATCH), one after the other.
    pub fn new(patch: usize) -> Self {
        Self {
            patch,
            stride: patch,
            tail: Tail::default(),
            normalize: Normalize::default(),
            min_tokens: 0,
        }
    }

    /// Pixels from the start of one patch to the start of the next, from 1 to the length of a patch; patches overlap
    /// where it is less. Default: the length of a patch.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// What becomes of pixels after the last whole patch. Default: [`Tail::PadAndMask`].
    pub fn tail(self, tail: Tail) -> Self {
        Self { tail, ..self }
    }

    /// How a spectrum is brought to order one. Default: [`Normalize::Median`].
    pub fn normalize(self, normalize: Normalize) -> Self {
        Self { normalize, ..self }
    }

    /// Fills every batch up to at least this many tokens, with padding: batches of ragged spectra then have one shape.
    /// It changes no token, so it is no part of the [`fingerprint`](Self::fingerprint). Default: 0.
    pub fn min_tokens(self, min_tokens: usize) -> Self {
        Self { min_tokens, ..self }
    }

    /// Cuts every spectrum into tokens.
    ///
    /// A row of the result depends on its spectrum and the parameters only: not on the rest of the batch (except for
    /// the number of padding tokens behind it) and not on the number of threads. Rows run in parallel on rayon's
    /// current thread pool.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a parameter out of range, [`Error::Missing`] if the normalisation needs redshifts or inverse
    /// variances that are not there, [`Error::Tail`] for the first row with a tail if [`Tail::Error`] is set,
    /// [`Error::TooLarge`] if the padded batch fits no array; all before any work is done.
    ///
    /// # Complexity
    ///
    /// O(N) in time for N pixels (more by patch / stride where patches overlap; by the logarithm squared of a patch for
    /// [`Normalize::PatchMedian`]), 9 bytes for each pixel and some 40 for each token of the padded batch, and for each thread
    /// up to 40 bytes a pixel and 70 a token of the longest row, which it keeps.
    ///
    /// # References
    ///
    /// Patches with a level per spectrum, as in AstroCLIP (Parker et al. 2024, MNRAS, doi:10.1093/mnras/stae1450) and, on native grids,
    /// Shen et al. 2025 (arXiv:2510.17959).
    pub fn tokenize(&self, spectra: &Spectra<'_>) -> Result<TokenBatch> {
        let mut batch = TokenBatch::default();
        self.tokenize_into(spectra, &mut batch)?;
        Ok(batch)
    }

    /// As [`tokenize`](Self::tokenize), into the memory of a batch that is not needed any more, whatever it holds: in a loop
    /// over batches it can be several times as fast, because fresh memory is slow.
    ///
    /// # Errors
    ///
    /// As [`tokenize`](Self::tokenize); the batch is then as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::Array2;
    /// use radio_tokenize::{Spectra, TokenBatch, Tokenizer};
    ///
    /// let tokenizer = Tokenizer::default();
    /// let wavelength: Vec<f64> = (0..64).map(|i| 3600.0 + 0.8 * f64::from(i)).collect();
    /// let mut tokens = TokenBatch::default();
    /// for level in [1.0, 2.0, 3.0] {
    ///     let flux = Array2::from_elem((4, 64), level);
    ///     tokenizer.tokenize_into(&Spectra::on_grid(flux.view(), flux.view(), &wavelength)?, &mut tokens)?;
    ///     assert_eq!(tokens.scale[[3, 0]], level);
    /// }
    /// # Ok::<(), radio_tokenize::Error>(())
    /// ```
    pub fn tokenize_into(&self, spectra: &Spectra<'_>, batch: &mut TokenBatch) -> Result<()> {
        self.check()?;
        self.check_has_all(spectra)?;
        let rows = spectra.rows();
        let mut tokens = self.min_tokens;
        for row in 0..rows {
            let pixels = spectra.pixels(row);
            self.check_tail(row, pixels)?;
            tokens = tokens.max(self.tokens(pixels));
        }
        // No array may have more bytes than an isize can count, and our largest elements have eight.
        let elements = rows.max(1).checked_mul(tokens).and_then(|n| n.checked_mul(self.patch));
        if elements.is_none_or(|n| n > isize::MAX as usize / 8) {
            return Err(Error::TooLarge {
                rows,
                tokens,
                patch: self.patch,
            });
        }
        let scales = if self.normalize == Normalize::PatchMedian {
            tokens
        } else {
            1
        };
        batch.tokenizer = self.clone();
        batch.reshape([rows, tokens, self.patch], scales, spectra.has_ivar());
        let shared = spectra
            .shared_grid()
            .map(|grid| TokenWavelengths::new(grid, self.cut(grid.len())));
        Rows {
            tokenizer: self,
            spectra,
            shared: shared.as_ref(),
            first: 0,
            out: batch.rows_mut(),
        }
        .write();
        Ok(())
    }

    /// Number of tokens of a spectrum with `pixels` pixels.
    ///
    /// 0 for an empty spectrum; also 0 if the parameters are out of range, which [`tokenize`](Self::tokenize) refuses.
    #[must_use]
    pub fn tokens(&self, pixels: usize) -> usize {
        if self.check().is_err() || pixels == 0 {
            return 0;
        }
        match pixels.checked_sub(self.patch) {
            Some(after_first) if self.tail == Tail::PadAndMask => 1 + after_first.div_ceil(self.stride),
            Some(after_first) => 1 + after_first / self.stride,
            None => usize::from(self.tail == Tail::PadAndMask),
        }
    }

    /// A hash of the configuration: 16 hexadecimal digits, the same on every platform.
    ///
    /// It is the 64-bit FNV-1a hash of the text that [`Display`](fmt::Display) gives. The number in that text grows
    /// when a later version of this crate makes other tokens from the same parameters, so equal fingerprints mean
    /// equal tokens up to the rounding of a platform's arithmetic.
    ///
    /// # Examples
    ///
    /// ```
    /// use radio_tokenize::Tokenizer;
    ///
    /// let tokenizer = Tokenizer::new(32);
    /// assert_eq!(tokenizer.to_string(), "radio-tokenize/1 patch=32 stride=32 tail=pad-and-mask normalize=median");
    /// assert_eq!(tokenizer.fingerprint(), "a7abe6f0958db296");
    /// ```
    ///
    /// # References
    ///
    /// Fowler, Noll and Vo, RFC 9923, for the two constants.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in self.to_string().bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        format!("{hash:016x}")
    }

    /// Were tokens made by a tokenizer with this one's [`fingerprint`](Self::fingerprint)?
    ///
    /// # Errors
    ///
    /// [`Error::OtherTokenizer`] if not, which names both.
    pub fn check_made(&self, by: &Self) -> Result<()> {
        let (found, expected) = (by.to_string(), self.to_string());
        if found == expected {
            return Ok(());
        }
        Err(Error::OtherTokenizer { found, expected })
    }

    /// Are the parameters in range?
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |name, value: usize, expected| {
            Err(Error::Option {
                name,
                value: value.to_string(),
                expected,
            })
        };
        if self.patch == 0 || self.patch > Self::MAX_PATCH {
            return wrong("patch", self.patch, "1 to 65536 pixels");
        }
        if self.stride == 0 || self.stride > self.patch {
            return wrong(
                "stride",
                self.stride,
                "1 to the length of a patch (more would leave pixels out)",
            );
        }
        if self.min_tokens > Self::MAX_MIN_TOKENS {
            return wrong("min_tokens", self.min_tokens, "at most 1048576 tokens");
        }
        match self.normalize {
            Normalize::RestFrameMedian { from, to } if !(from > 0.0 && from < to && to.is_finite()) => {
                Err(Error::Option {
                    name: "rest-frame-median",
                    value: format!("{from:?} to {to:?}"),
                    expected: "two positive wavelengths in order",
                })
            }
            _ => Ok(()),
        }
    }

    /// Do the spectra have what the normalisation needs?
    fn check_has_all(&self, spectra: &Spectra<'_>) -> Result<()> {
        let missing = |what, how| {
            Err(Error::Missing {
                what,
                normalize: self.normalize.to_string(),
                how,
            })
        };
        match self.normalize {
            Normalize::WeightedMean if !spectra.has_ivar() => missing("ivar", "Spectra::on_grid"),
            Normalize::RestFrameMedian { .. } if !spectra.has_redshift() => missing("redshift", "Spectra::redshift"),
            _ => Ok(()),
        }
    }

    /// How a row of so many pixels is cut.
    pub(crate) fn cut(&self, pixels: usize) -> Cut {
        Cut {
            patch: self.patch,
            stride: self.stride,
            tokens: self.tokens(pixels),
        }
    }

    /// Does [`Tail::Error`] object to a row of so many pixels?
    fn check_tail(&self, row: usize, pixels: usize) -> Result<()> {
        let Self { patch, stride, .. } = *self;
        let covered = match self.tokens(pixels) {
            0 => 0,
            tokens => (tokens - 1) * stride + patch,
        };
        if self.tail == Tail::Error && covered != pixels {
            return Err(Error::Tail {
                row,
                pixels,
                patch,
                stride,
            });
        }
        Ok(())
    }
}

/// The canonical text of the configuration.
impl fmt::Display for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            patch,
            stride,
            tail,
            normalize,
            min_tokens: _,
        } = self;
        let tail = tail.name();
        write!(
            f,
            "radio-tokenize/1 patch={patch} stride={stride} tail={tail} normalize={normalize}"
        )
    }
}
