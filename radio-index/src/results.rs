//! Results come home: scores, groups and classes beside the galaxies they belong to.

use std::collections::HashMap;

use futures_util::TryStreamExt;

use crate::pour::{Cell, Table};
use crate::store::{Store, Tx, Value, on};
use crate::{Error, Result, Selection, select};

/// Rows that are sent to the database together.
const BATCH: usize = 50_000;

/// Who made a set of results, and how.
///
/// ```
/// let run = radio_index::Run::new("autoencoder-4f2a").with_options("latent 24, 300 steps");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// Name of the run. Together with the id it identifies a result.
    pub name: String,
    /// Hash of the model that made the results; empty where none did.
    pub model_hash: String,
    /// Options of the run, as its program writes them. Shown in the datasheet.
    pub options: String,
}

impl Run {
    /// A run by its name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            model_hash: String::new(),
            options: String::new(),
        }
    }

    /// Adds the hash of the model.
    #[must_use]
    pub fn with_model_hash(mut self, hash: impl Into<String>) -> Self {
        self.model_hash = hash.into();
        self
    }

    /// Adds the options.
    #[must_use]
    pub fn with_options(mut self, options: impl Into<String>) -> Self {
        self.options = options.into();
        self
    }
}

/// The anomaly score of one spectrum: one row of the table `anomalies`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AnomalyScore {
    /// Linkage key.
    pub targetid: i64,
    /// How unusual the spectrum is; larger is more. A finite number.
    pub score: f64,
    /// The score before any calibration.
    pub score_raw: Option<f64>,
    /// Signal-to-noise ratio of the spectrum, per pixel.
    pub snr: Option<f64>,
    /// Where the spectrum is most unusual, Å, observed frame.
    pub worst_wavelength: Option<f64>,
    /// Flags of the scorer.
    pub flags: i64,
}

impl AnomalyScore {
    /// A score and nothing else; the other fields can be set.
    #[must_use]
    pub fn new(targetid: i64, score: f64) -> Self {
        Self {
            targetid,
            score,
            ..Self::default()
        }
    }
}

/// A galaxy in a group: one row of the table `galaxy_groups`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupMember {
    /// Linkage key.
    pub targetid: i64,
    /// Number of the group, from 0; a galaxy outside every group has -1 and gets no row.
    pub group_id: i64,
}

/// A class of the cosmic web, by the number of axes along which matter collapses (Hahn et al. 2007): none to three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebClass {
    /// Collapses along no axis.
    Void,
    /// Along one.
    Sheet,
    /// Along two.
    Filament,
    /// Along all three.
    Knot,
}

impl WebClass {
    /// All of them, in the order of [`WebProbabilities::probabilities`].
    pub const ALL: [Self; 4] = [Self::Void, Self::Sheet, Self::Filament, Self::Knot];

    /// `void`, `sheet`, `filament` or `knot`: what stands in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Void => "void",
            Self::Sheet => "sheet",
            Self::Filament => "filament",
            Self::Knot => "knot",
        }
    }
}

/// Where in the cosmic web a galaxy is: one row of the table `web_classes`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WebProbabilities {
    /// Linkage key.
    pub targetid: i64,
    /// Probabilities of void, sheet, filament and knot, each from 0 to 1, in all 1.
    pub probabilities: [f64; 4],
}

impl WebProbabilities {
    /// The most likely class; of equal ones the first.
    #[must_use]
    pub fn class(&self) -> WebClass {
        let later = |best: usize, this: usize| {
            if self.probabilities[this] > self.probabilities[best] {
                this
            } else {
                best
            }
        };
        WebClass::ALL[(1..4).fold(0, later)]
    }

    fn check(&self) -> Result<()> {
        let sum: f64 = self.probabilities.iter().sum();
        // Single precision leaves some 1e-7.
        if self.probabilities.iter().all(|p| (0.0..=1.0).contains(p)) && (sum - 1.0).abs() < 1e-3 {
            return Ok(());
        }
        let reason = "probabilities lie between 0 and 1, and their sum is 1: pass them through a softmax";
        Err(Error::BadResult {
            targetid: self.targetid,
            reason,
        })
    }
}

const ANOMALIES: Table<7> = Table {
    name: "anomalies",
    columns: [
        "targetid",
        "score",
        "score_raw",
        "snr",
        "worst_wavelength",
        "flags",
        "run",
    ],
    replace_by: &["run", "targetid"],
    is_fresh: false,
};

