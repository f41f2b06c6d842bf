//! Models of the log's protocols: lanes, epochs with a write in flight, wake-ups.

#![cfg(loom)]

use engine::Tid;
use engine::epoch::{Epochs, Place};
use engine::persist::log::bell::Bell;
use engine::persist::log::durable::Durable;
use engine::persist::log::lane::{Budget, lane};
use engine::sync::{AtomicU64, Ordering, fence};
use loom::sync::Arc;
use loom::thread;
use loom_tests::explore;

/// Chunks with room for one entry of the models, so that the chain grows with each.
const CHUNK_BYTES: usize = 64;

fn tid(of: u64) -> Tid {
    Tid::from_bits(Tid::start_of(1).to_bits() + of)
}

fn new_lane() -> (engine::persist::log::lane::LaneWriter, engine::persist::log::lane::LaneReader) {
    lane(std::sync::Arc::new(Budget::new(1 << 20)), CHUNK_BYTES)
}

/// The values of the entries in `bytes`: each entry of the models ends with its value.
fn values(bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    let mut values = Vec::new();
    while let Some(&length) = rest.first() {
        let (entry, behind) = rest.split_at(usize::from(length));
        values.push(*entry.last().expect("an entry has bytes"));
        rest = behind;
    }
    values
}

/// What the log thread takes is whole, in order, and in the end everything; a withdrawn entry is
/// not there; the TID it knows of is at least that of the last entry it took.
///
/// Fails if `log-publish` or `log-chain` loses its Release or its Acquire, or if `take` looks at
/// `published` before `next`.
#[test]
fn lane_publish_take() {
    explore(3, || {
        let (mut writer, mut reader) = new_lane();
        let session = thread::spawn(move || {
            writer.stage(0, &[b"a"]);
            writer.publish(tid(1), 0);
            writer.stage(0, &[b"x"]);
            writer.withdraw();
            writer.stage(0, &[b"b"]);
            writer.publish(tid(2), 0);
            writer.stage(0, &[b"c"]);
            writer.publish(tid(3), 0);
        });
        let mut bytes = Vec::new();
        reader.take(&mut bytes, usize::MAX);
        let seen = values(&bytes);
        assert!(b"abc".starts_with(&seen), "no beginning: {seen:?}");
        assert!(reader.last() >= tid(seen.len() as u64) || seen.is_empty());
        session.join().unwrap();
        assert!(reader.has_ended());
        reader.take(&mut bytes, usize::MAX);
        assert_eq!(values(&bytes), b"abc");
    });
}

/// A chunk that the log thread is done with is used again, and nothing in it is seen twice.
///
/// Fails if `log-spare` loses its Release or its Acquire.
#[test]
fn lane_chunks_are_used_again() {
    explore(3, || {
        let (mut writer, mut reader) = new_lane();
        let session = thread::spawn(move || {
            for (at, value) in [b"a", b"b", b"c", b"d"].into_iter().enumerate() {
                writer.stage(0, &[value]);
                writer.publish(tid(at as u64), 0);
            }
        });
        let mut bytes = Vec::new();
        for _ in 0..2 {
            reader.take(&mut bytes, usize::MAX);
        }
        session.join().unwrap();
        reader.take(&mut bytes, usize::MAX);
        assert_eq!(values(&bytes), b"abcd");
    });
}

/// An entry of an epoch that is told closed is in the lane by then, though its session may be in
/// its next turn already.
///
/// Fails if the store of a place in `try_enter` is Relaxed, if `leave` is, or if either fence of
/// `epoch-enter` goes.
#[test]
fn epoch_close_write() {
    explore(3, || {
        let epochs = Arc::new(Epochs::default());
        let place = Arc::new(Place::new(1));
        let (mut writer, mut reader) = new_lane();
        // The epoch that the session wrote in, for the check below.
        let wrote = Arc::new(AtomicU64::new(0));
        let (its, at, noted) = (Arc::clone(&epochs), Arc::clone(&place), Arc::clone(&wrote));
        let session = thread::spawn(move || {
            its.try_enter(&at).expect("no barrier");
            let epoch = its.current();
            writer.stage(0, &[b"a"]);
            writer.publish(Tid::start_of(epoch).next(), 0);
            noted.store(epoch, Ordering::Relaxed);
            at.leave();
            its.try_enter(&at).expect("no barrier");
            at.leave();
            writer
        });
        epochs.advance();
        let closed = epochs.close(|| std::iter::once(&*place));
        let mut bytes = Vec::new();
        reader.take(&mut bytes, usize::MAX);
        let taken = values(&bytes) == b"a";
        let writer = session.join().unwrap();
        let epoch = wrote.load(Ordering::Relaxed);
        assert!(taken || epoch > closed, "epoch {epoch} is closed ({closed}) without its entry");
        drop(writer);
        drop(reader);
    });
}

/// No ring is lost: either the log thread sees what was published before it, or it is rung for.
///
/// Fails if either fence of `log-bell` goes, or if `ring` answers by anything but the state it
/// replaced.
#[test]
fn bell_ring_sleep() {
    explore(3, || {
        let bell = Arc::new(Bell::default());
        let published = Arc::new(AtomicU64::new(0));
        let (door, work) = (Arc::clone(&bell), Arc::clone(&published));
        let session = thread::spawn(move || {
            work.store(1, Ordering::Relaxed);
            let first = door.ring();
            work.store(2, Ordering::Relaxed);
            // A second ring finds the first one unanswered, or not.
            first || door.ring()
        });
        let mut seen = 0;
        let mut asleep = false;
        for _ in 0..2 {
            bell.answer();
            seen = published.load(Ordering::Relaxed);
            if bell.doze() {
                asleep = true;
                break;
            }
        }
        let woken = session.join().unwrap();
        // Asleep with work undone, and nobody said so: it would sleep on.
        assert!(!asleep || woken || seen == 2, "a ring was lost");
    });
}

/// Who waits for an epoch sees it durable, or is woken after it was. (The fences stand for the
/// host's mailbox, which has them.)
///
/// Fails if `tell` wakes before it stores, or if the host looks before it says that it waits.
#[test]
fn durable_wake() {
    explore(3, || {
        let durable = Arc::new(Durable::default());
        let waits = Arc::new(AtomicU64::new(0));
        let (its, waiting) = (Arc::clone(&durable), Arc::clone(&waits));
        let log = thread::spawn(move || {
            let mut woke = false;
            its.tell(7, || {
                fence(Ordering::SeqCst);
                woke = waiting.load(Ordering::Relaxed) == 1;
            });
            woke
        });
        waits.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let seen = durable.epoch() >= 7;
        let woken = log.join().unwrap();
        assert!(seen || woken, "a reply would wait for ever");
    });
}
