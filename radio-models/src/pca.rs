//! Principal components: the classic baseline for spectra.

mod data;
mod linalg;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use crate::error::{Error, Result, check_shape};
use data::{Data, Filling, Whitened};
use linalg::{eigen, orthonormalize};

/// More directions than components are iterated, so that the last component converges, too.
const OVERSAMPLING: usize = 10;
/// Beyond ±1000 a value counts as ±1000 in the fit: one fill value that nobody masked would be the first component.
const LIMIT: f32 = 1000.0;
const ONE_COLUMN: &str = "values and errors have one column for each pixel of the mean";

/// The mean of many spectra and the directions in which they vary most.
///
/// A spectrum that is far from the mean plus any combination of a few components is unlike the rest.
/// [`chi2`](Self::chi2) measures that with regard to the errors; a model that is worth its training finds more than
/// this.
///
/// A pixel is *good* when its value is finite and its error is finite and above zero; whatever else stands in a bad
/// pixel has no influence on anything.
///
/// # Examples
///
/// ```
/// use ndarray::Array2;
/// use radio_models::{Pca, PcaOptions};
///
/// // 100 spectra of 50 pixels: two shapes in changing proportions. The last one is something else.
/// let mut values = Array2::from_shape_fn((100, 50), |(row, i)| {
///     let (a, b) = ((row as f32).sin(), (row as f32 * 0.7).cos());
///     a * (i as f32 * 0.1).sin() + b * (i as f32 * 0.3).cos()
/// });
/// let errors = Array2::from_elem((100, 50), 0.1);
/// let pca = Pca::fit(values.view(), errors.view(), &PcaOptions::default().with_rank(2))?;
///
/// values[[99, 20]] += 3.0;
/// let chi2 = pca.chi2(values.view(), errors.view())?;
/// assert!(chi2[0] < Some(0.01) && chi2[99] > Some(10.0));
/// # Ok::<(), radio_models::Error>(())
/// ```
///
/// # References
///
/// Halko, Martinsson & Tropp 2011, SIAM Review 53, 217 (algorithm 4.4) for the components; Roweis 1998, NIPS 10, 626
/// for the bad pixels; Connolly & Szalay 1999, AJ 117, 2052 for the projection of spectra with gaps.
#[derive(Clone, Debug, PartialEq)]
pub struct Pca {
    mean: Array1<f64>,
    /// (k, pixels)
    components: Array2<f64>,
    variances: Array1<f64>,
}

#[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
impl Pca {
    /// Finds the mean and the leading components of `n` spectra.
    ///
    /// `values` and `errors` have shape `(n, pixels)`: normalised flux, and its σ in the same unit, 0 in bad pixels.
    /// A spectrum counts with the weight 1 / (σ² + floor²), where σ is its median error and the floor is
    /// [`error_floor`](PcaOptions::error_floor), in all its good pixels alike. A value beyond ±1000 counts as ±1000. Bad
    /// pixels are filled with the mean first, then [`refills`](PcaOptions::refills) times with what the components say.
    ///
    /// The result is the same for any number of threads. A component's largest entry is positive.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the two arrays differ, [`Error::Option`] where the rank is 0 or more than `n` or the
    /// pixels, there are no iterations, or the floor is not positive and finite.
    ///
    /// # Complexity
    ///
    /// O(n · pixels · rank · iterations) for each fill, and O(n · pixels · rank²) for each refill, on rayon's current
    /// pool: 8192 spectra of 7808 pixels take about 8 s of one core, 2 s without the refill. Memory on top of the arrays: O(pixels · rank) for each thread and for each of 32 sums, and O(n · rank).
    pub fn fit(values: ArrayView2<'_, f32>, errors: ArrayView2<'_, f32>, options: &PcaOptions) -> Result<Self> {
        check_shape("errors", errors.shape(), values.shape(), ONE_COLUMN)?;
        options.check(values.dim())?;
        let limit = LIMIT;
        let data = Data { values, errors, limit };
        let roots = data.root_weights(options.error_floor);
        let mean = data.mean(&roots);
        let directions = (options.rank + OVERSAMPLING).min(data.rows()).min(data.pixels());
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(options.seed);
        // Any independent entries with mean 0 do; these are cheaper than normal ones.
        let mut basis = Array2::from_shape_simple_fn((data.pixels(), directions), || rng.random_range(-1.0..1.0));
        orthonormalize(&mut basis);

        let mut pca = Self {
            mean,
            components: Array2::zeros((0, data.pixels())),
            variances: Array1::zeros(0),
        };
        let mut filling = Filling::new(&data, pca.clone());
        for refill in 0..=options.refills {
            if refill > 0 {
                filling = Filling::new(&data, pca.clone());
                let excess = data.sum(&roots, &pca.mean, &filling, |block, roots| {
                    roots.mapv(|x| x as f32).dot(&block).insert_axis(Axis(0)) // (1, pixels)
                });
                // The weights have a mean of 1.
                pca.mean.scaled_add(1.0 / data.rows() as f64, &excess.row(0));
            }
            for _ in 0..options.iterations {
                let single = basis.mapv(|x| x as f32);
                basis = data.sum(&roots, &pca.mean, &filling, |block, _| {
                    let image = block.dot(&single); // (block, directions)
                    block.t().dot(&image) // (pixels, directions)
                });
                orthonormalize(&mut basis);
            }
            // Rayleigh–Ritz: the best directions within the basis.
            let single = basis.mapv(|x| x as f32);
            let gram = data.sum(&roots, &pca.mean, &filling, |block, _| {
                let image = block.dot(&single);
                image.t().dot(&image) // (directions, directions)
            });
            let (variances, vectors) = eigen(gram);
            let vectors = vectors.slice(s![.., ..options.rank]);
            pca.components = basis.dot(&vectors).t().as_standard_layout().into_owned(); // (rank, pixels)
            pca.components.outer_iter_mut().for_each(|mut row| {
                let largest = row.iter().fold(0.0f64, |a, &b| if b.abs() > a.abs() { b } else { a });
                row.mapv_inplace(|x| x * largest.signum());
            });
            pca.variances = variances
                .slice(s![..options.rank])
                .mapv(|x| x.max(0.0) / data.rows() as f64);
        }
        Ok(pca)
    }

