//! What does an element of a long list cost, beside a `VecDeque` of vectors?
//!
//! Pushing and popping at the ends, a queue that stands still, reading the first hundred, finding
//! an index in the middle and inserting there; and what compressed blocks cost. Times are per
//! element, or per operation for what happens in the middle. The bytes per element are printed
//! once. Tiny under `--test`.

#![expect(missing_docs, reason = "criterion's macro makes a public function without a comment")]

use std::collections::VecDeque;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use engine::structures::quicklist::{BlockLimit, Quicklist};

/// Redis's default, and ours: blocks of 8 KiB.
const SETTING: i64 = -2;
/// What `redis-benchmark -r` makes of LPUSH's element, and what it usually is.
const VALUE: &[u8] = b"element:0000001234";

fn elements() -> usize {
    let is_test = std::env::args().any(|arg| arg == "--test");
    if is_test { 1_000 } else { 1_000_000 }
}

fn filled(count: usize, limit: BlockLimit) -> Quicklist {
    let mut list = Quicklist::new();
    for _ in 0..count {
        list.push_back(VALUE, limit);
    }
    list
}

fn ends(c: &mut Criterion) {
    let limit = BlockLimit::from_setting(SETTING);
    let mut group = c.benchmark_group("quicklist/ends");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("push_front", |b| {
        let push = |mut list: Quicklist| {
            for _ in 0..1_000 {
                list.push_front(black_box(VALUE), limit);
            }
            list
        };
        b.iter_batched(Quicklist::new, push, BatchSize::SmallInput);
    });
    group.bench_function("pop_back", |b| {
        let pop = |mut list: Quicklist| {
            while list.pop_back(|entry| black_box(entry.len())).is_some() {}
            list
        };
        b.iter_batched(|| filled(1_000, limit), pop, BatchSize::SmallInput);
    });
    group.bench_function("queue", |b| {
        let mut list = filled(10_000, limit);
        b.iter(|| {
            for _ in 0..1_000 {
                list.push_front(black_box(VALUE), limit);
                black_box(list.pop_back(|entry| entry.len()));
            }
        });
    });
    group.bench_function("queue_of_a_deque", |b| {
        let mut list: VecDeque<Vec<u8>> = (0..10_000).map(|_| VALUE.to_vec()).collect();
        b.iter(|| {
            for _ in 0..1_000 {
                list.push_front(black_box(VALUE).to_vec());
                black_box(list.pop_back());
            }
        });
    });
    group.finish();
}

fn reads(c: &mut Criterion) {
    let limit = BlockLimit::from_setting(SETTING);
    let list = filled(elements(), limit);
    let bytes = list.memory() as f64 / list.len() as f64;
    eprintln!("{} elements of {} bytes: {bytes:.1} bytes each", list.len(), VALUE.len());
    let mut group = c.benchmark_group("quicklist/reads");
    group.throughput(Throughput::Elements(100));
    group.bench_function("first_100", |b| {
        b.iter(|| {
            let mut bytes = 0;
            list.each(0, 100, |entry| bytes += entry.with_bytes(<[u8]>::len));
            bytes
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("middle", |b| {
        b.iter(|| list.get(black_box(list.len() / 2), |entry| entry.len()))
    });
    group.finish();
}

fn middle(c: &mut Criterion) {
    let limit = BlockLimit::from_setting(SETTING);
    let mut list = filled(elements(), limit);
    let mut group = c.benchmark_group("quicklist/middle");
    group.bench_function("insert_and_remove", |b| {
        b.iter(|| {
            let index = list.len() / 2;
            list.insert(index, black_box(VALUE), limit);
            list.remove(index, 1);
        });
    });
    group.finish();
}

/// What `list-compress-depth 1` saves and costs, for elements that differ in a number.
fn depth(c: &mut Criterion) {
    let limit = BlockLimit::from_setting(SETTING);
    let count = elements();
    let push_all = |depth| {
        let mut list = Quicklist::with_depth(depth);
        for number in 0..count {
            list.push_back(format!("session:{number}:user").as_bytes(), limit);
        }
        list
    };
    for depth in [0, 1] {
        let mut list = push_all(depth);
        let bytes = list.memory() as f64 / list.len() as f64;
        eprintln!("depth {depth}: {bytes:.1} bytes for each of {count} elements");
        let mut group = c.benchmark_group(format!("quicklist/depth_{depth}"));
        group.throughput(Throughput::Elements(count as u64));
        group.sample_size(10);
        group.bench_function("push_back", |b| b.iter(|| push_all(depth)));
        group.throughput(Throughput::Elements(1));
        let middle = list.len() / 2;
        group.bench_function("get", |b| {
            b.iter(|| list.get(black_box(middle), |entry| entry.len()));
        });
        group.bench_function("replace", |b| {
            b.iter(|| list.replace(black_box(middle), b"session:500000:user", limit));
        });
        group.finish();
    }
}

criterion_group!(benches, ends, reads, middle, depth);
criterion_main!(benches);
