//! The shapes of collections: plain single-threaded data structures.
//!
//! Why it exists: concurrency is the core's business, compactness and speed are that of the
//! structures. Nothing here has locks or interior mutability: `&self` reads, `&mut self` edits, and
//! the core guarantees that nobody reads while somebody edits. Every structure counts its own heap
//! bytes as it goes, so that asking for them costs nothing. A clone shares the parts of the large
//! ones until they are edited (`cow`), and may be read on another thread meanwhile.

pub mod bitmap;
pub mod cow;
pub mod geo;
pub mod hyperloglog;
pub mod intset;
pub mod listpack;
pub(crate) mod lzf;
mod ordered;
pub mod quicklist;
pub mod ranked;
pub mod series;
pub mod smart_hash;
mod spine;
pub mod stream;
mod width;
