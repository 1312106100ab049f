//! One column of a tile: what its statistics say of a condition, and what its values say.

use std::cmp::Ordering;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, UInt64Array};
use arrow_buffer::NullBuffer;
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection, RowSelectionPolicy};
use parquet::basic::{ColumnOrder, SortOrder};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;

use super::Condition;
use super::scalar::Cell;
use crate::columns::field;
use crate::tile::Source;
use crate::{Error, Result};

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 8_192;

/// How many rows of a page or of a row group meet the condition, as far as its statistics tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    None,
    Unknown,
    All,
}

/// A column, and the condition that its values have to meet.
pub(super) struct Column<'a> {
    source: &'a Source,
    condition: &'a Condition,
    leaf: usize,
    field: &'a Field,
    /// What values are cast to without loss: `Int64`, `UInt64`, `Float64` or `LargeBinary`.
    common: DataType,
    /// Are the smallest and largest values of statistics those of our order?
    is_ordered: bool,
}

impl<'a> Column<'a> {
    pub(super) fn find(source: &'a Source, condition: &'a Condition) -> Result<Self> {
        let wrong = |reason: String| Error::Column {
            path: source.path().to_owned(),
            column: condition.column.clone(),
            reason,
        };
        let field = field(source.metadata.schema(), &condition.column)
            .ok_or_else(|| wrong("not found, but the filter has a condition on it".into()))?;
        let asked = condition.values().next();
        let common = common(field.data_type())
            .filter(|common| asked.is_none_or(|asked| asked.is_text() == (*common == DataType::LargeBinary)))
            .ok_or_else(|| {
                let asked = if asked.is_some_and(Cell::is_text) {
                    "text"
                } else {
                    "a number"
                };
                wrong(format!("{} cannot be compared with {asked}", field.data_type()))
            })?;
        let metadata = source.metadata.metadata().file_metadata();
        let leaves = metadata.schema_descr().columns();
        let is_this = |leaf: &ColumnDescPtr| leaf.path().parts().iter().eq(condition.column.split('.'));
        let leaf = leaves
            .iter()
            .position(is_this)
            .ok_or_else(|| wrong("not one plain column".into()))?;
        // Old files do not say it, and may have compared text as signed bytes.
        let order = match common {
            DataType::Int64 | DataType::Float64 => SortOrder::SIGNED,
            _ => SortOrder::UNSIGNED,
        };
        Ok(Self {
            source,
            condition,
            leaf,
            field,
            common,
            is_ordered: metadata.column_order(leaf) == ColumnOrder::TYPE_DEFINED_ORDER(order),
        })
    }

    /// The pages of a row group, by their rows, and how many of these meet the condition. Without a page index all are one page.
    pub(super) fn pages(&self, group: usize) -> Result<Vec<(Range<u64>, Share)>, ArrowError> {
        let metadata = self.source.metadata.metadata();
        let (parquet, groups) = (metadata.file_metadata().schema_descr(), metadata.row_groups());
        let this = &groups[group];
        let (rows, all) = (rows_of(this), 0..rows_of(this));
        let converter = StatisticsConverter::from_column_index(self.leaf, self.field, parquet)?;
        // A count that is missing is not 0.
        let converter = converter.with_missing_null_counts_as_zero(false);
        let (min, max) = (converter.row_group_mins([this])?, converter.row_group_maxes([this])?);
        let nulls = converter.row_group_null_counts([this])?;
        let old = this
            .column(self.leaf)
            .statistics()
            .is_some_and(Statistics::is_min_max_deprecated);
        let whole = self.judge(vec![all], &[min, max], &nulls, self.is_ordered && !old)?;

        let Some(offsets) = metadata.offset_index() else {
            return Ok(whole);
        };
        let starts = offsets[group][self.leaf]
            .page_locations()
            .iter()
            .map(|page| page.first_row_index as u64);
        let ends = starts.clone().skip(1).chain([rows]);
        let pages: Vec<Range<u64>> = starts.zip(ends).map(|(start, end)| start..end).collect();
        if pages.first().is_none_or(|first| first.start > 0) || pages.iter().any(|page| page.start > page.end) {
            return Err(ArrowError::ParquetError(
                "the page index does not have each row once".into(),
            ));
        }
        match (&whole[..], metadata.column_index()) {
            ([(_, Share::Unknown)], Some(index)) => {
                let min = converter.data_page_mins(index, offsets, [&group])?;
                let max = converter.data_page_maxes(index, offsets, [&group])?;
                let nulls = converter.data_page_null_counts(index, offsets, [&group])?;
                self.judge(pages, &[min, max], &nulls, self.is_ordered)
            }
            _ => {
                let share = whole.first().map_or(Share::Unknown, |(_, share)| *share);
                Ok(pages.into_iter().map(|page| (page, share)).collect())
            }
        }
    }

