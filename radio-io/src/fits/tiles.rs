//! Images that are stored tile by tile, compressed, in a binary table (FITS standard 4.0, section 10).

use std::io::Read as _;
use std::ops::Range;

use flate2::read::MultiGzDecoder;

use super::file::Hdu;
use super::image::Form;
use super::quantized::{Dither, Scale};
use super::rice;
use super::table::Table;
use crate::Result;

/// No method packs pixels into fewer bytes than their size over this: gzip at its best 1,032, for equal bytes.
const MOST_PACKED: usize = 1_100;

/// The tiles of an image. They become bytes as an image has them that is not compressed.
#[derive(Debug)]
pub(super) struct Tiles {
    table: Table,
    method: Method,
    /// Columns of the table: compressed tiles, and those for which that was not worth it.
    packed: Option<usize>,
    gzipped: Option<usize>,
    plain: Option<usize>,
    quantized: Option<Quantized>,
    bitpix: i64,
    /// Lengths of the image and of a tile, the slowest axis first.
    shape: Vec<usize>,
    tile: Vec<usize>,
    /// The tiles side by side along the slowest axis that `bytes` holds.
    band: Option<usize>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Method {
    Rice { block: usize, size: usize },
    Gzip1,
    Gzip2,
    None,
}

/// Floats that were made integers.
#[derive(Debug)]
struct Quantized {
    dither: Dither,
    seed: usize,
    scale: Setting,
    zero: Setting,
    blank: Option<Setting>,
}

/// The same number for all tiles, or a column.
#[derive(Clone, Copy, Debug)]
enum Setting {
    All(f64),
    Column(usize),
}

impl Tiles {
    pub(super) fn open(hdu: &Hdu, shape: &[usize], form: &Form) -> Result<Self> {
        let fail = |reason| hdu.error(reason);
        let table = Table::open(hdu)?;
        let tile = tile_shape(hdu, shape).map_err(fail)?;
        let method = Method::find(hdu, form.size()).map_err(fail)?;
        let tiles = shape.iter().zip(&tile).try_fold(1usize, |product, (axis, tile)| {
            product.checked_mul(axis.div_ceil(*tile))
        });
        if tiles != Some(table.rows()) {
            return Err(fail(format!(
                "{} rows, where {shape:?} pixels in tiles of {tile:?} need {tiles:?}: its header is damaged",
                table.rows()
            )));
        }
        let find = |name| table.find(&[name]);
        let (packed, gzipped, plain) = (
            find("COMPRESSED_DATA"),
            find("GZIP_COMPRESSED_DATA"),
            find("UNCOMPRESSED_DATA"),
        );
        Ok(Self {
            quantized: if form.bitpix < 0 {
                Quantized::find(hdu, &table).map_err(fail)?
            } else {
                None
            },
            table,
            method,
            packed,
            gzipped,
            plain,
            bitpix: form.bitpix,
            shape: shape.to_vec(),
            tile,
            band: None,
            bytes: Vec::new(),
        })
    }

    /// The bytes of rows, the first of these and some of the next ones.
    pub(super) fn rows(&mut self, rows: Range<usize>) -> Result<&[u8]> {
        let height = self.tile[0];
        let band = rows.start / height;
        if self.band != Some(band) {
            self.band = None;
            self.fill(band)?;
            self.band = Some(band);
        }
        let row_bytes = self.bytes.len() / height.min(self.shape[0] - band * height);
        let first = rows.start - band * height;
        let count = rows.len().min(height - first);
        Ok(&self.bytes[first * row_bytes..(first + count) * row_bytes])
    }

