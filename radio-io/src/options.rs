use std::num::{NonZeroU64, NonZeroUsize};

use crate::Runtime;

/// In which order rows are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shuffle {
    /// The order of the plan.
    #[default]
    None,
    /// Pieces of tiles in random order; the rows of neighbouring pieces mixed in a window of at least this many rows.
    ///
    /// The rows of a window are in memory together. More of them mix better: 2,048 rows of DESI are 190 MB.
    Window {
        /// Rows in a window.
        rows: NonZeroUsize,
    },
    /// All rows of the plan in an order that spans all of it: each batch is a sample of the whole.
    ///
    /// Rows are read one by one, so this suits tiles whose rows can be found without decoding their neighbours: uncompressed ones,
    /// and those where Snappy stored noise as it is. Of others each page is decoded for each of its rows, which takes
    /// many times as long. The footers, ids and further columns of all tiles stay in memory, some 20 kB a tile.
    Global,
}

impl Shuffle {
    /// A window of 2,048 rows.
    #[must_use]
    pub fn window() -> Self {
        Self::Window {
            rows: const { NonZeroUsize::new(2_048).unwrap() },
        }
    }

    /// The largest window whose spectra, of so many pixels (flux, ivar and mask, 12 bytes each), fit in so many bytes. A reader has
    /// half as many bytes again in batches that wait.
    ///
    /// ```
    /// use radio_io::Shuffle;
    ///
    /// assert_eq!(Shuffle::window_of(1 << 30, 7781), Shuffle::Window { rows: 11_499.try_into()? });
    /// # Ok::<(), std::num::TryFromIntError>(())
    /// ```
    #[must_use]
    pub fn window_of(bytes: u64, pixels: usize) -> Self {
        let row = (pixels as u64).saturating_mul(12).max(1);
        let rows = usize::try_from(bytes / row).unwrap_or(usize::MAX);
        Self::Window {
            rows: NonZeroUsize::new(rows).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// What becomes of a pass when a tile turns out to be bad: not there, damaged, without a column, or with values that cannot
/// be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadTiles {
    /// The pass ends with the error.
    #[default]
    Fail,
    /// The rows that cannot be read are left out of their batches, and listed in [`Reader::skipped`](crate::Reader::skipped). All
    /// other rows stay where they are, so that passes can be resumed and ranks keep step. A batch of which nothing is left is
    /// given, empty, so that those who count batches count as [`State::batch`](crate::State::batch) does; but none is given by a
    /// reader that finds no row at all.
    Skip,
}

/// Where the parts of a spectrum are in a tile, as dotted paths.
///
/// Each field lists the accepted names in the order of preference; the first that a tile has is taken. With the
/// defaults all three of these are read:
/// - *flat* tiles: `flux`, `ivar` and `mask` as lists of one length, and one wavelength grid in the file's metadata, as
///   JSON under the key `wavelength`: `{"start": 3600.0, "step": 0.8, "n": 7781}`, in Å;
/// - *struct* tiles: `spectrum.flux`, `spectrum.ivar`, `spectrum.mask` and `spectrum.lambda` as lists of any length, a
///   grid for every row (Multimodal Universe, HATS);
/// - tiles of *arms*: `B_WAVELENGTH`, `B_FLUX`, `B_IVAR` and `B_MASK`, and so on for `R` and `Z`. They are joined on reading: in the
///   overlaps flux is the mean weighted by inverse variance, masks are OR'd and cleared where the joined inverse variance is
///   above 0 (for DESI 7781 pixels from 3600 Å, as its coaddition over cameras makes them). The grid is that of
///   the first row; a row with another one is an error.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SpectrumColumns {
    /// Linkage key: an integer, or a string of digits. Default: `targetid`, `TARGETID`, `object_id`.
    pub id: Vec<String>,
    /// Flux, in the unit of the tile. Default: `flux`, `FLUX`, `spectrum.flux`.
    pub flux: Vec<String>,
    /// Inverse variance of the flux. Default: `ivar`, `IVAR`, `spectrum.ivar`.
    pub ivar: Vec<String>,
    /// Mask: bits, or a boolean; anything but 0 is bad. Optional. Default: `mask`, `MASK`, `spectrum.mask`.
    pub mask: Vec<String>,
    /// Wavelength, where every row has its own grid. Default: `wavelength`, `WAVELENGTH`, `lambda`,
    /// `spectrum.wavelength`, `spectrum.lambda`.
    pub wavelength: Vec<String>,
    /// Arms, blue to red, where a tile has none of the columns of a flux. Default: `B`, `R`, `Z`.
    pub arms: Vec<String>,
}

impl Default for SpectrumColumns {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            id: names(&["targetid", "TARGETID", "object_id"]),
            flux: names(&["flux", "FLUX", "spectrum.flux"]),
            ivar: names(&["ivar", "IVAR", "spectrum.ivar"]),
            mask: names(&["mask", "MASK", "spectrum.mask"]),
            wavelength: names(&[
                "wavelength",
                "WAVELENGTH",
                "lambda",
                "spectrum.wavelength",
                "spectrum.lambda",
            ]),
            arms: names(&["B", "R", "Z"]),
        }
    }
}

