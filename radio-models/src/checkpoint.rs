//! Models on disk: safetensors, with the configuration in the header.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use burn::config::Config;
use burn::module::Module;
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::Device;

use crate::autoencoder::{PatchAutoencoder, PatchAutoencoderConfig, read};
use crate::error::{Error, Result};

/// What the header calls this architecture.
const ARCHITECTURE: &str = "patch-autoencoder";
const ARCHITECTURE_KEY: &str = "radio.architecture";
const CONFIG_KEY: &str = "radio.config";
/// Our headers have about 1 KiB; a longer one is not ours, and must not make us allocate what it claims.
const LONGEST_HEADER: u64 = 1 << 20;

impl PatchAutoencoder {
    /// Writes weights and configuration to one safetensors file, in place of what is there.
    ///
    /// The file appears under its name when it is complete. Any safetensors reader can open it.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use radio_models::{PatchAutoencoder, PatchAutoencoderConfig, device};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("model.safetensors");
    /// let model = PatchAutoencoderConfig::new(10, 8).init(&device("cpu")?)?;
    /// model.save(&path)?;
    /// let same = PatchAutoencoder::load(&path, &device("cpu")?)?;
    /// assert_eq!(same.config(), model.config());
    /// assert_eq!(same.fingerprint()?, model.fingerprint()?);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut store = SafetensorsStore::from_file(path)
            .overwrite(true)
            .metadata(ARCHITECTURE_KEY, ARCHITECTURE)
            .metadata(CONFIG_KEY, burn::config::config_to_json(self.config()));
        // A model in training is stored as the model that it is now.
        self.valid()
            .save_into(&mut store)
            .map_err(|e| Error::file("write the model", path, e))
    }

    /// Reads a model that [`save`](Self::save) wrote, onto `device`.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the file cannot be read, [`Error::Model`] where it is something else or damaged.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let path = path.as_ref();
        let config = read_config(path)?;
        let mut model = config.zeros(device);
        model
            .load_from(&mut SafetensorsStore::from_file(path))
            .map_err(|e| Error::Model {
                path: path.to_owned(),
                reason: e.to_string(),
            })?;
        Ok(model)
    }

    /// A hash of the weights and their shapes, 16 hexadecimal digits: equal for equal models, on every device.
    ///
    /// Made to tell which model a score came from (FNV-1a, 64 bit), not to withstand forgery.
    ///
    /// # Errors
    ///
    /// [`Error::Execution`] where the weights cannot be read from the device.
    pub fn fingerprint(&self) -> Result<String> {
        let mut hash = Fnv::new();
        for layer in self.layers() {
            let action = "reading weights";
            let weight = layer.weight.val();
            weight
                .dims()
                .iter()
                .for_each(|&size| hash.update(&(size as u64).to_le_bytes()));
            read(weight, action)?.iter().for_each(|x| hash.update(&x.to_le_bytes()));
            if let Some(bias) = &layer.bias {
                read(bias.val(), action)?
                    .iter()
                    .for_each(|x| hash.update(&x.to_le_bytes()));
            }
        }
        Ok(format!("{:016x}", hash.0))
    }
}

/// Reads the configuration from the header and checks that the file holds as many weights as it needs.
///
/// Only then may anything be allocated by what the configuration says.
fn read_config(path: &Path) -> Result<PatchAutoencoderConfig> {
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
    if metadata[ARCHITECTURE_KEY] != ARCHITECTURE {
        return Err(not_a_model("its header names another architecture, or none"));
    }
    let config = metadata[CONFIG_KEY].as_str().unwrap_or_default();
    let config = PatchAutoencoderConfig::load_binary(config.as_bytes())
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
    Ok(config)
}

/// The 64-bit hash of Fowler, Noll and Vo, variant 1a.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
