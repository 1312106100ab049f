//! What all autoencoders have in common.

use std::path::Path;

use burn::config::Config;
use burn::module::Module;
use burn::store::ModuleSnapshot;
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use ndarray::{Array2, Array3, ArrayViewMut, ArrayViewMut2, ArrayViewMut3, Axis, Dimension};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::checkpoint;
use crate::error::{Error, Result, Source, check_shape};
use crate::layers::{Parameters, Precision};
use crate::tokens::Tokens;

/// A model that reconstructs spectra: [`ConvAutoencoder`](crate::ConvAutoencoder) or
/// [`MaskedAutoencoder`](crate::MaskedAutoencoder).
///
/// [`Trainer`](crate::Trainer) and [`AnomalyScorer`](crate::AnomalyScorer) take either. The trait is sealed: its methods
/// beyond what users call may change.
pub trait Autoencoder: Module + ModuleSnapshot + Sync + Sealed {
    /// The sizes that a model is made with.
    type Config: Sizes<Model = Self>;
    /// What files call this kind of model.
    const ARCHITECTURE: &'static str;

    /// The sizes that this model was made with.
    fn config(&self) -> &Self::Config {
        &self.about().config
    }

    /// What it was trained on.
    fn origin(&self) -> &Origin {
        &self.about().origin
    }

    /// The same model with another origin.
    #[must_use]
    fn with_origin(mut self, origin: Origin) -> Self {
        self.about_mut().origin = origin;
        self
    }

    /// The same model with matrix products of this precision. It belongs to a use of a model, and is not stored with it.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where the device does not compute with such numbers.
    fn with_precision(mut self, precision: Precision) -> Result<Self> {
        if precision == Precision::Mixed && !self.device().supports_dtype(FloatDType::BF16) {
            let expected = "full on this device, which does not compute with bfloat16";
            return Err(Error::option("precision", "mixed", expected));
        }
        self.about_mut().precision = precision;
        Ok(self)
    }

    /// The device that the weights are on.
    fn device(&self) -> Device;

    /// What the model makes of each spectrum, also where the input is bad.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] and [`Error::Tokenizer`] where the tokens are not of the model's kind; [`Error::Execution`] where
    /// the device fails.
    fn reconstruct(&self, tokens: &Tokens<'_>) -> Result<Reconstruction> {
        self.fits(tokens)?;
        let [token_count, patch] = self.config().shape();
        let mut made = Reconstruction {
            values: Array3::zeros((tokens.rows(), token_count, patch)),
            latent: Array2::zeros((tokens.rows(), self.config().latent())),
        };
        let rows = self.part_rows(tokens);
        let values = made.values.axis_chunks_iter_mut(Axis(0), rows);
        let latent = made.latent.axis_chunks_iter_mut(Axis(0), rows);
        let work: Vec<_> = self.parts(tokens).into_iter().zip(values.zip(latent)).collect();
        work.into_par_iter()
            .try_for_each(|(tokens, (values, latent))| self.reconstruct_part(&tokens, values, latent))?;
        Ok(made)
    }

