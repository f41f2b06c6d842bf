//! The Zumic server: sockets, reactors, settings.

pub mod admin;
pub mod bench;
pub mod cli;
pub mod settings;
