//! Spectra from record batches, tokens to and from them.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int32Type, Int64Type, UInt8Type, UInt32Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int64Array, LargeListArray,
    ListArray, PrimitiveArray, RecordBatch, StructArray, UInt64Array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Schema};
use ndarray::{Array2, ArrayView2};
use proptest::prelude::*;
use radio_tokenize::{
    ArrowColumns, ArrowSpectra, FloatFormat, Normalize, RowFormat, Spectra, TokenBatch, TokenFormat, Tokenizer,
};

use crate::support::{Sample, check_invariants, tame, tokenizers, wild};

const FORMATS: [(FloatFormat, RowFormat); 4] = [
    (FloatFormat::F32, RowFormat::Padded),
    (FloatFormat::F32, RowFormat::Ragged),
    (FloatFormat::F16, RowFormat::Padded),
    (FloatFormat::F16, RowFormat::Ragged),
];

fn format((floats, rows): (FloatFormat, RowFormat)) -> TokenFormat {
    TokenFormat::default().with_floats(floats).with_rows(rows)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    List,
    Large,
    Fixed,
}

/// Lists of one column, where a value or a whole row can be null.
#[derive(Clone, Debug)]
struct Column<T> {
    rows: Vec<Vec<Option<T>>>,
    null: Vec<bool>,
}

impl<T: Copy> Column<T> {
    /// Rows without nulls, one after the other.
    fn new(offsets: &[usize], values: &[T]) -> Self {
        let rows = offsets.windows(2);
        let rows: Vec<Vec<_>> = rows
            .map(|e| values[e[0]..e[1]].iter().copied().map(Some).collect())
            .collect();
        Self {
            null: vec![false; rows.len()],
            rows,
        }
    }

    /// Puts a row before all others.
    fn with_first(mut self, row: Vec<Option<T>>) -> Self {
        self.rows.insert(0, row);
        self.null.insert(0, false);
        self
    }

    /// What is null holds something all the same, as Arrow allows.
    fn array<A: ArrowPrimitiveType<Native = T>>(&self, kind: Kind) -> ArrayRef {
        let offsets = OffsetBuffer::from_lengths(self.rows.iter().map(Vec::len));
        let large = OffsetBuffer::from_lengths(self.rows.iter().map(Vec::len));
        let values: ArrayRef = Arc::new(self.rows.iter().flatten().copied().collect::<PrimitiveArray<A>>());
        let field = Arc::new(Field::new("item", values.data_type().clone(), true));
        let nulls = self
            .null
            .contains(&true)
            .then(|| self.null.iter().map(|null| !null).collect::<NullBuffer>());
        match kind {
            Kind::List => Arc::new(ListArray::new(field, offsets, values, nulls)),
            Kind::Large => Arc::new(LargeListArray::new(field, large, values, nulls)),
            Kind::Fixed => {
                let size = self.rows.first().map_or(0, Vec::len) as i32;
                let rows = self.rows.len();
                Arc::new(FixedSizeListArray::try_new_with_length(field, size, values, nulls, rows).unwrap())
            }
        }
    }
}

/// The four columns of spectra, and what one should read in them.
#[derive(Clone, Debug)]
struct Table {
    flux: Column<f32>,
    ivar: Column<f32>,
    mask: Column<i32>,
    wavelength: Column<f64>,
    expected: Sample,
}

impl Table {
    /// Makes some pixels and rows null; `seed` says which.
    fn new(sample: &Sample, seed: u64) -> Self {
        let mut table = Self {
            flux: Column::new(&sample.offsets, &sample.flux),
            ivar: Column::new(&sample.offsets, &sample.ivar),
            mask: Column::new(&sample.offsets, &sample.mask),
            wavelength: Column::new(&sample.offsets, &sample.wavelength),
            expected: sample.clone(),
        };
        let mut random = seed;
        let mut draw = |n: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % n
        };
        for row in 0..sample.rows() {
            for pixel in 0..sample.offsets[row + 1] - sample.offsets[row] {
                match draw(12) {
                    0 => table.flux.rows[row][pixel] = None,
                    1 => table.ivar.rows[row][pixel] = None,
                    2 => table.mask.rows[row][pixel] = None,
                    _ => continue,
                }
                table.expected.mask[sample.offsets[row] + pixel] = 1;
            }
            match draw(12) {
                0 => table.flux.null[row] = true,
                1 => table.ivar.null[row] = true,
                2 => table.mask.null[row] = true,
                _ => {}
            }
        }
        table
    }

    fn has_null(&self, row: usize) -> bool {
        self.flux.null[row] || self.ivar.null[row] || self.mask.null[row] || self.wavelength.null[row]
    }

    fn columns(&self, kind: Kind) -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("flux", self.flux.array::<Float32Type>(kind)),
            ("ivar", self.ivar.array::<Float32Type>(kind)),
            ("mask", self.mask.array::<Int32Type>(kind)),
            ("z", Arc::new(Float64Array::from(self.expected.redshift.clone()))),
            ("lambda", self.wavelength.array::<Float64Type>(kind)),
        ]
    }

    /// What should be read where each row has its grid.
    fn ragged(&self) -> Sample {
        let mut rows = self.expected.only_rows(|row| !self.has_null(row));
        rows.redshift.clone_from(&self.expected.redshift);
        rows
    }
}

