//! The folder beside a score file: what of it is safe.
//!
//! A part is called after its first batch and a hash of all its bytes, `<number>-<hash>.parquet`, and says in its footer what it holds. It gets its name when
//! it is complete and on disk. All that has another name is what a killed process was writing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::KeyValue;

use super::disk::{self, LOCK};
use super::{Origin, join};
use crate::error::{Error, Result, Source};
use crate::files::sync_folder;
use crate::hash::Fnv;
use crate::scorer::Scores;

const TEMPORARY: &str = "new.tmp";

/// The parts of one target without a gap, and the right to change them.
#[derive(Debug)]
pub(super) struct Parts {
    folder: PathBuf,
    lock: File,
    list: Vec<(PathBuf, Part)>,
}

/// What the footer of a part says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    first_batch: u64,
    batches: u64,
    pub(super) rows: u64,
}

impl Parts {
    /// Takes the folder of `target` for this writer, without a look at what is in it.
    pub(super) fn beside(target: &Path) -> Result<Self> {
        // A folder under this name would be noticed only when all the work is done.
        let name = target.file_name().filter(|_| !target.is_dir());
        let name = name.ok_or_else(|| Error::file("create", target, Source::from("the path does not name a file")))?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(".parts");
        let folder = target.with_file_name(hidden);
        let lock = disk::lock(&folder)
            .map_err(|e| Error::file("create", &folder, e))?
            .ok_or_else(|| Error::Busy {
                path: target.to_owned(),
            })?;
        Ok(Self {
            folder,
            lock,
            list: Vec::new(),
        })
    }

