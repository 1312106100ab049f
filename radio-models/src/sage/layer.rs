//! One layer.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::GraphSageConfig;
use crate::layers::{Norm, Parameters, Precision, relu};

/// What a layer makes of the numbers of a node's neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Aggregation {
    /// Their mean.
    #[default]
    Mean,
    /// The largest of each number.
    Max,
    /// The largest of each number after a linear layer and a cut at 0: Hamilton et al. 2017, eq. (3).
    Pool,
}

/// W₁ x + W₂ m + b, normalised, cut off at 0.
#[derive(Module, Debug)]
pub(super) struct SageLayer {
    own: Linear,
    heard: Linear,
    pool: Option<Linear>,
    norm: Option<Norm>,
}

impl SageLayer {
    pub(super) fn new(parameters: &mut Parameters<'_>, config: &GraphSageConfig, inputs: usize) -> Self {
        Self {
            own: parameters.matrix(inputs, config.hidden),
            heard: parameters.linear(inputs, config.hidden),
            pool: (config.aggregation == Aggregation::Pool).then(|| parameters.linear(inputs, inputs)),
            norm: config.norm.then(|| parameters.norm(config.hidden)),
        }
    }

    /// What neighbours hear of nodes, `(n, d)` to `(n, d)`.
    pub(super) fn spoken(&self, x: Tensor<2>, precision: Precision) -> Tensor<2> {
        match &self.pool {
            Some(pool) => relu(precision.linear(pool, x)),
            None => x,
        }
    }

    /// Of nodes and of what they heard, both `(n, d)`: `(n, hidden)`.
    pub(super) fn forward(&self, own: Tensor<2>, heard: Tensor<2>, precision: Precision) -> Tensor<2> {
        let x = self.linear(own, heard, precision);
        relu(match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        })
    }

    fn linear(&self, own: Tensor<2>, heard: Tensor<2>, precision: Precision) -> Tensor<2> {
        precision.linear(&self.own, own) + precision.linear(&self.heard, heard)
    }
}

#[cfg(all(test, any(feature = "flex", feature = "tch")))]
mod tests {
    use burn::module::{Param, ParamId};
    use burn::tensor::{Device, TensorData};
    use serde_json::Value;

    use super::super::heard::{Heard, Rectangle};
    use super::*;
    use crate::graph::Graph;

    type Outcome<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

    fn device() -> crate::Result<Device> {
        crate::device(if cfg!(feature = "flex") { "cpu" } else { "tch" })
    }

