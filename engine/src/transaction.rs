//! Commands that change several keys, MULTI/EXEC, WATCH.
//!
//! Why it exists: the keys are taken by intents in one canonical order, so two transactions
//! never wait for each other in a circle; the handlers run against the intents; one store
//! commits (intent.rs). What touches the whole store takes the barrier instead.
//!
//! Invariants
//! - K1: keys are taken in the order of (database, hash, key). A transaction that has to wait for
//!   another longer than a spin gives everything back first and answers `Busy`.
//! - K2: every taken key is in the map: an absent one gets a tombstone first.
//! - K3: nothing is held when a command returns (I8).

use std::ptr::null_mut;

use smallvec::SmallVec;
use zumic_error::CommandError;

use crate::collection::Hold;
use crate::commands::Flags;
use crate::context::{Context, KeyRef, Mode, busy_with};
use crate::dispatch::{borrowed, queue_keys};
use crate::host::{Halt, Host, Queued};
use crate::intent::{Commit, Intent};
use crate::map::bucket::replace;
use crate::map::tag_of;
use crate::map::word::Word;
use crate::record::{Header, NewRecord, Record, Value};
use crate::scope::Watch;
use crate::shared::Standing;
use crate::sync::spin_hint;
use crate::tid::Tid;
use crate::value::Change;

/// The keys a command owns.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) commit: *mut Commit,
    pub(crate) owned: Vec<Owned>,
    /// It may have to go back: what it edits is a copy while that is cheap (escalation.rs).
    pub(crate) gentle: bool,
    /// It holds the token, and has edited in place.
    pub(crate) irrevocable: bool,
}

/// One owned key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owned {
    pub(crate) db: u16,
    pub(crate) hash: u64,
    /// The slot word of the intent.
    pub(crate) word: Word,
    pub(crate) intent: *mut Intent,
    /// The latch of the old record's object is held.
    pub(crate) held: bool,
    /// The old record's object was edited in place.
    pub(crate) edited: bool,
    /// How the new record stood before the commit.
    standing: Standing,
    /// The key was not there at all: the old record is a tombstone that the transaction put there.
    placed: bool,
}

impl Owned {
    pub(crate) fn intent<'g>(self) -> &'g Intent {
        // SAFETY: boxed when it was taken, retired when the transaction ends; the guard that
        // the transaction runs under keeps it.
        unsafe { &*self.intent }
    }

    /// The record from before the transaction.
    pub(crate) fn old<'g>(self) -> &'g Record {
        // SAFETY: held by the intent, kept by the guard.
        unsafe { Record::from_raw(self.intent().old()) }
    }

    /// The record the transaction wrote, if any.
    pub(crate) fn new_record<'g>(self) -> Option<&'g Record> {
        let pointer = self.intent().new_record();
        // SAFETY: written by this transaction, kept by the guard.
        (!pointer.is_null()).then(|| unsafe { Record::from_raw(pointer) })
    }
}

impl Transaction {
    fn find(&self, db: u16, hash: u64, key: &[u8]) -> Option<Owned> {
        let first = self.owned.partition_point(|owned| (owned.db, owned.hash) < (db, hash));
        let same = self.owned[first..].iter();
        same.take_while(|owned| (owned.db, owned.hash) == (db, hash))
            .find(|owned| owned.old().key() == key)
            .copied()
    }

    /// Whether the transaction owns the key.
    pub(crate) fn owns(&self, db: u16, hash: u64, key: &[u8]) -> bool {
        self.find(db, hash, key).is_some()
    }

    /// The record that the transaction found, or null if there was none; `None` when it does not
    /// own the key.
    pub(crate) fn found(&self, db: u16, hash: u64, key: &[u8]) -> Option<*mut Header> {
        let owned = self.find(db, hash, key)?;
        Some(if owned.placed { null_mut() } else { owned.intent().old() })
    }

    /// The record that holds for the transaction itself; `None` when it does not own the key.
    pub(crate) fn current(&self, db: u16, hash: u64, key: &[u8]) -> Option<*mut Header> {
        let intent = self.find(db, hash, key)?.intent();
        let new = intent.new_record();
        Some(if new.is_null() { intent.old() } else { new })
    }
}

