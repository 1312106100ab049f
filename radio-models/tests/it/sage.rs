//! Graph networks equal their formulas, sampled or not, in parts or whole.

use std::num::NonZeroUsize;

use ndarray::Array2;
use radio_models::burn::module::Module;
use radio_models::burn::optim::GradientsParams;
use radio_models::{
    Aggregation, Error, Graph, GraphSage, GraphSageConfig, Model, NeighborSampler, NodeBatch, Position, Trainer,
    TrainerOptions,
};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::common::{Weights, all_gradients, device, normal, relative_difference};

const CLASSES: usize = 3;
const INPUTS: usize = 5;
const AGGREGATIONS: [Aggregation; 3] = [Aggregation::Mean, Aggregation::Max, Aggregation::Pool];

/// Nodes with 0 to 20 neighbours, features, and classes that follow from both; one class in ten is not known.
struct Web {
    graph: Graph,
    features: Array2<f32>,
    classes: Vec<u8>,
}

impl Web {
    fn new(seed: u64, nodes: usize) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut edges = Vec::new();
        for node in 0..nodes as u32 {
            for _ in 0..rng.random_range(0..5usize).pow(2).min(nodes) {
                edges.push([node, rng.random_range(0..nodes as u32)]);
            }
        }
        edges.sort_unstable();
        edges.dedup();
        let graph = Graph::from_edges(nodes, &edges).unwrap();
        let features = Array2::from_shape_simple_fn((nodes, INPUTS), || normal(&mut rng));
        let class = |node: usize| {
            let heard: f32 = graph
                .neighbours(node)
                .iter()
                .map(|&neighbour| features[[neighbour as usize, 0]])
                .sum();
            u8::from(features[[node, 1]] > 0.0) + u8::from(heard > 0.0)
        };
        let classes = (0..nodes).map(|node| {
            if node % 10 == 7 {
                NodeBatch::UNKNOWN
            } else {
                class(node)
            }
        });
        Self {
            classes: classes.collect(),
            graph,
            features,
        }
    }

    fn batch(&self, fan_outs: &[usize], seeds: &[u32]) -> NodeBatch<'_> {
        let sample = NeighborSampler::new(fan_outs).sample(&self.graph, seeds, 0, 0).unwrap();
        NodeBatch::new(sample, self.features.view(), &self.classes).unwrap()
    }
}

fn config(aggregation: Aggregation) -> GraphSageConfig {
    GraphSageConfig::new(INPUTS, CLASSES)
        .with_hidden(8)
        .with_layers(3)
        .with_aggregation(aggregation)
        .with_seed(3)
}

const ALL: [usize; 3] = [NeighborSampler::ALL; 3];

/// Logits in f64, node by node.
fn slow_logits(model: &GraphSage, web: &Web) -> Vec<Vec<f64>> {
    let (weights, config) = (Weights::of(model), model.config());
    let relu = |x: Vec<f64>| x.into_iter().map(|x| x.max(0.0)).collect::<Vec<_>>();
    let mut x: Vec<Vec<f64>> = web
        .features
        .outer_iter()
        .map(|row| row.iter().map(|&x| f64::from(x)).collect())
        .collect();
    for layer in 0..config.layers {
        let spoken: Vec<Vec<f64>> = match config.aggregation {
            Aggregation::Pool => x
                .iter()
                .map(|x| relu(weights.apply(&format!("layers.{layer}.pool"), x)))
                .collect(),
            _ => x.clone(),
        };
        let next = (0..x.len()).map(|node| {
            let neighbours = web.graph.neighbours(node);
            let heard: Vec<f64> = (0..x[node].len())
                .map(|i| {
                    let values = neighbours.iter().map(|&neighbour| spoken[neighbour as usize][i]);
                    match config.aggregation {
                        _ if neighbours.is_empty() => 0.0,
                        Aggregation::Mean => values.sum::<f64>() / neighbours.len() as f64,
                        _ => values.fold(f64::NEG_INFINITY, f64::max),
                    }
                })
                .collect();
            let own = weights.apply(&format!("layers.{layer}.own"), &x[node]);
            let heard = weights.apply(&format!("layers.{layer}.heard"), &heard);
            let mut y: Vec<f64> = own.iter().zip(heard).map(|(a, b)| a + b).collect();
            if config.norm {
                let n = y.len() as f64;
                let mean = y.iter().sum::<f64>() / n;
                let variance = y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n;
                let gamma = weights.vector(&format!("layers.{layer}.norm.gamma"));
                let beta = weights.vector(&format!("layers.{layer}.norm.beta"));
                for (i, y) in y.iter_mut().enumerate() {
                    *y = (*y - mean) / (variance + 1e-5).sqrt() * f64::from(gamma[i]) + f64::from(beta[i]);
                }
            }
            let given = if config.residual && layer > 0 {
                x[node].clone()
            } else {
                vec![0.0; y.len()]
            };
            relu(y).iter().zip(given).map(|(a, b)| a + b).collect()
        });
        x = next.collect();
    }
    x.iter().map(|x| weights.apply("head", x)).collect()
}

