//! Snapshots of a store under fire: what is loaded again is the store at the end of one epoch,
//! exactly.

#[allow(dead_code, reason = "shared with the tests of commands, which use more of it")]
#[path = "../commands/sink.rs"]
mod sink;

mod disk;
mod exact;
mod file;
mod ops;
mod run;
