//! Patches of spectra, as a model reads them.

use std::borrow::Cow;
use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2, ArrayView3, CowArray, Ix2, Ix3, s};
use rayon::prelude::*;

use crate::error::{Result, check_shape};

/// A batch of spectra cut into patches ("tokens"): borrowed from whoever made it, or owned.
///
/// `n` spectra, `t` tokens each, `p` pixels per token. A pixel is *good* when its value is finite and its error is
/// finite and above zero; whatever else stands in a bad pixel has no influence on anything. A token is *valid* when at
/// least half of its pixels are good.
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
/// // Views are borrowed; arrays and vectors would be taken over.
/// let tokens = Tokens::new(&[17, 18], flux.view(), sigma.view(), wavelength.view(), &[10.0, 10.0])?;
/// assert_eq!((tokens.rows(), tokens.tokens(), tokens.patch()), (2, 3, 4));
/// # Ok::<(), radio_models::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    ids: Cow<'a, [i64]>,
    values: CowArray<'a, f32, Ix3>,
    errors: CowArray<'a, f32, Ix3>,
    wavelength: CowArray<'a, f64, Ix2>,
    snr: Cow<'a, [f32]>,
    tokenizer: Option<Cow<'a, str>>,
}

impl<'a> Tokens<'a> {
    /// Takes a batch, after a look at its shapes.
    ///
    /// - `ids`, `(n)`: TARGETID of each spectrum;
    /// - `values`, `(n, t, p)`: flux over the scale of its spectrum, without unit; beyond ±1000 a model sees ±1000, and such a
    ///   pixel trains nothing, because one fill value that nobody masked would own the whole training;
    /// - `errors`, `(n, t, p)`: sigma over the same scale, 0 where the pixel is bad;
    /// - `wavelength`, `(n, t)`: mean wavelength of each token in Angstrom;
    /// - `snr`, `(n)`: signal-to-noise ratio of each spectrum: scores are calibrated by it, and it is passed through.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`](crate::Error::Shape) with the name of the first array that does not fit to `values`.
    pub fn new(
        ids: impl Into<Cow<'a, [i64]>>,
        values: impl Into<CowArray<'a, f32, Ix3>>,
        errors: impl Into<CowArray<'a, f32, Ix3>>,
        wavelength: impl Into<CowArray<'a, f64, Ix2>>,
        snr: impl Into<Cow<'a, [f32]>>,
    ) -> Result<Self> {
        let (ids, values, errors) = (ids.into(), values.into(), errors.into());
        let (wavelength, snr) = (wavelength.into(), snr.into());
        let (rows, tokens, _) = values.dim();
        check_shape(
            "errors",
            errors.shape(),
            values.shape(),
            "one sigma for each pixel of values",
        )?;
        check_shape(
            "wavelength",
            wavelength.shape(),
            &[rows, tokens],
            "one mean wavelength for each token of values",
        )?;
        check_shape("ids", &[ids.len()], &[rows], "one id for each row of values")?;
        check_shape("snr", &[snr.len()], &[rows], "one ratio for each row of values")?;
        Ok(Self {
            ids,
            values,
            errors,
            wavelength,
            snr,
            tokenizer: None,
        })
    }

    /// Says how the tokens were made, as the fingerprint of their tokenizer: a model that was trained on tokens made
    /// otherwise refuses them.
    #[must_use]
    pub fn made_by(self, tokenizer: impl Into<Cow<'a, str>>) -> Self {
        Self {
            tokenizer: Some(tokenizer.into()),
            ..self
        }
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
    pub fn ids(&self) -> &[i64] {
        &self.ids
    }

    /// Normalised flux, `(n, t, p)`.
    #[must_use]
    pub fn values(&self) -> ArrayView3<'_, f32> {
        self.values.view()
    }

