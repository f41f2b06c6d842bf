//! Intents: how several keys change at one instant.
//!
//! Why it exists: a transaction owns each of its keys by an intent in the key's slot: the old
//! record, the new one, and the transaction. One store of the transaction's state changes all
//! of them for every reader; the slots are tidied afterwards (Diaconu et al., "Hekaton", SIGMOD
//! 2013; Harris, Fraser and Pratt, "A Practical Multi-Word Compare-and-Swap", DISC 2002).
//! A plain read never waits: it takes the old or the new record as the state says.
//!
//! Invariants
//! - N1: `old` never changes; `new` is written by the owner alone, and read by others only after
//!   the state says `Committed`.
//! - N2: the state leaves `Pending` once (a slow transaction's is pending, too).
//! - N3: an intent stays allocated while a slot holds it and while a guard could; its owner
//!   retires it after every slot was tidied.
//!
//! Ordering edges
//! - `txn-commit`: store of the state (SeqCst) -> load of the state. Carries the new records and
//!   their TIDs, of all keys at once.

use std::ptr::null_mut;

use crate::guard::Reclaim;
use crate::map::word::Word;
use crate::record::{Header, Record};
use crate::sync::{AtomicPtr, AtomicU32, Ordering};

const PENDING: u32 = 0;
const COMMITTED: u32 = 1;
const RELEASED: u32 = 2;
/// Pending, of a script that has run for longer than others should wait.
const SLOW: u32 = 3;
/// The same of a function.
const SLOW_FUNCTION: u32 = 4;

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// The new records hold.
    Committed,
    /// Undecided: the old records hold.
    Pending,
    /// Given up, or it only read: the old records hold.
    Released,
}

/// The commit word of a transaction.
#[derive(Debug)]
pub struct Commit(AtomicU32);

impl Default for Commit {
    fn default() -> Self {
        Self(AtomicU32::new(PENDING))
    }
}

impl Commit {
    /// Where the transaction stands.
    #[must_use]
    pub fn state(&self) -> State {
        // ORDER(txn-commit): SeqCst; includes the Acquire that makes the new records visible, and
        // keeps the reads of two keys in one order for all readers.
        match self.0.load(Ordering::SeqCst) {
            COMMITTED => State::Committed,
            RELEASED => State::Released,
            _ => State::Pending,
        }
    }

    /// Says that waiting for this transaction is no use.
    pub(crate) fn mark_slow(&self, function: bool) {
        let state = if function { SLOW_FUNCTION } else { SLOW };
        // ORDER: Relaxed (unpaired); only who would wait looks, to answer instead.
        self.0.store(state, Ordering::Relaxed);
    }

    /// Whether it was marked, and whether it is a function's.
    pub(crate) fn slow(&self) -> Option<bool> {
        // ORDER: Relaxed (unpaired); as above.
        match self.0.load(Ordering::Relaxed) {
            SLOW => Some(false),
            SLOW_FUNCTION => Some(true),
            _ => None,
        }
    }

    /// The instant at which all keys change.
    pub fn commit(&self) {
        // ORDER(txn-commit): SeqCst; includes the Release of every new record.
        self.0.store(COMMITTED, Ordering::SeqCst);
    }

    /// Ends the transaction without a change.
    pub fn release(&self) {
        // ORDER(txn-commit): SeqCst; nothing to publish, but one order of states for all.
        self.0.store(RELEASED, Ordering::SeqCst);
    }
}

impl Reclaim for Commit {
    unsafe fn reclaim(pointer: *mut Self) {
        // SAFETY: boxed; owned by the caller.
        drop(unsafe { Box::from_raw(pointer) });
    }
}

/// One key's entry while a transaction owns it.
#[derive(Debug)]
pub(crate) struct Intent {
    old: *mut Header,
    new: AtomicPtr<Header>,
    commit: *const Commit,
}

impl Intent {
    pub(crate) fn new(old: *mut Header, commit: *const Commit) -> Self {
        Self { old, new: AtomicPtr::new(null_mut()), commit }
    }

    /// The intent behind a slot word.
    ///
    /// # Safety
    /// The word was loaded under a guard that outlives `'g`.
    pub(crate) unsafe fn behind<'g>(word: Word) -> &'g Self {
        debug_assert!(word.is_intent());
        // SAFETY: guaranteed by the caller (N3).
        unsafe { &*std::ptr::with_exposed_provenance::<Self>(word.address()) }
    }

    pub(crate) fn state(&self) -> State {
        // SAFETY: the commit word is retired with or after its intents.
        unsafe { &*self.commit }.state()
    }

    /// See [`Commit::slow`].
    pub(crate) fn slow(&self) -> Option<bool> {
        // SAFETY: as for `state`.
        unsafe { &*self.commit }.slow()
    }

    /// The record from before the transaction.
    pub(crate) fn old(&self) -> *mut Header {
        self.old
    }

    /// The record the transaction wrote, or null.
    pub(crate) fn new_record(&self) -> *mut Header {
        // ORDER(txn-commit): Relaxed; read by the owner, or after the commit was seen (N1).
        self.new.load(Ordering::Relaxed)
    }

    /// The owner's write. Returns the earlier one, or null.
    pub(crate) fn write(&self, record: *mut Header) -> *mut Header {
        // ORDER(txn-commit): Relaxed; the commit publishes it (N1).
        self.new.swap(record, Ordering::Relaxed)
    }

    /// The record that holds now, for everyone but the owner.
    pub(crate) fn resolve(&self) -> *mut Header {
        if self.state() == State::Committed {
            let new = self.new_record();
            if !new.is_null() {
                return new;
            }
        }
        self.old
    }
}

impl Reclaim for Intent {
    unsafe fn reclaim(pointer: *mut Self) {
        // SAFETY: boxed; owned by the caller. The records are retired on their own.
        drop(unsafe { Box::from_raw(pointer) });
    }
}

/// The record that holds behind a slot word (record or intent).
///
/// # Safety
/// The word was loaded under a guard that outlives `'g`.
#[inline]
pub(crate) unsafe fn resolve<'g>(word: Word) -> (*mut Header, &'g Record) {
    let pointer = if word.is_intent() {
        // SAFETY: guaranteed by the caller.
        unsafe { Intent::behind(word) }.resolve()
    } else {
        std::ptr::with_exposed_provenance_mut(word.address())
    };
    // SAFETY: records behind slots and intents are retired, so the guard keeps them.
    (pointer, unsafe { Record::from_raw(pointer) })
}

/// Any record with the key of the entry behind a slot word.
///
/// # Safety
/// As for [`resolve`].
#[inline]
pub(crate) unsafe fn key_record<'g>(word: Word) -> &'g Record {
    let pointer = if word.is_intent() {
        // SAFETY: guaranteed by the caller.
        unsafe { Intent::behind(word) }.old()
    } else {
        std::ptr::with_exposed_provenance_mut(word.address())
    };
    // SAFETY: as in `resolve`.
    unsafe { Record::from_raw(pointer) }
}
