//! Sessions and turns: how a thread works on the shared store.
//!
//! Why it exists: everything a command needs that must not be shared (the guard, the last TID,
//! random numbers, tombstones to clear) belongs to one session, and everything that is decided
//! once per batch (time, epoch, guard) to one turn of it.
//!
//! Invariants
//! - J1: a session's turn holds one guard and one place in the epochs; both are given up when
//!   the turn is dropped, so nothing is held across a poll (I8).

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use zumic_error::CommandError;

use crate::commands::CommandSpec;
use crate::context::{Context, Mode};
use crate::cut::{Cut, Surrendered};
use crate::effect::Ledger;
use crate::follow::Changes;
use crate::guard::Guard;
use crate::host::{Halt, Host};
use crate::journal::Journal;
use crate::kind::Kind;
use crate::map::segment::Pinned;
use crate::reply::Discard;
use crate::shared::{Fallow, Public, Shared, Standing};
use crate::sync::spin_hint;
use crate::tid::Tid;
use crate::value::{Change, NewText, Put};
use crate::{ReplySink, Scope};

/// Commands after which a turn is long: what they replaced fits a second-level cache.
const COMMANDS_PER_TURN: u32 = 512;
/// Tombstones cleared per turn, so that a turn after a flood of DELs stays short.
const FALLOW_PER_TURN: usize = 256;

/// One thread's way into the engine. Not shared: make one per thread.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
    own: Arc<Public>,
    state: State,
}

/// What only the session itself sees.
#[derive(Debug)]
pub(crate) struct State {
    /// The last TID given.
    pub(crate) last: Tid,
    random: u64,
    pub(crate) fallow: VecDeque<Fallow>,
    pub(crate) journal: Option<Box<dyn Journal>>,
    /// Effects are staged that a transaction has to publish, this one of a script perhaps.
    pub(crate) staged: bool,
    /// The highest epoch of anything looked at or written since [`Turn::reset_seen`].
    pub(crate) seen: u64,
    /// What changed since the host last asked.
    pub(crate) changes: Changes,
    /// What this turn hands over to a snapshot.
    pub(crate) surrendered: Surrendered,
    /// All sessions, for sums on the way of a write under `maxmemory`.
    pub(crate) everyone: Vec<Arc<Public>>,
    /// Where the search for a rare candidate of eviction goes on: database and position.
    pub(crate) eviction_walk: (u16, u64),
}

impl State {
    /// A pseudo-random number (xorshift64*: Vigna, "An experimental exploration of Marsaglia's
    /// xorshift generators, scrambled", 2016). Not for secrets.
    #[inline]
    pub(crate) fn random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let own = shared.register(None);
        Self::with_place(shared, own)
    }

    /// A session whose turns lie inside those of another session on the same thread.
    pub(crate) fn nested(shared: Arc<Shared>, host: u64) -> Self {
        let own = shared.register(Some(host));
        let mut session = Self::with_place(shared, own);
        session.state.journal = session.shared.journals.get().map(|source| source.make());
        session
    }

    fn with_place(shared: Arc<Shared>, own: Arc<Public>) -> Self {
        let salt = std::ptr::from_ref(&*own).addr() as u64;
        let random = (shared.residents.seed ^ salt.rotate_left(32)) | 1;
        let state = State {
            last: Tid::ZERO,
            random,
            fallow: VecDeque::new(),
            journal: None,
            staged: false,
            seen: 0,
            changes: Changes::default(),
            surrendered: Surrendered::default(),
            everyone: Vec::new(),
            eviction_walk: (0, 0),
        };
        Self { shared, own, state }
    }

    /// Sends the effects of this session's writes to `journal`.
    pub fn set_journal(&mut self, journal: Box<dyn Journal>) {
        self.state.journal = Some(journal);
    }

    /// The engine this session works on.
    #[must_use]
    pub fn engine(&self) -> crate::Engine {
        crate::Engine { shared: Arc::clone(&self.shared) }
    }

    /// Takes what the last turns changed and somebody may want to know of.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.state.changes)
    }

    /// Begins a turn at `now_ms`, Unix time in milliseconds: one guard, one epoch.
    ///
    /// Waits while another session works on the whole store (FLUSHALL and the like). Drop the
    /// turn before polling or sleeping: it holds back reclamation and the epochs.
    pub fn enter(&mut self, now_ms: u64) -> Turn<'_> {
        let mut spins = 0_u32;
        let epoch = loop {
            if self.own.place.is_nested() {
                break self.shared.epochs.enter_nested(&self.own.place);
            }
            if let Some(epoch) = self.shared.epochs.try_enter(&self.own.place) {
                break epoch;
            }
            spins += 1;
            if spins.is_multiple_of(64) {
                std::thread::yield_now();
            }
            spin_hint();
        };
        let mut turn = Turn {
            guard: self.shared.collector.enter(),
            cut: self.shared.cuts.active(),
            shared: &self.shared,
            own: &self.own,
            state: &mut self.state,
            epoch,
            now_ms,
            commands: 0,
        };
        crate::slab::collect();
        if !turn.state.fallow.is_empty() {
            turn.clear_fallow();
        }
        turn
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut orphans = self.shared.orphans.lock().unwrap_or_else(PoisonError::into_inner);
        orphans.extend(self.state.fallow.drain(..));
    }
}

