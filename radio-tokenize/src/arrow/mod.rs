//! Arrow in and out: spectra from the columns of a record batch, tokens to and from one.

mod arms;
mod column;
mod element;
mod format;
mod grid;
mod lists;
mod options;
mod read;
mod schema;
mod spectra;
mod tokenize;
mod write;

pub use format::{FloatFormat, RowFormat, TokenFormat};
pub use options::ArrowColumns;
pub use spectra::ArrowSpectra;
