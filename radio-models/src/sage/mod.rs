//! GraphSAGE: classes of nodes from what they are and from whom they are next to.

mod batch;
mod dropout;
mod heard;
mod infer;
mod layer;

pub use batch::NodeBatch;
pub use layer::Aggregation;

use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::error::{Error, Result, check_shape};
use crate::layers::Parameters;
use crate::model::{About, Model, Sizes, check_sizes, is_flex, upload};
use crate::trainer::TrainerOptions;
use heard::{Heard, gather};
use layer::SageLayer;

/// Sizes of a [`GraphSage`].
///
/// # Examples
///
/// ```
/// use radio_models::{Aggregation, GraphSageConfig};
///
/// let config = GraphSageConfig::new(12, 4).with_aggregation(Aggregation::Max).with_dropout(0.2);
/// assert_eq!((config.layers, config.hidden, config.norm), (2, 64, true));
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct GraphSageConfig {
    /// Features of a node.
    pub inputs: usize,
    /// Classes, at most 255.
    pub classes: usize,
    /// Numbers that stand for a node between the layers.
    #[config(default = 64)]
    pub hidden: usize,
    /// Layers: over so many hops a node hears of others.
    #[config(default = 2)]
    pub layers: usize,
    /// What is made of the neighbours of a node.
    #[config(default = "Aggregation::Mean")]
    pub aggregation: Aggregation,
    /// Adds to the result of each layer but the first what it was given (He et al. 2016).
    #[config(default = true)]
    pub residual: bool,
    /// Normalises each node before the activation (LayerNorm).
    #[config(default = true)]
    pub norm: bool,
    /// Part of the numbers between layers that is left out in training, from 0 to below 1.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// What a node of each class counts in the loss; `None` for 1.
    #[config(default = "None")]
    pub class_weights: Option<Vec<f32>>,
    /// Seed of the first weights and of the dropout.
    #[config(default = 0)]
    pub seed: u64,
}

impl GraphSageConfig {
    /// Makes a model with random weights on `device`.
    ///
    /// The weights are a function of the configuration alone: the same on every device, back end and number of threads.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where a size is out of its range.
    pub fn init(&self, device: &Device) -> Result<GraphSage> {
        self.check()?;
        Ok(self.build(&mut Parameters::random(self.seed, device)))
    }

    /// Numbers that a layer is given for each node, and its pooling is of.
    fn inputs_of(&self, layer: usize) -> usize {
        if layer == 0 { self.inputs } else { self.hidden }
    }
}

impl Sizes for GraphSageConfig {
    type Model = GraphSage;

    fn parameters(&self) -> Option<usize> {
        let linear = |inputs: usize, outputs: usize| inputs.checked_add(1)?.checked_mul(outputs);
        let layer = |inputs: usize| {
            let pool = match self.aggregation {
                Aggregation::Pool => linear(inputs, inputs)?,
                Aggregation::Mean | Aggregation::Max => 0,
            };
            let norm = if self.norm { self.hidden.checked_mul(2)? } else { 0 };
            linear(inputs, self.hidden)?
                .checked_add(inputs.checked_mul(self.hidden)?)?
                .checked_add(pool)?
                .checked_add(norm)
        };
        layer(self.inputs)?
            .checked_add(layer(self.hidden)?.checked_mul(self.layers.checked_sub(1)?)?)?
            .checked_add(linear(self.hidden, self.classes)?)
    }

    fn check(&self) -> Result<()> {
        let sizes = [
            ("inputs", self.inputs),
            ("classes", self.classes),
            ("hidden", self.hidden),
            ("layers", self.layers),
        ];
        check_sizes(&sizes, self)?;
        if self.classes > usize::from(NodeBatch::UNKNOWN) {
            return Err(Error::option("classes", self.classes, "at most 255"));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(Error::option("dropout", self.dropout, "from 0 to below 1"));
        }
        if let Some(weights) = &self.class_weights {
            check_shape(
                "class_weights",
                &[weights.len()],
                &[self.classes],
                "a weight for each class",
            )?;
            if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0)) {
                return Err(Error::option("class_weights", weight, "finite and not below 0"));
            }
        }
        Ok(())
    }

    fn build(&self, parameters: &mut Parameters<'_>) -> GraphSage {
        GraphSage {
            layers: (0..self.layers)
                .map(|layer| SageLayer::new(parameters, self, self.inputs_of(layer)))
                .collect(),
            head: parameters.linear(self.hidden, self.classes),
            about: About::new(self),
        }
    }
}

