//! Do the bitmap functions go as fast as memory?
//!
//! Counting, searching and combining strings of 100 MB in chunks of 64 KiB, as the engine stores
//! them, beside copying the same bytes. Throughput is that of the bytes read from one source; the
//! results go into memory that is there already, so that page faults are nobody's.
//!
//! Not for the server around it: `perf/compare`.

#![expect(missing_docs, reason = "criterion's macro makes a public function without a comment")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::structures::bitmap::{Operation, combine, count, first};
use zumic_benches::is_smoke;
use zumic_benches::keys::Random;

const CHUNK_BYTES: usize = 64 * 1024;

fn filled(chunks: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random(seed);
    let mut chunk = || (0..CHUNK_BYTES / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    (0..chunks).map(|_| chunk()).collect()
}

fn bitmap(c: &mut Criterion) {
    let chunks = if is_smoke() { 2 } else { 1_600 };
    let (a, b) = (filled(chunks, 1), filled(chunks, 2));
    let zeros = vec![vec![0_u8; CHUNK_BYTES]; chunks];
    let mut target = a.clone();
    let mut group = c.benchmark_group("bitmap");
    group.sample_size(20);
    group.throughput(Throughput::Bytes((chunks * CHUNK_BYTES) as u64));
    group.bench_function("memcpy", |bench| {
        bench.iter(|| {
            for (from, to) in a.iter().zip(&mut target) {
                to.copy_from_slice(black_box(from));
            }
        });
    });
    group.bench_function("count", |bench| {
        bench.iter(|| a.iter().map(|chunk| count(black_box(chunk))).sum::<u64>());
    });
    group.bench_function("first", |bench| {
        bench.iter(|| zeros.iter().find_map(|chunk| first(black_box(chunk), true)));
    });
    for (operation, name) in Operation::ALL {
        group.bench_function(name, |bench| {
            bench.iter(|| {
                for ((a, b), to) in a.iter().zip(&b).zip(&mut target) {
                    let sources = [&**a, &**b];
                    let sources =
                        if operation == Operation::Not { &sources[..1] } else { &sources };
                    combine(operation, black_box(sources), to);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bitmap);
criterion_main!(benches);
