//! Which columns of a tile are lists, and how a schema is written.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema};

use super::lists::{Lists, is_list, parts};

/// A column of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One leaf of lists.
    Lists,
    /// A struct with so many leaves of lists.
    ListsInStruct(usize),
    /// Anything else: left to parquet.
    Other,
}

pub(super) fn shape(field: &Field) -> Shape {
    match field.data_type() {
        DataType::Struct(children)
            if !children.is_empty() && children.iter().all(|child| is_list(child.data_type())) =>
        {
            Shape::ListsInStruct(children.len())
        }
        list if is_list(list) => Shape::Lists,
        _ => Shape::Other,
    }
}

/// The schema as it is written: spectra and the column `order` are required, so that a reader need not look for nulls.
pub(super) fn written(schema: &Schema, order: Option<&str>) -> Schema {
    let fields = schema
        .fields()
        .iter()
        .map(|field| match (shape(field), field.data_type()) {
            (Shape::Lists, _) => required(field),
            (Shape::ListsInStruct(_), DataType::Struct(children)) => {
                let children: Fields = children.iter().map(required).collect();
                Arc::new(
                    field
                        .as_ref()
                        .clone()
                        .with_data_type(DataType::Struct(children))
                        .with_nullable(false),
                )
            }
            _ if Some(field.name().as_str()) == order => Arc::new(field.as_ref().clone().with_nullable(false)),
            _ => Arc::clone(field),
        });
    Schema::new_with_metadata(fields.collect::<Vec<FieldRef>>(), schema.metadata().clone())
}

/// A list without nulls, of items without nulls. The item's name is Parquet's own.
fn required(field: &FieldRef) -> FieldRef {
    let item = |item: &FieldRef| Arc::new(item.as_ref().clone().with_name("element").with_nullable(false));
    let data_type = match field.data_type() {
        DataType::FixedSizeList(element, length) => DataType::FixedSizeList(item(element), *length),
        DataType::List(element) => DataType::List(item(element)),
        DataType::LargeList(element) => DataType::LargeList(item(element)),
        other => other.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type).with_nullable(false))
}

/// The first null in the lists of a column: its row and the dotted path of where it is.
pub(super) fn first_null(field: &Field, column: &dyn Array) -> Option<(usize, String)> {
    let is_null = |array: &dyn Array| (0..array.len()).find(|&row| array.is_null(row));
    if let Some(row) = is_null(column) {
        return Some((row, field.name().clone()));
    }
    match column.as_struct_opt() {
        Some(parts) => parts.columns().iter().zip(parts.fields()).find_map(|(part, child)| {
            first_null(child, part).map(|(row, path)| (row, format!("{}.{path}", field.name())))
        }),
        None => null_in_lists(column).map(|row| (row, format!("{}.element", field.name()))),
    }
}

fn null_in_lists(column: &dyn Array) -> Option<usize> {
    let (values, offsets) = parts(column)?;
    if values.null_count() == 0 {
        return None;
    }
    (0..column.len()).find(|&row| values.slice(offsets[row], offsets[row + 1] - offsets[row]).null_count() > 0)
}

/// The lists of each leaf of a column, in the order of its leaves.
pub(super) fn leaves(batch: &RecordBatch, column: usize) -> Vec<Option<Lists>> {
    let column = batch.column(column);
    match column.as_struct_opt() {
        Some(parts) => parts.columns().iter().map(|part| Lists::new(part)).collect(),
        None => vec![Lists::new(column)],
    }
}
