//! What the client does besides executing commands.
//!
//! Why it exists: each mode is a small program of its own with one connection. Modes end by
//! Ctrl-C, which ends the process.

pub mod latency;
pub mod pipe;
pub mod rdb;
pub mod scan;
pub mod stat;
