//! What all sessions of an engine share, and each session's public half.
//!
//! Why it exists: one place lists everything that more than one thread touches, with the rule
//! that keeps it off the hot path (I2): databases are read through one pointer each, statistics
//! and places are written by their own session only, the rest changes rarely.
//!
//! Ordering edges
//! - `session-count`: store of the count when a session registers -> load by an editor that has
//!   taken a latch. An editor that misses a new session took its latch, with the fence, before
//!   that session's first reader announced itself, who therefore sees the latch (latch.rs).
//! - `database-root`: store of a database's map (under the barrier) -> load of it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::cut::Cuts;
use crate::engine::Tunables;
use crate::epoch::{Epochs, Place};
use crate::escalation::Escalation;
use crate::evict::Queues;
use crate::follow::Followers;
use crate::guard::{Collector, Reclaim};
use crate::intent::{key_record, resolve};
use crate::journal::JournalSource;
use crate::latch::Reading;
use crate::map::Map;
use crate::map::deadline::NEVER;
use crate::map::segment::Resident;
use crate::map::word::Word;
use crate::record::{Header, Record};
#[cfg(feature = "scripting")]
use crate::scripting::Scripting;
use crate::sync::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Counter, Ordering};

/// Everything shared.
#[derive(Debug)]
pub(crate) struct Shared {
    // Declared first, dropped first: what was retired goes before the databases do.
    pub(crate) collector: Collector,
    pub(crate) databases: Box<[Database]>,
    pub(crate) residents: Residents,
    pub(crate) epochs: Epochs,
    pub(crate) cuts: Cuts,
    pub(crate) tunables: Tunables,
    /// Written by the maintainer.
    pub(crate) expire_lag_ms: Counter,
    /// Written by whoever reads statistics; a race loses a peak, nothing else.
    pub(crate) memory_peak: Counter,
    /// Times SWAPDB ran, counted under the barrier: tombstones to clear may have moved.
    pub(crate) swaps: Counter,
    /// The epoch in which a database was last emptied or swapped, written under the barrier: what
    /// was there before leaves no tombstones.
    pub(crate) rooted: Counter,
    /// Tombstones that ended sessions left behind.
    pub(crate) orphans: Mutex<Vec<Fallow>>,
    /// Who wants to know of changes.
    pub(crate) followers: Followers,
    /// Scripts, functions, and which of them run.
    #[cfg(feature = "scripting")]
    pub(crate) scripting: Scripting,
    /// The token of a script that cannot go back.
    pub(crate) escalation: Escalation,
    /// Where sessions of scripts get their journals, if the store is logged.
    pub(crate) journals: OnceLock<Box<dyn JournalSource>>,
    sessions: Mutex<Vec<Arc<Public>>>,
    session_count: AtomicUsize,
    /// A log advances the epochs.
    log_ticks: AtomicBool,
}

/// A tombstone to clear once its epoch is closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fallow {
    pub(crate) epoch: u64,
    pub(crate) db: u16,
    pub(crate) hash: u64,
}

/// One database: the root that FLUSHDB and SWAPDB replace.
#[derive(Debug)]
pub(crate) struct Database {
    map: AtomicPtr<Map>,
    /// How often the map was replaced.
    generation: AtomicU64,
}

impl Database {
    fn new() -> Self {
        let map = AtomicPtr::new(Box::into_raw(Box::default()));
        Self { map, generation: AtomicU64::new(0) }
    }

    #[inline]
    pub(crate) fn map(&self) -> &Map {
        // ORDER(database-root): SeqCst, as a protected load; it includes Acquire.
        let pointer = self.map.load(Ordering::SeqCst);
        // SAFETY: a replaced map is retired or freed under the barrier, when no turn but the
        // holder's runs, and the holder loads it anew.
        unsafe { &*pointer }
    }

    /// The map, to be kept beyond its database. Under the barrier.
    pub(crate) fn pointer(&self) -> *mut Map {
        // ORDER(database-root): Relaxed; under the barrier.
        self.map.load(Ordering::Relaxed)
    }

    /// How often the map was replaced; the same for the whole of a turn.
    pub(crate) fn generation(&self) -> u64 {
        // ORDER: Relaxed (unpaired); changed under the barrier only.
        self.generation.load(Ordering::Relaxed)
    }

