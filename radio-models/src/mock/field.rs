//! Fields of density in a periodic box.

use ndarray::{Array3, ArrayView3, Axis};
use rand_distr::{Distribution, StandardNormal};
use realfft::num_complex::Complex;

use super::WebMock;
use super::fourier::{Fourier, Modes};
use super::options::{check_above_0, check_cells};
use super::random::{Purpose, stream};
use super::spectrum::{LinearSpectrum, top_hat};
use super::tidal::{self, TidalWeb};
use super::zeldovich;
use crate::error::{Error, Result};

/// An overdensity δ in a periodic box, whose mean does not matter.
///
/// # Examples
///
/// ```
/// use radio_models::mock::WebMock;
///
/// // The eigenvalues of the tidal tensor of any Gaussian field: Doroshkevich1970.
/// let field = WebMock::default().with_cells(64).linear_field()?;
/// let [void, sheet, filament, knot] = field.tidal_web(8.0, 0.0)?.volume_fractions;
/// assert!((void - 0.080).abs() < 0.02 && (knot - 0.080).abs() < 0.02);
/// assert!((sheet - 0.420).abs() < 0.04 && (filament - 0.420).abs() < 0.04);
/// # Ok::<(), radio_models::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    density: Array3<f32>,
    box_size_mpc_h: f64,
}

impl Field {
    /// From overdensities at the centres of cells, `(n, n, n)`, and the length of a side of the box in Mpc/h.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for `density` that is no cube with an even side or has a number that is not finite, and for a
    /// `box_size_mpc_h` that is not above 0.
    ///
    /// # Complexity
    ///
    /// O(n³).
    pub fn new(density: Array3<f32>, box_size_mpc_h: f64) -> Result<Self> {
        let (x, y, z) = density.dim();
        if x != y || x != z {
            return Err(Error::option(
                "density",
                format!("of shape {:?}", density.shape()),
                "a cube",
            ));
        }
        check_cells(x)?;
        check_above_0("box_size_mpc_h", box_size_mpc_h)?;
        if let Some(number) = density.iter().find(|number| !number.is_finite()) {
            return Err(Error::option("density", number, "finite numbers"));
        }
        Ok(Self {
            density,
            box_size_mpc_h,
        })
    }

