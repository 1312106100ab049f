//! Asking the database for a selection: plans, positions, pixels.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::keys::PIXEL_ORDER;
use crate::region::Region;
use crate::registry::{list, row_number};
use crate::selection::{EVERY_ROW, Query};
use crate::store::{Dialect, Store, Tx, bind, on};
use crate::{Error, PlanTile, ReadPlan, Result, Selection, SkyCoverage, TileSlice};

/// What counts as a redshift. Joined tables carry 999999 and 1e20 where there is none.
pub(crate) const IS_REDSHIFT: &str = "z > -1 AND z < 1000";
/// What counts as a position, in degrees.
pub(crate) const IS_POSITION: &str =
    "target_ra >= -360 AND target_ra <= 360 AND target_dec >= -90 AND target_dec <= 90";

/// Positions of galaxies, column by column; all columns have the same length. A target that was observed more than once is
/// there once.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Positions {
    /// Linkage key.
    pub targetid: Vec<i64>,
    /// Right ascension, degrees, ICRS.
    pub ra: Vec<f64>,
    /// Declination, degrees, ICRS.
    pub dec: Vec<f64>,
    /// Redshift.
    pub z: Vec<f64>,
}

/// A file of the registry and which of its rows are wanted.
struct Tile {
    uri: Arc<str>,
    facts: PlanTile,
}

pub(crate) async fn plan(store: &Store, selection: &Selection) -> Result<ReadPlan> {
    let query = selection.query(store.dialect())?;
    let mut tx = store.read().await?;
    let (tiles, rows) = match query.on_files() {
        Some((condition, values)) => (tiles(store, &mut tx, &condition, &values).await?, None),
        None => {
            let rows = rows(store, &mut tx, &query).await?;
            (tiles_of(store, &mut tx, &rows).await?, Some(rows))
        }
    };
    let mut by_uri: Vec<(i32, Tile)> = tiles.into_iter().collect();
    by_uri.sort_by(|a, b| a.1.uri.cmp(&b.1.uri));
    if let Some(pair) = by_uri.windows(2).find(|pair| pair[0].1.uri == pair[1].1.uri) {
        return Err(Error::SeveralNodes {
            uri: pair[0].1.uri.to_string(),
        });
    }
    let slices = by_uri.iter().flat_map(|(number, tile)| {
        let ranges = match &rows {
            Some(rows) => ranges(rows, *number),
            None => std::iter::once(0..tile.facts.rows).collect(),
        };
        ranges
            .into_iter()
            .map(|range| TileSlice::new(Arc::clone(&tile.uri), range))
    });
    let plan: ReadPlan = slices.collect();
    Ok(plan.with_tiles(by_uri.into_iter().map(|(_, tile)| (tile.uri, tile.facts))))
}

/// The ranges of consecutive rows of one tile in a sorted list of row numbers.
fn ranges(rows: &[i64], tile: i32) -> Vec<Range<u64>> {
    let first = row_number(tile, 0);
    let start = rows.partition_point(|&row| row < first);
    let end = rows.partition_point(|&row| row < first + (1 << 32));
    let of_tile = rows.get(start..end).unwrap_or_default();
    let runs = of_tile.chunk_by(|a, b| a + 1 == *b);
    let range = |run: &[i64]| {
        let start = count(run.first()? - first);
        Some(start..start + run.len() as u64)
    };
    runs.filter_map(range).collect()
}

