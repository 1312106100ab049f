use ndarray::{Array1, array};
use proptest::prelude::*;
use radio_fof::{Cosmology, Groups, Survey};

use crate::oracle;

#[track_caller]
fn check(labels: &[i64], members: &[&[u32]], isolated: &[u32]) {
    let groups = Groups::from_labels(Array1::from(labels.to_vec()).view()).unwrap();
    let found: Vec<&[u32]> = (0..groups.len()).map(|group| groups.members(group)).collect();
    assert_eq!(found, members, "labels = {labels:?}");
    assert_eq!(groups.isolated(), isolated, "labels = {labels:?}");
    assert_eq!(groups.rows(), labels.len());
    assert_eq!(groups.is_empty(), members.is_empty());
    assert!(groups.sizes().eq(members.iter().map(|members| members.len())));
}

#[test]
fn members_are_collected() {
    check(&[], &[], &[]);
    check(&[-1, -1], &[], &[0, 1]);
    check(&[1, 0, -1, 1, -7, 1], &[&[1], &[0, 3, 5]], &[2, 4]);
    // A number without members is a group without members, and has no properties.
    let groups = Groups::from_labels(array![2, 2, -1].view()).unwrap();
    let survey = Survey::new(&[1.0, 1.1, 9.0], &[0.0; 3], &[0.1; 3]);
    let properties = groups.properties(&survey, &Cosmology::default()).unwrap();
    assert_eq!(properties.iter().map(|group| group.group_id).collect::<Vec<_>>(), [2]);
    // Ids of halos can be any numbers.
    let groups = Groups::from_ids(array![i64::MAX, -9999, 7, i64::MAX, i64::MIN].view()).unwrap();
    assert_eq!((groups.members(0), groups.members(1)), (&[0, 3][..], &[2][..]));
    assert_eq!(groups.isolated(), [1, 4]);
    check(&[2, 2, -1], &[&[], &[], &[0, 1]], &[2]);
    let groups = Groups::from_labels(array![0, 0].view()).unwrap();
    assert_eq!(groups.members(7), [0_u32; 0]);
}

#[test]
fn labels_that_are_no_group_numbers_are_refused() {
    oracle::assert_value_refused(Groups::from_labels(array![0, i64::MAX].view()), "label", 1);
}

proptest! {
    #![proptest_config(oracle::fixed_cases(64))]

    #[test]
    fn every_row_is_in_one_place(labels in prop::collection::vec(-2..20_i64, 20..100)) {
        let groups = Groups::from_labels(Array1::from(labels.clone()).view()).unwrap();
        let mut found = vec![None; labels.len()];
        for group in 0..groups.len() {
            for &row in groups.members(group) {
                prop_assert_eq!(found[row as usize].replace(group as i64), None);
            }
        }
        for &row in groups.isolated() {
            prop_assert_eq!(found[row as usize].replace(-1), None);
        }
        let expected: Vec<Option<i64>> = labels.iter().map(|&label| Some(label.max(-1))).collect();
        prop_assert_eq!(found, expected);
    }
}
