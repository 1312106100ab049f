//! The model: patches through a narrow latent space and back.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Tensor, TensorData};
use ndarray::{Array2, Array3, ShapeBuilder};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::error::{Error, Result, Source};
use crate::tokens::Tokens;

/// Sizes of a [`PatchAutoencoder`].
///
/// The defaults suit a DESI spectrum of 7781 pixels (244 tokens of 32): 2.0 million parameters.
///
/// # Examples
///
/// ```
/// use radio_models::PatchAutoencoderConfig;
///
/// let config = PatchAutoencoderConfig::new(244, 32).with_latent(16);
/// assert_eq!((config.patch_width, config.hidden, config.latent), (16, 256, 16));
/// assert_eq!(config.parameters(), Some(2_012_544));
/// ```
#[derive(Config, Debug, PartialEq, Eq)]
pub struct PatchAutoencoderConfig {
    /// Tokens per spectrum.
    pub tokens: usize,
    /// Pixels per token.
    pub patch: usize,
    /// Numbers that a token is reduced to before the tokens of a spectrum are mixed.
    #[config(default = 16)]
    pub patch_width: usize,
    /// Width of the layer on either side of the latent space.
    #[config(default = 256)]
    pub hidden: usize,
    /// Numbers that a spectrum is reduced to.
    #[config(default = 24)]
    pub latent: usize,
    /// Seed of the first weights.
    #[config(default = 0)]
    pub seed: u64,
}

impl PatchAutoencoderConfig {
    /// Makes a model with random weights on `device`.
    ///
    /// The weights are a function of the configuration alone: the same on every device, back end and number of threads.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where a size is 0, or so large that the weights cannot be counted.
    pub fn init(&self, device: &Device) -> Result<PatchAutoencoder> {
        self.check()?;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        Ok(self.build(|inputs, outputs| {
            // Uniform with variance 1 / inputs, the bias 0: keeps the size of the signal through the linear layers.
            let limit = (3.0 / inputs as f32).sqrt();
            let weight = (0..inputs * outputs).map(|_| rng.random_range(-limit..limit)).collect();
            linear(weight, inputs, outputs, device)
        }))
    }

    /// Number of trainable numbers; `None` where it does not fit into a `usize`.
    #[must_use]
    pub fn parameters(&self) -> Option<usize> {
        self.layers()?.iter().try_fold(0usize, |sum, &(inputs, outputs)| {
            inputs.checked_add(1)?.checked_mul(outputs)?.checked_add(sum)
        })
    }

    /// A model whose weights are all 0, to be filled from a file.
    pub(crate) fn zeros(&self, device: &Device) -> PatchAutoencoder {
        self.build(|inputs, outputs| linear(vec![0.0; inputs * outputs], inputs, outputs, device))
    }

    pub(crate) fn check(&self) -> Result<()> {
        let sizes = [
            ("tokens", self.tokens),
            ("patch", self.patch),
            ("patch_width", self.patch_width),
            ("hidden", self.hidden),
            ("latent", self.latent),
        ];
        if let Some((name, _)) = sizes.into_iter().find(|&(_, size)| size == 0) {
            return Err(Error::Option {
                name,
                value: "0".to_owned(),
                expected: "at least 1",
            });
        }
        match self.parameters() {
            Some(parameters) if parameters <= isize::MAX as usize / size_of::<f32>() => Ok(()),
            _ => Err(Error::Option {
                name: "patch_width",
                value: self.patch_width.to_string(),
                expected: "so small that the weights fit into memory (as must tokens, patch, hidden and latent)",
            }),
        }
    }

    /// Inputs and outputs of the six layers, in the order of the signal.
    fn layers(&self) -> Option<[(usize, usize); 6]> {
        let flat = self.tokens.checked_mul(self.patch_width)?;
        Some([
            (self.patch, self.patch_width),
            (flat, self.hidden),
            (self.hidden, self.latent),
            (self.latent, self.hidden),
            (self.hidden, flat),
            (self.patch_width, self.patch),
        ])
    }

    fn build(&self, mut layer: impl FnMut(usize, usize) -> Linear) -> PatchAutoencoder {
        let flat = self.tokens * self.patch_width;
        PatchAutoencoder {
            patch_in: layer(self.patch, self.patch_width),
            mix_in: layer(flat, self.hidden),
            latent_in: layer(self.hidden, self.latent),
            latent_out: layer(self.latent, self.hidden),
            mix_out: layer(self.hidden, flat),
            patch_out: layer(self.patch_width, self.patch),
            config: self.clone(),
        }
    }
}

fn linear(weight: Vec<f32>, inputs: usize, outputs: usize, device: &Device) -> Linear {
    let weight = TensorData::new(weight, [inputs, outputs]);
    let bias = TensorData::new(vec![0.0f32; outputs], [outputs]);
    Linear {
        weight: Param::from_tensor(Tensor::from_data(weight, (device, DType::F32))),
        bias: Some(Param::from_tensor(Tensor::from_data(bias, (device, DType::F32)))),
    }
}

