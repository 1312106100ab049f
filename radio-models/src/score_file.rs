//! Scores on disk: one Parquet file that is complete or not there.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result, Source};
use crate::scorer::Scores;

/// A Parquet file of scores in the making.
///
/// The columns are those of [`Scores::schema`]; the footer says where the scores come from, under the keys
/// `radio.run`, `radio.model_hash` and `radio.producer`.
///
/// The rows go to a temporary file in the same folder, which gets its name in [`finish`](Self::finish). Dropped before,
/// it is removed, and what was there under the name stays.
///
/// # Examples
///
/// ```
/// use radio_models::{ScoreFile, Scores};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("scores.parquet");
/// let mut file = ScoreFile::create(&path, "2026-11-22", "85944171f73967e8")?;
/// file.write(&Scores::default())?;
/// assert!(!path.exists());
/// file.finish()?;
/// assert!(path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ScoreFile {
    writer: ArrowWriter<File>,
    temporary: Temporary,
    path: PathBuf,
}

impl ScoreFile {
    /// Begins a file that shall be called `path`.
    ///
    /// `run` names the run for people; `model_hash` is [`PatchAutoencoder::fingerprint`](crate::PatchAutoencoder::fingerprint).
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the folder does not exist or cannot be written to.
    pub fn create(path: impl AsRef<Path>, run: &str, model_hash: &str) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let (temporary, file) = Temporary::beside(&path)?;
        let producer = concat!("radio-models ", env!("CARGO_PKG_VERSION"));
        let metadata = [
            ("radio.run", run),
            ("radio.model_hash", model_hash),
            ("radio.producer", producer),
        ];
        let metadata = metadata.map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(metadata.to_vec()))
            .build();
        let writer = ArrowWriter::try_new(file, Scores::schema(), Some(properties))
            .map_err(|e| Error::file("begin the scores", &path, e))?;
        Ok(Self {
            writer,
            temporary,
            path,
        })
    }

    /// Adds the scores of a batch.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn write(&mut self, scores: &Scores) -> Result<()> {
        let batch = scores.to_record_batch()?;
        self.writer
            .write(&batch)
            .map_err(|e| Error::file("write scores to", &self.path, e))
    }

    /// Writes the footer, waits until everything is on disk, and gives the file its name, in place of what is there.
    ///
    /// # Errors
    ///
    /// [`Error::File`]; then the file does not appear under its name, or the disk did not confirm that it has.
    pub fn finish(self) -> Result<()> {
        let Self {
            writer,
            temporary,
            path,
        } = self;
        let failed = |source: Source| Error::file("complete the scores", &path, source);
        let file = writer.into_inner().map_err(|e| failed(e.into()))?;
        file.sync_all().map_err(|e| failed(e.into()))?;
        drop(file);
        temporary.rename(&path).map_err(|e| failed(e.into()))
    }
}

/// A file that goes away unless it is renamed.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
    renamed: bool,
}

impl Temporary {
    /// Creates a file in the folder of `path`, with a hidden name that no other writer uses.
    fn beside(path: &Path) -> Result<(Self, File)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Some(name) = path.file_name() else {
            return Err(Error::file(
                "create",
                path,
                Source::from("the path does not end in the name of a file"),
            ));
        };
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!(".{}.{}-{number}.tmp", name.to_string_lossy(), std::process::id());
            let temporary = path.with_file_name(name);
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => {
                    let renamed = false;
                    return Ok((
                        Self {
                            path: temporary,
                            renamed,
                        },
                        file,
                    ));
                }
                // Left by a process that was killed: in a container the next one often has the same number.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::file("create", &temporary, e)),
            }
        }
    }

    fn rename(mut self, path: &Path) -> std::io::Result<()> {
        fs::rename(&self.path, path)?;
        self.renamed = true;
        sync_folder(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // Nobody is there to be told; a left-over is hidden and harmless.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the new name survive a power cut.
#[cfg(unix)]
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened as a file; the rename itself is atomic.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> std::io::Result<()> {
    Ok(())
}
