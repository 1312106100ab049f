//! Tokens into a record batch.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Float16Array, Float32Array, Float64Array, ListArray, RecordBatch,
    UInt32Array, UInt64Array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::ArrowError;
use ndarray::{Array, Dimension};

use super::element::F16;
use super::schema::{self, element};
use crate::spectra::check_shape;
use crate::{Error, FloatFormat, Result, RowFormat, TokenBatch, TokenFormat};

impl TokenBatch {
    /// The tokens as columns, which [`TokenFormat`] lists.
    ///
    /// Numbers that keep their type are moved, not copied; for [`RowFormat::Ragged`] they are moved together within
    /// their memory.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the arrays do not fit each other, [`Error::TooLarge`] if there are more tokens than an
    /// Arrow list can have.
    ///
    /// # Complexity
    ///
    /// O(pixels of all tokens): Booleans become bits.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::array;
    /// use radio_tokenize::{Spectra, TokenBatch, TokenFormat, Tokenizer};
    ///
    /// let flux = array![[2.0, 4.0, 6.0]];
    /// let spectra = Spectra::on_grid(flux.view(), flux.view(), &[4000.0, 4001.0, 4002.0])?;
    /// let tokens = Tokenizer::new(2).tokenize(&spectra)?;
    ///
    /// let batch = tokens.clone().into_record_batch(&TokenFormat::default())?;
    /// assert_eq!(batch.schema().field(0).name(), "values");
    /// assert_eq!(TokenBatch::from_record_batch(&batch)?, tokens);
    /// # Ok::<(), radio_tokenize::Error>(())
    /// ```
    pub fn into_record_batch(self, format: &TokenFormat) -> Result<RecordBatch> {
        self.check_shapes()?;
        let schema = self.arrow_schema(format)?;
        let kept = Kept::new(&self, format.rows)?;
        let patch = self.values.dim().2;
        let has_errors = self.has_errors();
        let scales_tokens = self.tokenizer.scales_tokens();
        let floats = |array, convert: fn(f32) -> F16| -> ArrayRef {
            let values = kept.own(array, patch);
            match format.floats {
                FloatFormat::F32 => Arc::new(Float32Array::new(values.into(), None)),
                FloatFormat::F16 => Arc::new(Float16Array::from_iter_values(values.into_iter().map(convert))),
            }
        };
        let of_f32 = |array| -> ArrayRef { Arc::new(Float32Array::new(kept.own(array, 1).into(), None)) };
        let of_f64 = |array| -> ArrayRef { Arc::new(Float64Array::new(kept.own(array, 1).into(), None)) };
        let scaling = |array| match scales_tokens {
            true => kept.lists(of_f32(array)),
            false => Ok(Arc::new(Float32Array::new(into_vec(array).into(), None)) as ArrayRef),
        };
        let make = || -> Result<Vec<ArrayRef>, ArrowError> {
            let mut arrays = vec![kept.patches(floats(self.values, value_to_f16), patch)?];
            if has_errors {
                arrays.push(kept.patches(floats(self.errors, error_to_f16), patch)?);
            }
            let pixels = BooleanArray::from(kept.own(self.pixels, patch));
            arrays.push(kept.patches(Arc::new(pixels), patch)?);
            arrays.push(kept.lists(Arc::new(BooleanArray::from(kept.own(self.valid, 1))))?);
            arrays.push(kept.lists(of_f32(self.valid_fraction))?);
            for wavelengths in [self.wavelength, self.wavelength_min, self.wavelength_max] {
                arrays.push(kept.lists(of_f64(wavelengths))?);
            }
            arrays.push(kept.lists(of_f32(self.snr))?);
            arrays.push(scaling(self.offset)?);
            arrays.push(scaling(self.scale)?);
            arrays.push(Arc::new(UInt32Array::new(into_vec(self.flags).into(), None)));
            let lengths = self.lengths.iter().map(|&length| length as u64);
            arrays.push(Arc::new(UInt64Array::from_iter_values(lengths)));
            Ok(arrays)
        };
        let arrays = make().map_err(schema::unfit)?;
        schema::record_batch(schema, arrays)
    }

