//! Background work: epochs, the sweep of expired keys, leftovers of ended sessions.
//!
//! Why it exists: expired keys are reclaimed within a second by construction, however many wait,
//! and no reactor does it. The sweep follows the earliest deadlines (map/deadline.rs): a group
//! without a passed deadline costs one load, a segment is looked at only when one is due. Fields
//! of hashes with deadlines of their own are found the same way.

use crate::collection::{Collection, Edit, Missing};
use crate::context::{Context, Spot};
use crate::events::Class;
use crate::follow::Changes;
use crate::host::Halt;
use crate::intent::resolve;
use crate::journal::Journal;
use crate::map::bucket::{SLOTS, Walk, replace};
use crate::map::deadline::NEVER;
use crate::map::segment::{LADDER, Segment};
use crate::map::word::Word;
use crate::record::{NewRecord, Record, Value};
use crate::session::Session;
use crate::shared::Standing;
use crate::sync::AtomicU64;
use crate::values::hash::Hash;

/// Segments swept in one turn: some two hundred keys each, so a turn stays around two milliseconds.
const SEGMENTS_PER_TURN: usize = 64;
/// Milliseconds between two epochs while nothing expires.
const TICK_MS: u64 = 1;

/// Parts that one step of the sweep removes: some 100 us.
const PARTS_PER_STEP: usize = 1_000;

/// Background work, driven by its host's clock.
#[derive(Debug)]
pub struct Maintainer {
    session: Session,
    /// Where the sweep of each database stopped.
    resume: Box<[u64]>,
}

/// A record that is due: the hash of its key and where it is.
struct Due<'s> {
    hash: u64,
    slot: &'s AtomicU64,
    word: Word,
}

impl Maintainer {
    pub(crate) fn new(session: Session) -> Self {
        let databases = session.engine().databases();
        Self { session, resume: vec![0; usize::from(databases)].into() }
    }

    /// Sends the effects of the background work to `journal`.
    pub fn set_journal(&mut self, journal: Box<dyn Journal>) {
        self.session.set_journal(journal);
    }

    /// Takes what the background work changed and somebody may want to know of.
    pub fn take_changes(&mut self) -> Changes {
        self.session.take_changes()
    }

    /// One slice of work, bounded to a few milliseconds: advances the epoch, clears leftovers,
    /// deletes expired keys.
    ///
    /// Returns how many milliseconds the host may sleep: 0 while more expired keys wait.
    pub fn tick(&mut self, now_ms: u64) -> u64 {
        let engine = self.session.engine();
        engine.shared.tick_epochs();
        let mut turn = self.session.enter(now_ms);
        turn.adopt_orphans();
        if !engine.shared.tunables.active_expire() {
            return TICK_MS;
        }
        let mut budget = SEGMENTS_PER_TURN;
        let mut complete = true;
        let mut earliest = NEVER;
        for (db, resume) in (0..engine.databases()).zip(&mut self.resume) {
            complete &= turn.with_context(db, |context| context.sweep(db, resume, &mut budget));
            earliest = earliest.min(turn.shared().map(db).earliest_deadline());
        }
        let lag = now_ms.saturating_sub(earliest);
        engine.shared.expire_lag_ms.set(lag);
        if budget < SEGMENTS_PER_TURN {
            turn.flush();
        }
        if complete { TICK_MS } else { 0 }
    }
}

impl<'s> Context<'s> {
    /// Deletes expired keys of one database from `resume` on, `budget` segments at the most; true
    /// when none is due any more.
    fn sweep(&mut self, db: u16, resume: &mut u64, budget: &mut usize) -> bool {
        let now_ms = self.now_ms;
        let map = self.map(db);
        map.sweep_due(now_ms, resume, |segment| {
            if *budget == 0 || self.mind_the_cut().is_err() {
                return None;
            }
            *budget -= 1;
            let mut due = Vec::with_capacity(SLOTS * LADDER[LADDER.len() - 1]);
            let mut parts = Vec::new();
            let mut earliest = self.inspect(segment, &mut due, &mut parts);
            for due in &due {
                if !self.expire_due(db, segment, due) {
                    // Held by a transaction, moved or just replaced: look again at the next tick.
                    earliest = now_ms;
                }
            }
            for record in parts {
                if self.expire_parts::<Hash>(record.key()) != Ok(false) {
                    earliest = now_ms;
                }
            }
            if let Some(last) = due.last() {
                map.shrink(segment, last.hash, &self.shared.residents, self.pinned(db));
            }
            Some(earliest)
        })
    }

