//! Models on disk: safetensors, with the configuration in the header.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use burn::config::Config as _;
use burn::module::{ModuleVisitor, Param};
use burn::store::SafetensorsStore;
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::hash::Fnv;
use crate::layers::Parameters;
use crate::model::{Model, Origin, Sizes, read};

const ARCHITECTURE_KEY: &str = "radio.architecture";
const CONFIG_KEY: &str = "radio.config";
const ORIGIN_KEY: &str = "radio.origin";
const CALIBRATION_KEY: &str = "radio.calibration";
/// Our headers have some KiB, with a calibration some MiB; a longer one is not ours, and must not make us allocate what it
/// claims.
const LONGEST_HEADER: u64 = 1 << 26;

/// Writes a model, and what its results are calibrated by where there is such.
pub(crate) fn save<M: Model>(model: &M, calibration: Option<&impl Serialize>, path: &Path) -> Result<()> {
    let json = |value: serde_json::Result<String>| value.map_err(|e| Error::file("write the model", path, e));
    let mut store = SafetensorsStore::from_file(path)
        .overwrite(true)
        .metadata(ARCHITECTURE_KEY, M::ARCHITECTURE)
        .metadata(CONFIG_KEY, burn::config::config_to_json(model.config()))
        .metadata(ORIGIN_KEY, json(serde_json::to_string(model.origin()))?);
    if let Some(calibration) = calibration {
        store = store.metadata(CALIBRATION_KEY, json(serde_json::to_string(calibration))?);
    }
    // A model in training is stored as the model that it is now.
    model
        .valid()
        .save_into(&mut store)
        .map_err(|e| Error::file("write the model", path, e))
}

/// Reads what [`save`] wrote.
pub(crate) fn load<M: Model, C: DeserializeOwned>(path: &Path, device: &Device) -> Result<(M, Option<C>)> {
    let header = read_header::<M, C>(path)?;
    let mut model = header.config.build(&mut Parameters::zeros(device));
    model
        .load_from(&mut SafetensorsStore::from_file(path))
        .map_err(|e| Error::Model {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
    Ok((model.with_origin(header.origin), header.calibration))
}

/// A hash of the weights and their shapes.
pub(crate) fn fingerprint<M: Model>(model: &M) -> Result<String> {
    let mut weights = Weights {
        hash: Fnv::new(),
        failed: None,
    };
    model.visit(&mut weights);
    match weights.failed {
        Some(error) => Err(error),
        None => Ok(weights.hash.to_string()),
    }
}

struct Weights {
    hash: Fnv,
    failed: Option<Error>,
}

impl ModuleVisitor for Weights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let weight = param.val();
        for size in weight.dims() {
            self.hash.update(&(size as u64).to_le_bytes());
        }
        match read(weight, "reading weights") {
            Ok(weight) => weight.iter().for_each(|x| self.hash.update(&x.to_le_bytes())),
            Err(error) => self.failed = Some(error),
        }
    }
}

struct Header<S, C> {
    config: S,
    origin: Origin,
    calibration: Option<C>,
}

/// Reads the header and checks that the file holds as many weights as its configuration needs.
///
/// Only then may anything be allocated by what the configuration says.
fn read_header<M: Model, C: DeserializeOwned>(path: &Path) -> Result<Header<M::Config, C>> {
    let cannot_read = |e: std::io::Error| Error::file("read the model", path, e);
    let not_a_model = |reason: &str| Error::Model {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };

    let mut file = File::open(path).map_err(cannot_read)?;
    let file_length = file.metadata().map_err(cannot_read)?.len();
    let mut length = [0; 8];
    if file_length < length.len() as u64 {
        return Err(not_a_model("the file is too short"));
    }
    file.read_exact(&mut length).map_err(cannot_read)?;
    let header_length = u64::from_le_bytes(length);
    let weights_length = file_length
        .checked_sub(8)
        .and_then(|rest| rest.checked_sub(header_length));
    let Some(weights_length) = weights_length.filter(|_| header_length <= LONGEST_HEADER) else {
        return Err(not_a_model("it does not begin with a safetensors header of ours"));
    };
    let mut header = Vec::new();
    file.take(header_length).read_to_end(&mut header).map_err(cannot_read)?;

    let header: serde_json::Value =
        serde_json::from_slice(&header).map_err(|_| not_a_model("its header is not JSON"))?;
    let metadata = &header["__metadata__"];
    let architecture = &metadata[ARCHITECTURE_KEY];
    if architecture != M::ARCHITECTURE {
        let reason = format!("its architecture is {architecture}, not {:?}", M::ARCHITECTURE);
        return Err(not_a_model(&reason));
    }
    let config = metadata[CONFIG_KEY].as_str().unwrap_or_default();
    let config = M::Config::load_binary(config.as_bytes())
        .map_err(|e| not_a_model(&format!("its configuration cannot be read: {e}")))?;
    config
        .check()
        .map_err(|e| not_a_model(&format!("in its configuration, {e}")))?;
    let needed = config
        .parameters()
        .map_or(u64::MAX, |n| n as u64 * size_of::<f32>() as u64);
    if weights_length != needed {
        let reason = format!("it has {weights_length} bytes of weights, its configuration needs {needed}");
        return Err(not_a_model(&reason));
    }
    let part = |key: &str| metadata[key].as_str().unwrap_or("null");
    let origin: Option<Origin> =
        serde_json::from_str(part(ORIGIN_KEY)).map_err(|e| not_a_model(&format!("its origin cannot be read: {e}")))?;
    let calibration: Option<C> = serde_json::from_str(part(CALIBRATION_KEY))
        .map_err(|e| not_a_model(&format!("its calibration cannot be read: {e}")))?;
    Ok(Header {
        config,
        origin: origin.unwrap_or_default(),
        calibration,
    })
}

/// A hash of what is written as JSON.
pub(crate) fn hash_of(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_vec(value).map_err(|e| Error::execution("hashing", e))?;
    Ok(Fnv::of(&text).to_string())
}
