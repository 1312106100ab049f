//! The cosmic web: which galaxies are in voids, sheets, filaments and knots.
//!
//! A [`WebGraph`] is what is known of galaxies: who is next to whom, and what their surroundings are like. A [`CosmicWeb`] is trained on galaxies whose
//! class is known, those of a simulation, and says of others how likely each class is. [`Baselines`] are models that see the same features but no neighbours,
//! and compare themselves with it; without that, a number says little.
//!
//! Classes are numbers from 0 to 3: that of the axes along which the mass at a place collapses ([`CLASSES`]).

mod baselines;
mod calibration;
mod classifier;
mod comparison;
mod confusion;
mod features;
mod labelled;
mod probabilities;
mod split;

pub use baselines::Baselines;
pub use classifier::{CosmicWeb, CosmicWebOptions};
pub use comparison::{Comparison, Judged};
pub use confusion::Confusion;
pub use features::{Surroundings, WebGraph};
pub use labelled::Labelled;
pub use probabilities::Probabilities;
pub use split::SpatialSplit;

/// The classes by their numbers: eigenvalues of the tidal tensor above a threshold (Hahn et al. 2007, arXiv:astro-ph/0610280; Forero-Romero et al.
/// 2009, arXiv:0809.4135, for the threshold).
pub const CLASSES: [&str; 4] = ["void", "sheet", "filament", "knot"];
