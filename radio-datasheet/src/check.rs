//! Does a datasheet still say what the index counts?

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use radio_index::Summary;
use serde::Serialize;
use serde_json::Value;

use crate::blocks;
use crate::{Datasheet, Document, Error, Figure, Result, files};

/// What [`check`] found. Empty where nothing has drifted.
///
/// Its text, by `Display`, is a line for each difference; [`Report::to_json`] is for programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What differs, file by file.
    pub differences: Vec<Difference>,
}

/// Something that a file states and the index counts otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// The file, from the folder of the datasheet on.
    pub file: String,
    /// Where in it: block, line and first cell of a Markdown file, the path of a value of a JSON file.
    pub place: String,
    /// What stands there; `None` where it is missing.
    pub stated: Option<String>,
    /// What should; `None` where it should not be there.
    pub counted: Option<String>,
}

impl Report {
    /// Is all as it was counted?
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.differences.is_empty()
    }

    /// The differences as JSON: an object with the array `differences`.
    #[must_use]
    pub fn to_json(&self) -> String {
        crate::document::pretty(self)
    }

    fn add(&mut self, file: &str, place: impl Into<String>, stated: Option<String>, counted: Option<String>) {
        self.differences.push(Difference {
            file: file.to_owned(),
            place: place.into(),
            stated,
            counted,
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Difference {
            file,
            place,
            stated,
            counted,
        } in &self.differences
        {
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
            writeln!(f, "{file}: {place}: states {}, counted {}", text(stated), text(counted))?;
        }
        Ok(())
    }
}

/// Compares all that a written datasheet states with what an index counts now: every figure in the generated blocks of
/// `DATA_README.md`, every value in `datasheet.json` and `croissant.json`, every picture.
///
/// Words of people and text outside of blocks are no matter here; answers, settings, templates and, where the summary has none, the
/// pixels of the spectra are those that the datasheet was written with. Sync the index first, so that it knows of the tiles as they are.
///
/// # Errors
///
/// [`Error::Io`] where a file cannot be read, or `datasheet.json` is not there; [`Error::Json`] where that is damaged;
/// [`Error::Markers`] where the comments of blocks are.
///
/// # Examples
///
/// ```
/// use radio_datasheet::{Answers, Datasheet, Summary, check};
///
/// let folder = tempfile::tempdir()?;
/// let mut summary = Summary::default();
/// summary.tiles.rows = 61_250;
/// let path = Datasheet::new(&summary, &Answers::default()).write(folder.path())?;
/// assert!(check(folder.path(), &summary)?.is_true());
///
/// let text = std::fs::read_to_string(&path)?;
/// std::fs::write(&path, text.replace("| rows | 61,250 |", "| rows | 99,999 |"))?;
/// let report = check(folder.path(), &summary)?;
/// assert_eq!(report.differences[0].place, "composition, line 58: rows");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check(dir: impl AsRef<Path>, summary: &Summary) -> Result<Report> {
    let dir = dir.as_ref();
    let path = dir.join(Document::FILE_NAME);
    let text = files::read(&path)?.ok_or_else(|| Error::Io {
        action: "find",
        path: path.clone(),
        source: std::io::ErrorKind::NotFound.into(),
    })?;
    let stated = Document::from_json(&text)?;
    let answers = stated.to_answers();
    let mut summary = summary.clone();
    // An index counts none: those that were counted with the datasheet, of tiles whose hashes are compared.
    summary.pixels = summary.pixels.or(stated.summary.pixels);
    let mut datasheet = Datasheet::new(&summary, &answers);
    for setting in &stated.settings {
        datasheet = datasheet.fact(&setting.name, &setting.value);
    }
    for (name, text) in &stated.templates {
        datasheet = datasheet.template(name, text);
    }
    let counted = datasheet.document_in(Some(dir));

    let mut report = Report::default();
    compare_text(&mut report, dir, &datasheet)?;
    // By their texts, so that the numbers of both were read from one.
    let json = |document: &Document| serde_json::from_str::<Value>(&document.to_json()).unwrap_or_default();
    compare_values(&mut report, Document::FILE_NAME, "", &json(&stated), &json(&counted));
    let croissant = files::read(&dir.join(Document::CROISSANT_FILE_NAME))?.unwrap_or_default();
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let expected = parsed(&counted.to_croissant());
    compare_values(
        &mut report,
        Document::CROISSANT_FILE_NAME,
        "",
        &parsed(&croissant),
        &expected,
    );
    for figure in datasheet.figures()? {
        compare_figure(&mut report, dir, &figure)?;
    }
    Ok(report)
}

