//! Training, one batch at a time.

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};

use crate::autoencoder::{PatchAutoencoder, read};
use crate::error::{Error, Result, Source};
use crate::gradients;
use crate::tokens::Tokens;

/// How to train.
///
/// # Examples
///
/// ```
/// use radio_models::TrainerOptions;
///
/// let options = TrainerOptions::default().with_steps(5_000).with_learning_rate(1e-3);
/// assert_eq!(options.warmup_steps, 20);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrainerOptions {
    /// Steps over which the learning rate rises and falls. More may follow, at the last rate. Default: 1000.
    pub steps: usize,
    /// Steps at the beginning in which the learning rate rises in a straight line. Default: 20.
    ///
    /// Where there are fewer [`steps`](Self::steps), it rises over all of these.
    pub warmup_steps: usize,
    /// Highest learning rate; from there it falls to a hundredth along a cosine. Default: 0.004.
    pub learning_rate: f64,
    /// Decay of the weights per step, in units of the learning rate. Default: 0.0001.
    pub weight_decay: f32,
    /// Longest gradient, all weights taken together; a longer one is shortened to it. Default: 1.
    pub clip_norm: f32,
    /// Least sigma of a pixel in the loss, in units of the scale of its spectrum. Default: 0.05.
    ///
    /// Without it one bright spectrum, with a signal-to-noise ratio of 1000 in each pixel, would weigh as much in the
    /// loss as 10,000 with a ratio of 10. With the default no pixel counts for more than one with a ratio of 20.
    pub sigma_floor: f32,
}

impl Default for TrainerOptions {
    fn default() -> Self {
        Self {
            steps: 1000,
            warmup_steps: 20,
            learning_rate: 4e-3,
            weight_decay: 1e-4,
            clip_norm: 1.0,
            sigma_floor: 0.05,
        }
    }
}

impl TrainerOptions {
    /// Sets [`steps`](Self::steps).
    #[must_use]
    pub fn with_steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Sets [`warmup_steps`](Self::warmup_steps).
    #[must_use]
    pub fn with_warmup_steps(mut self, steps: usize) -> Self {
        self.warmup_steps = steps;
        self
    }

    /// Sets [`learning_rate`](Self::learning_rate).
    #[must_use]
    pub fn with_learning_rate(mut self, rate: f64) -> Self {
        self.learning_rate = rate;
        self
    }

    /// Sets [`weight_decay`](Self::weight_decay).
    #[must_use]
    pub fn with_weight_decay(mut self, decay: f32) -> Self {
        self.weight_decay = decay;
        self
    }

    /// Sets [`clip_norm`](Self::clip_norm).
    #[must_use]
    pub fn with_clip_norm(mut self, norm: f32) -> Self {
        self.clip_norm = norm;
        self
    }

    /// Sets [`sigma_floor`](Self::sigma_floor).
    #[must_use]
    pub fn with_sigma_floor(mut self, floor: f32) -> Self {
        self.sigma_floor = floor;
        self
    }

    /// The learning rate of a step, counted from 0: a straight rise, half a cosine down, then level.
    ///
    /// # References
    ///
    /// Loshchilov & Hutter 2017 (SGDR), eq. (5) without restarts, for the cosine.
    #[must_use]
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        const LAST: f64 = 0.01;
        let rising = self.warmup_steps.min(self.steps);
        if step < rising {
            return self.learning_rate * (step + 1) as f64 / rising as f64;
        }
        let falling = (self.steps - rising).max(1);
        let done = ((step - rising) as f64 / falling as f64).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        self.learning_rate * (LAST + (1.0 - LAST) * cosine)
    }

    fn check(&self) -> Result<()> {
        let option = |name, value: String, expected| Err(Error::Option { name, value, expected });
        if self.steps == 0 {
            return option("steps", self.steps.to_string(), "at least 1");
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return option("learning_rate", self.learning_rate.to_string(), "finite and above 0");
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return option("weight_decay", self.weight_decay.to_string(), "finite and not below 0");
        }
        if self.clip_norm.is_nan() || self.clip_norm <= 0.0 {
            return option("clip_norm", self.clip_norm.to_string(), "above 0 (infinite for none)");
        }
        if !(self.sigma_floor.is_finite() && self.sigma_floor > 0.0) {
            return option("sigma_floor", self.sigma_floor.to_string(), "finite and above 0");
        }
        Ok(())
    }
}

