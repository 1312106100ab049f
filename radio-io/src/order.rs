//! The planned shuffle: the whole order of an epoch, from the plan and the seed, before any byte is read.

use std::ops::Range;
use std::sync::Arc;

use radio_index::{ReadPlan, TileSlice};

use crate::{ReadOptions, Shuffle};

/// Rows of a tile that are read together, at most. Smaller pieces mix better and cost more seeking.
const PIECE_ROWS: u64 = 256;

/// Rows of a tile that follow each other in the plan: where few rows of a tile are selected, they are one piece in spite of the
/// gaps between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) uri: Arc<str>,
    /// Ranges of rows of the file, ascending, none of them empty.
    pub(crate) rows: Vec<Range<u64>>,
}

impl Piece {
    pub(crate) fn len(&self) -> u64 {
        self.rows.iter().map(|rows| rows.end - rows.start).sum()
    }

    /// Numbers of its rows in the file.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.rows.iter().cloned().flatten()
    }

    /// Only its rows `wanted`, counted in the piece.
    fn cut(&mut self, wanted: Range<u64>) {
        let mut at = 0;
        self.rows.retain_mut(|rows| {
            let count = rows.end - rows.start;
            let place = |end: u64| end.saturating_sub(at).min(count);
            let (first, last) = (place(wanted.start), place(wanted.end));
            at += count;
            *rows = rows.start + first..rows.start + last;
            first < last
        });
    }
}

/// Pieces that are in memory together, and the order in which their rows are given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) pieces: Vec<Piece>,
    /// (piece, row in the piece), in order.
    pub(crate) order: Vec<(usize, usize)>,
}

/// Rows that a rank reads: of its share, whole batches where the last one is to be full.
///
/// All ranks have the same number, so that they take the same number of steps. (At most `world - 1` rows of the plan are read by
/// none; with a shuffle they are others in every epoch.)
pub(crate) fn rows_of_rank(plan: &ReadPlan, options: &ReadOptions) -> u64 {
    let rows = plan.rows() / options.world;
    let batch = options.batch_rows.get() as u64;
    if options.drop_last { rows / batch * batch } else { rows }
}

/// The windows of an epoch, one after the other, from the row `start` of this rank on: a function of the plan, the shuffle, the
/// seed, the epoch and the rank, and of nothing else. In memory is one window, and where pieces are shuffled a few bytes for each.
///
/// Rows that come before are drawn along, but they are in no window: nobody reads them.
pub(crate) fn windows(
    plan: ReadPlan,
    options: &ReadOptions,
    start: u64,
) -> impl Iterator<Item = Window> + Send + use<> {
    let share = plan.rows() / options.world;
    let all = options.rank * share..options.rank * share + share;
    let end = rows_of_rank(&plan, options);
    let mut dice = Dice::new(options.seed, options.epoch);
    let mut pieces: Box<dyn Iterator<Item = Piece> + Send> = Box::new(pieces(plan));
    let is_shuffled = options.shuffle != Shuffle::None;
    let window_rows = match options.shuffle {
        Shuffle::None => options.batch_rows.get().max(PIECE_ROWS as usize),
        Shuffle::Window { rows } => {
            let mut all: Vec<Piece> = pieces.collect();
            dice.shuffle(&mut all);
            pieces = Box::new(all.into_iter());
            rows.get()
        }
    };
    let mut pieces = within(pieces, all);
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let mut window = Window {
                pieces: Vec::new(),
                order: Vec::new(),
            };
            while window.order.len() < window_rows
                && let Some(piece) = pieces.next()
            {
                let rows = piece.len() as usize;
                let number = window.pieces.len();
                window.order.extend((0..rows).map(|row| (number, row)));
                window.pieces.push(piece);
            }
            if window.pieces.is_empty() || at >= end {
                return None;
            }
            if is_shuffled {
                dice.shuffle(&mut window.order);
            }
            let first = at;
            at += window.order.len() as u64;
            window.order.truncate(end.saturating_sub(first) as usize);
            window
                .order
                .drain(..(start.saturating_sub(first) as usize).min(window.order.len()));
            if !window.order.is_empty() {
                return Some(window);
            }
        }
    })
}

/// The pieces that hold a range of all rows, cut where it begins and ends.
fn within(pieces: impl Iterator<Item = Piece>, wanted: Range<u64>) -> impl Iterator<Item = Piece> {
    let mut at = 0;
    pieces.filter_map(move |mut piece| {
        let place = |end: u64| end.saturating_sub(at);
        let (first, last) = (place(wanted.start), place(wanted.end));
        at += piece.len();
        piece.cut(first..last);
        (!piece.rows.is_empty()).then_some(piece)
    })
}

/// The rows of a plan, tile by tile, in pieces.
fn pieces(plan: ReadPlan) -> impl Iterator<Item = Piece> {
    let mut slices = plan.into_iter().filter(|slice| !slice.is_empty());
    // What is left of a slice.
    let mut rest: Option<TileSlice> = None;
    std::iter::from_fn(move || {
        let first = rest.take().or_else(|| slices.next())?;
        let mut piece = Piece {
            uri: first.uri().into(),
            rows: Vec::new(),
        };
        let mut room = PIECE_ROWS;
        let mut next = Some(first);
        while let Some(slice) = next.take() {
            if room == 0 || slice.uri() != &*piece.uri {
                rest = Some(slice);
                break;
            }
            let Range { start, end } = slice.rows();
            let middle = start.saturating_add(room).min(end);
            piece.rows.push(start..middle);
            room -= middle - start;
            next = if middle < end {
                Some(TileSlice::new(piece.uri.clone(), middle..end))
            } else {
                slices.next()
            };
        }
        Some(piece)
    })
}