const GROUPS: Table<3> = Table {
    name: "galaxy_groups",
    columns: ["targetid", "group_id", "run"],
    replace_by: &["run", "targetid"],
    is_fresh: false,
};

const CLASSES: Table<7> = Table {
    name: "web_classes",
    columns: [
        "targetid",
        "web_class",
        "p_void",
        "p_sheet",
        "p_filament",
        "p_knot",
        "run",
    ],
    replace_by: &["run", "targetid"],
    is_fresh: false,
};

pub(crate) async fn record_scores(
    store: &Store,
    run: &Run,
    scores: impl IntoIterator<Item = AnomalyScore>,
) -> Result<u64> {
    let mut tx = store.write().await?;
    enter_run(store, &mut tx, "anomalies", run).await?;
    let count = pour(store, &mut tx, ANOMALIES, scores, run, |s, run| {
        if !s.score.is_finite() {
            let reason = "the score is not a finite number: leave the row out, or fix the scorer";
            return Err(Error::BadResult {
                targetid: s.targetid,
                reason,
            });
        }
        let cells = [
            Cell::Int(s.targetid),
            Cell::Real(s.score),
            Cell::real(s.score_raw),
            Cell::real(s.snr),
            Cell::real(s.worst_wavelength),
            Cell::Int(s.flags),
            Cell::Text(run),
        ];
        Ok((s.targetid, cells))
    });
    let count = count.await?;
    store.commit(tx).await?;
    Ok(count)
}

pub(crate) async fn record_groups(
    store: &Store,
    run: &Run,
    members: impl IntoIterator<Item = GroupMember>,
) -> Result<u64> {
    let mut tx = store.write().await?;
    enter_run(store, &mut tx, "groups", run).await?;
    store
        .execute(
            &mut tx,
            "DELETE FROM galaxy_groups WHERE run = $1",
            &[run.name.as_str().into()],
        )
        .await?;
    let members = members.into_iter().filter(|m| m.group_id >= 0);
    let count = pour(store, &mut tx, GROUPS, members, run, |m, run| {
        Ok((
            m.targetid,
            [Cell::Int(m.targetid), Cell::Int(m.group_id), Cell::Text(run)],
        ))
    });
    let count = count.await?;
    store.commit(tx).await?;
    Ok(count)
}

pub(crate) async fn record_classes(
    store: &Store,
    run: &Run,
    classes: impl IntoIterator<Item = WebProbabilities>,
) -> Result<u64> {
    let mut tx = store.write().await?;
    enter_run(store, &mut tx, "classes", run).await?;
    let count = pour(store, &mut tx, CLASSES, classes, run, |c, run| {
        c.check()?;
        let [p_void, p_sheet, p_filament, p_knot] = c.probabilities.map(Cell::Real);
        let name = Cell::Text(c.class().name());
        Ok((
            c.targetid,
            [
                Cell::Int(c.targetid),
                name,
                p_void,
                p_sheet,
                p_filament,
                p_knot,
                Cell::Text(run),
            ],
        ))
    });
    let count = count.await?;
    store.commit(tx).await?;
    Ok(count)
}

type ScoreRow = (i64, f64, Option<f64>, Option<f64>, Option<f64>, i64);

fn score((targetid, score, score_raw, snr, worst_wavelength, flags): ScoreRow) -> AnomalyScore {
    AnomalyScore {
        targetid,
        score,
        score_raw,
        snr,
        worst_wavelength,
        flags,
    }
}

/// The highest scores of a run, highest first.
pub(crate) async fn top_scores(store: &Store, run: &str, limit: u32) -> Result<Vec<AnomalyScore>> {
    const SQL: &str = "SELECT targetid, score, score_raw, snr, worst_wavelength, flags FROM anomalies
        WHERE run = $1 ORDER BY score DESC, targetid LIMIT $2";
    let mut tx = store.read().await?;
    let rows: Vec<ScoreRow> = on!(&mut tx, connection => {
        sqlx::query_as(SQL).bind(run).bind(i64::from(limit)).fetch_all(connection).await
    })
    .map_err(store.failed("read scores"))?;
    Ok(rows.into_iter().map(score).collect())
}

