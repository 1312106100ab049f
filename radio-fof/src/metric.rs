//! When are two points friends?

use crate::near::Bounds;

/// Covers the rounding of what is only a bound.
const MARGIN: f64 = 1e-9;

/// A linking length, in open space or in a periodic cube.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    length: f64,
    /// Infinite in open space, where no way round is shorter.
    box_size: f64,
}

impl Metric {
    pub(crate) fn new(length: f64, box_size: Option<f64>) -> Self {
        Self {
            length,
            box_size: box_size.unwrap_or(f64::INFINITY),
        }
    }

    pub(crate) fn length(&self) -> f64 {
        self.length
    }

    pub(crate) fn box_size(&self) -> Option<f64> {
        self.box_size.is_finite().then_some(self.box_size)
    }

    /// At most one linking length apart, in a periodic box by the shortest way round?
    #[inline]
    pub(crate) fn are_friends(&self, p: &[f64; 3], q: &[f64; 3]) -> bool {
        let squared = |axis: usize| {
            let d = (p[axis] - q[axis]).abs();
            let shortest = if d < self.box_size - d { d } else { self.box_size - d };
            shortest * shortest
        };
        squared(0) + squared(1) + squared(2) <= self.length * self.length
    }

    /// Is every point within the one farther than a linking length from every point within the other?
    pub(crate) fn are_apart(&self, a: &Bounds, b: &Bounds) -> bool {
        let gap = |axis: usize| {
            let direct = (a.low[axis] - b.high[axis]).max(b.low[axis] - a.high[axis]).max(0.0);
            let around = self.box_size - (a.high[axis].max(b.high[axis]) - a.low[axis].min(b.low[axis]));
            direct.min(around.max(0.0))
        };
        let squared: f64 = (0..3).map(|axis| gap(axis).powi(2)).sum();
        squared > self.length * self.length * (1.0 + MARGIN)
    }
}