    /// Puts another map in place. Under the barrier only.
    pub(crate) fn swap(&self, map: *mut Map) -> *mut Map {
        // ORDER: Relaxed (unpaired); the barrier orders it with every turn.
        self.generation.fetch_add(1, Ordering::Relaxed);
        // ORDER(database-root): SeqCst; includes the Release of the new map.
        self.map.swap(map, Ordering::SeqCst)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // ORDER(database-root): Relaxed; the last owner of everything.
        let pointer = self.map.load(Ordering::Relaxed);
        // SAFETY: boxed in `new` or by a flush; nobody else is left.
        let map = unsafe { Box::from_raw(pointer) };
        free_map(*map);
    }
}

/// Frees a map nobody else can reach, with its records.
pub(crate) fn free_map(map: Map) {
    map.drain(|word| {
        // SAFETY: no transaction runs, so what is there is a record or a tidied transaction's.
        let (pointer, _) = unsafe { resolve(word) };
        // SAFETY: reachable through this slot only.
        unsafe { Header::reclaim(pointer) };
    });
}

impl Reclaim for Map {
    /// Frees a flushed database off the thread that happens to reclaim it (I5).
    unsafe fn reclaim(pointer: *mut Self) {
        // SAFETY: boxed; owned by the caller.
        let map = unsafe { Box::from_raw(pointer) };
        let spare = std::thread::Builder::new().name("zumic-free".into());
        // Without a thread to spare the map was dropped by the failed spawn: its index is freed
        // and its records are lost to the process, which is better than a stall.
        drop(spare.spawn(move || free_map(*map)));
    }
}

/// How the map sees what its words point to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Residents {
    pub(crate) seed: u64,
}

impl Residents {
    /// The keyed hash of a key: XXH3 with the engine's seed.
    #[inline]
    pub(crate) fn hash_key(&self, key: &[u8]) -> u64 {
        xxhash_rust::xxh3::xxh3_64_with_seed(key, self.seed)
    }
}

impl Resident for Residents {
    #[inline]
    fn hash(&self, word: Word) -> u64 {
        // SAFETY: the map asks about words it loaded under its caller's guard.
        self.hash_key(unsafe { key_record(word) }.key())
    }

    #[inline]
    fn deadline_ms(&self, word: Word) -> u64 {
        // SAFETY: as above.
        let (_, record) = unsafe { resolve(word) };
        if record.is_gone() { NEVER } else { record.wake_at_ms() }
    }

    #[inline]
    fn prefetch(&self, word: Word) {
        crate::prefetch::address(std::ptr::with_exposed_provenance(word.address()));
    }
}

/// One database's books, as one session changed them. Sums over sessions are the truth.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) keys: Counter,
    pub(crate) expires: Counter,
    /// Sum of all deadlines, wrapping: for the average time to live.
    pub(crate) deadlines: Counter,
    pub(crate) record_bytes: Counter,
    pub(crate) index_bytes: Counter,
}

impl Books {
    /// All books of a kind, for sums.
    pub(crate) fn counters(&self) -> [&Counter; 5] {
        [&self.keys, &self.expires, &self.deadlines, &self.record_bytes, &self.index_bytes]
    }

    /// Books a key's way from one record to another.
    #[inline]
    pub(crate) fn book(&self, old: Standing, new: Standing) {
        self.record_bytes.add(new.bytes.wrapping_sub(old.bytes));
        match (old.live, new.live) {
            (false, true) => self.keys.add(1),
            (true, false) => self.keys.subtract(1),
            _ => {}
        }
        if let Some(deadline) = old.deadline {
            self.expires.subtract(1);
            self.deadlines.subtract(deadline);
        }
        if let Some(deadline) = new.deadline {
            self.expires.add(1);
            self.deadlines.add(deadline);
        }
    }
}

/// What the books say of a record.
///
/// Of a new one it is read before the record is published: from then on others edit its object,
/// and book what they change.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    bytes: u64,
    live: bool,
    deadline: Option<u64>,
}

impl Standing {
    /// Of a record that nobody edits now.
    #[inline]
    pub(crate) fn of(record: &Record) -> Self {
        let live = !record.is_gone();
        let deadline = if live { record.expire_at_ms() } else { None };
        Self { bytes: record.memory() as u64, live, deadline }
    }

    /// Of a record about to be published, whose object is in the books from then on.
    #[inline]
    pub(crate) fn of_new(record: &Record) -> Self {
        if let Some(object) = record.object() {
            object.set_booked();
        }
        Self::of(record)
    }
}

