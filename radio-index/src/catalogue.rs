//! A catalogue that is not in the tiles, joined to them by id.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::discover::tiles;
use crate::pour::Table;
use crate::registry::{
    GALAXIES, Job, analyze, any_row, build_indexes, drop_indexes, empty_galaxies, key_cells, row_ranges,
};
use crate::store::{Dialect, Store, Tx, on};
use crate::sync::{blocking, look_at};
use crate::{Error, KeyColumns, Result};

/// A catalogue to join, and how to read it.
#[derive(Clone)]
#[non_exhaustive]
pub struct CatalogueOptions {
    /// A Parquet file, or a folder of them (a HATS catalogue, for instance).
    pub path: PathBuf,
    /// Where the key columns are. Default: DESI's names and their usual aliases.
    pub columns: KeyColumns,
    /// Called with the number of files that were read and that are to be read. Default: nothing.
    pub progress: Option<Progress>,
}

/// Files done, files in all.
type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

impl CatalogueOptions {
    /// Joins the catalogue at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            columns: KeyColumns::default(),
            progress: None,
        }
    }

    /// Says where the key columns are.
    #[must_use]
    pub fn with_columns(mut self, columns: KeyColumns) -> Self {
        self.columns = columns;
        self
    }

    /// Reports progress: files done, files in all.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }
}

impl fmt::Debug for CatalogueOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, columns, .. } = self;
        f.debug_struct("CatalogueOptions")
            .field("path", path)
            .field("columns", columns)
            .finish_non_exhaustive()
    }
}

