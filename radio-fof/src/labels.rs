//! From sets to group numbers.

use ndarray::{Array1, ArrayView1};

use crate::error::{Error, Result};

/// Counts the members of every group: element `g` of the result belongs to group `g`.
///
/// `labels` has shape `(n,)`, as [`Fof::link`](crate::Fof::link) and [`RedshiftFof::link`](crate::RedshiftFof::link)
/// return it; negative labels are points outside every group. The length of the result is the number of groups.
///
/// # Errors
///
/// [`Error::Value`] for a label that is not smaller than the number of labels: such labels do not count from 0.
///
/// # Complexity
///
/// O(n).
///
/// # Examples
///
/// ```
/// use ndarray::array;
///
/// assert_eq!(radio_fof::group_sizes(array![0, 1, 0, -1, 1, 0].view())?, [3, 2]);
/// # Ok::<(), radio_fof::Error>(())
/// ```
#[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
pub fn group_sizes(labels: ArrayView1<'_, i64>) -> Result<Vec<u64>> {
    let mut sizes = Vec::new();
    for (row, &label) in labels.iter().enumerate() {
        let Ok(group) = usize::try_from(label) else { continue };
        if group >= labels.len() {
            let expected = "smaller than the number of labels; number the groups from 0";
            return Err(Error::Value {
                column: "label",
                row,
                value: label as f64,
                expected,
            });
        }
        if group >= sizes.len() {
            sizes.resize(group + 1, 0);
        }
        sizes[group] += 1;
    }
    Ok(sizes)
}

/// Numbers the groups from 0 in the order of their first point, and gives -1 to points of sets smaller than
/// `min_members`. `roots[i]` stands for the set of point i and is below the number of points.
pub(crate) fn number_groups(roots: &[u32], min_members: usize) -> Array1<i64> {
    let mut members = vec![0_u32; roots.len()];
    for &root in roots {
        members[root as usize] += 1;
    }
    let mut number = vec![-1_i64; roots.len()];
    let mut next = 0;
    let label_of = |&root: &u32| {
        let root = root as usize;
        if members[root] as usize >= min_members && number[root] < 0 {
            number[root] = next;
            next += 1;
        }
        number[root]
    };
    roots.iter().map(label_of).collect()
}
