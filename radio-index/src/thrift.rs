//! Thrift's compact protocol, as far as Parquet footers need it.
//!
//! A footer is a tree of structs of numbered fields. A reader asks for the next field, reads the value if it knows the
//! number, and skips it otherwise, without building anything. The format is described in Apache Thrift's
//! `thrift-compact-protocol.md`.

pub(crate) type Result<T> = std::result::Result<T, Damage>;

/// How some bytes do not follow the protocol. It is small, since every step of a reader may return it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    EndsEarly,
    LongNumber,
    LongFieldNumber,
    TooDeep,
    UnknownType,
    OtherType,
    Negative,
    InOtherFiles,
    NoMetadata,
}

impl From<Damage> for String {
    fn from(damage: Damage) -> Self {
        let what = match damage {
            Damage::EndsEarly => "the footer ends in the middle of a value",
            Damage::LongNumber => "a number in the footer is longer than 64 bits",
            Damage::LongFieldNumber => "the number of a field in the footer is longer than 16 bits",
            Damage::TooDeep => "the footer has structs inside structs without end",
            Damage::UnknownType => "the footer has a value of an unknown type",
            Damage::OtherType => "the footer has a value of the wrong type",
            Damage::Negative => "the footer has a negative number of rows, values or bytes",
            Damage::InOtherFiles => return "its columns are in other files: leave this summary file out".into(),
            Damage::NoMetadata => return "a column without metadata: encrypted or damaged".into(),
        };
        format!("{what}: damaged")
    }
}

/// Structs inside structs, at most. Parquet needs five.
const DEPTH: u8 = 32;

/// Type of a value, as the protocol numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind(u8);

impl Kind {
    const TRUE: Self = Self(1);
    const FALSE: Self = Self(2);
    const BYTE: Self = Self(3);
    const I16: Self = Self(4);
    const I32: Self = Self(5);
    const I64: Self = Self(6);
    const DOUBLE: Self = Self(7);
    pub(crate) const BINARY: Self = Self(8);
    pub(crate) const LIST: Self = Self(9);
    const SET: Self = Self(10);
    const MAP: Self = Self(11);
    pub(crate) const STRUCT: Self = Self(12);
    const UUID: Self = Self(13);

    fn is_integer(self) -> bool {
        matches!(self, Self::I16 | Self::I32 | Self::I64)
    }
}

/// A place in the bytes of a footer.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The fields of one struct, as far as they have been read.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    last: i16,
}