impl Sample {
    /// The same rows, empty where they are not kept.
    fn only_rows(&self, keep: impl Fn(usize) -> bool) -> Self {
        let mut kept = Self::new(&vec![vec![]; self.rows()]);
        kept.offsets.truncate(1);
        for row in 0..self.rows() {
            if keep(row) {
                let row = self.only(row);
                kept.flux.extend(row.flux);
                kept.ivar.extend(row.ivar);
                kept.mask.extend(row.mask);
                kept.wavelength.extend(row.wavelength);
            }
            kept.offsets.push(kept.flux.len());
        }
        kept
    }
}

fn batch_of(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn with_grid(mut batch: RecordBatch, pixels: usize) -> RecordBatch {
    let grid = format!(r#"{{"start": 3600.0, "step": 0.8, "n": {pixels}}}"#);
    batch.schema_metadata_mut().insert("wavelength".into(), grid);
    batch
}

/// The wavelengths that [`with_grid`] gives.
fn grid(pixels: usize) -> Vec<f64> {
    (0..pixels).map(|i| 3600.0 + i as f64 * 0.8).collect()
}

/// All columns but `z` in a struct `spectrum`, of which some rows are null.
fn in_struct(columns: Vec<(&'static str, ArrayRef)>, null: &[bool]) -> Vec<(&'static str, ArrayRef)> {
    let (outside, inside): (Vec<_>, Vec<_>) = columns.into_iter().partition(|(name, _)| *name == "z");
    let field = |(name, array): (&str, ArrayRef)| (Arc::new(Field::new(name, array.data_type().clone(), true)), array);
    let (fields, arrays): (Vec<_>, Vec<_>) = inside.into_iter().map(field).unzip();
    let nulls = null.iter().map(|null| !null).collect::<NullBuffer>();
    let array = StructArray::new(fields.into(), arrays, Some(nulls));
    [("spectrum", Arc::new(array) as ArrayRef)]
        .into_iter()
        .chain(outside)
        .collect()
}

/// Tokens of a record batch, with redshifts where there are any.
fn tokens(tokenizer: &Tokenizer, batch: &RecordBatch) -> TokenBatch {
    let format = TokenFormat::default();
    let tokens = tokenizer
        .tokenize_record_batch(batch, &ArrowColumns::default(), &format)
        .unwrap();
    assert_eq!(tokens.num_rows(), batch.num_rows());
    TokenBatch::from_record_batch(&tokens).unwrap()
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::List, Kind::Large, Kind::Fixed])
}

proptest! {
    #![proptest_config(crate::support::fixed())]

    #[test]
    fn ragged_columns_are_ragged_spectra(
        sample in prop_oneof![tame(0..=40), wild()], seed: u64, tokenizer in tokenizers(), large: bool, in_a_struct: bool,
    ) {
        let kind = if large { Kind::Large } else { Kind::List };
        let mut table = Table::new(&sample, seed);
        for (row, null) in table.wavelength.null.iter_mut().enumerate() {
            *null = (seed >> (8 + row)) & 7 == 0;
        }
        let mut columns = table.columns(kind);
        if in_a_struct {
            let null: Vec<bool> = (0..sample.rows() as u64).map(|row| (seed >> row) & 7 == 7).collect();
            columns = in_struct(columns, &null);
            for (all, null) in table.flux.null.iter_mut().zip(null) {
                *all |= null;
            }
        }
        let found = tokens(&tokenizer, &batch_of(columns));
        prop_assert_eq!(found, tokenizer.tokenize(&table.ragged().spectra()).unwrap());
    }

    #[test]
    fn a_slice_is_its_rows(sample in tame(0..=40), seed: u64, tokenizer in tokenizers(), large: bool) {
        let kind = if large { Kind::Large } else { Kind::List };
        let table = Table::new(&sample, seed);
        let batch = batch_of(table.columns(kind));
        for from in 0..=sample.rows() {
            let slice = batch.slice(from, (sample.rows() - from).min(2));
            let to = from + slice.num_rows();
            let all = table.ragged();
            let mut expected = all.only_rows(|row| (from..to).contains(&row));
            expected.offsets.drain(to + 1..);
            expected.offsets.drain(..from);
            expected.redshift = all.redshift[from..to].to_vec();
            let found = tokens(&tokenizer, &slice);
            prop_assert_eq!(found, tokenizer.tokenize(&expected.spectra()).unwrap());
        }
    }

    #[test]
    fn columns_on_a_grid_are_a_matrix(
        sample in (0_usize..40).prop_flat_map(|pixels| tame(pixels..=pixels)),
        seed: u64, tokenizer in tokenizers(), kind in kinds(), sliced: bool, in_a_struct: bool,
    ) {
        let rows = sample.rows();
        let pixels = sample.flux.len().checked_div(rows).unwrap_or(5);
        let mut table = Table::new(&sample, seed);
        let nulls: Vec<bool> = (0..rows).map(|row| table.has_null(row)).collect();
        if sliced {
            table.flux = table.flux.with_first(vec![Some(9.0); pixels]);
            table.ivar = table.ivar.with_first(vec![Some(9.0); pixels]);
            table.mask = table.mask.with_first(vec![None; pixels]);
            table.wavelength = table.wavelength.with_first(vec![None; pixels]);
            table.expected.redshift.insert(0, 9.0);
        }
        // Fixed lists cannot tell their length without a row.
        let kind = if rows == 0 { Kind::List } else { kind };
        let mut columns = table.columns(kind);
        columns.pop();
        if in_a_struct {
            columns = in_struct(columns, &vec![false; rows + usize::from(sliced)]);
        }
        let batch = with_grid(batch_of(columns), pixels).slice(usize::from(sliced), rows);
        let mut mask = sample.mask.clone();
        for (mask, expected) in mask.iter_mut().zip(&table.expected.mask) {
            *mask |= expected;
        }
        for row in (0..rows).filter(|row| nulls[*row]) {
            mask[row * pixels..(row + 1) * pixels].fill(1);
        }
        let view = |values| ArrayView2::from_shape((rows, pixels), values).unwrap();
        let wavelength = grid(pixels);
        let spectra = Spectra::on_grid(view(&sample.flux), view(&sample.ivar), &wavelength).unwrap();
        let spectra = spectra.mask(&mask).unwrap().redshift(&sample.redshift).unwrap();
        prop_assert_eq!(tokens(&tokenizer, &batch), tokenizer.tokenize(&spectra).unwrap());
    }

    #[test]
    fn tokens_come_back(sample in prop_oneof![tame(0..=40), wild()], tokenizer in tokenizers(), has_ivar: bool) {
        let spectra = Spectra::flux_ragged(&sample.offsets, &sample.flux, &sample.wavelength).unwrap();
        let spectra = spectra.redshift(&sample.redshift).unwrap();
        let has_ivar = has_ivar || matches!(tokenizer.to_string(), text if text.contains("weighted-mean"));
        let spectra = if has_ivar { sample.spectra() } else { spectra };
        let before = tokenizer.tokenize(&spectra).unwrap();
        for form in FORMATS {
            let format = format(form);
            let schema = before.arrow_schema(&format).unwrap();
            let batch = before.clone().into_record_batch(&format).unwrap();
            prop_assert_eq!(&*batch.schema(), &schema);
            for column in batch.columns() {
                prop_assert_eq!(column.logical_null_count(), 0);
            }
            let after = TokenBatch::from_record_batch(&batch).unwrap();
            if form.0 == FloatFormat::F32 {
                prop_assert_eq!(&after, &before);
                continue;
            }
            check_close(&after, &before);
            let again = TokenBatch::from_record_batch(&after.clone().into_record_batch(&format).unwrap()).unwrap();
            prop_assert_eq!(again, after);
        }
    }

    #[test]
    fn a_slice_of_tokens_comes_back(sample in tame(0..=40), tokenizer in tokenizers()) {
        // Rows of a slice have all tokens of the batch.
        let all = tokenizer.tokenize(&sample.spectra()).unwrap();
        let tokenizer = tokenizer.min_tokens(all.values.dim().1);
        for rows in [RowFormat::Padded, RowFormat::Ragged] {
            let format = TokenFormat::default().with_rows(rows);
            let all = tokenizer.tokenize(&sample.spectra()).unwrap().into_record_batch(&format).unwrap();
            for i in 0..sample.rows() {
                let one = TokenBatch::from_record_batch(&all.slice(i, 1)).unwrap();
                prop_assert_eq!(one, tokenizer.tokenize(&sample.only(i).spectra()).unwrap());
            }
        }
    }

    #[test]
    fn arms_are_joined(arms in arms(), tokenizer in tokenizers(), kind in kinds(), sliced: bool) {
        let rows = arms[0].flux.rows.len();
        let skip = usize::from(sliced && rows > 1);
        let names = ["B", "R", "Z"];
        let mut columns = vec![("z".to_owned(), Arc::new(Float64Array::from(vec![0.1; rows])) as ArrayRef)];
        for (arm, name) in arms.iter().zip(names) {
            columns.push((format!("{name}_WAVELENGTH"), arm.wavelength.array::<Float64Type>(kind)));
            columns.push((format!("{name}_FLUX"), arm.flux.array::<Float32Type>(kind)));
            columns.push((format!("{name}_IVAR"), arm.ivar.array::<Float32Type>(kind)));
            columns.push((format!("{name}_MASK"), arm.mask.array::<Int32Type>(kind)));
        }
        let batch = batch_of(columns.iter().map(|(name, array)| (name.as_str(), array.clone())).collect());
        let batch = batch.slice(skip, rows - skip);
        let pixels = arms.iter().map(|arm| arm.first + arm.flux.rows[0].len()).max().unwrap();
        let joined: Vec<_> = (skip..rows).flat_map(|row| (0..pixels).map(move |pixel| (row, pixel)))
            .map(|(row, pixel)| join(&arms, row, pixel)).collect();
        let matrix = |values: Vec<f32>| Array2::from_shape_vec((rows - skip, pixels), values).unwrap();
        let flux = matrix(joined.iter().map(|pixel| pixel.0).collect());
        let ivar = matrix(joined.iter().map(|pixel| pixel.1).collect());
        let mask: Vec<i32> = joined.iter().map(|pixel| pixel.2).collect();
        let (wavelength, redshift) = (grid(pixels), vec![0.1; rows - skip]);
        let spectra = Spectra::on_grid(flux.view(), ivar.view(), &wavelength).unwrap();
        let spectra = spectra.mask(&mask).unwrap().redshift(&redshift).unwrap();
        prop_assert_eq!(tokens(&tokenizer, &batch), tokenizer.tokenize(&spectra).unwrap());
    }
}

/// Half floats, to the documented precision.
#[track_caller]
fn check_close(after: &TokenBatch, before: &TokenBatch) {
    check_invariants(after);
    let mut same = after.clone();
    same.values.clone_from(&before.values);
    same.errors.clone_from(&before.errors);
    assert_eq!(&same, before);
    let close = |after: f32, before: f32| (after - before).abs() <= (before.abs() / 2048.0).max(2_f32.powi(-25));
    for (after, before) in after.values.iter().zip(&before.values) {
        assert!(
            close(*after, before.clamp(-65504.0, 65504.0)),
            "{before} became {after}"
        );
    }
    for (after, before) in after.errors.iter().zip(&before.errors) {
        let kept = if *before > 0.0 {
            before.clamp(2_f32.powi(-24), 65504.0)
        } else {
            0.0
        };
        assert!(close(*after, kept), "{before} became {after}");
    }
}

#[derive(Clone, Debug)]
struct Arm {
    first: usize,
    wavelength: Column<f64>,
    flux: Column<f32>,
    ivar: Column<f32>,
    mask: Column<i32>,
}

/// Three arms of spectra on a common grid, which overlap or leave a gap; the second has null rows, but not all.
fn arms() -> impl Strategy<Value = Vec<Arm>> {
    let pixel = (
        -9.0..9.0_f32,
        prop_oneof![Just(0.0_f32), Just(-1.0), 0.1..9.0_f32],
        0..8_i32,
    );
    let shape = (1_usize..4, [2_usize..9, 1..9, 1..9], [0_usize..12, 0..20]);
    shape.prop_flat_map(move |(rows, pixels, first)| {
        let size = rows * pixels.iter().sum::<usize>();
        let values = prop::collection::vec(pixel.clone(), size);
        (values, prop::collection::vec(any::<bool>(), rows)).prop_map(move |(values, mut null)| {
            null[0] &= rows < 2;
            if rows < 3 {
                null.fill(false);
            }
            // The row that a slice begins with may be null.
            let mut values = values.into_iter();
            let firsts = [0, first[0], first[1]];
            let arms = firsts.into_iter().zip(pixels).enumerate();
            arms.map(|(number, (first, pixels))| {
                let offsets: Vec<usize> = (0..=rows).map(|row| row * pixels).collect();
                let values: Vec<_> = values.by_ref().take(rows * pixels).collect();
                let wavelength: Vec<f64> = grid(first + pixels)[first..].repeat(rows);
                let mut flux = Column::new(&offsets, &values.iter().map(|pixel| pixel.0).collect::<Vec<_>>());
                if number == 1 && null[1..].contains(&false) {
                    flux.null.clone_from(&null);
                }
                Arm {
                    first,
                    wavelength: Column::new(&offsets, &wavelength),
                    flux,
                    ivar: Column::new(&offsets, &values.iter().map(|pixel| pixel.1).collect::<Vec<_>>()),
                    mask: Column::new(&offsets, &values.iter().map(|pixel| pixel.2).collect::<Vec<_>>()),
                }
            })
            .collect()
        })
    })
}

/// Flux, inverse variance and mask of a pixel that several arms may see.
fn join(arms: &[Arm], row: usize, pixel: usize) -> (f32, f32, i32) {
    let of_arm = |arm: &Arm| {
        let pixel = pixel.checked_sub(arm.first).filter(|_| !arm.flux.null[row])?;
        let flux = (*arm.flux.rows[row].get(pixel)?)?;
        Some((flux, arm.ivar.rows[row][pixel]?, arm.mask.rows[row][pixel]?))
    };
    let seen: Vec<(f32, f32, i32)> = arms.iter().filter_map(of_arm).collect();
    let good = || seen.iter().filter(|(_, ivar, _)| *ivar > 0.0);
    let weight: f64 = good().map(|(_, ivar, _)| f64::from(*ivar)).sum();
    let weighted: f64 = good().map(|(flux, ivar, _)| f64::from(*flux) * f64::from(*ivar)).sum();
    if weight > 0.0 {
        ((weighted / weight) as f32, weight as f32, 0)
    } else {
        (0.0, 0.0, seen.iter().fold(0, |bits, (_, _, mask)| bits | mask))
    }
}

/// One row, 4 pixels, on a grid; the second pixel is masked.
fn one_row() -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("flux", list::<Float32Type>(&[1.0, 2.0, 3.0, 4.0])),
        ("ivar", list::<Float32Type>(&[1.0; 4])),
        ("mask", list::<Int32Type>(&[0, 1, 0, 0])),
        ("targetid", Arc::new(Int64Array::from(vec![7]))),
    ]
}

