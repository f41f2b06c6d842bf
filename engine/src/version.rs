//! A record's version, and which snapshot has it.
//!
//! Why it exists: a snapshot takes every record that was there at its cut exactly once: either its
//! scanner meets the record, or whoever replaces the record hands it over (cut.rs). Who of the two
//! is first is decided by one atomic step on the word that both look at anyway.
//! Not for tombstones, which are in no snapshot.
//!
//! ```text
//!   63     62 61             20 19        0
//!   | claim  | epoch            | sequence |
//! ```
//!
//! Invariants
//! - V1: the claim is the number of the last snapshot that has the record, or zero. Snapshots are
//!   numbered 1, 2, 3, 1, …; each claims every record of its cut, even when it is abandoned, so a
//!   number comes back only when no live record bears it any more.
//! - V2: a claim succeeds at most once per snapshot and record, and only on a record that is
//!   published (its TID is not zero) and was so at the cut (its epoch is not above the cut's).
//!
//! Ordering edges
//! - `claim`: one atomic word, no other memory hangs on it: the record was published before, and
//!   an object is looked at under its latch. Both ends in one place.

use crate::sync::{AtomicU64, Ordering};
use crate::tid::{TID_BITS, Tid};

const TID_MASK: u64 = u64::MAX >> (64 - TID_BITS);

/// The number of a snapshot, 1 to 3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClaimNumber(u64);

impl ClaimNumber {
    /// The first snapshot's.
    pub const FIRST: Self = Self(1);

    /// The next snapshot's.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 % 3 + 1)
    }
}

/// The version word of a record.
#[derive(Debug)]
pub struct Version(AtomicU64);

impl Default for Version {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Version {
    /// The version. Zero until the record is about to be published.
    #[inline]
    #[must_use]
    pub fn tid(&self) -> Tid {
        // ORDER: Relaxed (unpaired); written before the record's publication, which orders it.
        Tid::from_bits(self.0.load(Ordering::Relaxed) & TID_MASK)
    }

    /// Sets the version, and forgets the claim: before publication, or after an edit in place,
    /// under the object's latch.
    #[inline]
    pub fn set(&self, tid: Tid) {
        // ORDER: Relaxed (unpaired); the publication, or the latch's release, carries it.
        self.0.store(tid.to_bits(), Ordering::Relaxed);
    }

    /// Claims the record for a snapshot cut at the end of `epoch`. True for one caller, and only
    /// if the record was there at the cut.
    #[must_use]
    pub fn claim(&self, epoch: u64, number: ClaimNumber) -> bool {
        // ORDER(claim): Relaxed; see the header.
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let tid = Tid::from_bits(word & TID_MASK);
            let later = tid == Tid::ZERO || tid.epoch() > epoch;
            if later || word >> TID_BITS == number.0 {
                return false;
            }
            let claimed = tid.to_bits() | number.0 << TID_BITS;
            // ORDER(claim): Relaxed; see the header.
            let done = self.0.compare_exchange(word, claimed, Ordering::Relaxed, Ordering::Relaxed);
            match done {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_the_cut_is_claimed_once_per_snapshot() {
        let version = Version::default();
        let first = ClaimNumber::FIRST;
        assert!(!version.claim(9, first), "not published");
        version.set(Tid::start_of(5).next());
        assert!(!version.claim(4, first), "born after the cut");
        assert!(version.claim(5, first));
        assert!(!version.claim(5, first));
        assert_eq!(version.tid(), Tid::start_of(5).next());
        assert!(version.claim(7, first.next()));
        assert!(!version.claim(7, first.next()));
    }

    #[test]
    fn an_edit_in_place_takes_the_record_out_of_the_cut() {
        let version = Version::default();
        version.set(Tid::start_of(5));
        assert!(version.claim(5, ClaimNumber::FIRST));
        version.set(Tid::start_of(6));
        assert!(!version.claim(5, ClaimNumber::FIRST));
        assert!(version.claim(6, ClaimNumber::FIRST));
    }

    #[test]
    fn numbers_go_round() {
        let first = ClaimNumber::FIRST;
        assert_ne!(first.next(), first.next().next());
        assert_eq!(first.next().next().next(), first);
    }
}
