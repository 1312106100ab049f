//! Reading the key columns of a tile, and no other page of it.

use std::fs::File;
use std::sync::Arc;

use cdshealpix::nested;
use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescriptor;

use crate::KeyColumns;
use crate::footer::Footer;

/// HEALPix order of `galaxies.healpix`: nside 64.
pub(crate) const PIXEL_ORDER: u8 = 6;
const PIXELS: i64 = 12 << (2 * PIXEL_ORDER);

/// The key columns of one tile, each as long as the tile.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) targetid: Vec<i64>,
    pub(crate) ra: Vec<Option<f64>>,
    pub(crate) dec: Vec<Option<f64>>,
    pub(crate) z: Vec<Option<f64>>,
    pub(crate) zerr: Vec<Option<f64>>,
    pub(crate) zwarn: Vec<Option<i64>>,
    pub(crate) spectype: Vec<Option<String>>,
    pub(crate) objtype: Vec<Option<String>>,
    pub(crate) desi_target: Vec<Option<i64>>,
    pub(crate) deltachi2: Vec<Option<f64>>,
    pub(crate) healpix: Vec<Option<i64>>,
}

impl Keys {
    /// Reads the key columns of tile number `tile`; the error is a reason for people.
    pub(crate) fn read(file: File, footer: &Footer, names: &KeyColumns, tile: i32) -> Result<Self, String> {
        let tile_file = TileFile {
            file: Arc::new(file),
            footer,
            rows: rows(footer)?,
        };
        let ra = tile_file.reals(&names.ra)?;
        let dec = tile_file.reals(&names.dec)?;
        // A pixel that does not exist is a fill value, or one of another nside.
        let exists = |pixel: &i64| (0..PIXELS).contains(pixel);
        let positions = ra.iter().zip(&dec);
        let healpix = tile_file.integers(&names.healpix, None)?.into_iter().zip(positions);
        let healpix = healpix
            .map(|(given, (ra, dec))| given.filter(exists).or_else(|| pixel((*ra)?, (*dec)?)))
            .collect();
        Ok(Self {
            targetid: tile_file.ids(names, tile)?,
            z: tile_file.reals(&names.z)?,
            zerr: tile_file.reals(&names.zerr)?,
            zwarn: tile_file.integers(&names.zwarn, names.good_warning)?,
            spectype: tile_file.texts(&names.spectype)?,
            objtype: tile_file.texts(&names.objtype)?,
            desi_target: tile_file.integers(&names.desi_target, None)?,
            deltachi2: tile_file.reals(&names.deltachi2)?,
            ra,
            dec,
            healpix,
        })
    }
}

/// HEALPix pixel of a position in degrees; `None` where it is no position.
fn pixel(ra: f64, dec: f64) -> Option<i64> {
    let on_the_sky = (-360.0..=360.0).contains(&ra) && (-90.0..=90.0).contains(&dec);
    let lon_rad = ra.rem_euclid(360.0).to_radians();
    on_the_sky
        .then(|| nested::get(PIXEL_ORDER).hash(lon_rad, dec.to_radians()))
        .and_then(|pixel| pixel.try_into().ok())
}

fn rows(footer: &Footer) -> Result<usize, String> {
    let in_groups: i64 = footer
        .metadata
        .row_groups()
        .iter()
        .map(RowGroupMetaData::num_rows)
        .sum();
    if in_groups != footer.rows() {
        return Err(format!(
            "the footer counts {} rows, its row groups {in_groups}: damaged",
            footer.rows()
        ));
    }
    usize::try_from(in_groups).map_err(|_| format!("{in_groups} rows: damaged"))
}

/// A value of any physical type, as the key columns need it.
enum Cells {
    Integers(Vec<Option<i64>>),
    Booleans(Vec<Option<bool>>),
    Reals(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
}

struct TileFile<'a> {
    file: Arc<File>,
    footer: &'a Footer,
    rows: usize,
}

