//! DESI's coadd and spectra files: an image of flux, ivar and mask for each arm, and a table of fibres.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int32Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::file::{FitsFile, Hdu, HduKind};
use super::image::Image;
use super::keys::{Keys, annotated};
use super::{FitsOptions, Redshifts};
use crate::arms::{ArmRow, Layout, Sums, join};
use crate::{Error, Result, grid};

/// Rows that are joined while they are in the processor's cache.
const CHUNK_ROWS: usize = 16;
const WAVELENGTH: &str = "WAVELENGTH";
/// What radio's tiles state, however DESI's releases write it.
pub(super) const FLUX_UNIT: &str = "1e-17 erg / (s cm2 Angstrom)";
const IVAR_UNIT: &str = "1e34 s2 cm4 Angstrom2 / erg2";

/// An open file of DESI spectra.
#[derive(Debug)]
pub(super) struct Desi {
    keys: Keys,
    arms: Vec<Arm>,
    pixels: usize,
    schema: SchemaRef,
    sums: Sums,
    /// Numbers that are allocated before they are seen, at most.
    most: usize,
}

#[derive(Debug)]
struct Arm {
    /// What the names of its HDUs begin with.
    name: String,
    first: usize,
    pixels: usize,
    images: (Image, Image, Option<Image>),
    flux: Vec<f32>,
    ivar: Vec<f32>,
    mask: Vec<i32>,
}

/// Does the file look like one of DESI spectra?
pub(super) fn is_desi(file: &FitsFile) -> bool {
    arms(file).next().is_some()
}

/// What the names of an arm's HDUs begin with: `B_`, or nothing where there is but one.
fn arms(file: &FitsFile) -> impl Iterator<Item = &str> {
    file.hdus()
        .iter()
        .filter(|hdu| matches!(hdu.kind(), HduKind::Image { .. }))
        .filter_map(|hdu| {
            let (arm, end) = hdu
                .name()
                .split_at_checked(hdu.name().len().checked_sub(WAVELENGTH.len())?)?;
            end.eq_ignore_ascii_case(WAVELENGTH).then_some(arm)
        })
}

