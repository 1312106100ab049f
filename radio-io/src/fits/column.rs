//! Columns of binary tables.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, FixedSizeBinaryBuilder, PrimitiveBuilder, StringBuilder};
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, ArrowPrimitiveType, FixedSizeListArray};
use arrow_schema::{DataType, Field};

use super::header::Header;

/// A column, by its cards.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) unit: Option<String>,
    /// The letter of its type.
    letter: u8,
    /// Values in a row; bits and characters for those.
    repeat: usize,
    /// Where in a row it is, and how many bytes it takes.
    pub(super) offset: usize,
    pub(super) bytes: usize,
    /// The letter of the items of lists of variable length.
    items: Option<u8>,
    scale: f64,
    zero: f64,
    null: Option<i64>,
}

/// What is done to stored numbers.
#[derive(Clone, Copy, PartialEq)]
enum Meaning {
    Stored,
    /// Unsigned, or signed for bytes: the highest bit is turned.
    OtherSign,
    Scaled,
}

/// The columns of a table; the error is a reason for people.
pub(super) fn columns_of(header: &Header) -> Result<Vec<Column>, String> {
    let count = header.size("TFIELDS")?;
    if count > 999 {
        return Err(format!("card TFIELDS is {count}, expected at most 999"));
    }
    let mut offset = 0usize;
    (1..=count)
        .map(|number| {
            let column = Column::new(header, number, offset)?;
            offset = offset
                .checked_add(column.bytes)
                .ok_or_else(|| format!("card TFORM{number}: more bytes than any file has"))?;
            Ok(column)
        })
        .collect()
}

impl Column {
    fn new(header: &Header, number: usize, offset: usize) -> Result<Self, String> {
        let card = |keyword| format!("{keyword}{number}");
        let keyword = card("TFORM");
        let form = header
            .string(&keyword)
            .ok_or_else(|| format!("no card {keyword}"))?
            .trim();
        let wrong = || format!("card {keyword} is {form:?}, expected a count and a letter, \"5E\" for instance");
        let digits = form.bytes().take_while(u8::is_ascii_digit).count();
        let (repeat, rest) = form.split_at(digits);
        let repeat: usize = if digits == 0 {
            1
        } else {
            repeat.parse().map_err(|_| wrong())?
        };
        let letter = *rest.as_bytes().first().ok_or_else(wrong)?;
        let bytes = match letter {
            b'X' => Some(repeat.div_ceil(8)),
            _ => size(letter).ok_or_else(wrong)?.checked_mul(repeat),
        };
        let name = header.string(&card("TTYPE")).unwrap_or_default().trim();
        Ok(Self {
            name: if name.is_empty() {
                card("COLUMN_")
            } else {
                name.to_owned()
            },
            unit: header
                .string(&card("TUNIT"))
                .map(|unit| unit.trim().to_owned())
                .filter(|unit| !unit.is_empty()),
            letter,
            repeat,
            offset,
            bytes: bytes.ok_or_else(wrong)?,
            items: rest
                .as_bytes()
                .get(1)
                .copied()
                .filter(|_| matches!(letter, b'P' | b'Q')),
            scale: header.number(&card("TSCAL"))?.unwrap_or(1.0),
            zero: header.number(&card("TZERO"))?.unwrap_or(0.0),
            null: header.integer(&card("TNULL"))?,
        })
    }

    pub(super) fn is_readable(&self) -> bool {
        !matches!(self.letter, b'C' | b'M' | b'P' | b'Q') && self.bytes > 0 && i32::try_from(self.bytes).is_ok()
    }

    fn meaning(&self) -> Meaning {
        let signed = match self.letter {
            b'B' => -128.0,
            b'I' => 32_768.0,
            b'J' => 2_147_483_648.0,
            b'K' => 9_223_372_036_854_775_808.0,
            _ => f64::NAN,
        };
        match (self.scale, self.zero) {
            (1.0, 0.0) => Meaning::Stored,
            (1.0, zero) if zero == signed => Meaning::OtherSign,
            _ => Meaning::Scaled,
        }
    }

