//! Floats that are stored as integers, with a scale for each tile (FITS standard 4.0, sections 10.2 and 10.2.1).

use std::sync::LazyLock;

/// How integers become floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dither {
    None,
    /// A random number was subtracted from each.
    Subtractive,
    /// The same, but for zeros, which stay what they are.
    ButZeros,
}

/// The scale of a tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) scale: f64,
    pub(super) zero: f64,
    /// Stored where there is no value.
    pub(super) blank: Option<i64>,
}

/// Stored for a zero by [`Dither::ButZeros`].
const ZERO: i32 = -2_147_483_646;
const RANDOMS: usize = 10_000;

/// The numbers that the standard prescribes, in its appendix I.
static RANDOM: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let mut seed = 1u64;
    (0..RANDOMS)
        .map(|_| {
            seed = seed * 16_807 % 2_147_483_647;
            (seed as f64 / 2_147_483_647.0) as f32
        })
        .collect()
});

impl Dither {
    /// By the card `ZQUANTIZ`; the error is a reason for people.
    pub(super) fn find(name: Option<&str>) -> Result<Self, String> {
        match name {
            None | Some("NO_DITHER" | "NONE") => Ok(Self::None),
            Some("SUBTRACTIVE_DITHER_1") => Ok(Self::Subtractive),
            Some("SUBTRACTIVE_DITHER_2") => Ok(Self::ButZeros),
            Some(name) => Err(format!(
                "card ZQUANTIZ is {name}, expected NO_DITHER or SUBTRACTIVE_DITHER_1 or _2"
            )),
        }
    }

    /// The floats of the tile of this number, counted from 0; `seed` is the card `ZDITHER0`.
    pub(super) fn restore(
        self,
        tile: usize,
        seed: usize,
        scale: Scale,
        stored: impl Iterator<Item = i32>,
        mut put: impl FnMut(f64),
    ) {
        let mut start = (tile % RANDOMS + seed % RANDOMS + RANDOMS - 1) % RANDOMS;
        let mut next = first(start);
        for value in stored {
            let random = f64::from(RANDOM[next]);
            next += 1;
            if next == RANDOMS {
                start = (start + 1) % RANDOMS;
                next = first(start);
            }
            put(match self {
                _ if scale.blank == Some(value.into()) => f64::NAN,
                Self::ButZeros if value == ZERO => 0.0,
                Self::None => f64::from(value) * scale.scale + scale.zero,
                _ => (f64::from(value) - random + 0.5) * scale.scale + scale.zero,
            });
        }
    }
}

/// Where a tile begins in the list of random numbers.
fn first(start: usize) -> usize {
    (RANDOM[start] * 500.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The standard has this number for those who want to check theirs.
    #[test]
    fn random_numbers_of_the_standard() {
        assert_eq!(
            (f64::from(RANDOM[RANDOMS - 1]) * 2_147_483_647.0 / 1e4).round(),
            (1_043_618_065f64 / 1e4).round()
        );
    }
}
