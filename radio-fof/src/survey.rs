//! The galaxies of a redshift survey.

use crate::error::{Result, check_column, check_length, check_rows};

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
    pub(crate) absolute_magnitudes: Option<&'a [f64]>,
    pub(crate) velocity_errors_km_s: Option<&'a [f64]>,
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
            absolute_magnitudes: None,
            velocity_errors_km_s: None,
        }
    }

    /// The completeness around each galaxy: the fraction, in (0, 1], of the galaxies there that have a redshift.
    /// Linking lengths grow as completeness^(-1/3). Default: 1 everywhere.
    pub fn completeness(mut self, completeness: &'a [f64]) -> Self {
        self.completeness = Some(completeness);
        self
    }

    /// Absolute magnitudes, in one band: for the properties of groups. Default: galaxies of equal, unknown light.
    pub fn absolute_magnitudes(mut self, magnitudes: &'a [f64]) -> Self {
        self.absolute_magnitudes = Some(magnitudes);
        self
    }

    /// Errors of the redshifts, as velocities in km/s: for the velocity dispersions of groups. Default: 0.
    pub fn velocity_errors_km_s(mut self, errors: &'a [f64]) -> Self {
        self.velocity_errors_km_s = Some(errors);
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
        direction(self.ra[row], self.dec[row])
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_rows(self.len())?;
        check_sky("ra", self.ra, "dec", self.dec)?;
        let positive = "positive and finite; select z > 0 first";
        let fraction = "in (0, 1]";
        let finite = "within ±100; drop the row or repair it";
        let error = "finite and not negative";
        self.check_values("z", Some(self.z), positive, |z| z > 0.0 && z.is_finite())?;
        self.check_values("completeness", self.completeness, fraction, |c| c > 0.0 && c <= 1.0)?;
        let is_magnitude = |magnitude: f64| magnitude.abs() <= 100.0;
        self.check_values("absolute_magnitudes", self.absolute_magnitudes, finite, is_magnitude)?;
        let is_error = |error: f64| error >= 0.0 && error.is_finite();
        self.check_values("velocity_errors_km_s", self.velocity_errors_km_s, error, is_error)
    }

    fn check_values(
        &self,
        column: &'static str,
        values: Option<&[f64]>,
        expected: &'static str,
        valid: impl Fn(f64) -> bool,
    ) -> Result<()> {
        let Some(values) = values else { return Ok(()) };
        check_length(column, values.len(), "ra", self.len())?;
        check_column(column, values, expected, valid)
    }
}

/// The unit vector to a place on the sky, given in degrees.
pub(crate) fn direction(ra: f64, dec: f64) -> [f64; 3] {
    let (sin_ra, cos_ra) = ra.rem_euclid(360.0).to_radians().sin_cos();
    let (sin_dec, cos_dec) = dec.to_radians().sin_cos();
    [cos_dec * cos_ra, cos_dec * sin_ra, sin_dec]
}

/// Refuses places that are not on the sky.
pub(crate) fn check_sky(ra_column: &'static str, ra: &[f64], dec_column: &'static str, dec: &[f64]) -> Result<()> {
    check_length(dec_column, dec.len(), ra_column, ra.len())?;
    check_column(ra_column, ra, "finite; drop the row", f64::is_finite)?;
    check_column(dec_column, dec, "within [-90, 90]; drop the row", |dec| {
        (-90.0..=90.0).contains(&dec)
    })
}
