//! Who may touch a large collection: one editor, or any number of readers.
//!
//! Why it exists: large collections are edited in place, by plain single-threaded code. An editor
//! takes the object's [`Latch`]; a reader announces itself in its own session's [`Reading`] and
//! writes no line that another reader writes, so readers of one hot object do not slow each other
//! down (Dice and Kogan, "BRAVO: Biased Locking for Reader-Writer Locks", USENIX ATC 2019; here
//! the bias is for good, and the table of readers is one line per session).
//! Not for small collections and strings: those are immutable, and read without any of this.
//!
//! Invariants
//! - L1: while a latch is held and no `Reading` names it, the holder alone touches the object.
//! - L2: a reader that holds a place never waits; an editor that waits for readers gives up after
//!   a spin, unless it is the only one that could (transaction.rs).
//!
//! Ordering edges
//! - `latch-announce`: a reader stores its place, fences, and looks at the latch; an editor takes
//!   the latch, fences, and looks at the places. A store-load pair on two variables, so both
//!   sides need the SeqCst fence.
//! - `latch-edit`: release of the latch (Release) -> a reader's or the next editor's look at it
//!   (Acquire). Carries the edit.
//! - `latch-read`: a reader clears its place (Release) -> an editor's look at it (Acquire). What
//!   was read happens before what is written.

use crate::sync::{AtomicBool, AtomicUsize, Ordering, fence};

/// Objects one session can read at the same time.
pub const PLACES: usize = 8;

/// The editor's word of an object.
#[derive(Debug, Default)]
pub struct Latch(AtomicBool);

/// What one session reads now: addresses of latches, zero for none.
#[derive(Debug)]
#[repr(align(128))]
pub struct Reading([AtomicUsize; PLACES]);

impl Default for Reading {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicUsize::new(0)))
    }
}

impl Latch {
    #[inline]
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Takes the latch; false when another editor has it. Readers may still be inside: look with
    /// [`Reading::names`] at every session before touching the object.
    #[inline]
    #[must_use]
    pub fn try_hold(&self) -> bool {
        // ORDER(latch-edit): Relaxed; the fence behind it acquires the last edit.
        let taken = self.0.compare_exchange(false, true, Ordering::Relaxed, Ordering::Relaxed);
        if taken.is_ok() {
            // ORDER(latch-announce, latch-edit): SeqCst; pairs with the fence in
            // `Reading::try_enter`, and is the Acquire of the last editor's `release`.
            fence(Ordering::SeqCst);
        }
        taken.is_ok()
    }

    /// Gives the latch back.
    #[inline]
    pub fn release(&self) {
        // ORDER(latch-edit): Release; the edit is visible to who finds the latch free.
        self.0.store(false, Ordering::Release);
    }

    /// Whether an editor holds it. A hint, except to the holder.
    #[inline]
    #[must_use]
    pub fn is_held(&self) -> bool {
        // ORDER(latch-edit): Acquire; pairs with `release`.
        self.0.load(Ordering::Acquire)
    }
}

impl Reading {
    /// Announces a reader of the latch's object; `None` when an editor holds it or no place is
    /// free. The place has to be given back with [`Reading::leave`]. Only the owning session calls
    /// this.
    #[inline]
    #[must_use]
    pub fn try_enter(&self, latch: &Latch) -> Option<usize> {
        if latch.is_held() {
            return None;
        }
        // ORDER(latch-read): Relaxed; the session's own places.
        let free = self.0.iter().position(|place| place.load(Ordering::Relaxed) == 0)?;
        // ORDER(latch-announce): Relaxed; the fence behind it orders it before the look.
        self.0[free].store(latch.address(), Ordering::Relaxed);
        // ORDER(latch-announce): SeqCst; pairs with the fence in `Latch::try_hold`.
        fence(Ordering::SeqCst);
        if latch.is_held() {
            self.leave(free);
            return None;
        }
        Some(free)
    }

    /// Gives a place back.
    #[inline]
    pub fn leave(&self, place: usize) {
        // ORDER(latch-read): Release; what was read happens before the next edit.
        self.0[place].store(0, Ordering::Release);
    }

    /// Whether the session reads the latch's object. Asked by the latch's holder.
    #[inline]
    #[must_use]
    pub fn names(&self, latch: &Latch) -> bool {
        // ORDER(latch-read): Acquire; pairs with `leave`.
        self.0.iter().any(|place| place.load(Ordering::Acquire) == latch.address())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn editor_and_readers_exclude_each_other() {
        let (latch, other, reading) = (Latch::default(), Latch::default(), Reading::default());
        let place = reading.try_enter(&latch).unwrap();
        assert!(reading.names(&latch) && !reading.names(&other));
        assert!(latch.try_hold() && !latch.try_hold());
        assert_eq!(reading.try_enter(&latch), None);
        reading.leave(place);
        assert!(!reading.names(&latch));
        latch.release();
        assert!(reading.try_enter(&latch).is_some());
    }

    #[test]
    fn places_run_out() {
        let (latch, reading) = (Latch::default(), Reading::default());
        let places: Vec<_> = (0..PLACES).map(|_| reading.try_enter(&latch).unwrap()).collect();
        assert_eq!(reading.try_enter(&latch), None);
        reading.leave(places[3]);
        assert_eq!(reading.try_enter(&latch), Some(3));
    }
}
