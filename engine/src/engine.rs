//! The engine's front door: building one, its settings, its statistics.
//!
//! Why it exists: a host (the server, a test, an embedding program) needs one handle that is
//! cheap to clone and says what may be changed while it runs.

use std::sync::Arc;

#[cfg(feature = "scripting")]
use zumic_error::{CommandError, ScriptError};

use crate::events::Classes;
use crate::evict::EvictionPolicy;
use crate::journal::JournalSource;
use crate::maintain::Maintainer;
#[cfg(feature = "scripting")]
use crate::scripting::ScriptStats;
#[cfg(feature = "scripting")]
use crate::scripting::libraries::{Catalog, Library};
use crate::session::Session;
use crate::shared::Shared;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::thresholds::{SharedThresholds, Thresholds};

/// The shared store; clones are handles to the same one.
///
/// # Examples
/// ```
/// use engine::Engine;
///
/// let engine = Engine::builder().databases(4).seed(7).build();
/// let mut session = engine.session();
/// let mut turn = session.enter(1_700_000_000_000);
/// turn.set(0, b"greeting", b"hello").unwrap();
/// assert_eq!(turn.get(0, b"greeting").unwrap().as_deref(), Some(&b"hello"[..]));
/// ```
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// Sets an engine up.
#[derive(Clone, Debug)]
pub struct EngineBuilder {
    databases: u16,
    seed: u64,
}

impl Default for EngineBuilder {
    fn default() -> Self {
        Self { databases: 16, seed: 0 }
    }
}

impl EngineBuilder {
    /// Number of databases; 16 unless told.
    ///
    /// # Panics
    /// If `count` is zero.
    #[must_use]
    pub fn databases(mut self, count: u16) -> Self {
        assert!(count > 0, "a store has at least one database");
        self.databases = count;
        self
    }

    /// Seed of hashing and sampling. A server passes a random one, so that no client can choose
    /// keys that collide; a test passes a fixed one.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The engine, empty.
    #[must_use]
    pub fn build(self) -> Engine {
        Engine { shared: Arc::new(Shared::new(self.databases, self.seed)) }
    }
}

/// Settings that may change while the engine runs (CONFIG SET).
#[derive(Debug)]
pub struct Tunables {
    memory_max: AtomicU64,
    policy: AtomicU32,
    samples: AtomicU32,
    lfu_log_factor: AtomicU32,
    lfu_decay_minutes: AtomicU32,
    active_expire: AtomicU32,
    string_bytes_max: AtomicU64,
    event_classes: AtomicU32,
    thresholds: SharedThresholds,
}

impl Default for Tunables {
    fn default() -> Self {
        Self {
            memory_max: AtomicU64::new(0),
            policy: AtomicU32::new(EvictionPolicy::NoEviction as u32),
            samples: AtomicU32::new(5),
            lfu_log_factor: AtomicU32::new(10),
            lfu_decay_minutes: AtomicU32::new(1),
            active_expire: AtomicU32::new(1),
            string_bytes_max: AtomicU64::new(512 << 20),
            event_classes: AtomicU32::new(0),
            thresholds: SharedThresholds::default(),
        }
    }
}

/// Reads a setting.
#[inline]
fn read(setting: &AtomicU32) -> u32 {
    // ORDER: Relaxed (unpaired); a setting takes effect soon, and orders nothing.
    setting.load(Ordering::Relaxed)
}

/// Changes a setting.
fn write(setting: &AtomicU32, value: u32) {
    // ORDER: Relaxed (unpaired); as above.
    setting.store(value, Ordering::Relaxed);
}

impl Tunables {
    /// `maxmemory` in bytes; 0 for none.
    pub fn set_memory_max(&self, bytes: u64) {
        // ORDER: Relaxed (unpaired); a setting.
        self.memory_max.store(bytes, Ordering::Relaxed);
    }

    /// `maxmemory` in bytes; 0 for none.
    #[inline]
    #[must_use]
    pub fn memory_max(&self) -> u64 {
        // ORDER: Relaxed (unpaired); a setting.
        self.memory_max.load(Ordering::Relaxed)
    }

    /// `maxmemory-policy`.
    pub fn set_policy(&self, policy: EvictionPolicy) {
        write(&self.policy, policy as u32);
    }

    /// `maxmemory-policy`.
    #[inline]
    #[must_use]
    pub fn policy(&self) -> EvictionPolicy {
        EvictionPolicy::ALL[read(&self.policy) as usize]
    }

    /// `maxmemory-samples`: candidates looked at per eviction.
    pub fn set_samples(&self, samples: u32) {
        write(&self.samples, samples.max(1));
    }

    pub(crate) fn samples(&self) -> u32 {
        read(&self.samples)
    }

    /// `lfu-log-factor` and `lfu-decay-time` (minutes).
    pub fn set_lfu(&self, log_factor: u32, decay_minutes: u32) {
        write(&self.lfu_log_factor, log_factor);
        write(&self.lfu_decay_minutes, decay_minutes);
    }

    pub(crate) fn lfu(&self) -> (u32, u32) {
        (read(&self.lfu_log_factor), read(&self.lfu_decay_minutes))
    }

