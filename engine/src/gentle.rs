//! The keys of a script: taken before it starts, and on first touch while it runs.
//!
//! Why it exists: EXEC knows its keys and takes them in order; a script meets some of them only as
//! it runs. It takes these by a try. Where that fails it gives everything back, which nobody
//! notices, since what it wrote were intents and copies, and starts again with the key among those
//! it takes first. A large collection is copied before its first edit while that is cheap;
//! where it is not, the script takes the escalation token and edits in place (escalation.rs).
//!
//! Invariants
//! - U1: a gentle transaction that does not hold the token has edited nothing that others can
//!   reach: its writes are new records behind intents.
//! - U2: a key taken on first touch is owned until the end like those taken before, so everything
//!   a script read held at the instant of its commit.

#![cfg_attr(not(feature = "scripting"), expect(dead_code, reason = "scripts use it"))]

use crate::collection::Hold;
use crate::context::{Context, KeyRef, Mode, busy};
use crate::host::Halt;
use crate::intent::{Intent, key_record};
use crate::object::ObjectRef;
use crate::record::{NewRecord, Record, Value};
use crate::transaction::Owned;

/// Collections up to this size are copied before a script edits them. Copying shares the blocks
/// of the collection, so it costs what they count, some 250 here, and each block is copied when
/// it is edited.
const COPY_BYTES_MAX: u64 = 1 << 20;

impl<'s> Context<'s> {
    /// Takes one more key for a running script; nothing when it is owned, or the store is.
    ///
    /// # Errors
    /// [`Halt::Busy`]: it was not taken, and nothing else was given back.
    pub(crate) fn take_more(&mut self, (db, key): KeyRef<'_>) -> Result<(), Halt> {
        let hash = self.hash(key);
        let Mode::Transaction(transaction) = &self.mode else { return Ok(()) };
        if transaction.owns(db, hash, key) {
            return Ok(());
        }
        let commit = transaction.commit;
        let mut owned = self.take_one(db, hash, key, commit)?;
        match owned.old().latch().map(|latch| self.hold(latch)).transpose() {
            Ok(hold) => owned.held = hold.map(Hold::keep).is_some(),
            Err(halt) => {
                self.give_back(owned);
                return Err(halt);
            }
        }
        let Mode::Transaction(transaction) = &mut self.mode else {
            unreachable!("looked at above")
        };
        let at = transaction
            .owned
            .partition_point(|other| (other.db, other.hash) <= (owned.db, owned.hash));
        transaction.owned.insert(at, owned);
        Ok(())
    }

    /// Gives one key back that nothing was written to, while the transaction goes on.
    fn give_back(&mut self, owned: Owned) {
        // The transaction is undecided, so what holds is the old record.
        self.tidy(owned.db, owned.hash, owned.word, owned.intent());
        self.lay_fallow(owned);
        // SAFETY: no slot holds it any more; boxed in `take_one`; retired once.
        unsafe { self.guard.retire(owned.intent, size_of::<Intent>()) };
    }

    /// Makes a transaction's keys gentle: see [`COPY_BYTES_MAX`].
    pub(crate) fn be_gentle(&mut self) {
        if let Mode::Transaction(transaction) = &mut self.mode {
            transaction.gentle = true;
        }
    }

    /// Undoes everything and gives the keys back (U1).
    pub(crate) fn roll_back(&mut self) {
        let mode = std::mem::replace(&mut self.mode, Mode::Plain);
        let transaction = match mode {
            Mode::Single(_) => return self.withdraw_whole(),
            Mode::Transaction(transaction) => transaction,
            _ => return,
        };
        assert!(!transaction.irrevocable, "the token's holder never goes back");
        for owned in &transaction.owned {
            assert!(owned.new_record().is_some() || !owned.edited, "edited in place (U1)");
            let new = owned.intent().new_record();
            if !new.is_null() {
                // SAFETY: written by this transaction, which is given up.
                let bytes = unsafe { Record::from_raw(new) }.memory();
                // SAFETY: never visible to others, and no intent leads to it once it is released.
                unsafe { self.guard.retire(new, bytes) };
            }
        }
        self.release(transaction);
        self.withdraw_whole();
    }

    /// Before an owned key's object is edited: a copy of its own, if the transaction may have to go
    /// back and has none yet, with the record to write once the copy differs. `None`: edit what is
    /// there.
    ///
    /// # Errors
    /// [`Halt::Busy`]: too large for a copy, and another script holds the token.
    pub(crate) fn copy_to_edit(
        &mut self,
        key: &[u8],
        record: &Record,
        object: &ObjectRef,
    ) -> Result<Option<(NewRecord, ObjectRef)>, Halt> {
        let Mode::Transaction(transaction) = &mut self.mode else { return Ok(None) };
        // One that is not booked was made by this transaction.
        if !transaction.gentle || transaction.irrevocable || !object.is_booked() {
            return Ok(None);
        }
        if object.bytes() > COPY_BYTES_MAX {
            if !self.shared.escalation.take(self.own.place.number()) {
                return Err(Halt::Busy);
            }
            transaction.irrevocable = true;
            return Ok(None);
        }
        // SAFETY: the key is owned, and with it the object (collection, Y3).
        let copy = unsafe { object.duplicate() };
        let new = NewRecord::new(key, Value::Object(copy.clone()), record.expire_at_ms());
        new.set_access(record.access());
        Ok(Some((new, copy)))
    }

    /// Why a key cannot be had now: see [`busy`].
    pub(crate) fn busy_at(&self, db: u16, key: &[u8]) -> Halt {
        let matches = |word| {
            // SAFETY: loaded under this turn's guard.
            unsafe { key_record(word) }.key() == key
        };
        match self.map(db).find(self.hash(key), matches, self.pinned(db)) {
            // SAFETY: loaded under this turn's guard.
            Some(word) if word.is_intent() => busy(unsafe { Intent::behind(word) }),
            _ => Halt::Busy,
        }
    }
}

// --- The whole store -----------------------------------------------------------------------

impl Context<'_> {
    /// Takes the store for the rest of a script, and commits what it has written so far, which
    /// nobody can see before the store is given back. False when it cannot be had now: nothing
    /// has changed then.
    pub(crate) fn enter_store(&mut self) -> bool {
        if !self.take_barrier() {
            return false;
        }
        // All of it is one version, and one entry of the log.
        let tid = self.begin_alone();
        self.commit_as(Some(tid));
        self.mode = Mode::Alone(tid);
        true
    }

    /// Gives the store back.
    pub(crate) fn leave_store(&mut self) {
        self.end_alone();
    }
}
