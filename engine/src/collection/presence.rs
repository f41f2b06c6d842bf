//! A reader at an object, its editor, and the second look that each owes the key.
//!
//! Why it exists: an object outlives the record that leads to it (EXPIRE and RENAME make another
//! one), so having found it under a key and being admitted to it are two moments. Between them it
//! may have become another key's, or nobody's. Here each of the two kinds of admission asks the
//! slot again; these are what the models `a_reader_looks_again` and `an_editor_looks_again` run.
//! Not for finding the slot (context.rs), nor for how long to spin (mod.rs).
//!
//! Ordering edges
//! - `latch-edit` (latch.rs) carries the slot's word, too: who replaces it holds the latch, so who
//!   is admitted afterwards sees the new one.

use crate::latch::{Latch, Reading};
use crate::map::bucket::load;
use crate::map::word::Word;
use crate::sync::AtomicU64;

/// An announced reader; leaves when dropped.
#[derive(Debug)]
pub struct Presence<'s> {
    reading: &'s Reading,
    index: usize,
}

impl<'s> Presence<'s> {
    /// Announces a reader; `None` when an editor is inside or there is no place.
    #[inline]
    #[must_use]
    pub fn enter(reading: &'s Reading, latch: &Latch) -> Option<Self> {
        reading.try_enter(latch).map(|index| Self { reading, index })
    }

    /// Whether the word that led here is still in its slot: if so, the object is that key's, and
    /// stays as it is while this lives.
    #[inline]
    #[must_use]
    pub fn finds(&self, slot: &AtomicU64, word: Word) -> bool {
        load(slot) == word
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.reading.leave(self.index);
    }
}

/// A held latch; released when dropped.
#[derive(Debug)]
pub struct Hold<'s>(&'s Latch);

impl<'s> Hold<'s> {
    /// Takes a latch; `None` when another editor has it. Readers may still be inside.
    #[inline]
    #[must_use]
    pub fn take(latch: &'s Latch) -> Option<Self> {
        // Made only then: one that is dropped releases the latch, whoever has it.
        latch.try_hold().then(|| Self(latch))
    }

    /// Whether a session still reads the object. New readers stay out.
    #[inline]
    #[must_use]
    pub fn is_read_by(&self, reading: &Reading) -> bool {
        reading.names(self.0)
    }

    /// Whether the word that led here is still in its slot: if so, the object is that key's until
    /// this is dropped.
    #[inline]
    #[must_use]
    pub fn finds(&self, slot: &AtomicU64, word: Word) -> bool {
        word == load(slot)
    }

    /// Keeps the latch beyond this guard: whoever does releases it by hand.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A hold was made before it was known whether the latch was had, and dropping it released
    /// another editor's: two edited one list, and an element was lost.
    #[test]
    fn a_latch_that_is_not_had_is_not_released() {
        let latch = Latch::default();
        let hold = Hold::take(&latch).expect("nobody has it");
        assert!(Hold::take(&latch).is_none());
        assert!(Hold::take(&latch).is_none(), "the first try released it");
        drop(hold);
        assert!(Hold::take(&latch).is_some());
    }
}