/// An autoencoder of whole spectra, made of matrix products only.
///
/// Every token goes through the same small linear map, the results of a spectrum are joined, and one hidden layer
/// brings them into the latent space; the decoder is the mirror image. There is no normalisation layer: the flux comes
/// normalised, and statistics over a batch would make a score depend on the other spectra of its batch.
///
/// As everywhere in burn, clones share their weights until one of them is trained.
#[derive(Module, Debug)]
pub struct PatchAutoencoder {
    pub(crate) patch_in: Linear,
    pub(crate) mix_in: Linear,
    pub(crate) latent_in: Linear,
    pub(crate) latent_out: Linear,
    pub(crate) mix_out: Linear,
    pub(crate) patch_out: Linear,
    #[module(skip)]
    pub(crate) config: PatchAutoencoderConfig,
}

impl PatchAutoencoder {
    /// The sizes that this model was made with.
    #[must_use]
    pub fn config(&self) -> &PatchAutoencoderConfig {
        &self.config
    }

    /// The device that the weights are on.
    #[must_use]
    pub fn device(&self) -> Device {
        self.patch_in.weight.device()
    }

    /// Reconstructs tensors: `(n, t, p)` in, `(n, t, p)` out. [`reconstruct`](Self::reconstruct) is the safer door.
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
        let PatchAutoencoderConfig {
            tokens,
            patch,
            patch_width,
            ..
        } = self.config;
        let rows = flux.dims()[0];
        let x = flux.reshape([rows * tokens, patch]); // (n, t, p) -> (n * t, p)
        let x = self.patch_in.forward(x); // (n * t, w)
        let x = x.reshape([rows, tokens * patch_width]); // (n, t * w)
        let x = relu(self.mix_in.forward(x)); // (n, hidden)
        self.latent_in.forward(x) // (n, latent)
    }

    /// From the latent space, `(n, latent)`, to normalised flux, `(n, t, p)`.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[must_use]
    pub fn decode(&self, latent: Tensor<2>) -> Tensor<3> {
        let PatchAutoencoderConfig {
            tokens,
            patch,
            patch_width,
            ..
        } = self.config;
        let rows = latent.dims()[0];
        let x = relu(self.latent_out.forward(latent)); // (n, hidden)
        let x = self.mix_out.forward(x); // (n, t * w)
        let x = x.reshape([rows * tokens, patch_width]); // (n * t, w)
        let x = self.patch_out.forward(x); // (n * t, p)
        x.reshape([rows, tokens, patch]) // (n, t, p)
    }

    /// What the model makes of each spectrum: normalised flux, `(n, t, p)`, also where the input is bad.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the tokens are not of the model's shape; [`Error::Execution`] where the device fails.
    ///
    /// # Complexity
    ///
    /// O(n t w (p + hidden)), w being the patch width.
    pub fn reconstruct(&self, tokens: &Tokens<'_>) -> Result<Array3<f32>> {
        self.fits(tokens)?;
        let shape = tokens.values().raw_dim();
        if tokens.rows() == 0 {
            return Ok(Array3::zeros(shape));
        }
        let values = read(self.forward(self.input(tokens)), "reading reconstructed spectra")?;
        array(values, shape)
    }

    /// The place of each spectrum in the latent space, `(n, latent)`.
    ///
    /// # Errors
    ///
    /// As [`reconstruct`](Self::reconstruct).
    pub fn embed(&self, tokens: &Tokens<'_>) -> Result<Array2<f32>> {
        self.fits(tokens)?;
        let shape = ndarray::Dim([tokens.rows(), self.config.latent]);
        if tokens.rows() == 0 {
            return Ok(Array2::zeros(shape));
        }
        let values = read(self.encode(self.input(tokens)), "reading latent vectors")?;
        array(values, shape)
    }

    /// The masked flux as a tensor on the device of the model; with autodiff where the model has it.
    pub(crate) fn input(&self, tokens: &Tokens<'_>) -> Tensor<3> {
        self.tensor(tokens.masked_flux(), tokens)
    }

    /// Row-major numbers of the shape of `tokens` as a tensor on the device of the model.
    pub(crate) fn tensor(&self, values: Vec<f32>, tokens: &Tokens<'_>) -> Tensor<3> {
        let shape = [tokens.rows(), tokens.tokens(), tokens.patch()];
        Tensor::from_data(TensorData::new(values, shape), (&self.device(), DType::F32))
    }

    pub(crate) fn fits(&self, tokens: &Tokens<'_>) -> Result<()> {
        let expected = [tokens.rows(), self.config.tokens, self.config.patch];
        let found = tokens.values();
        if found.shape() == expected {
            return Ok(());
        }
        Err(Error::Shape {
            array: "values",
            found: found.shape().to_vec(),
            expected: expected.to_vec(),
            help: "tokenize with the patch and the number of tokens of the model, or make a model for these",
        })
    }

    /// The layers with the names under which their weights are stored, in the order of the signal.
    pub(crate) fn layers(&self) -> [&Linear; 6] {
        [
            &self.patch_in,
            &self.mix_in,
            &self.latent_in,
            &self.latent_out,
            &self.mix_out,
            &self.patch_out,
        ]
    }
}

/// The numbers of a tensor, row-major.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>, action: &'static str) -> Result<Vec<f32>> {
    let data = tensor.try_into_data().map_err(|e| Error::execution(action, e))?;
    data.try_into_vec_as::<f32>()
        .map_err(|e| Error::execution(action, Source::from(e.to_string())))
}

fn array<D: ndarray::Dimension>(values: Vec<f32>, shape: D) -> Result<ndarray::Array<f32, D>> {
    ndarray::Array::from_shape_vec(shape.into_shape_with_order(), values)
        .map_err(|e| Error::execution("reading the result of a model", e))
}
