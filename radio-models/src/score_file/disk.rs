//! A folder for one writer at a time.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::files::sync_folder;

/// The file in the folder that a writer has locked.
pub(super) const LOCK: &str = "lock";

/// Makes the folder and the lock in it ours; `None` where another writer has it.
///
/// The system gives the lock back when the process ends, however that comes.
pub(super) fn lock(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(LOCK);
    for _ in 0..100 {
        match fs::create_dir(folder) {
            Ok(()) => sync_folder(folder)?,
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
        let file = match File::options().create(true).truncate(false).write(true).open(&path) {
            // A writer that came to its end has just removed the folder.
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            file => file?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            // Some network file systems have none.
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(e)) => return Err(e),
        }
        if is_at(&file, &path) {
            return Ok(Some(file));
        }
    }
    Err(ErrorKind::NotFound.into())
}

/// Is this the file of that name, and not one that was removed since it was opened?
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(a), Ok(b)) if id(&a) == id(&b))
}

/// Elsewhere an open file keeps its name.
#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_was_removed_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK);
        let file = File::create(&path).unwrap();
        assert!(is_at(&file, &path));
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&file, &path));
        let another = File::create(&path).unwrap();
        assert!(!is_at(&file, &path) && is_at(&another, &path));
    }
}
