use crate::catalogue::{CatalogueOptions, CatalogueReport};
use crate::results::{AnomalyScore, GroupMember, Run, WebProbabilities};
use crate::select::Positions;
use crate::store::Store;
use crate::summary::{SkyCoverage, Summary};
use crate::sync::{SyncOptions, SyncReport};
use crate::verify::{Depth, VerifyReport};
use crate::{ReadPlan, Result, Selection, catalogue, results, select, summarize, sync, verify};

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

    /// Joins a catalogue that is not in the tiles to them by id, such as a DESI zcatalog in Parquet or a HATS catalogue.
    ///
    /// What the catalogue says of a target takes the place of what the tiles say, in every row of that target; where it
    /// says nothing (null, or no such column), the tile's own value stays, and so does the row of a target that it does
    /// not have. Fill values and dead rows are kept as they are, and counted. Of several rows of a target the primary one
    /// counts, or else one whose redshift has no warning, or else the one of the largest gap in χ².
    ///
    /// The index keeps the catalogue, so that tiles that come or change later are joined by the sync that reads them.
    /// Another catalogue takes its place; until a tile is read again, values remain that only the first one had.
    ///
    /// # Errors
    ///
    /// [`Error::Catalogue`](crate::Error::Catalogue) for a file that cannot be used, [`Error::Io`](crate::Error::Io) and
    /// [`Error::NoTiles`](crate::Error::NoTiles) for the path, [`Error::Store`](crate::Error::Store) from the database.
    /// Nothing is changed then.
    ///
    /// # Complexity
    ///
    /// O(rows of the catalogue + rows of the index), which is written anew.
    pub async fn join_catalogue(&self, options: &CatalogueOptions) -> Result<CatalogueReport> {
        catalogue::join(&self.store, options).await
    }

    /// Compares a folder of tiles with what the index says of it, and changes nothing.
    ///
    /// The options are those of the sync. What is wrong with a file is a finding of the report, not an error.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) where the folder cannot be read, [`Error::NoTiles`](crate::Error::NoTiles) where
    /// neither it nor the index has a tile, [`Error::Store`](crate::Error::Store) from the database.
    ///
    /// # Complexity
    ///
    /// Per file one stat, or O(footer), or O(footer + key columns), on all cores.
    pub async fn verify(&self, options: &SyncOptions, depth: Depth) -> Result<VerifyReport> {
        verify::verify(&self.store, options, depth).await
    }

    /// Which rows of which tiles a selection takes.
    ///
    /// # Errors
    ///
    /// [`Error::Store`](crate::Error::Store) from the database, [`Error::SeveralNodes`](crate::Error::SeveralNodes) where two
    /// nodes have a tile of the same path, [`Error::BadSelection`](crate::Error::BadSelection) for what cannot be asked.
    ///
    /// # Complexity
    ///
    /// O(n log n) for n selected rows, and 8 bytes of memory for each; O(tiles) where whole tiles are selected.
    pub async fn plan(&self, selection: &Selection) -> Result<ReadPlan> {
        select::plan(&self.store, selection).await
    }

    /// What [`plan`](Self::plan) asks the database (the SQL and its values), and how the database goes about it.
    ///
    /// # Errors
    ///
    /// Those of [`plan`](Self::plan).
    pub async fn explain(&self, selection: &Selection) -> Result<String> {
        select::explain(&self.store, selection).await
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

    /// Records classes of the cosmic web in the table `web_classes` and returns how many rows there were.
    ///
    /// A row of the same run and id is replaced, so recording twice changes nothing; other rows of the run stay.
    ///
    /// # Errors
    ///
    /// [`Error::BadResult`](crate::Error::BadResult) for numbers that are no probabilities,
    /// [`Error::Store`](crate::Error::Store) from the database. Nothing is recorded then.
    pub async fn record_classes(&self, run: &Run, classes: impl IntoIterator<Item = WebProbabilities>) -> Result<u64> {
        results::record_classes(&self.store, run, classes).await
    }

    /// The scores of a run for the selected rows, in the order of the ids.
    ///
    /// # Errors
    ///
    /// [`Error::Store`](crate::Error::Store) from the database.
    pub async fn scores(&self, run: &str, selection: &Selection) -> Result<Vec<AnomalyScore>> {
        results::scores(&self.store, run, selection).await
    }

    /// The selected rows that a run put into groups, in the order of the ids.
    ///
    /// # Errors
    ///
    /// [`Error::Store`](crate::Error::Store) from the database.
    pub async fn groups(&self, run: &str, selection: &Selection) -> Result<Vec<GroupMember>> {
        results::groups(&self.store, run, selection).await
    }

    /// The classes that a run gave the selected rows, in the order of the ids.
    ///
    /// # Errors
    ///
    /// [`Error::Store`](crate::Error::Store) from the database.
    pub async fn classes(&self, run: &str, selection: &Selection) -> Result<Vec<WebProbabilities>> {
        results::classes(&self.store, run, selection).await
    }

    /// The runs whose scores were recorded, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`Error::Store`](crate::Error::Store) from the database.
    pub async fn score_runs(&self) -> Result<Vec<Run>> {
        results::runs(&self.store, "anomalies").await
    }

    /// The runs whose groups were recorded, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`Error::Store`](crate::Error::Store) from the database.
    pub async fn group_runs(&self) -> Result<Vec<Run>> {
        results::runs(&self.store, "groups").await
    }

    /// The runs whose classes of the cosmic web were recorded, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`Error::Store`](crate::Error::Store) from the database.
    pub async fn class_runs(&self) -> Result<Vec<Run>> {
        results::runs(&self.store, "classes").await
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