    /// The mean spectrum, `(pixels)`.
    #[must_use]
    pub fn mean(&self) -> ArrayView1<'_, f64> {
        self.mean.view()
    }

    /// The components, `(rank, pixels)`: orthonormal, the one with the largest variance first.
    #[must_use]
    pub fn components(&self) -> ArrayView2<'_, f64> {
        self.components.view()
    }

    /// Weighted variance of the spectra along each component, `(rank)`: the mean square of their coefficients.
    #[must_use]
    pub fn variances(&self) -> ArrayView1<'_, f64> {
        self.variances.view()
    }

    /// The same with the first `rank` components only; all of them, where there are not so many.
    #[must_use]
    pub fn leading(&self, rank: usize) -> Self {
        let rank = rank.min(self.components.nrows());
        Self {
            mean: self.mean.clone(),
            components: self.components.slice(s![..rank, ..]).to_owned(),
            variances: self.variances.slice(s![..rank]).to_owned(),
        }
    }

    /// Reduced χ² of each spectrum against its best combination of the components.
    ///
    /// `values` and `errors` are as for [`fit`](Self::fit), for other spectra or the same. The coefficients minimise
    /// χ² = Σ (value − mean − Σ a c)² / σ² over the good pixels; it is divided by their number minus the rank. `None`
    /// where that is not positive, or the result is not finite.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the two arrays differ, or have other pixels than the mean.
    ///
    /// # Complexity
    ///
    /// O(n · pixels · rank²), on rayon's current pool: 0.5 ms of one core for a spectrum of 7808 pixels and a rank of 25.
    /// Memory on top of the arrays: O(pixels · rank) for each thread.
    pub fn chi2(&self, values: ArrayView2<'_, f32>, errors: ArrayView2<'_, f32>) -> Result<Vec<Option<f64>>> {
        let data = self.data(values, errors)?;
        let chi2 = |whitened: &mut Whitened, row: usize| {
            whitened.fill(self, data.row(row), |error| 1.0 / error);
            let residual = &whitened.target - &whitened.design.t().dot(&whitened.solve());
            let freedom = whitened
                .good
                .checked_sub(self.components.nrows())
                .filter(|&freedom| freedom > 0)?;
            Some(residual.dot(&residual) / freedom as f64).filter(|chi2| chi2.is_finite())
        };
        let rows = (0..data.rows()).into_par_iter();
        Ok(rows.map_init(|| Whitened::new(self), chi2).collect())
    }

    /// What the components say about each spectrum, `(n, pixels)`, in bad pixels, too.
    ///
    /// The coefficients are those of [`chi2`](Self::chi2). A spectrum with no more good pixels than components
    /// becomes the mean.
    ///
    /// # Errors
    ///
    /// Those of [`chi2`](Self::chi2).
    ///
    /// # Complexity
    ///
    /// That of [`chi2`](Self::chi2), and `(n, pixels)` of memory for the result.
    pub fn reconstruct(&self, values: ArrayView2<'_, f32>, errors: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let data = self.data(values, errors)?;
        let coefficients = self.coefficients(&data, self.components.nrows() + 1, |error| 1.0 / error);
        Ok((coefficients.dot(&self.components) + &self.mean).mapv(|x| x as f32))
    }

    fn data<'a>(&self, values: ArrayView2<'a, f32>, errors: ArrayView2<'a, f32>) -> Result<Data<'a>> {
        check_shape("values", values.shape(), &[values.nrows(), self.mean.len()], ONE_COLUMN)?;
        check_shape("errors", errors.shape(), values.shape(), ONE_COLUMN)?;
        let limit = f32::INFINITY;
        Ok(Data { values, errors, limit })
    }

    /// The least-squares coefficients of each row, `(n, rank)`, 0 where fewer than `least_good` pixels are good;
    /// `root_weight` makes 1/σ, or something else, of an error.
    fn coefficients(&self, data: &Data<'_>, least_good: usize, root_weight: impl Fn(f64) -> f64 + Sync) -> Array2<f64> {
        let mut coefficients = Array2::zeros((data.rows(), self.components.nrows()));
        let rows: Vec<_> = coefficients.outer_iter_mut().enumerate().collect();
        rows.into_par_iter().for_each_init(
            || Whitened::new(self),
            |whitened, (row, mut out)| {
                whitened.fill(self, data.row(row), &root_weight);
                if whitened.good >= least_good {
                    out.assign(&whitened.solve());
                }
            },
        );
        coefficients
    }
}