/// Σ w (−ln p) and Σ w over some nodes.
fn slow_loss(logits: &[Vec<f64>], web: &Web, nodes: &[u32], weights: &[f64]) -> (f64, f64) {
    let (mut losses, mut sum) = (0.0, 0.0);
    for &node in nodes {
        let class = web.classes[node as usize];
        if class != NodeBatch::UNKNOWN {
            let logits = &logits[node as usize];
            let all: f64 = logits.iter().map(|x| x.exp()).sum();
            losses += weights[usize::from(class)] * (all.ln() - logits[usize::from(class)]);
            sum += weights[usize::from(class)];
        }
    }
    (losses, sum)
}

#[test]
fn models_equal_their_formulas() {
    let web = Web::new(1, 150);
    let seeds: Vec<u32> = (10..40).collect();
    for aggregation in AGGREGATIONS {
        for (norm, residual) in [(true, true), (false, true), (true, false)] {
            let config = config(aggregation)
                .with_norm(norm)
                .with_residual(residual)
                .with_class_weights(Some(vec![0.5, 1.0, 3.0]));
            let model = config.init(&device()).unwrap();
            let expected = slow_logits(&model, &web);
            let found = model.logits(&web.graph, web.features.view()).unwrap();
            for (found, expected) in found.iter().zip(expected.iter().flatten()) {
                let tolerance = 1e-4 * expected.abs().max(1.0);
                assert!(
                    (f64::from(*found) - expected).abs() < tolerance,
                    "{aggregation:?} {found} {expected}"
                );
            }
            let (losses, weight) = model.loss(&web.batch(&ALL, &seeds), None).unwrap().unwrap();
            let expected = slow_loss(&expected, &web, &seeds, &[0.5, 1.0, 3.0]);
            assert!((weight - expected.1).abs() < 1e-9);
            let losses = losses.into_data().iter::<f64>().next().unwrap();
            assert!(
                (losses / expected.0 - 1.0).abs() < 1e-4,
                "{aggregation:?} {losses} {expected:?}"
            );
        }
    }
}

/// Sum of losses, weight and gradients.
fn gradients(model: &GraphSage, batch: &NodeBatch<'_>) -> (f64, f64, Vec<f64>) {
    let (losses, weight) = model.loss(batch, Some(4)).unwrap().unwrap();
    let value = losses.clone().into_data().iter::<f64>().next().unwrap();
    let gradients = GradientsParams::from_grads(losses.backward(), model);
    (value, weight, all_gradients(model, &gradients))
}

/// With all neighbours, and also with what is left out at random: 1e-6 of the length of the gradient.
#[test]
fn a_window_has_the_gradient_of_one_batch() {
    let web = Web::new(2, 400);
    let seeds: Vec<u32> = (0..256).rev().collect();
    for aggregation in AGGREGATIONS {
        let config = config(aggregation)
            .with_dropout(0.3)
            .with_class_weights(Some(vec![1.0, 0.7, 2.0]));
        let model = config.init(&device()).unwrap().train();
        let whole = gradients(&model, &web.batch(&ALL, &seeds));
        let (mut value, mut weight, mut sum) = (0.0, 0.0, vec![0.0; whole.2.len()]);
        for seeds in seeds.chunks(4) {
            let part = gradients(&model, &web.batch(&ALL, seeds));
            value += part.0;
            weight += part.1;
            sum.iter_mut().zip(part.2).for_each(|(sum, x)| *sum += x);
        }
        assert!((value / whole.0 - 1.0).abs() < 1e-6 && (weight / whole.1 - 1.0).abs() < 1e-9);
        let relative = relative_difference(&sum, &whole.2);
        assert!(relative < 1e-6, "{aggregation:?} {relative}");
    }
}

