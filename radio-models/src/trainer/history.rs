//! The course of a training: a line of JSON for each step, and a picture.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::picture;
use crate::error::{Error, Result};
use crate::files;

/// What one step was like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// Steps that were made, this one included.
    pub step: usize,
    /// The pass over the data, counted from 0.
    pub epoch: u64,
    /// Loss per good pixel before this step.
    pub loss: f32,
    /// Loss per good pixel of the validation set after this step, where it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f32>,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Length of the gradient before it was clipped.
    pub gradient_norm: f32,
}

/// All steps of a training, in memory and in a file `log.jsonl`.
#[derive(Debug, Default)]
pub struct History {
    records: Vec<Record>,
    log: Option<(File, PathBuf)>,
}

impl History {
    const FILE_NAME: &str = "log.jsonl";

    /// All steps, in order.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The log in a folder up to a step. A line that a killed process left incomplete is after it; steps that were made by hand are not
    /// in it.
    pub(super) fn read(folder: &Path, steps: usize) -> Result<Self> {
        let path = folder.join(Self::FILE_NAME);
        let text = fs::read_to_string(&path).map_err(|e| Error::file("read the log", &path, e))?;
        let mut records: Vec<Record> = Vec::new();
        for line in text.lines() {
            if records.last().is_some_and(|record| record.step == steps) {
                return Ok(Self { records, log: None });
            }
            records.push(serde_json::from_str(line).map_err(|e| Error::file("read the log", &path, e))?);
        }
        match records.last().map_or(0, |record| record.step) {
            last if last == steps => Ok(Self { records, log: None }),
            last => {
                let reason = format!("it ends with step {last}, the checkpoint is of step {steps}");
                Err(Error::file("go on from the log", &path, reason))
            }
        }
    }

    /// Begins the file with the steps that there are.
    pub(super) fn open(&mut self, folder: &Path) -> Result<()> {
        if self.log.is_some() {
            return Ok(());
        }
        fs::create_dir_all(folder).map_err(|e| Error::file("create the folder", folder, e))?;
        let path = folder.join(Self::FILE_NAME);
        let failed = |e: std::io::Error| Error::file("write the log", &path, e);
        let mut text = String::new();
        for record in &self.records {
            text.push_str(&line(record)?);
        }
        // In one go, so that a crash does not leave half of the steps of an earlier process.
        files::replace(&path, text.as_bytes()).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        self.log = Some((file, path));
        Ok(())
    }

    pub(super) fn push(&mut self, record: Record) -> Result<()> {
        if let Some((file, path)) = &mut self.log {
            file.write_all(line(&record)?.as_bytes())
                .map_err(|e| Error::file("write the log", &*path, e))?;
        }
        self.records.push(record);
        Ok(())
    }

    /// Draws the losses so far into the folder.
    pub(super) fn draw(&self, folder: &Path) -> Result<()> {
        let path = folder.join("losses.svg");
        files::replace(&path, picture::losses(&self.records).as_bytes())
            .map_err(|e| Error::file("draw the losses", &path, e))
    }

    /// The losses as a picture in SVG, on a logarithmic scale.
    #[must_use]
    pub fn to_svg(&self) -> String {
        picture::losses(&self.records)
    }

    /// Waits until the file is on disk.
    pub(super) fn sync(&self) -> Result<()> {
        match &self.log {
            Some((file, path)) => file.sync_all().map_err(|e| Error::file("write the log", path, e)),
            None => Ok(()),
        }
    }
}

fn line(record: &Record) -> Result<String> {
    let mut line = serde_json::to_string(record).map_err(|e| Error::execution("writing a record", e))?;
    line.push('\n');
    Ok(line)
}
