//! Sums and choices without branches, which compilers vectorise.

/// `x` if `on`, else 0, whatever `x` is: also a NaN.
#[inline(always)]
pub(crate) fn keep(on: bool, x: f32) -> f32 {
    f32::from_bits(x.to_bits() & u32::from(on).wrapping_neg())
}

/// `x` if `on`, else `other`. (Compilers turn the plain choice into two stores under masks, which are slow.)
#[inline(always)]
pub(crate) fn choose(on: bool, x: i32, other: i32) -> i32 {
    let mask = -i32::from(on);
    (x & mask) | (other & !mask)
}

/// Sums are taken in so many lanes: an order that is fixed and that a processor can follow at full speed.
pub(crate) const LANES: usize = 8;

/// The sum of a term for each of the values.
#[inline(always)]
pub(crate) fn sum_by<A: Copy>(values: &[A], term: impl Fn(A) -> f64) -> f64 {
    sum_of_pairs_by(values, values, |value, _| term(value))
}

/// [`sum_by`] for two lists of one length.
#[inline(always)]
pub(crate) fn sum_of_pairs_by<A: Copy, B: Copy>(a: &[A], b: &[B], term: impl Fn(A, B) -> f64) -> f64 {
    let ((lanes_of_a, rest_of_a), (lanes_of_b, rest_of_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in lanes_of_a.iter().zip(lanes_of_b) {
        for i in 0..LANES {
            sums[i] += term(a[i], b[i]);
        }
    }
    for (sum, (&a, &b)) in sums.iter_mut().zip(rest_of_a.iter().zip(rest_of_b)) {
        *sum += term(a, b);
    }
    add(sums)
}

/// The sum of all lanes.
#[inline(always)]
pub(crate) fn add([a, b, c, d, e, f, g, h]: [f64; LANES]) -> f64 {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
