//! What changed between two datasheets of one data set.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use radio_index::{FileSummary, Histogram, SkyCoverage, Spread, Summary};
use serde::Serialize;

use crate::{Document, markdown};

/// A distribution with a larger index than this has moved: the usual rule of thumb (below 0.1 nothing, above 0.25 much).
const MOVED: f64 = 0.1;

/// Parts of equal number that redshifts are cut into.
const PARTS: usize = 10;

/// Most parts of the sky that positions are counted in.
const MOST_PATCHES: usize = 48;

/// What changed from one datasheet to the next. Its text, by `Display`, is Markdown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Changes {
    /// Tiles that are new, by their names below the folder of all tiles.
    pub tiles_added: Vec<String>,
    /// Tiles that are gone.
    pub tiles_removed: Vec<String>,
    /// Tiles whose rows, size, footer or key columns are others.
    pub tiles_changed: Vec<String>,
    /// Columns that are new.
    pub columns_added: Vec<String>,
    /// Columns that are gone.
    pub columns_removed: Vec<String>,
    /// Columns whose type is another one.
    pub columns_changed: Vec<String>,
    /// How far each distribution moved, in the order of their names.
    pub distributions: Vec<Distribution>,
}

/// How far the values of a column moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Distribution {
    /// The key column, or what is counted of it.
    pub name: String,
    /// Rows before and after.
    pub rows: [u64; 2],
    /// The population stability index of the two: Σ (p - q) ln (p / q) over parts, with half a row added to each.
    pub psi: f64,
    /// Is it above 0.1?
    pub has_moved: bool,
}

impl Changes {
    /// Is nothing added, removed, changed or moved?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let lists = [
            &self.tiles_added,
            &self.tiles_removed,
            &self.tiles_changed,
            &self.columns_added,
            &self.columns_removed,
            &self.columns_changed,
        ];
        lists.iter().all(|list| list.is_empty()) && !self.distributions.iter().any(|d| d.has_moved)
    }
}

/// Compares two datasheets of one data set, as their `datasheet.json` hold them.
///
/// Tiles are known by their names below the folder that holds all of them, so a data set that was moved has not changed.
/// Distributions are those of redshifts (in ten parts that held equally many before), their errors, `deltachi2`, positions (in up to 48
/// pixels of the sky), classes, warnings, programs, kinds of targets, good and bad pixels, and of what is missing in each key column.
///
/// # Complexity
///
/// O(n log n) in the number of tiles.
///
/// # Examples
///
/// ```
/// use radio_datasheet::{Answers, Datasheet, Summary, diff};
///
/// let answers = Answers::default();
/// let mut summary = Summary::default();
/// summary.catalogue.classes = vec![("GALAXY".into(), 900), ("QSO".into(), 100)];
/// let old = Datasheet::new(&summary, &answers).document();
/// summary.catalogue.classes = vec![("GALAXY".into(), 500), ("QSO".into(), 500)];
/// let changes = diff(&old, &Datasheet::new(&summary, &answers).document());
/// assert!(changes.distributions[0].has_moved);
/// assert!(changes.to_string().contains("| `classes` | 1,000 | 1,000 | 0.88 | moved |"));
/// ```
#[must_use]
pub fn diff(old: &Document, new: &Document) -> Changes {
    let (old, new) = (&old.summary, &new.summary);
    let tiles = Lists::new(&tiles(&old.files), &tiles(&new.files));
    let columns = Lists::new(&columns(old), &columns(new));
    let (before, after) = (distributions(old), distributions(new));
    let mut distributions = vec![redshifts(&old.redshifts, &new.redshifts), positions(&old.sky, &new.sky)];
    let names = before
        .keys()
        .chain(after.keys().filter(|name| !before.contains_key(*name)));
    let nothing = BTreeMap::new();
    for name in names {
        let counts = |of: &BTreeMap<String, BTreeMap<String, u64>>| of.get(name).unwrap_or(&nothing).clone();
        distributions.push(categories(name, &counts(&before), &counts(&after)));
    }
    distributions.retain(|distribution| distribution.rows != [0, 0]);
    distributions.sort_by(|a, b| a.name.cmp(&b.name));
    Changes {
        tiles_added: tiles.added,
        tiles_removed: tiles.removed,
        tiles_changed: tiles.changed,
        columns_added: columns.added,
        columns_removed: columns.removed,
        columns_changed: columns.changed,
        distributions,
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "Nothing changed.");
        }
        let lists = [
            ("Tiles added", &self.tiles_added),
            ("Tiles removed", &self.tiles_removed),
            ("Tiles changed", &self.tiles_changed),
            ("Columns added", &self.columns_added),
            ("Columns removed", &self.columns_removed),
            ("Columns of another type", &self.columns_changed),
        ];
        for (title, names) in lists {
            if !names.is_empty() {
                writeln!(f, "{title}:\n")?;
                for name in names {
                    writeln!(f, "- {}", markdown::code(name))?;
                }
                writeln!(f)?;
            }
        }
        if !self.distributions.is_empty() {
            writeln!(
                f,
                "| distribution | rows before | rows after | stability index | |\n|---|---:|---:|---:|---|"
            )?;
            for Distribution {
                name,
                rows,
                psi,
                has_moved,
            } in &self.distributions
            {
                let [before, after] = rows.map(crate::format::count);
                let moved = if *has_moved { "moved" } else { "" };
                writeln!(
                    f,
                    "| {} | {before} | {after} | {psi:.2} | {moved} |",
                    markdown::code(name)
                )?;
            }
        }
        Ok(())
    }
}

