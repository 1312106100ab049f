//! Wavelengths as vectors of sines and cosines.

use std::f64::consts::TAU;

use ndarray::{Array, ArrayView, Dimension};
use rayon::prelude::*;

use crate::spectra::check_wavelengths;
use crate::{Error, Result};

/// A sinusoidal encoding of wavelength: where a token lies on the spectrum, whatever grid it was cut from.
///
/// For a wavelength λ the encoding of even length d is, with k = 0 … d/2 − 1,
///
/// ```text
/// PE[2k]     = sin(ω_k λ)
/// PE[2k + 1] = cos(ω_k λ)          ω_k spaced evenly in ln ω from 2π / longest to 2π / shortest
/// ```
///
/// (d = 2 has the longest period alone.) The phase is computed in `f64` and only the sine and cosine are rounded to
/// `f32`. The largest errors over every 31st of DESI's wavelengths and 64 dimensions, against 50 digits (`tests/golden/encoding.py`):
///
/// | shortest period | all in `f32` | phase in `f64` |
/// |---|---|---|
/// | [`universal`](Self::universal): 0.1 Å | 0.18 | 3.0e-8 |
/// | 1 Å | 0.021 | 3.0e-8 |
/// | [`for_grid`](Self::for_grid): 1.6 Å | 0.0082 | 3.0e-8 |
/// | [`for_log_grid`](Self::for_log_grid): 2.4e-4 in ln λ | 0.060 | 3.0e-8 |
///
/// 3.0e-8 is half a unit in the last place of 1: no `f32` is nearer.
///
/// # Examples
///
/// ```
/// use ndarray::array;
/// use radio_tokenize::WavelengthEncoding;
///
/// let encoding = WavelengthEncoding::new(4, 10.0, 1000.0);
/// let codes = encoding.encode(array![250.0].view())?;
/// // A quarter of the longest period, and 25 times the shortest.
/// for (code, expected) in codes.iter().zip([1.0, 0.0, 0.0, 1.0]) {
///     assert!((code - expected).abs() < 1e-6);
/// }
/// # Ok::<(), radio_tokenize::Error>(())
/// ```
///
/// # References
///
/// Vaswani et al. 2017 (arXiv:1706.03762), section 3.5, for positions; Shen et al. 2025 (arXiv:2510.17959) for
/// wavelengths.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct WavelengthEncoding {
    dim: usize,
    shortest: f64,
    longest: f64,
    logarithmic: bool,
}

impl WavelengthEncoding {
    /// The longest encoding.
    pub const MAX_DIM: usize = 65_536;

    /// An encoding of length `dim` (even, from 2 to [`MAX_DIM`](Self::MAX_DIM)) with periods from `shortest` to
    /// `longest` Angstrom.
    pub fn new(dim: usize, shortest: f64, longest: f64) -> Self {
        Self {
            dim,
            shortest,
            longest,
            logarithmic: false,
        }
    }

    /// Periods from 0.1 to 1e6 Å, for a model that is to see every survey from the ultraviolet to the infrared, as
    /// in Shen et al. 2025.
    pub fn universal(dim: usize) -> Self {
        Self::new(dim, 0.1, 1e6)
    }

    /// Periods that suit one grid: from 2 pixels (of the median width) to 4 times the range of the grid.
    ///
    /// The shortest is what a grid can resolve at all, and over the longest no two wavelengths have the same code.
    ///
    /// # Errors
    ///
    /// [`Error::Wavelength`] (with row 0) for a grid that is not finite, positive and strictly increasing, and
    /// [`Error::Option`] for one with fewer than two pixels.
    pub fn for_grid(dim: usize, wavelength: &[f64]) -> Result<Self> {
        check_wavelengths(0, wavelength)?;
        let (shortest, longest) = periods(wavelength)?;
        let encoding = Self::new(dim, shortest, longest);
        encoding.check()?;
        Ok(encoding)
    }

    /// The same in ln λ: see [`logarithmic`](Self::logarithmic). A redshift moves all codes by the same phase.
    ///
    /// # Errors
    ///
    /// As [`for_grid`](Self::for_grid).
    pub fn for_log_grid(dim: usize, wavelength: &[f64]) -> Result<Self> {
        check_wavelengths(0, wavelength)?;
        let ln: Vec<f64> = wavelength.iter().map(|wavelength| wavelength.ln()).collect();
        let (shortest, longest) = periods(&ln)?;
        let encoding = Self::new(dim, shortest, longest).logarithmic();
        encoding.check()?;
        Ok(encoding)
    }

    /// Encodes ln λ (λ in Angstrom) in place of λ; the two periods are then differences in ln λ. Default: λ.
    pub fn logarithmic(self) -> Self {
        Self {
            logarithmic: true,
            ..self
        }
    }

    /// Length of a code.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The shortest and the longest period, in Angstrom (or ln λ).
    #[must_use]
    pub fn periods(&self) -> (f64, f64) {
        (self.shortest, self.longest)
    }

