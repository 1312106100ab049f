//! Training: a batch at a time, or the whole of it.

mod adamw;
mod checkpoint;
mod fit;
mod gradients;
mod history;
mod options;
mod picture;

pub use fit::{Ending, Position};
pub use history::{History, Record};
pub use options::TrainerOptions;

use burn::Tensor;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use rayon::prelude::*;

use crate::error::{Error, Result, Source};
use crate::layers::Precision;
use crate::model::{Model, read};
use adamw::AdamW;

/// Trains a [`Model`].
///
/// [`fit`](Self::fit) does all of it: passes over the data, validation, early stopping, checkpoints. [`step`](Self::step), or
/// [`accumulate`](Self::accumulate) and [`update`](Self::update), are for those who want a loop of their own.
///
/// The loss of a step of an [`Autoencoder`](crate::Autoencoder) is Σ m (y − ŷ)² / max(σ, floor)² / Σ m over its pixels, m being 1 for good pixels and 0 for
/// bad ones (and, of a masked autoencoder, for those that it saw): 1 where the model is as close to the data as their noise
/// allows, and below 1 there wherever σ is under the floor, which is [`TrainerOptions::sigma_floor`]. A dead spectrum has no
/// part in it. That of a [`GraphSage`](crate::GraphSage) is the cross-entropy in nats, weighted by class, over its seeds.
///
/// The same batches in the same order give the same weights to the last bit, on `flex` with any number of threads.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use ndarray::{Array2, Array3};
/// use radio_models::{ConvAutoencoderConfig, Tokens, Trainer, TrainerOptions, device};
///
/// let (flux, sigma) = (Array3::ones((8, 5, 4)), Array3::from_elem((8, 5, 4), 0.1));
/// let (ids, wavelength, snr) = ([0; 8], Array2::zeros((8, 5)), [10.0; 8]);
/// let tokens = Tokens::new(&ids, &flux, &sigma, &wavelength, &snr)?;
///
/// let model = ConvAutoencoderConfig::new(5, 4).with_hidden(16).init(&device("cpu")?)?;
/// let mut trainer = Trainer::new(TrainerOptions::default().with_steps(50).with_learning_rate(0.01), model)?;
/// let mut losses = Vec::new();
/// for _ in 0..50 {
///     losses.extend(trainer.step(&tokens)?);
/// }
/// let model = trainer.finish();
/// assert!(losses[49] < 0.1 * losses[0]);
/// # }
/// # Ok::<(), radio_models::Error>(())
/// ```
pub struct Trainer<M: Model> {
    options: TrainerOptions,
    model: M,
    optimizer: ModuleOptimizer,
    steps: usize,
    window: Window<M>,
    position: Position,
    history: History,
    best: Option<Best<M>>,
    /// Is the training in the folder this one?
    owns_folder: bool,
}

/// What was added up since the last step.
struct Window<M> {
    gradients: GradientsAccumulator<M>,
    /// Sum of losses, shape `(1)`, on the device.
    losses: Option<Tensor<1>>,
    /// How much there was to learn from: good pixels, or the weights of seeds.
    good: f64,
    batches: usize,
    /// The model as often as there are threads, each with a graph of autodiff of its own: operations of one graph wait for each other. They serve
    /// the whole window, since burn never forgets a graph altogether.
    forks: Vec<M>,
}

impl<M> Default for Window<M> {
    fn default() -> Self {
        Self {
            gradients: GradientsAccumulator::new(),
            losses: None,
            good: 0.0,
            batches: 0,
            forks: Vec::new(),
        }
    }
}

/// The model of the smallest validation loss.
#[derive(Clone)]
struct Best<M> {
    loss: f32,
    model: M,
    /// Looks at the validation set since.
    since: usize,
}