/// What to read, in which order and how far ahead.
///
/// ```
/// use radio_io::{ReadOptions, Shuffle};
///
/// let options = ReadOptions::default().with_shuffle(Shuffle::window()).with_seed(7).with_columns(["z"]);
/// assert_eq!(options.batch_rows.get(), 256);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Rows of a batch; the last one may have fewer. Default: 256.
    pub batch_rows: NonZeroUsize,
    /// Leaves out the last batch if it is short. Default: `false`.
    pub drop_last: bool,
    /// Order of the rows. Default: [`Shuffle::None`].
    pub shuffle: Shuffle,
    /// Seed of the shuffle. Default: 0.
    pub seed: u64,
    /// Which pass over the data this is: every epoch has its own order. Default: 0.
    pub epoch: u64,
    /// Which of the processes that share the plan this is, from 0. Default: 0.
    pub rank: u64,
    /// How many processes share the plan. Each reads other rows, and all have the same number of batches: at most `world - 1`
    /// rows are read by none. Default: 1.
    pub world: NonZeroU64,
    /// Batches that are kept ready ahead of the consumer, as far as the memory goes that the
    /// [`Resources`](crate::Resources) give. Default: 10.
    pub prefetch: NonZeroUsize,
    /// What becomes of a pass when a tile turns out to be bad. Default: [`BadTiles::Fail`].
    pub bad_tiles: BadTiles,
    /// Further columns to pass through as they are, by their name at the top level of the tile. Default: none.
    pub columns: Vec<String>,
    /// Where the parts of a spectrum are. Default: DESI's names and their usual aliases.
    pub spectrum: SpectrumColumns,
    /// What decodes, and with how much of the machine. Default: one thread a CPU, shared by all readers that have no other.
    pub runtime: Option<Runtime>,
    /// The object store that the paths of the plan are in. Default: none, they are in the local file system.
    #[cfg(feature = "object-store")]
    pub store: Option<crate::Store>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            batch_rows: const { NonZeroUsize::new(256).unwrap() },
            drop_last: false,
            shuffle: Shuffle::None,
            seed: 0,
            epoch: 0,
            rank: 0,
            world: NonZeroU64::MIN,
            prefetch: const { NonZeroUsize::new(10).unwrap() },
            bad_tiles: BadTiles::Fail,
            columns: Vec::new(),
            spectrum: SpectrumColumns::default(),
            runtime: None,
            #[cfg(feature = "object-store")]
            store: None,
        }
    }
}

impl ReadOptions {
    /// Sets the rows of a batch.
    #[must_use]
    pub fn with_batch_rows(mut self, rows: NonZeroUsize) -> Self {
        self.batch_rows = rows;
        self
    }

    /// Leaves out the last batch if it is short, so that all have the same shape.
    #[must_use]
    pub fn with_drop_last(mut self) -> Self {
        self.drop_last = true;
        self
    }

    /// Sets the order of the rows.
    #[must_use]
    pub fn with_shuffle(mut self, shuffle: Shuffle) -> Self {
        self.shuffle = shuffle;
        self
    }

    /// Sets the seed of the shuffle.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the pass over the data.
    #[must_use]
    pub fn with_epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }

    /// Reads the share of one of `world` processes, `rank` counting from 0.
    #[must_use]
    pub fn with_rank(mut self, rank: u64, world: NonZeroU64) -> Self {
        (self.rank, self.world) = (rank, world);
        self
    }

    /// Sets how many batches are kept ready.
    #[must_use]
    pub fn with_prefetch(mut self, batches: NonZeroUsize) -> Self {
        self.prefetch = batches;
        self
    }

    /// Says what becomes of a pass when a tile turns out to be bad.
    #[must_use]
    pub fn with_bad_tiles(mut self, bad_tiles: BadTiles) -> Self {
        self.bad_tiles = bad_tiles;
        self
    }

    /// Passes further columns through.
    #[must_use]
    pub fn with_columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Says where the parts of a spectrum are.
    #[must_use]
    pub fn with_spectrum(mut self, spectrum: SpectrumColumns) -> Self {
        self.spectrum = spectrum;
        self
    }

    /// Says what decodes, and with how much of the machine.
    #[must_use]
    pub fn with_runtime(mut self, runtime: &Runtime) -> Self {
        self.runtime = Some(runtime.clone());
        self
    }

    /// Reads from an object store, where the paths of the plan are.
    #[cfg(feature = "object-store")]
    #[must_use]
    pub fn with_store(mut self, store: &crate::Store) -> Self {
        self.store = Some(store.clone());
        self
    }
}
