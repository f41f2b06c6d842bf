//! What the benchmarks of the map share: the contestants, the keys, the threads.
//!
//! Why it exists: a comparison is worth its name only if everybody does the same work. Every
//! contestant owns its keys and values, hands out values by reading every byte of them, frees
//! what it replaces, and is asked in batches of [`BATCH`], which is how the server asks: Zumic
//! takes one turn per batch and prefetches, papaya pins once per batch, the others have nothing
//! of the kind to gain. All allocate through jemalloc, as the server does.

pub mod contestants;
pub mod keys;

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
