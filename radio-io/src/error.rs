use std::error::Error as StdError;
use std::path::{Path, PathBuf};

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why nothing could be read or written, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system, or the operating system, refused.
    #[error("could not use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not Parquet, is truncated, or is damaged.
    #[error("{}: not a readable Parquet tile; is it complete?", path.display())]
    Tile {
        /// The tile.
        path: PathBuf,
        /// What the decoder said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The tile lacks a column, or has it in another form.
    #[error("{}: column {column:?}: {reason}", path.display())]
    Column {
        /// The tile.
        path: PathBuf,
        /// The column, as a dotted path.
        column: String,
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// A value in the tile cannot be used.
    #[error("{}: row {row}, column {column:?}: {reason}", path.display())]
    Value {
        /// The tile.
        path: PathBuf,
        /// The row, counted from 0 in file order.
        row: u64,
        /// The column, as a dotted path.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The tiles of one plan do not go together.
    #[error("{}: {reason}", path.display())]
    Mixed {
        /// The tile that differs from the first one.
        path: PathBuf,
        /// How it differs.
        reason: String,
    },
    /// The tile is another file than the one that was indexed, or than the one that was opened first.
    #[error("{}: changed since the plan was made: sync the index again", path.display())]
    Changed {
        /// The tile.
        path: PathBuf,
    },
    /// The plan wants rows that the tile does not have.
    #[error("{}: the plan wants row {row}, the tile has {rows} rows: sync the index again", path.display())]
    Stale {
        /// The tile.
        path: PathBuf,
        /// The first row that is not there.
        row: u64,
        /// How many rows there are.
        rows: u64,
    },
    /// A batch could not be put together, because it is too large.
    #[error("a batch could not be put together: ask for fewer rows in a batch")]
    Batch {
        /// What Arrow said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No tile of the share of one rank can be read, so that nobody knows how its empty batches would look.
    #[error("not one tile of this rank can be read: its {batches} batches would be empty, see Reader::skipped")]
    Unreadable {
        /// Batches that the other ranks expect of it.
        batches: u64,
    },
    /// The reading thread stopped before its end: a bug in a decoder.
    #[error("the reading thread stopped {batches} batches before the end")]
    Interrupted {
        /// Batches that are missing.
        batches: u64,
    },
    /// An option has a value that cannot work.
    #[error("option {name} is {value}, expected {expected}")]
    Option {
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would work.
        expected: String,
    },
    /// The state belongs to another pass.
    #[error("the state does not fit this pass: {reason}")]
    OtherState {
        /// What is different.
        reason: &'static str,
    },
    /// A catalogue's folder lacks something, or its files contradict each other.
    #[error("{}: {reason}", path.display())]
    Catalogue {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong; it begins with the line in a text file.
        reason: String,
    },
    /// The file is not FITS, is truncated or damaged, or lacks what is read from it.
    #[error("{}: {hdu}: {reason}", path.display())]
    Fits {
        /// The file.
        path: PathBuf,
        /// The header and data unit, by its name and number: `HDU 4 (B_FLUX)`.
        hdu: String,
        /// The card, column or row, what is wrong with it, and what to do.
        reason: String,
    },
    /// A node of a cluster does not do what it was asked for.
    #[cfg(feature = "cluster")]
    #[error("node {node}: {reason}")]
    Node {
        /// Its name.
        node: String,
        /// What it says.
        reason: String,
    },
    /// A node of a cluster stays away, and rows are on no other.
    #[cfg(feature = "cluster")]
    #[error(
        "node {node} stays away, and {} are on no other node that is there: {reason}",
        few(tiles)
    )]
    Away {
        /// Its name.
        node: String,
        /// The tiles that nobody else has, of those that are read next.
        tiles: Vec<PathBuf>,
        /// What was heard of it last.
        reason: String,
    },
    /// A tile could not be written.
    #[error("{}: not written", path.display())]
    Write {
        /// The tile.
        path: PathBuf,
        /// What went wrong.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Error {
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts that are made for it")]
    pub(crate) fn option(name: &'static str, value: impl ToString, expected: impl Into<String>) -> Self {
        Self::Option {
            name,
            value: value.to_string(),
            expected: expected.into(),
        }
    }
}

/// The first few of many tiles.
#[cfg(feature = "cluster")]
fn few(tiles: &[PathBuf]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = tiles
        .iter()
        .take(SHOWN)
        .map(|tile| tile.display().to_string())
        .collect();
    match tiles.len().saturating_sub(SHOWN) {
        0 => format!("tiles {}", shown.join(", ")),
        more => format!("tiles {} and {more} more", shown.join(", ")),
    }
}

/// The file system refused to do something with this file or folder.
pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { path, source }
}

/// A file is no Parquet that can be read.
pub(crate) fn unreadable<E: Into<Box<dyn StdError + Send + Sync>>>(path: &Path) -> impl FnOnce(E) -> Error + use<E> {
    let path = path.to_owned();
    move |source| Error::Tile {
        path,
        source: source.into(),
    }
}

/// A file could not be written.
pub(crate) fn not_written<E: Into<Box<dyn StdError + Send + Sync>>>(path: &Path) -> impl FnOnce(E) -> Error + use<E> {
    let path = path.to_owned();
    move |source| Error::Write {
        path,
        source: source.into(),
    }
}