/// A session's half that others read: its place and its statistics.
#[derive(Debug)]
pub(crate) struct Public {
    pub(crate) place: Place,
    /// The objects its command reads now.
    pub(crate) reading: Reading,
    pub(crate) books: Box<[Books]>,
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) expired: Counter,
    pub(crate) evicted: Counter,
    pub(crate) retries: Counter,
    /// The S3-FIFO queues, which live with the session that inserted the keys.
    pub(crate) queues: Mutex<Queues>,
}

/// A session's place, held by its public half.
struct Standpoint(Arc<Public>);

impl std::ops::Deref for Standpoint {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.0.place
    }
}

/// The largest of the databases' counts of keys, and whose it is.
pub(crate) fn largest(counts: &[u64]) -> (u64, u64) {
    counts.iter().copied().zip(0..).max().unwrap_or_default()
}

impl Shared {
    pub(crate) fn new(databases: u16, seed: u64) -> Self {
        Self {
            collector: Collector::new(),
            databases: (0..databases).map(|_| Database::new()).collect(),
            residents: Residents { seed },
            epochs: Epochs::default(),
            cuts: Cuts::default(),
            tunables: Tunables::default(),
            expire_lag_ms: Counter::default(),
            memory_peak: Counter::default(),
            swaps: Counter::default(),
            rooted: Counter::default(),
            orphans: Mutex::default(),
            followers: Followers::default(),
            #[cfg(feature = "scripting")]
            scripting: Scripting::default(),
            escalation: Escalation::default(),
            journals: OnceLock::new(),
            sessions: Mutex::default(),
            session_count: AtomicUsize::new(0),
            log_ticks: AtomicBool::new(false),
        }
    }

    /// Begins an epoch and closes old ones, unless a log does that at its own pace.
    pub(crate) fn tick_epochs(&self) {
        // ORDER: Relaxed (unpaired); set before the host starts its threads.
        if !self.log_ticks.load(Ordering::Relaxed) {
            self.epochs.advance();
            let mut everyone = Vec::new();
            self.epochs.close(|| {
                everyone = self.sessions();
                everyone.iter().map(|public| &public.place)
            });
        }
    }

    /// Leaves the epochs to a log.
    pub(crate) fn leave_epochs_to_log(&self) {
        // ORDER: Relaxed (unpaired); as above.
        self.log_ticks.store(true, Ordering::Relaxed);
    }

    /// Registers a session for good: its statistics outlive it. A nested one names its host.
    pub(crate) fn register(&self, host: Option<u64>) -> Arc<Public> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let number = sessions.len() as u64 + 1;
        let public = Arc::new(Public {
            place: Place::nested(number, host.unwrap_or(number)),
            reading: Reading::default(),
            books: self.databases.iter().map(|_| Books::default()).collect(),
            hits: Counter::default(),
            misses: Counter::default(),
            expired: Counter::default(),
            evicted: Counter::default(),
            retries: Counter::default(),
            queues: Mutex::default(),
        });
        sessions.push(Arc::clone(&public));
        // ORDER(session-count): Release; see the header.
        self.session_count.store(sessions.len(), Ordering::Release);
        public
    }

    /// Keys of each database, those included that expired and were not reclaimed yet.
    pub(crate) fn key_counts(&self) -> Vec<u64> {
        let mut counts = vec![0_u64; self.databases.len()];
        for session in self.sessions() {
            for (count, books) in counts.iter_mut().zip(&session.books) {
                *count = count.wrapping_add(books.keys.get());
            }
        }
        counts
    }

    /// Takes the barrier: true when every session is outside its turn, `own`'s excepted.
    pub(crate) fn reign(&self, own: &Place, wait: impl FnMut() -> bool) -> bool {
        let places = || self.sessions().into_iter().map(Standpoint).collect();
        self.epochs.take_barrier(own, places, wait)
    }

    /// Brings a session's list of all sessions up to date. Cost: a load when it is.
    #[inline]
    pub(crate) fn refresh(&self, everyone: &mut Vec<Arc<Public>>) {
        // ORDER(session-count): Acquire; see the header.
        if self.session_count.load(Ordering::Acquire) != everyone.len() {
            *everyone = self.sessions();
        }
    }

    /// The sessions so far. Cost: a lock and a clone of handles; not for the hot path.
    pub(crate) fn sessions(&self) -> Vec<Arc<Public>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[inline]
    pub(crate) fn map(&self, db: u16) -> &Map {
        self.databases[usize::from(db)].map()
    }
}
