//! Collections: what a handler may read and edit, and how that becomes atomic.
//!
//! Why it exists: a hash with three fields and one with three millions are the same to a handler.
//! Here is decided where the value lives and who may touch it:
//!
//! - small: a packed block in the key's record, immutable, replaced whole by CAS like a string;
//! - large: an object (object.rs) that its editor changes in place under the object's latch, and
//!   that readers announce themselves at (latch.rs).
//!
//! Not for the types themselves (`values`, `structures`), which are plain single-threaded code.
//!
//! Invariants
//! - Y1: who edits an object holds its latch, has seen no reader in any session, and has then seen
//!   the record in its slot. A record with an object leaves its slot only under the same latch. So
//!   an edit always happens to what the key holds.
//! - Y2: who reads an object is announced, and has then seen the record resolved from its slot.
//!   So what is read is what the key held at that moment, and it does not change while it is read.
//! - Y3: a transaction holds the latches of all its keys' objects from before its first command
//!   until its commit; its own commands need nothing more.
//! - Y4: a plain command waits with at most one latch or one place in hand, for a bounded time.

pub mod presence;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt::Debug;
use std::marker::PhantomData;

use zumic_error::CommandError;

pub(crate) use self::presence::{Hold, Presence};

use crate::context::{Context, Mode, SPINS_BEFORE_BUSY, Spot};
use crate::host::Halt;
use crate::intent::key_record;
use crate::kind::Kind;
use crate::latch::Latch;
use crate::map::deadline::NEVER;
use crate::map::{Map, Place};
use crate::object::{ObjectRef, VTable};
use crate::record::{NewRecord, Record, Value};
use crate::shared::{Fallow, Standing};
use crate::sync::{Ordering, fence, spin_hint};
use crate::tid::Tid;
use crate::value::Change;

/// Longest packed block that lives in a record, in bytes: what the records' allocator has small
/// blocks for. A longer one becomes an object, whatever it is called to clients.
const PACKED_BYTES_MAX: usize = 1_000;

/// A type of collection.
///
/// Values are plain data, without locks. The engine sees to it that nobody reads while somebody
/// edits. Clones of large ones share their parts (`structures::cow`): both may be edited.
pub trait Collection: Clone + Default + Debug + Send + Sync + Sized + 'static {
    /// Its type.
    const KIND: Kind;
    /// What readers see: a packed block or a borrowed structure.
    type Ref<'a>: Copy;
    /// The value as readers see it.
    fn as_ref(&self) -> Self::Ref<'_>;
    /// Whether it has no elements, so that its key ceases to exist.
    fn is_empty(&self) -> bool;
    /// Heap bytes it owns. Cost: O(1).
    fn memory(&self) -> usize;
    /// The packed block and which of the type's packed encodings it is (below 3), while small.
    fn packed(&self) -> Option<(u8, &[u8])>;
    /// The value of a packed block, for editing.
    fn unpack(code: u8, bytes: &[u8]) -> Self;
    /// A packed block, for reading.
    fn view(code: u8, bytes: &[u8]) -> Self::Ref<'_>;
    /// What OBJECT ENCODING answers.
    fn encoding(view: Self::Ref<'_>) -> &'static str;
    /// When the first of its parts expires, in Unix milliseconds: never later than the truth, and
    /// the truth after [`Collection::remove_due`]. [`NEVER`] for types without such parts.
    fn earliest_ms(_: Self::Ref<'_>) -> u64 {
        NEVER
    }
    /// Removes parts that have expired at `now_ms`, at most `limit`; `gone` gets the name of each.
    /// Returns how many.
    fn remove_due(&mut self, _now_ms: u64, _limit: usize, _gone: impl FnMut(&[u8])) -> usize {
        0
    }
    /// The value as it is now, to be read in order while this one is edited: what a snapshot takes
    /// while a command waits, so it must not copy elements. It need not serve anything else.
    #[must_use]
    fn share(&self) -> Self {
        self.clone()
    }
    /// Hints that these elements (fields, members) will be looked for soon. Nothing by default.
    #[inline]
    fn prefetch(&self, elements: &[&[u8]]) {
        let _ = elements;
    }
}

