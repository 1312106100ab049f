use ndarray::{Array1, array};
use radio_fof::{Error, group_sizes};

#[track_caller]
fn check(labels: &[i64], sizes: &[u64]) {
    assert_eq!(
        group_sizes(Array1::from(labels.to_vec()).view()).unwrap(),
        sizes,
        "labels = {labels:?}"
    );
}

#[test]
fn sizes_are_counted() {
    check(&[], &[]);
    check(&[-1, -1], &[]);
    check(&[1, 0, -1, 1, -7, 1], &[1, 3]);
}

#[test]
fn labels_that_are_no_group_numbers_are_refused() {
    let error = group_sizes(array![0, i64::MAX].view()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Value {
                column: "label",
                row: 1,
                ..
            }
        ),
        "{error}"
    );
}
