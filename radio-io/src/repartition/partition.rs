//! Which pixels of the sky become tiles.

use super::keys::Key;
use crate::hats::{DEEPEST, Partition};

/// How rows are divided into tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Partitioning {
    /// A tile for each HEALPix pixel of this order (NESTED) that has a row. DESI's pixels have order 6.
    Order(u8),
    /// Pixels as large as they can be with at most so many rows, as HATS has them, but none smaller than those of order `deepest`.
    Rows {
        /// Most rows of a tile.
        most: u64,
        /// HEALPix order of the smallest pixels; a crowded one of these may have more rows.
        deepest: u8,
    },
}

impl Default for Partitioning {
    fn default() -> Self {
        Self::Order(6)
    }
}

impl Partitioning {
    pub(super) fn deepest(self) -> u8 {
        match self {
            Self::Order(order) => order,
            Self::Rows { deepest, .. } => deepest,
        }
    }
}

/// The tiles of these pixels of order 29, which ascend; the tiles ascend, too.
pub(super) fn partition(pixels: &[i64], partitioning: Partitioning) -> Vec<Partition> {
    let mut tiles = Vec::new();
    match partitioning {
        Partitioning::Order(order) => {
            let of = |pixel: i64| pixel >> (2 * (DEEPEST - order));
            for rows in pixels.chunk_by(|&a, &b| of(a) == of(b)) {
                tiles.push(Partition {
                    order,
                    pixel: of(rows[0]) as u64,
                    rows: rows.len() as u64,
                });
            }
        }
        Partitioning::Rows { most, deepest } => {
            (0..12).for_each(|pixel| divide(pixels, (0, pixel), most, deepest, &mut tiles));
        }
    }
    tiles
}

fn divide(pixels: &[i64], (order, pixel): (u8, u64), most: u64, deepest: u8, tiles: &mut Vec<Partition>) {
    let shift = 2 * (DEEPEST - order);
    let within = |pixel: u64| pixels.partition_point(|&at| at < (pixel << shift) as i64);
    let pixels = &pixels[within(pixel)..within(pixel + 1)];
    let rows = pixels.len() as u64;
    if rows == 0 {
        return;
    }
    if rows <= most || order >= deepest {
        tiles.push(Partition { order, pixel, rows });
        return;
    }
    (0..4).for_each(|child| divide(pixels, (order + 1, 4 * pixel + child), most, deepest, tiles));
}

/// Where a row goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of the tile; the number of all tiles where the row is in none.
    pub(super) tile: u32,
    /// Its row there.
    pub(super) row: u32,
}

/// The places of the rows of all inputs, one after the other. In a tile rows are sorted by pixel of order 29 and id if `by_pixel`, otherwise by id; those
/// that are equal stay in their order.
pub(super) fn places(keys: &[Key], tiles: &[Partition], by_pixel: bool) -> Vec<Place> {
    let nowhere = Place {
        tile: tiles.len() as u32,
        row: 0,
    };
    let mut places = vec![nowhere; keys.len()];
    let mut rows: Vec<(u32, i64, i64, u32)> = Vec::with_capacity(keys.len());
    for (number, key) in keys.iter().enumerate() {
        if let Some(pixel) = key.pixel {
            let tile = tiles.partition_point(|tile| tile.end() <= pixel as u64) as u32;
            rows.push((tile, if by_pixel { pixel } else { 0 }, key.id, number as u32));
        }
    }
    rayon::slice::ParallelSliceMut::par_sort_unstable(&mut rows[..]);
    for of_tile in rows.chunk_by(|a, b| a.0 == b.0) {
        for (row, &(tile, .., number)) in of_tile.iter().enumerate() {
            places[number as usize] = Place { tile, row: row as u32 };
        }
    }
    places
}

/// The rows of tiles in the order in which the inputs have them: of each row of a tile its row there, tile after tile.
#[derive(Debug)]
pub(super) struct Arrivals {
    starts: Vec<usize>,
    rows: Vec<u32>,
}

impl Arrivals {
    pub(super) fn new(places: &[Place], tiles: &[Partition]) -> Self {
        let mut end = 0;
        let ends = tiles.iter().map(|tile| {
            end += tile.rows as usize;
            end
        });
        let starts: Vec<usize> = std::iter::once(0).chain(ends).collect();
        let (mut next, mut rows) = (starts.clone(), vec![0; starts.last().copied().unwrap_or_default()]);
        for place in places.iter().filter(|place| (place.tile as usize) < tiles.len()) {
            let at = &mut next[place.tile as usize];
            rows[*at] = place.row;
            *at += 1;
        }
        Self { starts, rows }
    }

    pub(super) fn of(&self, tile: usize) -> &[u32] {
        &self.rows[self.starts[tile]..self.starts[tile + 1]]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every row is in one tile, tiles do not overlap, none is too full, and none could be larger.
        #[test]
        fn tiles_cover_all_rows(mut pixels in prop::collection::vec(0i64..12 << 58, 1..200), crowd in 0i64..12 << 58, most in 1u64..20, deepest in 0u8..12) {
            pixels.extend((0..30).map(|i| (crowd + i).min((12 << 58) - 1)));
            pixels.sort_unstable();
            for partitioning in [Partitioning::Order(deepest), Partitioning::Rows { most, deepest }] {
                let tiles = partition(&pixels, partitioning);
                let mut end = 0;
                for tile in &tiles {
                    let start = (tile.pixel << (2 * (DEEPEST - tile.order))) as i64;
                    prop_assert!(start >= end);
                    end = tile.end() as i64;
                    let rows = pixels.iter().filter(|&&pixel| start <= pixel && pixel < end).count() as u64;
                    prop_assert_eq!(rows, tile.rows);
                    prop_assert!(rows > 0);
                }
                prop_assert_eq!(tiles.iter().map(|tile| tile.rows).sum::<u64>(), pixels.len() as u64);
                if let Partitioning::Rows { .. } = partitioning {
                    for tile in &tiles {
                        prop_assert!(tile.rows <= most || tile.order == deepest);
                        if tile.order > 0 {
                            let parent = tile.pixel >> 2;
                            let shift = 2 * (DEEPEST - tile.order + 1);
                            let of_parent = pixels.iter().filter(|&&pixel| (pixel >> shift) as u64 == parent).count() as u64;
                            prop_assert!(of_parent > most, "{tile:?} could be larger");
                        }
                    }
                }
            }
        }
    }
}
