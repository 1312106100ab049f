//! A masked autoencoder: a transformer that predicts hidden tokens from the visible ones.

mod attention;
mod codes;
mod view;

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use ndarray::{ArrayViewMut2, ArrayViewMut3};

use crate::autoencoder::{Autoencoder, VALIDATION, fits, parts, read_into, squares};
use crate::error::{Error, Result};
use crate::layers::{Norm, Parameters};
use crate::model::{About, Model, Sizes, check_sizes, read, upload};
use crate::tokens::{Tokens, good, masked, weight};
use crate::trainer::TrainerOptions;
use attention::{Block, linear};
use codes::Codes;
use view::{Places, View};

/// Sizes of a [`MaskedAutoencoder`].
///
/// # Examples
///
/// ```
/// use radio_models::MaskedAutoencoderConfig;
///
/// // A DESI spectrum of 7781 pixels is 244 tokens of 32.
/// let config = MaskedAutoencoderConfig::small(244, 32).with_heads(8);
/// assert_eq!((config.width, config.encoder, config.decoder, config.hidden), (64, 3, 1, 0.75));
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct MaskedAutoencoderConfig {
    /// Tokens per spectrum.
    pub tokens: usize,
    /// Pixels per token.
    pub patch: usize,
    /// Width of the transformer: a multiple of [`heads`](Self::heads), and even.
    #[config(default = 64)]
    pub width: usize,
    /// Attention heads.
    #[config(default = 4)]
    pub heads: usize,
    /// Layers that read the visible tokens.
    #[config(default = 3)]
    pub encoder: usize,
    /// Layers that predict tokens from what was read.
    #[config(default = 1)]
    pub decoder: usize,
    /// Width of the hidden layer of each block, in widths of the transformer.
    #[config(default = 4)]
    pub expansion: usize,
    /// Fraction of the valid tokens that is hidden, from 0.5 to below 1.
    #[config(default = 0.75)]
    pub hidden: f64,
    /// Shortest period of the wavelength encoding, in Angstrom.
    #[config(default = 40.0)]
    pub shortest_period_angstrom: f64,
    /// Longest period of the wavelength encoding, in Angstrom.
    #[config(default = 40_000.0)]
    pub longest_period_angstrom: f64,
    /// Seed of the first weights and of what is hidden.
    #[config(default = 0)]
    pub seed: u64,
}

impl MaskedAutoencoderConfig {
    /// For a CPU. The same as [`new`](Self::new).
    #[must_use]
    pub fn small(tokens: usize, patch: usize) -> Self {
        Self::new(tokens, patch)
    }

    /// For a graphics card: 256 wide, 6 layers and 2, 8 heads.
    #[must_use]
    pub fn base(tokens: usize, patch: usize) -> Self {
        Self::new(tokens, patch)
            .with_width(256)
            .with_heads(8)
            .with_encoder(6)
            .with_decoder(2)
    }

    /// Makes a model with random weights on `device`.
    ///
    /// The weights are a function of the configuration alone: the same on every device, back end and number of threads.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where a size is out of its range.
    pub fn init(&self, device: &Device) -> Result<MaskedAutoencoder> {
        self.check()?;
        Ok(self.build(&mut Parameters::random(self.seed, device)))
    }

    /// Into how many sets tokens are parted, of which one at a time is visible when spectra are scored.
    fn sets(&self) -> usize {
        (1.0 / (1.0 - self.hidden)).round().clamp(2.0, 1e6) as usize
    }

    /// Tokens that the encoder has places for.
    fn visible(&self) -> usize {
        let training = (self.tokens as f64 * (1.0 - self.hidden)).ceil() as usize;
        training.max(self.tokens.div_ceil(self.sets())).max(1)
    }
}

impl Sizes for MaskedAutoencoderConfig {
    type Model = MaskedAutoencoder;

    fn parameters(&self) -> Option<usize> {
        let layer = |inputs: usize, outputs: usize| inputs.checked_add(1)?.checked_mul(outputs);
        let wide = self.width.checked_mul(self.expansion)?;
        let twice = self.width.checked_mul(2)?;
        let attention = layer(self.width, self.width)?
            .checked_mul(2)?
            .checked_add(layer(self.width, twice)?)?;
        let block = attention
            .checked_add(layer(self.width, wide)?)?
            .checked_add(layer(wide, self.width)?)?
            .checked_add(twice.checked_mul(2)?)?;
        block
            .checked_mul(self.encoder.checked_add(self.decoder)?)?
            .checked_add(twice.checked_mul(2)?)?
            .checked_add(layer(self.patch, self.width)?)?
            .checked_add(layer(self.width, self.patch)?)?
            .checked_add(self.width)
    }

