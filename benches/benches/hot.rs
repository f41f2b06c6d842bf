//! Does one hot collection use two cores?
//!
//! One hash and one sorted set, large enough to be edited in place, on one thread and on two: 95
//! reads to 5 writes, and reads alone. Rounds are interleaved and the median of the ratios is
//! given. Wanted: 1.8 with 95 % reads. And what does it take to be rid of a sorted set of ten
//! million members? Wanted: 100 microseconds, for the freeing is another thread's.
//!
//! Prints Markdown tables.

use std::hint::black_box;
use std::time::{Duration, Instant};

use engine::commands::lookup;
use engine::reply::Discard;
use engine::{Engine, Halt, NoHost, Scope, Turn};
use zumic_benches::{emit, is_smoke, one_and_two, rate};

struct Load {
    elements: usize,
    rounds: usize,
    time: Duration,
    doomed: usize,
}

const FULL: Load =
    Load { elements: 100_000, rounds: 7, time: Duration::from_millis(700), doomed: 10_000_000 };
const SMOKE: Load =
    Load { elements: 1_000, rounds: 1, time: Duration::from_millis(5), doomed: 1_000 };

const NOW_MS: u64 = 1_700_000_000_000;
/// Commands per turn, as many as a batch of the server's.
const BATCH: u32 = 32;

fn run(turn: &mut Turn<'_>, scope: &mut Scope, args: &[&[u8]]) {
    let row = lookup(args[0]).expect("a command of the engine");
    // A key that another thread holds for longer than a spin: the reactor would go on with others.
    while turn.run(scope, &mut NoHost, row, args, &mut Discard) == Err(Halt::Busy) {
        std::hint::spin_loop();
    }
}

fn element(index: usize) -> [u8; 16] {
    let mut name = *b"element:00000000";
    let digits = format!("{index:08}");
    name[8..].copy_from_slice(digits.as_bytes());
    name
}

/// The collections and what is asked of them.
#[derive(Clone, Copy)]
enum Kind {
    Hash,
    SortedSet,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::SortedSet => "sorted set",
        }
    }

    fn write(self, turn: &mut Turn<'_>, scope: &mut Scope, index: usize) {
        let name = element(index);
        match self {
            Self::Hash => run(turn, scope, &[b"HSET", b"h", &name, b"a value of 16 B."]),
            Self::SortedSet => run(turn, scope, &[b"ZADD", b"z", &name[8..], &name]),
        }
    }

    fn read(self, turn: &mut Turn<'_>, scope: &mut Scope, index: usize) {
        let name = element(index);
        match self {
            Self::Hash => run(turn, scope, &[b"HGET", b"h", &name]),
            Self::SortedSet => run(turn, scope, &[b"ZSCORE", b"z", &name]),
        }
    }
}

/// Operations per second of `threads` threads together; one write in `writes_in` (0: none).
fn rate_of(engine: &Engine, kind: Kind, threads: usize, writes_in: usize, load: &Load) -> f64 {
    let worker = |thread| (engine.session(), Scope::default(), 7 + thread * 31, 0_usize);
    rate(threads, load.time, worker, |(session, scope, next, done)| {
        let mut turn = session.enter(NOW_MS);
        for _ in 0..BATCH {
            *next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let index = (*next >> 33) % load.elements;
            *done += 1;
            if writes_in > 0 && done.is_multiple_of(writes_in) {
                kind.write(&mut turn, scope, index);
            } else {
                kind.read(&mut turn, scope, black_box(index));
            }
        }
        BATCH
    })
}

fn filled(kind: Kind, elements: usize) -> Engine {
    let engine = Engine::builder().databases(1).seed(7).build();
    let mut session = engine.session();
    for index in 0..elements {
        kind.write(&mut session.enter(NOW_MS), &mut Scope::default(), index);
    }
    engine
}

fn scale(load: &Load) {
    emit("| one hot | operation | 1 thread | 2 threads | ratio |");
    emit("| --- | --- | ---: | ---: | ---: |");
    for kind in [Kind::Hash, Kind::SortedSet] {
        let engine = filled(kind, load.elements);
        for (name, writes_in) in [("reads", 0), ("95 % reads", 20)] {
            let rates = one_and_two(load.rounds, |threads| {
                rate_of(&engine, kind, threads, writes_in, load)
            });
            emit(&format!("| {} | {name} | {rates} |", kind.name()));
        }
    }
}

/// How long DEL of a large sorted set takes on the thread that asks for it.
fn remove(load: &Load) {
    let engine = filled(Kind::SortedSet, load.doomed);
    let mut session = engine.session();
    let begun = Instant::now();
    let mut turn = session.enter(NOW_MS);
    run(&mut turn, &mut Scope::default(), &[b"DEL", b"z"]);
    drop(turn);
    let took = begun.elapsed();
    emit(&format!("\nDEL of a sorted set of {} members: {took:?}", load.doomed));
}

fn main() {
    let load = if is_smoke() { SMOKE } else { FULL };
    emit(&format!(
        "{} elements, median of {} rounds; millions per second\n",
        load.elements, load.rounds
    ));
    scale(&load);
    remove(&load);
}
