//! Numbers that say how well a ranking finds what it should, unweighted and with the weights of a bootstrap sample.

/// Area under the receiver operating characteristic: the probability that a positive has a higher score than a
/// negative, where a tie counts half (the U statistic of Mann & Whitney 1947 over its largest value).
///
/// The slices have one entry per row. `None` where they differ in length, a score is NaN, or one of the classes is
/// empty.
///
/// # Complexity
///
/// O(n log n).
///
/// # Examples
///
/// ```
/// use radio_models::injection::auroc;
///
/// let area = auroc(&[0.1, 0.5, 0.5, 0.9], &[false, false, true, true]);
/// assert_eq!(area, Some(3.5 / 4.0));
/// ```
#[must_use]
pub fn auroc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    Ranking::of(scores, positive)?.auroc(&Ones)
}

/// Area under the precision-recall curve, as average precision: Σ (R_k − R_{k−1}) P_k over the distinct scores, from
/// the highest, with precision P_k and recall R_k of all rows that score at least the k-th. There is no interpolation,
/// which would be too optimistic (Davis & Goadrich 2006, ICML). A score that knows nothing has about the part of the
/// positives, the base rate.
///
/// The slices have one entry per row. `None` where they differ in length, a score is NaN, or there is no positive.
///
/// # Complexity
///
/// O(n log n).
///
/// # Examples
///
/// ```
/// use radio_models::injection::average_precision;
///
/// let area = average_precision(&[0.9, 0.8, 0.7, 0.1], &[true, false, true, false]);
/// assert_eq!(area, Some(0.5 * 1.0 + 0.5 * (2.0 / 3.0)));
/// ```
#[must_use]
pub fn average_precision(scores: &[f64], positive: &[bool]) -> Option<f64> {
    Ranking::of(scores, positive)?.average_precision(&Ones)
}

/// The part of positives among the `k` rows with the highest scores; among all, where there are fewer than `k`.
///
/// Where rows with the same score are in and outside, it is the mean over all orders of them. The slices have one entry
/// per row. `None` where they differ in length, a score is NaN, or there is nothing to look at.
///
/// # Complexity
///
/// O(n log n).
///
/// # Examples
///
/// ```
/// use radio_models::injection::precision_at;
///
/// let positive = [true, true, false, false];
/// assert_eq!(precision_at(&[0.9, 0.5, 0.5, 0.1], &positive, 2), Some(0.75));
/// ```
#[must_use]
pub fn precision_at(scores: &[f64], positive: &[bool], k: usize) -> Option<f64> {
    Ranking::of(scores, positive)?.precision_at(k, &Ones)
}

/// Spearman's rank correlation: Pearson's correlation of the ranks, ties with their mean rank.
///
/// The slices have one entry per row. `None` where they differ in length, a value is NaN, or all values of one are
/// equal.
///
/// # Complexity
///
/// O(n log n).
///
/// # Examples
///
/// ```
/// use radio_models::injection::spearman;
///
/// assert_eq!(spearman(&[1.0, 2.0, 30.0], &[5.0, 6.0, 7.0]), Some(1.0));
/// ```
#[must_use]
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    let rows: Vec<usize> = (0..x.len()).collect();
    if x.len() != y.len() || x.iter().chain(y).any(|value| value.is_nan()) {
        return None;
    }
    Pairs::new(rows, |row| x[row], |row| y[row]).spearman(&Ones)
}

/// How often a row is in the sample.
pub(super) trait Weights {
    fn of(&self, row: usize) -> f64;
}

/// Every row once.
pub(super) struct Ones;

impl Weights for Ones {
    fn of(&self, _row: usize) -> f64 {
        1.0
    }
}

impl Weights for [u32] {
    fn of(&self, row: usize) -> f64 {
        f64::from(self[row])
    }
}

/// Rows by score, the highest first. It is sorted once and then serves each bootstrap sample.
#[derive(Debug)]
pub(super) struct Ranking {
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    row: usize,
    positive: bool,
    /// The next place has a lower score, or there is none.
    last_of_tie: bool,
}

impl Ranking {
    fn of(scores: &[f64], positive: &[bool]) -> Option<Self> {
        if scores.len() != positive.len() || scores.iter().any(|score| score.is_nan()) {
            return None;
        }
        Some(Self::new(
            (0..scores.len()).map(|row| (row, scores[row], positive[row])).collect(),
        ))
    }

    /// A ranking of (row, score, is it positive). No score may be NaN.
    pub(super) fn new(mut rows: Vec<(usize, f64, bool)>) -> Self {
        // Stable, so that the order of ties, which decides no result, is at least always the same.
        rows.sort_by(|a, b| b.1.total_cmp(&a.1));
        let place = |i: usize| Place {
            row: rows[i].0,
            positive: rows[i].2,
            last_of_tie: rows.get(i + 1).is_none_or(|next| next.1 != rows[i].1),
        };
        Self {
            places: (0..rows.len()).map(place).collect(),
        }
    }

    /// Calls `visit` with the number of positives and of all others for each distinct score, the highest first.
    fn for_each_tie(&self, weights: &(impl Weights + ?Sized), mut visit: impl FnMut(f64, f64)) {
        let (mut positives, mut negatives) = (0.0, 0.0);
        for place in &self.places {
            let weight = weights.of(place.row);
            if place.positive {
                positives += weight;
            } else {
                negatives += weight;
            }
            if place.last_of_tie {
                visit(positives, negatives);
                (positives, negatives) = (0.0, 0.0);
            }
        }
    }