    /// Removes what is there.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.list.clear();
        self.sweep()
    }

    /// Takes over the parts that follow each other from the first batch on, and removes the others.
    pub(super) fn load(&mut self, origin: &Origin) -> Result<()> {
        self.list.clear();
        let files = self.files()?;
        while let Some((path, part)) = self.next(&files, origin)? {
            self.list.push((path, part));
        }
        self.sweep()
    }

    pub(super) fn batches(&self) -> u64 {
        let end = |(_, part): &(PathBuf, Part)| part.first_batch.saturating_add(part.batches);
        self.list.last().map_or(0, end)
    }

    pub(super) fn rows(&self) -> u64 {
        self.list.iter().fold(0, |sum, (_, part)| sum.saturating_add(part.rows))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(PathBuf, Part)> {
        self.list.iter()
    }

    /// Makes the next batches safe, together.
    pub(super) fn add(&mut self, origin: &Origin, batches: u64, rows: &RecordBatch) -> Result<()> {
        let part = Part {
            first_batch: self.batches(),
            batches,
            rows: rows.num_rows() as u64,
        };
        let mut metadata = origin.metadata();
        metadata.extend(part.metadata());
        let bytes = join::encode(rows, metadata).map_err(|e| Error::file("write scores to", &self.folder, e))?;
        let path = self
            .folder
            .join(format!("{:012}-{}.parquet", part.first_batch, Fnv::of(&bytes)));
        self.publish(&path, "write scores to", |mut file| {
            file.write_all(&bytes)
                .map_err(|e| Error::file("write scores to", &path, e))?;
            Ok(file)
        })?;
        self.list.push((path, part));
        Ok(())
    }

    /// Makes a file that appears as `path` when it is complete and on disk, in place of what is there.
    pub(super) fn publish(
        &self,
        path: &Path,
        action: &'static str,
        write: impl FnOnce(File) -> Result<File>,
    ) -> Result<()> {
        let temporary = self.folder.join(TEMPORARY);
        let published = (|| {
            let failed = |e: io::Error| Error::file(action, path, e);
            let file = write(File::create(&temporary).map_err(failed)?)?;
            file.sync_all().map_err(failed)?;
            drop(file);
            fs::rename(&temporary, path).map_err(failed)?;
            sync_folder(path).map_err(failed)
        })();
        if published.is_err() {
            // What it takes of a full disk may be what the next attempt needs. The first error is the one to tell.
            let _ = fs::remove_file(&temporary);
        }
        published
    }

    /// Removes all parts and the folder, whose scores are elsewhere now.
    pub(super) fn remove(mut self) {
        // The first one first: should this be killed, the rest is of no use, and nobody takes it for an unfinished run. What
        // cannot be removed is hidden and harmless.
        for (path, _) in self.iter() {
            let _ = fs::remove_file(path);
        }
        self.list.clear();
    }

    /// The part behind those in the list, if one is there and whole.
    fn next(&self, files: &BTreeSet<PathBuf>, origin: &Origin) -> Result<Option<(PathBuf, Part)>> {
        let first_batch = self.batches();
        let begins = format!("{first_batch:012}-");
        let is_next = |path: &&PathBuf| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&begins))
        };
        for path in files.iter().filter(is_next) {
            if let Some(part) = self.read(path, origin)?.filter(|part| part.first_batch == first_batch) {
                return Ok(Some((path.clone(), part)));
            }
        }
        Ok(None)
    }

    /// What a part holds, or `None` where it is damaged: it does not have the hash that its name says. Parquet's pages have none.
    fn read(&self, path: &Path, origin: &Origin) -> Result<Option<Part>> {
        let bytes = fs::read(path).map_err(|e| Error::file("read the scores in", path, e))?;
        let bytes = Bytes::from(bytes);
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
        let is_whole = name.is_some_and(|name| name.ends_with(&format!("-{}", Fnv::of(&bytes))));
        if !is_whole {
            return Ok(None);
        }
        let Ok(footer) = ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()) else {
            return Ok(None);
        };
        let file_metadata = footer.metadata().file_metadata();
        let metadata = file_metadata.key_value_metadata().map_or(&[][..], Vec::as_slice);
        let rows = u64::try_from(file_metadata.num_rows()).ok();
        let part = Part::from_metadata(metadata).filter(|part| Some(part.rows) == rows && part.batches > 0);
        let (Some(part), Some(run), Some(model)) =
            (part, value(metadata, Origin::RUN), value(metadata, Origin::MODEL_HASH))
        else {
            return Ok(None);
        };
        let unfinished = |reason| Error::Unfinished {
            path: self.folder.clone(),
            reason,
        };
        if run != origin.run || model != origin.model_hash {
            let (run_now, model_now) = (&origin.run, &origin.model_hash);
            return Err(unfinished(format!(
                "they are of run {run:?} and model {model:?}, not of run {run_now:?} and model {model_now:?}"
            )));
        }
        if footer.schema().fields() != Scores::schema().fields() {
            return Err(unfinished("another version wrote them, with other columns".to_owned()));
        }
        Ok(Some(part))
    }

    /// Removes all that is ours and not in the list.
    fn sweep(&self) -> Result<()> {
        let failed = |path: &Path, e| Error::file("remove", path, e);
        let keep: BTreeSet<PathBuf> = self.iter().map(|(path, _)| path.clone()).collect();
        for entry in fs::read_dir(&self.folder).map_err(|e| failed(&self.folder, e))? {
            let path = entry.map_err(|e| failed(&self.folder, e))?.path();
            let is_ours = path.extension().is_some_and(|kind| kind == "parquet" || kind == "tmp");
            if is_ours && !keep.contains(&path) {
                fs::remove_file(&path).map_err(|e| failed(&path, e))?;
            }
        }
        // A part that came back after a power cut could fit to new ones.
        sync_folder(&self.folder.join(LOCK)).map_err(|e| failed(&self.folder, e))
    }

    /// The parts that are there, by their names.
    fn files(&self) -> Result<BTreeSet<PathBuf>> {
        let failed = |e| Error::file("read the scores in", &self.folder, e);
        let entries = fs::read_dir(&self.folder).map_err(failed)?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let paths = paths.collect::<io::Result<BTreeSet<PathBuf>>>().map_err(failed)?;
        let is_part = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "parquet");
        Ok(paths.into_iter().filter(is_part).collect())
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if self.list.is_empty() {
            // Nothing is safe, so nothing needs to stay. The folder does where somebody has put something else there.
            let _ = fs::remove_file(self.folder.join(LOCK));
            let _ = fs::remove_dir(&self.folder);
        }
        // A process that is being started may have the file open for a moment longer.
        let _ = self.lock.unlock();
    }
}

impl Part {
    const FIRST_BATCH: &str = "radio.first_batch";
    const BATCHES: &str = "radio.batches";
    const ROWS: &str = "radio.rows";

    fn metadata(&self) -> [KeyValue; 3] {
        [
            (Self::FIRST_BATCH, self.first_batch),
            (Self::BATCHES, self.batches),
            (Self::ROWS, self.rows),
        ]
        .map(|(key, number)| KeyValue::new(key.to_owned(), number.to_string()))
    }

    fn from_metadata(metadata: &[KeyValue]) -> Option<Self> {
        let number = |key| value(metadata, key)?.parse().ok();
        Some(Self {
            first_batch: number(Self::FIRST_BATCH)?,
            batches: number(Self::BATCHES)?,
            rows: number(Self::ROWS)?,
        })
    }
}

fn value<'a>(metadata: &'a [KeyValue], key: &str) -> Option<&'a str> {
    metadata.iter().find(|pair| pair.key == key)?.value.as_deref()
}
