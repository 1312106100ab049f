//! Patches of spectra, as a model reads them.

use ndarray::{ArrayView2, ArrayView3};

use crate::error::{Error, Result};

/// A batch of spectra cut into patches ("tokens"), borrowed from whoever made it.
///
/// `n` spectra, `t` tokens each, `p` pixels per token. A pixel is *good* when its value is finite and its error is
/// finite and above zero; whatever else stands in a bad pixel has no influence on anything.
///
/// # Examples
///
/// ```
/// use ndarray::{Array2, Array3};
/// use radio_models::Tokens;
///
/// let flux = Array3::ones((2, 3, 4));
/// let sigma = Array3::from_elem((2, 3, 4), 0.1);
/// let wavelength = Array2::from_elem((2, 3), 5000.0);
/// let tokens = Tokens::new(&[17, 18], flux.view(), sigma.view(), wavelength.view(), &[10.0, 10.0])?;
/// assert_eq!((tokens.rows(), tokens.tokens(), tokens.patch()), (2, 3, 4));
/// # Ok::<(), radio_models::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a> {
    ids: &'a [i64],
    values: ArrayView3<'a, f32>,
    errors: ArrayView3<'a, f32>,
    wavelength: ArrayView2<'a, f64>,
    snr: &'a [f32],
}

impl<'a> Tokens<'a> {
    /// Takes a batch, after a look at its shapes.
    ///
    /// - `ids`, `(n)`: TARGETID of each spectrum;
    /// - `values`, `(n, t, p)`: flux over the scale of its spectrum, without unit; beyond ±1000 a model sees ±1000, and such a
    ///   pixel trains nothing, because one fill value that nobody masked would own the whole training;
    /// - `errors`, `(n, t, p)`: sigma over the same scale, 0 where the pixel is bad;
    /// - `wavelength`, `(n, t)`: mean wavelength of each token in Angstrom;
    /// - `snr`, `(n)`: signal-to-noise ratio of each spectrum, passed through to the scores.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] with the name of the first array that does not fit to `values`.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a view is passed by value everywhere, as a slice is"
    )]
    pub fn new(
        ids: &'a [i64],
        values: ArrayView3<'a, f32>,
        errors: ArrayView3<'a, f32>,
        wavelength: ArrayView2<'a, f64>,
        snr: &'a [f32],
    ) -> Result<Self> {
        let (rows, tokens, _) = values.dim();
        agree(
            "errors",
            errors.shape(),
            values.shape(),
            "one sigma for each pixel of values",
        )?;
        agree(
            "wavelength",
            wavelength.shape(),
            &[rows, tokens],
            "one mean wavelength for each token of values",
        )?;
        agree("ids", &[ids.len()], &[rows], "one id for each row of values")?;
        agree("snr", &[snr.len()], &[rows], "one ratio for each row of values")?;
        Ok(Self {
            ids,
            values,
            errors,
            wavelength,
            snr,
        })
    }

    /// Number of spectra, `n`.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.dim().0
    }

    /// Tokens per spectrum, `t`.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.values.dim().1
    }

    /// Pixels per token, `p`.
    #[must_use]
    pub fn patch(&self) -> usize {
        self.values.dim().2
    }

    /// TARGETID of each spectrum, `(n)`.
    #[must_use]
    pub fn ids(&self) -> &'a [i64] {
        self.ids
    }

    /// Normalised flux, `(n, t, p)`.
    #[must_use]
    pub fn values(&self) -> ArrayView3<'a, f32> {
        self.values
    }

    /// Sigma in the unit of [`values`](Self::values), `(n, t, p)`; 0 where the pixel is bad.
    #[must_use]
    pub fn errors(&self) -> ArrayView3<'a, f32> {
        self.errors
    }

    /// Mean wavelength of each token in Angstrom, `(n, t)`.
    #[must_use]
    pub fn wavelength(&self) -> ArrayView2<'a, f64> {
        self.wavelength
    }

    /// Signal-to-noise ratio of each spectrum, `(n)`.
    #[must_use]
    pub fn snr(&self) -> &'a [f32] {
        self.snr
    }

    /// The input of a model, row-major: the flux, with 0 in every bad pixel.
    pub(crate) fn masked_flux(&self) -> Vec<f32> {
        self.values
            .iter()
            .zip(self.errors)
            .map(|(&y, &s)| if is_good(y, s) { y.clamp(-LARGEST, LARGEST) } else { 0.0 })
            .collect()
    }

    /// The weight of every pixel in the loss, row-major: 1 / max(sigma, floor)^2, and 0 where the pixel is bad or beyond
    /// [`LARGEST`]; and the number of pixels that have a weight.
    pub(crate) fn weights(&self, sigma_floor: f32) -> (Vec<f32>, usize) {
        let mut good = 0;
        let weights = self.values.iter().zip(self.errors).map(|(&y, &s)| {
            if !is_good(y, s) || y.abs() > LARGEST {
                return 0.0;
            }
            good += 1;
            let sigma = s.max(sigma_floor);
            1.0 / (sigma * sigma)
        });
        (weights.collect(), good)
    }
}

/// The largest value that a model sees, in units of the scale of a spectrum: a larger one is an outlier or a fill value
/// (1e20), of which a single one would own a whole training.
pub(crate) const LARGEST: f32 = 1000.0;

/// Does this pixel count?
pub(crate) fn is_good(value: f32, sigma: f32) -> bool {
    value.is_finite() && sigma.is_finite() && sigma > 0.0
}

fn agree(array: &'static str, found: &[usize], expected: &[usize], help: &'static str) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Shape {
        array,
        found: found.to_vec(),
        expected: expected.to_vec(),
        help,
    })
}
