//! Which rows: a typed selection, and what it is in SQL.

use std::fmt::Write as _;
use std::ops::{Bound, Range, RangeBounds};
use std::path::Path;

use crate::region::Region;
use crate::results::WebClass;
use crate::store::{Dialect, Value};
use crate::{Error, Result};

/// Which rows of the index; everything that is asked for must hold.
///
/// ```
/// use radio_index::{Selection, Tracer};
///
/// let nearby_galaxies = Selection::all().redshift(0.01..0.2).class(["GALAXY"]).good_redshift();
/// let distant = Selection::all().redshift(2.5..).clean();
/// let around_coma = Selection::all().cone(194.95, 27.98, 1.5).tracer(Tracer::Bgs);
/// ```
///
/// A column that is NULL meets no condition. What cannot be asked, as a cone of a negative radius, is an error of the
/// method that the selection is given to.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Selection {
    conditions: Vec<Condition>,
    impossible: Option<String>,
}

/// Each `?` in a text stands for the next value.
#[derive(Clone, Debug)]
enum Condition {
    /// On the columns of `galaxies`.
    Rows(String, Vec<Value>),
    /// On the columns of `file_registry`.
    Files(&'static str, Vec<Value>),
    /// A column of `galaxies` is one of some integers.
    OneOf(&'static str, Vec<i64>),
    /// The position is in a part of the sky.
    Within(Region),
}

/// DESI's targets, by their bit in `DESI_TARGET` (Myers et al. 2023, table 5), with the cuts on the quality of the redshift
/// that the collaboration applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tracer {
    /// Luminous red galaxies: bit 0, ZWARN = 0, DELTACHI2 > 15, z < 1.5 (Zhou et al. 2023).
    Lrg,
    /// Emission-line galaxies: bit 1, ZWARN = 0. (Their own cut needs the flux of \[O II\].)
    Elg,
    /// Quasars: bit 2, ZWARN = 0.
    Qso,
    /// The bright galaxy survey: bit 60, ZWARN = 0, DELTACHI2 > 40 (Hahn et al. 2023).
    Bgs,
}

impl Selection {
    /// Every row of every readable tile.
    pub fn all() -> Self {
        Self::default()
    }

    /// Rows with a redshift in a range: `0.1..0.5`, `2.5..`, `..=1.0`; a row without a redshift is out.
    pub fn redshift(self, z: impl RangeBounds<f64>) -> Self {
        let (sql, values) = in_range("z", &z);
        self.and(sql, values)
    }

    /// Rows with one of these ids.
    pub fn ids(self, ids: impl IntoIterator<Item = i64>) -> Self {
        self.with(Condition::OneOf("targetid", ids.into_iter().collect()))
    }

    /// Rows in one of these HEALPix pixels: nside 64 (order 6), NESTED. They are DESI's HEALPIX, not its TILEID.
    pub fn pixels(self, pixels: impl IntoIterator<Item = u32>) -> Self {
        self.with(Condition::OneOf("healpix", pixels.into_iter().map(i64::from).collect()))
    }

    /// Rows at most `radius` degrees from a position, which is in degrees, ICRS. Exact, also through RA 0 and at the poles.
    pub fn cone(self, ra: f64, dec: f64, radius: f64) -> Self {
        self.within(Region::cone(ra, dec, radius))
    }

    /// Rows with `ra.start <= ra < ra.end` and `dec.start <= dec <= dec.end`, degrees, ICRS. A right ascension that starts
    /// above its end, or below 0, goes through 0: `350.0..10.0` and `-10.0..10.0` are the same.
    pub fn rectangle(self, ra: Range<f64>, dec: Range<f64>) -> Self {
        self.within(Region::rectangle(ra, dec))
    }

    /// Rows of one of the spectral classes (`GALAXY`, `QSO`, `STAR`), as the tiles spell them.
    pub fn class<S: Into<String>>(self, classes: impl IntoIterator<Item = S>) -> Self {
        self.text("spectype", classes)
    }

    /// Rows of one of the surveys (`main`, `sv3`, …).
    pub fn survey<S: Into<String>>(self, surveys: impl IntoIterator<Item = S>) -> Self {
        self.text("survey", surveys)
    }