    /// Decodes the tiles of a band.
    fn fill(&mut self, band: usize) -> Result<()> {
        let size = self.bitpix.unsigned_abs() as usize / 8;
        let mut shape = self.shape.clone();
        shape[0] = self.tile[0].min(shape[0] - band * self.tile[0]);
        let grid: Vec<usize> = shape
            .iter()
            .zip(&self.tile)
            .map(|(axis, tile)| axis.div_ceil(*tile))
            .collect();
        let tiles: usize = grid.iter().product();
        let bytes = shape.iter().product::<usize>() * size;
        let mut packed = 0;
        for tile in band * tiles..(band + 1) * tiles {
            for column in [self.packed, self.gzipped, self.plain].into_iter().flatten() {
                let range = self.table.variable(tile, column)?;
                packed = usize::saturating_add(packed, (range.end - range.start) as usize);
            }
        }
        // Tiles that lie in one another are no more bytes than the file has.
        let packed = packed.min(self.table.hdu().length() as usize);
        if bytes > packed.saturating_mul(MOST_PACKED) {
            return Err(self.table.hdu().error(format!(
                "{bytes} bytes of pixels cannot be in {packed} bytes of tiles: the file is damaged, get it again"
            )));
        }
        self.bytes.clear();
        if tiles == 1 {
            let mut bytes = std::mem::take(&mut self.bytes);
            let pixels = shape.iter().product();
            let result = self.tile(band, pixels, &mut bytes);
            self.bytes = bytes;
            return result;
        }
        self.bytes.resize(bytes, 0);
        let mut decoded = Vec::new();
        for number in 0..tiles {
            let place = Place::new(number, &grid, &self.tile, &shape);
            decoded.clear();
            self.tile(band * tiles + number, place.lengths.iter().product(), &mut decoded)?;
            place.copy(&decoded, size, &shape, &mut self.bytes);
        }
        Ok(())
    }

    /// Decodes the tile of this number, of so many pixels.
    fn tile(&self, number: usize, pixels: usize, out: &mut Vec<u8>) -> Result<()> {
        let fail = |reason: String| self.table.hdu().error(format!("tile {number}: {reason}"));
        let size = self.bitpix.unsigned_abs() as usize / 8;
        let wanted = pixels * size;
        let read = |column: Option<usize>| -> Result<Vec<u8>> {
            let Some(column) = column else { return Ok(Vec::new()) };
            let range = self.table.variable(number, column)?;
            let mut bytes = vec![0; (range.end - range.start) as usize];
            self.table.hdu().read_data(range.start, &mut bytes)?;
            Ok(bytes)
        };
        let packed = read(self.packed)?;
        if packed.is_empty() {
            let gzipped = read(self.gzipped)?;
            let is_plain = gzipped.is_empty();
            *out = if is_plain {
                read(self.plain)?
            } else {
                gunzip(&gzipped, wanted)
            };
        } else if let Some(quantized) = &self.quantized {
            let mut stored = Vec::new();
            self.method.decode(&packed, pixels, 4, &mut stored).map_err(fail)?;
            let scale = quantized.scale(&self.table, number)?;
            let stored = stored.as_chunks::<4>().0.iter().map(|bytes| i32::from_be_bytes(*bytes));
            out.reserve(wanted);
            quantized
                .dither
                .restore(number, quantized.seed, scale, stored, |value| {
                    if size == 4 {
                        out.extend_from_slice(&(value as f32).to_be_bytes());
                    } else {
                        out.extend_from_slice(&value.to_be_bytes());
                    }
                });
        } else {
            self.method.decode(&packed, pixels, size, out).map_err(fail)?;
        }
        if out.len() == wanted {
            return Ok(());
        }
        Err(fail(format!(
            "{} bytes of pixels, expected {wanted}: the file is damaged, get it again",
            out.len()
        )))
    }
}

impl Method {
    fn find(hdu: &Hdu, size: usize) -> Result<Self, String> {
        let header = &hdu.header;
        Ok(match header.string("ZCMPTYPE") {
            Some("RICE_1" | "RICE_ONE") => {
                let parameter = |name: &str, or: i64| {
                    let number = (1..=99).take_while(|number| header.text(&format!("ZNAME{number}")).is_some());
                    let mut number = number.filter(|number| header.string(&format!("ZNAME{number}")) == Some(name));
                    let found = number.next().map(|number| header.integer(&format!("ZVAL{number}")));
                    found.transpose().map(|found| found.flatten().unwrap_or(or))
                };
                match (parameter("BLOCKSIZE", 32)?, parameter("BYTEPIX", size.min(4) as i64)?) {
                    (block @ 1..=64, size @ (1 | 2 | 4)) => Self::Rice {
                        block: block as usize,
                        size: size as usize,
                    },
                    (block, size) => {
                        return Err(format!(
                            "RICE_1 of BLOCKSIZE {block} and BYTEPIX {size}, expected 32 and 1, 2 or 4"
                        ));
                    }
                }
            }
            Some("GZIP_1") => Self::Gzip1,
            Some("GZIP_2") => Self::Gzip2,
            Some("NOCOMPRESS") => Self::None,
            other => {
                return Err(format!(
                    "card ZCMPTYPE is {}, expected RICE_1, GZIP_1 or GZIP_2: unpack the file with funpack",
                    other.unwrap_or("missing")
                ));
            }
        })
    }