/// What is in one of two and not in the other, and what is not the same in both.
struct Lists {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

impl Lists {
    fn new<T: PartialEq>(old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> Self {
        let missing_in = |other: &BTreeMap<String, T>, of: &BTreeMap<String, T>| -> Vec<String> {
            of.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
        };
        let is_other = |(name, value): &(&String, &T)| new.get(*name).is_some_and(|now| now != *value);
        Self {
            added: missing_in(old, new),
            removed: missing_in(new, old),
            changed: old.iter().filter(is_other).map(|(name, _)| name.clone()).collect(),
        }
    }
}

/// Tiles by their names below the folder of all of them; the folder is no matter.
fn tiles(files: &[FileSummary]) -> BTreeMap<String, FileSummary> {
    let mut common = files
        .first()
        .and_then(|file| Path::new(&file.uri).parent())
        .map(PathBuf::from);
    for file in files {
        while let Some(folder) = common
            .as_mut()
            .filter(|folder| !Path::new(&file.uri).starts_with(folder))
        {
            if !folder.pop() {
                break;
            }
        }
    }
    let common = common.unwrap_or_default();
    let named = |file: &FileSummary| {
        let name = Path::new(&file.uri)
            .strip_prefix(&common)
            .unwrap_or(Path::new(&file.uri));
        let mut content = file.clone();
        (content.uri, content.node) = (String::new(), String::new());
        (name.display().to_string(), content)
    };
    files.iter().map(named).collect()
}

fn columns(summary: &Summary) -> BTreeMap<String, String> {
    summary
        .columns
        .iter()
        .map(|column| (column.name.clone(), column.data_type.clone()))
        .collect()
}

/// Counts by value, of all that is counted by value.
fn distributions(summary: &Summary) -> BTreeMap<String, BTreeMap<String, u64>> {
    let of = &summary.catalogue;
    let mut all = BTreeMap::new();
    all.insert("classes".to_owned(), of.classes.iter().cloned().collect());
    let warning = |(value, rows): &(Option<i64>, u64)| (value.map_or(String::new(), |value| value.to_string()), *rows);
    all.insert("warnings".to_owned(), of.warnings.iter().map(warning).collect());
    let program = |((survey, program), rows): &((String, String), u64)| (format!("{survey} {program}"), *rows);
    all.insert("programs".to_owned(), of.programs.iter().map(program).collect());
    all.insert("targets".to_owned(), of.targets.iter().cloned().collect());
    for spread in &of.spreads {
        all.insert(spread.column.clone(), parts(spread));
    }
    if let Some(pixels) = &summary.pixels {
        let bad = pixels.pixels.saturating_sub(pixels.good);
        let counts = [("good".to_owned(), pixels.good), ("bad".to_owned(), bad)];
        all.insert("pixels".to_owned(), counts.into_iter().collect());
    }
    for (what, counts) in [("missing", &of.nulls), ("fill values", &of.fills)] {
        for (column, rows) in counts {
            let parts = [
                (what.to_owned(), *rows),
                ("there".to_owned(), of.rows.saturating_sub(*rows)),
            ];
            all.insert(format!("{column}, {what}"), parts.into_iter().collect());
        }
    }
    all
}

fn parts(spread: &Spread) -> BTreeMap<String, u64> {
    let name = |part: usize| match spread.edges.get(part) {
        Some(edge) => format!("below {edge}"),
        None => "above".to_owned(),
    };
    let counts = spread.counts.iter().enumerate();
    counts.map(|(part, &rows)| (name(part), rows)).collect()
}

/// In pixels that are so large that few held all of the old ones.
fn positions(old: &SkyCoverage, new: &SkyCoverage) -> Distribution {
    let patches = |of: &SkyCoverage, order: u8| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for (pixel, rows) in &of.pixels {
            let shift = 2 * u32::from(of.order.saturating_sub(order));
            let patch = pixel.checked_shr(shift).unwrap_or_default();
            let count = counts.entry(patch.to_string()).or_default();
            *count = count.saturating_add(*rows);
        }
        counts
    };
    let finest = old.order.min(new.order);
    let order = (0..=finest)
        .rev()
        .find(|&order| patches(old, order).len() <= MOST_PATCHES)
        .unwrap_or_default();
    categories("positions", &patches(old, order), &patches(new, order))
}

fn categories(name: &str, old: &BTreeMap<String, u64>, new: &BTreeMap<String, u64>) -> Distribution {
    let values: Vec<&String> = old
        .keys()
        .chain(new.keys().filter(|value| !old.contains_key(*value)))
        .collect();
    let counts = |of: &BTreeMap<String, u64>| -> Vec<f64> {
        values
            .iter()
            .map(|value| of.get(*value).copied().unwrap_or_default() as f64)
            .collect()
    };
    let rows = [old, new].map(|of| of.values().fold(0_u64, |sum, rows| sum.saturating_add(*rows)));
    distribution(name, rows, &counts(old), &counts(new))
}

/// Bins may have other widths in both: both are cut where the old one holds equal numbers.
fn redshifts(old: &Histogram, new: &Histogram) -> Distribution {
    let rows = [old, new].map(|of| of.counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count)));
    let mut cuts: Vec<f64> = (1..PARTS)
        .map(|part| quantile(old, part as f64 / PARTS as f64))
        .collect();
    cuts.dedup();
    let parts = |of: &Histogram| -> Vec<f64> {
        let below: Vec<f64> = cuts.iter().map(|cut| count_below(of, *cut)).collect();
        let total = of.counts.iter().map(|count| *count as f64).sum::<f64>();
        let mut last = 0.0;
        let part = |until: f64| until - std::mem::replace(&mut last, until);
        below.into_iter().chain([total]).map(part).collect()
    };
    distribution("z", rows, &parts(old), &parts(new))
}