    /// What the smallest and largest values of pages, and their numbers of nulls, say of the condition.
    ///
    /// Those of long text are cut off, but bounds they remain; where they are equal, nothing was cut off.
    fn judge(
        &self,
        pages: Vec<Range<u64>>,
        limits: &[ArrayRef; 2],
        nulls: &UInt64Array,
        is_ordered: bool,
    ) -> Result<Vec<(Range<u64>, Share)>, ArrowError> {
        let [min, max] = limits;
        let (min, max) = (cast(min, &self.common)?, cast(max, &self.common)?);
        if [min.len(), max.len(), nulls.len()] != [pages.len(); 3] {
            return Err(ArrowError::ParquetError("statistics of another number of pages".into()));
        }
        let limits = cells(&min).zip(cells(&max)).map(|(min, max)| min.zip(max));
        let judged = pages.into_iter().zip(limits.zip(nulls)).map(|(page, (limits, nulls))| {
            // From NaN, which old writers have left there, nothing follows.
            let limits = limits.filter(|(min, max)| is_ordered && min.compare(max).is_some_and(Ordering::is_le));
            let share = match limits {
                _ if nulls == Some(page.end - page.start) => Share::None,
                Some((min, max)) if self.condition.excludes(&min, &max) => Share::None,
                // Limits of floats leave out NaN.
                Some((min, max)) if nulls == Some(0) && self.common != DataType::Float64 => {
                    let all = self.condition.holds(&min) && self.condition.holds(&max);
                    if all { Share::All } else { Share::Unknown }
                }
                _ => Share::Unknown,
            };
            (page, share)
        });
        Ok(judged.collect())
    }

    /// Decodes rows of a row group, and returns those that meet the condition.
    pub(super) fn decode(&self, group: usize, rows: &[Range<u64>]) -> Result<Vec<Range<u64>>, ArrowError> {
        let metadata = self.source.metadata.clone();
        let size = rows_of(metadata.metadata().row_group(group)) as usize;
        let ranges = rows.iter().map(|rows| rows.start as usize..rows.end as usize);
        let mask = ProjectionMask::leaves(metadata.parquet_schema(), [self.leaf]);
        let file = self
            .source
            .file
            .get()
            .map_err(|e| ArrowError::ExternalError(e.into()))?;
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_projection(mask)
            .with_row_groups(vec![group])
            .with_row_selection(RowSelection::from_consecutive_ranges(ranges, size))
            // The other way decodes what lies between the rows, too.
            .with_row_selection_policy(RowSelectionPolicy::Selectors)
            .with_batch_size(BATCH_ROWS)
            .build()?;
        let mut numbers = rows.iter().cloned().flatten();
        let mut kept: Vec<Range<u64>> = Vec::new();
        for batch in batches {
            let mut array = batch?.columns().first().cloned().ok_or_else(short)?;
            // A struct that is null has no null in a column that cannot have any.
            let mut nulls: Option<NullBuffer> = None;
            while let Some(parent) = array.as_struct_opt() {
                nulls = NullBuffer::union(nulls.as_ref(), parent.nulls());
                array = parent.columns().first().cloned().ok_or_else(short)?;
            }
            for (place, cell) in cells(&cast(&array, &self.common)?).enumerate() {
                let row = numbers.next().ok_or_else(short)?;
                let is_there = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(place));
                if is_there && cell.is_some_and(|cell| self.condition.holds(&cell)) {
                    match kept.last_mut() {
                        Some(last) if last.end == row => last.end += 1,
                        _ => kept.push(row..row + 1),
                    }
                }
            }
        }
        numbers.next().map_or(Ok(kept), |_| Err(short()))
    }
}

fn short() -> ArrowError {
    ArrowError::ParquetError("a column does not have the rows that it should".into())
}

pub(super) fn rows_of(group: &RowGroupMetaData) -> u64 {
    u64::try_from(group.num_rows()).unwrap_or_default()
}

/// What values of a type can be cast to without loss, so that there are few types to compare; `None` for lists and the like.
fn common(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Dictionary(_, values) => common(values),
        DataType::Boolean => Some(DataType::Int64),
        integer if integer.is_signed_integer() => Some(DataType::Int64),
        integer if integer.is_unsigned_integer() => Some(DataType::UInt64),
        float if float.is_floating() => Some(DataType::Float64),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(DataType::LargeBinary),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Some(DataType::LargeBinary),
        _ => None,
    }
}

/// The values of an array of one of the common types.
fn cells(array: &ArrayRef) -> Box<dyn Iterator<Item = Option<Cell<'_>>> + '_> {
    match array.data_type() {
        DataType::Int64 => Box::new(
            array
                .as_primitive::<Int64Type>()
                .iter()
                .map(|x| Some(Cell::Integer(x?.into()))),
        ),
        DataType::UInt64 => Box::new(
            array
                .as_primitive::<UInt64Type>()
                .iter()
                .map(|x| Some(Cell::Integer(x?.into()))),
        ),
        DataType::Float64 => Box::new(
            array
                .as_primitive::<Float64Type>()
                .iter()
                .map(|x| Some(Cell::Float(x?))),
        ),
        _ => Box::new(array.as_binary::<i64>().iter().map(|x| Some(Cell::Text(x?.into())))),
    }
}
