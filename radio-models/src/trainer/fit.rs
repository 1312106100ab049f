//! The whole of a training.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Best, Record, Trainer};
use crate::error::{Error, Result, Source};
use crate::model::Model;

/// Which batch comes next: what a reader needs to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Position {
    /// The pass over the data, counted from 0: another one is in another order.
    pub epoch: u64,
    /// Batches of the pass that were taken.
    pub batch: u64,
}

impl Position {
    /// The same pass, after so many batches.
    #[must_use]
    pub fn with_batch(self, batch: u64) -> Self {
        Self { batch, ..self }
    }
}

/// Why a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// All steps were made.
    Steps,
    /// The validation loss did not get better for as long as [`patience`](super::TrainerOptions::patience) says.
    Patience,
    /// A pass had no good pixel at all: there is nothing to learn from.
    NoData,
}

impl<M: Model> Trainer<M> {
    /// Trains until all steps are made or the validation loss does not get better.
    ///
    /// - `batches` gives the batches of a pass from a position on; it is called again for each pass. Everything after a resume
    ///   is the same as without one if it gives the same batches for the same position: with radio-io, make a reader of the
    ///   epoch and go on from its state at that batch.
    /// - `validation` gives the batches of the validation set, always the same; none, for no validation. Part the tiles, not the
    ///   rows ([`Part`](crate::Part)): neighbours of one tile share exposures and sky.
    /// - `folder` gets checkpoints, `log.jsonl` with a line for each step, and `losses.svg`.
    /// - `watch` is called after each step.
    ///
    /// # Errors
    ///
    /// [`Error::Batch`] with what `batches` or `validation` failed with; [`Error::File`] where the folder cannot be written, or
    /// holds checkpoints of a training that this one does not go on with; and as [`accumulate`](Self::accumulate) and
    /// [`update`](Self::update). The same trainer can be called again and goes on; another process goes on from the last
    /// checkpoint in the folder.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use ndarray::{Array2, Array3};
    /// use radio_models::{ConvAutoencoderConfig, Error, Tokens, Trainer, TrainerOptions, device};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// // In real life: a reader of radio-io, each batch tokenized.
    /// let batch = |id: i64| {
    ///     let flux = Array3::from_elem((4, 5, 8), 1.0 + 0.1 * id as f32);
    ///     Tokens::new(vec![id; 4], flux, Array3::from_elem((4, 5, 8), 0.1), Array2::zeros((4, 5)), vec![10.0; 4])
    /// };
    /// let options = TrainerOptions::default().with_steps(20).with_accumulate(2).with_validate_every(10);
    /// let mut trainer = Trainer::new(options, ConvAutoencoderConfig::new(5, 8).init(&device("cpu")?)?)?;
    /// trainer.fit(
    ///     |position| Ok::<_, Error>((position.batch as i64..6).map(batch)),
    ///     || Ok(vec![batch(7)]),
    ///     folder,
    ///     |record| assert!(record.loss.is_finite()),
    /// )?;
    /// assert_eq!(trainer.history().records().len(), 20);
    /// trainer.finish();
    ///
    /// // Another process goes on from the folder, where there is more to do.
    /// let trainer = Trainer::<radio_models::ConvAutoencoder>::resume(folder, &device("cpu")?)?;
    /// assert_eq!(trainer.steps(), 20);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fit<'a, B, V, E>(
        &mut self,
        mut batches: impl FnMut(Position) -> Result<B, E>,
        mut validation: impl FnMut() -> Result<V, E>,
        folder: impl AsRef<Path>,
        mut watch: impl FnMut(&Record),
    ) -> Result<Ending>
    where
        B: IntoIterator<Item = Result<M::Batch<'a>, E>>,
        V: IntoIterator<Item = Result<M::Batch<'a>, E>>,
        E: Into<Source>,
    {
        let folder = folder.as_ref();
        self.own(folder)?;
        self.history.open(folder)?;
        let mut learned = true;
        while self.steps < self.options.steps {
            if self.is_out_of_patience() {
                return Ok(Ending::Patience);
            }
            if !learned {
                return Ok(Ending::NoData);
            }
            // Of a pass that is gone on with, what was learned before.
            learned = self.position.batch > 0;
            for batch in batches(self.position).map_err(Error::batch)? {
                self.accumulate(&batch.map_err(Error::batch)?)?;
                self.position.batch += 1;
                learned |= self.window.batches > 0;
                if self.window.batches < self.options.accumulate {
                    continue;
                }
                let Some(mut record) = self.update()? else { continue };
                let due = |every: usize| every > 0 && record.step.is_multiple_of(every);
                let last = record.step == self.options.steps;
                let save = last || due(self.options.checkpoint_every);
                if due(self.options.validate_every) || (last && self.options.validate_every > 0) {
                    record.validation = self.validate(validation().map_err(Error::batch)?)?;
                }
                self.history.push(record)?;
                watch(&record);
                let stop = self.is_out_of_patience();
                if save || stop {
                    self.save(folder)?;
                }
                if stop {
                    return Ok(Ending::Patience);
                }
                if last {
                    return Ok(Ending::Steps);
                }
            }
            self.position = Position {
                epoch: self.position.epoch + 1,
                batch: 0,
            };
        }
        Ok(Ending::Steps)
    }

    fn is_out_of_patience(&self) -> bool {
        let patience = self.options.patience;
        patience > 0 && self.best.as_ref().is_some_and(|best| best.since >= patience)
    }

    /// The loss per good pixel of the validation set; keeps the model if none was better.
    fn validate<'a, E: Into<Source>>(
        &mut self,
        batches: impl IntoIterator<Item = Result<M::Batch<'a>, E>>,
    ) -> Result<Option<f32>> {
        let model = self.model.valid();
        let (mut losses, mut good) = (0.0, 0.0);
        for batch in batches {
            let (sum, count) = self.validation_loss(&model, &batch.map_err(Error::batch)?)?;
            losses += sum;
            good += count;
        }
        if good == 0.0 {
            return Ok(None);
        }
        let loss = (losses / good) as f32;
        let model = self.model();
        match &mut self.best {
            Some(best) if loss.is_nan() || loss >= best.loss => best.since += 1,
            best => *best = Some(Best { loss, model, since: 0 }),
        }
        Ok(Some(loss))
    }
}
