//! A FITS file as a list of HDUs.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use ndarray::ArrayD;

use super::column::columns_of;
use super::header::{BLOCK, Header};
use super::image::{Image, Pixel, shape_of};
use super::source::Source;
use super::table::Table;
use crate::{Error, Result};

/// A FITS file: header and data units (HDUs), found by their names in whatever order they are.
///
/// Files that were compressed as a whole (`.fits.gz`) are unpacked in memory.
///
/// # Examples
///
/// ```no_run
/// use radio_io::fits::FitsFile;
///
/// let file = FitsFile::open("coadd-sv3-dark-26065.fits")?;
/// for hdu in file.hdus() {
///     println!("{} {} {:?}", hdu.number(), hdu.name(), hdu.kind());
/// }
/// let resolution = file.image::<f32>("B_RESOLUTION")?;
/// assert_eq!(resolution.shape(), [5, 11, 2751]);
/// let fibres = file.table("FIBERMAP", &["TARGETID", "EBV"])?;
/// assert_eq!(fibres.num_rows(), 5);
/// # Ok::<(), radio_io::Error>(())
/// ```
#[derive(Debug)]
pub struct FitsFile {
    source: Arc<Source>,
    hdus: Vec<Hdu>,
}

/// A header and data unit of a FITS file.
#[derive(Clone, Debug)]
pub struct Hdu {
    number: usize,
    name: String,
    kind: HduKind,
    pub(super) header: Arc<Header>,
    /// Where the data are, without the blank that fills their last block.
    data: Range<u64>,
    source: Arc<Source>,
}

/// What an HDU holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HduKind {
    /// Pixels, stored as they are or tile by tile compressed.
    Image {
        /// Its lengths, as numpy and `ndarray` have them: the axis whose pixels are neighbours comes last. Empty where there are
        /// none.
        shape: Vec<usize>,
    },
    /// A binary table.
    Table {
        /// Rows.
        rows: usize,
        /// Names of the columns, in their order.
        columns: Vec<String>,
    },
    /// Something that this crate does not read, an ASCII table for instance.
    Other,
}

impl FitsFile {
    /// Opens a file and reads all its headers.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and [`Error::Fits`] if a header is damaged, or declares more bytes than the file has.
    ///
    /// # Complexity
    ///
    /// One read of 2,880 bytes per 36 cards of headers. Memory is some two times the headers.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let source = Arc::new(Source::open(path.as_ref())?);
        let mut hdus = Vec::new();
        let mut at = 0;
        while let Some(hdu) = Hdu::read(&source, hdus.len(), at)? {
            at = hdu.data.end.div_ceil(BLOCK).saturating_mul(BLOCK);
            hdus.push(hdu);
        }
        Ok(Self { source, hdus })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// All HDUs, in the order of the file; the first one is the primary HDU.
    #[must_use]
    pub fn hdus(&self) -> &[Hdu] {
        &self.hdus
    }

    /// The first HDU of this name (`EXTNAME`), in whatever case it is written.
    ///
    /// # Errors
    ///
    /// [`Error::Fits`] if there is none.
    pub fn hdu(&self, name: &str) -> Result<&Hdu> {
        self.find(name).ok_or_else(|| {
            let names: Vec<&str> = self.hdus.iter().map(Hdu::name).collect();
            self.error(format!("no HDU of the name {name}; there are {}", names.join(", ")))
        })
    }

    /// Bytes of the file, unpacked.
    pub(super) fn length(&self) -> u64 {
        self.source.length()
    }

