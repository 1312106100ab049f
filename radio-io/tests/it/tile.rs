//! Small tiles of all dialects, written with the stock writer.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, Int32Builder, ListBuilder};
use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use radio_io::{ReadPlan, TileSlice};

/// Pixels of a flat test tile.
pub(crate) const PIXELS: usize = 5;
pub(crate) const GRID: &str = r#"{"start": 4000.0, "step": 2.0, "n": 5}"#;

/// Writes a batch as a tile with row groups of `group_rows` rows.
pub(crate) fn write(path: &Path, batch: &RecordBatch, group_rows: usize) -> PathBuf {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group_rows))
        .build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    path.to_owned()
}

/// A flat tile with these ids; pixel `p` of id `i` has flux `i + p / 10`, ivar `i`, and mask 1 where `p = 2`.
pub(crate) fn flat(ids: &[i64], grid: Option<&str>) -> RecordBatch {
    let element = |data_type| Arc::new(Field::new("element", data_type, false));
    let length = PIXELS as i32;
    let floats = || FixedSizeListBuilder::new(Float32Builder::new(), length).with_field(element(DataType::Float32));
    let mut mask = FixedSizeListBuilder::new(Int32Builder::new(), length).with_field(element(DataType::Int32));
    let (mut flux, mut ivar) = (floats(), floats());
    for &id in ids {
        for pixel in 0..PIXELS {
            flux.values().append_value(id as f32 + pixel as f32 / 10.0);
            ivar.values().append_value(id as f32);
            mask.values().append_value(i32::from(pixel == 2));
        }
        flux.append(true);
        ivar.append(true);
        mask.append(true);
    }
    let z = Float64Array::from_iter(ids.iter().map(|&id| (id % 2 == 0).then_some(id as f64 / 100.0)));
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("targetid", Arc::new(Int64Array::from(ids.to_vec())), false),
        ("z", Arc::new(z), true),
        ("flux", Arc::new(flux.finish()), false),
        ("ivar", Arc::new(ivar.finish()), false),
        ("mask", Arc::new(mask.finish()), false),
    ];
    with_metadata(RecordBatch::try_from_iter_with_nullable(columns).unwrap(), grid)
}

fn with_metadata(batch: RecordBatch, grid: Option<&str>) -> RecordBatch {
    let metadata = grid.map(|grid| ("wavelength".to_owned(), grid.to_owned()));
    let schema = Schema::new_with_metadata(batch.schema().fields().clone(), metadata.into_iter().collect());
    batch.with_schema(Arc::new(schema)).unwrap()
}

/// A struct tile: row `i` has the wavelengths 5000, 5001, … and as many pixels as `flux[i]`; ids are strings.
pub(crate) fn ragged(ids: &[&str], flux: &[Vec<Option<f32>>]) -> RecordBatch {
    let lists = |value: fn(usize, Option<f32>) -> Option<f32>| -> ArrayRef {
        let rows = flux
            .iter()
            .map(|row| Some(row.iter().enumerate().map(|(p, x)| value(p, *x)).collect::<Vec<_>>()));
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
    };
    let mut mask = ListBuilder::new(arrow_array::builder::BooleanBuilder::new());
    for row in flux {
        row.iter()
            .for_each(|x| mask.values().append_value(x.is_some_and(|x| x < 0.0)));
        mask.append(true);
    }
    let field = |name: &str, array: &ArrayRef| Field::new(name, array.data_type().clone(), true);
    let parts: Vec<(&str, ArrayRef)> = vec![
        ("flux", lists(|_, x| x)),
        ("ivar", lists(|_, x| x.map(|_| 4.0))),
        ("lambda", lists(|pixel, _| Some(5000.0 + pixel as f32))),
        ("mask", Arc::new(mask.finish())),
    ];
    let fields: Fields = parts.iter().map(|(name, array)| field(name, array)).collect();
    let spectrum = StructArray::new(fields, parts.into_iter().map(|part| part.1).collect(), None);
    let star: BooleanArray = ids.iter().map(|id| Some(id.ends_with('7'))).collect();
    RecordBatch::try_from_iter([
        ("object_id", Arc::new(StringArray::from(ids.to_vec())) as ArrayRef),
        ("spectrum", Arc::new(spectrum)),
        ("star", Arc::new(star)),
    ])
    .unwrap()
}

/// All rows of some tiles.
pub(crate) fn plan<'a>(tiles: impl IntoIterator<Item = (&'a Path, u64)>) -> ReadPlan {
    tiles
        .into_iter()
        .map(|(path, rows)| TileSlice::new(path.to_str().unwrap(), 0..rows))
        .collect()
}

/// A tile of two arms, on the grid 4000, 4002, …: B has 4 pixels, R has 3 from the fourth on. Flux is the id in B and twice the id
/// in R, ivar 1 and 3, and the mask of pixel 1 of B is 8. In the last row ivar is 0.
pub(crate) fn arms(ids: &[i64]) -> RecordBatch {
    let lists = |pixels: usize, value: &dyn Fn(usize, usize) -> f32| -> ArrayRef {
        let rows = (0..ids.len()).map(|row| Some((0..pixels).map(|p| Some(value(row, p))).collect::<Vec<_>>()));
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
    };
    let mask = |pixels: usize, bits: i32| -> ArrayRef {
        let rows = ids.iter().map(|_| {
            Some(
                (0..pixels)
                    .map(|p| Some(if p == 1 { bits } else { 0 }))
                    .collect::<Vec<_>>(),
            )
        });
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows))
    };
    let ivar = |row: usize, good: f32| if row + 1 == ids.len() { 0.0 } else { good };
    RecordBatch::try_from_iter([
        ("TARGETID", Arc::new(Int64Array::from(ids.to_vec())) as ArrayRef),
        ("B_WAVELENGTH", lists(4, &|_, p| 4000.0 + 2.0 * p as f32)),
        ("B_FLUX", lists(4, &|row, _| ids[row] as f32)),
        ("B_IVAR", lists(4, &|row, _| ivar(row, 1.0))),
        ("B_MASK", mask(4, 8)),
        ("R_WAVELENGTH", lists(3, &|_, p| 4006.0 + 2.0 * p as f32)),
        ("R_FLUX", lists(3, &|row, _| 2.0 * ids[row] as f32)),
        ("R_IVAR", lists(3, &|row, _| ivar(row, 3.0))),
        ("R_MASK", mask(3, 0)),
    ])
    .unwrap()
}
