//! Headers of Parquet pages: Thrift's compact protocol, as far as it is needed.
//! (parquet-format, `PageHeader` in parquet.thrift; thrift-compact-protocol.md.)

use super::varint::varint;

/// A page of values, as its header describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageHeader {
    pub(crate) kind: Kind,
    /// Bytes behind the header, and what they are without compression.
    pub(crate) stored: usize,
    pub(crate) size: usize,
    /// CRC-32 of the stored bytes.
    pub(crate) crc: Option<u32>,
    /// Nulls and empty lists included.
    pub(crate) values: u64,
    pub(crate) encoding: Encoding,
    pub(crate) levels: Levels,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Data,
    Dictionary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    ByteStreamSplit,
    Other,
}

/// Where a page keeps its levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Levels {
    /// Version 1: compressed with the values, each behind its length.
    Inside,
    /// Version 1, in an encoding that nobody writes any more.
    Old,
    /// Version 2: before the values, not compressed.
    Before {
        repetition: usize,
        definition: usize,
        rows: u64,
        are_values_compressed: bool,
    },
}

impl Levels {
    /// Bytes of the levels that are not compressed.
    pub(crate) fn plain_bytes(self) -> usize {
        match self {
            Self::Before {
                repetition, definition, ..
            } => repetition.saturating_add(definition),
            _ => 0,
        }
    }
}

/// Reads a header at the start of `bytes`, and returns its length. `None` if it is none, or not all of it is there.
pub(crate) fn read(bytes: &[u8]) -> Option<(PageHeader, usize)> {
    let mut input = Input { bytes, at: 0 };
    let mut page = Fields::default();
    let (mut v1, mut v2, mut dictionary) = (None, None, None);
    input.fields(|input, id, kind| match (id, kind) {
        (5, STRUCT) => input.numbers().map(|fields| v1 = Some(fields)),
        (7, STRUCT) => input.numbers().map(|fields| dictionary = Some(fields)),
        (8, STRUCT) => input.numbers().map(|fields| v2 = Some(fields)),
        _ => input.number(id, kind, &mut page),
    })?;
    let number = |fields: &Fields, id: usize| fields[id].and_then(|x| u64::try_from(x).ok());
    let encoding = |code: Option<i64>| match code {
        Some(0) => Encoding::Plain,
        Some(9) => Encoding::ByteStreamSplit,
        _ => Encoding::Other,
    };
    let (kind, values, encoding, levels) = match (page[1]?, v1, v2, dictionary) {
        (0, Some(v1), ..) => {
            // RLE is encoding 3.
            let levels = if v1[3] == Some(3) && v1[4] == Some(3) {
                Levels::Inside
            } else {
                Levels::Old
            };
            (Kind::Data, number(&v1, 1)?, encoding(v1[2]), levels)
        }
        (3, _, Some(v2), _) => {
            let levels = Levels::Before {
                repetition: usize::try_from(v2[6]?).ok()?,
                definition: usize::try_from(v2[5]?).ok()?,
                rows: number(&v2, 3)?,
                are_values_compressed: v2[7] != Some(0),
            };
            (Kind::Data, number(&v2, 1)?, encoding(v2[4]), levels)
        }
        (2, _, _, Some(dictionary)) => (
            Kind::Dictionary,
            number(&dictionary, 1)?,
            Encoding::Other,
            Levels::Inside,
        ),
        _ => return None,
    };
    let header = PageHeader {
        kind,
        stored: usize::try_from(page[3]?).ok()?,
        size: usize::try_from(page[2]?).ok()?,
        // Thrift has no unsigned numbers.
        crc: page[4].map(|crc| crc as i32 as u32),
        values,
        encoding,
        levels,
    };
    Some((header, input.at))
}

/// The numbers of a struct, by their field ids; a boolean is 0 or 1.
type Fields = [Option<i64>; 10];

const STRUCT: u8 = 12;
/// Structs in structs; a header has three.
const DEEPEST: u32 = 16;

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        varint(|| self.byte())
    }

    fn zigzag(&mut self) -> Option<i64> {
        let x = self.varint()?;
        Some((x >> 1) as i64 ^ -((x & 1) as i64))
    }

    /// Calls `field` with the id and kind of each field of a struct; it has to read the value.
    fn fields(&mut self, mut field: impl FnMut(&mut Self, i64, u8) -> Option<()>) -> Option<()> {
        let mut id = 0_i64;
        loop {
            let byte = self.byte()?;
            if byte == 0 {
                return Some(());
            }
            id = match byte >> 4 {
                0 => self.zigzag()?,
                delta => id.checked_add(i64::from(delta))?,
            };
            field(self, id, byte & 0x0f)?;
        }
    }

    /// The numbers of a struct.
    fn numbers(&mut self) -> Option<Fields> {
        let mut numbers = Fields::default();
        self.fields(|input, id, kind| input.number(id, kind, &mut numbers))?;
        Some(numbers)
    }

    /// Keeps the value of a field if it is a number, and passes over it otherwise.
    fn number(&mut self, id: i64, kind: u8, numbers: &mut Fields) -> Option<()> {
        let value = match kind {
            1 | 2 => Some(i64::from(kind == 1)),
            4..=6 => Some(self.zigzag()?),
            _ => {
                self.skip(kind, DEEPEST)?;
                None
            }
        };
        if let Some(slot) = usize::try_from(id).ok().and_then(|id| numbers.get_mut(id)) {
            *slot = value;
        }
        Some(())
    }

    fn skip(&mut self, kind: u8, deepest: u32) -> Option<()> {
        let deepest = deepest.checked_sub(1)?;
        match kind {
            1 | 2 => {}
            3 => self.at += 1,
            4..=6 => drop(self.varint()?),
            7 => self.at += 8,
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.at = self.at.checked_add(length)?;
            }
            9 | 10 => {
                let head = self.byte()?;
                let length = match head >> 4 {
                    15 => self.varint()?,
                    short => u64::from(short),
                };
                for _ in 0..length {
                    // A boolean in a list has a byte of its own.
                    match head & 0x0f {
                        1 | 2 => self.at += 1,
                        kind => self.skip(kind, deepest)?,
                    }
                    if self.at > self.bytes.len() {
                        return None;
                    }
                }
            }
            STRUCT => self.fields(|input, _, kind| input.skip(kind, deepest))?,
            _ => return None,
        }
        (self.at <= self.bytes.len()).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example is hand-made: field headers and zigzag numbers as the protocol's text gives them.
    #[test]
    fn a_header_of_version_1() {
        let bytes = [
            0x15, 0, // 1: type = DATA_PAGE
            0x15, 0x80, 0x01, // 2: size = 64
            0x15, 0x50, // 3: stored = 40
            0x15, 0x01, // 4: crc = -1
            0x1c, // 5: data_page_header
            0x15, 0x08, 0x15, 0x12, 0x15, 0x06, 0x15, 0x06, // 4 values, encoding 9, levels 3 and 3
            0x1c, 0x18, 0x02, b'a', b'b', 0, // 5: statistics, with a text
            0, 0, 0xff,
        ];
        let header = PageHeader {
            kind: Kind::Data,
            stored: 40,
            size: 64,
            crc: Some(u32::MAX),
            values: 4,
            encoding: Encoding::ByteStreamSplit,
            levels: Levels::Inside,
        };
        assert_eq!(read(&bytes), Some((header, bytes.len() - 1)));
        for end in 0..bytes.len() - 1 {
            assert_eq!(read(&bytes[..end]), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some((_, length)) = read(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