    /// `DEBUG SET-ACTIVE-EXPIRE`: whether the sweep runs.
    pub fn set_active_expire(&self, on: bool) {
        write(&self.active_expire, u32::from(on));
    }

    pub(crate) fn active_expire(&self) -> bool {
        read(&self.active_expire) != 0
    }

    /// `notify-keyspace-events`.
    pub fn set_event_classes(&self, classes: Classes) {
        write(&self.event_classes, classes.wanted());
    }

    #[inline]
    pub(crate) fn event_classes(&self) -> u32 {
        read(&self.event_classes)
    }

    /// The sizes at which collections change their representation.
    #[inline]
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds.read()
    }

    /// What the thresholds say of lists, alone.
    #[inline]
    pub(crate) fn list_rules(&self) -> crate::values::list::Rules {
        self.thresholds.list_rules()
    }

    /// [`Thresholds::hash_entries_max`] and [`Thresholds::hash_value_max`] alone.
    #[inline]
    pub(crate) fn hash_sizes_max(&self) -> (usize, usize) {
        self.thresholds.hash_sizes_max()
    }

    /// Sets them.
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        self.thresholds.write(thresholds);
    }

    /// `proto-max-bulk-len`: the longest string a command may make, in bytes.
    pub fn set_string_bytes_max(&self, bytes: u64) {
        // ORDER: Relaxed (unpaired); a setting.
        self.string_bytes_max.store(bytes, Ordering::Relaxed);
    }

    /// `proto-max-bulk-len`: the longest string a command may make, in bytes.
    #[must_use]
    pub fn string_bytes_max(&self) -> u64 {
        // ORDER: Relaxed (unpaired); a setting.
        self.string_bytes_max.load(Ordering::Relaxed)
    }
}

/// One database's figures.
#[derive(Clone, Copy, Debug, Default)]
pub struct DatabaseStats {
    /// Keys, those included whose deadline has passed but that were not reclaimed yet.
    pub keys: u64,
    /// Keys with a deadline.
    pub expires: u64,
    /// Sum of the deadlines, wrapping, in Unix milliseconds.
    deadlines: u64,
}

impl DatabaseStats {
    /// Mean time to live of the keys with a deadline, in milliseconds; 0 without any.
    #[must_use]
    pub fn ttl_average_ms(&self, now_ms: u64) -> u64 {
        match self.expires {
            0 => 0,
            expires => (self.deadlines / expires).saturating_sub(now_ms),
        }
    }
}

/// A reading of the engine's statistics.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Bytes in records and index, allocator rounding left out.
    pub memory_used: u64,
    /// Bytes of records.
    pub memory_records: u64,
    /// Bytes of directories, segments and overflow buckets.
    pub memory_index: u64,
    /// The highest `memory_used` any reading saw.
    pub memory_peak: u64,
    /// Lookups of reading commands that found their key.
    pub hits: u64,
    /// Lookups of reading commands that did not.
    pub misses: u64,
    /// Keys reclaimed because their deadline passed.
    pub expired: u64,
    /// Keys evicted for `maxmemory`.
    pub evicted: u64,
    /// How long the oldest passed deadline has been waiting for the sweep, in milliseconds.
    pub expire_lag_ms: u64,
    /// The current epoch.
    pub epoch: u64,
    /// Writes that lost a race and were tried again.
    pub retries: u64,
    /// One per database.
    pub databases: Vec<DatabaseStats>,
}