    /// Rows of one of the observing programs (`dark`, `bright`, …).
    pub fn program<S: Into<String>>(self, programs: impl IntoIterator<Item = S>) -> Self {
        self.text("program", programs)
    }

    /// Rows that have at least one of the targeting bits of a mask.
    pub fn target_bits(self, mask: i64) -> Self {
        self.and("desi_target & ? <> 0", vec![mask.into()])
    }

    /// Rows of one kind of target, with a redshift that is good enough for it.
    pub fn tracer(self, tracer: Tracer) -> Self {
        let this = self.good_redshift();
        match tracer {
            Tracer::Lrg => this.target_bits(1).and("deltachi2 > 15 AND z < 1.5", vec![]),
            Tracer::Elg => this.target_bits(1 << 1),
            Tracer::Qso => this.target_bits(1 << 2),
            Tracer::Bgs => this.target_bits(1 << 60).and("deltachi2 > 40", vec![]),
        }
    }

    /// Rows whose redshift has no warning (ZWARN = 0). A row without a warning column is out.
    pub fn good_redshift(self) -> Self {
        self.and("zwarn = 0", vec![])
    }

    /// Rows whose fibre was good (COADD_FIBERSTATUS = 0).
    pub fn good_fiber(self) -> Self {
        self.and("coadd_fiberstatus = 0", vec![])
    }

    /// Rows of a target, not of the sky or of a standard star's fibre (OBJTYPE = TGT).
    pub fn targets(self) -> Self {
        self.and("objtype = 'TGT'", vec![])
    }

    /// The best row of each target (the survey's *_PRIMARY flag).
    pub fn primary(self) -> Self {
        self.and("is_primary = 1", vec![])
    }

    /// What most people work with: [`good_redshift`](Self::good_redshift), [`good_fiber`](Self::good_fiber),
    /// [`targets`](Self::targets) and [`primary`](Self::primary) together.
    pub fn clean(self) -> Self {
        self.good_redshift().good_fiber().targets().primary()
    }

    /// Rows with an object on the fibre: the id is not negative and the object type, where there is one, is not empty
    /// and not SKY.
    pub fn objects(self) -> Self {
        self.and("targetid >= 0 AND COALESCE(objtype, 'TGT') NOT IN ('', 'SKY')", vec![])
    }

    /// Rows with an anomaly score of a run in a range.
    pub fn score(self, run: impl Into<String>, score: impl RangeBounds<f64>) -> Self {
        let (sql, values) = in_range("score", &score);
        let values = [Value::Text(run.into())].into_iter().chain(values).collect();
        self.and(
            format!("targetid IN (SELECT targetid FROM anomalies WHERE run = ? AND {sql})"),
            values,
        )
    }

    /// Rows in a group of a run, or, with numbers, in one of these groups.
    pub fn group(self, run: impl Into<String>, groups: impl IntoIterator<Item = i64>) -> Self {
        let mut values = vec![Value::Text(run.into())];
        values.extend(groups.into_iter().map(Value::Int));
        let numbers = vec!["?"; values.len() - 1].join(", ");
        let these = if numbers.is_empty() {
            String::new()
        } else {
            format!(" AND group_id IN ({numbers})")
        };
        self.and(
            format!("targetid IN (SELECT targetid FROM galaxy_groups WHERE run = ?{these})"),
            values,
        )
    }

    /// Rows that a run found most likely to be of one of some classes of the cosmic web.
    pub fn web_class(self, run: impl Into<String>, classes: impl IntoIterator<Item = WebClass>) -> Self {
        let mut values = vec![Value::Text(run.into())];
        values.extend(classes.into_iter().map(|class| Value::from(class.name())));
        let names = if values.len() == 1 {
            "NULL".into()
        } else {
            vec!["?"; values.len() - 1].join(", ")
        };
        self.and(
            format!("targetid IN (SELECT targetid FROM web_classes WHERE run = ? AND web_class IN ({names}))"),
            values,
        )
    }

    /// Rows that meet a condition in SQL on the columns of `galaxies`. Each `?` stands for the next value.
    ///
    /// The text is part of the program; whatever comes from elsewhere is a value, and cannot become SQL.
    ///
    /// ```
    /// # use radio_index::{Selection, Value};
    /// let low_error = Selection::all().matching("zerr < ? * (1 + z)", [Value::from(1e-4)]);
    /// ```
    pub fn matching(self, condition: &'static str, values: impl IntoIterator<Item = Value>) -> Self {
        // On lines of its own, so that a comment in it ends in it.
        self.and(format!("\n{condition}\n"), values.into_iter().collect())
    }

