//! Tests of radio-io, one file per topic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod bad_tiles;
mod cache;
mod fast;
mod filter;
#[cfg(feature = "fits")]
mod fits;
#[cfg(feature = "fits")]
mod fits_damaged;
#[cfg(feature = "fits")]
mod fits_file;
#[cfg(feature = "fits")]
mod fits_python;
#[cfg(feature = "fits")]
mod fits_real;
#[cfg(feature = "hats")]
mod hats;
mod killed;
#[cfg(feature = "mock")]
mod mock;
mod python;
mod reading;
mod real;
#[cfg(feature = "hats")]
mod repartition;
mod runtime;
#[cfg(feature = "object-store")]
mod store;
mod tile;
mod write;
