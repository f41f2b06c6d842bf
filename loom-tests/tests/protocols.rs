//! Models of the small protocols: commit, epochs, barrier, deadlines, mailbox, reclamation.

#![cfg(loom)]

use engine::awaited::Awaited;
use engine::collection::presence::{Hold, Presence};
use engine::epoch::{Epochs, Place};
use engine::latch::{Latch, Reading};
use engine::mailbox::Mailbox;
use engine::map::bucket::{Bucket, load, replace};
use engine::map::deadline::{DeadlineMinimum, NEVER};
use engine::map::word::Word;
use engine::slab::returns::{Block, Door, Visits};
use engine::structures::cow::CowVec;
use engine::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use engine::{Commit, CommitState, Followers};
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Notify};
use loom::thread;
use loom_tests::explore;

/// Who sees a commit sees everything the transaction wrote.
///
/// Fails if `txn-commit` becomes Relaxed on either side.
#[test]
fn intent_commit_read() {
    explore(3, || {
        let commit = Arc::new(Commit::default());
        let records = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let (other, written) = (Arc::clone(&commit), Arc::clone(&records));
        let owner = thread::spawn(move || {
            written[0].store(1, Ordering::Relaxed);
            written[1].store(1, Ordering::Relaxed);
            other.commit();
        });
        let first = commit.state();
        if first == CommitState::Committed {
            let seen: Vec<u32> = records.iter().map(|r| r.load(Ordering::Relaxed)).collect();
            assert_eq!(seen, [1, 1], "half of a transaction");
            assert_eq!(commit.state(), CommitState::Committed, "a commit was taken back");
        }
        owner.join().unwrap();
    });
}

/// An element that loom watches.
struct Watched(UnsafeCell<u32>);

impl Clone for Watched {
    fn clone(&self) -> Self {
        Self(UnsafeCell::new(self.get()))
    }
}

impl Watched {
    fn get(&self) -> u32 {
        // SAFETY: loom fails the model if somebody writes meanwhile.
        self.0.with(|value| unsafe { *value })
    }
}

/// Who edits a block has it alone: whoever shared it has read it to the end.
///
/// Fails if `cow-count` loses its Release, or its Acquire in `is_unique`.
#[test]
fn cow_read_edit() {
    explore(3, || {
        let mut original: CowVec<Watched> = (1..3).map(|n| Watched(UnsafeCell::new(n))).collect();
        let clone = original.clone();
        let editor = thread::spawn(move || {
            // SAFETY: loom fails the model if somebody reads meanwhile.
            original.unshare()[1].0.with_mut(|value| unsafe { *value = 3 });
            assert_eq!((original[0].get(), original[1].get()), (1, 3));
        });
        assert_eq!((clone[0].get(), clone[1].get()), (1, 2), "a clone changed");
        drop(clone);
        editor.join().unwrap();
    });
}

/// The last of those who share a block frees it, after all have read it.
///
/// Fails if `cow-count` loses its Release, or its Acquire in `drop`.
#[test]
fn cow_read_free() {
    /// Writes when it is dropped, as who frees memory may.
    struct Last(UnsafeCell<u32>);
    impl Drop for Last {
        fn drop(&mut self) {
            // SAFETY: loom fails the model if somebody reads meanwhile.
            self.0.with_mut(|value| unsafe { *value = 0 });
        }
    }
    explore(3, || {
        let original: CowVec<Last> = std::iter::once(Last(UnsafeCell::new(7))).collect();
        let clone = original.clone();
        let read = |shared: &CowVec<Last>| {
            // SAFETY: loom fails the model if somebody writes meanwhile.
            assert_eq!(shared[0].0.with(|value| unsafe { *value }), 7);
        };
        let other = thread::spawn(move || read(&clone));
        read(&original);
        drop(original);
        other.join().unwrap();
    });
}

/// No session stands in a closed epoch.
///
/// Fails if either fence of `epoch-enter` goes.
#[test]
fn epoch_enter_advance() {
    explore(3, || {
        let epochs = Arc::new(Epochs::default());
        let place = Arc::new(Place::new(1));
        let (its, at) = (Arc::clone(&epochs), Arc::clone(&place));
        let session = thread::spawn(move || {
            let epoch = its.try_enter(&at).expect("no barrier");
            let closed = its.closed();
            assert!(closed < epoch, "stands in {epoch}, closed is {closed}");
            at.leave();
        });
        for _ in 0..2 {
            epochs.advance();
            epochs.close(|| std::iter::once(&*place));
        }
        session.join().unwrap();
    });
}

