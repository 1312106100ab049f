//! The input: spectra borrowed from wherever they lie.

use ndarray::{ArrayView1, ArrayView2, Axis};

use crate::{Error, Result};

/// Spectra of a batch, borrowed: flux, inverse variance, wavelengths and perhaps a mask.
///
/// Flux is in any unit, `ivar` in its inverse square, wavelengths in Angstrom. Wavelengths must be finite, positive
/// and strictly increasing within a row. The *fluxes* may hold anything: a pixel is **good** if its `ivar` is finite
/// and positive, its flux is finite and its mask (where there is one) is 0, and whatever a bad pixel holds is ignored.
#[derive(Clone, Copy, Debug)]
pub struct Spectra<'a> {
    values: Values<'a>,
    wavelength: &'a [f64],
    mask: Option<&'a [i32]>,
}

#[derive(Clone, Copy, Debug)]
enum Values<'a> {
    Grid {
        flux: ArrayView2<'a, f32>,
        ivar: ArrayView2<'a, f32>,
    },
    Ragged {
        flux: &'a [f32],
        ivar: &'a [f32],
        offsets: &'a [usize],
    },
}

/// One spectrum. All four have the same length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) flux: ArrayView1<'a, f32>,
    pub(crate) ivar: ArrayView1<'a, f32>,
    pub(crate) wavelength: &'a [f64],
    pub(crate) mask: Option<&'a [i32]>,
}

impl<'a> Spectra<'a> {
    /// Spectra that share one wavelength grid.
    ///
    /// `flux` and `ivar` have shape `(n, p)`, in any memory layout; `wavelength` has length `p`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the shapes differ, [`Error::Wavelength`] (with row 0) for a grid that is not finite,
    /// positive and strictly increasing.
    ///
    /// # Complexity
    ///
    /// O(p): the values are not looked at.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::array;
    /// use radio_tokenize::Spectra;
    ///
    /// let flux = array![[1.0, 2.0], [3.0, 4.0]];
    /// let ivar = array![[1.0, 1.0], [0.0, 1.0]];
    /// let spectra = Spectra::on_grid(flux.view(), ivar.view(), &[3600.0, 3600.8])?;
    /// assert_eq!(spectra.rows(), 2);
    /// # Ok::<(), radio_tokenize::Error>(())
    /// ```
    #[expect(
        clippy::needless_pass_by_value,
        reason = "views are passed by value, as everywhere in ndarray"
    )]
    pub fn on_grid(flux: ArrayView2<'a, f32>, ivar: ArrayView2<'a, f32>, wavelength: &'a [f64]) -> Result<Self> {
        check_shape("ivar", ivar.shape(), flux.shape())?;
        check_shape("wavelength", &[wavelength.len()], &[flux.ncols()])?;
        check_wavelengths(0, wavelength)?;
        Ok(Self {
            values: Values::Grid { flux, ivar },
            wavelength,
            mask: None,
        })
    }

    /// Spectra that each bring their own wavelengths.
    ///
    /// The three value slices hold all rows back to back and have equal lengths; row `i` is
    /// `offsets[i]..offsets[i + 1]`, so there is one offset more than there are rows. The first offset is 0, none is
    /// smaller than the one before it, and the last is the number of values. Rows may be empty.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the lengths differ, [`Error::Offsets`] if the offsets do not cut the values as said above,
    /// [`Error::Wavelength`] for a row whose wavelengths are not finite, positive and strictly increasing.
    ///
    /// # Complexity
    ///
    /// O(all pixels), to look at the wavelengths.
    ///
    /// # Examples
    ///
    /// ```
    /// use radio_tokenize::Spectra;
    ///
    /// let (flux, ivar) = ([1.0, 2.0, 3.0], [1.0; 3]);
    /// let spectra = Spectra::ragged(&[0, 1, 3], &flux, &ivar, &[5000.0, 4000.0, 4001.0])?;
    /// assert_eq!(spectra.rows(), 2);
    /// # Ok::<(), radio_tokenize::Error>(())
    /// ```
    pub fn ragged(offsets: &'a [usize], flux: &'a [f32], ivar: &'a [f32], wavelength: &'a [f64]) -> Result<Self> {
        check_shape("ivar", &[ivar.len()], &[flux.len()])?;
        check_shape("wavelength", &[wavelength.len()], &[flux.len()])?;
        check_offsets(offsets, flux.len())?;
        for (row, ends) in offsets.windows(2).enumerate() {
            check_wavelengths(row, &wavelength[ends[0]..ends[1]])?;
        }
        Ok(Self {
            values: Values::Ragged { flux, ivar, offsets },
            wavelength,
            mask: None,
        })
    }

    /// Adds a mask: a pixel is bad where it is not 0.
    ///
    /// The mask is row-major and has as many values as the flux.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if its length is another.
    pub fn mask(self, mask: &'a [i32]) -> Result<Self> {
        let pixels = match self.values {
            Values::Grid { flux, .. } => flux.len(),
            Values::Ragged { flux, .. } => flux.len(),
        };
        check_shape("mask", &[mask.len()], &[pixels])?;
        Ok(Self {
            mask: Some(mask),
            ..self
        })
    }

    /// Number of spectra.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self.values {
            Values::Grid { flux, .. } => flux.nrows(),
            Values::Ragged { offsets, .. } => offsets.len() - 1,
        }
    }

    /// The wavelengths that all rows have in common, if they share a grid.
    pub(crate) fn shared_grid(&self) -> Option<&'a [f64]> {
        match self.values {
            Values::Grid { .. } => Some(self.wavelength),
            Values::Ragged { .. } => None,
        }
    }

    /// Number of pixels of row `i`.
    pub(crate) fn pixels(&self, i: usize) -> usize {
        match self.values {
            Values::Grid { flux, .. } => flux.ncols(),
            Values::Ragged { offsets, .. } => offsets[i + 1] - offsets[i],
        }
    }

    /// Row `i`.
    pub(crate) fn row(&self, i: usize) -> Row<'a> {
        match self.values {
            Values::Grid { flux, ivar } => {
                let p = flux.ncols();
                Row {
                    flux: flux.index_axis_move(Axis(0), i),
                    ivar: ivar.index_axis_move(Axis(0), i),
                    wavelength: self.wavelength,
                    mask: self.mask.map(|mask| &mask[i * p..(i + 1) * p]),
                }
            }
            Values::Ragged { flux, ivar, offsets } => {
                let cut = offsets[i]..offsets[i + 1];
                Row {
                    flux: ArrayView1::from(&flux[cut.clone()]),
                    ivar: ArrayView1::from(&ivar[cut.clone()]),
                    wavelength: &self.wavelength[cut.clone()],
                    mask: self.mask.map(|mask| &mask[cut]),
                }
            }
        }
    }
}

