//! Scripts without a server: conversions, errors, limits, the sandbox, and the libraries beside
//! those of redis-server.
#![cfg(feature = "scripting")]

mod basics;
mod libraries;
mod library;
mod oracle;
mod sandbox;
mod suspended;
mod wire;
mod world;
