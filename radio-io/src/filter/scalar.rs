//! Values, and their order.

use std::borrow::Cow;
use std::cmp::Ordering;

/// What a column is compared with: an integer of up to 64 bits, a float, a `bool` or text.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar(pub(super) Cell<'static>);

macro_rules! scalar_from {
    ($($kind:ident: $($from:ty),*;)*) => {$($(
        impl From<$from> for Scalar {
            fn from(value: $from) -> Self {
                Self(Cell::$kind(value.into()))
            }
        }
    )*)*};
}

scalar_from! {
    Integer: bool, i8, i16, i32, i64, u8, u16, u32, u64;
    Float: f32, f64;
}

impl From<String> for Scalar {
    fn from(text: String) -> Self {
        Self(Cell::Text(text.into_bytes().into()))
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// A value that is there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Integer(i128),
    Float(f64),
    Text(Cow<'a, [u8]>),
}

impl Cell<'_> {
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// The order of the exact values; `None` for NaN, and for text and a number.
    pub(super) fn compare(&self, other: &Cell<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(a), Cell::Integer(b)) => Some(a.cmp(b)),
            (Self::Float(a), Cell::Float(b)) => a.partial_cmp(b),
            // A float that equals the rounded integer is an integer itself.
            (Self::Float(a), Cell::Integer(b)) => Some(a.partial_cmp(&(*b as f64))?.then_with(|| (*a as i128).cmp(b))),
            (Self::Integer(_), Cell::Float(_)) => other.compare(self).map(Ordering::reverse),
            (Self::Text(a), Cell::Text(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}