/// The numbers of the selected rows, sorted. The database need not sort: that is done faster here.
async fn rows(store: &Store, tx: &mut Tx, query: &Query) -> Result<Vec<i64>> {
    let (condition, values) = query.on_rows();
    let sql = AssertSqlSafe(format!("SELECT {} FROM galaxies WHERE {condition}", row_columns(query))).into_sql_str();
    let mut rows = Vec::new();
    let outcome = if query.regions.is_empty() {
        on!(tx, connection => {
            let mut found = bind!(sqlx::query_as::<_, (i64,)>(sql), &values).fetch(connection);
            loop {
                match found.try_next().await {
                    Ok(Some((row,))) => rows.push(row),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            }
        })
    } else {
        on!(tx, connection => {
            let query_as = sqlx::query_as::<_, (i64, Option<f64>, Option<f64>)>(sql);
            let mut found = bind!(query_as, &values).fetch(connection);
            loop {
                match found.try_next().await {
                    Ok(Some((row, ra, dec))) => {
                        if is_within(&query.regions, ra, dec) {
                            rows.push(row);
                        }
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            }
        })
    };
    outcome.map_err(store.failed("select rows"))?;
    rows.sort_unstable();
    Ok(rows)
}

/// The sorted ids of the selected rows; `None` where every row is selected, whatever its tile.
pub(crate) async fn ids(store: &Store, selection: &Selection) -> Result<Option<Vec<i64>>> {
    let query = selection.query(store.dialect())?;
    let (condition, values) = query.on_rows();
    if condition == EVERY_ROW && query.regions.is_empty() {
        return Ok(None);
    }
    let sql = format!("SELECT targetid, target_ra, target_dec FROM galaxies WHERE {condition}");
    let sql = AssertSqlSafe(sql).into_sql_str();
    let mut tx = store.read().await?;
    let mut ids = Vec::new();
    on!(&mut tx, connection => {
        let query_as = sqlx::query_as::<_, (i64, Option<f64>, Option<f64>)>(sql);
        let mut found = bind!(query_as, &values).fetch(connection);
        loop {
            match found.try_next().await {
                Ok(Some((id, ra, dec))) => {
                    if query.regions.is_empty() || is_within(&query.regions, ra, dec) {
                        ids.push(id);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        }
    })
    .map_err(store.failed("select ids"))?;
    ids.sort_unstable();
    ids.dedup();
    Ok(Some(ids))
}

fn row_columns(query: &Query) -> &'static str {
    if query.regions.is_empty() {
        "galaxy"
    } else {
        "galaxy, target_ra, target_dec"
    }
}

fn is_within(regions: &[Region], ra: Option<f64>, dec: Option<f64>) -> bool {
    ra.zip(dec)
        .is_some_and(|(ra, dec)| regions.iter().all(|region| region.contains(ra, dec)))
}

/// The files that some sorted rows are of.
async fn tiles_of(store: &Store, tx: &mut Tx, rows: &[i64]) -> Result<HashMap<i32, Tile>> {
    const MANY: usize = 1000;
    let mut numbers: Vec<i32> = Vec::new();
    let mut rest = rows;
    while let Some(&row) = rest.first() {
        let tile = i32::try_from(row >> 32).unwrap_or(i32::MAX);
        numbers.push(tile);
        let of_tile = rest.partition_point(|&row| row >> 32 <= i64::from(tile));
        rest = rest.get(of_tile..).unwrap_or_default();
    }
    if numbers.is_empty() {
        return Ok(HashMap::new());
    }
    if numbers.len() <= MANY {
        let condition = format!("tile IN ({})", list(&numbers));
        return tiles(store, tx, &condition, &[]).await;
    }
    let mut all = tiles(store, tx, "1 = 1", &[]).await?;
    let wanted: HashSet<i32> = numbers.into_iter().collect();
    all.retain(|tile, _| wanted.contains(tile));
    Ok(all)
}

async fn tiles(store: &Store, tx: &mut Tx, condition: &str, values: &[crate::Value]) -> Result<HashMap<i32, Tile>> {
    let sql = format!(
        "SELECT tile, uri, node, size, mtime_ns, row_count FROM file_registry WHERE error IS NULL AND ({condition})"
    );
    let sql = AssertSqlSafe(sql).into_sql_str();
    let rows: Vec<(i32, String, String, i64, i64, i64)> =
        on!(tx, connection => bind!(sqlx::query_as(sql), values).fetch_all(connection).await)
            .map_err(store.failed("read the registry"))?;
    let tile = |(tile, uri, node, size, mtime_ns, rows): (i32, String, String, i64, i64, i64)| {
        let facts = PlanTile {
            node,
            size: count(size),
            mtime_ns,
            rows: count(rows),
        };
        (tile, Tile { uri: uri.into(), facts })
    };
    Ok(rows.into_iter().map(tile).collect())
}

/// What a plan asks the database, and how the database goes about it.
pub(crate) async fn explain(store: &Store, selection: &Selection) -> Result<String> {
    let query = selection.query(store.dialect())?;
    let (sql, values) = match query.on_files() {
        Some((condition, values)) => (
            format!("SELECT tile, row_count FROM file_registry WHERE error IS NULL AND ({condition})"),
            values,
        ),
        None => {
            let (condition, values) = query.on_rows();
            (
                format!("SELECT {} FROM galaxies WHERE {condition}", row_columns(&query)),
                values,
            )
        }
    };
    let mut text = format!("{sql}\n");
    for (number, value) in (1..).zip(&values) {
        let shown = format!("{value:?}");
        let short: String = shown.chars().take(100).collect();
        let dots = if short.len() < shown.len() { "…" } else { "" };
        let _ = writeln!(text, "  ${number} = {short}{dots}");
    }
    for region in &query.regions {
        let _ = writeln!(text, "  then, exactly: {region:?}");
    }
    let mut tx = store.read().await?;
    let steps: Vec<String> = match store.dialect() {
        Dialect::Sqlite => {
            let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")).into_sql_str();
            let rows: Vec<(i32, i32, i32, String)> =
                on!(&mut tx, connection => bind!(sqlx::query_as(sql), &values).fetch_all(connection).await)
                    .map_err(store.failed("explain a selection"))?;
            rows.into_iter().map(|row| row.3).collect()
        }
        Dialect::Postgres => {
            let sql = AssertSqlSafe(format!("EXPLAIN {sql}")).into_sql_str();
            let rows: Vec<(String,)> =
                on!(&mut tx, connection => bind!(sqlx::query_as(sql), &values).fetch_all(connection).await)
                    .map_err(store.failed("explain a selection"))?;
            rows.into_iter().map(|row| row.0).collect()
        }
    };
    for step in steps {
        let _ = writeln!(text, "  {step}");
    }
    Ok(text)
}

/// Where on the sky the selected rows are.
pub(crate) async fn sky(store: &Store, tx: &mut Tx, selection: &Selection) -> Result<SkyCoverage> {
    let query = selection.query(store.dialect())?;
    let (condition, values) = query.on_rows();
    let mut pixels = BTreeMap::<u64, u64>::new();
    let outcome = if query.regions.is_empty() {
        let sql = format!("SELECT healpix, COUNT(*) FROM galaxies WHERE {condition} AND healpix >= 0 GROUP BY healpix");
        let sql = AssertSqlSafe(sql).into_sql_str();
        on!(tx, connection => bind!(sqlx::query_as::<_, (i64, i64)>(sql), &values).fetch_all(connection).await).map(
            |rows| {
                pixels.extend(
                    rows.into_iter()
                        .map(|(pixel, galaxies)| (count(pixel), count(galaxies))),
                );
            },
        )
    } else {
        let sql = format!("SELECT healpix, target_ra, target_dec FROM galaxies WHERE {condition}");
        let sql = AssertSqlSafe(sql).into_sql_str();
        on!(tx, connection => {
            let query_as = sqlx::query_as::<_, (i64, Option<f64>, Option<f64>)>(sql);
            let mut found = bind!(query_as, &values).fetch(connection);
            loop {
                match found.try_next().await {
                    Ok(Some((pixel, ra, dec))) => {
                        if is_within(&query.regions, ra, dec) {
                            *pixels.entry(count(pixel)).or_default() += 1;
                        }
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            }
        })
    };
    outcome.map_err(store.failed("select pixels"))?;
    Ok(SkyCoverage {
        order: PIXEL_ORDER,
        pixels: pixels.into_iter().collect(),
    })
}

pub(crate) async fn positions(store: &Store, selection: &Selection) -> Result<Positions> {
    let query = selection.query(store.dialect())?;
    let (condition, values) = query.on_rows();
    let sql = format!(
        "SELECT g.targetid, g.target_ra, g.target_dec, g.z FROM (
            SELECT * FROM galaxies WHERE {condition} AND {IS_POSITION} AND {IS_REDSHIFT}
        ) AS g JOIN file_registry f ON f.tile = g.tile ORDER BY {}, f.node, g.galaxy",
        store.by_bytes("f.uri")
    );
    let sql = AssertSqlSafe(sql).into_sql_str();
    let mut tx = store.read().await?;
    let mut positions = Positions::default();
    let mut seen = HashSet::new();
    on!(&mut tx, connection => {
        let mut rows = bind!(sqlx::query_as::<_, (i64, f64, f64, f64)>(sql), &values).fetch(connection);
        loop {
            match rows.try_next().await {
                Ok(Some((targetid, ra, dec, z))) => {
                    if is_within(&query.regions, Some(ra), Some(dec)) && seen.insert(targetid) {
                        positions.targetid.push(targetid);
                        positions.ra.push(ra);
                        positions.dec.push(dec);
                        positions.z.push(z);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        }
    })
    .map_err(store.failed("select positions"))?;
    Ok(positions)
}

fn count(x: i64) -> u64 {
    u64::try_from(x).unwrap_or_default()
}
