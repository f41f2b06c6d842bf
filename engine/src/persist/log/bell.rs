//! How the log thread sleeps, and is woken without a system call per write.
//!
//! Why it exists: reactors publish entries all the time; only the first one after the log thread
//! fell asleep may cost a wake-up, and none may be lost.
//!
//! Invariants
//! - W1: an entry published before [`Bell::ring`] is seen by the collection after the next
//!   [`Bell::answer`], or the ring is.
//!
//! Ordering edges
//! - `log-bell`: publish, fence, look at the state -> answer, fence, collect. A store-load pair
//!   on two variables (`published` of a lane and `state`), so both sides need the SeqCst fence.

use crate::sync::{AtomicU32, Ordering, fence};

/// At work, or asleep for a moment that need not be cut short.
const AWAKE: u32 = 0;
/// Asleep until somebody rings.
const ASLEEP: u32 = 1;
/// Somebody rang.
const RUNG: u32 = 2;

/// The state; whoever owns it parks and unparks the thread.
#[derive(Debug, Default)]
pub struct Bell {
    state: AtomicU32,
}

impl Bell {
    /// Tells the log thread that there is work. True when it sleeps: the caller unparks it.
    #[inline]
    #[must_use]
    pub fn ring(&self) -> bool {
        // ORDER(log-bell): SeqCst; what was published comes before our look at the state.
        fence(Ordering::SeqCst);
        // ORDER(log-bell): Relaxed; behind the fence.
        if self.state.load(Ordering::Relaxed) == RUNG {
            return false;
        }
        // ORDER(log-bell): Relaxed; the state carries nothing but itself.
        self.state.swap(RUNG, Ordering::Relaxed) == ASLEEP
    }

    /// Takes note of rings so far, before looking for work. True when there were any.
    pub fn answer(&self) -> bool {
        // ORDER(log-bell): Relaxed; the fence below orders it.
        let rung = self.state.swap(AWAKE, Ordering::Relaxed) == RUNG;
        // ORDER(log-bell): SeqCst; the new state comes before our look at the lanes.
        fence(Ordering::SeqCst);
        rung
    }

    /// Goes to sleep unless somebody rang since the last answer. True: park.
    #[must_use]
    pub fn doze(&self) -> bool {
        // ORDER(log-bell): Relaxed; as in `ring`.
        self.state.compare_exchange(AWAKE, ASLEEP, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
