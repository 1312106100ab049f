//! What a worker is asked for: rows of its tiles, in an order that was planned elsewhere.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use radio_index::{PlanTile, ReadPlan, TileSlice};
use serde::{Deserialize, Serialize};

use crate::order::{Piece, Window};
use crate::{BadTiles, ReadOptions, Shuffle, SpectrumColumns};

use super::output::Output;

/// Rows of an ask or of a piece, at most: whoever asks for more wants to keep a worker busy.
const MOST_ROWS: u64 = 1 << 20;

/// Changes with every change of what goes over the network.
pub(super) const PROTOCOL: u32 = 2;

/// Rows of pieces of tiles, in order. Whatever a worker needs to know is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    pub(super) tiles: Vec<AskedTile>,
    pub(super) pieces: Vec<AskedPiece>,
    /// (piece, row in the piece), in order.
    pub(super) order: Vec<(u32, u32)>,
    /// Where in `order` each window ends: the rows of one are in memory together.
    pub(super) ends: Vec<usize>,
    pub(super) batch_rows: std::num::NonZeroUsize,
    pub(super) columns: Vec<String>,
    pub(super) spectrum: SpectrumColumns,
    pub(super) outputs: Vec<Output>,
}

/// A tile, and what tells whether it is still the one that the plan was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedTile {
    pub(super) uri: Arc<str>,
    size: u64,
    mtime_ns: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedPiece {
    tile: u32,
    rows: Vec<Range<u64>>,
}

impl Ask {
    /// For the rows of a group at these places of its order, ascending.
    pub(super) fn new(
        group: &Group,
        places: &[usize],
        plan: &ReadPlan,
        options: &ReadOptions,
        outputs: &[Output],
    ) -> Self {
        let mut tiles: Vec<AskedTile> = Vec::new();
        let mut tile_of: HashMap<Arc<str>, u32> = HashMap::new();
        let mut pieces = Vec::new();
        let mut piece_of: HashMap<usize, u32> = HashMap::new();
        let mut order = Vec::with_capacity(places.len());
        let mut ends = Vec::new();
        let mut window = 0;
        for &place in places {
            while group.ends[window] <= place {
                window += 1;
                if ends.last() != Some(&order.len()) && !order.is_empty() {
                    ends.push(order.len());
                }
            }
            let (piece, row) = group.order[place];
            let number = *piece_of.entry(piece).or_insert_with(|| {
                let piece = &group.pieces[piece];
                let tile = *tile_of.entry(piece.uri.clone()).or_insert_with(|| {
                    let known = plan.tile(&piece.uri);
                    tiles.push(AskedTile {
                        uri: piece.uri.clone(),
                        size: known.map_or(0, |tile| tile.size),
                        mtime_ns: known.map_or(0, |tile| tile.mtime_ns),
                    });
                    tiles.len() as u32 - 1
                });
                pieces.push(AskedPiece {
                    tile,
                    rows: piece.rows.clone(),
                });
                pieces.len() as u32 - 1
            });
            order.push((number, row as u32));
        }
        ends.push(order.len());
        Self {
            tiles,
            pieces,
            order,
            ends,
            batch_rows: options.batch_rows,
            columns: options.columns.clone(),
            spectrum: options.spectrum.clone(),
            outputs: outputs.to_vec(),
        }
    }

