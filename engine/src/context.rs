//! What a running command may do: read, update, and the dispatcher that prepares it.
//!
//! Why it exists: the same handler runs alone, inside MULTI, over the network or embedded. It
//! says what to read and what to change; how that becomes atomic is decided here, by how many
//! keys the command has:
//!
//! - one key: a CAS on its slot, tried again when the race is lost ([`Mode::Plain`]);
//! - several keys, writing: they are taken by intents first ([`Mode::Transaction`]);
//! - several keys, reading: they are looked up twice; if nothing changed they held together
//!   ([`Mode::View`]), and after three tries they are taken;
//! - one key in a script: what was found, and a draft ([`Mode::Single`], single.rs);
//! - the whole store: a barrier keeps the other sessions out ([`Mode::Alone`]).
//!
//! Invariants
//! - X1: a record handed out as `&'s Record` stays allocated for the turn: the guard is older.
//! - X2: what `update` decides is published by one CAS (or by the transaction's commit), with a
//!   TID greater than that of the record it replaces.

use std::sync::Arc;

use zumic_error::{CommandError, ScriptError};

use crate::collection::Presence;
use crate::cut::Cut;
use crate::dispatch::seen_record;
use crate::effect::Ledger;
use crate::guard::Guard;
use crate::host::{Halt, Wait};
use crate::intent::{Intent, State as Commitment, key_record, resolve};
use crate::map::bucket::replace;
use crate::map::segment::{Pinned, Segment};
use crate::map::word::Word;
use crate::map::{Map, Place, tag_of};
use crate::record::{Header, NewRecord, Record, Value};
use crate::session::State;
use crate::shared::{Fallow, Public, Shared, Standing};
use crate::single::Single;
use crate::sync::{AtomicU64, spin_hint};
use crate::thresholds::Thresholds;
use crate::tid::Tid;
use crate::transaction::Transaction;
use crate::value::Change;
use crate::{ReplySink, Scope};

/// Spins on a key that a transaction holds before its command is parked: some 20 us.
pub(crate) const SPINS_BEFORE_BUSY: u32 = if cfg!(loom) { 1 } else { 4_000 };

/// A key in the form the dispatcher passes on: database and name.
pub(crate) type KeyRef<'k> = (u16, &'k [u8]);

/// How the running command reaches its keys.
#[derive(Debug)]
pub(crate) enum Mode<'s> {
    /// One key at a time, by CAS, under the barrier: the whole store is ours. Everything that is
    /// written has this version.
    Alone(Tid),
    /// No key exists: how a blocking command says how long it would wait.
    Blind,
    /// One key, by CAS.
    Plain,
    /// A script's one key, by a CAS at its end.
    Single(&'s mut Single),
    /// Keys taken before.
    Transaction(Transaction),
    /// Keys that held together, and the places of a reader at their objects.
    View {
        seen: Vec<Seen>,
        /// Kept until the command has answered.
        _places: Vec<Presence<'s>>,
    },
}

/// A key of a view: its hash and the record it resolved to, or null.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    pub(crate) db: u16,
    pub(crate) hash: u64,
    pub(crate) record: *mut Header,
}

/// What a running command may do. `'s` is the turn: records stay valid that long.
pub struct Context<'s> {
    pub(crate) shared: &'s Arc<Shared>,
    pub(crate) own: &'s Public,
    pub(crate) state: &'s mut State,
    pub(crate) guard: &'s Guard<'s>,
    /// The snapshot that is being taken.
    pub(crate) cut: Option<&'s Cut>,
    pub(crate) epoch: u64,
    pub(crate) now_ms: u64,
    pub(crate) scope: &'s mut Scope,
    pub(crate) sink: &'s mut dyn ReplySink,
    pub(crate) mode: Mode<'s>,
    /// Whether the command may wait for another client.
    pub(crate) may_wait: bool,
    /// An effect of the log runs again: see [`crate::Turn::replay`].
    pub(crate) replays: bool,
    pub(crate) ledger: Ledger,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("now_ms", &self.now_ms).finish_non_exhaustive()
    }
}

