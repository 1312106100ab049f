//! Where a Snappy page keeps its bytes as they are. Noise does not compress: behind its levels such a page is literals of some
//! 64 KiB, whose rows can be read from the file like those of an uncompressed page.
//! (google/snappy, format_description.txt.)

use super::varint::varint;

/// Bytes of a page that lie in the file as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Where they begin, counted in the decompressed page.
    pub(super) place: u64,
    /// Where they begin in the file.
    pub(super) at: u64,
    pub(super) length: u64,
}

/// A match of the levels may go on into the values by so many bytes: where the first of them is as the levels would go on.
const OVER: usize = 64;

/// A page with more matches is one that compresses: it is better decompressed.
const COPIES: usize = 16;

/// Finds the runs of a page that is stored in `from..to` of a file, behind its first bytes, which are decompressed: `levels` of
/// them, and a few more where a match goes on.
///
/// `None` if there is much else than literals behind these, if the sizes do not fit, or where `read` fails. What it reads is
/// the first bytes and the tags between the literals.
pub(super) fn map(
    read: impl FnMut(&mut [u8], u64) -> Option<()>,
    from: u64,
    to: u64,
    levels: usize,
    size: usize,
) -> Option<(Vec<u8>, Vec<Run>)> {
    let mut stored = Stored {
        read,
        at: from,
        end: to,
        bytes: Vec::new(),
        used: 0,
    };
    if varint(|| stored.byte())? != size as u64 {
        return None;
    }
    let mut head: Vec<u8> = Vec::with_capacity(levels);
    let mut runs: Vec<Run> = Vec::new();
    let (mut place, mut copies) = (0, 0);
    while stored.at < to {
        let tag = stored.byte()?;
        let (bytes, code) = (tag & 3, u64::from(tag >> 2));
        if bytes == 0 {
            let length = match code {
                short @ ..60 => short + 1,
                long => stored.number(long - 59)? + 1,
            };
            let inside = length.min(levels.saturating_sub(head.len()) as u64);
            stored.append(inside, &mut head)?;
            let rest = length - inside;
            if rest > 0 {
                runs.push(Run {
                    place: place + inside,
                    at: stored.at,
                    length: rest,
                });
                stored.skip(rest)?;
            }
            place += length;
        } else {
            let (length, offset) = match bytes {
                1 => ((code & 7) + 4, (code >> 3) << 8 | stored.number(1)?),
                2 => (code + 1, stored.number(2)?),
                _ => (code + 1, stored.number(4)?),
            };
            if head.len() as u64 == place {
                let offset = usize::try_from(offset).ok()?;
                let end = head.len() as u64 + length;
                if offset == 0 || offset > head.len() || end > (levels + OVER) as u64 {
                    return None;
                }
                for _ in 0..length {
                    head.push(head[head.len() - offset]);
                }
            } else {
                // In noise a few bytes are the same by chance, about once in sixty pages.
                copies += 1;
                let source = place.checked_sub(offset)?;
                let is_in = |run: &&Run| run.place <= source && source + length <= run.place + run.length;
                let run = runs.iter().rev().find(is_in).filter(|_| copies <= COPIES)?;
                let at = run.at + (source - run.place);
                runs.push(Run { place, at, length });
            }
            place += length;
        }
    }
    (place == size as u64 && head.len() >= levels).then_some((head, runs))
}

/// The stored bytes of a page, read a little at a time.
struct Stored<R> {
    read: R,
    /// The next byte, and the end, in the file.
    at: u64,
    end: u64,
    /// Bytes that were read, of which `used` are behind `at`.
    bytes: Vec<u8>,
    used: usize,
}

/// Bytes that are read together: tags and short levels.
const LITTLE: u64 = 512;

impl<R: FnMut(&mut [u8], u64) -> Option<()>> Stored<R> {
    fn byte(&mut self) -> Option<u8> {
        if self.used == self.bytes.len() {
            let count = LITTLE.min(self.end.checked_sub(self.at)?);
            self.bytes.resize(count as usize, 0);
            (self.read)(&mut self.bytes, self.at)?;
            self.used = 0;
        }
        let byte = *self.bytes.get(self.used)?;
        self.used += 1;
        self.at += 1;
        Some(byte)
    }

    /// A number of so many bytes, the lowest first.
    fn number(&mut self, bytes: u64) -> Option<u64> {
        (0..bytes).try_fold(0, |number, byte| Some(number | u64::from(self.byte()?) << (8 * byte)))
    }

    fn append(&mut self, count: u64, to: &mut Vec<u8>) -> Option<()> {
        for _ in 0..count {
            to.push(self.byte()?);
        }
        Some(())
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        self.at = self.at.checked_add(count).filter(|at| *at <= self.end)?;
        let left = (self.bytes.len() - self.used) as u64;
        self.used = if count <= left {
            self.used + count as usize
        } else {
            self.bytes.len()
        };
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Puts a page together again.
    fn restored(file: &[u8], from: usize, levels: usize, size: usize) -> Option<Vec<u8>> {
        let read = |bytes: &mut [u8], at: u64| {
            bytes.copy_from_slice(file.get(at as usize..at as usize + bytes.len())?);
            Some(())
        };
        let (mut page, runs) = map(read, from as u64, file.len() as u64, levels, size)?;
        assert!((levels..levels + OVER + 1).contains(&page.len()));
        for run in runs {
            assert_eq!(run.place, page.len() as u64);
            page.extend(&file[run.at as usize..(run.at + run.length) as usize]);
        }
        Some(page)
    }

    proptest! {
        /// Beside the codec itself: levels that compress, values that do or do not.
        #[test]
        fn what_is_mapped_is_the_page(
            levels in 0..900_usize,
            period in 1..40_usize,
            values in prop_oneof![0..4_000_usize, 60_000..300_000_usize],
            letters in prop_oneof![Just(2_u64), Just(256)],
            before in 0..9_usize,
            over in 0..60_usize,
            again in proptest::collection::vec((any::<proptest::sample::Index>(), any::<proptest::sample::Index>(), 4..9_usize), 0..6),
            seed: u64,
            damage in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
        ) {
            let mut state = seed | 1;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((state >> 33) % letters) as u8
            };
            let mut page: Vec<u8> = (0..levels).map(|i| (i % period) as u8).collect();
            page.extend((0..values).map(|_| next()));
            // A match of the levels may go on into the noise.
            if over < values && levels > 2 * period + 64 {
                (levels..levels + over).for_each(|i| page[i] = (i % period) as u8);
            }
            // And parts of the noise come again; one that does right behind the levels may be left to the decoder.
            let comes_again = !again.is_empty();
            for (from, to, length) in again {
                if values > 100 {
                    let (from, to) = (levels + from.index(values - 10), levels + to.index(values - 10));
                    page.copy_within(from..from + length, to);
                }
            }
            let mut file = vec![7; before];
            file.extend(snap::raw::Encoder::new().compress_vec(&page).unwrap());
            if let Some((place, byte)) = damage {
                let place = place.index(file.len());
                file[place] = byte;
            }
            let expected = snap::raw::Decoder::new().decompress_vec(&file[before..]).ok();
            match restored(&file, before, levels, page.len()) {
                Some(found) => prop_assert_eq!(Some(found), expected),
                None => prop_assert!(damage.is_some() || letters == 2 || values < 70_000 || comes_again, "noise was not mapped"),
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
            assert_eq!(restored(&stored, 0, length / 2, length), Some(bytes));
        }
    }
}
