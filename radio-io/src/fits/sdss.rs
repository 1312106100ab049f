//! SDSS, BOSS and eBOSS spec files: one spectrum each, as the rows of a table.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, ListArray, RecordBatch, StringArray,
    StructArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};

use super::FitsOptions;
use super::desi::FLUX_UNIT;
use super::file::{FitsFile, Hdu, HduKind};
use super::keys::{annotated, pixel};
use super::table::Table;
use crate::Result;

/// The only row of an SDSS file; the second one, if the file has a table of the object.
pub(super) fn read(file: &FitsFile, options: &FitsOptions) -> Result<RecordBatch> {
    let hdu = spectrum_hdu(file).ok_or_else(|| file.error("no table of flux, loglam and ivar".into()))?;
    let spectrum = spectrum(hdu)?;
    let mut object = Object::open(file)?;
    let numbers = [
        object.number(&["PLATE"], "PLATEID")?,
        object.number(&["MJD"], "MJD")?,
        object.number(&["FIBERID"], "FIBERID")?,
    ];
    let [Some(plate), Some(mjd), Some(fibre)] = numbers.map(|number| number.filter(|number| *number >= 0.0)) else {
        return Err(object
            .hdu
            .error("no PLATE, MJD and FIBERID, which make up the object's id".into()));
    };
    let id = format!("{:05}{:05}{:04}", plate as u64, mjd as u64, fibre as u64);
    let ra = object.number(&["PLUG_RA", "RACAT", "RA"], "PLUG_RA")?;
    let dec = object.number(&["PLUG_DEC", "DECCAT", "DEC"], "PLUG_DEC")?;
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values([id])),
        Arc::new(Float64Array::from_iter([ra])),
        Arc::new(Float64Array::from_iter([dec])),
        Arc::new(Int32Array::from_iter([ra
            .zip(dec)
            .and_then(|(ra, dec)| pixel(ra, dec))])),
        object.column("Z", &DataType::Float32)?,
        object.column("Z_ERR", &DataType::Float32)?,
        object.column("ZWARNING", &DataType::Int32)?,
        object.column("CLASS", &DataType::Utf8)?,
        spectrum,
    ];
    let mut fields = fields(columns[8].data_type());
    for column in &options.columns {
        let (field, array) = object.more(column)?;
        fields.push(field);
        columns.push(array);
    }
    RecordBatch::try_new(schema(fields), columns).map_err(|error| hdu.error(error.to_string()))
}

/// The table with the spectrum.
pub(super) fn spectrum_hdu(file: &FitsFile) -> Option<&Hdu> {
    let has = |columns: &[String], name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    file.hdus().iter().find(|hdu| match hdu.kind() {
        HduKind::Table { columns, .. } => ["flux", "loglam", "ivar"].iter().all(|name| has(columns, name)),
        _ => false,
    })
}

/// The struct of lists.
fn spectrum(hdu: &Hdu) -> Result<ArrayRef> {
    let fail = |error: arrow_schema::ArrowError| hdu.error(error.to_string());
    let mut table = Table::open(hdu)?;
    let [flux, loglam, ivar] = ["flux", "loglam", "ivar"].map(|name| table.need(&[name]));
    let (mask, wdisp) = (table.find(&["and_mask"]), table.find(&["wdisp"]));
    let wanted = [Some(flux?), Some(loglam?), Some(ivar?), mask, wdisp];
    let rows = table.rows();
    let mut read = |column: Option<usize>, kind: &DataType| -> Result<Option<ArrayRef>> {
        let Some(column) = column else { return Ok(None) };
        let array = table.read(0..rows, &[column])?.pop();
        array.map(|array| cast(&array, kind).map_err(fail)).transpose()
    };
    let floats = |array: Option<ArrayRef>| -> Float32Array {
        array.map_or_else(
            || Float32Array::new_null(rows),
            |array| array.as_primitive::<Float32Type>().clone(),
        )
    };
    let flux = floats(read(wanted[0], &DataType::Float32)?);
    let loglam = read(wanted[1], &DataType::Float64)?;
    let ivar = floats(read(wanted[2], &DataType::Float32)?);
    let mask = read(wanted[3], &DataType::Int32)?;
    let lsf = read(wanted[4], &DataType::Float32)?;
    let wavelength: Float32Array = loglam
        .iter()
        .flat_map(|loglam| loglam.as_primitive::<Float64Type>().iter())
        .map(|loglam| loglam.map(|loglam| 10f64.powf(loglam) as f32))
        .collect();
    let mut before = 0.0;
    for (row, here) in wavelength.iter().enumerate() {
        let here = here.unwrap_or(f32::NAN);
        if !(here > before && here.is_finite()) {
            let reason = "column loglam has to increase: the file is damaged, get it again";
            return Err(hdu.error(format!("row {row}: {here} Å comes after {before} Å, but {reason}")));
        }
        before = here;
    }
    let bits = mask.as_deref().map(AsArray::as_primitive::<Int32Type>);
    let is_bad = |(pixel, ivar): (usize, Option<f32>)| {
        // A pixel without a value, too.
        !ivar.is_some_and(|ivar| ivar > 0.0) || bits.is_some_and(|bits| bits.is_null(pixel) || bits.value(pixel) != 0)
    };
    let mask: BooleanArray = ivar.iter().enumerate().map(|pixel| Some(is_bad(pixel))).collect();
    let list = |values: ArrayRef| -> Result<ArrayRef> {
        let item = Arc::new(Field::new("element", values.data_type().clone(), true));
        let offsets = OffsetBuffer::from_lengths([rows]);
        Ok(Arc::new(ListArray::try_new(item, offsets, values, None).map_err(fail)?))
    };
    let lists = [
        ("flux", list(Arc::new(flux))?, FLUX_UNIT, "phot.flux.density;em.wl"),
        ("ivar", list(Arc::new(ivar))?, "", "stat.weight;phot.flux.density;em.wl"),
        ("lsf_sigma", list(Arc::new(floats(lsf)))?, "pix", "instr.dispersion"),
        ("lambda", list(Arc::new(wavelength))?, "Angstrom", "em.wl"),
        ("mask", list(Arc::new(mask))?, "", "meta.code.qual"),
    ];
    let fields: Fields = lists
        .iter()
        .map(|(name, list, unit, ucd)| annotated(Field::new(*name, list.data_type().clone(), true), unit, ucd))
        .collect();
    let lists = lists.into_iter().map(|(_, list, ..)| list).collect();
    Ok(Arc::new(StructArray::try_new(fields, lists, None).map_err(fail)?))
}

