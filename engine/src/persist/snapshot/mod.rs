//! Snapshots: the whole store at one instant, taken while it is being written to.
//!
//! Why it exists: a restart must not replay everything that was ever written, and a backup or a
//! replica needs one consistent state. There is no fork and no pause: see `scan` and the engine's
//! cut.

mod begin;
pub(crate) mod scan;
#[cfg(all(test, not(loom)))]
mod tests;
