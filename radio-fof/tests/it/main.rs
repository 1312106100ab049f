//! Tests of the public interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod cosmology;
mod density;
mod fof;
mod labels;
mod nessie;
mod oracle;
mod redshift;
