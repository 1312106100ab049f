//! Occupied cells of a cubic grid, sorted, and the pairs of them that lie close together.
//!
//! Cells are kept in blocks of 4³, each with a bit for every cell that is occupied. Neighbours are looked for among blocks,
//! of which there are fewer than cells, and in a pair of blocks by masks of bits: where hardly any cell has neighbours,
//! which is the rule, that costs next to nothing. (Masks of occupied cells in blocks are the idea of Creasey 2018, the
//! finder hfof; it keeps them in a hash table.)

use std::ops::Range;
use std::sync::LazyLock;

use rayon::prelude::*;

/// Cells along a side of a block, as a power of two, and the bits of a cell's number in its block.
const BLOCK_BITS: u32 = 2;
const SUB_BITS: u32 = 3 * BLOCK_BITS;
const SIDE: u64 = 1 << BLOCK_BITS;

/// Most bits of a block coordinate: three of them and the number of a cell in its block share one 64-bit key.
const MOST_BITS: u32 = (u64::BITS - SUB_BITS) / 3;

/// Coordinates of blocks are shifted by this much inside a key, so that a neighbour's coordinate never leaves its bit
/// field.
const PAD: u64 = 1;

/// Number of cells along an axis at which the keys are full.
pub(crate) const MAX_CELLS: u64 = SIDE * ((1 << MOST_BITS) - 2 * PAD);

/// Cells at most this far apart along an axis can be neighbours.
pub(crate) const MAX_REACH: u64 = 3;

/// How the coordinates of cells become keys. Short keys are sorted faster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys {
    /// Of a block coordinate.
    bits: u32,
}

impl Keys {
    /// For coordinates below `cells`, at most [`MAX_CELLS`].
    pub(crate) fn new(cells: u64) -> Self {
        debug_assert!(cells <= MAX_CELLS);
        let largest = cells.div_ceil(SIDE) + 2 * PAD - 1;
        Self {
            bits: u64::BITS - largest.leading_zeros(),
        }
    }

    #[inline]
    pub(crate) fn key(self, [x, y, z]: [u64; 3]) -> u64 {
        let block = |cell: u64| (cell >> BLOCK_BITS) + PAD;
        let sub = |cell: u64| cell & (SIDE - 1);
        let blocks = block(x) << (2 * self.bits) | block(y) << self.bits | block(z);
        blocks << SUB_BITS | sub(x) << (2 * BLOCK_BITS) | sub(y) << BLOCK_BITS | sub(z)
    }

    fn len(self) -> u32 {
        3 * self.bits + SUB_BITS
    }
}

/// The occupied cells of a grid. Cells are numbered in the order of their keys, and the points of one cell are next to
/// each other in `order`, in the order of their rows.
#[derive(Debug)]
pub(crate) struct Cells {
    layout: Keys,
    block_keys: Vec<u64>,
    blocks: Vec<Block>,
    /// Where each cell begins in `order`, and the end of the last one.
    starts: Vec<u32>,
    order: Vec<u32>,
}

/// Some cells of 4³.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// A bit for every cell that is occupied.
    occupied: u64,
    /// Number of its first cell.
    first: u32,
}

impl Cells {
    /// Sorts points into cells by their keys: those of all rows and, besides, of some rows once more (as images of them
    /// at other places). Together they must be fewer than 2³².
    pub(crate) fn new(layout: Keys, rows: usize, key_of: impl Fn(usize) -> u64 + Sync, images: &[(u64, u32)]) -> Self {
        let row_bits = usize::BITS - rows.leading_zeros();
        let all_rows = (0..rows).into_par_iter().map(|row| (key_of(row), row as u32));
        let entries = all_rows.chain(images.par_iter().copied());
        if layout.len() + row_bits <= u64::BITS {
            // Key and row in one word: half the memory to move.
            let row_mask = (1 << row_bits) - 1;
            let sorted = sorted(entries.map(|(key, row)| key << row_bits | u64::from(row)).collect());
            Self::from_sorted(
                layout,
                &sorted,
                |entry| entry >> row_bits,
                |entry| (entry & row_mask) as u32,
            )
        } else {
            Self::from_sorted(layout, &sorted(entries.collect()), |(key, _)| key, |(_, row)| row)
        }
    }

