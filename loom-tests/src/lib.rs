//! Loom models of the lock-free protocols, in `tests/`, one file per protocol.
//!
//! They run the code that ships, through the engine's `sync` door, with small buckets and
//! segments. Each model names the ordering whose weakening it catches; its author made that change
//! and saw it fail. Loom explores every interleaving up to a bound on preemptions, but treats
//! `SeqCst` accesses as acquire and release, so only fences count as sequentially consistent
//! here; what rests on `SeqCst` accesses is argued in the module that uses them.
//!
//! Run by `scripts/loom`. Without `--cfg loom` this crate is empty.

#![cfg(loom)]

/// Explores a model with at most `preemptions` switches away from a thread that could go on.
///
/// Three find every bug that two threads can have by one wrong edge; more take hours.
pub fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}
