//! From sets to group numbers.

use std::collections::HashMap;

use ndarray::{Array1, ArrayView1};

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

/// Numbers the groups from 0, in the order of their first galaxy.
pub(crate) fn number_from_0(labels: &ArrayView1<'_, i64>) -> Array1<i64> {
    // Labels that count from 0 already need no hashing.
    let (most, rows) = (labels.iter().copied().fold(-1, i64::max), labels.len() as i64);
    let mut next = 0;
    let mut number = |known: &mut i64| {
        if *known < 0 {
            *known = next;
            next += 1;
        }
        *known
    };
    if most < rows {
        let mut numbers = vec![-1; (most + 1) as usize];
        labels.mapv(|label| usize::try_from(label).map_or(-1, |label| number(&mut numbers[label])))
    } else {
        let mut numbers = HashMap::new();
        labels.mapv(|label| {
            if label < 0 {
                -1
            } else {
                number(numbers.entry(label).or_insert(-1))
            }
        })
    }
}