    fn check(&self) -> Result<()> {
        let sizes = [
            ("tokens", self.tokens),
            ("patch", self.patch),
            ("width", self.width),
            ("heads", self.heads),
            ("encoder", self.encoder),
            ("decoder", self.decoder),
            ("expansion", self.expansion),
        ];
        check_sizes(&sizes, self)?;
        if !self.width.is_multiple_of(self.heads) || !self.width.is_multiple_of(2) {
            return Err(Error::option("width", self.width, "even, and a multiple of heads"));
        }
        if !(0.5..1.0).contains(&self.hidden) {
            return Err(Error::option("hidden", self.hidden, "from 0.5 to below 1"));
        }
        let (shortest, longest) = (self.shortest_period_angstrom, self.longest_period_angstrom);
        if !(shortest > 0.0 && shortest <= longest && longest.is_finite()) {
            let expected = "above 0 and not longer than the longest";
            return Err(Error::option("shortest_period_angstrom", shortest, expected));
        }
        Ok(())
    }

    fn build(&self, parameters: &mut Parameters<'_>) -> MaskedAutoencoder {
        let block = |parameters: &mut Parameters<'_>| Block::new(parameters, self);
        MaskedAutoencoder {
            patch_in: parameters.linear(self.patch, self.width),
            encoder: (0..self.encoder).map(|_| block(parameters)).collect(),
            encoder_norm: parameters.norm(self.width),
            query: parameters.vector(self.width),
            decoder: (0..self.decoder).map(|_| block(parameters)).collect(),
            decoder_norm: parameters.norm(self.width),
            patch_out: parameters.linear(self.width, self.patch),
            about: About::new(self),
        }
    }
}

/// A transformer that sees a quarter of the tokens of a spectrum and predicts the others.
///
/// The encoder reads the visible tokens with self-attention; the decoder asks what it read, by cross-attention, once for each
/// token of the spectrum. Where a token lies is said by its wavelength alone, so the model does not depend on a grid. Padding and
/// tokens of which less than half is good are never read, and nothing is learned from them. LayerNorm before each step, ReLU.
///
/// When spectra are scored, their tokens are parted at random into sets (four, where 75 % are hidden); each set is visible in
/// one of as many passes, and a token's reconstruction is the mean over the passes in which it was hidden.
///
/// # References
///
/// He et al. 2022 (arXiv:2111.06377) for masked autoencoders; Fu et al. 2024 (arXiv:2401.14391) for decoding by
/// cross-attention alone; Vaswani et al. 2017 (arXiv:1706.03762), eq. (1), for attention.
#[derive(Module, Debug)]
pub struct MaskedAutoencoder {
    patch_in: Linear,
    encoder: Vec<Block>,
    encoder_norm: Norm,
    query: Param<Tensor<1>>,
    decoder: Vec<Block>,
    decoder_norm: Norm,
    patch_out: Linear,
    #[module(skip)]
    about: About<MaskedAutoencoderConfig>,
}

impl MaskedAutoencoder {
    /// What the encoder reads of the visible tokens, `(n, k, d)`.
    fn encode(&self, tokens: &Tokens<'_>, visible: &Places, codes: &Codes, device: &Device) -> Tensor<3> {
        let precision = self.about.precision;
        let shape = [visible.rows(), visible.per_row, self.about.config.patch];
        let patches = upload(visible.pixels(tokens, masked), shape, device);
        let codes = pick(codes.all(device), visible, codes, device);
        let mut x = linear(&self.patch_in, patches, precision) + codes; // (n, k, d)
        let bias = bias(visible, device);
        for block in &self.encoder {
            x = block.self_attention(x, bias.as_ref(), precision);
        }
        self.encoder_norm.forward(x)
    }

    /// Predictions of the tokens that are asked for, `(n, t, p)`, from what was read of the visible ones.
    fn decode(&self, read: &Tensor<3>, view: &View, codes: &Codes, device: &Device) -> Tensor<3> {
        let (bias, precision) = (bias(&view.visible, device), self.about.precision);
        let all = self.query.val().unsqueeze() + codes.all(device); // (1, g t, d)
        let mut x = pick(all.clone(), &view.asked, codes, device); // (n, t, d)
        for (layer, block) in self.decoder.iter().enumerate() {
            let queries = if layer == 0 {
                // Before they looked at anything, rows of one grid ask the same.
                pick(block.queries(all.clone(), precision), &view.asked, codes, device)
            } else {
                block.queries(x.clone(), precision)
            };
            x = block.cross_attention(x, queries, read.clone(), bias.as_ref(), precision);
        }
        linear(&self.patch_out, self.decoder_norm.forward(x), precision) // (n, t, p)
    }
}

