//! Counting what a data set is, from the tables alone.

use std::collections::BTreeMap;

use crate::catalogue::{IS_DEAD, REALS, integers, is_fill};
use crate::select::{self, IS_POSITION, IS_REDSHIFT};
use crate::store::{Store, Tx, on};
use crate::summary::{
    Bounds, CatalogueSummary, ColumnSummary, FileSummary, Histogram, RowsPerTile, RunSummary, Spread, Summary,
    SyncSummary, TileSummary,
};
use crate::{Result, Selection};

/// Bins that the redshift histogram has at least; a nice width makes them up to two and a half times as many.
const BINS: f64 = 20.0;
/// The key columns that may be null.
const COLUMNS: [&str; 14] = [
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
];
/// Kinds of targets and their bits in DESI_TARGET (Myers et al. 2023, table 5).
const TARGETS: [(&str, u32); 4] = [("LRG", 0), ("ELG", 1), ("QSO", 2), ("BGS", 60)];
/// Columns whose values span decades, and the edges that they are counted between.
const SPREADS: [(&str, [f64; 10]); 2] = [
    ("zerr", [1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2]),
    ("deltachi2", [1.0, 3.0, 9.0, 25.0, 100.0, 300.0, 1e3, 3e3, 1e4, 1e5]),
];

pub(crate) async fn summary(store: &Store) -> Result<Summary> {
    let mut tx = store.read().await?;
    let mut db = Reader { store, tx: &mut tx };
    let catalogue = db.catalogue().await?;
    let redshifts = match catalogue.z {
        Some(bounds) => db.redshifts(bounds).await?,
        None => Histogram::default(),
    };
    Ok(Summary {
        tiles: db.tiles().await?,
        files: db.files().await?,
        syncs: db.syncs().await?,
        columns: db.columns().await?,
        redshifts,
        sky: select::sky(store, db.tx, &Selection::all()).await?,
        anomaly_runs: db.anomaly_runs().await?,
        group_runs: db.group_runs().await?,
        catalogue,
        pixels: None,
    })
}

struct Reader<'a> {
    store: &'a Store,
    tx: &'a mut Tx,
}

/// Fetches rows of a type that is named at the call.
macro_rules! rows {
    ($reader:expr, $sql:expr) => {{
        let sql = sqlx::AssertSqlSafe($sql);
        on!(&mut *$reader.tx, connection => sqlx::query_as(sql).fetch_all(connection).await)
            .map_err($reader.store.failed("count rows"))
    }};
}

