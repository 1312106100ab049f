//! Synthetic spectra and an autoencoder written out by hand.

use std::collections::HashMap;

use ndarray::{Array1, Array2, Array3, Axis};
use radio_models::burn::module::{Module, ModuleVisitor, Param};
use radio_models::burn::optim::GradientsParams;
use radio_models::burn::store::{ModuleSnapshot, bridge};
use radio_models::burn::tensor::{Device, Tensor};
use radio_models::{ConvAutoencoder, ConvAutoencoderConfig, Model, Tokens};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// The device that the tests run on: the one that `RADIO_DEVICE` names, by default the CPU.
pub(crate) fn device() -> Device {
    let default = if cfg!(feature = "flex") { "cpu" } else { "tch" };
    let name = std::env::var("RADIO_DEVICE").unwrap_or_else(|_| default.to_owned());
    radio_models::device(&name).unwrap()
}

/// A batch that owns its arrays.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) ids: Vec<i64>,
    pub(crate) values: Array3<f32>,
    pub(crate) errors: Array3<f32>,
    pub(crate) wavelength: Array2<f64>,
    pub(crate) snr: Vec<f32>,
}

impl Batch {
    pub(crate) fn tokens(&self) -> Tokens<'_> {
        Tokens::new(
            &self.ids[..],
            self.values.view(),
            self.errors.view(),
            self.wavelength.view(),
            &self.snr[..],
        )
        .unwrap()
    }

    /// The same arrays with ids, wavelengths and S/N that follow from the shape.
    pub(crate) fn new(values: Array3<f32>, errors: Array3<f32>) -> Self {
        let (rows, tokens, patch) = values.dim();
        let middle = |token: usize| 3600.0 + (token as f64 + 0.5) * patch as f64;
        Self {
            ids: (0..rows as i64).collect(),
            wavelength: Array2::from_shape_fn((rows, tokens), |(_, token)| middle(token)),
            snr: vec![5.0; rows],
            values,
            errors,
        }
    }

    /// Only these rows.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        Self {
            ids: rows.iter().map(|&row| self.ids[row]).collect(),
            values: self.values.select(Axis(0), rows),
            errors: self.errors.select(Axis(0), rows),
            wavelength: self.wavelength.select(Axis(0), rows),
            snr: rows.iter().map(|&row| self.snr[row]).collect(),
        }
    }
}

/// Spectra of three smooth components over a level of 1, with Gaussian noise of known size (S/N 4 to 20 per pixel) and
/// three bad pixels in a hundred, which hold junk.
pub(crate) fn survey(seed: u64, rows: usize, tokens: usize, patch: usize) -> Batch {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut values = Array3::zeros((rows, tokens, patch));
    let mut errors = Array3::zeros((rows, tokens, patch));
    for row in 0..rows {
        let amplitudes: [f32; 3] = std::array::from_fn(|_| rng.random_range(-0.4..0.4));
        let sigma: f32 = rng.random_range(0.05..0.25);
        for pixel in 0..tokens * patch {
            let at = [row, pixel / patch, pixel % patch];
            let x = pixel as f32 / (tokens * patch) as f32;
            let shape = |k: usize| (std::f32::consts::PI * (k + 1) as f32 * x).sin();
            let truth = 1.0 + (0..3).map(|k| amplitudes[k] * shape(k)).sum::<f32>();
            let bad = rng.random_bool(0.03);
            values[at] = if bad { 1e6 } else { truth + sigma * normal(&mut rng) };
            errors[at] = if bad { 0.0 } else { sigma };
        }
    }
    Batch::new(values, errors)
}

