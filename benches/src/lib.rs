//! What the benchmarks of the map share: the contestants, the keys, the threads.
//!
//! Why it exists: a comparison is worth its name only if everybody does the same work. Every
//! contestant owns its keys and values, hands out values by reading every byte of them, frees
//! what it replaces, and is asked in batches of [`BATCH`], which is how the server asks: Zumic
//! takes one turn per batch and prefetches, papaya pins once per batch, the others have nothing
//! of the kind to gain. All allocate through jemalloc, as the server does.

pub mod contestants;
pub mod keys;

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
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
    let over = AtomicBool::new(false);
    let work = |thread: usize, ready: Sender<()>, start: Receiver<()>| {
        pin(thread);
        let mut worker = worker(thread);
        // Nobody listens or starts any more when another thread could not make what it needs.
        let told = ready.send(());
        drop(ready);
        if told.is_err() || start.recv().is_err() {
            return 0.0;
        }
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
        let (ready, all) = channel();
        let spawn = |thread| {
            let (start, started) = channel();
            let ready = ready.clone();
            (start, scope.spawn(move || work(thread, ready, started)))
        };
        let (starts, workers): (Vec<Sender<()>>, Vec<_>) = (0..threads).map(spawn).unzip();
        drop(ready);
        // A thread that panics is never ready; the others end when `starts` goes.
        (0..threads).for_each(|_| all.recv().expect("every thread has what it needs"));
        starts.iter().for_each(|start| start.send(()).expect("it waits"));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// It hung: the others waited at a barrier for the one that had panicked.
    #[test]
    #[should_panic = "every thread has what it needs"]
    fn a_thread_that_cannot_begin_ends_them_all() {
        rate(2, Duration::ZERO, |thread| assert!(thread == 0, "as planned"), |()| 1);
    }

    #[test]
    fn operations_are_counted_over_all_threads() {
        assert!(rate(2, Duration::from_millis(1), |_| (), |()| 1) > 0.0);
    }
}
