//! The input: spectra borrowed from wherever they lie.

use ndarray::{ArrayView2, Axis};

use crate::{Error, Result};

/// Spectra of a batch, borrowed: flux, inverse variance, wavelengths and perhaps a mask and redshifts.
///
/// Flux is in any unit, `ivar` in its inverse square, wavelengths in Angstrom (vacuum or air, as the survey has them).
/// Wavelengths must be finite, positive and strictly increasing within a row: which of two pixels at one wavelength is
/// right, nobody knows but the survey. The *fluxes* may hold anything: a pixel is **good** if its `ivar` is finite and
/// positive, its flux is finite and its mask (where there is one) is 0, and whatever a bad pixel holds is ignored.
#[derive(Clone, Copy, Debug)]
pub struct Spectra<'a> {
    layout: Layout<'a>,
    flux: Plane<'a, f32>,
    ivar: Option<Plane<'a, f32>>,
    mask: Option<Plane<'a, i32>>,
    wavelength: Wavelengths<'a>,
    redshift: Option<&'a [f64]>,
}

#[derive(Clone, Copy, Debug)]
enum Layout<'a> {
    /// Rows and pixels of each.
    Matrix(usize, usize),
    /// Where rows begin, and the number of all pixels.
    Ragged(&'a [usize]),
}

/// One value a pixel.
#[derive(Clone, Copy, Debug)]
enum Plane<'a, T> {
    Matrix(ArrayView2<'a, T>),
    /// All rows back to back.
    Flat(&'a [T]),
}

#[derive(Clone, Copy, Debug)]
enum Wavelengths<'a> {
    Shared(&'a [f64]),
    PerRow(Plane<'a, f64>),
}

/// One spectrum. All slices have the same length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) flux: &'a [f32],
    pub(crate) ivar: Option<&'a [f32]>,
    pub(crate) mask: Option<&'a [i32]>,
    pub(crate) wavelength: &'a [f64],
    pub(crate) redshift: Option<f64>,
}

/// Memory for rows whose values do not lie side by side.
#[derive(Debug, Default)]
pub(crate) struct RowBuffers {
    flux: Vec<f32>,
    ivar: Vec<f32>,
    mask: Vec<i32>,
    wavelength: Vec<f64>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "views are passed by value, as everywhere in ndarray"
)]
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
    pub fn on_grid(flux: ArrayView2<'a, f32>, ivar: ArrayView2<'a, f32>, wavelength: &'a [f64]) -> Result<Self> {
        Self::flux_on_grid(flux, wavelength)?.with_ivar(Plane::Matrix(ivar))
    }

    /// Spectra that share one wavelength grid and come without inverse variance: every finite pixel that is not masked is
    /// good, and the tokens have no errors and no signal to noise.
    ///
    /// Where there is an inverse variance, use [`on_grid`](Self::on_grid): surveys leave junk in pixels that have none.
    ///
    /// # Errors
    ///
    /// As [`on_grid`](Self::on_grid).
    pub fn flux_on_grid(flux: ArrayView2<'a, f32>, wavelength: &'a [f64]) -> Result<Self> {
        check_shape("wavelength", &[wavelength.len()], &[flux.ncols()])?;
        check_wavelengths(0, wavelength)?;
        Ok(Self::new(
            Plane::Matrix(flux),
            Wavelengths::Shared(wavelength),
            Layout::Matrix(flux.nrows(), flux.ncols()),
        ))
    }

    /// Spectra of one length that each bring their own wavelengths: all three have shape `(n, p)`, in any memory layout.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the shapes differ, [`Error::Wavelength`] for a row whose wavelengths are not finite, positive
    /// and strictly increasing.
    ///
    /// # Complexity
    ///
    /// O(n p), to look at the wavelengths.
    pub fn on_grids(
        flux: ArrayView2<'a, f32>,
        ivar: ArrayView2<'a, f32>,
        wavelength: ArrayView2<'a, f64>,
    ) -> Result<Self> {
        check_shape("wavelength", wavelength.shape(), flux.shape())?;
        for (row, wavelength) in wavelength.outer_iter().enumerate() {
            match wavelength.to_slice() {
                Some(wavelength) => check_wavelengths(row, wavelength)?,
                None => check_wavelengths(row, &wavelength.to_vec())?,
            }
        }
        let wavelength = Wavelengths::PerRow(Plane::Matrix(wavelength));
        Self::new(
            Plane::Matrix(flux),
            wavelength,
            Layout::Matrix(flux.nrows(), flux.ncols()),
        )
        .with_ivar(Plane::Matrix(ivar))
    }

    /// Spectra of any lengths that each bring their own wavelengths.
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
        Self::flux_ragged(offsets, flux, wavelength)?.with_ivar(Plane::Flat(ivar))
    }

    /// As [`ragged`](Self::ragged), without inverse variance: see [`flux_on_grid`](Self::flux_on_grid).
    ///
    /// # Errors
    ///
    /// As [`ragged`](Self::ragged).
    pub fn flux_ragged(offsets: &'a [usize], flux: &'a [f32], wavelength: &'a [f64]) -> Result<Self> {
        check_shape("wavelength", &[wavelength.len()], &[flux.len()])?;
        check_offsets(offsets, flux.len())?;
        for (row, ends) in offsets.windows(2).enumerate() {
            check_wavelengths(row, &wavelength[ends[0]..ends[1]])?;
        }
        let wavelength = Wavelengths::PerRow(Plane::Flat(wavelength));
        Ok(Self::new(Plane::Flat(flux), wavelength, Layout::Ragged(offsets)))
    }

    fn new(flux: Plane<'a, f32>, wavelength: Wavelengths<'a>, layout: Layout<'a>) -> Self {
        Self {
            layout,
            flux,
            ivar: None,
            mask: None,
            wavelength,
            redshift: None,
        }
    }

    fn with_ivar(self, ivar: Plane<'a, f32>) -> Result<Self> {
        ivar.check("ivar", &self.flux)?;
        Ok(Self {
            ivar: Some(ivar),
            ..self
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
        check_shape("mask", &[mask.len()], &[self.flux.len()])?;
        Ok(Self {
            mask: Some(Plane::Flat(mask)),
            ..self
        })
    }

    /// Adds a mask as an array of any memory layout, of the flux's shape `(n, p)`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if its shape is another, and for ragged spectra.
    pub fn mask_matrix(self, mask: ArrayView2<'a, i32>) -> Result<Self> {
        let mask = Plane::Matrix(mask);
        mask.check("mask", &self.flux)?;
        Ok(Self {
            mask: Some(mask),
            ..self
        })
    }

    /// Adds redshifts, one for each row, which [`Normalize::RestFrameMedian`](crate::Normalize::RestFrameMedian) needs. NaN
    /// where it is unknown.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if there are not as many as rows.
    pub fn redshift(self, redshift: &'a [f64]) -> Result<Self> {
        check_shape("redshift", &[redshift.len()], &[self.rows()])?;
        Ok(Self {
            redshift: Some(redshift),
            ..self
        })
    }

    /// Number of spectra.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self.layout {
            Layout::Matrix(rows, _) => rows,
            Layout::Ragged(offsets) => offsets.len() - 1,
        }
    }

    pub(crate) fn has_ivar(&self) -> bool {
        self.ivar.is_some()
    }

    pub(crate) fn has_redshift(&self) -> bool {
        self.redshift.is_some()
    }

    /// The wavelengths that all rows have in common, if they share a grid.
    pub(crate) fn shared_grid(&self) -> Option<&'a [f64]> {
        match self.wavelength {
            Wavelengths::Shared(wavelength) => Some(wavelength),
            Wavelengths::PerRow(_) => None,
        }
    }

    /// Number of pixels of row `i`.
    pub(crate) fn pixels(&self, i: usize) -> usize {
        self.range(i).len()
    }

    /// Row `i` among all pixels.
    fn range(&self, i: usize) -> std::ops::Range<usize> {
        match self.layout {
            Layout::Matrix(_, pixels) => i * pixels..(i + 1) * pixels,
            Layout::Ragged(offsets) => offsets[i]..offsets[i + 1],
        }
    }

    /// Row `i`.
    pub(crate) fn row<'b>(&'b self, i: usize, buffers: &'b mut RowBuffers) -> Row<'b> {
        let range = self.range(i);
        Row {
            flux: self.flux.row(i, &range, &mut buffers.flux),
            ivar: self.ivar.as_ref().map(|ivar| ivar.row(i, &range, &mut buffers.ivar)),
            mask: self.mask.as_ref().map(|mask| mask.row(i, &range, &mut buffers.mask)),
            wavelength: match &self.wavelength {
                Wavelengths::Shared(wavelength) => wavelength,
                Wavelengths::PerRow(plane) => plane.row(i, &range, &mut buffers.wavelength),
            },
            redshift: self.redshift.map(|redshift| redshift[i]),
        }
    }
}

