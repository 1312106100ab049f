//! Tables as record batches.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use ndarray::ArrayView1;

use crate::error::{Error, Result, check_length};
use crate::pairs::Pair;
use crate::properties::Group;

/// A column's name, unit and values. No value is null unless there is a null.
struct Column(&'static str, &'static str, ArrayRef);

/// The columns `targetid` and `group_id` (-1 outside every group): what an index records.
///
/// # Errors
///
/// [`Error::Length`] unless there is an id for each label.
///
/// # Examples
///
/// ```
/// use ndarray::array;
///
/// let batch = radio_fof::labels_to_record_batch(&[39_627_000, 39_627_001], array![0, -1].view())?;
/// assert_eq!((batch.num_rows(), batch.schema().field(1).name().as_str()), (2, "group_id"));
/// # Ok::<(), radio_fof::Error>(())
/// ```
#[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
pub fn labels_to_record_batch(ids: &[i64], labels: ArrayView1<'_, i64>) -> Result<RecordBatch> {
    check_length("targetid", ids.len(), "label", labels.len())?;
    batch(vec![
        Column("targetid", "", Arc::new(Int64Array::from(ids.to_vec()))),
        Column("group_id", "", Arc::new(labels.iter().copied().collect::<Int64Array>())),
    ])
}

impl Group {
    /// A column for each property, named like it, with its unit in the field's metadata.
    ///
    /// # Errors
    ///
    /// Only Arrow's own.
    pub fn to_record_batch(groups: &[Self]) -> Result<RecordBatch> {
        let float = |name, unit, of: fn(&Self) -> f64| {
            let values: Float64Array = groups.iter().map(|group| Some(of(group))).collect();
            Column(name, unit, Arc::new(values) as ArrayRef)
        };
        let maybe = |name, unit, of: fn(&Self) -> Option<f64>| {
            Column(
                name,
                unit,
                Arc::new(groups.iter().map(of).collect::<Float64Array>()) as ArrayRef,
            )
        };
        let count = |name, of: fn(&Self) -> Option<u32>| {
            Column(
                name,
                "",
                Arc::new(groups.iter().map(of).collect::<UInt32Array>()) as ArrayRef,
            )
        };
        let ids: Int64Array = groups.iter().map(|group| Some(group.group_id)).collect();
        batch(vec![
            Column("group_id", "", Arc::new(ids)),
            count("size", |g| Some(g.size)),
            count("centre_row", |g| Some(g.centre_row)),
            float("ra", "deg", |g| g.ra),
            float("dec", "deg", |g| g.dec),
            float("z", "", |g| g.z),
            float("distance_mpc", "Mpc", |g| g.distance_mpc),
            float("r50_mpc", "Mpc", |g| g.r50_mpc),
            float("r68_mpc", "Mpc", |g| g.r68_mpc),
            float("r100_mpc", "Mpc", |g| g.r100_mpc),
            float("velocity_dispersion_km_s", "km/s", |g| g.velocity_dispersion_km_s),
            float("velocity_error_km_s", "km/s", |g| g.velocity_error_km_s),
            float("dynamical_mass_msun", "solMass", |g| g.dynamical_mass_msun),
            float("virial_mass_msun", "solMass", |g| g.virial_mass_msun),
            float("light_ra", "deg", |g| g.light_ra),
            float("light_dec", "deg", |g| g.light_dec),
            count("brightest_row", |g| g.brightest_row),
            maybe("absolute_magnitude", "mag", |g| g.absolute_magnitude),
            maybe("luminosity_lsun", "solLum", |g| g.luminosity_lsun),
        ])
    }
}

impl Pair {
    /// A column for each property, named like it, with its unit in the field's metadata.
    ///
    /// # Errors
    ///
    /// Only Arrow's own.
    pub fn to_record_batch(pairs: &[Self]) -> Result<RecordBatch> {
        let float = |name, unit, of: fn(&Self) -> f64| {
            let values: Float64Array = pairs.iter().map(|pair| Some(of(pair))).collect();
            Column(name, unit, Arc::new(values) as ArrayRef)
        };
        let row = |name, which: usize| {
            let values: UInt32Array = pairs.iter().map(|pair| Some(pair.rows[which])).collect();
            Column(name, "", Arc::new(values) as ArrayRef)
        };
        let ids: Int64Array = pairs.iter().map(|pair| Some(pair.group_id)).collect();
        let magnitudes: Float64Array = pairs.iter().map(|pair| pair.absolute_magnitude).collect();
        batch(vec![
            Column("group_id", "", Arc::new(ids)),
            row("first_row", 0),
            row("second_row", 1),
            float("separation_arcsec", "arcsec", |p| p.separation_arcsec),
            float("projected_mpc", "Mpc", |p| p.projected_mpc),
            float("velocity_difference_km_s", "km/s", |p| p.velocity_difference_km_s),
            float("ra", "deg", |p| p.ra),
            float("dec", "deg", |p| p.dec),
            float("z", "", |p| p.z),
            Column("absolute_magnitude", "mag", Arc::new(magnitudes)),
        ])
    }
}

fn batch(columns: Vec<Column>) -> Result<RecordBatch> {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .into_iter()
        .map(|Column(name, unit, values)| {
            let data_type: DataType = values.data_type().clone();
            // Only magnitudes and what follows from them can be missing.
            let is_nullable = ["brightest_row", "absolute_magnitude", "luminosity_lsun"].contains(&name);
            let field = Field::new(name, data_type, is_nullable);
            let unit = (!unit.is_empty()).then(|| ("unit".to_owned(), unit.to_owned()));
            (field.with_metadata(unit.into_iter().collect()), values)
        })
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|e| Error::Arrow { message: e.to_string() })
}
