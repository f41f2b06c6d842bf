//! Models of a snapshot: its cut, its claims, and its scan of a map that is being resized.

#![cfg(loom)]

use engine::Tid;
use engine::epoch::{Epochs, Place};
use engine::latch::{Latch, Reading};
use engine::mailbox::Mailbox;
use engine::map::Map;
use engine::map::deadline::NEVER;
use engine::map::segment::{Bench, Resident};
use engine::map::word::Word;
use engine::sync::{AtomicU32, AtomicU64, Ordering};
use engine::version::{ClaimNumber, Version};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use loom_tests::explore;

/// The last epoch of the cut.
const CUT: u64 = 5;
const NUMBER: ClaimNumber = ClaimNumber::FIRST;

/// Keys are small numbers; a word's address is its key times 64 plus a version times 8.
struct Keys;

fn hash(key: usize) -> u64 {
    (key as u64) << 60 | key as u64
}

fn word(key: usize, version: usize) -> Word {
    Word::record(u16::try_from(key).unwrap(), key * 64 + version * 8)
}

impl Resident for Keys {
    fn hash(&self, word: Word) -> u64 {
        hash(word.address() / 64)
    }

    fn deadline_ms(&self, _: Word) -> u64 {
        NEVER
    }
}

/// A map, and the records behind its words: three keys in two versions.
struct Store {
    map: Map,
    bench: Bench,
    records: [Version; 8],
    mail: Mailbox<Word>,
}

fn place_of(word: Word) -> usize {
    word.address() / 64 * 2 + word.address() / 8 % 2
}

impl Store {
    /// Keys 1 and 2 in their first version, which is of the cut; the next insert makes the only
    /// segment grow.
    fn new() -> Arc<Self> {
        let (map, bench) = (Map::default(), Bench::default());
        let records: [Version; 8] = std::array::from_fn(|place| {
            let version = Version::default();
            let epoch = if place % 2 == 0 && place / 2 < 3 { CUT } else { CUT + 1 };
            version.set(Tid::start_of(epoch).next());
            version
        });
        let store = Self { map, bench, records, mail: Mailbox::default() };
        store.insert(1);
        store.insert(2);
        Arc::new(store)
    }

    fn insert(&self, key: usize) {
        let same = |word: Word| word.address() / 64 == key;
        let new = word(key, 0);
        let done = self.bench.pinned(|pinned| self.map.insert(hash(key), new, same, &Keys, pinned));
        assert!(done, "nobody else inserts it");
    }

    fn claims(&self, word: Word) -> bool {
        self.records[place_of(word)].claim(CUT, NUMBER)
    }

    /// What a writer does: replaces the key's first version, and hands it over if it can claim it.
    fn replace(&self, key: usize) {
        let (old, new) = (word(key, 0), word(key, 1));
        let done =
            self.bench.pinned(|pinned| self.map.replace_word(hash(key), old, new, &Keys, pinned));
        assert!(done, "the key was there all the time");
        if self.claims(old) {
            self.mail.push(old);
        }
    }

    /// What the scanner does: all buckets in hash order.
    fn scan(&self) -> Vec<Word> {
        let mut taken = Vec::new();
        let mut position = Some(0);
        while let Some(at) = position {
            self.bench.pinned(|_| {
                position = self.map.scan_bucket(at, &Keys, |word| {
                    if self.claims(word) {
                        taken.push(word);
                    }
                });
            });
        }
        taken
    }

    fn assert_exact(&self, mut taken: Vec<Word>) {
        self.mail.drain(|word| taken.push(word));
        taken.sort_by_key(|word| word.address());
        assert_eq!(taken, [word(1, 0), word(2, 0)], "not the state of the cut");
    }
}

/// A record that is replaced during a scan is taken once: by the scanner, or by its replacer.
///
/// Fails if `Version::claim` becomes a load and a store, if the replacer hands over without a
/// claim, or if it claims before the replacement is done and then retires.
#[test]
fn claim_replace() {
    explore(3, || {
        let store = Store::new();
        let other = Arc::clone(&store);
        let writer = thread::spawn(move || other.replace(1));
        let taken = store.scan();
        writer.join().unwrap();
        store.assert_exact(taken);
    });
}

