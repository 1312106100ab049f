//! Fewer rows of a plan: by statistics and the page index first, by values only where those do not decide.

mod column;
mod scalar;

use std::cmp::Ordering;
use std::ops::{Bound, Range, RangeBounds};
use std::slice;
use std::sync::Arc;

use arrow_schema::ArrowError;
use radio_index::{ReadPlan, TileSlice};
use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use self::column::{Column, Share};
use self::scalar::Cell;
pub use self::scalar::Scalar;
use crate::storage::Storage;
use crate::tile::{self, Source};
use crate::{Error, ReadOptions, Result, Runtime};

/// Conditions on columns of the tiles, all of which have to hold.
///
/// A column is named by its dotted path, and holds numbers, booleans (0 and 1) or text, not lists. Numbers are compared by their
/// exact values: a 64-bit id is not rounded, and no 32-bit float is equal to 0.1. Text is compared byte by byte. A null or NaN
/// meets no condition.
///
/// ```
/// use radio_io::Filter;
///
/// let quasars = Filter::all().equals("spectype", "QSO").between("z", 2.1..).equals("zwarn", 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Filter {
    conditions: Vec<Condition>,
}

/// Rows for which all conditions of a [`Filter`] hold, and the work that it took to find them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filtered {
    /// The rows, and what the first plan knew of their tiles.
    pub plan: ReadPlan,
    /// Pages with planned rows, of each condition's column. Without a page index, all of a column in a row group is one.
    pub pages: u64,
    /// Those of the pages that were decoded, because statistics did not decide.
    pub pages_decoded: u64,
    /// Values that were decoded and compared.
    pub values_decoded: u64,
}

/// A range that the values of a column have to be in.
#[derive(Clone, Debug, PartialEq)]
struct Condition {
    column: String,
    start: Bound<Scalar>,
    end: Bound<Scalar>,
}

impl Condition {
    /// What the column is compared with.
    fn values(&self) -> impl Iterator<Item = &Cell<'static>> {
        [&self.start, &self.end].into_iter().filter_map(|bound| match bound {
            Bound::Included(Scalar(value)) | Bound::Excluded(Scalar(value)) => Some(value),
            Bound::Unbounded => None,
        })
    }

    fn holds(&self, cell: &Cell<'_>) -> bool {
        self.is_past_start(cell) == Some(true) && self.is_before_end(cell) == Some(true)
    }

    /// Is nothing from `min` to `max` in the range?
    fn excludes(&self, min: &Cell<'_>, max: &Cell<'_>) -> bool {
        self.is_past_start(max) == Some(false) || self.is_before_end(min) == Some(false)
    }

    /// `None` where there is no order.
    fn is_past_start(&self, cell: &Cell<'_>) -> Option<bool> {
        match &self.start {
            Bound::Included(Scalar(start)) => cell.compare(start).map(Ordering::is_ge),
            Bound::Excluded(Scalar(start)) => cell.compare(start).map(Ordering::is_gt),
            Bound::Unbounded => cell.compare(cell).map(Ordering::is_eq),
        }
    }

    fn is_before_end(&self, cell: &Cell<'_>) -> Option<bool> {
        match &self.end {
            Bound::Included(Scalar(end)) => cell.compare(end).map(Ordering::is_le),
            Bound::Excluded(Scalar(end)) => cell.compare(end).map(Ordering::is_lt),
            Bound::Unbounded => cell.compare(cell).map(Ordering::is_eq),
        }
    }
}

impl Filter {
    /// No condition: all rows.
    pub fn all() -> Self {
        Self::default()
    }

    /// Rows whose value is in a range: from `a` on and less than `b` in `a..b`, at most `b` in `a..=b`.
    pub fn between<T: Clone + Into<Scalar>>(mut self, column: impl Into<String>, range: impl RangeBounds<T>) -> Self {
        self.conditions.push(Condition {
            column: column.into(),
            start: range.start_bound().cloned().map(Into::into),
            end: range.end_bound().cloned().map(Into::into),
        });
        self
    }

    /// Rows with this value.
    pub fn equals(self, column: impl Into<String>, value: impl Into<Scalar>) -> Self {
        let value = value.into();
        self.between(column, value.clone()..=value)
    }

