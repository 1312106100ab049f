//! The fast path: lists of one length, from their pages to their places without decoding a level.
//!
//! A list column of constant length has predictable levels. Where a page's levels are what they have to be (see
//! [`levels`]), its values are a matrix, and each wanted row is copied to its place. From an uncompressed page, and from one of
//! Snappy's whose values are literals ([`snappy`]), it is read there.
//! Every page is looked at before it is believed; what is not of this form is left to parquet's own reader, so the result is
//! the same to the bit. Nothing is skipped on faith, either: rows are found by the offset index, by the row counts that pages of
//! version 2 have, or by looking at every page before them, once.

mod codec;
pub(crate) mod header;
mod levels;
mod scatter;
mod snappy;
mod varint;

use std::cell::RefCell;
use std::mem;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parquet::basic::{Compression, LogicalType, Type as PhysicalType};
use parquet::file::metadata::ParquetMetaData;

use self::header::{Encoding, Kind, Levels, PageHeader};
use self::levels::Found;
use self::scatter::Extent;
use self::snappy::Run;
use crate::storage::Positioned;
use crate::{Error, Result};

/// Bytes of one value: only columns of four are read here.
const WIDTH: usize = 4;
/// A page of more is left to parquet's reader.
const LARGEST_PAGE: usize = 1 << 28;

/// A row that is wanted, and where its values go.
pub(crate) struct Slot<'a> {
    /// Number of the row in the file.
    pub(crate) row: u64,
    pub(crate) values: &'a mut [u8],
}

/// A column of lists, and what is known of its pages.
#[derive(Debug)]
pub(crate) struct FixedLists {
    /// Number of the leaf column in the file.
    leaf: usize,
    /// Values of every list.
    length: usize,
    highest_definition: u16,
    /// By row group, as they become known; none where the pages have no constant number of values a row, a reason where the
    /// offset index contradicts them.
    chunks: Vec<OnceLock<Result<Option<Chunk>, String>>>,
    /// Rows of each row group.
    groups: Vec<Range<u64>>,
}

/// A column in one row group.
#[derive(Debug)]
struct Chunk {
    codec: Compression,
    pages: Vec<Page>,
}

#[derive(Debug)]
struct Page {
    header: PageHeader,
    /// Where the bytes behind its header begin.
    offset: u64,
    /// Rows of the file.
    rows: Range<u64>,
    /// Is it known that it has these rows and no others?
    is_sure: AtomicBool,
    /// Where its values lie, once its levels were looked at; none where they have to be decompressed.
    values: OnceLock<Option<Values>>,
}

/// The values of a page, which lie in the file as they are.
#[derive(Debug)]
struct Values {
    /// The first bytes, which do not.
    early: Vec<u8>,
    /// All others.
    runs: Vec<Run>,
}

/// What became of a page.
#[derive(PartialEq, Eq)]
enum Outcome {
    Done,
    /// Its form is another one, or it is damaged.
    NotFast,
}

impl FixedLists {
    /// The leaf column at a dotted path, if its values are such that their bytes can be taken as they are.
    pub(crate) fn find(metadata: &ParquetMetaData, path: &str, physical: PhysicalType, length: usize) -> Option<Self> {
        let schema = metadata.file_metadata().schema_descr();
        let mut leaves = (0..schema.num_columns()).filter(|&leaf| {
            let name = schema.column(leaf).path().string();
            name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
        });
        let (leaf, None) = (leaves.next()?, leaves.next()) else {
            return None;
        };
        let column = schema.column(leaf);
        let is_plain = match column.logical_type_ref() {
            None => true,
            Some(LogicalType::Integer(integer)) => integer.bit_width == 32 && integer.is_signed,
            Some(_) => false,
        };
        let is_readable = cfg!(target_endian = "little")
            && is_plain
            && column.physical_type() == physical
            && column.max_rep_level() == 1
            && length > 0;
        let mut first = 0;
        let groups: Vec<Range<u64>> = metadata
            .row_groups()
            .iter()
            .map(|group| {
                let start = first;
                first += u64::try_from(group.num_rows()).unwrap_or_default();
                start..first
            })
            .collect();
        is_readable.then(|| Self {
            leaf,
            length,
            highest_definition: u16::try_from(column.max_def_level()).unwrap_or_default(),
            chunks: groups.iter().map(|_| OnceLock::new()).collect(),
            groups,
        })
    }