    /// The Arrow type that [`Column::read`] gives; the error is a reason for people.
    pub(super) fn data_type(&self) -> Result<DataType, String> {
        if !self.is_readable() {
            return Err(format!(
                "column {}: type {} × {} cannot be read: no complex numbers, empty columns or lists of variable length",
                self.name, self.repeat, self.letter as char
            ));
        }
        let item = match (self.letter, self.meaning()) {
            (b'L', _) => DataType::Boolean,
            (b'A', _) => return Ok(DataType::Utf8),
            (b'X', _) => return Ok(DataType::FixedSizeBinary(self.bytes as i32)),
            (_, Meaning::Scaled) => DataType::Float64,
            (b'B', Meaning::Stored) => DataType::UInt8,
            (b'B', _) => DataType::Int8,
            (b'I', Meaning::Stored) => DataType::Int16,
            (b'I', _) => DataType::UInt16,
            (b'J', Meaning::Stored) => DataType::Int32,
            (b'J', _) => DataType::UInt32,
            (b'K', Meaning::Stored) => DataType::Int64,
            (b'K', _) => DataType::UInt64,
            (b'E', _) => DataType::Float32,
            _ => DataType::Float64,
        };
        Ok(if self.repeat == 1 {
            item
        } else {
            DataType::FixedSizeList(Arc::new(Field::new("element", item, true)), self.repeat as i32)
        })
    }

    /// Reads the column in rows of `width` bytes; the error is a reason for people.
    pub(super) fn read(&self, rows: &[u8], width: usize) -> Result<ArrayRef, String> {
        let data_type = self.data_type()?;
        let cells = || {
            rows.chunks_exact(width)
                .map(|row| &row[self.offset..self.offset + self.bytes])
        };
        let fail = |error: arrow_schema::ArrowError| format!("column {}: {error}", self.name);
        let null = |stored: i64| Some(stored) == self.null;
        let scaled = |stored: f64| stored * self.scale + self.zero;
        let values: ArrayRef = match (self.letter, self.meaning()) {
            (b'L', _) => {
                let mut values = BooleanBuilder::with_capacity(cells().len() * self.repeat);
                for &byte in cells().flatten() {
                    values.append_option(match byte {
                        b'T' => Some(true),
                        b'F' => Some(false),
                        _ => None,
                    });
                }
                Arc::new(values.finish())
            }
            (b'A', _) => {
                if i32::try_from(cells().len() * self.bytes).is_err() {
                    return Err(format!(
                        "column {}: more than 2 GB of text at once: read the table in batches",
                        self.name
                    ));
                }
                let mut values = StringBuilder::with_capacity(cells().len(), 0);
                for cell in cells() {
                    // A null byte ends a string early.
                    let text = cell.split(|&byte| byte == 0).next().unwrap_or_default();
                    values.append_value(String::from_utf8_lossy(text).trim_end_matches(' '));
                }
                Arc::new(values.finish())
            }
            (b'X', _) => {
                let mut values = FixedSizeBinaryBuilder::with_capacity(cells().len(), self.bytes as i32);
                cells().try_for_each(|cell| values.append_value(cell)).map_err(fail)?;
                Arc::new(values.finish())
            }
            (b'B', Meaning::Stored) => numbers::<UInt8Type, 1>(cells(), |[b]| (!null(b.into())).then_some(b)),
            (b'B', Meaning::OtherSign) => {
                numbers::<Int8Type, 1>(cells(), |[b]| (!null(b.into())).then_some((b ^ 0x80) as i8))
            }
            (b'I', Meaning::Stored) => numbers::<Int16Type, 2>(cells(), |b| integer(i16::from_be_bytes(b), null)),
            (b'I', Meaning::OtherSign) => numbers::<UInt16Type, 2>(cells(), |b| {
                integer(i16::from_be_bytes(b), null).map(|stored| stored as u16 ^ 1 << 15)
            }),
            (b'J', Meaning::Stored) => numbers::<Int32Type, 4>(cells(), |b| integer(i32::from_be_bytes(b), null)),
            (b'J', Meaning::OtherSign) => numbers::<UInt32Type, 4>(cells(), |b| {
                integer(i32::from_be_bytes(b), null).map(|stored| stored as u32 ^ 1 << 31)
            }),
            (b'K', Meaning::Stored) => numbers::<Int64Type, 8>(cells(), |b| integer(i64::from_be_bytes(b), null)),
            (b'K', Meaning::OtherSign) => numbers::<UInt64Type, 8>(cells(), |b| {
                integer(i64::from_be_bytes(b), null).map(|stored| stored as u64 ^ 1 << 63)
            }),
            (b'E', Meaning::Stored) => numbers::<Float32Type, 4>(cells(), |b| Some(f32::from_be_bytes(b))),
            (b'D', Meaning::Stored) => numbers::<Float64Type, 8>(cells(), |b| Some(f64::from_be_bytes(b))),
            _ => {
                let mut values = PrimitiveBuilder::<Float64Type>::with_capacity(cells().len() * self.repeat);
                let size = size(self.letter).unwrap_or(1);
                for value in cells().flat_map(|cell| cell.chunks_exact(size)) {
                    values.append_option(self.stored(value, null).map(scaled));
                }
                Arc::new(values.finish())
            }
        };
        match data_type {
            DataType::FixedSizeList(item, repeat) => FixedSizeListArray::try_new(item, repeat, values, None)
                .map(|lists| Arc::new(lists) as ArrayRef)
                .map_err(fail),
            _ => Ok(values),
        }
    }

