//! How well groups that were found agree with true ones.

use ndarray::{Array1, ArrayView1};
use rayon::prelude::*;

use crate::error::{Result, check_length, check_option};
use crate::groups::Groups;
use crate::labels::number_from_0;

/// How well two groupings of the same galaxies agree, after Robotham et al. 2011.
///
/// Each group of one grouping is compared with its best match in the other: the group for which the product of the two
/// shared fractions (shared members over members here, and over members there) is largest. A galaxy outside every group
/// of the other grouping is a match of one member. Two groups match both ways (bijectively) when both shared fractions
/// are more than one half.
///
/// # Examples
///
/// ```
/// use ndarray::array;
/// use radio_fof::Comparison;
///
/// // One of two true groups is found, with a galaxy too many; the other one is missed.
/// let (found, truth) = (array![0, 0, 0, -1, -1], array![0, 0, -1, 1, 1]);
/// let comparison = Comparison::new(found.view(), truth.view(), 2)?;
/// assert_eq!((comparison.found.bijective, comparison.truth.bijective), (1.0, 0.5));
/// assert_eq!((comparison.found.purity, comparison.truth.purity), (2.0 / 3.0, 0.75));
/// assert_eq!(comparison.s_total(), 1.0 * 0.5 * (2.0 / 3.0) * 0.75);
/// # Ok::<(), radio_fof::Error>(())
/// ```
///
/// # References
///
/// Robotham et al. 2011, MNRAS 416, 2640, eqs. (9) to (15).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// The groups that were found, compared with the true ones.
    pub found: Match,
    /// The true groups, compared with those that were found.
    pub truth: Match,
}

/// How well the groups of one grouping are matched by another.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Match {
    /// Number of groups compared.
    pub groups: usize,
    /// The part of them that match both ways: E of eqs. (9) and (10). 0 where there are no groups.
    pub bijective: f64,
    /// The part of their members that they share with their best match: Q of eqs. (12) and (13). 0 where there are no
    /// groups.
    pub purity: f64,
}

impl Comparison {
    /// Compares groups with true ones (those of a mock catalogue), galaxy by galaxy. Labels may be any numbers, halo ids
    /// among them; negative ones are galaxies outside every group. Groups smaller than `min_members` are not compared,
    /// but can be matches.
    ///
    /// Where several matches are best, the one that shares more members is taken, and then the one whose first galaxy
    /// comes first. Nessie takes any of them, not the same one on every run.
    ///
    /// # Errors
    ///
    /// [`Error::Length`](crate::Error::Length); [`Error::Option`](crate::Error::Option) for `min_members` below 1.
    ///
    /// # Complexity
    ///
    /// O(n log m), with m members of a group. (Nessie: the number of groups times n.)
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
    pub fn new(found: ArrayView1<'_, i64>, truth: ArrayView1<'_, i64>, min_members: usize) -> Result<Self> {
        check_option(min_members > 0, "min_members", min_members, "at least 1")?;
        check_length("truth", truth.len(), "found", found.len())?;
        let (found, truth) = (number_from_0(&found), number_from_0(&truth));
        let (found_groups, truth_groups) = (Groups::from_labels(found.view())?, Groups::from_labels(truth.view())?);
        Ok(Self {
            found: matches(&found_groups, &truth, &truth_groups, min_members),
            truth: matches(&truth_groups, &found, &found_groups, min_members),
        })
    }

    /// E_tot, the product of both bijective parts (eq. 11).
    pub fn e_total(&self) -> f64 {
        self.found.bijective * self.truth.bijective
    }

    /// Q_tot, the product of both purities (eq. 14).
    pub fn q_total(&self) -> f64 {
        self.found.purity * self.truth.purity
    }

    /// S_tot = E_tot Q_tot (eq. 15): 1 for the same groups, 0 if nothing agrees.
    pub fn s_total(&self) -> f64 {
        self.e_total() * self.q_total()
    }
}

fn matches(groups: &Groups, other_labels: &Array1<i64>, other: &Groups, min_members: usize) -> Match {
    let compared = (0..groups.len())
        .into_par_iter()
        .filter(|&group| groups.members(group).len() >= min_members)
        .map_init(Vec::new, |labels, group| {
            let members = groups.members(group);
            let best = best_match(members, other_labels, other, labels);
            let is_bijective = best.here > 0.5 && best.there > 0.5;
            (1, usize::from(is_bijective), best.shared, members.len())
        });
    let (count, bijective, shared, members) =
        compared.reduce(|| (0, 0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2, a.3 + b.3));
    let part = |some: usize, all: usize| if all == 0 { 0.0 } else { some as f64 / all as f64 };
    Match {
        groups: count,
        bijective: part(bijective, count),
        purity: part(shared, members),
    }
}

#[derive(Clone, Copy, Debug)]
struct BestMatch {
    shared: usize,
    /// Shared part of the members of the group itself, and of its match.
    here: f64,
    there: f64,
}

/// The group, or lonely galaxy, of the other grouping that shares most with these members. `labels` is memory to work in.
fn best_match(members: &[u32], other_labels: &Array1<i64>, other: &Groups, labels: &mut Vec<i64>) -> BestMatch {
    labels.clear();
    labels.extend(members.iter().map(|&row| other_labels[row as usize]));
    labels.sort_unstable();
    let match_of = |run: &[i64]| {
        // Those outside every group are matches of one member each.
        let (shared, there) = match usize::try_from(run[0]) {
            Ok(group) => (run.len(), run.len() as f64 / other.members(group).len() as f64),
            Err(_) => (1, 1.0),
        };
        let here = shared as f64 / members.len() as f64;
        BestMatch { shared, here, there }
    };
    let better = |best: BestMatch, next: BestMatch| {
        let by_product = (next.here * next.there).total_cmp(&(best.here * best.there));
        if by_product.then(next.shared.cmp(&best.shared)).is_gt() {
            next
        } else {
            best
        }
    };
    let none = BestMatch {
        shared: 0,
        here: 0.0,
        there: 0.0,
    };
    labels.chunk_by(|a, b| a == b).map(match_of).fold(none, better)
}
