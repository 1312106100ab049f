//! An autoencoder of whole spectra: convolutions that do not overlap, and a narrow latent space.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use ndarray::{ArrayViewMut2, ArrayViewMut3};

use crate::autoencoder::{Autoencoder, VALIDATION, fits, parts, read_into, squares};
use crate::error::{Error, Result};
use crate::layers::{Parameters, relu};
use crate::model::{About, Model, Sizes, check_sizes, upload};
use crate::tokens::{Tokens, good};
use crate::trainer::TrainerOptions;

/// More leave one place of any spectrum.
const MOST_STAGES: usize = 24;

/// Sizes of a [`ConvAutoencoder`].
///
/// # Examples
///
/// ```
/// use radio_models::ConvAutoencoderConfig;
///
/// // A DESI spectrum of 7781 pixels is 244 tokens of 32.
/// let config = ConvAutoencoderConfig::small(244, 32).with_latent(16);
/// assert_eq!((config.width, config.stages, config.hidden), (16, 2, 256));
/// ```
#[derive(Config, Debug, PartialEq, Eq)]
pub struct ConvAutoencoderConfig {
    /// Tokens per spectrum.
    pub tokens: usize,
    /// Pixels per token.
    pub patch: usize,
    /// Channels that a token becomes.
    #[config(default = 16)]
    pub width: usize,
    /// Convolutions over two neighbours at a time; each halves the number of places and doubles the channels.
    #[config(default = 2)]
    pub stages: usize,
    /// Width of the layer on either side of the latent space.
    #[config(default = 256)]
    pub hidden: usize,
    /// Numbers that a spectrum is reduced to.
    #[config(default = 10)]
    pub latent: usize,
    /// Seed of the first weights.
    #[config(default = 0)]
    pub seed: u64,
}

impl ConvAutoencoderConfig {
    /// For a CPU: 2 million parameters for a DESI spectrum. The same as [`new`](Self::new).
    #[must_use]
    pub fn small(tokens: usize, patch: usize) -> Self {
        Self::new(tokens, patch)
    }

    /// For a graphics card: twice the channels, four times the hidden layer.
    #[must_use]
    pub fn base(tokens: usize, patch: usize) -> Self {
        Self::new(tokens, patch)
            .with_width(32)
            .with_stages(3)
            .with_hidden(1024)
            .with_latent(16)
    }

    /// Makes a model with random weights on `device`.
    ///
    /// The weights are a function of the configuration alone: the same on every device, back end and number of threads.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where a size is 0, or so large that the weights cannot be counted.
    pub fn init(&self, device: &Device) -> Result<ConvAutoencoder> {
        self.check()?;
        Ok(self.build(&mut Parameters::random(self.seed, device)))
    }

    /// Places that are left after all stages.
    fn places(&self) -> Option<usize> {
        Some(
            self.tokens
                .div_ceil(1usize.checked_shl(u32::try_from(self.stages).ok()?)?),
        )
    }

    /// Tokens, filled up so that every stage finds pairs.
    fn padded_tokens(&self) -> usize {
        self.places().unwrap_or(self.tokens) << self.stages
    }

    /// Channels after so many stages.
    fn channels(&self, stage: usize) -> Option<usize> {
        self.width.checked_mul(1usize.checked_shl(u32::try_from(stage).ok()?)?)
    }
}

impl Sizes for ConvAutoencoderConfig {
    type Model = ConvAutoencoder;

    fn parameters(&self) -> Option<usize> {
        let layer = |inputs: usize, outputs: usize| inputs.checked_add(1)?.checked_mul(outputs);
        let flat = self.places()?.checked_mul(self.channels(self.stages)?)?;
        let mut sum = layer(self.patch, self.width)?.checked_add(layer(self.width, self.patch)?)?;
        for stage in 1..=self.stages {
            let channels = self.channels(stage)?;
            sum = sum.checked_add(layer(channels, channels)?.checked_mul(2)?)?;
        }
        for (inputs, outputs) in [
            (flat, self.hidden),
            (self.hidden, self.latent),
            (self.latent, self.hidden),
            (self.hidden, flat),
        ] {
            sum = sum.checked_add(layer(inputs, outputs)?)?;
        }
        Some(sum)
    }

