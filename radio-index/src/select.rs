//! Which rows: from a typed selection to one query.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::keys::PIXEL_ORDER;
use crate::store::{Store, Tx, Value, bind, on};
use crate::{Error, ReadPlan, Result, SkyCoverage, TileSlice};

/// What counts as a redshift. Joined tables carry 999999 and 1e20 where there is none.
pub(crate) const IS_REDSHIFT: &str = "z > -1 AND z < 1000";
/// What counts as a position, in degrees.
pub(crate) const IS_POSITION: &str =
    "target_ra >= -360 AND target_ra <= 360 AND target_dec >= -90 AND target_dec <= 90";

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

    /// Rows of the tiles in a folder or its subfolders. The folder is an absolute path without links, as
    /// [`SyncReport::root`](crate::SyncReport::root) gives it.
    pub fn under(self, folder: &Path) -> Self {
        self.and(WITHIN, within(&folder.to_string_lossy()))
    }

    /// Rows of the tiles that one node holds.
    pub fn node(self, name: impl Into<String>) -> Self {
        self.and("f.node = ?", [Value::Text(Some(name.into().into()))])
    }

    /// Adds a condition; each `?` stands for the next value.
    fn and(mut self, condition: &str, values: impl IntoIterator<Item = Value<'static>>) -> Self {
        self.conditions += &format!(" AND ({})", numbered(condition, self.values.len()));
        self.values.extend(values);
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

/// Numbers the question marks of a condition, after the parameters that are there already.
pub(crate) fn numbered(condition: &str, before: usize) -> String {
    let mut parts = condition.split('?');
    let mut sql = parts.next().unwrap_or_default().to_owned();
    for (number, part) in parts.enumerate() {
        let _ = write!(sql, "${}{part}", before + number + 1);
    }
    sql
}

/// Is a tile in a folder, or the folder itself a tile? By characters, because databases sort text by their locale.
pub(crate) const WITHIN: &str = "uri = ? OR SUBSTR(uri, 1, CAST(? AS INTEGER)) = ?";

/// The values for [`WITHIN`]. A separator ends the folder's name, so that `tiles` is no part of `tiles-2`.
pub(crate) fn within(folder: &str) -> [Value<'static>; 3] {
    let separator = std::path::MAIN_SEPARATOR;
    let prefix = format!("{}{separator}", folder.trim_end_matches(separator));
    let length = prefix.chars().count() as i64;
    [
        Value::Text(Some(folder.to_owned().into())),
        length.into(),
        Value::Text(Some(prefix.into())),
    ]
}

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

pub(crate) async fn plan(store: &Store, selection: &Selection) -> Result<ReadPlan> {
    // Consecutive rows have the same difference of row and rank, so the database itself joins them to ranges.
    let sql = format!(
        "SELECT uri, tile, MIN(row_in_tile), MAX(row_in_tile) + 1 FROM (
            SELECT f.uri, g.tile, g.row_in_tile,
                g.row_in_tile - ROW_NUMBER() OVER (PARTITION BY g.tile ORDER BY g.row_in_tile) AS run
            FROM {}
        ) AS picked GROUP BY uri, tile, run",
        selection.from()
    );
    let sql = AssertSqlSafe(sql).into_sql_str();
    let mut tx = store.read().await?;
    let slices: Vec<(String, i32, i64, i64)> =
        on!(&mut tx, connection => bind!(sqlx::query_as(sql), &selection.values).fetch_all(connection).await)
            .map_err(store.failed("select rows"))?;
    let mut tile_of = HashMap::new();
    for (uri, tile, ..) in &slices {
        if tile_of.insert(uri, tile).is_some_and(|other| other != tile) {
            return Err(Error::SeveralNodes { uri: uri.clone() });
        }
    }
    let row = |x| u64::try_from(x).unwrap_or_default();
    Ok(slices
        .into_iter()
        .map(|(uri, _, start, end)| TileSlice::new(uri, row(start)..row(end)))
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
            AND {IS_POSITION} AND {IS_REDSHIFT} ORDER BY {}, f.node, g.row_in_tile",
        selection.from(),
        store.by_bytes("f.uri")
    );
    let sql = AssertSqlSafe(sql).into_sql_str();
    let mut tx = store.read().await?;
    let mut positions = Positions::default();
    let mut seen = HashSet::new();
    on!(&mut tx, connection => {
        let mut rows = bind!(sqlx::query_as::<_, (i64, f64, f64, f64)>(sql), &selection.values).fetch(connection);
        loop {
            match rows.try_next().await {
                Ok(Some((targetid, ra, dec, z))) if seen.insert(targetid) => {
                    positions.targetid.push(targetid);
                    positions.ra.push(ra);
                    positions.dec.push(dec);
                    positions.z.push(z);
                }
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        }
    })
    .map_err(store.failed("select positions"))?;
    Ok(positions)
}
