//! What a template can ask for: the summary, the answers and the settings, as they were given.

use std::collections::BTreeMap;

use radio_index::{Bounds, CatalogueSummary, ColumnSummary, PixelSummary, RunSummary, Spread, Summary};
use serde::Serialize;

use crate::questions::{NOTES, Section};
use crate::{Answers, Figure, document};

/// Longer lists of values are cut, and the rest is counted.
const MOST_VALUES: usize = 20;

/// Every variable of a template except `section`.
#[derive(Debug, Serialize)]
pub(crate) struct Context<'a> {
    title: Option<&'a str>,
    version: &'static str,
    tiles: Tiles<'a>,
    columns: Vec<Column<'a>>,
    catalogue: Catalogue<'a>,
    redshifts: Redshifts,
    sky: Sky,
    /// None where no spectrum was read.
    pixels: Option<PixelSummary>,
    anomaly_runs: Vec<Run<'a>>,
    group_runs: Vec<Run<'a>>,
    /// By name.
    figures: BTreeMap<&'static str, Picture<'a>>,
    settings: Vec<Setting<'a>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        summary: &'a Summary,
        answers: &'a Answers,
        settings: &'a [(String, String)],
        figures: &'a [Figure],
    ) -> Self {
        let runs = |runs: &'a [RunSummary]| runs.iter().map(Run::new).collect();
        Self {
            title: answers.title(),
            version: env!("CARGO_PKG_VERSION"),
            tiles: Tiles::new(summary),
            columns: summary.columns.iter().map(Column::new).collect(),
            catalogue: Catalogue::new(summary),
            redshifts: Redshifts::new(summary),
            sky: Sky {
                order: summary.sky.order,
                pixels: summary.sky.pixels.len(),
                square_degrees: summary.sky.area_square_degrees(),
            },
            pixels: summary.pixels,
            anomaly_runs: runs(&summary.anomaly_runs),
            group_runs: runs(&summary.group_runs),
            figures: figures
                .iter()
                .map(|figure| (figure.name, Picture::new(figure)))
                .collect(),
            settings: settings
                .iter()
                .map(|(name, value)| Setting {
                    name,
                    value,
                    long: value.contains('\n'),
                })
                .collect(),
        }
    }
}

/// The variable `section`: its questions, and what the people who made the data set answered.
#[derive(Debug, Serialize)]
pub(crate) struct SectionContext<'a> {
    id: &'static str,
    title: &'static str,
    /// Texts of all questions, by id.
    questions: BTreeMap<&'static str, &'static str>,
    answers: Vec<Answered<'a>>,
    /// Answered neither by a person nor by figures.
    open: Vec<Open>,
}

#[derive(Debug, Serialize)]
struct Answered<'a> {
    id: &'static str,
    question: &'static str,
    text: &'a str,
}

#[derive(Debug, Serialize)]
struct Open {
    id: &'static str,
    question: &'static str,
}

impl<'a> SectionContext<'a> {
    pub(crate) fn new(section: &Section, summary: &Summary, answers: &'a Answers) -> Self {
        let mut context = Self {
            id: section.id,
            title: section.title,
            questions: section
                .questions
                .iter()
                .map(|question| (question.id, question.text))
                .collect(),
            answers: Vec::new(),
            open: Vec::new(),
        };
        for question in section.questions {
            if let Some(text) = answers.get(section.id, question.id) {
                context.answers.push(Answered {
                    id: question.id,
                    question: question.text,
                    text,
                });
            } else if question.id != NOTES && !question.counted.is_some_and(|counted| counted(summary)) {
                context.open.push(Open {
                    id: question.id,
                    question: question.text,
                });
            }
        }
        context
    }
}

#[derive(Debug, Serialize)]
struct Tiles<'a> {
    count: u64,
    unreadable: u64,
    rows: u64,
    row_groups: u64,
    bytes: u64,
    rows_per_tile: Percentiles,
    created_by: Values<'a>,
    /// One hash of the footers of all files, in the order of their names; none where there is no file.
    digest: Option<String>,
    syncs: Vec<Sync<'a>>,
}

/// A sync that changed something.
#[derive(Debug, Serialize)]
struct Sync<'a> {
    node: &'a str,
    added: u64,
    updated: u64,
    removed: u64,
    failed: u64,
}

#[derive(Debug, Serialize)]
struct Percentiles {
    min: u64,
    p5: u64,
    p50: u64,
    p95: u64,
    max: u64,
}

