//! Occupied cells of a cubic grid, sorted, and the pairs of them that lie close together.

use std::cmp::Ordering;
use std::ops::Range;

use rayon::prelude::*;

/// Most bits of a cell coordinate: three of them share one 64-bit key.
const MOST_BITS: u32 = 21;

/// Coordinates are shifted by this much inside a key, so that a neighbour's coordinate never leaves its bit field.
const PAD: u64 = 3;

/// Number of cells along an axis at which the keys are full.
pub(crate) const MAX_CELLS: u64 = (1 << MOST_BITS) - 2 * PAD;

/// Cells at most this far apart along an axis can be neighbours.
pub(crate) const MAX_REACH: u64 = PAD;

/// How the coordinates of cells become keys. Short keys are sorted faster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys {
    bits: u32,
}

impl Keys {
    /// For coordinates below `cells`, at most [`MAX_CELLS`].
    pub(crate) fn new(cells: u64) -> Self {
        debug_assert!(cells <= MAX_CELLS);
        Self {
            bits: u64::BITS - (cells + 2 * PAD).leading_zeros(),
        }
    }

    pub(crate) fn key(self, [x, y, z]: [u64; 3]) -> u64 {
        (x + PAD) << (2 * self.bits) | (y + PAD) << self.bits | (z + PAD)
    }

    fn cell(self, key: u64) -> [i64; 3] {
        [2, 1, 0].map(|axis| ((key >> (axis * self.bits)) & ((1 << self.bits) - 1)) as i64 - PAD as i64)
    }
}

/// The occupied cells of a grid. Cells are numbered in the order of their keys, and the points of one cell are next to
/// each other in `order`, in the order of their rows.
#[derive(Debug)]
pub(crate) struct Cells {
    layout: Keys,
    keys: Vec<u64>,
    /// Where each cell begins in `order`, and the end of the last one.
    starts: Vec<u32>,
    order: Vec<u32>,
}

impl Cells {
    /// Sorts `rows` points into cells, by their keys.
    pub(crate) fn new(layout: Keys, rows: usize, key_of: impl Fn(usize) -> u64 + Sync) -> Self {
        let row_bits = usize::BITS - rows.leading_zeros();
        if 3 * layout.bits + row_bits <= u64::BITS {
            // Key and row in one word: half the memory to move.
            let row_mask = (1 << row_bits) - 1;
            let entry = |row: usize| key_of(row) << row_bits | row as u64;
            let sorted = sorted((0..rows).into_par_iter().map(entry).collect());
            Self::from_sorted(
                layout,
                &sorted,
                |entry| entry >> row_bits,
                |entry| (entry & row_mask) as u32,
            )
        } else {
            let entry = |row: usize| (key_of(row), row as u32);
            let sorted = sorted((0..rows).into_par_iter().map(entry).collect());
            Self::from_sorted(layout, &sorted, |(key, _)| key, |(_, row)| row)
        }
    }

    fn from_sorted<E: Copy + Sync>(
        layout: Keys,
        entries: &[E],
        key: impl Fn(E) -> u64 + Sync,
        row: impl Fn(E) -> u32 + Sync,
    ) -> Self {
        let is_first = |slot: usize| slot == 0 || key(entries[slot]) != key(entries[slot - 1]);
        let mut starts: Vec<u32> = (0..entries.len())
            .into_par_iter()
            .filter(|&slot| is_first(slot))
            .map(|slot| slot as u32)
            .collect();
        let keys = starts.par_iter().map(|&slot| key(entries[slot as usize])).collect();
        starts.push(entries.len() as u32);
        Self {
            layout,
            keys,
            starts,
            order: entries.par_iter().map(|&entry| row(entry)).collect(),
        }
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
        if cells.is_empty() {
            return;
        }
        let (bits, keys) = (self.layout.bits, &self.keys[..]);
        let mut rows = Vec::new();
        for dx in 0..=reach as i64 {
            for dy in -(reach as i64)..=reach as i64 {
                if (dx, dy) > (0, 0) {
                    // The corner with the smallest key; a positive number, as (dx, dy) is.
                    let step = ((dx << (2 * bits)) + (dy << bits) - reach as i64) as u64;
                    rows.push((step, keys.partition_point(|&key| key < keys[cells.start] + step)));
                }
            }
        }
        for a in cells {
            let key = keys[a];
            let is_near = |&(_, &other): &(usize, &u64)| other <= key + reach;
            for (b, _) in (a + 1..).zip(&keys[a + 1..]).take_while(is_near) {
                visit(a, b);
            }
            for (step, first) in &mut rows {
                let low = key + *step;
                *first += keys[*first..].iter().take_while(|&&other| other < low).count();
                let is_near = |&(_, &other): &(usize, &u64)| other <= low + 2 * reach;
                for (b, _) in (*first..).zip(&keys[*first..]).take_while(is_near) {
                    visit(a, b);
                }
            }
        }
    }

    /// Visits, once each, the pairs (a, b) of cells, a one of `cells`, that are at most `reach` apart only because the
    /// grid, `side` cells wide along each axis, closes on itself: the pairs that [`Cells::near_pairs`] leaves out.
    pub(crate) fn wrapped_pairs(
        &self,
        cells: Range<usize>,
        side: u64,
        reach: u64,
        mut visit: impl FnMut(usize, usize),
    ) {
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

        for a in cells {
            let cell = self.layout.cell(self.keys[a]);
            if cell.iter().all(|&c| reach <= c && c < side - reach) {
                continue;
            }
            for step in &steps {
                let other = [0, 1, 2].map(|axis| cell[axis] + step[axis]);
                if other.iter().all(|&c| 0 <= c && c < side)
                    && let Ok(b) = self.keys.binary_search(&self.layout.key(other.map(|c| c as u64)))
                {
                    visit(a, b);
                }
            }
        }
    }
}

fn sorted<E: Ord + Send>(mut entries: Vec<E>) -> Vec<E> {
    entries.par_sort_unstable();
    entries
}

/// Cuts `0..len` into pieces for [`rayon`], small enough to balance and large enough to be worth a task.
pub(crate) fn pieces(len: usize) -> impl IndexedParallelIterator<Item = Range<usize>> {
    let size = len.div_ceil(8 * rayon::current_num_threads()).max(1024);
    (0..len.div_ceil(size))
        .into_par_iter()
        .map(move |piece| piece * size..((piece + 1) * size).min(len))
}
