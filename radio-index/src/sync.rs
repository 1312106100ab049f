//! Bringing the index up to date with a folder of tiles.

use std::fmt;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use tokio::sync::mpsc;

use twox_hash::XxHash64;

use crate::discover::tiles;
use crate::footer::FooterReader;
use crate::keys::Keys;
use crate::read_at::{ReadAt, State};
use crate::registry::{Entry, Facts, Job, Looked, forget, hex, next_number, pour, registered, write_run};
use crate::store::{Store, Tx};
use crate::{Error, KeyColumns, Result, catalogue};

/// Files that are read together, at most, and their bytes.
const FILES_AT_ONCE: usize = 2048;
const BYTES_AT_ONCE: u64 = 8 << 20;
/// So often may that wait for the database.
const IN_FLIGHT: usize = 1;
/// So many files are entered into the registry together, at least: while galaxies are copied into PostgreSQL, nothing else
/// goes through that connection, and each COPY costs a round trip.
const TOGETHER: usize = 2048;
/// Rows are numbered in 31 bits.
const MOST_ROWS: u64 = i32::MAX as u64;

/// What to sync, and how.
#[derive(Clone)]
#[non_exhaustive]
pub struct SyncOptions {
    /// Folder of tiles, searched with its subfolders. A HATS margin catalogue inside is left out, because it repeats
    /// the rows of another one.
    pub root: PathBuf,
    /// Name of the node that holds the tiles. A sync leaves the rows of other nodes alone. Default: `local`.
    pub node: String,
    /// Where the key columns are. Default: DESI's names and their usual aliases.
    pub columns: KeyColumns,
    /// Files and folders below the root to leave out, results of earlier runs for instance. Default: none.
    pub without: Vec<PathBuf>,
    /// Called with the number of tiles that were looked at and that are to be looked at. Default: nothing.
    pub progress: Option<Progress>,
}

/// Tiles done, tiles in all.
type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

impl SyncOptions {
    /// Syncs the folder `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            node: "local".into(),
            columns: KeyColumns::default(),
            without: Vec::new(),
            progress: None,
        }
    }

    /// Names the node that holds the tiles.
    #[must_use]
    pub fn with_node(mut self, node: impl Into<String>) -> Self {
        self.node = node.into();
        self
    }

    /// Says where the key columns are.
    #[must_use]
    pub fn with_columns(mut self, columns: KeyColumns) -> Self {
        self.columns = columns;
        self
    }

    /// Leaves out a file or folder below the root.
    #[must_use]
    pub fn without(mut self, path: impl Into<PathBuf>) -> Self {
        self.without.push(path.into());
        self
    }

    /// Reports progress: tiles done, tiles in all.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }
}

impl fmt::Debug for SyncOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            root, node, columns, ..
        } = self;
        f.debug_struct("SyncOptions")
            .field("root", root)
            .field("node", node)
            .field("columns", columns)
            .finish_non_exhaustive()
    }
}

/// What a sync found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SyncReport {
    /// The folder, as an absolute path without links: what [`Selection::under`](crate::Selection::under) wants.
    pub root: PathBuf,
    /// Tiles that are new.
    pub added: Vec<String>,
    /// Tiles that changed since the last sync.
    pub updated: Vec<String>,
    /// Tiles of the same size and time as before, with the same key columns asked for: not opened.
    pub unchanged: u64,
    /// Tiles that are gone.
    pub removed: Vec<String>,
    /// Tiles that cannot be used, and why. They are tried again in every sync.
    pub failed: Vec<(String, String)>,
    /// Rows of the tiles that were added and updated.
    pub rows: u64,
}

pub(crate) async fn sync(store: &Store, options: &SyncOptions) -> Result<SyncReport> {
    let root = options.root.canonicalize().map_err(|source| Error::Io {
        path: options.root.clone(),
        source,
    })?;
    let root_text = root.to_string_lossy().into_owned();
    let mut report = SyncReport {
        root: root.clone(),
        ..SyncReport::default()
    };

    // The folder is listed under the lock: a list that is older than the registry would take new tiles for vanished ones.
    let mut tx = store.write().await?;
    let without: Vec<PathBuf> = options
        .without
        .iter()
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    let found = blocking(move || tiles(&root, &without)).await??;
    let mut known = registered(store, &mut tx, &options.node, &root_text).await?;
    let key_columns = hash_of(&options.columns);
    let mut next_tile = next_number(store, &mut tx, "SELECT MAX(next_tile) - 1 FROM sync_runs").await?;
    let mut jobs = Vec::new();
    for found in found {
        let before = known.remove(&found.uri);
        match before {
            // What failed is tried again: the reason may have been a permission, or the options.
            Some(k) if k.is_like(&found, &key_columns) => report.unchanged += 1,
            Some(k) => jobs.push(Job {
                tile: k.tile,
                found,
                is_new: false,
            }),
            None => {
                jobs.push(Job {
                    tile: next_tile,
                    found,
                    is_new: true,
                });
                next_tile += 1;
            }
        }
    }
    let gone: Vec<i32> = known.values().map(|k| k.tile).collect();
    forget(store, &mut tx, &gone).await?;
    report.removed = known.into_keys().collect();
    report.removed.sort();

    let has_changed = !jobs.is_empty() || !gone.is_empty();
    let mut is_mostly_new = false;
    if !jobs.is_empty() {
        is_mostly_new = add(store, &mut tx, options, &key_columns, jobs, &mut report).await?;
    }
    write_run(store, &mut tx, &options.node, &root_text, next_tile, &report).await?;
    store.commit(tx).await?;
    if has_changed {
        store.settle(is_mostly_new).await?;
    }
    Ok(report)
}

