//! The maps that are compared, behind one interface.

use std::collections::HashMap;

use engine::reply::Discard;
use engine::{Ahead, Engine, Scope, Session};
use foldhash::fast::RandomState;

use crate::keys::{Key, VALUE};

/// A moment in 2023: nothing expires in a benchmark.
const NOW_MS: u64 = 1_700_000_000_000;

/// A map that any number of threads use.
pub trait Store: Sync {
    /// A thread's way into it.
    type Worker<'s>: Worker
    where
        Self: 's;

    /// As tables name it.
    const NAME: &'static str;

    /// Empty.
    fn new() -> Self;

    /// For the calling thread.
    fn worker(&self) -> Self::Worker<'_>;
}

/// One thread's way into a map.
pub trait Worker {
    /// Reads every byte of the values of `keys`; the sum of the bytes proves it.
    fn get(&mut self, keys: &[Key]) -> u64;

    /// Stores [`VALUE`] under each of `keys`.
    fn set(&mut self, keys: &[Key]);
}

fn sum(value: &[u8]) -> u64 {
    value.iter().map(|&byte| u64::from(byte)).sum()
}

/// Zumic's keyspace, through the embedded interface.
#[derive(Debug)]
pub struct Zumic(Engine);

impl Store for Zumic {
    type Worker<'s> = Session;
    const NAME: &'static str = "zumic";

    fn new() -> Self {
        Self(Engine::builder().databases(1).seed(7).build())
    }

    fn worker(&self) -> Session {
        self.0.session()
    }
}

/// The hints for a batch, on the stack.
fn ahead(keys: &[Key], value: bool) -> impl Iterator<Item = Ahead<'_>> {
    keys.iter().map(move |key| Ahead { db: 0, key, value, element: None })
}

impl Worker for Session {
    fn get(&mut self, keys: &[Key]) -> u64 {
        let mut turn = self.enter(NOW_MS);
        if keys.len() > 1 {
            turn.prefetch(&ahead(keys, true).collect::<Vec<_>>());
        }
        let (mut scope, mut sink, mut total) = (Scope::default(), Discard, 0);
        for key in keys {
            let read = turn.with(&mut scope, &mut sink, |context| {
                let text = context.read(key)?.and_then(engine::Record::text);
                Ok(text.map_or(0, |text| sum(&text.to_bytes())))
            });
            total += read.unwrap_or(0);
        }
        total
    }

    fn set(&mut self, keys: &[Key]) {
        let mut turn = self.enter(NOW_MS);
        if keys.len() > 1 {
            turn.prefetch(&ahead(keys, false).collect::<Vec<_>>());
        }
        for key in keys {
            turn.set(0, key, &VALUE).expect("nothing holds a key");
        }
    }
}

type Text = Box<[u8]>;

/// papaya: lock-free, with incremental resizing.
#[derive(Debug)]
pub struct Papaya(papaya::HashMap<Text, Text, RandomState>);

impl Store for Papaya {
    type Worker<'s> = &'s Self;
    const NAME: &'static str = "papaya";

    fn new() -> Self {
        Self(papaya::HashMap::with_hasher(RandomState::default()))
    }

    fn worker(&self) -> &Self {
        self
    }
}

impl Worker for &Papaya {
    fn get(&mut self, keys: &[Key]) -> u64 {
        let map = self.0.pin();
        keys.iter().filter_map(|key| map.get(&key[..])).map(|value| sum(value)).sum()
    }

    fn set(&mut self, keys: &[Key]) {
        let map = self.0.pin();
        for key in keys {
            map.insert(key[..].into(), VALUE[..].into());
        }
    }
}

/// `DashMap`: shards under locks.
#[derive(Debug)]
pub struct Dash(dashmap::DashMap<Text, Text, RandomState>);

impl Store for Dash {
    type Worker<'s> = &'s Self;
    const NAME: &'static str = "dashmap";

    fn new() -> Self {
        Self(dashmap::DashMap::with_hasher(RandomState::default()))
    }

    fn worker(&self) -> &Self {
        self
    }
}

impl Worker for &Dash {
    fn get(&mut self, keys: &[Key]) -> u64 {
        keys.iter().filter_map(|key| self.0.get(&key[..])).map(|value| sum(&value)).sum()
    }

    fn set(&mut self, keys: &[Key]) {
        for key in keys {
            self.0.insert(key[..].into(), VALUE[..].into());
        }
    }
}

/// The standard map under one read-write lock, taken for each operation.
#[derive(Debug)]
pub struct Locked(parking_lot::RwLock<HashMap<Text, Text, RandomState>>);

impl Store for Locked {
    type Worker<'s> = &'s Self;
    const NAME: &'static str = "std+rwlock";

    fn new() -> Self {
        Self(parking_lot::RwLock::new(HashMap::with_hasher(RandomState::default())))
    }

    fn worker(&self) -> &Self {
        self
    }
}

impl Worker for &Locked {
    fn get(&mut self, keys: &[Key]) -> u64 {
        keys.iter().map(|key| self.0.read().get(&key[..]).map_or(0, |value| sum(value))).sum()
    }

    fn set(&mut self, keys: &[Key]) {
        for key in keys {
            let (key, value): (Text, Text) = (key[..].into(), VALUE[..].into());
            let old = self.0.write().insert(key, value);
            drop(old);
        }
    }
}

/// A store with `population` keys.
#[must_use]
pub fn filled<S: Store>(population: u64) -> S {
    let store = S::new();
    let mut worker = store.worker();
    let mut batch = Vec::with_capacity(crate::BATCH);
    for number in 0..population {
        batch.push(crate::keys::key(number));
        if batch.len() == crate::BATCH || number + 1 == population {
            worker.set(&batch);
            batch.clear();
        }
    }
    drop(worker);
    store
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{VALUE_BYTES, key};

    fn answers<S: Store>() {
        let store = filled::<S>(1_000);
        let keys = [key(0), key(999), key(1_000)];
        let bytes = u64::try_from(VALUE_BYTES).unwrap() * u64::from(b'v');
        assert_eq!(store.worker().get(&keys), 2 * bytes, "{}: two of three are there", S::NAME);
    }

    #[test]
    fn every_contestant_does_the_work() {
        answers::<Zumic>();
        answers::<Papaya>();
        answers::<Dash>();
        answers::<Locked>();
    }
}
