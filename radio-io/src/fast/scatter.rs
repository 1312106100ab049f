//! Reading parts of a file to many places with one call to the system (`preadv`).

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem;
use std::os::unix::fs::FileExt;

/// So many parts are read with one call; Linux allows 1,024, and there is a gap between two at most.
const PARTS: usize = 500;
/// Bytes between two parts that are read along, and thrown away, rather than asked for in another call.
const GAP: usize = 64;

/// A part of a file, and where it goes.
pub(super) struct Extent<'a> {
    pub(super) at: u64,
    pub(super) to: &'a mut [u8],
}

/// Reads parts, which come in the order of the file and do not overlap.
pub(super) fn read<'a>(file: &File, parts: impl Iterator<Item = Extent<'a>>) -> io::Result<()> {
    let mut parts = parts.peekable();
    while let Some(first) = parts.next() {
        let start = first.at;
        let mut end = start + first.to.len() as u64;
        let mut together = vec![(0, first.to)];
        while together.len() < PARTS
            && let Some(next) = parts.next_if(|next| next.at >= end && next.at - end <= GAP as u64)
        {
            let gap = (next.at - end) as usize;
            end = next.at + next.to.len() as u64;
            together.push((gap, next.to));
        }
        read_together(file, start, together)?;
    }
    Ok(())
}

/// Reads buffers that follow each other in the file, each behind a gap.
fn read_together(file: &File, start: u64, buffers: Vec<(usize, &mut [u8])>) -> io::Result<()> {
    let mut gaps = vec![0; buffers.iter().map(|(gap, _)| gap).sum()];
    let mut gaps = gaps.as_mut_slice();
    let mut slices = Vec::with_capacity(2 * buffers.len());
    for (gap, buffer) in buffers {
        if gap > 0 {
            let (now, later) = mem::take(&mut gaps).split_at_mut(gap);
            slices.push(IoSliceMut::new(now));
            gaps = later;
        }
        slices.push(IoSliceMut::new(buffer));
    }
    let length: usize = slices.iter().map(|slice| slice.len()).sum();
    let count = rustix::io::retry_on_intr(|| rustix::io::preadv(file, &mut slices, start))?;
    if count < length {
        // A call may read less than it was asked for.
        let mut rest = slices.as_mut_slice();
        IoSliceMut::advance_slices(&mut rest, count);
        let mut at = start + count as u64;
        for slice in rest {
            file.read_exact_at(slice, at)?;
            at += slice.len() as u64;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_part_comes_to_its_place(parts in proptest::collection::vec((0..200_usize, 0..300_usize), 0..700)) {
            let mut file = tempfile::tempfile().unwrap();
            let size: usize = parts.iter().map(|(gap, length)| gap + length).sum();
            let bytes: Vec<u8> = (0..size).map(|i| (i * i / 7) as u8).collect();
            file.write_all(&bytes).unwrap();
            let mut places: Vec<(usize, Vec<u8>)> = Vec::new();
            let mut at = 0;
            for (gap, length) in parts {
                places.push((at + gap, vec![0; length]));
                at += gap + length;
            }
            let wanted = places.iter_mut().map(|(at, to)| Extent { at: *at as u64, to });
            read(&file, wanted).unwrap();
            for (at, found) in &places {
                prop_assert_eq!(found, &bytes[*at..*at + found.len()]);
            }
        }
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abcdef").unwrap();
        let (mut first, mut second) = ([0; 3], [0; 3]);
        let parts = [Extent { at: 0, to: &mut first }, Extent { at: 4, to: &mut second }];
        assert_eq!(
            read(&file, parts.into_iter()).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }
}
