//! Files that appear when they are complete.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Result;
use crate::error::io;

/// A file that is written under another name beside its place, and moved there. Dropped before, it leaves nothing behind, and what was in its
/// place stays.
#[derive(Debug)]
pub(crate) struct Part {
    part: PathBuf,
    path: PathBuf,
    is_complete: bool,
}

impl Part {
    /// Creates the file. The folder has to be there.
    pub(crate) fn create(path: &Path) -> Result<(Self, File)> {
        // Two writers in one process must not share a part; two processes differ by their number.
        static WRITES: AtomicU64 = AtomicU64::new(0);

        let number = WRITES.fetch_add(1, Ordering::Relaxed);
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}-{number}.part", std::process::id()));
        let part = path.with_file_name(name);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&part);
        let file = file.map_err(io(&part))?;
        let part = Self {
            part,
            path: path.to_owned(),
            is_complete: false,
        };
        Ok((part, file))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until the file is on disk, and moves it to its place; returns its size in bytes.
    pub(crate) fn complete(mut self, file: &File) -> Result<u64> {
        // A name that outlives a power cut must not stand for bytes that do not.
        file.sync_all().map_err(io(&self.path))?;
        let size = file.metadata().map_err(io(&self.part))?.len();
        fs::rename(&self.part, &self.path).map_err(io(&self.path))?;
        self.is_complete = true;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io(folder))?;
        Ok(size)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_complete {
            // The first error is the one to report, whatever comes of this.
            let _ = fs::remove_file(&self.part);
        }
    }
}