impl Engine {
    /// Starts setting an engine up.
    #[must_use]
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// A session for the calling thread; one per reactor. Its statistics stay when it ends.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(Arc::clone(&self.shared))
    }

    /// Gives the sessions of scripts journals of their own. Called once, before any script runs;
    /// later calls change nothing.
    pub fn set_journals(&self, source: Box<dyn JournalSource>) {
        // A second log of one store is refused when it is opened.
        let _ = self.shared.journals.set(source);
    }

    /// Makes the epochs go on at `epoch`, if they are not beyond: what is written from now on has
    /// later TIDs than what a recovery found.
    pub fn resume_at(&self, epoch: u64) {
        self.shared.epochs.raise_to(epoch);
    }

    /// Background work: epochs, expiry, leftovers. One thread calls its `tick`.
    #[must_use]
    pub fn maintainer(&self) -> Maintainer {
        Maintainer::new(self.session())
    }

    /// Counts somebody in who wants to know when `key` changes, in any database. Whoever calls
    /// this looks at the key afterwards; changes from then on are in
    /// [`crate::Turn::take_changes`] of the session that makes them. Changes of other keys may be
    /// there, too.
    pub fn follow_key(&self, key: &[u8]) {
        self.shared.followers.join(self.shared.residents.hash_key(key));
    }

    /// Counts somebody in who wants to know of every change, as for one key.
    pub fn follow_all(&self) {
        self.shared.followers.join_all();
    }

    /// Counts a follower of every change out.
    pub fn unfollow_all(&self) {
        self.shared.followers.part_all();
    }

    /// Counts a follower of `key` out.
    pub fn unfollow_key(&self, key: &[u8]) {
        self.shared.followers.part(self.shared.residents.hash_key(key));
    }

    /// Whether somebody follows `key`, or a few others.
    #[must_use]
    pub fn has_followers(&self, key: &[u8]) -> bool {
        self.shared.followers.wait_for(self.shared.residents.hash_key(key))
    }

    /// Settings that may change.
    #[must_use]
    pub fn tunables(&self) -> &Tunables {
        &self.shared.tunables
    }

    /// Number of databases.
    #[must_use]
    pub fn databases(&self) -> u16 {
        u16::try_from(self.shared.databases.len()).expect("built from a u16")
    }

    /// Empties an engine that nobody uses yet, without a place in any log.
    pub(crate) fn clear(&self) {
        let mut session = self.session();
        let mut turn = session.enter(0);
        let done = turn.with_context(0, |context| {
            context.alone(|context| {
                context.flush(None, true);
                Ok(())
            })
        });
        assert!(done.is_ok(), "nobody else holds the barrier of an engine that is not used");
    }

    /// Sums the statistics of all sessions. Cost: O(sessions * databases).
    #[must_use]
    pub fn stats(&self) -> Stats {
        let shared = &self.shared;
        let mut stats = Stats {
            expire_lag_ms: shared.expire_lag_ms.get(),
            epoch: shared.epochs.current(),
            databases: vec![DatabaseStats::default(); shared.databases.len()],
            ..Stats::default()
        };
        let add = |sum: &mut u64, term: u64| *sum = sum.wrapping_add(term);
        for session in shared.sessions() {
            for (database, books) in stats.databases.iter_mut().zip(&session.books) {
                add(&mut database.keys, books.keys.get());
                add(&mut database.expires, books.expires.get());
                add(&mut database.deadlines, books.deadlines.get());
                add(&mut stats.memory_records, books.record_bytes.get());
                add(&mut stats.memory_index, books.index_bytes.get());
            }
            stats.hits += session.hits.get();
            stats.misses += session.misses.get();
            stats.expired += session.expired.get();
            stats.evicted += session.evicted.get();
            stats.retries += session.retries.get();
        }
        stats.memory_used = stats.memory_records.wrapping_add(stats.memory_index);
        stats.memory_peak = shared.memory_peak.get().max(stats.memory_used);
        shared.memory_peak.set(stats.memory_peak);
        stats
    }

    /// Sets the event counts back to zero (CONFIG RESETSTAT). An event counted meanwhile may
    /// be lost.
    pub fn reset_stats(&self) {
        for session in self.shared.sessions() {
            let counters = [
                &session.hits,
                &session.misses,
                &session.expired,
                &session.evicted,
                &session.retries,
            ];
            for counter in counters {
                counter.set(0);
            }
        }
        self.shared.memory_peak.set(0);
    }
}

#[cfg(feature = "scripting")]
impl Engine {
    /// `busy-reply-threshold`: how long a script may run before who needs its keys is told instead
    /// of made to wait, in milliseconds; 0 for any time.
    pub fn set_script_patience_ms(&self, milliseconds: u64) {
        self.shared.scripting.set_patience_ms(milliseconds);
    }

    /// SCRIPT KILL, or FUNCTION KILL: stops the scripts that run for long and have not written.
    ///
    /// # Errors
    /// What the command answers when nothing could be stopped.
    pub fn kill_script(&self, functions: bool) -> Result<(), ScriptError> {
        self.shared.scripting.long.kill(functions)
    }

    /// All libraries of functions, in the form of FUNCTION DUMP: for snapshots.
    #[must_use]
    pub fn dump_functions(&self) -> Vec<u8> {
        self.shared.scripting.libraries.catalog().dump()
    }

    /// Puts the libraries of a dump in place of those that are there. For loading; nothing is
    /// logged.
    ///
    /// # Errors
    /// The dump is damaged, or a library in it cannot be loaded; nothing has changed then.
    pub fn restore_functions(&self, dump: &[u8]) -> Result<(), CommandError> {
        let restored = Catalog::undump(dump)?;
        self.shared.scripting.libraries.change(|catalog| {
            *catalog = restored;
            Ok(())
        })
    }

    /// Adds a library by its source, replacing one of the same name: for dump files, which have
    /// libraries one by one. Nothing is logged.
    ///
    /// # Errors
    /// It cannot be loaded, or another library has a function of the same name.
    pub fn load_function_library(&self, source: &[u8]) -> Result<(), CommandError> {
        let library = Arc::new(Library::new(source)?);
        let libraries = &self.shared.scripting.libraries;
        Ok(libraries.change(|catalog| catalog.add(library, true))?)
    }

    /// How many scripts are kept, their bytes, and those of the interpreters.
    #[must_use]
    pub fn script_stats(&self) -> ScriptStats {
        let scripting = &self.shared.scripting;
        let (scripts, script_bytes) = scripting.bodies.totals();
        let catalog = scripting.libraries.catalog();
        ScriptStats {
            scripts,
            script_bytes,
            vm_bytes: scripting.vm_bytes(),
            libraries: catalog.libraries.len() as u64,
            functions: catalog.function_count() as u64,
        }
    }
}
