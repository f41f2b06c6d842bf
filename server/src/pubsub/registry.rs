//! Who has subscribers of what: the half of publish and subscribe that reactors share.
//!
//! Why it exists: a publisher asks two questions, which reactors to send to and how many will
//! receive; both are answered from counts, without looking at any connection. The table is split
//! by the hash of the name, and a part that is empty is known by a load, so a message that nobody
//! wants (most keyspace events) takes no lock. Not for connections: see `local`.
//!
//! Invariants
//! - G1: a name is in its part while it has a subscription, and no longer.
//! - G2: the numbers of a part only grow.
//!
//! Ordering edges
//! - `registry-count`: store of a part's `names` under its lock (Release) -> load by a publisher
//!   (Acquire). A publisher that was told of a subscription (over a socket, or on its own
//!   thread) does not find zero.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use engine::commands::glob;
use engine::sync::{AtomicU64, Ordering};
use smallvec::SmallVec;

use super::Filter;

/// Reactors and how many of their subscriptions a message reaches.
pub(super) type Audience = SmallVec<[(usize, u64); 4]>;

fn add(audience: &mut Audience, reactor: usize, count: u64) {
    match audience.iter_mut().find(|(known, _)| *known == reactor) {
        Some((_, sum)) => *sum += count,
        None => audience.push((reactor, count)),
    }
}

/// Takes one subscription away.
fn subtract(audience: &mut Audience, reactor: usize) {
    let at = audience.iter().position(|(known, _)| *known == reactor);
    let at = at.expect("only what was added is taken away");
    audience[at].1 -= 1;
    if audience[at].1 == 0 {
        audience.swap_remove(at);
    }
}

/// The subscriptions of one name.
#[derive(Debug, Default)]
struct Entry {
    plain: Audience,
    /// Those with a filter, by filter.
    filtered: Vec<(Arc<Filter>, Audience)>,
}

impl Entry {
    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.filtered.is_empty()
    }

    fn count(&self) -> u64 {
        let all = self.filtered.iter().flat_map(|(_, audience)| audience);
        self.plain.iter().chain(all).map(|(_, count)| count).sum()
    }
}

#[derive(Debug, Default)]
struct Table {
    /// The last number given (G2).
    last: u64,
    names: HashMap<Arc<[u8]>, Entry>,
}

#[derive(Debug, Default)]
struct Part {
    names: AtomicU64,
    table: RwLock<Table>,
}

impl Part {
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        // Counts are changed by single steps; a panic ends the process anyway.
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_len(&self, table: &Table) {
        // ORDER(registry-count): Release; see above. Only stored under the lock.
        self.names.store(table.names.len() as u64, Ordering::Release);
    }

    fn is_empty(&self) -> bool {
        // ORDER(registry-count): Acquire; see above.
        self.names.load(Ordering::Acquire) == 0
    }
}

/// A subscription as it was entered.
#[derive(Debug)]
pub(super) struct Entered {
    /// The name, shared by all who have it.
    pub(super) name: Arc<[u8]>,
    /// The filter, shared by all who have the same.
    pub(super) filter: Option<Arc<Filter>>,
    /// Its number.
    pub(super) number: u64,
}

/// One space of names.
#[derive(Debug)]
pub(super) struct Registry {
    hasher: RandomState,
    parts: Box<[Part]>,
}

impl Registry {
    /// A registry in this many parts.
    pub(super) fn new(parts: usize) -> Self {
        let parts = (0..parts).map(|_| Part::default()).collect();
        Self { hasher: RandomState::new(), parts }
    }

    fn part(&self, name: &[u8]) -> &Part {
        let hash = self.hasher.hash_one(name);
        let at = hash % self.parts.len() as u64;
        &self.parts[usize::try_from(at).expect("below the number of parts")]
    }

    /// Enters a subscription of a connection on `reactor`.
    pub(super) fn enter(&self, name: &[u8], filter: Option<Filter>, reactor: usize) -> Entered {
        let part = self.part(name);
        let mut table = part.write();
        table.last += 1;
        let number = table.last;
        let known = table.names.get_key_value(name).map(|(name, _)| Arc::clone(name));
        let name = known.unwrap_or_else(|| name.into());
        let entry = table.names.entry(Arc::clone(&name)).or_default();
        let filter = filter.map(|filter| {
            let at = entry.filtered.iter().position(|(known, _)| **known == filter);
            let at = at.unwrap_or_else(|| {
                entry.filtered.push((Arc::new(filter), Audience::new()));
                entry.filtered.len() - 1
            });
            let (filter, audience) = &mut entry.filtered[at];
            add(audience, reactor, 1);
            Arc::clone(filter)
        });
        if filter.is_none() {
            add(&mut entry.plain, reactor, 1);
        }
        part.note_len(&table);
        Entered { name, filter, number }
    }

    /// Takes a subscription out again.
    pub(super) fn leave(&self, name: &[u8], filter: Option<&Arc<Filter>>, reactor: usize) {
        let part = self.part(name);
        let mut table = part.write();
        let entry = table.names.get_mut(name).expect("it was entered (G1)");
        match filter {
            None => subtract(&mut entry.plain, reactor),
            Some(filter) => {
                let at = entry.filtered.iter().position(|(known, _)| Arc::ptr_eq(known, filter));
                let at = at.expect("it was entered with it");
                subtract(&mut entry.filtered[at].1, reactor);
                if entry.filtered[at].1.is_empty() {
                    entry.filtered.swap_remove(at);
                }
            }
        }
        if entry.is_empty() {
            table.names.remove(name);
        }
        part.note_len(&table);
    }

