//! The structures behind the types: plain, single-threaded data that knows no keys and no
//! clients.
//!
//! Why it exists: how a collection is reached by many threads is the keyspace's business; here
//! `&self` reads and `&mut self` edits, so that each structure can be tested against a model of
//! the standard library. Each says its memory in constant time.

pub mod intset;
pub mod series;