/// Trains a [`PatchAutoencoder`], one batch at a time, in a loop that belongs to the caller.
///
/// The loss of a batch is Σ m (y − ŷ)² / max(σ, floor)² / Σ m over its pixels, m being 1 for good pixels and 0 for
/// bad ones: 1 where the model is as close to the data as their noise allows, and below 1 there wherever σ is under the
/// floor, which is [`TrainerOptions::sigma_floor`]. A dead spectrum has no part in it.
///
/// The same batches in the same order give the same weights to the last bit, on `flex` with any number of threads.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use ndarray::{Array2, Array3};
/// use radio_models::{PatchAutoencoderConfig, Tokens, Trainer, TrainerOptions, device};
///
/// let (flux, sigma) = (Array3::ones((8, 5, 4)), Array3::from_elem((8, 5, 4), 0.1));
/// let (ids, wavelength, snr) = ([0; 8], Array2::zeros((8, 5)), [10.0; 8]);
/// let tokens = Tokens::new(&ids, flux.view(), sigma.view(), wavelength.view(), &snr)?;
///
/// let model = PatchAutoencoderConfig::new(5, 4).with_hidden(16).init(&device("cpu")?)?;
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
#[derive(Clone)]
pub struct Trainer {
    options: TrainerOptions,
    model: PatchAutoencoder,
    optimizer: ModuleOptimizer,
    steps: usize,
}

impl Trainer {
    /// Takes a model and makes it ready for training, where it is.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for an option outside its range.
    pub fn new(options: TrainerOptions, model: PatchAutoencoder) -> Result<Self> {
        options.check()?;
        let optimizer = AdamWConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(options.weight_decay)
            .init();
        Ok(Self {
            options,
            model: model.train(),
            optimizer,
            steps: 0,
        })
    }

    /// Learns from one batch; the result is its loss before this step, per good pixel.
    ///
    /// `None` says that the batch had no good pixel: nothing was learned and the step does not count.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the tokens are not of the model's shape, [`Error::Diverged`] where the loss or its
    /// gradient is not finite, [`Error::Execution`] where the device fails. The model stays as it was.
    ///
    /// # Complexity
    ///
    /// O(n t w (p + hidden)) for the batch and O(parameters) for the update, w being the patch width.
    ///
    /// # References
    ///
    /// Loshchilov & Hutter 2019 (AdamW), algorithm 2; Pascanu et al. 2013, algorithm 1, for the clipping by norm.
    pub fn step(&mut self, tokens: &Tokens<'_>) -> Result<Option<f32>> {
        self.model.fits(tokens)?;
        let (weights, good) = tokens.weights(self.options.sigma_floor);
        if good == 0 {
            return Ok(None);
        }
        let weights = self.model.tensor(weights, tokens);
        let flux = self.model.input(tokens);
        let residual = flux.clone() - self.model.forward(flux);
        let [rows, tokens, patch] = residual.dims();
        // Rows first: the sum of one long vector is not the same for every number of threads.
        let per_row = (residual.square() * weights).reshape([rows, tokens * patch]).sum_dim(1); // (n, 1)
        let loss = per_row.sum() / good as f64; // (1)

        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        let loss = scalar(loss)?;
        let norm = match gradients::norm(&self.model, &gradients) {
            Some(norm) => scalar(norm)?,
            None => 0.0,
        };
        if !(loss.is_finite() && norm.is_finite()) {
            return Err(Error::Diverged { step: self.steps });
        }
        let gradients = if norm > self.options.clip_norm {
            gradients::scaled(&self.model, gradients, self.options.clip_norm / norm)
        } else {
            gradients
        };
        let rate = self.options.learning_rate_at(self.steps);
        self.model = self.optimizer.step(rate, self.model.clone(), gradients);
        self.steps += 1;
        Ok(Some(loss))
    }

    /// Steps that were made.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The model as it is now, for a look in between.
    #[must_use]
    pub fn model(&self) -> PatchAutoencoder {
        self.model.valid()
    }

    /// The trained model, ready for use; it can be trained further by another trainer.
    #[must_use]
    pub fn finish(self) -> PatchAutoencoder {
        self.model.valid()
    }
}

impl std::fmt::Debug for Trainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The optimizer cannot be shown.
        f.debug_struct("Trainer")
            .field("options", &self.options)
            .field("model", &self.model)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

fn scalar(tensor: burn::Tensor<1>) -> Result<f32> {
    let action = "reading the loss";
    read(tensor, action)?
        .first()
        .copied()
        .ok_or_else(|| Error::execution(action, Source::from("no value")))
}
