//! Finding the tiles of a survey in a folder.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use walkdir::{DirEntry, WalkDir};

use crate::{Error, Result};

/// A file as the file system shows it, without opening it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) uri: String,
    pub(crate) size: u64,
    pub(crate) mtime_ns: i64,
}

/// Every `*.parquet` file under `root`, sorted by path.
///
/// Hidden files and folders are left out, and so is a HATS catalogue that repeats the rows of another one: a margin.
pub(crate) fn tiles(root: &Path) -> Result<Vec<Found>> {
    let walk = WalkDir::new(root).follow_links(true).sort_by_file_name().into_iter();
    let mut found = Vec::new();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || (!is_hidden(entry) && !is_margin(entry))) {
        let entry = entry.map_err(|e| io_error(root, e))?;
        if entry.file_type().is_file() && entry.path().extension().is_some_and(|x| x == "parquet") {
            let metadata = entry.metadata().map_err(|e| io_error(root, e))?;
            let mtime_ns = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            found.push(Found {
                uri: entry.path().to_string_lossy().into_owned(),
                size: metadata.len(),
                mtime_ns: mtime_ns
                    .and_then(|t| i64::try_from(t.as_nanos()).ok())
                    .unwrap_or_default(),
            });
        }
    }
    if found.is_empty() {
        return Err(Error::NoTiles { root: root.to_owned() });
    }
    // As strings, so that the order is the same on every platform.
    found.sort_by(|a, b| a.uri.cmp(&b.uri));
    Ok(found)
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with('.')
}

/// HATS 1.0 says in a folder's `hats.properties` (older writers: `properties`) what the catalogue is.
fn is_margin(entry: &DirEntry) -> bool {
    let says_margin = |name: &str| {
        std::fs::read_to_string(entry.path().join(name)).is_ok_and(|text| {
            text.lines()
                .any(|line| line.replace(' ', "") == "dataproduct_type=margin")
        })
    };
    entry.file_type().is_dir() && (says_margin("hats.properties") || says_margin("properties"))
}

fn io_error(root: &Path, error: walkdir::Error) -> Error {
    let path = error.path().map_or_else(|| root.to_owned(), PathBuf::from);
    let source = error
        .into_io_error()
        .unwrap_or_else(|| std::io::Error::other("a loop of symbolic links"));
    Error::Io { path, source }
}
