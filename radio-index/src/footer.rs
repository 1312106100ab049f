//! Parquet footers: one read of the end of a file, decoded once.
//!
//! The decoder is our own. It reads what the index keeps and passes over the rest, where a general decoder builds every
//! field of every column: that is most of the time of a first look at a survey. The layout of a footer is `FileMetaData` in
//! Apache Parquet's `parquet.thrift`; the numbers of fields below are from there.

use std::collections::HashMap;
use std::fs::File;
use std::hash::Hasher;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use twox_hash::XxHash64;

use crate::file_schema::FileSchema;
use crate::read_at::{ReadAt, State};
use crate::thrift::{Cursor, Damage, Kind};
use crate::{Error, Result};

/// Most footers are shorter than this; a longer one costs a second read.
const TAIL: u64 = 64 << 10;
/// Length of the footer (4 bytes) and the magic number (4 bytes) that end a Parquet file.
const ENDING: usize = 8;

/// What the footer of one Parquet file says: rows, row groups, columns, and where their bytes are.
///
/// ```
/// use radio_index::FooterReader;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("tile.parquet");
/// # std::fs::write(&path, "not Parquet")?;
/// match FooterReader::default().read(&path) {
///     Ok(footer) => println!("{} rows in {} row groups", footer.rows(), footer.row_groups().len()),
///     Err(error) => println!("{error}"), // could not read the footer of …/tile.parquet: no Parquet magic number …
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Footer {
    state: State,
    length: u64,
    hash: u64,
    rows: u64,
    created_by: String,
    schema: Arc<FileSchema>,
    row_groups: Vec<RowGroup>,
    chunks: Vec<ColumnChunk>,
    /// The end of the file, and where in the file it begins.
    tail: (u64, Bytes),
    /// Where in the tail the footer begins: statistics are places in it.
    start: usize,
}

/// A part of a file that a row group fills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowGroup {
    /// First row, counted from 0 in file order.
    pub first_row: u64,
    /// Number of rows.
    pub rows: u64,
    /// First byte of its first column chunk that was asked for.
    pub first_byte: u64,
    /// Bytes of its column chunks that were asked for, compressed.
    pub bytes: u64,
}

/// One column of one row group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnChunk {
    /// Number of the row group, from 0.
    pub row_group: usize,
    /// Number of the column among the leaves of the schema, from 0.
    pub column: usize,
    /// Values, nulls included.
    pub values: u64,
    /// Nulls among them; `None` where the file keeps no count.
    pub nulls: Option<u64>,
    /// First byte in the file.
    pub first_byte: u64,
    /// Length in the file, compressed.
    pub bytes: u64,
    pub(crate) codec: i32,
    pub(crate) data_page: i64,
    pub(crate) dictionary_page: Option<i64>,
    /// Places of the statistics in the footer: first byte and length.
    min: Option<(u32, u32)>,
    max: Option<(u32, u32)>,
}

impl ColumnChunk {
    fn at(row_group: usize, column: usize) -> Self {
        Self {
            row_group,
            column,
            values: 0,
            nulls: None,
            first_byte: 0,
            bytes: 0,
            codec: 0,
            data_page: 0,
            dictionary_page: None,
            min: None,
            max: None,
        }
    }

    /// The codec of its pages, as Parquet calls it: `UNCOMPRESSED`, `SNAPPY`, `ZSTD`, …
    #[must_use]
    pub fn codec(&self) -> &'static str {
        const CODECS: [&str; 8] = [
            "UNCOMPRESSED",
            "SNAPPY",
            "GZIP",
            "LZO",
            "BROTLI",
            "LZ4",
            "ZSTD",
            "LZ4_RAW",
        ];
        usize::try_from(self.codec)
            .ok()
            .and_then(|codec| CODECS.get(codec).copied())
            .unwrap_or("UNKNOWN")
    }
}

impl Footer {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The program that wrote the file; empty where it does not say.
    #[must_use]
    pub fn created_by(&self) -> &str {
        &self.created_by
    }

    /// Size of the file, bytes.
    #[must_use]
    pub fn file_size(&self) -> u64 {
        self.state.size
    }

    /// Length of the footer, bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// XXH64 of the footer: another one is another content.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The row groups, in file order.
    #[must_use]
    pub fn row_groups(&self) -> &[RowGroup] {
        &self.row_groups
    }

