//! Friends-of-friends groups of galaxies: exact, parallel, in simulations and in redshift surveys.
//!
//! ```
//! use ndarray::array;
//! use radio_fof::{Density, Fof, Groups, RedshiftFof, Survey};
//!
//! // Points in space, one linking length.
//! let xyz = array![[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [9.0, 9.0, 9.0]];
//! assert_eq!(Fof::new(0.2).link(xyz.view())?.to_vec(), [0, 0, -1]);
//!
//! // A redshift survey, linking lengths that follow the density of galaxies.
//! let (ra, dec, z) = ([150.10, 150.12, 150.11, 201.0], [2.20, 2.21, 2.19, -1.0], [0.100, 0.101, 0.099, 0.100]);
//! let groups = RedshiftFof::new(0.06, 18.0, Density::Constant(2e-3)).link(&Survey::new(&ra, &dec, &z))?;
//! assert_eq!(groups.to_vec(), [0, 0, 0, -1]);
//! assert_eq!(Groups::from_labels(groups.view())?.members(0), [0, 1, 2]);
//! # Ok::<(), radio_fof::Error>(())
//! ```
//!
//! - [`Fof`]: points in three dimensions, in open space or in a periodic cube.
//! - [`RedshiftFof`]: right ascension, declination and redshift of a [`Survey`], after Robotham et al. 2011; how far linking
//!   lengths reach is up to a [`Density`], to [`completeness`] and to the [`Cosmology`].
//! - [`Groups`]: who is in which group; tables of [`Group`]s and [`Pair`]s.
//! - [`Comparison`] with true groups, and a [`Tuner`] for the linking lengths that agree best with mock catalogues.
//! - [`MagnitudeLimit`]: the mean density behind a magnitude-limited survey, and random catalogues of it.
//!
//! Groups are numbered from 0 in the order of their first point; -1 is a point outside every group. Results depend on
//! the data and the options alone, never on the number of threads (that of rayon's current pool).
//!
//! | feature | what it adds |
//! |---|---|
//! | `arrow` | labels, group tables and pair tables as Arrow record batches |
//! | `mock` | a made-up survey whose groups are known |
//!
//! # What it is not
//!
//! Not a halo finder (no unbinding, no substructure), and not a clustering algorithm with a notion of noise (DBSCAN).
//! It reads and writes no files.
//!
//! # References
//!
//! - Robotham2011: Robotham et al. 2011, MNRAS 416, 2640: linking lengths in surveys, group properties, comparison.
//! - Tempel2014: Tempel et al. 2014, A&A 566, A1: virial masses.
//! - Cole2011: Cole 2011, MNRAS 416, 739: selection of a survey and its structure, told from each other.
//! - Hogg1999: Hogg 1999, astro-ph/9905116: distances.

#[cfg(feature = "arrow")]
mod arrow;
mod cells;
mod centre;
mod compare;
mod completeness;
mod constants;
mod cosmology;
mod density;
mod error;
mod fitted;
mod fof;
mod grid;
mod groups;
mod labels;
mod metric;
#[cfg(feature = "mock")]
pub mod mock;
mod near;
mod order;
mod pairs;
mod positions;
mod properties;
mod quadrature;
mod redshift;
mod running;
mod selection;
mod sets;
mod simplex;
mod sky;
mod smoothed;
mod survey;
mod tree;
mod tune;

#[cfg(feature = "arrow")]
pub use arrow::labels_to_record_batch;
pub use compare::{Comparison, Match};
pub use completeness::completeness;
pub use cosmology::Cosmology;
pub use density::Density;
pub use error::{Error, Result};
pub use fof::Fof;
pub use groups::Groups;
pub use pairs::Pair;
pub use positions::Positions;
pub use properties::Group;
pub use redshift::RedshiftFof;
pub use selection::{MagnitudeLimit, Selection};
pub use survey::Survey;
pub use tune::{Mock, Tuned, Tuner};

/// The README's example runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
