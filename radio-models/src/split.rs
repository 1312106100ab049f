//! Which tiles are for training, and which are for judging what was trained.

use crate::hash::scramble;

/// A part of a survey that is kept away from the others.
///
/// Tiles are parted, never rows: rows of one tile share exposures, sky and sometimes the object, so a model that has seen one has
/// seen something of the others.
///
/// # Examples
///
/// ```
/// use radio_models::Part;
///
/// let tiles = (0..1000).map(|tile| format!("tile-{tile}.parquet"));
/// let training = tiles.filter(|tile| Part::of(tile, 7, [0.8, 0.1]) == Part::Training).count();
/// assert!((750..850).contains(&training));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Weights are learned from it.
    Training,
    /// Training is stopped by it, and scores are calibrated on it.
    Validation,
    /// Everything that is claimed is measured on it.
    Test,
}

impl Part {
    /// The part that a tile belongs to, by its name, URI or pixel as text: a function of that and the seed, so that it does not
    /// change when tiles are added.
    ///
    /// `fractions` are those of training and validation; the rest is for tests.
    #[must_use]
    pub fn of(tile: &str, seed: u64, fractions: [f64; 2]) -> Self {
        let hash = tile
            .bytes()
            .fold(scramble(seed), |hash, byte| scramble(hash ^ u64::from(byte)));
        // The 53 bits that a f64 holds.
        let x = (hash >> 11) as f64 / (1u64 << 53) as f64;
        if x < fractions[0] {
            Self::Training
        } else if x < fractions[0] + fractions[1] {
            Self::Validation
        } else {
            Self::Test
        }
    }
}
