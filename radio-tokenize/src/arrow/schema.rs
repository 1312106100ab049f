//! The columns of tokens, and the schema that they make.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema};

use crate::{Error, FloatFormat, Result, RowFormat, TokenBatch, TokenFormat};

/// Keys of the schema's metadata.
pub(super) const TOKENIZER: &str = "radio.tokenizer";
pub(super) const FINGERPRINT: &str = "radio.tokenizer.fingerprint";
/// Key of a field's metadata.
pub(super) const UNIT: &str = "unit";

pub(super) const VALUES: &str = "values";
pub(super) const ERRORS: &str = "errors";
pub(super) const PIXELS: &str = "pixels";
pub(super) const VALID: &str = "valid";
pub(super) const VALID_FRACTION: &str = "valid_fraction";
pub(super) const WAVELENGTH: &str = "wavelength";
pub(super) const WAVELENGTH_MIN: &str = "wavelength_min";
pub(super) const WAVELENGTH_MAX: &str = "wavelength_max";
pub(super) const SNR: &str = "snr";
pub(super) const OFFSET: &str = "offset";
pub(super) const SCALE: &str = "scale";
pub(super) const FLAGS: &str = "flags";
pub(super) const LENGTHS: &str = "lengths";

/// In the order of the columns.
const NAMES: [&str; 13] = [
    VALUES,
    ERRORS,
    PIXELS,
    VALID,
    VALID_FRACTION,
    WAVELENGTH,
    WAVELENGTH_MIN,
    WAVELENGTH_MAX,
    SNR,
    OFFSET,
    SCALE,
    FLAGS,
    LENGTHS,
];

/// Names of the columns of tokens with or without errors, in their order.
pub(super) fn names(has_errors: bool) -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().filter(move |name| has_errors || *name != ERRORS)
}

impl TokenBatch {
    /// The schema that [`into_record_batch`](Self::into_record_batch) gives this batch; [`TokenFormat`] says what it holds.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] if there are more tokens than an Arrow list can have.
    pub fn arrow_schema(&self, format: &TokenFormat) -> Result<Schema> {
        let (rows, tokens, patch) = self.values.dim();
        let size = |n: usize| i32::try_from(n).map_err(|_| Error::TooLarge { rows, tokens, patch });
        let (tokens, patch) = (size(tokens)?, size(patch)?);
        let float = match format.floats {
            FloatFormat::F32 => DataType::Float32,
            FloatFormat::F16 => DataType::Float16,
        };
        let of_tokens = |data_type| match format.rows {
            RowFormat::Padded => DataType::FixedSizeList(element(data_type), tokens),
            RowFormat::Ragged => DataType::List(element(data_type)),
        };
        let of_pixels = |data_type| of_tokens(DataType::FixedSizeList(element(data_type), patch));
        let field = |name| {
            let data_type = match name {
                VALUES | ERRORS => of_pixels(float.clone()),
                PIXELS => of_pixels(DataType::Boolean),
                VALID => of_tokens(DataType::Boolean),
                VALID_FRACTION | SNR => of_tokens(DataType::Float32),
                WAVELENGTH | WAVELENGTH_MIN | WAVELENGTH_MAX => of_tokens(DataType::Float64),
                OFFSET | SCALE if self.tokenizer.scales_tokens() => of_tokens(DataType::Float32),
                OFFSET | SCALE => DataType::Float32,
                FLAGS => DataType::UInt32,
                _ => DataType::UInt64,
            };
            let unit = match name {
                WAVELENGTH | WAVELENGTH_MIN | WAVELENGTH_MAX => Some("Angstrom"),
                LENGTHS => Some("pixel"),
                _ => None,
            };
            let metadata = unit.map(|unit| (UNIT.to_owned(), unit.to_owned()));
            Field::new(name, data_type, false).with_metadata(metadata.into_iter().collect())
        };
        let fields: Vec<Field> = names(self.has_errors()).map(field).collect();
        let json = serde_json::to_string(&self.tokenizer).map_err(|e| Error::Metadata {
            key: TOKENIZER,
            reason: e.to_string(),
        })?;
        let metadata = HashMap::from([
            (TOKENIZER.to_owned(), json),
            (FINGERPRINT.to_owned(), self.tokenizer.fingerprint()),
        ]);
        Ok(Schema::new_with_metadata(fields, metadata))
    }
}

pub(super) fn element(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", data_type, false))
}

/// A batch of arrays that fit the schema.
pub(super) fn record_batch(schema: Schema, arrays: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(Arc::new(schema), arrays).map_err(unfit)
}

/// What Arrow says of arrays that do not fit: they do, where shapes were checked.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn unfit(error: ArrowError) -> Error {
    Error::Column {
        column: VALUES.into(),
        reason: error.to_string(),
    }
}
