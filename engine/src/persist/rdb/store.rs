//! Values out of the keyspace and into it.
//!
//! Why it exists: the codec knows values, the keyspace knows records; commands, snapshots and
//! recovery meet here. Two ways in: [`Context::put_loaded`] is a write like any other, with its
//! place in the log and its events; [`Turn::load`] fills a store that nobody uses yet.

use zumic_error::DumpError;

use super::value::{Loaded, Rules, ValueRef};
use crate::context::Context;
use crate::evict::Access;
use crate::host::Halt;
use crate::map::tag_of;
use crate::map::word::Word;
use crate::record::Record;
use crate::session::Turn;
use crate::shared::Standing;
use crate::tid::Tid;

impl<'s> Context<'s> {
    /// What decoding has to know of this engine.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules { thresholds: self.thresholds(), seed: self.table_seed() }
    }

    /// Calls `read` with the record and the value at `key`, of any type; `None` when it is absent.
    /// Counts as an access. An editor of the value waits meanwhile.
    ///
    /// # Errors
    /// [`Halt::Busy`] when an editor is inside for longer than a spin.
    pub fn read_value<R>(
        &mut self,
        key: &[u8],
        read: impl FnOnce(&Record, ValueRef<'_>) -> R,
    ) -> Result<Option<R>, Halt> {
        let db = self.scope.db;
        let Some((record, _place)) = self.seek(db, key)? else {
            self.own.misses.add(1);
            self.notify_missed(db, key);
            return Ok(None);
        };
        self.own.hits.add(1);
        if !self.scope.no_touch {
            self.touch(record);
        }
        Ok(Some(match record.object() {
            // SAFETY: `_place` or the command's preparation keeps editors out (collection, Y2
            // and Y3).
            Some(object) => read(record, unsafe { ValueRef::of_object(&object) }),
            None => {
                let value = ValueRef::of_record(record).expect("a record without an object");
                read(record, value)
            }
        }))
    }

    /// Stores a decoded value under `key`, as one step.
    ///
    /// # Errors
    /// [`DumpError::BusyKey`] when the key is there and must not be replaced; others as
    /// [`Context::update`].
    pub fn put_loaded(
        &mut self,
        db: u16,
        key: &[u8],
        loaded: &Loaded<'_>,
        expire_at_ms: Option<u64>,
        replace: bool,
    ) -> Result<(), Halt> {
        self.update_in(db, key, |old| {
            if old.is_some() && !replace {
                return Err(DumpError::BusyKey.into());
            }
            Ok((loaded.clone().into_change(expire_at_ms), ()))
        })
    }

    /// Sets what eviction knows of a key's use, if the policy asks for that.
    ///
    /// # Errors
    /// None today; as [`Context::peek`].
    pub fn set_access(&mut self, key: &[u8], access: Access) -> Result<(), Halt> {
        if let (Some(record), Some(clock)) = (self.peek(key)?, self.clock_of(access)) {
            record.set_access(clock);
        }
        Ok(())
    }

    /// See [`Turn::load`].
    fn load(
        &mut self,
        db: u16,
        key: &[u8],
        loaded: Loaded<'_>,
        expire_at_ms: Option<u64>,
        access: Option<Access>,
    ) -> bool {
        let change = loaded.into_change(expire_at_ms);
        let new = self.build(db, key, None, change).expect("a value makes a record");
        if let Some(clock) = access.and_then(|access| self.clock_of(access)) {
            new.set_access(clock);
        }
        new.set_tid(self.next_tid(Tid::ZERO));
        let hash = self.hash(key);
        let word = Word::record(tag_of(hash), new.as_ptr().expose_provenance());
        // SAFETY: allocated above; in the map, the turn's guard keeps it.
        let fresh: &'s Record = unsafe { Record::from_raw(new.as_ptr()) };
        let standing = Standing::of_new(fresh);
        // Nobody removes or moves keys meanwhile: what is not there was not refused for that.
        let again = |own: &Self| own.lookup(db, hash, key).is_null();
        let done = self.insert(db, hash, key, word, new, again);
        if done {
            self.settle(db, hash, None, fresh, standing);
        }
        done
    }
}

