//! The planned shuffle: the whole order of an epoch, from the plan and the seed, before any byte is read.

use std::ops::Range;
use std::sync::Arc;

use radio_index::{ReadPlan, TileSlice};

use crate::cache::block_of;
use crate::permutation::{Dice, Permutation};
use crate::{BadTiles, ReadOptions, Shuffle};

/// Rows of a tile that are read together, at most. Smaller pieces mix better and cost more seeking.
pub(crate) const PIECE_ROWS: u64 = 256;

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
    /// Number of the first of these rows in the pass.
    pub(crate) first: u64,
    /// For each piece, what it is a part of: if a row is bad, all of that is left out.
    pub(crate) whole: Vec<usize>,
}

impl Window {
    /// The same rows in pieces that are each within one of the blocks of a tile which a cache keeps together.
    pub(crate) fn by_blocks(&self) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut whole = Vec::new();
        // For each piece: where its parts begin in it, and which pieces these are now.
        let mut parts: Vec<Vec<(usize, usize)>> = Vec::with_capacity(self.pieces.len());
        for (number, piece) in self.pieces.iter().enumerate() {
            let (mut at, mut of_piece) = (0, Vec::new());
            let mut block = None;
            for rows in &piece.rows {
                let mut from = rows.start;
                while from < rows.end {
                    let this = block_of(from);
                    if block.as_ref() != Some(&this) {
                        whole.push(self.whole[number]);
                        of_piece.push((at, pieces.len()));
                        let uri = piece.uri.clone();
                        pieces.push(Piece { uri, rows: Vec::new() });
                    }
                    let to = rows.end.min(this.end);
                    pieces
                        .last_mut()
                        .into_iter()
                        .for_each(|piece| piece.rows.push(from..to));
                    at += (to - from) as usize;
                    from = to;
                    block = Some(this);
                }
            }
            parts.push(of_piece);
        }
        let order = self.order.iter().map(|&(piece, row)| {
            let part = parts[piece].partition_point(|(start, _)| *start <= row) - 1;
            let (start, piece) = parts[piece][part];
            (piece, row - start)
        });
        Self {
            order: order.collect(),
            pieces,
            first: self.first,
            whole,
        }
    }
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
/// seed, the epoch and the rank. Rows in the order of the plan come `at_once` together, which changes nothing in their order. In
/// memory is one window, and where pieces are shuffled a few bytes for each.
pub(crate) fn windows(
    plan: Arc<ReadPlan>,
    options: &ReadOptions,
    start: u64,
    at_once: usize,
) -> Box<dyn Iterator<Item = Window> + Send> {
    let share = plan.rows() / options.world;
    let first = options.rank * share;
    // The rank's rows in the order of all.
    let rows = first..first + rows_of_rank(&plan, options);
    let mut dice = Dice::new(options.seed, options.epoch);
    let pieces = pieces(plan.clone());
    // Which rows are left out with a bad one must not depend on where a pass was resumed.
    let has_whole_windows = options.bad_tiles == BadTiles::Skip;
    match options.shuffle {
        Shuffle::None => Box::new(of_pieces(pieces, rows, start, at_once, has_whole_windows, |_| ())),
        Shuffle::Window { rows: window } => {
            let mut pieces: Vec<Piece> = pieces.collect();
            dice.shuffle(&mut pieces);
            let shuffle = move |order: &mut Vec<_>| dice.shuffle(order);
            Box::new(of_pieces(
                pieces.into_iter(),
                rows,
                start,
                window.get(),
                has_whole_windows,
                shuffle,
            ))
        }
        Shuffle::Global => Box::new(of_rows(plan, dice, rows, start, options.batch_rows.get())),
    }
}

/// Windows of whole pieces. Rows before `start` are drawn along, but they are in no window, unless this is wanted of the one that
/// it is in: nobody reads them.
fn of_pieces(
    pieces: impl Iterator<Item = Piece> + Send,
    rows: Range<u64>,
    start: u64,
    window_rows: usize,
    has_whole_windows: bool,
    mut shuffle: impl FnMut(&mut Vec<(usize, usize)>) + Send,
) -> impl Iterator<Item = Window> + Send {
    let end = rows.end - rows.start;
    let mut pieces = within(pieces, rows);
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let mut window = Window {
                pieces: Vec::new(),
                order: Vec::new(),
                first: at,
                whole: Vec::new(),
            };
            while window.order.len() < window_rows
                && let Some(piece) = pieces.next()
            {
                let rows = piece.len() as usize;
                let number = window.pieces.len();
                window.order.extend((0..rows).map(|row| (number, row)));
                window.pieces.push(piece);
                window.whole.push(number);
            }
            if window.pieces.is_empty() || at >= end {
                return None;
            }
            shuffle(&mut window.order);
            at += window.order.len() as u64;
            window.order.truncate(end.saturating_sub(window.first) as usize);
            if at <= start {
                continue;
            }
            if !has_whole_windows && start > window.first {
                window.order.drain(..(start - window.first) as usize);
                window.first = start;
            }
            if !window.order.is_empty() {
                return Some(window);
            }
        }
    })
}

