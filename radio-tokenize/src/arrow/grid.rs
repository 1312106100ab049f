//! The wavelength grid that all rows share, as the schema's metadata have it.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::json;

use crate::{Error, Result};

/// Its key.
pub(super) const KEY: &str = "wavelength";
/// A grid of more pixels is a mistake.
const MOST_PIXELS: usize = 1 << 24;

/// Wavelengths in Å: `start + i · step`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub(super) struct Grid {
    pub(super) start: f64,
    pub(super) step: f64,
    #[serde(rename = "n")]
    pub(super) pixels: usize,
}

impl Grid {
    pub(super) fn from_metadata(metadata: &HashMap<String, String>) -> Result<Self> {
        const FORM: &str = r#"expected {"start": 3600.0, "step": 0.8, "n": 7781}, in Å"#;
        let wrong = |reason| Error::Metadata { key: KEY, reason };
        let text = metadata.get(KEY).ok_or_else(|| {
            let or = "or name the column of wavelengths in ArrowColumns::wavelength";
            wrong(format!("not there, and no column has wavelengths; {FORM}, {or}"))
        })?;
        let grid = serde_json::from_str(text).ok().filter(Self::is_sane);
        grid.ok_or_else(|| wrong(format!("it is {text}, {FORM}")))
    }

    fn is_sane(&self) -> bool {
        let is_positive = |x: f64| x > 0.0 && x.is_finite();
        is_positive(self.start) && is_positive(self.step) && self.pixels <= MOST_PIXELS
    }

    pub(super) fn at(&self, pixel: usize) -> f64 {
        self.start + pixel as f64 * self.step
    }

    pub(super) fn wavelengths(&self) -> Vec<f64> {
        (0..self.pixels).map(|pixel| self.at(pixel)).collect()
    }

    /// As it is written into metadata.
    pub(super) fn text(&self) -> String {
        json!({"start": self.start, "step": self.step, "n": self.pixels}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Option<&[f64]>) {
        let found = Grid::from_metadata(&HashMap::from([(KEY.to_owned(), json.to_owned())]));
        let wavelengths = found.ok().map(|grid| grid.wavelengths());
        assert_eq!(wavelengths.as_deref(), expected, "{json}");
    }

    #[test]
    fn grids() {
        check(
            r#"{"unit": "Angstrom", "start": 3600.0, "step": 0.5, "n": 3}"#,
            Some(&[3600.0, 3600.5, 3601.0]),
        );
        check(r#"{"start": 3600, "step": 1, "n": 0}"#, Some(&[]));
        check(r#"{"start": 3600, "step": 0, "n": 3}"#, None);
        check(r#"{"start": -1, "step": 1, "n": 3}"#, None);
        check(r#"{"start": 3600, "step": 1, "n": 99999999999}"#, None);
        check(r#"{"start": 3600, "step": 1, "n": -1}"#, None);
        check(r#"{"start": 3600, "n": 3}"#, None);
        check("3600", None);
        check("{", None);
    }

    #[test]
    fn a_grid_is_read_as_it_was_written() {
        let grid = Grid {
            start: 3600.1,
            step: 0.8,
            pixels: 7,
        };
        let metadata = HashMap::from([(KEY.to_owned(), grid.text())]);
        assert_eq!(Grid::from_metadata(&metadata), Ok(grid));
    }
}
