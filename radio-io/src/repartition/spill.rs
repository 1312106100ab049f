//! Rows on their way to their tiles: in memory, and on disk where that is not enough.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write as _};
use std::path::PathBuf;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;

use crate::Result;
use crate::error::{io, not_written, unreadable};

/// What an array takes besides its values, about.
const BYTES_OF_ARRAY: usize = 256;

/// Pieces of tiles that wait to be written, in the order in which they came.
#[derive(Debug)]
pub(super) struct Spill {
    folder: PathBuf,
    schema: SchemaRef,
    /// In memory, of each tile.
    pieces: Vec<Vec<RecordBatch>>,
    bytes: u64,
    budget: u64,
    /// Rows that are written together.
    rows_of_piece: usize,
    /// Which tiles have a file.
    is_on_disk: Vec<bool>,
}

impl Spill {
    /// For so many tiles, with files in `folder` where more than `budget` bytes wait. So many rows are written together.
    pub(super) fn new(folder: PathBuf, schema: SchemaRef, tiles: usize, budget: u64, rows_of_piece: usize) -> Self {
        Self {
            folder,
            schema,
            pieces: vec![Vec::new(); tiles],
            bytes: 0,
            budget,
            rows_of_piece,
            is_on_disk: vec![false; tiles],
        }
    }

    pub(super) fn add(&mut self, tile: usize, piece: RecordBatch, bytes: u64) -> Result<()> {
        self.bytes += bytes + (piece.num_columns() * BYTES_OF_ARRAY) as u64;
        self.pieces[tile].push(piece);
        if self.bytes > self.budget {
            self.flush()?;
        }
        Ok(())
    }

    /// All rows were added. Where some are on disk all go there, so that the memory is free for putting tiles together.
    pub(super) fn finish(&mut self) -> Result<()> {
        if self.is_on_disk.contains(&true) {
            return self.flush();
        }
        Ok(())
    }

    /// Writes all that waits to disk: a stream of Arrow's behind those that are there.
    fn flush(&mut self) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(io(&self.folder))?;
        for tile in 0..self.pieces.len() {
            let pieces = std::mem::take(&mut self.pieces[tile]);
            if pieces.is_empty() {
                continue;
            }
            let path = self.file(tile);
            let file = File::options()
                .create(true)
                .append(true)
                .open(&path)
                .map_err(io(&path))?;
            let mut writer = StreamWriter::try_new(BufWriter::with_capacity(1 << 20, file), &self.schema)
                .map_err(not_written(&path))?;
            // Small pieces together, since each has a header; large ones as they are, since a copy takes memory.
            let mut small: Vec<RecordBatch> = Vec::new();
            for piece in pieces {
                small.push(piece);
                if small.iter().map(RecordBatch::num_rows).sum::<usize>() >= self.rows_of_piece {
                    let piece =
                        concat_batches(&self.schema, &std::mem::take(&mut small)).map_err(not_written(&path))?;
                    writer.write(&piece).map_err(not_written(&path))?;
                }
            }
            if !small.is_empty() {
                writer
                    .write(&concat_batches(&self.schema, &small).map_err(not_written(&path))?)
                    .map_err(not_written(&path))?;
            }
            writer.finish().map_err(not_written(&path))?;
            writer.get_mut().flush().map_err(io(&path))?;
            self.is_on_disk[tile] = true;
        }
        self.bytes = 0;
        Ok(())
    }

    fn file(&self, tile: usize) -> PathBuf {
        self.folder.join(format!("{tile}.arrows"))
    }

    /// All pieces of a tile, in the order in which they came.
    pub(super) fn pieces(&self, tile: usize) -> Result<Vec<RecordBatch>> {
        let mut pieces = Vec::new();
        if self.is_on_disk[tile] {
            let path = self.file(tile);
            let file = File::open(&path).map_err(io(&path))?;
            let mut left = file.metadata().map_err(io(&path))?.len();
            let mut reader = Counted {
                reader: BufReader::with_capacity(1 << 20, file),
                read: 0,
            };
            while left > 0 {
                let before = reader.read;
                for piece in StreamReader::try_new(&mut reader, None).map_err(unreadable(&path))? {
                    pieces.push(piece.map_err(unreadable(&path))?);
                }
                left = left.saturating_sub(reader.read - before);
            }
        }
        pieces.extend_from_slice(&self.pieces[tile]);
        Ok(pieces)
    }

    /// Removes what is on disk of a tile.
    pub(super) fn remove(&self, tile: usize) -> Result<()> {
        if self.is_on_disk[tile] {
            let path = self.file(tile);
            fs::remove_file(&path).map_err(io(&path))?;
        }
        Ok(())
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        // A folder that is in the way is removed by the next run.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// How much was read, so that the end of the last stream is known.
struct Counted {
    reader: BufReader<File>,
    read: u64,
}

impl std::io::Read for Counted {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(bytes)?;
        self.read += read as u64;
        Ok(read)
    }
}
