//! Data that outlives the process: snapshots.

#[allow(dead_code, reason = "the writer of snapshot files comes next")]
pub mod snapshot;
