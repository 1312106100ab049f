//! Numbers of seven bits a byte, the lowest first (LEB128): Thrift, run lengths and Snappy all have them.

/// Reads a number of at most 64 bits; `None` where the bytes end, or it is longer.
pub(super) fn varint(mut byte: impl FnMut() -> Option<u8>) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = byte()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
