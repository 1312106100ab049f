//! Catalogues in HATS folders, which LSDB and its like open, and search by place on the sky.
//!
//! A HATS catalogue is Parquet files, one for a HEALPix pixel (NESTED, of any order), and beside them what says where they are. [`Collection`]
//! writes all of that for leaves that are there; [`leaves`] lists those of a catalogue. Positions are ICRS, in degrees.
//!
//! ```
//! use std::{fs, sync::Arc};
//!
//! use arrow_array::{Float64Array, Int64Array, RecordBatch};
//! use radio_io::{TileWriter, WriteOptions, hats};
//!
//! let pixel = hats::healpix_29(150.1, 2.2).ok_or("no position on the sky")?;
//! let batch = RecordBatch::try_from_iter([
//!     ("_healpix_29", Arc::new(Int64Array::from(vec![pixel])) as _),
//!     ("ra", Arc::new(Float64Array::from(vec![150.1])) as _),
//!     ("dec", Arc::new(Float64Array::from(vec![2.2])) as _),
//! ])?;
//! // The only partition is of order 3.
//! let partition = hats::Partition { order: 3, pixel: (pixel >> 2 * (29 - 3)) as u64, rows: 1 };
//! let folder = tempfile::tempdir()?;
//! let leaf = folder.path().join("survey").join(partition.leaf());
//! fs::create_dir_all(leaf.parent().ok_or("no folder")?)?;
//! let mut writer = TileWriter::create(&leaf, batch.schema(), WriteOptions::default().with_sorted_by("_healpix_29"))?;
//! writer.write(&batch)?;
//! writer.finish()?;
//!
//! let report = hats::Collection::new("survey").with_margin_arcsec(10.0).finish(folder.path(), &[partition])?;
//! assert_eq!((report.rows, report.margins[0].rows), (1, 0));
//! assert_eq!(hats::leaves(folder.path())?, [(partition, leaf)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # References
//!
//! HATS 1.0 (2025-08-22); VOParquet 1.0 for units and UCDs. Tested with hats and lsdb 0.11.1.

mod collection;
mod cover;
mod footer;
mod leaf;
mod leaves;
mod map;
mod margin;
mod properties;
mod scan;
pub(crate) mod votable;

use std::cmp::Ordering;
use std::fs;
use std::io::Write;
use std::path::Path;

pub use collection::{Collection, Margin, Report};
pub use leaves::leaves;
pub(crate) use votable::votable;

use crate::error::io;
pub(crate) use crate::sky::DEEPEST;
use crate::write::{Part, WriteOptions};
use crate::{Error, Result, sky};

/// The column of the pixel of order 29 that a row lies in.
pub(crate) const HEALPIX_29: &str = "_healpix_29";

/// One leaf of a catalogue: a HEALPix pixel with all of its rows.
///
/// Partitions are in the order in which the sky's nested curve passes them, whatever their orders are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    /// The pixel's order, 0 to 29: there are 12 · 4^order pixels.
    pub order: u8,
    /// The pixel's number, NESTED.
    pub pixel: u64,
    /// Rows in it.
    pub rows: u64,
}

impl Partition {
    /// The leaf's place in the catalogue's folder: `dataset/Norder=K/Dir=D/Npix=N.parquet`.
    ///
    /// ```
    /// use radio_io::hats::Partition;
    ///
    /// let partition = Partition { order: 7, pixel: 123_456, rows: 1 };
    /// assert_eq!(partition.leaf(), "dataset/Norder=7/Dir=120000/Npix=123456.parquet");
    /// ```
    pub fn leaf(&self) -> String {
        format!("dataset/{}", self.file())
    }

    /// Its file below the folder of all leaves: `Norder=K/Dir=D/Npix=N.parquet`.
    #[must_use]
    pub fn file(&self) -> String {
        let folder = self.pixel / 10_000 * 10_000;
        format!("Norder={}/Dir={folder}/Npix={}.parquet", self.order, self.pixel)
    }

    fn is_on_sky(&self) -> bool {
        self.order <= DEEPEST && self.pixel < 12 << (2 * self.order)
    }

    /// Its first pixel of order 29.
    fn start(&self) -> u64 {
        self.pixel << self.shift()
    }

    /// The last one and one.
    pub(crate) fn end(&self) -> u64 {
        (self.pixel + 1) << self.shift()
    }

    /// Bits between its order and order 29.
    fn shift(&self) -> u8 {
        2 * DEEPEST.saturating_sub(self.order)
    }
}

impl Ord for Partition {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |partition: &Self| (partition.start(), partition.order, partition.pixel, partition.rows);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Partition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The HEALPix pixel of order 29 (NESTED) of a position: the value of the column `_healpix_29`, and shifted right by 2 · (29 − order) that of any
/// order.
///
/// `ra` and `dec` are in degrees, ICRS. Of positions that are kept as float32, those values have to be hashed, not more exact ones. `None` where
/// one of them is not finite, or `dec` is beyond a pole; `ra` may be any.
///
/// ```
/// use radio_io::hats::healpix_29;
///
/// assert_eq!(healpix_29(-1.0, 5.0), healpix_29(359.0, 5.0));
/// assert_eq!(healpix_29(0.0, 90.1), None);
/// ```
pub fn healpix_29(ra: f64, dec: f64) -> Option<i64> {
    i64::try_from(sky::pixel(DEEPEST, ra, dec)?).ok()
}

/// Writes a small file; it appears when it is complete.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let (part, mut file) = Part::create(path)?;
    file.write_all(bytes).map_err(io(path))?;
    part.complete(&file)?;
    Ok(())
}

fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(io(path))
}

/// How a leaf is written.
fn sorted(options: &WriteOptions) -> WriteOptions {
    options.clone().with_sorted_by(HEALPIX_29)
}

fn catalogue(path: &Path, reason: impl Into<String>) -> Error {
    Error::Catalogue {
        path: path.to_owned(),
        reason: reason.into(),
    }
}
