//! Graphs on disk.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use arrow_buffer::{Buffer, ScalarBuffer};
use bytes::Bytes;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Graph;
use crate::error::{Error, Result, Source};
use crate::files;

/// What the header says of an array: safetensors.
#[derive(Serialize, Deserialize)]
struct Array {
    dtype: String,
    shape: [usize; 1],
    data_offsets: [usize; 2],
}

#[derive(Serialize, Deserialize)]
struct Header {
    offsets: Array,
    neighbours: Array,
}

/// The length of the header, which a multiple of it has, too, so that numbers lie where the processor wants them.
const WORD: usize = 8;

impl Graph {
    /// Writes the graph to a safetensors file, in place of what is there: the arrays `offsets`, u64, and `neighbours`, u32.
    ///
    /// The file appears under its name when it is complete. Any safetensors reader can open it.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let arrays = [self.offsets.inner().as_slice(), self.neighbours.inner().as_slice()];
        let array = |dtype: &str, length, start, bytes: &[u8]| Array {
            dtype: dtype.to_owned(),
            shape: [length],
            data_offsets: [start, start + bytes.len()],
        };
        let header = Header {
            offsets: array("U64", self.offsets.len(), 0, arrays[0]),
            neighbours: array("U32", self.neighbours.len(), arrays[0].len(), arrays[1]),
        };
        let failed = |e: Source| Error::file("write the graph", path, e);
        let mut header = serde_json::to_vec(&header).map_err(|e| failed(e.into()))?;
        header.resize(header.len().next_multiple_of(WORD), b' ');
        let write = |file: &mut File| {
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            arrays.iter().try_for_each(|array| file.write_all(array))
        };
        files::replace_with(path, write).map_err(|e| failed(e.into()))
    }

    /// Maps a graph that [`save`](Self::save) wrote: nothing of it is copied, and processes share it.
    ///
    /// Every number is looked at once, so that a damaged file is an error here. The file must not be changed or cut off while the graph
    /// is in use; it may be replaced or removed.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the file cannot be mapped, or is no graph.
    ///
    /// # Examples
    ///
    /// ```
    /// use radio_models::Graph;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("web.safetensors");
    /// let graph = Graph::from_edges(3, &[[0, 1], [2, 1]])?;
    /// graph.save(&path)?;
    /// assert!(Graph::open(&path)? == graph);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |e: Source| Error::file("open the graph", path, e);
        let file = File::open(path).map_err(|e| failed(e.into()))?;
        #[allow(
            unsafe_code,
            reason = "a mapping is only as good as its file, which the caller is asked to leave as it is"
        )]
        let mapped = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| failed(e.into()))?;
        Self::from_bytes(Bytes::from_owner(mapped)).map_err(failed)
    }

    fn from_bytes(bytes: Bytes) -> Result<Self, Source> {
        let (start, header) = header(&bytes).ok_or("it does not begin with the header of a graph")?;
        let file = Buffer::from(bytes);
        let offsets = numbers::<u64>(&file, start, &header.offsets, "U64").ok_or("its offsets are not in it")?;
        let neighbours =
            numbers::<u32>(&file, start, &header.neighbours, "U32").ok_or("its neighbours are not in it")?;
        let (first, last) = (offsets.first().copied(), offsets.last().copied());
        if first != Some(0) || last != Some(neighbours.len() as u64) {
            return Err("its offsets do not begin with 0 and end with the number of edges".into());
        }
        if let Some(node) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
            return Err(format!("the neighbours of node {node} end before they begin").into());
        }
        let nodes = offsets.len() - 1;
        if let Some(edge) = neighbours.par_iter().position_first(|&node| node as usize >= nodes) {
            let neighbour = neighbours[edge];
            return Err(format!("edge {edge} goes to {neighbour}, but there are {nodes} nodes").into());
        }
        Ok(Self { offsets, neighbours })
    }
}

/// Where the arrays begin, and what they are.
fn header(bytes: &[u8]) -> Option<(usize, Header)> {
    let length = usize::try_from(u64::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    let end = length.checked_add(WORD)?;
    let header = serde_json::from_slice(bytes.get(WORD..end)?).ok()?;
    end.is_multiple_of(WORD).then_some((end, header))
}

fn numbers<T: arrow_buffer::ArrowNativeType>(
    file: &Buffer,
    start: usize,
    array: &Array,
    dtype: &str,
) -> Option<ScalarBuffer<T>> {
    let [from, to] = array.data_offsets;
    let bytes = array.shape[0].checked_mul(size_of::<T>())?;
    let from = start.checked_add(from)?;
    let fits = array.dtype == dtype && start.checked_add(to)? == from.checked_add(bytes)? && from + bytes <= file.len();
    // A mapping begins with a page, so this says where the numbers lie.
    (fits && from.is_multiple_of(size_of::<T>())).then(|| ScalarBuffer::from(file.slice_with_length(from, bytes)))
}
