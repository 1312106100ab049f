//! From galaxies to classes.

use std::num::NonZeroUsize;
use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, Standard};
use super::{CLASSES, Labelled, Probabilities, WebGraph};
use crate::checkpoint;
use crate::error::{Error, Result, check_shape};
use crate::graph::NeighborSampler;
use crate::hash::Fnv;
use crate::model::Model as _;
use crate::sage::{Aggregation, GraphSage, GraphSageConfig, NodeBatch};
use crate::split::Part;
use crate::trainer::{Record, Trainer, TrainerOptions};

/// Seeds of which the validation loss is made at a time.
const VALIDATION: usize = 1024;

/// How a [`CosmicWeb`] is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CosmicWebOptions {
    /// How many neighbours are heard of on each hop; as many layers as hops. Default: 15 and 10.
    pub fan_outs: Vec<usize>,
    /// Numbers that stand for a galaxy between the layers. Default: 64.
    pub hidden: usize,
    /// What is made of neighbours. Default: the mean.
    pub aggregation: Aggregation,
    /// Part of the numbers that is left out in training. Default: 0.1.
    pub dropout: f64,
    /// How much more a rare class counts in the loss: 0 for as much as others, 1 for as much in all as a frequent one. Default: 0.
    pub balance: f64,
    /// Galaxies that are learned from at a time. Default: 64.
    pub batch: NonZeroUsize,
    /// Seed of weights, order and samples. Default: 0.
    pub seed: u64,
    /// The training. Default: 300 steps of 64 batches each, validation every 25, a rate of 0.004.
    pub training: TrainerOptions,
}

impl Default for CosmicWebOptions {
    fn default() -> Self {
        Self {
            fan_outs: vec![15, 10],
            hidden: 64,
            aggregation: Aggregation::Mean,
            dropout: 0.1,
            balance: 0.0,
            batch: const { NonZeroUsize::new(64).unwrap() },
            seed: 0,
            training: TrainerOptions::default()
                .with_steps(300)
                .with_accumulate(64)
                .with_validate_every(25)
                .with_checkpoint_every(50),
        }
    }
}

impl CosmicWebOptions {
    /// Sets [`fan_outs`](Self::fan_outs).
    #[must_use]
    pub fn with_fan_outs(mut self, fan_outs: impl Into<Vec<usize>>) -> Self {
        self.fan_outs = fan_outs.into();
        self
    }

    /// Sets [`hidden`](Self::hidden).
    #[must_use]
    pub fn with_hidden(mut self, hidden: usize) -> Self {
        self.hidden = hidden;
        self
    }

    /// Sets [`aggregation`](Self::aggregation).
    #[must_use]
    pub fn with_aggregation(mut self, aggregation: Aggregation) -> Self {
        self.aggregation = aggregation;
        self
    }

    /// Sets [`dropout`](Self::dropout).
    #[must_use]
    pub fn with_dropout(mut self, dropout: f64) -> Self {
        self.dropout = dropout;
        self
    }

    /// Sets [`balance`](Self::balance).
    #[must_use]
    pub fn with_balance(mut self, balance: f64) -> Self {
        self.balance = balance;
        self
    }

    /// Sets [`batch`](Self::batch).
    #[must_use]
    pub fn with_batch(mut self, batch: NonZeroUsize) -> Self {
        self.batch = batch;
        self
    }

    /// Sets [`seed`](Self::seed).
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets [`training`](Self::training).
    #[must_use]
    pub fn with_training(mut self, training: TrainerOptions) -> Self {
        self.training = training;
        self
    }

    fn sampler(&self) -> NeighborSampler {
        NeighborSampler::new(&self.fan_outs).seed(self.seed)
    }

    /// What each class counts: of n galaxies in k classes, (n / k n_c)^balance for one with n_c; 1 for one that is not there.
    fn class_weights(&self, classes: &[u8]) -> Option<Vec<f32>> {
        if self.balance == 0.0 {
            return None;
        }
        let even = classes.len() as f64 / CLASSES.len() as f64;
        let weight = |class| match classes.iter().filter(|&&other| usize::from(other) == class).count() {
            0 => 1.0,
            count => (even / count as f64).powf(self.balance) as f32,
        };
        Some((0..CLASSES.len()).map(weight).collect())
    }
}

