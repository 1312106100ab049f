//! Finding the tiles of a survey in a folder.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::read_at::State;
use crate::{Error, Result};

/// A file as the file system shows it, without opening it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) uri: String,
    pub(crate) state: State,
}

/// Files that HATS writers put beside the tiles, with rows of the tiles.
const HATS_SIDE_FILES: [&str; 2] = ["data_thumbnail.parquet", "per_partition_statistics.parquet"];

/// Every `*.parquet` file under `root`, sorted by path.
///
/// Hidden files and folders are left out, and so is what repeats the rows of a HATS catalogue: margins, indexes, associations
/// and side files. A link that leads nowhere is no tile; if it is called one, opening it will say so.
pub(crate) fn tiles(root: &Path, without: &[PathBuf]) -> Result<Vec<Found>> {
    let walk = WalkDir::new(root).follow_links(true).sort_by_file_name().into_iter();
    let mut found = Vec::new();
    for entry in walk.filter_entry(|entry| {
        entry.depth() == 0
            || (!is_hidden(entry) && !repeats_rows(entry) && !without.iter().any(|path| path == entry.path()))
    }) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => match dangling_link(&error) {
                Some(path) if is_parquet(path) => {
                    found.push(Found {
                        uri: path.to_string_lossy().into_owned(),
                        state: State { size: 0, mtime_ns: 0 },
                    });
                    continue;
                }
                Some(_) => continue,
                None => return Err(io_error(root, error)),
            },
        };
        if entry.file_type().is_file() && is_parquet(entry.path()) {
            let metadata = entry.metadata().map_err(|e| io_error(root, e))?;
            let Some(uri) = entry.path().to_str() else {
                let source = io::Error::new(ErrorKind::InvalidFilename, "the name is not UTF-8: rename it");
                return Err(Error::Io {
                    path: entry.into_path(),
                    source,
                });
            };
            found.push(Found {
                uri: uri.to_owned(),
                state: State::of(&metadata),
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

fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "parquet")
}

fn dangling_link(error: &walkdir::Error) -> Option<&Path> {
    let not_found = error.io_error().is_some_and(|e| e.kind() == ErrorKind::NotFound);
    error.path().filter(|path| not_found && path.symlink_metadata().is_ok())
}

/// HATS 1.0 says in a folder's `hats.properties` (older writers: `properties`) what the catalogue is.
fn repeats_rows(entry: &DirEntry) -> bool {
    if !entry.file_type().is_dir() {
        return HATS_SIDE_FILES.iter().any(|name| entry.file_name() == *name);
    }
    let text = ["hats.properties", "properties"]
        .iter()
        .find_map(|name| fs::read_to_string(entry.path().join(name)).ok());
    let text = text.unwrap_or_default();
    let mut types = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("dataproduct_type")?.trim().strip_prefix('='));
    types.any(|product| !["object", "source", "nested"].contains(&product.trim()))
}

fn io_error(root: &Path, error: walkdir::Error) -> Error {
    let path = error.path().map_or_else(|| root.to_owned(), PathBuf::from);
    let source = error
        .into_io_error()
        .unwrap_or_else(|| std::io::Error::other("a loop of symbolic links"));
    Error::Io { path, source }
}