impl Fields {
    /// Number and type of the next field; `None` where the struct ends. The value has to be read or skipped before the
    /// next call.
    #[inline(always)]
    pub(crate) fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<(i16, Kind)>> {
        let header = cursor.byte()?;
        if header == 0 {
            return Ok(None);
        }
        let step = i16::from(header >> 4);
        self.last = if step == 0 {
            i16::try_from(cursor.integer()?).map_err(|_| Damage::LongFieldNumber)?
        } else {
            self.last.wrapping_add(step)
        };
        Ok(Some((self.last, Kind(header & 0x0f))))
    }
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Number of bytes that were read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Passes over these bytes, if they come next.
    pub(crate) fn skip_known(&mut self, known: &[u8]) -> bool {
        let comes_next = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(known));
        if comes_next {
            self.at += known.len();
        }
        comes_next
    }

    #[inline(always)]
    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).ok_or(Damage::EndsEarly)?;
        self.at += 1;
        Ok(byte)
    }

    #[inline(always)]
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(length).ok_or(Damage::EndsEarly)?;
        let taken = self.bytes.get(self.at..end).ok_or(Damage::EndsEarly)?;
        self.at = end;
        Ok(taken)
    }

    /// A number in groups of seven bits, the lowest first.
    #[inline(always)]
    fn varint(&mut self) -> Result<u64> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Damage::LongNumber)
    }

    #[inline(always)]
    fn skip_varint(&mut self) -> Result<()> {
        for _ in 0..10 {
            if self.byte()? < 0x80 {
                return Ok(());
            }
        }
        Err(Damage::LongNumber)
    }

    /// An integer; its sign is in the lowest bit.
    #[inline(always)]
    fn integer(&mut self) -> Result<i64> {
        let folded = self.varint()?;
        Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
    }

    /// The value of a field that should be an integer.
    #[inline(always)]
    pub(crate) fn i64(&mut self, kind: Kind) -> Result<i64> {
        if kind.is_integer() {
            self.integer()
        } else {
            Err(Damage::OtherType)
        }
    }

    /// The value of a field that should be an integer, and not negative.
    #[inline(always)]
    pub(crate) fn u64(&mut self, kind: Kind) -> Result<u64> {
        u64::try_from(self.i64(kind)?).map_err(|_| Damage::Negative)
    }

    /// The value of a field that should be bytes or a string.
    #[inline(always)]
    pub(crate) fn binary(&mut self, kind: Kind) -> Result<&'a [u8]> {
        if kind != Kind::BINARY {
            return Err(Damage::OtherType);
        }
        let length = self.length()?;
        self.take(length)
    }

    /// Number and type of the elements of a field that should be a list.
    #[inline(always)]
    pub(crate) fn list(&mut self, kind: Kind) -> Result<(usize, Kind)> {
        if kind != Kind::LIST && kind != Kind::SET {
            return Err(Damage::OtherType);
        }
        let header = self.byte()?;
        let length = match header >> 4 {
            15 => self.length()?,
            short => usize::from(short),
        };
        Ok((length, Kind(header & 0x0f)))
    }

    /// Checks that a field is a struct, whose fields follow.
    #[inline(always)]
    pub(crate) fn fields(&mut self, kind: Kind) -> Result<Fields> {
        if kind == Kind::STRUCT {
            Ok(Fields::default())
        } else {
            Err(Damage::OtherType)
        }
    }

    #[inline(always)]
    fn length(&mut self) -> Result<usize> {
        usize::try_from(self.varint()?).map_err(|_| Damage::EndsEarly)
    }

    /// Passes over the value of a field.
    #[inline(always)]
    pub(crate) fn skip(&mut self, kind: Kind) -> Result<()> {
        match kind {
            Kind::I16 | Kind::I32 | Kind::I64 => self.skip_varint(),
            // The value of a field that is a boolean stands in its type.
            Kind::TRUE | Kind::FALSE => Ok(()),
            Kind::BINARY => self.binary(kind).map(drop),
            _ => self.skip_below(kind, DEPTH),
        }
    }

    fn skip_below(&mut self, kind: Kind, depth: u8) -> Result<()> {
        match kind {
            Kind::TRUE | Kind::FALSE => Ok(()),
            Kind::BYTE => self.byte().map(drop),
            Kind::I16 | Kind::I32 | Kind::I64 => self.skip_varint(),
            Kind::DOUBLE => self.take(8).map(drop),
            Kind::UUID => self.take(16).map(drop),
            Kind::BINARY => self.binary(kind).map(drop),
            Kind::LIST | Kind::SET => {
                let (length, element) = self.list(kind)?;
                self.skip_elements(length, element, depth.checked_sub(1).ok_or(Damage::TooDeep)?)
            }
            Kind::MAP => {
                let length = self.length()?;
                let kinds = if length > 0 { self.byte()? } else { 0 };
                let deeper = depth.checked_sub(1).ok_or(Damage::TooDeep)?;
                for _ in 0..length {
                    self.skip_elements(1, Kind(kinds >> 4), deeper)?;
                    self.skip_elements(1, Kind(kinds & 0x0f), deeper)?;
                }
                Ok(())
            }
            Kind::STRUCT => {
                let deeper = depth.checked_sub(1).ok_or(Damage::TooDeep)?;
                let mut fields = Fields::default();
                while let Some((_, kind)) = fields.next(self)? {
                    if kind.is_integer() {
                        self.skip_varint()?;
                    } else {
                        self.skip_below(kind, deeper)?;
                    }
                }
                Ok(())
            }
            Kind(_) => Err(Damage::UnknownType),
        }
    }

    fn skip_elements(&mut self, length: usize, kind: Kind, depth: u8) -> Result<()> {
        match kind {
            // Unlike in a field, a boolean in a list takes a byte.
            Kind::TRUE | Kind::FALSE => self.take(length).map(drop),
            Kind::I16 | Kind::I32 | Kind::I64 => (0..length).try_for_each(|_| self.skip_varint()),
            other => (0..length).try_for_each(|_| self.skip_below(other, depth)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Skips one struct: how many bytes did it have?
    #[track_caller]
    fn check(bytes: &[u8], expected: Result<usize>) {
        let mut cursor = Cursor::new(bytes);
        assert_eq!(
            cursor.skip(Kind::STRUCT).map(|()| cursor.position()),
            expected,
            "{bytes:?}"
        );
    }

    #[test]
    fn values_are_skipped_to_their_last_byte() {
        check(&[0], Ok(1));
        // 1: true, 2: i32 -1, 3: "ab", 4: double.
        check(
            &[0x11, 0x15, 0x01, 0x18, 2, b'a', b'b', 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            Ok(17),
        );
        // 20 (long form): a list of two booleans, then a map of one i32 to a string.
        check(&[0x09, 40, 0x21, 1, 2, 0x1b, 1, 0x58, 6, 1, b'x', 0], Ok(12));
    }

    #[test]
    fn damage_is_an_error() {
        check(&[], Err(Damage::EndsEarly));
        check(&[0x18, 200, 1], Err(Damage::EndsEarly));
        check(
            &[0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            Err(Damage::LongNumber),
        );
        check(&[0x1e, 0], Err(Damage::UnknownType));
        check(&[0x1c; 100], Err(Damage::TooDeep));
        // A list that claims 2⁶³ elements ends where the bytes do.
        check(
            &[0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1],
            Err(Damage::EndsEarly),
        );
    }

    #[test]
    fn integers_fold_their_sign() {
        let mut cursor = Cursor::new(&[0, 1, 2, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
        let numbers: Vec<_> = (0..4).map(|_| cursor.i64(Kind::I64).unwrap()).collect();
        assert_eq!(numbers, [0, -1, 1, i64::MAX]);
    }
}
