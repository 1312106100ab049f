//! One pass over the key columns of the leaves: is each row where it should be, and whose neighbour is it?

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, Float64Array, RecordBatch};
use arrow_schema::DataType;

use super::leaf::Leaf;
use super::map::Counts;
use super::margin::Ring;
use super::{HEALPIX_29, healpix_29};
use crate::Result;

/// Reads pixel and position of each row of the leaf `number`, and enters them in the counts and the margins.
pub(super) fn scan(
    leaf: &Leaf,
    number: usize,
    [ra, dec]: [&str; 2],
    counts: &mut Counts,
    rings: &mut [Ring<'_>],
) -> Result<()> {
    let (mut first, mut last) = (0, i64::MIN);
    for batch in leaf.read(&[HEALPIX_29, ra, dec])? {
        let batch = batch?;
        let (pixels, ra_deg, dec_deg) = (
            column(leaf, &batch, HEALPIX_29, &DataType::Int64)?,
            column(leaf, &batch, ra, &DataType::Float64)?,
            column(leaf, &batch, dec, &DataType::Float64)?,
        );
        for (name, column) in [(HEALPIX_29, &pixels), (ra, &ra_deg), (dec, &dec_deg)] {
            if column.null_count() > 0
                && let Some(row) = (0..column.len()).find(|&row| column.is_null(row))
            {
                return Err(leaf.value(first + row as u64, name, "is null: positions have to be known".into()));
            }
        }
        let pixels = pixels.as_primitive::<Int64Type>();
        let (ra_deg, dec_deg): (&Float64Array, &Float64Array) = (
            ra_deg.as_primitive::<Float64Type>(),
            dec_deg.as_primitive::<Float64Type>(),
        );
        let positions = ra_deg.values().iter().zip(dec_deg.values());
        for ((&pixel, (&ra_deg, &dec_deg)), row) in pixels.values().iter().zip(positions).zip(first..) {
            let own = healpix_29(ra_deg, dec_deg).ok_or_else(|| {
                let (name, value) = if ra_deg.is_finite() {
                    (dec, dec_deg)
                } else {
                    (ra, ra_deg)
                };
                leaf.value(row, name, format!("is {value}: no position on the sky, in degrees"))
            })?;
            if pixel != own {
                let reason = format!("is {pixel}, but {own} is the pixel of ra {ra_deg}, dec {dec_deg}");
                return Err(leaf.value(row, HEALPIX_29, reason));
            }
            if pixel < last {
                let reason = format!("{pixel} comes after {last}: sort the rows");
                return Err(leaf.value(row, HEALPIX_29, reason));
            }
            last = pixel;
            let pixel = pixel.unsigned_abs();
            let partition = leaf.partition;
            if !(partition.start()..partition.end()).contains(&pixel) {
                let (order, wrong) = (partition.order, pixel >> partition.shift());
                return Err(leaf.value(row, HEALPIX_29, format!("lies in pixel {wrong} of order {order}")));
            }
            counts.add(pixel);
            rings.iter_mut().for_each(|ring| ring.add(number, pixel, row));
        }
        first += batch.num_rows() as u64;
    }
    rings.iter_mut().for_each(Ring::end_leaf);
    Ok(())
}

fn column(leaf: &Leaf, batch: &RecordBatch, name: &str, data_type: &DataType) -> Result<arrow_array::ArrayRef> {
    let column = batch
        .column_by_name(name)
        .map(|column| arrow_cast::cast(column, data_type));
    match column {
        Some(Ok(column)) => Ok(column),
        _ => Err(leaf.column(name, format!("cannot be read as {data_type}"))),
    }
}
