//! All that a datasheet states, as one value.

use std::collections::BTreeMap;
use std::path::Path;

use radio_index::Summary;
use serde::{Deserialize, Serialize};

use crate::questions::{NOTES, SECTIONS};
use crate::{Answers, Datasheet, Error, Result, blocks};

/// All that a datasheet states: what `datasheet.json` holds, for programs.
///
/// Markdown, figures, `croissant.json` and the head for data set hubs are made of it, so they cannot disagree. Its JSON Schema is
/// [`Document::SCHEMA`], which is written beside the figures.
///
/// # Examples
///
/// ```
/// use radio_datasheet::{Answers, Datasheet, Document, Summary};
///
/// let mut summary = Summary::default();
/// summary.tiles.rows = 12;
/// let document = Datasheet::new(&summary, &Answers::default()).document();
/// let again = Document::from_json(&document.to_json())?;
/// assert_eq!(again, document);
/// assert_eq!(again.summary.tiles.rows, 12);
/// # Ok::<(), radio_datasheet::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Document {
    /// Where its schema is, from the file on.
    #[serde(rename = "$schema")]
    pub schema: String,
    /// Version of radio-datasheet that made it.
    pub version: String,
    /// What the data set is called.
    pub title: Option<String>,
    /// Patterns of the tiles' names, from the folder of the datasheet on.
    pub tiles: Vec<String>,
    /// Solid angle of the pixels that hold a galaxy, in square degrees: an upper bound of the footprint.
    pub area_square_degrees: f64,
    /// What was counted.
    pub summary: Summary,
    /// How programs that prepared the data were set, in the order of the text.
    pub settings: Vec<Setting>,
    /// What people said, by section and question.
    pub answers: BTreeMap<String, BTreeMap<String, String>>,
    /// Questions that neither people nor figures answered, as `section.question`.
    pub unanswered: Vec<String>,
    /// Templates that were replaced, by name.
    pub templates: BTreeMap<String, String>,
}

/// How a program was set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Setting {
    /// What was set.
    pub name: String,
    /// To what.
    pub value: String,
}

impl Document {
    /// Name of the file that [`Datasheet::write`] writes.
    pub const FILE_NAME: &'static str = "datasheet.json";

    /// Name of the schema's file, in the folder of the figures.
    pub const SCHEMA_FILE_NAME: &'static str = "datasheet.schema.json";

    /// The JSON Schema (2020-12) of such a file.
    pub const SCHEMA: &'static str = include_str!("../schema/datasheet.schema.json");

    /// Reads a `datasheet.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] names line and column.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::Json {
            file: Self::FILE_NAME,
            line: error.line(),
            column: error.column(),
            reason: error.to_string(),
        })
    }

    /// The text of a `datasheet.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        pretty(self)
    }

    /// The head that hubs of data sets (as Hugging Face) read at the top of a `README.md`, between two lines of `---`: put the
    /// Markdown of [`Datasheet::render`] below it.
    ///
    /// # Examples
    ///
    /// ```
    /// use radio_datasheet::{Answers, Datasheet, Summary};
    ///
    /// let mut summary = Summary::default();
    /// summary.tiles.rows = 61_250;
    /// let answers = Answers::from_toml("title = 'A patch'\n[distribution]\nlicence = 'CC BY 4.0'")?;
    /// let head = Datasheet::new(&summary, &answers).document().yaml_head();
    /// assert!(head.contains("license: cc-by-4.0\n"));
    /// assert!(head.contains("- 10K<n<100K\n"));
    /// # Ok::<(), radio_datasheet::Error>(())
    /// ```
    #[must_use]
    pub fn yaml_head(&self) -> String {
        let name = self.title.as_deref().unwrap_or("Untitled data set");
        let mut head = format!("---\npretty_name: {}\n", quoted(name));
        if let Some(licence) = self.licence() {
            head += &format!("license: {}\n", licence_id(licence));
        }
        head += &format!("size_categories:\n- {}\n", size_category(self.summary.tiles.rows));
        head += "tags:\n- astronomy\n- spectroscopy\n";
        if !self.tiles.is_empty() {
            head += "configs:\n- config_name: default\n  data_files:\n";
            for pattern in &self.tiles {
                head += &format!("  - {}\n", quoted(pattern));
            }
        }
        head + "---\n"
    }

    /// One hash of the footers of all files, in the order of their names: the same as long as no tile changes. None where the
    /// summary has no files.
    #[must_use]
    pub fn digest(&self) -> Option<String> {
        digest(&self.summary)
    }

    pub(crate) fn licence(&self) -> Option<&str> {
        self.answer("distribution", "licence")
    }

    pub(crate) fn answer(&self, section: &str, question: &str) -> Option<&str> {
        self.answers.get(section)?.get(question).map(String::as_str)
    }

    pub(crate) fn new(datasheet: &Datasheet<'_>, tiles: Vec<String>) -> Self {
        let (summary, answers) = (datasheet.summary, datasheet.answers);
        let mut texts: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut unanswered = Vec::new();
        for section in &SECTIONS {
            for question in section.questions {
                if let Some(text) = answers.get(section.id, question.id) {
                    let section = texts.entry(section.id.to_owned()).or_default();
                    section.insert(question.id.to_owned(), text.to_owned());
                } else if question.id != NOTES && !question.counted.is_some_and(|counted| counted(summary)) {
                    unanswered.push(format!("{}.{}", section.id, question.id));
                }
            }
        }
        Self {
            schema: format!("{}/{}", Datasheet::FIGURES_FOLDER, Self::SCHEMA_FILE_NAME),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            title: answers.title().map(str::to_owned),
            tiles,
            area_square_degrees: summary.sky.area_square_degrees(),
            summary: summary.clone(),
            settings: datasheet
                .facts
                .iter()
                .map(|(name, value)| Setting {
                    name: name.clone(),
                    value: value.clone(),
                })
                .collect(),
            answers: texts,
            unanswered,
            templates: datasheet.templates.iter().cloned().collect(),
        }
    }

    /// The answers that it holds.
    pub(crate) fn to_answers(&self) -> Answers {
        Answers::from_texts(self.title.clone(), &self.answers)
    }
}

