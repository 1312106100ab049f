//! Is any point of one crowd a friend of any point of another?

use crate::metric::Metric;

/// So few pairs are looked at one by one.
const FEW: usize = 256;

/// Where some points are: their smallest and largest coordinates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) low: [f64; 3],
    pub(crate) high: [f64; 3],
}

impl Bounds {
    fn of(points: &[[f64; 3]]) -> Self {
        let none = Self {
            low: [f64::INFINITY; 3],
            high: [f64::NEG_INFINITY; 3],
        };
        points.iter().fold(none, |bounds, point| Self {
            low: [0, 1, 2].map(|axis| bounds.low[axis].min(point[axis])),
            high: [0, 1, 2].map(|axis| bounds.high[axis].max(point[axis])),
        })
    }

    fn widest(&self) -> usize {
        let width = |axis: usize| self.high[axis] - self.low[axis];
        (1..3).fold(
            0,
            |widest, axis| if width(axis) > width(widest) { axis } else { widest },
        )
    }
}

/// Looks for one pair of friends.
///
/// # Complexity
///
/// Of n points in all: n log n for most, since crowds are halved until their parts are apart, or friends, or few.
pub(crate) fn any_friends(a: &[[f64; 3]], b: &[[f64; 3]], metric: Metric) -> bool {
    if a.len() * b.len() <= FEW {
        return any_of_all(a, b, metric);
    }
    search(&mut a.to_vec(), &mut b.to_vec(), metric)
}

fn any_of_all(a: &[[f64; 3]], b: &[[f64; 3]], metric: Metric) -> bool {
    a.iter().any(|p| b.iter().any(|q| metric.are_friends(p, q)))
}

fn search(a: &mut [[f64; 3]], b: &mut [[f64; 3]], metric: Metric) -> bool {
    if a.len() * b.len() <= FEW {
        return any_of_all(a, b, metric);
    }
    if metric.are_friends(&a[0], &b[0]) {
        return true;
    }
    let (of_a, of_b) = (Bounds::of(a), Bounds::of(b));
    if metric.are_apart(&of_a, &of_b) {
        return false;
    }
    let (many, bounds, others) = if a.len() >= b.len() { (a, of_a, b) } else { (b, of_b, a) };
    let (axis, half) = (bounds.widest(), many.len() / 2);
    many.select_nth_unstable_by(half, |p, q| p[axis].total_cmp(&q[axis]));
    let (low, high) = many.split_at_mut(half);
    search(low, others, metric) || search(high, others, metric)
}
