//! Bringing the index up to date with a folder of tiles.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::hash::Hasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use sqlx::AssertSqlSafe;
use tokio::sync::mpsc;

use crate::discover::{Found, tiles};
use crate::fnv::Fnv;
use crate::footer::{Column, Footer, RowGroup};
use crate::keys::Keys;
use crate::select::{WITHIN, numbered, within};
use crate::store::{Store, Table, Tx, Value, bind, on};
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

/// A file of the registry, as the last sync left it.
struct Known {
    tile: i32,
    size: i64,
    mtime_ns: i64,
    key_columns: String,
    is_readable: bool,
}

impl Known {
    fn is_like(&self, found: &Found, key_columns: &str) -> bool {
        let is_same_file = self.size == size(found) && self.mtime_ns == found.mtime_ns;
        self.is_readable && is_same_file && self.key_columns == key_columns
    }
}

/// A file to look at.
struct Job {
    tile: i32,
    found: Found,
    is_new: bool,
}

/// A file that was looked at.
struct Looked {
    job: Job,
    outcome: std::result::Result<Facts, String>,
}

struct Facts {
    footer_bytes: u64,
    footer_hash: u64,
    schema_hash: u64,
    created_by: String,
    rows: i64,
    groups: Vec<RowGroup>,
    columns: Vec<Column>,
    keys: Keys,
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
    report.sort();
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

    /// Tiles are read in any order, but reported in one.
    fn sort(&mut self) {
        self.added.sort();
        self.updated.sort();
        self.removed.sort();
        self.failed.sort();
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

async fn registered(store: &Store, tx: &mut Tx, node: &str, root: &str) -> Result<HashMap<String, Known>> {
    let condition = numbered(WITHIN, 1);
    let sql = format!(
        "SELECT uri, tile, size, mtime_ns, key_columns, error IS NULL FROM file_registry WHERE node = $1 AND ({condition})"
    );
    let rows: Vec<(String, i32, i64, i64, String, bool)> = on!(tx, connection => {
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(node);
        bind!(query, &within(root)).fetch_all(connection).await
    })
    .map_err(store.failed("read the registry"))?;
    let known = |(uri, tile, size, mtime_ns, key_columns, is_readable)| {
        (
            uri,
            Known {
                tile,
                size,
                mtime_ns,
                key_columns,
                is_readable,
            },
        )
    };
    Ok(rows.into_iter().map(known).collect())
}

async fn next_number(store: &Store, tx: &mut Tx, sql: &'static str) -> Result<i32> {
    let (last,): (Option<i32>,) = on!(tx, connection => sqlx::query_as(sql).fetch_one(connection).await)
        .map_err(store.failed("read the registry"))?;
    Ok(last.map_or(0, |last| last + 1))
}

async fn forget(store: &Store, tx: &mut Tx, tile: i32) -> Result<()> {
    for table in ["galaxies", "tile_columns", "row_groups", "file_registry"] {
        let sql = AssertSqlSafe(format!("DELETE FROM {table} WHERE tile = $1"));
        on!(tx, connection => sqlx::query(sql).bind(tile).execute(connection).await.map(drop))
            .map_err(store.failed("remove a tile"))?;
    }
    Ok(())
}

const FILES: Table = Table {
    name: "file_registry",
    columns: &[
        "tile",
        "node",
        "uri",
        "size",
        "mtime_ns",
        "footer_bytes",
        "footer_hash",
        "schema_hash",
        "row_count",
        "row_group_count",
        "created_by",
        "key_columns",
        "error",
    ],
    replace_by: &[],
};

const ROW_GROUPS: Table = Table {
    name: "row_groups",
    columns: &["tile", "row_group", "first_row", "row_count", "first_byte", "bytes"],
    replace_by: &[],
};

const TILE_COLUMNS: Table = Table {
    name: "tile_columns",
    columns: &[
        "tile",
        "column_path",
        "data_type",
        "codec",
        "value_count",
        "null_count",
        "bytes",
    ],
    replace_by: &[],
};

const GALAXIES: Table = Table {
    name: "galaxies",
    columns: &[
        "targetid",
        "target_ra",
        "target_dec",
        "z",
        "zerr",
        "zwarn",
        "spectype",
        "objtype",
        "desi_target",
        "deltachi2",
        "healpix",
        "tile",
        "row_in_tile",
    ],
    replace_by: &[],
};

async fn enter(store: &Store, tx: &mut Tx, node: &str, key_columns: &str, looked: &Looked) -> Result<()> {
    let Looked {
        job: Job { tile, found, .. },
        outcome,
    } = looked;
    let tile = i64::from(*tile);
    let mut file: Vec<Value<'_>> = vec![
        tile.into(),
        node.into(),
        found.uri.as_str().into(),
        size(found).into(),
        found.mtime_ns.into(),
    ];
    match outcome {
        Ok(facts) => file.extend([
            size_of(facts.footer_bytes).into(),
            hex(facts.footer_hash),
            hex(facts.schema_hash),
            facts.rows.into(),
            (facts.groups.len() as i64).into(),
            facts.created_by.as_str().into(),
            key_columns.into(),
            Value::Text(None),
        ]),
        Err(reason) => file.extend([
            0.into(),
            "".into(),
            "".into(),
            0.into(),
            0.into(),
            "".into(),
            key_columns.into(),
            Value::Text(Some(Cow::Borrowed(reason))),
        ]),
    }
    store.insert(tx, FILES, &file).await?;
    let Ok(facts) = outcome else { return Ok(()) };

    let groups = facts.groups.iter().enumerate().flat_map(|(number, group)| {
        [
            tile,
            number as i64,
            group.first_row,
            group.rows,
            group.first_byte,
            group.bytes,
        ]
        .map(Value::from)
    });
    store.insert(tx, ROW_GROUPS, &groups.collect::<Vec<_>>()).await?;

    let columns = facts.columns.iter().flat_map(|column| {
        [
            tile.into(),
            column.path.as_str().into(),
            column.data_type.as_str().into(),
            column.codec.as_str().into(),
            column.values.into(),
            Value::Int(column.nulls),
            column.bytes.into(),
        ]
    });
    store.insert(tx, TILE_COLUMNS, &columns.collect::<Vec<_>>()).await?;
    store.insert(tx, GALAXIES, &galaxies(tile, &facts.keys)).await
}

fn galaxies(tile: i64, keys: &Keys) -> Vec<Value<'_>> {
    fn text(x: &Option<String>) -> Value<'_> {
        Value::Text(x.as_deref().map(Cow::Borrowed))
    }
    let row = |row: usize| {
        [
            keys.targetid[row].into(),
            Value::Real(keys.ra[row]),
            Value::Real(keys.dec[row]),
            Value::Real(keys.z[row]),
            Value::Real(keys.zerr[row]),
            Value::Int(keys.zwarn[row]),
            text(&keys.spectype[row]),
            text(&keys.objtype[row]),
            Value::Int(keys.desi_target[row]),
            Value::Real(keys.deltachi2[row]),
            Value::Int(keys.healpix[row]),
            tile.into(),
            (row as i64).into(),
        ]
    };
    (0..keys.targetid.len()).flat_map(row).collect()
}

