//! Real files beside the tiles that were made of them with astropy.

use std::fs::{self, File};
use std::path::PathBuf;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};
use arrow_select::concat::concat_batches;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use radio_io::fits::{FitsFile, FitsOptions, HduKind, Redshifts, catalogue, spectra};

use crate::real::root;

/// DESI's coadds.
const COADDS: [&str; 4] = [
    "coadd-4-80613-thru20210324",
    "coadd-5-169-thru20210419",
    "coadd-special-dark-27247",
    "coadd-sv3-dark-26065",
];

pub(crate) fn tile(path: PathBuf) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

pub(crate) fn read(path: PathBuf, options: &FitsOptions) -> RecordBatch {
    let batches = spectra(path, options).unwrap();
    let (schema, rows) = (batches.schema(), batches.rows());
    let batches: Vec<RecordBatch> = batches.map(Result::unwrap).collect();
    let batch = concat_batches(&schema, &batches).unwrap();
    assert_eq!(batch.num_rows(), rows);
    batch
}

/// The numbers within lists and structs.
fn leaves(array: &ArrayRef) -> Vec<ArrayRef> {
    match array.data_type() {
        DataType::Struct(_) => array.as_struct().columns().iter().flat_map(leaves).collect(),
        // Slices of lists keep the values of others.
        DataType::List(_) => array.as_list::<i32>().iter().map(Option::unwrap).collect(),
        DataType::FixedSizeList(..) => vec![array.as_fixed_size_list().values().clone()],
        _ => vec![array.clone()],
    }
}

/// Floats agree to 1e-6: astropy sums the arms and raises 10 to a power in another order of operations. All else is equal.
#[track_caller]
pub(crate) fn check_column(name: &str, found: &ArrayRef, expected: &ArrayRef) {
    assert_eq!(found.data_type(), expected.data_type(), "{name}");
    let near = |(a, b): (f64, f64)| a == b || (a - b).abs() <= 1e-6 * b.abs() || a.is_nan() && b.is_nan();
    for (found, expected) in leaves(found).iter().zip(&leaves(expected)) {
        let nulls = |array: &ArrayRef| array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        assert_eq!(nulls(found), nulls(expected), "{name}");
        let equal = match found.data_type() {
            DataType::Float32 => {
                let pairs = found
                    .as_primitive::<Float32Type>()
                    .values()
                    .iter()
                    .zip(expected.as_primitive::<Float32Type>().values());
                found.len() == expected.len() && pairs.map(|(a, b)| (f64::from(*a), f64::from(*b))).all(near)
            }
            DataType::Float64 => {
                let (found, expected) = (
                    found.as_primitive::<Float64Type>(),
                    expected.as_primitive::<Float64Type>(),
                );
                let or_zero = |x: Option<f64>| x.unwrap_or_default();
                found.len() == expected.len() && found.iter().map(or_zero).zip(expected.iter().map(or_zero)).all(near)
            }
            _ => found == expected,
        };
        assert!(equal, "{name}: {found:?} is not {expected:?}");
    }
}

/// Names, types and nulls: fields have units in their metadata, which tiles have not.
fn shape(schema: &Schema) -> Vec<(&str, &DataType, bool)> {
    schema
        .fields()
        .iter()
        .map(|f| (f.name().as_str(), f.data_type(), f.is_nullable()))
        .collect()
}

fn without_metadata(batch: &RecordBatch) -> Vec<String> {
    batch
        .columns()
        .iter()
        .map(|column| column.data_type().to_string())
        .collect()
}

#[test]
fn desi_coadds_are_their_tiles() {
    let Some(root) = root() else { return };
    for name in COADDS {
        let tile = tile(root.join(format!("tiles/desi/{name}.parquet")));
        let options = FitsOptions::default().with_batch_rows(2.try_into().unwrap());
        let found = read(root.join(format!("fits/desi/{name}.fits")), &options);
        assert_eq!(shape(&found.schema()), shape(&tile.schema()), "{name}");
        assert_eq!(found.schema().metadata(), tile.schema().metadata(), "{name}");
        assert_eq!(found.num_rows(), tile.num_rows(), "{name}");
        for (field, (found, expected)) in tile
            .schema()
            .fields()
            .iter()
            .zip(found.columns().iter().zip(tile.columns()))
        {
            check_column(field.name(), found, expected);
        }
    }
}

#[test]
fn sdss_spectra_are_their_tiles() {
    let Some(root) = root() else { return };
    let tiles = ["galaxy", "qso", "star"].map(|class| tile(root.join(format!("tiles/sdss/{class}.parquet"))));
    let mut files = 0;
    for entry in fs::read_dir(root.join("fits/sdss")).unwrap() {
        let path = entry.unwrap().path();
        let found = read(path.clone(), &FitsOptions::default());
        let id = found.column(0).as_string::<i32>().value(0);
        let row = tiles.iter().find_map(|tile| {
            let ids = tile.column(0).as_string::<i32>();
            let row = (0..ids.len()).find(|row| ids.value(*row) == id)?;
            Some(tile.slice(row, 1))
        });
        let row = row.unwrap_or_else(|| panic!("{}: no {id}", path.display()));
        assert_eq!(found.schema().metadata(), row.schema().metadata());
        let names = |batch: &RecordBatch| {
            batch
                .schema()
                .fields()
                .iter()
                .map(|f| f.name().clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&found), names(&row));
        for (name, (found, expected)) in names(&row).iter().zip(found.columns().iter().zip(row.columns())) {
            if name == "spectrum" {
                let lists = |array: &ArrayRef| -> Vec<String> {
                    array.as_struct().fields().iter().map(|f| f.name().clone()).collect()
                };
                assert_eq!(lists(found), lists(expected));
                for (found, expected) in found.as_struct().columns().iter().zip(expected.as_struct().columns()) {
                    check_column(name, found, expected);
                }
            } else {
                check_column(name, found, expected);
            }
        }
        assert_eq!(without_metadata(&found)[..8], without_metadata(&row)[..8]);
        files += 1;
    }
    assert_eq!(files, 25);
}

