//! Buffers of batches, used again when their batch is gone: fresh memory costs several times what a copy into warm memory costs.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow_buffer::Buffer;
use bytes::Bytes;

/// Buffers that wait to be used again.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    free: Mutex<Vec<Vec<u32>>>,
    /// What all batches without a mask share.
    zeros: OnceLock<Buffer>,
    /// Bytes that may wait.
    most: AtomicUsize,
}

impl Ring {
    /// Lets so many bytes wait, if they were fewer.
    pub(crate) fn allow(&self, bytes: usize) {
        self.most.fetch_max(bytes, Ordering::Relaxed);
    }

    /// A buffer for so many values. What is in it is of no meaning.
    pub(crate) fn take(&self, length: usize) -> Vec<u32> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        // The one that was given back last may still be in the processor's cache.
        match free.iter().rposition(|buffer| buffer.len() == length) {
            Some(place) => free.remove(place),
            None => vec![0; length],
        }
    }

    /// So many zeros. Most often the first that asks, asks for most: only a last batch is shorter.
    pub(crate) fn zeros(&self, length: usize) -> Buffer {
        if length == 0 {
            return Buffer::from_vec(Vec::<u32>::new());
        }
        let zeros = self.zeros.get_or_init(|| Buffer::from_vec(vec![0_u32; length]));
        let bytes = length * size_of::<u32>();
        if bytes <= zeros.len() {
            zeros.slice_with_length(0, bytes)
        } else {
            Buffer::from_vec(vec![0_u32; length])
        }
    }

    /// Makes an Arrow buffer, which gives its memory back when the last one that holds it is gone.
    pub(crate) fn lend(self: &Arc<Self>, values: Vec<u32>) -> Buffer {
        let ring = self.clone();
        Buffer::from(Bytes::from_owner(Lent { values, ring }))
    }
}

struct Lent {
    values: Vec<u32>,
    ring: Arc<Ring>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.values)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut free = self.ring.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(mem::take(&mut self.values));
        let bytes = |free: &Vec<Vec<u32>>| free.iter().map(|values| size_of_val::<[u32]>(values)).sum::<usize>();
        let mut over = bytes(&free).saturating_sub(self.ring.most.load(Ordering::Relaxed));
        while over > 0 {
            // The oldest one may be of a length that nobody asks for any more.
            over = over.saturating_sub(size_of_val::<[u32]>(&free.remove(0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back() {
        let ring = Arc::new(Ring::default());
        ring.allow(4_000);
        let mut values = ring.take(1000);
        values[7] = 7;
        let address = values.as_ptr() as usize;
        let buffer = ring.lend(values);
        let slice = buffer.slice(28);
        assert_eq!((buffer.as_ptr() as usize, slice.as_slice()[0]), (address, 7));
        drop(buffer);
        assert!(ring.free.lock().unwrap().is_empty(), "a slice still holds it");
        drop(slice);
        let again = ring.take(1000);
        assert_eq!(again.as_ptr() as usize, address);
        assert_eq!(ring.take(10).len(), 10);
        // There is room for one.
        drop((ring.lend(again), ring.lend(vec![5; 1000])));
        assert_eq!(ring.free.lock().unwrap().as_slice(), [vec![5; 1000]]);
    }
}
