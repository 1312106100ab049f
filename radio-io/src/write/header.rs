//! Headers of Parquet pages with checksums, which the crate parquet does not write.
//! (parquet-format, `PageHeader` in parquet.thrift; thrift-compact-protocol.md.)

/// The field header of a 32-bit number right behind the field before it.
const NEXT_NUMBER: u8 = 0x15;

/// The header of a data page of version 1 whose levels are run lengths.
pub(super) fn data_page(size: usize, stored: usize, crc: u32, values: usize, encoding: i32) -> Vec<u8> {
    const RLE: i64 = 3;
    let mut header = Vec::with_capacity(40);
    // type = DATA_PAGE, sizes, crc. Thrift has no unsigned numbers.
    for number in [0, size as i64, stored as i64, i64::from(crc as i32)] {
        push_number(&mut header, number);
    }
    // data_page_header
    header.push(0x1c);
    for number in [values as i64, i64::from(encoding), RLE, RLE] {
        push_number(&mut header, number);
    }
    header.extend([0, 0]);
    header
}

/// The same header with a checksum; `None` where it has one, or is no header that begins with type and sizes.
pub(super) fn with_crc(header: &[u8], crc: u32) -> Option<Vec<u8>> {
    let mut at = 0;
    for _ in 0..3 {
        (*header.get(at)? == NEXT_NUMBER).then_some(())?;
        at += 1;
        while *header.get(at)? >= 0x80 {
            at += 1;
        }
        at += 1;
    }
    // The next field is nearer by one now; of the fourth one there must be none.
    let next = *header.get(at)?;
    let nearer = (next >> 4).checked_sub(1).filter(|&delta| delta > 0)?;
    let mut new = header[..at].to_vec();
    push_number(&mut new, i64::from(crc as i32));
    new.push(nearer << 4 | next & 0x0f);
    new.extend_from_slice(&header[at + 1..]);
    Some(new)
}

fn push_number(header: &mut Vec<u8>, number: i64) {
    header.push(NEXT_NUMBER);
    push_varint(header, (number << 1 ^ number >> 63) as u64);
}

/// Seven bits a byte, the lowest first.
pub(super) fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fast::header::{Encoding, Kind, Levels, PageHeader, read};

    proptest! {
        #[test]
        fn headers_are_read_as_written(size in 0usize..1 << 30, stored in 0usize..1 << 30, crc: u32, values in 0usize..1 << 30) {
            let header = data_page(size, stored, crc, values, 9);
            let expected = PageHeader {
                kind: Kind::Data,
                stored,
                size,
                crc: Some(crc),
                values: values as u64,
                encoding: Encoding::ByteStreamSplit,
                levels: Levels::Inside,
            };
            prop_assert_eq!(read(&header), Some((expected, header.len())));
            // It has a checksum already.
            prop_assert_eq!(with_crc(&header, 1), None);
        }
    }

    #[test]
    fn a_checksum_is_put_in() {
        // A dictionary page of parquet's writer: type 2, sizes 64 and 40, 4 values, encoding 0.
        let header = [0x15, 4, 0x15, 0x80, 0x01, 0x15, 0x50, 0x4c, 0x15, 8, 0x15, 0, 0, 0];
        let (before, _) = read(&header).unwrap_or_else(|| unreachable!("a header"));
        let new = with_crc(&header, 0xdead_beef).unwrap_or_default();
        let expected = PageHeader {
            crc: Some(0xdead_beef),
            ..before
        };
        assert_eq!(read(&new), Some((expected, new.len())));
        for end in 0..8 {
            assert_eq!(with_crc(&header[..end], 1), None);
        }
    }
}
