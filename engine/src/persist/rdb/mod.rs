//! RDB: the form in which Redis writes values down, for DUMP, dump files and our own snapshots.
//!
//! Why it exists: nobody should be locked in or out. One codec turns values into bytes that Redis
//! reads and takes every encoding that Redis 2.6 to 7.4 wrote (RDB versions 6 to 12); what is ours
//! alone has a type byte of its own. Not for the container of our snapshots (ZDB): that only holds
//! these values.
//!
//! Reading order: `damage`, `input`, `sink` (the ground); `value` (the codec); `store` (into
//! the keyspace and out of it), `dump` (payloads), `file` (dump files).

mod damage;
mod dump;
pub mod file;
mod input;
mod sink;
mod store;
pub mod value;

pub use damage::{Damage, Flaw};
pub use dump::{Checksum, checksum, open, seal};
pub use input::{Input, Word};
pub use sink::{Sink, put_length, put_string};

pub use crate::structures::lzf::{compress, decompress};
