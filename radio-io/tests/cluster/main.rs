//! A cluster of real processes on this machine, each of which sees its own tiles only, beside the embedded reader; and its faults.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod faults;
mod hosts;
mod memory;
mod reading;
mod safety;
mod survey;
#[path = "../it/tile.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod tile;
mod worker;