    /// Encodes wavelengths, an array of any shape in Angstrom; the result has one more axis, of length `dim`.
    ///
    /// A wavelength of exactly 0 marks a padding token of a [`TokenBatch`](crate::TokenBatch); its code is all 0.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a `dim` that is odd or out of range and for periods that are not finite, positive and
    /// in order; [`Error::Wavelength`] for a wavelength that is negative or not finite (row and pixel are then the
    /// index divided by the length of the last axis, and the rest); [`Error::TooLarge`] if the result fits no array.
    ///
    /// # Complexity
    ///
    /// O(wavelengths · `dim`), in parallel. Where all rows share a grid it is enough to encode one row.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "views are passed by value, as everywhere in ndarray"
    )]
    pub fn encode<D: Dimension>(&self, wavelength: ArrayView<'_, f64, D>) -> Result<Array<f32, D::Larger>> {
        self.check()?;
        let last_axis = wavelength.shape().last().copied().unwrap_or(1).max(1);
        if wavelength.len() > isize::MAX as usize / 8 / self.dim {
            return Err(Error::TooLarge {
                rows: wavelength.len() / last_axis,
                tokens: last_axis,
                patch: self.dim,
            });
        }
        let flat: Vec<f64> = wavelength.iter().copied().collect();
        if let Some(i) = flat
            .iter()
            .position(|&wavelength| !wavelength.is_finite() || wavelength < 0.0)
        {
            let rule = "wavelengths must be finite and positive, or 0 for padding";
            return Err(Error::Wavelength {
                row: i / last_axis,
                pixel: i % last_axis,
                wavelength: flat[i],
                rule,
            });
        }

        let frequencies = self.frequencies();
        let largest = flat.iter().copied().fold(0.0, f64::max);
        if let Some(i) = flat.iter().position(|&wavelength| wavelength == largest)
            && !frequencies.iter().all(|frequency| (frequency * largest).is_finite())
        {
            let rule = "the phase of this wavelength is no number that can be held; use longer periods";
            return Err(Error::Wavelength {
                row: i / last_axis,
                pixel: i % last_axis,
                wavelength: largest,
                rule,
            });
        }

        let mut shape = D::Larger::zeros(wavelength.ndim() + 1);
        shape.slice_mut()[..wavelength.ndim()].copy_from_slice(wavelength.shape());
        shape.slice_mut()[wavelength.ndim()] = self.dim;
        let mut codes = Array::zeros(shape);
        if let Some(codes) = codes.as_slice_mut() {
            let codes = codes.par_chunks_mut(self.dim).zip(&flat);
            codes.for_each(|(code, &wavelength)| self.write(wavelength, &frequencies, code));
        }
        Ok(codes)
    }

    /// Writes one code; padding keeps its 0.
    fn write(&self, wavelength: f64, frequencies: &[f64], code: &mut [f32]) {
        if wavelength == 0.0 {
            return;
        }
        let x = if self.logarithmic { wavelength.ln() } else { wavelength };
        for (pair, frequency) in code.chunks_exact_mut(2).zip(frequencies) {
            let (sin, cos) = (frequency * x).sin_cos();
            (pair[0], pair[1]) = (sin as f32, cos as f32);
        }
    }

    /// The angular frequencies ω_k.
    fn frequencies(&self) -> Vec<f64> {
        let n = self.dim / 2;
        let steps = n.saturating_sub(1).max(1) as f64;
        let ratio = self.longest / self.shortest;
        (0..n)
            .map(|k| TAU / self.longest * ratio.powf(k as f64 / steps))
            .collect()
    }

    fn check(&self) -> Result<()> {
        let wrong = |name, value: String, expected| Err(Error::Option { name, value, expected });
        if self.dim < 2 || self.dim > Self::MAX_DIM || self.dim % 2 == 1 {
            return wrong("dim", self.dim.to_string(), "an even length from 2 to 65536");
        }
        if !(self.shortest > 0.0 && self.shortest.is_finite()) {
            return wrong(
                "shortest",
                format!("{:?}", self.shortest),
                "a finite and positive period",
            );
        }
        if !(self.longest > self.shortest && self.longest.is_finite()) {
            return wrong(
                "longest",
                format!("{:?}", self.longest),
                "a finite period, longer than the shortest",
            );
        }
        if !((self.longest / self.shortest).is_finite() && (TAU / self.shortest).is_finite()) {
            return wrong(
                "shortest",
                format!("{:?}", self.shortest),
                "a period whose frequency can be held, as can its ratio to the longest",
            );
        }
        Ok(())
    }
}

/// Two median pixels, and four times the range.
fn periods(x: &[f64]) -> Result<(f64, f64)> {
    let mut widths: Vec<f64> = x.windows(2).map(|ends| ends[1] - ends[0]).collect();
    widths.sort_unstable_by(f64::total_cmp);
    let (Some(first), Some(last), Some(width)) = (x.first(), x.last(), widths.get(widths.len() / 2)) else {
        return Err(Error::Option {
            name: "wavelength",
            value: format!("a grid of {} pixels", x.len()),
            expected: "at least two, to have a pixel width",
        });
    };
    Ok((2.0 * width, 4.0 * (last - first)))
}
