//! The epoch that is on the disk, and whether the log has stopped: what replies wait for.
//!
//! Why it exists: reactors look at one word before they let replies go, and are woken when it has
//! changed. Who waits says so first and looks afterwards, so that either it sees the change or the
//! waker sees it waiting.
//!
//! Invariants
//! - U1: the epoch only grows, and is told after the sync that covers it returned.
//! - U2: whoever is woken sees what it is woken for.
//!
//! Ordering edges
//! - `log-durable`: store of the epoch, or of the stop, (Release) -> load (Acquire). Carries
//!   nothing but the word; the wake-up follows the store.

use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// See the file's header.
#[derive(Debug, Default)]
pub struct Durable {
    epoch: AtomicU64,
    stopped: AtomicBool,
}

impl Durable {
    /// Everything up to `epoch` is on the disk.
    #[must_use]
    pub fn new(epoch: u64) -> Self {
        Self { epoch: AtomicU64::new(epoch), stopped: AtomicBool::new(false) }
    }

    /// The last epoch that is on the disk.
    #[inline]
    #[must_use]
    pub fn epoch(&self) -> u64 {
        // ORDER(log-durable): Acquire; see the header.
        self.epoch.load(Ordering::Acquire)
    }

    /// Tells that `epoch` is on the disk, then calls `wake`.
    pub fn tell(&self, epoch: u64, wake: impl FnOnce()) {
        debug_assert!(epoch >= self.epoch(), "the durable epoch only grows");
        // ORDER(log-durable): Release; before the wake-up (U2).
        self.epoch.store(epoch, Ordering::Release);
        wake();
    }

    /// Whether the log has stopped.
    #[inline]
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        // ORDER(log-durable): Acquire; see the header.
        self.stopped.load(Ordering::Acquire)
    }

    /// Tells that the log has stopped, then calls `wake`.
    pub fn stop(&self, wake: impl FnOnce()) {
        // ORDER(log-durable): Release; before the wake-up (U2).
        self.stopped.store(true, Ordering::Release);
        wake();
    }

    /// The log goes on.
    pub fn go_on(&self) {
        // ORDER(log-durable): Release; as above.
        self.stopped.store(false, Ordering::Release);
    }
}
