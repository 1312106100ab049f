//! What to read: tiles and row ranges. This file uses only `std`, so that a reader can depend on it alone.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A run of consecutive rows of one tile.
///
/// ```
/// use radio_index::TileSlice;
///
/// let slice = TileSlice::new("survey/tile.parquet", 128..256);
/// assert_eq!(slice.len(), 128);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TileSlice {
    uri: Arc<str>,
    rows: Range<u64>,
}

impl TileSlice {
    /// The rows `rows` (counted from 0 in file order) of the tile at `uri`, a path in the local file system.
    ///
    /// A range that ends before it starts is empty.
    #[must_use]
    pub fn new(uri: impl Into<Arc<str>>, rows: Range<u64>) -> Self {
        let rows = rows.start..rows.end.max(rows.start);
        Self { uri: uri.into(), rows }
    }

    /// Where the tile is.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The rows, counted from 0 in file order.
    #[must_use]
    pub fn rows(&self) -> Range<u64> {
        self.rows.clone()
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.rows.end - self.rows.start
    }

    /// Is there no row in it?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// What an index knows of a tile in a plan: enough to balance the work, to send it where the file is, and to notice that the
/// file is another one by now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PlanTile {
    /// Name of the node that holds it.
    pub node: String,
    /// Size of the whole file, bytes.
    pub size: u64,
    /// Last change of the file, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Rows of the whole file.
    pub rows: u64,
}

/// What a node has to read for a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeShare {
    /// Tiles.
    pub tiles: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes: of each tile the share that its rows have in its size.
    pub bytes: u64,
}

/// Which rows of which tiles to read, in an order that does not depend on how they were found.
///
/// A plan is always normal: sorted by tile and row, without empty slices, and no two slices touch or overlap.
/// Two selections that choose the same rows therefore give equal plans.
///
/// ```
/// use radio_index::{ReadPlan, TileSlice};
///
/// let plan = ReadPlan::from_iter([
///     TileSlice::new("b.parquet", 128..256),
///     TileSlice::new("a.parquet", 0..4_096),
///     TileSlice::new("b.parquet", 256..300),
/// ]);
/// assert_eq!(plan.rows(), 4_096 + 172);
/// assert_eq!(plan.slices()[1], TileSlice::new("b.parquet", 128..300));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReadPlan {
    slices: Vec<TileSlice>,
    /// What is known of the tiles, by their paths; a plan that was put together by hand need not know anything.
    known: BTreeMap<Arc<str>, PlanTile>,
}

impl ReadPlan {
    /// The slices, sorted by tile and first row.
    #[must_use]
    pub fn slices(&self) -> &[TileSlice] {
        &self.slices
    }

    /// Number of rows in all slices.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.slices.iter().map(TileSlice::len).fold(0, u64::saturating_add)
    }

    /// Number of different tiles.
    #[must_use]
    pub fn tiles(&self) -> usize {
        self.slices.chunk_by(|a, b| a.uri == b.uri).count()
    }

    /// Is there nothing to read?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// What the index knows of a tile; `None` where the plan did not come from one.
    #[must_use]
    pub fn tile(&self, uri: &str) -> Option<&PlanTile> {
        self.known.get(uri)
    }

    /// Adds what is known of tiles.
    #[must_use]
    pub fn with_tiles(mut self, tiles: impl IntoIterator<Item = (Arc<str>, PlanTile)>) -> Self {
        self.known.extend(tiles);
        self
    }

    /// Bytes to read: of each tile the share that its rows have in the size of the file. A tile that nothing is known of
    /// counts nothing.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.nodes()
            .values()
            .map(|share| share.bytes)
            .fold(0, u64::saturating_add)
    }

    /// What each node has to read, by name; tiles that nothing is known of are under the empty name.
    #[must_use]
    pub fn nodes(&self) -> BTreeMap<&str, NodeShare> {
        let mut nodes = BTreeMap::<&str, NodeShare>::new();
        for slices in self.slices.chunk_by(|a, b| a.uri == b.uri) {
            let Some(first) = slices.first() else { continue };
            let tile = self.tile(&first.uri);
            let rows = slices.iter().map(TileSlice::len).fold(0, u64::saturating_add);
            let share = nodes.entry(tile.map_or("", |tile| &tile.node)).or_default();
            share.tiles += 1;
            share.rows = share.rows.saturating_add(rows);
            let bytes = tile.map_or(0, |tile| {
                u128::from(tile.size) * u128::from(rows) / u128::from(tile.rows.max(1))
            });
            share.bytes = share.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        }
        nodes
    }

    /// Sorts by tile and row, drops empty slices, and joins those that touch or overlap.
    fn normalize(&mut self) {
        self.slices.retain(|slice| !slice.is_empty());
        self.slices
            .sort_by(|a, b| (&a.uri, a.rows.start).cmp(&(&b.uri, b.rows.start)));
        self.slices.dedup_by(|next, kept| {
            let joined = next.uri == kept.uri && next.rows.start <= kept.rows.end;
            if joined {
                kept.rows.end = kept.rows.end.max(next.rows.end);
            }
            joined
        });
    }
}

impl Extend<TileSlice> for ReadPlan {
    fn extend<T: IntoIterator<Item = TileSlice>>(&mut self, slices: T) {
        self.slices.extend(slices);
        self.normalize();
    }
}

impl FromIterator<TileSlice> for ReadPlan {
    fn from_iter<T: IntoIterator<Item = TileSlice>>(slices: T) -> Self {
        let mut plan = Self::default();
        plan.extend(slices);
        plan
    }
}

impl IntoIterator for ReadPlan {
    type Item = TileSlice;
    type IntoIter = std::vec::IntoIter<TileSlice>;

    fn into_iter(self) -> Self::IntoIter {
        self.slices.into_iter()
    }
}

impl<'a> IntoIterator for &'a ReadPlan {
    type Item = &'a TileSlice;
    type IntoIter = std::slice::Iter<'a, TileSlice>;

    fn into_iter(self) -> Self::IntoIter {
        self.slices.iter()
    }
}
