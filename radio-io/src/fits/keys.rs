//! The columns that every row has besides its spectrum: ids, positions, redshifts, targeting.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array as _, ArrayRef, Int32Array, StringArray, UInt32Array, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field};
use arrow_select::take::take;

use super::FitsOptions;
use super::file::{FitsFile, Hdu};
use super::table::Table;
use crate::{Result, sky};

struct Key {
    name: &'static str,
    kind: DataType,
    /// Names in FITS files, the preferred one first.
    found_as: &'static [&'static str],
    unit: &'static str,
    ucd: &'static str,
}

const fn key(
    name: &'static str,
    kind: DataType,
    found_as: &'static [&'static str],
    unit: &'static str,
    ucd: &'static str,
) -> Key {
    Key {
        name,
        kind,
        found_as,
        unit,
        ucd,
    }
}

const COUNT: usize = 13;
const ID: usize = 0;
const SURVEY: usize = 1;
const HEALPIX: usize = 3;
const RA: usize = 4;
const DEC: usize = 5;
/// Names are found in whatever case they are written.
static KEYS: [Key; COUNT] = [
    key(
        "targetid",
        DataType::Int64,
        &["TARGETID", "OBJECT_ID"],
        "",
        "meta.id;meta.main",
    ),
    key("survey", DataType::Utf8, &["SURVEY"], "", "meta.id"),
    key("objtype", DataType::Utf8, &["OBJTYPE"], "", "meta.code.class"),
    key("healpix", DataType::Int32, &["HEALPIX", "HPXPIXEL"], "", "pos.healpix"),
    key(
        "target_ra",
        DataType::Float64,
        &["TARGET_RA", "RA", "PLUG_RA"],
        "deg",
        "pos.eq.ra;meta.main",
    ),
    key(
        "target_dec",
        DataType::Float64,
        &["TARGET_DEC", "DEC", "PLUG_DEC"],
        "deg",
        "pos.eq.dec;meta.main",
    ),
    key("z", DataType::Float64, &["Z", "Z_BEST"], "", "src.redshift"),
    key(
        "zerr",
        DataType::Float64,
        &["ZERR", "ZERR_BEST", "Z_ERR"],
        "",
        "stat.error;src.redshift",
    ),
    key(
        "zwarn",
        DataType::Int64,
        &["ZWARN", "ZWARN_BEST", "ZWARNING"],
        "",
        "meta.code.qual;src.redshift",
    ),
    key(
        "spectype",
        DataType::Utf8,
        &["SPECTYPE", "SPECTYPE_BEST", "CLASS"],
        "",
        "src.class",
    ),
    key(
        "deltachi2",
        DataType::Float64,
        &["DELTACHI2", "DELTACHI2_BEST"],
        "",
        "stat.fit.chi2",
    ),
    key(
        "desi_target",
        DataType::Int64,
        &["DESI_TARGET", "SV1_DESI_TARGET", "SV2_DESI_TARGET", "SV3_DESI_TARGET"],
        "",
        "meta.code",
    ),
    key(
        "coadd_fiberstatus",
        DataType::Int32,
        &["COADD_FIBERSTATUS", "FIBERSTATUS"],
        "",
        "meta.code.qual",
    ),
];

/// The key columns of a table, and of another one that is joined to it by id.
#[derive(Debug)]
pub(super) struct Keys {
    table: Table,
    columns: [Option<usize>; COUNT],
    joined: Option<Joined>,
    more: Vec<usize>,
    /// The same for all rows, where no column says it.
    survey: Option<String>,
    healpix: Option<i32>,
}

/// A table that is in memory, with its rows by their ids.
#[derive(Debug)]
struct Joined {
    rows: HashMap<i64, u32>,
    columns: [Option<ArrayRef>; COUNT],
}

impl Keys {
    pub(super) fn open(file: &FitsFile, table: &Hdu, joined: Option<&Hdu>, options: &FitsOptions) -> Result<Self> {
        let table = Table::open(table)?;
        let joined = joined.map(Joined::read).transpose()?;
        if joined.is_some() {
            table.need(KEYS[ID].found_as)?;
        }
        let more = options.columns.iter().map(|column| {
            let column = table.need(&[column])?;
            table.field(column).map(|_| column)
        });
        let card = |keyword| {
            [file.hdus().first(), Some(table.hdu())]
                .into_iter()
                .flatten()
                .find_map(|hdu| hdu.card(keyword))
        };
        let nside = card("HPXNSIDE").filter(|_| card("HPXNEST") != Some("F"));
        Ok(Self {
            columns: KEYS.each_ref().map(|key| find(&table, key)),
            more: more.collect::<Result<_>>()?,
            survey: card("SURVEY").map(str::to_owned).or_else(|| survey_of(file)),
            healpix: card("HPXPIXEL")
                .filter(|_| nside == Some("64"))
                .and_then(|pixel| pixel.parse().ok()),
            table,
            joined,
        })
    }

    pub(super) fn rows(&self) -> usize {
        self.table.rows()
    }

    /// Has the table, or the one that is joined, the column of this name?
    pub(super) fn has(&self, name: &str) -> bool {
        KEYS.iter().position(|key| key.name == name).is_some_and(|key| {
            self.columns[key].is_some() || self.joined.as_ref().is_some_and(|joined| joined.columns[key].is_some())
        })
    }