fn list<T: ArrowPrimitiveType>(values: &[T::Native]) -> ArrayRef {
    Column::new(&[0, values.len()], values).array::<T>(Kind::List)
}

fn one_row_with(name: &'static str, array: ArrayRef) -> RecordBatch {
    let mut columns = one_row();
    columns.retain(|(other, _)| *other != name);
    columns.push((name, array));
    with_grid(batch_of(columns), 4)
}

fn tokenize(batch: &RecordBatch, columns: &ArrowColumns) -> radio_tokenize::Result<RecordBatch> {
    Tokenizer::new(2).tokenize_record_batch(batch, columns, &TokenFormat::default())
}

#[track_caller]
fn check_error<T: Debug>(result: radio_tokenize::Result<T>, message: &str) {
    assert_eq!(result.unwrap_err().to_string(), message);
}

#[track_caller]
fn check_refused(batch: &RecordBatch, message: &str) {
    check_error(tokenize(batch, &ArrowColumns::default()), message);
}

#[test]
fn types_are_converted() {
    let expected = tokenize(&with_grid(batch_of(one_row()), 4), &ArrowColumns::default()).unwrap();
    #[track_caller]
    fn check(expected: &RecordBatch, name: &'static str, array: ArrayRef) {
        let found = tokenize(&one_row_with(name, array), &ArrowColumns::default()).unwrap();
        assert_eq!(found.columns(), expected.columns());
    }
    let half = [1.0, 2.0, 3.0, 4.0].map(<Float16Type as ArrowPrimitiveType>::Native::from_f32);
    check(&expected, "flux", list::<Float16Type>(&half));
    check(&expected, "flux", list::<Float64Type>(&[1.0, 2.0, 3.0, 4.0]));
    check(&expected, "ivar", list::<Float64Type>(&[1.0; 4]));
    check(&expected, "mask", list::<UInt8Type>(&[0, 128, 0, 0]));
    check(&expected, "mask", list::<UInt32Type>(&[0, 1 << 31, 0, 0]));
    check(&expected, "mask", list::<Int64Type>(&[0, 1 << 40, 0, 0]));
    let bits: ArrayRef = Arc::new(BooleanArray::from(vec![false, true, false, false]));
    let field = Arc::new(Field::new("item", DataType::Boolean, true));
    check(
        &expected,
        "mask",
        Arc::new(FixedSizeListArray::new(field, 4, bits, None)),
    );
    // What overflows f32 is bad, like what is masked.
    check(&expected, "flux", list::<Float64Type>(&[1.0, 1e300, 3.0, 4.0]));
}

