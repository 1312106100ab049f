//! DESI spectra as they are: dead fibres, sky, and few rows.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{FixedSizeListArray, RecordBatch};
use ndarray::Array3;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use radio_models::{AnomalyScorer, ConvAutoencoderConfig, Score, Trainer, TrainerOptions};

use crate::common::{Batch, device, good};

const PIXELS: usize = 7781;
const PATCH: usize = 32;
const TOKENS: usize = PIXELS.div_ceil(PATCH);

fn folder() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let folder = std::env::var_os("RADIO_REAL_DATA").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let folder = folder.join("tiles/desi");
    if folder.is_dir() {
        return Some(folder);
    }
    // Past the test harness, which keeps the output of a test that passes to itself.
    let message = format!("SKIPPED no real data at {} (set RADIO_REAL_DATA)\n", folder.display());
    std::io::stderr().write_all(message.as_bytes()).unwrap();
    None
}

fn list<'a>(batch: &'a RecordBatch, name: &str) -> &'a FixedSizeListArray {
    batch.column_by_name(name).unwrap().as_fixed_size_list()
}

/// All rows of all tiles, divided by the median of their good pixels (or 1 where that is not above 0).
fn tokens(folder: &PathBuf) -> Batch {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let (mut ids, mut rows) = (Vec::new(), Vec::new());
    for path in paths {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap())
            .unwrap()
            .build()
            .unwrap();
        for batch in reader.map(Result::unwrap) {
            let id = batch.columns()[batch.schema().index_of("targetid").unwrap()]
                .as_primitive::<Int64Type>()
                .clone();
            for row in 0..batch.num_rows() {
                let flux = list(&batch, "flux")
                    .value(row)
                    .as_primitive::<Float32Type>()
                    .values()
                    .to_vec();
                let ivar = list(&batch, "ivar")
                    .value(row)
                    .as_primitive::<Float32Type>()
                    .values()
                    .to_vec();
                ids.push(id.value(row));
                rows.push((flux, ivar));
            }
        }
    }
    let mut values = Array3::zeros((rows.len(), TOKENS, PATCH));
    let mut errors = Array3::zeros((rows.len(), TOKENS, PATCH));
    for (row, (flux, ivar)) in rows.iter().enumerate() {
        assert_eq!((flux.len(), ivar.len()), (PIXELS, PIXELS));
        let mut sorted: Vec<f32> = flux
            .iter()
            .zip(ivar)
            .filter(|(_, ivar)| **ivar > 0.0)
            .map(|(flux, _)| *flux)
            .collect();
        sorted.sort_by(f32::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(1.0);
        let scale = if median > 0.0 { median } else { 1.0 };
        for pixel in (0..PIXELS).filter(|&pixel| ivar[pixel] > 0.0) {
            let at = [row, pixel / PATCH, pixel % PATCH];
            values[at] = flux[pixel] / scale;
            errors[at] = ivar[pixel].sqrt().recip() / scale;
        }
    }
    Batch {
        ids,
        ..Batch::new(values, errors)
    }
}

#[test]
fn desi_spectra_can_be_learned_and_scored() {
    let Some(folder) = folder() else { return };
    let batch = tokens(&folder);
    let config = ConvAutoencoderConfig::new(TOKENS, PATCH)
        .with_width(8)
        .with_hidden(64)
        .with_latent(8);
    let model = config.init(&device()).unwrap();
    let mut trainer = Trainer::new(TrainerOptions::default().with_steps(150), model).unwrap();
    let losses: Vec<f32> = (0..150)
        .filter_map(|_| trainer.step(&batch.tokens()).unwrap())
        .collect();
    assert!(losses[149] < 0.5 * losses[0], "{} {}", losses[0], losses[149]);
    let scores = AnomalyScorer::new(trainer.finish()).score(&batch.tokens()).unwrap();
    assert_eq!(scores.rows.len(), batch.ids.len());
    for (row, score) in scores.rows.iter().enumerate() {
        let alive = (0..PIXELS).any(|pixel| good(&batch, [row, pixel / PATCH, pixel % PATCH]));
        assert_eq!(score.flags, if alive { 0 } else { Score::DEAD }, "row {row}");
        assert_eq!(score.score.is_some(), alive, "row {row}");
        assert_eq!(score.targetid, batch.ids[row]);
    }
    assert!(
        scores.rows.iter().any(|row| row.flags == Score::DEAD),
        "DESI tiles hold dead fibres"
    );
}