/// The table of a kind's type.
pub(crate) fn vtable(kind: Kind) -> &'static VTable {
    match kind {
        Kind::Hash => const { &VTable::of::<crate::values::hash::Hash>() },
        Kind::List => const { &VTable::of::<crate::values::list::List>() },
        Kind::Set => const { &VTable::of::<crate::values::set::Set>() },
        Kind::SortedSet => const { &VTable::of::<crate::values::sorted_set::SortedSet>() },
        Kind::Stream => const { &VTable::of::<crate::structures::stream::Stream>() },
        Kind::TimeSeries => const { &VTable::of::<crate::values::time_series::TimeSeries>() },
        Kind::String => unreachable!("{kind:?} is no collection"),
    }
}

/// What to do when the key to edit is absent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Missing {
    /// Edit an empty value; it is stored if it is not empty afterwards.
    Create,
    /// Answer `None`.
    Skip,
}

/// What an edit did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Edit<R> {
    /// The value is another one now.
    Changed(R),
    /// Nothing changed.
    Same(R),
}

/// A value made by a command, to be stored whole.
#[derive(Clone, Debug)]
pub struct Stored(pub(crate) Shape);

#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Object(ObjectRef),
    Packed { kind: Kind, code: u8, bytes: Box<[u8]> },
}

impl Stored {
    pub(crate) fn new<T: Collection>(value: T) -> Self {
        let shape = match value.packed() {
            Some((code, bytes)) if bytes.len() <= PACKED_BYTES_MAX => {
                Shape::Packed { kind: T::KIND, code, bytes: bytes.into() }
            }
            _ => Shape::Object(ObjectRef::new(value)),
        };
        Self(shape)
    }

    pub(crate) fn value(&self) -> Value<'_> {
        match &self.0 {
            Shape::Object(object) => Value::Object(object.clone()),
            Shape::Packed { kind, code, bytes } => {
                Value::Packed { kind: *kind, code: *code, bytes }
            }
        }
    }
}

/// A record with an edited value.
fn record_of<T: Collection>(key: &[u8], value: T, deadline_ms: Option<u64>) -> NewRecord {
    match value.packed() {
        Some((code, bytes)) if bytes.len() <= PACKED_BYTES_MAX => {
            NewRecord::new(key, Value::Packed { kind: T::KIND, code, bytes }, deadline_ms)
        }
        _ => NewRecord::new(key, Value::Object(ObjectRef::new(value)), deadline_ms),
    }
}

/// A collection that is being read. Editors of a large one wait until it is dropped.
#[derive(Debug)]
pub struct View<'s, T: Collection> {
    record: &'s Record,
    source: Source<'s, T>,
    _presence: Option<Presence<'s>>,
}

#[derive(Debug)]
enum Source<'s, T> {
    Object(*const T),
    Packed(u8, &'s [u8], PhantomData<T>),
}

impl<T: Collection> View<'_, T> {
    /// The value.
    #[inline]
    #[must_use]
    pub fn get(&self) -> T::Ref<'_> {
        match self.source {
            Source::Packed(code, bytes, _) => T::view(code, bytes),
            // SAFETY: Y2 and Y3: nobody edits it while `self` lives; the record keeps it.
            Source::Object(body) => unsafe { &*body }.as_ref(),
        }
    }

    /// The key's record: its deadline and its clock.
    #[must_use]
    pub fn record(&self) -> &Record {
        self.record
    }
}

impl<'s> Context<'s> {
    // --- Reading -------------------------------------------------------------------------