    /// Is it one that can be answered? The reason for which it is not. It may come from anybody.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let has_tile = |piece: &AskedPiece| (piece.tile as usize) < self.tiles.len();
        if !self.pieces.iter().all(has_tile) {
            return Err("a piece of no tile");
        }
        let are_ranges = |piece: &AskedPiece| {
            piece
                .rows
                .iter()
                .all(|rows| rows.start < rows.end && rows.end <= 1 << 40)
        };
        if !self.pieces.iter().all(are_ranges) {
            return Err("rows that are no range");
        }
        let rows: Vec<u64> = self
            .pieces
            .iter()
            .map(|piece| {
                piece
                    .rows
                    .iter()
                    .map(|rows| rows.end - rows.start)
                    .fold(0, u64::saturating_add)
            })
            .collect();
        if self.rows() > MOST_ROWS || rows.iter().any(|&rows| rows > MOST_ROWS) {
            return Err("more than 1,048,576 rows at once: ask with a smaller window");
        }
        let has_row = |&(piece, row): &(u32, u32)| rows.get(piece as usize).is_some_and(|&rows| u64::from(row) < rows);
        if !self.order.iter().all(has_row) {
            return Err("a row of no piece");
        }
        if !self.ends.is_sorted() || self.ends.last().copied().unwrap_or(0) != self.order.len() {
            return Err("windows that do not end where the rows do");
        }
        Ok(())
    }

    /// Rows that are asked for.
    pub(super) fn rows(&self) -> u64 {
        self.order.len() as u64
    }

    /// The same as a plan of one's own, with the place of each tile, and the windows to read one after the other.
    pub(super) fn windows(&self, path: impl Fn(&AskedTile) -> Arc<str>) -> (ReadPlan, Vec<Window>) {
        let paths: Vec<Arc<str>> = self.tiles.iter().map(path).collect();
        let known = self.tiles.iter().zip(&paths).map(|(tile, path)| {
            let AskedTile { size, mtime_ns, .. } = *tile;
            (
                path.clone(),
                PlanTile {
                    size,
                    mtime_ns,
                    ..PlanTile::default()
                },
            )
        });
        let uri = |piece: &AskedPiece| paths[piece.tile as usize].clone();
        let slices = self.pieces.iter().flat_map(|piece| {
            piece
                .rows
                .iter()
                .map(move |rows| TileSlice::new(uri(piece), rows.clone()))
        });
        let plan = ReadPlan::from_iter(slices).with_tiles(known);
        let mut first = 0;
        let windows = self.ends.iter().map(|&end| {
            let mut number: HashMap<u32, usize> = HashMap::new();
            let mut pieces = Vec::new();
            let order = self.order[first..end].iter().map(|&(piece, row)| {
                let number = *number.entry(piece).or_insert_with(|| {
                    let piece = &self.pieces[piece as usize];
                    pieces.push(Piece {
                        uri: uri(piece),
                        rows: piece.rows.clone(),
                    });
                    pieces.len() - 1
                });
                (number, row as usize)
            });
            let order: Vec<_> = order.collect();
            let window = Window {
                whole: (0..pieces.len()).collect(),
                pieces,
                order,
                first: first as u64,
            };
            first = end;
            window
        });
        let windows = windows.collect();
        (plan, windows)
    }

    /// How a worker reads it: what is bad is told, so that its rows can be had elsewhere.
    pub(super) fn options(&self) -> ReadOptions {
        let largest = std::iter::once(&0)
            .chain(&self.ends)
            .zip(&self.ends)
            .map(|(first, end)| end - first)
            .max();
        let rows = std::num::NonZeroUsize::new(largest.unwrap_or(1)).unwrap_or(std::num::NonZeroUsize::MIN);
        let mut options = ReadOptions::default()
            .with_batch_rows(self.batch_rows)
            .with_shuffle(Shuffle::Window { rows })
            .with_bad_tiles(BadTiles::Skip)
            .with_columns(self.columns.clone())
            .with_spectrum(self.spectrum.clone());
        options.drop_last = false;
        options
    }
}

/// Windows that follow each other, asked for together: a few thousand rows, so that what an ask costs does not count.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) pieces: Vec<Piece>,
    /// (piece, row in the piece), in order.
    pub(super) order: Vec<(usize, usize)>,
    /// Where in `order` each window ends.
    pub(super) ends: Vec<usize>,
    /// Number of the first of these rows in the pass.
    pub(super) first: u64,
}

impl Group {
    /// Joins windows until they have so many rows.
    pub(super) fn of(windows: impl Iterator<Item = Window>, rows: usize) -> impl Iterator<Item = Self> {
        let mut windows = windows.peekable();
        std::iter::from_fn(move || {
            let mut group = Self {
                pieces: Vec::new(),
                order: Vec::new(),
                ends: Vec::new(),
                first: windows.peek()?.first,
            };
            while group.order.is_empty() || group.order.len() < rows {
                let Some(window) = windows.next() else { break };
                let before = group.pieces.len();
                group.pieces.extend(window.pieces);
                group
                    .order
                    .extend(window.order.into_iter().map(|(piece, row)| (before + piece, row)));
                group.ends.push(group.order.len());
            }
            Some(group)
        })
    }
}

/// What a worker answers to the question how its batches look: the schema, as Arrow's IPC has it.
pub(super) fn described() -> SchemaRef {
    use arrow_schema::{DataType, Field, Schema};
    Arc::new(Schema::new(vec![Field::new("schema", DataType::Binary, false)]))
}
