//! Administration: what the server knows about itself, and what may be asked and changed.
//!
//! Why it exists: one [`Admin`] per process holds the settings, the statistics, the slow log and
//! the password; every reactor has a handle, and the commands that are not about data or about a
//! connection are answered here. Not for sockets: reactors bring their facts with them.
//!
//! How a reactor uses it:
//! - [`Admin::stats`]`.register()` once, and counts into its own block;
//! - [`Admin::note_slow`] for a slow command, [`Admin::answer`] for the commands it answers;
//! - `Admin::authenticator().submit()` for AUTH and HELLO AUTH, the verdict comes through the
//!   closure in [`Wiring`];
//! - a background thread calls [`Admin::tick`] about every millisecond.

pub mod allocator;
pub mod auth;
pub mod banner;
mod config;
mod debug;
mod help;
mod histogram;
pub(crate) mod info;
mod latency;
pub mod logging;
mod lolwut;
mod memory;
pub mod monitor;
pub mod process;
pub mod shutdown;
mod slowlog;
mod spikes;
pub mod stats;
pub mod version;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::commands::{CommandSpec, Flags, HostCommand};
use engine::{Context, Engine, Halt};

pub use self::config::Stop;
pub use self::histogram::Latencies;
pub use self::info::human_bytes;
pub use self::slowlog::Slowlog;
use self::spikes::Spikes;

use self::allocator::Allocator;
use self::auth::{Authenticator, Deliver, PasswordHash};
use self::logging::LogControl;
use self::stats::StatsHub;
use crate::durability::Durability;
use crate::pubsub::Broker;
use crate::settings::{self, Settings, SharedSettings, UpdateError, ValueError};
use crate::tracking::Tracking;

/// What an administrative command wants to know about who sent it.
#[derive(Clone, Copy, Debug)]
pub struct ClientFacts<'c> {
    /// The peer as CLIENT LIST shows it: `127.0.0.1:5000`, or `/path:0` for a Unix socket.
    pub peer: &'c str,
    /// CLIENT SETNAME.
    pub name: &'c [u8],
    /// The selected database.
    pub db: u16,
    /// Whether the connection comes from this machine.
    pub is_local: bool,
}

/// What the program brings along.
pub struct Wiring {
    /// The global allocator.
    pub allocator: Allocator,
    /// Publish and subscribe, for INFO.
    pub(crate) broker: Arc<Broker>,
    /// Client-side caching, for INFO.
    pub(crate) tracking: Arc<Tracking>,
    /// Log and snapshots, in persistent mode.
    pub(crate) durability: Option<Arc<Durability>>,
    /// Hands the verdict on a password to a reactor.
    pub deliver: Deliver,
    /// The log, if there is one.
    pub log: Option<LogControl>,
}

/// The process's administration. Shared by all reactors.
#[derive(Debug)]
pub struct Admin {
    engine: Engine,
    settings: Arc<SharedSettings>,
    stats: StatsHub,
    slowlog: Slowlog,
    spikes: Spikes,
    authenticator: Authenticator,
    allocator: Allocator,
    broker: Arc<Broker>,
    tracking: Arc<Tracking>,
    durability: Option<Arc<Durability>>,
    log: Option<LogControl>,
    started: Instant,
    started_at_s: u64,
    run_id: String,
}

impl Admin {
    /// Builds the engine, hashes the password, and makes room for `maxclients` descriptors (or
    /// lowers it, and logs that). Cost: one argon2 when there is a password.
    ///
    /// `commands` names every command, subcommands included, by [`CommandSpec::id`].
    ///
    /// # Errors
    /// No randomness, or no thread for checking passwords.
    pub fn start(
        mut settings: Settings,
        commands: Vec<&'static str>,
        wiring: Wiring,
    ) -> io::Result<Arc<Self>> {
        let mut random = [0; 28];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let (seed, run_id) = random.split_at(8);
        let seed = u64::from_ne_bytes(seed.try_into().expect("split at 8"));
        let password = settings.password_new.take().filter(|secret| !secret.is_empty());
        let password = password.map(|secret| PasswordHash::new(&secret)).transpose()?;
        if let Err(possible) = process::allow_clients(settings.clients_max) {
            tracing::warn!("maxclients is {possible}: the system allows no more open files");
            settings.clients_max = possible;
        }
        let admin = Self {
            engine: Engine::builder().databases(settings.databases).seed(seed).build(),
            stats: StatsHub::new(commands),
            slowlog: Slowlog::default(),
            spikes: Spikes::default(),
            authenticator: Authenticator::start(password, wiring.deliver)?,
            allocator: wiring.allocator,
            broker: wiring.broker,
            tracking: wiring.tracking,
            durability: wiring.durability,
            log: wiring.log,
            started: Instant::now(),
            started_at_s: unix_microseconds() / 1_000_000,
            run_id: run_id.iter().map(|byte| format!("{byte:02x}")).collect(),
            settings: Arc::new(SharedSettings::new(settings)),
        };
        admin.apply(&admin.settings.load());
        Ok(Arc::new(admin))
    }

    /// The store.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The settings; a reactor makes itself a [`crate::settings::SettingsReader`] of them.
    #[must_use]
    pub const fn settings(&self) -> &Arc<SharedSettings> {
        &self.settings
    }

    /// The statistics.
    #[must_use]
    pub const fn stats(&self) -> &StatsHub {
        &self.stats
    }

    /// The password and its checks.
    #[must_use]
    pub const fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// The global allocator.
    #[must_use]
    pub const fn allocator(&self) -> Allocator {
        self.allocator
    }