/// The barrier's holder is alone.
///
/// Fails if the fence of `try_enter` or of `take_barrier` goes.
#[test]
fn barrier_excludes() {
    explore(3, || {
        let epochs = Arc::new(Epochs::default());
        let places = Arc::new([Place::new(1), Place::new(2)]);
        let inside = Arc::new(UnsafeCell::new(0));
        let (its, at, cell) = (Arc::clone(&epochs), Arc::clone(&places), Arc::clone(&inside));
        let other = thread::spawn(move || {
            if its.try_enter(&at[1]).is_some() {
                // SAFETY: what the model is about: loom reports a second thread in here.
                cell.with_mut(|value| unsafe { *value += 1 });
                at[1].leave();
            }
        });
        epochs.try_enter(&places[0]).expect("no barrier yet");
        assert!(epochs.take_barrier(
            &places[0],
            || places.iter().collect(),
            || {
                thread::yield_now();
                true
            }
        ));
        // SAFETY: as above.
        inside.with_mut(|value| unsafe { *value += 1 });
        epochs.drop_barrier();
        places[0].leave();
        other.join().unwrap();
    });
}

/// A record with a deadline is seen by the sweep, or its deadline stays in the minimum.
///
/// Fails if either fence of `deadline-sweep` goes.
#[test]
fn deadline_sweep() {
    explore(3, || {
        let minimum = Arc::new(DeadlineMinimum::new(5));
        let slot = Arc::new(AtomicU64::new(0));
        let (its, at) = (Arc::clone(&minimum), Arc::clone(&slot));
        let writer = thread::spawn(move || {
            at.store(7, Ordering::Relaxed);
            its.lower(7);
        });
        minimum.take();
        let seen = slot.load(Ordering::Relaxed);
        minimum.lower(if seen == 0 { NEVER } else { seen });
        writer.join().unwrap();
        assert!(minimum.peek() <= 7, "a deadline was forgotten");
    });
}