    /// The overdensities, `(n, n, n)`.
    #[must_use]
    pub fn density(&self) -> ArrayView3<'_, f32> {
        self.density.view()
    }

    /// The length of a side of the box in Mpc/h.
    #[must_use]
    pub fn box_size_mpc_h(&self) -> f64 {
        self.box_size_mpc_h
    }

    /// How far, and along x, y and z, matter moves from each cell, in Mpc/h: `(n, n, n)` each.
    ///
    /// It is the ψ of which δ = −∇·ψ, with ψ(k) = i k δ(k) / k².
    ///
    /// # Complexity
    ///
    /// O(n³ log n), in parallel.
    ///
    /// # References
    ///
    /// Zeldovich1970.
    #[must_use]
    pub fn displacement(&self) -> [Array3<f32>; 3] {
        let fourier = self.fourier();
        zeldovich::displacement(&fourier, self.modes(&fourier), self.density.dim().0)
    }

    /// What is a void, a sheet, a filament and a knot, when the field is smoothed with a Gaussian of this standard deviation in Mpc/h:
    /// the number of eigenvalues of the tidal tensor that are above the threshold.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a `smoothing_mpc_h` below 0, and where either number is not finite.
    ///
    /// # Complexity
    ///
    /// O(n³ log n), in parallel. Memory of about 17 n³ bytes.
    ///
    /// # References
    ///
    /// Hahn2007 and ForeroRomero2009.
    pub fn tidal_web(&self, smoothing_mpc_h: f64, threshold: f64) -> Result<TidalWeb> {
        tidal::check(smoothing_mpc_h, threshold)?;
        let (fourier, cells) = (self.fourier(), self.density.dim().0);
        Ok(tidal::web(
            &fourier,
            self.modes(&fourier),
            cells,
            smoothing_mpc_h,
            threshold,
        ))
    }

    /// The power spectrum in so many bins of k, equally wide from 0 to π over the width of a cell; bins that have no mode are left out.
    ///
    /// # Complexity
    ///
    /// O(n³ log n).
    #[must_use]
    pub fn power_spectrum(&self, bins: usize) -> Vec<PowerBin> {
        let fourier = self.fourier();
        let cells = self.density.dim().0 as f64;
        let width = std::f64::consts::PI * cells / self.box_size_mpc_h / bins as f64;
        let mut sums = vec![(0, 0.0, 0.0); bins];
        for (k, count, square) in fourier.shells(&self.modes(&fourier)) {
            if let Some((modes, ks, squares)) = sums.get_mut((k / width) as usize) {
                *modes += count;
                *ks += count as f64 * k;
                *squares += square;
            }
        }
        let norm = self.box_size_mpc_h.powi(3) / cells.powi(6);
        let bins = sums.into_iter().filter(|&(modes, ..)| modes > 0);
        bins.map(|(modes, ks, squares)| PowerBin {
            k_h_mpc: ks / modes as f64,
            power: norm * squares / modes as f64,
            modes,
        })
        .collect()
    }

    /// The standard deviation of the mean overdensity in spheres of this radius, in Mpc/h.
    ///
    /// # Complexity
    ///
    /// O(n³ log n).
    #[must_use]
    pub fn sigma(&self, radius_mpc_h: f64) -> f64 {
        let fourier = self.fourier();
        let modes = self.modes(&fourier);
        let variance: f64 = fourier
            .shells(&modes)
            .map(|(k, _, square)| square * top_hat(k * radius_mpc_h).powi(2))
            .sum();
        variance.sqrt() / (self.density.dim().0 as f64).powi(3)
    }

    fn fourier(&self) -> Fourier {
        Fourier::new(self.density.dim().0, self.box_size_mpc_h)
    }

    fn modes(&self, fourier: &Fourier) -> Modes {
        fourier.forward(|x, plane| {
            let density = self.density.index_axis(Axis(0), x);
            plane.iter_mut().zip(density).for_each(|(to, &from)| *to = from);
        })
    }
}

/// The power of the modes in a bin.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PowerBin {
    /// Mean wave number of its modes in h/Mpc.
    pub k_h_mpc: f64,
    /// Mean power in (Mpc/h)³.
    pub power: f64,
    /// Number of modes. One and its conjugate count twice, and half as many are independent.
    pub modes: u64,
}

impl WebMock {
    /// The linear Gaussian field at redshift 0 that the mock begins with.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for an option out of its range.
    ///
    /// # Complexity
    ///
    /// O(n³ log n) for n cells per side, in parallel.
    pub fn linear_field(&self) -> Result<Field> {
        self.check()?;
        let fourier = Fourier::new(self.cells, self.box_size_mpc_h);
        let mut density = Array3::zeros([self.cells; 3]);
        let planes = density.axis_iter_mut(Axis(0)).collect();
        fourier.derivatives(linear(self, &fourier), [[0; 3]], planes, |[from], mut to| {
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
        });
        Ok(Field {
            density,
            box_size_mpc_h: self.box_size_mpc_h,
        })
    }
}

/// The modes of the linear field: white noise, with the spectrum of matter.
pub(super) fn linear(options: &WebMock, fourier: &Fourier) -> Modes {
    // Each plane has a stream of its own.
    let mut modes = fourier.forward(|x, plane| {
        let mut random = stream(options.seed, Purpose::Noise, x);
        plane.fill_with(|| StandardNormal.sample(&mut random));
    });
    let spectrum = LinearSpectrum::new(options);
    // Modes of noise have a variance of n³, those of the field one of P n⁶ / V.
    let norm = (options.cells as f64 / options.box_size_mpc_h).powi(3);
    fourier.multiply(&mut modes, |k| Complex::from((norm * spectrum.power(k)).sqrt()));
    modes
}