    /// Forty random hexadecimal digits, new with each start.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Time since the start.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Unix time of the last snapshot, or of the start.
    #[must_use]
    pub(crate) fn saved_at_s(&self) -> u64 {
        self.durability.as_ref().map_or(self.started_at_s, |durability| durability.saved_at_s())
    }

    /// Changes settings: all of them, or none.
    ///
    /// # Errors
    /// [`Stop`] with [`Halt::Busy`] while a new password is being hashed: ask again.
    pub fn change(&self, pairs: &[(&[u8], &[u8])]) -> Result<(), Stop> {
        self.settings.update(pairs, |old, new| self.commit(old, new))
    }

    /// Does what may be refused, then what cannot.
    fn commit(&self, old: &Settings, new: &mut Settings) -> Result<(), Stop> {
        let refuse = |name, error| Stop::from(UpdateError::Value(name, error));
        if new.durability.mode != old.durability.mode {
            return Err(refuse("appendonly", ValueError::ModeAtStart));
        }
        settings::check(new).map_err(|(name, error)| refuse(name, error))?;
        if new.clients_max > old.clients_max {
            process::allow_clients(new.clients_max)
                .map_err(|possible| refuse("maxclients", ValueError::OpenFiles(possible)))?;
        }
        if let Some(secret) = new.password_new.take() {
            let hash = if secret.is_empty() {
                None
            } else {
                Some(self.authenticator.prepare(&secret).ok_or(Stop(Halt::Busy))?)
            };
            self.authenticator.install(hash);
        }
        self.apply(new);
        Ok(())
    }

    /// Hands the settings on to those who do not read snapshots.
    fn apply(&self, settings: &Settings) {
        let tunables = self.engine.tunables();
        tunables.set_memory_max(settings.memory_max);
        tunables.set_policy(settings.memory_policy.into());
        tunables.set_samples(settings.memory_samples);
        tunables.set_lfu(settings.lfu_log_factor, settings.lfu_decay_minutes);
        tunables.set_string_bytes_max(settings.bulk_bytes_max);
        tunables.set_thresholds(settings.thresholds);
        tunables.set_event_classes(settings.events);
        self.engine.set_script_patience_ms(settings.script_patience_ms);
        self.slowlog.truncate(settings.slowlog_len_max);
        if let Some(durability) = &self.durability {
            durability.apply(&settings.durability);
        }
        if let Some(log) = &self.log {
            log.set_level(settings.log_level);
        }
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&self) {
        self.stats.reset();
        self.engine.reset_stats();
    }

    /// Housekeeping of a background thread.
    pub fn tick(&self, now_ms: u64) {
        self.stats.tick(now_ms);
        self.authenticator.tick();
    }

    /// Notes a slow command: among the spikes of LATENCY, and in the slow log, unless its row says
    /// that it never goes there.
    ///
    /// The thresholds are looked at again, as they are now: a CONFIG SET that raised one is not
    /// noted by the old one.
    #[cold]
    pub fn note_slow(
        &self,
        client: &ClientFacts<'_>,
        spec: &CommandSpec,
        args: &[&[u8]],
        microseconds: u64,
    ) {
        let settings = self.settings.load();
        let now = unix_microseconds() / 1_000_000;
        let milliseconds = microseconds / 1_000;
        if (1..=milliseconds).contains(&settings.latency_threshold_ms) {
            let is_fast = spec.flags.contains(Flags::FAST);
            self.spikes.add(if is_fast { "fast-command" } else { "command" }, now, milliseconds);
        }
        let is_slow = u64::try_from(settings.slowlog_threshold_us)
            .is_ok_and(|threshold| microseconds >= threshold);
        if !is_slow || spec.flags.contains(Flags::SKIP_SLOWLOG) {
            return;
        }
        let shown = monitor::redact(args);
        self.slowlog.push(&shown, microseconds, now, client, settings.slowlog_len_max);
    }

    /// Runs one of the commands that are answered here: CONFIG, DEBUG, INFO, LATENCY, LOLWUT,
    /// MEMORY (but for USAGE), SLOWLOG, TIME. `None` for any other; those are the reactor's.
    pub fn answer(
        &self,
        client: &ClientFacts<'_>,
        context: &mut Context<'_>,
        command: HostCommand,
        spec: &'static CommandSpec,
        args: &[&[u8]],
    ) -> Option<Result<(), Halt>> {
        let sub = spec.name.split_once('|').map_or("", |(_, sub)| sub);
        Some(match command {
            HostCommand::Config => config::run(self, context, sub, args),
            HostCommand::Debug => debug::run(self, client, context, args),
            HostCommand::Info => info::run(self, context, args),
            HostCommand::Latency => latency::run(self, context, sub, args),
            HostCommand::Lolwut => lolwut::run(context, args),
            HostCommand::MemoryDoctor => memory::doctor(self, context),
            HostCommand::MemoryMallocStats => memory::malloc_stats(self, context),
            HostCommand::MemoryStats => memory::stats(self, context),
            HostCommand::Slowlog => slowlog::run(&self.slowlog, context, sub, args),
            HostCommand::Time => time(context),
            _ => return None,
        })
    }
}

/// The system's clock, in microseconds since 1970; 0 before that.
#[must_use]
pub fn unix_microseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn time(context: &mut Context<'_>) -> Result<(), Halt> {
    let now = unix_microseconds();
    let sink = context.sink();
    sink.array(2);
    sink.bulk((now / 1_000_000).to_string().as_bytes());
    sink.bulk((now % 1_000_000).to_string().as_bytes());
    Ok(())
}

/// An integer in Redis's form.
fn integer(text: &[u8]) -> Option<i64> {
    engine::commands::number::parse_integer(text).ok()
}