/// Reads the rows of a run whose galaxies are selected, in the order of their ids.
macro_rules! of_selected {
    ($store:expr, $run:expr, $selection:expr, $row:ty, $columns:literal, $table:literal) => {{
        let ids = select::ids($store, $selection).await?;
        let sql = concat!("SELECT ", $columns, " FROM ", $table, " WHERE run = $1 ORDER BY targetid");
        let mut tx = $store.read().await?;
        let mut rows = Vec::new();
        on!(&mut tx, connection => {
            let mut found = sqlx::query_as::<_, $row>(sql).bind($run).fetch(connection);
            loop {
                match found.try_next().await {
                    Ok(Some(row)) if ids.as_ref().is_none_or(|ids| ids.binary_search(&row.0).is_ok()) => rows.push(row),
                    Ok(Some(_)) => {}
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            }
        })
        .map_err($store.failed("read results"))?;
        rows
    }};
}

pub(crate) async fn scores(store: &Store, run: &str, selection: &Selection) -> Result<Vec<AnomalyScore>> {
    let rows = of_selected!(
        store,
        run,
        selection,
        ScoreRow,
        "targetid, score, score_raw, snr, worst_wavelength, flags",
        "anomalies"
    );
    Ok(rows.into_iter().map(score).collect())
}

pub(crate) async fn groups(store: &Store, run: &str, selection: &Selection) -> Result<Vec<GroupMember>> {
    let rows = of_selected!(store, run, selection, (i64, i64), "targetid, group_id", "galaxy_groups");
    Ok(rows
        .into_iter()
        .map(|(targetid, group_id)| GroupMember { targetid, group_id })
        .collect())
}

pub(crate) async fn classes(store: &Store, run: &str, selection: &Selection) -> Result<Vec<WebProbabilities>> {
    let rows = of_selected!(
        store,
        run,
        selection,
        (i64, f64, f64, f64, f64),
        "targetid, p_void, p_sheet, p_filament, p_knot",
        "web_classes"
    );
    let class = |(targetid, a, b, c, d)| WebProbabilities {
        targetid,
        probabilities: [a, b, c, d],
    };
    Ok(rows.into_iter().map(class).collect())
}

/// The runs that were recorded as scores, groups and classes, by their kind and name.
pub(crate) async fn runs(store: &Store, kind: &str) -> Result<Vec<Run>> {
    const SQL: &str = "SELECT run, model_hash, options FROM result_runs WHERE kind = $1";
    let mut tx = store.read().await?;
    let rows: Vec<(String, String, String)> =
        on!(&mut tx, connection => sqlx::query_as(SQL).bind(kind).fetch_all(connection).await)
            .map_err(store.failed("read runs"))?;
    let run = |(name, model_hash, options)| Run {
        name,
        model_hash,
        options,
    };
    let mut runs: Vec<Run> = rows.into_iter().map(run).collect();
    // Databases sort text by their locale.
    runs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(runs)
}

async fn enter_run(store: &Store, tx: &mut Tx, kind: &str, run: &Run) -> Result<()> {
    const SQL: &str = "INSERT INTO result_runs (run, kind, model_hash, options) VALUES ($1, $2, $3, $4)
        ON CONFLICT (kind, run) DO UPDATE SET model_hash = excluded.model_hash, options = excluded.options";
    let values = [run.name.as_str(), kind, &run.model_hash, &run.options].map(Value::from);
    store.execute(tx, SQL, &values).await.map(drop)
}

/// The id of a row, and the row.
type Keyed<'r, const WIDTH: usize> = (i64, [Cell<'r>; WIDTH]);

/// Writes rows in batches. Of rows with the same id in a batch the last one counts, as it does between batches.
async fn pour<R, const WIDTH: usize>(
    store: &Store,
    tx: &mut Tx,
    table: Table<WIDTH>,
    rows: impl IntoIterator<Item = R>,
    run: &Run,
    cells: for<'r> fn(&'r R, &'r str) -> Result<Keyed<'r, WIDTH>>,
) -> Result<u64> {
    let mut count = 0;
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let batch: Vec<R> = rows.by_ref().take(BATCH).collect();
        count += batch.len() as u64;
        let mut pouring = store.pouring(tx, table).await?;
        {
            let mut place_of = HashMap::<i64, usize>::new();
            let mut last: Vec<[Cell<'_>; WIDTH]> = Vec::new();
            for row in &batch {
                let (id, row) = cells(row, &run.name)?;
                match place_of.get(&id) {
                    Some(&place) => last[place] = row,
                    None => {
                        place_of.insert(id, last.len());
                        last.push(row);
                    }
                }
            }
            pouring.fill(last)?;
        }
        pouring.end().await?;
    }
    Ok(count)
}