impl<'s> Context<'s> {
    /// Takes keys, all or none (K1).
    pub(crate) fn take(&mut self, keys: &[KeyRef<'_>]) -> Result<(), Halt> {
        debug_assert!(matches!(self.mode, Mode::Plain), "transactions do not nest");
        let hashed = |&(db, key)| (db, self.hash(key), key);
        let mut wanted: SmallVec<[(u16, u64, &[u8]); 4]> = keys.iter().map(hashed).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let commit = Box::into_raw(Box::new(Commit::default()));
        let owned = Vec::with_capacity(wanted.len());
        let mut transaction = Transaction { commit, owned, gentle: false, irrevocable: false };
        let mut result = Ok(());
        for (db, hash, key) in wanted {
            match self.take_one(db, hash, key, commit) {
                Ok(mut owned) => {
                    let held = owned.old().latch().map(|latch| self.hold(latch)).transpose();
                    // An editor may have been there until now.
                    self.note_seen(owned.old().tid());
                    result = held.map(|hold| owned.held = hold.map(Hold::keep).is_some());
                    transaction.owned.push(owned);
                    if result.is_err() {
                        break;
                    }
                }
                Err(halt) => {
                    result = Err(halt);
                    break;
                }
            }
        }
        match result {
            Ok(()) => self.mode = Mode::Transaction(transaction),
            Err(_) => self.release(transaction),
        }
        result
    }

    pub(crate) fn take_one(
        &mut self,
        db: u16,
        hash: u64,
        key: &[u8],
        commit: *const Commit,
    ) -> Result<Owned, Halt> {
        if self.shared.escalation.bars(self.own.place.number(), hash) {
            return Err(Halt::Busy);
        }
        let mut placed = None;
        loop {
            let Some(spot) = self.spot(db, hash, key)? else {
                let tombstone = NewRecord::new(key, Value::Tombstone, None);
                placed = self.insert_placeholder(db, hash, key, tombstone);
                continue;
            };
            let placed = placed == Some(spot.record.tid());
            let intent = Box::into_raw(Box::new(Intent::new(spot.pointer, commit)));
            let word = Word::intent(tag_of(hash), intent.expose_provenance());
            if replace(spot.slot, spot.word, word) {
                let standing = Standing::default();
                let (held, edited) = (false, false);
                return Ok(Owned { db, hash, word, intent, held, edited, standing, placed });
            }
            // SAFETY: never published.
            drop(unsafe { Box::from_raw(intent) });
            self.own.retries.add(1);
        }
    }

    /// Runs `decide` on an owned key and keeps what it wants for the commit.
    pub(crate) fn update_owned<'v, R>(
        &mut self,
        db: u16,
        hash: u64,
        key: &[u8],
        mut decide: impl FnMut(Option<&'s Record>) -> Result<(Change<'v>, R), CommandError>,
    ) -> Result<R, Halt> {
        let current = self.current(db, hash, key);
        let live = current.filter(|now| now.is_live(self.now_ms));
        let (change, result) = decide(live)?;
        let staged = self.is_logged()
            && change.writes(live.is_some())
            && self.stage_change(db, key, &change);
        if let Some(new) = self.build(db, key, live, change) {
            self.write_owned(db, hash, key, new);
            if live.is_none() {
                self.notify_created(db, key, current.is_some_and(|old| !old.is_gone()));
            }
            if !staged {
                self.owe(Tid::ZERO);
            }
        }
        Ok(result)
    }

    /// Keeps a record for the commit.
    pub(crate) fn write_owned(&mut self, db: u16, hash: u64, key: &[u8], new: NewRecord) {
        let earlier = match &mut self.mode {
            Mode::Single(single) => single.write(new),
            _ => self.owned(db, hash, key).intent().write(new.publish()),
        };
        if !earlier.is_null() {
            // SAFETY: written by this transaction and just replaced.
            let bytes = unsafe { Record::from_raw(earlier) }.memory();
            // SAFETY: never visible to others; the handler may still hold it, so not freed yet.
            unsafe { self.guard.retire(earlier, bytes) };
        }
    }

    /// Notes an edit of an owned key's object in place.
    pub(crate) fn mark_edited(&mut self, db: u16, hash: u64, key: &[u8]) {
        if matches!(self.mode, Mode::Single(_)) {
            // Its objects are its own: they are in drafts.
            return;
        }
        let intent = self.owned(db, hash, key).intent;
        let Mode::Transaction(transaction) = &mut self.mode else { return };
        let edited = transaction.owned.iter_mut().filter(|owned| owned.intent == intent);
        edited.for_each(|owned| owned.edited = true);
    }

