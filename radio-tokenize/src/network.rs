//! Many short lists sorted side by side.

/// Lists that are sorted together.
pub(crate) const LISTS: usize = 16;

/// Row `i` holds the `i`-th element of each list.
pub(crate) type Lanes = [i32; LISTS];

/// Which elements of a list are compared to sort it, one pair after the other, whatever they are: no branch depends on the
/// data, so a processor does many lists at once.
///
/// O(n log² n) pairs for lists of n.
///
/// # References
///
/// Batcher 1968, AFIPS 32, 307: merge exchange (Knuth, The Art of Computer Programming 3, algorithm 5.2.2M).
#[derive(Debug, Default)]
pub(crate) struct Network {
    n: usize,
    pairs: Vec<(u16, u16)>,
}

impl Network {
    /// Makes this the network for lists of `n`, at most 65,536.
    pub(crate) fn resize(&mut self, n: usize) {
        if self.n == n {
            return;
        }
        self.n = n;
        self.pairs.clear();
        let largest = n.next_power_of_two() / 2;
        let mut p = largest;
        while p > 0 {
            let (mut q, mut r, mut d) = (largest, 0, p);
            loop {
                let pairs = (0..n - d).filter(|i| i & p == r).map(|i| (i as u16, (i + d) as u16));
                self.pairs.extend(pairs);
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

    /// Sorts lists of the length that this was made for.
    #[inline(always)]
    pub(crate) fn sort(&self, rows: &mut [Lanes]) {
        for &(i, j) in &self.pairs {
            let (i, j) = (usize::from(i), usize::from(j));
            let (x, y) = (rows[i], rows[j]);
            for lane in 0..LISTS {
                rows[i][lane] = x[lane].min(y[lane]);
            }
            for lane in 0..LISTS {
                rows[j][lane] = x[lane].max(y[lane]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_list_is_sorted(rows in proptest::collection::vec(any::<Lanes>(), 1..140)) {
            let mut sorted = rows.clone();
            let mut network = Network::default();
            network.resize(rows.len());
            network.sort(&mut sorted);
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
        let mut network = Network::default();
        for n in 1..=14 {
            network.resize(n);
            for first in (0..1_u32 << n).step_by(LISTS) {
                let mut rows: Vec<Lanes> = (0..n)
                    .map(|i| std::array::from_fn(|list| (((first + list as u32) >> i) & 1).cast_signed()))
                    .collect();
                network.sort(&mut rows);
                assert!(
                    rows.is_sorted_by(|a, b| a.iter().zip(b).all(|(a, b)| a <= b)),
                    "{n}, {first}"
                );
            }
        }
    }
}