/// A graph network that samples and aggregates (GraphSAGE): what a node is, beside what its neighbours are.
///
/// Each layer makes of the numbers x of a node and of those of its neighbours
///
/// W₁ x + W₂ m + b, with m the mean of the neighbours, or the largest of each number, or the same of relu(W x + c);
///
/// normalised, cut off at 0, and from the second layer on added to x. After the last layer a linear one gives the logarithm of the odds of each class.
/// A node without neighbours has m = 0. The layers equal `SAGEConv` of PyTorch Geometric to rounding.
///
/// What a [`Trainer`](crate::Trainer) learns from are [`NodeBatch`]es: samples of neighbourhoods by a
/// [`NeighborSampler`](crate::NeighborSampler) with as many hops as the model has layers. [`logits`](Self::logits) is for all nodes of a graph.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use ndarray::Array2;
/// use radio_models::{Graph, GraphSageConfig, NeighborSampler, NodeBatch, Trainer, TrainerOptions, device};
///
/// // A ring, in which a node is of class 1 if its left neighbour has a 1: its own number says nothing.
/// let features = Array2::from_shape_fn((300, 1), |(node, _)| ((node * node) % 7 % 2) as f32);
/// let left = |node: u32| (node + 299) % 300;
/// let graph = Graph::from_edges(300, &(0..300).map(|node| [node, left(node)]).collect::<Vec<_>>())?;
/// let classes: Vec<u8> = (0..300).map(|node| features[[left(node) as usize, 0]] as u8).collect();
///
/// let model = GraphSageConfig::new(1, 2).with_layers(1).with_hidden(8).init(&device("cpu")?)?;
/// let mut trainer = Trainer::new(TrainerOptions::default().with_steps(60).with_learning_rate(0.05), model)?;
/// let (sampler, seeds) = (NeighborSampler::new(&[1]), (0..200).collect::<Vec<u32>>());
/// for step in 0..60 {
///     let sample = sampler.sample(&graph, &seeds, 0, step)?;
///     trainer.step(&NodeBatch::new(sample, features.view(), &classes)?)?;
/// }
/// let logits = trainer.finish().logits(&graph, features.view())?;
/// assert!((200..300).all(|node| (logits[[node, 1]] > logits[[node, 0]]) == (classes[node] == 1)));
/// # }
/// # Ok::<(), radio_models::Error>(())
/// ```
///
/// # References
///
/// Hamilton, Ying & Leskovec 2017 (arXiv:1706.02216), algorithm 1 and eq. (3), with sums for the concatenation, which is the same.
#[derive(Module, Debug)]
pub struct GraphSage {
    layers: Vec<SageLayer>,
    head: Linear,
    #[module(skip)]
    about: About<GraphSageConfig>,
}

impl GraphSage {
    /// Σ w (−ln p) over the seeds whose class is known, shape `(1)`, and Σ w: p is the probability of the class, w its weight. `None` where
    /// that is 0. `draw` says which numbers are left out, where the model has a dropout; `None` leaves out none.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] and [`Error::Option`] where the batch is not of the model's kind.
    pub fn loss(&self, batch: &NodeBatch<'_>, draw: Option<u64>) -> Result<Option<(Tensor<1>, f64)>> {
        self.fits(batch)?;
        let config = &self.about.config;
        let seeds = batch.sample().within(0);
        // What is subtracted: the weight of the class of a seed, in its column.
        let (mut weights, mut sum) = (vec![0.0; seeds * config.classes], 0.0);
        for (row, (_, class)) in batch.seeds().enumerate() {
            if class != NodeBatch::UNKNOWN {
                let weight = config.weight(class);
                weights[row * config.classes + usize::from(class)] = -weight;
                sum += f64::from(weight);
            }
        }
        if sum == 0.0 {
            return Ok(None);
        }
        let logits = self.forward(batch, draw);
        let weights = upload(weights, [seeds, config.classes], &self.device());
        // Rows first: the sum of one long vector is not the same for every number of threads.
        let losses = (log_softmax(logits, 1) * weights).sum_dim(1); // (seeds, 1)
        Ok(Some((losses.sum(), sum)))
    }

