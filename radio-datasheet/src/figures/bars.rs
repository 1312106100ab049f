//! How many rows each class has, and how many have a value in each column.

use radio_index::CatalogueSummary;

use super::Figure;
use super::svg::{Anchor, BLUE, Svg};
use crate::format;

/// More classes than this share one bar.
const MOST_BARS: usize = 10;

/// A longer name is cut.
const LONGEST_NAME: usize = 18;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 160.0;
const RIGHT: f64 = 170.0;
const ROW: f64 = 30.0;
const TOP: f64 = 18.0;

/// The figure `classes`; none where there is no row in any class.
pub(crate) fn classes(classes: &[(String, u64)]) -> Option<Figure> {
    let sum = |classes: &[(String, u64)]| classes.iter().fold(0_u64, |sum, (_, rows)| sum.saturating_add(*rows));
    let total = sum(classes);
    if total == 0 {
        return None;
    }
    // One class more is drawn rather than put away alone.
    let shown = if classes.len() <= MOST_BARS {
        classes.len()
    } else {
        MOST_BARS - 1
    };
    let mut bars: Vec<(String, u64, &str)> = classes[..shown]
        .iter()
        .map(|(name, rows)| match label(name) {
            Some(name) => (name, *rows, BLUE),
            None => ("no class".to_owned(), *rows, "#9aa5b1"),
        })
        .collect();
    if shown < classes.len() {
        bars.push((
            format!("{} more", classes.len() - shown),
            sum(&classes[shown..]),
            "#9aa5b1",
        ));
    }

    let plural = if classes.len() == 1 { "class" } else { "classes" };
    let alt = format!(
        "Bars of the rows of {} {plural}, {} {} in all",
        classes.len(),
        format::count(total),
        if total == 1 { "row" } else { "rows" }
    );
    let most = bars.iter().map(|(_, rows, _)| *rows).max().filter(|most| *most > 0)?;
    Some(draw("classes", alt, &bars, most, total, "rows (share of all rows)"))
}

/// The figure `completeness`: rows with a value that is no fill value, of each key column that lacks some and has some; none
/// where there is no such column.
pub(crate) fn completeness(catalogue: &CatalogueSummary) -> Option<Figure> {
    let rows = catalogue.rows;
    let mut columns: Vec<&str> = Vec::new();
    for (column, _) in catalogue.nulls.iter().chain(&catalogue.fills) {
        if !columns.contains(&column.as_str()) {
            columns.push(column);
        }
    }
    columns.retain(|column| {
        !catalogue
            .nulls
            .iter()
            .any(|(name, nulls)| name == column && *nulls == rows)
    });
    if columns.is_empty() || rows == 0 {
        return None;
    }
    let lacking = |counts: &[(String, u64)], column: &str| {
        let found = counts.iter().find(|(name, _)| name == column);
        found.map_or(0, |(_, rows)| *rows)
    };
    let there = |column: &str| {
        let missing = lacking(&catalogue.nulls, column).saturating_add(lacking(&catalogue.fills, column));
        rows.saturating_sub(missing)
    };
    let bars: Vec<(String, u64, &str)> = columns
        .iter()
        .map(|column| (label(column).unwrap_or_default(), there(column), BLUE))
        .collect();
    let alt = format!(
        "Bars of the rows that have a value, of {} key column{} that lack{} some",
        bars.len(),
        if bars.len() == 1 { "" } else { "s" },
        if bars.len() == 1 { "s" } else { "" }
    );
    Some(draw(
        "completeness",
        alt,
        &bars,
        rows,
        rows,
        "rows with a value (share of all rows)",
    ))
}

/// Bars with their counts and shares; the longest possible one stands for `most`.
fn draw(name: &'static str, alt: String, bars: &[(String, u64, &str)], most: u64, total: u64, axis: &str) -> Figure {
    let height = TOP + bars.len() as f64 * ROW + 40.0;
    let scale = (WIDTH - LEFT - RIGHT) / most as f64;
    let mut svg = Svg::new(WIDTH, height);
    for (at, (name, rows, colour)) in bars.iter().enumerate() {
        let y = TOP + at as f64 * ROW;
        let length = (*rows as f64 * scale).max(if *rows > 0 { 1.0 } else { 0.0 });
        svg.text((LEFT - 10.0, y + 19.0), Anchor::End, "", name);
        svg.rect((LEFT, y + 4.0), (length, ROW - 8.0), &format!("fill=\"{colour}\""));
        let value = format!(
            "{} ({})",
            format::count(*rows),
            format::share(*rows as f64, total as f64)
        );
        svg.text((LEFT + length + 8.0, y + 19.0), Anchor::Start, "t", &value);
    }
    let bottom = TOP + bars.len() as f64 * ROW;
    svg.line("a", (LEFT, TOP), (LEFT, bottom));
    svg.text(
        (LEFT + (WIDTH - LEFT - RIGHT) / 2.0, bottom + 26.0),
        Anchor::Middle,
        "",
        axis,
    );
    let svg = svg.finish(&alt);
    Figure { name, alt, svg }
}

/// A class as a label that fits; none for the empty name.
fn label(name: &str) -> Option<String> {
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    let mut short: String = name.chars().take(LONGEST_NAME).collect();
    if name.chars().nth(LONGEST_NAME).is_some() {
        short.pop();
        short.push('…');
    }
    Some(short)
}
