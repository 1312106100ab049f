//! The most anomalous spectra, as one page to look at.
//!
//! A [`Gallery`] becomes a single HTML file without anything from elsewhere: no network, fonts or libraries. Each
//! [`Candidate`] is a card with its numbers and a picture of flux, reconstruction and residual; above them is a table
//! of all. With scripts, readers sort, filter, walk through with `j` and `k`, read wavelengths off, mark what they like
//! and copy the identifiers; without, and on paper, everything is still there.
//!
//! ```
//! use radio_models::gallery::{Candidate, Gallery};
//!
//! let wavelength: Vec<f64> = (0..7781).map(|pixel| 3600.0 + 0.8 * f64::from(pixel)).collect();
//! let model = vec![1.0; 7781];
//! let mut flux = model.clone();
//! flux[4000..4032].fill(3.0);
//!
//! let mut gallery = Gallery::new("What the model does not know").flux_unit("1e-17 erg/(s cm² Å)");
//! gallery.push(
//!     Candidate::new(39_633_345_008_634_465, 7.2, wavelength, flux, vec![0.2; 7781], model)?
//!         .with_class("QSO")
//!         .with_redshift(1.32)
//!         .with_worst(6800.0, 6825.6),
//! );
//! let page = gallery.to_html();
//! assert!(page.contains("39633345008634465") && page.contains("Mg II"));
//! # Ok::<(), radio_models::Error>(())
//! ```

use std::path::Path;

use crate::error::{Error, Result};
use crate::files;

mod axis;
mod candidate;
mod columns;
mod lines;
mod page;
mod plot;
mod spectrum;
mod svg;
mod text;

pub use candidate::Candidate;

/// Candidates that become one HTML page, the highest score first.
///
/// The page depends on nothing but what it is given: the same candidates make the same bytes. A card of a spectrum with
/// thousands of pixels takes some 50 kB, whatever their number.
///
/// # Examples
///
/// ```
/// use radio_models::gallery::{Candidate, Gallery};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("gallery.html");
/// let candidates = [0.5, 7.0, 2.0].into_iter().zip(1..).map(|(score, targetid)| {
///     Candidate::new(targetid, score, vec![4000.0], vec![1.0], vec![0.1], vec![1.0])
/// });
/// let mut gallery = Gallery::new("Three spectra of one pixel");
/// gallery.extend(candidates.collect::<Result<Vec<_>, _>>()?);
/// gallery.write(&path)?;
/// assert!(std::fs::read_to_string(&path)?.starts_with("<!DOCTYPE html>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Gallery {
    title: String,
    subtitle: String,
    flux_unit: String,
    acknowledgement: String,
    candidates: Vec<Candidate>,
}

impl Gallery {
    /// A page with this title, and no candidate yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }

    /// One line below the title: the survey, the model, the day. Default: none.
    pub fn subtitle(mut self, subtitle: impl Into<String>) -> Self {
        self.subtitle = subtitle.into();
        self
    }

    /// The unit of flux, error and reconstruction, such as `1e-17 erg/(s cm² Å)`. Default: none.
    pub fn flux_unit(mut self, unit: impl Into<String>) -> Self {
        self.flux_unit = unit.into();
        self
    }

    /// Whose data it is, for the foot of the page; surveys ask for this. Default: none.
    pub fn acknowledge(mut self, acknowledgement: impl Into<String>) -> Self {
        self.acknowledgement = acknowledgement.into();
        self
    }

    /// Adds a candidate; the order does not matter.
    pub fn push(&mut self, candidate: Candidate) {
        self.candidates.push(candidate);
    }

    /// How many candidates there are.
    pub fn len(&self) -> usize {
        self.candidates.len()
    }

    /// Is there no candidate yet?
    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// The page.
    ///
    /// Candidates are ranked by score, those without a finite one last, and equals by target.
    ///
    /// # Complexity
    ///
    /// O(n log n) for n pixels in all.
    pub fn to_html(&self) -> String {
        let mut ranked: Vec<&Candidate> = self.candidates.iter().collect();
        let key = |candidate: &Candidate| {
            if candidate.score.is_finite() {
                candidate.score
            } else {
                f64::NEG_INFINITY
            }
        };
        ranked.sort_by(|a, b| key(b).total_cmp(&key(a)).then(a.targetid.cmp(&b.targetid)));
        page::html(self, &ranked)
    }

    /// Writes the page, in place of what is there.
    ///
    /// The file appears under its name when it is complete and on the disk; upon an error what was there before stays.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the folder does not exist, cannot be written to or is full.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        files::replace(path, self.to_html().as_bytes()).map_err(|e| Error::file("write the gallery", path, e))
    }
}

impl Extend<Candidate> for Gallery {
    fn extend<T: IntoIterator<Item = Candidate>>(&mut self, candidates: T) {
        self.candidates.extend(candidates);
    }
}