    /// Removes an expired record, unless its slot has changed.
    ///
    /// A tombstone keeps the place of a removal in the order of the log. Without a log, and with
    /// the record's epoch closed, whatever is written next sorts after the record anyway, so
    /// none is needed.
    fn expire_due(&mut self, db: u16, segment: &'s Segment, due: &Due<'s>) -> bool {
        let &Due { hash, slot, word } = due;
        if word.is_intent() {
            return false;
        }
        // SAFETY: loaded under this turn's guard.
        let (pointer, record) = unsafe { resolve::<'s>(word) };
        let spot = Spot { slot, word, segment, pointer, record };
        let Ok(_hold) = self.hold_spot(Some(spot)) else { return false };
        let unordered =
            self.state.journal.is_none() && record.tid().epoch() <= self.shared.epochs.closed();
        let done = if unordered {
            let done = replace(slot, word, Word::EMPTY);
            if done {
                self.own.books[usize::from(db)].book(Standing::of(record), Standing::default());
                // SAFETY: just unlinked, by us alone.
                unsafe { self.supersede(db, pointer, record) };
                self.changed(db, hash, record.key());
            }
            done
        } else {
            let tombstone = NewRecord::new(record.key(), Value::Tombstone, None);
            let removed = self.publish(db, hash, record.key(), Some(spot), tombstone);
            if let Some(tid) = removed {
                self.log_removed(db, record.key(), tid);
            }
            removed.is_some()
        };
        if done {
            self.own.expired.add(1);
            self.notify_in(db, Class::Expired, "expired", record.key());
        }
        done
    }

    /// Removes what has expired inside the collection at `key`, a bounded share of it. Returns
    /// whether something may be left.
    ///
    /// # Errors
    /// As [`Context::edit`].
    fn expire_parts<T: Collection>(&mut self, key: &[u8]) -> Result<bool, Halt> {
        let (now_ms, logged) = (self.now_ms, self.is_logged());
        let mut emptied = false;
        let mut gone = Vec::new();
        let removed = self.edit(key, Missing::Skip, |value: &mut T| {
            gone.clear();
            let removed = value.remove_due(now_ms, PARTS_PER_STEP, |part| {
                if logged {
                    gone.push(part.to_vec());
                }
            });
            emptied = value.is_empty();
            Ok(if removed > 0 { Edit::Changed(removed) } else { Edit::Same(0) })
        })?;
        if let Some(1..) = removed {
            self.log_parts_gone(key, &gone);
            self.notify(Class::Hash, "hexpired", key);
            if emptied {
                self.notify(Class::Generic, "del", key);
            }
        }
        Ok(removed == Some(PARTS_PER_STEP))
    }

    /// Collects a segment's expired records, and those of which a part has expired; returns the
    /// earliest deadline it will have left.
    fn inspect(
        &self,
        segment: &'s Segment,
        due: &mut Vec<Due<'s>>,
        parts: &mut Vec<&'s Record>,
    ) -> u64 {
        let mut earliest = NEVER;
        let mut words = Vec::with_capacity(SLOTS * LADDER[LADDER.len() - 1]);
        for bucket in segment.buckets() {
            bucket.walk(|slot, word| {
                if !word.is_empty() && !word.is_tentative() {
                    crate::prefetch::address(std::ptr::with_exposed_provenance(word.address()));
                    words.push((slot, word.thawed()));
                }
                Walk::Go
            });
        }
        for (slot, word) in words {
            // SAFETY: loaded under this turn's guard.
            let (_, record) = unsafe { resolve(word) };
            if record.is_gone() {
                continue;
            }
            if record.is_expired(self.now_ms) {
                due.push(Due { hash: self.hash(record.key()), slot, word });
                continue;
            }
            let mut wake = record.wake_at_ms();
            if record.parts_wake_at_ms() < self.now_ms {
                // Its own edit tells the sweep of the part that is next.
                parts.push(record);
                wake = record.expire_at_ms().unwrap_or(NEVER);
            }
            earliest = earliest.min(wake);
        }
        earliest
    }
}
