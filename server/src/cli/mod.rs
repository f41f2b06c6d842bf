//! The parts of `zumic-cli`, the command-line client.
//!
//! Why it exists: the client is a library module so that its tests reach every part; the binary is
//! a thin `main`. Not for programs: they use a client library.

pub mod endpoint;
pub mod format;
pub mod options;
pub mod quote;
pub mod reply;
