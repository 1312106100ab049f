//! Tests of the public interface.
#![cfg(any(feature = "flex", feature = "tch"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may say why it was skipped"
)]

mod calibration;
mod checkpoint;
mod common;
#[cfg(feature = "flex")]
mod determinism;
mod device;
mod evaluation;
mod fit;
mod gallery;
mod graph;
mod injected;
mod injection;
mod loss;
mod masked;
mod metrics;
#[cfg(feature = "mock")]
mod mock;
mod pca;
mod precision;
mod quality;
mod real;
mod reference;
mod sage;
mod sampler;
mod score_file;
mod score_file_kills;
mod score_into;
mod scores;
mod shapes;
mod trainer;
mod web;
mod zero_copy;