    fn from_sorted<E: Copy + Sync>(
        layout: Keys,
        entries: &[E],
        key: impl Fn(E) -> u64 + Sync,
        row: impl Fn(E) -> u32 + Sync,
    ) -> Self {
        let mut starts = firsts(entries.len(), |slot| key(entries[slot]));
        let key_of = |cell: usize| key(entries[starts[cell] as usize]);
        let mut first_cells = firsts(starts.len(), |cell| key_of(cell) >> SUB_BITS);
        first_cells.push(starts.len() as u32);
        let block = |cells: &[u32]| Block {
            occupied: (cells[0]..cells[1]).fold(0, |bits, cell| bits | 1 << (key_of(cell as usize) % (1 << SUB_BITS))),
            first: cells[0],
        };
        let block_key = |cells: &[u32]| key_of(cells[0] as usize) >> SUB_BITS;
        let blocks = first_cells.par_windows(2).map(block).collect();
        let block_keys = first_cells.par_windows(2).map(block_key).collect();
        starts.push(entries.len() as u32);
        Self {
            layout,
            block_keys,
            blocks,
            starts,
            order: entries.par_iter().map(|&entry| row(entry)).collect(),
        }
    }

    /// Number of occupied cells.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The points, cell by cell.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Where the points of a cell are in [`Cells::order`].
    pub(crate) fn slots(&self, cell: usize) -> Range<usize> {
        self.starts[cell] as usize..self.starts[cell + 1] as usize
    }

    /// The cell with this key, if it is occupied.
    pub(crate) fn find(&self, key: u64) -> Option<usize> {
        let at = self.block_keys.binary_search(&(key >> SUB_BITS)).ok()?;
        let bit = key % (1 << SUB_BITS);
        let block = self.blocks[at];
        (block.occupied >> bit & 1 == 1).then(|| block.cell(bit as u32))
    }

    /// Visits every pair (a, b) of different cells of one block that are at most `reach` apart along each axis, once, on
    /// all threads.
    pub(crate) fn near_pairs_within(&self, reach: u64, visit: impl Fn(usize, usize) + Sync) {
        let near = &NEAR[reach as usize - 1].within;
        self.blocks
            .par_iter()
            .for_each(|block| block.pairs_with(block, near, &visit));
    }

    /// The same for cells of different blocks. Pairs of blocks, given by the cells that they have, can be left out.
    ///
    /// The key of a neighbouring block is the block's own key plus a constant, so one pointer per row of neighbours
    /// follows the sorted keys and nothing is searched for: the cost is linear.
    pub(crate) fn near_pairs_between(
        &self,
        reach: u64,
        leave_out: impl Fn(usize, usize) -> bool + Sync,
        visit: impl Fn(usize, usize) + Sync,
    ) {
        let visit = |a: usize, b: usize, near: &Masks| {
            if !leave_out(a, b) {
                self.blocks[a].pairs_with(&self.blocks[b], near, &visit);
            }
        };
        let near = &NEAR[reach as usize - 1];
        pieces(self.blocks.len()).for_each(|piece| self.near_blocks_of(piece, near, &visit));
    }

    /// The cells of each block.
    pub(crate) fn blocks(&self) -> impl IndexedParallelIterator<Item = Range<usize>> {
        self.blocks.par_iter().map(Block::cells)
    }

    fn near_blocks_of(&self, piece: Range<usize>, near: &Near, visit: &impl Fn(usize, usize, &Masks)) {
        let keys = &self.block_keys[..];
        let (row, plane) = (1 << self.layout.bits, 1 << (2 * self.layout.bits));
        // The first block of each row of three, and the pointer that follows it.
        let mut rows = [row, plane - row, plane, plane + row].map(|step: u64| {
            let first = keys[piece.start] + step - 1;
            (step - 1, keys.partition_point(|&key| key < first))
        });
        for a in piece {
            let key = keys[a];
            if keys.get(a + 1) == Some(&(key + 1)) {
                visit(a, a + 1, &near.above);
            }
            for ((step, pointer), near) in rows.iter_mut().zip(&near.rows) {
                let first = key + *step;
                *pointer += keys[*pointer..].iter().take_while(|&&other| other < first).count();
                let others = keys[*pointer..].iter().take_while(|&&other| other <= first + 2);
                for (b, other) in (*pointer..).zip(others) {
                    visit(a, b, &near[(other - first) as usize]);
                }
            }
        }
    }
}