impl<'a> Tiles<'a> {
    fn new(summary: &'a Summary) -> Self {
        let tiles = &summary.tiles;
        let spread = tiles.rows_per_tile;
        Self {
            count: tiles.count,
            unreadable: tiles.unreadable,
            rows: tiles.rows,
            row_groups: tiles.row_groups,
            bytes: tiles.bytes,
            rows_per_tile: Percentiles {
                min: spread.min,
                p5: spread.p5,
                p50: spread.p50,
                p95: spread.p95,
                max: spread.max,
            },
            created_by: Values::new(
                tiles
                    .created_by
                    .iter()
                    .map(|(name, files)| (Some(name.as_str()), *files)),
            ),
            digest: document::digest(summary),
            syncs: summary
                .syncs
                .iter()
                .take(MOST_VALUES)
                .map(|sync| Sync {
                    node: &sync.node,
                    added: sync.added,
                    updated: sync.updated,
                    removed: sync.removed,
                    failed: sync.failed,
                })
                .collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Column<'a> {
    name: &'a str,
    data_type: &'a str,
    tiles: u64,
    values: u64,
    nulls: Option<u64>,
    bytes: u64,
}

impl<'a> Column<'a> {
    fn new(column: &'a ColumnSummary) -> Self {
        let ColumnSummary {
            name,
            data_type,
            tiles,
            values,
            nulls,
            bytes,
            ..
        } = column;
        Self {
            name,
            data_type,
            tiles: *tiles,
            values: *values,
            nulls: *nulls,
            bytes: *bytes,
        }
    }
}

#[derive(Debug, Serialize)]
struct Catalogue<'a> {
    rows: u64,
    ids: u64,
    dead: u64,
    without_redshift: u64,
    without_position: u64,
    classes: Values<'a>,
    warnings: Values<'a>,
    /// Rows in which each bit of the warning is set, where any is.
    warning_bits: Vec<Bit>,
    programs: Values<'a>,
    targets: Values<'a>,
    /// Key columns that lack some values, but not all.
    completeness: Vec<Completeness<'a>>,
    /// Key columns without any value.
    absent: Vec<&'a str>,
    /// Columns with known bounds, in the order of this list: z, ra, dec.
    bounds: Vec<Range>,
    spreads: Vec<Part<'a>>,
}

#[derive(Debug, Serialize)]
struct Bit {
    bit: usize,
    name: &'static str,
    rows: u64,
}

/// Bits of redrock's redshift warning, from the lowest (the file zwarning.py of redrock).
const WARNING_BITS: [&str; 12] = [
    "SKY",
    "LITTLE_COVERAGE",
    "SMALL_DELTA_CHI2",
    "NEGATIVE_MODEL",
    "MANY_OUTLIERS",
    "Z_FITLIMIT",
    "NEGATIVE_EMISSION",
    "UNPLUGGED",
    "BAD_TARGET",
    "NODATA",
    "BAD_MINFIT",
    "POORDATA",
];

fn warning_bits(warnings: &[(Option<i64>, u64)]) -> Vec<Bit> {
    let rows_with = |bit: usize| {
        let set = warnings
            .iter()
            .filter(|(value, _)| value.is_some_and(|value| value >> bit & 1 == 1));
        set.fold(0_u64, |sum, (_, rows)| sum.saturating_add(*rows))
    };
    WARNING_BITS
        .iter()
        .enumerate()
        .map(|(bit, name)| Bit {
            bit,
            name,
            rows: rows_with(bit),
        })
        .filter(|bit| bit.rows > 0)
        .collect()
}

/// Rows of a column between two edges of its spread; before the first one and behind the last one there is none.
#[derive(Debug, Serialize)]
struct Part<'a> {
    column: &'a str,
    from: Option<String>,
    below: Option<String>,
    rows: u64,
}

fn spread(spread: &Spread) -> impl Iterator<Item = Part<'_>> {
    let edge = |at: usize| spread.edges.get(at).map(f64::to_string);
    spread.counts.iter().enumerate().map(move |(part, &rows)| Part {
        column: &spread.column,
        from: part.checked_sub(1).and_then(edge),
        below: edge(part),
        rows,
    })
}

#[derive(Debug, Serialize)]
struct Completeness<'a> {
    column: &'a str,
    nulls: u64,
    fills: u64,
    there: u64,
}

fn completeness(catalogue: &CatalogueSummary) -> Vec<Completeness<'_>> {
    let mut columns: Vec<Completeness<'_>> = Vec::new();
    for (counts, is_null) in [(&catalogue.nulls, true), (&catalogue.fills, false)] {
        for (column, rows) in counts {
            let at = columns
                .iter()
                .position(|known| known.column == column)
                .unwrap_or_else(|| {
                    columns.push(Completeness {
                        column,
                        nulls: 0,
                        fills: 0,
                        there: catalogue.rows,
                    });
                    columns.len() - 1
                });
            let known = &mut columns[at];
            *if is_null { &mut known.nulls } else { &mut known.fills } = *rows;
            known.there = known.there.saturating_sub(*rows);
        }
    }
    columns.retain(|column| column.nulls < catalogue.rows);
    columns
}

