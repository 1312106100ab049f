//! Occupied cells of a cubic grid, sorted, and the pairs of them that lie close together.

use std::cmp::Ordering;
use std::ops::Range;

use rayon::prelude::*;

/// Three cell coordinates share one 64-bit key.
const BITS: u32 = 21;

/// Coordinates are shifted by this much inside a key, so that a neighbour's coordinate never leaves its bit field.
const PAD: u64 = 3;

/// Number of cells along an axis at which the keys are full.
pub(crate) const MAX_CELLS: u64 = (1 << BITS) - 2 * PAD;

/// Cells at most this far apart along an axis can be neighbours.
pub(crate) const MAX_REACH: u64 = PAD;

/// The occupied cells of a grid. Cells are numbered in the order of their keys, and the points of one cell are next to
/// each other in `order`.
#[derive(Debug)]
pub(crate) struct Cells {
    keys: Vec<u64>,
    /// Where each cell begins in `order`, and the end of the last one.
    starts: Vec<u32>,
    order: Vec<u32>,
}

impl Cells {
    /// Sorts points, given as (key, point), into cells.
    pub(crate) fn new(mut entries: Vec<(u64, u32)>) -> Self {
        entries.par_sort_unstable();
        let mut keys = Vec::new();
        let mut starts = Vec::new();
        for (slot, &(key, _)) in entries.iter().enumerate() {
            if keys.last() != Some(&key) {
                keys.push(key);
                starts.push(slot as u32);
            }
        }
        starts.push(entries.len() as u32);
        Self {
            keys,
            starts,
            order: entries.into_iter().map(|(_, point)| point).collect(),
        }
    }

    /// The key of the cell at integer coordinates below [`MAX_CELLS`].
    pub(crate) fn key([x, y, z]: [u64; 3]) -> u64 {
        (x + PAD) << (2 * BITS) | (y + PAD) << BITS | (z + PAD)
    }

    /// Number of occupied cells.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The points, cell by cell.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Where the points of a cell are in [`Cells::order`].
    pub(crate) fn slots(&self, cell: usize) -> Range<usize> {
        self.starts[cell] as usize..self.starts[cell + 1] as usize
    }

    /// Visits every pair (a, b) of different cells that are at most `reach` apart along each axis, once, where a is one
    /// of `cells` and b comes later in the order of keys.
    ///
    /// A neighbour's key is the cell's own key plus a constant, so one pointer per row of neighbours follows the sorted
    /// keys and nothing is searched for: the cost is linear.
    pub(crate) fn near_pairs(&self, cells: Range<usize>, reach: u64, mut visit: impl FnMut(usize, usize)) {
        debug_assert!(reach <= MAX_REACH);
        let Some(&first_key) = self.keys.get(cells.start) else {
            return;
        };
        let mut rows = Vec::new();
        for dx in 0..=reach as i64 {
            for dy in -(reach as i64)..=reach as i64 {
                if (dx, dy) > (0, 0) {
                    // The corner with the smallest key; a positive number, as (dx, dy) is.
                    let step = ((dx << (2 * BITS)) + (dy << BITS) - reach as i64) as u64;
                    rows.push((step, self.keys.partition_point(|&key| key < first_key + step)));
                }
            }
        }
        for a in cells {
            let key = self.keys[a];
            for b in a + 1..self.keys.len() {
                if self.keys[b] > key + reach {
                    break;
                }
                visit(a, b);
            }
            for (step, pointer) in &mut rows {
                let low = key + *step;
                while self.keys.get(*pointer).is_some_and(|&other| other < low) {
                    *pointer += 1;
                }
                for b in *pointer..self.keys.len() {
                    if self.keys[b] > low + 2 * reach {
                        break;
                    }
                    visit(a, b);
                }
            }
        }
    }

    /// Visits, once each, the pairs of cells that are at most `reach` apart only because the grid, `side` cells wide
    /// along each axis, closes on itself: the pairs that [`Cells::near_pairs`] leaves out.
    pub(crate) fn wrapped_pairs(&self, side: u64, reach: u64, mut visit: impl FnMut(usize, usize)) {
        let (side, reach) = (side as i64, reach as i64);
        // Steps along one axis that are short directly, and those that are short only around the edge.
        let direct = -reach.min(side - 1)..=reach.min(side - 1);
        let around: Vec<i64> = ((reach + 1).max(side - reach)..side)
            .flat_map(|step| [-step, step])
            .collect();
        let all: Vec<i64> = direct.clone().chain(around.iter().copied()).collect();
        let mut steps = Vec::new();
        for &dx in &all {
            for &dy in &all {
                let is_around = !direct.contains(&dx) || !direct.contains(&dy);
                let dz_all = if is_around { &all } else { &around };
                steps.extend(dz_all.iter().map(|&dz| [dx, dy, dz]));
            }
        }
        // Of a step and its opposite one is enough.
        steps.retain(|step| step.cmp(&[0; 3]) == Ordering::Greater);

        for (a, &key) in self.keys.iter().enumerate() {
            let cell = [2, 1, 0].map(|axis| ((key >> (axis * BITS)) & ((1 << BITS) - 1)) as i64 - PAD as i64);
            if cell.iter().all(|&c| reach <= c && c < side - reach) {
                continue;
            }
            for step in &steps {
                let other = [0, 1, 2].map(|axis| cell[axis] + step[axis]);
                if other.iter().all(|&c| 0 <= c && c < side)
                    && let Ok(b) = self.keys.binary_search(&Self::key(other.map(|c| c as u64)))
                {
                    visit(a, b);
                }
            }
        }
    }
}

/// Cuts `0..len` into pieces for [`rayon`], small enough to balance and large enough to be worth a task.
pub(crate) fn pieces(len: usize) -> impl IndexedParallelIterator<Item = Range<usize>> {
    let size = len.div_ceil(8 * rayon::current_num_threads()).max(1024);
    (0..len.div_ceil(size))
        .into_par_iter()
        .map(move |piece| piece * size..((piece + 1) * size).min(len))
}
