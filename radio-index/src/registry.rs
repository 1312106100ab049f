//! The registry: what the tables say of the files, and how it gets there.

use std::borrow::Cow;
use std::collections::HashMap;

use sqlx::AssertSqlSafe;

use crate::discover::Found;
use crate::footer::{Column, RowGroup};
use crate::keys::Keys;
use crate::select::{WITHIN, numbered, within};
use crate::store::{Store, Table, Tx, Value, bind, on};
use crate::{Result, SyncReport};

/// A file of the registry, as the last sync left it.
pub(crate) struct Known {
    pub(crate) tile: i32,
    size: i64,
    mtime_ns: i64,
    key_columns: String,
    is_readable: bool,
}

impl Known {
    pub(crate) fn is_like(&self, found: &Found, key_columns: &str) -> bool {
        let is_same_file = self.size == size(found) && self.mtime_ns == found.mtime_ns;
        self.is_readable && is_same_file && self.key_columns == key_columns
    }
}

/// A file to look at.
pub(crate) struct Job {
    pub(crate) tile: i32,
    pub(crate) found: Found,
    pub(crate) is_new: bool,
}

/// A file that was looked at.
pub(crate) struct Looked {
    pub(crate) job: Job,
    pub(crate) outcome: std::result::Result<Facts, String>,
}

/// What its footer and key columns say.
pub(crate) struct Facts {
    pub(crate) footer_bytes: u64,
    pub(crate) footer_hash: u64,
    pub(crate) schema_hash: u64,
    pub(crate) created_by: String,
    pub(crate) rows: i64,
    pub(crate) groups: Vec<RowGroup>,
    pub(crate) columns: Vec<Column>,
    pub(crate) keys: Keys,
}

/// What is known of the files of a node below a folder, by their paths.
pub(crate) async fn registered(store: &Store, tx: &mut Tx, node: &str, root: &str) -> Result<HashMap<String, Known>> {
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

/// One more than a query says, or 0 where it says nothing.
pub(crate) async fn next_number(store: &Store, tx: &mut Tx, sql: &'static str) -> Result<i32> {
    let (last,): (Option<i32>,) = on!(tx, connection => sqlx::query_as(sql).fetch_one(connection).await)
        .map_err(store.failed("read the registry"))?;
    Ok(last.map_or(0, |last| last + 1))
}

/// Takes a file and its rows out of all tables.
pub(crate) async fn forget(store: &Store, tx: &mut Tx, tile: i32) -> Result<()> {
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

/// Puts a file and its rows into all tables; of one that could not be read only the reason.
pub(crate) async fn enter(store: &Store, tx: &mut Tx, node: &str, key_columns: &str, looked: &Looked) -> Result<()> {
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

/// Says that a sync ended, and what it did.
pub(crate) async fn write_run(
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

fn size(found: &Found) -> i64 {
    size_of(found.size)
}

fn size_of(x: u64) -> i64 {
    i64::try_from(x).unwrap_or(i64::MAX)
}

fn hex(hash: u64) -> Value<'static> {
    Value::Text(Some(Cow::Owned(format!("{hash:016x}"))))
}