    /// Do the arrays fit each other?
    fn check_shapes(&self) -> Result<()> {
        self.tokenizer.check()?;
        self.tokenizer.check_batch(self)?;
        let (rows, tokens) = (self.lengths.len(), self.values.dim().1);
        check_shape("valid", self.valid.shape(), &[rows, tokens])?;
        check_shape("valid_fraction", self.valid_fraction.shape(), &[rows, tokens])?;
        check_shape("wavelength", self.wavelength.shape(), &[rows, tokens])?;
        check_shape("wavelength_min", self.wavelength_min.shape(), &[rows, tokens])?;
        check_shape("wavelength_max", self.wavelength_max.shape(), &[rows, tokens])?;
        check_shape("snr", self.snr.shape(), &[rows, tokens])?;
        check_shape("flags", self.flags.shape(), &[rows])
    }
}

/// The tokens that go into the columns.
struct Kept {
    rows: usize,
    tokens: usize,
    /// How many each row has, and where they are, unless it is all.
    own: Option<(Vec<usize>, OffsetBuffer<i32>)>,
}

impl Kept {
    fn new(batch: &TokenBatch, format: RowFormat) -> Result<Self> {
        let (rows, tokens, patch) = batch.values.dim();
        let own = match format {
            RowFormat::Padded => None,
            RowFormat::Ragged => {
                let of_row = |&pixels| batch.tokenizer.tokens(pixels);
                let counts: Vec<usize> = batch.lengths.iter().map(of_row).collect();
                if let Some(most) = counts.iter().copied().max().filter(|most| *most > tokens) {
                    check_shape("values", &[rows, tokens, patch], &[rows, most, patch])?;
                }
                if i32::try_from(counts.iter().sum::<usize>()).is_err() {
                    return Err(Error::TooLarge { rows, tokens, patch });
                }
                let offsets = OffsetBuffer::from_lengths(counts.iter().copied());
                Some((counts, offsets))
            }
        };
        Ok(Self { rows, tokens, own })
    }

    /// The values of the tokens, so many each, moved together.
    fn own<T: Copy, D: Dimension>(&self, array: Array<T, D>, each: usize) -> Vec<T> {
        let mut values = into_vec(array);
        if let Some((counts, _)) = &self.own {
            let mut end = 0;
            for (row, count) in counts.iter().enumerate() {
                let first = row * self.tokens * each;
                if first != end {
                    values.copy_within(first..first + count * each, end);
                }
                end += count * each;
            }
            values.truncate(end);
        }
        values
    }

    /// A list for each row, of items that tokens have.
    fn lists(&self, items: ArrayRef) -> Result<ArrayRef, ArrowError> {
        let field = element(items.data_type().clone());
        Ok(match &self.own {
            Some((_, offsets)) => Arc::new(ListArray::try_new(field, offsets.clone(), items, None)?),
            // It fits: the schema was made.
            None => Arc::new(fixed(items, self.tokens, self.rows)?),
        })
    }

    /// As [`lists`](Self::lists), of items that the pixels of a patch have.
    fn patches(&self, items: ArrayRef, patch: usize) -> Result<ArrayRef, ArrowError> {
        let tokens = items.len() / patch;
        self.lists(Arc::new(fixed(items, patch, tokens)?))
    }
}

fn fixed(items: ArrayRef, size: usize, rows: usize) -> Result<FixedSizeListArray, ArrowError> {
    let field = element(items.data_type().clone());
    FixedSizeListArray::try_new_with_length(field, size as i32, items, None, rows)
}

/// The elements of an array, without a copy where it is in standard layout, as those of a batch are.
fn into_vec<T: Copy, D: Dimension>(array: Array<T, D>) -> Vec<T> {
    if !array.is_standard_layout() {
        return array.iter().copied().collect();
    }
    let size = array.len();
    let (mut values, first) = array.into_raw_vec_and_offset();
    let first = first.unwrap_or(0);
    if first > 0 {
        values.drain(..first);
    }
    values.truncate(size);
    values
}

fn value_to_f16(value: f32) -> F16 {
    F16::from_f32(value.clamp(F16::MIN.to_f32(), F16::MAX.to_f32()))
}

/// An error stays above 0.
fn error_to_f16(error: f32) -> F16 {
    if error > 0.0 {
        F16::from_f32(error.clamp(F16::MIN_POSITIVE_SUBNORMAL.to_f32(), F16::MAX.to_f32()))
    } else {
        F16::ZERO
    }
}
