//! When are two points friends?

/// A linking length, in open space or in a periodic cube.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    length: f64,
    box_size: Option<f64>,
}

impl Metric {
    pub(crate) fn new(length: f64, box_size: Option<f64>) -> Self {
        Self { length, box_size }
    }

    pub(crate) fn length(&self) -> f64 {
        self.length
    }

    pub(crate) fn box_size(&self) -> Option<f64> {
        self.box_size
    }

    /// At most one linking length apart, in a periodic box by the shortest way round?
    pub(crate) fn are_friends(&self, p: &[f64; 3], q: &[f64; 3]) -> bool {
        let mut square = 0.0;
        for axis in 0..3 {
            let mut d = (p[axis] - q[axis]).abs();
            if let Some(box_size) = self.box_size {
                d = d.min(box_size - d);
            }
            square += d * d;
        }
        square <= self.length * self.length
    }
}
