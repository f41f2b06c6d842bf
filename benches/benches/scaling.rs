//! What does a second thread bring?
//!
//! Reads of uniform keys and of a single hot key, and writes of uniform keys, on one thread and on
//! two, each on a core of its own. Rounds of both are interleaved and the median of the ratios is
//! given: a shared machine is never quiet, but it is as loud for the one as for the other.
//! Wanted: 1.9 for reads, 1.7 for writes.
//!
//! Prints a Markdown table.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engine::sync::AtomicBool;
use zumic_benches::contestants::{Dash, Locked, Papaya, Store, Worker, Zumic, filled};
use zumic_benches::keys::{Key, key, uniform};
use zumic_benches::{BATCH, emit, is_smoke, median, pin};

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

/// Operations per second of `threads` threads together.
fn rate<S: Store>(store: &S, kind: Kind, orders: &[Vec<Key>], time: Duration) -> f64 {
    let start = Barrier::new(orders.len() + 1);
    let over = AtomicBool::new(false);
    let work = |index: usize, order: &[Key]| {
        pin(index);
        let mut worker = store.worker();
        start.wait();
        let begun = Instant::now();
        let mut done = 0_u32;
        for batch in order.chunks(BATCH).cycle() {
            match kind {
                Kind::Read => {
                    black_box(worker.get(batch));
                }
                Kind::Write => worker.set(batch),
            }
            done += u32::try_from(batch.len()).expect("small");
            // ORDER: Relaxed (unpaired); the end may be seen a batch late.
            if over.load(Ordering::Relaxed) {
                break;
            }
        }
        f64::from(done) / begun.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = orders
            .iter()
            .enumerate()
            .map(|(index, order)| scope.spawn(move || work(index, order)))
            .collect();
        start.wait();
        std::thread::sleep(time);
        // ORDER: Relaxed (unpaired); as above.
        over.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
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
        let round = |_| {
            let one = rate(&store, kind, &orders[..1], load.time);
            (one, rate(&store, kind, orders, load.time))
        };
        let rounds: Vec<(f64, f64)> = (0..load.rounds).map(round).collect();
        let of = |pick: fn(&(f64, f64)) -> f64| median(rounds.iter().map(pick).collect());
        emit(&format!(
            "| {} | {name} | {:.2} | {:.2} | {:.2} |",
            S::NAME,
            of(|&(one, _)| one / 1e6),
            of(|&(_, two)| two / 1e6),
            of(|&(one, two)| two / one),
        ));
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