    /// The collection at `key` in the selected database, or `None`. Counts as an access.
    ///
    /// # Errors
    /// [`CommandError::WrongType`] when the key holds another type; [`Halt::Busy`] when an editor
    /// is inside for longer than a spin.
    pub fn view<T: Collection>(&mut self, key: &[u8]) -> Result<Option<View<'s, T>>, Halt> {
        let found = self.seek(self.scope.db, key)?;
        match &found {
            Some((record, _)) => {
                self.own.hits.add(1);
                if !self.scope.no_touch {
                    self.touch(record);
                }
            }
            None => {
                self.own.misses.add(1);
                self.notify_missed(self.scope.db, key);
            }
        }
        let Some((record, presence)) = found else { return Ok(None) };
        let source = match (record.packed(), record.object()) {
            _ if record.kind() != T::KIND => return Err(CommandError::WrongType.into()),
            (Some((code, bytes)), _) => Source::Packed(code, bytes, PhantomData),
            (_, Some(object)) => Source::Object(object.body::<T>().cast_const()),
            (None, None) => unreachable!("a collection is an object or a block"),
        };
        Ok(Some(View { record, source, _presence: presence }))
    }

    /// Whether there is a collection of this kind at `key` in the selected database, for a command
    /// that would write to it: no access, and no miss.
    ///
    /// # Errors
    /// As for [`Context::view`].
    pub fn holds<T: Collection>(&mut self, key: &[u8]) -> Result<bool, Halt> {
        match self.seek(self.scope.db, key)? {
            Some((record, _)) if record.kind() != T::KIND => Err(CommandError::WrongType.into()),
            found => Ok(found.is_some()),
        }
    }

    /// What OBJECT ENCODING answers for `key`, or `None` when it is absent. No access.
    ///
    /// # Errors
    /// [`Halt::Busy`] as for [`Context::view`].
    pub fn encoding(&mut self, key: &[u8]) -> Result<Option<&'static str>, Halt> {
        let found = self.seek(self.scope.db, key)?;
        Ok(found.map(|(record, _place)| match record.object() {
            // SAFETY: Y2.
            Some(object) => unsafe { object.encoding() },
            None => record.encoding(),
        }))
    }

    /// The live record of a key with, if it has an object, the right to read that.
    pub(crate) fn seek(
        &mut self,
        db: u16,
        key: &[u8],
    ) -> Result<Option<(&'s Record, Option<Presence<'s>>)>, Halt> {
        let mut spins = 0;
        loop {
            let Some((record, slot)) = self.live_in_slot(db, key) else { return Ok(None) };
            let Some(latch) = record.latch() else { return Ok(Some((record, None))) };
            if self.has_prepared(db, key) {
                return Ok(Some((record, None)));
            }
            if let Some(place) = Presence::enter(&self.own.reading, latch) {
                // Y2: where the record was found is where it has to be now.
                let is_there = slot.is_some_and(|(slot, word)| place.finds(slot, word));
                // An editor may have been there since it was found.
                self.note_seen(record.tid());
                // A hollow object's key is absent: look again.
                if is_there && record.is_live(self.now_ms) {
                    return Ok(Some((record, Some(place))));
                }
                if self.live(db, key).is_some_and(|now| std::ptr::eq(now, record)) {
                    return Ok(Some((record, Some(place))));
                }
            } else if spins >= SPINS_BEFORE_BUSY {
                return Err(self.busy_at(db, key));
            }
            spins += 1;
            spin_hint();
        }
    }

    /// Whether the command's preparation keeps editors off this key.
    fn has_prepared(&self, db: u16, key: &[u8]) -> bool {
        match &self.mode {
            Mode::Alone(_) | Mode::Blind => true,
            Mode::Plain | Mode::Single(_) => false,
            Mode::Transaction(transaction) => transaction.owns(db, self.hash(key), key),
            Mode::View { seen, .. } => {
                let hash = self.hash(key);
                seen.iter().any(|seen| (seen.db, seen.hash) == (db, hash))
            }
        }
    }

    // --- Holding -------------------------------------------------------------------------

    /// Takes a latch and waits until no reader is inside, this session's own excepted.
    ///
    /// # Errors
    /// [`Halt::Busy`] when that takes longer than a spin.
    pub(crate) fn hold(&mut self, latch: &'s Latch) -> Result<Hold<'s>, Halt> {
        let mut spins = 0;
        let mut spin = || {
            spins += 1;
            spin_hint();
            if spins < SPINS_BEFORE_BUSY { Ok(()) } else { Err(Halt::Busy) }
        };
        let hold = loop {
            match Hold::take(latch) {
                Some(hold) => break hold,
                None => spin()?,
            }
        };
        self.shared.refresh(&mut self.state.everyone);
        for session in &self.state.everyone {
            let own = std::ptr::eq(&raw const **session, self.own);
            while !own && hold.is_read_by(&session.reading) {
                spin()?;
            }
        }
        Ok(hold)
    }

    /// Holds what has to be held to replace the record found at a spot (Y1).
    ///
    /// # Errors
    /// As [`Context::hold`].
    pub(crate) fn hold_spot(&mut self, spot: Option<Spot<'s>>) -> Result<Option<Hold<'s>>, Halt> {
        match spot.and_then(|spot| spot.record.latch()) {
            Some(latch) => self.hold(latch).map(Some),
            None => Ok(None),
        }
    }

    // --- Editing -------------------------------------------------------------------------

    /// Edits the collection at `key` in the selected database as one step. A value that is empty
    /// afterwards is removed with its key; the key's deadline stays.
    ///
    /// `change` may run more than once, each time on the value as it is then; it returns an error
    /// only before it has changed anything. `None` when the key is absent and may be.
    ///
    /// # Errors
    /// What `change` returns; [`CommandError::WrongType`]; [`Halt::Busy`] when the key is held
    /// elsewhere for longer than a spin.
    pub fn edit<T: Collection, R>(
        &mut self,
        key: &[u8],
        missing: Missing,
        mut change: impl FnMut(&mut T) -> Result<Edit<R>, CommandError>,
    ) -> Result<Option<R>, Halt> {
        let (db, hash) = (self.scope.db, self.hash(key));
        match self.mode {
            Mode::Single(_) | Mode::Transaction(_) => {
                return self.edit_owned(db, hash, key, missing, &mut change);
            }
            Mode::Blind => return Ok(None),
            Mode::Alone(_) | Mode::Plain | Mode::View { .. } => {}
        }
        loop {
            let spot = self.spot(db, hash, key)?;
            let live = spot.map(|spot| spot.record).filter(|record| record.is_live(self.now_ms));
            if live.is_some_and(|record| record.kind() != T::KIND) {
                return Err(CommandError::WrongType.into());
            }
            if let (Some(spot), Some(_)) = (spot, live)
                && let Some(latch) = spot.record.latch()
            {
                match self.edit_object(db, hash, spot, latch, &mut change)? {
                    Some(result) => return Ok(Some(result)),
                    None => continue,
                }
            }
            if live.is_none() && missing == Missing::Skip {
                if let Some(Spot { pointer, record, .. }) = spot
                    && !record.is_gone()
                {
                    self.expire(db, hash, pointer);
                }
                return Ok(None);
            }
            // An expired object may be in the way of a new value.
            let _hold = self.hold_spot(spot)?;
            let (result, new) = self.rebuild(key, live, &mut change)?;
            let Some(new) = new else { return Ok(Some(result)) };
            let lapsed = live.is_none() && spot.is_some_and(|spot| !spot.record.is_gone());
            if let Some(tid) = self.publish(db, hash, key, spot, new) {
                self.own.expired.add(u64::from(lapsed));
                if live.is_none() {
                    self.notify_created(db, key, lapsed);
                }
                self.owe(tid);
                return Ok(Some(result));
            }
            self.own.retries.add(1);
        }
    }

    /// Edits a copy of a packed value, or an empty one; the record to store, if it changed.
    fn rebuild<T: Collection, R>(
        &mut self,
        key: &[u8],
        live: Option<&Record>,
        change: &mut impl FnMut(&mut T) -> Result<Edit<R>, CommandError>,
    ) -> Result<(R, Option<NewRecord>), CommandError> {
        let mut value = match live.and_then(Record::packed) {
            Some((code, bytes)) => T::unpack(code, bytes),
            None => T::default(),
        };
        let result = match change(&mut value)? {
            Edit::Same(result) => return Ok((result, None)),
            Edit::Changed(result) => result,
        };
        if value.is_empty() {
            let tombstone = || NewRecord::new(key, Value::Tombstone, None);
            return Ok((result, live.map(|_| tombstone())));
        }
        let new = record_of(key, value, live.and_then(Record::expire_at_ms));
        new.set_access(self.first_access(live));
        Ok((result, Some(new)))
    }

    /// Edits an object in place; `None` when the key holds something else by now.
    fn edit_object<T: Collection, R>(
        &mut self,
        db: u16,
        hash: u64,
        spot: Spot<'s>,
        latch: &'s Latch,
        change: &mut impl FnMut(&mut T) -> Result<Edit<R>, CommandError>,
    ) -> Result<Option<R>, Halt> {
        let record = spot.record;
        let hold = self.hold(latch)?;
        // An editor may have been there since the spot was found.
        self.note_seen(record.tid());
        if !hold.finds(spot.slot, spot.word) || record.is_gone() {
            return Ok(None);
        }
        assert!(!self.own.reading.names(latch), "a handler drops its view before it edits");
        let object = record.object().expect("it has a latch");
        self.surrender(db, record);
        // SAFETY: Y1: the latch is held, no reader is inside, and the key holds the record.
        let body = unsafe { &mut *object.body::<T>() };
        let done = change(body)?;
        if object.note_earliest(body) {
            self.note_wake(db, hash, record);
        }
        let result = match done {
            Edit::Same(result) => return Ok(Some(result)),
            Edit::Changed(result) => result,
        };
        let books = &self.own.books[usize::from(db)];
        books.record_bytes.add(object.weigh(body));
        let emptied = body.is_empty();
        let tid = self.next_tid(record.tid());
        record.set_tid(tid);
        if emptied {
            // The record turns into its own tombstone.
            books.book(Standing::of(record), Standing::default());
            books.record_bytes.add(record.memory() as u64);
            object.hollow_out();
            self.state.fallow.push_back(Fallow { epoch: tid.epoch(), db, hash });
        } else {
            self.touch(record);
        }
        self.owe(tid);
        self.changed(db, hash, record.key());
        Ok(Some(result))
    }

    /// Tells the sweep when a part of an object, edited in place, expires first.
    ///
    /// The segment is looked up after the time was stored in the object: if it is being replaced
    /// by then, this leads to its successor; if later, whoever does it reads that time.
    fn note_wake(&self, db: u16, hash: u64, record: &Record) {
        // ORDER(deadline-sweep): SeqCst; the object's time before the look at the segment.
        fence(Ordering::SeqCst);
        let key = record.key();
        // SAFETY: loaded under this turn's guard.
        let matches = |word| unsafe { key_record(word) }.key() == key;
        let map: &Map = self.map(db);
        let found = map.place(hash, matches, &self.shared.residents, self.pinned(db));
        if let Place::Entry { segment, .. } = found {
            map.note_deadline(segment, hash, record.wake_at_ms());
        }
    }

    /// Edits a key that the transaction owns.
    fn edit_owned<T: Collection, R>(
        &mut self,
        db: u16,
        hash: u64,
        key: &[u8],
        missing: Missing,
        change: &mut impl FnMut(&mut T) -> Result<Edit<R>, CommandError>,
    ) -> Result<Option<R>, Halt> {
        let live = self.live(db, key);
        if live.is_some_and(|record| record.kind() != T::KIND) {
            return Err(CommandError::WrongType.into());
        }
        if live.is_none() && missing == Missing::Skip {
            return Ok(None);
        }
        let Some((record, object)) = live.and_then(|live| Some((live, live.object()?))) else {
            let (result, new) = self.rebuild(key, live, change)?;
            if let Some(new) = new {
                self.write_owned(db, hash, key, new);
                if live.is_none() {
                    self.notify_created(db, key, false);
                }
                self.owe(Tid::ZERO);
            }
            return Ok(Some(result));
        };
        let (copied, copy) = self.copy_to_edit(key, record, &object)?.unzip();
        if copy.is_none() {
            self.surrender(db, record);
        }
        let object = copy.as_ref().unwrap_or(&object);
        // SAFETY: Y3, or the object was made by this transaction and nobody else knows it.
        let body = unsafe { &mut *object.body::<T>() };
        let done = change(body)?;
        // The sweep hears of it when the commit puts the record back into its slot.
        object.note_earliest(body);
        let result = match done {
            Edit::Same(result) => return Ok(Some(result)),
            Edit::Changed(result) => result,
        };
        let weight = object.weigh(body);
        // Only now: what stayed as it was is neither written nor logged.
        if let Some(new) = copied {
            self.write_owned(db, hash, key, new);
        }
        self.mark_edited(db, hash, key);
        // What this transaction made is booked by what it weighs at the commit.
        if object.is_booked() {
            self.own.books[usize::from(db)].record_bytes.add(weight);
        }
        if body.is_empty() {
            self.write_owned(db, hash, key, NewRecord::new(key, Value::Tombstone, None));
        } else {
            self.touch(record);
        }
        self.owe(Tid::ZERO);
        Ok(Some(result))
    }

    /// Stores a whole new value without a deadline, or removes the key for `None` or an empty
    /// value. Returns whether the key existed.
    ///
    /// # Errors
    /// [`Halt::Busy`] when the key is held elsewhere for longer than a spin.
    pub fn replace<T: Collection>(&mut self, key: &[u8], value: Option<T>) -> Result<bool, Halt> {
        let stored = value.filter(|value| !value.is_empty()).map(Stored::new);
        self.update(key, |live| {
            let change = match &stored {
                Some(stored) => Change::Store(stored.clone(), None),
                None => Change::Remove,
            };
            Ok((change, live.is_some()))
        })
    }
}