/// What joining a catalogue found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct CatalogueReport {
    /// Files.
    pub files: u64,
    /// Rows of the files.
    pub rows: u64,
    /// Rows that say of a target what another one says better: see [`Index::join_catalogue`](crate::Index::join_catalogue).
    pub repeated: u64,
    /// Rows with a negative id or an empty object type.
    pub dead: u64,
    /// Targets that no tile has.
    pub without_spectrum: u64,
    /// Rows of tiles that have an entry in the catalogue.
    pub joined: u64,
    /// Rows of tiles that have none, and keep what the tiles say.
    pub not_joined: u64,
    /// Rows without a value, of each key column that lacks some.
    pub nulls: Vec<(&'static str, u64)>,
    /// Rows with a fill value (999999 or 1e20, of either sign), of each key column that has some. They are kept.
    pub fills: Vec<(&'static str, u64)>,
}

/// The table that keeps what the catalogue says.
const CATALOGUE: Table<15> = {
    let [_, columns @ ..] = GALAXIES.columns;
    Table {
        name: "catalogue",
        columns,
        replace_by: &[],
        is_fresh: false,
    }
};

/// Key columns that are real numbers.
pub(crate) const REALS: [&str; 5] = ["target_ra", "target_dec", "z", "zerr", "deltachi2"];

/// What counts as a row of a fibre with no object on it.
pub(crate) const IS_DEAD: &str = "targetid < 0 OR objtype = ''";

/// Does a column hold a fill value? Single precision stores 1e20 as 100000002004087734272.
pub(crate) fn is_fill(column: &str) -> String {
    format!("ABS({column}) = 999999 OR ABS({column}) BETWEEN 9.99999e19 AND 1.00001e20")
}

pub(crate) async fn join(store: &Store, options: &CatalogueOptions) -> Result<CatalogueReport> {
    let path = options.path.canonicalize().map_err(|source| Error::Io {
        path: options.path.clone(),
        source,
    })?;
    let mut tx = store.write().await?;
    let found = blocking(move || tiles(&path, &[])).await??;
    let total = found.len() as u64;
    let empty = match store.dialect() {
        Dialect::Sqlite => "DELETE FROM catalogue",
        Dialect::Postgres => "TRUNCATE catalogue",
    };
    store.execute(&mut tx, empty, &[]).await?;
    store
        .execute(&mut tx, "DROP INDEX IF EXISTS catalogue_by_targetid", &[])
        .await?;

    let mut report = CatalogueReport::default();
    let jobs = (0..)
        .zip(found)
        .map(|(tile, found)| Job {
            tile,
            found,
            is_new: true,
        })
        .collect();
    let mut looked = look_at(jobs, options.columns.clone());
    let table = Table {
        is_fresh: true,
        ..CATALOGUE
    };
    let mut catalogue = store.pouring(&mut tx, table).await?;
    while let Some(files) = looked.recv().await {
        for file in &files {
            let facts = file.outcome.as_ref().map_err(|reason| Error::Catalogue {
                path: file.job.found.uri.clone().into(),
                reason: reason.clone(),
            })?;
            catalogue.fill((0..facts.keys.len()).map(|row| key_cells(&facts.keys, row)))?;
            catalogue.send().await?;
        }
        report.files += files.len() as u64;
        if let Some(progress) = &options.progress {
            progress(report.files, total);
        }
    }
    report.rows = catalogue.end().await?;
    if report.files < total {
        return Err(Error::Interrupted {
            source: format!("{} of {total} files were read", report.files).into(),
        });
    }
    store
        .execute(
            &mut tx,
            "CREATE INDEX catalogue_by_targetid ON catalogue (targetid)",
            &[],
        )
        .await?;
    analyze(store, &mut tx).await?;
    count(store, &mut tx, &mut report).await?;
    report.repeated = keep_best(store, &mut tx).await?;
    join_all(store, &mut tx, &mut report).await?;
    report.without_spectrum = without_spectrum(store, &mut tx).await?;
    analyze(store, &mut tx).await?;
    store.commit(tx).await?;
    store.settle(true).await?;
    Ok(report)
}

/// Counts what is missing from the catalogue.
async fn count(store: &Store, tx: &mut Tx, report: &mut CatalogueReport) -> Result<()> {
    let columns = &CATALOGUE.columns[1..];
    let mut counts: Vec<String> = columns.iter().map(|column| format!("COUNT({column})")).collect();
    counts.extend(REALS.map(|column| format!("COUNT(CASE WHEN {} THEN 1 END)", is_fill(column))));
    counts.push(format!("COUNT(CASE WHEN {IS_DEAD} THEN 1 END)"));
    let sql = format!("SELECT {} FROM catalogue", counts.join(", "));
    let counts = integers(store, tx, sql).await?;
    let rows = report.rows;
    report.nulls = columns
        .iter()
        .zip(&counts)
        .map(|(column, count)| (*column, rows.saturating_sub(*count)))
        .filter(|(_, nulls)| *nulls > 0)
        .collect();
    let fills = REALS.iter().zip(counts.get(columns.len()..).unwrap_or_default());
    report.fills = fills
        .map(|(column, count)| (*column, *count))
        .filter(|(_, fills)| *fills > 0)
        .collect();
    report.dead = counts.last().copied().unwrap_or_default();
    Ok(())
}

/// Removes all but one of the rows of a target, and returns how many: a primary row is better than another, a redshift
/// without a warning better than one with it, a larger gap in χ² better than a smaller one.
async fn keep_best(store: &Store, tx: &mut Tx) -> Result<u64> {
    let repeated = integers(
        store,
        tx,
        "SELECT COUNT(*) - COUNT(DISTINCT targetid) FROM catalogue".into(),
    )
    .await?;
    if repeated.first().is_none_or(|repeated| *repeated == 0) {
        return Ok(0);
    }
    let row = match store.dialect() {
        Dialect::Sqlite => "rowid",
        Dialect::Postgres => "ctid",
    };
    let sql = format!(
        "DELETE FROM catalogue WHERE {row} IN (SELECT place FROM (
            SELECT {row} AS place, ROW_NUMBER() OVER (PARTITION BY targetid ORDER BY
                COALESCE(is_primary, 0) DESC, CASE WHEN zwarn = 0 THEN 0 ELSE 1 END, COALESCE(deltachi2, -1) DESC, z, {row}) AS rank
            FROM catalogue WHERE targetid IN (SELECT targetid FROM catalogue GROUP BY targetid HAVING COUNT(*) > 1)
        ) AS ranked WHERE rank > 1)"
    );
    store.execute(tx, sql, &[]).await
}

