//! The Zumic server: sockets, reactors, settings.

pub mod cli;
