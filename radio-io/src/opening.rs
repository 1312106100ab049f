//! Pieces on their way into memory: all of their rows but the matrices, and where those are.

use std::sync::Arc;

use arrow_array::RecordBatch;
use radio_index::ReadPlan;

use crate::cache::{self, Block, Cache, Found};
use crate::decode::Part;
use crate::grid::Grid;
use crate::metrics::Counters;
use crate::order::{Piece, Window};
use crate::ring::Ring;
use crate::tile::{Tile, Tiles};
use crate::{Error, ReadOptions, Result, Runtime, Shuffle};

/// Opens pieces, out of the cache or their tiles.
pub(crate) struct Opener {
    options: ReadOptions,
    runtime: Runtime,
    tiles: Tiles,
    cache_key: String,
    ring: Arc<Ring>,
    counters: Arc<Counters>,
}

/// A piece that is being read.
pub(crate) struct Opened {
    pub(crate) origin: Origin,
    /// Its rows that are wanted: their places in the piece, ascending, and their numbers in the file.
    pub(crate) wanted: Wanted,
    /// All of these but their matrices.
    pub(crate) rows: RecordBatch,
    /// Where each wanted row is in `rows`; none where they are the same ones.
    places: Option<Vec<usize>>,
}

/// Where the matrices of a piece are.
pub(crate) enum Origin {
    Tile(Arc<Tile>),
    Cache(Arc<Block>),
}

/// Rows of a piece: their places in it, ascending, and their numbers in the file.
#[derive(Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) places: Vec<usize>,
    numbers: Vec<u64>,
}

impl Opener {
    pub(crate) fn new(
        plan: Arc<ReadPlan>,
        options: ReadOptions,
        runtime: Runtime,
        ring: Arc<Ring>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            tiles: Tiles::new(plan, options.clone()),
            cache_key: cache::key_of(&options),
            options,
            runtime,
            ring,
            counters,
        }
    }

    /// Reads all of the wanted rows of a piece but their matrices.
    pub(crate) fn open(&self, piece: &Piece, wanted: Wanted) -> Result<Opened> {
        if let Some(cache) = self.runtime.cache()
            && let Some(block) = self.cached(cache, piece, &wanted)?
            && let Some(places) = wanted.numbers.iter().map(|row| block.find(*row)).collect()
        {
            return Ok(Opened {
                places: Some(places),
                rows: block.rows.clone(),
                wanted,
                origin: Origin::Cache(block),
            });
        }
        self.read(piece, wanted)
    }

    /// The block of a cache that has the rows of a piece; `None` where they have to be read from their tile.
    fn cached(&self, cache: &Cache, piece: &Piece, wanted: &Wanted) -> Result<Option<Arc<Block>>> {
        let stamp = self.tiles.stamp(&piece.uri)?;
        let in_block = cache::Wanted::new(&self.cache_key, &piece.uri, stamp, &wanted.numbers);
        if let Found::All(block) = cache.find(&in_block) {
            self.counters.rows_from_cache(wanted.numbers.len() as u64);
            return Ok(Some(block));
        }
        let planned = self.tiles.planned(&piece.uri, in_block.block());
        let tile = self.tiles.get(&piece.uri)?;
        let changed = || Error::Changed {
            path: tile.source.path().to_owned(),
        };
        // It may have been opened before another one came in its place, which the cache would take it for.
        if tile.source.file.stamp != stamp {
            return Err(changed());
        }
        let read = |numbers: &[u64]| {
            let rows = tile.read_whole(numbers, &self.options, &self.ring)?;
            if self.tiles.stamp_now(&piece.uri)? == stamp {
                Ok(rows)
            } else {
                Err(changed())
            }
        };
        // Where a row of another piece is bad, only that piece has to know.
        let filled = cache.fill(&in_block, &planned, tile.source.row_bytes(), read);
        Ok(filled.unwrap_or_default())
    }

    /// Of a tile.
    fn read(&self, piece: &Piece, wanted: Wanted) -> Result<Opened> {
        let tile = self.tiles.get(&piece.uri)?;
        if self.options.shuffle == Shuffle::Global && tile.columns.grid().is_some() {
            // A tile comes up again and again.
            let kept = self.tiles.kept(&piece.uri, &tile)?;
            let places = wanted.numbers.iter().map(|row| kept.numbers.binary_search(row));
            return Ok(Opened {
                places: places.collect::<Result<_, _>>().ok(),
                rows: kept.rows.clone(),
                wanted,
                origin: Origin::Tile(tile),
            });
        }
        Ok(Opened {
            rows: tile.read(&wanted.numbers, &self.options)?,
            places: None,
            wanted,
            origin: Origin::Tile(tile),
        })
    }
}

/// Of each piece, the rows that are wanted.
pub(crate) fn wanted(window: &Window) -> Vec<Wanted> {
    let mut wanted = vec![Wanted::default(); window.pieces.len()];
    for &(piece, row) in &window.order {
        wanted[piece].places.push(row);
    }
    for (wanted, piece) in wanted.iter_mut().zip(&window.pieces) {
        wanted.places.sort_unstable();
        let mut places = wanted.places.iter().peekable();
        let numbers = piece.numbers().enumerate();
        wanted.numbers = numbers
            .filter_map(|(place, number)| places.next_if_eq(&&place).map(|_| number))
            .collect();
    }
    wanted
}

impl Wanted {
    /// Which of the wanted rows is at this place of the piece?
    fn find(&self, place: usize) -> Option<usize> {
        self.places.binary_search(&place).ok()
    }

    /// Number in the file of the row at this place of the piece.
    pub(crate) fn number(&self, place: usize) -> Option<u64> {
        self.numbers.get(self.find(place)?).copied()
    }
}

impl Opened {
    pub(crate) fn has_mask(&self) -> bool {
        match &self.origin {
            Origin::Tile(tile) => tile.has_mask(),
            Origin::Cache(block) => block.parts[Part::Mask as usize].is_some(),
        }
    }

    pub(crate) fn grid(&self) -> Option<&Grid> {
        match &self.origin {
            Origin::Tile(tile) => tile.columns.grid(),
            Origin::Cache(block) => block.grid.as_ref(),
        }
    }

    /// Where in `rows` the row is that has this place in the piece.
    pub(crate) fn find(&self, place: usize) -> Option<usize> {
        let found = self.wanted.find(place)?;
        self.places
            .as_ref()
            .map_or(Some(found), |places| places.get(found).copied())
    }
}
