//! A mock survey: tiles of made-up spectra that look like DESI's, for examples, tests and benches.
//!
//! ```
//! use radio_io::mock::Mock;
//!
//! let dir = std::env::temp_dir().join(format!("radio-io-mock-{}", std::process::id()));
//! let report = Mock::new(20).seed(7).write(&dir, |_rows_done| {})?;
//! assert_eq!(report.rows, 20);
//! assert_eq!(report.plan.rows(), 20);
//! # std::fs::remove_dir_all(&dir).ok();
//! # Ok::<(), radio_io::Error>(())
//! ```
//!
//! Galaxies, quasars and stars lie on a round patch of sky around right ascension 0°, declination 19.5°, at DESI's surface
//! density; most galaxies are in clusters with Fingers of God. Each has a continuum with breaks and absorption lines,
//! emission lines with the ratios of real nebulae, and noise: what the sky, the object and the detectors add, so
//! `(flux − truth) · sqrt(ivar)` is normal with mean 0 and variance 1. Some pixels are masked, 2 % of the rows are dead
//! fibres, 1 % look at blank sky, and a few redshifts are wrong and say so.
//!
//! It is good for testing software and for practising. It is no model of galaxy evolution: nothing that one measures in
//! it is a result about the Universe.
//!
//! # References
//!
//! The sources of each ingredient stand beside it in the code. The main ones are DESI Collaboration 2016
//! (arXiv:1611.00036) for the instrument and the target classes, Vanden Berk et al. 2001 (AJ 122, 549) for quasars,
//! Kewley et al. 2013 (ApJ 774, L10) and Osterbrock & Ferland 2006 for nebulae.

mod dice;
mod instrument;
mod lines;
mod object;
mod redshift;
mod sky;
mod target;
mod template;
mod tile;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::{Error, ReadPlan, Result, TileSlice};
use target::{Light, Target, draw_targets};
use tile::TileMaker;

/// HEALPix order of the tiles: nside 64, DESI's choice.
const TILE_ORDER: u8 = 6;
/// Part of the fibres that are dead, and that look at blank sky.
const DEAD_FRACTION: f64 = 0.02;
const SKY_FRACTION: f64 = 0.01;
/// Ten terabytes.
const MOST_SPECTRA: usize = 100_000_000;

/// A seeded mock survey, to be written as Parquet tiles.
///
/// What is written depends on the number of spectra and the seed, and on nothing else: not on the number of threads, nor
/// on earlier runs. Another version of this crate may write other spectra, and so may another platform, in the last
/// digits.
#[derive(Clone, Debug)]
#[must_use = "nothing is written before `write`"]
pub struct Mock {
    spectra: usize,
    seed: u64,
}

impl Mock {
    /// A survey of this many rows, dead fibres and blank sky included.
    pub fn new(spectra: usize) -> Self {
        Self { spectra, seed: 0 }
    }

    /// Another seed is another survey. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Writes one tile per HEALPix pixel of order 6 (NESTED) that has targets, `dir/tile-<pixel>.parquet`.
    ///
    /// Tiles are in the flat dialect, as DESI's: key columns with statistics, `flux`, `ivar` and `mask` as lists of 7781
    /// values, the wavelength grid in the file's metadata; rows sorted by `targetid`; Snappy. The entry `mock` of the
    /// metadata says that they are not real. Flux is in 1e-17 erg/(s cm² Å), wavelengths are in vacuum.
    ///
    /// `dir` is created where it does not exist. A tile of the same name is replaced, other files stay. A tile appears
    /// when it is complete and on disk; after an error or a crash there may be some, but none is cut off. What a killed
    /// process was writing stays as `tile-<pixel>.parquet.<process>-<number>.part`, which nothing reads.
    ///
    /// `progress` is called after each tile with the number of rows written so far, from any thread, one at a time.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] if there are more than 100 million spectra, [`Error::Io`] and [`Error::Write`] if the disk
    /// refuses.
    ///
    /// # Complexity
    ///
    /// About 0.3 ms of one core and 62 kB on disk per spectrum. Tiles are made in parallel on rayon's current pool; memory
    /// is about 70 MB per thread, and 150 bytes per spectrum.
    pub fn write(&self, dir: impl AsRef<Path>, progress: impl FnMut(u64) + Send) -> Result<MockReport> {
        let dir = dir.as_ref();
        if self.spectra > MOST_SPECTRA {
            return Err(Error::option(
                "spectra",
                self.spectra,
                format!("at most {MOST_SPECTRA}"),
            ));
        }
        fs::create_dir_all(dir).map_err(|source| Error::Io {
            path: dir.to_path_buf(),
            source,
        })?;

        let targets = draw_targets(self.spectra, self.seed);
        let tiles: Vec<&[Target]> = targets.chunk_by(|a, b| a.pixel == b.pixel).collect();
        let maker = TileMaker::new(self.seed);
        let progress = Mutex::new((0, progress));
        let sizes = tiles
            .par_iter()
            .with_max_len(1)
            .map(|tile| {
                let size = maker.write(&path(dir, tile), tile)?;
                // Rows are counted under the lock, so that the numbers only grow.
                let mut guard = progress.lock().unwrap_or_else(PoisonError::into_inner);
                let (done, report) = &mut *guard;
                *done += tile.len() as u64;
                report(*done);
                Ok(size)
            })
            .collect::<Result<Vec<u64>>>()?;

        let count = |light: Light| targets.iter().filter(|target| target.light == light).count() as u64;
        Ok(MockReport {
            tiles: tiles.len(),
            rows: targets.len() as u64,
            bytes: sizes.iter().sum(),
            plan: tiles.iter().map(|tile| slice(dir, tile)).collect(),
            pixels: tiles.iter().map(|tile| tile[0].pixel).collect(),
            dead: count(Light::Dead),
            sky: count(Light::Sky),
        })
    }
}

/// Where the targets of one pixel go.
fn path(dir: &Path, targets: &[Target]) -> PathBuf {
    dir.join(format!("tile-{}.parquet", targets[0].pixel))
}

fn slice(dir: &Path, targets: &[Target]) -> TileSlice {
    TileSlice::new(path(dir, targets).to_string_lossy(), 0..targets.len() as u64)
}

/// What [`Mock::write`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MockReport {
    /// Tiles.
    pub tiles: usize,
    /// Rows in all tiles.
    pub rows: u64,
    /// Size of all tiles on disk.
    pub bytes: u64,
    /// All rows of all tiles, ready to be read.
    pub plan: ReadPlan,
    /// The HEALPix pixel of each tile (order 6, NESTED), ascending.
    pub pixels: Vec<u64>,
    /// Rows of dead fibres: a negative `targetid`, `ivar` 0 everywhere, no redshift.
    pub dead: u64,
    /// Rows of blank sky: noise only, no redshift.
    pub sky: u64,
}
