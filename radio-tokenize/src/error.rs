//! What can go wrong.

/// Why a batch could not be tokenized, restored or encoded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option has a value that makes no sense; change the option.
    #[error("option {name} is {value}, expected {expected}")]
    Option {
        /// The option, as its argument or setter is called.
        name: &'static str,
        /// The value that was given.
        value: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// The spectra lack what the normalisation is computed from.
    #[error("normalize {normalize} needs {what}, which these spectra do not have; add it with {how}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// The normalisation.
        normalize: String,
        /// Where to add it.
        how: &'static str,
    },
    /// The tokens were made by a tokenizer of another configuration.
    #[error("these tokens were made by {found}, not by {expected}")]
    OtherTokenizer {
        /// Canonical text of the tokenizer that made them.
        found: String,
        /// Canonical text of the one that was expected.
        expected: String,
    },
    /// Two arrays that belong together differ in shape.
    #[error("{what} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The array.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that the other arrays call for.
        expected: Vec<usize>,
    },
    /// The offsets do not cut the values into rows.
    #[error("offset {value} at position {position}: {rule}")]
    Offsets {
        /// Where in the offsets, counted from 0.
        position: usize,
        /// The offset there (0 if there is none).
        value: usize,
        /// What it must satisfy.
        rule: &'static str,
    },
    /// A wavelength is unusable: not finite, not positive, or not larger than the one before it.
    #[error("wavelength {wavelength} at row {row}, pixel {pixel}: {rule}")]
    Wavelength {
        /// The row; 0 for a grid that all rows share.
        row: usize,
        /// The pixel within the row.
        pixel: usize,
        /// The wavelength, in Angstrom.
        wavelength: f64,
        /// What it must satisfy.
        rule: &'static str,
    },
    /// A row has pixels beyond its last whole patch and [`Tail::Error`](crate::Tail::Error) was asked for.
    #[error(
        "row {row} has {pixels} pixels, which patches of {patch} every {stride} pixels do not cover exactly; \
         use Tail::PadAndMask or Tail::Drop"
    )]
    Tail {
        /// The first such row.
        row: usize,
        /// Its number of pixels.
        pixels: usize,
        /// Pixels in a patch.
        patch: usize,
        /// Pixels from the start of one patch to the start of the next.
        stride: usize,
    },
    /// The padded batch has more elements than an array can hold; use smaller batches.
    #[error("{rows} rows of {tokens} tokens of {patch} pixels are too many for one array; use smaller batches")]
    TooLarge {
        /// Rows of the batch.
        rows: usize,
        /// Tokens of the longest row.
        tokens: usize,
        /// Pixels in a patch.
        patch: usize,
    },
    /// A column of a record batch is missing, of a wrong type, or in the way; change the options or the batch.
    #[cfg(feature = "arrow")]
    #[error("column {column:?}: {reason}")]
    Column {
        /// The column, as a dotted path.
        column: String,
        /// What is wrong with it, and what is expected.
        reason: String,
    },
    /// A row of a column of a record batch cannot be used.
    #[cfg(feature = "arrow")]
    #[error("column {column:?}, row {row}: {reason}")]
    Value {
        /// The column, as a dotted path.
        column: String,
        /// The row within the record batch.
        row: usize,
        /// What is wrong with it, and what is expected.
        reason: String,
    },
    /// The metadata of a record batch's schema lack something, or it is wrong.
    #[cfg(feature = "arrow")]
    #[error("key {key:?} of the schema's metadata: {reason}")]
    Metadata {
        /// The key.
        key: &'static str,
        /// What is wrong with it, and what is expected.
        reason: String,
    },
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;