/// How many values are below `x`, spread evenly within bins.
fn count_below(histogram: &Histogram, x: f64) -> f64 {
    let part = |(bin, count): (usize, &u64)| {
        let start = histogram.start + bin as f64 * histogram.width;
        *count as f64 * ((x - start) / histogram.width).clamp(0.0, 1.0)
    };
    histogram.counts.iter().enumerate().map(part).sum()
}

fn quantile(histogram: &Histogram, part: f64) -> f64 {
    let total = histogram.counts.iter().map(|count| *count as f64).sum::<f64>();
    let mut left = part * total;
    for (bin, &count) in histogram.counts.iter().enumerate() {
        if left <= count as f64 && count > 0 {
            return histogram.start + (bin as f64 + left / count as f64) * histogram.width;
        }
        left -= count as f64;
    }
    histogram.start
}

fn distribution(name: &str, rows: [u64; 2], old: &[f64], new: &[f64]) -> Distribution {
    // Half a row in each part, so that an empty one is no infinity.
    let share = |counts: &[f64]| -> Vec<f64> {
        let total = counts.iter().sum::<f64>() + 0.5 * counts.len() as f64;
        counts.iter().map(|count| (count + 0.5) / total).collect()
    };
    let psi = share(old)
        .iter()
        .zip(share(new))
        .map(|(p, q)| (p - q) * (p / q).ln())
        .sum::<f64>();
    Distribution {
        name: name.to_owned(),
        rows,
        psi,
        has_moved: psi > MOVED,
    }
}
