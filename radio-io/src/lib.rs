//! Batches of survey spectra from Parquet tiles: planned shuffle, prefetch, one schema for all dialects of tile.
//!
#![cfg_attr(feature = "mock", doc = "```")]
#![cfg_attr(not(feature = "mock"), doc = "```ignore")]
//! use radio_io::{ReadOptions, Reader, Shuffle, mock::Mock};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let plan = Mock::new(300).write(folder.path(), |_rows_done| {})?.plan;
//! let options = ReadOptions::default().with_shuffle(Shuffle::window()).with_seed(7);
//! let mut rows = 0;
//! for batch in Reader::new(&plan, options)? {
//!     let batch = batch?;
//!     assert_eq!(batch.flux_matrix().map(|flux| flux.dim()), Some((batch.len(), 7781)));
//!     rows += batch.len();
//! }
//! assert_eq!(rows, 300);
//! # Ok(())
//! # }
//! ```
//!
//! The plan usually comes from radio-index; a [`ReadPlan`] made of [`TileSlice`]s does as well. [`SpectrumBatch`] has the schema
//! of a batch, [`SpectrumColumns`] the dialects of tiles. [`Filter`] narrows a plan by any column of the tiles.
//!
//! # Features
//!
//! | feature | what it adds | default |
//! |---|---|---|
//! | `cluster` | `cluster`: the same plan on several nodes, whose workers read the tiles that they hold | no |
//! | `cluster-tls` | the way between the one who asks and the workers encrypted (rustls with ring) | no |
//! | `datafusion` | `PlanTable`: a plan as a table of DataFusion | no |
//! | `fits` | `fits`: DESI and SDSS spectra, redshifts and catalogues out of FITS files | no |
//! | `object-store` | `Store`: tiles in S3 and its like, through the crate `object_store` | no |
//! | `progress` | `Reader::with_progress`, `ClusterReader::with_progress`: a bar on standard error | no |
//! | `hats` | `repartition`: files as they are into one tile for each HEALPix pixel; `hats::Collection`: catalogues that LSDB opens and searches by place on the sky, with margins | no |
//! | `mock` | `mock::Mock`, a seeded survey of physically sensible spectra, for examples, tests and benches | no |
//!
//! # What this crate is not
//!
//! It knows no SQL and no database, and it makes no tokens or tensors: batches are Arrow, slices and `ndarray` views.

mod arms;
mod assignment;
mod balance;
mod batch;
mod budget;
mod cache;
#[cfg(feature = "cluster")]
pub mod cluster;
mod columns;
mod decode;
mod error;
mod fast;
mod fetch;
mod filling;
mod filter;
#[cfg(feature = "fits")]
pub mod fits;
mod grid;
#[cfg(feature = "hats")]
pub mod hats;
mod metrics;
#[cfg(feature = "mock")]
pub mod mock;
mod opening;
mod options;
mod order;
mod permutation;
mod producer;
#[cfg(feature = "progress")]
mod progress;
mod queue;
mod reader;
#[cfg(feature = "hats")]
mod repartition;
mod ring;
mod runtime;
#[cfg(any(feature = "fits", feature = "hats"))]
mod sky;
mod state;
mod storage;
#[cfg(feature = "object-store")]
mod store;
mod stream;
#[cfg(feature = "datafusion")]
mod table;
mod task;
mod tile;
mod topology;
mod write;

pub use assignment::Assignment;
pub use batch::{Spectrum, SpectrumBatch};
pub use cache::CacheReport;
/// The engine, in the version whose tables and functions this crate knows.
#[cfg(feature = "datafusion")]
pub use datafusion;
pub use error::{Error, Result};
pub use fetch::fetch;
pub use filter::{Filter, Filtered, Scalar};
pub use metrics::Metrics;
/// object_store, in the version whose stores [`Store`] reads.
#[cfg(feature = "object-store")]
pub use object_store;
pub use options::{BadTiles, ReadOptions, Shuffle, SpectrumColumns};
#[cfg(feature = "progress")]
pub use progress::Progress;
pub use radio_index::{PlanTile, ReadPlan, TileSlice};
pub use reader::{Reader, SkippedTile};
#[cfg(feature = "hats")]
pub use repartition::{Partitioning, RepartitionOptions, Repartitioned, repartition};
pub use runtime::{Resources, Runtime};
pub use state::State;
#[cfg(feature = "object-store")]
pub use store::Store;
pub use stream::BatchStream;
#[cfg(feature = "datafusion")]
pub use table::PlanTable;
pub use topology::Topology;
pub use write::{Profile, TileWriter, WriteOptions, WrittenTile};

/// The examples of the README compile.
#[cfg(all(doctest, feature = "hats", feature = "progress"))]
#[doc = include_str!("../README.md")]
struct Readme;
