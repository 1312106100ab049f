//! From sets to group numbers.

use ndarray::Array1;

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