pub(crate) fn digest(summary: &Summary) -> Option<String> {
    let hashes: Vec<&str> = summary.files.iter().map(|file| file.footer_hash.as_str()).collect();
    (!hashes.is_empty()).then(|| blocks::hash(&hashes.join("\n")))
}

/// Patterns that match the tiles and little else, from a folder on if they are below it.
pub(crate) fn tile_patterns(summary: &Summary, folder: Option<&Path>) -> Vec<String> {
    let folder = folder.and_then(|folder| folder.canonicalize().ok());
    let names = summary.files.iter().filter(|file| file.error.is_none()).map(|file| {
        let path = Path::new(file.uri.strip_prefix("file://").unwrap_or(&file.uri));
        folder
            .as_ref()
            .and_then(|folder| path.strip_prefix(folder).ok())
            .unwrap_or(path)
    });
    let names: Vec<&Path> = names.collect();
    let Some(mut common) = names.first().and_then(|name| name.parent()) else {
        return Vec::new();
    };
    while !names.iter().all(|name| name.starts_with(common)) {
        common = common.parent().unwrap_or(Path::new(""));
    }
    // As globs know it: `*` within a folder, `**` through folders.
    let depth = if names.iter().all(|name| name.parent() == Some(common)) {
        "*"
    } else {
        "**/*"
    };
    let mut extensions: Vec<&str> = names.iter().filter_map(|name| name.extension()?.to_str()).collect();
    extensions.sort_unstable();
    extensions.dedup();
    let pattern = |extension: &&str| common.join(format!("{depth}.{extension}")).display().to_string();
    extensions.iter().map(pattern).collect()
}

/// Any of our values has a JSON text.
pub(crate) fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// A YAML text in double quotes is one of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The id by which hubs know a licence; `other` where the answer is no name of one.
fn licence_id(licence: &str) -> &'static str {
    let letters: String = licence
        .to_lowercase()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let known = [
        ("ccby40", "cc-by-4.0"),
        ("ccbysa40", "cc-by-sa-4.0"),
        ("ccbync40", "cc-by-nc-4.0"),
        ("cc010", "cc0-1.0"),
        ("cc0", "cc0-1.0"),
        ("mit", "mit"),
        ("apache20", "apache-2.0"),
        ("odby", "odc-by"),
        ("odbl", "odbl"),
    ];
    // Only what begins with its name: an answer may go on.
    known
        .iter()
        .find(|(name, _)| letters.starts_with(name))
        .map_or("other", |(_, id)| id)
}

/// The sizes that hubs know.
fn size_category(rows: u64) -> &'static str {
    match rows {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        10_000_000..100_000_000 => "10M<n<100M",
        100_000_000..1_000_000_000 => "100M<n<1B",
        _ => "n>1B",
    }
}
