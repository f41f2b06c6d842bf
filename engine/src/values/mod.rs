//! The types of collections: what a key holds, small or large.
//!
//! Why it exists: a structure knows one form, a command should not know any. A type here chooses
//! between its packed block and its large structure by Redis's thresholds, and tells the core how
//! to store, read and name both.

pub mod hash;
pub mod list;
pub mod set;
pub mod sorted_set;
mod stream;
pub mod time_series;