impl TileFile<'_> {
    /// Position in the schema of the first of `names` that the tile has.
    fn find(&self, names: &[String]) -> Option<usize> {
        let columns = self.footer.metadata.file_metadata().schema_descr().columns();
        names
            .iter()
            .find_map(|name| columns.iter().position(|column| column.path().string() == *name))
    }

    fn name(&self, column: usize) -> String {
        self.footer
            .metadata
            .file_metadata()
            .schema_descr()
            .column(column)
            .path()
            .string()
    }

    fn ids(&self, names: &KeyColumns, tile: i32) -> Result<Vec<i64>, String> {
        let Some(column) = self.find(&names.id) else {
            if names.number_rows {
                return Ok((0..self.rows as i64).map(|row| (i64::from(tile) << 32) + row).collect());
            }
            let names = names.id.join(", ");
            return Err(format!(
                "no id column (looked for {names}): name it, or have the rows numbered"
            ));
        };
        let name = self.name(column);
        let missing = |row| format!("row {row}, column {name:?}: no id");
        match self.cells(column)? {
            Cells::Integers(ids) => ids
                .into_iter()
                .enumerate()
                .map(|(row, id)| id.ok_or_else(|| missing(row)))
                .collect(),
            Cells::Texts(ids) => {
                let number = |(row, id): (usize, Option<String>)| {
                    let id = id.ok_or_else(|| missing(row))?;
                    id.trim().parse().map_err(|_| {
                        format!("row {row}, column {name:?}: {id:?} is not an id: a string of digits that fits 64 bits")
                    })
                };
                ids.into_iter().enumerate().map(number).collect()
            }
            other => Err(self.wrong(column, &other, "an integer or a string of digits")),
        }
    }

    fn reals(&self, names: &[String]) -> Result<Vec<Option<f64>>, String> {
        let Some(column) = self.find(names) else {
            return Ok(vec![None; self.rows]);
        };
        match self.cells(column)? {
            Cells::Reals(values) => Ok(values),
            Cells::Integers(values) => Ok(values.into_iter().map(|x| x.map(|x| x as f64)).collect()),
            other => Err(self.wrong(column, &other, "a number")),
        }
    }

    fn integers(&self, names: &[String], good: Option<bool>) -> Result<Vec<Option<i64>>, String> {
        let Some(column) = self.find(names) else {
            return Ok(vec![None; self.rows]);
        };
        match (self.cells(column)?, good) {
            (Cells::Integers(values), _) => Ok(values),
            (Cells::Booleans(values), Some(good)) => {
                Ok(values.into_iter().map(|x| x.map(|x| i64::from(x != good))).collect())
            }
            (Cells::Booleans(_), None) if names.iter().any(|name| name.to_lowercase().contains("warn")) => {
                let name = self.name(column);
                Err(format!(
                    "column {name:?} is a boolean: say which value means good (KeyColumns::with_good_warning)"
                ))
            }
            (other, _) => Err(self.wrong(column, &other, "an integer")),
        }
    }

    fn texts(&self, names: &[String]) -> Result<Vec<Option<String>>, String> {
        let Some(column) = self.find(names) else {
            return Ok(vec![None; self.rows]);
        };
        match self.cells(column)? {
            Cells::Texts(values) => Ok(values),
            other => Err(self.wrong(column, &other, "a string")),
        }
    }

    fn wrong(&self, column: usize, found: &Cells, wanted: &str) -> String {
        let found = match found {
            Cells::Integers(_) => "integers",
            Cells::Booleans(_) => "booleans",
            Cells::Reals(_) => "real numbers",
            Cells::Texts(_) => "strings",
        };
        format!("column {:?} holds {found}, not {wanted}", self.name(column))
    }

    /// Decodes a whole column.
    fn cells(&self, column: usize) -> Result<Cells, String> {
        let descriptor = self.footer.metadata.file_metadata().schema_descr().column(column);
        if descriptor.max_rep_level() > 0 {
            return Err(format!("column {:?} is a list, not one value a row", self.name(column)));
        }
        Ok(match descriptor.physical_type() {
            PhysicalType::BOOLEAN => Cells::Booleans(self.decode(column, |reader, max_level, into| match reader {
                ColumnReader::BoolColumnReader(r) => append(r, max_level, into, |x| *x),
                _ => Err(MISMATCH.into()),
            })?),
            _ if is_decimal(&descriptor) => {
                return Err(format!(
                    "column {:?} holds decimals: store it as a real number",
                    self.name(column)
                ));
            }
            PhysicalType::INT32 if is_unsigned(&descriptor) => {
                Cells::Integers(self.decode(column, |reader, max_level, into| match reader {
                    ColumnReader::Int32ColumnReader(r) => append(r, max_level, into, |x| i64::from(x.cast_unsigned())),
                    _ => Err(MISMATCH.into()),
                })?)
            }
            PhysicalType::INT32 => Cells::Integers(self.decode(column, |reader, max_level, into| match reader {
                ColumnReader::Int32ColumnReader(r) => append(r, max_level, into, |x| i64::from(*x)),
                _ => Err(MISMATCH.into()),
            })?),
            PhysicalType::INT64 if is_unsigned(&descriptor) => {
                let cells = self.decode(column, |reader, max_level, into| match reader {
                    ColumnReader::Int64ColumnReader(r) => append(r, max_level, into, |x| *x),
                    _ => Err(MISMATCH.into()),
                })?;
                match cells.iter().position(|cell| cell.is_some_and(|x| x < 0)) {
                    Some(row) => {
                        let name = self.name(column);
                        return Err(format!(
                            "row {row}, column {name:?}: too large for a signed 64-bit integer"
                        ));
                    }
                    None => Cells::Integers(cells),
                }
            }
            PhysicalType::INT64 => Cells::Integers(self.decode(column, |reader, max_level, into| match reader {
                ColumnReader::Int64ColumnReader(r) => append(r, max_level, into, |x| *x),
                _ => Err(MISMATCH.into()),
            })?),
            PhysicalType::FLOAT => Cells::Reals(self.decode(column, |reader, max_level, into| match reader {
                ColumnReader::FloatColumnReader(r) => append(r, max_level, into, |x| f64::from(*x)),
                _ => Err(MISMATCH.into()),
            })?),
            PhysicalType::DOUBLE => Cells::Reals(self.decode(column, |reader, max_level, into| match reader {
                ColumnReader::DoubleColumnReader(r) => append(r, max_level, into, |x| *x),
                _ => Err(MISMATCH.into()),
            })?),
            PhysicalType::BYTE_ARRAY => Cells::Texts(self.decode(column, |reader, max_level, into| match reader {
                ColumnReader::ByteArrayColumnReader(r) => append(r, max_level, into, |x| text(x.data())),
                _ => Err(MISMATCH.into()),
            })?),
            PhysicalType::FIXED_LEN_BYTE_ARRAY => {
                Cells::Texts(self.decode(column, |reader, max_level, into| match reader {
                    ColumnReader::FixedLenByteArrayColumnReader(r) => append(r, max_level, into, |x| text(x.data())),
                    _ => Err(MISMATCH.into()),
                })?)
            }
            PhysicalType::INT96 => return Err(format!("column {:?} holds INT96 time stamps", self.name(column))),
        })
    }

    fn decode<T>(
        &self,
        column: usize,
        append: impl Fn(ColumnReader, i16, &mut Vec<Option<T>>) -> Result<(), String>,
    ) -> Result<Vec<Option<T>>, String> {
        let name = self.name(column);
        let descriptor = self.footer.metadata.file_metadata().schema_descr().column(column);
        let max_level = descriptor.max_def_level();
        // The footer may lie about the number of rows, so nothing is reserved for it.
        let mut cells = Vec::new();
        for group in self.footer.metadata.row_groups() {
            let chunk = group
                .columns()
                .get(column)
                .ok_or("a row group lacks a column: damaged")?;
            let rows = usize::try_from(group.num_rows()).map_err(|e| e.to_string())?;
            SerializedPageReader::new(self.file.clone(), chunk, rows, None)
                .map_err(|e| e.to_string())
                .and_then(|pages| {
                    append(
                        get_column_reader(descriptor.clone(), Box::new(pages)),
                        max_level,
                        &mut cells,
                    )
                })
                .map_err(|reason| format!("column {name:?}: {reason}"))?;
        }
        if cells.len() == self.rows {
            Ok(cells)
        } else {
            Err(format!(
                "column {name:?} has {} values, the tile {} rows: damaged",
                cells.len(),
                self.rows
            ))
        }
    }
}

