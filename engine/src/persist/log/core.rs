//! What sessions, the log thread and the host share of a log, and the journal of one session.
//!
//! Why it exists: the three meet in a few words only: what is durable, what failed, who rings. Not
//! the data's way: entries go through lanes.
//!
//! Invariants
//! - C1: once a fault is latched it stays until a snapshot has made the log whole again.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use super::bell::Bell;
use super::durable::Durable;
use super::lane::{Budget, LaneReader, LaneWriter};
use crate::persist::Fsync;
use crate::sync::{AtomicU32, Counter, Ordering};
use crate::{Journal, Tid};

/// What a host is told by: called once per advance of the durable epoch, and on a fault.
pub(crate) type Waker = Arc<dyn Fn() + Send + Sync>;

/// See the file's header.
pub(crate) struct Core {
    pub(crate) budget: Arc<Budget>,
    pub(crate) figures: Figures,
    bell: Bell,
    thread: OnceLock<Thread>,
    durable: Durable,
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
            durable: Durable::new(durable),
            fault: Mutex::default(),
            fsync: AtomicU32::new(fsync as u32),
            waker: Mutex::default(),
            arrivals: Mutex::default(),
        }
    }

    // --- Durability ----------------------------------------------------------------------

    pub(crate) fn durable(&self) -> u64 {
        self.durable.epoch()
    }

    /// Tells that an epoch is on the disk, and wakes the host.
    pub(crate) fn tell_durable(&self, epoch: u64) {
        self.durable.tell(epoch, || self.wake());
    }

    pub(crate) fn is_faulty(&self) -> bool {
        self.durable.is_stopped()
    }

    pub(crate) fn fault(&self) -> Option<String> {
        if self.is_faulty() { lock(&self.fault).clone() } else { None }
    }

    /// C1. The first reason stays.
    pub(crate) fn latch(&self, reason: String) {
        lock(&self.fault).get_or_insert(reason);
        self.durable.stop(|| self.wake());
    }

    /// A snapshot has made the log whole.
    pub(crate) fn heal(&self) {
        self.durable.go_on();
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
