//! From a record batch of spectra to one of tokens.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Schema;

use super::grid;
use super::schema::{self, OFFSET, SCALE, UNIT};
use crate::{ArrowColumns, ArrowSpectra, Error, Normalize, Result, TokenFormat, Tokenizer};

/// The key of the schema's metadata under which tiles have the unit of the flux.
const FLUX_UNIT: &str = "flux_unit";

impl Tokenizer {
    /// Cuts the spectra of a record batch into tokens, and keeps its other columns.
    ///
    /// The result has the rows of `batch` in their order: first the columns that are no part of the spectra, as they
    /// are (of a struct that holds a part of the spectra nothing is kept), then those of the tokens, which [`TokenFormat`]
    /// lists. The metadata of the schema are kept, too; where arms were joined their grid is added, in the form that
    /// [`ArrowColumns`] shows, and where `flux_unit` is there it is the `unit` of offset and scale.
    ///
    /// [`TokenBatch::from_record_batch`](crate::TokenBatch::from_record_batch) reads the tokens of the result. For
    /// the tokens alone see [`ArrowSpectra`].
    ///
    /// # Errors
    ///
    /// As [`ArrowSpectra::new`], [`ArrowSpectra::spectra`] and [`tokenize`](Self::tokenize); [`Error::Column`] if a column
    /// that would be kept has the name of one of the tokens' columns.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use arrow_array::types::{Float32Type, Float64Type};
    /// use arrow_array::{ArrayRef, Int64Array, ListArray, RecordBatch};
    /// use radio_tokenize::{ArrowColumns, TokenBatch, TokenFormat, Tokenizer};
    ///
    /// let values = ListArray::from_iter_primitive::<Float32Type, _, _>([Some([4.0, 5.0, 6.0].map(Some))]);
    /// let wavelength = ListArray::from_iter_primitive::<Float64Type, _, _>([Some([3600.0, 3601.0, 3602.0].map(Some))]);
    /// let batch = RecordBatch::try_from_iter([
    ///     ("targetid", Arc::new(Int64Array::from(vec![7])) as ArrayRef),
    ///     ("flux", Arc::new(values.clone())),
    ///     ("ivar", Arc::new(values)),
    ///     ("lambda", Arc::new(wavelength)),
    /// ])?;
    ///
    /// let format = TokenFormat::default();
    /// let tokens = Tokenizer::new(3).tokenize_record_batch(&batch, &ArrowColumns::default(), &format)?;
    /// assert_eq!(tokens.schema().field(0).name(), "targetid");
    /// assert_eq!(TokenBatch::from_record_batch(&tokens)?.scale[[0, 0]], 5.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tokenize_record_batch(
        &self,
        batch: &RecordBatch,
        columns: &ArrowColumns,
        format: &TokenFormat,
    ) -> Result<RecordBatch> {
        let mut spectra = ArrowSpectra::new(batch, columns)?;
        if matches!(self.normalize, Normalize::RestFrameMedian { .. }) {
            spectra = spectra.with_redshift(batch, columns)?;
        }
        let kept = (0..batch.num_columns()).filter(|top| !spectra.has_column(*top));
        let kept: Vec<usize> = kept.collect();
        for &top in &kept {
            let name = batch.schema_ref().field(top).name();
            if schema::names(spectra.has_ivar()).any(|token| token == name) {
                return Err(Error::Column {
                    column: name.clone(),
                    reason: "the tokens have a column of this name; rename this one or leave it out".into(),
                });
            }
        }
        let tokens = self.tokenize(&spectra.spectra()?)?.into_record_batch(format)?;
        let before = batch.schema_ref();
        let mut fields: Vec<_> = kept.iter().map(|&top| before.fields()[top].clone()).collect();
        for field in tokens.schema_ref().fields() {
            let unit = before.metadata().get(FLUX_UNIT);
            let mut field = field.clone();
            if let (OFFSET | SCALE, Some(unit)) = (field.name().as_str(), unit) {
                let with_unit = [(UNIT.to_owned(), unit.clone())].into();
                field = Arc::new(field.as_ref().clone().with_metadata(with_unit));
            }
            fields.push(field);
        }
        let mut metadata = before.metadata().clone();
        metadata.extend(tokens.schema_ref().metadata().clone());
        if let Some(grid) = spectra.grid() {
            metadata.entry(grid::KEY.into()).or_insert_with(|| grid.text());
        }
        let schema = Schema::new_with_metadata(fields, metadata);
        let kept = kept.iter().map(|&top| batch.column(top));
        let arrays = kept.chain(tokens.columns()).cloned().collect();
        schema::record_batch(schema, arrays)
    }
    /// Has every token an offset and a scale of its own?
    pub(super) fn scales_tokens(&self) -> bool {
        self.normalize == Normalize::PatchMedian
    }
}
