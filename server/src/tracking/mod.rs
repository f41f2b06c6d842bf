//! Client-side caching: who has to be told when which key changes.
//!
//! Why it exists: a client that keeps copies of values has the server remember which keys it
//! read, and is told when one of them changes (CLIENT TRACKING). With BCAST it is told of all
//! changes below a prefix instead, and nothing is remembered. The engine notes changed keys while
//! anybody tracks ([`engine::Followers`]); whoever ran the command looks them up here and sends
//! the news to the reactors of those concerned.
//!
//! Invariants
//! - T1: a key is in the table before the read that the client may keep is made. So a writer
//!   either finds it there, or has published before the read.
//! - T2: an entry is taken out by the first change after it: a client is told once per read.
//! - T3: the table is empty while nobody tracks.
//!
//! Ordering edges
//! - `tracking-on`: a client is counted (SeqCst), then followed by the engine, before its first
//!   read; a writer publishes, then looks at the count (SeqCst). As `follow-announce`.

pub(crate) mod commands;
mod push;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use engine::Changes;
use engine::sync::{AtomicU64, Ordering};
use smallvec::SmallVec;

pub(crate) use self::commands::TrackingState;
pub(crate) use self::push::{invalidate_here, redirected};
use crate::shared::{Message, Shared};

/// Parts of the table, each with a lock.
const PARTS: usize = 64;

/// A client that tracks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Watcher {
    /// Its id.
    pub(crate) id: u64,
    /// Its reactor.
    pub(crate) reactor: usize,
}

/// Keys that somebody has to forget; `None` for all.
pub(crate) type Stale = Option<Arc<[Box<[u8]>]>>;

/// News for the clients of one reactor.
#[derive(Debug)]
pub(crate) struct Invalidation {
    /// Whom it is for.
    pub(crate) ids: SmallVec<[u64; 4]>,
    /// What changed.
    pub(crate) keys: Stale,
    /// Whose command changed it.
    pub(crate) origin: Option<u64>,
    /// Whether it is for clients in BCAST mode; `None` for both kinds.
    pub(crate) broadcast: Option<bool>,
}

/// A key and who read it.
#[derive(Debug)]
struct Tracked {
    key: Box<[u8]>,
    watchers: SmallVec<[Watcher; 2]>,
}

/// Keys by their hash, so that a random one is found by a random number.
type Part = BTreeMap<u64, Vec<Tracked>>;

/// Everything that is remembered for clients that track.
#[derive(Debug)]
pub(crate) struct Tracking {
    hasher: RandomState,
    parts: Box<[Mutex<Part>]>,
    prefixes: RwLock<BTreeMap<Box<[u8]>, Vec<Watcher>>>,
    clients: Mutex<HashMap<u64, usize>>,
    client_count: AtomicU64,
    key_count: AtomicU64,
    item_count: AtomicU64,
}

impl Default for Tracking {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            prefixes: RwLock::default(),
            clients: Mutex::default(),
            client_count: AtomicU64::new(0),
            key_count: AtomicU64::new(0),
            item_count: AtomicU64::new(0),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Changed by single steps; a panic ends the process anyway.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(counter: &AtomicU64) -> u64 {
    // ORDER: Relaxed (unpaired); a figure.
    counter.load(Ordering::Relaxed)
}

fn change(counter: &AtomicU64, by: i64) {
    // ORDER: Relaxed (unpaired); a figure.
    counter.fetch_add(by.cast_unsigned(), Ordering::Relaxed);
}

impl Tracking {
    fn part(&self, hash: u64) -> MutexGuard<'_, Part> {
        // The high bits: the low ones order the keys within the part.
        let at = usize::try_from(hash >> 58).expect("six bits");
        lock(&self.parts[at])
    }