    fn check(&self) -> Result<()> {
        let sizes = [
            ("tokens", self.tokens),
            ("patch", self.patch),
            ("width", self.width),
            ("hidden", self.hidden),
            ("latent", self.latent),
        ];
        if self.stages > MOST_STAGES {
            return Err(Error::option(
                "stages",
                self.stages,
                "at most 24: each doubles the channels",
            ));
        }
        check_sizes(&sizes, self)
    }

    fn build(&self, parameters: &mut Parameters<'_>) -> ConvAutoencoder {
        let channels = |stage| self.channels(stage).unwrap_or_default();
        let flat = self.places().unwrap_or_default() * channels(self.stages);
        ConvAutoencoder {
            patch_in: parameters.linear(self.patch, self.width),
            merge: (1..=self.stages)
                .map(|stage| parameters.linear(channels(stage), channels(stage)))
                .collect(),
            mix_in: parameters.linear(flat, self.hidden),
            latent_in: parameters.linear(self.hidden, self.latent),
            latent_out: parameters.linear(self.latent, self.hidden),
            mix_out: parameters.linear(self.hidden, flat),
            split: (1..=self.stages)
                .rev()
                .map(|stage| parameters.linear(channels(stage), channels(stage)))
                .collect(),
            patch_out: parameters.linear(self.width, self.patch),
            about: About::new(self),
        }
    }
}

/// An autoencoder of whole spectra, made of matrix products only.
///
/// Its convolutions have strides as long as their kernels (a token of `patch` pixels first, then two neighbours at a time),
/// so that each is one matrix product over pixels as they lie in memory. What is left of a spectrum is joined, and one hidden
/// layer brings it into the latent space; the decoder is the mirror image. There is no normalisation over a batch: it would
/// make a score depend on the other spectra of its batch.
///
/// As everywhere in burn, clones share their weights until one of them is trained.
#[derive(Module, Debug)]
pub struct ConvAutoencoder {
    patch_in: Linear,
    merge: Vec<Linear>,
    mix_in: Linear,
    latent_in: Linear,
    latent_out: Linear,
    mix_out: Linear,
    split: Vec<Linear>,
    patch_out: Linear,
    #[module(skip)]
    about: About<ConvAutoencoderConfig>,
}

impl ConvAutoencoder {
    /// Reconstructs tensors: `(n, t, p)` in, `(n, t, p)` out. [`reconstruct`](Autoencoder::reconstruct) is the safer door.
    ///
    /// # Panics
    ///
    /// As burn does, where the shape or the device of `flux` is not the model's.
    #[must_use]
    pub fn forward(&self, flux: Tensor<3>) -> Tensor<3> {
        self.decode(self.encode(flux))
    }

    /// From normalised flux with 0 in bad pixels, `(n, t, p)`, to the latent space, `(n, latent)`.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[must_use]
    pub fn encode(&self, flux: Tensor<3>) -> Tensor<2> {
        let (config, precision) = (&self.about.config, self.about.precision);
        let [rows, tokens, patch] = flux.dims();
        let x = precision.linear(&self.patch_in, flux.reshape([rows * tokens, patch])); // (n t, w)
        let padded = config.padded_tokens();
        let mut x = if padded > tokens {
            let x = x.reshape([rows, tokens * config.width]);
            let filling = Tensor::zeros([rows, (padded - tokens) * config.width], &x.device());
            Tensor::cat(vec![x, filling], 1) // (n, t' w)
        } else {
            x
        };
        let mut places = rows * padded;
        for (stage, layer) in self.merge.iter().enumerate() {
            places /= 2;
            x = precision.linear(layer, relu(x.reshape([places, config.width << (stage + 1)]))); // (n t' / 2^s, 2^s w)
        }
        let flat = x.shape().num_elements() / rows.max(1);
        let x = relu(precision.linear(&self.mix_in, relu(x.reshape([rows, flat])))); // (n, hidden)
        precision.linear(&self.latent_in, x) // (n, latent)
    }