    /// Names (dotted paths) and types of the columns that are leaves of the schema, in file order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.schema
            .leaves()
            .iter()
            .map(|leaf| (leaf.path.as_str(), leaf.data_type.as_str()))
    }

    /// The column chunks that were asked for, row group after row group.
    #[must_use]
    pub fn chunks(&self) -> &[ColumnChunk] {
        &self.chunks
    }

    /// The smallest and the largest value of a chunk as text, where the file keeps them: numbers so that they can be read
    /// back exactly, strings as they are (a writer may have shortened them).
    #[must_use]
    pub fn bounds(&self, chunk: &ColumnChunk) -> (Option<String>, Option<String>) {
        let text = |place: Option<(u32, u32)>| {
            let (first, length) = place?;
            let first = self.start + first as usize;
            let value = self.tail.1.get(first..first + length as usize)?;
            self.schema.leaves().get(chunk.column)?.statistic(value)
        };
        (text(chunk.min), text(chunk.max))
    }

    /// Gives the bytes back that bounds are read from, and pages of small files.
    pub(crate) fn forget_tail(&mut self) {
        self.tail = (self.state.size, Bytes::new());
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn schema(&self) -> &Arc<FileSchema> {
        &self.schema
    }

    /// The chunk of a column in a row group; `None` where it was not asked for.
    pub(crate) fn chunk(&self, row_group: usize, column: usize) -> Option<&ColumnChunk> {
        let at = |chunk: &ColumnChunk| (chunk.row_group, chunk.column);
        let found = self.chunks.binary_search_by_key(&(row_group, column), at).ok()?;
        self.chunks.get(found)
    }

    /// Bytes of the file from `offset`, without reading it where they are in its tail.
    pub(crate) fn bytes_at(&self, file: &dyn ReadAt, offset: u64, length: u64) -> std::io::Result<Bytes> {
        let length = usize::try_from(length).map_err(std::io::Error::other)?;
        let (tail_offset, tail) = &self.tail;
        let in_tail = offset
            .checked_sub(*tail_offset)
            .and_then(|first| usize::try_from(first).ok());
        match in_tail.and_then(|first| Some((first, first.checked_add(length)?))) {
            Some((first, end)) if end <= tail.len() => Ok(tail.slice(first..end)),
            _ => file.read_at(offset, length),
        }
    }
}

/// Reads footers, one file after another. Files of one schema share it, so keep the reader from file to file.
#[derive(Debug, Default)]
pub struct FooterReader {
    columns: Option<Vec<String>>,
    /// By the bytes that encode them.
    schemas: HashMap<Box<[u8]>, Known>,
    /// That of the last file.
    last: Option<(Box<[u8]>, Known)>,
}

/// A schema, and which of its leaves are wanted.
type Known = (Arc<FileSchema>, Arc<[bool]>);

