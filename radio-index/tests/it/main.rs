//! Tests of radio-index, one file per topic. Everything that touches a database runs on both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod blocking;
mod catalogue;
mod database;
mod faults;
mod footers;
mod kills;
mod migrations;
mod plan;
mod real;
mod results;
mod selection;
mod summary;
mod sync;
mod tile;
mod verify;