fn is_unsigned(column: &ColumnDescriptor) -> bool {
    let unsigned = matches!(
        column.logical_type_ref(),
        Some(LogicalType::Integer(int)) if !int.is_signed
    );
    unsigned || matches!(column.converted_type(), ConvertedType::UINT_32 | ConvertedType::UINT_64)
}

fn is_decimal(column: &ColumnDescriptor) -> bool {
    matches!(column.logical_type_ref(), Some(LogicalType::Decimal(_)))
        || column.converted_type() == ConvertedType::DECIMAL
}

const MISMATCH: &str = "the decoder returned another type";

/// Appends all values of a column chunk, nulls in their places.
fn append<D: DataType, T>(
    mut reader: ColumnReaderImpl<D>,
    max_level: i16,
    into: &mut Vec<Option<T>>,
    convert: impl Fn(&D::T) -> T,
) -> Result<(), String> {
    const AT_A_TIME: usize = 8192;
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    loop {
        values.clear();
        levels.clear();
        let (records, present, _) = reader
            .read_records(AT_A_TIME, Some(&mut levels), None, &mut values)
            .map_err(|e| e.to_string())?;
        if records == 0 {
            return Ok(());
        }
        if present == records {
            into.extend(values.iter().map(|x| Some(convert(x))));
        } else {
            let mut values = values.iter();
            let mut cell = |&level| {
                if level == max_level {
                    values.next().map(&convert)
                } else {
                    None
                }
            };
            into.extend(levels.iter().map(&mut cell));
        }
    }
}

/// FITS pads its strings with blanks.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}
