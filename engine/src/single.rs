//! A script with one key: it takes nothing, and commits by one CAS.
//!
//! Why it exists: most scripts touch the one key that they declare (locks, counters, limits of
//! rates). To take it by an intent costs two allocations and two writes of its slot, which is more
//! than the commands between cost. So such a script looks its key up once, works on what it found
//! and on a draft of its own, and commits as a plain command would: by a CAS of the slot from what
//! it found. One that has written nothing has nothing to commit: what it read held at one instant.
//!
//! Known limit: where many scripts write one key, each CAS makes the others start again. Who has
//! lost once takes the key at its next start (gentle.rs). And whatever else a script turns out to
//! want (another key, a large collection, the store, a pause) makes it take its keys at that point,
//! as if it had in the beginning; the key must hold then what was found.
//!
//! Invariants
//! - O1: `found` is what the key held at one instant of the script. The guard keeps the record from
//!   being used again, so who finds it in the slot later knows that it has held all the time.
//! - O2: nobody else reaches the draft before the commit.
//! - O3: a record that was found has no object, which could be edited in place behind O1.

use std::mem;
use std::ptr::null_mut;

use smallvec::SmallVec;

use crate::context::{Context, KeyRef, Mode, Spot};
use crate::host::Halt;
use crate::intent::resolve;
use crate::map::word::Word;
use crate::record::{Header, NewRecord, Record};

/// The key of a script that has taken nothing.
#[derive(Debug)]
pub(crate) struct Single {
    db: u16,
    hash: u64,
    key: SmallVec<[u8; 32]>,
    /// What the slot led to, a tombstone perhaps; null when there was nothing.
    found: *mut Header,
    draft: Option<NewRecord>,
}

impl Single {
    /// Whether it is this key.
    pub(crate) fn is(&self, db: u16, key: &[u8]) -> bool {
        self.db == db && *self.key == *key
    }

    /// The record that holds for the script itself, or null.
    pub(crate) fn current(&self) -> *mut Header {
        self.draft.as_ref().map_or(self.found, NewRecord::as_ptr)
    }

    /// Whether it has been written.
    pub(crate) fn has_draft(&self) -> bool {
        self.draft.is_some()
    }

    /// Whether the value is, or has become, one that is edited in place.
    pub(crate) fn has_object(&self) -> bool {
        let current = self.current();
        // SAFETY: found under the turn's guard, or a draft, which lives as long as `self`.
        !current.is_null() && unsafe { Record::from_raw(current) }.latch().is_some()
    }

    /// Keeps a record for the commit. Returns the earlier one, or null.
    pub(crate) fn write(&mut self, new: NewRecord) -> *mut Header {
        self.draft.replace(new).map_or(null_mut(), NewRecord::publish)
    }
}

impl Context<'_> {
    /// Looks a script's only key up; `None` when it has to be taken instead (O3).
    pub(crate) fn glance(&mut self, (db, key): KeyRef<'_>) -> Option<Single> {
        debug_assert!(matches!(self.mode, Mode::Plain), "nothing is taken");
        let hash = self.hash(key);
        let word = self.find_slot(db, hash, key).map(|(_, word)| word);
        if word.is_some_and(Word::is_intent) {
            // Who has it is waited for, and may have it for long.
            return None;
        }
        // SAFETY: loaded under this turn's guard.
        let found = word.map_or(null_mut(), |word| unsafe { resolve(word) }.0);
        let single = Single { db, hash, key: key.into(), found, draft: None };
        (!single.has_object()).then_some(single)
    }

    /// Takes the key, and goes on as a gentle transaction.
    ///
    /// # Errors
    /// [`Halt::Busy`]: it is held elsewhere, or what the script has seen holds no more. The script
    /// has to go back.
    pub(crate) fn take_after_all(&mut self) -> Result<(), Halt> {
        let Mode::Single(single) = mem::replace(&mut self.mode, Mode::Plain) else {
            return Ok(());
        };
        if let Err(halt) = self.take(&[(single.db, &single.key)]) {
            self.withdraw_whole();
            return Err(halt);
        }
        self.be_gentle();
        let Mode::Transaction(transaction) = &self.mode else { unreachable!("just taken") };
        let holds = transaction.found(single.db, single.hash, &single.key);
        if holds != Some(single.found) {
            return Err(Halt::Busy);
        }
        if let Some(draft) = single.draft.take() {
            self.write_owned(single.db, single.hash, &single.key, draft);
        }
        Ok(())
    }

    /// Commits what a script with one key has written. False when somebody else was faster: nothing
    /// has changed then, and the script has to go back.
    pub(crate) fn commit_single(&mut self) -> bool {
        let Mode::Single(single) = mem::replace(&mut self.mode, Mode::Plain) else {
            return true;
        };
        let Some(new) = single.draft.take() else { return true };
        let Single { db, hash, ref key, found, .. } = *single;
        let spot = self.spot(db, hash, key);
        let same = |spot: &Option<Spot<'_>>| spot.map_or(null_mut(), |spot| spot.pointer) == found;
        let tid = match spot {
            Ok(spot) if same(&spot) => self.publish(db, hash, key, spot, new),
            _ => None,
        };
        let Some(tid) = tid else {
            self.withdraw_whole();
            return false;
        };
        assert!(self.state.staged || !self.is_logged(), "what a script writes, it logs (F1)");
        self.publish_whole(tid);
        true
    }
}