#[test]
fn columns_that_are_no_spectra_are_kept() {
    let mut batch = with_grid(batch_of(one_row()), 4);
    batch
        .schema_metadata_mut()
        .insert("flux_unit".into(), "1e-17 erg / (Angstrom cm2 s)".into());
    let tokens = tokenize(&batch, &ArrowColumns::default()).unwrap();
    let schema = tokens.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names[..3], ["targetid", "values", "errors"]);
    assert_eq!(tokens.column(0), batch.column(3));
    assert_eq!(schema.metadata()["wavelength"], batch.schema().metadata()["wavelength"]);
    let unit = |name| schema.field_with_name(name).unwrap().metadata().get("unit").cloned();
    assert_eq!(unit("scale").unwrap(), "1e-17 erg / (Angstrom cm2 s)");
    assert_eq!(unit("offset"), unit("scale"));
    assert_eq!(unit("wavelength").unwrap(), "Angstrom");
    assert_eq!(unit("values"), None);
}

#[test]
fn spectra_without_inverse_variance_have_to_be_said_to_be_so() {
    let mut columns = one_row();
    columns.remove(1);
    let batch = with_grid(batch_of(columns), 4);
    check_refused(
        &batch,
        "column \"ivar\": not found (looked for ivar, IVAR, spectrum.ivar); \
         name it in ArrowColumns::ivar, or set ArrowColumns::flux_only if there is none",
    );
    let tokens = tokenize(&batch, &ArrowColumns::default().with_flux_only()).unwrap();
    assert!(tokens.column_by_name("errors").is_none());
    let tokens = TokenBatch::from_record_batch(&tokens).unwrap();
    assert_eq!(tokens.errors.dim(), (1, 2, 0));
    assert_eq!(tokens.valid_fraction.row(0).to_vec(), [0.5, 1.0]);
}