    /// Logits of the seeds of a batch, `(seeds, classes)`. `draw` says which numbers are left out; `None` leaves out none.
    fn forward(&self, batch: &NodeBatch<'_>, draw: Option<u64>) -> Tensor<2> {
        let (config, device) = (&self.about.config, self.device());
        let (sample, hops) = (batch.sample(), self.layers.len());
        let mut x: Option<Tensor<2>> = None;
        for (depth, layer) in self.layers.iter().enumerate() {
            let (rows, inputs) = (sample.within(hops - depth - 1), config.inputs_of(depth));
            let neighbours = |row: usize| sample.neighbours(row);
            let (own, heard) = match x.take() {
                Some(x) => self.told(layer, x, Heard::new(rows, neighbours), rows),
                // Nothing is learned about the features: their mean or maximum is made where they lie.
                None if config.aggregation != Aggregation::Pool => {
                    let heard = config.aggregation.of_rows(batch.features(), inputs, rows, |row| {
                        neighbours(row).iter().map(|&place| sample.nodes()[place as usize])
                    });
                    let own = gather(batch.features(), inputs, &sample.nodes()[..rows]);
                    (
                        upload(own, [rows, inputs], &device),
                        upload(heard, [rows, inputs], &device),
                    )
                }
                None => {
                    let all = &sample.nodes()[..sample.within(hops)];
                    let x = upload(gather(batch.features(), inputs, all), [all.len(), inputs], &device);
                    self.told(layer, x, Heard::new(rows, neighbours), rows)
                }
            };
            let mut y = layer.forward(own.clone(), heard, self.about.precision);
            if let Some(draw) = draw.filter(|_| config.dropout > 0.0) {
                let kept = dropout::kept(config, draw, depth, &sample.nodes()[..rows]);
                y = y * upload(kept, [rows, config.hidden], &device);
            }
            x = Some(config.joined(depth, own, y));
        }
        let x = x.unwrap_or_else(|| Tensor::zeros([sample.within(0), config.hidden], &device));
        self.about.precision.linear(&self.head, x)
    }

    /// Of all nodes, `(n, d)`, the first rows and what they hear, both `(rows, d)`.
    fn told(&self, layer: &SageLayer, x: Tensor<2>, heard: Heard, rows: usize) -> (Tensor<2>, Tensor<2>) {
        let own = x.clone().narrow(0, 0, rows);
        // What nobody hears is not computed: autodiff would keep it for ever.
        let spoken = if heard.is_silent() {
            x
        } else {
            layer.spoken(x, self.about.precision)
        };
        (own, heard.of(&spoken, self.about.config.aggregation))
    }
}

impl GraphSageConfig {
    /// What a layer gives, with what it was given.
    fn joined(&self, layer: usize, given: Tensor<2>, made: Tensor<2>) -> Tensor<2> {
        if self.residual && layer > 0 { given + made } else { made }
    }

    fn weight(&self, class: u8) -> f32 {
        match &self.class_weights {
            Some(weights) => weights.get(usize::from(class)).copied().unwrap_or(0.0),
            None => 1.0,
        }
    }
}

impl Model for GraphSage {
    type Batch<'a> = NodeBatch<'a>;
    type Config = GraphSageConfig;
    const ARCHITECTURE: &'static str = "graph-sage";

    fn device(&self) -> Device {
        self.head.weight.device()
    }

    fn about(&self) -> &About<GraphSageConfig> {
        &self.about
    }

    fn about_mut(&mut self) -> &mut About<GraphSageConfig> {
        &mut self.about
    }

    fn fits(&self, batch: &NodeBatch<'_>) -> Result<()> {
        let config = &self.about.config;
        let help = "as many features as the model was made for, and as many hops as it has layers";
        let found = [batch.width(), batch.sample().hops()];
        check_shape("[features, hops]", &found, &[config.inputs, config.layers], help)?;
        let classes = batch.seeds().map(|(node, class)| (node, usize::from(class)));
        for (node, class) in classes.filter(|&(_, class)| class != usize::from(NodeBatch::UNKNOWN)) {
            if class >= config.classes {
                let value = format!("{class} for node {node}");
                return Err(Error::option(
                    "classes",
                    value,
                    "below the number of classes of the model",
                ));
            }
        }
        Ok(())
    }

    fn summed_loss(
        &self,
        batch: &NodeBatch<'_>,
        _options: &TrainerOptions,
        draw: Option<u64>,
    ) -> Result<Option<(Tensor<1>, f64)>> {
        self.loss(batch, draw)
    }

    fn parts<'b>(&self, batch: &'b NodeBatch<'_>) -> Vec<NodeBatch<'b>> {
        if is_flex(&self.device()) {
            batch.parts()
        } else {
            vec![batch.whole()]
        }
    }
}

/// Places as a tensor, on the device of another.
fn places(places: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let length = places.len();
    Tensor::from_data(TensorData::new(places, [length]), device)
}
