//! What the benchmarks of the map share: the contestants, the keys, the threads.
//!
//! Why it exists: a comparison is worth its name only if everybody does the same work. Every
//! contestant owns its keys and values, hands out values by reading every byte of them, frees
//! what it replaces, and is asked in batches of [`BATCH`], which is how the server asks: Zumic
//! takes one turn per batch and prefetches, papaya pins once per batch, the others have nothing
//! of the kind to gain. All allocate through jemalloc, as the server does.

pub mod contestants;
pub mod keys;

use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engine::sync::AtomicBool;

#[global_allocator]
static GLOBAL: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Operations asked for at once.
pub const BATCH: usize = 64;

/// Whether this is a smoke run: `cargo bench -- --test`.
#[must_use]
pub fn is_smoke() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

/// Prints a line of a report.
#[expect(clippy::print_stdout, reason = "a report is what these programs are for")]
pub fn emit(line: &str) {
    println!("{line}");
}

/// The median of some measurements; of an even number, the upper one.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Binds the calling thread to the `index`-th core it may use, if there are that many.
pub fn pin(index: usize) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if let Some(&core) = cores.get(index) {
        core_affinity::set_for_current(core);
    }
}

/// Operations per second of `threads` threads together, each on a core of its own. `worker` makes
/// what a thread needs, and `batch` does some operations with it and says how many.
///
/// # Panics
/// If one of them does.
pub fn rate<W>(
    threads: usize,
    time: Duration,
    worker: impl Fn(usize) -> W + Sync,
    batch: impl Fn(&mut W) -> u32 + Sync,
) -> f64 {
    let (start, over) = (Barrier::new(threads + 1), AtomicBool::new(false));
    let work = |thread: usize| {
        pin(thread);
        let mut worker = worker(thread);
        start.wait();
        let begun = Instant::now();
        let mut done = 0.0;
        // ORDER: Relaxed (unpaired); the end may be seen a batch late.
        while !over.load(Ordering::Relaxed) {
            done += f64::from(batch(&mut worker));
        }
        done / begun.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        start.wait();
        std::thread::sleep(time);
        // ORDER: Relaxed (unpaired); as above.
        over.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().expect("no panic")).sum()
    })
}

/// Columns of a table: what one thread and two do, in millions per second, and the ratio; each the
/// median of interleaved rounds, because a shared machine is never quiet, but as loud for the one
/// as for the other.
///
/// # Panics
/// If there are no rounds.
#[must_use]
pub fn one_and_two(rounds: usize, rate: impl Fn(usize) -> f64) -> String {
    let rounds: Vec<(f64, f64)> = (0..rounds).map(|_| (rate(1), rate(2))).collect();
    let of = |pick: fn(&(f64, f64)) -> f64| median(rounds.iter().map(pick).collect());
    format!(
        "{:.2} | {:.2} | {:.2}",
        of(|&(one, _)| one / 1e6),
        of(|&(_, two)| two / 1e6),
        of(|&(one, two)| two / one)
    )
}
