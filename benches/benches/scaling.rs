//! What does a second thread bring?
//!
//! Reads of uniform keys and of a single hot key, and writes of uniform keys, on one thread and on
//! two, each on a core of its own. Rounds of both are interleaved and the median of the ratios is
//! given: a shared machine is never quiet, but it is as loud for the one as for the other.
//! Wanted: 1.9 for reads, 1.7 for writes.
//!
//! Prints a Markdown table.

use std::hint::black_box;
use std::time::Duration;

use zumic_benches::contestants::{Dash, Locked, Papaya, Store, Worker, Zumic, filled};
use zumic_benches::keys::{Key, key, uniform};
use zumic_benches::{BATCH, emit, is_smoke, one_and_two, rate};

struct Load {
    keys: u64,
    rounds: usize,
    time: Duration,
}

const FULL: Load = Load { keys: 1_000_000, rounds: 7, time: Duration::from_millis(700) };
const SMOKE: Load = Load { keys: 1_000, rounds: 1, time: Duration::from_millis(5) };

/// Keys asked for, over and over: more records than the second-level cache holds.
const ORDER: usize = 1 << 18;

#[derive(Clone, Copy)]
enum Kind {
    Read,
    Write,
}

/// Operations per second of as many threads as there are orders.
fn rate_of<S: Store>(store: &S, kind: Kind, orders: &[Vec<Key>], time: Duration) -> f64 {
    let worker = |thread: usize| (store.worker(), orders[thread].chunks(BATCH).cycle());
    rate(orders.len(), time, worker, |(worker, batches)| {
        let batch = batches.next().expect("it begins again");
        match kind {
            Kind::Read => {
                black_box(worker.get(batch));
            }
            Kind::Write => worker.set(batch),
        }
        u32::try_from(batch.len()).expect("small")
    })
}

fn scale<S: Store>(load: &Load) {
    let store = filled::<S>(load.keys);
    let flat = [1, 2].map(|seed| uniform(load.keys, ORDER, seed));
    let hot = [1, 2].map(|_| vec![key(7); BATCH * 16]);
    let cases = [
        ("reads", Kind::Read, &flat),
        ("reads of one key", Kind::Read, &hot),
        ("writes", Kind::Write, &flat),
    ];
    for (name, kind, orders) in cases {
        let rates = one_and_two(load.rounds, |threads| {
            rate_of(&store, kind, &orders[..threads], load.time)
        });
        emit(&format!("| {} | {name} | {rates} |", S::NAME));
    }
}

fn main() {
    let load = if is_smoke() { SMOKE } else { FULL };
    emit(&format!(
        "{} keys of 16 bytes with values of 64, median of {} rounds; millions per second\n",
        load.keys, load.rounds
    ));
    emit("| map | operation | 1 thread | 2 threads | ratio |");
    emit("| --- | --- | ---: | ---: | ---: |");
    scale::<Zumic>(&load);
    scale::<Papaya>(&load);
    scale::<Dash>(&load);
    scale::<Locked>(&load);
}
