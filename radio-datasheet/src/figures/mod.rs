//! Figures as SVG, one function of the summary each.

mod bars;
mod histogram;
mod patch;
mod projection;
mod scale;
mod sky;
mod svg;

use radio_index::Summary;

use crate::{Datasheet, Result};

/// Names of all figures; a summary without numbers for one has it not.
pub(crate) const NAMES: [&str; 4] = ["redshifts", "classes", "completeness", "sky"];

/// A figure of a datasheet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figure {
    /// Its name: `redshifts`, `classes`, `completeness` or `sky`.
    pub name: &'static str,
    /// What it shows, in a sentence, for those who do not see it.
    pub alt: String,
    /// The figure: an SVG document on a light ground, which can be read on a dark page as well.
    pub svg: String,
}

impl Figure {
    /// Where a datasheet expects the file, relative to itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use radio_datasheet::{Answers, Datasheet, Summary};
    ///
    /// let mut summary = Summary::default();
    /// summary.catalogue.classes = vec![("GALAXY".into(), 12)];
    /// let figures = Datasheet::new(&summary, &Answers::default()).figures()?;
    /// assert_eq!(figures[0].path(), "DATA_README.files/classes.svg");
    /// # Ok::<(), radio_datasheet::Error>(())
    /// ```
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", Datasheet::FIGURES_FOLDER, self.file_name())
    }

    pub(crate) fn file_name(&self) -> String {
        file_name(self.name)
    }
}

/// Name of the file of a figure.
pub(crate) fn file_name(name: &str) -> String {
    format!("{name}.svg")
}

/// The figures that a summary has numbers for.
pub(crate) fn all(summary: &Summary) -> Result<Vec<Figure>> {
    let figures = [
        histogram::redshifts(&summary.redshifts),
        bars::classes(&summary.catalogue.classes),
        bars::completeness(&summary.catalogue),
        sky::map(&summary.sky)?,
    ];
    Ok(figures.into_iter().flatten().collect())
}
