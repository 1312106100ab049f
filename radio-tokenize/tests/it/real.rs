//! DESI and SDSS spectra as they are: dead fibres, sky, and ragged rows.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{ArrayRef, RecordBatch};
use ndarray::Axis;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use radio_tokenize::{ArrowColumns, ArrowSpectra, RowFormat, TokenBatch, TokenFormat, Tokenizer, flag};

use crate::support::check_invariants;

/// All rows of the tiles of a folder, a batch for each; nothing, loudly, where it is missing.
fn read(folder: &str) -> Vec<RecordBatch> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let root = std::env::var_os("RADIO_REAL_DATA").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let folder = root.join(folder);
    if !folder.is_dir() {
        // Past the test harness, which keeps the output of a test that passes to itself.
        let message = format!("SKIPPED no real data at {} (set RADIO_REAL_DATA)\n", folder.display());
        std::io::stderr().write_all(message.as_bytes()).unwrap();
        return Vec::new();
    }
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.collect();
    paths.sort();
    let batches = paths.iter().flat_map(|path| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        let metadata = reader.schema().metadata().clone();
        // Parquet's reader leaves the metadata of the file out.
        reader.build().unwrap().map(move |batch| {
            let mut batch = batch.unwrap();
            batch.schema_metadata_mut().extend(metadata.clone());
            batch
        })
    });
    batches.collect()
}

/// Flux, inverse variance and mask, row after row, straight from the columns.
fn columns(batch: &RecordBatch) -> (Vec<f32>, Vec<f32>, Vec<bool>) {
    let values = |name: &str| -> ArrayRef {
        let column = match batch.column_by_name("spectrum") {
            Some(spectrum) => spectrum.as_struct().column_by_name(name),
            None => batch.column_by_name(name),
        };
        match column.unwrap().as_fixed_size_list_opt() {
            Some(lists) => lists.values().clone(),
            None => column.unwrap().as_list::<i32>().values().clone(),
        }
    };
    let floats = |name| values(name).as_primitive::<Float32Type>().values().to_vec();
    let mask = values("mask");
    let mask = match mask.as_boolean_opt() {
        Some(mask) => mask.values().iter().collect(),
        None => mask
            .as_primitive::<Int32Type>()
            .values()
            .iter()
            .map(|bits| *bits != 0)
            .collect(),
    };
    (floats("flux"), floats("ivar"), mask)
}

/// The numbers of rows that are dead, and of those that are not but have no valid token.
fn check(batch: &RecordBatch) -> (usize, usize) {
    let tokenizer = Tokenizer::default();
    let spectra = ArrowSpectra::new(batch, &ArrowColumns::default()).unwrap();
    let tokens = tokenizer.tokenize(&spectra.spectra().unwrap()).unwrap();
    // All numbers are finite, a token is valid if half of its pixels are good.
    check_invariants(&tokens);
    for rows in [RowFormat::Padded, RowFormat::Ragged] {
        let format = TokenFormat::default().with_rows(rows);
        let written = tokenizer
            .tokenize_record_batch(batch, &ArrowColumns::default(), &format)
            .unwrap();
        assert_eq!(TokenBatch::from_record_batch(&written).unwrap(), tokens);
    }
    let pixels = tokenizer.detokenize(&tokens).unwrap();
    let (flux, ivar, mask) = columns(batch);
    assert_eq!(pixels.flux.len(), flux.len());
    for i in 0..flux.len() {
        let is_good = ivar[i] > 0.0 && !mask[i];
        assert_eq!(pixels.good[i], is_good, "pixel {i}");
        let (flux, ivar) = if is_good { (flux[i], ivar[i]) } else { (0.0, 0.0) };
        assert!(pixels.flux[i].to_bits().abs_diff(flux.to_bits()) <= 1, "flux {flux}");
        assert!((pixels.ivar[i] - ivar).abs() <= 2_f32.powi(-21) * ivar, "ivar {ivar}");
    }
    let snr = tokens.spectrum_snr().unwrap();
    let (mut dead, mut masked) = (0, 0);
    for row in 0..batch.num_rows() {
        for k in 0..tokenizer.tokens(tokens.lengths[row]) {
            let (from, to) = (tokens.wavelength_min[[row, k]], tokens.wavelength_max[[row, k]]);
            assert!(3500.0 < from && from < to && to < 10_500.0, "{from} to {to}");
        }
        let has_valid = tokens.valid.row(row).iter().any(|valid| *valid);
        if tokens.flags[row] & flag::DEAD != 0 {
            assert!(!has_valid);
            assert_eq!((snr[row], tokens.scale[[row, 0]]), (0.0, 1.0));
            dead += 1;
            continue;
        }
        masked += usize::from(!has_valid);
        // All that are not dead have light.
        assert_eq!(tokens.flags[row], 0);
        assert!((0.3..50.0).contains(&snr[row]), "S/N {}", snr[row]);
        let (values, good) = (
            tokens.values.index_axis(Axis(0), row),
            tokens.pixels.index_axis(Axis(0), row),
        );
        let good = values.iter().zip(good).filter(|(_, good)| **good);
        let mut good: Vec<f32> = good.map(|(value, _)| *value).collect();
        good.sort_by(f32::total_cmp);
        // Of an even number it is the mean of two.
        let (below, above) = (good[(good.len() - 1) / 2], good[good.len() / 2]);
        assert!(
            below - 1e-6 <= 1.0 && 1.0 <= above + 1e-6,
            "median of {below} and {above}"
        );
    }
    (dead, masked)
}

/// As [`check`], of all batches.
fn check_all(batches: &[RecordBatch]) -> [usize; 3] {
    let mut all = [0; 3];
    for batch in batches {
        let (dead, masked) = check(batch);
        for (sum, more) in all.iter_mut().zip([batch.num_rows(), dead, masked]) {
            *sum += more;
        }
    }
    all
}

#[test]
fn desi_rows() {
    let batches = read("tiles/desi");
    if !batches.is_empty() {
        assert_eq!(check_all(&batches), [12, 7, 0]);
    }
}

#[test]
fn sdss_rows() {
    let batches = read("tiles/sdss");
    if !batches.is_empty() {
        // Two have a mask that leaves a few pixels only.
        assert_eq!(check_all(&batches), [25, 0, 2]);
    }
}
