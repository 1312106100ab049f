//! Properties files: `key=value`, a line each.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use super::{catalogue, io};
use crate::{Error, Result};

/// Lines of a properties file, in the order in which they are written or stand in it.
#[derive(Debug, Default)]
pub(super) struct Properties {
    path: PathBuf,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    number: usize,
    key: String,
    value: String,
}

impl Properties {
    /// Adds a line; nothing for an empty value, which numbers must not have.
    pub(super) fn set(&mut self, key: &str, value: &dyn Display) {
        let value = value.to_string();
        if !value.is_empty() {
            self.lines.push(Line {
                number: self.lines.len() + 2,
                key: key.to_owned(),
                value,
            });
        }
    }

    pub(super) fn extend(&mut self, lines: &[(String, String)]) {
        lines.iter().for_each(|(key, value)| self.set(key, value));
    }

    pub(super) fn to_text(&self, title: &str) -> String {
        let mut text = format!("#{title}\n");
        for line in &self.lines {
            text.push_str(&format!("{}={}\n", line.key, line.value.replace('\\', "\\\\")));
        }
        text
    }

    /// Reads the file, if it is there.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| catalogue(path, "not UTF-8"))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io(path)(e)),
        };
        let mut lines = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            let Some((key, value)) = line.split_once(['=', ':']) else {
                return Err(catalogue(path, format!("line {number}: {line:?} is not KEY=VALUE")));
            };
            lines.push(Line {
                number,
                key: key.trim_end().to_owned(),
                value: unescaped(value.trim_start()),
            });
        }
        Ok(Some(Self {
            path: path.to_owned(),
            lines,
        }))
    }

    /// The value of a key. The last one counts, as everywhere.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.line(key).map(|line| line.value.as_str())
    }

    /// The value that a catalogue has to have.
    pub(super) fn required(&self, key: &str) -> Result<&str> {
        self.get(key)
            .ok_or_else(|| catalogue(&self.path, format!("no line {key}=…")))
    }

    /// An error about the line of a key.
    pub(super) fn error(&self, key: &str, reason: &str) -> Error {
        let place = self
            .line(key)
            .map_or(String::new(), |line| format!("line {}: ", line.number));
        let value = self.get(key).unwrap_or_default();
        catalogue(&self.path, format!("{place}{key}={value}: {reason}"))
    }

    fn line(&self, key: &str) -> Option<&Line> {
        self.lines.iter().rev().find(|line| line.key == key)
    }
}

/// Java's properties escape some characters by a backslash.
fn unescaped(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}
