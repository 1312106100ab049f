//! Rows per pixel, as FITS files of HEALPix maps.

/// Rows per pixel of one order (NESTED), where there are any, ascending.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) order: u8,
    pixels: Vec<(u64, u64)>,
}

impl Counts {
    pub(super) fn new(order: u8) -> Self {
        Self {
            order,
            pixels: Vec::new(),
        }
    }

    /// Adds a row of this pixel of order 29, none of which is below the one before.
    pub(super) fn add(&mut self, healpix_29: u64) {
        let pixel = healpix_29 >> (2 * (super::DEEPEST - self.order));
        match self.pixels.last_mut() {
            Some((last, rows)) if *last == pixel => *rows += 1,
            _ => self.pixels.push((pixel, 1)),
        }
    }

    /// The file: a value for each pixel, or, where more than half of them are 0, only those that are not, with their numbers.
    pub(super) fn fits(&self) -> Vec<u8> {
        let nside = 1u64 << self.order;
        let pixels = 12 * nside * nside;
        let is_sparse = (self.pixels.len() as u64) < pixels / 2;
        let (width, rows) = if is_sparse {
            (16, self.pixels.len() as u64)
        } else {
            (8, pixels)
        };
        let mut file = Header::default();
        file.logical("SIMPLE", true);
        file.number("BITPIX", 8);
        file.number("NAXIS", 0);
        file.logical("EXTEND", true);
        file.end();
        file.text("XTENSION", "BINTABLE");
        for (key, value) in [("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", width), ("NAXIS2", rows)] {
            file.number(key, value);
        }
        for (key, value) in [("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", width / 8)] {
            file.number(key, value);
        }
        let names = if is_sparse { &["PIXEL", "VALUE"][..] } else { &["VALUE"] };
        for (name, number) in names.iter().zip(1..) {
            file.text(&format!("TTYPE{number}"), name);
            file.text(&format!("TFORM{number}"), "K");
        }
        file.text("PIXTYPE", "HEALPIX");
        file.text("INDXSCHM", if is_sparse { "EXPLICIT" } else { "IMPLICIT" });
        file.text("ORDERING", "NESTED");
        file.number("NSIDE", nside);
        if is_sparse {
            file.number("OBS_NPIX", rows);
        } else {
            file.number("FIRSTPIX", 0);
            file.number("LASTPIX", pixels - 1);
            file.text("OBJECT", "FULLSKY");
        }
        file.text("COORDSYS", "C");
        file.text("EXTNAME", "xtension");
        file.end();
        let mut bytes = file.0;
        if is_sparse {
            for numbers in &self.pixels {
                bytes.extend(numbers.0.to_be_bytes());
                bytes.extend(numbers.1.to_be_bytes());
            }
        } else {
            let start = bytes.len();
            bytes.resize(start + 8 * pixels as usize, 0);
            for &(pixel, rows) in &self.pixels {
                let at = start + 8 * pixel as usize;
                bytes[at..at + 8].copy_from_slice(&rows.to_be_bytes());
            }
        }
        pad(&mut bytes, 0);
        bytes
    }
}

/// Cards of 80 characters.
#[derive(Default)]
struct Header(Vec<u8>);

impl Header {
    fn card(&mut self, text: &str) {
        self.0.extend(format!("{text:<80}").bytes());
    }

    fn logical(&mut self, key: &str, value: bool) {
        self.card(&format!("{key:<8}= {:>20}", if value { "T" } else { "F" }));
    }

    fn number(&mut self, key: &str, value: u64) {
        self.card(&format!("{key:<8}= {value:>20}"));
    }

    fn text(&mut self, key: &str, value: &str) {
        self.card(&format!("{key:<8}= '{value:<8}'"));
    }

    fn end(&mut self) {
        self.card("END");
        pad(&mut self.0, b' ');
    }
}

/// Fills a block of 2880 bytes.
fn pad(bytes: &mut Vec<u8>, with: u8) {
    bytes.resize(bytes.len().next_multiple_of(2880), with);
}