#[test]
fn what_is_missing_is_named() {
    let mut columns = one_row();
    columns.remove(0);
    check_refused(
        &with_grid(batch_of(columns), 4),
        "column \"flux\": not found (looked for flux, FLUX, spectrum.flux); name it in ArrowColumns::flux",
    );
    check_refused(
        &batch_of(one_row()),
        "key \"wavelength\" of the schema's metadata: not there, and no column has wavelengths; \
         expected {\"start\": 3600.0, \"step\": 0.8, \"n\": 7781}, in Å, \
         or name the column of wavelengths in ArrowColumns::wavelength",
    );
    let tokenizer = Tokenizer::new(2).normalize(Normalize::RestFrameMedian { from: 1.0, to: 2.0 });
    let batch = with_grid(batch_of(one_row()), 4);
    check_error(
        tokenizer.tokenize_record_batch(&batch, &ArrowColumns::default(), &TokenFormat::default()),
        "column \"redshift\": not found (looked for z, Z, Z_BEST); \
         the normalisation needs it: name it in ArrowColumns::redshift",
    );
}

#[test]
fn what_does_not_fit_is_named() {
    check_refused(
        &with_grid(batch_of(one_row()), 5),
        "column \"flux\", row 0: a list of 4, but the wavelength grid of the schema's metadata has 5 pixels",
    );
    check_refused(
        &one_row_with("ivar", list::<Float32Type>(&[1.0])),
        "column \"ivar\", row 0: a list of 1, but the wavelength grid of the schema's metadata has 4 pixels",
    );
    check_refused(
        &one_row_with("lambda", list::<Float64Type>(&[1.0])),
        "column \"lambda\", row 0: a list of 1, but column \"flux\" has 4 pixels",
    );
    check_refused(
        &one_row_with("lambda", list::<Float64Type>(&[1.0, 2.0, f64::NAN, 4.0])),
        "wavelength NaN at row 0, pixel 2: wavelengths must be finite",
    );
    check_refused(
        &one_row_with("flux", list::<Int64Type>(&[1, 2, 3, 4])),
        "column \"flux\": its values are Int64, expected Float32, Float64 or Float16",
    );
    check_refused(
        &one_row_with("mask", list::<Float32Type>(&[0.0; 4])),
        "column \"mask\": its values are Float32, expected any type of integer, or Boolean",
    );
    check_refused(
        &one_row_with("flux", Arc::new(Float32Array::from(vec![1.0]))),
        "column \"flux\": its type is Float32, expected lists (List, LargeList or FixedSizeList) of \
         Float32, Float64 or Float16",
    );
    check_refused(
        &one_row_with("snr", Arc::new(Float32Array::from(vec![1.0]))),
        "column \"snr\": the tokens have a column of this name; rename this one or leave it out",
    );
}

