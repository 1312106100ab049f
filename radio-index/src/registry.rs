//! The registry: what the tables say of the files, and how it gets there.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use sqlx::AssertSqlSafe;

use crate::discover::Found;
use crate::footer::{ColumnChunk, Footer, RowGroup};
use crate::keys::Keys;
use crate::pour::{Cell, Pouring, Table};
use crate::read_at::State;
use crate::selection::{WITHIN, numbered, within};
use crate::store::{Dialect, Store, Tx, Value, bind, on};
use crate::{Result, SyncReport};

/// A file of the registry, as the last sync left it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) tile: i32,
    pub(crate) state: State,
    pub(crate) key_columns: String,
    pub(crate) footer_hash: String,
    pub(crate) keys_hash: String,
    pub(crate) schema_hash: String,
    pub(crate) rows: i64,
    /// Why the file could not be used.
    pub(crate) error: Option<String>,
}

impl Known {
    pub(crate) fn is_like(&self, found: &Found, key_columns: &str) -> bool {
        self.error.is_none() && self.state == found.state && self.key_columns == key_columns
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
    pub(crate) footer: Footer,
    /// Bounds of its column chunks, as text.
    pub(crate) bounds: Vec<(Option<String>, Option<String>)>,
    pub(crate) keys: Keys,
    pub(crate) keys_hash: u64,
}

/// What is known of the files of a node below a folder, by their paths.
pub(crate) async fn registered(store: &Store, tx: &mut Tx, node: &str, root: &str) -> Result<HashMap<String, Known>> {
    type Row = (
        String,
        i32,
        i64,
        i64,
        String,
        String,
        String,
        String,
        i64,
        Option<String>,
    );
    let condition = numbered(WITHIN, 1);
    let sql = format!(
        "SELECT uri, tile, size, mtime_ns, key_columns, footer_hash, keys_hash, schema_hash, row_count, error
        FROM file_registry WHERE node = $1 AND ({condition})"
    );
    let rows: Vec<Row> = on!(tx, connection => {
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(node);
        bind!(query, &within(root)).fetch_all(connection).await
    })
    .map_err(store.failed("read the registry"))?;
    let known = |row: Row| {
        let (uri, tile, size, mtime_ns, key_columns, footer_hash, keys_hash, schema_hash, rows, error) = row;
        let state = State {
            size: u64::try_from(size).unwrap_or_default(),
            mtime_ns,
        };
        (
            uri,
            Known {
                tile,
                state,
                key_columns,
                footer_hash,
                keys_hash,
                schema_hash,
                rows,
                error,
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

/// Takes files and their rows out of all tables.
pub(crate) async fn forget(store: &Store, tx: &mut Tx, tiles: &[i32]) -> Result<()> {
    for tiles in tiles.chunks(500) {
        for table in ["column_chunks", "row_groups", "file_registry"] {
            store
                .execute(tx, format!("DELETE FROM {table} WHERE tile IN ({})", list(tiles)), &[])
                .await?;
        }
    }
    for rows in row_ranges(tiles) {
        let ends = [rows.start.into(), rows.end.into()];
        store
            .execute(tx, "DELETE FROM galaxies WHERE galaxy >= $1 AND galaxy < $2", &ends)
            .await?;
    }
    Ok(())
}

/// Number of a row among all rows: the tile in the upper half, the row in the lower.
pub(crate) fn row_number(tile: i32, row: i32) -> i64 {
    i64::from(tile) << 32 | i64::from(row)
}

/// The numbers of all rows of some tiles, those of neighbours together.
pub(crate) fn row_ranges(tiles: &[i32]) -> Vec<Range<i64>> {
    let mut tiles = tiles.to_vec();
    tiles.sort_unstable();
    let runs = tiles.chunk_by(|a, b| a + 1 >= *b);
    runs.filter_map(|run| Some(row_number(*run.first()?, 0)..row_number(run.last()? + 1, 0)))
        .collect()
}

/// Numbers for an `IN (…)`.
pub(crate) fn list(tiles: &[i32]) -> String {
    let tiles: Vec<String> = tiles.iter().map(i32::to_string).collect();
    tiles.join(", ")
}

const FILES: Table<14> = Table {
    name: "file_registry",
    columns: [
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
        "keys_hash",
        "error",
    ],
    replace_by: &[],
    is_fresh: false,
};

const ROW_GROUPS: Table<6> = Table {
    name: "row_groups",
    columns: ["tile", "row_group", "first_row", "row_count", "first_byte", "bytes"],
    replace_by: &[],
    is_fresh: false,
};

const SCHEMA_COLUMNS: Table<4> = Table {
    name: "schema_columns",
    columns: ["schema_hash", "column_number", "column_path", "data_type"],
    replace_by: &["schema_hash", "column_number"],
    is_fresh: false,
};

const COLUMN_CHUNKS: Table<10> = Table {
    name: "column_chunks",
    columns: [
        "tile",
        "row_group",
        "column_number",
        "codec",
        "value_count",
        "null_count",
        "first_byte",
        "bytes",
        "min_value",
        "max_value",
    ],
    replace_by: &[],
    is_fresh: false,
};

/// The columns of `galaxies`, and of `catalogue` without the first one.
pub(crate) const GALAXIES: Table<16> = Table {
    name: "galaxies",
    columns: [
        "galaxy",
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
        "coadd_fiberstatus",
        "is_primary",
        "survey",
        "program",
        "healpix",
    ],
    replace_by: &[],
    is_fresh: false,
};

/// Indexes of `galaxies`, which are built after a table was filled from nothing.
const INDEXES: [&str; 3] = ["targetid", "z", "healpix"];

/// Puts files and their rows into all tables; of one that could not be read only the reason.
pub(crate) struct Entry<'a> {
    store: &'a Store,
    node: &'a str,
    key_columns: &'a str,
    /// Was the table of galaxies empty before?
    is_first: bool,
    /// Are its indexes built in the end, since most rows are new?
    builds_indexes: bool,
    schemas: HashSet<u64>,
}

impl<'a> Entry<'a> {
    /// Prepares the tables for some files. Where they are a third of all or more, building the indexes in the end is faster
    /// than keeping them up to date.
    pub(crate) async fn begin(
        store: &'a Store,
        tx: &mut Tx,
        node: &'a str,
        key_columns: &'a str,
        jobs: &[Job],
    ) -> Result<Self> {
        let is_first = !any_row(store, tx, "galaxies").await?;
        let sql = "SELECT COUNT(*) FROM file_registry";
        let (registered,): (i64,) = on!(tx, connection => sqlx::query_as(sql).fetch_one(connection).await)
            .map_err(store.failed("read the registry"))?;
        let builds_indexes = is_first || 2 * to_i64(jobs.len() as u64) >= registered;
        if is_first {
            empty_galaxies(store, tx).await?;
        }
        if builds_indexes {
            drop_indexes(store, tx, is_first).await?;
        }
        let changed: Vec<i32> = jobs.iter().filter(|job| !job.is_new).map(|job| job.tile).collect();
        forget(store, tx, &changed).await?;
        Ok(Self {
            store,
            node,
            key_columns,
            is_first,
            builds_indexes,
            schemas: HashSet::new(),
        })
    }

    /// Opens the table of galaxies.
    pub(crate) async fn galaxies<'t>(&self, tx: &'t mut Tx) -> Result<Pouring<'t, 16>>
    where
        'a: 't,
    {
        let table = Table {
            is_fresh: self.is_first,
            ..GALAXIES
        };
        self.store.pouring(tx, table).await
    }

    /// Enters files into the registry, whose galaxies are entered already.
    pub(crate) async fn register(&mut self, tx: &mut Tx, looked: &[Looked]) -> Result<()> {
        self.files(tx, looked).await?;
        let facts = || facts(looked);
        let new_schemas: Vec<&Facts> = facts()
            .map(|(_, facts)| facts)
            .filter(|facts| self.schemas.insert(facts.footer.schema().hash))
            .collect();
        for facts in new_schemas {
            let hash = hex(facts.footer.schema().hash);
            let mut columns = self.store.pouring(tx, SCHEMA_COLUMNS).await?;
            columns.fill(facts.footer.columns().enumerate().map(|(number, (path, data_type))| {
                [
                    Cell::Text(&hash),
                    Cell::Small(small(number)),
                    Cell::Text(path),
                    Cell::Text(data_type),
                ]
            }))?;
            columns.end().await?;
        }

        let mut groups = self.store.pouring(tx, ROW_GROUPS).await?;
        groups.fill(facts().flat_map(|(tile, facts)| {
            let numbered = facts.footer.row_groups().iter().enumerate();
            numbered.map(move |(number, group)| row_group(tile, number, group))
        }))?;
        groups.end().await?;

        let mut chunks = self.store.pouring(tx, COLUMN_CHUNKS).await?;
        chunks.fill(facts().flat_map(|(tile, facts)| {
            let with_bounds = facts.footer.chunks().iter().zip(&facts.bounds);
            with_bounds.map(move |(chunk, bounds)| column_chunk(tile, chunk, bounds))
        }))?;
        chunks.end().await.map(drop)
    }

    async fn files(&self, tx: &mut Tx, looked: &[Looked]) -> Result<()> {
        /// What a footer says, as the cells that are not numbers borrow it.
        struct Texts<'a>(String, String, String, &'a str);
        let texts: Vec<Texts<'_>> = looked
            .iter()
            .map(|tile| match &tile.outcome {
                Ok(Facts { footer, keys_hash, .. }) => Texts(
                    hex(footer.hash()),
                    hex(footer.schema().hash),
                    hex(*keys_hash),
                    footer.created_by(),
                ),
                Err(_) => Texts(String::new(), String::new(), String::new(), ""),
            })
            .collect();
        let mut files = self.store.pouring(tx, FILES).await?;
        let rows = looked
            .iter()
            .zip(&texts)
            .map(|(looked, Texts(footer_hash, schema_hash, keys_hash, created_by))| {
                let footer = looked.outcome.as_ref().ok().map(|facts| &facts.footer);
                let state = footer.map_or(looked.job.found.state, Footer::state);
                [
                    Cell::Small(looked.job.tile),
                    Cell::Text(self.node),
                    Cell::Text(&looked.job.found.uri),
                    int(state.size),
                    Cell::Int(state.mtime_ns),
                    int(footer.map_or(0, Footer::length)),
                    Cell::Text(footer_hash),
                    Cell::Text(schema_hash),
                    int(footer.map_or(0, Footer::rows)),
                    int(footer.map_or(0, |footer| footer.row_groups().len() as u64)),
                    Cell::Text(created_by),
                    Cell::Text(self.key_columns),
                    Cell::Text(keys_hash),
                    Cell::text(looked.outcome.as_ref().err().map(String::as_str)),
                ]
            });
        files.fill(rows)?;
        files.end().await.map(drop)
    }

    /// Builds what was left out, and returns whether most rows are new.
    pub(crate) async fn end(self, tx: &mut Tx) -> Result<bool> {
        if self.builds_indexes {
            build_indexes(self.store, tx, self.is_first).await?;
        }
        analyze(self.store, tx).await?;
        Ok(self.builds_indexes)
    }
}

/// Moves the galaxies of files into their table.
pub(crate) async fn pour(galaxies: &mut Pouring<'_, 16>, looked: &mut [Looked]) -> Result<()> {
    for (tile, facts) in facts(looked) {
        galaxies.fill((0..facts.keys.len()).map(|row| galaxy(tile, &facts.keys, row)))?;
    }
    for facts in looked.iter_mut().filter_map(|tile| tile.outcome.as_mut().ok()) {
        facts.keys = Keys::default();
    }
    galaxies.send().await
}

/// The files that could be read.
fn facts(looked: &[Looked]) -> impl Iterator<Item = (i32, &Facts)> {
    looked
        .iter()
        .filter_map(|tile| Some((tile.job.tile, tile.outcome.as_ref().ok()?)))
}

pub(crate) async fn any_row(store: &Store, tx: &mut Tx, table: &'static str) -> Result<bool> {
    let sql = AssertSqlSafe(format!("SELECT EXISTS (SELECT 1 FROM {table})"));
    let (any,): (bool,) = on!(tx, connection => sqlx::query_as(sql).fetch_one(connection).await)
        .map_err(store.failed("read the tables"))?;
    Ok(any)
}

/// Takes all rows away.
pub(crate) async fn empty_galaxies(store: &Store, tx: &mut Tx) -> Result<()> {
    let empty = match store.dialect() {
        Dialect::Sqlite => "DELETE FROM galaxies",
        Dialect::Postgres => "TRUNCATE galaxies",
    };
    store.execute(tx, empty, &[]).await.map(drop)
}

/// Takes the indexes away, and where the table `is_empty` PostgreSQL's primary key: rows that are to be replaced are found by
/// it. (In SQLite the rows themselves are the primary key.)
pub(crate) async fn drop_indexes(store: &Store, tx: &mut Tx, is_empty: bool) -> Result<()> {
    if is_empty && store.dialect() == Dialect::Postgres {
        let sql = "ALTER TABLE galaxies DROP CONSTRAINT IF EXISTS galaxies_by_row";
        store.execute(tx, sql, &[]).await?;
    }
    for column in INDEXES {
        store
            .execute(tx, format!("DROP INDEX IF EXISTS galaxies_by_{column}"), &[])
            .await?;
    }
    Ok(())
}

/// Builds the indexes as the migrations define them, and the primary key of a table that was empty.
pub(crate) async fn build_indexes(store: &Store, tx: &mut Tx, was_empty: bool) -> Result<()> {
    if store.dialect() == Dialect::Postgres {
        store
            .execute(tx, "SET LOCAL maintenance_work_mem = '128MB'", &[])
            .await?;
        if was_empty {
            let sql = "ALTER TABLE galaxies ADD CONSTRAINT galaxies_by_row PRIMARY KEY (galaxy)";
            store.execute(tx, sql, &[]).await?;
        }
    }
    for column in INDEXES {
        // A range of redshifts may hold many rows: the index has all that a plan needs of them.
        let include = match (store.dialect(), column) {
            (Dialect::Postgres, "z") => " INCLUDE (galaxy)",
            _ => "",
        };
        store
            .execute(
                tx,
                format!("CREATE INDEX galaxies_by_{column} ON galaxies ({column}){include}"),
                &[],
            )
            .await?;
    }
    Ok(())
}

/// Tells the database's planner what is in the tables.
pub(crate) async fn analyze(store: &Store, tx: &mut Tx) -> Result<()> {
    let statements: &[&str] = match store.dialect() {
        Dialect::Sqlite => &["PRAGMA analysis_limit = 1000", "ANALYZE"],
        Dialect::Postgres => &["ANALYZE galaxies", "ANALYZE file_registry", "ANALYZE catalogue"],
    };
    for statement in statements {
        store.execute(tx, *statement, &[]).await?;
    }
    Ok(())
}

fn row_group(tile: i32, number: usize, group: &RowGroup) -> [Cell<'static>; 6] {
    [
        Cell::Small(tile),
        Cell::Small(small(number)),
        int(group.first_row),
        int(group.rows),
        int(group.first_byte),
        int(group.bytes),
    ]
}

fn column_chunk<'a>(tile: i32, chunk: &ColumnChunk, bounds: &'a (Option<String>, Option<String>)) -> [Cell<'a>; 10] {
    [
        Cell::Small(tile),
        Cell::Small(small(chunk.row_group)),
        Cell::Small(small(chunk.column)),
        Cell::Text(chunk.codec()),
        int(chunk.values),
        Cell::int(chunk.nulls.map(to_i64)),
        int(chunk.first_byte),
        int(chunk.bytes),
        Cell::text(bounds.0.as_deref()),
        Cell::text(bounds.1.as_deref()),
    ]
}

fn galaxy(tile: i32, keys: &Keys, row: usize) -> [Cell<'_>; 16] {
    let mut cells = [Cell::Int(row_number(tile, small(row))); 16];
    cells[1..].copy_from_slice(&key_cells(keys, row));
    cells
}

/// The key columns of a row, in the order of the tables.
pub(crate) fn key_cells(keys: &Keys, row: usize) -> [Cell<'_>; 15] {
    [
        Cell::Int(keys.targetid[row]),
        Cell::Real(keys.ra[row]),
        Cell::Real(keys.dec[row]),
        Cell::Real(keys.z[row]),
        Cell::Real(keys.zerr[row]),
        Cell::int(keys.zwarn[row]),
        Cell::text(keys.spectype.get(row)),
        Cell::text(keys.objtype.get(row)),
        Cell::int(keys.desi_target[row]),
        Cell::Real(keys.deltachi2[row]),
        Cell::int(keys.fiberstatus[row]),
        Cell::int(keys.primary[row]),
        Cell::text(keys.survey.get(row)),
        Cell::text(keys.program.get(row)),
        Cell::int(keys.healpix[row]),
    ]
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
        Value::Int(i64::from(number)),
        node.into(),
        root.into(),
        (report.added.len() as i64).into(),
        (report.updated.len() as i64).into(),
        to_i64(report.unchanged).into(),
        (report.removed.len() as i64).into(),
        (report.failed.len() as i64).into(),
        i64::from(next_tile).into(),
    ];
    store.execute(tx, SQL, &values).await.map(drop)
}

pub(crate) fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}

fn int(x: u64) -> Cell<'static> {
    Cell::Int(to_i64(x))
}

pub(crate) fn to_i64(x: u64) -> i64 {
    i64::try_from(x).unwrap_or(i64::MAX)
}

/// A number of a row, row group or column. More rows than this do not fit a tile: see [`crate::sync`].
fn small(x: usize) -> i32 {
    i32::try_from(x).unwrap_or(i32::MAX)
}
