//! What does a sample of a time series cost, in time and in bytes, beside a `BTreeMap`?
//!
//! Three series of 100,000 samples: `steady` (every 10 s exactly, a slowly moving gauge with one
//! decimal), `jitter` (10 s give or take 20 ms, the same gauge) and `noise` (any times, any
//! values, the worst case). Appending one by one, reading all forwards and backwards, and 1,000
//! insertions at random places. Prints the bytes per sample first.

#![expect(missing_docs, reason = "criterion's macro makes a public function without a comment")]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use engine::structures::series::{DuplicatePolicy, Series};
use zumic_benches::is_smoke;
use zumic_benches::keys::Random;

const FULL: i64 = 100_000;
const SMOKE: i64 = 1_000;
const CHUNK_BYTES: usize = 4096;
const LATE: usize = 1_000;

type Samples = Vec<(i64, f64)>;

fn below(random: &mut Random, limit: u64) -> i64 {
    i64::try_from(random.below(limit)).expect("limits are small")
}

fn cases() -> [(&'static str, Samples); 3] {
    let len = if is_smoke() { SMOKE } else { FULL };
    let mut random = Random(1);
    let mut tenths = 210_u32;
    let mut gauge = |random: &mut Random| {
        tenths = tenths + u32::from(random.below(10) == 0) - u32::from(random.below(10) == 0);
        f64::from(tenths) / 10.0
    };
    let steady = (0..len).map(|i| (i * 10_000, gauge(&mut random))).collect();
    let jitter =
        (0..len).map(|i| (i * 10_000 + below(&mut random, 41), gauge(&mut random))).collect();
    let mut time = 0;
    let noise = (0..len)
        .map(|_| {
            time += 1 + below(&mut random, 1 << 40);
            (time, random.fraction())
        })
        .collect();
    [("steady", steady), ("jitter", jitter), ("noise", noise)]
}

fn filled(samples: &[(i64, f64)]) -> Series {
    let mut series = Series::new(CHUNK_BYTES);
    for &(time, value) in samples {
        let added = series.add(time, value, DuplicatePolicy::Block);
        assert!(added.is_ok(), "times are distinct");
    }
    series
}

#[expect(clippy::print_stdout, reason = "a report is what this program is for")]
fn bytes(_: &mut Criterion) {
    for (name, samples) in cases() {
        let memory = filled(&samples).memory();
        let hundredths = memory * 100 / samples.len();
        println!("{name}: {}.{:02} bytes per sample", hundredths / 100, hundredths % 100);
    }
}

fn series(c: &mut Criterion) {
    for (name, samples) in cases() {
        let mut group = c.benchmark_group(format!("series_{name}"));
        group.throughput(Throughput::Elements(samples.len() as u64));
        group.bench_function("append", |b| b.iter(|| black_box(filled(&samples).len())));
        group.bench_function("append_btree", |b| {
            b.iter(|| black_box(samples.iter().copied().collect::<BTreeMap<_, f64>>().len()));
        });
        let series = filled(&samples);
        group.bench_function("forward", |b| {
            b.iter(|| black_box(series.range(0, i64::MAX).map(|s| s.value).sum::<f64>()));
        });
        group.bench_function("backward", |b| {
            b.iter(|| black_box(series.range_back(0, i64::MAX).map(|s| s.value).sum::<f64>()));
        });
        let mut random = Random(2);
        let end = samples.last().map_or(1, |&(time, _)| time.unsigned_abs());
        let late: Vec<i64> = (0..LATE).map(|_| below(&mut random, end)).collect();
        group.throughput(Throughput::Elements(LATE as u64));
        group.bench_function("insert_late", |b| {
            let insert = |mut series: Series| {
                for &time in &late {
                    let added = series.add(time, 1.0, DuplicatePolicy::Last);
                    assert!(added.is_ok(), "this policy takes all");
                }
                series
            };
            b.iter_batched(|| series.clone(), insert, BatchSize::LargeInput);
        });
        group.finish();
    }
}

criterion_group!(benches, bytes, series);
criterion_main!(benches);
