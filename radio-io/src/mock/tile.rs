//! Tiles of the mock survey: from targets to a Parquet file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::dice::{Dice, Purpose};
use super::instrument::{Exposure, Instrument, PIXELS, add_noise, bad_columns, spoil};
use super::object::Painter;
use super::redshift::{Redshift, measure};
use super::target::{Class, Light, Target};
use crate::Result;
use crate::error::not_written;
use crate::write::Part;

/// Rows that are made and handed to the writer at once: 6 MB.
const BATCH_ROWS: usize = 64;
/// Most rows of a row group: 256 MiB of flux, ivar and mask.
const ROW_GROUP_ROWS: usize = 2_874;
/// The grid, as real tiles state it.
const WAVELENGTH: &str =
    r#"{"unit": "Angstrom", "frame": "vacuum, barycentric", "start": 3600.0, "step": 0.8, "n": 7781}"#;
const FLUX_UNIT: &str = "1e-17 erg / (s cm2 Angstrom)";

/// Everything that tiles of one survey share.
#[derive(Debug)]
pub(super) struct TileMaker {
    seed: u64,
    painter: Painter,
    instrument: Instrument,
    schema: Arc<Schema>,
    properties: WriterProperties,
}

impl TileMaker {
    pub(super) fn new(seed: u64) -> Self {
        let about = format!(
            r#"{{"real": false, "note": "a mock: no telescope saw this", "generator": "radio-io mock", "version": "{}", "seed": {seed}}}"#,
            env!("CARGO_PKG_VERSION"),
        );
        let metadata = [("wavelength", WAVELENGTH), ("flux_unit", FLUX_UNIT), ("mock", &about)];
        Self {
            seed,
            painter: Painter::new(),
            instrument: Instrument::new(),
            schema: Arc::new(schema(metadata)),
            properties: properties(metadata),
        }
    }

    /// Writes the tile of these targets; returns its size in bytes. The file appears when it is complete.
    pub(super) fn write(&self, path: &Path, targets: &[Target]) -> Result<u64> {
        let (part, file) = Part::create(path)?;
        let file = self.encode(file, targets).map_err(not_written(path))?;
        part.complete(&file)
    }

    fn encode(&self, file: File, targets: &[Target]) -> parquet::errors::Result<File> {
        let mut writer = ArrowWriter::try_new(file, Arc::clone(&self.schema), Some(self.properties.clone()))?;
        let pixel = targets.first().map_or(0, |target| target.pixel);
        let mut dice = Dice::new(self.seed, Purpose::Tile, pixel);
        let columns = bad_columns(&mut dice);
        let depth = (0.15 * dice.normal()).exp();
        for chunk in targets.chunks(BATCH_ROWS) {
            writer.write(&self.batch(chunk, &columns, depth)?)?;
        }
        writer.into_inner()
    }