/// [`Error::Shape`] unless `found` is `expected`.
pub(crate) fn check_shape(what: &'static str, found: &[usize], expected: &[usize]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Shape {
        what,
        found: found.to_vec(),
        expected: expected.to_vec(),
    })
}

/// [`Error::Wavelength`] unless the wavelengths are finite, positive and strictly increasing.
pub(crate) fn check_wavelengths(row: usize, wavelength: &[f64]) -> Result<()> {
    let mut previous = 0.0;
    for (pixel, &wavelength) in wavelength.iter().enumerate() {
        let rule = if !wavelength.is_finite() {
            "wavelengths must be finite"
        } else if wavelength <= 0.0 {
            "wavelengths must be positive"
        } else if wavelength <= previous {
            "wavelengths must increase strictly; sort the pixels and drop duplicates"
        } else {
            previous = wavelength;
            continue;
        };
        return Err(Error::Wavelength {
            row,
            pixel,
            wavelength,
            rule,
        });
    }
    Ok(())
}

/// [`Error::Offsets`] unless the offsets cut `pixels` values into rows.
fn check_offsets(offsets: &[usize], pixels: usize) -> Result<()> {
    let wrong = |position, value, rule| Err(Error::Offsets { position, value, rule });
    let (Some(&first), Some(&last)) = (offsets.first(), offsets.last()) else {
        return wrong(
            0,
            0,
            "there must be one offset more than there are rows, so at least one",
        );
    };
    if first != 0 {
        return wrong(0, first, "the first offset must be 0");
    }
    if let Some(i) = offsets.windows(2).position(|ends| ends[1] < ends[0]) {
        return wrong(
            i + 1,
            offsets[i + 1],
            "an offset must not be smaller than the one before it",
        );
    }
    if last != pixels {
        return wrong(offsets.len() - 1, last, "the last offset must be the number of values");
    }
    Ok(())
}
