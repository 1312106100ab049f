//! Scores on disk: one Parquet file that is complete or not there, and what makes it survive a kill.

mod disk;
mod join;
mod parts;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use parquet::file::metadata::KeyValue;

use self::parts::Parts;
use crate::error::Result;
use crate::scorer::Scores;

/// Rows of a part, and of a row group in the finished file, unless the caller wants others.
const SEAL_ROWS: usize = 1 << 16;
/// A part is made in memory.
const MOST_SEAL_ROWS: usize = 1 << 20;

/// A Parquet file of scores in the making, which can go on where a killed process left it.
///
/// The columns are those of [`Scores::schema`]; the footer says where the scores come from, under the keys
/// `radio.run`, `radio.model_hash` and `radio.producer`.
///
/// Every 65,536 rows what was written is sealed: it is on disk as a *part*, a small Parquet file in a hidden folder
/// beside the target, for `scores.parquet` in `.scores.parquet.parts`. [`finish`](Self::finish) joins the parts into
/// one file, which appears under its name when it is complete. What was there under the name stays until then.
///
/// A process that is killed, or drops the file before it is finished, loses what is not sealed.
/// [`resume`](Self::resume) finds the rest, and [`batches`](Self::batches) says from which batch on scores are to be
/// written again; no row is lost, and none is there twice. This holds for batches that are the same each time: `run`
/// should name all that they depend on.
///
/// One writer at a time has a target, by a lock on the folder of the parts. On a file system without locks that is for
/// the caller to see to.
///
/// # Examples
///
/// ```
/// use std::num::NonZeroUsize;
///
/// use radio_models::{Score, ScoreFile, Scores};
///
/// let batches: Vec<Scores> = (0..3).map(|_| vec![Score::default(); 100].into_iter().collect()).collect();
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("scores.parquet");
///
/// let rows = NonZeroUsize::new(200).unwrap_or(NonZeroUsize::MIN);
/// let mut file = ScoreFile::resume(&path, "2026-11-22", "85944171f73967e8")?.with_seal_rows(rows);
/// for scores in &batches {
///     file.write(scores)?;
/// }
/// drop(file); // a kill would leave the same
/// assert!(!path.exists());
///
/// // The same call goes on. The third batch was not sealed: it is written again.
/// let mut file = ScoreFile::resume(&path, "2026-11-22", "85944171f73967e8")?;
/// assert_eq!((file.batches(), file.rows()), (2, 200));
/// for scores in &batches[file.batches() as usize..] {
///     file.write(scores)?;
/// }
/// file.finish()?;
/// assert!(path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ScoreFile {
    path: PathBuf,
    origin: Origin,
    seal_rows: usize,
    parts: Parts,
    /// What is not sealed.
    open: Scores,
    open_batches: u64,
}

impl ScoreFile {
    /// Begins a file that shall be called `path`. What an unfinished one of this name left is removed.
    ///
    /// `run` names the run for people; `model_hash` is [`Model::fingerprint`](crate::Model::fingerprint).
    ///
    /// # Errors
    ///
    /// [`Error::File`](crate::Error::File) where the folder does not exist or cannot be written to, [`Error::Busy`](crate::Error::Busy) where another writer
    /// has the file.
    pub fn create(path: impl AsRef<Path>, run: &str, model_hash: &str) -> Result<Self> {
        Self::open(path.as_ref(), run, model_hash, |parts, _| parts.clear())
    }

    /// Goes on with the file that shall be called `path` where a killed process left it, or begins it.
    ///
    /// Parts are taken in their order, up to the first that is missing or damaged, which its checksum says. It and those behind it are removed;
    /// their batches are to be written again. A *finished* file is not gone on with: after
    /// [`finish`](Self::finish) this begins anew.
    ///
    /// # Errors
    ///
    /// [`Error::Unfinished`](crate::Error::Unfinished) where the parts are of another run or model, or have other columns; they stay. Otherwise as
    /// [`create`](Self::create), and [`Error::File`](crate::Error::File) where a part is there but cannot be opened or read; it stays, too.
    ///
    /// # Complexity
    ///
    /// One read of each part.
    pub fn resume(path: impl AsRef<Path>, run: &str, model_hash: &str) -> Result<Self> {
        Self::open(path.as_ref(), run, model_hash, Parts::load)
    }

