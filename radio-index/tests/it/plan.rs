use std::collections::BTreeSet;

use proptest::prelude::*;
use radio_index::{ReadPlan, TileSlice};

proptest! {
    /// A plan is the set of its rows: normal form, whatever the order and overlap of what went in.
    #[test]
    fn a_plan_is_a_set_of_rows(slices in proptest::collection::vec((0..3_u8, 0..40_u64, 0..9_u64), 0..30)) {
        let plan: ReadPlan =
            slices.iter().map(|&(tile, start, n)| TileSlice::new(format!("t{tile}"), start..start + n)).collect();
        let rows: BTreeSet<(String, u64)> =
            slices.iter().flat_map(|&(tile, start, n)| (start..start + n).map(move |row| (format!("t{tile}"), row))).collect();
        let planned: Vec<(String, u64)> =
            plan.slices().iter().flat_map(|s| s.rows().map(move |row| (s.uri().to_owned(), row))).collect();
        prop_assert_eq!(&planned, &rows.iter().cloned().collect::<Vec<_>>());
        prop_assert_eq!(plan.rows(), rows.len() as u64);
        for pair in plan.slices().windows(2) {
            prop_assert!(pair[0].uri() != pair[1].uri() || pair[0].rows().end < pair[1].rows().start);
        }
    }
}

#[test]
#[expect(clippy::reversed_empty_ranges, reason = "that is the case under test")]
fn a_reversed_range_is_empty() {
    assert!(TileSlice::new("t", 9..3).is_empty());
    assert!(ReadPlan::from_iter([TileSlice::new("t", 9..3)]).is_empty());
}
