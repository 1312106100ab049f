//! The key columns of a tile: which they are, and what they hold.

use std::hash::Hasher;

use cdshealpix::nested;
use twox_hash::XxHash64;

use crate::KeyColumns;
use crate::footer::Footer;
use crate::pages::{Cells, Pages, Texts};
use crate::read_at::ReadAt;

/// HEALPix order of `galaxies.healpix`: nside 64.
pub(crate) const PIXEL_ORDER: u8 = 6;
const PIXELS: i64 = 12 << (2 * PIXEL_ORDER);

/// The key columns of one tile, each as long as the tile. NaN is no value.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) targetid: Vec<i64>,
    pub(crate) ra: Vec<f64>,
    pub(crate) dec: Vec<f64>,
    pub(crate) z: Vec<f64>,
    pub(crate) zerr: Vec<f64>,
    pub(crate) zwarn: Vec<Option<i64>>,
    pub(crate) spectype: Texts,
    pub(crate) objtype: Texts,
    pub(crate) desi_target: Vec<Option<i64>>,
    pub(crate) deltachi2: Vec<f64>,
    pub(crate) fiberstatus: Vec<Option<i64>>,
    pub(crate) primary: Vec<Option<i64>>,
    pub(crate) survey: Texts,
    pub(crate) program: Texts,
    pub(crate) healpix: Vec<Option<i64>>,
}

impl Keys {
    /// Reads the key columns of tile number `tile`; the error is a reason for people.
    pub(crate) fn read(file: &dyn ReadAt, footer: &Footer, names: &KeyColumns, tile: i32) -> Result<Self, String> {
        let tile_columns = TileColumns::open(file, footer, names)?;
        let ra = tile_columns.reals(&names.ra)?;
        let dec = tile_columns.reals(&names.dec)?;
        let given = tile_columns.integers(&names.healpix, None)?;
        // A pixel that does not exist is a fill value, or one of another nside.
        let exists = |pixel: &i64| (0..PIXELS).contains(pixel);
        let positions = ra.iter().zip(&dec).map(|(&ra, &dec)| pixel(ra, dec));
        let healpix = positions
            .zip(given)
            .map(|(pixel, given)| pixel.or_else(|| given.filter(exists)))
            .collect();
        Ok(Self {
            targetid: tile_columns.ids(names, tile)?,
            z: tile_columns.reals(&names.z)?,
            zerr: tile_columns.reals(&names.zerr)?,
            zwarn: tile_columns.integers(&names.zwarn, Some(Booleans::Warning(names.good_warning)))?,
            spectype: tile_columns.texts(&names.spectype)?,
            objtype: tile_columns.texts(&names.objtype)?,
            desi_target: tile_columns.integers(&names.desi_target, None)?,
            deltachi2: tile_columns.reals(&names.deltachi2)?,
            fiberstatus: tile_columns.integers(&names.fiberstatus, None)?,
            primary: tile_columns.integers(&names.primary, Some(Booleans::Truth))?,
            survey: tile_columns.texts(&names.survey)?,
            program: tile_columns.texts(&names.program)?,
            ra,
            dec,
            healpix,
        })
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.targetid.len()
    }

    /// Hash of every value, column after column, so that a change of one is noticed.
    pub(crate) fn hash(&self) -> u64 {
        let mut bytes: Vec<u8> = self.targetid.iter().flat_map(|x| x.to_le_bytes()).collect();
        let mut hash = XxHash64::default();
        for column in [&self.ra, &self.dec, &self.z, &self.zerr, &self.deltachi2] {
            hash.write(&bytes);
            bytes.clear();
            // All kinds of NaN are no value.
            bytes.extend(column.iter().flat_map(|x| {
                if x.is_nan() {
                    [0xff; 8]
                } else {
                    x.to_bits().to_le_bytes()
                }
            }));
        }
        for column in [
            &self.zwarn,
            &self.desi_target,
            &self.fiberstatus,
            &self.primary,
            &self.healpix,
        ] {
            hash.write(&bytes);
            bytes.clear();
            let with_presence = |x: &Option<i64>| i128::from(x.unwrap_or_default()) << 1 | i128::from(x.is_some());
            bytes.extend(column.iter().flat_map(|x| with_presence(x).to_le_bytes()));
        }
        for column in [&self.spectype, &self.objtype, &self.survey, &self.program] {
            hash.write(&bytes);
            bytes.clear();
            for row in 0..self.len() {
                bytes.extend(column.get(row).map_or(&[0xff][..], str::as_bytes));
                bytes.push(0);
            }
        }
        hash.write(&bytes);
        hash.finish()
    }
}

/// HEALPix pixel of a position in degrees; `None` where it is no position.
fn pixel(ra: f64, dec: f64) -> Option<i64> {
    pixel_of_order(PIXEL_ORDER, ra, dec).and_then(|pixel| pixel.try_into().ok())
}

