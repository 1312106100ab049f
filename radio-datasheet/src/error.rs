//! What can go wrong, by what the caller can do about it.

use std::path::PathBuf;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a datasheet was not written. Nothing on disk has changed where a block was edited or an input was wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The answers file is not valid, or has a key that no question goes by.
    #[error("answers, line {line}: {reason}")]
    Answers {
        /// Line of the answers file, from 1.
        line: usize,
        /// What is wrong there; names the key.
        reason: String,
    },
    /// A number of the summary cannot be true.
    #[error("summary: {reason}")]
    Summary {
        /// The field and its value.
        reason: String,
    },
    /// A template was given for a block that does not exist.
    #[error("no block is called {name:?}; templates can replace {known}")]
    UnknownTemplate {
        /// The name that was given.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A template cannot be read, or asks for a variable that does not exist.
    #[error("template {name:?}, line {line}: {reason}")]
    Template {
        /// Name of the template.
        name: String,
        /// Line of the template, from 1; 0 where the template engine tells none.
        line: usize,
        /// What is wrong there; names the variable, filter or tag.
        reason: String,
    },
    /// Generated blocks were changed by hand. Move the change out of the block (text outside of blocks is kept), then
    /// delete the block with both of its comment lines, and it is written anew.
    #[error("generated blocks were edited by hand: {}; move the edits out of the block, then delete the block", .blocks.join(", "))]
    Edited {
        /// Names of the edited blocks, in the order of the text.
        blocks: Vec<String>,
    },
    /// The comments that delimit generated blocks do not match.
    #[error("datasheet, line {line}: {reason}")]
    Markers {
        /// Line of the previous datasheet, from 1.
        line: usize,
        /// What is wrong there; names the block.
        reason: String,
    },
    /// A JSON file is not what it was written as.
    #[error("{file}, line {line}, column {column}: {reason}; write the datasheet again")]
    Json {
        /// Name of the file.
        file: &'static str,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}
