//! RICE_1: differences of neighbours, in blocks that share a number of low bits (FITS standard 4.0, section 10.4.1).

/// Decodes so many integers of `size` bytes (1, 2 or 4) and appends them, big-endian. The error is a reason for people.
pub(super) fn decode(packed: &[u8], pixels: usize, block: usize, size: usize, out: &mut Vec<u8>) -> Result<(), String> {
    // Bits of the number of low bits, and the number that stands for pixels as they are.
    let (bits_of_low, as_it_is) = match size {
        1 => (3, 6),
        2 => (4, 14),
        _ => (5, 25),
    };
    let bits = 8 * size as u32;
    // A block of equal pixels takes a few bits: more than that cannot be in there.
    let most = (8 * packed.len() / bits_of_low as usize).saturating_mul(block);
    if pixels > most {
        return Err(format!("{pixels} pixels cannot be in {} bytes of RICE_1", packed.len()));
    }
    let cut_off = || "a tile of RICE_1 ends too early: the file is damaged, get it again".to_owned();
    let mut stream = Bits::new(packed);
    let mut last = if pixels > 0 {
        stream.take(bits).ok_or_else(cut_off)?
    } else {
        0
    };
    out.reserve(pixels * size);
    for first in (0..pixels).step_by(block) {
        let low = stream.take(bits_of_low).ok_or_else(cut_off)?;
        for _ in first..pixels.min(first + block) {
            let difference = match low {
                0 => 0,
                low if low == as_it_is + 1 => stream.take(bits).ok_or_else(cut_off)?,
                low => {
                    let high = stream.zeros().ok_or_else(cut_off)?;
                    let low_bits = stream.take(low - 1).ok_or_else(cut_off)?;
                    high.wrapping_shl(low - 1) | low_bits
                }
            };
            // Even ones count up from 0, odd ones down from -1.
            let difference = (difference >> 1) ^ (difference & 1).wrapping_neg();
            last = last.wrapping_add(difference);
            out.extend_from_slice(&last.to_be_bytes()[4 - size..]);
        }
    }
    Ok(())
}

/// Bits, the highest of a byte first.
struct Bits<'a> {
    bytes: std::slice::Iter<'a, u8>,
    waiting: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes: bytes.iter(),
            waiting: 0,
            count: 0,
        }
    }

    /// The next bits, at most 32.
    fn take(&mut self, bits: u32) -> Option<u32> {
        while self.count < bits {
            self.waiting = self.waiting << 8 | u64::from(*self.bytes.next()?);
            self.count += 8;
        }
        self.count -= bits;
        let found = (self.waiting >> self.count) & ((1 << bits) - 1);
        Some(found as u32)
    }

    /// How many zeros there are before the next one, which is taken, too.
    fn zeros(&mut self) -> Option<u32> {
        let mut zeros = 0;
        loop {
            let left = self.waiting & ((1 << self.count) - 1);
            if left != 0 {
                let found = left.leading_zeros() - (u64::BITS - self.count);
                self.count -= found + 1;
                return Some(zeros + found);
            }
            zeros += self.count;
            self.waiting = u64::from(*self.bytes.next()?);
            self.count = 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits() {
        let mut bits = Bits::new(&[0b1010_0000, 0, 0b0001_1111, 0xff]);
        assert_eq!((bits.take(1), bits.zeros(), bits.zeros()), (Some(1), Some(1), Some(16)));
        assert_eq!(
            (bits.take(4), bits.take(8), bits.take(1), bits.zeros()),
            (Some(15), Some(255), None, None)
        );
    }

    #[test]
    fn pixels_that_cannot_be_there() {
        assert!(decode(&[0; 8], 1 << 40, 32, 4, &mut Vec::new()).is_err());
        assert!(decode(&[], 1, 32, 4, &mut Vec::new()).is_err());
        assert_eq!(decode(&[], 0, 32, 4, &mut Vec::new()), Ok(()));
    }
}