async fn write_run(
    store: &Store,
    tx: &mut Tx,
    node: &str,
    root: &str,
    next_tile: i32,
    report: &SyncReport,
) -> Result<()> {
    const SQL: &str = "INSERT INTO sync_runs
        (sync_run, node, root, added, updated, unchanged, removed, failed, next_tile)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let number = next_number(store, tx, "SELECT MAX(sync_run) FROM sync_runs").await?;
    let values = [
        i64::from(number).into(),
        node.into(),
        root.into(),
        (report.added.len() as i64).into(),
        (report.updated.len() as i64).into(),
        size_of(report.unchanged).into(),
        (report.removed.len() as i64).into(),
        (report.failed.len() as i64).into(),
        i64::from(next_tile).into(),
    ];
    store.execute(tx, SQL, &values).await
}

/// Two sets of names that look for the same columns have the same hash.
fn hash_of(columns: &KeyColumns) -> String {
    let mut hash = Fnv::default();
    hash.write(format!("{columns:?}").as_bytes());
    format!("{:016x}", hash.finish())
}

fn size(found: &Found) -> i64 {
    size_of(found.size)
}

fn size_of(x: u64) -> i64 {
    i64::try_from(x).unwrap_or(i64::MAX)
}

fn hex(hash: u64) -> Value<'static> {
    Value::Text(Some(Cow::Owned(format!("{hash:016x}"))))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::Interrupted { source: e.into() })
}
