//! A tokenizer as a function of DataFusion.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, Float64Builder, Int32Builder, PrimitiveBuilder};
use arrow_array::{ArrayRef, ArrowPrimitiveType, ListArray, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::{ArrowColumns, RowFormat, TokenFormat, Tokenizer};

impl Tokenizer {
    /// The function `tokenize`, whose arguments are columns of spectra and whose result is one column of tokens: a struct of the columns
    /// of [`tokenize_record_batch`](Self::tokenize_record_batch).
    ///
    /// Arguments are known by the names of their fields (`flux`, `ivar`, `mask`, `wavelength`, `z`: [`ArrowColumns`]), in any order.
    /// A wavelength grid that all spectra share is looked for in the metadata of the arguments' fields, where a worker of radio-io's
    /// cluster has it. Spectra in lists of one length become padded tokens, others ragged ones. The tokenizer is in the metadata of
    /// the field of the result, and [`TokenBatch::from_column`](crate::TokenBatch::from_column) reads it.
    ///
    /// # Errors
    ///
    /// None here; the function has those of [`tokenize_record_batch`](Self::tokenize_record_batch).
    ///
    /// # Examples
    ///
    /// ```
    /// use radio_tokenize::Tokenizer;
    ///
    /// let function = Tokenizer::new(32).into_udf();
    /// assert_eq!(function.name(), "tokenize");
    /// ```
    #[must_use]
    pub fn into_udf(self) -> ScalarUDF {
        ScalarUDF::from(Tokenize {
            tokenizer: self,
            signature: Signature::variadic_any(Volatility::Immutable),
        })
    }
}

#[derive(Debug)]
struct Tokenize {
    tokenizer: Tokenizer,
    signature: Signature,
}

/// Those that make the same tokens.
impl PartialEq for Tokenize {
    fn eq(&self, other: &Self) -> bool {
        self.tokenizer == other.tokenizer
    }
}

impl Eq for Tokenize {}

impl Hash for Tokenize {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tokenizer.fingerprint().hash(state);
    }
}

impl Tokenize {
    fn tokens(&self, fields: &[FieldRef], arrays: Vec<ArrayRef>) -> Result<RecordBatch> {
        let metadata: HashMap<String, String> = fields.iter().flat_map(|field| field.metadata().clone()).collect();
        let spectra = RecordBatch::try_new(Arc::new(Schema::new_with_metadata(fields.to_vec(), metadata)), arrays)?;
        let is_fixed = |field: &FieldRef| matches!(field.data_type(), DataType::FixedSizeList(..));
        let rows = if fields.iter().any(is_fixed) {
            RowFormat::Padded
        } else {
            RowFormat::Ragged
        };
        let format = TokenFormat::default().with_rows(rows);
        let tokens = self
            .tokenizer
            .tokenize_record_batch(&spectra, &ArrowColumns::default(), &format);
        tokens.map_err(|error| DataFusionError::External(error.into()))
    }
}

impl ScalarUDFImpl for Tokenize {
    fn name(&self) -> &'static str {
        "tokenize"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        let reason = "tokenize knows its arguments by their names: a query has to give it columns";
        Err(DataFusionError::Plan(reason.into()))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        // That of one spectrum: how many tokens there are depends on the lengths of lists alone.
        let nullable = |field: &FieldRef| -> FieldRef { Arc::new(field.as_ref().clone().with_nullable(true)) };
        let fields: Vec<FieldRef> = args.arg_fields.iter().map(nullable).collect();
        let one = fields
            .iter()
            .map(|field| one(field.data_type()))
            .collect::<Result<_>>()?;
        Ok(Arc::new(field(&self.tokens(&fields, one)?)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let tokens = self.tokens(&args.arg_fields, arrays)?;
        Ok(ColumnarValue::Array(Arc::new(StructArray::from(tokens))))
    }
}

/// Tokens as a field, with what their schema knows of them.
fn field(tokens: &RecordBatch) -> Field {
    let schema = tokens.schema();
    let data_type = DataType::Struct(schema.fields().clone());
    Field::new("tokenize", data_type, false).with_metadata(schema.metadata().clone())
}

/// A column of one spectrum whose pixels are all bad.
fn one(data_type: &DataType) -> Result<ArrayRef> {
    fn fixed<T: ArrowPrimitiveType>(values: PrimitiveBuilder<T>, element: &FieldRef, length: i32) -> ArrayRef {
        let mut lists = FixedSizeListBuilder::new(values, length).with_field(element.clone());
        (0..length).for_each(|_| lists.values().append_value(T::Native::default()));
        lists.append(true);
        Arc::new(lists.finish())
    }
    Ok(match data_type {
        DataType::FixedSizeList(element, length) => match element.data_type() {
            DataType::Float32 => fixed(Float32Builder::new(), element, *length),
            DataType::Float64 => fixed(Float64Builder::new(), element, *length),
            DataType::Int32 => fixed(Int32Builder::new(), element, *length),
            other => {
                let reason = format!("tokenize takes lists of Float32, Float64 and Int32, not of {other}");
                return Err(DataFusionError::Plan(reason));
            }
        },
        DataType::List(element) => {
            let empty = arrow_array::new_empty_array(element.data_type());
            let offsets = arrow_buffer::OffsetBuffer::from_lengths([0]);
            Arc::new(ListArray::try_new(element.clone(), offsets, empty, None)?)
        }
        other => arrow_array::new_null_array(other, 1),
    })
}

#[cfg(test)]
mod tests {
    use arrow_array::types::{Float32Type, Float64Type};
    use datafusion_common::config::ConfigOptions;

