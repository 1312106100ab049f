//! How to train.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layers::Precision;

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
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
    /// Batches whose gradients are added up for one step. Default: 1.
    ///
    /// Sums of squares are added and divided once by the number of pixels of all of them, so that a step is that of one large
    /// batch, in the memory of a small one.
    pub accumulate: usize,
    /// Steps between two looks at the validation set; 0 for none. Default: 100.
    pub validate_every: usize,
    /// Looks at the validation set without a better loss after which training ends; 0 for never. Default: 0.
    pub patience: usize,
    /// Steps between two checkpoints; 0 for one at the end only. Default: 500.
    pub checkpoint_every: usize,
    /// Computes activations again for the gradient rather than keeping them: less memory, more time. Default: false.
    pub recompute: bool,
    /// Of matrix products in training and validation. The trained model is one of full precision. Default: full.
    pub precision: Precision,
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
            accumulate: 1,
            validate_every: 100,
            patience: 0,
            checkpoint_every: 500,
            recompute: false,
            precision: Precision::Full,
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

    /// Sets [`accumulate`](Self::accumulate).
    #[must_use]
    pub fn with_accumulate(mut self, batches: usize) -> Self {
        self.accumulate = batches;
        self
    }

    /// Sets [`validate_every`](Self::validate_every).
    #[must_use]
    pub fn with_validate_every(mut self, steps: usize) -> Self {
        self.validate_every = steps;
        self
    }

    /// Sets [`patience`](Self::patience).
    #[must_use]
    pub fn with_patience(mut self, looks: usize) -> Self {
        self.patience = looks;
        self
    }

    /// Sets [`checkpoint_every`](Self::checkpoint_every).
    #[must_use]
    pub fn with_checkpoint_every(mut self, steps: usize) -> Self {
        self.checkpoint_every = steps;
        self
    }

    /// Sets [`recompute`](Self::recompute).
    #[must_use]
    pub fn with_recompute(mut self) -> Self {
        self.recompute = true;
        self
    }

    /// Sets [`precision`](Self::precision).
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
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

    pub(super) fn check(&self) -> Result<()> {
        if self.accumulate == 0 {
            return Err(Error::option("accumulate", self.accumulate, "at least 1"));
        }
        if self.steps == 0 {
            return Err(Error::option("steps", self.steps, "at least 1"));
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return Err(Error::option("learning_rate", self.learning_rate, "finite and above 0"));
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return Err(Error::option(
                "weight_decay",
                self.weight_decay,
                "finite and not below 0",
            ));
        }
        if self.clip_norm.is_nan() || self.clip_norm <= 0.0 {
            return Err(Error::option(
                "clip_norm",
                self.clip_norm,
                "above 0 (infinite for none)",
            ));
        }
        if !(self.sigma_floor.is_finite() && self.sigma_floor > 0.0) {
            return Err(Error::option("sigma_floor", self.sigma_floor, "finite and above 0"));
        }
        Ok(())
    }
}