    /// Fills slots, which are sorted by their rows, and returns the numbers of those that are left to parquet's reader.
    pub(crate) fn fill(
        &self,
        file: &Positioned,
        path: &Path,
        metadata: &ParquetMetaData,
        slots: &mut [Slot<'_>],
    ) -> Result<Vec<usize>> {
        let mut left = Vec::new();
        let mut from = 0;
        for (number, group) in self.groups.iter().enumerate() {
            let to = from + slots[from..].partition_point(|slot| slot.row < group.end);
            if from == to {
                continue;
            }
            let chunk = self.chunks[number].get_or_init(|| self.chunk(file, metadata, number).transpose());
            match chunk {
                Ok(Some(chunk)) => self.fill_from(chunk, file, path, &mut slots[from..to], from, &mut left)?,
                Ok(None) => left.extend(from..to),
                Err(reason) => {
                    return Err(Error::Tile {
                        path: path.to_owned(),
                        source: reason.clone().into(),
                    });
                }
            }
            from = to;
        }
        left.extend(from..slots.len());
        Ok(left)
    }

    /// Lists the pages of a chunk; `None` if they are no constant number of values a row. The error is a reason for people:
    /// parquet's reader would believe the index.
    fn chunk(&self, file: &Positioned, metadata: &ParquetMetaData, group: usize) -> Option<Result<Chunk, String>> {
        let column = metadata.row_groups().get(group)?.columns().get(self.leaf)?;
        let index = metadata
            .offset_index()
            .and_then(|index| index.get(group)?.get(self.leaf));
        let (start, bytes) = column.byte_range();
        let (mut at, end) = (start, start.checked_add(bytes)?);
        let rows = self.groups[group].clone();
        let mut first_row = rows.start;
        let mut pages = Vec::new();
        let mut head = Vec::new();
        while at < end {
            let (header, length) = read_header(file, at, end, &mut head)?;
            let offset = at + length as u64;
            let next = offset.checked_add(header.stored as u64).filter(|next| *next <= end)?;
            if header.kind == Kind::Data {
                if header.values % self.length as u64 != 0 {
                    return None;
                }
                let last_row = first_row.checked_add(header.values / self.length as u64)?;
                let location = index.map(|index| index.page_locations().get(pages.len()));
                let is_sure = match (location, header.levels) {
                    (Some(location), _) => {
                        let found = (i64::try_from(at).ok()?, i64::try_from(first_row - rows.start).ok()?);
                        let claimed = location.map(|location| (location.offset, location.first_row_index));
                        if claimed != Some(found) {
                            return Some(Err(format!(
                                "leaf column {}, row group {group}: page {} is at byte {} with row {}, which its offset index \
                                 does not say: the file is damaged",
                                self.leaf,
                                pages.len(),
                                found.0,
                                found.1
                            )));
                        }
                        true
                    }
                    (None, Levels::Before { rows, .. }) => {
                        if rows != last_row - first_row {
                            return None;
                        }
                        true
                    }
                    (None, _) => false,
                };
                pages.push(Page {
                    header,
                    offset,
                    rows: first_row..last_row,
                    is_sure: is_sure.into(),
                    values: OnceLock::new(),
                });
                first_row = last_row;
            }
            at = next;
        }
        (first_row == rows.end).then(|| {
            Ok(Chunk {
                codec: column.compression(),
                pages,
            })
        })
    }

    fn fill_from(
        &self,
        chunk: &Chunk,
        file: &Positioned,
        path: &Path,
        slots: &mut [Slot<'_>],
        first_slot: usize,
        left: &mut Vec<usize>,
    ) -> Result<()> {
        let mut from = 0;
        for page in &chunk.pages {
            if from == slots.len() {
                break;
            }
            let to = from + slots[from..].partition_point(|slot| slot.row < page.rows.end);
            if from == to && page.is_sure.load(Ordering::Relaxed) {
                continue;
            }
            let wanted = &mut slots[from..to];
            if self.page(chunk.codec, page, file, path, wanted)? == Outcome::NotFast {
                if page.is_sure.load(Ordering::Relaxed) {
                    left.extend(first_slot + from..first_slot + to);
                } else {
                    // Where the next page begins is not known.
                    left.extend(first_slot + from..first_slot + slots.len());
                    return Ok(());
                }
            }
            from = to;
        }
        left.extend(first_slot + from..first_slot + slots.len());
        Ok(())
    }

    fn page(
        &self,
        codec: Compression,
        page: &Page,
        file: &Positioned,
        path: &Path,
        slots: &mut [Slot<'_>],
    ) -> Result<Outcome> {
        let PageHeader {
            stored, size, values, ..
        } = page.header;
        let value_bytes = usize::try_from(values)
            .ok()
            .and_then(|values| values.checked_mul(WIDTH));
        let Some(value_bytes) = value_bytes.filter(|bytes| *bytes <= size && size <= LARGEST_PAGE) else {
            return Ok(Outcome::NotFast);
        };
        let level_bytes = size - value_bytes;
        // Levels are three bits a value at most, and some bytes of lengths.
        let has_sane_levels = level_bytes as u64 <= values.saturating_add(64) && page.header.levels != Levels::Old;
        if page.header.encoding == Encoding::Other || !has_sane_levels {
            return Ok(Outcome::NotFast);
        }
        let is_compressed = codec != Compression::UNCOMPRESSED
            && !matches!(
                page.header.levels,
                Levels::Before {
                    are_values_compressed: false,
                    ..
                }
            );
        if !is_compressed && stored != size {
            return Ok(Outcome::NotFast);
        }
        let failed = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let lie = page
            .values
            .get_or_init(|| self.values(codec, is_compressed, page, file));
        if let (Some(Values { early, runs }), Some(file)) = (lie, file.as_file()) {
            // Each row goes from the file to its place.
            let extents = slots.iter_mut().flat_map(|slot| {
                let row = (slot.row - page.rows.start) * slot.values.len() as u64;
                let early = usize::try_from(row)
                    .ok()
                    .and_then(|row| early.get(row..))
                    .unwrap_or_default();
                let (first, rest) = slot.values.split_at_mut(early.len().min(slot.values.len()));
                first.copy_from_slice(&early[..first.len()]);
                extents(runs, level_bytes as u64 + row + first.len() as u64, rest)
            });
            scatter::read(file, extents).map_err(failed)?;
            return Ok(Outcome::Done);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let bytes = room(&mut scratch.stored, stored);
            file.read_exact_at(bytes, page.offset).map_err(failed)?;
            if let Some(expected) = page.header.crc {
                let found = crc32fast::hash(bytes);
                if found != expected {
                    let (offset, leaf) = (page.offset, self.leaf);
                    let reason = format!(
                        "leaf column {leaf}, rows {} to {}: the page at byte {offset} has the checksum {found:08x}, its header \
                         says {expected:08x}: the file is damaged",
                        page.rows.start, page.rows.end
                    );
                    return Err(Error::Tile {
                        path: path.to_owned(),
                        source: reason.into(),
                    });
                }
            }
            let bytes: &[u8] = if is_compressed {
                let whole = room(&mut scratch.values, size);
                let plain = page.header.levels.plain_bytes();
                let (Some((levels, compressed)), Some((to, rest))) =
                    (bytes.split_at_checked(plain), whole.split_at_mut_checked(plain))
                else {
                    return Ok(Outcome::NotFast);
                };
                to.copy_from_slice(levels);
                if codec::decompress(codec, compressed, rest).is_none() {
                    return Ok(Outcome::NotFast);
                }
                whole
            } else {
                bytes
            };
            let (levels, values) = bytes.split_at(level_bytes);
            match self.lists(page, levels) {
                Found::Expected => {}
                Found::Others => return Ok(Outcome::NotFast),
                Found::Impossible => {
                    let reason = format!(
                        "leaf column {}, rows {} to {}: the page at byte {} has levels that cannot be: the file is damaged",
                        self.leaf, page.rows.start, page.rows.end, page.offset
                    );
                    return Err(Error::Tile {
                        path: path.to_owned(),
                        source: reason.into(),
                    });
                }
            }
            for slot in slots {
                let row = (slot.row - page.rows.start) as usize * self.length;
                match page.header.encoding {
                    Encoding::ByteStreamSplit => unsplit(values, row, slot.values),
                    _ => slot.values.copy_from_slice(&values[row * WIDTH..(row + self.length) * WIDTH]),
                }
            }
            Ok(Outcome::Done)
        })
    }

    /// Where the values of a page lie in the file as they are; `None` where they do not, its levels are others, or all of it has to
    /// be read for its checksum.
    fn values(&self, codec: Compression, is_compressed: bool, page: &Page, file: &Positioned) -> Option<Values> {
        let PageHeader {
            stored,
            size,
            crc: None,
            encoding: Encoding::Plain,
            ..
        } = page.header
        else {
            return None;
        };
        // Elsewhere small parts take as long as large ones.
        file.as_file()?;
        let level_bytes = size.checked_sub(page.header.values as usize * WIDTH)?;
        let read = |bytes: &mut [u8], at: u64| file.read_exact_at(bytes, at).ok();
        // The levels of version 2 are not compressed.
        let plain = page.header.levels.plain_bytes();
        let compressed = page.offset.checked_add(plain as u64)?;
        let (mut levels, early, mut runs) = if !is_compressed {
            let run = Run {
                place: 0,
                at: page.offset,
                length: size as u64,
            };
            let mut levels = vec![0; level_bytes];
            read(&mut levels, page.offset)?;
            (levels, Vec::new(), vec![run])
        } else if codec == Compression::SNAPPY {
            let (inside, rest) = (level_bytes.checked_sub(plain)?, size.checked_sub(plain)?);
            let (mut first, runs) = snappy::map(read, compressed, page.offset + stored as u64, inside, rest)?;
            let early = first.split_off(inside);
            (first, early, runs)
        } else {
            return None;
        };
        if is_compressed && plain > 0 {
            let mut before = vec![0; plain];
            read(&mut before, page.offset)?;
            before.append(&mut levels);
            levels = before;
            runs.iter_mut().for_each(|run| run.place += plain as u64);
        }
        (self.lists(page, &levels) == Found::Expected).then_some(Values { early, runs })
    }

    /// Do the levels of a page say that all its rows are lists of the one length, without a null?
    fn lists(&self, page: &Page, levels: &[u8]) -> Found {
        let parts = match page.header.levels {
            Levels::Inside => behind_length(levels).and_then(|(repetition, rest)| {
                let (definition, rest) = behind_length(rest)?;
                rest.is_empty().then_some((repetition, definition))
            }),
            Levels::Before {
                repetition, definition, ..
            } => {
                let is_all = repetition.checked_add(definition) == Some(levels.len());
                is_all.then(|| levels.split_at(repetition))
            }
            Levels::Old => None,
        };
        let Some((repetition, definition)) = parts else {
            return Found::Others;
        };
        let values = page.header.values;
        let found = [
            levels::are_lists(repetition, self.length as u64, values),
            levels::are_all(definition, self.highest_definition, values),
        ];
        if found.contains(&Found::Impossible) {
            return Found::Impossible;
        }
        if found.contains(&Found::Others) {
            return Found::Others;
        }
        page.is_sure.store(true, Ordering::Relaxed);
        Found::Expected
    }
}

/// The parts of the file that hold the bytes of a page from `place` on.
fn extents<'a>(runs: &[Run], mut place: u64, mut values: &'a mut [u8]) -> impl Iterator<Item = Extent<'a>> {
    let first = runs.partition_point(|run| run.place + run.length <= place);
    runs[first..].iter().map_while(move |run| {
        if values.is_empty() {
            return None;
        }
        let skipped = place - run.place;
        let count = usize::try_from(run.length - skipped).map_or(values.len(), |left| left.min(values.len()));
        let (to, later) = mem::take(&mut values).split_at_mut(count);
        (place, values) = (place + to.len() as u64, later);
        let at = run.at + skipped;
        Some(Extent { at, to })
    })
}