    fn batch(&self, targets: &[Target], columns: &[(usize, usize)], depth: f64) -> Result<RecordBatch, ArrowError> {
        let mut flux = vec![0f32; targets.len() * PIXELS];
        let mut ivar = vec![0f32; targets.len() * PIXELS];
        let mut mask = vec![0i32; targets.len() * PIXELS];
        let spectra = flux.chunks_exact_mut(PIXELS).zip(ivar.chunks_exact_mut(PIXELS));
        let redshifts: Vec<Option<Redshift>> = targets
            .iter()
            .zip(spectra.zip(mask.chunks_exact_mut(PIXELS)))
            .map(|(target, ((flux, ivar), mask))| {
                if target.light == Light::Dead {
                    return None;
                }
                let mut dice = Dice::new(self.seed, Purpose::Spectrum, target.row);
                let redshift = self.observe(target, depth, &mut dice, flux, ivar);
                spoil(flux, ivar, mask, columns, &mut dice);
                redshift
            })
            .collect();

        let light = |value: fn(Light) -> &'static str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(
                targets.iter().map(|target| value(target.light)),
            ))
        };
        let fitted = |value: fn(&Redshift) -> f64| -> ArrayRef {
            Arc::new(
                redshifts
                    .iter()
                    .map(|redshift| redshift.as_ref().map(value))
                    .collect::<Float64Array>(),
            )
        };
        let doubles = |value: fn(&Target) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(targets.iter().map(value)))
        };
        let longs = |value: fn(&Target) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(targets.iter().map(value)))
        };
        let ints = |value: fn(&Target) -> i32| -> ArrayRef {
            Arc::new(Int32Array::from_iter_values(targets.iter().map(value)))
        };
        RecordBatch::try_new(
            Arc::clone(&self.schema),
            vec![
                longs(|target| target.id),
                light(|_| "main"),
                light(Light::objtype),
                // Pixels of this order are below 2^16.
                ints(|target| target.pixel as i32),
                doubles(|target| target.position.ra),
                doubles(|target| target.position.dec),
                fitted(|redshift| redshift.z),
                fitted(|redshift| redshift.error),
                Arc::new(
                    redshifts
                        .iter()
                        .map(|fit| fit.map(|fit| fit.warning))
                        .collect::<Int64Array>(),
                ),
                Arc::new(
                    targets
                        .iter()
                        .map(|target| target.light.spectype())
                        .collect::<StringArray>(),
                ),
                fitted(|redshift| redshift.delta_chi2),
                longs(|target| target.light.desi_target()),
                ints(|target| target.light.fiberstatus()),
                lists(DataType::Float32, Arc::new(Float32Array::from(flux)))?,
                lists(DataType::Float32, Arc::new(Float32Array::from(ivar)))?,
                lists(DataType::Int32, Arc::new(Int32Array::from(mask)))?,
            ],
        )
    }

    /// Exposes a fibre that works: fills in flux with noise, and ivar. Blank sky has no redshift.
    fn observe(
        &self,
        target: &Target,
        depth: f64,
        dice: &mut Dice,
        flux: &mut [f32],
        ivar: &mut [f32],
    ) -> Option<Redshift> {
        let mut exposure = match target.light {
            Light::Object(Class::Bgs | Class::Star) => Exposure::BRIGHT,
            _ => Exposure::DARK,
        };
        // Fibres of a tile differ a little in how well they sit on their targets.
        exposure.depth *= (depth * (0.08 * dice.normal()).exp()) as f32;
        let redshift = if let Light::Object(class) = target.light {
            let from = self.painter.paint(class, target.z, target.clustered, dice, flux);
            self.instrument.ivar(flux, exposure, ivar);
            Some(measure(target.z, flux, ivar, from, dice))
        } else {
            self.instrument.ivar(flux, exposure, ivar);
            None
        };
        add_noise(flux, ivar, dice);
        redshift
    }
}

/// A column of spectra.
fn lists(item: DataType, values: ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(FixedSizeListArray::try_new(
        element(item),
        PIXELS as i32,
        values,
        None,
    )?))
}

/// The field of a list's items. The name is Parquet's own.
fn element(item: DataType) -> FieldRef {
    Arc::new(Field::new("element", item, false))
}

/// The columns of DESI tiles in the flat dialect.
fn schema(metadata: [(&str, &str); 3]) -> Schema {
    let spectrum =
        |name: &str, item: DataType| Field::new(name, DataType::FixedSizeList(element(item), PIXELS as i32), false);
    let fields = vec![
        Field::new("targetid", DataType::Int64, false),
        Field::new("survey", DataType::Utf8, true),
        Field::new("objtype", DataType::Utf8, true),
        Field::new("healpix", DataType::Int32, true),
        Field::new("target_ra", DataType::Float64, true),
        Field::new("target_dec", DataType::Float64, true),
        Field::new("z", DataType::Float64, true),
        Field::new("zerr", DataType::Float64, true),
        Field::new("zwarn", DataType::Int64, true),
        Field::new("spectype", DataType::Utf8, true),
        Field::new("deltachi2", DataType::Float64, true),
        Field::new("desi_target", DataType::Int64, true),
        Field::new("coadd_fiberstatus", DataType::Int32, true),
        spectrum("flux", DataType::Float32),
        spectrum("ivar", DataType::Float32),
        spectrum("mask", DataType::Int32),
    ];
    Schema::new_with_metadata(
        fields,
        metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    )
}

/// How tiles are encoded.
fn properties(metadata: [(&str, &str); 3]) -> WriterProperties {
    let leaf = |column: &str| ColumnPath::from(vec![column.to_owned(), "list".to_owned(), "element".to_owned()]);
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_sorting_columns(Some(vec![SortingColumn {
            column_idx: 0,
            descending: false,
            nulls_first: false,
        }]))
        .set_key_value_metadata(Some(
            metadata
                .map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned()))
                .into(),
        ));
    for column in ["survey", "objtype", "spectype"] {
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(column), true);
    }
    for column in ["flux", "ivar", "mask"] {
        builder = builder.set_column_statistics_enabled(leaf(column), EnabledStatistics::None);
    }
    // Masks are zero nearly everywhere.
    builder.set_column_dictionary_enabled(leaf("mask"), true).build()
}
