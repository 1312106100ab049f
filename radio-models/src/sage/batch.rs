//! What a graph network learns from at a time.

use std::borrow::Cow;

use ndarray::ArrayView2;

use crate::error::{Error, Result, check_shape};
use crate::graph::Sample;

/// Seeds of which a part is made.
const PART: usize = 128;
/// As many times more nodes as the whole batch all parts together may have, since neighbourhoods overlap.
const OVERLAP: f64 = 1.25;

/// A sample of a graph, with the features and classes of its nodes.
#[derive(Clone, Debug)]
pub struct NodeBatch<'a> {
    sample: Cow<'a, Sample>,
    /// `(nodes of the graph, width)`.
    features: &'a [f32],
    width: usize,
    classes: &'a [u8],
}

impl<'a> NodeBatch<'a> {
    /// The class of a node of which it is not known: nothing is learned from it.
    pub const UNKNOWN: u8 = u8::MAX;

    /// A sample, the features `(n, f)` of all n nodes of the graph, and the classes of all, each below the number of classes or
    /// [`UNKNOWN`](Self::UNKNOWN).
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where there are fewer features or classes than nodes, [`Error::Option`] where the array is not row-major.
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
    pub fn new(sample: Sample, features: ArrayView2<'a, f32>, classes: &'a [u8]) -> Result<Self> {
        let (rows, width) = features.dim();
        let last = sample.nodes().iter().max().map_or(0, |&node| node as usize + 1);
        let help = "features and classes of all nodes of the graph";
        check_shape("features", &[rows, width], &[rows.max(last), width], help)?;
        check_shape("classes", &[classes.len()], &[rows], help)?;
        let features = features
            .to_slice()
            .ok_or_else(|| Error::option("features", "an array in another order", "row-major"))?;
        Ok(Self {
            sample: Cow::Owned(sample),
            features,
            width,
            classes,
        })
    }

    /// The sample.
    #[must_use]
    pub fn sample(&self) -> &Sample {
        &self.sample
    }

    pub(super) fn features(&self) -> &[f32] {
        self.features
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The seeds and their classes.
    pub(super) fn seeds(&self) -> impl Iterator<Item = (u32, u8)> {
        let seeds = &self.sample.nodes()[..self.sample.within(0)];
        seeds.iter().map(|&node| (node, self.classes[node as usize]))
    }

    pub(super) fn whole(&self) -> NodeBatch<'_> {
        NodeBatch {
            sample: Cow::Borrowed(&self.sample),
            ..*self
        }
    }

    /// Some seeds each, with their neighbourhoods; the whole, where they are few, or what they hear of is much the same.
    pub(super) fn parts(&self) -> Vec<NodeBatch<'_>> {
        let seeds = self.sample.within(0);
        if seeds <= PART {
            return vec![self.whole()];
        }
        let most = OVERLAP * self.sample.nodes().len() as f64;
        let (mut parts, mut nodes) = (Vec::new(), 0);
        for start in (0..seeds).step_by(PART) {
            let part = self.sample.part(start..seeds.min(start + PART));
            nodes += part.nodes().len();
            if nodes as f64 > most {
                return vec![self.whole()];
            }
            parts.push(NodeBatch {
                sample: Cow::Owned(part),
                ..*self
            });
        }
        parts
    }
}
