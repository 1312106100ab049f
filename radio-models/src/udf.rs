//! A scorer as a function of DataFusion.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use datafusion_common::DataFusionError;
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::{AnomalyScorer, Autoencoder, Error, Result, Scores, Source, Tokens};

/// Where the field of the result has the [fingerprint](AnomalyScorer::fingerprint) of the scorer.
const SCORER: &str = "radio.scorer";

type Tokenize = dyn Fn(&RecordBatch) -> Result<Tokens<'static>, Source> + Send + Sync;

impl<M: Autoencoder + Send + 'static> AnomalyScorer<M> {
    /// The function `score`, whose arguments are columns that `tokens` makes tokens of, as a record batch under the names of their fields.
    /// What metadata the fields have is that of the batch's schema: on a worker of radio-io's cluster the wavelength grid is there.
    ///
    /// Its result is one column, a struct of the columns of [`Scores::schema`], which [`Scores::from_column`] reads. The metadata of its
    /// field have the scorer's [fingerprint](Self::fingerprint), under `radio.scorer`.
    ///
    /// # Errors
    ///
    /// As [`fingerprint`](Self::fingerprint). The function has those of `tokens` and of [`score`](Self::score).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use arrow_array::RecordBatch;
    /// use radio_models::{AnomalyScorer, ConvAutoencoderConfig, Tokens, device};
    ///
    /// // With radio-tokenize: Tokenizer::tokenize_record_batch, and what comes out of TokenBatch.
    /// fn tokens(spectra: &RecordBatch) -> Result<Tokens<'static>, radio_models::Source> {
    ///     Err(format!("{} spectra are not tokenized here", spectra.num_rows()).into())
    /// }
    ///
    /// let scorer = AnomalyScorer::new(ConvAutoencoderConfig::new(5, 4).init(&device("cpu")?)?);
    /// assert_eq!(scorer.into_udf(tokens)?.name(), "score");
    /// # }
    /// # Ok::<(), radio_models::Error>(())
    /// ```
    pub fn into_udf<E: Into<Source>>(
        self,
        tokens: impl Fn(&RecordBatch) -> Result<Tokens<'static>, E> + Send + Sync + 'static,
    ) -> Result<ScalarUDF> {
        Ok(ScalarUDF::from(ScoreFunction {
            fingerprint: self.fingerprint()?,
            scorer: self,
            tokens: Box::new(move |batch| tokens(batch).map_err(Into::into)),
            signature: Signature::variadic_any(Volatility::Immutable),
        }))
    }
}

struct ScoreFunction<M: Autoencoder> {
    scorer: AnomalyScorer<M>,
    fingerprint: String,
    tokens: Box<Tokenize>,
    signature: Signature,
}

