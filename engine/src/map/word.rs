//! The slot word: tag, pointer and flags in 64 bits.
//!
//! Why it exists: one CAS on one word is the whole of a single-key write. The tag answers most
//! probes without a visit to the record.
//!
//! ```text
//!   63      48 47                              3  2   1   0
//!   |  tag    |  pointer to record or intent   | T | F | I |
//! ```
//!
//! Invariants
//! - W1: pointers are 8-aligned and below 2^48 (checked where words are made).
//! - W2: `FROZEN` is set once and never cleared; a frozen word never changes again.
//! - W3: `TENTATIVE` alone marks an entry that its inserter has not confirmed: readers skip it,
//!   and anybody may clear the slot. With `INTENT` it marks an overflow pointer instead.

const INTENT: u64 = 1;
const FROZEN: u64 = 2;
const TENTATIVE: u64 = 4;
const OVERFLOW: u64 = INTENT | TENTATIVE;
const POINTER_MASK: u64 = 0x0000_ffff_ffff_fff8;
/// Bits of an address in user space; what is above may say something else.
pub(crate) const ADDRESS_BITS: u32 = 48;
const TAG_SHIFT: u32 = ADDRESS_BITS;

/// One slot's content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Word(u64);

impl Word {
    /// A slot that holds nothing.
    pub const EMPTY: Self = Self(0);

    /// The word as stored.
    #[inline]
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The inverse of [`Word::to_bits`].
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    #[inline]
    fn with_flags(tag: u16, address: usize, flags: u64) -> Self {
        let address = address as u64;
        assert!(address & !POINTER_MASK == 0, "user space ends below 2^48 (W1)");
        Self(u64::from(tag) << TAG_SHIFT | address | flags)
    }

    /// A confirmed entry.
    #[inline]
    #[must_use]
    pub fn record(tag: u16, address: usize) -> Self {
        Self::with_flags(tag, address, 0)
    }

    /// An entry owned by a transaction.
    #[inline]
    #[must_use]
    pub fn intent(tag: u16, address: usize) -> Self {
        Self::with_flags(tag, address, INTENT)
    }

    /// The pointer to an overflow bucket.
    #[inline]
    #[must_use]
    pub fn overflow(address: usize) -> Self {
        Self::with_flags(0, address, OVERFLOW)
    }

    /// The same entry, not confirmed yet.
    #[inline]
    #[must_use]
    pub const fn tentative(self) -> Self {
        Self(self.0 | TENTATIVE)
    }

    /// The same content, frozen for a resize.
    #[inline]
    #[must_use]
    pub const fn frozen(self) -> Self {
        Self(self.0 | FROZEN)
    }

    /// The bit that freezing sets.
    #[inline]
    #[must_use]
    pub const fn frozen_bit() -> u64 {
        FROZEN
    }

    /// The content without the frozen flag.
    #[inline]
    #[must_use]
    pub const fn thawed(self) -> Self {
        Self(self.0 & !FROZEN)
    }

    /// Nothing here (frozen or not).
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 & !FROZEN == 0
    }

    /// Part of a segment that is being replaced.
    #[inline]
    #[must_use]
    pub const fn is_frozen(self) -> bool {
        self.0 & FROZEN != 0
    }

    /// A pointer to an overflow bucket.
    #[inline]
    #[must_use]
    pub const fn is_overflow(self) -> bool {
        self.0 & OVERFLOW == OVERFLOW
    }

    /// An unconfirmed entry.
    #[inline]
    #[must_use]
    pub const fn is_tentative(self) -> bool {
        self.0 & OVERFLOW == TENTATIVE
    }

    /// An entry owned by a transaction.
    #[inline]
    #[must_use]
    pub const fn is_intent(self) -> bool {
        self.0 & OVERFLOW == INTENT
    }

    /// The tag of an entry.
    #[inline]
    #[must_use]
    pub const fn tag(self) -> u16 {
        (self.0 >> TAG_SHIFT) as u16
    }

    /// The address of what the word points to.
    #[inline]
    #[must_use]
    pub const fn address(self) -> usize {
        (self.0 & POINTER_MASK) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_tell_the_four_kinds_apart() {
        let record = Word::record(0xbeef, 0x7fff_ffff_fff8);
        assert_eq!((record.tag(), record.address()), (0xbeef, 0x7fff_ffff_fff8));
        assert!(!record.is_empty() && !record.is_tentative() && !record.is_intent());
        assert!(record.tentative().is_tentative() && !record.tentative().is_overflow());
        let overflow = Word::overflow(64);
        assert!(overflow.is_overflow() && !overflow.is_tentative() && !overflow.is_intent());
        assert!(Word::intent(1, 64).is_intent());
        assert!(Word::EMPTY.frozen().is_empty() && Word::EMPTY.frozen().is_frozen());
        assert_eq!(record.frozen().thawed(), record);
    }

    #[test]
    #[should_panic(expected = "W1")]
    fn an_unaligned_pointer_is_refused() {
        let _ = Word::record(0, 4);
    }
}