    /// From the latent space, `(n, latent)`, to normalised flux, `(n, t, p)`.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[must_use]
    pub fn decode(&self, latent: Tensor<2>) -> Tensor<3> {
        let (config, precision) = (&self.about.config, self.about.precision);
        let rows = latent.dims()[0];
        let x = relu(precision.linear(&self.latent_out, latent)); // (n, hidden)
        let mut x = relu(precision.linear(&self.mix_out, x)); // (n, places c)
        let padded = config.padded_tokens();
        let mut places = (rows * padded) >> config.stages;
        for (layer, stage) in self.split.iter().zip((1..=config.stages).rev()) {
            x = relu(precision.linear(layer, x.reshape([places, config.width << stage])));
            places *= 2;
        }
        let mut x = x.reshape([rows, padded * config.width]); // (n, t' w)
        if padded > config.tokens {
            x = x.narrow(1, 0, config.tokens * config.width); // (n, t w)
        }
        let x = precision.linear(&self.patch_out, x.reshape([rows * config.tokens, config.width])); // (n t, p)
        x.reshape([rows, config.tokens, config.patch])
    }
}

impl Model for ConvAutoencoder {
    type Batch<'a> = Tokens<'a>;
    type Config = ConvAutoencoderConfig;
    const ARCHITECTURE: &'static str = "conv-autoencoder";

    fn device(&self) -> Device {
        self.patch_in.weight.device()
    }

    fn about(&self) -> &About<ConvAutoencoderConfig> {
        &self.about
    }

    fn about_mut(&mut self) -> &mut About<ConvAutoencoderConfig> {
        &mut self.about
    }

    fn fits(&self, tokens: &Tokens<'_>) -> Result<()> {
        fits(self, tokens)
    }

    fn summed_loss(
        &self,
        tokens: &Tokens<'_>,
        options: &TrainerOptions,
        draw: Option<u64>,
    ) -> Result<Option<(Tensor<1>, f64)>> {
        let loss = self.loss(tokens, options.sigma_floor, draw.unwrap_or(VALIDATION))?;
        Ok(loss.map(|(squares, good)| (squares, good as f64)))
    }

    fn parts<'b>(&self, tokens: &'b Tokens<'_>) -> Vec<Tokens<'b>> {
        parts(self, tokens)
    }

    fn tokenizer<'b>(tokens: &'b Tokens<'_>) -> Option<&'b str> {
        tokens.tokenizer()
    }
}

impl Autoencoder for ConvAutoencoder {
    // Each part of a training batch has a gradient as large as the weights.
    const PART_ROWS: usize = 32;

    fn shape(&self) -> [usize; 2] {
        [self.about.config.tokens, self.about.config.patch]
    }

    fn latent(&self) -> usize {
        self.about.config.latent
    }

    fn reconstruct_part(
        &self,
        tokens: &Tokens<'_>,
        values: ArrayViewMut3<'_, f32>,
        latent: ArrayViewMut2<'_, f32>,
    ) -> Result<()> {
        let shape = [tokens.rows(), tokens.tokens(), tokens.patch()];
        let made = self.encode(upload(tokens.masked_flux(), shape, &self.device()));
        read_into(self.decode(made.clone()), values, "reading reconstructed spectra")?;
        read_into(made, latent, "reading latent vectors")
    }

    fn loss(&self, tokens: &Tokens<'_>, sigma_floor: f32, _draw: u64) -> Result<Option<(Tensor<1>, usize)>> {
        self.fits(tokens)?;
        let weights = tokens.weights(sigma_floor);
        let good = good(&weights);
        if good == 0 {
            return Ok(None);
        }
        let shape = [tokens.rows(), tokens.tokens(), tokens.patch()];
        let flux = upload(tokens.masked_flux(), shape, &self.device());
        let residual = flux.clone() - self.forward(flux);
        Ok(Some((squares(residual, upload(weights, shape, &self.device())), good)))
    }
}
