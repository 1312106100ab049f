//! Who sees what.

use rand::RngExt;
use rand_distr::{Distribution, UnitSphere};

use super::random::{Purpose, stream};
use crate::error::{Error, Result};

/// What an observer sees of the box: a cone or the whole sky, between two distances, without some holes. All galaxies there, or a part
/// of them.
///
/// Positions are then relative to the observer, along the axes of the box, which is not repeated.
///
/// # Examples
///
/// ```
/// use radio_models::mock::{RedshiftSpace, Survey, WebMock};
///
/// let survey = Survey::default()
///     .with_observer_mpc_h([32.0, 32.0, -20.0])
///     .with_direction([0.0, 0.0, 1.0])
///     .with_opening_deg(25.0)
///     .with_distances_mpc_h(30.0, 80.0)
///     .with_holes(20)
///     .with_completeness(0.9);
/// let mock = WebMock::default().with_cells(32).with_box_size_mpc_h(64.0).with_galaxies(5000);
/// let web = mock.with_survey(survey).with_redshift_space(RedshiftSpace::LineOfSight).make()?;
/// assert!(!web.classes.is_empty());
/// for galaxy in web.positions.rows() {
///     let distance = galaxy.dot(&galaxy).sqrt();
///     assert!((30.0..80.0).contains(&distance) && galaxy[2] / distance > 25f64.to_radians().cos());
/// }
/// # Ok::<(), radio_models::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Survey {
    /// Where the observer is, in Mpc/h in the box or outside. Default: the corner, `[0, 0, 0]`.
    pub observer_mpc_h: [f64; 3],
    /// Nearest and furthest distance in Mpc/h. Default: 0 and infinity.
    pub distances_mpc_h: [f64; 2],
    /// Where the middle of the cone is: a vector of any length. Default: `[1, 1, 1]`.
    pub direction: [f64; 3],
    /// Angle between the middle and the rim of the cone in degrees; 180 for the whole sky. Default: 180.
    pub opening_deg: f64,
    /// Holes in the cone, such as bright stars make, at random. Default: 0.
    pub holes: usize,
    /// Radius of a hole in degrees. Default: 1.
    pub hole_radius_deg: f64,
    /// The part of the galaxies that is kept, at random: above 0, at most 1. Default: 1.
    pub completeness: f64,
}

impl Default for Survey {
    fn default() -> Self {
        Self {
            observer_mpc_h: [0.0; 3],
            distances_mpc_h: [0.0, f64::INFINITY],
            direction: [1.0; 3],
            opening_deg: 180.0,
            holes: 0,
            hole_radius_deg: 1.0,
            completeness: 1.0,
        }
    }
}

impl Survey {
    /// Sets [`observer_mpc_h`](Self::observer_mpc_h).
    #[must_use]
    pub fn with_observer_mpc_h(mut self, observer: [f64; 3]) -> Self {
        self.observer_mpc_h = observer;
        self
    }

    /// Sets [`direction`](Self::direction).
    #[must_use]
    pub fn with_direction(mut self, direction: [f64; 3]) -> Self {
        self.direction = direction;
        self
    }

    /// Sets [`opening_deg`](Self::opening_deg).
    #[must_use]
    pub fn with_opening_deg(mut self, angle: f64) -> Self {
        self.opening_deg = angle;
        self
    }

    /// Sets [`holes`](Self::holes).
    #[must_use]
    pub fn with_holes(mut self, holes: usize) -> Self {
        self.holes = holes;
        self
    }

    /// Sets [`hole_radius_deg`](Self::hole_radius_deg).
    #[must_use]
    pub fn with_hole_radius_deg(mut self, radius: f64) -> Self {
        self.hole_radius_deg = radius;
        self
    }

    /// Sets [`completeness`](Self::completeness).
    #[must_use]
    pub fn with_completeness(mut self, part: f64) -> Self {
        self.completeness = part;
        self
    }

