//! What to read: tiles and row ranges. This file uses only `std`, so that a reader can depend on it alone.

use std::ops::Range;

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
    uri: String,
    rows: Range<u64>,
}

impl TileSlice {
    /// The rows `rows` (counted from 0 in file order) of the tile at `uri`, a path in the local file system.
    ///
    /// A range that ends before it starts is empty.
    #[must_use]
    pub fn new(uri: impl Into<String>, rows: Range<u64>) -> Self {
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
