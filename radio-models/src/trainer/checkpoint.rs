//! A training on disk, so that it goes on as if it had not been interrupted.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use burn::optim::OptimizerRecord;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{Best, History, Position, Trainer, TrainerOptions, adamw, prepared};
use crate::error::{Error, Result};
use crate::files::sync_folder;
use crate::hash::Fnv;
use crate::model::Model;

const MODEL: &str = "model.safetensors";
const BEST: &str = "best.safetensors";
const OPTIMIZER: &str = "optimizer.bpk";
const STATE: &str = "state.json";

/// What is neither weights nor the optimizer's.
#[derive(Serialize, Deserialize)]
struct State {
    options: TrainerOptions,
    steps: usize,
    position: Position,
    /// The smallest validation loss, and looks since.
    best: Option<(f32, usize)>,
    /// Hashes of the other files.
    files: BTreeMap<String, String>,
}

impl<M: Model> Trainer<M> {
    /// Goes on where a training stopped, with the options that it had.
    ///
    /// From the last checkpoint in the folder that [`fit`](Self::fit) was given: steps after it are made again, with the same
    /// result.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where there is no checkpoint, or it cannot be read or is damaged, [`Error::Model`] where its model is of another
    /// kind.
    pub fn resume(folder: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let folder = folder.as_ref();
        let (_, checkpoint) = checkpoints(folder)?.pop().ok_or_else(|| {
            let reason = "no checkpoint is there: begin with Trainer::new";
            Error::file("go on from", folder, reason)
        })?;
        let path = checkpoint.join(STATE);
        let text = fs::read_to_string(&path).map_err(|e| Error::file("read the state", &path, e))?;
        let state: State = serde_json::from_str(&text).map_err(|e| Error::file("read the state", &path, e))?;
        for (name, expected) in &state.files {
            let path = checkpoint.join(name);
            if hash_of(&path)? != *expected {
                let reason = "it is damaged: restore it, or begin anew in another folder";
                return Err(Error::file("go on from", path, reason));
            }
        }
        let mut trainer = Self::new(state.options, M::load(checkpoint.join(MODEL), device)?)?;
        let path = checkpoint.join(OPTIMIZER);
        let record =
            OptimizerRecord::load(&path).map_err(|e| Error::file("read the optimizer", &path, e.to_string()))?;
        trainer.optimizer = trainer.optimizer.load_record(record);
        trainer.steps = state.steps;
        trainer.position = state.position;
        trainer.owns_folder = true;
        trainer.history = History::read(folder, state.steps)?;
        if let Some((loss, since)) = state.best {
            let model = M::load(checkpoint.join(BEST), device)?;
            trainer.best = Some(Best { loss, model, since });
        }
        Ok(trainer)
    }

    /// Is there something to [`resume`](Self::resume) in this folder?
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the folder is there but cannot be read.
    pub fn can_resume(folder: impl AsRef<Path>) -> Result<bool> {
        Ok(!checkpoints(folder.as_ref())?.is_empty())
    }

    /// Makes sure that no other training is in the folder.
    pub(super) fn own(&mut self, folder: &Path) -> Result<()> {
        if !self.owns_folder
            && let Some((steps, _)) = checkpoints(folder)?.last()
        {
            let reason = format!(
                "a training of {steps} steps is there: go on with Trainer::resume, remove it, or take another folder"
            );
            return Err(Error::file("begin a training in", folder, reason));
        }
        self.owns_folder = true;
        Ok(())
    }

    /// Options may be changed between a stop and a resume: more steps, for instance.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_options(mut self, options: TrainerOptions) -> Result<Self> {
        options.check()?;
        self.model = prepared(self.model.valid(), &options)?;
        self.window.forks.clear();
        // Its decay is fixed when it is made; the moments stay.
        self.optimizer = adamw(&options).load_record(self.optimizer.to_record());
        self.options = options;
        Ok(self)
    }

    /// Writes a checkpoint, then removes those before it. It gets its name when it is complete and on disk.
    pub(super) fn save(&self, folder: &Path) -> Result<()> {
        self.history.sync()?;
        let before = checkpoints(folder)?;
        let new = folder.join("checkpoint.new");
        let failed = |e: std::io::Error| Error::file("write the checkpoint", &new, e);
        if new.exists() {
            fs::remove_dir_all(&new).map_err(failed)?;
        }
        fs::create_dir(&new).map_err(failed)?;
        self.model.save(new.join(MODEL))?;
        if let Some(best) = &self.best {
            best.model.save(new.join(BEST))?;
        }
        let optimizer = self.optimizer.to_record().save(new.join(OPTIMIZER));
        optimizer.map_err(|e| Error::file("write the optimizer", &new, e.to_string()))?;
        let mut files = BTreeMap::new();
        for name in [MODEL, OPTIMIZER, BEST]
            .into_iter()
            .take(2 + usize::from(self.best.is_some()))
        {
            files.insert(name.to_owned(), hash_of(&new.join(name))?);
        }
        let state = State {
            options: self.options.clone(),
            steps: self.steps,
            position: self.position,
            best: self.best.as_ref().map(|best| (best.loss, best.since)),
            files,
        };
        let state = serde_json::to_string_pretty(&state).map_err(|e| Error::file("write the state", &new, e))?;
        fs::write(new.join(STATE), state).map_err(failed)?;
        for entry in fs::read_dir(&new).map_err(failed)? {
            File::open(entry.map_err(failed)?.path())
                .and_then(|file| file.sync_all())
                .map_err(failed)?;
        }
        // The names of the files, too.
        sync_folder(&new.join(STATE)).map_err(failed)?;
        let complete = folder.join(format!("checkpoint-{:09}", self.steps));
        if complete.exists() {
            fs::remove_dir_all(&complete).map_err(failed)?;
        }
        fs::rename(&new, &complete).map_err(failed)?;
        sync_folder(&complete).map_err(failed)?;
        for (_, path) in before.iter().filter(|(steps, _)| *steps != self.steps) {
            fs::remove_dir_all(path).map_err(|e| Error::file("remove the old checkpoint", path, e))?;
        }
        self.history.draw(folder)
    }
}

fn hash_of(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|e| Error::file("read the checkpoint", path, e))?;
    Ok(Fnv::of(&bytes).to_string())
}

/// The complete checkpoints in a folder, by their steps, ascending; none where there is no folder.
fn checkpoints(folder: &Path) -> Result<Vec<(usize, PathBuf)>> {
    let failed = |e: std::io::Error| Error::file("look for checkpoints in", folder, e);
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(steps) = name.strip_prefix("checkpoint-").and_then(|steps| steps.parse().ok()) {
            found.push((steps, path));
        }
    }
    found.sort();
    Ok(found)
}
