//! Where a pass is, so that it can go on from there.

use std::hash::Hasher;

use radio_index::ReadPlan;
use twox_hash::XxHash64;

use crate::{Error, ReadOptions, Result, Shuffle};

/// Where a pass over a plan is: what [`Reader::resume`](crate::Reader::resume) needs to give the identical rest.
///
/// Four numbers and the hash of the plan. Store it in any format of serde's, with the model's checkpoint:
///
/// ```
/// use radio_io::{ReadOptions, ReadPlan, Reader, State};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let plan = ReadPlan::default();
/// let reader = Reader::new(&plan, ReadOptions::default().with_seed(7))?;
/// let text = serde_json::to_string(&reader.state())?;
/// let state: State = serde_json::from_str(&text)?;
/// let rest = Reader::resume(&plan, ReadOptions::default().with_seed(7), &state)?;
/// assert_eq!(rest.count(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct State {
    /// Batches that were taken.
    batch: u64,
    epoch: u64,
    seed: u64,
    /// Hash of the other options that the order depends on.
    order: u64,
    plan: u64,
}

impl State {
    /// The begin of a pass.
    #[must_use]
    pub fn new(plan: &ReadPlan, options: &ReadOptions) -> Self {
        Self {
            batch: 0,
            epoch: options.epoch,
            seed: options.seed,
            order: hash_of_order(options),
            plan: hash_of_plan(plan),
        }
    }

    /// Batches that were taken from the pass.
    #[must_use]
    pub fn batch(&self) -> u64 {
        self.batch
    }

    /// Hash of the plan: its rows, and the size and time of each tile. It tells what a model was trained on.
    #[must_use]
    pub fn plan(&self) -> u64 {
        self.plan
    }

    /// The same pass, after `batch` batches were taken: for those who keep the number of batches themselves.
    #[must_use]
    pub fn at(mut self, batch: u64) -> Self {
        self.batch = batch;
        self
    }

    /// Can this pass go on from there?
    pub(crate) fn check(&self, there: &Self) -> Result<()> {
        let reason = if self.plan != there.plan {
            "the plan is another one: other rows were selected, or tiles were written anew since"
        } else if self.order != there.order {
            "the order of the rows is another one: batch_rows, drop_last, shuffle, rank and world have to be the same"
        } else if (self.seed, self.epoch) != (there.seed, there.epoch) {
            "the seed or the epoch is another one"
        } else {
            return Ok(());
        };
        Err(Error::OtherState { reason })
    }
}

fn hash_of_order(options: &ReadOptions) -> u64 {
    let (kind, rows) = match options.shuffle {
        Shuffle::None => (0, 0),
        Shuffle::Window { rows } => (1, rows.get() as u64),
        Shuffle::Global => (2, 0),
    };
    let numbers = [
        options.batch_rows.get() as u64,
        u64::from(options.drop_last),
        kind,
        rows,
        options.rank,
        options.world.get(),
    ];
    let mut hash = XxHash64::with_seed(0);
    numbers.iter().for_each(|number| hash.write(&number.to_le_bytes()));
    hash.finish()
}

/// Of the rows, and of what tells that a tile was written anew. Where on the disk and on which node tiles are, counts, too.
fn hash_of_plan(plan: &ReadPlan) -> u64 {
    let mut hash = XxHash64::with_seed(0);
    for slice in plan.slices() {
        let uri = slice.uri();
        hash.write(&(uri.len() as u64).to_le_bytes());
        hash.write(uri.as_bytes());
        let known = plan.tile(uri);
        let numbers = [
            slice.rows().start,
            slice.rows().end,
            known.map_or(0, |tile| tile.size),
            known.map_or(0, |tile| tile.mtime_ns as u64),
        ];
        numbers.iter().for_each(|number| hash.write(&number.to_le_bytes()));
    }
    hash.finish()
}
