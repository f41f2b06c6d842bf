//! The epoch that a thread waits for, where whoever makes epochs durable sees it.
//!
//! Why it exists: under `appendfsync always` a reactor sleeps in its poll while replies of its
//! connections wait for the disk. The log thread has to wake it when their epoch is durable, and
//! must not wake it (a system call) when nothing waits, or for each epoch before. Not the wait
//! itself: the reactor's poll is that, and the durable epoch is the log's.
//!
//! Invariants
//! - W1: between `announce(e)` and the announcer's next look at the durable epoch, either that look
//!   finds `e` durable, or the `reached` that follows `e` becoming durable answers `true`.
//! - W2: one announcement causes one wake-up at the most.
//!
//! Ordering edges
//! - `awaited`: the waiter stores its epoch, fences, looks at the durable epoch; the log thread
//!   stores the durable epoch, fences, looks at the awaited one. A store-load pair on two variables
//!   (this word and the log's durable epoch), so both sides need the SeqCst fence.

use crate::sync::{AtomicU64, Ordering, fence};

const NOTHING: u64 = u64::MAX;

/// One thread's announcement. Padded, so that two reactors do not share a line.
///
/// # Examples
/// ```
/// use engine::awaited::Awaited;
///
/// let awaited = Awaited::default();
/// assert!(!awaited.reached(7), "nobody waits");
/// awaited.announce(5);
/// assert!(!awaited.reached(4), "not yet");
/// assert!(awaited.reached(6), "the waiter has to be woken");
/// assert!(!awaited.reached(7), "it was");
/// ```
#[derive(Debug)]
#[repr(align(128))]
pub struct Awaited {
    epoch: AtomicU64,
}

impl Default for Awaited {
    fn default() -> Self {
        Self { epoch: AtomicU64::new(NOTHING) }
    }
}

impl Awaited {
    /// Says which epoch the caller waits for. The caller looks at the durable epoch once more
    /// before it sleeps (W1).
    pub fn announce(&self, epoch: u64) {
        // ORDER(awaited): Relaxed; the fence orders it before the caller's look.
        self.epoch.store(epoch, Ordering::Relaxed);
        // ORDER(awaited): SeqCst; our epoch before our look at the durable one.
        fence(Ordering::SeqCst);
    }

    /// Says that the caller waits for nothing any more.
    pub fn forget(&self) {
        // ORDER(awaited): Relaxed; a wake-up too many does no harm.
        self.epoch.store(NOTHING, Ordering::Relaxed);
    }

    /// Whether the waiter has to be woken, now that everything up to `durable` is on disk and the
    /// caller has stored that where waiters look.
    #[must_use]
    pub fn reached(&self, durable: u64) -> bool {
        // ORDER(awaited): SeqCst; the durable epoch before our look at the awaited one.
        fence(Ordering::SeqCst);
        // ORDER(awaited): Relaxed; behind the fence.
        let epoch = self.epoch.load(Ordering::Relaxed);
        if epoch > durable {
            return false;
        }
        // ORDER(awaited): Relaxed; failure means a new announcement, whose maker looks itself.
        self.epoch.compare_exchange(epoch, NOTHING, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_announcement_is_one_wake_up() {
        let awaited = Awaited::default();
        assert!(!awaited.reached(u64::MAX - 1));
        awaited.announce(3);
        assert!(!awaited.reached(2));
        assert!(awaited.reached(3));
        assert!(!awaited.reached(4));
        awaited.announce(3);
        awaited.forget();
        assert!(!awaited.reached(9));
    }
}
