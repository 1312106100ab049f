//! Columns of lists, whichever kind of list, as values back to back.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, GenericListArray, OffsetSizeTrait};
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;

use super::column::Column;
use super::element::Element;
use crate::{Error, Result};

/// A column with a list in every row.
#[derive(Debug)]
pub(super) struct Lists {
    pub(super) path: String,
    /// Of all rows, and perhaps more.
    values: ArrayRef,
    /// Where those of a row are; `None` where the row is null.
    rows: Vec<Option<Range<usize>>>,
}

/// Where the values of each row go.
#[derive(Debug)]
pub(super) enum Layout {
    /// All rows have so many.
    Even { pixels: usize },
    /// Where rows begin, and the number of all values.
    Ragged(Vec<usize>),
}

impl Layout {
    /// Number of values of a row.
    fn pixels(&self, row: usize) -> usize {
        match self {
            Self::Even { pixels, .. } => *pixels,
            Self::Ragged(offsets) => offsets[row + 1] - offsets[row],
        }
    }
}

impl Lists {
    /// `accepted` are the types that values may have.
    pub(super) fn new(column: &Column, accepted: &str) -> Result<Self> {
        let (values, mut rows) = match column.array.data_type() {
            DataType::List(_) => of_list::<i32>(&column.array),
            DataType::LargeList(_) => of_list::<i64>(&column.array),
            DataType::FixedSizeList(_, size) => {
                let size = usize::try_from(*size).unwrap_or_default();
                let rows = (0..column.array.len()).map(|row| Some(row * size..(row + 1) * size));
                (column.array.as_fixed_size_list().values().clone(), rows.collect())
            }
            _ => {
                let expected = format!("lists (List, LargeList or FixedSizeList) of {accepted}");
                return Err(column.wrong_type(&expected));
            }
        };
        for (row, range) in rows.iter_mut().enumerate() {
            if column.is_null(row) {
                *range = None;
            }
        }
        Ok(Self {
            path: column.path.clone(),
            values,
            rows,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Length of a row's list; `None` where it is null.
    pub(super) fn pixels(&self, row: usize) -> Option<usize> {
        self.rows[row].as_ref().map(Range::len)
    }

    /// [`Error::Value`] for the first row that is neither null nor of the length that `expected` gives.
    pub(super) fn check_pixels(&self, expected: impl Fn(usize) -> Option<usize>, of: &str) -> Result<()> {
        for row in 0..self.len() {
            if let (Some(found), Some(expected)) = (self.pixels(row), expected(row))
                && found != expected
            {
                return Err(self.wrong_row(row, format!("a list of {found}, but {of} has {expected} pixels")));
            }
        }
        Ok(())
    }

    /// Values of all rows, back to back, without a copy where they lie so and have the type. Rows that are null get
    /// [`Element::NULL`] as often as the layout wants; others must have the length that the layout says, or it must be 0.
    pub(super) fn read<T: Element>(&self, layout: &Layout) -> Result<ScalarBuffer<T>> {
        let used = || self.rows.iter().enumerate().filter(|(row, _)| layout.pixels(*row) > 0);
        let ranges = || used().filter_map(|(_, range)| range.as_ref());
        let first = ranges().map(|range| range.start).min().unwrap_or(0);
        let last = ranges().map(|range| range.end).max().unwrap_or(first);
        let values = self.values.slice(first, last - first);
        let values = T::read(&values).ok_or_else(|| {
            let (found, accepted) = (self.values.data_type(), T::ACCEPTED);
            Error::Column {
                column: self.path.clone(),
                reason: format!("its values are {found}, expected {accepted}"),
            }
        })?;
        let mut next = first;
        let are_back_to_back = used().all(|(_, range)| {
            let follows = range.as_ref().is_some_and(|range| range.start == next);
            next = range.as_ref().map_or(next, |range| range.end);
            follows
        });
        if are_back_to_back {
            return Ok(values);
        }
        let mut together = Vec::new();
        for (row, range) in used() {
            match range {
                Some(range) => together.extend_from_slice(&values[range.start - first..range.end - first]),
                None => together.resize(together.len() + layout.pixels(row), T::NULL),
            }
        }
        Ok(together.into())
    }

    /// Lists of lists of `size` values, as lists of values.
    pub(super) fn flatten(self, size: usize) -> Result<Self> {
        let inner = self.values.as_fixed_size_list_opt();
        let Some(inner) = inner.filter(|inner| usize::try_from(inner.value_length()) == Ok(size)) else {
            let found = self.values.data_type();
            return Err(Error::Column {
                reason: format!("its values are {found}, expected FixedSizeList of {size}"),
                column: self.path,
            });
        };
        if inner.null_count() > 0 {
            return Err(Error::Column {
                reason: "it has nulls, which tokens have not".into(),
                column: self.path,
            });
        }
        let scaled = |range: Range<usize>| range.start * size..range.end * size;
        Ok(Self {
            values: inner.values().clone(),
            rows: self.rows.into_iter().map(|range| range.map(scaled)).collect(),
            path: self.path,
        })
    }

    /// [`Error::Column`] if a value is null, [`Error::Value`] if a row is.
    pub(super) fn check_no_nulls(&self) -> Result<()> {
        if let Some(row) = self.rows.iter().position(Option::is_none) {
            return Err(self.wrong_row(row, "it is null, which tokens never are".into()));
        }
        if self.values.null_count() == 0 {
            return Ok(());
        }
        let has_null = |range: &Range<usize>| self.values.slice(range.start, range.len()).null_count() > 0;
        match self.rows.iter().position(|range| range.as_ref().is_some_and(has_null)) {
            Some(row) => Err(self.wrong_row(row, "a value is null, which tokens never are".into())),
            None => Ok(()),
        }
    }

    pub(super) fn wrong_row(&self, row: usize, reason: String) -> Error {
        Error::Value {
            column: self.path.clone(),
            row,
            reason,
        }
    }
}

fn of_list<O: OffsetSizeTrait>(array: &ArrayRef) -> (ArrayRef, Vec<Option<Range<usize>>>) {
    let lists: &GenericListArray<O> = array.as_list();
    let rows = lists.value_offsets().windows(2);
    let range = |ends: &[O]| Some(ends[0].as_usize()..ends[1].as_usize());
    (lists.values().clone(), rows.map(range).collect())
}
