//! Classes of all nodes, layer by layer.

use burn::module::Module as _;
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::GraphSage;
use super::layer::Aggregation;
use crate::error::{Error, Result, check_shape};
use crate::graph::Graph;
use crate::model::{Model as _, read, upload};

/// Nodes that go through a layer together.
const NODES: usize = 4096;

impl GraphSage {
    /// What the model says of each node of a graph, hearing all neighbours: logarithms of odds up to a number for each node, `(n, classes)`. Their softmax
    /// are probabilities.
    ///
    /// Layer by layer, so that nothing is computed twice.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where there are not the features of the model for each node, [`Error::Option`] where they are not row-major,
    /// [`Error::Execution`] where the device fails.
    ///
    /// # Complexity
    ///
    /// O(layers (edges + n hidden) hidden). Beside graph and features 4 bytes for each of the `hidden` numbers of each node; twice as
    /// much from the third layer on, and with [`Aggregation::Pool`] from the second.
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference already")]
    pub fn logits(&self, graph: &Graph, features: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let config = &self.about.config;
        let nodes = graph.nodes();
        let help = "the features of the model for each node";
        check_shape("features", features.shape(), &[nodes, config.inputs], help)?;
        let features = features
            .to_slice()
            .ok_or_else(|| Error::option("features", "an array in another order", "row-major"))?;
        let model = self.valid();
        let mut x: Option<Vec<f32>> = None;
        for depth in 0..model.layers.len() {
            let given = x.as_deref().unwrap_or(features);
            x = Some(model.layer_of_all(depth, graph, given)?);
        }
        let logits = x.unwrap_or_default();
        Array2::from_shape_vec((nodes, config.classes), logits)
            .map_err(|e| Error::execution("collecting classes of nodes", e))
    }

    /// What a layer makes of all nodes, `(n, hidden)`; the last one with the logits of it, `(n, classes)`.
    fn layer_of_all(&self, depth: usize, graph: &Graph, given: &[f32]) -> Result<Vec<f32>> {
        let (config, device, layer) = (&self.about.config, self.device(), &self.layers[depth]);
        let (inputs, last) = (config.inputs_of(depth), depth + 1 == self.layers.len());
        let spoken = match config.aggregation {
            Aggregation::Pool => Some(of_chunks(given, inputs, inputs, |_, rows| {
                let rows = upload(rows.to_vec(), [rows.len() / inputs, inputs], &device);
                layer.spoken(rows, self.about.precision)
            })?),
            Aggregation::Mean | Aggregation::Max => None,
        };
        let spoken = spoken.as_deref().unwrap_or(given);
        let outputs = if last { config.classes } else { config.hidden };
        of_chunks(given, inputs, outputs, |first, rows| {
            let count = rows.len() / inputs;
            let mut heard = vec![0.0; rows.len()];
            for (row, heard) in heard.chunks_exact_mut(inputs).enumerate() {
                let neighbours = graph.neighbours(first + row).iter().copied();
                config.aggregation.of_row(spoken, neighbours, heard);
            }
            let own = upload(rows.to_vec(), [count, inputs], &device);
            let heard = upload(heard, [count, inputs], &device);
            let made = layer.forward(own.clone(), heard, self.about.precision);
            let made = config.joined(depth, own, made);
            if last {
                self.about.precision.linear(&self.head, made)
            } else {
                made
            }
        })
    }
}

/// Applies something to some rows at a time, given the number of the first: `(n, inputs)` to `(n, outputs)`.
fn of_chunks(
    given: &[f32],
    inputs: usize,
    outputs: usize,
    apply: impl Fn(usize, &[f32]) -> burn::Tensor<2> + Sync,
) -> Result<Vec<f32>> {
    let mut made = vec![0.0; given.len() / inputs * outputs];
    let chunks = given
        .par_chunks(NODES * inputs)
        .zip(made.par_chunks_mut(NODES * outputs))
        .enumerate();
    chunks.try_for_each(|(chunk, (given, made))| {
        let numbers = read(apply(chunk * NODES, given), "computing classes of nodes")?;
        made.copy_from_slice(&numbers);
        Ok(())
    })?;
    Ok(made)
}
