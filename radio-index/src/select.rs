//! Which rows: from a typed selection to one query.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::keys::PIXEL_ORDER;
use crate::store::{Store, Tx, Value, bind, on};
use crate::{ReadPlan, Result, SkyCoverage, TileSlice};

/// Which rows of the index; everything that is asked for must hold.
///
/// ```
/// use radio_index::Selection;
///
/// let nearby_galaxies = Selection::all().redshift(0.01..0.2).class(["GALAXY"]).good_redshift();
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Selection {
    conditions: String,
    values: Vec<Value<'static>>,
}

impl Selection {
    /// Every row of every readable tile.
    pub fn all() -> Self {
        Self::default()
    }

    /// Rows with `z.start <= z < z.end`; a row without a redshift is out.
    pub fn redshift(self, z: Range<f64>) -> Self {
        self.and("g.z >= ? AND g.z < ?", [z.start.into(), z.end.into()])
    }

    /// Rows of one of the spectral classes (`GALAXY`, `QSO`, `STAR`), as the tiles spell them.
    pub fn class<S: Into<String>>(self, classes: impl IntoIterator<Item = S>) -> Self {
        let classes: Vec<Value<'static>> = classes
            .into_iter()
            .map(|c| Value::Text(Some(c.into().into())))
            .collect();
        // No class at all matches nothing, as an empty list should.
        let any = vec!["g.spectype = ?"; classes.len()].join(" OR ");
        self.and(if any.is_empty() { "1 = 0" } else { &any }, classes)
    }

    /// Rows whose redshift has no warning (ZWARN = 0). A row without a warning column is out.
    pub fn good_redshift(self) -> Self {
        self.and("g.zwarn = 0", [])
    }

    /// Rows with an object on the fibre: the id is not negative and the object type, where there is one, is not empty
    /// and not SKY.
    pub fn objects(self) -> Self {
        self.and("g.targetid >= 0 AND COALESCE(g.objtype, 'TGT') NOT IN ('', 'SKY')", [])
    }

    /// Rows of the tiles under a folder that was synced, as [`SyncReport::root`](crate::SyncReport::root) gives it.
    pub fn under(self, root: &Path) -> Self {
        let root = root.to_string_lossy().into_owned();
        self.and("f.root = ?", [Value::Text(Some(root.into()))])
    }

    /// Adds a condition; each `?` stands for the next value.
    fn and(mut self, condition: &str, values: impl IntoIterator<Item = Value<'static>>) -> Self {
        let mut parts = condition.split('?');
        self.conditions.push_str(" AND (");
        self.conditions.push_str(parts.next().unwrap_or_default());
        for (part, value) in parts.zip(values) {
            self.values.push(value);
            let _ = write!(self.conditions, "${}{part}", self.values.len());
        }
        self.conditions.push(')');
        self
    }

    /// What stands behind FROM.
    fn from(&self) -> String {
        format!(
            "galaxies g JOIN file_registry f ON f.tile = g.tile WHERE f.error IS NULL{}",
            self.conditions
        )
    }
}

/// Positions of galaxies, column by column; all columns have the same length.
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

pub(crate) async fn plan(store: &Store, selection: &Selection) -> Result<ReadPlan> {
    // Consecutive rows have the same difference of row and rank, so the database itself joins them to ranges.
    let sql = format!(
        "SELECT uri, MIN(row_in_tile), MAX(row_in_tile) + 1 FROM (
            SELECT f.uri, g.row_in_tile,
                g.row_in_tile - ROW_NUMBER() OVER (PARTITION BY g.tile ORDER BY g.row_in_tile) AS run
            FROM {}
        ) AS picked GROUP BY uri, run",
        selection.from()
    );
    let sql = AssertSqlSafe(sql).into_sql_str();
    let mut tx = store.read().await?;
    let slices: Vec<(String, i64, i64)> =
        on!(&mut tx, connection => bind!(sqlx::query_as(sql), &selection.values).fetch_all(connection).await)
            .map_err(store.failed("select rows"))?;
    let row = |x| u64::try_from(x).unwrap_or_default();
    Ok(slices
        .into_iter()
        .map(|(uri, start, end)| TileSlice::new(uri, row(start)..row(end)))
        .collect())
}

/// Where on the sky the selected rows are.
pub(crate) async fn sky(store: &Store, tx: &mut Tx, selection: &Selection) -> Result<SkyCoverage> {
    let sql = format!(
        "SELECT g.healpix, COUNT(*) FROM {} AND g.healpix >= 0 GROUP BY g.healpix ORDER BY g.healpix",
        selection.from()
    );
    let sql = AssertSqlSafe(sql).into_sql_str();
    let rows: Vec<(i64, i64)> =
        on!(tx, connection => bind!(sqlx::query_as(sql), &selection.values).fetch_all(connection).await)
            .map_err(store.failed("select pixels"))?;
    let count = |x| u64::try_from(x).unwrap_or_default();
    let pixels = rows
        .into_iter()
        .map(|(pixel, galaxies)| (count(pixel), count(galaxies)))
        .collect();
    Ok(SkyCoverage {
        order: PIXEL_ORDER,
        pixels,
    })
}

pub(crate) async fn positions(store: &Store, selection: &Selection) -> Result<Positions> {
    let sql = format!(
        "SELECT g.targetid, g.target_ra, g.target_dec, g.z FROM {}
            AND g.target_ra IS NOT NULL AND g.target_dec IS NOT NULL AND g.z IS NOT NULL
            ORDER BY g.tile, g.row_in_tile",
        selection.from()
    );
    let sql = AssertSqlSafe(sql).into_sql_str();
    let mut tx = store.read().await?;
    let mut positions = Positions::default();
    on!(&mut tx, connection => {
        let mut rows = bind!(sqlx::query_as::<_, (i64, f64, f64, f64)>(sql), &selection.values).fetch(connection);
        loop {
            match rows.try_next().await {
                Ok(Some((targetid, ra, dec, z))) => {
                    positions.targetid.push(targetid);
                    positions.ra.push(ra);
                    positions.dec.push(dec);
                    positions.z.push(z);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        }
    })
    .map_err(store.failed("select positions"))?;
    Ok(positions)
}
