//! What universe to make.

use super::spectrum::LinearSpectrum;
use super::survey::Survey;
use super::tidal;
use crate::error::{Error, Result};

/// A mock of the cosmic web: what universe to make, and what is seen of it. [`make`](Self::make) makes it.
///
/// # Examples
///
/// ```
/// use radio_models::mock::{RedshiftSpace, WebMock};
///
/// let mock = WebMock::default().with_cells(32).with_box_size_mpc_h(64.0).with_galaxies(500);
/// let (real, seen) = (mock.make()?, mock.with_redshift_space(RedshiftSpace::Axis(2)).make()?);
/// // The same galaxies, which velocities move along the third axis.
/// assert_eq!(real.classes, seen.classes);
/// assert_eq!(real.positions.column(0), seen.positions.column(0));
/// assert_ne!(real.positions.column(2), seen.positions.column(2));
/// # Ok::<(), radio_models::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WebMock {
    /// Cells along a side of the box, as many as particles: an even number. Default: 128.
    pub cells: usize,
    /// Length of a side of the periodic box in Mpc/h. Default: 256.
    pub box_size_mpc_h: f64,
    /// Standard deviation in Mpc/h of the Gaussian that the density is smoothed with before classes are told; 0 for none. Default: 2.
    pub smoothing_mpc_h: f64,
    /// The eigenvalue of the tidal tensor above which matter collapses along an axis. Default: 0.2.
    pub threshold: f64,
    /// Galaxies in the box. Default: 100,000.
    pub galaxies: usize,
    /// The number density of galaxies follows ρ (1 + δ)^(bias − 1), with the density ρ of matter, and δ smoothed: from 0 to 3, 1 for
    /// galaxies that are where matter is. Default: 1.5.
    ///
    /// A power of the density (Kitaura2015) is never negative, leaves voids empty, and is the linear bias of this size where δ is small.
    /// An exponential would be, too, but put most galaxies into the few densest knots. 1 + δ counts as 0.1 where it is less.
    pub bias: f64,
    /// Standard deviation of the linear density in spheres of 8 Mpc/h, at most 10. Default: 0.8.
    pub sigma_8: f64,
    /// Density of matter in units of the critical one, at most 1. Default: 0.315.
    pub omega_m: f64,
    /// Density of baryons, part of that of matter. Default: 0.049.
    pub omega_b: f64,
    /// Hubble's constant in 100 km/s/Mpc, from 0.1 to 2. Default: 0.674.
    pub h: f64,
    /// The spectral index of the first fluctuations, from 0 to 2. Default: 0.965.
    pub n_s: f64,
    /// Whether velocities move galaxies. Default: off.
    pub redshift_space: RedshiftSpace,
    /// Who sees which of the galaxies; `None` keeps them all, in the box. Default: `None`.
    pub survey: Option<Survey>,
    /// What everything at random depends on. Default: 0.
    pub seed: u64,
}

/// Where galaxies seem to be when their velocities count as distances: further by f ψ along the line of sight, with the
/// [rate of growth](WebMock::growth_rate) f and the displacement ψ (Kaiser1987).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedshiftSpace {
    /// They are where they are.
    #[default]
    Off,
    /// All lines of sight go along this axis of the box: 0, 1 or 2.
    Axis(usize),
    /// Lines of sight begin at the observer of the [survey](WebMock::survey).
    LineOfSight,
}

impl Default for WebMock {
    fn default() -> Self {
        Self {
            cells: 128,
            box_size_mpc_h: 256.0,
            smoothing_mpc_h: 2.0,
            threshold: 0.2,
            galaxies: 100_000,
            bias: 1.5,
            sigma_8: 0.8,
            omega_m: 0.315,
            omega_b: 0.049,
            h: 0.674,
            n_s: 0.965,
            redshift_space: RedshiftSpace::Off,
            survey: None,
            seed: 0,
        }
    }
}

impl WebMock {
    /// Sets [`cells`](Self::cells).
    #[must_use]
    pub fn with_cells(mut self, cells: usize) -> Self {
        self.cells = cells;
        self
    }

    /// Sets [`box_size_mpc_h`](Self::box_size_mpc_h).
    #[must_use]
    pub fn with_box_size_mpc_h(mut self, size: f64) -> Self {
        self.box_size_mpc_h = size;
        self
    }

    /// Sets [`smoothing_mpc_h`](Self::smoothing_mpc_h).
    #[must_use]
    pub fn with_smoothing_mpc_h(mut self, smoothing: f64) -> Self {
        self.smoothing_mpc_h = smoothing;
        self
    }

