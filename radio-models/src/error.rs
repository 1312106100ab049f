//! What can go wrong, told apart by what the caller can do about it.

use std::path::PathBuf;

/// The cause of an [`Error`] whose type belongs to a library that this crate does not expose.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option or a size is outside its range: choose another value.
    #[error("option {name} is {value}, expected {expected}")]
    Option {
        /// The option, as its setter is called.
        name: &'static str,
        /// The value that was given.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },

    /// Two arrays, or an array and a model, do not fit together.
    #[error("{array} has shape {found:?}, but {expected:?} is needed: {help}")]
    Shape {
        /// The array that does not fit.
        array: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that would fit.
        expected: Vec<usize>,
        /// What the shape has to agree with.
        help: &'static str,
    },

    /// The model was trained on tokens of another tokenizer.
    #[error(
        "the model was trained on tokens of the tokenizer {expected}, these are of {}: tokenize with the configuration of the \
         training, and say so with Tokens::made_by",
        found.as_deref().unwrap_or("one that has no name")
    )]
    Tokenizer {
        /// The fingerprint that came with the tokens.
        found: Option<String>,
        /// The fingerprint that came with the training.
        expected: String,
    },

    /// A training cannot go on with other data: give it those that it had, or begin another in another folder.
    #[error(
        "a training on {expected:?} cannot go on with {found:?}: give it the same data, or begin anew in another folder"
    )]
    Data {
        /// What the data are said to be now.
        found: String,
        /// What they were.
        expected: String,
    },

    /// A position is infinite, not a number or so large that distances are infinite: leave it out, or mend it.
    #[error("the position in row {row} is {found:?}: finite numbers below 1e150 are needed")]
    Position {
        /// The row, counted from 0.
        row: usize,
        /// What is there.
        found: [f64; 3],
    },

    /// An edge goes from or to a node that is none.
    #[error("edge {edge} goes from {from} to {to}, but there are {nodes} nodes, counted from 0")]
    Edge {
        /// The edge, counted from 0.
        edge: usize,
        /// Where it begins.
        from: u32,
        /// Where it ends.
        to: u32,
        /// The number of nodes.
        nodes: usize,
    },

    /// A column cannot be a tensor.
    #[error("a column of {found} with {nulls} nulls cannot be a tensor: lists of Float32 without nulls are needed")]
    Column {
        /// Its type.
        found: String,
        /// Rows and values that are null.
        nulls: usize,
    },

    /// No device has this name, or the feature that drives it is off.
    #[error("no device {name:?}: {help}")]
    Device {
        /// The name that was asked for.
        name: String,
        /// What to change.
        help: String,
    },

    /// A batch could not be had from the caller's iterator.
    #[error("cannot get the next batch")]
    Batch {
        /// What the iterator failed with.
        source: Source,
    },

    /// The loss or its gradient is infinite or not a number. The model is as it was before this step.
    #[error(
        "training diverged in step {step}: lower the learning rate, raise sigma_floor or look for outliers in the batch"
    )]
    Diverged {
        /// The step, counted from 0.
        step: usize,
    },

    /// Too few spectra to learn from what scores are usual.
    #[error("{found} spectra with a score cannot calibrate scores, at least {needed} are needed")]
    Calibration {
        /// Spectra that had a score.
        found: usize,
        /// As many are needed.
        needed: usize,
    },

    /// The device failed: out of memory, lost, or a kernel that did not run.
    #[error("the device failed while {action}")]
    Execution {
        /// What was being done.
        action: &'static str,
        /// The report of the back end.
        source: Source,
    },

    /// The file is not a model that this crate wrote, or it is damaged.
    #[error("{path:?} is not a model of this kind: {reason}")]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A file could not be written or read: check that the folder exists, its permissions and free space.
    #[error("cannot {action} {path:?}")]
    File {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Source,
    },

    /// Another process, or another writer in this one, is at work on the same file: wait for its end.
    #[error("another writer is at work on {path:?}")]
    Busy {
        /// The file that shall be there in the end.
        path: PathBuf,
    },

    /// There are scores that were not finished, and they cannot be gone on with: finish them with what they are of, or
    /// give them up with [`ScoreFile::create`](crate::ScoreFile::create), or remove the folder.
    #[error(
        "cannot go on with the unfinished scores in {path:?}: {reason}; finish those, or begin anew with ScoreFile::create"
    )]
    Unfinished {
        /// The folder that they are in.
        path: PathBuf,
        /// What they are.
        reason: String,
    },

    /// A column is not what scores consist of.
    #[error("the column {column:?} cannot be read as scores: {reason}")]
    NoScores {
        /// The column.
        column: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The scores could not be put into an Arrow batch.
    #[error("cannot make a record batch of the scores")]
    Arrow {
        /// The cause.
        source: Source,
    },
}

impl Error {
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>, source: impl Into<Source>) -> Self {
        Self::File {
            action,
            path: path.into(),
            source: source.into(),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "numbers and text that is made for it")]
    pub(crate) fn option(name: &'static str, value: impl ToString, expected: &'static str) -> Self {
        Self::Option {
            name,
            value: value.to_string(),
            expected,
        }
    }

    pub(crate) fn batch(source: impl Into<Source>) -> Self {
        Self::Batch { source: source.into() }
    }

    pub(crate) fn execution(action: &'static str, source: impl Into<Source>) -> Self {
        Self::Execution {
            action,
            source: source.into(),
        }
    }
}

/// Is an array of the shape that is needed?
pub(crate) fn check_shape(array: &'static str, found: &[usize], expected: &[usize], help: &'static str) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Shape {
        array,
        found: found.to_vec(),
        expected: expected.to_vec(),
        help,
    })
}