/// HEALPix pixel (NESTED) of a position in degrees at any order up to 29; `None` where it is no position.
pub(crate) fn pixel_of_order(order: u8, ra: f64, dec: f64) -> Option<u64> {
    let on_the_sky = (-360.0..=360.0).contains(&ra) && (-90.0..=90.0).contains(&dec) && order <= 29;
    let lon_rad = ra.rem_euclid(360.0).to_radians();
    on_the_sky.then(|| nested::get(order).hash(lon_rad, dec.to_radians()))
}

/// What a column of booleans means where integers are wanted.
#[derive(Clone, Copy)]
enum Booleans {
    /// 1 is true.
    Truth,
    /// 0 is this value; unknown, where nobody said so.
    Warning(Option<bool>),
}

/// The columns of a tile, by their names.
struct TileColumns<'a> {
    footer: &'a Footer,
    pages: Pages<'a>,
}

impl<'a> TileColumns<'a> {
    /// Looks the key columns up and prepares to read them together.
    fn open(file: &'a dyn ReadAt, footer: &'a Footer, names: &KeyColumns) -> Result<Self, String> {
        let all = [
            &names.id,
            &names.ra,
            &names.dec,
            &names.z,
            &names.zerr,
            &names.zwarn,
            &names.spectype,
            &names.objtype,
            &names.desi_target,
            &names.deltachi2,
            &names.fiberstatus,
            &names.primary,
            &names.survey,
            &names.program,
            &names.healpix,
        ];
        let columns: Vec<usize> = all.into_iter().filter_map(|names| find(footer, names)).collect();
        let pages = Pages::open(file, footer, &columns)?;
        Ok(Self { footer, pages })
    }

    fn rows(&self) -> usize {
        self.pages.rows()
    }

    fn name(&self, column: usize) -> &str {
        self.footer.schema().leaves().get(column).map_or("", |leaf| &leaf.path)
    }

    fn ids(&self, names: &KeyColumns, tile: i32) -> Result<Vec<i64>, String> {
        let Some(column) = find(self.footer, &names.id) else {
            if names.number_rows {
                return Ok((0..self.rows() as i64)
                    .map(|row| (i64::from(tile) << 32) + row)
                    .collect());
            }
            let names = names.id.join(", ");
            return Err(format!(
                "no id column (looked for {names}): name it, or have the rows numbered"
            ));
        };
        let name = self.name(column);
        let missing = |row| format!("row {row}, column {name:?}: no id");
        match self.pages.cells(column)? {
            Cells::Integers(ids) => ids
                .into_iter()
                .enumerate()
                .map(|(row, id)| id.ok_or_else(|| missing(row)))
                .collect(),
            Cells::Texts(ids) => {
                let number = |row| {
                    let id: &str = ids.get(row).ok_or_else(|| missing(row))?;
                    id.trim().parse().map_err(|_| {
                        format!("row {row}, column {name:?}: {id:?} is not an id: a string of digits that fits 64 bits")
                    })
                };
                (0..self.rows()).map(number).collect()
            }
            other => Err(self.wrong(column, &other, "an integer or a string of digits")),
        }
    }

    fn reals(&self, names: &[String]) -> Result<Vec<f64>, String> {
        let Some(column) = find(self.footer, names) else {
            return Ok(vec![f64::NAN; self.rows()]);
        };
        match self.pages.cells(column)? {
            Cells::Reals(values) => Ok(values),
            Cells::Integers(values) => Ok(values.into_iter().map(|x| x.map_or(f64::NAN, |x| x as f64)).collect()),
            other => Err(self.wrong(column, &other, "a number")),
        }
    }

    fn integers(&self, names: &[String], booleans: Option<Booleans>) -> Result<Vec<Option<i64>>, String> {
        let Some(column) = find(self.footer, names) else {
            return Ok(vec![None; self.rows()]);
        };
        let zero = |zero: bool, values: Vec<Option<bool>>| {
            Ok(values.into_iter().map(|x| x.map(|x| i64::from(x != zero))).collect())
        };
        match (self.pages.cells(column)?, booleans) {
            (Cells::Integers(values), _) => Ok(values),
            (Cells::Booleans(values), Some(Booleans::Truth)) => zero(false, values),
            (Cells::Booleans(values), Some(Booleans::Warning(Some(good)))) => zero(good, values),
            (Cells::Booleans(_), Some(Booleans::Warning(None))) => Err(format!(
                "column {:?} is a boolean: say which value means good (KeyColumns::with_good_warning)",
                self.name(column)
            )),
            (other, _) => Err(self.wrong(column, &other, "an integer")),
        }
    }

    fn texts(&self, names: &[String]) -> Result<Texts, String> {
        let Some(column) = find(self.footer, names) else {
            return Ok(Texts::nulls(self.rows()));
        };
        match self.pages.cells(column)? {
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
}

/// Number of the first of `names` that the file has as a column.
fn find(footer: &Footer, names: &[String]) -> Option<usize> {
    let leaves = footer.schema().leaves();
    names
        .iter()
        .find_map(|name| leaves.iter().position(|leaf| leaf.path == *name))
}
