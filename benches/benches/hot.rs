//! Does one hot collection use two cores?
//!
//! One hash and one sorted set, large enough to be edited in place, on one thread and on two: 95
//! reads to 5 writes, and reads alone. Rounds are interleaved and the median of the ratios is
//! given. Wanted: 1.8 with 95 % reads. And what does it take to be rid of a sorted set of ten
//! million members? Wanted: 100 microseconds, for the freeing is another thread's.
//!
//! Prints Markdown tables.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engine::commands::lookup;
use engine::reply::Discard;
use engine::sync::AtomicBool;
use engine::{Engine, Halt, NoHost, Scope, Session, Turn};
use zumic_benches::{emit, is_smoke, median, pin};

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
const BATCH: usize = 32;

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
fn rate(engine: &Engine, kind: Kind, threads: usize, writes_in: usize, load: &Load) -> f64 {
    let (start, over) = (Barrier::new(threads + 1), AtomicBool::new(false));
    let work = |thread: usize| {
        pin(thread);
        let mut session: Session = engine.session();
        let (mut scope, mut done) = (Scope::default(), 0_usize);
        let mut next = 7 + thread * 31;
        start.wait();
        let begun = Instant::now();
        // ORDER: Relaxed (unpaired); the end may be seen a batch late.
        while !over.load(Ordering::Relaxed) {
            let mut turn = session.enter(NOW_MS);
            for _ in 0..BATCH {
                next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let index = (next >> 33) % load.elements;
                done += 1;
                if writes_in > 0 && done.is_multiple_of(writes_in) {
                    kind.write(&mut turn, &mut scope, index);
                } else {
                    kind.read(&mut turn, &mut scope, black_box(index));
                }
            }
        }
        f64::from(u32::try_from(done).expect("a short run")) / begun.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        start.wait();
        std::thread::sleep(load.time);
        // ORDER: Relaxed (unpaired); as above.
        over.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().expect("no panic")).sum()
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
            let round = |_| {
                let one = rate(&engine, kind, 1, writes_in, load);
                (one, rate(&engine, kind, 2, writes_in, load))
            };
            let rounds: Vec<(f64, f64)> = (0..load.rounds).map(round).collect();
            let of = |pick: fn(&(f64, f64)) -> f64| median(rounds.iter().map(pick).collect());
            emit(&format!(
                "| {} | {name} | {:.2} | {:.2} | {:.2} |",
                kind.name(),
                of(|&(one, _)| one / 1e6),
                of(|&(_, two)| two / 1e6),
                of(|&(one, two)| two / one),
            ));
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