/// `COALESCE(c.z, g.z)`: what the catalogue says, or where it says nothing, what the tile says.
fn said(column: &str, table: &str) -> String {
    format!("COALESCE(c.{column}, {table}.{column})")
}

/// Joins every tile: writing all rows anew is faster than changing most of them.
async fn join_all(store: &Store, tx: &mut Tx, report: &mut CatalogueReport) -> Result<()> {
    if !any_row(store, tx, "galaxies").await? {
        return Ok(());
    }
    let columns = GALAXIES.columns.join(", ");
    let joined: Vec<String> = CATALOGUE.columns[1..]
        .iter()
        .map(|c| format!("{} AS {c}", said(c, "g")))
        .collect();
    let sql = format!(
        "CREATE TEMPORARY TABLE joined AS SELECT g.galaxy, g.targetid, {}, c.targetid AS catalogued
        FROM galaxies g LEFT JOIN catalogue c ON c.targetid = g.targetid",
        joined.join(", ")
    );
    store.execute(tx, sql, &[]).await?;
    empty_galaxies(store, tx).await?;
    drop_indexes(store, tx, true).await?;
    let sql = format!("INSERT INTO galaxies ({columns}) SELECT {columns} FROM joined ORDER BY galaxy");
    store.execute(tx, sql, &[]).await?;
    let counts = integers(store, tx, "SELECT COUNT(*), COUNT(catalogued) FROM joined".into()).await?;
    if let [rows, joined] = *counts {
        (report.joined, report.not_joined) = (joined, rows - joined);
    }
    store.execute(tx, "DROP TABLE joined", &[]).await?;
    build_indexes(store, tx, true).await
}

/// Joins tiles that were read anew to the catalogue, if there is one.
pub(crate) async fn join_tiles(store: &Store, tx: &mut Tx, tiles: &[i32]) -> Result<()> {
    if !any_row(store, tx, "catalogue").await? {
        return Ok(());
    }
    let columns: Vec<String> = CATALOGUE.columns[1..]
        .iter()
        .map(|column| format!("{column} = {}", said(column, "galaxies")))
        .collect();
    let sql = format!(
        "UPDATE galaxies SET {} FROM catalogue AS c
        WHERE c.targetid = galaxies.targetid AND galaxy >= $1 AND galaxy < $2",
        columns.join(", ")
    );
    for rows in row_ranges(tiles) {
        store
            .execute(tx, sql.as_str(), &[rows.start.into(), rows.end.into()])
            .await?;
    }
    Ok(())
}

/// Targets of the catalogue that no tile has.
async fn without_spectrum(store: &Store, tx: &mut Tx) -> Result<u64> {
    let sql = "SELECT COUNT(*) FROM catalogue c
        WHERE NOT EXISTS (SELECT 1 FROM galaxies g WHERE g.targetid = c.targetid)";
    Ok(integers(store, tx, sql.into())
        .await?
        .first()
        .copied()
        .unwrap_or_default())
}

/// The one row of counts that a query returns.
pub(crate) async fn integers(store: &Store, tx: &mut Tx, sql: String) -> Result<Vec<u64>> {
    use sqlx::Row as _;

    let sql = sqlx::AssertSqlSafe(sql);
    on!(tx, connection => {
        sqlx::query(sql).fetch_one(connection).await.and_then(|row| (0..row.len()).map(|i| row.try_get::<i64, _>(i)).collect())
    })
    .map(|counts: Vec<i64>| counts.into_iter().map(|count| u64::try_from(count).unwrap_or_default()).collect())
    .map_err(store.failed("count rows"))
}