/// Memory that a thread uses for one page after the other.
#[derive(Default)]
struct Scratch {
    stored: Vec<u8>,
    values: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// So many bytes of a vector, which only grows.
fn room(bytes: &mut Vec<u8>, length: usize) -> &mut [u8] {
    if bytes.len() < length {
        bytes.resize(length, 0);
    }
    &mut bytes[..length]
}

fn behind_length(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// A header is read with 256 bytes at first; one with long statistics needs more.
fn read_header(file: &Positioned, at: u64, end: u64, head: &mut Vec<u8>) -> Option<(PageHeader, usize)> {
    for most in [256, 4 << 10, 64 << 10] {
        let bytes = room(head, usize::try_from((end - at).min(most)).ok()?);
        file.read_exact_at(bytes, at).ok()?;
        if let Some(found) = header::read(bytes) {
            return Some(found);
        }
    }
    None
}

/// Joins values whose bytes are apart: all first bytes, all second bytes, and so on (BYTE_STREAM_SPLIT).
fn unsplit(values: &[u8], first: usize, into: &mut [u8]) {
    let count = into.len() / WIDTH;
    let stride = values.len() / WIDTH;
    let stream = |byte: usize| &values[byte * stride + first..][..count];
    let (a, b, c, d) = (stream(0), stream(1), stream(2), stream(3));
    for (i, value) in into.chunks_exact_mut(WIDTH).enumerate() {
        value.copy_from_slice(&[a[i], b[i], c[i], d[i]]);
    }
}
