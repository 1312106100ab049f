use std::num::{NonZeroU64, NonZeroUsize};

use radio_index::ReadPlan;

use crate::{BadTiles, ReadOptions, Reader, Result, Shuffle, SpectrumBatch};

/// Reads all rows of a plan into one batch, in the order of the plan: random access to spectra. `None` where the plan is empty.
///
/// The plan of some ids comes from radio-index (`index.plan(&Selection::all().ids(ids))`). Of the options, those that say what to
/// read count; batches, order and rank do not, and a bad tile is an error.
///
/// # Errors
///
/// Those of [`Reader`].
///
/// # Complexity
///
/// From uncompressed pages only the wanted rows are read, each to its place; of others the pages that hold them. All tiles are
/// read at once, on all cores. In memory is the batch, and a page per core.
///
/// # Examples
///
#[cfg_attr(feature = "mock", doc = "```")]
#[cfg_attr(not(feature = "mock"), doc = "```ignore")]
/// use radio_io::{ReadOptions, ReadPlan, TileSlice, fetch, mock::Mock};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let survey = Mock::new(300).write(folder.path(), |_rows_done| {})?.plan;
/// let rows = survey.slices().iter().map(|slice| TileSlice::new(slice.uri(), 0..1));
/// let firsts = fetch(&rows.collect::<ReadPlan>(), ReadOptions::default())?.expect("tiles have rows");
/// assert_eq!(firsts.len(), survey.tiles());
/// # Ok(())
/// # }
/// ```
pub fn fetch(plan: &ReadPlan, options: ReadOptions) -> Result<Option<SpectrumBatch>> {
    let Some(rows) = usize::try_from(plan.rows()).ok().and_then(NonZeroUsize::new) else {
        return Ok(None);
    };
    let options = ReadOptions {
        batch_rows: rows,
        drop_last: false,
        shuffle: Shuffle::None,
        rank: 0,
        world: NonZeroU64::MIN,
        bad_tiles: BadTiles::Fail,
        ..options
    };
    Reader::new(plan, options)?.next().transpose()
}
