//! What a command may ask about the keyspace as a whole: counting, scanning, sampling.
//!
//! Why it exists: these walk the map in hash order and answer with live records only; the
//! commands that need one instant (inside EXEC) run under the barrier.

use std::ptr;

use crate::context::Context;
use crate::intent::resolve;
use crate::record::Record;

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
    pub fn key_count(&self, db: u16) -> u64 {
        let sessions = self.shared.sessions();
        let books = sessions.iter().map(|session| &session.books[usize::from(db)].keys);
        books.fold(0, |sum: u64, keys| sum.wrapping_add(keys.get()))
    }

    /// A random live record of the selected database, or `None` when there is none.
    ///
    /// Cost: a few probes; a walk through the map when nearly all of it is empty.
    pub fn random_record(&mut self) -> Option<&'s Record> {
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
}
