//! What all models have in common.

use std::path::Path;

use burn::config::Config;
use burn::module::Module;
use burn::store::ModuleSnapshot;
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::checkpoint;
use crate::error::{Error, Result, Source};
use crate::layers::{Parameters, Precision};
use crate::trainer::TrainerOptions;

/// A model that a [`Trainer`](crate::Trainer) trains: an [`Autoencoder`](crate::Autoencoder) or a [`GraphSage`](crate::GraphSage).
///
/// The trait is sealed: its methods beyond what users call may change.
pub trait Model: Module + ModuleSnapshot + Sync + Sealed {
    /// The sizes that a model is made with.
    type Config: Sizes<Model = Self>;
    /// What it learns from at a time.
    type Batch<'a>: Send + Sync;
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

    /// Is this batch of the kind that the model was made for?
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where it has other sizes, [`Error::Tokenizer`] where the model was trained on tokens of another
    /// tokenizer, or these do not say how they were made.
    fn fits(&self, batch: &Self::Batch<'_>) -> Result<()>;

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
    /// use radio_models::{ConvAutoencoder, ConvAutoencoderConfig, Model, device};
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
        checkpoint::save(self, None::<&()>, path.as_ref())
    }

    /// Reads a model that [`save`](Self::save) or [`AnomalyScorer::save`](crate::AnomalyScorer::save) wrote, onto `device`.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the file cannot be read, [`Error::Model`] where it is something else, damaged, or a model of
    /// another architecture.
    fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let (model, _) = checkpoint::load::<_, IgnoredAny>(path.as_ref(), device)?;
        Ok(model)
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

    /// The sum of the losses of what the batch has to learn from, shape `(1)`, and how much that is; `None` where there is nothing. What is at
    /// random depends on `draw`; without one, in validation, it is always the same.
    #[doc(hidden)]
    fn summed_loss(
        &self,
        batch: &Self::Batch<'_>,
        options: &TrainerOptions,
        draw: Option<u64>,
    ) -> Result<Option<(Tensor<1>, f64)>>;

    /// Parts of a batch that are computed by themselves, side by side. Which they are does not depend on the number of threads, so
    /// neither do sums.
    #[doc(hidden)]
    fn parts<'b>(&self, batch: &'b Self::Batch<'_>) -> Vec<Self::Batch<'b>>;

    /// Fingerprint of the tokenizer that made the batch, where one did.
    #[doc(hidden)]
    fn tokenizer<'b>(_batch: &'b Self::Batch<'_>) -> Option<&'b str> {
        None
    }

    #[doc(hidden)]
    fn about(&self) -> &About<Self::Config>;

    #[doc(hidden)]
    fn about_mut(&mut self) -> &mut About<Self::Config>;
}

/// The configuration of a [`Model`]: its sizes.
pub trait Sizes: Config + Clone + PartialEq + Sealed {
    /// What is made with them.
    type Model: Model<Config = Self>;

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
    /// Only models of this crate can be trained by it, and only their sizes are known.
    pub trait Sealed {}

    impl Sealed for crate::ConvAutoencoder {}
    impl Sealed for crate::MaskedAutoencoder {}
    impl Sealed for crate::ConvAutoencoderConfig {}
    impl Sealed for crate::MaskedAutoencoderConfig {}
    impl Sealed for crate::GraphSage {}
    impl Sealed for crate::GraphSageConfig {}
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

/// Is it the device on which most operations take one thread, so that parts of a batch go side by side?
pub(crate) fn is_flex(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    let flex = *device == Device::flex();
    #[cfg(not(feature = "flex"))]
    let flex = {
        let _ = device;
        false
    };
    flex
}

/// Numbers in the memory of the model's device, with autodiff where the model has it.
pub(crate) fn upload<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}

/// The numbers of a tensor, row-major.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>, action: &'static str) -> Result<Vec<f32>> {
    let data = tensor.try_into_data().map_err(|e| Error::execution(action, e))?;
    data.try_into_vec_as::<f32>()
        .map_err(|e| Error::execution(action, Source::from(e.to_string())))
}
