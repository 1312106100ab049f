use std::error::Error as StdError;
use std::path::PathBuf;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the index could not do it, by what the caller can do about it.
///
/// A tile that cannot be read is not an error: it is listed in [`SyncReport::failed`](crate::SyncReport::failed),
/// and the other tiles go through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address names no database that this build can talk to.
    #[error(
        "no driver for the database {url:?}: use sqlite:PATH, sqlite::memory: or postgres://…, and turn that feature on"
    )]
    NoDriver {
        /// The address, without its password.
        url: String,
    },
    /// The database refused or failed.
    #[error("could not {action} in the index {url}")]
    Store {
        /// What was being done.
        action: &'static str,
        /// The address, without its password.
        url: String,
        /// What the database said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The tables of the index were made by another version of this crate.
    #[error("the index {url} was made by another version: use that version, or begin a new index")]
    OtherVersion {
        /// The address, without its password.
        url: String,
        /// Which tables are not as expected.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The file system refused.
    #[error("could not read {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// There is nothing to index. Nothing was changed: an unmounted disk must not empty the index.
    #[error("no *.parquet file under {}: is it the right folder, and is it mounted?", root.display())]
    NoTiles {
        /// The folder.
        root: PathBuf,
    },
    /// A selection takes rows of a path that two nodes have, each its own file.
    #[error("{uri} is a tile of two nodes: choose one with Selection::node")]
    SeveralNodes {
        /// The path.
        uri: String,
    },
    /// A file has no sound Parquet footer.
    #[error("could not read the footer of {}: {reason}", path.display())]
    Footer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of a catalogue cannot be used. Nothing was changed.
    #[error("the catalogue {}: {reason}", path.display())]
    Catalogue {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// What a selection asks for does not exist.
    #[error("impossible selection: {reason}")]
    BadSelection {
        /// What is wrong with it.
        reason: String,
    },
    /// A result cannot be recorded.
    #[error("TARGETID {targetid}: {reason}")]
    BadResult {
        /// The row.
        targetid: i64,
        /// What is wrong with it, and what to do.
        reason: &'static str,
    },
    /// The work was cut short, by a runtime that shuts down or by a bug in a decoder.
    #[error("the work stopped before its end")]
    Interrupted {
        /// What is known of the reason.
        source: Box<dyn StdError + Send + Sync>,
    },
}
