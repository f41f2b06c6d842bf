//! The Zumic server: sockets, reactors, settings; and the tools that come with it.
//!
//! Reading order of the data path: `start` (threads), `reactor` (a loop), `serve` (one
//! connection's share of it), `accept` and `net` (how
//! connections come), `connection` (what one is), `batch` (requests of one read), `dispatch`
//! (what may run), `session` and `client_commands` (commands about the connection), `reply` and
//! `output` (what goes back), `gate` and `deliver` (when), `pubsub` (what goes to others).
//! `durability` is the disk's side of it; `admin` and `settings` are what an operator sees;
//! `transfer` moves data in and out, `migrate` keys to other servers, and `handout` gives a dump
//! of everything to who asks.

#![forbid(unsafe_code)]

mod accept;
pub mod admin;
mod batch;
pub mod bench;
mod blocked;
pub mod check;
pub mod cli;
mod client_commands;
mod clients;
mod clock;
mod connection;
mod deliver;
mod dispatch;
mod durability;
mod fill;
mod gate;
mod handout;
mod maintain;
mod migrate;
mod net;
mod notify;
mod output;
mod panic;
mod pubsub;
mod reactor;
mod reply;
mod scripts;
mod serve;
mod session;
pub mod settings;
mod shared;
pub mod start;
mod tracking;
pub mod transfer;
