//! From Arrow to burn without a copy.

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, FixedSizeListArray};
use arrow_buffer::Buffer;
use burn::tensor::{AllocationProperty, Bytes, DType, TensorData};

use crate::{Error, Result};

/// A column of lists, the flux of a batch for instance, as the data of a tensor: shape (rows, length of a list), `f32`.
///
/// Nothing is copied: the data are the Arrow buffer itself, and hold it. `Tensor::from_data` takes them over as they are on the
/// CPU (feature `flex`); an operation in place then makes a copy first. On a graphics card they are uploaded, which is the only copy.
///
/// # Errors
///
/// [`Error::Column`] where the values are not `Float32`, or some are null.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// use arrow_array::{Array, FixedSizeListArray, Float32Array};
/// # use arrow_schema::{DataType, Field};
/// # let values = Arc::new(Float32Array::from(vec![1.0, 2.0, 3.0, 4.0]));
/// # let field = Arc::new(Field::new("element", DataType::Float32, false));
/// # let flux = FixedSizeListArray::new(field, 2, values.clone(), None);
/// let data = radio_models::tensor_data(&flux)?;
/// assert_eq!(data.as_bytes().as_ptr(), values.values().as_ptr().cast());
/// # Ok::<(), radio_models::Error>(())
/// ```
pub fn tensor_data(lists: &FixedSizeListArray) -> Result<TensorData> {
    let values = lists
        .values()
        .as_primitive_opt::<Float32Type>()
        .filter(|values| values.null_count() == 0 && lists.null_count() == 0)
        .ok_or_else(|| Error::Column {
            found: lists.data_type().to_string(),
            nulls: lists.null_count() + lists.values().null_count(),
        })?;
    let shape = [lists.len(), usize::try_from(lists.value_length()).unwrap_or_default()];
    let bytes = bytes::Bytes::from_owner(Owner(values.values().inner().clone()));
    let bytes = Bytes::from_shared(bytes, AllocationProperty::Other);
    Ok(TensorData::from_bytes(bytes, shape, DType::F32))
}

struct Owner(Buffer);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}