/// The generated blocks, line by line.
fn compare_text(report: &mut Report, dir: &Path, datasheet: &Datasheet<'_>) -> Result<()> {
    let file = Datasheet::FILE_NAME;
    let stated = files::read(&dir.join(file))?.unwrap_or_default();
    let (stated, counted) = (blocks::found(&stated)?, blocks::found(&datasheet.render(None)?)?);
    for block in &counted {
        let Some(stated) = stated.iter().find(|known| known.name == block.name) else {
            report.add(file, block.name, None, Some("a block".to_owned()));
            continue;
        };
        let (found, expected): (Vec<&str>, Vec<&str>) = (stated.body.lines().collect(), block.body.lines().collect());
        // Between the lines that are equal at both ends: what comes after a line too many has not changed.
        let same = |(a, b): &(&&str, &&str)| a == b;
        let before = found.iter().zip(&expected).take_while(same).count();
        let shorter = found.len().min(expected.len()) - before;
        let after = found
            .iter()
            .rev()
            .zip(expected.iter().rev())
            .take(shorter)
            .take_while(same)
            .count();
        let (found, expected) = (
            &found[before..found.len() - after],
            &expected[before..expected.len() - after],
        );
        for k in 0..found.len().max(expected.len()) {
            let (found, expected) = (found.get(k), expected.get(k));
            if found == expected {
                continue;
            }
            let label = expected
                .or(found)
                .and_then(|line| line.strip_prefix('|')?.split('|').next());
            let label = label.map_or_else(String::new, |label| format!(": {}", label.trim().trim_matches('`')));
            let place = format!("{}, line {}{label}", block.name, stated.line + before + k);
            report.add(
                file,
                place,
                found.map(|line| (*line).to_owned()),
                expected.map(|line| (*line).to_owned()),
            );
        }
    }
    Ok(())
}

fn compare_figure(report: &mut Report, dir: &Path, figure: &Figure) -> Result<()> {
    let found = files::read(&dir.join(figure.path()))?;
    if found.as_ref() != Some(&figure.svg) {
        let stated = found.map(|_| "another picture".to_owned());
        report.add(
            &figure.path(),
            "picture",
            stated,
            Some("a picture of the counts".to_owned()),
        );
    }
    Ok(())
}

/// Two JSON values, down to what differs.
fn compare_values(report: &mut Report, file: &str, place: &str, stated: &Value, counted: &Value) {
    if stated == counted {
        return;
    }
    let (Some(stated_parts), Some(counted_parts)) = (parts(stated), parts(counted)) else {
        let text = |value: &Value| (!value.is_null()).then(|| value.to_string());
        report.add(
            file,
            if place.is_empty() { "/" } else { place },
            text(stated),
            text(counted),
        );
        return;
    };
    let names = stated_parts
        .keys()
        .chain(counted_parts.keys().filter(|name| !stated_parts.contains_key(*name)));
    for name in names {
        let part = |parts: &BTreeMap<String, Value>| parts.get(name).cloned().unwrap_or_default();
        compare_values(
            report,
            file,
            &format!("{place}/{name}"),
            &part(&stated_parts),
            &part(&counted_parts),
        );
    }
}

/// What a value consists of, by name; `None` where it is one thing. What is in a list goes by its name, if it has one, so that
/// one more of a list is one difference.
fn parts(value: &Value) -> Option<BTreeMap<String, Value>> {
    let name_of = |at: usize, value: &Value| {
        let by_key = ["uri", "name", "run", "@id"]
            .iter()
            .find_map(|key| value.get(key)?.as_str());
        let by_first = || match value.as_array().map(Vec::as_slice) {
            Some([Value::String(name), _]) => Some(name.clone()),
            Some([first, _]) => Some(first.to_string()),
            _ => None,
        };
        by_key
            .map(str::to_owned)
            .or_else(by_first)
            .unwrap_or_else(|| at.to_string())
    };
    match value {
        Value::Object(object) => Some(
            object
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        ),
        Value::Array(values) => Some(
            values
                .iter()
                .enumerate()
                .map(|(at, value)| (name_of(at, value), value.clone()))
                .collect(),
        ),
        _ => None,
    }
}
