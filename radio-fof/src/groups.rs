//! Who is in which group.

use ndarray::ArrayView1;

use crate::error::{Error, Result, check_rows};
use crate::labels::number_from_0;

/// The members of every group, from the labels that [`Fof::link`](crate::Fof::link) and
/// [`RedshiftFof::link`](crate::RedshiftFof::link) return: a list of rows per group, all in one array.
///
/// # Examples
///
/// ```
/// use ndarray::array;
/// use radio_fof::Groups;
///
/// let groups = Groups::from_labels(array![0, 1, 0, -1, 1, 0].view())?;
/// assert_eq!(groups.len(), 2);
/// assert_eq!(groups.members(0), [0, 2, 5]);
/// assert_eq!(groups.sizes().collect::<Vec<_>>(), [3, 2]);
/// assert_eq!(groups.isolated(), [3]);
/// # Ok::<(), radio_fof::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Where the members of each group begin in `rows`, and the end of the last one.
    starts: Vec<u32>,
    rows: Vec<u32>,
    isolated: Vec<u32>,
}

impl Groups {
    /// Collects the members. Labels count from 0; negative ones are points outside every group.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for a label that is not smaller than the number of labels: such labels do not count from 0.
    /// [`Error::TooManyRows`].
    ///
    /// # Complexity
    ///
    /// O(n).
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
    pub fn from_labels(labels: ArrayView1<'_, i64>) -> Result<Self> {
        check_rows(labels.len())?;
        let mut sizes: Vec<u32> = Vec::new();
        for (row, &label) in labels.iter().enumerate() {
            let Ok(group) = usize::try_from(label) else { continue };
            if group >= labels.len() {
                return Err(Error::Value {
                    column: "label",
                    row,
                    value: label as f64,
                    expected: "smaller than the number of labels; number the groups from 0",
                });
            }
            if group >= sizes.len() {
                sizes.resize(group + 1, 0);
            }
            sizes[group] += 1;
        }
        let mut starts = vec![0];
        let mut until = 0;
        for size in sizes {
            until += size;
            starts.push(until);
        }
        let mut next = starts.clone();
        let mut rows = vec![0; until as usize];
        let mut isolated = Vec::with_capacity(labels.len() - rows.len());
        for (row, &label) in (0..).zip(labels) {
            let Ok(group) = usize::try_from(label) else {
                isolated.push(row);
                continue;
            };
            rows[next[group] as usize] = row;
            next[group] += 1;
        }
        Ok(Self { starts, rows, isolated })
    }

    /// The same for labels that are any numbers, such as ids of halos: groups are numbered from 0, in the order of their
    /// first row.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyRows`].
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
    pub fn from_ids(ids: ArrayView1<'_, i64>) -> Result<Self> {
        check_rows(ids.len())?;
        Self::from_labels(number_from_0(&ids).view())
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Are there no groups?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows of a group's members, in increasing order; none for a group that there is not.
    pub fn members(&self, group: usize) -> &[u32] {
        match (self.starts.get(group), self.starts.get(group + 1)) {
            (Some(&start), Some(&end)) => &self.rows[start as usize..end as usize],
            _ => &[],
        }
    }

    /// How many members each group has.
    pub fn sizes(&self) -> impl ExactSizeIterator<Item = usize> {
        self.starts.windows(2).map(|ends| (ends[1] - ends[0]) as usize)
    }

    /// The rows outside every group.
    pub fn isolated(&self) -> &[u32] {
        &self.isolated
    }

    /// Number of rows, in groups and outside.
    pub fn rows(&self) -> usize {
        self.rows.len() + self.isolated.len()
    }
}
