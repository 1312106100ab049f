//! Tests of the public interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

#[cfg(feature = "arrow")]
mod arrow;
mod detokenize;
mod edges;
mod encoding;
mod fingerprint;
mod input;
mod laws;
mod masking;
mod normalize;
#[cfg(feature = "arrow")]
mod real;
mod slow;
mod support;
