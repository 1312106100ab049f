//! Tests of the public interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

#[cfg(feature = "arrow")]
mod arrow;
mod cosmology;
mod density;
mod fof;
mod labels;
mod nessie;
mod oracle;
mod redshift;
mod tables;
mod tune;