/// One loop turn: commands run in it, one after the other.
#[derive(Debug)]
pub struct Turn<'s> {
    pub(crate) guard: Guard<'s>,
    cut: Option<&'s Cut>,
    pub(crate) shared: &'s Arc<Shared>,
    pub(crate) own: &'s Public,
    pub(crate) state: &'s mut State,
    epoch: u64,
    now_ms: u64,
    /// Commands run in it.
    pub(crate) commands: u32,
}

impl Turn<'_> {
    /// Whether it is time to drop this turn and enter another one: what its commands replaced is
    /// freed only then, and is best used again while it is still in the processor's cache.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.commands >= COMMANDS_PER_TURN
    }

    /// Unix time of the turn in milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The epoch the turn stands at: its writes belong to it, or to a later one.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Runs one command: makes room, takes its keys, calls its handler, commits.
    ///
    /// The caller has looked the row up, checked arity and permissions, and queues inside MULTI.
    ///
    /// # Errors
    /// [`Halt::Busy`]: nothing happened; run it again later. [`Halt::Error`]: the caller writes
    /// the error; nothing was written to the sink. [`Halt::Wait`]: a blocking command found
    /// nothing; run it again when one of its keys has changed.
    pub fn run(
        &mut self,
        scope: &mut Scope,
        host: &mut dyn Host,
        spec: &'static CommandSpec,
        args: &[&[u8]],
        sink: &mut dyn ReplySink,
    ) -> Result<(), Halt> {
        self.commands += 1;
        self.context(scope, sink).dispatch(host, spec, args)
    }

    /// Runs a blocking command as if none of its keys existed: it answers an error, or how it
    /// waits. For a client that has to queue up behind others.
    ///
    /// # Errors
    /// [`Halt::Wait`], or an error of the arguments.
    pub fn wait(
        &mut self,
        scope: &mut Scope,
        host: &mut dyn Host,
        spec: &'static CommandSpec,
        args: &[&[u8]],
        sink: &mut dyn ReplySink,
    ) -> Result<(), Halt> {
        let mut context = self.context(scope, sink);
        context.mode = Mode::Blind;
        context.call(host, spec, args)
    }

    /// Number of databases.
    pub(crate) fn databases(&self) -> u16 {
        u16::try_from(self.shared.databases.len()).expect("built from a u16")
    }

    /// What all sessions share.
    pub(crate) fn all_share(&self) -> &Arc<Shared> {
        self.shared
    }

    /// The session's number among all.
    pub(crate) fn number(&self) -> u64 {
        self.own.place.number()
    }

    /// Leaves the epoch, and the guard and everything taken as it is, until [`Turn::resume`].
    /// Of a nested session.
    pub(crate) fn suspend(&mut self) {
        self.shared.epochs.suspend(&self.own.place);
    }

    /// Goes on after [`Turn::suspend`], inside a turn of the host.
    pub(crate) fn resume(&mut self) {
        self.epoch = self.shared.epochs.resume(&self.own.place);
    }

    /// Tells as its own what a nested session changed.
    pub(crate) fn adopt_changes(&mut self, changes: Changes) {
        let own = &mut self.state.changes;
        own.keys.extend(changes.keys);
        own.events.extend(changes.events);
        own.whole |= changes.whole;
    }

    /// The context of one command.
    pub(crate) fn context<'a>(
        &'a mut self,
        scope: &'a mut Scope,
        sink: &'a mut dyn ReplySink,
    ) -> Context<'a> {
        Context {
            shared: self.shared,
            own: self.own,
            state: self.state,
            guard: &self.guard,
            cut: self.cut,
            epoch: self.epoch,
            now_ms: self.now_ms,
            scope,
            sink,
            mode: Mode::Plain,
            may_wait: true,
            replays: false,
            ledger: Ledger::new(),
        }
    }

    /// Runs `work` as a command of this client that needs no preparation: it was one before, and
    /// something it waited for happened.
    ///
    /// # Errors
    /// What `work` returns.
    pub fn with<R>(
        &mut self,
        scope: &mut Scope,
        sink: &mut dyn ReplySink,
        work: impl FnOnce(&mut Context<'_>) -> Result<R, Halt>,
    ) -> Result<R, Halt> {
        work(&mut self.context(scope, sink))
    }

    /// Evicts until the store is below its memory limit; for a command that is queued, which
    /// must be refused now and not by EXEC. Cost: nothing while below.
    ///
    /// # Errors
    /// [`zumic_error::CommandError::OutOfMemory`] when nothing can be evicted.
    pub fn make_room(&mut self, scope: &mut Scope) -> Result<(), Halt> {
        self.context(scope, &mut Discard).make_room()
    }

    /// Takes what changed since the last call and somebody may want to know of.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.state.changes)
    }

    /// Whether there is anything to take.
    #[inline]
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.state.changes.is_empty()
    }

    /// Forgets a client's watched keys, when it is gone.
    pub fn unwatch(&mut self, scope: &mut Scope) {
        self.context(scope, &mut Discard).unwatch();
    }

    /// Runs `work` in a context without a client: the typed calls and the background work.
    pub(crate) fn with_context<R>(
        &mut self,
        db: u16,
        work: impl FnOnce(&mut Context<'_>) -> R,
    ) -> R {
        let mut scope = Scope { db, ..Scope::default() };
        work(&mut self.context(&mut scope, &mut Discard))
    }

    /// The string at `key`, copied.
    ///
    /// # Errors
    /// [`Halt::Error`] with `WRONGTYPE` when the value is no string.
    pub fn get(&mut self, db: u16, key: &[u8]) -> Result<Option<Vec<u8>>, Halt> {
        self.with_context(db, |context| match context.read(key)? {
            None => Ok(None),
            Some(record) => {
                let text = record.text().ok_or(CommandError::WrongType)?;
                Ok(Some(text.to_bytes().into_owned()))
            }
        })
    }

    /// The type of a key, if it is there. Does not count as an access.
    pub fn kind(&mut self, db: u16, key: &[u8]) -> Option<Kind> {
        self.with_context(db, |context| {
            let record = context.peek(key).ok().flatten();
            record.map(crate::Record::kind)
        })
    }

    /// Stores a string, without a deadline.
    ///
    /// # Errors
    /// [`Halt::Busy`] when a transaction holds the key for longer than a spin.
    pub fn set(&mut self, db: u16, key: &[u8], value: &[u8]) -> Result<(), Halt> {
        self.with_context(db, |context| {
            context.update(key, |_| {
                let put = Put { text: NewText::encode(value), expire_at_ms: None };
                Ok((Change::Put(put), ()))
            })
        })
    }

    /// Deletes a key; false when there was none.
    ///
    /// # Errors
    /// [`Halt::Busy`] when a transaction holds the key for longer than a spin.
    pub fn delete(&mut self, db: u16, key: &[u8]) -> Result<bool, Halt> {
        self.with_context(db, |context| {
            context.update(key, |old| Ok((Change::Remove, old.is_some())))
        })
    }

    /// Clears tombstones whose epoch is settled.
    fn clear_fallow(&mut self) {
        let closed = self.shared.epochs.settled();
        for _ in 0..FALLOW_PER_TURN {
            match self.state.fallow.front() {
                Some(first) if first.epoch <= closed => {}
                _ => return,
            }
            let fallow = self.state.fallow.pop_front().expect("just seen");
            if self.shared.swaps.get() == 0 {
                self.clear_one(fallow, closed);
                continue;
            }
            for db in 0..u16::try_from(self.shared.databases.len()).expect("built from a u16") {
                self.clear_one(Fallow { db, ..fallow }, closed);
            }
        }
    }

    /// Clears the closed tombstones in one chain; keeps it on the list while a WATCH needs one.
    fn clear_one(&mut self, fallow: Fallow, closed: u64) {
        let books = &self.own.books[usize::from(fallow.db)];
        let pinned = Pinned { guard: &self.guard, index_bytes: &books.index_bytes };
        let mut kept = false;
        let dead = |word: crate::map::word::Word| {
            if word.is_intent() {
                return false;
            }
            // SAFETY: loaded under this turn's guard.
            let (_, record) = unsafe { crate::intent::resolve(word) };
            if !record.is_gone() || record.tid().epoch() > closed {
                return false;
            }
            // What has lost its last element is its own tombstone, and no WATCH relies on it.
            let doomed = !record.is_tombstone() || record.doom();
            kept |= !doomed;
            doomed
        };
        let cleared = |word| {
            // SAFETY: loaded under this turn's guard.
            let (pointer, record) = unsafe { crate::intent::resolve(word) };
            books.book(Standing::of(record), Standing::default());
            // SAFETY: just unlinked, by us alone.
            unsafe { self.guard.retire(pointer, record.memory()) };
        };
        let map = self.shared.map(fallow.db);
        let complete = map.clear(fallow.hash, dead, cleared, &self.shared.residents, pinned);
        if kept || !complete {
            let epoch = self.shared.epochs.current();
            self.state.fallow.push_back(Fallow { epoch, ..fallow });
        }
    }

    /// Takes over tombstones of sessions that ended.
    pub(crate) fn adopt_orphans(&mut self) {
        let mut orphans = self.shared.orphans.lock().unwrap_or_else(PoisonError::into_inner);
        self.state.fallow.extend(orphans.drain(..));
    }

    pub(crate) fn shared(&self) -> &Shared {
        self.shared
    }

    /// Hands retired memory over now, for the end of a burst of background work.
    pub(crate) fn flush(&self) {
        self.guard.flush();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.state.last.epoch() > self.shared.epochs.current() {
            // For E5 of the epochs.
            self.shared.epochs.raise_to(self.state.last.epoch());
        }
        if let Some(cut) = self.cut {
            cut.take_over(&mut self.state.surrendered);
        }
        self.own.place.leave();
        if let Some(journal) = &mut self.state.journal {
            journal.turn_ended();
        }
    }
}
