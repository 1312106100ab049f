//! Small tiles, written with the stock writer.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

/// One row of a test tile.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) targetid: i64,
    pub(crate) ra: f64,
    pub(crate) dec: f64,
    pub(crate) z: Option<f64>,
    pub(crate) zwarn: Option<i64>,
    pub(crate) spectype: Option<&'static str>,
    pub(crate) objtype: &'static str,
}

impl Row {
    pub(crate) fn galaxy(targetid: i64, z: f64) -> Self {
        let spectype = Some("GALAXY");
        Self {
            targetid,
            ra: 10.0,
            dec: 20.0,
            z: Some(z),
            zwarn: Some(0),
            spectype,
            objtype: "TGT",
        }
    }

    pub(crate) fn dead(targetid: i64) -> Self {
        Self {
            targetid,
            ra: 10.0,
            dec: 20.0,
            z: None,
            zwarn: None,
            spectype: None,
            objtype: "",
        }
    }
}

/// Writes a tile with row groups of `group_rows` rows; `flux` is a list, so that there is something not to open.
pub(crate) fn write(path: &Path, rows: &[Row], group_rows: usize) -> PathBuf {
    let schema = parse_message_type(
        "message schema {
            required int64 targetid; required double target_ra; required double target_dec; optional double z;
            optional int64 zwarn; optional binary spectype (STRING); required binary objtype (STRING);
            required group flux (LIST) { repeated group list { required float element; } }
        }",
    );
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut file =
        SerializedFileWriter::new(File::create(path).unwrap(), Arc::new(schema.unwrap()), properties).unwrap();
    for rows in rows.chunks(group_rows) {
        let text = |x: &str| ByteArray::from(x.as_bytes().to_vec());
        let mut group = file.next_row_group().unwrap();
        column::<Int64Type>(&mut group, rows.iter().map(|r| Some(r.targetid)));
        column::<DoubleType>(&mut group, rows.iter().map(|r| Some(r.ra)));
        column::<DoubleType>(&mut group, rows.iter().map(|r| Some(r.dec)));
        column::<DoubleType>(&mut group, rows.iter().map(|r| r.z));
        column::<Int64Type>(&mut group, rows.iter().map(|r| r.zwarn));
        column::<ByteArrayType>(&mut group, rows.iter().map(|r| r.spectype.map(text)));
        column::<ByteArrayType>(&mut group, rows.iter().map(|r| Some(text(r.objtype))));
        let mut flux = group.next_column().unwrap().unwrap();
        let levels: Vec<i16> = (0..2 * rows.len()).map(|i| i16::from(i % 2 == 1)).collect();
        let values = vec![0.5; levels.len()];
        flux.typed::<FloatType>()
            .write_batch(&values, Some(&vec![1; levels.len()]), Some(&levels))
            .unwrap();
        flux.close().unwrap();
        group.close().unwrap();
    }
    file.close().unwrap();
    path.to_owned()
}

/// Writes a tile of galaxies whose redshifts are of single precision, with few columns.
pub(crate) fn write_single_precision(path: &Path, rows: i64) {
    let schema = "message schema { required int64 targetid; required double target_ra; required double target_dec; optional float z; }";
    write_columns(path, schema, |group| {
        let ids = 0..rows;
        column::<Int64Type>(group, ids.clone().map(Some));
        column::<DoubleType>(group, ids.clone().map(|_| Some(10.0)));
        column::<DoubleType>(group, ids.clone().map(|_| Some(20.0)));
        column::<FloatType>(group, ids.map(|_| Some(0.1)));
    });
}

/// A row with every key column.
#[derive(Clone, Debug)]
pub(crate) struct Full {
    pub(crate) z: f64,
    pub(crate) zwarn: Option<i64>,
    pub(crate) objtype: Option<&'static str>,
    pub(crate) desi_target: Option<i64>,
    pub(crate) deltachi2: Option<f64>,
    pub(crate) fiberstatus: Option<i32>,
    pub(crate) primary: Option<bool>,
    pub(crate) survey: &'static str,
    pub(crate) program: &'static str,
}

