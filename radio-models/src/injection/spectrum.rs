//! The spectrum that gets an anomaly, and the donor of a second one.

use super::smooth::denoise;
use crate::error::{Error, Result, check_shape};

const ONE_ENTRY: &str = "one entry for each wavelength";

/// A spectrum as it was observed: raw flux, before any normalisation.
///
/// Pixels are good where `ivar` is positive, flux and `ivar` are finite and the mask, if there is one, is 0. Only good
/// pixels ever change, and only their flux.
#[derive(Debug)]
pub struct Spectrum<'a> {
    pub(super) wavelength: &'a [f64],
    pub(super) flux: &'a mut [f32],
    ivar: &'a [f32],
    mask: Option<&'a [i32]>,
}

impl<'a> Spectrum<'a> {
    /// A spectrum without a mask. The three slices have one entry per pixel: wavelength in Å, ascending, on a linear
    /// grid or any other; flux in any unit; inverse variance in the inverse square of it.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the lengths differ, [`Error::Option`] where a wavelength is not finite, not positive or
    /// not larger than the one before.
    ///
    /// # Complexity
    ///
    /// O(pixels), to look at the wavelengths.
    pub fn new(wavelength: &'a [f64], flux: &'a mut [f32], ivar: &'a [f32]) -> Result<Self> {
        check(wavelength, flux.len(), ivar.len())?;
        Ok(Self {
            wavelength,
            flux,
            ivar,
            mask: None,
        })
    }

    /// With a mask, one entry per pixel: pixels where it is not 0 are bad.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the mask is longer or shorter than the spectrum.
    pub fn with_mask(mut self, mask: &'a [i32]) -> Result<Self> {
        check_shape("mask", &[mask.len()], &[self.wavelength.len()], ONE_ENTRY)?;
        self.mask = Some(mask);
        Ok(self)
    }

    /// The inverse variance of good pixels, 0 in bad ones.
    pub(super) fn weights(&self) -> Vec<f64> {
        weights(self.flux, self.ivar, self.mask)
    }

    /// Number of pixels.
    pub(super) fn len(&self) -> usize {
        self.wavelength.len()
    }
}

/// A spectrum whose light is added to others to make blends ([`Anomaly::Blend`](super::Anomaly::Blend)).
///
/// What is added is not the observed flux but what stands out of its noise: wavelet coefficients below 4 σ are taken
/// out, so that the sum has the noise of one spectrum. Take bright, good spectra as donors: of a faint one nothing is
/// left but a slope.
#[derive(Clone, Debug)]
pub struct Donor {
    wavelength: Vec<f64>,
    flux: Vec<f64>,
}

impl Donor {
    /// A donor from an observed spectrum. Units and good pixels are those of [`Spectrum`]; the scale of the flux is of
    /// no matter.
    ///
    /// # Errors
    ///
    /// Those of [`Spectrum::new`] and [`Spectrum::with_mask`], and [`Error::Option`] where no pixel is good.
    ///
    /// # Complexity
    ///
    /// O(pixels), about 1 ms for 7781 of them.
    pub fn new(wavelength: &[f64], flux: &[f32], ivar: &[f32], mask: Option<&[i32]>) -> Result<Self> {
        check(wavelength, flux.len(), ivar.len())?;
        if let Some(mask) = mask {
            check_shape("mask", &[mask.len()], &[wavelength.len()], ONE_ENTRY)?;
        }
        let weights = weights(flux, ivar, mask);
        if weights.iter().all(|&weight| weight == 0.0) {
            return Err(Error::option(
                "donor",
                "a spectrum without a good pixel",
                "at least one good pixel",
            ));
        }
        Ok(Self {
            wavelength: wavelength.to_vec(),
            flux: denoise(flux, &weights),
        })
    }

    /// Its flux at each of these wavelengths; `None` outside of its own.
    pub(super) fn at(&self, wavelength: &[f64]) -> Vec<Option<f64>> {
        interpolate(&self.wavelength, &self.flux, wavelength.iter().copied())
    }
}

/// Values of the straight lines between the points (x, y) at ascending positions; `None` outside.
pub(super) fn interpolate(x: &[f64], y: &[f64], positions: impl Iterator<Item = f64>) -> Vec<Option<f64>> {
    let mut right = 0;
    let mut value_at = |position: f64| {
        while x.get(right).is_some_and(|&x| x < position) {
            right += 1;
        }
        let (&x1, &y1) = (x.get(right)?, y.get(right)?);
        if x1 == position {
            return Some(y1);
        }
        let left = right.checked_sub(1)?;
        let (x0, y0) = (x[left], y[left]);
        Some(y0 + (y1 - y0) * (position - x0) / (x1 - x0))
    };
    positions.map(&mut value_at).collect()
}

fn weights(flux: &[f32], ivar: &[f32], mask: Option<&[i32]>) -> Vec<f64> {
    let good =
        |i: usize| ivar[i] > 0.0 && ivar[i].is_finite() && flux[i].is_finite() && mask.is_none_or(|mask| mask[i] == 0);
    (0..flux.len())
        .map(|i| if good(i) { f64::from(ivar[i]) } else { 0.0 })
        .collect()
}

fn check(wavelength: &[f64], flux: usize, ivar: usize) -> Result<()> {
    check_shape("flux", &[flux], &[wavelength.len()], ONE_ENTRY)?;
    check_shape("ivar", &[ivar], &[wavelength.len()], ONE_ENTRY)?;
    let mut before = 0.0;
    for &value in wavelength {
        if !(value > before && value.is_finite()) {
            return Err(Error::option(
                "wavelength",
                format!("{value} after {before}"),
                "positive, finite and ascending",
            ));
        }
        before = value;
    }
    Ok(())
}
