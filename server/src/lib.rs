//! The Zumic server: sockets, reactors, settings.