impl Default for Full {
    fn default() -> Self {
        Self {
            z: 0.5,
            zwarn: Some(0),
            objtype: Some("TGT"),
            desi_target: Some(0),
            deltachi2: None,
            fiberstatus: Some(0),
            primary: Some(true),
            survey: "main",
            program: "dark",
        }
    }
}

/// Writes a tile as a zcatalog spells its columns; the id of a row is its number.
pub(crate) fn write_full(path: &Path, rows: &[Full]) {
    let schema = "message schema {
        required int64 TARGETID; optional double Z; optional int64 ZWARN; optional binary OBJTYPE (STRING);
        optional int64 DESI_TARGET; optional double DELTACHI2; optional int32 COADD_FIBERSTATUS;
        optional boolean ZCAT_PRIMARY; optional binary SURVEY (STRING); optional binary PROGRAM (STRING);
    }";
    write_columns(path, schema, |group| {
        let text = |x: &str| ByteArray::from(x.as_bytes().to_vec());
        column::<Int64Type>(group, (0..rows.len() as i64).map(Some));
        column::<DoubleType>(group, rows.iter().map(|r| Some(r.z)));
        column::<Int64Type>(group, rows.iter().map(|r| r.zwarn));
        column::<ByteArrayType>(group, rows.iter().map(|r| r.objtype.map(text)));
        column::<Int64Type>(group, rows.iter().map(|r| r.desi_target));
        column::<DoubleType>(group, rows.iter().map(|r| r.deltachi2));
        column::<Int32Type>(group, rows.iter().map(|r| r.fiberstatus));
        column::<BoolType>(group, rows.iter().map(|r| r.primary));
        column::<ByteArrayType>(group, rows.iter().map(|r| Some(text(r.survey))));
        column::<ByteArrayType>(group, rows.iter().map(|r| Some(text(r.program))));
    });
}

/// Writes a tile whose ids lie in the file as they are: no codec, no dictionary.
pub(crate) fn write_plain_ids(path: &Path, ids: &[i64]) {
    write_columns(path, "message schema { required int64 targetid; }", |group| {
        column::<Int64Type>(group, ids.iter().copied().map(Some));
    });
}

fn write_columns(path: &Path, schema: &str, write: impl Fn(&mut SerializedRowGroupWriter<'_, File>)) {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None);
    let mut file =
        SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties.build())).unwrap();
    let mut group = file.next_row_group().unwrap();
    write(&mut group);
    group.close().unwrap();
    file.close().unwrap();
}

/// A survey of two tiles, of 5 and 3 rows, under `folder`.
pub(crate) fn survey(folder: &Path) {
    let first = [
        Row::galaxy(11, 0.1),
        Row::galaxy(12, 0.2),
        Row {
            spectype: Some("QSO"),
            ..Row::galaxy(13, 2.0)
        },
        Row {
            zwarn: Some(4),
            ..Row::galaxy(14, 0.3)
        },
        Row::dead(-5),
    ];
    let second = [
        Row {
            ra: 359.9,
            dec: -45.0,
            ..Row::galaxy(21, 0.15)
        },
        Row::galaxy(22, 999_999.0),
        Row {
            objtype: "SKY",
            ..Row::dead(616)
        },
    ];
    write(&folder.join("a.parquet"), &first, 2);
    write(&folder.join("deep/b.parquet"), &second, 100);
}

fn column<D: DataType>(group: &mut SerializedRowGroupWriter<'_, File>, cells: impl Iterator<Item = Option<D::T>>) {
    let cells: Vec<Option<D::T>> = cells.collect();
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<D::T> = cells.into_iter().flatten().collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<D>().write_batch(&values, Some(&levels), None).unwrap();
    column.close().unwrap();
}