/// A trainer may work on parts of a batch side by side: its step is that of the whole.
#[test]
fn a_step_in_parts_is_a_step() {
    let mut web = Web::new(3, 6000);
    web.graph = Graph::from_edges(6000, &(0..6000).map(|node| [node, node / 3]).collect::<Vec<_>>()).unwrap();
    let seeds: Vec<u32> = (0..1000).map(|i| 5 * i).collect();
    let model = config(Aggregation::Mean).with_dropout(0.2).init(&device()).unwrap();
    let batch = web.batch(&[2, 2, 2], &seeds);
    let mut trainer = Trainer::new(TrainerOptions::default(), model).unwrap();
    // The draw of a step is the number of steps before it.
    for _ in 0..4 {
        trainer.accumulate(&batch).unwrap();
        trainer.update().unwrap();
    }
    let model = trainer.model().train();
    let expected = gradients(&model, &batch);
    trainer.accumulate(&batch).unwrap();
    let record = trainer.update().unwrap().unwrap();
    let length = expected.2.iter().map(|x| x * x).sum::<f64>().sqrt() / expected.1;
    assert!((f64::from(record.loss) / (expected.0 / expected.1) - 1.0).abs() < 1e-5);
    assert!((f64::from(record.gradient_norm) / length - 1.0).abs() < 1e-5);
}

fn passes(
    web: &Web,
    position: Position,
) -> radio_models::Result<impl Iterator<Item = radio_models::Result<NodeBatch<'_>>>> {
    let seeds: Vec<u32> = (0..200).collect();
    let size = NonZeroUsize::new(16).unwrap();
    let samples = NeighborSampler::new(&[4, 3, 2]).batches(&web.graph, &seeds, size, position)?;
    Ok(samples.map(|sample| NodeBatch::new(sample?, web.features.view(), &web.classes)))
}

