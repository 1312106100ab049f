//! Branch-free arithmetic on pixels of which some do not count.

/// Whether a pixel counts, as a mask over the bits of its `f32`s.
///
/// A `bool` would do, but compilers turn it into a branch for every pixel; a mask as wide as the numbers keeps the
/// loops over pixels straight, so that they are vectorised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Select(u32);

impl Select {
    pub(crate) fn new(on: bool) -> Self {
        Self(u32::from(on).wrapping_neg())
    }

    pub(crate) fn is_on(self) -> bool {
        self.0 != 0
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// `x` if this is on, else 0, whatever `x` is.
    pub(crate) fn keep(self, x: f32) -> f32 {
        f32::from_bits(x.to_bits() & self.0)
    }

    /// 1 if this is on, else 0.
    pub(crate) fn count(self) -> usize {
        (self.0 & 1) as usize
    }
}

/// The sum of `term(0)`, …, `term(n - 1)` in eight lanes: an order that is fixed and that a processor can follow at
/// full speed.
pub(crate) fn sum_by(n: usize, term: impl Fn(usize) -> f64) -> f64 {
    let mut lanes = [0.0; 8];
    let whole = n - n % lanes.len();
    for first in (0..whole).step_by(lanes.len()) {
        for (i, lane) in lanes.iter_mut().enumerate() {
            *lane += term(first + i);
        }
    }
    lanes.iter().sum::<f64>() + (whole..n).map(term).sum::<f64>()
}
