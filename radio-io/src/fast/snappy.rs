//! Snappy without matches: noise does not compress, so its pages are literals, and those can be copied straight to the rows.
//! (google/snappy, format_description.txt.)

use super::Slot;

/// Decompresses a page of rows: the first bytes into `levels`, the rest into the slots of their rows, which are sorted.
///
/// `None` if anything but literals comes, or the sizes do not fit; what was written then is of no meaning.
pub(super) fn scatter(
    mut stored: &[u8],
    levels: &mut [u8],
    first_row: u64,
    row_bytes: usize,
    rows: usize,
    slots: &mut [Slot<'_>],
) -> Option<()> {
    let size = varint(&mut stored)?;
    if size != (levels.len() + rows * row_bytes) as u64 {
        return None;
    }
    let mut out = Scatter {
        levels,
        row_bytes,
        at: 0,
        first_row,
        slots,
    };
    while let Some((&tag, rest)) = stored.split_first() {
        stored = rest;
        if tag & 3 != 0 {
            return None;
        }
        let length = match usize::from(tag >> 2) {
            short @ ..60 => short + 1,
            long => {
                let (bytes, rest) = stored.split_at_checked(long - 59)?;
                stored = rest;
                let mut length = [0; 8];
                length[..bytes.len()].copy_from_slice(bytes);
                u64::from_le_bytes(length) as usize + 1
            }
        };
        let (literal, rest) = stored.split_at_checked(length)?;
        stored = rest;
        out.put(literal);
    }
    (out.at as u64 == size).then_some(())
}

struct Scatter<'a, 'b> {
    levels: &'a mut [u8],
    row_bytes: usize,
    /// Bytes that came so far.
    at: usize,
    first_row: u64,
    /// Those whose rows are still to come.
    slots: &'a mut [Slot<'b>],
}

impl Scatter<'_, '_> {
    fn put(&mut self, mut bytes: &[u8]) {
        if let Some(levels) = self.levels.get_mut(self.at..).filter(|levels| !levels.is_empty()) {
            let count = levels.len().min(bytes.len());
            let (now, later) = bytes.split_at(count);
            levels[..count].copy_from_slice(now);
            self.at += count;
            bytes = later;
        }
        while !bytes.is_empty() {
            let place = self.at - self.levels.len();
            let row = self.first_row + (place / self.row_bytes) as u64;
            let begin = place % self.row_bytes;
            let count = bytes.len().min(self.row_bytes - begin);
            let (now, later) = bytes.split_at(count);
            let passed = self.slots.iter().take_while(|slot| slot.row < row).count();
            self.slots = &mut std::mem::take(&mut self.slots)[passed..];
            // A row may be wanted more than once.
            for slot in self.slots.iter_mut().take_while(|slot| slot.row == row) {
                slot.values[begin..begin + count].copy_from_slice(now);
            }
            self.at += count;
            bytes = later;
        }
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Beside the codec itself, on bytes that match a little or not at all.
        #[test]
        fn what_comes_out_is_right(
            rows in 0..40_usize,
            row_bytes in 1..300_usize,
            levels in 0..100_usize,
            letters in prop_oneof![Just(3_u8), Just(255)],
            wanted in proptest::collection::vec(any::<proptest::sample::Index>(), 0..20),
            seed: u64,
            cut in proptest::option::of(any::<proptest::sample::Index>()),
        ) {
            let mut state = seed | 1;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as u8 % letters
            };
            let bytes: Vec<u8> = (0..levels + rows * row_bytes).map(|_| next()).collect();
            let mut stored = snap::raw::Encoder::new().compress_vec(&bytes).unwrap();
            if let Some(cut) = cut {
                stored.truncate(cut.index(stored.len()));
            }
            let mut wanted: Vec<usize> = wanted.iter().filter(|_| rows > 0).map(|row| row.index(rows)).collect();
            wanted.sort_unstable();
            let mut places = vec![vec![0; row_bytes]; wanted.len()];
            let mut slots: Vec<Slot<'_>> =
                wanted.iter().zip(&mut places).map(|(&row, values)| Slot { row: 7 + row as u64, values }).collect();
            let mut head = vec![0; levels];
            if scatter(&stored, &mut head, 7, row_bytes, rows, &mut slots).is_some() {
                prop_assert_eq!(&head, &bytes[..levels]);
                for (row, values) in wanted.iter().zip(&places) {
                    prop_assert_eq!(values, &bytes[levels + row * row_bytes..][..row_bytes]);
                }
                prop_assert!(cut.is_none());
            }
        }
    }

    #[test]
    fn literals_of_every_length() {
        for length in [1, 59, 60, 61, 255, 256, 257, 65_535, 65_536] {
            let bytes: Vec<u8> = (0..length).map(|i: usize| ((i * i) >> 7) as u8).collect();
            let mut stored = Vec::new();
            let mut x = length;
            while x >= 0x80 {
                stored.push(x as u8 | 0x80);
                x >>= 7;
            }
            stored.push(x as u8);
            let extra = (length - 1).to_le_bytes();
            match length {
                1..=60 => stored.push((length as u8 - 1) << 2),
                61..=256 => stored.extend([60 << 2, extra[0]]),
                _ => stored.extend([61 << 2, extra[0], extra[1]]),
            }
            stored.extend(&bytes);
            assert_eq!(snap::raw::Decoder::new().decompress_vec(&stored).unwrap(), bytes);
            let mut values = vec![0; length];
            let mut slots = [Slot {
                row: 0,
                values: &mut values,
            }];
            assert!(scatter(&stored, &mut [], 0, length, 1, &mut slots).is_some());
            assert_eq!(values, bytes);
        }
    }
}