impl Reader<'_> {
    async fn tiles(&mut self) -> Result<TileSummary> {
        const SQL: &str =
            "SELECT row_count, row_group_count, size FROM file_registry WHERE error IS NULL ORDER BY row_count";
        let files: Vec<(i64, i64, i64)> = rows!(self, SQL.to_owned())?;
        let unreadable: Vec<(i64,)> = rows!(
            self,
            "SELECT COUNT(*) FROM file_registry WHERE error IS NOT NULL".to_owned()
        )?;
        let created_by: Vec<(String, i64)> = rows!(
            self,
            "SELECT created_by, COUNT(*) FROM file_registry WHERE error IS NULL GROUP BY created_by".to_owned()
        )?;
        let row_counts: Vec<u64> = files.iter().map(|file| count(file.0)).collect();
        Ok(TileSummary {
            count: files.len() as u64,
            unreadable: unreadable.first().map_or(0, |row| count(row.0)),
            rows: row_counts.iter().sum(),
            row_groups: files.iter().map(|file| count(file.1)).sum(),
            bytes: files.iter().map(|file| count(file.2)).sum(),
            rows_per_tile: rows_per_tile(&row_counts),
            created_by: most_frequent_first(created_by),
        })
    }

    async fn files(&mut self) -> Result<Vec<FileSummary>> {
        type Row = (String, String, i64, i64, String, String, Option<String>);
        let sql = "SELECT node, uri, row_count, size, footer_hash, keys_hash, error FROM file_registry";
        let rows: Vec<Row> = rows!(self, sql.to_owned())?;
        let file = |(node, uri, rows, bytes, footer_hash, keys_hash, error): Row| FileSummary {
            node,
            uri,
            rows: count(rows),
            bytes: count(bytes),
            footer_hash,
            keys_hash,
            error,
        };
        let mut files: Vec<FileSummary> = rows.into_iter().map(file).collect();
        // Databases sort text by their locale.
        files.sort_by(|a, b| (&a.uri, &a.node).cmp(&(&b.uri, &b.node)));
        Ok(files)
    }

    async fn syncs(&mut self) -> Result<Vec<SyncSummary>> {
        type Row = (String, i64, i64, i64, i64, i64);
        let sql = "SELECT node, added, updated, unchanged, removed, failed FROM sync_runs
            WHERE added + updated + removed > 0 ORDER BY sync_run DESC";
        let rows: Vec<Row> = rows!(self, sql.to_owned())?;
        let sync = |(node, added, updated, unchanged, removed, failed): Row| SyncSummary {
            node,
            added: count(added),
            updated: count(updated),
            unchanged: count(unchanged),
            removed: count(removed),
            failed: count(failed),
        };
        Ok(rows.into_iter().map(sync).collect())
    }

    async fn columns(&mut self) -> Result<Vec<ColumnSummary>> {
        type Row = (String, String, String, i64, i64, Option<i64>, i64);
        // First the chunks of each file and column, so that files are counted, not chunks.
        let sql = "SELECT s.column_path, MIN(s.data_type), MAX(s.data_type), COUNT(*), CAST(SUM(c.value_count) AS BIGINT),
                CAST(CASE WHEN MIN(c.all_counted) = 1 THEN SUM(c.null_count) END AS BIGINT), CAST(SUM(c.bytes) AS BIGINT)
            FROM (SELECT tile, column_number, SUM(value_count) AS value_count, SUM(null_count) AS null_count,
                    CASE WHEN COUNT(null_count) = COUNT(*) THEN 1 ELSE 0 END AS all_counted, SUM(bytes) AS bytes
                FROM column_chunks GROUP BY tile, column_number) AS c
            JOIN file_registry f ON f.tile = c.tile
            JOIN schema_columns s ON s.schema_hash = f.schema_hash AND s.column_number = c.column_number
            GROUP BY s.column_path";
        let mut rows: Vec<Row> = rows!(self, sql.to_owned())?;
        // Databases sort text by their locale.
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        let column = |(name, first, last, tiles, values, nulls, bytes): Row| ColumnSummary {
            name,
            data_type: if first == last {
                first
            } else {
                format!("{first} or {last}")
            },
            tiles: count(tiles),
            values: count(values),
            nulls: nulls.map(count),
            bytes: count(bytes),
        };
        Ok(rows.into_iter().map(column).collect())
    }

    async fn catalogue(&mut self) -> Result<CatalogueSummary> {
        let mut of = CatalogueSummary::default();
        let counts = self.counts().await?;
        let mut counts = counts.into_iter();
        let mut next = || counts.next().unwrap_or_default();
        of.rows = next();
        of.dead = next();
        of.without_redshift = of.rows - next();
        of.without_position = of.rows - next();
        let lacking = COLUMNS.map(|column| (column.to_owned(), of.rows - next()));
        of.nulls = lacking.into_iter().filter(|(_, nulls)| *nulls > 0).collect();
        of.fills = REALS
            .map(|column| (column.to_owned(), next()))
            .into_iter()
            .filter(|(_, fills)| *fills > 0)
            .collect();
        of.targets = TARGETS
            .map(|(name, _)| (name.to_owned(), next()))
            .into_iter()
            .filter(|(_, n)| *n > 0)
            .collect();
        for (column, edges) in SPREADS {
            let missing =
                |of: &[(String, u64)]| of.iter().find(|(name, _)| name == column).map_or(0, |(_, rows)| *rows);
            let there = of.rows.saturating_sub(missing(&of.nulls) + missing(&of.fills));
            let (mut counts, mut last) = (Vec::new(), 0);
            for below in edges.map(|_| next()).into_iter().chain([there]) {
                counts.push(below.saturating_sub(last));
                last = below;
            }
            if there > 0 {
                of.spreads.push(Spread {
                    column: column.to_owned(),
                    edges: edges.to_vec(),
                    counts,
                });
            }
        }
        // By the order of the index, where the rows themselves would have to be sorted.
        let ids: Vec<(i64,)> = rows!(
            self,
            "SELECT COUNT(*) FROM (SELECT DISTINCT targetid FROM galaxies) AS ids".to_owned()
        )?;
        of.ids = ids.first().map_or(0, |row| count(row.0));

        type Kind = (String, Option<i64>, String, String, i64);
        let kinds: Vec<Kind> = rows!(
            self,
            "SELECT COALESCE(spectype, ''), zwarn, COALESCE(survey, ''), COALESCE(program, ''), COUNT(*)
            FROM galaxies GROUP BY COALESCE(spectype, ''), zwarn, COALESCE(survey, ''), COALESCE(program, '')"
                .to_owned()
        )?;
        let (mut classes, mut warnings, mut programs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (class, warning, survey, program, n) in kinds {
            *classes.entry(class).or_default() += n;
            *warnings.entry(warning).or_default() += n;
            if !(survey.is_empty() && program.is_empty()) {
                *programs.entry((survey, program)).or_default() += n;
            }
        }
        of.classes = most_frequent_first(classes.into_iter().collect());
        of.warnings = most_frequent_first(warnings.into_iter().collect());
        of.programs = most_frequent_first(programs.into_iter().collect());
        [of.z, of.ra, of.dec] = self.bounds().await?;
        Ok(of)
    }

    /// Rows, dead rows, rows with a redshift, with a position, with a value in each column, with a fill value in each real
    /// one, of each kind of target, and below each edge of the spreads: in one pass.
    async fn counts(&mut self) -> Result<Vec<u64>> {
        let when = |condition: &str| format!("COUNT(CASE WHEN {condition} THEN 1 END)");
        let mut columns = vec![
            "COUNT(*)".to_owned(),
            when(IS_DEAD),
            when(IS_REDSHIFT),
            when(IS_POSITION),
        ];
        columns.extend(COLUMNS.map(|column| format!("COUNT({column})")));
        columns.extend(REALS.map(|column| when(&is_fill(column))));
        columns.extend(TARGETS.map(|(_, bit)| when(&format!("desi_target & {} <> 0", 1_i64 << bit))));
        for (column, edges) in SPREADS {
            // Negative fill values are below every edge.
            let fill = is_fill(column);
            columns.extend(edges.map(|edge| when(&format!("{column} < {edge:?} AND NOT ({column} < 0 AND ({fill}))"))));
        }
        integers(
            self.store,
            self.tx,
            format!("SELECT {} FROM galaxies", columns.join(", ")),
        )
        .await
    }

    /// Of redshift, right ascension and declination.
    async fn bounds(&mut self) -> Result<[Option<Bounds>; 3]> {
        type Row = (
            Option<f64>,
            Option<f64>,
            Option<f64>,
            Option<f64>,
            Option<f64>,
            Option<f64>,
        );
        let when = |condition: &str, column: &str| {
            let case = format!("CASE WHEN {condition} THEN {column} END");
            format!("MIN({case}), MAX({case})")
        };
        let sql = format!(
            "SELECT {}, {}, {} FROM galaxies",
            when(IS_REDSHIFT, "z"),
            when(IS_POSITION, "target_ra"),
            when(IS_POSITION, "target_dec")
        );
        let rows: Vec<Row> = rows!(self, sql)?;
        let bounds = |min: Option<f64>, max: Option<f64>| Some(Bounds { min: min?, max: max? });
        Ok(rows.first().map_or([None; 3], |&(z0, z1, ra0, ra1, dec0, dec1)| {
            [bounds(z0, z1), bounds(ra0, ra1), bounds(dec0, dec1)]
        }))
    }

    async fn redshifts(&mut self, bounds: Bounds) -> Result<Histogram> {
        let width = nice_width((bounds.max - bounds.min) / BINS);
        let start = (bounds.min / width).floor() * width;
        // A bound on an edge may have been rounded to the other side of it.
        let start = if start > bounds.min { start - width } else { start };
        let edge = |bin: usize| start + bin as f64 * width;
        let bins = (1..).find(|&bin| edge(bin) > bounds.max).unwrap_or(1);
        // The edges go into the query, so that the database and the reader of the histogram mean the same numbers. A query of
        // its own for each bin is a range of the index; a join would hold every redshift against every bin.
        let of_bin = |bin| {
            let (start, end) = (edge(bin), edge(bin + 1));
            format!("(SELECT COUNT(*) FROM galaxies WHERE {IS_REDSHIFT} AND z >= {start:?} AND z < {end:?})")
        };
        let of_bins: Vec<String> = (0..bins).map(of_bin).collect();
        let counts = integers(self.store, self.tx, format!("SELECT {}", of_bins.join(", "))).await?;
        Ok(Histogram { start, width, counts })
    }

    async fn anomaly_runs(&mut self) -> Result<Vec<RunSummary>> {
        let sql = "SELECT a.run, COUNT(*), MAX(a.score), COALESCE(MAX(r.options), '')
            FROM anomalies a LEFT JOIN result_runs r ON r.kind = 'anomalies' AND r.run = a.run
            GROUP BY a.run";
        let rows: Vec<(String, i64, f64, String)> = rows!(self, sql.to_owned())?;
        let run = |(run, rows, largest, options)| RunSummary {
            run,
            rows: count(rows),
            largest,
            groups: 0,
            options,
        };
        Ok(by_name(rows.into_iter().map(run).collect()))
    }

    async fn group_runs(&mut self) -> Result<Vec<RunSummary>> {
        let sql = "SELECT g.run, CAST(SUM(members) AS BIGINT), CAST(MAX(members) AS BIGINT), COUNT(*),
                COALESCE(MAX(r.options), '')
            FROM (SELECT run, group_id, COUNT(*) AS members FROM galaxy_groups GROUP BY run, group_id) AS g
            LEFT JOIN result_runs r ON r.kind = 'groups' AND r.run = g.run
            GROUP BY g.run";
        let rows: Vec<(String, i64, i64, i64, String)> = rows!(self, sql.to_owned())?;
        let run = |(run, rows, largest, groups, options)| RunSummary {
            run,
            rows: count(rows),
            largest: largest as f64,
            groups: count(groups),
            options,
        };
        Ok(by_name(rows.into_iter().map(run).collect()))
    }
}

