//! The engine of Zumic: everything that holds data, and nothing that holds a socket.
//!
//! Why it exists: the network, the log replay, scripts and embedding programs all run the same
//! commands over one shared keyspace. This crate is that keyspace, usable without the server.
//! It knows no clock, no randomness and no I/O: time (`now_ms`) and seeds are arguments.
//!
//! Reading order: `sync`, `guard`, `tid`, `epoch` (the ground); `slab`, `record`, `map`,
//! `structures` (the data);
//! `intent`, `context`, `dispatch`, `transaction` (how commands become atomic); `effect`,
//! `journal`, `replay` (what a write leaves in the log); `shared`, `session`, `engine` (who owns
//! what); `ahead` (hints); `maintain`, `evict` (background); `commands` (what clients say).

mod ahead;
pub mod awaited;
mod bare;
pub mod collection;
pub mod commands;
mod context;
mod cut;
mod dispatch;
mod effect;
mod engine;
pub mod epoch;
pub mod escalation;
mod events;
mod evict;
mod follow;
mod gentle;
mod guard;
mod host;
mod intent;
mod journal;
mod kind;
mod large;
pub mod latch;
pub mod mailbox;
mod maintain;
pub mod map;
mod moves;
mod object;
pub mod persist;
mod pieces;
mod prefetch;
mod record;
mod replay;
pub mod reply;
mod scope;
#[cfg(feature = "scripting")]
pub mod scripting;
mod session;
mod shared;
mod single;
pub mod slab;
pub mod structures;
pub mod sync;
mod tape;
#[cfg(all(test, not(loom)))]
mod tests;
mod thresholds;
mod tid;
mod transaction;
mod value;
pub mod values;
pub mod version;
pub mod waiting;
mod whole;

pub use ahead::Ahead;
pub use collection::{Collection, Edit, Missing, Stored, View};
pub use context::Context;
pub use effect::EffectForm;
pub use engine::{DatabaseStats, Engine, EngineBuilder, Stats, Tunables};
pub use events::{Class, Classes, Event};
pub use evict::{Access, EvictionPolicy};
pub use follow::{Changed, Changes, Followers};
pub use host::{Halt, Host, NoHost, Queued, Wait};
pub use intent::{Commit, State as CommitState};
pub use journal::{Journal, JournalSource};
pub use kind::Kind;
pub use large::LargeString;
pub use maintain::Maintainer;
pub use record::Record;
pub use replay::ReplayError;
pub use reply::ReplySink;
pub use scope::Scope;
pub use session::{Session, Turn};
pub use tape::Tape;
pub use thresholds::Thresholds;
pub use tid::Tid;
pub use value::{Change, NewText, Put, Text};
pub use whole::ScanStep;