/// Of exposures there is one row each.
#[test]
fn desi_exposures() {
    let Some(root) = root() else { return };
    for (name, coadd) in [("5-169-thru20210419", COADDS[1]), ("sv3-dark-26065", COADDS[3])] {
        let options = FitsOptions::default().with_columns(["EXPID"]);
        let found = read(root.join(format!("fits/desi/spectra-{name}.fits")), &options);
        let tile = tile(root.join(format!("tiles/desi/{coadd}.parquet")));
        assert_eq!(shape(&found.schema())[..16], shape(&tile.schema()));
        assert_eq!(found.num_rows(), 5);
        assert_eq!(found.schema().field(16).name(), "EXPID");
        let ids = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(ids(&found), ids(&tile));
        let status = found["coadd_fiberstatus"].as_primitive::<Int32Type>();
        assert_eq!(status.null_count(), 0);
        assert_eq!(found["z"].null_count(), 5);
    }
}

#[test]
fn redshifts_are_where_one_says() {
    let Some(root) = root() else { return };
    let coadd = root.join(format!("fits/desi/{}.fits", COADDS[2]));
    let z = |options: FitsOptions| read(coadd.clone(), &options)["z"].clone();
    assert_eq!(z(FitsOptions::default()).null_count(), 0);
    let mut none = FitsOptions::default();
    none.redshifts = Redshifts::None;
    assert_eq!(z(none).null_count(), 1);
    // Those of another tile have other ids.
    let other = root.join("fits/desi/redrock-4-80613-thru20210324.fits");
    assert_eq!(z(FitsOptions::default().with_redshifts(other)).null_count(), 1);
    let missing = spectra(&coadd, &FitsOptions::default().with_redshifts("redrock-nowhere.fits")).unwrap_err();
    assert_eq!(missing.to_string(), "could not use redrock-nowhere.fits");
}

#[test]
fn catalogues() {
    let Some(root) = root() else { return };
    let one = |path: &str, options: &FitsOptions| {
        let batches = catalogue(root.join(path), options).unwrap();
        let schema = batches.schema();
        concat_batches(&schema, &batches.map(Result::unwrap).collect::<Vec<_>>()).unwrap()
    };
    let found = one(
        "fits/desi/redrock-special-dark-27247.fits",
        &FitsOptions::default().with_columns(["CHI2", "SUBTYPE"]),
    );
    let tile = tile(root.join("tiles/desi/coadd-special-dark-27247.parquet"));
    for (field, (found, expected)) in tile.schema().fields()[..13]
        .iter()
        .zip(found.columns().iter().zip(tile.columns()))
    {
        check_column(field.name(), found, expected);
    }
    assert_eq!(
        (found.num_columns(), found.schema().field(14).name().as_str()),
        (15, "SUBTYPE")
    );

    // No ids: other columns are there all the same.
    let path = "catalogs/sdss_dr7_vollim.fits";
    if !fs::exists(root.join(path)).unwrap() {
        return;
    }
    let options = FitsOptions::default().with_batch_rows(10_000.try_into().unwrap());
    let found = one(path, &options);
    assert_eq!(found.num_rows(), 120_606);
    assert_eq!(found["targetid"].null_count(), 120_606);
    for column in ["z", "target_ra", "target_dec", "healpix"] {
        assert_eq!(found[column].null_count(), 0, "{column}");
    }
}

#[test]
fn any_image_and_table() {
    let Some(root) = root() else { return };
    let file = FitsFile::open(root.join(format!("fits/desi/{}.fits", COADDS[3]))).unwrap();
    let resolution = file.image::<f32>("b_resolution").unwrap();
    assert_eq!(resolution.shape(), [5, 11, 2751]);
    let shape = vec![5, 11, 2751];
    assert_eq!(file.hdu("B_RESOLUTION").unwrap().kind(), &HduKind::Image { shape });
    let fibres = file.table("FIBERMAP", &[]).unwrap();
    assert_eq!(
        (fibres.num_rows(), fibres.schema().field(0).name().as_str()),
        (5, "TARGETID")
    );
    assert_eq!(file.hdus()[0].card("SURVEY"), Some("sv3"));
    let error = file.image::<f32>("BRZ_FLUX").unwrap_err().to_string();
    assert!(
        error.contains("no HDU of the name BRZ_FLUX; there are PRIMARY, FIBERMAP"),
        "{error}"
    );
    let error = file.image::<i32>("B_FLUX").unwrap_err().to_string();
    assert!(
        error.ends_with("pixels are stored as BITPIX -32, expected integers of at most 32 bits"),
        "{error}"
    );
}
