//! What goes over the network of the rows that a worker reads.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field, FieldRef, Schema};
use datafusion::common::DataFusionError;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};
use serde::{Deserialize, Serialize};

/// A column of the batches of a [`ClusterReader`](super::ClusterReader), made where the tiles are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    name: String,
    /// None for a column as it is.
    function: Option<String>,
    columns: Vec<String>,
}

impl Output {
    /// A column of [`SpectrumBatch`](crate::SpectrumBatch), as it is.
    #[must_use]
    pub fn column(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            columns: vec![name.clone()],
            name,
            function: None,
        }
    }

    /// What a function, which the workers have to know by its name, makes of columns of [`SpectrumBatch`](crate::SpectrumBatch).
    #[must_use]
    pub fn call<S: Into<String>>(
        name: impl Into<String>,
        function: impl Into<String>,
        columns: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            name: name.into(),
            function: Some(function.into()),
            columns: columns.into_iter().map(Into::into).collect(),
        }
    }

    /// The function, if there is one.
    pub(super) fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }

    /// The column, with its field. A function sees the metadata of the batch, the wavelength grid for instance, in those of the fields of
    /// its arguments.
    fn of(&self, batch: &RecordBatch, functions: &[Arc<ScalarUDF>]) -> Result<(FieldRef, ArrayRef), DataFusionError> {
        let column = |name: &String| -> Result<(FieldRef, ArrayRef), DataFusionError> {
            let (number, field) = batch.schema_ref().column_with_name(name).ok_or_else(|| {
                let names: Vec<_> = batch.schema_ref().fields().iter().map(|field| field.name()).collect();
                ArrowError::SchemaError(format!(
                    "no column {name:?} to make {:?} of: there are {names:?}",
                    self.name
                ))
            })?;
            Ok((Arc::new(field.clone()), batch.column(number).clone()))
        };
        let columns = self.columns.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let Some(function) = &self.function else {
            return columns
                .into_iter()
                .next()
                .ok_or_else(|| DataFusionError::Plan(format!("{:?} is made of no column", self.name)));
        };
        let known = functions.iter().find(|known| known.name() == function);
        let known = known.ok_or_else(|| DataFusionError::Plan(format!("no function {function:?}")))?;
        let metadata = batch.schema_ref().metadata();
        let fields = columns.iter().map(|(field, _)| -> FieldRef {
            let mut all = metadata.clone();
            all.extend(field.metadata().clone());
            Arc::new(field.as_ref().clone().with_metadata(all))
        });
        let arg_fields: Vec<FieldRef> = fields.collect();
        let scalars = vec![None; arg_fields.len()];
        let return_field = known.return_field_from_args(ReturnFieldArgs {
            arg_fields: &arg_fields,
            scalar_arguments: &scalars,
        })?;
        let made = known.invoke_with_args(ScalarFunctionArgs {
            args: columns
                .into_iter()
                .map(|(_, array)| ColumnarValue::Array(array))
                .collect(),
            arg_fields,
            number_rows: batch.num_rows(),
            return_field: return_field.clone(),
            config_options: Arc::new(ConfigOptions::default()),
        })?;
        let field: Field = return_field.as_ref().clone().with_name(&self.name);
        Ok((Arc::new(field), made.into_array(batch.num_rows())?))
    }
}

/// The columns that are asked for; all of the batch where none is.
pub(super) fn project(
    batch: &RecordBatch,
    outputs: &[Output],
    functions: &[Arc<ScalarUDF>],
) -> Result<RecordBatch, DataFusionError> {
    if outputs.is_empty() {
        return Ok(batch.clone());
    }
    let columns = outputs.iter().map(|output| output.of(batch, functions));
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let schema = Schema::new_with_metadata(fields, batch.schema_ref().metadata().clone());
    Ok(RecordBatch::try_new(Arc::new(schema), arrays)?)
}
