//! Settings: one table that the command line, the environment and CONFIG all read.
//!
//! Why it exists: an option that one of the three knows and another does not, or that is parsed
//! and then ignored, is how stores get misconfigured. A row of [`TABLE`] is the only way to add
//! one, and everything else (parsing, `--help`, `ZUMIC_...`, CONFIG GET and SET, the book) is
//! generated from it. Not for what changes by itself: figures live in [`crate::admin`].
//!
//! Who gives each setting its effect (a row without one does not belong in the table):
//! - listeners and connections (reactors): `port` `bind` `unixsocket` `unixsocketperm`
//!   `tcp-backlog` `threads` `maxclients` `maxclients-per-ip` `timeout` `tcp-keepalive`
//!   `protected-mode` `client-output-buffer-limit` `client-query-buffer-limit`
//!   `proto-max-bulk-len` `proto-inline-max-bytes` `request-args-max`
//! - engine, at start or through its tunables ([`crate::admin::Admin`]): `databases` `maxmemory`
//!   `notify-keyspace-events`
//! - client-side caching: `tracking-table-max-keys`
//!   `maxmemory-policy` `maxmemory-samples` `lfu-log-factor` `lfu-decay-time`
//!   `proto-max-bulk-len`
//! - [`crate::admin`]: `requirepass` `loglevel` `slowlog-log-slower-than` `slowlog-max-len`
//!   `latency-monitor-threshold` `latency-tracking` `latency-tracking-info-percentiles`
//!   `enable-debug-command`
//! - `durability`: `mode` `appendonly` `dir` `appendfsync` `save`
//!   `stop-writes-on-bgsave-error` `rdbcompression` `rdbcompression-level`
//!   `auto-aof-rewrite-percentage` `auto-aof-rewrite-min-size` `aof-load-truncated`
//!   `aof-buffer-limit` `shutdown-on-sigterm` `shutdown-on-sigint`
//!
//! Invariants
//! - S1: a published [`Settings`] has passed every row's check; it never changes again.
//! - S2: [`SharedSettings::update`] publishes all of its pairs or none.
//!
//! Ordering edges
//! - `settings-publish`: `update` (Release, after the lock) -> `generation` (Acquire). Carries
//!   nothing but the news: the snapshot itself travels through the lock.

mod bind;
mod command_line;
mod durability;
mod shared;
mod snapshot;
mod table;
mod value;

pub use bind::BindAddress;
pub use command_line::{Invocation, StartError, help, read};
pub(crate) use durability::check;
pub use durability::{AppendFsync, DurabilitySettings, Mode, SaveRule, ShutdownFlags};
pub use shared::{SettingsReader, SharedSettings, UpdateError};
pub use snapshot::{DebugAccess, LogLevel, MaxMemoryPolicy, OutputLimit, Secret, Settings};
pub use table::{Change, Group, Setting, TABLE, find};
pub(crate) use value::show_percentile;
pub use value::{ValueError, parse_memory};
