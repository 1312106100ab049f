//! The central galaxy of a group.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::properties::{centre_of_light, chord};

/// How far the galaxies of a place were from the centre when it was last looked at, less the way that the centre had gone
/// until then. None can be farther now than this and the way that the centre has gone in all.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bound {
    farthest: f64,
    /// The last member there.
    member: usize,
    place: usize,
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
/// The centre moves little when one member is left out, so only places that might be the farthest are looked at:
/// about O(n log n), where looking at all members would be O(n²).
pub(crate) fn iterative_centre(directions: &[[f64; 3]], light: &[f64]) -> usize {
    // Members at one place are equally far, and are left out from the last.
    let mut order: Vec<usize> = (0..directions.len()).collect();
    if directions.len() > 2 {
        order.sort_unstable_by_key(|&member| (directions[member].map(f64::to_bits), member));
    }
    let mut places: Vec<&[usize]> = order.chunk_by(|&a, &b| directions[a] == directions[b]).collect();
    let mut left = directions.len();
    let mut sum = centre_of_light(directions, light);
    let mut total: f64 = light.iter().sum();
    let centre_of = |sum: [f64; 3], total: f64| sum.map(|x| x / total);
    let mut centre = centre_of(sum, total);
    let mut way = 0.0;
    let bound = |place: usize, member: usize, centre: &[f64; 3], way: f64| Bound {
        // A little more than it is, for rounding.
        farthest: chord(&directions[member], centre) * (1.0 + 1e-12) - way,
        member,
        place,
    };
    let mut bounds: BinaryHeap<Bound> = BinaryHeap::new();
    if left > 2 {
        let bound_of = |(place, members): (usize, &&[usize])| {
            let last = members.last().copied().unwrap_or_default();
            bound(place, last, &centre, way)
        };
        bounds = places.iter().enumerate().map(bound_of).collect();
    }
    while left > 2 {
        let Some(top) = bounds.pop() else { break };
        let now = bound(top.place, top.member, &centre, way);
        if bounds.peek().is_some_and(|next| now < *next) {
            bounds.push(now);
            continue;
        }
        let there = places[top.place];
        places[top.place] = &there[..there.len() - 1];
        left -= 1;
        for axis in 0..3 {
            sum[axis] -= light[top.member] * directions[top.member][axis];
        }
        total -= light[top.member];
        let next = centre_of(sum, total);
        way += chord(&centre, &next) * (1.0 + 1e-12);
        centre = next;
        if let Some(&last) = places[top.place].last() {
            bounds.push(bound(top.place, last, &centre, way));
        }
    }
    let members = places.iter().copied().flatten().copied();
    // Of equal ones the first.
    let is_better = |member: usize, best: usize| light[member].total_cmp(&light[best]).then(best.cmp(&member)).is_gt();
    members
        .reduce(|best, member| if is_better(member, best) { member } else { best })
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
