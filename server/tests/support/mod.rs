//! What the wire tests share: starting servers, talking to them, and judging what they said.
//!
//! Why it exists: every test in this folder runs the real binary as a black box, so the tools
//! here know bytes and processes and nothing of Zumic's own types. In particular the reply
//! parser is not the `protocol` crate's: a bug there must not be able to hide itself. Not for
//! unit tests, which live beside the code.
//!
//! Invariants
//! - I1: a server started here is ended when its handle is dropped, by its own process id.
//! - I2: nothing waits without a limit; every wait says in its panic what it waited for.
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of this module")]

pub(crate) mod client;
pub(crate) mod disk;
pub(crate) mod expect;
pub(crate) mod linear;
pub(crate) mod process;
pub(crate) mod random;
pub(crate) mod reply;
pub(crate) mod script;

pub(crate) use client::Client;
pub(crate) use process::{Redis, Running, Server, Zumic};
pub(crate) use random::Random;
pub(crate) use reply::Reply;

/// Reads a scale factor from the environment: `ZUMIC_STRESS` multiplies every count of the
/// stress tests (1 when unset, which is small enough for every run of the suite).
pub(crate) fn stress() -> u64 {
    match std::env::var("ZUMIC_STRESS") {
        Ok(text) => text.parse().expect("ZUMIC_STRESS is a whole number"),
        Err(_) => 1,
    }
}

/// The seed of a randomised test: `ZUMIC_SEED`, or one taken from the clock. Every failure
/// prints it.
pub(crate) fn seed() -> u64 {
    match std::env::var("ZUMIC_SEED") {
        Ok(text) => text.parse().expect("ZUMIC_SEED is a whole number"),
        Err(_) => {
            let now = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .expect("the clock is past 1970");
            u64::from(now.subsec_nanos()) ^ now.as_secs()
        }
    }
}