#[test]
fn it_learns_and_a_resumed_training_is_an_uninterrupted_one() {
    let web = Web::new(4, 300);
    let validation = || Ok(vec![Ok(web.batch(&ALL, &(200..300).collect::<Vec<_>>()))]);
    let options = TrainerOptions::default()
        .with_steps(60)
        .with_accumulate(2)
        .with_learning_rate(0.01)
        .with_validate_every(10)
        .with_checkpoint_every(5);
    let train = |mut trainer: Trainer<GraphSage>, folder: &std::path::Path, stop: usize| {
        let fitted = trainer.fit(
            |position| {
                // Fails after some steps, as if the machine had.
                let end = Error::Busy { path: "machine".into() };
                let batches = passes(&web, position)?;
                let taken = 16 * position.epoch + position.batch;
                Ok(batches
                    .take(stop.saturating_sub(taken as usize))
                    .chain(std::iter::once(Err(end)).filter(move |_| stop < 10_000)))
            },
            validation,
            folder,
            |_| {},
        );
        (fitted, trainer)
    };
    let new = || {
        let model = config(Aggregation::Mean).with_dropout(0.1).init(&device()).unwrap();
        Trainer::new(options.clone(), model).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let (fitted, trainer) = train(new(), folder.path(), 10_000);
    fitted.unwrap();
    let records = trainer.history().records().to_vec();
    let losses: Vec<f32> = records.iter().map(|record| record.loss).collect();
    assert!(
        losses[50..].iter().sum::<f32>() < 0.8 * losses[..10].iter().sum::<f32>(),
        "{losses:?}"
    );
    let expected = trainer.finish().fingerprint().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let (fitted, _) = train(new(), folder.path(), 15);
    assert!(matches!(fitted, Err(Error::Batch { .. })));
    let resumed = Trainer::resume(folder.path(), &device()).unwrap();
    assert_eq!(resumed.steps(), 5);
    let (fitted, resumed) = train(resumed, folder.path(), 10_000);
    fitted.unwrap();
    assert_eq!(resumed.history().records(), records);
    assert_eq!(resumed.finish().fingerprint().unwrap(), expected);
}

#[test]
fn models_come_back_as_they_went() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sage.safetensors");
    let web = Web::new(5, 50);
    for aggregation in AGGREGATIONS {
        let config = config(aggregation).with_class_weights(Some(vec![1.0, 2.0, 3.0]));
        let model = config.init(&device()).unwrap();
        model.save(&path).unwrap();
        let loaded = GraphSage::load(&path, &device()).unwrap();
        assert_eq!(loaded.config(), model.config());
        let logits = |model: &GraphSage| model.logits(&web.graph, web.features.view()).unwrap();
        assert_eq!(logits(&loaded), logits(&model));
    }
    let error = radio_models::ConvAutoencoder::load(&path, &device()).unwrap_err();
    assert!(error.to_string().contains("graph-sage"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let web = Web::new(6, 30);
    let model = config(Aggregation::Mean).init(&device()).unwrap();
    let refused = |result: radio_models::Result<_>| -> String {
        match result {
            Ok(Some(_) | None) => panic!("it was taken"),
            Err(error) => error.to_string(),
        }
    };
    let hops = refused(model.loss(&web.batch(&[3, 3], &[1]), None));
    assert!(
        hops.contains("hops") && hops.contains("[5, 2]") && hops.contains("[5, 3]"),
        "{hops}"
    );
    let sample = || NeighborSampler::new(&ALL).sample(&web.graph, &[1, 2], 0, 0).unwrap();
    let narrow = Array2::zeros((30, 4));
    let batch = NodeBatch::new(sample(), narrow.view(), &web.classes).unwrap();
    assert!(refused(model.loss(&batch, None)).contains("features"));
    let mut classes = web.classes.clone();
    classes[2] = 3;
    let batch = NodeBatch::new(sample(), web.features.view(), &classes).unwrap();
    let class = refused(model.loss(&batch, None));
    assert!(class.contains("3 for node 2"), "{class}");
    assert!(NodeBatch::new(sample(), web.features.view(), &classes[1..]).is_err());
    assert!(NodeBatch::new(sample(), web.features.slice(ndarray::s![..2, ..]), &classes[..2]).is_err());
    let columns = web.features.t().as_standard_layout().to_owned();
    let error = NodeBatch::new(sample(), columns.t(), &web.classes)
        .unwrap_err()
        .to_string();
    assert!(error.contains("row-major"), "{error}");
    assert!(model.logits(&web.graph, columns.t()).is_err());
    assert!(model.logits(&web.graph, narrow.view()).is_err());
    for config in [
        config(Aggregation::Mean).with_dropout(1.0),
        config(Aggregation::Mean).with_layers(0),
        config(Aggregation::Mean).with_class_weights(Some(vec![1.0])),
        config(Aggregation::Mean).with_class_weights(Some(vec![1.0, f32::NAN, 1.0])),
        GraphSageConfig::new(5, 256),
        GraphSageConfig::new(usize::MAX, 2),
    ] {
        config.init(&device()).unwrap_err();
    }
    // Nothing to learn from is no error.
    let unknown = vec![NodeBatch::UNKNOWN; 30];
    let batch = NodeBatch::new(sample(), web.features.view(), &unknown).unwrap();
    assert!(model.loss(&batch, None).unwrap().is_none());
    let empty = Graph::from_edges(0, &[]).unwrap();
    assert_eq!(
        model.logits(&empty, Array2::zeros((0, 5)).view()).unwrap().dim(),
        (0, 3)
    );
}

/// Of all numbers about the part that is asked for is left out, and the mean stays.
#[test]
fn dropout_keeps_the_mean() {
    let web = Web::new(7, 400);
    let seeds: Vec<u32> = (0..400).collect();
    let model = |dropout| {
        let config = config(Aggregation::Mean)
            .with_layers(1)
            .with_norm(false)
            .with_dropout(dropout);
        config.init(&device()).unwrap()
    };
    let loss = |model: &GraphSage, draw| {
        let (losses, _) = model.loss(&web.batch(&ALL[..1], &seeds), draw).unwrap().unwrap();
        losses.into_data().iter::<f64>().next().unwrap()
    };
    let expected = loss(&model(0.0), Some(1));
    assert!(
        (loss(&model(0.5), None) - expected).abs() < 1e-9,
        "none is left out without a draw"
    );
    let drawn: Vec<f64> = (0..20).map(|draw| loss(&model(0.05), Some(draw))).collect();
    assert!(drawn[0] != drawn[1]);
    let mean = drawn.iter().sum::<f64>() / 20.0;
    assert!((mean / expected - 1.0).abs() < 0.02, "{mean} {expected}");
}