    /// Sigma in the unit of [`values`](Self::values), `(n, t, p)`; 0 where the pixel is bad.
    #[must_use]
    pub fn errors(&self) -> ArrayView3<'_, f32> {
        self.errors.view()
    }

    /// Mean wavelength of each token in Angstrom, `(n, t)`.
    #[must_use]
    pub fn wavelength(&self) -> ArrayView2<'_, f64> {
        self.wavelength.view()
    }

    /// Signal-to-noise ratio of each spectrum, `(n)`.
    #[must_use]
    pub fn snr(&self) -> &[f32] {
        &self.snr
    }

    /// Fingerprint of the tokenizer, where it was [told](Self::made_by).
    #[must_use]
    pub fn tokenizer(&self) -> Option<&str> {
        self.tokenizer.as_deref()
    }

    /// Some of the rows, borrowed.
    pub(crate) fn part(&self, rows: Range<usize>) -> Tokens<'_> {
        Tokens {
            ids: Cow::from(&self.ids[rows.clone()]),
            values: self.values.slice(s![rows.clone(), .., ..]).into(),
            errors: self.errors.slice(s![rows.clone(), .., ..]).into(),
            wavelength: self.wavelength.slice(s![rows.clone(), ..]).into(),
            snr: Cow::from(&self.snr[rows]),
            tokenizer: self.tokenizer.as_deref().map(Cow::from),
        }
    }

    /// The input of a model, row-major: [`masked`] for each pixel.
    pub(crate) fn masked_flux(&self) -> Vec<f32> {
        self.pixels(masked)
    }

    /// The [`weight`] of every pixel in the loss, row-major.
    pub(crate) fn weights(&self, sigma_floor: f32) -> Vec<f32> {
        self.pixels(|y, s| weight(y, s, sigma_floor))
    }

    /// Which tokens are valid, row-major `(n, t)`.
    pub(crate) fn valid(&self) -> Vec<bool> {
        let half = self.patch().div_ceil(2);
        let lanes = self.values.rows().into_iter().zip(self.errors.rows());
        let good = |(values, errors): (ArrayView1<'_, f32>, ArrayView1<'_, f32>)| {
            values.iter().zip(errors).filter(|&(&y, &s)| is_good(y, s)).count()
        };
        lanes.map(|token| good(token) >= half).collect()
    }

    /// A number for each pixel, row-major, from its value and error.
    fn pixels(&self, number: impl Fn(f32, f32) -> f32 + Sync) -> Vec<f32> {
        let (Some(values), Some(errors)) = (self.values.as_slice(), self.errors.as_slice()) else {
            let pixels = self.values.iter().zip(&self.errors);
            return pixels.map(|(&y, &s)| number(y, s)).collect();
        };
        // Side by side in memory, as they mostly are: many at once.
        let mut numbers = vec![0.0; values.len()];
        let pixels = values.par_chunks(AT_ONCE).zip(errors.par_chunks(AT_ONCE));
        let work = numbers.par_chunks_mut(AT_ONCE).zip(pixels);
        work.for_each(|(numbers, (values, errors))| {
            let pixels = values.iter().zip(errors);
            numbers
                .iter_mut()
                .zip(pixels)
                .for_each(|(n, (&y, &s))| *n = number(y, s));
        });
        numbers
    }
}

/// Pixels that one thread takes at a time.
const AT_ONCE: usize = 1 << 16;

/// The largest value that a model sees, in units of the scale of a spectrum: a larger one is an outlier or a fill value
/// (1e20), of which a single one would own a whole training.
const LARGEST: f32 = 1000.0;

/// What a model sees of a pixel: its value, and 0 where it is bad.
pub(crate) fn masked(value: f32, sigma: f32) -> f32 {
    if is_good(value, sigma) {
        value.clamp(-LARGEST, LARGEST)
    } else {
        0.0
    }
}

/// What a pixel weighs in the loss: 1 / max(sigma, floor)^2, and 0 where it is bad or beyond [`LARGEST`].
pub(crate) fn weight(value: f32, sigma: f32, sigma_floor: f32) -> f32 {
    let bounded = sigma.max(sigma_floor);
    let weight = 1.0 / (bounded * bounded);
    if is_good(value, sigma) & (value.abs() <= LARGEST) {
        weight
    } else {
        0.0
    }
}

/// How many pixels weigh something.
pub(crate) fn good(weights: &[f32]) -> usize {
    let parts = weights.par_chunks(AT_ONCE);
    // In 32 bits: as many at once as there are weights.
    let good = parts.map(|weights| weights.iter().map(|&weight| u32::from(weight > 0.0)).sum::<u32>());
    good.map(|good| good as usize).sum()
}

/// Does this pixel count?
pub(crate) fn is_good(value: f32, sigma: f32) -> bool {
    // Not `&&`: without branches many pixels are looked at at once.
    value.is_finite() & sigma.is_finite() & (sigma > 0.0)
}
