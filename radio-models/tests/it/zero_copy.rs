use std::sync::Arc;

use arrow_array::{Array, FixedSizeListArray, Float32Array, Float64Array};
use arrow_schema::Field;
use radio_models::burn::tensor::{DType, Tensor};
use radio_models::tensor_data;

use crate::common::device;

fn lists(values: Arc<dyn Array>, length: i32) -> FixedSizeListArray {
    let field = Arc::new(Field::new("element", values.data_type().clone(), true));
    FixedSizeListArray::new(field, length, values, None)
}

/// From the Arrow buffer into a tensor and, on `flex`, out of it again: the same memory, which nobody writes to.
#[test]
fn a_tensor_is_the_arrow_buffer() {
    let values = Arc::new(Float32Array::from_iter_values((0..6_000).map(|i| (i % 7) as f32)));
    let all = lists(values.clone(), 60);
    let address = values.values().as_ptr().cast::<u8>();
    let data = tensor_data(&all).unwrap();
    assert_eq!((data.as_bytes().as_ptr(), data.dtype()), (address, DType::F32));
    assert_eq!(data.shape().to_vec(), [100, 60]);
    let device = device();
    let tensor = Tensor::<2>::from_data(data, (&device, DType::F32));
    let doubled = tensor.clone().mul_scalar(2.0).sum().into_scalar::<f32>();
    assert_eq!(doubled, 2.0 * values.values().iter().sum::<f32>());
    assert_eq!(
        values.value(5_999),
        (5_999 % 7) as f32,
        "an operation must not write to what others read"
    );

    #[cfg(feature = "flex")]
    if device == radio_models::device("flex").unwrap() {
        let back = tensor.into_data();
        assert_eq!(back.as_bytes().as_ptr(), address, "the tensor has a copy");
    }

    // A slice starts where its rows start.
    let part = all.slice(3, 2);
    let data = tensor_data(&part).unwrap();
    assert_eq!(data.as_slice::<f32>().unwrap(), &values.values()[180..300]);
    drop((all, values));
    assert_eq!(
        data.as_slice::<f32>().unwrap()[0],
        (180 % 7) as f32,
        "the data hold their buffer"
    );
}

#[test]
fn other_columns_are_refused() {
    let error = tensor_data(&lists(Arc::new(Float64Array::from(vec![1.0, 2.0])), 2)).unwrap_err();
    assert!(
        error.to_string().contains("Float64") && error.to_string().contains("Float32"),
        "{error}"
    );
    let nulls = Float32Array::from(vec![Some(1.0), None]);
    assert!(
        tensor_data(&lists(Arc::new(nulls), 2))
            .unwrap_err()
            .to_string()
            .contains("1 nulls")
    );
}