/// Nearest-rank percentiles of sorted numbers.
fn rows_per_tile(sorted: &[u64]) -> RowsPerTile {
    let percentile = |p: usize| {
        let rank = (sorted.len() * p).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    };
    RowsPerTile {
        min: percentile(0),
        p5: percentile(5),
        p50: percentile(50),
        p95: percentile(95),
        max: percentile(100),
    }
}

/// The largest of 1, 2, 5 × 10ⁿ that is not larger than `x`; 0.01 where there is no range.
fn nice_width(x: f64) -> f64 {
    if x < 1e-12 {
        return 0.01;
    }
    let decade = 10_f64.powf(x.log10().floor());
    let factor = [5.0, 2.0]
        .into_iter()
        .find(|factor| factor * decade <= x)
        .unwrap_or(1.0);
    factor * decade
}

fn most_frequent_first<T: Ord>(rows: Vec<(T, i64)>) -> Vec<(T, u64)> {
    let mut rows: Vec<_> = rows.into_iter().map(|(value, n)| (value, count(n))).collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rows
}

fn by_name(mut runs: Vec<RunSummary>) -> Vec<RunSummary> {
    runs.sort_by(|a, b| a.run.cmp(&b.run));
    runs
}

fn count(x: i64) -> u64 {
    u64::try_from(x).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_nice() {
        for (x, width) in [(0.034, 0.02), (0.05, 0.05), (0.99, 0.5), (1.0, 1.0), (0.0, 0.01)] {
            assert!((nice_width(x) - width).abs() < 1e-12, "{x}");
        }
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let rows: Vec<u64> = (1..=100).collect();
        let p = rows_per_tile(&rows);
        assert_eq!((p.min, p.p5, p.p50, p.p95, p.max), (1, 5, 50, 95, 100));
        assert_eq!(rows_per_tile(&[7]).p50, 7);
        assert_eq!(rows_per_tile(&[]).max, 0);
    }
}