/// SplitMix64 (Steele, Lea & Flood 2014, fig. 16): the order of an epoch has to be the same in every later release, and
/// no random number library promises that of its shuffle.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64, epoch: u64) -> Self {
        let mut dice = Self(seed);
        // Epochs must not be shifted copies of each other.
        dice.0 = dice.next() ^ epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        dice.0 = dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`. The bias of the multiplication is below 2⁻³² for any slice that fits in memory.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// Fisher & Yates, as Knuth gives it (Art of Computer Programming 2, algorithm P).
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::num::{NonZeroU64, NonZeroUsize};

    use proptest::prelude::*;

    use super::*;

    type Rows = Vec<(String, u64)>;

    fn rows(plan: &ReadPlan, options: &ReadOptions) -> Rows {
        rows_from(plan, options, 0)
    }

    fn rows_from(plan: &ReadPlan, options: &ReadOptions, start: u64) -> Rows {
        let row = |window: &Window, &(piece, row): &(usize, usize)| {
            let piece = &window.pieces[piece];
            (piece.uri.to_string(), piece.numbers().nth(row).unwrap())
        };
        let all = windows(plan.clone(), options, start);
        all.flat_map(|window| window.order.iter().map(|place| row(&window, place)).collect::<Rows>())
            .collect()
    }

    proptest! {
        #[test]
        fn every_row_comes_once(
            slices in proptest::collection::vec((0..5_u8, 0..3_000_u64, 0..900_u64), 0..8),
            window in 1..2_000_usize,
            seed: u64,
            world in 1..5_u64,
            start: proptest::sample::Index,
            drop_last: bool,
        ) {
            let slices = slices.iter().map(|&(tile, start, n)| TileSlice::new(format!("t{tile}"), start..start + n));
            let plan = ReadPlan::from_iter(slices);
            let planned: Rows = plan.slices().iter().flat_map(|s| s.rows().map(|r| (s.uri().to_owned(), r))).collect();
            let in_order = ReadOptions::default().with_seed(seed);
            prop_assert_eq!(&rows(&plan, &in_order), &planned);

            let shuffled = in_order.clone().with_shuffle(Shuffle::Window { rows: NonZeroUsize::new(window).unwrap() });
            let first = rows(&plan, &shuffled);
            prop_assert_eq!(first.len(), planned.len());
            prop_assert_eq!(first.iter().cloned().collect::<BTreeSet<_>>(), planned.iter().cloned().collect());
            prop_assert_eq!(&first, &rows(&plan, &shuffled));
            if planned.len() > 50 {
                let next = rows(&plan, &shuffled.clone().with_epoch(1));
                prop_assert_ne!(&first, &next);
                prop_assert_ne!(&first, &planned);
            }

            // The ranks share the order of all, and each can start anywhere in its own.
            let world = NonZeroU64::new(world).unwrap();
            for options in [in_order, shuffled] {
                let mut shared = Rows::new();
                for rank in 0..world.get() {
                    let mut options = options.clone().with_rank(rank, world);
                    options.drop_last = drop_last;
                    let own = rows(&plan, &options);
                    prop_assert_eq!(own.len() as u64, rows_of_rank(&plan, &options));
                    let start = start.index(own.len() + 1);
                    prop_assert_eq!(&rows_from(&plan, &options, start as u64), &own[start..]);
                    shared.extend(own);
                }
                let unique: BTreeSet<_> = shared.iter().cloned().collect();
                prop_assert_eq!(unique.len(), shared.len());
                if !drop_last {
                    prop_assert_eq!(shared.len(), planned.len() / world.get() as usize * world.get() as usize);
                }
            }
        }
    }

    /// Golden: users' runs depend on the order, so it never changes. Computed by hand-written Python integers, from the
    /// papers cited at `Dice`.
    #[test]
    fn the_order_never_changes() {
        let plan = ReadPlan::from_iter([TileSlice::new("t", 0..8)]);
        let options = ReadOptions::default()
            .with_shuffle(Shuffle::window())
            .with_seed(1)
            .with_epoch(2);
        let order: Vec<u64> = rows(&plan, &options).into_iter().map(|(_, row)| row).collect();
        assert_eq!(order, [2, 4, 7, 1, 5, 6, 3, 0]);
    }

    #[test]
    fn a_shuffle_is_uniform() {
        let mut dice = Dice::new(3, 0);
        let mut counts = [[0_u32; 4]; 4];
        for _ in 0..24_000 {
            let mut items = [0, 1, 2, 3];
            dice.shuffle(&mut items);
            for (place, item) in items.into_iter().enumerate() {
                counts[place][item] += 1;
            }
        }
        // 6,000 expected in each cell, standard deviation 67.
        assert!(counts.iter().flatten().all(|&n| n.abs_diff(6_000) < 340), "{counts:?}");
    }
}
