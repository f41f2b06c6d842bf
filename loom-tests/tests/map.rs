//! Models of the map: a resize against readers and writers.

#![cfg(loom)]

use engine::map::Map;
use engine::map::deadline::NEVER;
use engine::map::segment::{Bench, Resident};
use engine::map::word::Word;
use engine::sync::{AtomicU32, Ordering};
use loom::sync::Arc;
use loom::thread;
use loom_tests::explore;

/// Keys are small numbers; a word's address is its key times 64 plus a version times 8.
struct Keys;

fn hash(key: usize) -> u64 {
    // All in the lower group; the bits behind the group's spread over buckets.
    (key as u64) << 60 | key as u64
}

fn word(key: usize, version: usize) -> Word {
    Word::record(u16::try_from(key).unwrap(), key * 64 + version * 8)
}

fn key_of(word: Word) -> usize {
    word.address() / 64
}

impl Resident for Keys {
    fn hash(&self, word: Word) -> u64 {
        hash(key_of(word))
    }

    fn deadline_ms(&self, _: Word) -> u64 {
        NEVER
    }
}

fn insert(map: &Map, bench: &Bench, key: usize) -> bool {
    let same = |word| key_of(word) == key;
    bench.pinned(|pinned| map.insert(hash(key), word(key, 0), same, &Keys, pinned))
}

fn find(map: &Map, bench: &Bench, key: usize) -> Option<Word> {
    bench.pinned(|pinned| map.find(hash(key), |word| key_of(word) == key, pinned))
}

/// A map whose next insert makes its segment grow.
fn full() -> (Arc<Map>, Arc<Bench>) {
    let (map, bench) = (Map::default(), Bench::default());
    assert!(insert(&map, &bench, 1));
    assert!(insert(&map, &bench, 2));
    (Arc::new(map), Arc::new(bench))
}

/// A key that is there all the time is found, whatever becomes of its segment.
///
/// Fails if `resize-outcome` loses its Release, or if a reader takes a frozen chain for current
/// without looking for an outcome and the key was written since.
#[test]
fn split_read() {
    explore(2, || {
        let (map, bench) = full();
        let (other, its) = (Arc::clone(&map), Arc::clone(&bench));
        let writer = thread::spawn(move || assert!(insert(&other, &its, 3)));
        assert_eq!(find(&map, &bench, 1), Some(word(1, 0)));
        assert_eq!(find(&map, &bench, 2), Some(word(2, 0)));
        writer.join().unwrap();
        for key in 1..=3 {
            assert_eq!(find(&map, &bench, key), Some(word(key, 0)), "key {key}");
        }
    });
}

/// A write is neither lost nor undone by a resize, and what it published can be read.
///
/// Fails if `freeze` does not stop writers, or if the copy is made before all is frozen.
#[test]
fn split_write() {
    explore(2, || {
        let (map, bench) = full();
        let record = Arc::new(AtomicU32::new(0));
        let (other, its) = (Arc::clone(&map), Arc::clone(&bench));
        let grower = thread::spawn(move || assert!(insert(&other, &its, 3)));
        record.store(42, Ordering::Relaxed);
        let replaced =
            bench.pinned(|pinned| map.replace_word(hash(1), word(1, 0), word(1, 1), &Keys, pinned));
        assert!(replaced, "the key was there all the time");
        assert_eq!(find(&map, &bench, 1), Some(word(1, 1)));
        grower.join().unwrap();
        assert_eq!(find(&map, &bench, 1), Some(word(1, 1)), "undone by the resize");
        assert_eq!(record.load(Ordering::Relaxed), 42);
    });
}