/// One row of arms, the second of them with these wavelengths in the second row.
fn two_rows_of_arms(wavelength: [f64; 2]) -> RecordBatch {
    let offsets = [0, 2, 4];
    let column = |values: [f32; 4]| Column::new(&offsets, &values).array::<Float32Type>(Kind::Fixed);
    let [a, b] = wavelength;
    let mut columns = vec![];
    for (arm, wavelength) in [("B", [1.0, 2.0, 1.0, 2.0]), ("R", [2.0, 3.0, a, b])] {
        let wavelength = Column::new(&offsets, &wavelength).array::<Float64Type>(Kind::Fixed);
        columns.push((format!("{arm}_WAVELENGTH"), wavelength));
        columns.push((format!("{arm}_FLUX"), column([1.0; 4])));
        columns.push((format!("{arm}_IVAR"), column([1.0; 4])));
    }
    batch_of(
        columns
            .iter()
            .map(|(name, array)| (name.as_str(), array.clone()))
            .collect(),
    )
}

#[test]
fn arms_must_be_on_one_grid() {
    let columns = ArrowColumns::default().with_arms(["B", "R"]);
    let tokens = tokenize(&two_rows_of_arms([2.009, 3.0]), &columns).unwrap();
    assert_eq!(
        tokens.schema().metadata()["wavelength"],
        r#"{"n":3,"start":1.0,"step":1.0}"#
    );
    assert!(tokens.schema().index_of("B_FLUX").is_err());
    check_error(
        tokenize(&two_rows_of_arms([2.0, 3.011]), &columns),
        "column \"R_WAVELENGTH\", row 1: pixel 1 is at 3.011 Å, which is not on the grid of the first row that there is, \
         1 Å + i · 1 Å; arms are joined where all rows have one grid",
    );
    check_error(
        tokenize(&two_rows_of_arms([2.0, 3.0]), &ArrowColumns::default()),
        "column \"Z_WAVELENGTH\": not found, but there are other columns of the arms B, R, Z; \
         name them in ArrowColumns::arms",
    );
    check_error(
        tokenize(&two_rows_of_arms([2.0, 3.0]), &columns.clone().with_flux_only()),
        "column \"B_IVAR\": arms are joined by their inverse variance, so ArrowColumns::flux_only cannot be set",
    );
    let none = tokenize(&two_rows_of_arms([2.0, 3.0]).slice(0, 0), &columns).unwrap();
    assert_eq!(none.num_rows(), 0);
}