    pub(super) fn hdu(&self) -> &Hdu {
        self.table.hdu()
    }

    /// The fields of the key columns.
    pub(super) fn fields(&self) -> Vec<Field> {
        let field = |(index, key): (usize, &Key)| {
            let is_required = index == ID && self.columns[ID].is_some();
            annotated(Field::new(key.name, key.kind.clone(), !is_required), key.unit, key.ucd)
        };
        KEYS.iter().enumerate().map(field).collect()
    }

    /// The fields of the columns that were asked for.
    pub(super) fn more_fields(&self) -> Result<Vec<Field>> {
        self.more.iter().map(|&column| self.table.field(column)).collect()
    }

    /// Reads the key columns of these rows, and those that were asked for.
    pub(super) fn read(&mut self, rows: Range<usize>) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>)> {
        let count = rows.len();
        let mut wanted: Vec<usize> = self.columns.iter().flatten().copied().collect();
        wanted.extend(&self.more);
        let mut found = self.table.read(rows.clone(), &wanted)?.into_iter();
        let mut keys = Vec::with_capacity(KEYS.len());
        for (key, column) in KEYS.iter().zip(self.columns) {
            keys.push(match column.and_then(|_| found.next()) {
                Some(array) => cast(self.table.hdu(), key, &array)?,
                None => new_null_array(&key.kind, count),
            });
        }
        if let Some(joined) = &self.joined {
            let ids = keys[ID].as_primitive::<Int64Type>();
            let rows: UInt32Array = ids.iter().map(|id| joined.rows.get(&id?).copied()).collect();
            for (index, column) in joined.columns.iter().enumerate() {
                if let (None, Some(column)) = (self.columns[index], column) {
                    keys[index] =
                        take(column, &rows, None).map_err(|error| self.table.hdu().error(error.to_string()))?;
                }
            }
        }
        if let (false, Some(survey)) = (self.has("survey"), &self.survey) {
            keys[SURVEY] = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(survey, count)));
        }
        if !self.has("healpix") {
            keys[HEALPIX] = match self.healpix {
                Some(pixel) => Arc::new(Int32Array::from_value(pixel, count)),
                None => {
                    let (ra, dec) = (
                        keys[RA].as_primitive::<Float64Type>(),
                        keys[DEC].as_primitive::<Float64Type>(),
                    );
                    Arc::new(
                        ra.iter()
                            .zip(dec)
                            .map(|(ra, dec)| pixel(ra?, dec?))
                            .collect::<Int32Array>(),
                    )
                }
            };
        }
        Ok((keys, found.collect()))
    }
}

impl Joined {
    fn read(hdu: &Hdu) -> Result<Self> {
        let mut table = Table::open(hdu)?;
        table.need(KEYS[ID].found_as)?;
        let mut columns = [const { None }; COUNT];
        for (key, column) in KEYS.iter().zip(&mut columns) {
            if let Some(found) = find(&table, key) {
                let array = table.read(0..table.rows(), &[found])?.pop();
                *column = array.map(|array| cast(hdu, key, &array)).transpose()?;
            }
        }
        let mut rows = HashMap::new();
        if let Some(ids) = &columns[ID] {
            // The first of two rows of one id counts.
            for (row, id) in ids.as_primitive::<Int64Type>().iter().enumerate() {
                if let (Some(id), Ok(row)) = (id, u32::try_from(row)) {
                    rows.entry(id).or_insert(row);
                }
            }
        }
        Ok(Self { rows, columns })
    }
}

/// The column of a key. A number is no boolean: whether `ZWARN = T` is good or bad, publishers disagree.
fn find(table: &Table, key: &Key) -> Option<usize> {
    let column = table.find(key.found_as)?;
    let is_boolean = table
        .field(column)
        .is_ok_and(|field| field.data_type() == &DataType::Boolean);
    (!is_boolean).then_some(column)
}

fn cast(hdu: &Hdu, key: &Key, array: &ArrayRef) -> Result<ArrayRef> {
    let options = CastOptions {
        safe: false,
        ..Default::default()
    };
    cast_with_options(array, &key.kind, &options).map_err(|error| {
        let names = key.found_as.join(" or ");
        hdu.error(format!(
            "column {names} is {}, expected {}: {error}",
            array.data_type(),
            key.kind
        ))
    })
}

/// A field with what is known of its values.
pub(super) fn annotated(field: Field, unit: &str, ucd: &str) -> Field {
    let known = [("unit", unit), ("ucd", ucd)]
        .into_iter()
        .filter(|(_, text)| !text.is_empty());
    field.with_metadata(known.map(|(name, text)| (name.to_owned(), text.to_owned())).collect())
}

/// The pixel of a position in degrees, nside 64, NESTED; `None` off the sphere.
pub(super) fn pixel(ra: f64, dec: f64) -> Option<i32> {
    const ORDER: u8 = 6;
    i32::try_from(sky::pixel_of_row(ORDER, ra, dec)?).ok()
}

/// What stands behind the first hyphen of a DESI file's name: the survey, or for files of a tile the petal.
fn survey_of(file: &FitsFile) -> Option<String> {
    let mut parts = file.path().file_name()?.to_str()?.split(['-', '.']);
    matches!(parts.next()?, "coadd" | "spectra" | "redrock").then_some(())?;
    parts.next().map(str::to_owned)
}
