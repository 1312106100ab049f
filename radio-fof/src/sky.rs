//! Linking galaxies whose linking lengths differ, across and along the line of sight.
//!
//! The survey is cut into slices of distance as thick as the longest reach, so friends are in the same slice or in
//! adjacent ones. Each slice with the next is one problem on the sky: a grid on the unit sphere, as coarse as the
//! largest angle among just these galaxies.

use std::ops::Range;

use rayon::prelude::*;

use crate::cells::{Cells, Keys};
use crate::sets::DisjointSets;

/// Slices and cells are larger than needed by this part, which covers the rounding of the quotients that number them.
const MARGIN: f64 = 1e-6;

/// More slices than this would lose their order to rounding.
const MOST_SLICES: f64 = (1_u64 << 28) as f64;

/// Cells on the sphere are at least this wide (0.4 arcseconds), so that their coordinates fit in the keys.
const SMALLEST_CELL: f64 = 2e-6;

/// Where a galaxy is and how far its friends may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Galaxy {
    /// Unit vector.
    pub(crate) direction: [f64; 3],
    /// Along the line of sight, comoving Mpc.
    pub(crate) distance: f64,
    /// Linking angle, as a chord on the unit sphere.
    pub(crate) theta: f64,
    /// Linking length along the line of sight, comoving Mpc.
    pub(crate) reach: f64,
}

impl Galaxy {
    fn is_friend_of(&self, other: &Self) -> bool {
        let chord_squared: f64 = (0..3)
            .map(|axis| (self.direction[axis] - other.direction[axis]).powi(2))
            .sum();
        let theta = 0.5 * (self.theta + other.theta);
        (self.distance - other.distance).abs() <= 0.5 * (self.reach + other.reach) && chord_squared <= theta * theta
    }
}

/// Links all friends; the elements of the sets are the rows of `galaxies`.
pub(crate) fn link(galaxies: &[Galaxy]) -> DisjointSets {
    let mut order: Vec<u32> = (0..galaxies.len() as u32).collect();
    let distance = |&i: &u32| galaxies[i as usize].distance;
    order.par_sort_unstable_by(|i, j| distance(i).total_cmp(&distance(j)).then(i.cmp(j)));
    let sets = DisjointSets::new(galaxies.len());
    let slices = slices(galaxies, &order);
    (0..slices.len()).into_par_iter().for_each(|k| {
        let (number, near) = &slices[k];
        let far = slices
            .get(k + 1)
            .filter(|(next, _)| *next == number + 1)
            .map_or(0, |(_, far)| far.len());
        link_slice(galaxies, &order[near.start..near.end + far], near.len(), &sets);
    });
    sets
}

/// The occupied slices, nearest first: their number, and where they are in `order`, which is sorted by distance.
fn slices(galaxies: &[Galaxy], order: &[u32]) -> Vec<(u64, Range<usize>)> {
    let (Some(&first), Some(&last)) = (order.first(), order.last()) else {
        return Vec::new();
    };
    let nearest = galaxies[first as usize].distance;
    let depth = galaxies[last as usize].distance - nearest;
    let longest = galaxies.iter().map(|galaxy| galaxy.reach).fold(0.0, f64::max);
    // The last bound only keeps the division meaningful when reach and depth are both zero.
    let thickness = (longest * (1.0 + MARGIN))
        .max(depth / MOST_SLICES)
        .max(f64::MIN_POSITIVE);
    let mut slices: Vec<(u64, Range<usize>)> = Vec::new();
    for (position, &i) in order.iter().enumerate() {
        let number = ((galaxies[i as usize].distance - nearest) / thickness) as u64;
        match slices.last_mut() {
            Some((last, range)) if *last == number => range.end = position + 1,
            _ => slices.push((number, position..position + 1)),
        }
    }
    slices
}

/// Links friends of which at least one is among the first `near` of `members`.
fn link_slice(galaxies: &[Galaxy], members: &[u32], near: usize, sets: &DisjointSets) {
    let largest = members.iter().map(|&i| galaxies[i as usize].theta).fold(0.0, f64::max);
    let side = (largest * (1.0 + MARGIN)).max(SMALLEST_CELL);
    let cell = |direction: [f64; 3]| direction.map(|x| ((1.0 + x) / side) as u64);
    let keys = Keys::new((2.0 / side) as u64 + 1);
    let key_of = |position: usize| keys.key(cell(galaxies[members[position] as usize].direction));
    let cells = Cells::new(keys, members.len(), key_of);

    // Copied in the order of cells, so that the inner loop reads memory in order.
    let sorted: Vec<(Galaxy, u32, bool)> = cells
        .order()
        .iter()
        .map(|&position| {
            let i = members[position as usize];
            (galaxies[i as usize], i, (position as usize) < near)
        })
        .collect();
    let link_pair = |(p, i, i_is_near): &(Galaxy, u32, bool), (q, j, j_is_near): &(Galaxy, u32, bool)| {
        if (*i_is_near || *j_is_near) && p.is_friend_of(q) {
            sets.unite(*i, *j);
        }
    };
    for a in 0..cells.len() {
        let own = &sorted[cells.slots(a)];
        for (k, p) in own.iter().enumerate() {
            own[k + 1..].iter().for_each(|q| link_pair(p, q));
        }
    }
    cells.near_pairs(0..cells.len(), 1, |a, b| {
        for p in &sorted[cells.slots(a)] {
            sorted[cells.slots(b)].iter().for_each(|q| link_pair(p, q));
        }
    });
}
