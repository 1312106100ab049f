//! Bringing the index up to date with a folder of tiles.

use std::fmt;
use std::fs::File;
use std::hash::Hasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use tokio::sync::mpsc;

use crate::discover::tiles;
use crate::fnv::Fnv;
use crate::footer::Footer;
use crate::keys::Keys;
use crate::registry::{Facts, Job, Looked, enter, forget, next_number, registered, write_run};
use crate::store::Store;
use crate::{Error, KeyColumns, Result};

/// Decoded tiles that wait for the database, at most.
const IN_FLIGHT: usize = 16;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    for (uri, k) in known {
        forget(store, &mut tx, k.tile).await?;
        report.removed.push(uri);
    }
    report.removed.sort();

    let (total, mut done) = (jobs.len() as u64, 0);
    let mut looked = look_at(jobs, options.columns.clone());
    while let Some(tile) = looked.recv().await {
        if !tile.job.is_new {
            forget(store, &mut tx, tile.job.tile).await?;
        }
        enter(store, &mut tx, &options.node, &key_columns, &tile).await?;
        report.take(tile);
        done += 1;
        if let Some(progress) = &options.progress {
            progress(done, total);
        }
    }
    if done < total {
        return Err(Error::Interrupted {
            source: format!("{done} of {total} tiles were read").into(),
        });
    }
    write_run(store, &mut tx, &options.node, &root_text, next_tile, &report).await?;
    store.commit(tx).await?;
    Ok(report)
}

impl SyncReport {
    fn take(&mut self, tile: Looked) {
        let uri = tile.job.found.uri;
        match tile.outcome {
            Err(reason) => self.failed.push((uri, reason)),
            Ok(facts) => {
                self.rows += u64::try_from(facts.rows).unwrap_or_default();
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

/// Reads the files on all cores, in order. What waits for the database is bounded, and the waiting is done by no worker of
/// rayon's, which others may need.
fn look_at(jobs: Vec<Job>, columns: KeyColumns) -> mpsc::Receiver<Looked> {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    tokio::task::spawn_blocking(move || {
        let mut jobs = jobs.into_iter();
        loop {
            let chunk: Vec<Job> = jobs.by_ref().take(IN_FLIGHT).collect();
            if chunk.is_empty() {
                return;
            }
            let looked: Vec<Looked> = chunk.into_par_iter().map(|job| look(job, &columns)).collect();
            // The receiver is gone when the sync was given up.
            if looked.into_iter().any(|tile| sender.blocking_send(tile).is_err()) {
                return;
            }
        }
    });
    receiver
}

fn look(job: Job, columns: &KeyColumns) -> Looked {
    // The decoder is made for whole files: where a damaged one makes it panic, only that file has failed.
    let outcome = catch_unwind(AssertUnwindSafe(|| facts(&job, columns)));
    Looked {
        job,
        outcome: outcome.unwrap_or_else(|_| Err(DECODER_PANICKED.into())),
    }
}

const DECODER_PANICKED: &str = "the decoder gave up: damaged";

fn facts(job: &Job, columns: &KeyColumns) -> std::result::Result<Facts, String> {
    let mut file = File::open(Path::new(&job.found.uri)).map_err(|e| e.to_string())?;
    let footer = Footer::read(&mut file, job.found.size)?;
    let keys = Keys::read(file, &footer, columns, job.tile)?;
    Ok(Facts {
        footer_bytes: footer.bytes,
        footer_hash: footer.hash,
        schema_hash: footer.schema_hash(),
        created_by: footer.created_by().to_owned(),
        rows: footer.rows(),
        groups: footer.row_groups(),
        columns: footer.columns(),
        keys,
    })
}

/// Two sets of names that look for the same columns have the same hash.
fn hash_of(columns: &KeyColumns) -> String {
    let mut hash = Fnv::default();
    hash.write(format!("{columns:?}").as_bytes());
    format!("{:016x}", hash.finish())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::Interrupted { source: e.into() })
}