#[test]
fn floats_move_into_columns_and_are_not_copied() {
    let sample = Sample::row(&[1.0, 2.0, 3.0], &[1.0; 3]);
    let tokens = Tokenizer::new(2).tokenize(&sample.spectra()).unwrap();
    let (values, wavelength) = (tokens.values.as_ptr(), tokens.wavelength.as_ptr());
    let batch = tokens.into_record_batch(&TokenFormat::default()).unwrap();
    let inner = |name: &str| {
        batch
            .column_by_name(name)
            .unwrap()
            .as_fixed_size_list()
            .values()
            .clone()
    };
    let found = inner("values")
        .as_fixed_size_list()
        .values()
        .as_primitive::<Float32Type>()
        .values()
        .as_ptr();
    assert_eq!(found, values);
    assert_eq!(
        inner("wavelength").as_primitive::<Float64Type>().values().as_ptr(),
        wavelength
    );
}

/// A type in the words of the documentation.
fn in_words(data_type: &DataType, has_tokens: bool) -> String {
    match data_type {
        DataType::Float16 => "float".into(),
        DataType::FixedSizeList(field, 3) if has_tokens => format!("pixels of {}", in_words(field.data_type(), true)),
        DataType::FixedSizeList(field, _) | DataType::List(field) => {
            assert_eq!((field.name().as_str(), field.is_nullable()), ("element", false));
            format!("tokens of {}", in_words(field.data_type(), true))
        }
        other => other.to_string(),
    }
}