/// A normal deviate (Box & Muller 1958).
pub(crate) fn normal(rng: &mut Xoshiro256PlusPlus) -> f32 {
    let (u, v): (f32, f32) = (rng.random_range(f32::MIN_POSITIVE..1.0), rng.random_range(0.0..1.0));
    (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}

pub(crate) fn model(tokens: usize, patch: usize) -> ConvAutoencoder {
    small(tokens, patch).init(&device()).unwrap()
}

pub(crate) fn small(tokens: usize, patch: usize) -> ConvAutoencoderConfig {
    ConvAutoencoderConfig::new(tokens, patch)
        .with_width(6)
        .with_hidden(32)
        .with_latent(4)
}

/// The reconstruction in f64, layer by layer and number by number; bad pixels enter as 0.
pub(crate) fn slow_reconstruction(model: &ConvAutoencoder, batch: &Batch) -> Array3<f64> {
    let weights = Weights::of(model);
    let (rows, tokens, patch) = batch.values.dim();
    let stages = model.config().stages;
    let padded = tokens.div_ceil(1 << stages) << stages;
    let mut result = Array3::zeros((rows, tokens, patch));
    for row in 0..rows {
        // One vector of channels for each place.
        let mut places: Vec<Vec<f64>> = (0..padded)
            .map(|token| {
                if token >= tokens {
                    return vec![0.0; model.config().width];
                }
                let flux = (0..patch).map(|k| [row, token, k]);
                let flux = flux.map(|at| {
                    if good(batch, at) {
                        f64::from(batch.values[at])
                    } else {
                        0.0
                    }
                });
                weights.apply("patch_in", &flux.collect::<Vec<_>>())
            })
            .collect();
        for stage in 0..stages {
            let pairs = places.chunks(2).map(|pair| relu(pair.concat()));
            places = pairs
                .map(|pair| weights.apply(&format!("merge.{stage}"), &pair))
                .collect();
        }
        let hidden = relu(weights.apply("mix_in", &relu(places.concat())));
        let latent = weights.apply("latent_in", &hidden);
        let hidden = relu(weights.apply("latent_out", &latent));
        let flat = relu(weights.apply("mix_out", &hidden));
        places = flat.chunks(flat.len() / places.len()).map(<[f64]>::to_vec).collect();
        for stage in 0..stages {
            let split = places
                .iter()
                .map(|place| relu(weights.apply(&format!("split.{stage}"), place)));
            places = split
                .flat_map(|pair| pair.chunks(pair.len() / 2).map(<[f64]>::to_vec).collect::<Vec<_>>())
                .collect();
        }
        for (token, place) in places.iter().take(tokens).enumerate() {
            for (k, y) in weights.apply("patch_out", place).into_iter().enumerate() {
                result[[row, token, k]] = y;
            }
        }
    }
    result
}

pub(crate) fn good(batch: &Batch, at: [usize; 3]) -> bool {
    batch.values[at].is_finite() && batch.errors[at].is_finite() && batch.errors[at] > 0.0
}

fn relu(x: Vec<f64>) -> Vec<f64> {
    x.into_iter().map(|x| x.max(0.0)).collect()
}

/// The weights by name, as burn stores them.
pub(crate) struct Weights(HashMap<String, (Vec<usize>, Vec<f32>)>);

impl Weights {
    pub(crate) fn of(model: &impl ModuleSnapshot) -> Self {
        let tensors = model.collect(None, None, false).into_iter().map(|tensor| {
            let data = bridge::to_data(&tensor).unwrap();
            (
                tensor.name.clone(),
                (tensor.shape.to_vec(), data.as_slice::<f32>().unwrap().to_vec()),
            )
        });
        Self(tensors.collect())
    }

    /// A vector.
    pub(crate) fn vector(&self, name: &str) -> &[f32] {
        &self.0[name].1
    }

    /// x W + b of one layer, or x W.
    pub(crate) fn apply(&self, layer: &str, x: &[f64]) -> Vec<f64> {
        let (shape, weight) = &self.0[&format!("{layer}.weight")];
        assert_eq!(shape[0], x.len(), "{layer}");
        let mut y: Array1<f64> = match self.0.get(&format!("{layer}.bias")) {
            Some((_, bias)) => bias.iter().map(|&b| f64::from(b)).collect(),
            None => Array1::zeros(shape[1]),
        };
        for (i, &x) in x.iter().enumerate() {
            for j in 0..shape[1] {
                y[j] += x * f64::from(weight[i * shape[1] + j]);
            }
        }
        y.to_vec()
    }
}

/// Every gradient of a model, one after the other.
pub(crate) fn all_gradients(model: &impl Module, gradients: &GradientsParams) -> Vec<f64> {
    struct Gradients<'a> {
        gradients: &'a GradientsParams,
        numbers: Vec<f64>,
    }
    impl ModuleVisitor for Gradients<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.gradients.get::<D>(param.id).unwrap().into_data();
            self.numbers.extend(gradient.iter::<f64>());
        }
    }
    let mut visitor = Gradients {
        gradients,
        numbers: Vec::new(),
    };
    model.visit(&mut visitor);
    visitor.numbers
}

/// By how much two gradients differ, in lengths of the second one.
pub(crate) fn relative_difference(found: &[f64], expected: &[f64]) -> f64 {
    let length = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>().sqrt();
    let difference = length(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    difference / length(&mut expected.iter().copied())
}