    /// Rows of numbers as a tensor; transposed, for weights: those of PyTorch are (outputs, inputs).
    fn matrix(value: &Value, transposed: bool) -> Outcome<Tensor<2>> {
        let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone())?;
        let shape = [rows.len(), rows.first().map_or(0, Vec::len)];
        let data = TensorData::new(rows.concat(), shape);
        let tensor = Tensor::from_data(data.convert::<f32>(), &device()?.autodiff());
        Ok(if transposed { tensor.transpose() } else { tensor })
    }

    fn linear(value: &Value, name: &str, id: u64) -> Outcome<Linear> {
        let parameter = |id, value| {
            let mut parameter = Param::from_tensor(value);
            parameter.id = ParamId::from(id);
            parameter
        };
        let weight = matrix(&value[format!("{name}.weight")], true)?.detach().require_grad();
        let bias = value.get(format!("{name}.bias"));
        let bias = bias.map(|bias| -> Outcome<_> {
            let bias: Vec<f32> = serde_json::from_value(bias.clone())?;
            let bias = Tensor::<1>::from_floats(bias.as_slice(), &device()?.autodiff());
            let mut parameter = Param::from_tensor(bias.require_grad());
            parameter.id = ParamId::from(id + 1);
            Ok(parameter)
        });
        Ok(Linear {
            weight: parameter(id, weight),
            bias: bias.transpose()?,
        })
    }

    fn layer(weights: &Value) -> Outcome<SageLayer> {
        let pooled = weights.get("lin.weight").is_some();
        Ok(SageLayer {
            own: linear(weights, "lin_r", 1)?,
            heard: linear(weights, "lin_l", 3)?,
            pool: if pooled { Some(linear(weights, "lin", 5)?) } else { None },
            norm: None,
        })
    }

    #[track_caller]
    fn close(found: Tensor<2>, expected: Tensor<2>) -> Outcome {
        assert_eq!(found.dims(), expected.dims());
        let most: f32 = expected.clone().abs().max().into_scalar();
        let difference: f32 = (found - expected).abs().max().into_scalar();
        assert!(difference <= 1e-5 * most.max(1.0), "{difference} of {most}");
        Ok(())
    }

    #[track_caller]
    fn same_gradients(layer: &SageLayer, expected: &Value, gradients: &burn::tensor::Gradients) -> Outcome {
        let named = [
            ("lin_r", Some(&layer.own)),
            ("lin_l", Some(&layer.heard)),
            ("lin", layer.pool.as_ref()),
        ];
        for (name, linear) in named {
            let Some(linear) = linear else { continue };
            let weight = linear.weight.val().grad(gradients).ok_or("no gradient")?;
            close(weight, matrix(&expected[format!("{name}.weight")], true)?.inner())?;
            if let Some(bias) = &linear.bias {
                let bias: Tensor<1> = bias.val().grad(gradients).ok_or("no gradient")?;
                let expected: Vec<f32> = serde_json::from_value(expected[format!("{name}.bias")].clone())?;
                let expected = Tensor::<1>::from_floats(expected.as_slice(), &device()?);
                close(bias.unsqueeze(), expected.unsqueeze())?;
            }
        }
        Ok(())
    }

    /// Outputs and gradients are those of PyTorch Geometric's SAGEConv, whichever way neighbours are laid out.
    #[test]
    fn layers_are_sage_convolutions() -> Outcome {
        let golden: Value = serde_json::from_str(include_str!("../../tests/golden/sage.json"))?;
        let nodes = golden["nodes"].as_u64().ok_or("nodes")? as usize;
        let edges: Vec<[u32; 2]> = serde_json::from_value(golden["edges"].clone())?;
        let graph = Graph::from_edges(nodes, &edges)?;
        let neighbours = |row: usize| graph.neighbours(row);
        let most = (0..nodes).map(|node| graph.degree(node)).max().unwrap_or(0);
        let by_degree = || Heard::new(nodes, neighbours);
        let rectangle = || Heard {
            parts: vec![Rectangle::new(most, (0..nodes).map(neighbours))],
            order: None,
        };
        assert!(by_degree().parts.len() > 3);
        let convolve = |layer: &SageLayer, x: Tensor<2>, heard: Heard, aggregation| -> Tensor<2> {
            let heard = heard.of(&layer.spoken(x.clone(), Precision::Full), aggregation);
            layer.linear(x, heard, Precision::Full)
        };
        let cases = [
            ("mean", Aggregation::Mean),
            ("max", Aggregation::Max),
            ("pool", Aggregation::Pool),
        ];
        for (name, aggregation) in cases {
            let case = &golden[name];
            for heard in [by_degree(), rectangle()] {
                let layer = layer(&case["weights"])?;
                let x = matrix(&golden["x"], false)?.require_grad();
                let y = convolve(&layer, x.clone(), heard, aggregation);
                close(y.clone().inner(), matrix(&case["output"], false)?.inner())?;
                let gradients = (y * matrix(&case["cotangent"], false)?).sum().backward();
                same_gradients(&layer, &case["gradients"], &gradients)?;
                close(
                    x.grad(&gradients).ok_or("no gradient")?,
                    matrix(&case["gradients"]["x"], false)?.inner(),
                )?;
            }
        }
        let case = &golden["two_layers"];
        let of_layer = |what: &str, layer: usize| {
            let numbers = case[what].as_object().into_iter().flatten();
            let prefix = format!("{layer}.");
            let numbers =
                numbers.filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?.to_owned(), value.clone())));
            Value::Object(numbers.collect())
        };
        let layers = [layer(&of_layer("weights", 0))?, layer(&of_layer("weights", 1))?];
        let x = matrix(&golden["x"], false)?.require_grad();
        let y = relu(convolve(&layers[0], x.clone(), by_degree(), Aggregation::Mean));
        let y = convolve(&layers[1], y, by_degree(), Aggregation::Mean);
        close(y.clone().inner(), matrix(&case["output"], false)?.inner())?;
        let gradients = (y * matrix(&case["cotangent"], false)?).sum().backward();
        same_gradients(&layers[0], &of_layer("gradients", 0), &gradients)?;
        same_gradients(&layers[1], &of_layer("gradients", 1), &gradients)?;
        close(
            x.grad(&gradients).ok_or("no gradient")?,
            matrix(&case["gradients"]["x"], false)?.inner(),
        )
    }
}