impl Model for MaskedAutoencoder {
    type Batch<'a> = Tokens<'a>;
    type Config = MaskedAutoencoderConfig;
    const ARCHITECTURE: &'static str = "masked-autoencoder";

    fn device(&self) -> Device {
        self.patch_in.weight.device()
    }

    fn about(&self) -> &About<MaskedAutoencoderConfig> {
        &self.about
    }

    fn about_mut(&mut self) -> &mut About<MaskedAutoencoderConfig> {
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

impl Autoencoder for MaskedAutoencoder {
    const PART_ROWS: usize = 16;

    fn shape(&self) -> [usize; 2] {
        [self.about.config.tokens, self.about.config.patch]
    }

    fn latent(&self) -> usize {
        self.about.config.width
    }

    fn reconstruct_part(
        &self,
        tokens: &Tokens<'_>,
        mut values: ArrayViewMut3<'_, f32>,
        latent: ArrayViewMut2<'_, f32>,
    ) -> Result<()> {
        let (device, width) = (self.device(), self.about.config.width);
        let (codes, sets, valid) = (
            Codes::new(&self.about.config, tokens),
            self.about.config.sets(),
            tokens.valid(),
        );
        values.fill(0.0);
        let mut mean: Option<Tensor<2>> = None;
        for set in 0..sets {
            let view = View::of_set(&self.about.config, tokens, set, sets);
            let encoded = self.encode(tokens, &view.visible, &codes, &device); // (n, k, d)
            let shares = upload(view.visible.shares(), [tokens.rows(), view.visible.per_row, 1], &device);
            let of_set = (encoded.clone() * shares).sum_dim(1).reshape([tokens.rows(), width]) / sets as f32; // (n, d)
            mean = Some(match mean {
                Some(sum) => sum + of_set,
                None => of_set,
            });
            let predicted = self.decode(&encoded, &view, &codes, &device); // (n, t, p)
            let predicted = read(predicted, "reading reconstructed spectra")?;
            let rows = predicted
                .chunks(view.asked.per_row * self.about.config.patch)
                .enumerate();
            for (row, predicted) in rows {
                for (&token, predicted) in view
                    .asked
                    .of_row(row)
                    .iter()
                    .zip(predicted.chunks(self.about.config.patch))
                {
                    // The mean over the passes in which a token was hidden: of one that is not valid, all of them.
                    let passes = if valid[row * self.about.config.tokens + token] {
                        sets - 1
                    } else {
                        sets
                    };
                    let sum = values.slice_mut(ndarray::s![row, token, ..]);
                    sum.into_iter()
                        .zip(predicted)
                        .for_each(|(sum, y)| *sum += y / passes as f32);
                }
            }
        }
        match mean {
            Some(mean) => read_into(mean, latent, "reading latent vectors"),
            None => Ok(()),
        }
    }

    fn loss(&self, tokens: &Tokens<'_>, sigma_floor: f32, draw: u64) -> Result<Option<(Tensor<1>, usize)>> {
        self.fits(tokens)?;
        let view = View::at_random(&self.about.config, tokens, draw);
        let weights = view.asked.pixels(tokens, |y, s| weight(y, s, sigma_floor));
        let good = good(&weights);
        if good == 0 {
            return Ok(None);
        }
        let (device, shape) = (self.device(), [tokens.rows(), view.asked.per_row, tokens.patch()]);
        let codes = Codes::new(&self.about.config, tokens);
        let encoded = self.encode(tokens, &view.visible, &codes, &device);
        let flux = upload(view.asked.pixels(tokens, masked), shape, &device);
        let residual = flux - self.decode(&encoded, &view, &codes, &device);
        Ok(Some((squares(residual, upload(weights, shape, &device)), good)))
    }
}

/// What is added to scores of attention, `(n, 1, 1, k)`.
fn bias(visible: &Places, device: &Device) -> Option<Tensor<4>> {
    let bias = visible.bias()?;
    Some(upload(bias, [visible.rows(), 1, 1, visible.per_row], device))
}

/// What belongs to the tokens in these places, `(n, k, d)`, out of something for each token of each grid, `(1, g t, d)`.
fn pick(all: Tensor<3>, places: &Places, codes: &Codes, device: &Device) -> Tensor<3> {
    let width = all.dims()[2];
    let picked = all.select(1, codes.places(places, device));
    picked.reshape([places.rows(), places.per_row, width])
}
