//! The datasheet: inputs in, Markdown and figures out.

use std::path::{Path, PathBuf};

use radio_index::Summary;

use crate::blocks::{self, Block};
use crate::context::{Context, SectionContext};
use crate::document::tile_patterns;
use crate::questions::SECTIONS;
use crate::template::{BLOCKS, Templates};
use crate::{Answers, Document, Figure, Result, figures, files};

/// A datasheet to be written: what is known of a data set, and how to say it.
///
/// Writing is a pure function of what is given: no clock, no host name, the same bytes every time.
///
/// # Examples
///
/// ```
/// use radio_datasheet::{Answers, Datasheet, Summary};
///
/// let mut summary = Summary::default();
/// summary.tiles.count = 12_034;
/// let answers = Answers::from_toml("title = 'A patch of galaxies'")?;
/// let text = Datasheet::new(&summary, &answers).render(None)?;
/// assert!(text.contains("# A patch of galaxies"));
/// assert!(text.contains("| tiles | 12,034 | footer |"));
/// # Ok::<(), radio_datasheet::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Datasheet<'a> {
    pub(crate) summary: &'a Summary,
    pub(crate) answers: &'a Answers,
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) templates: Vec<(String, String)>,
}

impl<'a> Datasheet<'a> {
    /// Name of the file that [`Datasheet::write`] writes.
    pub const FILE_NAME: &'static str = "DATA_README.md";

    /// Name of the folder beside it that holds the figures.
    pub const FIGURES_FOLDER: &'static str = "DATA_README.files";

    /// A datasheet of these figures and answers, with the default templates.
    pub fn new(summary: &'a Summary, answers: &'a Answers) -> Self {
        Self {
            summary,
            answers,
            facts: Vec::new(),
            templates: Vec::new(),
        }
    }

    /// Adds a fact about how the data were prepared, such as the configuration of a tokenizer or its hash.
    ///
    /// Facts stand in the section on preprocessing in the order they were given; a value of several lines is shown as
    /// it is. Default: none.
    pub fn fact(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.facts.push((name.into(), value.into()));
        self
    }

    /// Replaces the template of a block.
    ///
    /// `name` is one of `header`, `motivation`, `composition`, `collection`, `preprocessing`, `uses`, `distribution`,
    /// `maintenance`, `provenance` (a block each), or `answers`, which the sections include. `text` is a Tera 2
    /// template; the defaults, in the folder `templates` of this crate, show every variable and filter. Values are
    /// escaped for Markdown, runs of empty lines become one, and space at line ends goes. Default: the crate's own.
    pub fn template(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.templates.push((name.into(), text.into()));
        self
    }

    /// The datasheet as Markdown, with the hand-written text of `previous` kept.
    ///
    /// Generated blocks stand between comment lines. With a previous datasheet, each block is replaced where it stands,
    /// a missing one is put behind the block that comes before it, and everything outside of blocks is kept to the
    /// byte. Rendering again with the result gives the result.
    ///
    /// The text refers to its figures by path: see [`Datasheet::figures`].
    ///
    /// # Errors
    ///
    /// [`Error::Edited`](crate::Error::Edited) where a generated block of `previous` was changed by hand,
    /// [`Error::Markers`](crate::Error::Markers) where its comment lines do not match,
    /// [`Error::Template`](crate::Error::Template) and [`Error::UnknownTemplate`](crate::Error::UnknownTemplate) for
    /// templates, [`Error::Summary`](crate::Error::Summary) for a sky pixel that does not exist.
    ///
    /// # Complexity
    ///
    /// Linear in the summary and the previous text.
    pub fn render(&self, previous: Option<&str>) -> Result<String> {
        self.render_with(&self.figures()?, previous)
    }

    /// The figures of the datasheet: those of `redshifts`, `classes`, `completeness` and `sky` that the summary has numbers for.
    ///
    /// They are files of their own, not inline, because GitHub and GitLab strip `<svg>` from Markdown but show images
    /// beside it.
    ///
    /// # Errors
    ///
    /// [`Error::Summary`](crate::Error::Summary) where a sky pixel does not exist at its order.
    pub fn figures(&self) -> Result<Vec<Figure>> {
        figures::all(self.summary)
    }

    /// All that it states as one value, with the names of the tiles as the index has them: see
    /// [`Document`] for what it can be turned into.
    #[must_use]
    pub fn document(&self) -> Document {
        self.document_in(None)
    }

    /// The same with tiles below a folder named from there on.
    pub(crate) fn document_in(&self, dir: Option<&Path>) -> Document {
        Document::new(self, tile_patterns(self.summary, dir))
    }

    /// Writes `DATA_README.md`, its figures, `datasheet.json` (with its schema) and `croissant.json` in the existing folder
    /// `dir`, and returns the path of the first.
    ///
    /// An existing datasheet is the previous text of [`Datasheet::render`], so hand-written text stays, and a block
    /// edited by hand is an error that changes nothing. Files are written beside their place and moved there: a reader
    /// sees the old one or the new one. Figures are always generated, and replaced.
    ///
    /// # Errors
    ///
    /// Those of [`Datasheet::render`], and [`Error::Io`](crate::Error::Io) where a file cannot be read or written.
    ///
    /// # Examples
    ///
    /// ```
    /// use radio_datasheet::{Answers, Datasheet, Summary};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let (summary, answers) = (Summary::default(), Answers::default());
    /// let path = Datasheet::new(&summary, &answers).write(folder.path())?;
    /// std::fs::write(&path, std::fs::read_to_string(&path)? + "\nThanks to all observers.\n")?;
    ///
    /// Datasheet::new(&summary, &answers).write(folder.path())?;
    /// assert!(std::fs::read_to_string(&path)?.ends_with("\nThanks to all observers.\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&self, dir: impl AsRef<Path>) -> Result<PathBuf> {
        let path = dir.as_ref().join(Self::FILE_NAME);
        let figures = self.figures()?;
        let text = self.render_with(&figures, files::read(&path)?.as_deref())?;

        // Figures first: a datasheet never refers to one that is not there.
        let folder = dir.as_ref().join(Self::FIGURES_FOLDER);
        files::make_folder(&folder)?;
        for figure in &figures {
            files::write(&folder.join(figure.file_name()), &figure.svg)?;
        }
        files::write(&folder.join(Document::SCHEMA_FILE_NAME), Document::SCHEMA)?;
        let document = self.document_in(Some(dir.as_ref()));
        files::write(&dir.as_ref().join(Document::FILE_NAME), &document.to_json())?;
        files::write(
            &dir.as_ref().join(Document::CROISSANT_FILE_NAME),
            &document.to_croissant(),
        )?;
        files::write(&path, &text)?;
        for name in figures::NAMES {
            if figures.iter().all(|figure| figure.name != name) {
                files::remove(&folder.join(figures::file_name(name)))?;
            }
        }
        Ok(path)
    }

    fn render_with(&self, figures: &[Figure], previous: Option<&str>) -> Result<String> {
        let templates = Templates::new(&self.templates)?;
        let context = Context::new(self.summary, self.answers, &self.facts, figures);
        let mut blocks = Vec::with_capacity(BLOCKS.len());
        for (name, _) in BLOCKS {
            let section = SECTIONS.iter().find(|section| section.id == name);
            let section = section.map(|section| SectionContext::new(section, self.summary, self.answers));
            blocks.push(Block {
                name,
                body: templates.render(name, &context, section.as_ref())?,
            });
        }
        blocks::merge(previous.unwrap_or_default(), &blocks)
    }
}
