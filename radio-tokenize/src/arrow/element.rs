//! Numbers of the types that columns have, as those that spectra have.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, ScalarBuffer};
use arrow_schema::DataType;

/// Half precision.
pub(super) type F16 = <Float16Type as ArrowPrimitiveType>::Native;

/// A number of a spectrum.
pub(super) trait Element: ArrowNativeType {
    /// The types that are accepted.
    const ACCEPTED: &str;
    /// What a null becomes: something that makes a pixel bad.
    const NULL: Self;

    /// The values, without a copy where they have this type; nulls hold anything. `None` for a type that is not accepted.
    fn convert(array: &dyn Array) -> Option<ScalarBuffer<Self>>;

    /// As [`convert`](Self::convert), with [`NULL`](Self::NULL) for nulls.
    fn read(array: &dyn Array) -> Option<ScalarBuffer<Self>> {
        let values = Self::convert(array)?;
        match array.nulls() {
            Some(nulls) if nulls.null_count() > 0 => {
                let or_null = |(&value, is_valid)| if is_valid { value } else { Self::NULL };
                Some(values.iter().zip(nulls).map(or_null).collect())
            }
            _ => Some(values),
        }
    }
}

/// A number beyond `f32` becomes infinite, and so bad.
impl Element for f32 {
    const ACCEPTED: &str = "Float32, Float64 or Float16";
    const NULL: Self = Self::NAN;

    fn convert(array: &dyn Array) -> Option<ScalarBuffer<Self>> {
        match array.data_type() {
            DataType::Float32 => Some(primitive::<Float32Type>(array)?.values().clone()),
            DataType::Float64 => map::<Float64Type, _>(array, |x| x as f32),
            DataType::Float16 => map::<Float16Type, _>(array, F16::to_f32),
            _ => None,
        }
    }
}

impl Element for f64 {
    const ACCEPTED: &str = f32::ACCEPTED;
    const NULL: Self = Self::NAN;

    fn convert(array: &dyn Array) -> Option<ScalarBuffer<Self>> {
        match array.data_type() {
            DataType::Float64 => Some(primitive::<Float64Type>(array)?.values().clone()),
            DataType::Float32 => map::<Float32Type, _>(array, Self::from),
            DataType::Float16 => map::<Float16Type, _>(array, F16::to_f64),
            _ => None,
        }
    }
}

/// Of a mask: what is not 0 need not stay what it is.
impl Element for i32 {
    const ACCEPTED: &str = "any type of integer, or Boolean";
    const NULL: Self = 1;

    fn convert(array: &dyn Array) -> Option<ScalarBuffer<Self>> {
        match array.data_type() {
            DataType::Int32 => Some(primitive::<Int32Type>(array)?.values().clone()),
            DataType::Boolean => Some(array.as_boolean_opt()?.values().iter().map(Self::from).collect()),
            DataType::Int8 => map::<Int8Type, _>(array, Self::from),
            DataType::Int16 => map::<Int16Type, _>(array, Self::from),
            DataType::Int64 => map::<Int64Type, _>(array, |x| Self::from(x != 0)),
            DataType::UInt8 => map::<UInt8Type, _>(array, Self::from),
            DataType::UInt16 => map::<UInt16Type, _>(array, Self::from),
            DataType::UInt32 => map::<UInt32Type, _>(array, u32::cast_signed),
            DataType::UInt64 => map::<UInt64Type, _>(array, |x| Self::from(x != 0)),
            _ => None,
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &dyn Array) -> Option<&PrimitiveArray<T>> {
    array.as_primitive_opt::<T>()
}

fn map<T: ArrowPrimitiveType, E: ArrowNativeType>(
    array: &dyn Array,
    convert: impl Fn(T::Native) -> E,
) -> Option<ScalarBuffer<E>> {
    Some(primitive::<T>(array)?.values().iter().map(|&x| convert(x)).collect())
}