    /// The record of an owned key that holds for the transaction itself.
    fn current(&self, db: u16, hash: u64, key: &[u8]) -> Option<&'s Record> {
        let current = match &self.mode {
            Mode::Single(single) => single.current(),
            _ => {
                let intent = self.owned(db, hash, key).intent();
                let new = intent.new_record();
                if new.is_null() { intent.old() } else { new }
            }
        };
        // SAFETY: found under this turn's guard, or written by the transaction, whose records are
        // retired and not freed while it runs.
        (!current.is_null()).then(|| unsafe { Record::from_raw(current) })
    }

    fn owned(&self, db: u16, hash: u64, key: &[u8]) -> Owned {
        let Mode::Transaction(transaction) = &self.mode else {
            unreachable!("only called inside a transaction")
        };
        transaction.find(db, hash, key).expect("a handler touches only keys its row names")
    }

    /// Commits what was written, or releases the keys, and goes back to plain commands.
    pub(crate) fn finish(&mut self) {
        self.commit_as(None);
    }

    /// The same. With a version from whoever has the store, who publishes the effects then.
    pub(crate) fn commit_as(&mut self, version: Option<Tid>) {
        let mode = std::mem::replace(&mut self.mode, Mode::Plain);
        let Mode::Transaction(mut transaction) = mode else { return };
        if transaction.owned.iter().all(|owned| owned.new_record().is_none() && !owned.edited) {
            self.release(transaction);
            return;
        }
        let newest = transaction.owned.iter().map(|owned| owned.old().tid()).max();
        let tid = version.unwrap_or_else(|| self.next_tid(newest.expect("not empty")));
        for owned in &mut transaction.owned {
            if let Some(new) = owned.new_record() {
                owned.standing = Standing::of_new(new);
                new.set_tid(tid);
            } else if owned.edited {
                owned.old().set_tid(tid);
            }
        }
        // SAFETY: boxed in `take`, retired in `tidy_up`.
        unsafe { &*transaction.commit }.commit();
        assert!(self.state.staged || !self.is_logged(), "what a transaction writes, it logs (F1)");
        if version.is_none() {
            self.publish_whole(tid);
        }
        for &owned in &transaction.owned {
            self.tidy(owned.db, owned.hash, owned.word, owned.intent());
            let old = owned.old();
            if let Some(new) = owned.new_record() {
                self.settle(owned.db, owned.hash, Some(old), new, owned.standing);
                // SAFETY: unlinked by `tidy`, ours to retire as the transaction's owner.
                unsafe { self.supersede(owned.db, owned.intent().old(), old) };
            } else if owned.edited {
                self.changed(owned.db, owned.hash, old.key());
            } else {
                self.lay_fallow(owned);
            }
        }
        self.tidy_up(transaction);
    }

    /// Gives the keys back unchanged.
    pub(crate) fn release(&mut self, transaction: Transaction) {
        // SAFETY: boxed in `take`, retired in `tidy_up`.
        unsafe { &*transaction.commit }.release();
        for &owned in &transaction.owned {
            self.tidy(owned.db, owned.hash, owned.word, owned.intent());
            self.lay_fallow(owned);
        }
        self.tidy_up(transaction);
    }

    /// Puts the tombstone of an owned key that stayed absent (back) on the list to clear.
    pub(crate) fn lay_fallow(&mut self, owned: Owned) {
        let old = owned.old();
        if old.is_gone() {
            let epoch = old.tid().epoch();
            self.state.fallow.push_back(crate::shared::Fallow {
                epoch,
                db: owned.db,
                hash: owned.hash,
            });
        }
    }

    fn tidy_up(&mut self, transaction: Transaction) {
        if transaction.irrevocable {
            self.shared.escalation.give_back();
        }
        for owned in &transaction.owned {
            if owned.held {
                owned.old().latch().expect("it was held").release();
            }
        }
        for owned in transaction.owned {
            // SAFETY: no slot holds it any more; boxed in `take_one`; retired once.
            unsafe { self.guard.retire(owned.intent, size_of::<Intent>()) };
        }
        // SAFETY: reached through the intents only; boxed in `take`.
        unsafe { self.guard.retire(transaction.commit, size_of::<Commit>()) };
    }

    /// Waits until every other session is outside its turn, and keeps it there; false when that
    /// cannot be had now.
    pub(crate) fn take_barrier(&self) -> bool {
        let mut spins = 0_u32;
        let wait = || {
            spins += 1;
            if spins.is_multiple_of(64) {
                std::thread::yield_now();
            }
            spin_hint();
            true
        };
        self.shared.reign(&self.own.place, wait)
    }

    /// Why the store cannot be had now: for a moment, or because of a script that takes long.
    #[cold]
    fn why_not_alone(&self) -> Halt {
        #[cfg(feature = "scripting")]
        let slow = self.shared.scripting.overdue();
        #[cfg(not(feature = "scripting"))]
        let slow = None;
        busy_with(slow)
    }

    /// Runs `work` with every other session outside its turn.
    pub(crate) fn alone<R>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<R, Halt>,
    ) -> Result<R, Halt> {
        if matches!(self.mode, Mode::Alone(_)) {
            return work(self);
        }
        if !self.take_barrier() {
            return Err(self.why_not_alone());
        }
        let tid = self.begin_alone();
        self.mode = Mode::Alone(tid);
        let result = work(self);
        self.end_alone();
        result
    }

    /// The one version for all that is written under the barrier, above every one given so far and
    /// below every one to come: effects on whole databases are ordered against all keys.
    pub(crate) fn begin_alone(&mut self) -> Tid {
        Tid::start_of(self.shared.epochs.begin_alone(self.state.last.epoch()))
    }

    /// Publishes what was written under the barrier, and lets the others in.
    pub(crate) fn end_alone(&mut self) {
        let mode = std::mem::replace(&mut self.mode, Mode::Plain);
        let Mode::Alone(tid) = mode else { unreachable!("the barrier was taken") };
        self.state.last = tid;
        self.publish_whole(tid);
        self.shared.epochs.drop_barrier();
    }

    // --- MULTI, EXEC, WATCH --------------------------------------------------------------

    /// WATCH: remembers the versions of `keys`, of absent ones too.
    ///
    /// # Errors
    /// [`Halt::Busy`] when a transaction holds one for longer than a spin; watching them again
    /// is harmless.
    pub fn watch(&mut self, keys: &[&[u8]]) -> Result<(), Halt> {
        let db = self.scope.db;
        for key in keys {
            if self.scope.watches.iter().any(|watch| watch.db == db && *watch.key == **key) {
                continue;
            }
            let hash = self.hash(key);
            let (tid, absent) = self.watch_one(db, hash, key)?;
            let generation = self.shared.databases[usize::from(db)].generation();
            self.scope.watches.push(Watch { db, key: (*key).into(), tid, absent, generation });
        }
        Ok(())
    }

    /// The version of a key; an absent one gets a pinned tombstone.
    fn watch_one(&mut self, db: u16, hash: u64, key: &[u8]) -> Result<(Tid, bool), Halt> {
        loop {
            match self.spot(db, hash, key)? {
                Some(spot) if spot.record.is_live(self.now_ms) => {
                    return Ok((spot.record.tid(), false));
                }
                Some(spot) if spot.record.is_gone() && !spot.record.is_tombstone() => {
                    self.remove_exactly(db, hash, spot.pointer, spot.record);
                }
                Some(spot) if !spot.record.is_tombstone() => {
                    self.expire(db, hash, spot.pointer);
                }
                Some(spot) if spot.record.pin() => return Ok((spot.record.tid(), true)),
                Some(spot) => {
                    // Being cleared: replace it by one that can be pinned.
                    let tombstone = NewRecord::new(key, Value::Tombstone, None);
                    // No effect, as for a placeholder.
                    self.publish(db, hash, key, Some(spot), tombstone);
                }
                None => {
                    let tombstone = NewRecord::new(key, Value::Tombstone, None);
                    self.insert_placeholder(db, hash, key, tombstone);
                }
            }
        }
    }

    /// Inserts a tombstone that stands for "absent"; no effect, so nothing for the journal. Returns
    /// its version, unless the key came meanwhile.
    fn insert_placeholder(
        &mut self,
        db: u16,
        hash: u64,
        key: &[u8],
        tombstone: NewRecord,
    ) -> Option<Tid> {
        let tid = self.next_tid(Tid::ZERO);
        tombstone.set_tid(tid);
        let word = Word::record(tag_of(hash), tombstone.as_ptr().expose_provenance());
        // SAFETY: kept by the guard once others can retire it.
        let fresh: &'s Record = unsafe { Record::from_raw(tombstone.as_ptr()) };
        let inserted = self.insert(db, hash, key, word, tombstone, |_| false);
        if inserted {
            self.settle(db, hash, None, fresh, Standing::of(fresh));
        }
        inserted.then_some(tid)
    }

    /// UNWATCH: forgets the watched keys. Called when a connection ends, too.
    pub fn unwatch(&mut self) {
        for watch in std::mem::take(&mut self.scope.watches) {
            if !watch.absent {
                continue;
            }
            let hash = self.hash(&watch.key);
            let pointer = self.lookup(watch.db, hash, &watch.key);
            if pointer.is_null() {
                continue;
            }
            // SAFETY: found under this turn's guard.
            let record: &'s Record = unsafe { Record::from_raw(pointer) };
            if record.is_tombstone() && record.tid() == watch.tid {
                record.unpin();
                let epoch = record.tid().epoch();
                self.state.fallow.push_back(crate::shared::Fallow { epoch, db: watch.db, hash });
            }
        }
    }

    /// Whether every watched key is as it was. The keys are owned, or the store is.
    pub(crate) fn watches_hold(&mut self) -> bool {
        let watches = std::mem::take(&mut self.scope.watches);
        let hold = watches.iter().all(|watch| {
            let hash = self.hash(&watch.key);
            let owned = match &self.mode {
                Mode::Transaction(transaction) => transaction.found(watch.db, hash, &watch.key),
                _ => None,
            };
            let pointer = owned.unwrap_or_else(|| self.lookup(watch.db, hash, &watch.key));
            if pointer.is_null() {
                // A pinned tombstone goes with its database, when that is emptied or swapped away,
                // or when the key comes and goes again. Only the latter touches the key.
                let generation = self.shared.databases[usize::from(watch.db)].generation();
                return watch.absent && watch.generation != generation;
            }
            // SAFETY: found under this turn's guard.
            let record: &'s Record = unsafe { Record::from_raw(pointer) };
            record.tid() == watch.tid && record.is_live(self.now_ms) != watch.absent
        });
        self.scope.watches = watches;
        hold
    }

    /// EXEC: takes every key of the queue and every watched key, checks the watches, runs the
    /// queue, commits at one instant. Writes the array of replies, or a null array when a
    /// watched key changed. Forgets the watches.
    ///
    /// # Errors
    /// [`Halt::Busy`]: everything is as before; run it again later. [`Halt::Error`]: no memory
    /// for a queue with writes in it.
    pub fn exec(&mut self, host: &mut dyn Host, queue: &[Queued]) -> Result<(), Halt> {
        if queue.iter().any(|queued| queued.spec.flags.contains(Flags::WRITE)) {
            self.mind_the_cut()?;
            self.admit_write()?;
        }
        if queue.iter().any(|queued| queued.spec.flags.contains(Flags::DENY_OOM)) {
            self.make_room()?;
        }
        let whole = |queued: &Queued| {
            queued.spec.flags.intersects(Flags::EXCLUSIVE.or(Flags::WHOLE))
                || queued.spec.reads_elsewhere(&borrowed(queued))
        };
        if queue.iter().any(whole) {
            self.alone(|context| {
                context.run_queue(host, queue);
                Ok(())
            })?;
            self.unwatch();
            return Ok(());
        }
        let args: Vec<Vec<&[u8]>> = queue.iter().map(borrowed).collect();
        let mut keys = queue_keys(self.scope.db, self.databases(), queue, &args);
        let watched = std::mem::take(&mut self.scope.watches);
        keys.extend(watched.iter().map(|watch| (watch.db, &*watch.key)));
        let taken = if keys.is_empty() { Ok(()) } else { self.take(&keys) };
        drop(keys);
        self.scope.watches = watched;
        taken?;
        self.run_queue(host, queue);
        self.finish();
        self.unwatch();
        Ok(())
    }

    /// Checks the watches and runs the queue in the mode that was prepared.
    fn run_queue(&mut self, host: &mut dyn Host, queue: &[Queued]) {
        self.may_wait = false;
        if !self.watches_hold() {
            self.sink.null_array();
            return;
        }
        self.sink.array(queue.len());
        for queued in queue {
            let args = borrowed(queued);
            let result = self.call(host, queued.spec, &args);
            match &result {
                Ok(()) => {}
                Err(Halt::Error(error)) => self.sink.error(error),
                Err(Halt::Busy | Halt::Wait(_)) => self.sink.error(&CommandError::CannotWait),
            }
            host.executed(queued.spec, self.scope.db, &args, result.is_err());
        }
    }
}