    /// Σ (y − ŷ)² / max(σ, `sigma_floor`)² over the pixels that a model of this kind learns from, shape `(1)`, and the
    /// number of these pixels; `None` where there are none. What is drawn at random depends on `draw` and the ids.
    ///
    /// # Errors
    ///
    /// As [`reconstruct`](Self::reconstruct).
    fn loss(&self, tokens: &Tokens<'_>, sigma_floor: f32, draw: u64) -> Result<Option<(Tensor<1>, usize)>>;

    /// Are these tokens of the kind that the model was made for?
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where they have other sizes, [`Error::Tokenizer`] where the model was trained on tokens of another
    /// tokenizer, or these do not say how they were made.
    fn fits(&self, tokens: &Tokens<'_>) -> Result<()> {
        let [token_count, patch] = self.config().shape();
        let found = [tokens.rows(), tokens.tokens(), tokens.patch()];
        let expected = [tokens.rows(), token_count, patch];
        let help = "tokenize with the patch and the number of tokens of the model, or make a model for these";
        check_shape("values", &found, &expected, help)?;
        match self.origin().tokenizer.as_deref() {
            Some(expected) if tokens.tokenizer() != Some(expected) => Err(Error::Tokenizer {
                found: tokens.tokenizer().map(ToOwned::to_owned),
                expected: expected.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Writes weights, configuration and origin to one safetensors file, in place of what is there.
    ///
    /// The file appears under its name when it is complete. Any safetensors reader can open it.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use radio_models::{Autoencoder, ConvAutoencoder, ConvAutoencoderConfig, device};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("model.safetensors");
    /// let model = ConvAutoencoderConfig::new(10, 8).init(&device("cpu")?)?;
    /// model.save(&path)?;
    /// let same = ConvAutoencoder::load(&path, &device("cpu")?)?;
    /// assert_eq!(same.config(), model.config());
    /// assert_eq!(same.fingerprint()?, model.fingerprint()?);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        checkpoint::save(self, None, path.as_ref())
    }

    /// Reads a model that [`save`](Self::save) or [`AnomalyScorer::save`](crate::AnomalyScorer::save) wrote, onto `device`.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the file cannot be read, [`Error::Model`] where it is something else, damaged, or a model of
    /// another architecture.
    fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        Ok(checkpoint::load(path.as_ref(), device)?.0)
    }

    /// A hash of the weights and their shapes, 16 hexadecimal digits: equal for equal models, on every device.
    ///
    /// Made to tell which model a score came from (FNV-1a, 64 bit), not to withstand forgery.
    ///
    /// # Errors
    ///
    /// [`Error::Execution`] where the weights cannot be read from the device.
    fn fingerprint(&self) -> Result<String> {
        checkpoint::fingerprint(self)
    }

    #[doc(hidden)]
    const PART_ROWS: usize;

    #[doc(hidden)]
    fn part_rows(&self, tokens: &Tokens<'_>) -> usize {
        #[cfg(feature = "flex")]
        if self.device() == Device::flex() {
            return Self::PART_ROWS;
        }
        tokens.rows().max(1)
    }

    /// Rows that are computed by themselves, side by side: most operations of `flex` take one thread, and what they read is
    /// still in its cache when there are few rows. How many does not depend on the number of threads, so neither do sums.
    #[doc(hidden)]
    fn parts<'a>(&self, tokens: &'a Tokens<'_>) -> Vec<Tokens<'a>> {
        let rows = self.part_rows(tokens);
        let starts = (0..tokens.rows()).step_by(rows);
        starts
            .map(|start| tokens.part(start..tokens.rows().min(start + rows)))
            .collect()
    }

    #[doc(hidden)]
    fn reconstruct_part(
        &self,
        tokens: &Tokens<'_>,
        values: ArrayViewMut3<'_, f32>,
        latent: ArrayViewMut2<'_, f32>,
    ) -> Result<()>;

    #[doc(hidden)]
    fn about(&self) -> &About<Self::Config>;

    #[doc(hidden)]
    fn about_mut(&mut self) -> &mut About<Self::Config>;
}

/// The configuration of an [`Autoencoder`]: its sizes.
pub trait Sizes: Config + Clone + PartialEq + Sealed {
    /// What is made with them.
    type Model: Autoencoder<Config = Self>;

    /// Tokens of a spectrum and pixels of a token, `[t, p]`.
    fn shape(&self) -> [usize; 2];

    /// Numbers that a spectrum is reduced to.
    fn latent(&self) -> usize;

    /// Number of trainable numbers; `None` where it does not fit into a `usize`.
    fn parameters(&self) -> Option<usize>;

    #[doc(hidden)]
    fn check(&self) -> Result<()>;

    #[doc(hidden)]
    fn build(&self, parameters: &mut Parameters<'_>) -> Self::Model;
}

/// Are all sizes at least 1, and can the weights be in memory?
pub(crate) fn check_sizes(sizes: &[(&'static str, usize)], config: &impl Sizes) -> Result<()> {
    if let Some(&(name, _)) = sizes.iter().find(|&&(_, size)| size == 0) {
        return Err(Error::option(name, 0, "at least 1"));
    }
    match config.parameters() {
        Some(parameters) if parameters <= isize::MAX as usize / size_of::<f32>() => Ok(()),
        _ => {
            let (name, size) = sizes.iter().copied().max_by_key(|&(_, size)| size).unwrap_or_default();
            Err(Error::option(name, size, "so small that the weights fit into memory"))
        }
    }
}

/// What a model is, beside its weights.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct About<C> {
    pub(crate) config: C,
    pub(crate) origin: Origin,
    pub(crate) precision: Precision,
}

impl<C: Clone> About<C> {
    pub(crate) fn new(config: &C) -> Self {
        Self {
            config: config.clone(),
            origin: Origin::default(),
            precision: Precision::default(),
        }
    }
}

mod sealed {
    /// Only models of this crate are autoencoders in its sense, and only their sizes are.
    pub trait Sealed {}

    impl Sealed for crate::ConvAutoencoder {}
    impl Sealed for crate::MaskedAutoencoder {}
    impl Sealed for crate::ConvAutoencoderConfig {}
    impl Sealed for crate::MaskedAutoencoderConfig {}
}
pub(crate) use sealed::Sealed;

/// What a model was trained on. It is stored with the weights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Origin {
    /// Fingerprint of the tokenizer that made the tokens; the model refuses others.
    pub tokenizer: Option<String>,
    /// What the user calls the training data: a hash of the read plan, or a name and version.
    pub data: Option<String>,
}

/// What a model makes of a batch of `n` spectra.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconstruction {
    /// Normalised flux as the model expects it, `(n, t, p)`.
    pub values: Array3<f32>,
    /// The place of each spectrum in the latent space, `(n, latent)`.
    pub latent: Array2<f32>,
}

/// Numbers in the memory of the model's device, with autodiff where the model has it.
pub(crate) fn upload<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}

/// Σ w r², shape `(1)`, of residuals and weights of shape `(n, t, p)`.
pub(crate) fn squares(residual: Tensor<3>, weights: Tensor<3>) -> Tensor<1> {
    let [rows, tokens, patch] = residual.dims();
    // Rows first: the sum of one long vector is not the same for every number of threads.
    let per_row = (residual.square() * weights).reshape([rows, tokens * patch]).sum_dim(1); // (n, 1)
    per_row.sum() // (1)
}

/// The numbers of a tensor, row-major.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>, action: &'static str) -> Result<Vec<f32>> {
    let data = tensor.try_into_data().map_err(|e| Error::execution(action, e))?;
    data.try_into_vec_as::<f32>()
        .map_err(|e| Error::execution(action, Source::from(e.to_string())))
}

/// Reads the numbers of a tensor, row-major, into an array of as many.
pub(crate) fn read_into<const D: usize, I: Dimension>(
    tensor: Tensor<D>,
    mut array: ArrayViewMut<'_, f32, I>,
    action: &'static str,
) -> Result<()> {
    let numbers = read(tensor, action)?;
    if numbers.len() != array.len() {
        let reason = format!("{} numbers for {}", numbers.len(), array.len());
        return Err(Error::execution(action, reason));
    }
    array.iter_mut().zip(numbers).for_each(|(into, number)| *into = number);
    Ok(())
}
