//! A graph with features, classes and splits, from two Parquet files.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt8Type, UInt32Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::DataType;
use ndarray::Array2;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use radio_models::Graph;

use super::common::Result;

pub(crate) struct Dataset {
    pub(crate) graph: Graph,
    /// `(nodes, features)`.
    pub(crate) features: Array2<f32>,
    pub(crate) classes: Vec<u8>,
    /// Number of classes.
    pub(crate) count: usize,
    pub(crate) splits: Vec<Split>,
}

/// Nodes for each purpose.
pub(crate) struct Split {
    pub(crate) training: Vec<u32>,
    pub(crate) validation: Vec<u32>,
    pub(crate) test: Vec<u32>,
}

impl Dataset {
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let nodes = Table::read(&folder.join("nodes.parquet"))?;
        let edges = Table::read(&folder.join("edges.parquet"))?;
        let classes = nodes.numbers::<UInt8Type>("label", &DataType::UInt8)?;
        let feature = cast(&nodes.column("feature")?, &nodes.list_type("feature")?)?;
        let feature = feature.as_fixed_size_list();
        let width = usize::try_from(feature.value_length())?;
        let numbers = feature.values().as_primitive::<Float32Type>().values().to_vec();
        let features = Array2::from_shape_vec((classes.len(), width), numbers)?;
        let ends = ["src", "dst"].map(|name| edges.numbers::<UInt32Type>(name, &DataType::UInt32));
        let [from, to] = ends;
        let edges: Vec<[u32; 2]> = from?.into_iter().zip(to?).map(|(from, to)| [from, to]).collect();
        let mut splits = Vec::new();
        if nodes.has("train") {
            splits.push(nodes.split("")?);
        }
        while nodes.has(&format!("train_{}", splits.len())) {
            splits.push(nodes.split(&format!("_{}", splits.len()))?);
        }
        if splits.is_empty() {
            return Err(format!("{}: no column train or train_0", nodes.path).into());
        }
        Ok(Self {
            graph: Graph::from_edges(classes.len(), &edges)?.symmetric(),
            count: classes.iter().max().map_or(0, |&most| usize::from(most) + 1),
            features,
            classes,
            splits,
        })
    }
}

/// A Parquet file in memory.
struct Table {
    path: String,
    rows: RecordBatch,
}

impl Table {
    fn read(path: &Path) -> Result<Self> {
        let named = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let file = File::open(path).map_err(|e| named(&e))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| named(&e))?;
        let rows = usize::try_from(reader.metadata().file_metadata().num_rows())?;
        let mut reader = reader.with_batch_size(rows.max(1)).build().map_err(|e| named(&e))?;
        let rows = reader.next().ok_or_else(|| named(&"no row"))?.map_err(|e| named(&e))?;
        Ok(Self {
            path: path.display().to_string(),
            rows,
        })
    }

    fn has(&self, name: &str) -> bool {
        self.rows.column_by_name(name).is_some()
    }

    fn column(&self, name: &str) -> Result<ArrayRef> {
        match self.rows.column_by_name(name) {
            Some(column) if column.null_count() == 0 => Ok(column.clone()),
            Some(_) => Err(format!("{}: nulls in column {name}", self.path).into()),
            None => Err(format!("{}: no column {name}", self.path).into()),
        }
    }

    /// A list of 32-bit numbers, of the length that the column has.
    fn list_type(&self, name: &str) -> Result<DataType> {
        match self.column(name)?.data_type() {
            DataType::FixedSizeList(item, length) => {
                let item = item.as_ref().clone().with_data_type(DataType::Float32);
                Ok(DataType::FixedSizeList(item.into(), *length))
            }
            other => Err(format!("{}: column {name} is {other}, not lists of one length", self.path).into()),
        }
    }

    fn numbers<T: arrow_array::types::ArrowPrimitiveType>(
        &self,
        name: &str,
        kind: &DataType,
    ) -> Result<Vec<T::Native>> {
        let numbers = cast(&self.column(name)?, kind)?;
        if numbers.null_count() > 0 {
            return Err(format!("{}: column {name} has numbers that are no {kind}", self.path).into());
        }
        Ok(numbers.as_primitive::<T>().values().to_vec())
    }

    fn split(&self, suffix: &str) -> Result<Split> {
        let nodes = |name: &str| -> Result<Vec<u32>> {
            let column = cast(&self.column(&format!("{name}{suffix}"))?, &DataType::Boolean)?;
            let chosen = column.as_boolean().values().set_indices();
            Ok(chosen.map(|node| node as u32).collect())
        };
        Ok(Split {
            training: nodes("train")?,
            validation: nodes("val")?,
            test: nodes("test")?,
        })
    }
}