    /// A stored number, before it is scaled.
    fn stored(&self, bytes: &[u8], null: impl Fn(i64) -> bool) -> Option<f64> {
        let stored = match *bytes {
            [b] => b.into(),
            [a, b] => i16::from_be_bytes([a, b]).into(),
            [a, b, c, d] if self.letter == b'E' => return Some(f32::from_be_bytes([a, b, c, d]).into()),
            [a, b, c, d] => i32::from_be_bytes([a, b, c, d]).into(),
            [a, b, c, d, e, f, g, h] if self.letter == b'D' => {
                return Some(f64::from_be_bytes([a, b, c, d, e, f, g, h]));
            }
            [a, b, c, d, e, f, g, h] => i64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => return None,
        };
        (!null(stored)).then_some(stored as f64)
    }

    /// The number in a cell of one; the error is a reason for people.
    pub(super) fn number(&self, cell: &[u8]) -> Result<f64, String> {
        let is_number = matches!(self.letter, b'B' | b'I' | b'J' | b'K' | b'E' | b'D') && self.repeat == 1;
        self.stored(cell, |_| false)
            .filter(|_| is_number)
            .map(|stored| stored * self.scale + self.zero)
            .ok_or_else(|| format!("column {}: expected one number a row", self.name))
    }

    /// Bytes of an item, where lists are of variable length.
    pub(super) fn item_bytes(&self) -> Option<usize> {
        size(self.items.filter(|_| self.repeat == 1)?)
    }

    /// The bytes of a list of variable length, and where in the heap it begins.
    pub(super) fn variable(&self, cell: &[u8]) -> Option<(u64, u64)> {
        let (length, at) = match *cell {
            [a, b, c, d, e, f, g, h] => (
                i32::from_be_bytes([a, b, c, d]).into(),
                i32::from_be_bytes([e, f, g, h]).into(),
            ),
            _ => {
                let (length, at) = cell.split_first_chunk::<8>()?;
                (i64::from_be_bytes(*length), i64::from_be_bytes(at.try_into().ok()?))
            }
        };
        let length = u64::try_from(length).ok()?.checked_mul(self.item_bytes()? as u64)?;
        Some((length, u64::try_from(at).ok()?))
    }
}

/// Bytes of a value.
fn size(letter: u8) -> Option<usize> {
    Some(match letter {
        b'L' | b'B' | b'A' => 1,
        b'I' => 2,
        b'J' | b'E' => 4,
        b'K' | b'D' | b'C' | b'P' => 8,
        b'M' | b'Q' => 16,
        _ => return None,
    })
}

fn integer<T: Copy + Into<i64>>(stored: T, null: impl Fn(i64) -> bool) -> Option<T> {
    (!null(stored.into())).then_some(stored)
}

fn numbers<'a, T: ArrowPrimitiveType, const N: usize>(
    cells: impl ExactSizeIterator<Item = &'a [u8]>,
    value: impl Fn([u8; N]) -> Option<T::Native>,
) -> ArrayRef {
    let mut values = PrimitiveBuilder::<T>::with_capacity(cells.len());
    for bytes in cells.flat_map(|cell| cell.as_chunks::<N>().0) {
        values.append_option(value(*bytes));
    }
    Arc::new(values.finish()) as ArrayRef
}
