use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};

use super::desi::{self, Desi};
use super::file::{FitsFile, Hdu, HduKind};
use super::keys::Keys;
use super::{FitsOptions, sdss};
use crate::Result;

/// Reads the spectra of a file, which is recognised by its HDUs.
///
/// - DESI, `coadd-*` (a row for each target) and `spectra-*` (for each exposure): the arms, one image each, are joined to the
///   camera coadd, and batches are those of a flat tile. Redshifts are joined by `TARGETID`, see [`FitsOptions::redshifts`];
///   where there is none they are null. `survey` is the card `SURVEY`, or, where a file of one tile has none, what stands
///   behind the first hyphen of its name (the petal). `healpix` is computed from the position where no column or card has it.
/// - SDSS, BOSS and eBOSS, `spec-*`: one row in the struct dialect. `object_id` is plate, MJD and fibre in 5, 5 and 4 digits,
///   `lsf_sigma` the column `wdisp`, and a pixel is masked if `and_mask` has a bit or ivar is not above 0.
///
/// Flux is in 1e-17 erg/(s cm² Å), ivar its inverse variance, wavelengths are in Å in vacuum, positions in degrees, ICRS.
/// Fields say so in their metadata, under `unit` and `ucd`.
///
/// A DESI file that was cut off exactly between two arms looks like one of fewer arms: where all spectra have the pixels of
/// three, compare the length of the lists in [`Batches::schema`] with 7781.
///
/// # Errors
///
/// [`Error::Io`](crate::Error::Io) and [`Error::Fits`](crate::Error::Fits), here for headers and tables that do not go
/// together, and from the batches for what is found in the data.
///
/// # Complexity
///
/// Each pixel is read once; memory is one batch and 16 rows of the arms as they are stored.
///
/// # Examples
///
/// ```no_run
/// use radio_io::fits::{FitsOptions, spectra};
///
/// for batch in spectra("coadd-sv3-dark-26065.fits", &FitsOptions::default())? {
///     println!("{} spectra", batch?.num_rows());
/// }
/// # Ok::<(), radio_io::Error>(())
/// ```
///
/// # References
///
/// desispec, `coaddition.coadd_cameras`; the DESI and SDSS data models.
pub fn spectra(path: impl AsRef<Path>, options: &FitsOptions) -> Result<Batches> {
    let file = FitsFile::open(path)?;
    if desi::is_desi(&file) {
        return Ok(Batches::new(Rows::Desi(Box::new(Desi::open(&file, options)?)), options));
    }
    if sdss::spectrum_hdu(&file).is_some() {
        return Ok(Batches::new(Rows::One(sdss::read(&file, options)?), options));
    }
    let names: Vec<&str> = file.hdus().iter().map(Hdu::name).collect();
    Err(file.error(format!(
        "no spectra: expected B_WAVELENGTH, B_FLUX, … and FIBERMAP (DESI), or a table of flux, loglam and ivar (SDSS); there are {}",
        names.join(", ")
    )))
}

/// Reads the key columns of a catalogue under radio's default names: those of [`spectra`] of DESI, without the spectra.
///
/// It is a Redrock file (`REDSHIFTS`, to which `FIBERMAP` is joined by `TARGETID`), a DESI zcatalog of whatever release, or any file with a
/// table of positions: the first table that has right ascension and declination is taken. Columns are recognised by
/// their names in upper or lower case: `Z`, or `Z_BEST` and what belongs to it in zcatalogs of version 2, `ZWARN` or `ZWARNING`, `DESI_TARGET`
/// or its `SV` spellings, and so on. What the file does not have is null, and so is a warning that is true or false, since publishers disagree
/// on what that means: ask for it by name. Values that stand for "none" (999999, 1e20) are left as they are.
///
/// # Errors
///
/// [`Error::Io`](crate::Error::Io) and [`Error::Fits`](crate::Error::Fits).
///
/// # Examples
///
/// ```no_run
/// use radio_io::fits::{FitsOptions, catalogue};
///
/// let options = FitsOptions::default().with_columns(["ZCAT_PRIMARY"]);
/// let batches = catalogue("zall-pix-iron.fits", &options)?;
/// println!("{} rows", batches.rows());
/// # Ok::<(), radio_io::Error>(())
/// ```
pub fn catalogue(path: impl AsRef<Path>, options: &FitsOptions) -> Result<Batches> {
    let file = FitsFile::open(path)?;
    let has = |hdu: &Hdu, names: &[&str]| match hdu.kind() {
        HduKind::Table { columns, .. } => columns
            .iter()
            .any(|column| names.iter().any(|name| column.eq_ignore_ascii_case(name))),
        _ => false,
    };
    let is_catalogue =
        |hdu: &&Hdu| has(hdu, &["TARGET_RA", "RA", "PLUG_RA"]) && has(hdu, &["TARGET_DEC", "DEC", "PLUG_DEC"]);
    let keys = match file.find("REDSHIFTS") {
        Some(redshifts) => Keys::open(&file, redshifts, file.find("FIBERMAP"), options)?,
        None => {
            let named = ["ZCATALOG", "ZCAT"].iter().find_map(|name| file.find(name));
            let table = named.or_else(|| file.hdus().iter().find(is_catalogue)).ok_or_else(|| {
                file.error(
                    "no catalogue: expected REDSHIFTS, ZCATALOG or a table with TARGET_RA and TARGET_DEC (or RA, DEC)"
                        .into(),
                )
            })?;
            Keys::open(&file, table, None, options)?
        }
    };
    let mut fields = keys.fields();
    fields.extend(keys.more_fields()?);
    Ok(Batches::new(
        Rows::Keys(Box::new(keys), Arc::new(Schema::new(fields))),
        options,
    ))
}

/// The rows of a FITS file, in its order.
#[derive(Debug)]
pub struct Batches {
    rows: Rows,
    next: usize,
    batch_rows: usize,
}

#[derive(Debug)]
enum Rows {
    Desi(Box<Desi>),
    One(RecordBatch),
    Keys(Box<Keys>, SchemaRef),
}

impl Batches {
    fn new(rows: Rows, options: &FitsOptions) -> Self {
        Self {
            rows,
            next: 0,
            batch_rows: options.batch_rows.get(),
        }
    }

    /// The schema of all batches.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        match &self.rows {
            Rows::Desi(desi) => Arc::clone(desi.schema()),
            Rows::One(batch) => batch.schema(),
            Rows::Keys(_, schema) => Arc::clone(schema),
        }
    }

    /// Rows of the file.
    #[must_use]
    pub fn rows(&self) -> usize {
        match &self.rows {
            Rows::Desi(desi) => desi.rows(),
            Rows::One(batch) => batch.num_rows(),
            Rows::Keys(keys, _) => keys.rows(),
        }
    }
}

/// After an error there is nothing more.
impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.next..self.rows().min(self.next.saturating_add(self.batch_rows));
        if rows.is_empty() {
            return None;
        }
        self.next = rows.end;
        let batch = match &mut self.rows {
            Rows::Desi(desi) => desi.read(rows),
            Rows::One(batch) => Ok(batch.clone()),
            Rows::Keys(keys, schema) => keys.read(rows).and_then(|(mut columns, more)| {
                columns.extend(more);
                RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| keys.hdu().error(error.to_string()))
            }),
        };
        if batch.is_err() {
            self.next = usize::MAX;
        }
        Some(batch)
    }
}

impl std::iter::FusedIterator for Batches {}
