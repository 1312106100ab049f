//! Levels of lists without nulls, all of one length: recognised without decoding them.
//! (parquet-format, Encodings.md: "Run Length Encoding / Bit-Packing Hybrid".)

use super::varint::varint;

/// What levels turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Expected,
    Others,
    /// There is a level above the highest one: damage, of which decoders make this or that.
    Impossible,
}

/// Are all levels the highest one? That of a value that is there.
pub(super) fn are_all(bytes: &[u8], highest: u16, count: u64) -> Found {
    runs(bytes, highest, count, |_, run| match run {
        Run::Same(level) => level == highest,
        Run::Packed(levels) => levels.iter().all(|&level| level == highest),
    })
}

/// Do the repetition levels say: lists of `length` values each? That is 0 for the first value of a list and 1 for the others.
pub(super) fn are_lists(bytes: &[u8], length: u64, count: u64) -> Found {
    runs(bytes, 1, count, |values, run| match run {
        Run::Same(level) => {
            let place = values.start % length;
            match level {
                0 => length == 1 || (place == 0 && values.end - values.start == 1),
                // None of them begins a list.
                _ => place != 0 && place + (values.end - values.start) <= length,
            }
        }
        Run::Packed(levels) => values
            .zip(levels)
            .all(|(value, &level)| (level == 0) == (value % length == 0)),
    })
}

enum Run<'a> {
    /// One level for all values.
    Same(u16),
    Packed(&'a [u16]),
}

/// Calls `check` with each run, and the numbers of its values. Levels of more than 8 bits are not asked for.
fn runs(mut bytes: &[u8], highest: u16, count: u64, check: impl Fn(std::ops::Range<u64>, Run<'_>) -> bool) -> Found {
    let width = 16 - highest.leading_zeros() as usize;
    if !(1..=8).contains(&width) {
        return Found::Others;
    }
    let mut found = Found::Expected;
    let mut at = 0;
    while at < count {
        let Some(head) = varint(|| next(&mut bytes)) else {
            return Found::Others;
        };
        if head >> 1 == 0 {
            return Found::Others;
        }
        if head & 1 == 0 {
            let Some(level) = next(&mut bytes).map(u16::from) else {
                return Found::Others;
            };
            if level > highest {
                return Found::Impossible;
            }
            let end = at.saturating_add(head >> 1).min(count);
            if !check(at..end, Run::Same(level)) {
                found = Found::Others;
            }
            at = end;
            continue;
        }
        // Groups of eight levels, the lowest bits first.
        for _ in 0..head >> 1 {
            let Some((group, rest)) = bytes.split_at_checked(width) else {
                return Found::Others;
            };
            bytes = rest;
            let mut bits = [0; 8];
            bits[..width].copy_from_slice(group);
            let bits = u64::from_le_bytes(bits);
            let levels: [u16; 8] = std::array::from_fn(|i| (bits >> (i * width) & ((1 << width) - 1)) as u16);
            let end = (at + 8).min(count);
            let levels = &levels[..(end - at) as usize];
            if levels.iter().any(|level| *level > highest) {
                return Found::Impossible;
            }
            if !check(at..end, Run::Packed(levels)) {
                found = Found::Others;
            }
            at = end;
            if at == count {
                break;
            }
        }
    }
    found
}

fn next(bytes: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Writes levels as runs of one level (`true`) or packed groups, by turns that `cuts` gives.
    fn encode(levels: &[u16], width: usize, cuts: &[(usize, bool)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let put = |bytes: &mut Vec<u8>, mut x: usize| {
            while x >= 0x80 {
                bytes.push(x as u8 | 0x80);
                x >>= 7;
            }
            bytes.push(x as u8);
        };
        let mut rest = levels;
        let mut cuts = cuts.iter().cycle();
        while let (Some(&first), Some(&(length, same))) = (rest.first(), cuts.next()) {
            let run = rest.iter().take_while(|&&level| level == first).count();
            if same || rest.len() < 8 {
                let run = run.min(length.max(1));
                put(&mut bytes, run << 1);
                bytes.push(first as u8);
                rest = &rest[run..];
            } else {
                put(&mut bytes, 1 << 1 | 1);
                let packed = rest[..8]
                    .iter()
                    .enumerate()
                    .fold(0_u64, |bits, (i, &l)| bits | u64::from(l) << (i * width));
                bytes.extend(&packed.to_le_bytes()[..width]);
                rest = &rest[8..];
            }
        }
        bytes
    }

    proptest! {
        /// Beside a decoder that looks at every level.
        #[test]
        fn levels_are_what_they_are(
            length in 1..12_u64,
            lists in 1..12_u64,
            flip in proptest::option::of(any::<proptest::sample::Index>()),
            cuts in proptest::collection::vec((1..40_usize, any::<bool>()), 1..6),
            highest in 1..4_u16,
        ) {
            let mut levels: Vec<u16> = (0..lists * length).map(|i| u16::from(i % length != 0)).collect();
            if let Some(flip) = flip {
                let at = flip.index(levels.len());
                levels[at] = 1 - levels[at];
            }
            let count = levels.len() as u64;
            let expected = if flip.is_none() { Found::Expected } else { Found::Others };
            prop_assert_eq!(are_lists(&encode(&levels, 1, &cuts), length, count), expected);

            let mut levels = vec![highest; levels.len()];
            if let Some(flip) = flip {
                let at = flip.index(levels.len());
                levels[at] -= 1;
            }
            let width = 16 - highest.leading_zeros() as usize;
            let bytes = encode(&levels, width, &cuts);
            prop_assert_eq!(are_all(&bytes, highest, count), expected);
            prop_assert_eq!(are_all(&bytes[..bytes.len() - 1], highest, count), Found::Others);

            // One level that no encoder writes, wherever it is.
            if let Some(flip) = flip && highest != 3 && highest != 1 {
                let at = flip.index(levels.len());
                levels[at] = 3;
                prop_assert_eq!(are_all(&encode(&levels, width, &cuts), highest, count), Found::Impossible);
            }
        }

        #[test]
        fn any_bytes_are_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..40), highest in 0..400_u16, count in 0..1_000_u64) {
            are_all(&bytes, highest, count);
            are_lists(&bytes, 7, count);
        }
    }
}
