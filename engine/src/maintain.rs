//! Background work: epochs, the sweep of expired keys, leftovers of ended sessions.
//!
//! Why it exists: expired keys are reclaimed within a second by construction, however many wait,
//! and no reactor does it. The sweep follows the earliest deadlines (map/deadline.rs): a group
//! without a passed deadline costs one load, a segment is looked at only when one is due.

use crate::context::Context;
use crate::intent::resolve;
use crate::map::bucket::{SLOTS, Walk};
use crate::map::deadline::NEVER;
use crate::map::segment::{LADDER, Segment};
use crate::record::Header;
use crate::session::Session;

/// Segments swept in one turn: a few hundred keys each, so a turn stays around two milliseconds.
const SEGMENTS_PER_TURN: usize = 32;
/// Milliseconds between two epochs while nothing expires.
const TICK_MS: u64 = 1;

/// Background work, driven by its host's clock.
#[derive(Debug)]
pub struct Maintainer {
    session: Session,
}

/// A record that is due.
type Due = (u64, *mut Header);

impl Maintainer {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    /// One slice of work, bounded to a few milliseconds: advances the epoch, clears leftovers,
    /// deletes expired keys.
    ///
    /// Returns how many milliseconds the host may sleep: 0 while more expired keys wait.
    pub fn tick(&mut self, now_ms: u64) -> u64 {
        let engine = self.session.engine();
        let sessions = engine.shared.sessions();
        engine.shared.epochs.advance(sessions.iter().map(|session| &session.place));
        let mut turn = self.session.enter(now_ms);
        turn.adopt_orphans();
        if !engine.shared.tunables.active_expire() {
            return TICK_MS;
        }
        let mut budget = SEGMENTS_PER_TURN;
        let mut complete = true;
        let mut earliest = NEVER;
        for db in 0..engine.databases() {
            complete &= turn.with_context(db, |context| context.sweep(db, &mut budget));
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

impl Context<'_> {
    /// Deletes expired keys of one database, `budget` segments at the most; true when none is due
    /// any more.
    fn sweep(&mut self, db: u16, budget: &mut usize) -> bool {
        let now_ms = self.now_ms;
        let map = self.map(db);
        map.sweep_due(now_ms, |segment| {
            if *budget == 0 {
                return None;
            }
            *budget -= 1;
            let mut due: Vec<Due> = Vec::with_capacity(SLOTS * LADDER[LADDER.len() - 1]);
            let earliest = self.inspect(segment, &mut due);
            for (hash, pointer) in due {
                if !self.expire(db, hash, pointer) {
                    // Held by a transaction or just replaced: look again at the next tick.
                    continue;
                }
            }
            Some(earliest)
        })
    }

    /// Collects a segment's expired records; returns the earliest deadline it will have left.
    fn inspect(&self, segment: &Segment, due: &mut Vec<Due>) -> u64 {
        let mut earliest = NEVER;
        let mut words = Vec::with_capacity(SLOTS * LADDER[LADDER.len() - 1]);
        for bucket in segment.buckets() {
            bucket.walk(|_, word| {
                if !word.is_empty() && !word.is_tentative() {
                    crate::prefetch::address(std::ptr::with_exposed_provenance(word.address()));
                    words.push(word.thawed());
                }
                Walk::Go
            });
        }
        for word in words {
            // SAFETY: loaded under this turn's guard.
            let (pointer, record) = unsafe { resolve(word) };
            let Some(deadline) = record.expire_at_ms().filter(|_| !record.is_tombstone()) else {
                continue;
            };
            if record.is_expired(self.now_ms) {
                due.push((self.hash(record.key()), pointer));
                if word.is_intent() {
                    earliest = earliest.min(deadline);
                }
            } else {
                earliest = earliest.min(deadline);
            }
        }
        earliest
    }
}
