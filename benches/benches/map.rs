//! How does the keyspace compare with the maps one would take instead?
//!
//! get and set of existing keys, 95 % reads with 5 % writes, and reads by Zipf's law, on 1 and 2
//! threads: papaya, `DashMap`, and the standard map under a lock do the same work (see the crate).
//! Times are for [`OPERATIONS`] operations per thread.
//!
//! Not for the pauses of growing: that is `growth`. Not for the server around it: `perf/compare`.

#![expect(missing_docs, reason = "criterion's macro makes a public function without a comment")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zumic_benches::contestants::{Dash, Locked, Papaya, Store, Worker, Zumic, filled};
use zumic_benches::keys::{Key, uniform, zipf};
use zumic_benches::{BATCH, is_smoke, pin};

/// Operations per thread and measurement.
const OPERATIONS: usize = 64 * 1024;
/// Every how many batches of a mix are writes.
const WRITES_EVERY: usize = 20;

#[derive(Clone, Copy)]
enum Kind {
    Get,
    Mixed,
    Set,
}

/// One thread's share.
fn work(worker: &mut impl Worker, kind: Kind, keys: &[Key]) -> u64 {
    let mut total = 0;
    for (index, batch) in keys.chunks(BATCH).enumerate() {
        match kind {
            Kind::Get => total += worker.get(batch),
            Kind::Mixed if index % WRITES_EVERY != 0 => total += worker.get(batch),
            Kind::Mixed | Kind::Set => worker.set(batch),
        }
    }
    total
}

/// Time until all of `threads` did their share, measured where all have started.
fn race<S: Store>(store: &S, kind: Kind, orders: &[Vec<Key>], times: u64) -> Duration {
    let start = std::sync::Barrier::new(orders.len());
    let run = |index: usize, keys: &[Key]| {
        pin(index);
        let mut worker = store.worker();
        start.wait();
        let begun = Instant::now();
        for _ in 0..times {
            black_box(work(&mut worker, kind, keys));
        }
        begun.elapsed()
    };
    std::thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = orders
            .iter()
            .enumerate()
            .map(|(index, keys)| scope.spawn(move || run(index, keys)))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).max().unwrap_or_default()
    })
}

fn contest<S: Store>(c: &mut Criterion, population: u64) {
    let store = filled::<S>(population);
    let orders = |order: fn(u64, usize, u64) -> Vec<Key>| {
        [1, 2].map(|seed| order(population, OPERATIONS, seed))
    };
    let (flat, skewed) = (orders(uniform), orders(zipf));
    let cases = [
        ("get", Kind::Get, &flat),
        ("get_zipf", Kind::Get, &skewed),
        ("mixed", Kind::Mixed, &flat),
        ("set", Kind::Set, &flat),
    ];
    for (name, kind, orders) in cases {
        for threads in 1..=orders.len() {
            let mut group = c.benchmark_group(format!("map/{name}/{threads}"));
            group.sample_size(10);
            group.throughput(Throughput::Elements((threads * OPERATIONS) as u64));
            group.bench_function(S::NAME, |b| {
                b.iter_custom(|times| race(&store, kind, &orders[..threads], times));
            });
            group.finish();
        }
    }
}

fn map(c: &mut Criterion) {
    let population = if is_smoke() { 1_000 } else { 1_000_000 };
    contest::<Zumic>(c, population);
    contest::<Papaya>(c, population);
    contest::<Dash>(c, population);
    contest::<Locked>(c, population);
}

criterion_group!(benches, map);
criterion_main!(benches);
