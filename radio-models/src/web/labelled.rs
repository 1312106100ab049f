//! Galaxies whose class is known.

use ndarray::{Array2, Axis};

use super::{CLASSES, WebGraph};
use crate::error::{Error, Result, check_shape};
use crate::sage::NodeBatch;
use crate::split::Part;

/// Galaxies with their classes, and what each is for.
#[derive(Clone, Debug)]
pub struct Labelled<'a> {
    web: &'a WebGraph,
    classes: &'a [u8],
    parts: &'a [Option<Part>],
}

impl<'a> Labelled<'a> {
    /// A class from 0 to 3 for each galaxy, or [`NodeBatch::UNKNOWN`]; and its part, as a [`SpatialSplit`](super::SpatialSplit) makes them.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the slices have other lengths than there are galaxies, [`Error::Option`] where a class is none.
    pub fn new(web: &'a WebGraph, classes: &'a [u8], parts: &'a [Option<Part>]) -> Result<Self> {
        let nodes = web.graph().nodes();
        check_shape("classes", &[classes.len()], &[nodes], "a class for each galaxy")?;
        check_shape("parts", &[parts.len()], &[nodes], "a part for each galaxy")?;
        let is_class = |class: u8| class == NodeBatch::UNKNOWN || usize::from(class) < CLASSES.len();
        if let Some(row) = classes.iter().position(|&class| !is_class(class)) {
            let value = format!("{} for galaxy {row}", classes[row]);
            return Err(Error::option("classes", value, "from 0 to 3, or NodeBatch::UNKNOWN"));
        }
        Ok(Self { web, classes, parts })
    }

    /// The galaxies.
    #[must_use]
    pub fn web(&self) -> &'a WebGraph {
        self.web
    }

    /// The class of each galaxy.
    #[must_use]
    pub fn classes(&self) -> &'a [u8] {
        self.classes
    }

    /// The galaxies of a part whose class is known, ascending.
    #[must_use]
    pub fn of(&self, part: Part) -> Vec<u32> {
        let known = |&row: &usize| self.parts[row] == Some(part) && self.classes[row] != NodeBatch::UNKNOWN;
        (0..self.classes.len()).filter(known).map(|row| row as u32).collect()
    }

    /// The same galaxies with another graph.
    pub(super) fn with_web<'b>(&'b self, web: &'b WebGraph) -> Labelled<'b> {
        Labelled { web, ..*self }
    }

    /// The features of some galaxies, `(rows, f)`.
    pub(super) fn features_of(&self, rows: &[u32]) -> Array2<f32> {
        let rows: Vec<usize> = rows.iter().map(|&row| row as usize).collect();
        self.web.features().select(Axis(0), &rows)
    }

    /// The classes of some galaxies.
    pub(super) fn classes_of(&self, rows: &[u32]) -> Vec<u8> {
        rows.iter().map(|&row| self.classes[row as usize]).collect()
    }
}