    use super::*;
    use crate::TokenBatch;

    fn called(function: &ScalarUDF, batch: &RecordBatch) -> Result<RecordBatch> {
        let metadata = batch.schema_ref().metadata();
        let fields = batch
            .schema_ref()
            .fields()
            .iter()
            .map(|field| -> FieldRef { Arc::new(field.as_ref().clone().with_metadata(metadata.clone())) });
        let arg_fields: Vec<FieldRef> = fields.collect();
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
        let field = return_field.as_ref().clone().with_name("tokens");
        Ok(RecordBatch::try_new(
            Arc::new(Schema::new(vec![field])),
            vec![made.into_array(batch.num_rows())?],
        )?)
    }

    #[test]
    fn tokens_are_those_of_the_record_batch() {
        let tokenizer = Tokenizer::new(4);
        let element = Arc::new(Field::new("element", DataType::Float32, false));
        let mut lists = FixedSizeListBuilder::new(Float32Builder::new(), 10).with_field(element);
        for row in 0..5 {
            (0..10).for_each(|pixel| lists.values().append_value((row * pixel) as f32 + 1.0));
            lists.append(true);
        }
        let flux: ArrayRef = Arc::new(lists.finish());
        let mut fixed = RecordBatch::try_from_iter([("ivar", flux.clone()), ("flux", flux)]).unwrap();
        let grid = r#"{"start": 3600.0, "step": 0.8, "n": 10}"#;
        fixed.schema_metadata_mut().insert("wavelength".into(), grid.into());
        let rows =
            || [3, 9, 1].map(|pixels| Some((0..pixels).map(|pixel| Some(pixel as f32 + 1.0)).collect::<Vec<_>>()));
        let flux: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows()));
        let wavelength = rows().map(|row| row.map(|row| row.into_iter().map(|x| x.map(f64::from)).collect::<Vec<_>>()));
        let wavelength: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(wavelength));
        let ragged =
            RecordBatch::try_from_iter([("flux", flux.clone()), ("ivar", flux), ("wavelength", wavelength)]).unwrap();
        for batch in [fixed, ragged] {
            let made = called(&tokenizer.clone().into_udf(), &batch).unwrap();
            let expected = tokenizer.tokenize_record_batch(&batch, &ArrowColumns::default(), &TokenFormat::default());
            let expected = TokenBatch::from_record_batch(&expected.unwrap()).unwrap();
            assert_eq!(TokenBatch::from_column(&made, "tokens").unwrap(), expected);
            assert!(TokenBatch::from_column(&made, "spectra").is_err());
        }
    }

    #[test]
    fn what_is_no_spectrum_is_told() {
        let ids: ArrayRef = Arc::new(arrow_array::Int64Array::from(vec![1, 2]));
        let batch = RecordBatch::try_from_iter([("targetid", ids)]).unwrap();
        let error = called(&Tokenizer::new(4).into_udf(), &batch).unwrap_err();
        assert!(error.to_string().contains("flux"), "{error}");
    }
}