impl Turn<'_> {
    /// What decoding has to know of this engine.
    #[must_use]
    pub fn rules(&mut self) -> Rules {
        self.with_context(0, |context| context.rules())
    }

    /// Makes room in an empty database for so many keys to come. Does nothing where some are, or
    /// there is no such database.
    pub(crate) fn reserve(&mut self, db: u64, keys: u64) {
        let there =
            u16::try_from(db).ok().filter(|&db| usize::from(db) < self.shared().databases.len());
        if let (Some(db), Ok(keys)) = (there, usize::try_from(keys)) {
            self.with_context(db, |context| context.map(db).reserve(keys, context.pinned(db)));
        }
    }

    /// Stores a decoded value under a key that is absent: without a place in the log, without
    /// events, and past the limit of memory. For filling a store from a file; several sessions
    /// may do it at once. False, and nothing stored, when the key is there.
    ///
    /// Cost: one allocation and one insertion.
    pub fn load(
        &mut self,
        db: u16,
        key: &[u8],
        loaded: Loaded<'_>,
        expire_at_ms: Option<u64>,
        access: Option<Access>,
    ) -> bool {
        self.with_context(db, |context| context.load(db, key, loaded, expire_at_ms, access))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use crate::persist::rdb::value::{Style, ValueRef, decode, encode, type_byte};
    use crate::{Engine, Text};

    /// One start in some hundreds was refused, because a key of the snapshot was there twice. It
    /// was not: where the last slot of a bucket is taken by two threads at once, one of them has
    /// to try again, and loading took that for a key that is there.
    #[test]
    fn threads_that_load_in_one_place_do_not_take_each_other_for_the_key() {
        const THREADS: u32 = 3;
        const KEYS: u32 = 3_000;
        let value = ValueRef::Text(Text::Int(1));
        let mut bytes = Vec::new();
        encode(value, Style::OWN, &mut bytes);
        for round in 0..60 {
            let engine = Engine::builder().databases(1).seed(round).build();
            let start = Barrier::new(THREADS as usize);
            thread::scope(|scope| {
                for worker in 0..THREADS {
                    let (engine, start, bytes) = (&engine, &start, &bytes);
                    scope.spawn(move || {
                        let mut session = engine.session();
                        start.wait();
                        let mut turn = session.enter(1);
                        let rules = turn.rules();
                        for number in 0..KEYS {
                            let key = (number * THREADS + worker).to_le_bytes();
                            let loaded = decode(type_byte(value, Style::OWN), bytes, &rules)
                                .expect("it was encoded a moment ago");
                            let stored = turn.load(0, &key, loaded, None, None);
                            assert!(stored, "round {round}: key {key:?} is new");
                        }
                        let loaded = decode(type_byte(value, Style::OWN), bytes, &rules)
                            .expect("it was encoded a moment ago");
                        assert!(!turn.load(0, &worker.to_le_bytes(), loaded, None, None));
                    });
                }
            });
            let keys: u64 = engine.stats().databases.iter().map(|db| db.keys).sum();
            assert_eq!(keys, u64::from(THREADS * KEYS), "round {round}");
        }
    }

    /// Made once, the room is enough: what is added while the keys come in is overflow.
    #[test]
    fn a_store_with_room_does_not_grow_while_it_is_filled() {
        let value = ValueRef::Text(Text::Int(1));
        let mut bytes = Vec::new();
        encode(value, Style::OWN, &mut bytes);
        for keys in [100_u64, 3_137, 40_000, 60_000] {
            let engine = Engine::builder().databases(2).seed(7).build();
            let mut session = engine.session();
            let mut turn = session.enter(1);
            turn.reserve(1, keys);
            let room = engine.stats().memory_index;
            let rules = turn.rules();
            for number in 0..keys {
                let loaded = decode(type_byte(value, Style::OWN), &bytes, &rules).unwrap();
                assert!(turn.load(1, &number.to_le_bytes(), loaded, None, None));
            }
            turn.reserve(1, 10 * keys);
            let used = engine.stats().memory_index;
            let without = keys <= 3_136;
            assert_eq!(room == 0, without, "{keys} keys: {room} bytes");
            assert!(without || used < room + room / 3, "{keys} keys: {room}, then {used} bytes");
            assert!(used < 32 * keys + 64 * 600, "{keys} keys: {used} bytes");
            drop(turn);
            for number in 0..keys {
                let found = session.enter(1).get(1, &number.to_le_bytes()).unwrap();
                assert_eq!(found.as_deref(), Some(&b"1"[..]), "{number} of {keys}");
            }
        }
    }
}
