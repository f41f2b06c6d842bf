//! Loom models of the lock-free protocols.
