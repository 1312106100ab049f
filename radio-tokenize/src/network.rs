//! Many short lists sorted side by side.

/// Lists that are sorted together.
pub(crate) const LISTS: usize = 16;

/// Row `i` holds the `i`-th element of each list.
pub(crate) type Lanes = [i32; LISTS];

/// Sorts [`LISTS`] lists of one length by the same comparisons, whatever they hold: no branch depends on the data, so a
/// processor does all lists at once.
///
/// O(n log² n) comparisons for lists of n.
///
/// # References
///
/// Batcher 1968, AFIPS 32, 307: merge exchange (Knuth, The Art of Computer Programming 3, algorithm 5.2.2M).
#[inline(always)]
pub(crate) fn sort(rows: &mut [Lanes]) {
    let n = rows.len();
    let largest = n.next_power_of_two() / 2;
    let mut p = largest;
    while p > 0 {
        let (mut q, mut r, mut d) = (largest, 0, p);
        loop {
            for i in 0..n - d {
                if i & p == r {
                    compare_exchange(rows, i, i + d);
                }
            }
            if q == p {
                break;
            }
            d = q - p;
            q /= 2;
            r = p;
        }
        p /= 2;
    }
}

/// The smaller of each two to row `i`, the larger to row `j`.
#[inline(always)]
fn compare_exchange(rows: &mut [Lanes], i: usize, j: usize) {
    let (mut a, mut b) = (rows[i], rows[j]);
    for (a, b) in a.iter_mut().zip(&mut b) {
        (*a, *b) = ((*a).min(*b), (*a).max(*b));
    }
    (rows[i], rows[j]) = (a, b);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_list_is_sorted(rows in proptest::collection::vec(any::<Lanes>(), 1..140)) {
            let mut sorted = rows.clone();
            sort(&mut sorted);
            for list in 0..LISTS {
                let mut expected: Vec<i32> = rows.iter().map(|row| row[list]).collect();
                expected.sort_unstable();
                prop_assert_eq!(sorted.iter().map(|row| row[list]).collect::<Vec<i32>>(), expected);
            }
        }
    }

    #[test]
    fn zeros_and_ones_are_sorted_at_every_length() {
        // A network that sorts all lists of zeros and ones sorts all lists (Knuth, theorem 5.3.4Z).
        for n in 1..=14 {
            for first in (0..1_u32 << n).step_by(LISTS) {
                let mut rows: Vec<Lanes> = (0..n)
                    .map(|i| std::array::from_fn(|list| (((first + list as u32) >> i) & 1).cast_signed()))
                    .collect();
                sort(&mut rows);
                assert!(
                    rows.is_sorted_by(|a, b| a.iter().zip(b).all(|(a, b)| a <= b)),
                    "{n}, {first}"
                );
            }
        }
    }
}
