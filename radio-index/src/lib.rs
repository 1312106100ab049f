//! A sidecar index of a spectroscopic survey: what Parquet footers and key columns say, in SQLite or PostgreSQL, and
//! selections as read plans.
//!
//! ```
//! use radio_index::{Index, Selection, SyncOptions};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # std::fs::write(folder.path().join("tile.parquet"), "not Parquet")?;
//! let index = Index::open("sqlite::memory:").await?;
//! let report = index.sync(&SyncOptions::new(folder.path())).await?;
//! for (tile, reason) in &report.failed {
//!     eprintln!("{tile}: {reason}");
//! }
//! let plan = index.plan(&Selection::all().redshift(0.1..0.5).class(["GALAXY"]).good_redshift()).await?;
//! assert_eq!(plan.rows(), 0);
//! # assert_eq!(report.failed.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! A *tile* is one Parquet file of spectra, usually one HEALPix pixel of the sky at nside 64 (order 6, NESTED). It is
//! not a DESI TILEID. The index holds pointers and key columns, never a spectrum, so it stays small: look into it with
//! `sqlite3` or `psql`. Its tables are `file_registry`, `row_groups`, `column_chunks`, `schema_columns`,
//! `galaxies`, `catalogue`, `anomalies`, `galaxy_groups`, `web_classes`, `result_runs` and `sync_runs`. `targetid` links
//! galaxies, scores, groups and classes to each other and to the spectra in the tiles; `tile` links what is known of a
//! file, and `run` what a program found. All methods are async, on
//! tokio; [`blocking`] has them for programs without a runtime.
//!
//! | to | use |
//! |---|---|
//! | index a folder of tiles, and keep up with it | [`Index::sync`] |
//! | join a catalogue that is not in the tiles | [`Index::join_catalogue`] |
//! | get from a [`Selection`] to what a reader reads | [`Index::plan`], and [`Index::explain`] |
//! | get positions for a group finder | [`Index::positions`] |
//! | bring results home, and ask for them | [`Index::record_scores`], [`Index::scores`] and their like |
//! | know whether the disk is still what was indexed | [`Index::verify`] |
//! | describe the data set | [`Index::summary`] |
//!
//! # Features
//!
//! | feature | what it adds | default |
//! |---|---|---|
//! | `sqlite` | an index in one SQLite file, or in memory; SQLite itself is compiled in | yes |
//! | `postgres` | an index in a PostgreSQL server | no |
//! | `serde` | `Summary` as a serde value, without a database, too | with either |
//!
//! With neither, [`ReadPlan`] and [`Summary`] remain and need only `std`: that is what a reader or a document writer
//! depends on.
//!
//! # What this crate is not
//!
//! It reads no spectrum (radio-io does), computes no result (it records them), and is no server. Its tiles are files of local
//! disks.

mod plan;
mod summary;

#[cfg(feature = "_sql")]
pub mod blocking;
#[cfg(feature = "_sql")]
mod catalogue;
#[cfg(feature = "_sql")]
mod columns;
#[cfg(feature = "_sql")]
mod discover;
#[cfg(feature = "_sql")]
mod error;
#[cfg(feature = "_sql")]
mod file_schema;
#[cfg(feature = "_sql")]
mod footer;
#[cfg(feature = "_sql")]
mod index;
#[cfg(feature = "_sql")]
mod keys;
#[cfg(feature = "_sql")]
mod migrations;
#[cfg(feature = "_sql")]
mod pages;
#[cfg(feature = "_sql")]
mod pour;
#[cfg(feature = "_sql")]
mod read_at;
#[cfg(feature = "_sql")]
mod region;
#[cfg(feature = "_sql")]
mod registry;
#[cfg(feature = "_sql")]
mod results;
#[cfg(feature = "_sql")]
mod select;
#[cfg(feature = "_sql")]
mod selection;
#[cfg(feature = "_sql")]
mod store;
#[cfg(feature = "_sql")]
mod summarize;
#[cfg(feature = "_sql")]
mod sync;
#[cfg(feature = "_sql")]
mod thrift;
#[cfg(feature = "_sql")]
mod verify;

pub use plan::{NodeShare, PlanTile, ReadPlan, TileSlice};
pub use summary::{
    Bounds, CatalogueSummary, ColumnSummary, FileSummary, Histogram, PixelSummary, RowsPerTile, RunSummary,
    SkyCoverage, Spread, Summary, SyncSummary, TileSummary,
};

#[cfg(feature = "_sql")]
pub use {
    catalogue::{CatalogueOptions, CatalogueReport},
    columns::KeyColumns,
    error::{Error, Result},
    footer::{ColumnChunk, Footer, FooterReader, RowGroup},
    index::Index,
    results::{AnomalyScore, GroupMember, Run, WebClass, WebProbabilities},
    select::Positions,
    selection::{Selection, Tracer},
    store::Value,
    sync::{SyncOptions, SyncReport},
    verify::{Depth, Finding, Problem, VerifyReport},
};
