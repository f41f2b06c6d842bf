//! Models of a bucket: inserts, removals, replacements, freezing.

#![cfg(loom)]

use engine::map::bucket::{Bucket, Insert, Walk, replace};
use engine::map::word::Word;
use engine::sync::{AtomicU32, Ordering};
use loom::sync::Arc;
use loom::thread;
use loom_tests::explore;

const TAG: u16 = 7;

/// Entry `n` of the key every model is about.
fn entry(n: usize) -> Word {
    Word::record(TAG, n * 8)
}

fn boxed(bucket: Bucket) -> *mut Bucket {
    Box::into_raw(Box::new(bucket))
}

fn insert(bucket: &Bucket, word: Word) -> Insert {
    bucket.insert(word, |_| true, boxed)
}

/// Confirmed entries of the key.
fn confirmed(bucket: &Bucket) -> Vec<Word> {
    let mut found = Vec::new();
    bucket.walk(|_, word| {
        if !word.is_empty() && !word.is_tentative() {
            found.push(word.thawed());
        }
        Walk::Go
    });
    found
}

/// Two inserters of one key never both succeed.
///
/// Fails if `insert-rescan` loses its fence (checked by hand: change it and run).
#[test]
fn insert_insert() {
    explore(3, || {
        let bucket = Arc::new(Bucket::default());
        let other = Arc::clone(&bucket);
        let thread = thread::spawn(move || insert(&other, entry(1)));
        let ours = insert(&bucket, entry(2));
        let theirs = thread.join().unwrap();
        let done = [ours, theirs].iter().filter(|result| **result == Insert::Done).count();
        let found = confirmed(&bucket);
        assert!(done <= 1, "both inserted");
        assert_eq!(found.len(), done, "{found:?}");
    });
}

/// An inserter that lost finds the winner's entry, or room, when it comes again.
///
/// Fails if a confirmed twin further down is cleared instead of respected.
#[test]
fn insert_insert_until_one_is_there() {
    explore(2, || {
        let bucket = Arc::new(Bucket::default());
        let put = |bucket: &Bucket, word: Word| {
            for _ in 0..3 {
                if bucket.find(TAG, |_| true).entry.is_some() {
                    return;
                }
                if insert(bucket, word) == Insert::Done {
                    return;
                }
                thread::yield_now();
            }
        };
        let other = Arc::clone(&bucket);
        let thread = thread::spawn(move || put(&other, entry(1)));
        put(&bucket, entry(2));
        thread.join().unwrap();
        assert!(confirmed(&bucket).len() <= 1);
    });
}

/// An insert beside a removal of the same key's old entry ends with the new entry alone.
///
/// Fails if `insert` does not look at the whole chain again after its tentative store.
#[test]
fn insert_remove() {
    explore(3, || {
        let bucket = Arc::new(Bucket::default());
        assert_eq!(insert(&bucket, entry(1)), Insert::Done);
        let other = Arc::clone(&bucket);
        let remover = thread::spawn(move || {
            let found = other.find(TAG, |_| true);
            let (slot, word) = found.entry.expect("the old entry");
            replace(slot, word, Word::EMPTY)
        });
        let inserted = insert(&bucket, entry(2));
        let removed = remover.join().unwrap();
        let found = confirmed(&bucket);
        match (inserted, removed) {
            (Insert::Done, true) => assert_eq!(found, [entry(2)]),
            (Insert::Lost, true) => assert!(found.is_empty()),
            other => panic!("{other:?} {found:?}"),
        }
    });
}

/// A tombstone is cleared while its key is written again: the write takes the tombstone's slot or
/// finds it gone; either way the key is there once, with the new value.
///
/// Fails if `replace` ignores the word it expects.
#[test]
fn tombstone_insert() {
    explore(3, || {
        let bucket = Arc::new(Bucket::default());
        let tombstone = entry(1);
        assert_eq!(insert(&bucket, tombstone), Insert::Done);
        let other = Arc::clone(&bucket);
        let sweeper = thread::spawn(move || {
            other.walk(|slot, word| {
                if word == tombstone {
                    replace(slot, word, Word::EMPTY);
                }
                Walk::Go
            });
        });
        let written = loop {
            match bucket.find(TAG, |_| true).entry {
                Some((slot, word)) if replace(slot, word, entry(2)) => break,
                Some(_) => {}
                None if insert(&bucket, entry(2)) == Insert::Done => break,
                None => {}
            }
            thread::yield_now();
        };
        let () = written;
        sweeper.join().unwrap();
        assert_eq!(confirmed(&bucket), [entry(2)]);
    });
}

/// Who reads a replaced slot sees what the new record holds.
///
/// Fails if `slot-publish` loses its Release in `replace`, or its Acquire in `load`.
#[test]
fn replace_read() {
    explore(3, || {
        let bucket = Arc::new(Bucket::default());
        let record = Arc::new(AtomicU32::new(0));
        assert_eq!(insert(&bucket, entry(1)), Insert::Done);
        let (other, filled) = (Arc::clone(&bucket), Arc::clone(&record));
        let writer = thread::spawn(move || {
            filled.store(42, Ordering::Relaxed);
            let (slot, word) = other.find(TAG, |_| true).entry.expect("the old entry");
            assert!(replace(slot, word, entry(2)));
        });
        let (_, word) = bucket.find(TAG, |_| true).entry.expect("old or new");
        if word == entry(2) {
            assert_eq!(record.load(Ordering::Relaxed), 42, "a record before its content");
        }
        writer.join().unwrap();
    });
}

/// A full chain grows while it is read: an entry that is there all the time is always found.
///
/// Fails if the last slot is emptied before the overflow bucket is attached.
#[test]
fn overflow_read() {
    explore(3, || {
        let bucket = Arc::new(Bucket::default());
        let keys = [Word::record(1, 8), Word::record(2, 16)];
        for word in keys {
            assert_eq!(bucket.insert(word, |other| other == word, boxed), Insert::Done);
        }
        let other = Arc::clone(&bucket);
        let writer = thread::spawn(move || {
            let third = Word::record(3, 24);
            other.insert(third, |word| word == third, boxed)
        });
        let found = bucket.find(2, |word| word == keys[1]);
        assert!(found.entry.is_some(), "lost while it moved down");
        assert_eq!(writer.join().unwrap(), Insert::Done);
    });
}

/// A writer against a freeze: either its write is in what was frozen, or it fails.
///
/// Fails if `freeze` becomes a load and a store.
#[test]
fn freeze_write() {
    explore(3, || {
        let bucket = Arc::new(Bucket::default());
        assert_eq!(insert(&bucket, entry(1)), Insert::Done);
        let other = Arc::clone(&bucket);
        let writer = thread::spawn(move || {
            let found = other.find(TAG, |_| true);
            let (slot, word) = found.entry.expect("the entry");
            !found.frozen && replace(slot, word, entry(2))
        });
        bucket.freeze();
        let frozen = confirmed(&bucket);
        let written = writer.join().unwrap();
        assert_eq!(frozen, [if written { entry(2) } else { entry(1) }]);
        assert_eq!(confirmed(&bucket), frozen, "changed after it was frozen");
    });
}