impl Block {
    /// Its cells.
    #[inline]
    fn cells(&self) -> Range<usize> {
        let first = self.first as usize;
        first..first + self.occupied.count_ones() as usize
    }

    /// The number of the cell with this bit, which is occupied.
    #[inline]
    fn cell(&self, bit: u32) -> usize {
        (self.first + (self.occupied & ((1 << bit) - 1)).count_ones()) as usize
    }

    fn pairs_with(&self, other: &Self, near: &Masks, visit: &impl Fn(usize, usize)) {
        for (a, from) in (self.first as usize..).zip(bits(self.occupied)) {
            for to in bits(other.occupied & near[from as usize]) {
                visit(a, other.cell(to));
            }
        }
    }
}

/// The bits that are set, from the lowest.
#[inline]
fn bits(mut mask: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = mask.trailing_zeros();
        // 64 where none is left.
        (mask != 0).then(|| {
            mask &= mask - 1;
            bit
        })
    })
}

/// For each cell of a block, those of another one that are near.
type Masks = [u64; 1 << SUB_BITS];

/// Which cells are near each other, in a block and those that come after it in the order of keys.
struct Near {
    /// In the same block, the later one only.
    within: Masks,
    /// In the block above, along z.
    above: Masks,
    /// In the rows of three blocks along z, (x, y) = (0, 1), (1, -1), (1, 0) and (1, 1) blocks away.
    rows: [[Masks; 3]; 4],
}

/// For reaches of 1, 2 and 3 cells.
static NEAR: [LazyLock<Near>; MAX_REACH as usize] = [
    LazyLock::new(|| Near::new(1)),
    LazyLock::new(|| Near::new(2)),
    LazyLock::new(|| Near::new(3)),
];

impl Near {
    fn new(reach: i64) -> Self {
        let mut within = masks([0, 0, 0], reach);
        for (cell, mask) in within.iter_mut().enumerate() {
            *mask &= !1 << cell;
        }
        Self {
            within,
            above: masks([0, 0, 1], reach),
            rows: [[0, 1], [1, -1], [1, 0], [1, 1]].map(|[x, y]| [-1, 0, 1].map(|z| masks([x, y, z], reach))),
        }
    }
}

/// For each cell of a block, those within `reach` along each axis of the block that is `offset` blocks away, unless no linking
/// length that has this reach is so long: cells n apart are n - 1 sides from each other, and a linking length of reach 3 is
/// less than √5 sides (of reach 2: 2, and nothing is left out).
fn masks(offset: [i64; 3], reach: i64) -> Masks {
    let place = |cell: usize| [2, 1, 0].map(|axis| (cell >> (axis * BLOCK_BITS as usize)) as i64 % SIDE as i64);
    std::array::from_fn(|from| {
        let is_near = |to: &usize| {
            let (from, to) = (place(from), place(*to));
            let apart = [0, 1, 2].map(|axis| (to[axis] + SIDE as i64 * offset[axis] - from[axis]).abs());
            let squared: i64 = apart.iter().map(|apart| (apart - 1).max(0).pow(2)).sum();
            apart.iter().all(|&apart| apart <= reach) && squared < 5
        };
        (0..1 << SUB_BITS).filter(is_near).fold(0, |mask, to| mask | 1 << to)
    })
}

/// Places at which something else begins than at the place before.
fn firsts(len: usize, of: impl Fn(usize) -> u64 + Sync) -> Vec<u32> {
    let of_piece = |piece: Range<usize>| -> Vec<u32> {
        let is_first = |&place: &usize| place == 0 || of(place) != of(place - 1);
        piece.filter(is_first).map(|place| place as u32).collect()
    };
    pieces(len).map(of_piece).collect::<Vec<_>>().concat()
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
