//! The wavelength grid that all rows of a flat tile share.

use std::collections::HashMap;
use std::sync::Arc;

/// Key of the file's metadata.
pub(crate) const KEY: &str = "wavelength";

/// Wavelengths of a shared grid, Å: `start + i · step`.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    pub(crate) wavelength: Arc<[f64]>,
    /// As the metadata of a file has it.
    pub(crate) text: String,
}

impl Grid {
    pub(crate) fn new(start: f64, step: f64, pixels: usize) -> Self {
        Self {
            wavelength: (0..pixels).map(|i| start + i as f64 * step).collect(),
            text: serde_json::json!({"start": start, "step": step, "n": pixels}).to_string(),
        }
    }

    /// Reads the grid from the metadata of a file or schema; the error is a reason for people.
    pub(crate) fn from_metadata(metadata: &HashMap<String, String>) -> Result<Self, String> {
        const FORM: &str = r#"{"start": 3600.0, "step": 0.8, "n": 7781}, in Å"#;
        let text = metadata.get(KEY).ok_or_else(|| {
            format!(
                "no such column, and no wavelength grid in the file's metadata: expected {FORM} under the key {KEY:?}"
            )
        })?;
        let wrong = || format!("the grid in the file's metadata is {text}, expected {FORM}");
        let json: serde_json::Value = serde_json::from_str(text).map_err(|_| wrong())?;
        let number = |key| {
            json.get(key)
                .and_then(serde_json::Value::as_f64)
                .filter(|x| x.is_finite())
        };
        let start = number("start").filter(|start| *start > 0.0).ok_or_else(wrong)?;
        let step = number("step").filter(|step| *step > 0.0).ok_or_else(wrong)?;
        let pixels = json
            .get("n")
            .and_then(serde_json::Value::as_u64)
            .filter(|n| *n <= 1 << 24)
            .ok_or_else(wrong)?;
        Ok(Self {
            text: text.clone(),
            ..Self::new(start, step, pixels as usize)
        })
    }
}

/// However they are written.
impl PartialEq for Grid {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text || self.wavelength == other.wavelength
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Option<&[f64]>) {
        let metadata = HashMap::from([(KEY.to_owned(), json.to_owned())]);
        let found = Grid::from_metadata(&metadata);
        assert_eq!(
            found.as_ref().ok().map(|grid| &*grid.wavelength),
            expected,
            "{json}: {found:?}"
        );
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
        check(r#"{"start": 3600, "n": 3}"#, None);
        check("3600", None);
        check("{", None);
        assert!(Grid::from_metadata(&HashMap::new()).is_err());
    }
}
