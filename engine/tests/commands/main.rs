//! The commands of the engine, without a server: against plain maps, and against redis-server's
//! own description of them.

mod effects;
mod harness;
mod hashes;
mod model;
mod ops;
mod own;
#[path = "../shared/random.rs"]
mod random;
mod seeds;
mod sink;
mod table;
