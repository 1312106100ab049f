//! Images: pixels as they are stored, and what they mean.

use std::ops::Range;

use super::file::{Hdu, HduKind};
use super::header::Header;
use super::tiles::Tiles;
use crate::Result;

/// Bytes that are read at once, so that they are still in the processor's cache when they are decoded.
const CHUNK: usize = 1 << 18;

/// A number that pixels are read as: `f32`, `f64`, `i32` or `i64`.
pub trait Pixel: Decode + Clone {}

impl Pixel for f32 {}
impl Pixel for f64 {}
impl Pixel for i32 {}
impl Pixel for i64 {}

/// How pixels are stored.
#[derive(Clone, Debug)]
pub struct Form {
    /// Bits, negative for floats.
    pub(super) bitpix: i64,
    scale: f64,
    zero: f64,
    blank: Option<i64>,
}

/// Keeps [`Pixel`] to the types above.
pub trait Decode: Sized {
    /// Decodes pixels and appends them; the error is a reason for people.
    #[doc(hidden)]
    fn decode(bytes: &[u8], form: &Form, out: &mut Vec<Self>) -> Result<(), String>;
}

/// An image that is read by rows: slices along its slowest axis.
#[derive(Debug)]
pub(super) struct Image {
    hdu: Hdu,
    shape: Vec<usize>,
    row_pixels: usize,
    form: Form,
    tiles: Option<Tiles>,
    bytes: Vec<u8>,
}

impl Image {
    pub(super) fn open(hdu: &Hdu) -> Result<Self> {
        let HduKind::Image { shape } = hdu.kind() else {
            return Err(hdu.error("expected an image".into()));
        };
        let fail = |reason| hdu.error(reason);
        let is_packed = hdu.header.string("XTENSION") == Some("BINTABLE");
        let form = Form::read(&hdu.header, if is_packed { "ZBITPIX" } else { "BITPIX" }).map_err(fail)?;
        let pixels = shape
            .iter()
            .try_fold(form.size(), |product, axis| product.checked_mul(*axis));
        if pixels.is_none() {
            return Err(fail(format!("an image of {shape:?} pixels is larger than any file")));
        }
        Ok(Self {
            row_pixels: shape.iter().skip(1).product(),
            tiles: if is_packed {
                Some(Tiles::open(hdu, shape, &form)?)
            } else {
                None
            },
            hdu: hdu.clone(),
            shape: shape.clone(),
            form,
            bytes: Vec::new(),
        })
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(super) fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or_default()
    }

    /// Appends these rows to `out`.
    pub(super) fn append<T: Decode>(&mut self, rows: Range<usize>, out: &mut Vec<T>) -> Result<()> {
        let row_bytes = self.row_pixels * self.form.size();
        if row_bytes == 0 {
            return Ok(());
        }
        let mut first = rows.start;
        while first < rows.end {
            let bytes = match &mut self.tiles {
                Some(tiles) => tiles.rows(first..rows.end)?,
                None => {
                    let count = (CHUNK / row_bytes).max(1).min(rows.end - first);
                    self.bytes.resize(count * row_bytes, 0);
                    self.hdu.read_data((first * row_bytes) as u64, &mut self.bytes)?;
                    &self.bytes
                }
            };
            T::decode(bytes, &self.form, out).map_err(|reason| self.hdu.error(reason))?;
            first += bytes.len() / row_bytes;
        }
        Ok(())
    }
}

impl Form {
    fn read(header: &Header, bitpix: &str) -> Result<Self, String> {
        Ok(Self {
            bitpix: match header.integer(bitpix)? {
                Some(bits @ (8 | 16 | 32 | 64 | -32 | -64)) => bits,
                other => {
                    return Err(format!(
                        "card {bitpix} is {other:?}, expected 8, 16, 32, 64, -32 or -64"
                    ));
                }
            },
            scale: header.number("BSCALE")?.unwrap_or(1.0),
            zero: header.number("BZERO")?.unwrap_or(0.0),
            blank: header.integer("BLANK")?,
        })
    }

    /// Bytes of a pixel.
    pub(super) fn size(&self) -> usize {
        self.bitpix.unsigned_abs() as usize / 8
    }

    fn is_plain(&self) -> bool {
        self.scale == 1.0 && self.zero == 0.0
    }

