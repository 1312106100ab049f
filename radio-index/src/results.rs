//! Results come home: scores and groups beside the galaxies they belong to.

use std::collections::HashMap;

use crate::store::{Store, Table, Tx, Value, on};
use crate::{Error, Result};

/// Rows that are sent to the database together.
const BATCH: usize = 4_000;

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

const ANOMALIES: Table = Table {
    name: "anomalies",
    columns: &[
        "targetid",
        "score",
        "score_raw",
        "snr",
        "worst_wavelength",
        "flags",
        "run",
    ],
    replace_by: &["run", "targetid"],
};

const GROUPS: Table = Table {
    name: "galaxy_groups",
    columns: &["targetid", "group_id", "run"],
    replace_by: &["run", "targetid"],
};

pub(crate) async fn record_scores(
    store: &Store,
    run: &Run,
    scores: impl IntoIterator<Item = AnomalyScore>,
) -> Result<u64> {
    let mut tx = store.write().await?;
    enter_run(store, &mut tx, "anomalies", run).await?;
    let rows = scores.into_iter().map(|s| {
        if !s.score.is_finite() {
            let reason = "the score is not a finite number: leave the row out, or fix the scorer";
            return Err(Error::BadResult {
                targetid: s.targetid,
                reason,
            });
        }
        let values = [
            s.targetid.into(),
            s.score.into(),
            Value::Real(s.score_raw),
            Value::Real(s.snr),
            Value::Real(s.worst_wavelength),
            s.flags.into(),
            run.name.as_str().into(),
        ];
        Ok((s.targetid, values))
    });
    let count = pour(store, &mut tx, ANOMALIES, rows).await?;
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
    let name = [run.name.as_str().into()];
    store
        .execute(&mut tx, "DELETE FROM galaxy_groups WHERE run = $1", &name)
        .await?;
    let rows = members.into_iter().filter(|m| m.group_id >= 0).map(|m| {
        Ok((
            m.targetid,
            [m.targetid.into(), m.group_id.into(), run.name.as_str().into()],
        ))
    });
    let count = pour(store, &mut tx, GROUPS, rows).await?;
    store.commit(tx).await?;
    Ok(count)
}

/// The highest scores of a run, highest first.
pub(crate) async fn top_scores(store: &Store, run: &str, limit: u32) -> Result<Vec<AnomalyScore>> {
    type Row = (i64, f64, Option<f64>, Option<f64>, Option<f64>, i64);
    const SQL: &str = "SELECT targetid, score, score_raw, snr, worst_wavelength, flags FROM anomalies
        WHERE run = $1 ORDER BY score DESC, targetid LIMIT $2";
    let mut tx = store.read().await?;
    let rows: Vec<Row> = on!(&mut tx, connection => {
        sqlx::query_as(SQL).bind(run).bind(i64::from(limit)).fetch_all(connection).await
    })
    .map_err(store.failed("read scores"))?;
    let score = |(targetid, score, score_raw, snr, worst_wavelength, flags)| AnomalyScore {
        targetid,
        score,
        score_raw,
        snr,
        worst_wavelength,
        flags,
    };
    Ok(rows.into_iter().map(score).collect())
}

async fn enter_run(store: &Store, tx: &mut Tx, kind: &str, run: &Run) -> Result<()> {
    const SQL: &str = "INSERT INTO result_runs (run, kind, model_hash, options) VALUES ($1, $2, $3, $4)
        ON CONFLICT (kind, run) DO UPDATE SET model_hash = excluded.model_hash, options = excluded.options";
    let values = [&run.name, kind, &run.model_hash, &run.options].map(Value::from);
    store.execute(tx, SQL, &values).await
}

/// Writes rows in batches. Of rows with the same id in a batch the last one counts, as it does between batches.
async fn pour<'a, const WIDTH: usize>(
    store: &Store,
    tx: &mut Tx,
    table: Table,
    rows: impl Iterator<Item = Result<(i64, [Value<'a>; WIDTH])>>,
) -> Result<u64> {
    let mut count = 0;
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let mut place_of = HashMap::<i64, usize>::new();
        let mut values = Vec::with_capacity(BATCH * WIDTH);
        for row in rows.by_ref().take(BATCH) {
            let (id, row) = row?;
            match place_of.get(&id) {
                Some(&place) => values[place..place + WIDTH].clone_from_slice(&row),
                None => {
                    place_of.insert(id, values.len());
                    values.extend(row);
                }
            }
            count += 1;
        }
        store.insert(tx, table, &values).await?;
    }
    Ok(count)
}