impl<M: Model> Trainer<M> {
    /// Takes a model and makes it ready for training, where it is.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for an option outside its range, and for a precision that the device does not have.
    pub fn new(options: TrainerOptions, model: M) -> Result<Self> {
        options.check()?;
        Ok(Self {
            model: prepared(model, &options)?,
            optimizer: adamw(&options),
            options,
            steps: 0,
            window: Window::default(),
            position: Position::default(),
            history: History::default(),
            best: None,
            owns_folder: false,
        })
    }

    /// Says what the training data are: a hash of the read plan, or a name and version. It is stored with the weights as
    /// [`Origin::data`](crate::Origin::data), and a training that is resumed must be given the same.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] where steps were already made with other data.
    pub fn trained_on(mut self, data: impl Into<String>) -> Result<Self> {
        let (data, mut origin) = (data.into(), self.model.origin().clone());
        match origin.data {
            Some(expected) if self.steps > 0 && expected != data => return Err(Error::Data { found: data, expected }),
            _ => origin.data = Some(data),
        }
        self.model = self.model.with_origin(origin);
        Ok(self)
    }

    /// Learns from one batch; the result is its loss before this step, per good pixel.
    ///
    /// `None` says that the batch had no good pixel: nothing was learned and the step does not count.
    ///
    /// # Errors
    ///
    /// As [`accumulate`](Self::accumulate) and [`update`](Self::update).
    pub fn step(&mut self, batch: &M::Batch<'_>) -> Result<Option<f32>> {
        self.accumulate(batch)?;
        Ok(self.update()?.map(|record| record.loss))
    }

    /// Adds the gradient of one batch to those since the last step.
    ///
    /// The first batch says by which tokenizer all others have to be made.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] and [`Error::Tokenizer`] where the tokens are not of the model's kind: nothing was added.
    /// [`Error::Execution`] where the device fails.
    ///
    /// # Complexity
    ///
    /// As three passes of the batch through the model. Memory for the activations of one batch, for its gradients and for their sum;
    /// on `flex` for the activations and gradients of one part of the batch per thread, and the sum.
    pub fn accumulate(&mut self, batch: &M::Batch<'_>) -> Result<()> {
        self.model.fits(batch)?;
        if self.steps == 0
            && let (None, Some(tokenizer)) = (&self.model.origin().tokenizer, M::tokenizer(batch))
        {
            let mut origin = self.model.origin().clone();
            origin.tokenizer = Some(tokenizer.to_owned());
            self.model = self.model.clone().with_origin(origin);
        }
        let draw = self.steps as u64;
        let (model, options, window) = (&self.model, &self.options, &mut self.window);
        let before = window.good;
        // As many at once as there are threads, since each has a gradient; added in their order, whichever thread was first.
        for parts in model.parts(batch).chunks(rayon::current_num_threads()) {
            while window.forks.len() < parts.len() {
                window.forks.push(model.clone().fork(&model.device()));
            }
            let work = parts.par_iter().zip(&window.forks);
            let gradients = work.map(|(part, model)| gradient(model, part, options, draw));
            let gradients: Vec<Option<_>> = gradients.collect::<Result<_>>()?;
            for (losses, good, gradients) in gradients.into_iter().flatten() {
                window.gradients.accumulate(model, gradients);
                window.losses = Some(match window.losses.take() {
                    Some(sum) => sum + losses,
                    None => losses,
                });
                window.good += good;
            }
        }
        window.batches += usize::from(window.good > before);
        Ok(())
    }