    fn open(
        path: &Path,
        run: &str,
        model_hash: &str,
        prepare: impl FnOnce(&mut Parts, &Origin) -> Result<()>,
    ) -> Result<Self> {
        let origin = Origin {
            run: run.to_owned(),
            model_hash: model_hash.to_owned(),
        };
        let mut parts = Parts::beside(path)?;
        prepare(&mut parts, &origin)?;
        Ok(Self {
            path: path.to_owned(),
            origin,
            seal_rows: SEAL_ROWS,
            parts,
            open: Scores::default(),
            open_batches: 0,
        })
    }

    /// Seals after so many rows, at the end of a batch; more than 1,048,576 count as that. Default: 65,536.
    ///
    /// Until then they are in memory. Few rows make a kill cheap and a seal frequent, which takes some milliseconds of
    /// waiting for the disk.
    #[must_use]
    pub fn with_seal_rows(mut self, rows: NonZeroUsize) -> Self {
        self.seal_rows = rows.get().min(MOST_SEAL_ROWS);
        self
    }

    /// Batches that are sealed, from the first on: the caller's next one after [`resume`](Self::resume).
    ///
    /// Each call of [`write`](Self::write) is a batch, also one without rows.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.parts.batches()
    }

    /// Rows of the batches that are sealed.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.parts.rows()
    }

    /// Adds the scores of a batch.
    ///
    /// # Errors
    ///
    /// [`Error::File`](crate::Error::File) where a part cannot be written, because the disk is full for instance. The batch was not added
    /// then, and can be written again.
    pub fn write(&mut self, scores: &Scores) -> Result<()> {
        let rows = self.open.rows.len();
        self.open.extend(scores.rows.iter().cloned());
        self.open_batches += 1;
        if self.open.rows.len() < self.seal_rows {
            return Ok(());
        }
        let sealed = self.seal();
        if sealed.is_err() {
            self.open.rows.truncate(rows);
            self.open_batches -= 1;
        }
        sealed
    }

    /// Seals the rest, joins the parts, waits until everything is on disk, and gives the file its name, in place of what
    /// is there.
    ///
    /// # Errors
    ///
    /// [`Error::File`](crate::Error::File); then the file does not appear under its name, or the disk did not confirm that it has. What is
    /// sealed stays, and can be [resumed](Self::resume) and finished, for instance with more room on the disk, which
    /// needs to hold all scores twice. Where the error names a part, that part is damaged: without it, its batches and
    /// later ones can be written again.
    ///
    /// # Complexity
    ///
    /// One copy of all bytes; only parts with few rows are decoded. Memory grows with the number of rows only by what the
    /// footer says of each row group.
    pub fn finish(mut self) -> Result<()> {
        self.seal()?;
        let Self {
            path, origin, parts, ..
        } = self;
        parts.publish(&path, "complete the scores", |file| {
            join::join(&parts, origin.metadata(), file, &path)
        })?;
        parts.remove();
        Ok(())
    }

    pub(crate) fn seal(&mut self) -> Result<()> {
        if self.open_batches > 0 {
            let rows = self.open.to_record_batch()?;
            self.parts.add(&self.origin, self.open_batches, &rows)?;
            self.open.rows.clear();
            self.open_batches = 0;
        }
        Ok(())
    }
}

/// Where scores come from.
#[derive(Debug)]
struct Origin {
    run: String,
    model_hash: String,
}

impl Origin {
    const RUN: &str = "radio.run";
    const MODEL_HASH: &str = "radio.model_hash";
    const PRODUCER: &str = "radio.producer";

    /// For the footer.
    fn metadata(&self) -> Vec<KeyValue> {
        let pair = |key: &str, value: &str| KeyValue::new(key.to_owned(), value.to_owned());
        vec![
            pair(Self::RUN, &self.run),
            pair(Self::MODEL_HASH, &self.model_hash),
            pair(Self::PRODUCER, concat!("radio-models ", env!("CARGO_PKG_VERSION"))),
        ]
    }
}
