//! Persistence: how data outlives the process, and how it moves between servers.
//!
//! Reading order: `rdb` (values as bytes), `snapshot`.

pub mod rdb;
#[allow(dead_code, reason = "the writer of snapshot files comes next")]
pub mod snapshot;
