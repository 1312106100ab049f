//! The folder of a cache: its budget, and what dead processes left.
//!
//! Files come and go while `used` is locked, which holds the bytes that are spoken for. A file that is being written has the name
//! of the later one with `.part`, its final size from the start, and a lock of its own, which the system takes away from
//! a process that ends in any way. `users` is locked, shared, by every process that has the cache open.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::{Error, Result};

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    budget: u64,
    used: Mutex<File>,
    /// Holds the shared lock.
    _users: File,
    /// Files that no process used since this one opened the cache as the only one, with their last use, the oldest last.
    unused: Mutex<Vec<(SystemTime, PathBuf)>>,
}

/// What the folder has, while no other process changes it.
struct Locked<'a>(MutexGuard<'a, File>);

/// A file that is being written, and its place in the budget, which it gives back where it is not finished.
#[derive(Debug)]
pub(super) struct Part<'a> {
    folder: &'a Folder,
    pub(super) file: File,
    name: PathBuf,
    reserved: u64,
    is_finished: bool,
}

impl Folder {
    pub(super) fn open(path: &Path, budget: u64) -> Result<Self> {
        Self::try_open(path, budget).map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })
    }

    fn try_open(path: &Path, budget: u64) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        // For this user alone.
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if fs::metadata(path)?.mode() & 0o002 != 0 {
            let reason = "everybody may write to this folder, so what is in it cannot be trusted";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        let open = |name| {
            let mut options = File::options();
            options
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(path.join(name))
        };
        let mut folder = Self {
            path: path.to_owned(),
            budget,
            used: Mutex::new(open("used")?),
            _users: open("users")?,
            unused: Mutex::default(),
        };
        let mut unused = Vec::new();
        {
            let mut locked = folder.locked()?;
            let is_alone = match folder._users.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => false,
                Err(TryLockError::Error(error)) => return Err(error),
            };
            let mut used = 0;
            for entry in fs::read_dir(path)? {
                let entry = entry?.path();
                let Ok(metadata) = fs::metadata(&entry) else { continue };
                match entry.extension().and_then(|extension| extension.to_str()) {
                    Some("part") if File::open(&entry)?.try_lock().is_ok() => {
                        tracing::debug!(path = %entry.display(), "removed what a dead process left");
                        fs::remove_file(&entry)?;
                        continue;
                    }
                    Some("part") => {}
                    Some("arrow") => {
                        if is_alone {
                            unused.push((metadata.modified()?, entry));
                        }
                    }
                    _ => continue,
                }
                used += metadata.len();
            }
            locked.set(used)?;
            if is_alone {
                folder._users.unlock()?;
            }
            folder._users.lock_shared()?;
        }
        unused.sort_by(|a, b| b.cmp(a));
        folder.unused = Mutex::new(unused);
        Ok(folder)
    }

    fn locked(&self) -> io::Result<Locked<'_>> {
        let file = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        file.lock()?;
        Ok(Locked(file))
    }

    pub(super) fn budget(&self) -> u64 {
        self.budget
    }

    pub(super) fn used(&self) -> io::Result<u64> {
        self.locked()?.get()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Begins a file of about so many bytes; `None` where another process is writing it. The error is
    /// [`io::ErrorKind::QuotaExceeded`] where it does not fit the budget.
    pub(super) fn begin(&self, name: &str, bytes: u64) -> io::Result<Option<Part<'_>>> {
        let name = self.path(name);
        let part = name.with_extension("part");
        let mut locked = self.locked()?;
        let mut options = File::options();
        let file = options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&part)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // What a dead process left has its place already.
        let mut used = locked.get()?.saturating_sub(file.metadata()?.len());
        let fits = |used: u64| used.checked_add(bytes).is_some_and(|sum| sum <= self.budget);
        while !fits(used) {
            let Some(freed) = self.remove_unused()? else {
                locked.set(used)?;
                fs::remove_file(&part)?;
                return Err(io::ErrorKind::QuotaExceeded.into());
            };
            used = used.saturating_sub(freed);
        }
        locked.set(used + bytes)?;
        let new = Part {
            folder: self,
            file,
            name,
            reserved: bytes,
            is_finished: false,
        };
        // Where this fails, giving up the part needs the lock.
        drop(locked);
        new.file.set_len(0)?;
        new.file.set_len(bytes)?;
        Ok(Some(new))
    }

    /// Removes the file that was not used for the longest time, and returns its size; `None` where all are in use.
    fn remove_unused(&self) -> io::Result<Option<u64>> {
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((last, path)) = unused.pop() {
            if let Ok(metadata) = fs::metadata(&path)
                && metadata.modified()? == last
            {
                fs::remove_file(&path)?;
                return Ok(Some(metadata.len()));
            }
        }
        Ok(None)
    }

    /// Removes a file that is of no use any more. Processes that have it mapped keep what they have.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        let mut locked = self.locked()?;
        let Ok(metadata) = fs::metadata(&path) else {
            return Ok(());
        };
        fs::remove_file(&path)?;
        let used = locked.get()?.saturating_sub(metadata.len());
        locked.set(used)
    }
}

impl Part<'_> {
    /// Gives the file, which has been written, its name.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let bytes = (&self.file).stream_position()?;
        self.file.set_len(bytes)?;
        // On a disk it has to outlast a failure of power under its final name; in memory this costs nothing.
        self.file.sync_data()?;
        let mut locked = self.folder.locked()?;
        let before = fs::metadata(&self.name).map_or(0, |metadata| metadata.len());
        let others = locked.get()?.saturating_sub(self.reserved);
        let used = others.saturating_sub(before).saturating_add(bytes);
        if used > self.folder.budget {
            drop(locked);
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        fs::rename(self.name.with_extension("part"), &self.name)?;
        self.is_finished = true;
        locked.set(used)
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let undo = || {
            let mut locked = self.folder.locked()?;
            fs::remove_file(self.name.with_extension("part"))?;
            let used = locked.get()?.saturating_sub(self.reserved);
            locked.set(used)
        };
        if let Err(error) = undo() {
            tracing::warn!(name = %self.name.display(), %error, "an unfinished file stays in the cache");
        }
    }
}

impl Locked<'_> {
    fn get(&mut self) -> io::Result<u64> {
        let mut text = String::new();
        self.0.seek(SeekFrom::Start(0))?;
        self.0.read_to_string(&mut text)?;
        let damaged = |_| io::Error::new(io::ErrorKind::InvalidData, "the file \"used\" of the cache is damaged");
        text.trim().parse().map_err(damaged)
    }

    fn set(&mut self, used: u64) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(0))?;
        // Always as long, so that nothing has to be cut off.
        self.0.write_all(format!("{used:020}\n").as_bytes())
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the cache stays locked until this program ends");
        }
    }
}
