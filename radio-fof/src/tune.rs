//! The linking lengths that find the groups of mock catalogues best.

use ndarray::ArrayView1;

use crate::compare::Comparison;
use crate::error::{Result, check_few, check_option};
use crate::redshift::{Place, RedshiftFof};
use crate::simplex::minimise;
use crate::survey::Survey;

/// A survey of a simulated universe, and which halo each galaxy belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Mock<'a> {
    survey: Survey<'a>,
    truth: ArrayView1<'a, i64>,
}

impl<'a> Mock<'a> {
    /// `truth` has a label per galaxy: any number for a group, a negative one outside groups.
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
    pub fn new(survey: Survey<'a>, truth: ArrayView1<'a, i64>) -> Self {
        Self { survey, truth }
    }
}

/// Finds the b0 and r0 that make groups most like the true ones of mock catalogues.
///
/// It starts from the b0 and r0 of a [`RedshiftFof`] and goes downhill from there, by the simplex method in ln b0 and
/// ln r0, until neither changes by more than a tolerance, which is relative: 1 % by default. (Nessie stops when both
/// change by less than 0.1, absolutely: at b0 of about 0.05, that is at once.) What it looks for is the largest S_tot
/// ([`Comparison::s_total`]); of several mocks, the largest harmonic mean.
///
/// The maximum is the nearest one: start from several places where there may be others, and not from where no group is
/// like a true one, since S_tot is 0 all around it.
///
/// # Examples
///
/// ```
/// use ndarray::Array1;
/// use radio_fof::{Density, Mock, RedshiftFof, Survey, Tuner};
///
/// // Pairs 0.05 degrees apart, 1 degree from each other.
/// let ra: Vec<f64> = (0..200).map(|i| f64::from(i / 2) + 0.05 * f64::from(i % 2)).collect();
/// let (dec, z) = (vec![0.0; 200], vec![0.1; 200]);
/// let truth: Array1<i64> = (0..200).map(|i| i / 2).collect();
///
/// // At first nothing is linked.
/// let fof = RedshiftFof::new(0.04, 18.0, Density::Constant(2e-3));
/// let mock = Mock::new(Survey::new(&ra, &dec, &z), truth.view());
/// let tuned = Tuner::new(fof).tune(&[mock])?;
/// assert_eq!(tuned.s_total, 1.0);
/// assert!(tuned.b0 > 0.045);
/// # Ok::<(), radio_fof::Error>(())
/// ```
///
/// # References
///
/// Robotham et al. 2011, MNRAS 416, 2640, section 3.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Tuner {
    fof: RedshiftFof,
    min_members: usize,
    tolerance: f64,
    max_runs: usize,
}

/// Where a [`Tuner`] ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Tuned {
    /// Linking length across the line of sight, in mean separations.
    pub b0: f64,
    /// How many times longer it is along the line of sight.
    pub r0: f64,
    /// What they reach: S_tot, of several mocks its harmonic mean.
    pub s_total: f64,
    /// The comparison with each mock, in their order.
    pub comparisons: Vec<Comparison>,
    /// How often groups were found in all mocks.
    pub runs: usize,
    /// Finds groups with these linking lengths.
    pub fof: RedshiftFof,
}

impl Tuner {
    /// Starts from the linking lengths of `fof`, and keeps its other options.
    pub fn new(fof: RedshiftFof) -> Self {
        Self {
            fof,
            min_members: 2,
            tolerance: 0.01,
            max_runs: 200,
        }
    }

    /// Compares groups of at least this many members. Robotham et al. took 5. Default: 2.
    pub fn min_members(mut self, min_members: usize) -> Self {
        self.min_members = min_members;
        self
    }

    /// Stops when neither b0 nor r0 changes by more than this part of itself. Default: 0.01.
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Stops after about this many runs in any case; the first step takes three. At least 1. Default: 200.
    pub fn max_runs(mut self, max_runs: usize) -> Self {
        self.max_runs = max_runs;
        self
    }

    /// Tunes b0 and r0 to the mocks, all of them together.
    ///
    /// # Errors
    ///
    /// [`Error::Option`](crate::Error::Option) for an option out of range,
    /// [`Error::TooFewRows`](crate::Error::TooFewRows) without mocks or for one without a true group of `min_members`, and
    /// all that [`RedshiftFof::link`] and [`Comparison::new`] find wrong.
    ///
    /// # Complexity
    ///
    /// Some 40 runs of [`RedshiftFof::link`], without the distances and densities, which are computed once.
    pub fn tune(&self, mocks: &[Mock<'_>]) -> Result<Tuned> {
        let tolerance_is_good = self.tolerance > 0.0 && self.tolerance < 1.0;
        check_option(tolerance_is_good, "tolerance", self.tolerance, "between 0 and 1")?;
        check_option(self.max_runs > 0, "max_runs", self.max_runs, "at least 1")?;
        check_few(mocks.len(), 1, "mocks")?;
        let prepared: Vec<(&Mock<'_>, Vec<Place>)> = mocks
            .iter()
            .map(|mock| Ok((mock, self.fof.places(&mock.survey)?)))
            .collect::<Result<_>>()?;
        let compare = |fof: &RedshiftFof| -> Result<Vec<Comparison>> {
            prepared
                .iter()
                .map(|(mock, places)| {
                    let labels = fof.link_places(&mock.survey, places)?;
                    Comparison::new(labels.view(), mock.truth, self.min_members)
                })
                .collect()
        };
        let (b0, r0) = self.fof.lengths();
        let start = [b0.ln(), r0.ln()];
        // The first run tells what is wrong with the data; after it, only lengths without bounds are.
        for comparison in compare(&self.fof)? {
            check_few(comparison.truth.groups, 1, "true groups of min_members in a mock")?;
        }
        let of = |[ln_b0, ln_r0]: [f64; 2]| self.fof.with_lengths(ln_b0.exp(), ln_r0.exp());
        let minus_s_total = |at: [f64; 2]| compare(&of(at)).map_or(f64::NAN, |found| -mean_s_total(&found));
        let best = minimise(start, [0.25, 0.25], self.tolerance, self.max_runs, minus_s_total);
        let fof = of(best.at);
        let (b0, r0) = fof.lengths();
        Ok(Tuned {
            b0,
            r0,
            s_total: -best.value,
            comparisons: compare(&fof)?,
            runs: best.calls + 2,
            fof,
        })
    }
}

/// The harmonic mean of S_tot: 0 if it is 0 for any.
fn mean_s_total(comparisons: &[Comparison]) -> f64 {
    let inverse: f64 = comparisons.iter().map(|comparison| 1.0 / comparison.s_total()).sum();
    comparisons.len() as f64 / inverse
}
