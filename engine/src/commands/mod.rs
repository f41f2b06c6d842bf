//! The command table: one row per command, and everything that is derived from it.
//!
//! Reading order: `spec` (what a row is), `keyspec` and `argument` (its parts), `table` (the
//! rows), then the handlers by group: `strings`, `lcs`, `numbers`, `geo`, `bitmaps`, `bitfield`,
//! `hyperloglogs`, `lists`, `hashes`, `sets`, `sorted_sets`, `streams`, `time_series`, `expire`,
//! `keys`, `object`, `connection`, `command`. `number`, `extended`, `glob` are what they share.

mod argument;
mod bitfield;
mod bitmaps;
mod blocking;
mod command;
mod connection;
mod dump;
mod expire;
mod extended;
#[cfg(feature = "scripting")]
mod functions;
mod geo;
pub mod glob;
mod hashes;
mod hyperloglogs;
mod keys;
mod keyspec;
mod lcs;
mod lists;
mod modules;
mod natural;
pub mod number;
mod numbers;
mod object;
mod replication;
mod scanning;
#[cfg(feature = "scripting")]
mod scripts;
mod sets;
mod sort;
mod sorted_sets;
mod spec;
mod streams;
mod strings;
mod table;
mod time_series;

pub use argument::Argument;
pub use dump::{MigrateOption, migrate_options};
pub use keyspec::{KeyFlags, KeyPositions, KeySpec};
pub use replication::WaitAof;
pub use spec::{
    Categories, CommandSpec, CrossDb, Deprecated, Flags, Group, Handler, HostCommand, KeyRange,
    Run, ScriptCommand,
};
pub use table::{all, book, lookup};