    fn prefixes_mut(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<Box<[u8]>, Vec<Watcher>>> {
        self.prefixes.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody tracks. Asked after a change was published.
    fn is_on(&self) -> bool {
        // ORDER(tracking-on): SeqCst; orders the publication before this look.
        self.client_count.load(Ordering::SeqCst) != 0
    }

    /// Counts a client in; the caller has the engine follow changes afterwards.
    fn enter(&self, watcher: Watcher) {
        let mut clients = lock(&self.clients);
        clients.insert(watcher.id, watcher.reactor);
        // ORDER(tracking-on): SeqCst; before the client's first read.
        self.client_count.store(clients.len() as u64, Ordering::SeqCst);
    }

    /// Counts a client out, with its prefixes. The last one takes the table along (T3).
    fn leave(&self, watcher: Watcher, prefixes: &[Box<[u8]>]) {
        self.forget_prefixes(watcher, prefixes);
        let mut clients = lock(&self.clients);
        clients.remove(&watcher.id);
        // ORDER(tracking-on): SeqCst; nobody relies on when this is seen.
        self.client_count.store(clients.len() as u64, Ordering::SeqCst);
        // Nobody can come in and read meanwhile: that takes the lock that is held here.
        if clients.is_empty() {
            self.clear();
        }
    }

    fn clear(&self) {
        for part in &self.parts {
            let part = std::mem::take(&mut *lock(part));
            for tracked in part.into_values().flatten() {
                change(&self.key_count, -1);
                change(&self.item_count, -(tracked.watchers.len().cast_signed() as i64));
            }
        }
    }

    fn add_prefix(&self, watcher: Watcher, prefix: &[u8]) {
        let mut prefixes = self.prefixes_mut();
        let watchers = prefixes.entry(prefix.into()).or_default();
        if !watchers.contains(&watcher) {
            watchers.push(watcher);
        }
    }

    fn forget_prefixes(&self, watcher: Watcher, gone: &[Box<[u8]>]) {
        if gone.is_empty() {
            return;
        }
        let mut prefixes = self.prefixes_mut();
        for prefix in gone {
            let Some(watchers) = prefixes.get_mut(prefix) else { continue };
            watchers.retain(|other| *other != watcher);
            if watchers.is_empty() {
                prefixes.remove(prefix);
            }
        }
    }

    /// Remembers that a client is about to read a key (T1).
    fn remember(&self, watcher: Watcher, key: &[u8]) {
        let hash = self.hasher.hash_one(key);
        let mut part = self.part(hash);
        let same_hash = part.entry(hash).or_default();
        match same_hash.iter_mut().find(|tracked| *tracked.key == *key) {
            Some(tracked) if tracked.watchers.contains(&watcher) => return,
            Some(tracked) => tracked.watchers.push(watcher),
            None => {
                let watchers = SmallVec::from_slice(&[watcher]);
                same_hash.push(Tracked { key: key.into(), watchers });
                change(&self.key_count, 1);
            }
        }
        change(&self.item_count, 1);
    }

    /// Takes the entry of a key out (T2).
    fn take(&self, key: &[u8]) -> SmallVec<[Watcher; 2]> {
        let hash = self.hasher.hash_one(key);
        let mut part = self.part(hash);
        let Some(same_hash) = part.get_mut(&hash) else { return SmallVec::new() };
        let at = same_hash.iter().position(|tracked| *tracked.key == *key);
        let Some(tracked) = at.map(|at| same_hash.swap_remove(at)) else {
            return SmallVec::new();
        };
        if same_hash.is_empty() {
            part.remove(&hash);
        }
        self.discount(&tracked);
        tracked.watchers
    }

    fn discount(&self, tracked: &Tracked) {
        change(&self.key_count, -1);
        change(&self.item_count, -(tracked.watchers.len().cast_signed() as i64));
    }

    /// Takes some key out while there are more than `keys_max`; 0 for no limit.
    fn evict(&self, keys_max: u64, random: u64) -> Option<Tracked> {
        if keys_max == 0 || count(&self.key_count) <= keys_max {
            return None;
        }
        for i in 0..PARTS as u64 {
            // Another part with each step, and a random place in it.
            let mut part = self.part(random.wrapping_add(i << 58));
            let hash = part.range(random..).next().or_else(|| part.iter().next()).map(|(h, _)| *h);
            let Some(hash) = hash else { continue };
            let same_hash = part.get_mut(&hash).expect("just seen");
            let tracked = same_hash.pop().expect("an empty one is removed");
            if same_hash.is_empty() {
                part.remove(&hash);
            }
            self.discount(&tracked);
            return Some(tracked);
        }
        None
    }

    /// Clients that track, keys remembered, pairs of key and client, prefixes: for INFO.
    #[must_use]
    pub(crate) fn figures(&self) -> [(&'static str, u64); 4] {
        let prefixes = self.prefixes.read().unwrap_or_else(PoisonError::into_inner).len();
        [
            ("tracking_clients", count(&self.client_count)),
            ("tracking_total_keys", count(&self.key_count)),
            ("tracking_total_items", count(&self.item_count)),
            ("tracking_total_prefixes", prefixes as u64),
        ]
    }
}

/// Tells of changed keys. `origin` is the client whose command changed them.
pub(crate) fn invalidate(shared: &Shared, changes: &Changes, origin: Option<u64>) {
    let tracking = &shared.tracking;
    if (changes.keys.is_empty() && !changes.whole) || !tracking.is_on() {
        return;
    }
    if changes.whole {
        // First the table, then the news: who reads in between remembers again, and is told.
        tracking.clear();
        let clients = lock(&tracking.clients);
        let all = clients.iter().map(|(&id, &reactor)| Watcher { id, reactor }).collect();
        drop(clients);
        send(shared, all, None, origin, None);
    }
    let mut keys: Vec<&[u8]> = changes.keys.iter().map(|changed| &*changed.key).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in &keys {
        let watchers = tracking.take(key);
        send(shared, watchers.to_vec(), Some(key), origin, Some(false));
    }
    broadcast(shared, &keys, origin);
}

/// Tells those who track whole prefixes: one message for each prefix.
fn broadcast(shared: &Shared, keys: &[&[u8]], origin: Option<u64>) {
    let prefixes = shared.tracking.prefixes.read().unwrap_or_else(PoisonError::into_inner);
    for (prefix, watchers) in &*prefixes {
        let below: Vec<&[u8]> =
            keys.iter().filter(|key| key.starts_with(prefix)).copied().collect();
        if !below.is_empty() {
            let stale = below.iter().map(|key| Box::from(*key)).collect();
            send_to(shared, watchers.clone(), Some(stale), origin, Some(true));
        }
    }
}

fn send(
    shared: &Shared,
    watchers: Vec<Watcher>,
    key: Option<&[u8]>,
    origin: Option<u64>,
    broadcast: Option<bool>,
) {
    let keys = key.map(|key| Arc::from([Box::from(key)]));
    send_to(shared, watchers, keys, origin, broadcast);
}

/// Hands news to the reactors of those concerned.
fn send_to(
    shared: &Shared,
    mut watchers: Vec<Watcher>,
    keys: Stale,
    origin: Option<u64>,
    broadcast: Option<bool>,
) {
    watchers.sort_unstable_by_key(|watcher| watcher.reactor);
    for group in watchers.chunk_by(|a, b| a.reactor == b.reactor) {
        let ids = group.iter().map(|watcher| watcher.id).collect();
        let news = Invalidation { ids, keys: keys.clone(), origin, broadcast };
        shared.reactors[group[0].reactor].send(Message::Invalidate(news));
    }
}

/// Remembers that a client is about to read keys; what the limit drives out is invalidated.
fn remember(shared: &Shared, watcher: Watcher, keys: &[&[u8]], keys_max: u64, random: u64) {
    for key in keys {
        shared.tracking.remember(watcher, key);
    }
    let mut random = random;
    while let Some(evicted) = shared.tracking.evict(keys_max, random) {
        random = random.rotate_left(17).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        send(shared, evicted.watchers.to_vec(), Some(&evicted.key), None, Some(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Watcher = Watcher { id: 1, reactor: 0 };
    const B: Watcher = Watcher { id: 2, reactor: 1 };

    fn figures(tracking: &Tracking) -> [u64; 4] {
        tracking.figures().map(|(_, number)| number)
    }

    #[test]
    fn a_key_is_taken_out_by_its_first_change() {
        let tracking = Tracking::default();
        tracking.enter(A);
        tracking.enter(B);
        for watcher in [A, B, A] {
            tracking.remember(watcher, b"k");
        }
        tracking.remember(A, b"other");
        assert_eq!(figures(&tracking), [2, 2, 3, 0]);
        assert_eq!(tracking.take(b"k").as_slice(), [A, B]);
        assert!(tracking.take(b"k").is_empty() && tracking.take(b"nosuch").is_empty());
        assert_eq!(figures(&tracking), [2, 1, 1, 0]);
        tracking.leave(A, &[]);
        assert_eq!(figures(&tracking), [1, 1, 1, 0], "what it read is forgotten by and by");
        tracking.leave(B, &[]);
        assert_eq!(figures(&tracking), [0, 0, 0, 0]);
        assert!(!tracking.is_on());
    }

    #[test]
    fn the_table_stays_below_its_limit() {
        let tracking = Tracking::default();
        tracking.enter(A);
        let mut random = 7_u64;
        let mut evicted = Vec::new();
        for number in 0..1_000_u32 {
            tracking.remember(A, &number.to_le_bytes());
            while let Some(gone) = tracking.evict(100, random) {
                evicted.push(gone.key);
                random = random.rotate_left(17).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            }
        }
        assert_eq!(figures(&tracking), [1, 100, 100, 0]);
        evicted.sort_unstable();
        evicted.dedup();
        assert_eq!(evicted.len(), 900);
        assert!(tracking.evict(0, random).is_none(), "0 is no limit");
    }

    #[test]
    fn prefixes_go_with_their_last_client() {
        let tracking = Tracking::default();
        tracking.enter(A);
        tracking.enter(B);
        for watcher in [A, B, A] {
            tracking.add_prefix(watcher, b"p:");
        }
        assert_eq!(figures(&tracking)[3], 1);
        tracking.leave(A, &[Box::from(&b"p:"[..])]);
        assert_eq!(figures(&tracking)[3], 1);
        tracking.leave(B, &[Box::from(&b"p:"[..])]);
        assert_eq!(figures(&tracking), [0, 0, 0, 0]);
    }
}
