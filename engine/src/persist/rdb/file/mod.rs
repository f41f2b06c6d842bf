//! Dump files of Redis: read from any stream, written to any.
//!
//! Why it exists: `dump.rdb` is how data leaves Redis and how it gets back. Values are those of
//! [`super::value`]; what is around them is here.
//!
//! ```text
//! "REDIS" version, 4 digits | part … | 255 | CRC-64 of all before, 8 bytes (0: not made)
//! part   250 name value (strings)               about the file
//!        254 number                             the database of what follows
//!        251 keys, keys with deadlines          hints
//!        252 ms, 8 bytes | 253 s, 4 bytes       the next key's deadline
//!        248 seconds | 249 byte                 its last use, how often it is used
//!        type byte | key | value                a key
//!        245 string                             a library of functions
//!        247 …                                  what a module keeps outside of keys
//! ```

mod load;
#[doc(hidden)]
pub mod properties;
mod read;
#[cfg(all(test, not(loom)))]
mod tests;
mod write;

pub use load::{LoadOptions, LoadReport, load};
pub use read::{FileEntry, FileReader, Part};
pub use write::FileWriter;

/// What stands between values.
pub(crate) mod opcode {
    pub(crate) const SLOT_INFO: u8 = 244;
    pub(crate) const FUNCTION: u8 = 245;
    pub(crate) const MODULE_AUX: u8 = 247;
    pub(crate) const IDLE: u8 = 248;
    pub(crate) const FREQUENCY: u8 = 249;
    pub(crate) const AUX: u8 = 250;
    pub(crate) const RESIZE: u8 = 251;
    pub(crate) const DEADLINE_MS: u8 = 252;
    pub(crate) const DEADLINE_S: u8 = 253;
    pub(crate) const DATABASE: u8 = 254;
    pub(crate) const END: u8 = 255;
}

/// How a file begins.
pub(crate) const MAGIC: &[u8; 5] = b"REDIS";
/// The first version with a checksum.
pub(crate) const CHECKSUM_SINCE: u16 = 5;