    /// Makes a step with the gradients that were added up.
    ///
    /// `None` says that there was no good pixel: nothing was learned and the step does not count.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] where the loss or its gradient is not finite, [`Error::Execution`] where the device fails. The model
    /// stays as it was, and what was added up is dropped.
    ///
    /// # Complexity
    ///
    /// O(parameters).
    ///
    /// # References
    ///
    /// Loshchilov & Hutter 2019 (AdamW), algorithm 2; Pascanu et al. 2013, algorithm 1, for the clipping by norm.
    pub fn update(&mut self) -> Result<Option<Record>> {
        let mut window = std::mem::take(&mut self.window);
        let Some(losses) = window.losses else {
            return Ok(None);
        };
        let gradients = window.gradients.grads();
        let good = window.good as f32;
        let loss = scalar(losses)? / good;
        let norm = match gradients::norm(&self.model, &gradients) {
            Some(norm) => scalar(norm)? / good,
            None => 0.0,
        };
        if !(loss.is_finite() && norm.is_finite()) {
            return Err(Error::Diverged { step: self.steps });
        }
        let shortened = if norm > self.options.clip_norm {
            self.options.clip_norm / norm
        } else {
            1.0
        };
        let gradients = gradients::scaled(&self.model, gradients, shortened / good);
        let learning_rate = self.options.learning_rate_at(self.steps);
        self.model = self.optimizer.step(learning_rate, self.model.clone(), gradients);
        self.steps += 1;
        Ok(Some(Record {
            step: self.steps,
            epoch: self.position.epoch,
            loss,
            validation: None,
            learning_rate,
            gradient_norm: norm,
        }))
    }

    /// The loss of a batch, as a sum and how much it is of, without learning from it. What a masked autoencoder hides is the
    /// same in every call.
    fn validation_loss(&self, model: &M, batch: &M::Batch<'_>) -> Result<(f64, f64)> {
        model.fits(batch)?;
        let (parts, options) = (model.parts(batch), &self.options);
        let parts = parts.par_iter().map(|part| {
            Ok(match model.summed_loss(part, options, None)? {
                Some((losses, good)) => (f64::from(scalar(losses)?), good),
                None => (0.0, 0.0),
            })
        });
        // In the order of the parts, whichever thread was first.
        let parts: Vec<(f64, f64)> = parts.collect::<Result<_>>()?;
        Ok(parts
            .iter()
            .fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1)))
    }

    /// Steps that were made.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// How to train.
    #[must_use]
    pub fn options(&self) -> &TrainerOptions {
        &self.options
    }

    /// What [`fit`](Self::fit) did so far, step by step.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The model as it is now, in full precision, for a look in between.
    #[must_use]
    pub fn model(&self) -> M {
        let mut model = self.model.valid();
        model.about_mut().precision = Precision::Full;
        model
    }

    /// The trained model, ready for use: that of the smallest validation loss, or the last where there was no validation. It
    /// can be trained further by another trainer.
    #[must_use]
    pub fn finish(self) -> M {
        match self.best {
            Some(best) => best.model,
            None => self.model(),
        }
    }
}

impl<M: Model> std::fmt::Debug for Trainer<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The optimizer cannot be shown.
        f.debug_struct("Trainer")
            .field("options", &self.options)
            .field("model", &self.model)
            .field("steps", &self.steps)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// The model, ready for training.
fn prepared<M: Model>(model: M, options: &TrainerOptions) -> Result<M> {
    let model = model.with_precision(options.precision)?.train();
    if !options.recompute {
        return Ok(model);
    }
    let device = model.device().gradient_checkpointing();
    Ok(model.fork(&device))
}

/// Sum of losses, how much they are of, and gradient of a part of a batch; `None` where there is nothing to learn from.
fn gradient<M: Model>(
    model: &M,
    part: &M::Batch<'_>,
    options: &TrainerOptions,
    draw: u64,
) -> Result<Option<(Tensor<1>, f64, GradientsParams)>> {
    let Some((losses, good)) = model.summed_loss(part, options, Some(draw))? else {
        return Ok(None);
    };
    let gradients = GradientsParams::from_grads(losses.backward(), model);
    // Without its graph, which holds the activations.
    Ok(Some((losses.without_autodiff(), good, gradients)))
}

fn adamw(options: &TrainerOptions) -> ModuleOptimizer {
    let weight_decay = f64::from(options.weight_decay);
    AdamW { weight_decay }.init()
}

fn scalar(tensor: Tensor<1>) -> Result<f32> {
    let action = "reading the loss";
    read(tensor, action)?
        .first()
        .copied()
        .ok_or_else(|| Error::execution(action, Source::from("no value")))
}