    /// Appends pixels of `size` bytes each.
    fn decode(self, packed: &[u8], pixels: usize, size: usize, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Rice { block, size: stored } if stored == size => rice::decode(packed, pixels, block, size, out)?,
            Self::Rice { size: stored, .. } => {
                return Err(format!(
                    "RICE_1 of BYTEPIX {stored}, expected {size}, the size of a pixel"
                ));
            }
            Self::Gzip1 => out.append(&mut gunzip(packed, pixels * size)),
            Self::Gzip2 => {
                // The first bytes of all pixels, then the second ones, and so on.
                let shuffled = gunzip(packed, pixels * size);
                if shuffled.len() == pixels * size {
                    out.extend((0..shuffled.len()).map(|byte| shuffled[byte % size * pixels + byte / size]));
                }
            }
            Self::None => out.extend_from_slice(packed),
        }
        Ok(())
    }
}

impl Quantized {
    fn find(hdu: &Hdu, table: &Table) -> Result<Option<Self>, String> {
        let setting = |name: &str| {
            let column = table.find(&[name]).map(Setting::Column);
            Ok::<_, String>(column.or(hdu.header.number(name)?.map(Setting::All)))
        };
        let (Some(scale), Some(zero)) = (setting("ZSCALE")?, setting("ZZERO")?) else {
            return Ok(None);
        };
        Ok(Some(Self {
            dither: Dither::find(hdu.header.string("ZQUANTIZ"))?,
            seed: usize::try_from(hdu.header.integer("ZDITHER0")?.unwrap_or(1)).unwrap_or(1),
            scale,
            zero,
            blank: setting("ZBLANK")?,
        }))
    }

    fn scale(&self, table: &Table, tile: usize) -> Result<Scale> {
        let get = |setting: Setting| match setting {
            Setting::All(number) => Ok(number),
            Setting::Column(column) => table.number(tile, column),
        };
        Ok(Scale {
            scale: get(self.scale)?,
            zero: get(self.zero)?,
            blank: self.blank.map(get).transpose()?.map(|blank| blank as i64),
        })
    }
}

/// Where a tile lies in its band.
struct Place {
    first: Vec<usize>,
    lengths: Vec<usize>,
}

impl Place {
    /// Of the tile of this number in a band of this shape; `grid` are the tiles along its axes.
    fn new(mut number: usize, grid: &[usize], tile: &[usize], shape: &[usize]) -> Self {
        let mut first = vec![0; grid.len()];
        for axis in (0..grid.len()).rev() {
            first[axis] = number % grid[axis] * tile[axis];
            number /= grid[axis];
        }
        let lengths = first
            .iter()
            .zip(tile)
            .zip(shape)
            .map(|((first, tile), axis)| *tile.min(&(axis - first)));
        Self {
            lengths: lengths.collect(),
            first,
        }
    }

    /// Copies the tile's pixels to their places, line by line.
    fn copy(&self, decoded: &[u8], size: usize, shape: &[usize], band: &mut [u8]) {
        let line = self.lengths.last().copied().unwrap_or(1) * size;
        for (number, pixels) in decoded.chunks_exact(line).enumerate() {
            // The place of the line's first pixel, axis by axis from the fastest one.
            let (mut at, mut stride, mut left) = (0, 1, number);
            for axis in (0..shape.len()).rev() {
                let along = if axis + 1 == shape.len() {
                    0
                } else {
                    let along = left % self.lengths[axis];
                    left /= self.lengths[axis];
                    along
                };
                at += (self.first[axis] + along) * stride;
                stride *= shape[axis];
            }
            band[at * size..at * size + line].copy_from_slice(pixels);
        }
    }
}

/// The lengths of a tile, the slowest axis first: by default lines of the image.
fn tile_shape(hdu: &Hdu, shape: &[usize]) -> Result<Vec<usize>, String> {
    let axes = shape.len();
    let length = |(index, &axis): (usize, &usize)| {
        let keyword = format!("ZTILE{}", axes - index);
        let or = if index + 1 == axes { axis } else { 1 };
        let found = match hdu.header.text(&keyword) {
            Some(_) => hdu.header.size(&keyword)?,
            None => or,
        };
        Ok(found.clamp(1, axis.max(1)))
    };
    shape.iter().enumerate().map(length).collect()
}

/// Unpacks at most that many bytes; fewer if that is all, or what follows is damaged.
fn gunzip(packed: &[u8], most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    // The length tells whether that went well.
    let _ = MultiGzDecoder::new(packed).take(most as u64).read_to_end(&mut bytes);
    bytes
}