    /// Sets [`distances_mpc_h`](Self::distances_mpc_h).
    #[must_use]
    pub fn with_distances_mpc_h(mut self, nearest: f64, furthest: f64) -> Self {
        self.distances_mpc_h = [nearest, furthest];
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if !self.observer_mpc_h.iter().all(|x| x.is_finite()) {
            return Err(Error::option(
                "observer_mpc_h",
                format!("{:?}", self.observer_mpc_h),
                "finite numbers",
            ));
        }
        let [nearest, furthest] = self.distances_mpc_h;
        if !(nearest >= 0.0 && nearest < furthest) {
            let expected = "a distance of at least 0 and a larger one";
            return Err(Error::option(
                "distances_mpc_h",
                format!("{:?}", self.distances_mpc_h),
                expected,
            ));
        }
        let length = norm(self.direction);
        if !(length > 0.0 && length.is_finite()) {
            return Err(Error::option(
                "direction",
                format!("{:?}", self.direction),
                "a vector that is not 0",
            ));
        }
        for (name, angle) in [
            ("opening_deg", self.opening_deg),
            ("hole_radius_deg", self.hole_radius_deg),
        ] {
            if !(angle > 0.0 && angle <= 180.0) {
                return Err(Error::option(name, angle, "above 0 and at most 180"));
            }
        }
        if self.holes > MOST_HOLES {
            return Err(Error::option("holes", self.holes, "at most 100,000"));
        }
        if !(self.completeness > 0.0 && self.completeness <= 1.0) {
            return Err(Error::option(
                "completeness",
                self.completeness,
                "above 0 and at most 1",
            ));
        }
        Ok(())
    }
}

/// Each galaxy is compared with each hole.
const MOST_HOLES: usize = 100_000;

/// A survey that was drawn.
pub(super) struct Mask<'a> {
    survey: &'a Survey,
    seed: u64,
    direction: [f64; 3],
    cos_opening: f64,
    holes: Vec<[f64; 3]>,
    cos_hole: f64,
}

impl<'a> Mask<'a> {
    pub(super) fn new(survey: &'a Survey, seed: u64) -> Self {
        let direction = unit(survey.direction);
        let cos = |degrees: f64| {
            if degrees < 180.0 {
                degrees.to_radians().cos()
            } else {
                -1.0
            }
        };
        let cos_opening = cos(survey.opening_deg);
        let holes = (0..survey.holes).map(|hole| in_cone(direction, cos_opening, seed, hole));
        Self {
            survey,
            seed,
            direction,
            cos_opening,
            holes: holes.collect(),
            cos_hole: cos(survey.hole_radius_deg),
        }
    }

    /// A place in the box, relative to the observer.
    pub(super) fn relative(&self, position: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|axis| position[axis] - self.survey.observer_mpc_h[axis])
    }

    /// Is this galaxy in the survey, at a place relative to the observer?
    ///
    /// O(holes).
    pub(super) fn has(&self, galaxy: usize, place: [f64; 3]) -> bool {
        let [nearest, furthest] = self.survey.distances_mpc_h;
        let (distance, sight) = (norm(place), unit(place));
        (nearest..furthest).contains(&distance)
            && dot(sight, self.direction) >= self.cos_opening
            && (self.survey.completeness >= 1.0
                || stream(self.seed, Purpose::Completeness, galaxy).random::<f64>() < self.survey.completeness)
            && !self.holes.iter().any(|&hole| dot(sight, hole) > self.cos_hole)
    }
}

/// A direction in a cone, each as likely as any other.
fn in_cone(direction: [f64; 3], cos_opening: f64, seed: u64, hole: usize) -> [f64; 3] {
    let mut random = stream(seed, Purpose::Hole, hole);
    let any: [f64; 3] = UnitSphere.sample(&mut random);
    // A direction across, and as far from the middle as the area says.
    let along = dot(any, direction);
    let across = unit(std::array::from_fn(|axis| any[axis] - along * direction[axis]));
    let cos = random.random_range(cos_opening..=1.0);
    let sin = (1.0 - cos * cos).sqrt();
    std::array::from_fn(|axis| cos * direction[axis] + sin * across[axis])
}

pub(super) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn norm(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

/// The vector of length 1, or 0 where it has no direction.
pub(super) fn unit(a: [f64; 3]) -> [f64; 3] {
    let length = norm(a);
    if length > 0.0 { a.map(|x| x / length) } else { [0.0; 3] }
}