impl Desi {
    pub(super) fn open(file: &FitsFile, options: &FitsOptions) -> Result<Self> {
        let redshifts = redshifts(file, options)?;
        let joined = redshifts.as_ref().map(|file| file.hdu("REDSHIFTS")).transpose()?;
        let keys = Keys::open(file, file.hdu("FIBERMAP")?, joined, options)?;
        if !keys.has("targetid") {
            return Err(keys.hdu().error("no column TARGETID".into()));
        }
        let mut found = Vec::new();
        for arm in arms(file) {
            let hdu = file.hdu(&format!("{arm}{WAVELENGTH}"))?;
            let mut image = Image::open(hdu)?;
            let mut wavelength: Vec<f64> = Vec::new();
            image.append(0..image.rows(), &mut wavelength)?;
            match wavelength.first() {
                Some(first) if image.shape().len() == 1 => found.push((*first, arm, hdu, wavelength)),
                _ => {
                    let shape = image.shape();
                    return Err(hdu.error(format!(
                        "{shape:?} pixels, expected one axis with the wavelengths of all rows"
                    )));
                }
            }
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut layout = Layout::default();
        let mut arms = Vec::new();
        let mut seen = 0;
        for (_, arm, hdu, wavelength) in found {
            seen += wavelength.len();
            let first = layout.place(&wavelength).map_err(|reason| hdu.error(reason))?;
            if layout.pixels > 2 * seen {
                let reason = format!("the gap before this arm is larger than the {seen} pixels of all arms up to it");
                return Err(hdu.error(reason));
            }
            arms.push(Arm::open(file, arm, first, wavelength.len(), keys.rows())?);
        }
        let unmasked = arms.iter().find(|arm| arm.images.2.is_none());
        if let (Some(arm), true) = (unmasked, arms.iter().any(|arm| arm.images.2.is_some())) {
            let reason = "though there are masks of other arms: is the file complete?";
            return Err(file.error(format!("no HDU of the name {}MASK, {reason}", arm.name)));
        }
        Ok(Self {
            schema: schema(&keys, &layout)?,
            keys,
            arms,
            pixels: layout.pixels,
            sums: Sums::default(),
            most: usize::try_from(file.length()).unwrap_or(usize::MAX),
        })
    }

    pub(super) fn rows(&self) -> usize {
        self.keys.rows()
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn read(&mut self, rows: Range<usize>) -> Result<RecordBatch> {
        let (mut columns, more) = self.keys.read(rows.clone())?;
        let pixels = self.pixels;
        let capacity = rows.len().saturating_mul(pixels).min(self.most);
        let (mut flux, mut ivar) = (Vec::with_capacity(capacity), Vec::with_capacity(capacity));
        let mut mask = Vec::with_capacity(capacity);
        let mut first = rows.start;
        while first < rows.end {
            let chunk = first..rows.end.min(first + CHUNK_ROWS);
            for arm in &mut self.arms {
                arm.read(chunk.clone())?;
            }
            let done = flux.len();
            let end = done + chunk.len() * pixels;
            flux.resize(end, 0.0);
            ivar.resize(end, 0.0);
            mask.resize(end, 0);
            let spectra = flux[done..]
                .chunks_exact_mut(pixels)
                .zip(ivar[done..].chunks_exact_mut(pixels));
            for (row, ((flux, ivar), mask)) in spectra.zip(mask[done..].chunks_exact_mut(pixels)).enumerate() {
                let arms: Vec<ArmRow<'_>> = self.arms.iter().map(|arm| arm.row(row)).collect();
                join(&arms, &mut self.sums, flux, ivar, Some(mask));
            }
            first = chunk.end;
        }
        let fail = |error: arrow_schema::ArrowError| self.keys.hdu().error(error.to_string());
        columns.push(lists(DataType::Float32, pixels, Arc::new(Float32Array::from(flux))).map_err(fail)?);
        columns.push(lists(DataType::Float32, pixels, Arc::new(Float32Array::from(ivar))).map_err(fail)?);
        columns.push(lists(DataType::Int32, pixels, Arc::new(Int32Array::from(mask))).map_err(fail)?);
        columns.extend(more);
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(fail)
    }
}

impl Arm {
    fn open(file: &FitsFile, arm: &str, first: usize, pixels: usize, rows: usize) -> Result<Self> {
        let open = |hdu: &Hdu| {
            let image = Image::open(hdu)?;
            if image.shape() == [rows, pixels] {
                return Ok(image);
            }
            let shape = image.shape();
            Err(hdu.error(format!(
                "{shape:?} pixels, expected {rows} (rows of FIBERMAP) of {pixels} (wavelengths of the arm)"
            )))
        };
        let need = |part: &str| open(file.hdu(&format!("{arm}{part}"))?);
        let mask = file.find(&format!("{arm}MASK"));
        Ok(Self {
            name: arm.to_owned(),
            first,
            pixels,
            images: (need("FLUX")?, need("IVAR")?, mask.map(open).transpose()?),
            flux: Vec::new(),
            ivar: Vec::new(),
            mask: Vec::new(),
        })
    }

    fn read(&mut self, rows: Range<usize>) -> Result<()> {
        let (flux, ivar, mask) = &mut self.images;
        self.flux.clear();
        self.ivar.clear();
        self.mask.clear();
        flux.append(rows.clone(), &mut self.flux)?;
        ivar.append(rows.clone(), &mut self.ivar)?;
        mask.as_mut().map_or(Ok(()), |mask| mask.append(rows, &mut self.mask))
    }

    /// A row of those that were read, by its number among them.
    fn row(&self, row: usize) -> ArmRow<'_> {
        let pixels = row * self.pixels..(row + 1) * self.pixels;
        ArmRow {
            first: self.first,
            flux: &self.flux[pixels.clone()],
            ivar: &self.ivar[pixels.clone()],
            mask: self.mask.get(pixels).unwrap_or_default(),
        }
    }
}

/// The Redrock file that belongs to these spectra.
fn redshifts(file: &FitsFile, options: &FitsOptions) -> Result<Option<FitsFile>> {
    let path = match &options.redshifts {
        Redshifts::None => return Ok(None),
        Redshifts::File(path) => path.clone(),
        Redshifts::Beside => match beside(file) {
            Some(path) => path,
            None => return Ok(None),
        },
    };
    match FitsFile::open(&path) {
        Ok(file) => Ok(Some(file)),
        Err(Error::Io { source, .. })
            if options.redshifts == Redshifts::Beside && source.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The usual place of the Redrock file.
fn beside(file: &FitsFile) -> Option<PathBuf> {
    let name = file.path().file_name()?.to_str()?;
    let rest = name.strip_prefix("coadd-").or_else(|| name.strip_prefix("spectra-"))?;
    let rest = rest.strip_suffix(".gz").unwrap_or(rest);
    Some(file.path().with_file_name(format!("redrock-{rest}")))
}

fn element(item: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", item, false))
}

fn lists(item: DataType, pixels: usize, values: ArrayRef) -> Result<ArrayRef, arrow_schema::ArrowError> {
    Ok(Arc::new(FixedSizeListArray::try_new(
        element(item),
        pixels as i32,
        values,
        None,
    )?))
}

/// The columns of DESI tiles in the flat dialect.
fn schema(keys: &Keys, layout: &Layout) -> Result<SchemaRef> {
    let spectrum = |name: &str, item: DataType, unit: &str, ucd: &str| {
        let kind = DataType::FixedSizeList(element(item), layout.pixels as i32);
        annotated(Field::new(name, kind, false), unit, ucd)
    };
    let mut fields = keys.fields();
    fields.extend([
        spectrum("flux", DataType::Float32, FLUX_UNIT, "phot.flux.density;em.wl"),
        spectrum(
            "ivar",
            DataType::Float32,
            IVAR_UNIT,
            "stat.weight;phot.flux.density;em.wl",
        ),
        spectrum("mask", DataType::Int32, "", "meta.code.qual"),
    ]);
    fields.extend(keys.more_fields()?);
    let Layout { start, step, pixels } = layout;
    let wavelength = format!(
        r#"{{"unit": "Angstrom", "frame": "vacuum, barycentric", "start": {start:?}, "step": {step:?}, "n": {pixels}}}"#
    );
    let metadata = [(grid::KEY, wavelength.as_str()), ("flux_unit", FLUX_UNIT)];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Ok(Arc::new(Schema::new_with_metadata(fields, metadata.into())))
}