    pub(super) fn auroc(&self, weights: &(impl Weights + ?Sized)) -> Option<f64> {
        let (mut positives_above, mut negatives_above, mut wins) = (0.0, 0.0, 0.0);
        self.for_each_tie(weights, |positives, negatives| {
            wins += negatives * (positives_above + 0.5 * positives);
            positives_above += positives;
            negatives_above += negatives;
        });
        let pairs = positives_above * negatives_above;
        (pairs > 0.0).then(|| wins / pairs)
    }

    pub(super) fn average_precision(&self, weights: &(impl Weights + ?Sized)) -> Option<f64> {
        let (mut found, mut seen, mut sum) = (0.0, 0.0, 0.0);
        self.for_each_tie(weights, |positives, negatives| {
            found += positives;
            seen += positives + negatives;
            if seen > 0.0 {
                sum += positives * found / seen;
            }
        });
        (found > 0.0).then(|| sum / found)
    }

    pub(super) fn precision_at(&self, k: usize, weights: &(impl Weights + ?Sized)) -> Option<f64> {
        let k = k as f64;
        let (mut found, mut seen) = (0.0, 0.0);
        self.for_each_tie(weights, |positives, negatives| {
            let tied = positives + negatives;
            let taken = tied.min(k - seen);
            if taken > 0.0 {
                found += positives * taken / tied;
                seen += taken;
            }
        });
        (seen > 0.0).then(|| found / seen)
    }

    /// Which rows, of the positives, are recalled when at most this part of the negatives is, too: calls `visit` with
    /// the row and the answer.
    ///
    /// The threshold is a score: of rows with the same score all are taken or none.
    pub(super) fn recalled(
        &self,
        false_positive_rate: f64,
        weights: &(impl Weights + ?Sized),
        mut visit: impl FnMut(usize, bool),
    ) {
        let negatives = self.places.iter().filter(|place| !place.positive);
        // The product of a count and a decimal fraction may be a little less than the whole number that is meant.
        let allowed = false_positive_rate * negatives.map(|place| weights.of(place.row)).sum::<f64>() + 1e-9;
        let (mut end, mut i, mut false_positives) = (0, 0, 0.0);
        for tie in self.places.chunk_by(|place, _| !place.last_of_tie) {
            i += tie.len();
            let negatives = tie.iter().filter(|place| !place.positive);
            false_positives += negatives.map(|place| weights.of(place.row)).sum::<f64>();
            if false_positives > allowed {
                break;
            }
            end = i;
        }
        for (i, place) in self.places.iter().enumerate().filter(|(_, place)| place.positive) {
            visit(place.row, i < end);
        }
    }
}

/// Rows with two values, ordered by each of them.
#[derive(Debug)]
pub(super) struct Pairs {
    rows: Vec<usize>,
    by_x: Vec<Tied>,
    by_y: Vec<Tied>,
}

/// An entry of `rows`, and whether the next in the order has another value.
type Tied = (usize, bool);

impl Pairs {
    /// The values of these rows, none of which may be NaN.
    pub(super) fn new(rows: Vec<usize>, x: impl Fn(usize) -> f64, y: impl Fn(usize) -> f64) -> Self {
        let by_x = order(&rows.iter().map(|&row| x(row)).collect::<Vec<_>>());
        let by_y = order(&rows.iter().map(|&row| y(row)).collect::<Vec<_>>());
        Self { rows, by_x, by_y }
    }

    pub(super) fn spearman(&self, weights: &(impl Weights + ?Sized)) -> Option<f64> {
        let weights: Vec<f64> = self.rows.iter().map(|&row| weights.of(row)).collect();
        let (x, y) = (ranks(&self.by_x, &weights), ranks(&self.by_y, &weights));
        // Mean ranks have a known mean, whatever the ties.
        let mean = (weights.iter().sum::<f64>() + 1.0) / 2.0;
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for ((x, y), weight) in x.iter().zip(&y).zip(&weights) {
            let (x, y) = (x - mean, y - mean);
            xx += weight * x * x;
            xy += weight * x * y;
            yy += weight * y * y;
        }
        (xx > 0.0 && yy > 0.0).then(|| (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0))
    }
}

fn order(values: &[f64]) -> Vec<Tied> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let last_of_tie = |i: usize| order.get(i + 1).is_none_or(|&next| values[next] != values[order[i]]);
    (0..order.len()).map(|i| (order[i], last_of_tie(i))).collect()
}

/// The mean rank of each entry when each is there as often as its weight says.
fn ranks(order: &[Tied], weights: &[f64]) -> Vec<f64> {
    let mut ranks = vec![0.0; weights.len()];
    let mut below = 0.0;
    for tie in order.chunk_by(|&(_, last_of_tie), _| !last_of_tie) {
        let weight: f64 = tie.iter().map(|&(entry, _)| weights[entry]).sum();
        for &(entry, _) in tie {
            ranks[entry] = below + (weight + 1.0) / 2.0;
        }
        below += weight;
    }
    ranks
}