    pub(super) fn find(&self, name: &str) -> Option<&Hdu> {
        self.hdus.iter().find(|hdu| hdu.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn error(&self, reason: String) -> Error {
        Error::Fits {
            path: self.path().to_owned(),
            hdu: "all HDUs".into(),
            reason,
        }
    }

    /// Reads a whole image, with its scale applied (`BSCALE`, `BZERO`).
    ///
    /// Blank pixels (`BLANK`, `ZBLANK`) are NaN where `T` is a float. An image of integers can be read as floats; one of floats,
    /// or of wider integers than `T`, cannot be read as integers. Unsigned numbers that `T` has no room for become the signed
    /// ones of the same bits.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::Fits`].
    pub fn image<T: Pixel>(&self, name: &str) -> Result<ArrayD<T>> {
        let hdu = self.hdu(name)?;
        let mut image = Image::open(hdu)?;
        if image.shape().is_empty() {
            return Err(hdu.error("has no pixels (NAXIS is 0)".into()));
        }
        let mut pixels = Vec::new();
        image.append(0..image.rows(), &mut pixels)?;
        ArrayD::from_shape_vec(image.shape(), pixels).map_err(|error| hdu.error(error.to_string()))
    }

    /// Reads columns of a binary table; all of them if none is named.
    ///
    /// Columns keep their names and get the Arrow type of their numbers (bits become bytes, scaled integers `f64`, unsigned ones
    /// unsigned); those with several values in a row are fixed-size lists. Strings lose the blanks at their end, `TNULL` becomes
    /// null, and `TUNIT` is in the field's metadata under `unit`. Columns of complex numbers and of variable length are left
    /// out, and cannot be asked for. The whole table passes through memory; [`catalogue`](super::catalogue) reads in batches.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::Fits`].
    pub fn table(&self, name: &str, columns: &[&str]) -> Result<RecordBatch> {
        let mut table = Table::open(self.hdu(name)?)?;
        let columns = match columns {
            [] => table.readable(),
            _ => columns
                .iter()
                .map(|column| table.need(&[column]))
                .collect::<Result<_>>()?,
        };
        table.batch(0..table.rows(), &columns)
    }
}

impl Hdu {
    /// Number in the file, from 0.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Its `EXTNAME`; `PRIMARY` for the first one if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> &HduKind {
        &self.kind
    }

    /// The value of a card of its header as it is written, strings without their quotes.
    #[must_use]
    pub fn card(&self, keyword: &str) -> Option<&str> {
        self.header.text(keyword)
    }

    /// Reads the header of the HDU that begins at `at`, `None` at the end of the file.
    fn read(source: &Arc<Source>, number: usize, at: u64) -> Result<Option<Self>> {
        let error = |reason: String| Error::Fits {
            path: source.path().to_owned(),
            hdu: format!("HDU {number}"),
            reason,
        };
        let mut word = [0; 8];
        if at.saturating_add(8) <= source.length() {
            source.read(at, &mut word)?;
        } else if number > 0 {
            return Ok(None);
        }
        match (&word, number) {
            (b"SIMPLE  ", 0) | (b"XTENSION", 1..) => {}
            (_, 0) => return Err(error("the file does not begin with SIMPLE: it is no FITS file".into())),
            // Some tapes ended so.
            (b"        " | b"\0\0\0\0\0\0\0\0", _) => return Ok(None),
            _ => {
                return Err(error(format!(
                    "no header at byte {at}, where the HDU before ends: the file is damaged, get it again"
                )));
            }
        }
        let Some((header, end)) = Header::read(source, at)? else {
            return Err(error(
                "the file ends within the header: is it complete? Get it again".into(),
            ));
        };
        let name = match header.string("EXTNAME") {
            Some(name) => name.trim().to_owned(),
            None if number == 0 => "PRIMARY".into(),
            None => String::new(),
        };
        let mut hdu = Self {
            number,
            name,
            kind: HduKind::Other,
            header: Arc::new(header),
            data: end..end,
            source: Arc::clone(source),
        };
        let length = data_length(&hdu.header).map_err(|reason| hdu.error(reason))?;
        hdu.data.end = end.saturating_add(length);
        if hdu.data.end > source.length() {
            return Err(hdu.error(format!(
                "its header declares {length} bytes of data, the file has {} of them: is it complete? Get it again",
                source.length() - end
            )));
        }
        hdu.kind = hdu.find_kind().map_err(|reason| hdu.error(reason))?;
        Ok(Some(hdu))
    }

    fn find_kind(&self) -> Result<HduKind, String> {
        Ok(match self.header.string("XTENSION") {
            None | Some("IMAGE") if self.header.is_true("GROUPS") => HduKind::Other,
            None | Some("IMAGE") => HduKind::Image {
                shape: shape_of(&self.header, "")?,
            },
            Some("BINTABLE") if self.header.is_true("ZIMAGE") => HduKind::Image {
                shape: shape_of(&self.header, "Z")?,
            },
            Some("BINTABLE") => HduKind::Table {
                rows: self.header.size("NAXIS2")?,
                columns: columns_of(&self.header)?
                    .into_iter()
                    .map(|column| column.name)
                    .collect(),
            },
            Some(_) => HduKind::Other,
        })
    }

    pub(super) fn error(&self, reason: String) -> Error {
        let hdu = match self.name.as_str() {
            "" => format!("HDU {}", self.number),
            name => format!("HDU {} ({name})", self.number),
        };
        Error::Fits {
            path: self.source.path().to_owned(),
            hdu,
            reason,
        }
    }

    /// Length of the data in bytes.
    pub(super) fn length(&self) -> u64 {
        self.data.end - self.data.start
    }

    /// Fills `bytes` with data from this place of them on.
    pub(super) fn read_data(&self, at: u64, bytes: &mut [u8]) -> Result<()> {
        let end = at.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > self.length()) {
            return Err(self.error(format!(
                "{} bytes at byte {at} of the data are wanted, of which there are {}: the file is damaged, get it again",
                bytes.len(),
                self.length()
            )));
        }
        self.source.read(self.data.start + at, bytes)
    }
}

/// Bytes of data behind a header (FITS standard 4.0, eq. 2 of section 4.4.1.2 and eq. 4 of section 6.1).
fn data_length(header: &Header) -> Result<u64, String> {
    let mut axes = (1..=header.axes("NAXIS")?)
        .map(|axis| header.size(&format!("NAXIS{axis}")))
        .collect::<Result<Vec<_>, _>>()?;
    if axes.is_empty() {
        return Ok(0);
    }
    let bits = header.integer("BITPIX")?.unwrap_or_default();
    if ![8, 16, 32, 64, -32, -64].contains(&bits) {
        return Err(format!("card BITPIX is {bits}, expected 8, 16, 32, 64, -32 or -64"));
    }
    if header.is_true("GROUPS") && axes[0] == 0 {
        axes[0] = 1;
    }
    let count = |keyword, or: i64| match header.integer(keyword)?.unwrap_or(or) {
        count @ 0.. => Ok(count as u64),
        _ => Err(format!("card {keyword} is negative")),
    };
    let (parameters, groups) = (count("PCOUNT", 0)?, count("GCOUNT", 1)?);
    let pixels = axes
        .iter()
        .try_fold(1u64, |product, axis| product.checked_mul(*axis as u64));
    pixels
        .and_then(|pixels| pixels.checked_add(parameters))
        .and_then(|pixels| pixels.checked_mul(groups))
        .and_then(|pixels| pixels.checked_mul(bits.unsigned_abs() / 8))
        .ok_or_else(|| format!("axes of {axes:?} are larger than any file: its header is damaged"))
}