impl<T: Copy> Plane<'_, T> {
    fn len(&self) -> usize {
        match self {
            Self::Matrix(matrix) => matrix.len(),
            Self::Flat(values) => values.len(),
        }
    }

    fn shape(&self) -> Vec<usize> {
        match self {
            Self::Matrix(matrix) => matrix.shape().to_vec(),
            Self::Flat(values) => vec![values.len()],
        }
    }

    /// [`Error::Shape`] unless this has the shape of the flux.
    fn check(&self, what: &'static str, flux: &Plane<'_, f32>) -> Result<()> {
        check_shape(what, &self.shape(), &flux.shape())
    }

    /// Row `i`, which are the pixels in `range`; copied to `buffer` if its values do not lie side by side.
    fn row<'b>(&'b self, i: usize, range: &std::ops::Range<usize>, buffer: &'b mut Vec<T>) -> &'b [T] {
        match self {
            Self::Flat(values) => &values[range.clone()],
            Self::Matrix(matrix) => {
                let row = matrix.index_axis(Axis(0), i);
                match row.to_slice() {
                    Some(row) => row,
                    None => {
                        buffer.clear();
                        buffer.extend(row);
                        buffer
                    }
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
    let mut increases = true;
    for (before, after) in wavelength.iter().zip(wavelength.iter().skip(1)) {
        increases &= before < after;
    }
    if increases && wavelength.first().is_none_or(|&x| x > 0.0) && wavelength.last().is_none_or(|x| x.is_finite()) {
        return Ok(());
    }
    // Which one is it?
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