impl<M: Autoencoder> fmt::Debug for ScoreFunction<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScoreFunction")
            .field("scorer", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// Those that give the same scores for the same tokens.
impl<M: Autoencoder> PartialEq for ScoreFunction<M> {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl<M: Autoencoder> Eq for ScoreFunction<M> {}

impl<M: Autoencoder> Hash for ScoreFunction<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}

impl<M: Autoencoder> ScoreFunction<M> {
    fn scores(&self, fields: &[FieldRef], arrays: Vec<ArrayRef>) -> Result<RecordBatch, Source> {
        let metadata: HashMap<String, String> = fields.iter().flat_map(|field| field.metadata().clone()).collect();
        let schema = Schema::new_with_metadata(fields.to_vec(), metadata);
        let spectra = RecordBatch::try_new(Arc::new(schema), arrays)?;
        let tokens = (self.tokens)(&spectra).map_err(Error::batch)?;
        Ok(self.scorer.score(&tokens)?.to_record_batch()?)
    }
}

impl<M: Autoencoder + Send + 'static> ScalarUDFImpl for ScoreFunction<M> {
    fn name(&self) -> &'static str {
        "score"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> datafusion_common::Result<DataType> {
        Ok(DataType::Struct(Scores::schema().fields().clone()))
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> datafusion_common::Result<FieldRef> {
        let metadata = HashMap::from([(SCORER.to_owned(), self.fingerprint.clone())]);
        let field = Field::new(self.name(), self.return_type(&[])?, false);
        Ok(Arc::new(field.with_metadata(metadata)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> datafusion_common::Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let scores = self.scores(&args.arg_fields, arrays);
        let scores = scores.map_err(DataFusionError::External)?;
        Ok(ColumnarValue::Array(Arc::new(StructArray::from(scores))))
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Int64Type};
    use arrow_array::{Float32Array, Int64Array};
    use datafusion_common::config::ConfigOptions;
    use ndarray::{Array2, Array3};

    use super::*;
    use crate::{ConvAutoencoderConfig, device};

    fn tokens(batch: &RecordBatch) -> Result<Tokens<'static>, Source> {
        let level = batch.column_by_name("level").ok_or("no column of levels")?;
        let level = level.as_primitive::<Float32Type>();
        let step: f32 = batch.schema_ref().metadata()["step"].parse()?;
        let rows = level.len();
        let flux = Array3::from_shape_fn((rows, 5, 4), |(row, token, _)| level.value(row) + step * token as f32);
        let sigma = Array3::from_elem(flux.raw_dim(), 0.1);
        let ids = batch["id"].as_primitive::<Int64Type>().values().to_vec();
        let wavelength = Array2::from_elem((rows, 5), 5000.0);
        Ok(Tokens::new(ids, flux, sigma, wavelength, vec![3.0; rows])?)
    }

    fn called(function: &ScalarUDF, batch: &RecordBatch) -> datafusion_common::Result<RecordBatch> {
        let arg_fields = batch.schema_ref().fields().to_vec();
        let scalar_arguments = vec![None; arg_fields.len()];
        let return_field = function.return_field_from_args(ReturnFieldArgs {
            arg_fields: &arg_fields,
            scalar_arguments: &scalar_arguments,
        })?;
        let made = function.invoke_with_args(ScalarFunctionArgs {
            args: batch.columns().iter().cloned().map(ColumnarValue::Array).collect(),
            arg_fields,
            number_rows: batch.num_rows(),
            return_field: return_field.clone(),
            config_options: Arc::new(ConfigOptions::default()),
        })?;
        let field = return_field.as_ref().clone().with_name("scores");
        let columns = vec![made.into_array(batch.num_rows())?];
        Ok(RecordBatch::try_new(Arc::new(Schema::new(vec![field])), columns)?)
    }

    #[test]
    fn scores_are_those_of_the_scorer() -> Result<(), Source> {
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![4, -5, 6]));
        let level: ArrayRef = Arc::new(Float32Array::from(vec![1.0, f32::INFINITY, 0.5]));
        let step = HashMap::from([("step".to_owned(), "0.25".to_owned())]);
        let fields = [("id", DataType::Int64), ("level", DataType::Float32)];
        let fields = fields.map(|(name, data_type)| Field::new(name, data_type, false).with_metadata(step.clone()));
        let schema = Schema::new_with_metadata(fields.to_vec(), step);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![ids, level])?;

        let scorer = AnomalyScorer::new(ConvAutoencoderConfig::new(5, 4).init(&device("cpu")?)?);
        let expected = scorer.score(&tokens(&batch)?)?;
        let fingerprint = scorer.fingerprint()?;
        let function = scorer.into_udf(tokens)?;
        let found = called(&function, &batch)?;
        assert_eq!(Scores::from_column(&found, "scores")?, expected);
        assert_eq!(found.schema_ref().field(0).metadata()[SCORER], fingerprint);

        let error = called(&function, &batch.project(&[0])?).unwrap_err();
        assert!(chain(&error).contains("no column of levels"), "{error}");
        for (name, says) in [("score", "there is no such column"), ("id", "expected a struct")] {
            let error = Scores::from_column(&batch, name).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        Ok(())
    }

    fn chain(error: &dyn std::error::Error) -> String {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    }
}