fn absent(catalogue: &CatalogueSummary) -> Vec<&str> {
    let is_absent = |(_, nulls): &&(String, u64)| *nulls == catalogue.rows && *nulls > 0;
    catalogue
        .nulls
        .iter()
        .filter(is_absent)
        .map(|(column, _)| column.as_str())
        .collect()
}

#[derive(Debug, Serialize)]
struct Range {
    name: &'static str,
    unit: &'static str,
    min: f64,
    max: f64,
}

impl<'a> Catalogue<'a> {
    fn new(summary: &'a Summary) -> Self {
        let catalogue = &summary.catalogue;
        let range =
            |name, unit, bounds: Option<Bounds>| bounds.map(|Bounds { min, max }| Range { name, unit, min, max });
        Self {
            rows: catalogue.rows,
            ids: catalogue.ids,
            dead: catalogue.dead,
            without_redshift: catalogue.without_redshift,
            without_position: catalogue.without_position,
            classes: Values::new(
                catalogue
                    .classes
                    .iter()
                    .map(|(class, rows)| (Some(class.as_str()), *rows)),
            ),
            warnings: Values::new(
                catalogue
                    .warnings
                    .iter()
                    .map(|(value, rows)| (value.map(|v| v.to_string()), *rows)),
            ),
            warning_bits: warning_bits(&catalogue.warnings),
            programs: Values::new(catalogue.programs.iter().map(|((survey, program), rows)| {
                let name = format!("{survey} {program}");
                (Some(name.trim().to_owned()), *rows)
            })),
            targets: Values::new(
                catalogue
                    .targets
                    .iter()
                    .map(|(kind, rows)| (Some(kind.as_str()), *rows)),
            ),
            completeness: completeness(catalogue),
            absent: absent(catalogue),
            bounds: [
                range("redshift", "", catalogue.z),
                range("right ascension", "degrees, ICRS", catalogue.ra),
                range("declination", "degrees, ICRS", catalogue.dec),
            ]
            .into_iter()
            .flatten()
            .collect(),
            spreads: catalogue.spreads.iter().flat_map(spread).collect(),
        }
    }
}

/// How often each value occurs, and what of the list is not shown.
#[derive(Debug, Serialize)]
struct Values<'a> {
    shown: Vec<Value<'a>>,
    more_values: usize,
    more_count: u64,
}

#[derive(Debug, Serialize)]
struct Value<'a> {
    /// Nothing where there is no value.
    name: Option<std::borrow::Cow<'a, str>>,
    count: u64,
}

impl<'a> Values<'a> {
    fn new<T: Into<std::borrow::Cow<'a, str>>>(values: impl Iterator<Item = (Option<T>, u64)>) -> Self {
        let mut shown: Vec<_> = values
            .map(|(name, count)| Value {
                name: name.map(Into::into).filter(|name| !name.trim().is_empty()),
                count,
            })
            .collect();
        let rest = shown.split_off(shown.len().min(MOST_VALUES));
        let more_count = rest.iter().fold(0_u64, |sum, value| sum.saturating_add(value.count));
        Self {
            shown,
            more_values: rest.len(),
            more_count,
        }
    }
}

#[derive(Debug, Serialize)]
struct Redshifts {
    bins: usize,
    width: f64,
    start: f64,
    end: f64,
    count: u64,
}

impl Redshifts {
    fn new(summary: &Summary) -> Self {
        let histogram = &summary.redshifts;
        let bins = histogram.counts.len();
        Self {
            bins,
            width: histogram.width,
            start: histogram.start,
            end: histogram.start + bins as f64 * histogram.width,
            count: histogram.counts.iter().fold(0, |sum, count| sum.saturating_add(*count)),
        }
    }
}

#[derive(Debug, Serialize)]
struct Sky {
    order: u8,
    pixels: usize,
    square_degrees: f64,
}

#[derive(Debug, Serialize)]
struct Run<'a> {
    name: &'a str,
    rows: u64,
    groups: u64,
    largest: f64,
    options: &'a str,
}

impl<'a> Run<'a> {
    fn new(run: &'a RunSummary) -> Self {
        Self {
            name: &run.run,
            rows: run.rows,
            groups: run.groups,
            largest: run.largest,
            options: &run.options,
        }
    }
}

#[derive(Debug, Serialize)]
struct Picture<'a> {
    path: String,
    alt: &'a str,
}

impl<'a> Picture<'a> {
    fn new(figure: &'a Figure) -> Self {
        Self {
            path: figure.path(),
            alt: &figure.alt,
        }
    }
}

#[derive(Debug, Serialize)]
struct Setting<'a> {
    name: &'a str,
    value: &'a str,
    /// Whether the value has more than one line.
    long: bool,
}
