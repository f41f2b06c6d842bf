//! Lua for scripts and functions: a virtual machine that knows Redis's API, and no key.
//!
//! Why it exists: frameworks keep their logic in Lua scripts. This is the interpreter they expect
//! (Lua 5.1, by `mlua`), its libraries as Redis has them, and the conversions between Lua's values
//! and replies. What a script does to the world goes through [`ScriptHost`], so nothing here knows
//! the keyspace.
//!
//! Reading order: `raw` (the Lua stack, and the rules for code that Lua can jump out of),
//! `shared`, `host`; `vm` (compile, run), `cache`, `kept` (KEYS and ARGV); `sandbox` (globals,
//! read-only tables), `redis`; `reply` and `answer` (conversions), `failure` (errors); then the
//! libraries.

mod answer;
mod bit;
mod cache;
mod failure;
mod host;
mod json;
mod kept;
mod library;
mod msgpack;
mod numbers;
mod pattern;
pub mod properties;
mod random;
mod raw;
mod redis;
mod reply;
mod sandbox;
mod shared;
mod strings;
mod structs;
mod vm;

pub(super) use cache::ShaHasher;
pub use failure::Failure;
pub use host::{LogLevel, Permission, ScriptHost, Verdict};
pub use library::{FunctionRef, Registered, ScriptFlags};
pub use redis::sha1_hex;
pub use reply::CallReply;
pub use vm::{Limits, Script, Vm, VmTooLarge};
