//! What LibTorch does on the CPU in fewer passes over memory than burn asks it to.
#![expect(
    deprecated,
    reason = "burn drops LibTorch after 0.22; until then it is the CUDA path that builds offline"
)]

mod functions;
mod optimizer;

pub(crate) use functions::{relu, softmax};
pub(crate) use optimizer::{adamw, sum_of_squares};
