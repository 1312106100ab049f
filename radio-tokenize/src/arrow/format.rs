//! How tokens are laid out in a record batch.

/// How tokens are laid out in a record batch, for [`TokenBatch::into_record_batch`](crate::TokenBatch::into_record_batch).
///
/// Each field of a [`TokenBatch`](crate::TokenBatch) is a column of its name. No column has nulls.
///
/// | column | type | meaning | unit |
/// |---|---|---|---|
/// | `values` | tokens of pixels of float | normalised flux; 0 where the pixel is not good | |
/// | `errors` | tokens of pixels of float | normalised standard error; above 0 where the pixel is good, and only there. Not there for spectra without inverse variance | |
/// | `pixels` | tokens of pixels of Boolean | is the pixel good? | |
/// | `valid` | tokens of Boolean | are at least half of the token's pixels good? | |
/// | `valid_fraction` | tokens of Float32 | good pixels of the token, divided by those of a patch | |
/// | `wavelength` | tokens of Float64 | mean wavelength of the token's pixels | Angstrom |
/// | `wavelength_min` | tokens of Float64 | wavelength of its first pixel | Angstrom |
/// | `wavelength_max` | tokens of Float64 | wavelength of its last pixel | Angstrom |
/// | `snr` | tokens of Float32 | mean signal to noise of its good pixels | |
/// | `offset` | scaling of Float32 | what was subtracted from the flux | that of the flux |
/// | `scale` | scaling of Float32 | what the flux was then divided by | that of the flux |
/// | `flags` | UInt32 | bits of [`flag`](crate::flag) | |
/// | `lengths` | UInt64 | number of pixels of the spectrum | pixel |
///
/// *Tokens* are a `FixedSizeList` of t for [`RowFormat::Padded`] and a `List` for [`RowFormat::Ragged`], *pixels* a
/// `FixedSizeList` of the length of a patch, *float* is [`FloatFormat`], and a *scaling* is the number itself, or
/// tokens of it for [`Normalize::PatchMedian`](crate::Normalize::PatchMedian). Elements of lists are called `element`. A unit
/// is in the metadata of its field under `unit`; that of the flux is there if
/// [`Tokenizer::tokenize_record_batch`](crate::Tokenizer::tokenize_record_batch) was told it.
///
/// The schema's metadata have the tokenizer as JSON under `radio.tokenizer` and its
/// [fingerprint](crate::Tokenizer::fingerprint) under `radio.tokenizer.fingerprint`.
///
/// # Examples
///
/// ```
/// use radio_tokenize::{FloatFormat, RowFormat, TokenFormat};
///
/// // The smallest there is, for a file.
/// let format = TokenFormat::default().with_floats(FloatFormat::F16).with_rows(RowFormat::Ragged);
/// assert_ne!(format, TokenFormat::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TokenFormat {
    /// The type of values and errors. Default: [`FloatFormat::F32`].
    pub floats: FloatFormat,
    /// Which tokens a row has. Default: [`RowFormat::Padded`].
    pub rows: RowFormat,
}

impl TokenFormat {
    /// Sets the type of values and errors.
    #[must_use]
    pub fn with_floats(self, floats: FloatFormat) -> Self {
        Self { floats, ..self }
    }

    /// Sets which tokens a row has.
    #[must_use]
    pub fn with_rows(self, rows: RowFormat) -> Self {
        Self { rows, ..self }
    }
}

/// The type of values and errors; other floats always stay what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FloatFormat {
    /// `Float32`, exactly what the tokens have; nothing is copied.
    #[default]
    F32,
    /// `Float16`, half the memory. Values from 2⁻¹⁴ to 65504 are kept to 2⁻¹¹ of themselves and smaller ones to 2⁻²⁵; larger
    /// ones become ±65504. Errors are brought into 2⁻²⁴ to 65504, so that they stay above 0 where the pixel is good.
    F16,
}

/// Which tokens a row has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RowFormat {
    /// All rows have as many, the shorter ones with padding tokens behind their own: lists of one length, which fit a
    /// tensor.
    #[default]
    Padded,
    /// Only those of the spectrum, so that batches of any lengths have one schema.
    Ragged,
}