/// Every message arrives, whole, and a receiver that sleeps until it is woken gets them all.
///
/// Fails if `mail` loses its Release or its Acquire, or if `push` answers by anything but the
/// stack it replaced.
#[test]
fn mailbox_and_waker() {
    explore(3, || {
        let mailbox = Arc::new(Mailbox::default());
        let woken = Arc::new(Notify::new());
        let content = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let senders: Vec<_> = (0..2)
            .map(|i: usize| {
                let (to, wake) = (Arc::clone(&mailbox), Arc::clone(&woken));
                let filled = Arc::clone(&content);
                thread::spawn(move || {
                    filled[i].store(1, Ordering::Relaxed);
                    if to.push(i) {
                        wake.notify();
                    }
                })
            })
            .collect();
        let mut got = 0;
        while got < 2 {
            woken.wait();
            mailbox.drain(|i| {
                assert_eq!(content[i].load(Ordering::Relaxed), 1, "a message before its content");
                got += 1;
            });
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

/// What reclamation needs of the map: a record is unlinked before it is retired, so a reader that
/// enters afterwards cannot find it. (The collector here is the smallest that loom can see: one
/// reader, one flag. The one that ships is `seize`, tested by its authors.)
///
/// Fails if the record is freed before `replace`, or if `replace` is not checked.
#[test]
fn retire_read() {
    explore(3, || {
        let bucket = Arc::new(Bucket::default());
        let word = Word::record(1, 8);
        bucket.insert(word, |_| false, |_| unreachable!("there is room"));
        let active = Arc::new(AtomicBool::new(false));
        let memory = Arc::new(UnsafeCell::new(1));
        let (slots, flag, cell) = (Arc::clone(&bucket), Arc::clone(&active), Arc::clone(&memory));
        let reader = thread::spawn(move || {
            flag.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            if slots.find(1, |_| true).entry.is_some() {
                // SAFETY: what the model is about: loom reports a free at the same time.
                cell.with(|value| unsafe { assert_eq!(*value, 1, "read after free") });
            }
            flag.store(false, Ordering::Release);
        });
        let (slot, found) = bucket.find(1, |_| true).entry.expect("inserted above");
        assert!(replace(slot, found, Word::EMPTY));
        assert!(load(slot).is_empty());
        fence(Ordering::SeqCst);
        if !active.load(Ordering::Acquire) {
            // SAFETY: as above.
            memory.with_mut(|value| unsafe { *value = 0 });
        }
        reader.join().unwrap();
    });
}

/// Every block that others free comes home once, and the door is announced anew each time.
///
/// Fails if either side of `block-return` loses its Acquire or its Release, or if either side of
/// `door-visit` becomes Relaxed.
#[test]
fn blocks_come_home() {
    explore(3, || {
        let visits = Arc::new(Visits::default());
        let doors = Arc::new([Door::default(), Door::default()]);
        let blocks: Arc<[(Block, UnsafeCell<u32>); 3]> =
            Arc::new(std::array::from_fn(|_| (Block::new(), UnsafeCell::new(0))));
        let free = |visits: &Visits,
                    doors: &[Door; 2],
                    blocks: &[(Block, UnsafeCell<u32>); 3],
                    i: usize| {
            // What its user wrote last must be visible to whoever uses it next.
            // SAFETY: each thread frees its own blocks.
            blocks[i].1.with_mut(|word| unsafe { *word = 7 });
            let block = std::ptr::from_ref(&blocks[i].0).cast_mut();
            // SAFETY: left once, at a door whose blocks the main thread collects.
            unsafe { visits.leave(&doors[i % 2], block) };
        };
        let (its, there, them) = (Arc::clone(&visits), Arc::clone(&doors), Arc::clone(&blocks));
        let other = thread::spawn(move || {
            free(&its, &there, &them, 0);
            free(&its, &there, &them, 1);
        });
        let (its, there, them) = (Arc::clone(&visits), Arc::clone(&doors), Arc::clone(&blocks));
        let third = thread::spawn(move || free(&its, &there, &them, 2));
        let mut home = [0; 3];
        let mut collect = || {
            let visit = |block: *mut Block| {
                let i = (0..3).find(|&i| std::ptr::eq(&blocks[i].0, block)).unwrap();
                // SAFETY: it came home, so its thread is done with it.
                blocks[i].1.with(|word| assert_eq!(unsafe { *word }, 7));
                home[i] += 1;
            };
            // SAFETY: this thread alone collects.
            unsafe { visits.collect(visit) };
        };
        collect();
        other.join().unwrap();
        third.join().unwrap();
        collect();
        assert_eq!(home, [1, 1, 1], "a block was lost, or came twice");
        assert!(visits.is_empty());
    });
}

/// An editor of an object and its readers exclude each other, and each sees what the last one did.
///
/// Fails if either fence of `latch-announce` goes, or if `latch-edit` or `latch-read` loses its
/// Release or its Acquire.
#[test]
fn latch_edit_read() {
    explore(3, || {
        let latch = Arc::new(Latch::default());
        let readings = Arc::new([Reading::default(), Reading::default()]);
        let body = Arc::new(UnsafeCell::new([0_u32, 0]));
        let (door, at, value) = (Arc::clone(&latch), Arc::clone(&readings), Arc::clone(&body));
        let reader = thread::spawn(move || {
            let Some(place) = at[0].try_enter(&door) else { return };
            // SAFETY: what the model is about: loom reports an edit at the same time.
            value.with(|seen| unsafe { assert_eq!((*seen)[0], (*seen)[1], "half an edit") });
            at[0].leave(place);
        });
        let edit = |latch: &Latch, readings: &[Reading; 2], body: &UnsafeCell<[u32; 2]>| {
            if !latch.try_hold() {
                return false;
            }
            let free = !readings.iter().any(|reading| reading.names(latch));
            if free {
                // SAFETY: as above.
                body.with_mut(|value| unsafe {
                    (*value)[0] += 1;
                    (*value)[1] += 1;
                });
            }
            latch.release();
            free
        };
        let (door, at, value) = (Arc::clone(&latch), Arc::clone(&readings), Arc::clone(&body));
        let other = thread::spawn(move || edit(&door, &at, &value));
        let mine = edit(&latch, &readings, &body);
        let theirs = other.join().unwrap();
        reader.join().unwrap();
        assert!(edit(&latch, &readings, &body), "nobody is left");
        let want = 1 + u32::from(mine) + u32::from(theirs);
        // SAFETY: the other threads have ended.
        body.with(|value| unsafe { assert_eq!(*value, [want, want], "an edit was lost") });
    });
}

/// What the slot of the two models below leads to the object by.
fn record() -> Word {
    Word::record(1, 8)
}

/// Who reads an object by a key reads what the key held, and not what became of it elsewhere (Y2).
///
/// Fails if `Presence::finds` does not look, or if `latch-edit` loses its Release or its Acquire
/// (the look at the slot may be an old one then).
#[test]
fn a_reader_looks_again() {
    explore(3, || {
        let (latch, reading) = (Arc::new(Latch::default()), Arc::new(Reading::default()));
        let slot = Arc::new(AtomicU64::new(record().to_bits()));
        let body = Arc::new(UnsafeCell::new(0_u32));
        let (door, at) = (Arc::clone(&latch), Arc::clone(&reading));
        let (key, value) = (Arc::clone(&slot), Arc::clone(&body));
        let reader = thread::spawn(move || {
            if load(&key) != record() {
                return;
            }
            let Some(place) = Presence::enter(&at, &door) else { return };
            if place.finds(&key, record()) {
                // SAFETY: what the model is about: loom reports an edit at the same time.
                value.with(|seen| unsafe { assert_eq!(*seen, 0, "what another key has") });
            }
        });
        if let Some(hold) = Hold::take(&latch)
            && !hold.is_read_by(&reading)
        {
            // As a transaction that renames the key, and edits it under its new name.
            assert!(replace(&slot, record(), Word::EMPTY));
            // SAFETY: as above.
            body.with_mut(|value| unsafe { *value = 1 });
        }
        reader.join().unwrap();
    });
}

/// Who edits an object by a key edits what the key holds: not what has left it (Y1).
///
/// Fails if `Hold::finds` does not look, or if `Hold::take` releases what it does not get.
#[test]
fn an_editor_looks_again() {
    explore(3, || {
        let latch = Arc::new(Latch::default());
        let slot = Arc::new(AtomicU64::new(record().to_bits()));
        let body = Arc::new(UnsafeCell::new(0_u32));
        let (door, key, value) = (Arc::clone(&latch), Arc::clone(&slot), Arc::clone(&body));
        let editor = thread::spawn(move || {
            if load(&key) != record() {
                return;
            }
            // A try in vain leaves the latch to who has it.
            let Some(hold) = Hold::take(&door).or_else(|| Hold::take(&door)) else { return };
            if hold.finds(&key, record()) {
                // SAFETY: what the model is about: loom reports a second editor.
                value.with_mut(|value| unsafe { *value += 1 });
            }
        });
        let mut taken = None;
        if let Some(hold) = Hold::take(&latch) {
            assert!(hold.finds(&slot, record()) && replace(&slot, record(), Word::EMPTY));
            // SAFETY: as above.
            taken = Some(body.with(|value| unsafe { *value }));
        }
        editor.join().unwrap();
        // SAFETY: the other thread has ended.
        let last = body.with(|value| unsafe { *value });
        assert!(taken.is_none_or(|taken| taken == last), "an edit of what the key no longer has");
    });
}

/// Who counts itself in and then looks, and who changes something and then looks for followers: one
/// of them sees the other. (The fences stand for the SeqCst accesses of the code that ships, which
/// loom takes for acquire and release; the look at the key is one of those.)
///
/// Fails if `join` comes after the look at the key, or `are_there` before the change.
#[test]
fn follow_change() {
    explore(3, || {
        let followers = Arc::new(Followers::default());
        let key = Arc::new(AtomicU32::new(0));
        let (them, its) = (Arc::clone(&followers), Arc::clone(&key));
        let writer = thread::spawn(move || {
            its.store(1, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            them.are_there(7)
        });
        followers.join(7);
        fence(Ordering::SeqCst);
        let seen = key.load(Ordering::SeqCst) == 1;
        assert!(writer.join().unwrap() || seen, "a wake-up was lost");
    });
}

/// A waiter that announced its epoch either sees it durable itself, or is woken once.
///
/// Fails if the fence of `announce` or of `reached` goes.
#[test]
fn durable_epoch_wakes_its_waiter() {
    explore(3, || {
        let awaited = Arc::new(Awaited::default());
        let durable = Arc::new(AtomicU64::new(4));
        let (its, told) = (Arc::clone(&awaited), Arc::clone(&durable));
        let log = thread::spawn(move || {
            let mut wakes = 0;
            for epoch in 5..7 {
                told.store(epoch, Ordering::Relaxed);
                wakes += u32::from(its.reached(epoch));
            }
            wakes
        });
        awaited.announce(5);
        let seen = durable.load(Ordering::Relaxed) >= 5;
        let wakes = log.join().unwrap();
        assert!(seen || wakes == 1, "asleep for ever");
        assert!(wakes <= 1, "woken twice");
    });
}
