//! A number with its uncertainty.

use std::fmt;

use serde::Serialize;

use super::bootstrap::interval;

/// A number with its uncertainty. `{:.2}` prints it with two decimals, as "0.93 [0.91, 0.95]".
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Lower and upper end of the 95 % interval; `None` without bootstrap samples.
    pub interval: Option<(f64, f64)>,
}

impl Estimate {
    pub(super) fn new(value: f64, samples: impl Iterator<Item = f64>) -> Self {
        Self {
            value,
            interval: interval(samples.filter(|sample| !sample.is_nan()).collect()),
        }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(3);
        write!(f, "{:.decimals$}", self.value)?;
        match self.interval {
            Some((low, high)) if high.is_finite() => write!(f, " [{low:.decimals$}, {high:.decimals$}]"),
            Some((low, _)) if low.is_finite() => write!(f, " [{low:.decimals$}, –]"),
            _ => Ok(()),
        }
    }
}
