//! One epoch of batches from the tiles of a mock survey, beside a copy of the same bytes in memory.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros have no docs, and a panic is how a bench fails"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use radio_io::mock::Mock;
use radio_io::{ReadOptions, Reader, Shuffle};

const SPECTRA: usize = 2_000;
const SEED: u64 = 1;
/// Flux, ivar and mask of 7781 pixels.
const ROW_BYTES: usize = 3 * 4 * 7781;

fn epoch(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let plan = Mock::new(SPECTRA).seed(SEED).write(folder.path(), |_| {}).unwrap().plan;

    let mut group = c.benchmark_group("stream");
    group
        .sample_size(10)
        .throughput(Throughput::Bytes((SPECTRA * ROW_BYTES) as u64));
    for (name, shuffle) in [("in order", Shuffle::None), ("window", Shuffle::window())] {
        let options = ReadOptions::default().with_shuffle(shuffle);
        group.bench_function(name, |b| {
            b.iter(|| {
                let batches = Reader::new(&plan, options.clone()).unwrap();
                batches.map(|batch| batch.unwrap().len()).sum::<usize>()
            });
        });
    }
    let bytes = vec![1_u8; SPECTRA * ROW_BYTES];
    let mut copy = vec![0_u8; bytes.len()];
    group.bench_function("memcpy", |b| b.iter(|| copy.copy_from_slice(black_box(&bytes))));
}

criterion_group!(benches, epoch);
criterion_main!(benches);
