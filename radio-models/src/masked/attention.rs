//! Blocks of a transformer.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;

use super::MaskedAutoencoderConfig;
use crate::layers::{Norm, Parameters, Precision, relu};

/// Attention and two linear layers, each added to what came in, each after a normalisation.
#[derive(Module, Debug)]
pub(super) struct Block {
    attention_norm: Norm,
    query: Linear,
    key_value: Linear,
    attention_out: Linear,
    hidden_norm: Norm,
    hidden: Linear,
    hidden_out: Linear,
    #[module(skip)]
    heads: usize,
}

impl Block {
    pub(super) fn new(parameters: &mut Parameters<'_>, config: &MaskedAutoencoderConfig) -> Self {
        let (width, wide) = (config.width, config.width * config.expansion);
        Self {
            attention_norm: parameters.norm(width),
            query: parameters.linear(width, width),
            key_value: parameters.linear(width, 2 * width),
            attention_out: parameters.linear(width, width),
            hidden_norm: parameters.norm(width),
            hidden: parameters.linear(width, wide),
            hidden_out: parameters.linear(wide, width),
            heads: config.heads,
        }
    }

    /// Tokens `(n, k, d)` look at each other; `bias`, `(n, 1, 1, k)`, is far below 0 for those that nobody may look at, if
    /// there are such.
    pub(super) fn self_attention(&self, x: Tensor<3>, bias: Option<&Tensor<4>>, precision: Precision) -> Tensor<3> {
        let normed = self.attention_norm.forward(x.clone());
        let queries = linear(&self.query, normed.clone(), precision);
        let x = x + self.attention(queries, normed, bias, precision);
        self.feed_forward(x, precision)
    }

    /// What tokens `(n, t, d)` ask for, of the same shape.
    pub(super) fn queries(&self, x: Tensor<3>, precision: Precision) -> Tensor<3> {
        linear(&self.query, self.attention_norm.forward(x), precision)
    }

    /// Tokens `(n, t, d)` with these `queries` look at `others`, `(n, k, d)`.
    pub(super) fn cross_attention(
        &self,
        x: Tensor<3>,
        queries: Tensor<3>,
        others: Tensor<3>,
        bias: Option<&Tensor<4>>,
        precision: Precision,
    ) -> Tensor<3> {
        let x = x + self.attention(queries, others, bias, precision);
        self.feed_forward(x, precision)
    }

    fn feed_forward(&self, x: Tensor<3>, precision: Precision) -> Tensor<3> {
        let hidden = linear(&self.hidden, self.hidden_norm.forward(x.clone()), precision);
        x + linear(&self.hidden_out, relu(hidden), precision)
    }

    /// softmax(Q Kᵀ / √d_h + bias) V for each head (Vaswani et al. 2017, eq. 1).
    fn attention(
        &self,
        queries: Tensor<3>,
        others: Tensor<3>,
        bias: Option<&Tensor<4>>,
        precision: Precision,
    ) -> Tensor<3> {
        let ([rows, places, width], [_, keys, _]) = (queries.dims(), others.dims());
        let (heads, size) = (self.heads, width / self.heads);
        let query = queries / (size as f32).sqrt();
        let query = query.reshape([rows, places, heads, size]).swap_dims(1, 2); // (n, h, t, d_h)
        let key_value = linear(&self.key_value, others, precision).reshape([rows, keys, 2 * heads, size]);
        let key_value = key_value.swap_dims(1, 2); // (n, 2 h, k, d_h), without a copy
        let (key, value) = (key_value.clone().narrow(1, 0, heads), key_value.narrow(1, heads, heads));
        let mut scores = precision.product(query, key.swap_dims(2, 3)); // (n, h, t, k)
        if let Some(bias) = bias {
            scores = scores + bias.clone();
        }
        let mixed = mixed(scores, value, precision); // (n, h, t, d_h)
        let mixed = mixed.swap_dims(1, 2).reshape([rows, places, width]); // (n, t, d)
        linear(&self.attention_out, mixed, precision)
    }
}

/// softmax(scores) V: `(n, h, t, k)` and `(n, h, k, d_h)` to `(n, h, t, d_h)`.
fn mixed(scores: Tensor<4>, value: Tensor<4>, precision: Precision) -> Tensor<4> {
    #[cfg(feature = "tch")]
    let scores = match crate::tch::softmax(scores) {
        Ok(weights) => return precision.product(weights, value),
        Err(scores) => scores,
    };
    // Where the largest is 0 no exponential is infinite. The product is smaller than what a softmax would divide.
    let largest = scores.clone().detach().max_dim(3);
    let weights = (scores - largest).exp();
    let sums = weights.clone().sum_dim(3); // (n, h, t, 1)
    precision.product(weights, value) / sums
}

/// A linear layer on the last axis, as one matrix product: `(n, t, a)` to `(n, t, b)`.
pub(super) fn linear(layer: &Linear, x: Tensor<3>, precision: Precision) -> Tensor<3> {
    let [rows, places, width] = x.dims();
    let x = precision.linear(layer, x.reshape([rows * places, width])); // (n t, b)
    let outputs = x.dims()[1];
    x.reshape([rows, places, outputs])
}