    /// Adds the audience of one name and the filters that `passes` admits. Returns the number of
    /// the last subscription that is part of it.
    pub(super) fn look_up(
        &self,
        name: &[u8],
        mut passes: impl FnMut(&Filter) -> bool,
        audience: &mut Audience,
        passed: &mut Vec<Arc<Filter>>,
    ) -> u64 {
        let part = self.part(name);
        if part.is_empty() {
            return 0;
        }
        let table = part.read();
        let Some(entry) = table.names.get(name) else { return 0 };
        entry.plain.iter().for_each(|&(reactor, count)| add(audience, reactor, count));
        for (filter, counts) in &entry.filtered {
            if passes(filter) {
                passed.push(Arc::clone(filter));
                counts.iter().for_each(|&(reactor, count)| add(audience, reactor, count));
            }
        }
        table.last
    }

    /// The same for every pattern that matches `channel`. Cost: O(patterns).
    pub(super) fn look_up_patterns(
        &self,
        channel: &[u8],
        audience: &mut Audience,
        patterns: &mut Vec<Arc<[u8]>>,
    ) -> u64 {
        let part = &self.parts[0];
        if part.is_empty() {
            return 0;
        }
        let table = part.read();
        for (pattern, entry) in &table.names {
            if glob::matches(pattern, channel) {
                patterns.push(Arc::clone(pattern));
                entry.plain.iter().for_each(|&(reactor, count)| add(audience, reactor, count));
            }
        }
        table.last
    }

    /// Number of names. Cost: a load per part.
    pub(super) fn len(&self) -> u64 {
        // ORDER(registry-count): Acquire; as for a publisher.
        self.parts.iter().map(|part| part.names.load(Ordering::Acquire)).sum()
    }

    /// Subscriptions of one name.
    pub(super) fn count(&self, name: &[u8]) -> u64 {
        self.part(name).read().names.get(name).map_or(0, Entry::count)
    }

    /// All names that match a pattern.
    pub(super) fn matching(&self, pattern: Option<&[u8]>) -> Vec<Arc<[u8]>> {
        let mut found = Vec::new();
        for part in &self.parts {
            let table = part.read();
            let fits =
                |name: &&Arc<[u8]>| pattern.is_none_or(|pattern| glob::matches(pattern, name));
            found.extend(table.names.keys().filter(fits).cloned());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(registry: &Registry, name: &[u8]) -> (Vec<(usize, u64)>, u64) {
        let (mut audience, mut passed) = (Audience::new(), Vec::new());
        let last = registry.look_up(name, |_| true, &mut audience, &mut passed);
        audience.sort_unstable();
        (audience.to_vec(), last)
    }

    #[test]
    fn counts_follow_subscriptions_and_a_name_goes_with_its_last() {
        let registry = Registry::new(4);
        assert_eq!(look_up(&registry, b"a"), (vec![], 0));
        let first = registry.enter(b"a", None, 0);
        let second = registry.enter(b"a", None, 1);
        registry.enter(b"a", None, 1);
        assert!(Arc::ptr_eq(&first.name, &second.name) && first.number < second.number);
        let (audience, last) = look_up(&registry, b"a");
        assert_eq!((audience, last), (vec![(0, 1), (1, 2)], second.number + 1));
        assert_eq!((registry.count(b"a"), registry.len()), (3, 1));
        registry.leave(b"a", None, 0);
        registry.leave(b"a", None, 1);
        assert_eq!(look_up(&registry, b"a").0, [(1, 1)]);
        registry.leave(b"a", None, 1);
        assert_eq!((registry.count(b"a"), registry.len()), (0, 0));
        assert!(registry.matching(None).is_empty());
    }

    #[test]
    fn equal_filters_are_one() {
        let registry = Registry::new(1);
        let filter = |value: &[u8]| Filter::new(b"$.a", value).unwrap();
        let first = registry.enter(b"a", Some(filter(b"1")), 0).filter.unwrap();
        let same = registry.enter(b"a", Some(filter(b"1")), 1).filter.unwrap();
        let other = registry.enter(b"a", Some(filter(b"2")), 1).filter.unwrap();
        assert!(Arc::ptr_eq(&first, &same) && !Arc::ptr_eq(&first, &other));
        let (mut audience, mut passed) = (Audience::new(), Vec::new());
        registry.look_up(b"a", |filter| *filter == *first, &mut audience, &mut passed);
        assert_eq!((audience.to_vec(), passed.len()), (vec![(0, 1), (1, 1)], 1));
        registry.leave(b"a", Some(&first), 0);
        registry.leave(b"a", Some(&first), 1);
        registry.leave(b"a", Some(&other), 1);
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn patterns_are_matched_against_the_channel() {
        let registry = Registry::new(1);
        registry.enter(b"news.*", None, 0);
        registry.enter(b"*", None, 2);
        registry.enter(b"other", None, 0);
        let (mut audience, mut patterns) = (Audience::new(), Vec::new());
        let last = registry.look_up_patterns(b"news.art", &mut audience, &mut patterns);
        audience.sort_unstable();
        assert_eq!((audience.to_vec(), patterns.len(), last), (vec![(0, 1), (2, 1)], 2, 3));
        assert_eq!(registry.matching(Some(b"n*")).len(), 1);
    }
}
