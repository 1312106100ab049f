//! radio-io reads tiles, radio-tokenize reads record batches: of the same spectra they have to make the same tokens.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::ArrowPrimitiveType;
use arrow_array::types::{Float32Type, Float64Type, Int32Type};
use arrow_array::{ArrayRef, FixedSizeListArray, Int64Array, PrimitiveArray, RecordBatch};
use arrow_schema::Field;
use parquet::arrow::ArrowWriter;
use radio_io::{ReadOptions, ReadPlan, Reader, TileSlice};
use radio_tokenize::{ArrowColumns, ArrowSpectra, Spectra, TokenBatch, Tokenizer};

const ROWS: usize = 5;
/// Name, first wavelength and pixels of each arm; they overlap by 20 and 30 pixels of 0.8 Å.
const ARMS: [(&str, f64, usize); 3] = [("B", 3600.0, 200), ("R", 3744.0, 150), ("Z", 3840.0, 120)];

/// A number in 0..1 that looks random.
fn noise(seed: usize) -> f64 {
    (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / f64::from(1 << 24)
}

fn lists<T: ArrowPrimitiveType>(pixels: usize, value: impl Fn(usize, usize) -> T::Native) -> ArrayRef {
    let values = (0..ROWS * pixels).map(|i| value(i / pixels, i % pixels));
    let values = PrimitiveArray::<T>::from_iter_values(values);
    let element = Arc::new(Field::new("element", T::DATA_TYPE, false));
    Arc::new(FixedSizeListArray::new(element, pixels as i32, Arc::new(values), None))
}

/// Spectra in three arms: light and noise, holes, masks, and a dead row.
fn arms() -> RecordBatch {
    let mut columns = vec![(
        "targetid".to_owned(),
        Arc::new(Int64Array::from_iter_values(0..ROWS as i64)) as ArrayRef,
    )];
    for (arm, (name, start, pixels)) in ARMS.into_iter().enumerate() {
        let seed = move |row: usize, pixel: usize| (arm * ROWS + row) * 1000 + pixel;
        let ivar = move |row: usize, pixel: usize| match noise(7 * seed(row, pixel)) {
            x if x < 0.1 || row == 3 => 0.0,
            x => 4.0 * x as f32,
        };
        let mask = move |row, pixel| i32::from(noise(11 * seed(row, pixel)) < 0.1) << arm;
        let flux = move |row: usize, pixel| (row as f64 + 3.0 * noise(seed(row, pixel))) as f32;
        columns.push((
            format!("{name}_WAVELENGTH"),
            lists::<Float64Type>(pixels, |_, i| start + 0.8 * i as f64),
        ));
        columns.push((format!("{name}_FLUX"), lists::<Float32Type>(pixels, flux)));
        columns.push((format!("{name}_IVAR"), lists::<Float32Type>(pixels, ivar)));
        columns.push((format!("{name}_MASK"), lists::<Int32Type>(pixels, mask)));
    }
    RecordBatch::try_from_iter(columns).unwrap()
}

/// The tokens of a tile, as radio-io reads it.
fn through_a_tile(batch: &RecordBatch, folder: &Path, tokenizer: &Tokenizer) -> TokenBatch {
    let path = folder.join("arms.parquet");
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    let plan = ReadPlan::from_iter([TileSlice::new(path.to_str().unwrap(), 0..ROWS as u64)]);
    let read = Reader::new(&plan, ReadOptions::default())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let (flux, ivar) = (read.flux_matrix().unwrap(), read.ivar_matrix().unwrap());
    let spectra = Spectra::on_grid(flux, ivar, read.grid().unwrap()).unwrap();
    // What radio-io gives is a record batch, too.
    let record_batch = ArrowSpectra::new(read.record_batch(), &ArrowColumns::default()).unwrap();
    let tokens = tokenizer.tokenize(&spectra.mask(read.mask()).unwrap()).unwrap();
    assert_eq!(tokenizer.tokenize(&record_batch.spectra().unwrap()).unwrap(), tokens);
    tokens
}

#[test]
fn arms_are_joined_alike() {
    let (batch, folder) = (arms(), tempfile::tempdir().unwrap());
    let tokenizer = Tokenizer::new(16);
    let directly = ArrowSpectra::new(&batch, &ArrowColumns::default()).unwrap();
    let directly = tokenizer.tokenize(&directly.spectra().unwrap()).unwrap();
    assert_eq!(directly, through_a_tile(&batch, folder.path(), &tokenizer));
    let good = directly.pixels.iter().filter(|&&good| good).count();
    assert!(good > ROWS * 300, "{good} good pixels");
}