/// Says of galaxies how likely it is that they are in a void, a sheet, a filament or a knot.
///
/// A [`GraphSage`] on standardised features, with probabilities that are calibrated on galaxies that it was not trained on.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use ndarray::Array2;
/// use radio_models::web::{CosmicWeb, CosmicWebOptions, Labelled, SpatialSplit, Surroundings, WebGraph};
/// use radio_models::{TrainerOptions, device};
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// // In real life: galaxies of a simulation, with their classes. Here a dense half is of class 3.
/// let x = |i: usize| if i < 1500 { (i % 113) as f64 / 8.0 } else { 20.0 + (i % 113) as f64 / 2.0 };
/// let positions = Array2::from_shape_fn((3000, 3), |(i, axis)| if axis == 0 { x(i) } else { ((i * [0, 31, 97][axis]) % 101) as f64 });
/// let classes: Vec<u8> = (0..3000).map(|i| if i < 1500 { 3 } else { 0 }).collect();
///
/// let web = WebGraph::new(positions.view(), 8, &Surroundings::default())?;
/// let parts = SpatialSplit::new(20.0, 2.0).parts(positions.view())?;
/// let options = CosmicWebOptions::default().with_training(TrainerOptions::default().with_steps(40));
/// let galaxies = Labelled::new(&web, &classes, &parts)?;
/// let model = CosmicWeb::train(&options, &galaxies, &device("cpu")?, folder, |_| {})?;
///
/// let probabilities = model.classify(&web)?;
/// let batch = probabilities.to_record_batch(&(0..3000).collect::<Vec<i64>>())?; // for the index
/// assert_eq!(batch.num_rows(), 3000);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CosmicWeb {
    model: GraphSage,
    calibrated: Calibrated,
}

/// What belongs to the model beside its weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Calibrated {
    standard: Standard,
    calibration: Calibration,
    options: CosmicWebOptions,
}

impl CosmicWeb {
    /// Trains on the galaxies of the training part, stops by those of the validation part, and calibrates probabilities on these.
    ///
    /// The folder gets checkpoints, `log.jsonl` and `losses.svg`; a training that was stopped there goes on, with more steps
    /// if the options say so. `watch` is called after each step.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where training or validation has no galaxy whose class is known, [`Error::Data`] where the folder has a training on other
    /// galaxies or with other options; and as [`Trainer::fit`].
    ///
    /// # Complexity
    ///
    /// O(steps), with the memory of one batch beside the graph and a copy of the features.
    pub fn train(
        options: &CosmicWebOptions,
        galaxies: &Labelled<'_>,
        device: &Device,
        folder: impl AsRef<Path>,
        watch: impl FnMut(&Record),
    ) -> Result<Self> {
        let (training, validation) = (galaxies.of(Part::Training), galaxies.of(Part::Validation));
        for (name, nodes) in [("training", &training), ("validation", &validation)] {
            if nodes.is_empty() {
                let expected = "some galaxies with a class for training, and some for validation";
                return Err(Error::option("parts", format!("without {name}"), expected));
            }
        }
        let (graph, classes) = (galaxies.web().graph(), galaxies.classes());
        let standard = Standard::of(&galaxies.features_of(&training));
        let features = standard.apply(galaxies.web().features().view());
        let config = GraphSageConfig::new(features.ncols(), CLASSES.len())
            .with_hidden(options.hidden)
            .with_layers(options.fan_outs.len())
            .with_aggregation(options.aggregation)
            .with_dropout(options.dropout)
            .with_class_weights(options.class_weights(&galaxies.classes_of(&training)))
            .with_seed(options.seed);
        let folder = folder.as_ref();
        let mut trainer = if Trainer::<GraphSage>::can_resume(folder)? {
            Trainer::resume(folder, device)?.with_options(options.training.clone())?
        } else {
            Trainer::new(options.training.clone(), config.init(device)?)?
        };
        // Another survey, or other options: another training.
        trainer = trainer.trained_on(fingerprint(options, galaxies)?)?;
        let sampler = options.sampler();
        trainer.fit(
            |position| -> Result<_> {
                let samples = sampler.batches(graph, &training, options.batch, position)?;
                Ok(samples.map(|sample| NodeBatch::new(sample?, features.view(), classes)))
            },
            || {
                let chunks = validation.chunks(VALIDATION).enumerate();
                Ok(chunks.map(|(batch, seeds)| {
                    // An epoch of its own: always the same samples.
                    let sample = sampler.sample(graph, seeds, u64::MAX, batch as u64)?;
                    NodeBatch::new(sample, features.view(), classes)
                }))
            },
            folder,
            watch,
        )?;
        let model = trainer.finish();
        let logits = model.logits(graph, features.view())?;
        let calibration = Calibration::fit(&logits, classes, &validation);
        Ok(Self {
            model,
            calibrated: Calibrated {
                standard,
                calibration,
                options: options.clone(),
            },
        })
    }