#[test]
fn the_documented_table_is_the_schema() {
    let lines = include_str!("../../src/arrow/format.rs").lines();
    let table = lines.filter_map(|line| line.strip_prefix("/// | `")).map(|line| {
        let cells: Vec<&str> = line.split(" | ").collect();
        let unit = cells[3].trim_end_matches('|').trim();
        (
            cells[0].trim_end_matches('`').to_owned(),
            cells[1].to_owned(),
            unit.to_owned(),
        )
    });
    let table: Vec<_> = table.collect();
    let sample = Sample::row(&[1.0; 7], &[1.0; 7]);
    for normalize in [Normalize::Median, Normalize::PatchMedian] {
        let tokens = Tokenizer::new(3)
            .normalize(normalize)
            .min_tokens(5)
            .tokenize(&sample.spectra())
            .unwrap();
        let scaling = if normalize == Normalize::Median {
            ""
        } else {
            "tokens of "
        };
        for rows in [RowFormat::Padded, RowFormat::Ragged] {
            let format = TokenFormat::default().with_floats(FloatFormat::F16).with_rows(rows);
            let schema = tokens.arrow_schema(&format).unwrap();
            let found = schema.fields().iter().map(|field| {
                assert!(!field.is_nullable());
                let unit = field.metadata().get("unit").cloned().unwrap_or_default();
                (field.name().clone(), in_words(field.data_type(), false), unit)
            });
            let expected = table.iter().cloned().map(|(name, words, unit)| {
                let unit = if unit == "that of the flux" {
                    String::new()
                } else {
                    unit
                };
                (name, words.replace("scaling of ", scaling), unit)
            });
            assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }
}

/// Tokens of one spectrum of 7 pixels.
fn written() -> RecordBatch {
    let sample = Sample::row(&[1.0; 7], &[1.0; 7]);
    let tokens = Tokenizer::new(3).tokenize(&sample.spectra()).unwrap();
    tokens.into_record_batch(&TokenFormat::default()).unwrap()
}

#[track_caller]
fn check_unread(metadata: &[(&str, &str)], message: &str) {
    let mut batch = written();
    for (key, value) in metadata {
        batch.schema_metadata_mut().insert((*key).into(), (*value).into());
    }
    check_error(TokenBatch::from_record_batch(&batch), message);
}

#[test]
fn tokens_without_their_tokenizer_are_refused() {
    let mut batch = written();
    batch.schema_metadata_mut().clear();
    check_error(
        TokenBatch::from_record_batch(&batch),
        "key \"radio.tokenizer\" of the schema's metadata: not there; were these tokens written by radio-tokenize, \
         and have the schema's metadata been kept?",
    );
    check_unread(
        &[("radio.tokenizer", r#"{"patch": 0}"#)],
        "key \"radio.tokenizer\" of the schema's metadata: it is no tokenizer: \
         option patch is 0, expected 1 to 65536 pixels",
    );
    let other = Tokenizer::new(4);
    check_unread(
        &[("radio.tokenizer", r#"{"patch": 4}"#)],
        &format!(
            "key \"radio.tokenizer.fingerprint\" of the schema's metadata: it is {}, but {other} has {}: the tokens \
             were made by another version of radio-tokenize, or the metadata were changed; make them anew",
            Tokenizer::new(3).fingerprint(),
            other.fingerprint()
        ),
    );
    check_unread(
        &[
            ("radio.tokenizer", r#"{"patch": 4}"#),
            ("radio.tokenizer.fingerprint", &other.fingerprint()),
        ],
        "column \"values\": its values are FixedSizeList(3 x non-null Float32, field: 'element'), \
         expected FixedSizeList of 4",
    );
}

#[track_caller]
fn check_column(name: &str, array: Option<ArrayRef>, message: &str) {
    let batch = written();
    let schema = batch.schema();
    let mut columns = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if field.name() != name {
            columns.push((field.name().as_str(), column.clone()));
        }
    }
    columns.extend(array.map(|array| (name, array)));
    let changed = batch_of(columns);
    let schema = changed
        .schema()
        .as_ref()
        .clone()
        .with_metadata(schema.metadata().clone());
    check_error(
        TokenBatch::from_record_batch(&changed.with_schema(Arc::new(schema)).unwrap()),
        message,
    );
}

#[test]
fn columns_that_are_no_tokens_are_refused() {
    check_column(
        "pixels",
        None,
        "column \"pixels\": not found; tokens have all columns that TokenFormat lists",
    );
    check_column(
        "snr",
        Some(list::<Float32Type>(&[1.0])),
        "column \"snr\", row 0: a list of 1, but column \"valid\" has 3 tokens",
    );
    check_column(
        "snr",
        Some(list::<Int32Type>(&[1, 2, 3])),
        "column \"snr\": its values are Int32, expected Float32, Float64 or Float16",
    );
    check_column(
        "snr",
        Some(Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>([Some([
            Some(1.0),
            None,
            None,
        ])]))),
        "column \"snr\", row 0: a value is null, which tokens never are",
    );
    check_column(
        "lengths",
        Some(Arc::new(UInt64Array::from(vec![10]))),
        "column \"valid\", row 0: a list of 3, but a spectrum of 10 pixels has 4 tokens",
    );
    check_column(
        "lengths",
        Some(Arc::new(UInt64Array::from(vec![None]))),
        "column \"lengths\", row 0: it is null, which tokens never are",
    );
    check_column(
        "flags",
        Some(Arc::new(Int64Array::from(vec![0]))),
        "column \"flags\": its type is Int64, expected UInt32",
    );
}

#[test]
fn arrays_that_do_not_fit_are_not_written() {
    let sample = Sample::row(&[1.0; 7], &[1.0; 7]);
    let mut tokens = Tokenizer::new(3).tokenize(&sample.spectra()).unwrap();
    tokens.valid = Array2::default((1, 2));
    check_error(
        tokens.into_record_batch(&TokenFormat::default()),
        "valid has shape [1, 2], expected [1, 3]",
    );
}

#[test]
fn arrays_of_any_layout_are_written() {
    let sample = Sample::new(&[vec![(1.0, 1.0, 0); 7], vec![(2.0, 1.0, 0); 7]]);
    let tokens = Tokenizer::new(3).tokenize(&sample.spectra()).unwrap();
    let mut turned = tokens.clone();
    turned.wavelength = turned.wavelength.t().to_owned().reversed_axes();
    let batch = turned.into_record_batch(&TokenFormat::default()).unwrap();
    assert_eq!(TokenBatch::from_record_batch(&batch).unwrap(), tokens);
}

#[test]
fn spectra_are_shared_with_their_batch() {
    let batch = with_grid(batch_of(one_row()), 4);
    let spectra = ArrowSpectra::new(&batch, &ArrowColumns::default()).unwrap();
    drop(batch);
    assert_eq!(spectra.spectra().unwrap().rows(), 1);
    assert_eq!(spectra.clone().spectra().unwrap().rows(), 1);
}
