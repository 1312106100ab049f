//! Autoencoders for survey spectra with anomaly scores that know about errors, and graph networks for the cosmic web.
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use ndarray::{Array2, Array3};
//! use radio_models::{AnomalyScorer, ConvAutoencoderConfig, Tokens, Trainer, TrainerOptions, device};
//!
//! // 16 spectra of 10 tokens with 8 pixels; radio-tokenize makes such arrays.
//! let flux = Array3::from_shape_fn((16, 10, 8), |(row, token, _)| 1.0 + 0.01 * (row * token) as f32);
//! let sigma = Array3::from_elem((16, 10, 8), 0.1);
//! let wavelength = Array2::from_shape_fn((16, 10), |(_, token)| 4000.0 + 100.0 * token as f64);
//! let (ids, snr): (Vec<i64>, _) = ((0..16).collect(), [10.0; 16]);
//! let tokens = Tokens::new(&ids, flux.view(), sigma.view(), wavelength.view(), &snr)?;
//!
//! let model = ConvAutoencoderConfig::new(10, 8).init(&device("cpu")?)?;
//! let mut trainer = Trainer::new(TrainerOptions::default().with_steps(200), model)?;
//! for _ in 0..200 {
//!     trainer.step(&tokens)?; // in real life, another batch each time
//! }
//! let scores = AnomalyScorer::new(trainer.finish()).score(&tokens)?;
//! assert!(scores.rows.iter().all(|row| row.score < Some(0.2)));
//! # }
//! # Ok::<(), radio_models::Error>(())
//! ```
//!
//! # Features
//!
//! Each is a library that computes; any can be on together, and [`device`] chooses by name at run time. Without any
//! the crate compiles, but nothing can be trained.
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `flex` | yes | the CPU, in pure Rust |
//! | `tch` | no | LibTorch, CPU and CUDA; needs a LibTorch when it is built; burn drops it after 0.22 |
//! | `vulkan` | no | any graphics card through Vulkan |
//! | `wgpu` | no | any graphics card through the graphics API that the machine offers |
//! | `cuda` | no | NVIDIA cards through CubeCL; its build downloads an LLVM |
//! | `datafusion` | no | `AnomalyScorer::into_udf`: a scorer as a function of DataFusion, for the workers of radio-io's cluster |
//! | `mock` | no | mock universes whose cosmic web is known |
//! | `petgraph` | no | graphs to and from petgraph |
//!
//! # Graphs
//!
//! [`Graph`] holds who is next to whom among millions of galaxies, [`NeighborSampler`] draws parts of it, and [`GraphSage`] learns from them
//! what a node is. [`web`] finds voids, sheets, filaments and knots with it.
//!
//! # What it is not
//!
//! It reads no survey and no catalogue: spectra come in as [`Tokens`], which borrow plain arrays, and scores leave as
//! Arrow or Parquet. It is no framework for training: batches come from the caller's reader, with the
//! caller's errors. And a high score is not a discovery: it says that the model has not seen the like,
//! which is true of sky lines and cosmic rays too.

mod autoencoder;
mod checkpoint;
mod conv;
mod device;
mod eigen;
mod error;
mod files;
pub mod gallery;
mod graph;
mod hash;
pub mod injection;
mod layers;
mod masked;
#[cfg(feature = "mock")]
pub mod mock;
mod model;
mod pca;
mod sage;
mod score_file;
mod scorer;
mod split;
#[cfg(feature = "tch")]
mod tch;
mod tokens;
mod trainer;
#[cfg(feature = "datafusion")]
mod udf;
pub mod web;
mod zero_copy;

pub use autoencoder::{Autoencoder, Reconstruction};
/// burn, in the version whose `Device` and `Tensor` are in the signatures here.
pub use burn;
pub use conv::{ConvAutoencoder, ConvAutoencoderConfig};
pub use device::device;
pub use error::{Error, Result, Source};
pub use graph::{Graph, NeighborSampler, Sample};
pub use layers::Precision;
pub use masked::{MaskedAutoencoder, MaskedAutoencoderConfig};
pub use model::{Model, Origin, Sizes};
pub use pca::{Pca, PcaOptions};
pub use sage::{Aggregation, GraphSage, GraphSageConfig, NodeBatch};
pub use score_file::ScoreFile;
pub use scorer::{AnomalyScorer, Calibration, Score, ScoreKind, Scores, Streamed};
pub use split::Part;
pub use tokens::Tokens;
pub use trainer::{Ending, History, Position, Record, Trainer, TrainerOptions};
pub use zero_copy::tensor_data;