    /// What a stored integer means.
    fn physical(&self, stored: i64) -> f64 {
        if Some(stored) == self.blank {
            f64::NAN
        } else {
            stored as f64 * self.scale + self.zero
        }
    }

    /// What is added to stored integers: 0, or what makes them unsigned (or signed, for bytes).
    fn offset(&self, most_bits: i64) -> Result<i64, String> {
        let bits = self.bitpix;
        if bits < 0 || bits > most_bits {
            return Err(format!(
                "pixels are stored as BITPIX {bits}, expected integers of at most {most_bits} bits"
            ));
        }
        let signed = if bits == 8 { -128.0 } else { 2f64.powi(bits as i32 - 1) };
        match self.zero {
            _ if self.scale != 1.0 => Err(format!("card BSCALE is {}, expected 1 for integers", self.scale)),
            0.0 => Ok(0),
            zero if zero == signed && bits == 64 => Ok(i64::MIN),
            zero if zero == signed => Ok(zero as i64),
            zero => Err(format!("card BZERO is {zero}, expected 0 or {signed} for integers")),
        }
    }
}

/// Appends pixels of N bytes.
fn each<const N: usize, T>(bytes: &[u8], out: &mut Vec<T>, decode: impl Fn([u8; N]) -> T) -> Result<(), String> {
    out.extend(bytes.as_chunks::<N>().0.iter().map(|pixel| decode(*pixel)));
    Ok(())
}

/// Appends what pixels mean.
fn physical<T>(bytes: &[u8], form: &Form, out: &mut Vec<T>, convert: impl Fn(f64) -> T) -> Result<(), String> {
    let scaled = |stored: f64| convert(stored * form.scale + form.zero);
    match form.bitpix {
        8 => each(bytes, out, |b| convert(form.physical(u8::from_be_bytes(b).into()))),
        16 => each(bytes, out, |b| convert(form.physical(i16::from_be_bytes(b).into()))),
        32 => each(bytes, out, |b| convert(form.physical(i32::from_be_bytes(b).into()))),
        64 => each(bytes, out, |b| convert(form.physical(i64::from_be_bytes(b)))),
        -32 => each(bytes, out, |b| scaled(f32::from_be_bytes(b).into())),
        _ => each(bytes, out, |b| scaled(f64::from_be_bytes(b))),
    }
}

impl Decode for f32 {
    fn decode(bytes: &[u8], form: &Form, out: &mut Vec<Self>) -> Result<(), String> {
        if form.bitpix == -32 && form.is_plain() {
            each(bytes, out, f32::from_be_bytes)
        } else {
            physical(bytes, form, out, |value| value as f32)
        }
    }
}

impl Decode for f64 {
    fn decode(bytes: &[u8], form: &Form, out: &mut Vec<Self>) -> Result<(), String> {
        physical(bytes, form, out, |value| value)
    }
}

impl Decode for i32 {
    fn decode(bytes: &[u8], form: &Form, out: &mut Vec<Self>) -> Result<(), String> {
        // The bits of 2^31 as a signed number.
        let offset = form.offset(32)? as i32;
        match form.bitpix {
            8 => each(bytes, out, |b| i32::from(u8::from_be_bytes(b)) + offset),
            16 => each(bytes, out, |b| i32::from(i16::from_be_bytes(b)) + offset),
            _ => each(bytes, out, |b| i32::from_be_bytes(b).wrapping_add(offset)),
        }
    }
}

impl Decode for i64 {
    fn decode(bytes: &[u8], form: &Form, out: &mut Vec<Self>) -> Result<(), String> {
        let offset = form.offset(64)?;
        match form.bitpix {
            8 => each(bytes, out, |b| i64::from(u8::from_be_bytes(b)) + offset),
            16 => each(bytes, out, |b| i64::from(i16::from_be_bytes(b)) + offset),
            32 => each(bytes, out, |b| i64::from(i32::from_be_bytes(b)) + offset),
            _ => each(bytes, out, |b| i64::from_be_bytes(b).wrapping_add(offset)),
        }
    }
}

/// The lengths of an image, the slowest axis first; `prefix` is that of the cards.
pub(super) fn shape_of(header: &Header, prefix: &str) -> Result<Vec<usize>, String> {
    let axes = header.axes(&format!("{prefix}NAXIS"))?;
    (1..=axes)
        .rev()
        .map(|axis| header.size(&format!("{prefix}NAXIS{axis}")))
        .collect()
}
