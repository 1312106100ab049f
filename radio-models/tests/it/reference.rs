//! Both models do what their twins in PyTorch do on the same weights: reconstructions, losses and gradients.

use std::fs;

use ndarray::{Array2, Array3};
use radio_models::burn::module::{ModuleVisitor, Param};
use radio_models::burn::optim::GradientsParams;
use radio_models::burn::tensor::Tensor;
use radio_models::{
    Autoencoder, ConvAutoencoderConfig, MaskedAutoencoder, MaskedAutoencoderConfig, Trainer, TrainerOptions,
};
use serde_json::Value;

use crate::common::{Batch, device};

/// Of the largest number of an array. The twins have double precision, and what differs is our rounding of 6e-8: on `flex`
/// 1.4e-6 at most was found. 1e-4 leaves room for devices that add up in another order; a wrong term shows above it.
const TOLERANCE: f64 = 1e-4;

#[test]
fn the_conv_autoencoder_is_its_twin() {
    let config = ConvAutoencoderConfig::new(5, 8)
        .with_width(6)
        .with_hidden(12)
        .with_latent(3);
    check("conv", &config.init(&device()).unwrap());
}

#[test]
fn the_masked_autoencoder_is_its_twin() {
    check("masked", &masked());
}

#[test]
fn a_batch_in_parts_trains_as_one() {
    let golden = golden("masked");
    let batch = batch(&golden);
    let losses = |copies: usize| {
        let rows: Vec<usize> = (0..batch.ids.len()).cycle().take(copies * batch.ids.len()).collect();
        let many = batch.select(&rows);
        let mut trainer = Trainer::new(TrainerOptions::default(), masked()).unwrap();
        let losses = (0..3).map(|_| f64::from(trainer.step(&many.tokens()).unwrap().unwrap()));
        losses.collect::<Vec<_>>()
    };
    for (one, many) in losses(1).into_iter().zip(losses(8)) {
        assert!((one - many).abs() <= TOLERANCE * one, "{one} {many}");
    }
}

fn masked() -> MaskedAutoencoder {
    let config = MaskedAutoencoderConfig::new(9, 4)
        .with_width(8)
        .with_heads(2)
        .with_encoder(2)
        .with_expansion(2)
        .with_seed(7);
    config.init(&device()).unwrap()
}

fn golden(case: &str) -> Value {
    // Made by tests/reference/autoencoders.py with torch 2.9.0 and numpy 2.2.6.
    let golden: Value = serde_json::from_str(include_str!("../reference/autoencoders.json")).unwrap();
    golden[case].clone()
}

fn check<M: Autoencoder>(case: &str, model: &M) {
    let golden = &golden(case);
    let model = with_weights(model, &golden["weights"]);
    let batch = batch(golden);

    // So many copies that they are computed in parts.
    let rows: Vec<usize> = (0..batch.ids.len()).cycle().take(70).collect();
    let many = batch.select(&rows);
    let made = model.reconstruct(&many.tokens()).unwrap();
    // Row by row: some have larger numbers than others.
    let made = made.values.outer_iter().zip(made.latent.outer_iter());
    for (row, (values, latent)) in rows.into_iter().zip(made) {
        for (name, made) in [
            ("reconstruction", values.iter().copied().collect::<Vec<_>>()),
            ("latent", latent.to_vec()),
        ] {
            let numbers = numbers(&golden[name]);
            let start = row * made.len();
            close(
                &format!("{name} of row {row}"),
                &made,
                &numbers[start..start + made.len()],
            );
        }
    }

    let model = model.train();
    let number = |name: &str| golden[name].as_f64().unwrap();
    let draw = golden["draw"].as_u64().unwrap();
    let loss = model.loss(&batch.tokens(), number("sigma_floor") as f32, draw).unwrap();
    let (loss, count) = loss.unwrap();
    assert_eq!(count as u64, golden["count"].as_u64().unwrap());
    close("loss", &[loss.clone().into_scalar()], &[number("loss")]);
    let mut gradients = Gradients {
        made: &GradientsParams::from_grads(loss.backward(), &model),
        expected: &golden["gradients"],
        path: Vec::new(),
        checked: 0,
    };
    model.visit(&mut gradients);
    assert_eq!(gradients.checked, golden["gradients"].as_object().unwrap().len());
}

/// The same model with other weights, by way of its file.
fn with_weights<M: Autoencoder>(model: &M, weights: &Value) -> M {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    model.save(&path).unwrap();
    let mut file = fs::read(&path).unwrap();
    let start = 8 + u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&file[8..start]).unwrap();
    header.as_object_mut().unwrap().remove("__metadata__");
    assert_eq!(header.as_object().unwrap().len(), weights.as_object().unwrap().len());
    for (name, tensor) in header.as_object().unwrap() {
        assert_eq!(tensor["shape"], weights[name]["shape"], "{name}");
        let [from, to] = [0, 1].map(|end| start + tensor["data_offsets"][end].as_u64().unwrap() as usize);
        let numbers = numbers(&weights[name]).into_iter();
        let bytes: Vec<u8> = numbers.flat_map(|x| (x as f32).to_le_bytes()).collect();
        file[from..to].copy_from_slice(&bytes);
    }
    fs::write(&path, file).unwrap();
    M::load(&path, &device()).unwrap()
}

fn batch(golden: &Value) -> Batch {
    let ids: Vec<i64> = golden["ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_i64().unwrap())
        .collect();
    let size = |axis: usize| golden["values"]["shape"][axis].as_u64().unwrap() as usize;
    let shape = (size(0), size(1), size(2));
    let pixels = |name: &str| {
        let numbers = numbers(&golden[name]).into_iter().map(|x| x as f32);
        Array3::from_shape_vec(shape, numbers.collect()).unwrap()
    };
    Batch {
        values: pixels("values"),
        errors: pixels("errors"),
        wavelength: Array2::from_shape_vec((shape.0, shape.1), numbers(&golden["wavelength"])).unwrap(),
        snr: vec![1.0; ids.len()],
        ids,
    }
}

/// The numbers of an array of the golden file, row-major; null is NaN.
fn numbers(array: &Value) -> Vec<f64> {
    let data = array["data"].as_array().unwrap();
    data.iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

#[track_caller]
fn close(name: &str, made: &[f32], expected: &[f64]) {
    assert_eq!(made.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    let worst = made.iter().zip(expected).map(|(&x, y)| (f64::from(x) - y).abs());
    let worst = worst.fold(0.0, |worst, x| if x > worst || x.is_nan() { x } else { worst });
    // The latent vector of a dead row is exactly 0 in a masked autoencoder.
    assert!(worst <= TOLERANCE * largest, "{name}: {worst} beside {largest}");
}

struct Gradients<'a> {
    made: &'a GradientsParams,
    expected: &'a Value,
    path: Vec<String>,
    checked: usize,
}

impl ModuleVisitor for Gradients<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.join(".");
        let made = self.made.get::<D>(param.id).unwrap().into_data();
        let expected = numbers(&self.expected[&name]);
        close(&format!("gradient of {name}"), made.as_slice().unwrap(), &expected);
        self.checked += 1;
    }
}
