//! The central galaxy of a group.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::properties::{centre_of_light, chord};

/// How far a galaxy was from the centre when it was last looked at, less the way that the centre had gone until then. No
/// galaxy can be farther now than this and the way that the centre has gone in all.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bound {
    farthest: f64,
    member: usize,
}

impl Eq for Bound {}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> Ordering {
        self.farthest
            .total_cmp(&other.farthest)
            .then(self.member.cmp(&other.member))
    }
}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The central member: the one farthest from the centre of light of all members is left out, again and again, until two
/// are left; the one of these with more light is it (of equal ones the first). See
/// [`Group::centre_row`](crate::Group::centre_row).
///
/// The centre moves little when one member is left out, so only members that might be the farthest are looked at:
/// about O(n log n), where looking at all of them would be O(n²).
pub(crate) fn iterative_centre(directions: &[[f64; 3]], light: &[f64]) -> usize {
    let mut is_in = vec![true; directions.len()];
    let mut left = directions.len();
    let mut sum = centre_of_light(directions, light);
    let mut total: f64 = light.iter().sum();
    let centre_of = |sum: [f64; 3], total: f64| sum.map(|x| x / total);
    let mut centre = centre_of(sum, total);
    let mut way = 0.0;
    let bound = |member: usize, centre: &[f64; 3], way: f64| Bound {
        // A little more than it is, for rounding.
        farthest: chord(&directions[member], centre) * (1.0 + 1e-12) - way,
        member,
    };
    let mut bounds: BinaryHeap<Bound> = BinaryHeap::new();
    if left > 2 {
        bounds = (0..left).map(|member| bound(member, &centre, way)).collect();
    }
    while left > 2 {
        let Some(top) = bounds.pop() else { break };
        let now = bound(top.member, &centre, way);
        if bounds.peek().is_some_and(|next| now < *next) {
            bounds.push(now);
            continue;
        }
        is_in[top.member] = false;
        left -= 1;
        for axis in 0..3 {
            sum[axis] -= light[top.member] * directions[top.member][axis];
        }
        total -= light[top.member];
        let next = centre_of(sum, total);
        way += chord(&centre, &next) * (1.0 + 1e-12);
        centre = next;
    }
    let members = (0..directions.len()).filter(|&member| is_in[member]);
    members
        .reduce(|best, member| if light[member] > light[best] { member } else { best })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Looks at every member every time.
    fn slow(directions: &[[f64; 3]], light: &[f64]) -> usize {
        let mut members: Vec<usize> = (0..directions.len()).collect();
        while members.len() > 2 {
            let total: f64 = members.iter().map(|&k| light[k]).sum();
            let centre =
                [0, 1, 2].map(|axis| members.iter().map(|&k| light[k] * directions[k][axis]).sum::<f64>() / total);
            let farthest = (0..members.len())
                .max_by(|&a, &b| {
                    chord(&directions[members[a]], &centre).total_cmp(&chord(&directions[members[b]], &centre))
                })
                .unwrap();
            members.remove(farthest);
        }
        members
            .into_iter()
            .reduce(|best, k| if light[k] > light[best] { k } else { best })
            .unwrap()
    }

    proptest! {
        #[test]
        fn looking_at_all_members_finds_the_same(
            places in prop::collection::vec((0.0..0.05_f64, 0.0..0.05_f64, 0.01..10.0_f64), 1..80)
        ) {
            let direction = |&(ra, dec, _): &(f64, f64, f64)| {
                [dec.cos() * ra.cos(), dec.cos() * ra.sin(), dec.sin()]
            };
            let directions: Vec<[f64; 3]> = places.iter().map(direction).collect();
            let light: Vec<f64> = places.iter().map(|&(_, _, light)| light).collect();
            prop_assert_eq!(iterative_centre(&directions, &light), slow(&directions, &light));
        }
    }
}