/// A segment that is replaced by another during a scan loses nothing of the cut and doubles
/// nothing, and what came after the cut is left out.
///
/// Fails if the scanner takes without a claim, or looks at the epoch no more.
#[test]
fn scan_split() {
    explore(2, || {
        let store = Store::new();
        let other = Arc::clone(&store);
        let writer = thread::spawn(move || {
            other.insert(3);
            other.replace(2);
        });
        let taken = store.scan();
        writer.join().unwrap();
        store.assert_exact(taken);
    });
}

/// An object's state at the cut is taken once, before its first edit.
///
/// Fails if the scanner claims without announcing itself, or the editor edits before it claims.
#[test]
fn claim_edit() {
    explore(3, || {
        let latch = Arc::new(Latch::default());
        let reading = Arc::new(Reading::default());
        let version = Arc::new(Version::default());
        version.set(Tid::start_of(CUT));
        let body = Arc::new(UnsafeCell::new([0_u32, 0]));
        let (door, at, its) = (Arc::clone(&latch), Arc::clone(&reading), Arc::clone(&version));
        let value = Arc::clone(&body);
        let editor = thread::spawn(move || {
            if !door.try_hold() {
                return None;
            }
            let free = !at.names(&door);
            let mut copy = None;
            if free {
                // SAFETY: what the model is about: loom reports a reader at the same time.
                value.with_mut(|value| unsafe {
                    if its.claim(CUT, NUMBER) {
                        copy = Some(*value);
                    }
                    (*value)[0] += 1;
                    (*value)[1] += 1;
                });
                its.set(Tid::start_of(CUT + 1));
            }
            door.release();
            copy
        });
        let scan = || {
            let place = reading.try_enter(&latch)?;
            // SAFETY: as above.
            let copy = body.with(|seen| unsafe { *seen });
            let taken = version.claim(CUT, NUMBER).then_some(copy);
            reading.leave(place);
            taken
        };
        let mine = scan();
        let theirs = editor.join().unwrap();
        let later = scan();
        let taken: Vec<[u32; 2]> = [mine, theirs, later].into_iter().flatten().collect();
        assert_eq!(taken, [[0, 0]], "not the state of the cut");
    });
}

/// A turn that did not see the cut is of its epochs, and its writes are there for the scanner; one
/// that saw it is behind it.
///
/// Fails if the cut is stored after the barrier was dropped, or if either fence of `epoch-enter`
/// goes.
#[test]
fn cut_begin() {
    explore(3, || {
        let epochs = Arc::new(Epochs::default());
        let places = Arc::new([Place::new(1), Place::new(2)]);
        let active = Arc::new(AtomicU64::new(0));
        let written = Arc::new(AtomicU32::new(0));
        let (its, at) = (Arc::clone(&epochs), Arc::clone(&places));
        let (cut, cell) = (Arc::clone(&active), Arc::clone(&written));
        let session = thread::spawn(move || {
            let epoch = its.try_enter(&at[1])?;
            let seen = cut.load(Ordering::Relaxed);
            cell.store(1, Ordering::Relaxed);
            at[1].leave();
            Some((epoch, seen))
        });
        let wait = || {
            thread::yield_now();
            true
        };
        assert!(epochs.take_barrier(&places[0], || places.iter().collect(), wait));
        let end = epochs.cut(10);
        active.store(end, Ordering::Relaxed);
        let there = written.load(Ordering::Relaxed) == 1;
        epochs.drop_barrier();
        match session.join().unwrap() {
            Some((epoch, 0)) => assert!(epoch <= end && there, "a write of the cut is missing"),
            Some((epoch, seen)) => assert!(seen == end && epoch > end, "a write is in the cut"),
            None => {}
        }
    });
}