    /// Rows of the tiles in a folder or its subfolders. The folder is an absolute path without links, as
    /// [`SyncReport::root`](crate::SyncReport::root) gives it.
    pub fn under(self, folder: &Path) -> Self {
        self.with(Condition::Files(WITHIN, within(&folder.to_string_lossy()).into()))
    }

    /// Rows of the tiles that one node holds.
    pub fn node(self, name: impl Into<String>) -> Self {
        self.with(Condition::Files("node = ?", vec![Value::Text(name.into())]))
    }

    fn text<S: Into<String>>(self, column: &'static str, texts: impl IntoIterator<Item = S>) -> Self {
        let texts: Vec<Value> = texts.into_iter().map(|text| Value::Text(text.into())).collect();
        // No text at all matches nothing, as an empty list should.
        let any = if texts.is_empty() {
            "NULL".into()
        } else {
            vec!["?"; texts.len()].join(", ")
        };
        self.and(format!("{column} IN ({any})"), texts)
    }

    fn within(mut self, region: Result<Region, String>) -> Self {
        match region {
            Ok(region) => self.with(Condition::Within(region)),
            Err(reason) => {
                self.impossible.get_or_insert(reason);
                self
            }
        }
    }

    fn and(self, sql: impl Into<String>, values: Vec<Value>) -> Self {
        self.with(Condition::Rows(sql.into(), values))
    }

    fn with(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// The selection in the words of a database.
    pub(crate) fn query(&self, dialect: Dialect) -> Result<Query> {
        if let Some(reason) = &self.impossible {
            return Err(Error::BadSelection { reason: reason.clone() });
        }
        let mut query = Query::default();
        for condition in &self.conditions {
            match condition {
                Condition::Rows(sql, values) => query.and_rows(sql, values.iter().cloned())?,
                Condition::Files(sql, values) => {
                    if !query.files.is_empty() {
                        query.files.push_str(" AND ");
                    }
                    let _ = write!(query.files, "({sql})");
                    query.file_values.extend(values.iter().cloned());
                }
                Condition::OneOf(column, numbers) => query.one_of(dialect, column, numbers)?,
                Condition::Within(region) => {
                    query.one_of(dialect, "healpix", &region.pixels())?;
                    query.regions.push(region.clone());
                }
            }
        }
        Ok(query)
    }
}

/// The condition of a selection without conditions.
pub(crate) const EVERY_ROW: &str = "1 = 1";

/// A selection in the words of a database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// On `galaxies`, with numbered parameters; empty where every row is taken.
    rows: String,
    row_values: Vec<Value>,
    /// On `file_registry`, with question marks; empty where every file is taken.
    files: String,
    file_values: Vec<Value>,
    /// A row must be in all of them, which no database is asked.
    pub(crate) regions: Vec<Region>,
}

impl Query {
    /// The condition on `galaxies` behind WHERE, and its values.
    pub(crate) fn on_rows(&self) -> (String, Vec<Value>) {
        let mut sql = if self.rows.is_empty() {
            EVERY_ROW.to_owned()
        } else {
            self.rows.clone()
        };
        let mut values = self.row_values.clone();
        if !self.files.is_empty() {
            let files = numbered(&self.files, values.len());
            let _ = write!(sql, " AND tile IN (SELECT tile FROM file_registry WHERE {files})");
            values.extend(self.file_values.iter().cloned());
        }
        (sql, values)
    }

    /// Where the selection takes files as a whole, the condition on `file_registry` behind WHERE, and its values.
    pub(crate) fn on_files(&self) -> Option<(String, Vec<Value>)> {
        let takes_whole_files = self.rows.is_empty() && self.regions.is_empty();
        let files = if self.files.is_empty() {
            EVERY_ROW.to_owned()
        } else {
            numbered(&self.files, 0)
        };
        takes_whole_files.then(|| (files, self.file_values.clone()))
    }

