//! The keyspace as a whole: counting, scanning, sampling; emptying and swapping databases.
//!
//! Why it exists: what walks the map goes in hash order and answers with live records only; the
//! commands that need one instant (inside EXEC) run under the barrier, and so does what replaces
//! the maps themselves. That is one version for all keys (transaction.rs, `alone`), since an
//! emptied database keeps no tombstones to order the next write of a key.

use std::ptr::{self, null_mut};

use crate::context::{Context, Mode};
use crate::intent::resolve;
use crate::map::Map;
use crate::record::Record;
use crate::shared::free_map;

/// One slice of SCAN.
#[derive(Debug)]
pub struct ScanStep<'s> {
    /// Where to go on; 0 at the end.
    pub cursor: u64,
    /// The live records met.
    pub records: Vec<&'s Record>,
}

/// Random slots tried before RANDOMKEY walks on to the next key.
const SAMPLES_MAX: u32 = 64;

impl<'s> Context<'s> {
    /// Keys in a database, those included whose deadline has passed but that were not reclaimed
    /// yet (as in Redis). Cost: O(sessions).
    #[must_use]
    pub fn key_count(&mut self, db: u16) -> u64 {
        self.note_all_seen();
        let sessions = self.shared.sessions();
        let books = sessions.iter().map(|session| &session.books[usize::from(db)].keys);
        books.fold(0, |sum: u64, keys| sum.wrapping_add(keys.get()))
    }

    /// A random live record of the selected database, or `None` when there is none.
    ///
    /// Cost: a few probes; a walk through the map when nearly all of it is empty.
    pub fn random_record(&mut self) -> Option<&'s Record> {
        self.note_all_seen();
        let map = self.map(self.scope.db);
        for _ in 0..SAMPLES_MAX {
            if let Some(word) = map.sample(self.state.random()) {
                // SAFETY: loaded under this turn's guard.
                let (_, record) = unsafe { resolve(word) };
                if record.is_live(self.now_ms) {
                    return Some(record);
                }
            }
        }
        let start = self.state.random();
        let mut found = None;
        for from in [start, 0] {
            let mut position = Some(from);
            while let (Some(at), None) = (position, found) {
                position = map.scan_bucket(at, &self.shared.residents, |word| {
                    // SAFETY: loaded under this turn's guard.
                    let (_, record) = unsafe { resolve::<'s>(word) };
                    if record.is_live(self.now_ms) {
                        found = Some(record);
                    }
                });
            }
        }
        found
    }

    /// Walks whole buckets of the selected database in hash order from `cursor` until at least
    /// `count` entries were met or the end is reached.
    ///
    /// Every key that is there from the first step to the last is met (I4). A cursor is valid for
    /// good. An entry may be met twice only if the map was resized between two steps.
    pub fn scan(&mut self, cursor: u64, count: usize) -> ScanStep<'s> {
        self.note_all_seen();
        let map = self.map(self.scope.db);
        let mut records: Vec<&'s Record> = Vec::new();
        let mut met = 0;
        let mut position = Some(cursor);
        // Empty buckets cost time, too.
        let mut buckets = 0;
        while let Some(at) = position {
            if met >= count || buckets >= count.saturating_mul(10).max(100) {
                break;
            }
            buckets += 1;
            position = map.scan_bucket(at, &self.shared.residents, |word| {
                met += 1;
                // SAFETY: loaded under this turn's guard.
                let (pointer, record) = unsafe { resolve::<'s>(word) };
                debug_assert!(!ptr::addr_eq(pointer, ptr::null::<u8>()));
                if record.is_live(self.now_ms) {
                    records.push(record);
                }
            });
        }
        ScanStep { cursor: position.unwrap_or(0), records }
    }

    // --- Changing whole databases --------------------------------------------------------

    /// Empties one database, or all. The row is `EXCLUSIVE`, so the store is ours.
    ///
    /// Unless `sync`, records are freed on a thread of their own. Cost: O(1), or O(keys) when
    /// `sync`.
    pub fn flush(&mut self, db: Option<u16>, sync: bool) {
        let Mode::Alone(tid) = self.mode else { unreachable!("FLUSH rows are EXCLUSIVE") };
        self.state.changes.whole |= !self.replays;
        self.shared.rooted.set(tid.epoch());
        match db {
            Some(db) => self.stage(db, &[b"FLUSHDB"]),
            None => self.stage(0, &[b"FLUSHALL"]),
        }
        let all = 0..self.databases();
        for db in all.filter(|&each| db.is_none_or(|db| db == each)) {
            let fresh = Box::into_raw(Box::<Map>::default());
            let old = self.shared.databases[usize::from(db)].swap(fresh);
            self.close_books(db);
            if self.cut.is_some_and(|cut| cut.keeps(old)) {
                continue;
            }
            if sync {
                // SAFETY: no other turn runs, and this one does not look at the old map again:
                // a FLUSH inside EXEC is the queue's own affair, and keeps no record.
                free_map(*unsafe { Box::from_raw(old) });
            } else {
                // SAFETY: unlinked under the barrier, boxed when it was made.
                unsafe { self.guard.retire(old, usize::MAX >> 1) };
            }
        }
    }

    /// Takes a flushed database's sums off this session's books.
    fn close_books(&self, db: u16) {
        let sums = self.sums(usize::from(db));
        for (own, sum) in self.own.books[usize::from(db)].counters().into_iter().zip(sums) {
            own.subtract(sum);
        }
    }

    /// The sums of one database's books over all sessions.
    fn sums(&self, db: usize) -> [u64; 5] {
        let mut sums = [0_u64; 5];
        for session in self.shared.sessions() {
            for (sum, counter) in sums.iter_mut().zip(session.books[db].counters()) {
                *sum = sum.wrapping_add(counter.get());
            }
        }
        sums
    }

    /// Swaps two databases. The row is `EXCLUSIVE`, so the store is ours.
    pub fn swap_databases(&mut self, a: u16, b: u16) {
        let Mode::Alone(tid) = self.mode else { unreachable!("SWAPDB's row is EXCLUSIVE") };
        if a == b {
            return;
        }
        self.state.changes.whole |= !self.replays;
        self.shared.rooted.set(tid.epoch());
        let databases = &self.shared.databases;
        let first = databases[usize::from(a)].swap(null_mut());
        let second = databases[usize::from(b)].swap(first);
        databases[usize::from(a)].swap(second);
        let sums = [self.sums(usize::from(a)), self.sums(usize::from(b))];
        for (db, [mine, theirs]) in [(a, [sums[0], sums[1]]), (b, [sums[1], sums[0]])] {
            let counters = self.own.books[usize::from(db)].counters();
            for ((own, mine), theirs) in counters.into_iter().zip(mine).zip(theirs) {
                own.add(theirs.wrapping_sub(mine));
            }
        }
        self.shared.swaps.add(1);
        if let Some(cut) = self.cut {
            cut.swap_databases(a, b);
        }
        let (mut one, mut other) = (itoa::Buffer::new(), itoa::Buffer::new());
        self.stage(a, &[b"SWAPDB", one.format(a).as_bytes(), other.format(b).as_bytes()]);
    }
}
