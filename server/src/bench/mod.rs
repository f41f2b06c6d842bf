//! The load generator behind `zumic-bench`, for any server that speaks RESP.
//!
//! Why it exists: a server that spends 100 ns on a request can only be measured by a client that
//! spends less. Requests are pre-encoded and only their key digits are written per request;
//! replies are counted, not parsed; every thread owns its sockets, its randomness and its
//! histogram, so threads share nothing while they measure.
//!
//! Not for: checking that replies are right (error replies are counted, values are not compared),
//! or cluster redirections.
//!
//! Files in reading order: `options` (command line), `template` and `keys` (what is sent),
//! `skipper` (what comes back), `socket` and `connection` (one client), `pacing` and `alarm`
//! (when to send), `worker` (one thread), `processor` (CPU time), `run` (the phases),
//! `report` (the answer).
//!
//! Invariants
//! - B1: a closed run of `n` requests sends exactly `n`, if no connection fails.
//! - B2: with a rate, a request's latency counts from the instant the timetable gave it, sent or
//!   not; what was due and never sent is reported as `unsent`. So a stall of the server cannot
//!   hide by keeping the client from sending.

mod alarm;
mod connection;
mod error;
mod keys;
mod options;
mod pacing;
mod processor;
mod report;
mod run;
mod skipper;
mod socket;
mod template;
mod worker;

pub use error::BenchError;
pub use options::{Distribution, Options};
pub use report::{ErrorText, Latency, Load, Processor, Report};
pub use run::run;
