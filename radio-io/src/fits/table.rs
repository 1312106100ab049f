//! Binary tables (FITS standard 4.0, section 7.3).

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};

use super::column::{Column, columns_of};
use super::file::Hdu;
use crate::Result;

/// A binary table that is read by rows.
#[derive(Debug)]
pub(super) struct Table {
    hdu: Hdu,
    rows: usize,
    /// Bytes of a row.
    width: usize,
    columns: Vec<Column>,
    bytes: Vec<u8>,
}

impl Table {
    pub(super) fn open(hdu: &Hdu) -> Result<Self> {
        let fail = |reason| hdu.error(reason);
        if hdu.header.string("XTENSION") != Some("BINTABLE") {
            return Err(fail("expected a binary table".into()));
        }
        let width = hdu.header.size("NAXIS1").map_err(fail)?;
        let rows = hdu.header.size("NAXIS2").map_err(fail)?;
        if hdu.header.size("NAXIS").map_err(fail)? != 2 || hdu.header.integer("BITPIX").map_err(fail)? != Some(8) {
            return Err(fail(
                "a binary table has NAXIS = 2 and BITPIX = 8: its header is damaged".into(),
            ));
        }
        if width == 0 && rows > 0 {
            return Err(fail(format!("{rows} rows of no bytes: its header is damaged")));
        }
        let columns = columns_of(&hdu.header).map_err(fail)?;
        if let Some(column) = columns.iter().find(|column| column.offset + column.bytes > width) {
            return Err(fail(format!(
                "column {}: ends at byte {} of a row, which has {width} (NAXIS1): its header is damaged",
                column.name,
                column.offset + column.bytes
            )));
        }
        Ok(Self {
            hdu: hdu.clone(),
            rows,
            width,
            columns,
            bytes: Vec::new(),
        })
    }

    pub(super) fn hdu(&self) -> &Hdu {
        &self.hdu
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The first of these columns that the table has, in whatever case it is written.
    pub(super) fn find(&self, names: &[&str]) -> Option<usize> {
        let find = |name: &&str| {
            self.columns
                .iter()
                .position(|column| column.name.eq_ignore_ascii_case(name))
        };
        names.iter().find_map(find)
    }

    pub(super) fn need(&self, names: &[&str]) -> Result<usize> {
        self.find(names)
            .ok_or_else(|| self.hdu.error(format!("no column {}", names.join(" or "))))
    }

    /// The columns that [`Table::read`] can read.
    pub(super) fn readable(&self) -> Vec<usize> {
        (0..self.columns.len())
            .filter(|&column| self.columns[column].is_readable())
            .collect()
    }

    /// The field of a column, as it is read.
    pub(super) fn field(&self, column: usize) -> Result<Field> {
        let column = &self.columns[column];
        let kind = column.data_type().map_err(|reason| self.hdu.error(reason))?;
        let unit = column.unit.iter().map(|unit| ("unit".to_owned(), unit.clone()));
        Ok(Field::new(&column.name, kind, true).with_metadata(unit.collect::<HashMap<_, _>>()))
    }

    /// Reads columns, each of whose values are as they are stored.
    pub(super) fn read(&mut self, rows: Range<usize>, columns: &[usize]) -> Result<Vec<ArrayRef>> {
        self.bytes.resize(rows.len() * self.width, 0);
        self.hdu.read_data((rows.start * self.width) as u64, &mut self.bytes)?;
        columns
            .iter()
            .map(|&column| {
                self.columns[column]
                    .read(&self.bytes, self.width)
                    .map_err(|reason| self.hdu.error(reason))
            })
            .collect()
    }

    /// The same as a batch.
    pub(super) fn batch(&mut self, rows: Range<usize>, columns: &[usize]) -> Result<RecordBatch> {
        let fields = columns
            .iter()
            .map(|&column| self.field(column))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let arrays = self.read(rows, columns)?;
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .map_err(|error| self.hdu.error(error.to_string()))
    }

    /// A number in one row of a column.
    pub(super) fn number(&self, row: usize, column: usize) -> Result<f64> {
        let column = &self.columns[column];
        let mut bytes = [0; 8];
        let Some(bytes) = bytes.get_mut(..column.bytes) else {
            return Err(self
                .hdu
                .error(format!("column {}: expected one number a row", column.name)));
        };
        self.hdu.read_data((row * self.width + column.offset) as u64, bytes)?;
        column.number(bytes).map_err(|reason| self.hdu.error(reason))
    }

    /// Where in the data the values of a column of variable length are, and their bytes.
    pub(super) fn variable(&self, row: usize, column: usize) -> Result<Range<u64>> {
        let column = &self.columns[column];
        let mut bytes = [0; 16];
        let Some(bytes) = bytes.get_mut(..column.bytes).filter(|_| column.item_bytes().is_some()) else {
            return Err(self
                .hdu
                .error(format!("column {}: expected lists of variable length", column.name)));
        };
        self.hdu.read_data((row * self.width + column.offset) as u64, bytes)?;
        let gap = self
            .hdu
            .header
            .integer("THEAP")
            .map_err(|reason| self.hdu.error(reason))?;
        let heap = match gap {
            Some(gap) => u64::try_from(gap).ok(),
            None => Some((self.rows * self.width) as u64),
        };
        column
            .variable(bytes)
            .zip(heap)
            .and_then(|((length, at), heap)| {
                let start = heap.checked_add(at)?;
                Some(start..start.checked_add(length)?)
            })
            .filter(|range| range.end <= self.hdu.length())
            .ok_or_else(|| {
                self.hdu.error(format!(
                    "column {}, row {row}: lies outside of the file: it is damaged, get it again",
                    column.name
                ))
            })
    }
}
