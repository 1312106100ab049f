use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt32Type};
use ndarray::array;
use radio_fof::{Cosmology, Group, Groups, Pair, Survey, labels_to_record_batch};

#[test]
fn labels_have_ids() {
    let batch = labels_to_record_batch(&[7, 5, 9], array![0, -1, 0].view()).unwrap();
    assert_eq!(batch["targetid"].as_primitive::<Int64Type>().values(), &[7, 5, 9]);
    assert_eq!(batch["group_id"].as_primitive::<Int64Type>().values(), &[0, -1, 0]);
    let error = labels_to_record_batch(&[7], array![0, -1].view()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "targetid has 1 rows but label has 2: every column needs one value per row"
    );
}

#[test]
fn tables_have_units_and_nulls() {
    let (ra, dec, z, magnitudes) = ([1.0, 1.1, 5.0, 5.1, 5.2], [0.0; 5], [0.1; 5], [-20.0; 5]);
    let groups = Groups::from_labels(array![0, 0, 1, 1, 1].view()).unwrap();
    for has_magnitudes in [true, false] {
        let mut survey = Survey::new(&ra, &dec, &z);
        if has_magnitudes {
            survey = survey.absolute_magnitudes(&magnitudes);
        }
        let table = groups.properties(&survey, &Cosmology::default()).unwrap();
        let batch = Group::to_record_batch(&table).unwrap();
        assert_eq!((batch.num_rows(), batch.num_columns()), (2, 19));
        assert_eq!(batch["size"].as_primitive::<UInt32Type>().values(), &[2, 3]);
        assert_eq!(
            batch["r50_mpc"].as_primitive::<Float64Type>().value(1),
            table[1].r50_mpc
        );
        assert_eq!(
            batch["absolute_magnitude"].null_count(),
            if has_magnitudes { 0 } else { 2 }
        );
        let unit = |name: &str| {
            batch
                .schema()
                .field_with_name(name)
                .unwrap()
                .metadata()
                .get("unit")
                .cloned()
        };
        assert_eq!(unit("velocity_dispersion_km_s").as_deref(), Some("km/s"));
        assert_eq!(unit("z"), None);

        let pairs = Pair::to_record_batch(&groups.pairs(&survey, &Cosmology::default()).unwrap()).unwrap();
        assert_eq!((pairs.num_rows(), pairs.num_columns()), (1, 10));
        assert_eq!(pairs["second_row"].as_primitive::<UInt32Type>().values(), &[1]);
    }
    assert_eq!(Group::to_record_batch(&[]).unwrap().num_rows(), 0);
}