/// Windows of single rows in an order that spans the whole plan, a batch each.
fn of_rows(
    plan: Arc<ReadPlan>,
    dice: Dice,
    rows: Range<u64>,
    start: u64,
    window_rows: usize,
) -> impl Iterator<Item = Window> + Send {
    let order = Permutation::new(plan.rows(), dice);
    let ends: Vec<u64> = plan
        .slices()
        .iter()
        .scan(0, |end, slice| {
            *end += slice.len();
            Some(*end)
        })
        .collect();
    let mut at = rows.start.saturating_add(start);
    std::iter::from_fn(move || {
        let last = rows.end.min(at.saturating_add(window_rows as u64));
        if at >= last {
            return None;
        }
        // By their numbers in the plan: tile by tile, ascending.
        let mut wanted: Vec<(u64, usize)> = (at..last).map(|place| order.at(place)).zip(0..).collect();
        wanted.sort_unstable();
        let mut window = Window {
            pieces: Vec::<Piece>::new(),
            order: vec![(0, 0); wanted.len()],
            first: at - rows.start,
            whole: Vec::new(),
        };
        at = last;
        let mut rows_in_piece = 0;
        for (number, place) in wanted {
            let slice = ends.partition_point(|end| *end <= number);
            let (uri, rows) = (plan.slices()[slice].uri(), plan.slices()[slice].rows());
            let row = rows.end - (ends[slice] - number);
            match window.pieces.last_mut().filter(|piece| &*piece.uri == uri) {
                Some(piece) => match piece.rows.last_mut().filter(|rows| rows.end == row) {
                    Some(rows) => rows.end += 1,
                    None => piece.rows.push(row..row + 1),
                },
                None => {
                    rows_in_piece = 0;
                    window.pieces.push(Piece {
                        uri: uri.into(),
                        rows: std::iter::once(row..row + 1).collect(),
                    });
                }
            }
            window.order[place] = (window.pieces.len() - 1, rows_in_piece);
            rows_in_piece += 1;
        }
        window.whole = (0..window.pieces.len()).collect();
        Some(window)
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
fn pieces(plan: Arc<ReadPlan>) -> impl Iterator<Item = Piece> + Send {
    let mut slice = 0;
    let mut slices = std::iter::from_fn(move || {
        slice += 1;
        plan.slices().get(slice - 1).cloned()
    });
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
        let all = windows(Arc::new(plan.clone()), options, start, 300);
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

            let global = in_order.clone().with_shuffle(Shuffle::Global);
            let mut mixed = rows(&plan, &global);
            if planned.len() > 50 {
                prop_assert_ne!(&mixed, &rows(&plan, &global.clone().with_epoch(1)));
                prop_assert_ne!(&mixed, &planned);
            }
            mixed.sort_unstable();
            prop_assert_eq!(&mixed, &planned);

            // A cache sees the same rows in other pieces.
            for options in [&shuffled, &global] {
                for window in windows(Arc::new(plan.clone()), options, 0, 300) {
                    let blocks = window.by_blocks();
                    let all = |window: &Window| -> Vec<_> {
                        let row = |&(piece, row): &(usize, usize)| {
                            let piece: &Piece = &window.pieces[piece];
                            (piece.uri.clone(), piece.numbers().nth(row).unwrap())
                        };
                        window.order.iter().map(row).collect()
                    };
                    prop_assert!(all(&window) == all(&blocks));
                    let is_in_block = |piece: &Piece| {
                        let block = block_of(piece.rows[0].start);
                        piece.numbers().all(|row| block.contains(&row))
                    };
                    prop_assert!(blocks.pieces.iter().all(is_in_block));
                }
            }

            // The ranks share the order of all, and each can start anywhere in its own.
            let world = NonZeroU64::new(world).unwrap();
            for options in [in_order, shuffled, global] {
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
        let plan = ReadPlan::from_iter([TileSlice::new("t", 0..11)]);
        let global = rows(&plan, &options.with_shuffle(Shuffle::Global)).into_iter();
        assert_eq!(
            global.map(|(_, row)| row).collect::<Vec<_>>(),
            [2, 5, 3, 9, 8, 0, 6, 10, 4, 1, 7]
        );
    }
}
