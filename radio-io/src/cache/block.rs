//! A file of a cache: some rows of one tile, as an Arrow file that is mapped into memory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, RecordBatch, UInt64Array};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::root_as_footer;
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use bytes::Bytes;

use crate::decode::Part;
use crate::grid::Grid;
use crate::storage::Stamp;

/// Name of the column of row numbers.
const ROW: &str = "row_in_tile";
/// Keys of the metadata that say what a file holds.
const KEY: &str = "radio_io.block";
const SIZE: &str = "radio_io.tile_size";
const MTIME: &str = "radio_io.tile_mtime_ns";

/// Rows that are in memory already.
#[derive(Debug)]
pub(crate) struct Block {
    /// Of the tile, when it was read.
    pub(super) stamp: Stamp,
    /// Numbers of the rows in the tile, ascending.
    pub(crate) numbers: ScalarBuffer<u64>,
    /// All but the matrices.
    pub(crate) rows: RecordBatch,
    pub(crate) grid: Option<Grid>,
    /// Flux, ivar and mask, row after row, where there is a grid; a mask only if the tile has one.
    pub(crate) parts: [Option<ScalarBuffer<u32>>; 3],
}

impl Block {
    /// Where in the block a row is.
    pub(crate) fn find(&self, row: u64) -> Option<usize> {
        self.numbers.binary_search(&row).ok()
    }

    /// The rows in a file's memory; `None` where it holds something else. The error is a reason for people.
    pub(super) fn decode(memory: &Buffer, key: &str) -> Result<Option<Self>, String> {
        let decoded = || -> Result<Option<Self>, ArrowError> {
            let batch = decode(memory)?;
            let schema = batch.schema();
            let text = |name| schema.metadata().get(name).map(String::as_str);
            let number = |name| text(name).and_then(|text| text.parse::<i64>().ok());
            let (Some(size), Some(mtime_ns), true) = (number(SIZE), number(MTIME), text(KEY) == Some(key)) else {
                return Ok(None);
            };
            let stamp = Stamp {
                size: size as u64,
                mtime_ns,
            };
            Ok(Self::new(&batch, stamp))
        };
        // The decoder is made for whole files: a damaged one can make it panic.
        let decoded = catch_unwind(AssertUnwindSafe(decoded)).map_err(|_| "not a complete Arrow file")?;
        decoded.map_err(|e| e.to_string())
    }

    fn new(batch: &RecordBatch, stamp: Stamp) -> Option<Self> {
        let numbers = batch
            .columns()
            .first()?
            .as_primitive_opt::<UInt64Type>()?
            .values()
            .clone();
        let mut metadata = batch.schema().metadata().clone();
        metadata.retain(|key, _| ![KEY, SIZE, MTIME].contains(&key.as_str()));
        let mut parts = [None, None, None];
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        // The first one is that of the numbers.
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()).skip(1) {
            let part = Part::ALL.into_iter().find(|part| part.name() == field.name());
            match (part, array.as_fixed_size_list_opt()) {
                (Some(part), Some(lists)) => {
                    let values = lists.values().to_data();
                    let values = ScalarBuffer::new(values.buffers().first()?.clone(), 0, values.len());
                    parts[part as usize] = Some(values);
                }
                _ => {
                    fields.push(field.clone());
                    arrays.push(array.clone());
                }
            }
        }
        let grid = match parts[0] {
            Some(_) => Some(Grid::from_metadata(&metadata).ok()?),
            None => None,
        };
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        Some(Self {
            stamp,
            numbers,
            rows: RecordBatch::try_new(schema, arrays).ok()?,
            grid,
            parts,
        })
    }
}

/// Writes rows, which have these numbers in a tile.
pub(super) fn write(file: &File, key: &str, stamp: Stamp, numbers: &[u64], batch: &RecordBatch) -> io::Result<()> {
    let written = |error: ArrowError| match error {
        ArrowError::IoError(_, error) => error,
        other => io::Error::other(other),
    };
    let mut metadata: HashMap<String, String> = batch.schema().metadata().clone();
    metadata.insert(KEY.into(), key.into());
    metadata.insert(SIZE.into(), (stamp.size as i64).to_string());
    metadata.insert(MTIME.into(), stamp.mtime_ns.to_string());
    let mut fields = vec![Arc::new(Field::new(ROW, DataType::UInt64, false))];
    fields.extend(batch.schema().fields().iter().cloned());
    let mut arrays = vec![Arc::new(UInt64Array::from(numbers.to_vec())) as _];
    arrays.extend(batch.columns().iter().cloned());
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(written)?;
    let mut writer = FileWriter::try_new(BufWriter::new(file), &schema).map_err(written)?;
    writer.write(&batch).map_err(written)?;
    writer.into_inner().map_err(written)?.flush()
}

/// The one record batch of a file, in the file's own memory.
fn decode(memory: &Buffer) -> Result<RecordBatch, ArrowError> {
    let bad = |what: &str| ArrowError::IpcError(format!("not a complete Arrow file: {what}"));
    let (before, trailer) = memory
        .as_slice()
        .split_last_chunk::<10>()
        .ok_or_else(|| bad("no footer"))?;
    let start = before.len().checked_sub(read_footer_length(*trailer)?);
    let footer = start
        .and_then(|start| before.get(start..))
        .ok_or_else(|| bad("no footer"))?;
    let footer = root_as_footer(footer).map_err(|e| bad(&e.to_string()))?;
    let schema = fb_to_schema(footer.schema().ok_or_else(|| bad("no schema"))?);
    // Values that are not aligned would be copied.
    let mut decoder = FileDecoder::new(Arc::new(schema), footer.version()).with_require_alignment(true);
    let body = |block: &arrow_ipc::Block| {
        let length = block.bodyLength() as usize + block.metaDataLength() as usize;
        memory.slice_with_length(block.offset() as usize, length)
    };
    for block in footer.dictionaries().iter().flatten() {
        decoder.read_dictionary(block, &body(block))?;
    }
    let mut blocks = footer.recordBatches().into_iter().flatten();
    let (Some(block), None) = (blocks.next(), blocks.next()) else {
        return Err(bad("not one record batch"));
    };
    decoder
        .read_record_batch(block, &body(block))?
        .ok_or_else(|| bad("no record batch"))
}

pub(super) fn map(file: &File) -> io::Result<Buffer> {
    #[allow(
        unsafe_code,
        reason = "a mapping is only as good as its file: those of a cache have their final name, and nothing changes such a file or \
                  cuts it off; it is replaced and removed by name, which leaves mappings as they are"
    )]
    let mapped = unsafe { memmap2::Mmap::map(file)? };
    Ok(Buffer::from(Bytes::from_owner(mapped)))
}
