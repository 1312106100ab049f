//! The index for programs without an async runtime: the same methods, which wait for their results.
//!
//! ```
//! use radio_index::{Selection, SyncOptions, blocking::Index};
//!
//! # let folder = tempfile::tempdir()?;
//! # std::fs::write(folder.path().join("tile.parquet"), "not Parquet")?;
//! let index = Index::open("sqlite::memory:")?;
//! let report = index.sync(&SyncOptions::new(folder.path()))?;
//! let plan = index.plan(&Selection::all().redshift(2.5..))?;
//! assert_eq!((report.failed.len(), plan.rows()), (1, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each method does what its namesake in [`radio_index::Index`](crate::Index) does, and fails as it does. None may be called
//! from async code: there it would panic, as every waiting of tokio's does.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use crate::{
    AnomalyScore, CatalogueOptions, CatalogueReport, Depth, Error, GroupMember, Positions, ReadPlan, Result, Run,
    Selection, SkyCoverage, Summary, SyncOptions, SyncReport, VerifyReport, WebProbabilities,
};

/// An index, and the runtime that its waiting happens on.
#[derive(Clone, Debug)]
pub struct Index {
    index: crate::Index,
    runtime: Arc<Runtime>,
}

/// Methods that wait for their namesakes.
macro_rules! waiting {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        impl Index {$(
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// Those of the async method.
            pub fn $name(&self, $($argument: $kind),*) -> Result<$result> {
                self.runtime.block_on(self.index.$name($($argument),*))
            }
        )*}
    };
}

waiting! {
    /// Brings the index up to date: [`Index::sync`](crate::Index::sync).
    fn sync(options: &SyncOptions) -> SyncReport;
    /// Joins a catalogue by id: [`Index::join_catalogue`](crate::Index::join_catalogue).
    fn join_catalogue(options: &CatalogueOptions) -> CatalogueReport;
    /// Compares disk and index: [`Index::verify`](crate::Index::verify).
    fn verify(options: &SyncOptions, depth: Depth) -> VerifyReport;
    /// Which rows of which tiles: [`Index::plan`](crate::Index::plan).
    fn plan(selection: &Selection) -> ReadPlan;
    /// What a plan asks the database: [`Index::explain`](crate::Index::explain).
    fn explain(selection: &Selection) -> String;
    /// Positions and redshifts: [`Index::positions`](crate::Index::positions).
    fn positions(selection: &Selection) -> Positions;
    /// Where on the sky: [`Index::sky`](crate::Index::sky).
    fn sky(selection: &Selection) -> SkyCoverage;
    /// Records scores: [`Index::record_scores`](crate::Index::record_scores).
    fn record_scores(run: &Run, scores: impl IntoIterator<Item = AnomalyScore>) -> u64;
    /// Records groups: [`Index::record_groups`](crate::Index::record_groups).
    fn record_groups(run: &Run, members: impl IntoIterator<Item = GroupMember>) -> u64;
    /// Records classes: [`Index::record_classes`](crate::Index::record_classes).
    fn record_classes(run: &Run, classes: impl IntoIterator<Item = WebProbabilities>) -> u64;
    /// The highest scores: [`Index::top_scores`](crate::Index::top_scores).
    fn top_scores(run: &str, limit: u32) -> Vec<AnomalyScore>;
    /// Scores of a selection: [`Index::scores`](crate::Index::scores).
    fn scores(run: &str, selection: &Selection) -> Vec<AnomalyScore>;
    /// Groups of a selection: [`Index::groups`](crate::Index::groups).
    fn groups(run: &str, selection: &Selection) -> Vec<GroupMember>;
    /// Classes of a selection: [`Index::classes`](crate::Index::classes).
    fn classes(run: &str, selection: &Selection) -> Vec<WebProbabilities>;
    /// Runs of scores: [`Index::score_runs`](crate::Index::score_runs).
    fn score_runs() -> Vec<Run>;
    /// Runs of groups: [`Index::group_runs`](crate::Index::group_runs).
    fn group_runs() -> Vec<Run>;
    /// Runs of classes: [`Index::class_runs`](crate::Index::class_runs).
    fn class_runs() -> Vec<Run>;
    /// What the data set is: [`Index::summary`](crate::Index::summary).
    fn summary() -> Summary;
}

impl Index {
    /// Opens an index: [`Index::open`](crate::Index::open).
    ///
    /// # Errors
    ///
    /// Those of the async method, and [`Error::Interrupted`] where the system starts no more threads.
    pub fn open(url: &str) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|e| Error::Interrupted { source: e.into() })?;
        let index = runtime.block_on(crate::Index::open(url))?;
        Ok(Self {
            index,
            runtime: Arc::new(runtime),
        })
    }

    /// The address of the index, without its password.
    #[must_use]
    pub fn url(&self) -> &str {
        self.index.url()
    }

    /// Closes the connections: [`Index::close`](crate::Index::close).
    pub fn close(self) {
        self.runtime.block_on(self.index.close());
    }
}
