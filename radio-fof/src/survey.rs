//! The galaxies of a redshift survey.

use crate::error::{Error, Result, check_column, check_rows};

/// The galaxies of a redshift survey, one value per galaxy in every column.
///
/// # Examples
///
/// ```
/// use radio_fof::Survey;
///
/// let (ra, dec, z) = ([10.0, 10.1], [-5.0, -5.1], [0.1, 0.1]);
/// let survey = Survey::new(&ra, &dec, &z).completeness(&[1.0, 0.9]);
/// assert_eq!(survey.len(), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Survey<'a> {
    pub(crate) ra: &'a [f64],
    pub(crate) dec: &'a [f64],
    pub(crate) z: &'a [f64],
    completeness: Option<&'a [f64]>,
}

impl<'a> Survey<'a> {
    /// Right ascension and declination in degrees (ICRS or any other frame), and redshift.
    ///
    /// Right ascensions outside [0, 360) are taken modulo 360. Redshifts must be positive: they are distances here.
    pub fn new(ra: &'a [f64], dec: &'a [f64], z: &'a [f64]) -> Self {
        Self {
            ra,
            dec,
            z,
            completeness: None,
        }
    }

    /// The completeness around each galaxy: the fraction, in (0, 1], of the galaxies there that have a redshift.
    /// Linking lengths grow as completeness^(-1/3). Default: 1 everywhere.
    pub fn completeness(mut self, completeness: &'a [f64]) -> Self {
        self.completeness = Some(completeness);
        self
    }

    /// Number of galaxies (the length of `ra`).
    pub fn len(&self) -> usize {
        self.ra.len()
    }

    /// Are there no galaxies?
    pub fn is_empty(&self) -> bool {
        self.ra.is_empty()
    }

    pub(crate) fn completeness_of(&self, row: usize) -> f64 {
        self.completeness.map_or(1.0, |completeness| completeness[row])
    }

    /// The unit vector to a galaxy.
    pub(crate) fn direction(&self, row: usize) -> [f64; 3] {
        let (sin_ra, cos_ra) = self.ra[row].rem_euclid(360.0).to_radians().sin_cos();
        let (sin_dec, cos_dec) = self.dec[row].to_radians().sin_cos();
        [cos_dec * cos_ra, cos_dec * sin_ra, sin_dec]
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_rows(self.len())?;
        let expected = self.len();
        let columns = [
            ("dec", self.dec),
            ("z", self.z),
            ("completeness", self.completeness.unwrap_or(self.z)),
        ];
        for (column, values) in columns {
            if values.len() != expected {
                return Err(Error::Length {
                    column,
                    found: values.len(),
                    first: "ra",
                    expected,
                });
            }
        }
        check_column("ra", self.ra, "finite; drop the row", f64::is_finite)?;
        let is_declination = |dec: f64| (-90.0..=90.0).contains(&dec);
        check_column("dec", self.dec, "within [-90, 90]; drop the row", is_declination)?;
        check_column("z", self.z, "positive and finite; select z > 0 first", |z| {
            z > 0.0 && z.is_finite()
        })?;
        let is_fraction = |completeness: f64| completeness > 0.0 && completeness <= 1.0;
        check_column(
            "completeness",
            self.completeness.unwrap_or(&[]),
            "in (0, 1]",
            is_fraction,
        )
    }
}
