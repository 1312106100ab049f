//! What can go wrong, sorted by what the caller can do about it.

use std::fmt::Debug;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was wrong with the options or with the data. Nothing is computed before all of it has been checked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option makes no sense: choose another value.
    #[error("option {name} is {value}, expected {expected}")]
    Option {
        /// The option, as its argument or setter is called.
        name: &'static str,
        /// The value that was given.
        value: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// A value in the data cannot be used: repair or drop that row.
    #[error("{column} at row {row} is {value}: it must be {expected}")]
    Value {
        /// Name of the column, `x`, `y` and `z` for positions.
        column: &'static str,
        /// Row, counted from 0.
        row: usize,
        /// The value that was found there.
        value: f64,
        /// What is accepted, and what to do.
        expected: &'static str,
    },
    /// The array of positions has the wrong number of columns.
    #[error("positions have shape ({rows}, {columns}): it must be (n, 3)")]
    Shape {
        /// Number of rows found.
        rows: usize,
        /// Number of columns found.
        columns: usize,
    },
    /// Two columns that belong together differ in length.
    #[error("{column} has {found} rows but {first} has {expected}: every column needs one value per row")]
    Length {
        /// Name of the column.
        column: &'static str,
        /// Its number of rows.
        found: usize,
        /// The column that it is compared with.
        first: &'static str,
        /// The number of rows of that column.
        expected: usize,
    },
    /// The data do not tell what was to be measured: choose another way.
    #[error("{what} cannot be measured: {reason}")]
    Unmeasurable {
        /// What was to be measured.
        what: &'static str,
        /// Why that is not possible, and what to do.
        reason: &'static str,
    },
    /// There is not enough data to measure something from: choose another way, or give more.
    #[error("{found} {what} are too few: at least {needed} are needed")]
    TooFewRows {
        /// What they are, and what for.
        what: &'static str,
        /// Number of rows found.
        found: usize,
        /// Number of rows needed.
        needed: usize,
    },
    /// Arrow could not make a record batch.
    #[cfg(feature = "arrow")]
    #[error("no record batch could be made: {message}")]
    Arrow {
        /// What Arrow says.
        message: String,
    },
    /// Rows are counted in 32 bits: cut the data into pieces.
    #[error("{rows} rows are too many: at most 4294967294 can be linked at once")]
    TooManyRows {
        /// Number of rows found.
        rows: usize,
    },
}

/// Refuses an option that is not `valid`.
pub(crate) fn check_option(valid: bool, name: &'static str, value: impl Debug, expected: &'static str) -> Result<()> {
    if valid {
        return Ok(());
    }
    // `Debug` writes 1e-200 like that; `Display` would write all its zeros.
    let value = format!("{value:?}");
    Err(Error::Option { name, value, expected })
}

/// Refuses the first value of a column that is not valid.
pub(crate) fn check_column(
    column: &'static str,
    values: &[f64],
    expected: &'static str,
    valid: impl Fn(f64) -> bool,
) -> Result<()> {
    match values.iter().position(|&value| !valid(value)) {
        Some(row) => Err(Error::Value {
            column,
            row,
            value: values[row],
            expected,
        }),
        None => Ok(()),
    }
}

/// Refuses a column that is not as long as the first one.
pub(crate) fn check_length(column: &'static str, found: usize, first: &'static str, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Length {
        column,
        found,
        first,
        expected,
    })
}

/// Refuses fewer rows than are needed.
pub(crate) fn check_few(found: usize, needed: usize, what: &'static str) -> Result<()> {
    if found >= needed {
        Ok(())
    } else {
        Err(Error::TooFewRows { what, found, needed })
    }
}

/// Refuses more rows than the 32-bit row numbers of the engines can hold.
pub(crate) fn check_rows(rows: usize) -> Result<()> {
    if rows < u32::MAX as usize {
        Ok(())
    } else {
        Err(Error::TooManyRows { rows })
    }
}