impl FooterReader {
    /// Decodes only the chunks of these columns (dotted paths) and passes over all others. Default: all columns.
    #[must_use]
    pub fn with_columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        (self.schemas, self.last) = (HashMap::new(), None);
        self
    }

    /// Reads the footer of a file: its last 64 KiB, and once more where the footer is longer.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the file cannot be opened or read, [`Error::Footer`] where it has no sound Parquet footer.
    ///
    /// # Complexity
    ///
    /// O(length of the footer).
    pub fn read(&mut self, path: impl AsRef<Path>) -> Result<Footer> {
        let path = path.as_ref();
        let io = |source| Error::Io {
            path: path.into(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let state = file.state().map_err(io)?;
        self.read_from(&file, state).map_err(|reason| Error::Footer {
            path: path.into(),
            reason,
        })
    }

    /// Reads the footer of an open file in a known state; the error is a reason for people.
    pub(crate) fn read_from(&mut self, file: &dyn ReadAt, state: State) -> Result<Footer, String> {
        let size = state.size;
        let read_end = |length: u64| {
            let length_in_memory = usize::try_from(length).map_err(|e| e.to_string())?;
            file.read_at(size - length, length_in_memory).map_err(|e| e.to_string())
        };
        let mut tail = read_end(size.min(TAIL))?;
        let Some((_, [l0, l1, l2, l3, magic @ ..])) = tail.split_last_chunk::<ENDING>() else {
            return Err(format!("{size} bytes are too few for a Parquet file"));
        };
        match magic {
            b"PAR1" => {}
            b"PARE" => return Err("the footer is encrypted: decrypt the file first".into()),
            _ => return Err("no Parquet magic number at the end: truncated, or not a Parquet file".into()),
        }
        let length = u64::from(u32::from_le_bytes([*l0, *l1, *l2, *l3]));
        let with_ending = length + ENDING as u64;
        if with_ending > size {
            return Err(format!("the footer claims {length} bytes of a file of {size}: damaged"));
        }
        if with_ending > tail.len() as u64 {
            tail = read_end(with_ending)?;
        }
        let start = tail.len() - usize::try_from(with_ending).map_err(|e| e.to_string())?;
        let bytes = tail.slice(start..tail.len() - ENDING);
        let decoded = self.decode(&bytes, size - with_ending)?;
        Ok(Footer {
            state,
            length,
            hash: XxHash64::oneshot(0, &bytes),
            rows: decoded.rows,
            created_by: String::from_utf8_lossy(decoded.created_by).into_owned(),
            schema: decoded.schema,
            row_groups: decoded.row_groups,
            chunks: decoded.chunks,
            tail: (size - tail.len() as u64, tail),
            start,
        })
    }

    /// Decodes a footer; the pages of the file end at byte `end`.
    fn decode<'a>(&mut self, footer: &'a [u8], end: u64) -> Result<Decoded<'a>, String> {
        let mut cursor = Cursor::new(footer);
        let mut fields = cursor.fields(Kind::STRUCT)?;
        let (mut schema, mut rows, mut groups, mut created_by) = (None, None, None, &b""[..]);
        while let Some((field, kind)) = fields.next(&mut cursor)? {
            match field {
                // Most often it is that of the file before.
                2 if kind == Kind::LIST && self.last.as_ref().is_some_and(|(bytes, _)| cursor.skip_known(bytes)) => {
                    schema = self.last.as_ref().map(|(_, known)| known.clone());
                }
                2 => {
                    let before = cursor.position();
                    cursor.skip(kind)?;
                    let bytes = footer.get(before..cursor.position()).unwrap_or_default();
                    let known = self.schema(footer, bytes)?;
                    self.last = Some((bytes.into(), known.clone()));
                    schema = Some(known);
                }
                3 => rows = Some(cursor.u64(kind)?),
                4 => {
                    let (_, wanted) = schema.as_ref().ok_or("row groups before the schema: damaged")?;
                    groups = Some(row_groups(&mut cursor, kind, wanted, end)?);
                }
                6 => created_by = cursor.binary(kind)?,
                _ => cursor.skip(kind)?,
            }
        }
        let (schema, _) = schema.ok_or("the footer has no schema: damaged")?;
        let rows = rows.ok_or("the footer has no number of rows: damaged")?;
        let (row_groups, chunks) = groups.ok_or("the footer has no row groups: damaged")?;
        let in_groups = row_groups
            .iter()
            .map(|group: &RowGroup| group.rows)
            .fold(0, u64::saturating_add);
        if rows != in_groups {
            return Err(format!(
                "the footer counts {rows} rows, its row groups {in_groups}: damaged"
            ));
        }
        Ok(Decoded {
            schema,
            rows,
            row_groups,
            chunks,
            created_by,
        })
    }

    /// The schema that some bytes of a footer encode, and which of its leaves are wanted.
    fn schema(&mut self, footer: &[u8], bytes: &[u8]) -> Result<Known, String> {
        if let Some(known) = self.schemas.get(bytes) {
            return Ok(known.clone());
        }
        let schema = Arc::new(FileSchema::decode(footer)?);
        let is_wanted = |path: &String| self.columns.as_ref().is_none_or(|columns| columns.contains(path));
        let wanted = schema.leaves().iter().map(|leaf| is_wanted(&leaf.path)).collect();
        self.schemas
            .insert(bytes.into(), (Arc::clone(&schema), Arc::clone(&wanted)));
        Ok((schema, wanted))
    }
}

/// What a footer says, before it is known which file it belongs to.
struct Decoded<'a> {
    schema: Arc<FileSchema>,
    rows: u64,
    row_groups: Vec<RowGroup>,
    chunks: Vec<ColumnChunk>,
    created_by: &'a [u8],
}

/// `FileMetaData.row_groups`.
fn row_groups(
    cursor: &mut Cursor<'_>,
    kind: Kind,
    wanted: &[bool],
    end: u64,
) -> Result<(Vec<RowGroup>, Vec<ColumnChunk>), String> {
    let (length, element) = cursor.list(kind)?;
    let (mut groups, mut chunks) = (Vec::new(), Vec::new());
    let mut first_row = 0_u64;
    let groups_at_most = length.min(64);
    for number in 0..length {
        let first_chunk = chunks.len();
        let mut fields = cursor.fields(element)?;
        let (mut rows, mut columns) = (None, 0);
        while let Some((field, kind)) = fields.next(cursor)? {
            match field {
                1 => {
                    let (length, element) = cursor.list(kind)?;
                    columns = length;
                    if number == 0 && length == wanted.len() {
                        // As many again for each group, as far as a footer of this length can hold them.
                        chunks.reserve(wanted.iter().filter(|wanted| **wanted).count() * groups_at_most);
                    }
                    for column in 0..length {
                        if wanted.get(column).copied().unwrap_or_default() {
                            chunks.push(ColumnChunk::at(number, column));
                            if let Some(chunk) = chunks.last_mut() {
                                column_chunk(cursor, element, chunk)?;
                                check_place(chunk, end)
                                    .map_err(|reason| format!("row group {number}, column {column}: {reason}"))?;
                            }
                        } else {
                            cursor.skip(element)?;
                        }
                    }
                }
                3 => rows = Some(cursor.u64(kind)?),
                _ => cursor.skip(kind)?,
            }
        }
        if columns != wanted.len() {
            return Err(format!(
                "row group {number} has {columns} columns, the schema {}: damaged",
                wanted.len()
            ));
        }
        let rows = rows.ok_or_else(|| format!("row group {number} has no number of rows: damaged"))?;
        let mine = chunks.get(first_chunk..).unwrap_or_default();
        groups.push(RowGroup {
            first_row,
            rows,
            first_byte: mine
                .iter()
                .filter(|chunk| chunk.values > 0)
                .map(|chunk| chunk.first_byte)
                .min()
                .unwrap_or_default(),
            bytes: mine.iter().map(|chunk| chunk.bytes).fold(0, u64::saturating_add),
        });
        first_row = first_row.saturating_add(rows);
    }
    Ok((groups, chunks))
}