/// Reads files and enters what they say. Returns whether most rows of the index are new then.
async fn add(
    store: &Store,
    tx: &mut Tx,
    options: &SyncOptions,
    key_columns: &str,
    jobs: Vec<Job>,
    report: &mut SyncReport,
) -> Result<bool> {
    let (total, mut done) = (jobs.len() as u64, 0);
    let tiles: Vec<i32> = jobs.iter().map(|job| job.tile).collect();
    let mut entry = Entry::begin(store, tx, &options.node, key_columns, &jobs).await?;
    let mut looked = look_at(jobs, options.columns.clone());
    while done < total {
        let mut read = Vec::new();
        let mut galaxies = entry.galaxies(tx).await?;
        while read.len() < TOGETHER
            && let Some(mut files) = looked.recv().await
        {
            pour(&mut galaxies, &mut files).await?;
            done += files.len() as u64;
            files.iter().for_each(|file| report.take(file));
            read.append(&mut files);
            if let Some(progress) = &options.progress {
                progress(done, total);
            }
        }
        galaxies.end().await?;
        if read.is_empty() {
            return Err(Error::Interrupted {
                source: format!("{done} of {total} tiles were read").into(),
            });
        }
        entry.register(tx, &read).await?;
    }
    catalogue::join_tiles(store, tx, &tiles).await?;
    entry.end(tx).await
}

impl SyncReport {
    fn take(&mut self, tile: &Looked) {
        let uri = tile.job.found.uri.clone();
        match &tile.outcome {
            Err(reason) => self.failed.push((uri, reason.clone())),
            Ok(facts) => {
                self.rows += facts.footer.rows();
                if tile.job.is_new {
                    &mut self.added
                } else {
                    &mut self.updated
                }
                .push(uri);
            }
        }
    }
}

/// Reads the files on all cores, in order, some at a time. What waits for the database is bounded, and the waiting is done
/// by no worker of rayon's, which others may need.
pub(crate) fn look_at(jobs: Vec<Job>, columns: KeyColumns) -> mpsc::Receiver<Vec<Looked>> {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    tokio::task::spawn_blocking(move || {
        let mut jobs = jobs.into_iter().peekable();
        while jobs.peek().is_some() {
            let mut bytes = 0;
            let mut some = Vec::new();
            while let Some(job) = jobs.next_if(|job| some.is_empty() || bytes + job.found.state.size <= BYTES_AT_ONCE) {
                bytes += job.found.state.size;
                some.push(job);
                if some.len() == FILES_AT_ONCE {
                    break;
                }
            }
            let looked = some
                .into_par_iter()
                .map_init(FooterReader::default, |footers, job| look(footers, job, &columns))
                .collect();
            // The receiver is gone when the sync was given up.
            if sender.blocking_send(looked).is_err() {
                return;
            }
        }
    });
    receiver
}

fn look(footers: &mut FooterReader, job: Job, columns: &KeyColumns) -> Looked {
    // The decoder is made for whole files: where a damaged one makes it panic, only that file has failed.
    let outcome = catch_unwind(AssertUnwindSafe(|| facts(footers, &job, columns)));
    Looked {
        job,
        outcome: outcome.unwrap_or_else(|_| Err(DECODER_PANICKED.into())),
    }
}

const DECODER_PANICKED: &str = "the decoder gave up: damaged";

pub(crate) fn facts(footers: &mut FooterReader, job: &Job, columns: &KeyColumns) -> Result<Facts, String> {
    let path = Path::new(&job.found.uri);
    let file = File::open(path).map_err(|e| e.to_string())?;
    let state = file.state().map_err(|e| e.to_string())?;
    let mut footer = footers.read_from(&file, state)?;
    if footer.rows() > MOST_ROWS {
        return Err(format!(
            "{} rows are too many for one tile, which has at most {MOST_ROWS}: split it",
            footer.rows()
        ));
    }
    let keys = Keys::read(&file, &footer, columns, job.tile)?;
    // By its path, since another file may have been put in its place.
    let now = path
        .metadata()
        .map(|metadata| State::of(&metadata))
        .map_err(|e| e.to_string())?;
    if now != state {
        return Err("it changed while it was read: sync again when it is finished".into());
    }
    let bounds = footer.chunks().iter().map(|chunk| footer.bounds(chunk)).collect();
    footer.forget_tail();
    Ok(Facts {
        bounds,
        keys_hash: keys.hash(),
        footer,
        keys,
    })
}

/// Two sets of names that look for the same columns have the same hash.
pub(crate) fn hash_of(columns: &KeyColumns) -> String {
    hex(XxHash64::oneshot(0, format!("{columns:?}").as_bytes()))
}

pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::Interrupted { source: e.into() })
}