/// The table of the object, and the primary header where it says nothing.
struct Object {
    primary: Hdu,
    hdu: Hdu,
    table: Option<Table>,
}

impl Object {
    fn open(file: &FitsFile) -> Result<Self> {
        let primary = file.hdus().first().ok_or_else(|| file.error("no HDU".into()))?;
        let hdu = ["SPECOBJ", "SPALL"].iter().find_map(|name| file.find(name));
        let table = hdu.map(Table::open).transpose()?.filter(|table| table.rows() > 0);
        Ok(Self {
            hdu: hdu.unwrap_or(primary).clone(),
            primary: primary.clone(),
            table,
        })
    }

    /// A number, by the column or the card.
    fn number(&mut self, columns: &[&str], card: &str) -> Result<Option<f64>> {
        if let Some(table) = &self.table
            && let Some(column) = table.find(columns)
        {
            return table.number(0, column).map(Some);
        }
        self.primary
            .header
            .number(card)
            .map_err(|reason| self.primary.error(reason))
    }

    fn column(&mut self, name: &str, kind: &DataType) -> Result<ArrayRef> {
        let found = match &mut self.table {
            Some(table) => match table.find(&[name]) {
                Some(column) => table.read(0..1, &[column])?.pop(),
                None => None,
            },
            None => None,
        };
        match found {
            Some(array) => cast(&array, kind).map_err(|error| self.hdu.error(format!("column {name}: {error}"))),
            None => Ok(arrow_array::new_null_array(kind, 1)),
        }
    }

    fn more(&mut self, name: &str) -> Result<(Field, ArrayRef)> {
        let missing = || self.hdu.error(format!("no column {name}, which was asked for"));
        let table = self.table.as_mut().ok_or_else(missing)?;
        let column = table.need(&[name])?;
        let field = table.field(column)?;
        let array = table.read(0..1, &[column])?.pop();
        array.map(|array| (field, array)).ok_or_else(missing)
    }
}

/// The columns of SDSS tiles in the struct dialect.
fn fields(spectrum: &DataType) -> Vec<Field> {
    let field = |name: &str, kind: DataType, unit: &str, ucd: &str| annotated(Field::new(name, kind, true), unit, ucd);
    vec![
        field("object_id", DataType::Utf8, "", "meta.id;meta.main"),
        field("ra", DataType::Float64, "deg", "pos.eq.ra;meta.main"),
        field("dec", DataType::Float64, "deg", "pos.eq.dec;meta.main"),
        field("healpix", DataType::Int32, "", "pos.healpix"),
        field("Z", DataType::Float32, "", "src.redshift"),
        field("Z_ERR", DataType::Float32, "", "stat.error;src.redshift"),
        field("ZWARNING", DataType::Int32, "", "meta.code.qual;src.redshift"),
        field("CLASS", DataType::Utf8, "", "src.class"),
        field("spectrum", spectrum.clone(), "", ""),
    ]
}

fn schema(fields: Vec<Field>) -> SchemaRef {
    let metadata = [("flux_unit".to_owned(), FLUX_UNIT.to_owned())];
    Arc::new(Schema::new_with_metadata(fields, metadata.into()))
}
