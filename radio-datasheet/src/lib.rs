//! A datasheet for a survey data set: Markdown from counted figures and the survey's own words.
//!
//! The seven sections are those of *Datasheets for Datasets* (Gebru2021). What an index has counted is stated as
//! figures, each with its source; what only people know comes from an answers file; what nobody answered is listed.
//!
//! ```
//! use radio_datasheet::{Answers, Datasheet, Summary};
//!
//! let mut summary = Summary::default(); // or from an index
//! summary.tiles.rows = 6_400_000;
//! let answers = Answers::from_toml("title = 'A patch of galaxies'\n[uses]\npast = 'Nothing yet.'")?;
//!
//! let folder = tempfile::tempdir()?;
//! let path = Datasheet::new(&summary, &answers).fact("Tokenizer", "patch = 32").write(folder.path())?;
//! let text = std::fs::read_to_string(path)?;
//! assert!(text.contains("| rows | 6,400,000 | footer |"));
//! assert!(text.contains("> Nothing yet."));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What stays when it is written again
//!
//! Generated text stands in blocks between the comments `<!-- radio:begin NAME HASH -->` and
//! `<!-- radio:end NAME -->`. Text outside of the blocks is yours and is kept to the byte. The hash shows whether a
//! block was edited by hand: then nothing is written and [`Error::Edited`] names the block, so that no edit is lost
//! and no figure is wrong in silence.
//!
//! # It cannot drift in silence
//!
//! [`check`] compares everything that a written datasheet states with what an index counts now, and names file, line and
//! figure of each difference. [`diff`] tells what changed between two datasheets. Beside `DATA_README.md` the same is written
//! for programs ([`Document`]): `datasheet.json` with a JSON Schema, and `croissant.json`, by which loaders of data sets
//! find tiles and columns.
//!
//! # Names are data, not markup
//!
//! Names of columns, classes, runs and programs come from files. They are escaped wherever they stand, so none can end
//! a table cell, open a tag or forge a block. Answers are Markdown and stand as quotes.
//!
//! # What it is not
//!
//! It counts nothing: every figure is in the [`Summary`] it is given. It reads no data file and
//! no database. It does not publish anything.
//!
//! # References
//!
//! - Gebru2021: Gebru et al. 2021, *Datasheets for Datasets*, Communications of the ACM 64(12), 86–92,
//!   [doi:10.1145/3458723](https://doi.org/10.1145/3458723). The questions here are worded anew.

mod answers;
mod blocks;
mod check;
mod context;
mod croissant;
mod datasheet;
mod diff;
mod document;
mod error;
mod figures;
mod files;
mod format;
mod markdown;
mod questions;
mod template;

pub use answers::Answers;
pub use check::{Difference, Report, check};
pub use datasheet::Datasheet;
pub use diff::{Changes, Distribution, diff};
pub use document::{Document, Setting};
pub use error::{Error, Result};
pub use figures::Figure;
/// The summary of radio-index, in the version that is in the signatures here.
pub use radio_index::Summary;
