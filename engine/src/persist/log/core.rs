//! What sessions, the log thread and the host share of a log, and the journal of one session.
//!
//! Why it exists: the three meet in a few words only: what is durable, what failed, who rings. Not
//! the data's way: entries go through lanes.
//!
//! Invariants
//! - C1: `durable` only grows, and is stored after the sync that covers it returned, while no
//!   fault is known.
//! - C2: once `faulty` is set it stays until a snapshot has made the log whole again.
//!
//! Ordering edges
//! - `log-durable`: store of `durable` or `faulty` (Release) -> load (Acquire). Carries nothing but
//!   the word; the host's wake-up follows the store, so who is woken sees it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use super::bell::Bell;
use super::lane::{Budget, LaneReader, LaneWriter};
use crate::persist::Fsync;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Counter, Ordering};
use crate::{Journal, Tid};

/// What a host is told by: called once per advance of the durable epoch, and on a fault.
pub(crate) type Waker = Arc<dyn Fn() + Send + Sync>;

/// See the file's header.
pub(crate) struct Core {
    pub(crate) budget: Arc<Budget>,
    pub(crate) figures: Figures,
    bell: Bell,
    thread: OnceLock<Thread>,
    durable: AtomicU64,
    faulty: AtomicBool,
    fault: Mutex<Option<String>>,
    fsync: AtomicU32,
    waker: Mutex<Option<Waker>>,
    arrivals: Mutex<Vec<LaneReader>>,
}

/// Statistics; the log thread writes them.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) blocks: Counter,
    pub(crate) block_bytes: Counter,
    pub(crate) syncs: Counter,
    pub(crate) sync_us_last: Counter,
    pub(crate) sync_us_max: Counter,
    pub(crate) epoch_wait_us_max: Counter,
    pub(crate) log_bytes: Counter,
    pub(crate) segments: Counter,
    pub(crate) written: Counter,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("durable", &self.durable()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    pub(crate) fn new(fsync: Fsync, buffer_bytes_max: u64, durable: u64) -> Self {
        Self {
            budget: Arc::new(Budget::new(buffer_bytes_max)),
            figures: Figures::default(),
            bell: Bell::default(),
            thread: OnceLock::new(),
            durable: AtomicU64::new(durable),
            faulty: AtomicBool::new(false),
            fault: Mutex::default(),
            fsync: AtomicU32::new(fsync as u32),
            waker: Mutex::default(),
            arrivals: Mutex::default(),
        }
    }

    // --- Durability ----------------------------------------------------------------------

    pub(crate) fn durable(&self) -> u64 {
        // ORDER(log-durable): Acquire; see the header.
        self.durable.load(Ordering::Acquire)
    }

    /// C1. The caller has synced, and calls `wake` afterwards.
    pub(crate) fn set_durable(&self, epoch: u64) {
        debug_assert!(epoch >= self.durable(), "the durable epoch only grows");
        // ORDER(log-durable): Release; before the wake-up.
        self.durable.store(epoch, Ordering::Release);
    }

    pub(crate) fn is_faulty(&self) -> bool {
        // ORDER(log-durable): Acquire; see the header.
        self.faulty.load(Ordering::Acquire)
    }

    pub(crate) fn fault(&self) -> Option<String> {
        if self.is_faulty() { lock(&self.fault).clone() } else { None }
    }

    /// C2. The first reason stays.
    pub(crate) fn latch(&self, reason: String) {
        lock(&self.fault).get_or_insert(reason);
        // ORDER(log-durable): Release; the reason is there.
        self.faulty.store(true, Ordering::Release);
        self.wake();
    }

    /// A snapshot has made the log whole.
    pub(crate) fn heal(&self) {
        // ORDER(log-durable): Release; as above.
        self.faulty.store(false, Ordering::Release);
        *lock(&self.fault) = None;
    }

    // --- Settings ------------------------------------------------------------------------

    pub(crate) fn fsync(&self) -> Fsync {
        // ORDER: Relaxed (unpaired); a setting.
        match self.fsync.load(Ordering::Relaxed) {
            0 => Fsync::Always,
            1 => Fsync::EverySec,
            _ => Fsync::No,
        }
    }

    pub(crate) fn set_fsync(&self, fsync: Fsync) {
        // ORDER: Relaxed (unpaired); a setting.
        self.fsync.store(fsync as u32, Ordering::Relaxed);
        self.urge();
    }

    pub(crate) fn set_waker(&self, waker: Waker) {
        *lock(&self.waker) = Some(waker);
    }

    pub(crate) fn wake(&self) {
        let waker = lock(&self.waker).clone();
        if let Some(waker) = waker {
            waker();
        }
    }

    // --- The log thread's sleep ----------------------------------------------------------

    pub(crate) fn set_thread(&self, thread: Thread) {
        self.thread.set(thread).expect("one log thread is started");
    }

    /// Tells the log thread that there is work, or that somebody waits for an epoch.
    #[inline]
    pub(crate) fn ring(&self) {
        if self.bell.ring() {
            self.unpark();
        }
    }

    /// The same, and cuts short a sleep that rings do not.
    pub(crate) fn urge(&self) {
        let _ = self.bell.ring();
        self.unpark();
    }

    #[cold]
    fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    pub(crate) fn answer(&self) -> bool {
        self.bell.answer()
    }

    pub(crate) fn doze(&self) -> bool {
        self.bell.doze()
    }

    // --- Lanes ---------------------------------------------------------------------------

    pub(crate) fn enroll(&self, reader: LaneReader) {
        lock(&self.arrivals).push(reader);
    }

    pub(crate) fn arrivals(&self) -> Vec<LaneReader> {
        std::mem::take(&mut lock(&self.arrivals))
    }
}

/// One session's journal.
#[derive(Debug)]
pub(crate) struct SessionLog {
    core: Arc<Core>,
    lane: LaneWriter,
    /// Something was published since the last ring.
    rings: bool,
}

impl SessionLog {
    pub(crate) fn new(core: Arc<Core>, lane: LaneWriter) -> Self {
        Self { core, lane, rings: false }
    }
}

impl Journal for SessionLog {
    #[inline]
    fn stage(&mut self, db: u16, words: &[&[u8]]) {
        if self.lane.stage(db, words) && self.core.budget.is_half_used() {
            self.core.urge();
        }
    }

    #[inline]
    fn publish(&mut self, tid: Tid, now_ms: u64) {
        self.rings |= self.lane.publish(tid, now_ms);
    }

    #[inline]
    fn withdraw(&mut self) {
        self.lane.withdraw();
    }

    #[inline]
    fn turn_ended(&mut self) {
        if self.rings {
            self.rings = false;
            self.core.ring();
        }
    }

    #[inline]
    fn is_congested(&self) -> bool {
        self.core.budget.is_exceeded()
    }

    #[inline]
    fn fault(&self) -> Option<String> {
        self.core.fault()
    }
}
