//! Anomaly scores as rows and as Arrow columns.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt32Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Float64Array, Int64Array, PrimitiveArray, RecordBatch, UInt32Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};

/// How unusual one spectrum is. What could not be measured is `None`; no number here is ever NaN or infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Score {
    /// TARGETID.
    pub targetid: i64,
    /// How unusual it is: the combined score, or what [`AnomalyScorer::kind`](crate::AnomalyScorer::kind) says. Calibrated: in standard
    /// deviations above the median of spectra with the same S/N. Raw: the reduced chi-square.
    pub score: Option<f64>,
    /// Mean square residual of the normalised flux, without regard to its errors. It follows the noise of the
    /// spectrum more than anything else, and is here for comparison.
    pub score_raw: Option<f64>,
    /// Reduced chi-square of the reconstruction, never calibrated: about 1 for a spectrum like those that the model was trained
    /// on.
    pub chi2: Option<f64>,
    /// The same in standard deviations above the median of spectra with the same S/N; calibrated, or none.
    pub chi2_calibrated: Option<f64>,
    /// Significance of the token with the largest; calibrated, or raw.
    pub worst_patch: Option<f64>,
    /// How far from normal spectra in the latent space; calibrated, or none.
    pub latent: Option<f64>,
    /// Signal-to-noise ratio, as it came with the tokens.
    pub snr: Option<f64>,
    /// Mean wavelength in Angstrom of the most significant token.
    pub worst_wavelength: Option<f64>,
    /// Why there is no score: [`Score::DEAD`], [`Score::NOT_FINITE`], or 0.
    ///
    /// These bits are the score's own. The flags that a tokenizer gives its spectra are others, and the same bit means
    /// something else there: join them by `targetid`, never with `|`.
    pub flags: u32,
}

impl Score {
    /// Flag: the spectrum has no good pixel.
    pub const DEAD: u32 = 1;
    /// Flag: the reconstruction or a score is too large for a number, or is not one.
    pub const NOT_FINITE: u32 = 2;
}

/// The scores of a batch, in the order of its rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// One for each spectrum.
    pub rows: Vec<Score>,
}

impl Scores {
    /// Columns of [`to_record_batch`](Self::to_record_batch): `targetid` (i64), `score`, `score_raw`, `chi2`, `chi2_calibrated`,
    /// `worst_patch`, `latent`, `snr`, `worst_wavelength` (f64, nullable, the last with its unit in the field's metadata), `flags` (u32).
    #[must_use]
    pub fn schema() -> SchemaRef {
        let angstrom = HashMap::from([("unit".to_owned(), "Angstrom".to_owned())]);
        Arc::new(Schema::new(vec![
            Field::new("targetid", DataType::Int64, false),
            Field::new("score", DataType::Float64, true),
            Field::new("score_raw", DataType::Float64, true),
            Field::new("chi2", DataType::Float64, true),
            Field::new("chi2_calibrated", DataType::Float64, true),
            Field::new("worst_patch", DataType::Float64, true),
            Field::new("latent", DataType::Float64, true),
            Field::new("snr", DataType::Float64, true),
            Field::new("worst_wavelength", DataType::Float64, true).with_metadata(angstrom),
            Field::new("flags", DataType::UInt32, false),
        ]))
    }

