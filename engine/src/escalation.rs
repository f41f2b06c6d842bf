//! The token of the one script that cannot go back.
//!
//! Why it exists: a script takes keys while it runs, in whatever order it touches them, so two of
//! them can want each other's. What a script wrote is invisible until its commit, so it can give
//! everything back and start again, whenever it meets a busy key. The exception is an edit in
//! place of a collection too large to copy: before the first of these a script takes this token.
//! Its holder waits for keys and gives none back; everybody else does. There is one holder, so
//! nobody waits in a circle (Welc, Saha and Adl-Tabatabai, "Irrevocable Transactions and their
//! Applications", SPAA 2008).
//!
//! Invariants
//! - T1: at most one session holds the token; only the holder waits for a key while it owns others
//!   that it has edited.
//! - T2: while the holder waits for a key, no other transaction takes that key.
//!
//! Ordering edges
//! - `escalation-token`: give-back (Release) -> take (Acquire). The holder's last word on what it
//!   wants happens before the next one's first.

use crate::sync::{AtomicU64, Ordering};

const NOBODY: u64 = 0;
const NOTHING: u64 = 0;

/// The token, and what its holder waits for.
#[derive(Debug)]
pub struct Escalation {
    /// A session's number, or `NOBODY`.
    holder: AtomicU64,
    /// The hash of the key it waits for, never `NOTHING`.
    wanted: AtomicU64,
}

impl Default for Escalation {
    fn default() -> Self {
        Self { holder: AtomicU64::new(NOBODY), wanted: AtomicU64::new(NOTHING) }
    }
}

/// A hash that is not `NOTHING`.
fn mark(hash: u64) -> u64 {
    hash | 1
}

impl Escalation {
    /// Takes the token for session `who`; false when another has it, who then goes back.
    #[must_use]
    pub fn take(&self, who: u64) -> bool {
        // ORDER(escalation-token): Acquire on success; Relaxed on failure, nothing follows.
        let taken = self.holder.compare_exchange(NOBODY, who, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok()
    }

    /// The holder waits for a key.
    pub fn want(&self, hash: u64) {
        // ORDER: Relaxed (unpaired); who misses it takes the key once more, and gives it back.
        self.wanted.store(mark(hash), Ordering::Relaxed);
    }

    /// The holder has what it waited for.
    pub fn satisfy(&self) {
        // ORDER: Relaxed (unpaired); as above.
        self.wanted.store(NOTHING, Ordering::Relaxed);
    }

    /// Gives the token back.
    pub fn give_back(&self) {
        self.satisfy();
        // ORDER(escalation-token): Release; pairs with `take`.
        self.holder.store(NOBODY, Ordering::Release);
    }

    /// Whether session `who` has to leave a key to the holder (T2). Cost: a load of a line that
    /// hardly ever changes.
    #[inline]
    #[must_use]
    pub fn bars(&self, who: u64, hash: u64) -> bool {
        // ORDER: Relaxed (unpaired); see `want`.
        let wanted = self.wanted.load(Ordering::Relaxed);
        // ORDER: Relaxed (unpaired); as above. Hashes that differ in the mark alone give way for
        // each other, which costs a retry.
        wanted == mark(hash) && self.holder.load(Ordering::Relaxed) != who
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_holder_and_others_leave_it_what_it_wants() {
        let token = Escalation::default();
        assert!(!token.bars(2, 8));
        assert!(token.take(1) && !token.take(2));
        token.want(8);
        assert!(token.bars(2, 8) && !token.bars(1, 8) && !token.bars(2, 16));
        token.satisfy();
        assert!(!token.bars(2, 8));
        token.want(0);
        assert!(token.bars(2, 0));
        token.give_back();
        assert!(!token.bars(2, 0) && token.take(2));
    }
}
