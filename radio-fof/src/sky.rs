//! Linking galaxies whose linking lengths differ, across and along the line of sight.
//!
//! Along the line of sight, friends are galaxies whose intervals D ± L/2 touch. The survey is cut into slices of
//! distance, a few linking lengths thick where the galaxies are; a galaxy is in every slice that its interval touches,
//! and a pair is looked for in the slice where the later of its two intervals begins. So one galaxy with a long reach
//! costs little more than itself, and no pair is looked at twice.
//!
//! Across it, the galaxies of a slice are sorted into a grid on the unit sphere, as coarse as the largest linking angle.
//! Where angles differ by more than a factor of two, the large ones look among all galaxies first, and the others go on
//! with a finer grid of their own.

use rayon::prelude::*;

use crate::cells::{Cells, Keys};
use crate::order::sorted;

/// Intervals and cells are larger than needed by this part, which covers rounding.
const MARGIN: f64 = 1e-6;

/// Thickness of a slice in mean linking lengths of its galaxies. Thin slices hold many galaxies twice, thick ones let
/// more pairs meet that are far apart along the line of sight.
const THICKNESS: f64 = 4.0;

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
        let [x, y, z] = self.direction;
        let [ox, oy, oz] = other.direction;
        let chord_squared = (x - ox).powi(2) + (y - oy).powi(2) + (z - oz).powi(2);
        let theta = 0.5 * (self.theta + other.theta);
        (self.distance - other.distance).abs() <= 0.5 * (self.reach + other.reach) && chord_squared <= theta * theta
    }

    /// Half the interval along the line of sight that its friends' intervals touch.
    fn half_reach(&self) -> f64 {
        0.5 * self.reach + MARGIN * (self.reach + self.distance)
    }

    /// Where its interval along the line of sight begins.
    fn begin(&self) -> f64 {
        self.distance - self.half_reach()
    }

    fn end(&self) -> f64 {
        self.distance + self.half_reach()
    }
}

/// Galaxies in a slice.
struct Slice<'a> {
    /// Those whose intervals begin in the slice.
    new: &'a [(Galaxy, u32)],
    /// Those whose intervals come in from earlier slices, as places in the list of all.
    carried: Vec<u32>,
}

/// A galaxy in a slice, its row, and whether its interval begins there.
#[derive(Clone, Copy)]
struct Member {
    galaxy: Galaxy,
    row: u32,
    is_new: bool,
}

/// Visits the rows (i, j) of all friends, each pair once, in no order, on all threads.
pub(crate) fn visit_friends(galaxies: &[Galaxy], visit: impl Fn(u32, u32) + Sync) {
    let order = sorted(galaxies.par_iter().map(Galaxy::begin));
    let sorted: Vec<(Galaxy, u32)> = order
        .into_par_iter()
        .map(|(_, row)| (galaxies[row as usize], row))
        .collect();
    slices(&sorted).into_par_iter().for_each(|slice| {
        let member = |&(galaxy, row): &(Galaxy, u32), is_new| Member { galaxy, row, is_new };
        let carried = slice
            .carried
            .iter()
            .map(|&place| member(&sorted[place as usize], false));
        let members = carried.chain(slice.new.iter().map(|new| member(new, true))).collect();
        visit_slice(members, &visit);
    });
}

/// Cuts galaxies, sorted by where their intervals begin, into slices.
fn slices(sorted: &[(Galaxy, u32)]) -> Vec<Slice<'_>> {
    let mut slices = Vec::new();
    let mut carried: Vec<u32> = Vec::new();
    let mut first = 0;
    while first < sorted.len() {
        let near = sorted[first].0.begin();
        carried.retain(|&place| sorted[place as usize].0.end() >= near);
        let mut total_reach = 0.0;
        let mut count = 0.0;
        let is_in_slice = |(galaxy, _): &&(Galaxy, u32)| {
            total_reach += galaxy.reach;
            count += 1.0;
            galaxy.begin() - near <= THICKNESS * total_reach / count
        };
        // The first one is always in its slice.
        let len = sorted[first..].iter().take_while(is_in_slice).count().max(1);
        let new = &sorted[first..first + len];
        slices.push(Slice {
            new,
            carried: carried.clone(),
        });
        carried.extend(first as u32..(first + len) as u32);
        first += len;
    }
    slices
}

/// Visits friends of which at least one is new in the slice.
fn visit_slice(mut members: Vec<Member>, visit: &(impl Fn(u32, u32) + Sync)) {
    while !members.is_empty() {
        let largest = members.iter().map(|member| member.galaxy.theta).fold(0.0, f64::max);
        // The large ones go to the front, and when they have seen all, they go.
        let mut large = 0;
        for place in 0..members.len() {
            if members[place].galaxy.theta >= 0.5 * largest {
                members.swap(large, place);
                large += 1;
            }
        }
        visit_large(&members, large, largest, visit);
        members.drain(..large);
    }
}

/// Visits friends of which at least one is among the first `large` of `members`, where no angle is larger than `largest`.
fn visit_large(members: &[Member], large: usize, largest: f64, visit: &(impl Fn(u32, u32) + Sync)) {
    let side = (largest * (1.0 + MARGIN)).max(SMALLEST_CELL);
    let keys = Keys::new((2.0 / side) as u64 + 1);
    let key_of = |place: usize| keys.key(members[place].galaxy.direction.map(|x| ((1.0 + x) / side) as u64));
    let cells = Cells::new(keys, members.len(), key_of, &[]);

    // Copied in the order of cells, so that the inner loop reads memory in order; in a cell, the large come first.
    let sorted: Vec<Member> = cells.order().iter().map(|&place| members[place as usize]).collect();
    let members_of = |cell: usize| {
        let slots = cells.slots(cell);
        let large = cells.order()[slots.clone()].partition_point(|&place| (place as usize) < large);
        (&sorted[slots], large)
    };
    let visit_pair = |p: &Member, q: &Member| {
        if (p.is_new || q.is_new) && p.galaxy.is_friend_of(&q.galaxy) {
            visit(p.row, q.row);
        }
    };
    (0..cells.len()).into_par_iter().for_each(|cell| {
        let (own, large) = members_of(cell);
        for (k, p) in own[..large].iter().enumerate() {
            own[k + 1..].iter().for_each(|q| visit_pair(p, q));
        }
    });
    let visit_cells = |a: usize, b: usize| {
        let ((a, a_large), (b, b_large)) = (members_of(a), members_of(b));
        for (k, p) in a.iter().enumerate() {
            let others = if k < a_large { b } else { &b[..b_large] };
            others.iter().for_each(|q| visit_pair(p, q));
        }
    };
    cells.near_pairs_within(1, visit_cells);
    cells.near_pairs_between(1, |_, _| false, visit_cells);
}