    /// Finds the rows of a plan for which all conditions hold. Of the options, those that say where tiles are and what decodes count.
    ///
    /// # Errors
    ///
    /// That of the first tile with one: [`Error::Io`] or [`Error::Tile`] where it cannot be read, [`Error::Stale`] or
    /// [`Error::Changed`] where it is not as planned, [`Error::Column`] where a column is missing or cannot be compared.
    ///
    /// # Complexity
    ///
    /// Of each tile the footer and the page index are read. Row groups and pages are not, where their statistics say that no row
    /// matches, or, for integers and text, that all do. Of the others, those with planned rows are decoded; for each condition only
    /// those with rows that met the conditions before it. So the condition that the fewest rows meet comes first. All tiles
    /// are read at once, on all cores.
    ///
    /// # Examples
    ///
    #[cfg_attr(feature = "mock", doc = "```")]
    #[cfg_attr(not(feature = "mock"), doc = "```ignore")]
    /// use radio_io::{Filter, ReadOptions, Reader, mock::Mock};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// let survey = Mock::new(300).write(folder.path(), |_rows_done| {})?.plan;
    /// let galaxies = Filter::all().equals("spectype", "GALAXY").between("z", 0.4..1.1);
    /// let plan = galaxies.apply(&survey, &ReadOptions::default())?.plan;
    /// assert!(!plan.is_empty() && plan.rows() < survey.rows());
    /// let mut rows = 0;
    /// for batch in Reader::new(&plan, ReadOptions::default())? {
    ///     rows += batch?.len() as u64;
    /// }
    /// assert_eq!(rows, plan.rows());
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply(&self, plan: &ReadPlan, options: &ReadOptions) -> Result<Filtered> {
        let runtime = options.runtime.clone().map_or_else(Runtime::shared, Ok)?;
        let storage = Storage::new(options);
        let tiles: Vec<&[TileSlice]> = plan.slices().chunk_by(|a, b| a.uri() == b.uri()).collect();
        let search = |slices: &&[TileSlice]| {
            let uri = slices.first().map_or("", TileSlice::uri);
            tile::guarded(uri, || self.search(plan, slices, &storage))
        };
        let outcomes: Vec<Result<Filtered>> =
            runtime.install(|| tiles.par_iter().with_max_len(1).map(search).collect());
        let mut all = Filtered::default();
        let (mut slices, mut known) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            let found = outcome?;
            all.pages += found.pages;
            all.pages_decoded += found.pages_decoded;
            all.values_decoded += found.values_decoded;
            if let Some(first) = found.plan.slices().first()
                && let Some(tile) = plan.tile(first.uri())
            {
                known.push((first.uri().into(), tile.clone()));
            }
            slices.extend(found.plan);
        }
        all.plan = ReadPlan::from_iter(slices).with_tiles(known);
        Ok(all)
    }

    /// Finds the rows of one tile, of which these are slices.
    fn search(&self, plan: &ReadPlan, slices: &[TileSlice], storage: &Storage) -> Result<Filtered> {
        let mut found = Filtered::default();
        let Some(uri) = slices.first().map(|slice| Arc::<str>::from(slice.uri())) else {
            return Ok(found);
        };
        let source = Source::open(&uri, storage)?;
        tile::check(plan, &uri, source.file.stamp)?;
        let columns = self.conditions.iter().map(|condition| Column::find(&source, condition));
        let columns: Vec<Column<'_>> = columns.collect::<Result<_>>()?;
        let planned: Vec<Range<u64>> = slices.iter().map(TileSlice::rows).collect();
        let mut kept = Vec::new();
        let mut end = 0_u64;
        for (group, metadata) in source.metadata.metadata().row_groups().iter().enumerate() {
            let first = end;
            end = first.saturating_add(column::rows_of(metadata));
            let mut rows = overlap(&planned, slice::from_ref(&(first..end)));
            for rows in &mut rows {
                *rows = rows.start - first..rows.end - first;
            }
            let rows = search_group(&columns, group, rows, &mut found).map_err(|e| Error::Tile {
                path: source.path().to_owned(),
                source: e.into(),
            })?;
            let slice = |rows: Range<u64>| TileSlice::new(uri.clone(), rows.start + first..rows.end + first);
            kept.extend(rows.into_iter().map(slice));
        }
        match planned.last() {
            Some(last) if last.end > end => Err(Error::Stale {
                row: last.start.max(end),
                rows: end,
                path: source.path().to_owned(),
            }),
            _ => {
                found.plan = kept.into_iter().collect();
                Ok(found)
            }
        }
    }
}

/// Finds the rows of one row group, counted from its first, of which `rows` are planned.
fn search_group(
    columns: &[Column<'_>],
    group: usize,
    mut rows: Vec<Range<u64>>,
    found: &mut Filtered,
) -> Result<Vec<Range<u64>>, ArrowError> {
    if rows.is_empty() {
        return Ok(rows);
    }
    let pages: Vec<Vec<(Range<u64>, Share)>> = columns
        .iter()
        .map(|column| column.pages(group))
        .collect::<Result<_, _>>()?;
    let of = |pages: &[(Range<u64>, Share)], is_wanted: fn(Share) -> bool| -> Vec<Range<u64>> {
        let wanted = pages.iter().filter(|(_, share)| is_wanted(*share));
        wanted.map(|(rows, _)| rows.clone()).collect()
    };
    for pages in &pages {
        found.pages += touched(&of(pages, |_| true), &rows);
    }
    // What costs nothing comes first, for all columns.
    for pages in &pages {
        rows = overlap(&rows, &of(pages, |share| share != Share::None));
    }
    for (column, pages) in columns.iter().zip(&pages) {
        let unknown = of(pages, |share| share == Share::Unknown);
        let mut kept = overlap(&rows, &of(pages, |share| share == Share::All));
        let open = overlap(&rows, &unknown);
        if !open.is_empty() {
            found.pages_decoded += touched(&unknown, &open);
            found.values_decoded += open.iter().map(|rows| rows.end - rows.start).sum::<u64>();
            kept.extend(column.decode(group, &open)?);
            kept.sort_unstable_by_key(|rows| rows.start);
        }
        rows = kept;
    }
    Ok(rows)
}

/// What is in both; within each, ranges ascend and do not overlap.
fn overlap(a: &[Range<u64>], b: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut both = Vec::new();
    let mut rest = a;
    for b in b {
        rest = &rest[rest.partition_point(|a| a.end <= b.start)..];
        let shared = rest.iter().take_while(|a| a.start < b.end);
        both.extend(shared.map(|a| a.start.max(b.start)..a.end.min(b.end)));
    }
    both
}

/// How many of these pages have one of these rows?
fn touched(pages: &[Range<u64>], rows: &[Range<u64>]) -> u64 {
    let is_touched = |page: &&Range<u64>| {
        let first = rows.partition_point(|rows| rows.end <= page.start);
        rows.get(first).is_some_and(|rows| rows.start < page.end)
    };
    pages.iter().filter(is_touched).count() as u64
}