/// A slot that an update may change.
#[derive(Clone, Copy)]
pub(crate) struct Spot<'s> {
    pub(crate) slot: &'s AtomicU64,
    pub(crate) word: Word,
    pub(crate) segment: &'s Segment,
    pub(crate) pointer: *mut Header,
    pub(crate) record: &'s Record,
}

impl<'s> Context<'s> {
    /// Unix time of the turn in milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The client's state.
    pub fn scope(&mut self) -> &mut Scope {
        self.scope
    }

    /// Where the reply goes.
    pub fn sink(&mut self) -> &mut dyn ReplySink {
        self.sink
    }

    /// Number of databases.
    #[must_use]
    pub fn databases(&self) -> u16 {
        u16::try_from(self.shared.databases.len()).expect("built from a u16")
    }

    /// The longest string a command may make, in bytes.
    #[must_use]
    pub fn string_bytes_max(&self) -> u64 {
        // What was stored under another limit is stored.
        if self.replays { u64::MAX } else { self.shared.tunables.string_bytes_max() }
    }

    /// The sizes at which collections change their representation.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        self.shared.tunables.thresholds()
    }

    /// The secret seed for the tables of large collections.
    #[must_use]
    pub fn table_seed(&self) -> u64 {
        self.shared.residents.seed
    }

    /// Whether a command that finds nothing may wait; inside EXEC it answers null instead.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        self.may_wait
    }

    /// What a blocking command returns that has found nothing: it is run again, with these
    /// arguments or its own, when one of its keys has changed.
    #[must_use]
    pub fn wait(&self, until_ms: Option<u64>, args: Option<Vec<Vec<u8>>>) -> Halt {
        debug_assert!(self.may_wait, "inside EXEC a command answers null");
        Halt::Wait(Wait { until_ms, args })
    }

    /// A handle to the engine.
    #[must_use]
    pub fn engine(&self) -> crate::Engine {
        crate::Engine { shared: Arc::clone(self.shared) }
    }

    /// A pseudo-random number; not for secrets.
    pub fn random(&mut self) -> u64 {
        self.state.random()
    }

    pub(crate) fn pinned(&self, db: u16) -> Pinned<'s> {
        let books = &self.own.books[usize::from(db)];
        Pinned { guard: self.guard, index_bytes: &books.index_bytes }
    }

    #[inline]
    pub(crate) fn map(&self, db: u16) -> &'s Map {
        self.shared.map(db)
    }

    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.shared.residents.hash_key(key)
    }

    /// The TID of a write that replaces a record of version `old`.
    #[inline]
    pub(crate) fn next_tid(&mut self, old: Tid) -> Tid {
        if let Mode::Alone(tid) = self.mode {
            debug_assert!(tid >= old, "the epoch is a new one");
            return tid;
        }
        // Read anew: what this session has seen since the turn began may be of a later epoch than
        // the turn, and a log that ends between the two must not keep the effect without its cause.
        let epoch = self.shared.epochs.current();
        debug_assert!(epoch >= self.epoch, "epochs only grow");
        let tid = self.state.last.max(old).max(Tid::start_of(epoch)).next();
        self.state.last = tid;
        tid
    }

    // --- Reading -------------------------------------------------------------------------

    /// The live record of `key` in the selected database, or `None`. Counts as an access.
    ///
    /// Never waits and never writes shared memory, the access clock excepted.
    ///
    /// # Errors
    /// None today; kept for types whose readers may have to wait.
    #[inline]
    pub fn read(&mut self, key: &[u8]) -> Result<Option<&'s Record>, Halt> {
        self.read_in(self.scope.db, key)
    }

    /// The same in another database.
    ///
    /// # Errors
    /// As [`Context::read`].
    #[inline]
    pub fn read_in(&mut self, db: u16, key: &[u8]) -> Result<Option<&'s Record>, Halt> {
        let found = self.live(db, key);
        match found {
            Some(record) => {
                self.own.hits.add(1);
                if !self.scope.no_touch {
                    self.touch(record);
                }
            }
            None => {
                self.own.misses.add(1);
                self.notify_missed(db, key);
            }
        }
        Ok(found)
    }

    /// The live record of `key`, without counting as an access (TTL, TYPE, OBJECT).
    ///
    /// # Errors
    /// As [`Context::read`].
    pub fn peek(&mut self, key: &[u8]) -> Result<Option<&'s Record>, Halt> {
        Ok(self.live(self.scope.db, key))
    }

    /// The same in another database.
    ///
    /// # Errors
    /// As [`Context::read`].
    pub fn peek_in(&mut self, db: u16, key: &[u8]) -> Result<Option<&'s Record>, Halt> {
        Ok(self.live(db, key))
    }

    #[inline]
    pub(crate) fn live(&mut self, db: u16, key: &[u8]) -> Option<&'s Record> {
        self.live_in_slot(db, key).map(|(record, _)| record)
    }

    /// The same with the slot and the word in it, where the record comes straight from one.
    pub(crate) fn live_in_slot(
        &mut self,
        db: u16,
        key: &[u8],
    ) -> Option<(&'s Record, Option<(&'s AtomicU64, Word)>)> {
        let hash = self.hash(key);
        let pointer = match &self.mode {
            Mode::Transaction(transaction) => transaction.current(db, hash, key),
            Mode::View { seen, .. } => Some(seen_record(seen, db, hash, key)),
            Mode::Blind => Some(std::ptr::null_mut()),
            Mode::Single(single) if single.is(db, key) => Some(single.current()),
            Mode::Alone(_) | Mode::Plain | Mode::Single(_) => None,
        };
        let (pointer, slot) = match pointer {
            Some(pointer) => (pointer, None),
            None => {
                let (slot, word) = self.find_slot(db, hash, key)?;
                // SAFETY: loaded under this turn's guard.
                (unsafe { resolve(word) }.0, (!word.is_intent()).then_some((slot, word)))
            }
        };
        if pointer.is_null() {
            return None;
        }
        // SAFETY: found under this turn's guard (X1).
        let record = unsafe { Record::from_raw(pointer) };
        self.note_seen(record.tid());
        if record.is_live(self.now_ms) {
            return Some((record, slot));
        }
        let free = matches!(self.mode, Mode::Plain | Mode::Alone(_));
        if free && !record.is_gone() && self.mind_the_cut().is_ok() {
            self.expire(db, hash, pointer);
        }
        None
    }

    /// The record that holds for `key` (perhaps a tombstone), or null.
    #[inline]
    pub(crate) fn lookup(&self, db: u16, hash: u64, key: &[u8]) -> *mut Header {
        let found = self.find_slot(db, hash, key);
        // SAFETY: loaded under this turn's guard.
        found.map_or(std::ptr::null_mut(), |(_, word)| unsafe { resolve(word) }.0)
    }

    /// The slot that holds `key`, perhaps by an intent, and its word.
    #[inline]
    pub(crate) fn find_slot(
        &self,
        db: u16,
        hash: u64,
        key: &[u8],
    ) -> Option<(&'s AtomicU64, Word)> {
        let matches = |word| {
            // SAFETY: loaded under this turn's guard.
            unsafe { key_record(word) }.key() == key
        };
        self.map(db).find_slot(hash, matches, self.pinned(db))
    }

    /// Where `key` can be changed; waits out short transactions.
    pub(crate) fn spot(
        &mut self,
        db: u16,
        hash: u64,
        key: &[u8],
    ) -> Result<Option<Spot<'s>>, Halt> {
        let mut spins = 0;
        loop {
            let matches = |word| {
                // SAFETY: loaded under this turn's guard.
                unsafe { key_record(word) }.key() == key
            };
            let pinned = self.pinned(db);
            match self.map(db).place(hash, matches, &self.shared.residents, pinned) {
                Place::Vacant => return Ok(None),
                Place::Entry { slot, word, segment } if !word.is_intent() => {
                    // SAFETY: loaded under this turn's guard.
                    let (pointer, record) = unsafe { resolve(word) };
                    self.note_seen(record.tid());
                    return Ok(Some(Spot { slot, word, segment, pointer, record }));
                }
                Place::Entry { word, .. } => {
                    // SAFETY: loaded under this turn's guard.
                    let intent = unsafe { Intent::behind(word) };
                    if intent.state() != Commitment::Pending {
                        self.tidy(db, hash, word, intent);
                    } else if spins < SPINS_BEFORE_BUSY {
                        spins += 1;
                        spin_hint();
                    } else {
                        return Err(busy(intent));
                    }
                }
            }
        }
    }

    /// Replaces a decided intent by the record that holds.
    pub(crate) fn tidy(&self, db: u16, hash: u64, word: Word, intent: &Intent) {
        let plain = Word::record(tag_of(hash), intent.resolve().expose_provenance());
        let pinned = self.pinned(db);
        self.map(db).replace_word(hash, word, plain, &self.shared.residents, pinned);
    }

    // --- Writing -------------------------------------------------------------------------

    /// Atomically replaces the value of `key` in the selected database by what `decide` says of
    /// the live record.
    ///
    /// `decide` runs again when a race was lost, so it must be without effects; the reply is
    /// written afterwards, from `R`.
    ///
    /// # Errors
    /// What `decide` returns; [`Halt::Busy`] when a transaction holds the key for long.
    pub fn update<'v, R>(
        &mut self,
        key: &[u8],
        decide: impl FnMut(Option<&'s Record>) -> Result<(Change<'v>, R), CommandError>,
    ) -> Result<R, Halt> {
        self.update_in(self.scope.db, key, decide)
    }

    /// The same in another database.
    ///
    /// # Errors
    /// As [`Context::update`].
    pub fn update_in<'v, R>(
        &mut self,
        db: u16,
        key: &[u8],
        mut decide: impl FnMut(Option<&'s Record>) -> Result<(Change<'v>, R), CommandError>,
    ) -> Result<R, Halt> {
        let hash = self.hash(key);
        if matches!(self.mode, Mode::Single(_) | Mode::Transaction(_)) {
            return self.update_owned(db, hash, key, decide);
        }
        loop {
            let spot = self.spot(db, hash, key)?;
            let _hold = self.hold_spot(spot)?;
            let old = spot.map(|spot| spot.record);
            let live = old.filter(|record| record.is_live(self.now_ms));
            let (change, result) = decide(live)?;
            let staged = self.is_logged()
                && change.writes(live.is_some())
                && self.stage_change(db, key, &change);
            let Some(new) = self.build(db, key, live, change) else {
                if let Some(Spot { pointer, record, .. }) = spot
                    && live.is_none()
                    && !record.is_gone()
                {
                    drop(_hold);
                    self.expire(db, hash, pointer);
                }
                return Ok(result);
            };
            let lapsed = live.is_none() && old.is_some_and(|old| !old.is_gone());
            if let Some(tid) = self.publish(db, hash, key, spot, new) {
                self.own.expired.add(u64::from(lapsed));
                if live.is_none() {
                    self.notify_created(db, key, lapsed);
                }
                if staged {
                    self.publish_staged(tid);
                } else {
                    self.owe(tid);
                }
                return Ok(result);
            }
            if staged {
                self.withdraw();
            }
            self.own.retries.add(1);
        }
    }

    /// The record a change calls for; `None` when nothing is to be written.
    pub(crate) fn build(
        &mut self,
        db: u16,
        key: &[u8],
        live: Option<&Record>,
        change: Change<'_>,
    ) -> Option<NewRecord> {
        let new = match (change, live) {
            (Change::Keep, _) | (Change::Remove | Change::Expire(_), None) => return None,
            (Change::Remove, Some(_)) => NewRecord::new(key, Value::Tombstone, None),
            (Change::Expire(deadline), Some(old)) => {
                self.surrender(db, old);
                let new = NewRecord::new(key, old.value(), deadline);
                new.set_access(old.access());
                return Some(new);
            }
            (Change::Put(put), _) => put.record(key),
            (Change::Store(stored, deadline), _) => NewRecord::new(key, stored.value(), deadline),
        };
        if !new.as_record().is_tombstone() {
            new.set_access(self.first_access(live));
        }
        Some(new)
    }

    /// Publishes one key's new record over what was found; its version, unless the race was lost.
    pub(crate) fn publish(
        &mut self,
        db: u16,
        hash: u64,
        key: &[u8],
        spot: Option<Spot<'s>>,
        new: NewRecord,
    ) -> Option<Tid> {
        let tid = self.next_tid(spot.map_or(Tid::ZERO, |spot| spot.record.tid()));
        new.set_tid(tid);
        let word = Word::record(tag_of(hash), new.as_ptr().expose_provenance());
        // SAFETY: allocated above, and kept by the guard once others can retire it.
        let fresh: &'s Record = unsafe { Record::from_raw(new.as_ptr()) };
        let standing = Standing::of_new(fresh);
        let done = match spot {
            Some(spot) => {
                if replace(spot.slot, spot.word, word) {
                    let _ = new.publish();
                    self.map(db).note_deadline(spot.segment, hash, fresh.wake_at_ms());
                    // SAFETY: just unlinked, by us alone.
                    unsafe { self.supersede(db, spot.pointer, spot.record) };
                    true
                } else {
                    false
                }
            }
            None => self.insert(db, hash, key, word, new, |_| false),
        };
        if done {
            self.settle(db, hash, spot.map(|spot| spot.record), fresh, standing);
        }
        done.then_some(tid)
    }

    /// Inserts a record of an absent key; false when the key may be there by now. A try that an
    /// insertion of whatever key got in the way of is made again as long as `again` says so.
    #[inline]
    pub(crate) fn insert(
        &mut self,
        db: u16,
        hash: u64,
        key: &[u8],
        word: Word,
        new: NewRecord,
        again: impl Fn(&Self) -> bool,
    ) -> bool {
        let matches = |word| {
            // SAFETY: loaded under this turn's guard.
            unsafe { key_record(word) }.key() == key
        };
        let done = loop {
            let pinned = self.pinned(db);
            if self.map(db).insert(hash, word, matches, &self.shared.residents, pinned) {
                break true;
            }
            if !again(self) {
                break false;
            }
            spin_hint();
        };
        let pointer = new.publish();
        if !done {
            // SAFETY: not in the map (any more), but others may be comparing its key.
            unsafe { self.guard.retire(pointer, 64) };
        }
        done
    }

    /// Books a published record, as it stood before it was, and remembers its tombstone.
    pub(crate) fn settle(
        &mut self,
        db: u16,
        hash: u64,
        old: Option<&Record>,
        new: &Record,
        standing: Standing,
    ) {
        let before = old.map(Standing::of).unwrap_or_default();
        self.own.books[usize::from(db)].book(before, standing);
        if new.is_tombstone() {
            let epoch = new.tid().epoch();
            self.state.fallow.push_back(Fallow { epoch, db, hash });
        } else if old.is_none_or(Record::is_gone) {
            self.queue_for_eviction(db, hash);
        }
        // A tombstone over nothing only keeps a place: nobody can tell.
        if !new.is_tombstone() || old.is_some_and(|old| !old.is_gone()) {
            self.changed(db, hash, new.key());
        }
    }
}

/// Why a key that somebody's intent is in cannot be had now.
pub(crate) fn busy(intent: &Intent) -> Halt {
    busy_with(intent.slow())
}

/// Why something that a script has cannot be had now. `slow`: it has run for longer than anybody
/// should wait, and whether it is a function.
pub(crate) fn busy_with(slow: Option<bool>) -> Halt {
    match slow {
        None => Halt::Busy,
        Some(false) => CommandError::from(ScriptError::Busy).into(),
        Some(true) => CommandError::from(ScriptError::BusyFunction).into(),
    }
}
