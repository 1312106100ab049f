use crate::results::{AnomalyScore, GroupMember, Run};
use crate::select::{Positions, Selection};
use crate::store::Store;
use crate::summary::{SkyCoverage, Summary};
use crate::sync::{SyncOptions, SyncReport};
use crate::{ReadPlan, Result, results, select, summarize, sync};

/// An index in a database: what it knows of a survey, and who asks it what.
///
/// A clone is another handle to the same database. Every writing method is one transaction: it happens as a whole or
/// not at all, also when the program is killed.
#[derive(Clone, Debug)]
pub struct Index {
    store: Store,
}

impl Index {
    /// Opens the index at an address, and makes its tables where there are none.
    ///
    /// `sqlite:PATH` is one file, created where it does not exist; `sqlite::memory:` lasts as long as the handle;
    /// `postgres://user@host/database` is a database of a PostgreSQL server (feature `postgres`).
    ///
    /// # Errors
    ///
    /// [`Error::NoDriver`](crate::Error::NoDriver) for another address, [`Error::Store`](crate::Error::Store) where the
    /// database cannot be reached, written or brought up to date.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, as every other method here.
    pub async fn open(url: &str) -> Result<Self> {
        Ok(Self {
            store: Store::open(url).await?,
        })
    }

    /// The address of the index, without its password.
    #[must_use]
    pub fn url(&self) -> &str {
        self.store.url()
    }

    /// Brings the index up to date with a folder of tiles.
    ///
    /// New and changed tiles are read (their footers and key columns, no spectrum), unchanged ones cost a look at size
    /// and time, and those that vanished are forgotten, all in one transaction. A second sync of the same database
    /// waits. Tiles that cannot be read are listed with the reason and do not hold up the others.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) where the folder cannot be read, [`Error::NoTiles`](crate::Error::NoTiles) where
    /// it holds none (nothing is forgotten then), [`Error::Store`](crate::Error::Store) from the database,
    /// [`Error::Interrupted`](crate::Error::Interrupted) where the runtime shuts down meanwhile.
    ///
    /// # Complexity
    ///
    /// One stat per file; for new and changed files O(footer + key columns) on all cores.
    pub async fn sync(&self, options: &SyncOptions) -> Result<SyncReport> {
        sync::sync(&self.store, options).await
    }

    /// Which rows of which tiles a selection takes.
    ///
    /// # Errors
    ///
    /// [`Error::Store`](crate::Error::Store) from the database, [`Error::SeveralNodes`](crate::Error::SeveralNodes) where two
    /// nodes have a tile of the same path.
    ///
    /// # Complexity
    ///
    /// O(selected rows) in the database; what comes back is one row per range of consecutive rows.
    pub async fn plan(&self, selection: &Selection) -> Result<ReadPlan> {
        select::plan(&self.store, selection).await
    }

    /// Positions and redshifts of the selected rows that have all three, in the order of tile and row. A fill value (999999,
    /// 1e20) is none, and of a target that was observed more than once the first row counts.
    ///
    /// # Errors
    ///
    /// [`Error::Store`](crate::Error::Store) from the database.
    pub async fn positions(&self, selection: &Selection) -> Result<Positions> {
        select::positions(&self.store, selection).await
    }

    /// Where on the sky the selected rows are, and so how many square degrees they cover.
    ///
    /// # Errors
    ///
    /// [`Error::Store`](crate::Error::Store) from the database.
    pub async fn sky(&self, selection: &Selection) -> Result<SkyCoverage> {
        let mut tx = self.store.read().await?;
        select::sky(&self.store, &mut tx, selection).await
    }

    /// Records anomaly scores in the table `anomalies` and returns how many rows there were.
    ///
    /// A score of the same run and id is replaced, so recording twice changes nothing; other rows of the run stay. A
    /// TARGETID that comes twice keeps the last score.
    ///
    /// # Errors
    ///
    /// [`Error::BadResult`](crate::Error::BadResult) for a score that is not finite (databases do not agree where NaN
    /// sorts), [`Error::Store`](crate::Error::Store) from the database. Nothing is recorded then.
    pub async fn record_scores(&self, run: &Run, scores: impl IntoIterator<Item = AnomalyScore>) -> Result<u64> {
        results::record_scores(&self.store, run, scores).await
    }

    /// Records groups in the table `galaxy_groups` and returns how many members there were.
    ///
    /// Groups belong together, so the run as a whole is replaced. A TARGETID that comes twice is in the group that came last.
    ///
    /// # Errors
    ///
    /// [`Error::Store`](crate::Error::Store) from the database. The groups recorded before stay then.
    pub async fn record_groups(&self, run: &Run, members: impl IntoIterator<Item = GroupMember>) -> Result<u64> {
        results::record_groups(&self.store, run, members).await
    }

    /// The highest scores of a run, highest first.
    ///
    /// # Errors
    ///
    /// [`Error::Store`](crate::Error::Store) from the database.
    pub async fn top_scores(&self, run: &str, limit: u32) -> Result<Vec<AnomalyScore>> {
        results::top_scores(&self.store, run, limit).await
    }

    /// Counts what the data set is: the numbers of a datasheet.
    ///
    /// # Errors
    ///
    /// [`Error::Store`](crate::Error::Store) from the database.
    ///
    /// # Complexity
    ///
    /// A few scans of `galaxies`; no tile is opened.
    pub async fn summary(&self) -> Result<Summary> {
        summarize::summary(&self.store).await
    }

    /// Closes the connections; other handles of the same index are closed too. Dropping the last handle does it as
    /// well, but in the background.
    pub async fn close(self) {
        self.store.close().await;
    }
}
