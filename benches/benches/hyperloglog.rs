//! What do the operations of a sketch cost?
//!
//! Adding an element to a dense sketch (which hardly ever changes it) and to a sparse one,
//! counting one sketch, and what PFCOUNT and PFMERGE of 16 keys do: merge 16 dense sketches and
//! count, or merge and store.
//!
//! Not for the server around it: `perf/compare`.

#![expect(missing_docs, reason = "criterion's macro makes a public function without a comment")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use engine::structures::hyperloglog::{REGISTERS, Sketch, count};
use zumic_benches::is_smoke;
use zumic_benches::keys::Random;

const SPARSE_BYTES_MAX: usize = 3_000;
const KEYS: u64 = 16;

fn filled(elements: u64, seed: u64) -> Sketch {
    let (mut random, mut sketch) = (Random(seed), Sketch::default());
    for _ in 0..elements {
        sketch.add(&random.next().to_le_bytes(), SPARSE_BYTES_MAX).expect("not corrupt");
    }
    sketch
}

fn merged(sketches: &[Sketch]) -> [u8; REGISTERS] {
    let mut registers = [0; REGISTERS];
    for sketch in sketches {
        sketch.view().merge_into(&mut registers).expect("not corrupt");
    }
    registers
}

fn hyperloglog(c: &mut Criterion) {
    let elements = if is_smoke() { 5_000 } else { 100_000 };
    let sketches: Vec<Sketch> = (1..=KEYS).map(|seed| filled(elements, seed)).collect();
    let mut group = c.benchmark_group("hyperloglog");
    let mut random = Random(99);
    let mut dense = sketches[0].clone();
    group.bench_function("add/dense", |bench| {
        bench.iter(|| dense.add(&random.next().to_le_bytes(), SPARSE_BYTES_MAX));
    });
    let sparse = filled(500, 7);
    group.bench_function("add/sparse", |bench| {
        bench.iter_batched_ref(
            || sparse.clone(),
            |sketch| sketch.add(&random.next().to_le_bytes(), SPARSE_BYTES_MAX),
            criterion::BatchSize::SmallInput,
        );
    });
    group.bench_function("count", |bench| bench.iter(|| black_box(&dense).view().count()));
    group.bench_function("pfcount/16", |bench| {
        bench.iter(|| count(&merged(black_box(&sketches))));
    });
    group.bench_function("pfmerge/16", |bench| {
        bench.iter(|| {
            let registers = merged(black_box(&sketches));
            let mut sketch = Sketch::default();
            sketch.raise_all(&registers, true, SPARSE_BYTES_MAX).expect("not corrupt");
            sketch
        });
    });
    group.finish();
}

criterion_group!(benches, hyperloglog);
criterion_main!(benches);