    /// Sets [`threshold`](Self::threshold).
    #[must_use]
    pub fn with_threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }

    /// Sets [`galaxies`](Self::galaxies).
    #[must_use]
    pub fn with_galaxies(mut self, galaxies: usize) -> Self {
        self.galaxies = galaxies;
        self
    }

    /// Sets [`bias`](Self::bias).
    #[must_use]
    pub fn with_bias(mut self, bias: f64) -> Self {
        self.bias = bias;
        self
    }

    /// Sets [`sigma_8`](Self::sigma_8).
    #[must_use]
    pub fn with_sigma_8(mut self, sigma: f64) -> Self {
        self.sigma_8 = sigma;
        self
    }

    /// Sets [`omega_m`](Self::omega_m).
    #[must_use]
    pub fn with_omega_m(mut self, omega: f64) -> Self {
        self.omega_m = omega;
        self
    }

    /// Sets [`omega_b`](Self::omega_b).
    #[must_use]
    pub fn with_omega_b(mut self, omega: f64) -> Self {
        self.omega_b = omega;
        self
    }

    /// Sets [`h`](Self::h).
    #[must_use]
    pub fn with_h(mut self, h: f64) -> Self {
        self.h = h;
        self
    }

    /// Sets [`n_s`](Self::n_s).
    #[must_use]
    pub fn with_n_s(mut self, index: f64) -> Self {
        self.n_s = index;
        self
    }

    /// Sets [`redshift_space`](Self::redshift_space).
    #[must_use]
    pub fn with_redshift_space(mut self, space: RedshiftSpace) -> Self {
        self.redshift_space = space;
        self
    }

    /// Sets [`survey`](Self::survey).
    #[must_use]
    pub fn with_survey(mut self, survey: Survey) -> Self {
        self.survey = Some(survey);
        self
    }

    /// Sets [`seed`](Self::seed).
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The rate at which linear structure grows with the logarithm of the scale factor, at redshift 0: Ωm^0.55 (Linder2005).
    #[must_use]
    pub fn growth_rate(&self) -> f64 {
        self.omega_m.powf(0.55)
    }

    /// The linear power spectrum.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for an option out of its range.
    pub fn spectrum(&self) -> Result<LinearSpectrum> {
        self.check()?;
        Ok(LinearSpectrum::new(self))
    }

    pub(super) fn check(&self) -> Result<()> {
        check_cells(self.cells)?;
        check_above_0("box_size_mpc_h", self.box_size_mpc_h)?;
        tidal::check(self.smoothing_mpc_h, self.threshold)?;
        if u32::try_from(self.galaxies).is_err() {
            return Err(Error::option("galaxies", self.galaxies, "below 4,294,967,296"));
        }
        let is_within = |name, value: f64, least: f64, most: f64, expected| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(Error::option(name, value, expected))
            }
        };
        is_within("bias", self.bias, 0.0, 3.0, "0 to 3")?;
        is_within(
            "sigma_8",
            self.sigma_8,
            f64::MIN_POSITIVE,
            10.0,
            "above 0 and at most 10",
        )?;
        is_within("omega_m", self.omega_m, 1e-3, 1.0, "0.001 to 1")?;
        is_within("omega_b", self.omega_b, 0.0, self.omega_m, "0 to omega_m")?;
        is_within("h", self.h, 0.1, 2.0, "0.1 to 2")?;
        is_within("n_s", self.n_s, 0.0, 2.0, "0 to 2")?;
        match self.redshift_space {
            RedshiftSpace::Axis(axis) if axis > 2 => {
                return Err(Error::option(
                    "redshift_space",
                    format!("axis {axis}"),
                    "axis 0, 1 or 2",
                ));
            }
            RedshiftSpace::LineOfSight if self.survey.is_none() => {
                let expected = "an axis, or a survey whose observer lines of sight begin at";
                return Err(Error::option("redshift_space", "along the line of sight", expected));
            }
            _ => {}
        }
        self.survey.as_ref().map_or(Ok(()), Survey::check)
    }
}

pub(super) fn check_cells(cells: usize) -> Result<()> {
    if (4..=2048).contains(&cells) && cells.is_multiple_of(2) {
        return Ok(());
    }
    Err(Error::option("cells", cells, "an even number from 4 to 2048"))
}

pub(super) fn check_above_0(name: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::option(name, value, "above 0, and finite"))
}
