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

mod checkpoint;
mod common;
#[cfg(feature = "flex")]
mod determinism;
mod device;
mod loss;
mod quality;
mod real;
mod score_file;
mod scores;
mod shapes;
mod trainer;
mod zero_copy;
