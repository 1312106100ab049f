//! Tokens from a record batch.

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{Array as _, ArrowPrimitiveType, PrimitiveArray, RecordBatch};
use arrow_schema::{DataType, Schema};
use ndarray::{Array2, Array3};

use super::column::Column;
use super::element::Element;
use super::lists::{Layout, Lists};
use super::schema::{
    ERRORS, FINGERPRINT, FLAGS, LENGTHS, OFFSET, PIXELS, SCALE, SNR, TOKENIZER, VALID, VALID_FRACTION, VALUES,
    WAVELENGTH, WAVELENGTH_MAX, WAVELENGTH_MIN,
};
use crate::{Error, Result, TokenBatch, Tokenizer};

impl TokenBatch {
    /// Reads tokens that [`into_record_batch`](Self::into_record_batch) or
    /// [`Tokenizer::tokenize_record_batch`] wrote, in any [`TokenFormat`](crate::TokenFormat).
    ///
    /// Other columns do not matter, nor does the kind of the lists (some tools change it); `Float16` is widened.
    /// Ragged rows are filled up with padding tokens to the longest of the batch, or to
    /// [`Tokenizer::min_tokens`].
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`] if the tokenizer is not in the schema's metadata, or another one than its fingerprint says;
    /// [`Error::Column`] for a column that is missing or of a wrong type, [`Error::Value`] for a row that is null or
    /// has not as many tokens or pixels as its other columns say, [`Error::TooLarge`] if the padded batch fits no array.
    ///
    /// # Complexity
    ///
    /// O(pixels of all tokens): they are copied.
    pub fn from_record_batch(batch: &RecordBatch) -> Result<Self> {
        let tokenizer = read_tokenizer(batch)?;
        let lengths: PrimitiveArray<UInt64Type> = numbers(batch, LENGTHS)?;
        let length = |&length| usize::try_from(length).unwrap_or(usize::MAX);
        let lengths = lengths.values().iter().map(length).collect();
        let rows = Rows::new(batch, &tokenizer, lengths)?;
        let has_errors = batch.schema_ref().index_of(ERRORS).is_ok();
        Ok(Self {
            values: rows.pixels(VALUES)?,
            errors: match has_errors {
                true => rows.pixels(ERRORS)?,
                false => Array3::default((rows.counts.len(), rows.tokens, 0)),
            },
            pixels: rows.pixels::<i32>(PIXELS)?.mapv(|bit| bit != 0),
            valid: rows.tokens::<i32>(VALID, 0)?.mapv(|bit| bit != 0),
            valid_fraction: rows.tokens(VALID_FRACTION, 0.0)?,
            wavelength: rows.tokens(WAVELENGTH, 0.0)?,
            wavelength_min: rows.tokens(WAVELENGTH_MIN, 0.0)?,
            wavelength_max: rows.tokens(WAVELENGTH_MAX, 0.0)?,
            snr: rows.tokens(SNR, 0.0)?,
            offset: rows.scaling(&tokenizer, OFFSET, 0.0)?,
            scale: rows.scaling(&tokenizer, SCALE, 1.0)?,
            flags: numbers::<UInt32Type>(batch, FLAGS)?.values().to_vec().into(),
            lengths: rows.lengths.into(),
            tokenizer,
        })
    }
}

impl TokenBatch {
    /// Reads tokens out of one column, a struct: what a function of a query makes of spectra.
    ///
    /// # Errors
    ///
    /// As [`from_record_batch`](Self::from_record_batch); the tokenizer has to be in the metadata of the column's field.
    ///
    /// # Complexity
    ///
    /// O(pixels of all tokens): they are copied.
    pub fn from_column(batch: &RecordBatch, name: &str) -> Result<Self> {
        let wrong = |reason: &str| Error::Column {
            column: name.into(),
            reason: reason.into(),
        };
        let found = batch.schema_ref().column_with_name(name);
        let (number, field) = found.ok_or_else(|| wrong("not found"))?;
        let tokens = batch.column(number).as_struct_opt();
        let tokens = tokens.ok_or_else(|| wrong("it is no struct, as tokens are"))?;
        if tokens.null_count() > 0 {
            return Err(wrong("some rows are null, which tokens never are"));
        }
        let schema = Schema::new_with_metadata(tokens.fields().clone(), field.metadata().clone());
        Self::from_record_batch(&super::schema::record_batch(schema, tokens.columns().to_vec())?)
    }
}

/// The tokenizer of the schema's metadata.
fn read_tokenizer(batch: &RecordBatch) -> Result<Tokenizer> {
    let wrong = |key, reason| Error::Metadata { key, reason };
    let text = |key| {
        let why = "not there; were these tokens written by radio-tokenize, and have the schema's metadata been kept?";
        let text = batch.schema_ref().metadata().get(key);
        text.ok_or_else(|| wrong(key, why.into()))
    };
    let tokenizer: Tokenizer =
        serde_json::from_str(text(TOKENIZER)?).map_err(|e| wrong(TOKENIZER, format!("it is no tokenizer: {e}")))?;
    let (found, expected) = (text(FINGERPRINT)?, tokenizer.fingerprint());
    if *found == expected {
        return Ok(tokenizer);
    }
    let reason = format!(
        "it is {found}, but {tokenizer} has {expected}: the tokens were made by another version of radio-tokenize, \
         or the metadata were changed; make them anew"
    );
    Err(wrong(FINGERPRINT, reason))
}

/// A column with a number in every row.
fn numbers<T: ArrowPrimitiveType>(batch: &RecordBatch, name: &str) -> Result<PrimitiveArray<T>> {
    let column = column(batch, name)?;
    let numbers = column.array.as_primitive_opt::<T>();
    let numbers = numbers.ok_or_else(|| column.wrong_type(&T::DATA_TYPE.to_string()))?;
    check_no_nulls(&column)?;
    Ok(numbers.clone())
}

fn column(batch: &RecordBatch, name: &str) -> Result<Column> {
    Column::at(batch, name).ok_or_else(|| Error::Column {
        column: name.into(),
        reason: "not found; tokens have all columns that TokenFormat lists".into(),
    })
}

fn check_no_nulls(column: &Column) -> Result<()> {
    match (0..column.array.len()).find(|&row| column.is_null(row)) {
        Some(row) => Err(Error::Value {
            column: column.path.clone(),
            row,
            reason: "it is null, which tokens never are".into(),
        }),
        None => Ok(()),
    }
}

/// Rows that are read.
struct Rows<'a> {
    batch: &'a RecordBatch,
    /// Number of tokens in each row, of all rows when they are filled up, and of pixels in each.
    counts: Vec<usize>,
    tokens: usize,
    patch: usize,
    /// Number of pixels of the spectra.
    lengths: Vec<usize>,
}

impl<'a> Rows<'a> {
    /// How many tokens there are, `valid` tells.
    fn new(batch: &'a RecordBatch, tokenizer: &Tokenizer, lengths: Vec<usize>) -> Result<Self> {
        let column = column(batch, VALID)?;
        let lists = Lists::new(&column, "Boolean")?;
        lists.check_no_nulls()?;
        let counts: Vec<usize> = (0..lists.len()).filter_map(|row| lists.pixels(row)).collect();
        for (row, (&found, &pixels)) in counts.iter().zip(&lengths).enumerate() {
            let own = tokenizer.tokens(pixels);
            if found < own {
                let reason = format!("a list of {found}, but a spectrum of {pixels} pixels has {own} tokens");
                return Err(lists.wrong_row(row, reason));
            }
        }
        let tokens = match column.array.data_type() {
            DataType::FixedSizeList(_, size) => usize::try_from(*size).unwrap_or_default(),
            _ => {
                let most = counts.iter().copied().max().unwrap_or(0);
                most.max(tokenizer.min_tokens)
            }
        };
        let (rows, patch) = (counts.len(), tokenizer.cut(0).patch);
        let elements = rows.checked_mul(tokens).and_then(|n| n.checked_mul(patch));
        if elements.is_none_or(|n| n > isize::MAX as usize / 8) {
            return Err(Error::TooLarge { rows, tokens, patch });
        }
        Ok(Self {
            batch,
            counts,
            tokens,
            patch,
            lengths,
        })
    }

    /// A column with a value for each pixel.
    fn pixels<T: Element>(&self, name: &str) -> Result<Array3<T>> {
        let lists = self.lists(name, T::ACCEPTED)?.flatten(self.patch)?;
        let values = self.read(&lists, self.patch, T::default())?;
        let shape = (self.counts.len(), self.tokens, self.patch);
        Array3::from_shape_vec(shape, values).map_err(|_| wrong_size(name))
    }

    /// A column with a value for each token.
    fn tokens<T: Element>(&self, name: &str, padding: T) -> Result<Array2<T>> {
        let values = self.read(&self.lists(name, T::ACCEPTED)?, 1, padding)?;
        Array2::from_shape_vec((self.counts.len(), self.tokens), values).map_err(|_| wrong_size(name))
    }

    /// A column with a value for each row, or for each token.
    fn scaling(&self, tokenizer: &Tokenizer, name: &str, padding: f32) -> Result<Array2<f32>> {
        if tokenizer.scales_tokens() {
            return self.tokens(name, padding);
        }
        let column = column(self.batch, name)?;
        let values = f32::read(&column.array).ok_or_else(|| column.wrong_type(f32::ACCEPTED))?;
        check_no_nulls(&column)?;
        Array2::from_shape_vec((self.counts.len(), 1), values.to_vec()).map_err(|_| wrong_size(name))
    }

    fn lists(&self, name: &str, accepted: &str) -> Result<Lists> {
        let lists = Lists::new(&column(self.batch, name)?, accepted)?;
        for (row, &expected) in self.counts.iter().enumerate() {
            if let Some(found) = lists.pixels(row).filter(|found| *found != expected) {
                let reason = format!("a list of {found}, but column {VALID:?} has {expected} tokens");
                return Err(lists.wrong_row(row, reason));
            }
        }
        Ok(lists)
    }

    /// The values of the tokens, so many each, with padding behind those of a row.
    fn read<T: Element>(&self, lists: &Lists, each: usize, padding: T) -> Result<Vec<T>> {
        lists.check_no_nulls()?;
        let mut offsets = vec![0];
        let mut end = 0;
        for count in &self.counts {
            end += count * each;
            offsets.push(end);
        }
        let values = lists.read::<T>(&Layout::Ragged(offsets))?;
        let size = self.tokens * each;
        if values.len() == size * self.counts.len() {
            return Ok(values.to_vec());
        }
        let mut padded = vec![padding; size * self.counts.len()];
        let mut rest = &values[..];
        for (row, count) in self.counts.iter().enumerate() {
            let (own, behind) = rest.split_at(count * each);
            padded[row * size..][..own.len()].copy_from_slice(own);
            rest = behind;
        }
        Ok(padded)
    }
}

fn wrong_size(name: &str) -> Error {
    Error::Column {
        column: name.into(),
        reason: "it has not as many values as tokens have".into(),
    }
}
