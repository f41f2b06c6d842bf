//! The earliest deadline under a roof: a segment's, or a group of segments'.
//!
//! Why it exists: expired keys are found without an index of deadlines. A writer lowers the
//! minimum after it published a record with a deadline; the sweep takes the minimum away, looks
//! at the records, and gives back what it finds. Never later than the truth; it may be earlier.
//!
//! Invariants
//! - D1: for every record published under the roof, the minimum is at or below its deadline,
//!   except between a sweep's `take` and its `lower`, and then that sweep sees the record.
//!
//! Ordering edges
//! - `deadline-sweep`: the writer publishes the record, fences, then looks at the minimum; the
//!   sweep takes the minimum, fences, then looks at the records (a store-load pair, so both
//!   need the SeqCst fence). If the writer saw the minimum from before the take, the sweep sees
//!   the record.

use crate::sync::{AtomicU64, Ordering, fence};

/// No deadline.
pub const NEVER: u64 = u64::MAX;

/// A minimum of deadlines, in Unix milliseconds.
#[derive(Debug)]
pub struct DeadlineMinimum(AtomicU64);

impl DeadlineMinimum {
    /// Starts at `deadline_ms` ([`NEVER`] for none).
    #[must_use]
    pub fn new(deadline_ms: u64) -> Self {
        Self(AtomicU64::new(deadline_ms))
    }

    /// Tells the sweep of a record that was just published.
    pub fn lower(&self, deadline_ms: u64) {
        // ORDER(deadline-sweep): SeqCst; the record's publication before the look at the minimum.
        fence(Ordering::SeqCst);
        // ORDER(deadline-sweep): Relaxed; the fence above orders it.
        if deadline_ms < self.0.load(Ordering::Relaxed) {
            // ORDER(deadline-sweep): Relaxed; a minimum carries no other memory.
            self.0.fetch_min(deadline_ms, Ordering::Relaxed);
        }
    }

    /// The current minimum.
    #[must_use]
    pub fn peek(&self) -> u64 {
        // ORDER(deadline-sweep): Relaxed; a late reading delays the sweep by one round.
        self.0.load(Ordering::Relaxed)
    }

    /// Takes the minimum before a look at the records; give the remaining one back by `lower`.
    pub fn take(&self) -> u64 {
        // ORDER(deadline-sweep): Relaxed; the fence below orders it before the loads of slots.
        let taken = self.0.swap(NEVER, Ordering::Relaxed);
        // ORDER(deadline-sweep): SeqCst; the take before the look at the records.
        fence(Ordering::SeqCst);
        taken
    }
}
