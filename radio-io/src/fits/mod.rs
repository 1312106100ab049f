//! Spectra and catalogues out of FITS files: DESI coadds, exposures, redshifts and catalogues, SDSS spectra.
//!
//! ```
//! use radio_io::fits::FitsFile;
//!
//! // The smallest FITS file there is: a header without data.
//! let cards = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0", "END"];
//! let mut header: String = cards.iter().map(|card| format!("{card:80}")).collect();
//! header += &" ".repeat(2880 - header.len());
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("small.fits");
//! std::fs::write(&path, header)?;
//!
//! let file = FitsFile::open(&path)?;
//! assert_eq!(file.hdus().len(), 1);
//! assert_eq!(file.hdus()[0].name(), "PRIMARY");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`spectra`] and [`catalogue`] give record batches with the columns of tiles, ready for a Parquet writer; [`FitsFile`] gives
//! any image and table of a file.
//!
//! # What is read
//!
//! FITS 4.0: HDUs by their names in whatever order they are, headers with `CONTINUE`; images of every `BITPIX` with `BSCALE`,
//! `BZERO` and `BLANK`; binary tables of logicals, bits, integers, floats and strings with `TSCAL`, `TZERO` and `TNULL`;
//! tile-compressed images (`RICE_1`, `GZIP_1`, `GZIP_2`), with floats quantized or not, dithered or not; `.fits.gz`. Not read:
//! ASCII tables, columns of complex numbers and of variable length, `HCOMPRESS_1` and `PLIO_1`.
//!
//! # Why a reader of its own
//!
//! A file that was damaged on its way must be an error that says where, and must not cost more memory than its size justifies.
//! fitsio 0.21 brings CFITSIO, which is proven, but is C that needs a build system of its own; it was not tried. Of two in pure
//! Rust, in November 2026, fitsio-pure 0.25 ended the program on a header with a huge `NAXIS` (it asks for 8 EB of memory), and
//! fitsrs 0.4, which gives pixels one by one, was not through 400 damaged copies of one SDSS file after 100 s, where the sound
//! one takes 0.3 ms. What is needed here is about as long as what would have to be wrapped around a library.
//!
//! Sizes that headers declare are compared with the length of the file before anything is allocated. Files are read, not
//! mapped, since a mapped file that is cut off ends the program.

mod batches;
mod column;
mod desi;
mod file;
mod header;
mod image;
mod keys;
mod options;
mod quantized;
mod rice;
mod sdss;
mod source;
mod table;
mod tiles;

pub use batches::{Batches, catalogue, spectra};
pub use file::{FitsFile, Hdu, HduKind};
pub use image::Pixel;
pub use options::{FitsOptions, Redshifts};
