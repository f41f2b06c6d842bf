//! The log: what happened since the last snapshot, in an order that agrees along each key.
//!
//! Why it exists: what was acknowledged must survive the process and the machine. Sessions write
//! the effects of their commands into lanes of their own (`entry`, `lane`); one thread takes them,
//! writes blocks and syncs (`thread`, `syncer`, `bell`, `durable`, `core`) into files (`format`,
//! `draft`, `appender`); a start reads them back (`recover`, `replay`).
//!
//! Not merged on its way to the disk: a block holds a run per session, and recovery merges runs by
//! TID. The log thread would pay for every entry of every day what a start pays once.
//!
//! Reading order: `entry`, `lane`, `format`, `appender`, `thread`, `recover`.

pub(crate) mod appender;
pub mod bell;
mod bytes;
pub(crate) mod core;
pub(crate) mod draft;
pub mod durable;
pub(crate) mod entry;
pub(crate) mod format;
pub mod inspect;
pub mod lane;
pub mod properties;
pub(crate) mod recover;
pub(crate) mod replay;
pub(crate) mod syncer;
#[cfg(all(test, not(loom)))]
mod tests;
pub(crate) mod thread;
