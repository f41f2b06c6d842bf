//! ZDB: the file format of snapshots, written and read as a stream.
//!
//! Why it exists: a snapshot has to be written by several threads at the speed of the disk, read
//! by several threads at the speed of memory, sent through a pipe that cannot seek, and to say for
//! every flipped bit and every missing byte that it is damaged, and where.
//! `docs/src/formats/zdb.md` says byte for byte what is written. Values are written as RDB has
//! them (`persist::rdb::value`).
//!
//! Reading order: `error`, `format` (the fixed parts), `writer`, `reader`, `load`.
//!
//! Invariants
//! - Z1: a reader believes a length or a count only after the hash over it was right, and never
//!   allocates more for a block than [`RAW_BYTES_MAX`].
//! - Z2: an entry stands on its own in its block (its database included), and a block in its file.

mod entry;
mod error;
mod format;
mod load;
mod properties;
mod reader;
mod writer;

pub use entry::Entry;
pub use error::{ZdbError, ZdbFlaw};
pub use format::{BlockKind, Codec, FORMAT_VERSION, Header, RAW_BYTES_MAX, Summary};
pub use load::{Loading, each_entry, load};
pub use properties::{any_bytes_are_read_or_refused, any_content_is_read_or_refused};
pub use reader::{Block, Reader, Unpacker};
pub(crate) use writer::Packer;
pub use writer::{Compression, Writer};