    /// The scores as one Arrow batch with the columns of [`schema`](Self::schema).
    ///
    /// # Errors
    ///
    /// [`Error::Arrow`], which would be a defect of this crate.
    pub fn to_record_batch(&self) -> Result<RecordBatch> {
        let rows = || self.rows.iter();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows().map(|row| row.targetid).collect::<Int64Array>()),
            Arc::new(rows().map(|row| row.score).collect::<Float64Array>()),
            Arc::new(rows().map(|row| row.score_raw).collect::<Float64Array>()),
            Arc::new(rows().map(|row| row.chi2).collect::<Float64Array>()),
            Arc::new(rows().map(|row| row.chi2_calibrated).collect::<Float64Array>()),
            Arc::new(rows().map(|row| row.worst_patch).collect::<Float64Array>()),
            Arc::new(rows().map(|row| row.latent).collect::<Float64Array>()),
            Arc::new(rows().map(|row| row.snr).collect::<Float64Array>()),
            Arc::new(rows().map(|row| row.worst_wavelength).collect::<Float64Array>()),
            Arc::new(rows().map(|row| row.flags).collect::<UInt32Array>()),
        ];
        RecordBatch::try_new(Self::schema(), columns).map_err(|e| Error::Arrow { source: e.into() })
    }

    /// Scores out of the columns of [`schema`](Self::schema), of a file for instance; others are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::NoScores`] where one is missing or of another type, or an id or a flag is null.
    pub fn from_record_batch(batch: &RecordBatch) -> Result<Self> {
        let columns = Columns(batch);
        let numbers = |name| columns.primitive::<Float64Type>(name);
        let (ids, flags) = (
            columns.primitive::<Int64Type>("targetid")?,
            columns.primitive::<UInt32Type>("flags")?,
        );
        if let Some((name, _)) = [("targetid", ids.null_count()), ("flags", flags.null_count())]
            .iter()
            .find(|(_, nulls)| *nulls > 0)
        {
            return Err(no_scores(name, "some are null"));
        }
        let (score, score_raw) = (numbers("score")?, numbers("score_raw")?);
        let (chi2, chi2_calibrated) = (numbers("chi2")?, numbers("chi2_calibrated")?);
        let (worst_patch, latent) = (numbers("worst_patch")?, numbers("latent")?);
        let (snr, worst_wavelength) = (numbers("snr")?, numbers("worst_wavelength")?);
        let at = |column: &Float64Array, row| column.is_valid(row).then(|| column.value(row));
        let rows = (0..batch.num_rows()).map(|row| Score {
            targetid: ids.value(row),
            score: at(score, row),
            score_raw: at(score_raw, row),
            chi2: at(chi2, row),
            chi2_calibrated: at(chi2_calibrated, row),
            worst_patch: at(worst_patch, row),
            latent: at(latent, row),
            snr: at(snr, row),
            worst_wavelength: at(worst_wavelength, row),
            flags: flags.value(row),
        });
        Ok(rows.collect())
    }

    /// The same out of one column, a struct of these columns, as the function `score` makes it (feature `datafusion`).
    ///
    /// # Errors
    ///
    /// [`Error::NoScores`] where there is no such column, or it does not hold scores.
    pub fn from_column(batch: &RecordBatch, name: &str) -> Result<Self> {
        let column = batch.column_by_name(name);
        let column = column.ok_or_else(|| no_scores(name, "there is no such column"))?;
        let scores = column.as_struct_opt().filter(|scores| scores.null_count() == 0);
        let scores = scores.ok_or_else(|| no_scores(name, "expected a struct without nulls"))?;
        Self::from_record_batch(&RecordBatch::from(scores))
    }
}

struct Columns<'a>(&'a RecordBatch);

impl<'a> Columns<'a> {
    fn primitive<T: ArrowPrimitiveType>(&self, name: &str) -> Result<&'a PrimitiveArray<T>> {
        let column = self.0.column_by_name(name);
        let column = column.ok_or_else(|| no_scores(name, "there is no such column"))?;
        let numbers = column.as_primitive_opt::<T>();
        numbers.ok_or_else(|| {
            no_scores(
                name,
                format!("it is of {}, expected {}", column.data_type(), T::DATA_TYPE),
            )
        })
    }
}

fn no_scores(column: &str, reason: impl Into<String>) -> Error {
    Error::NoScores {
        column: column.to_owned(),
        reason: reason.into(),
    }
}

impl Extend<Score> for Scores {
    fn extend<T: IntoIterator<Item = Score>>(&mut self, rows: T) {
        self.rows.extend(rows);
    }
}

impl FromIterator<Score> for Scores {
    fn from_iter<T: IntoIterator<Item = Score>>(rows: T) -> Self {
        Self {
            rows: rows.into_iter().collect(),
        }
    }
}

impl IntoIterator for Scores {
    type Item = Score;
    type IntoIter = std::vec::IntoIter<Score>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

impl<'a> IntoIterator for &'a Scores {
    type Item = &'a Score;
    type IntoIter = std::slice::Iter<'a, Score>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.iter()
    }
}