    /// The probabilities of the classes of each galaxy, hearing all its neighbours.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the galaxies have other features than those of the training; [`Error::Execution`].
    ///
    /// # Complexity
    ///
    /// As [`GraphSage::logits`], and a copy of the features.
    pub fn classify(&self, web: &WebGraph) -> Result<Probabilities> {
        let Calibrated {
            standard, calibration, ..
        } = &self.calibrated;
        let expected = [web.graph().nodes(), standard.features()];
        let help = "the features that the model was trained with";
        check_shape("features", web.features().shape(), &expected, help)?;
        let features = standard.apply(web.features().view());
        let logits = self.model.logits(web.graph(), features.view())?;
        Ok(calibration.apply(&logits))
    }

    /// The model, which takes standardised features.
    #[must_use]
    pub fn model(&self) -> &GraphSage {
        &self.model
    }

    /// How it was trained.
    #[must_use]
    pub fn options(&self) -> &CosmicWebOptions {
        &self.calibrated.options
    }

    /// A hash of all that probabilities depend on: the model, the scale of features and the calibration; 16 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`Error::Execution`] where the weights cannot be read from the device.
    pub fn fingerprint(&self) -> Result<String> {
        let Calibrated {
            standard, calibration, ..
        } = &self.calibrated;
        checkpoint::hash_of(&(self.model.fingerprint()?, standard, calibration))
    }

    /// Writes all of it to one safetensors file, in place of what is there.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        checkpoint::save(&self.model, Some(&self.calibrated), path.as_ref())
    }

    /// Reads what [`save`](Self::save) wrote, onto `device`.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the file cannot be read, [`Error::Model`] where it is something else or damaged.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let path = path.as_ref();
        let (model, calibrated) = checkpoint::load::<GraphSage, Calibrated>(path, device)?;
        let not_one = |reason: &str| Error::Model {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let calibrated = calibrated.ok_or_else(|| not_one("it has no calibration"))?;
        let config = model.config();
        if calibrated.standard.features() != config.inputs || config.classes != CLASSES.len() {
            return Err(not_one("its calibration is that of another model"));
        }
        Ok(Self { model, calibrated })
    }
}

/// What tells a training from others: all that it depends on but its length.
fn fingerprint(options: &CosmicWebOptions, galaxies: &Labelled<'_>) -> Result<String> {
    let mut hash = Fnv::of(galaxies.classes());
    for part in [Part::Training, Part::Validation] {
        galaxies
            .of(part)
            .iter()
            .for_each(|node| hash.update(&node.to_le_bytes()));
    }
    let web = galaxies.web();
    web.features().iter().for_each(|x| hash.update(&x.to_le_bytes()));
    web.graph()
        .targets()
        .iter()
        .for_each(|node| hash.update(&node.to_le_bytes()));
    let options = CosmicWebOptions {
        training: TrainerOptions::default(),
        ..options.clone()
    };
    Ok(format!("galaxies {hash}, options {}", checkpoint::hash_of(&options)?))
}