/// How to find components.
///
/// # Examples
///
/// ```
/// use radio_models::PcaOptions;
///
/// let options = PcaOptions::default().with_rank(10);
/// assert_eq!((options.rank, options.iterations, options.refills), (10, 5, 1));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PcaOptions {
    /// Number of components. Default: 25.
    pub rank: usize,
    /// Seed of the directions that the iteration begins with. Default: 0.
    pub seed: u64,
    /// Iterations after each fill. More make the last components more exact. Default: 5.
    pub iterations: usize,
    /// How often bad pixels are filled anew with what the components say. Default: 1.
    pub refills: usize,
    /// Spectra with smaller errors than this, in the unit of the values, count no more than those that have it. A large
    /// one makes all count the same. Default: 0.05.
    ///
    /// Without weights the components of a survey whose errors range over a factor of 10 are those of the noise of its
    /// faintest spectra, and the brightest ones do not fit.
    pub error_floor: f64,
}

impl Default for PcaOptions {
    fn default() -> Self {
        Self {
            rank: 25,
            seed: 0,
            iterations: 5,
            refills: 1,
            error_floor: 0.05,
        }
    }
}

impl PcaOptions {
    /// Sets [`rank`](Self::rank).
    #[must_use]
    pub fn with_rank(mut self, rank: usize) -> Self {
        self.rank = rank;
        self
    }

    /// Sets [`seed`](Self::seed).
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets [`iterations`](Self::iterations).
    #[must_use]
    pub fn with_iterations(mut self, iterations: usize) -> Self {
        self.iterations = iterations;
        self
    }

    /// Sets [`refills`](Self::refills).
    #[must_use]
    pub fn with_refills(mut self, refills: usize) -> Self {
        self.refills = refills;
        self
    }

    /// Sets [`error_floor`](Self::error_floor).
    #[must_use]
    pub fn with_error_floor(mut self, floor: f64) -> Self {
        self.error_floor = floor;
        self
    }

    fn check(&self, (rows, pixels): (usize, usize)) -> Result<()> {
        if self.rank == 0 || self.rank > rows.min(pixels) || rows < 2 {
            return Err(Error::option(
                "rank",
                format!("{} for {rows} spectra of {pixels} pixels", self.rank),
                "at least 1, at most the number of spectra, of which there are at least 2, and of pixels",
            ));
        }
        if self.iterations == 0 {
            return Err(Error::option("iterations", "0", "at least 1"));
        }
        // Its square and the inverse of that must be numbers.
        if !(1e-100..=1e100).contains(&self.error_floor) {
            return Err(Error::option("error_floor", self.error_floor, "positive and finite"));
        }
        Ok(())
    }
}