    fn and_rows(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<()> {
        let before = self.row_values.len();
        self.row_values.extend(values);
        let (given, wanted) = (self.row_values.len() - before, question_marks(sql).count());
        if given != wanted {
            let reason = format!(
                "the condition {:?} has {wanted} question marks and {given} values",
                sql.trim()
            );
            return Err(Error::BadSelection { reason });
        }
        if !self.rows.is_empty() {
            self.rows.push_str(" AND ");
        }
        let _ = write!(self.rows, "({})", numbered(sql, before));
        Ok(())
    }

    /// One value holds all numbers, however many there are.
    fn one_of(&mut self, dialect: Dialect, column: &str, numbers: &[i64]) -> Result<()> {
        let list: Vec<String> = numbers.iter().map(i64::to_string).collect();
        let list = list.join(",");
        match dialect {
            Dialect::Sqlite => self.and_rows(
                &format!("{column} IN (SELECT value FROM json_each(?))"),
                [format!("[{list}]").into()],
            ),
            Dialect::Postgres => self.and_rows(
                &format!("{column} = ANY (CAST(? AS BIGINT[]))"),
                [format!("{{{list}}}").into()],
            ),
        }
    }
}

/// `column >= ? AND column < ?`, or what a range says.
fn in_range(column: &str, range: &impl RangeBounds<f64>) -> (String, Vec<Value>) {
    let ends = [
        match range.start_bound() {
            Bound::Included(x) => Some((">=", *x)),
            Bound::Excluded(x) => Some((">", *x)),
            Bound::Unbounded => None,
        },
        match range.end_bound() {
            Bound::Included(x) => Some(("<=", *x)),
            Bound::Excluded(x) => Some(("<", *x)),
            Bound::Unbounded => None,
        },
    ];
    let ends = ends.into_iter().flatten();
    let sql: Vec<String> = ends.clone().map(|(sign, _)| format!("{column} {sign} ?")).collect();
    let sql = if sql.is_empty() {
        format!("{column} IS NOT NULL")
    } else {
        sql.join(" AND ")
    };
    (sql, ends.map(|(_, x)| Value::Real(x)).collect())
}

/// Where the question marks of a condition stand that are no part of a text or a quoted name.
fn question_marks(sql: &str) -> impl Iterator<Item = usize> {
    let mut quote = None;
    sql.char_indices().filter_map(move |(at, c)| match (quote, c) {
        (None, '\'' | '"') => {
            quote = Some(c);
            None
        }
        (Some(open), c) => {
            if c == open {
                quote = None;
            }
            None
        }
        (None, c) => (c == '?').then_some(at),
    })
}

/// Numbers the question marks of a condition, after the parameters that are there already.
pub(crate) fn numbered(sql: &str, before: usize) -> String {
    let mut numbered = String::with_capacity(sql.len() + 8);
    let mut from = 0;
    for (number, at) in question_marks(sql).enumerate() {
        let _ = write!(numbered, "{}${}", &sql[from..at], before + number + 1);
        from = at + 1;
    }
    numbered + &sql[from..]
}

/// Is a tile in a folder, or the folder itself a tile? By characters, because databases sort text by their locale.
pub(crate) const WITHIN: &str = "uri = ? OR SUBSTR(uri, 1, CAST(? AS INTEGER)) = ?";

/// The values for [`WITHIN`]. A separator ends the folder's name, so that `tiles` is no part of `tiles-2`.
pub(crate) fn within(folder: &str) -> [Value; 3] {
    let separator = std::path::MAIN_SEPARATOR;
    let prefix = format!("{}{separator}", folder.trim_end_matches(separator));
    let length = prefix.chars().count() as i64;
    [folder.into(), length.into(), prefix.into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_marks_are_numbered_outside_of_texts() {
        assert_eq!(
            numbered("a = ? AND b = '?' AND \"?\" < ?", 2),
            "a = $3 AND b = '?' AND \"?\" < $4"
        );
        assert_eq!(numbered("no mark", 7), "no mark");
        assert_eq!(numbered("it''s ? of 'it''s ?'", 0), "it''s $1 of 'it''s ?'");
    }

    #[test]
    fn ranges_say_what_they_include() {
        assert_eq!(in_range("z", &(0.1..0.5)).0, "z >= ? AND z < ?");
        assert_eq!(in_range("z", &(..=0.5)), ("z <= ?".into(), vec![Value::Real(0.5)]));
        assert_eq!(in_range("z", &(..)), ("z IS NOT NULL".into(), vec![]));
    }
}