/// `ColumnChunk`, of which only `meta_data` counts.
fn column_chunk(cursor: &mut Cursor<'_>, kind: Kind, chunk: &mut ColumnChunk) -> Result<(), Damage> {
    let mut fields = cursor.fields(kind)?;
    let mut has_metadata = false;
    while let Some((field, kind)) = fields.next(cursor)? {
        match field {
            1 => return Err(Damage::InOtherFiles),
            3 => {
                column_metadata(cursor, kind, chunk)?;
                has_metadata = true;
            }
            _ => cursor.skip(kind)?,
        }
    }
    if has_metadata { Ok(()) } else { Err(Damage::NoMetadata) }
}

/// `ColumnMetaData`.
#[inline(always)]
fn column_metadata(cursor: &mut Cursor<'_>, kind: Kind, chunk: &mut ColumnChunk) -> Result<(), Damage> {
    let mut fields = cursor.fields(kind)?;
    while let Some((field, kind)) = fields.next(cursor)? {
        match field {
            4 => chunk.codec = i32::try_from(cursor.i64(kind)?).unwrap_or(-1),
            5 => chunk.values = cursor.u64(kind)?,
            7 => chunk.bytes = cursor.u64(kind)?,
            9 => chunk.data_page = cursor.i64(kind)?,
            11 => chunk.dictionary_page = Some(cursor.i64(kind)?),
            12 => statistics(cursor, kind, chunk)?,
            _ => cursor.skip(kind)?,
        }
    }
    Ok(())
}

/// `Statistics`. The bounds that older writers left (fields 1 and 2) have no defined order and are passed over.
#[inline(always)]
fn statistics(cursor: &mut Cursor<'_>, kind: Kind, chunk: &mut ColumnChunk) -> Result<(), Damage> {
    let mut fields = cursor.fields(kind)?;
    while let Some((field, kind)) = fields.next(cursor)? {
        match field {
            3 => chunk.nulls = u64::try_from(cursor.i64(kind)?).ok(),
            5 => chunk.max = Some(place(cursor, kind)?),
            6 => chunk.min = Some(place(cursor, kind)?),
            _ => cursor.skip(kind)?,
        }
    }
    Ok(())
}

/// Where in the footer the bytes of a field are.
#[inline(always)]
fn place(cursor: &mut Cursor<'_>, kind: Kind) -> Result<(u32, u32), Damage> {
    let length = cursor.binary(kind)?.len();
    let first = cursor.position() - length;
    // A footer has at most 4 GiB.
    Ok((
        u32::try_from(first).unwrap_or(u32::MAX),
        u32::try_from(length).unwrap_or_default(),
    ))
}

/// Does a column chunk lie before the footer? Whoever reads its pages takes this for granted.
fn check_place(chunk: &mut ColumnChunk, end: u64) -> Result<(), String> {
    if chunk.values == 0 {
        // No page is read, and writers do not agree on where it would be.
        return Ok(());
    }
    let first = chunk.dictionary_page.unwrap_or(chunk.data_page);
    let damaged = || {
        format!(
            "{} bytes from {first} of a file with {end} bytes of data: damaged",
            chunk.bytes
        )
    };
    let first_byte = u64::try_from(first).map_err(|_| damaged())?;
    if chunk.data_page < first || first_byte.checked_add(chunk.bytes).is_none_or(|last| last > end) {
        return Err(damaged());
    }
    chunk.first_byte = first_byte;
    Ok(())
}

/// XXH64 of some text, in parts: the same on every platform and in every release.
#[derive(Default)]
pub(crate) struct TextHash(XxHash64);

impl TextHash {
    pub(crate) fn text(&mut self, text: &str) {
        self.0.write(text.as_bytes());
        self.0.write(&[0]);
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0.finish()
    }
}
