//! The tests of radio-datasheet, one file per topic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod answers;
mod documents;
mod escaping;
mod figures;
mod regenerate;
mod sample;
mod sheet;
mod templates;
mod write;
