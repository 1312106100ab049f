//! The pieces that models are made of, with first weights that are the same everywhere.

use burn::module::{Module, Param, ParamId};
use burn::nn::Linear;
use burn::tensor::activation;
use burn::tensor::module::layer_norm;
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// How exact the numbers of matrix products are. Weights, sums over pixels and the optimizer have 32 bits always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Precision {
    /// 32 bits.
    #[default]
    Full,
    /// Factors and products have 16 bits, `bfloat16`, which has the range of 32 bits and 8 digits of the mantissa: losses need no
    /// scaling (Kalamkar et al. 2019, arXiv:1905.12322). Meant for graphics cards with units for it;
    /// `flex` has none, and converts.
    Mixed,
}

impl Precision {
    /// a b, of 32 bits.
    pub(crate) fn product<const D: usize>(self, a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Full => a.matmul(b),
            Self::Mixed => a.cast(DType::BF16).matmul(b.cast(DType::BF16)).cast(DType::F32),
        }
    }

    /// A linear layer on `(n, a)`: `(n, b)`.
    pub(crate) fn linear(self, layer: &Linear, x: Tensor<2>) -> Tensor<2> {
        match (self, &layer.bias) {
            // One operation of the back end.
            (Self::Full, _) => layer.forward(x),
            (Self::Mixed, None) => self.product(x, layer.weight.val()),
            (Self::Mixed, Some(bias)) => self.product(x, layer.weight.val()) + bias.val().unsqueeze(),
        }
    }
}

/// max(x, 0).
pub(crate) fn relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "tch")]
    let x = match crate::tch::relu(x) {
        Ok(y) => return y,
        Err(x) => x,
    };
    activation::relu(x)
}

/// Makes the parameters of one model, in the order of the signal.
///
/// The weights are a function of the seed alone: the same on every device, back end and number of threads. So are the
/// numbers by which an optimizer knows the parameters: a state that was stored fits the model that is made again.
#[derive(Debug)]
#[doc(hidden)]
pub struct Parameters<'a> {
    device: &'a Device,
    /// None makes zeros, to be filled from a file.
    rng: Option<Xoshiro256PlusPlus>,
    made: u64,
}

impl<'a> Parameters<'a> {
    pub(crate) fn random(seed: u64, device: &'a Device) -> Self {
        Self {
            device,
            rng: Some(Xoshiro256PlusPlus::seed_from_u64(seed)),
            made: 0,
        }
    }

    pub(crate) fn zeros(device: &'a Device) -> Self {
        Self {
            device,
            rng: None,
            made: 0,
        }
    }

    /// Uniform with variance 1 / inputs, the bias 0: keeps the size of the signal through the linear layers.
    pub(crate) fn linear(&mut self, inputs: usize, outputs: usize) -> Linear {
        Linear {
            weight: self.uniform(inputs, outputs),
            bias: Some(self.parameter(vec![0.0; outputs], [outputs])),
        }
    }

    /// The same without a bias.
    pub(crate) fn matrix(&mut self, inputs: usize, outputs: usize) -> Linear {
        Linear {
            weight: self.uniform(inputs, outputs),
            bias: None,
        }
    }

    /// Normalises the last axis, as if it were not there at first.
    pub(crate) fn norm(&mut self, size: usize) -> Norm {
        Norm {
            gamma: self.parameter(vec![1.0; size], [size]),
            beta: self.parameter(vec![0.0; size], [size]),
        }
    }

    /// `size` numbers of 0.
    pub(crate) fn vector(&mut self, size: usize) -> Param<Tensor<1>> {
        self.parameter(vec![0.0; size], [size])
    }

    fn uniform(&mut self, inputs: usize, outputs: usize) -> Param<Tensor<2>> {
        let limit = (3.0 / inputs as f32).sqrt();
        let weight = match &mut self.rng {
            None => vec![0.0; inputs * outputs],
            Some(rng) => (0..inputs * outputs).map(|_| rng.random_range(-limit..limit)).collect(),
        };
        self.parameter(weight, [inputs, outputs])
    }

    fn parameter<const D: usize>(&mut self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        self.made += 1;
        let values = Tensor::from_data(TensorData::new(values, shape), (self.device, DType::F32));
        let mut parameter = Param::from_tensor(values);
        parameter.id = ParamId::from(self.made);
        parameter
    }
}

/// Layer normalisation over the last axis (Ba, Kiros & Hinton 2016, eq. 4), with gain and bias.
#[derive(Module, Debug)]
pub(crate) struct Norm {
    pub(crate) gamma: Param<Tensor<1>>,
    pub(crate) beta: Param<Tensor<1>>,
}

impl Norm {
    /// As PyTorch's default.
    const EPSILON: f64 = 1e-5;

    /// `(.., d)` to `(.., d)`.
    pub(crate) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        layer_norm(x, self.gamma.val(), Some(self.beta.val()), Self::EPSILON)
    }
}
