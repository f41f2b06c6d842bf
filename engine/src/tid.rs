//! Transaction identifiers: where a write stands in the one order of its key.
//!
//! Why it exists: a write's TID is greater than every TID it read or replaced and than the last
//! one its session gave, within the current epoch (Tu et al., "Speedy Transactions in Multicore
//! In-Memory Databases", SOSP 2013). Along one key TIDs only grow, so WATCH compares them and
//! the log can merge per-thread buffers by them, and no shared counter is touched.
//! Not a global order: two writes of unrelated keys may carry the same TID.
//!
//! Invariants
//! - T1: 62 bits: the upper 42 are the epoch, the lower 20 a sequence inside it. A sequence that
//!   overflows carries into the epoch, which is harmless: an epoch closes only when every
//!   session has moved past it, the one that carried included.

const SEQUENCE_BITS: u32 = 20;
/// Bits of a TID. A record keeps two more in the same word (version.rs).
pub(crate) const TID_BITS: u32 = 62;

/// Epoch and sequence of a write, in one word.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Tid(u64);

impl Tid {
    /// The smallest TID: never written by a command.
    pub const ZERO: Self = Self(0);

    /// The start of an epoch.
    #[inline]
    #[must_use]
    pub const fn start_of(epoch: u64) -> Self {
        Self(epoch << SEQUENCE_BITS)
    }

    /// The smallest TID greater than `self`.
    #[inline]
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The epoch part.
    #[inline]
    #[must_use]
    pub const fn epoch(self) -> u64 {
        self.0 >> SEQUENCE_BITS
    }

    /// The word as stored in a record.
    #[inline]
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The inverse of [`Tid::to_bits`].
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_order_before_sequences() {
        let late_in_one = Tid::start_of(1).next().next();
        assert!(late_in_one < Tid::start_of(2));
        assert_eq!(late_in_one.epoch(), 1);
        assert_eq!(Tid::from_bits(late_in_one.to_bits()), late_in_one);
    }

    #[test]
    fn a_full_sequence_carries_into_the_epoch() {
        let last = Tid::from_bits(Tid::start_of(8).to_bits() - 1);
        assert_eq!(last.epoch(), 7);
        assert_eq!(last.next(), Tid::start_of(8));
    }
}
