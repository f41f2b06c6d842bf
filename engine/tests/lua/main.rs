//! Scripts without a server: conversions, errors, limits, the sandbox, and the libraries beside
//! those of redis-server.
#![cfg(feature = "scripting")]

mod basics;
mod libraries;
mod library;
mod oracle;
#[path = "../shared/random.rs"]
mod random;
mod sandbox;
mod suspended;
mod wire;
mod world;
