//! Models of scripts that take keys on the way: the escalation token, and what its holder wants.

#![cfg(loom)]

use engine::escalation::Escalation;
use engine::sync::{AtomicU32, Ordering};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use loom_tests::explore;

/// Nobody's.
const FREE: u32 = 0;

/// A collection too large to copy, with whoever owns its key. The swap of the owner stands for
/// the intent in the key's slot.
struct Key {
    hash: u64,
    owner: AtomicU32,
    edits: UnsafeCell<u32>,
}

impl Key {
    fn new(hash: u64) -> Self {
        Self { hash, owner: AtomicU32::new(FREE), edits: UnsafeCell::new(0) }
    }

    /// As `Context::take_one`: by a try, and not at all while the token's holder wants it.
    fn try_take(&self, token: &Escalation, who: u32) -> bool {
        let barred = token.bars(u64::from(who), self.hash);
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        !barred && self.owner.compare_exchange(FREE, who, acquire, relaxed).is_ok()
    }

    /// In place: it cannot be undone.
    fn edit(&self) {
        // SAFETY: what the model is about: loom reports a second owner.
        self.edits.with_mut(|edits| unsafe { *edits += 1 });
    }

    fn give_back(&self) {
        self.owner.store(FREE, Ordering::Release);
    }
}

/// A script that edits one key, and then another that it did not declare.
fn script(token: &Escalation, who: u32, first: &Key, second: &Key) {
    loop {
        if first.try_take(token, who) {
            if token.take(u64::from(who)) {
                break;
            }
            // Another script has the token, so this one gives way.
            first.give_back();
        }
        thread::yield_now();
    }
    first.edit();
    token.want(second.hash);
    while !second.try_take(token, who) {
        thread::yield_now();
    }
    token.satisfy();
    second.edit();
    second.give_back();
    first.give_back();
    token.give_back();
}

/// Two scripts that want each other's undeclared keys both end, and each has both keys for itself.
///
/// Fails if `take` lets two sessions hold the token: each waits for the other then, and loom gives
/// the model up. Also if `script` waits without the token, or keeps its key when it gets none.
#[test]
fn scripts_that_want_each_others_keys_end() {
    explore(3, || {
        let token = Arc::new(Escalation::default());
        let keys = Arc::new([Key::new(2), Key::new(4)]);
        let (its, theirs) = (Arc::clone(&token), Arc::clone(&keys));
        let other = thread::spawn(move || script(&its, 2, &theirs[1], &theirs[0]));
        script(&token, 1, &keys[0], &keys[1]);
        other.join().unwrap();
        for key in &*keys {
            // SAFETY: the other thread has ended.
            key.edits.with(|edits| unsafe { assert_eq!(*edits, 2, "a script was lost") });
            assert!(key.try_take(&token, 3), "a key is held for ever");
        }
        assert!(token.take(3), "the token is held for ever");
    });
}

/// The token has one holder at a time, who sees what the last one did (T1).
///
/// Fails if `escalation-token` loses its Release or its Acquire.
#[test]
fn token_has_one_holder() {
    explore(3, || {
        let token = Arc::new(Escalation::default());
        let word = Arc::new(UnsafeCell::new(0_u32));
        let work = |token: &Escalation, word: &UnsafeCell<u32>, who: u64| {
            let taken = token.take(who);
            if taken {
                // SAFETY: what the model is about: loom reports two at the same time.
                word.with_mut(|value| unsafe { *value += 1 });
                token.give_back();
            }
            u32::from(taken)
        };
        let (its, value) = (Arc::clone(&token), Arc::clone(&word));
        let other = thread::spawn(move || work(&its, &value, 2));
        let mine = work(&token, &word, 1);
        let theirs = other.join().unwrap();
        assert!(mine + theirs > 0, "nobody got it");
        // SAFETY: the other thread has ended.
        word.with(|value| unsafe { assert_eq!(*value, mine + theirs) });
    });
}

/// What the holder wants is left to it, whoever held the token before (T2).
///
/// Fails if `give_back` gives the token away before it is satisfied: its last word erases what the
/// next holder wants.
#[test]
fn the_last_holder_does_not_speak_for_the_next() {
    explore(3, || {
        let token = Arc::new(Escalation::default());
        assert!(token.take(1));
        token.want(2);
        let its = Arc::clone(&token);
        let other = thread::spawn(move || {
            while !its.take(2) {
                thread::yield_now();
            }
            its.want(4);
        });
        token.give_back();
        other.join().unwrap();
        assert!(token.bars(1, 4), "its holder's key was taken from it");
        assert!(!token.bars(2, 4), "the holder bars itself");
    });
}
