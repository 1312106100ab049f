//! Anomaly scores as rows and as Arrow columns.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, UInt32Array};
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
