//! Models of who waits for a key: against writers, against each other, and against giving up.

#![cfg(loom)]

use engine::Followers;
use engine::sync::{AtomicU32, Ordering, fence};
use engine::waiting::{Claim, Counts, Name, Queues, Waiter};
use loom::thread;
use loom_tests::explore;
use std::sync::Arc;

/// Two keys and how many elements each has, and who waits for them.
#[derive(Default)]
struct Store {
    elements: [AtomicU32; 2],
    followers: Followers,
    queues: Queues<Client>,
}

/// The server asks for the hash of a key; here all are of one group.
struct Group<'s>(&'s Followers);

impl Counts for Group<'_> {
    fn follow(&self, _: &[u8]) {
        self.0.join(7);
    }

    fn unfollow(&self, _: &[u8]) {
        self.0.part(7);
    }
}

/// A client that would pop from any of its keys.
struct Client {
    keys: Vec<u8>,
    claim: Claim,
    answers: AtomicU32,
}

impl Waiter for Client {
    fn claim(&self) -> &Claim {
        &self.claim
    }

    fn keys(&self) -> Vec<Name> {
        self.keys.iter().map(|&key| name(key)).collect()
    }

    fn is_like(&self, _: &Self) -> bool {
        true
    }
}

impl Client {
    fn of(keys: &[u8]) -> Arc<Self> {
        let (claim, answers) = (Claim::default(), AtomicU32::new(0));
        Arc::new(Self { keys: keys.to_vec(), claim, answers })
    }

    fn answers(&self) -> u32 {
        self.answers.load(Ordering::Relaxed)
    }
}

fn name(key: u8) -> Name {
    (0, Box::from([key]))
}

impl Store {
    /// As `Map::spot` and its compare-and-swap. (The fence stands for their SeqCst accesses, which
    /// loom takes for acquire and release.)
    fn pop(&self, key: u8) -> bool {
        fence(Ordering::SeqCst);
        let slot = &self.elements[usize::from(key)];
        let (mut seen, relaxed) = (slot.load(Ordering::Relaxed), Ordering::Relaxed);
        while seen > 0 {
            match slot.compare_exchange(seen, seen - 1, relaxed, relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    /// As the server's loop of the same name.
    fn serve(&self, mut keys: Vec<Name>) {
        let counts = Group(&self.followers);
        while let Some(key) = keys.pop() {
            let Some(mut serving) = self.queues.serve(&counts, &key) else { continue };
            while let Some(client) = serving.next() {
                if client.keys.iter().any(|&key| self.pop(key)) {
                    client.answers.fetch_add(1, Ordering::Relaxed);
                    serving.answered(&client);
                } else {
                    serving.nothing(client, true);
                }
            }
            keys.extend(serving.rest());
        }
    }

    /// A client that has found nothing.
    fn block(&self, client: &Arc<Client>) {
        self.queues.register(&Group(&self.followers), client);
        self.serve(client.keys());
    }

    fn push(&self, key: u8) {
        self.elements[usize::from(key)].fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.followers.are_there(7) {
            self.serve(vec![name(key)]);
        }
    }

    fn left(&self) -> u32 {
        self.elements.iter().map(|elements| elements.load(Ordering::Relaxed)).sum()
    }
}

/// A client that registers while its element is pushed is not left asleep.
///
/// Fails if a change that comes while a queue is served is forgotten (in `serve`, or in `finish`),
/// or if a client is counted in after its second look.
#[test]
fn a_waiter_hears_of_a_push() {
    explore(3, || {
        let (store, client) = (Arc::new(Store::default()), Client::of(&[0]));
        let (its, who) = (Arc::clone(&store), Arc::clone(&client));
        let waiter = thread::spawn(move || its.block(&who));
        store.push(0);
        waiter.join().unwrap();
        assert_eq!((client.answers(), store.left()), (1, 0), "asleep beside its element");
        assert!(!store.queues.waits(&name(0)) && !store.followers.wait_for(7));
    });
}

/// A client that waits for two keys, both of which are pushed to, is answered once.
///
/// Fails if a claim is taken by a load and a store.
#[test]
fn a_waiter_is_answered_once() {
    explore(3, || {
        let (store, client) = (Arc::new(Store::default()), Client::of(&[0, 1]));
        store.block(&client);
        let its = Arc::clone(&store);
        let other = thread::spawn(move || its.push(1));
        store.push(0);
        other.join().unwrap();
        assert_eq!((client.answers(), store.left()), (1, 1));
        assert!(!store.queues.waits(&name(0)) && !store.queues.waits(&name(1)));
    });
}

/// An element that comes for a client while another thread finds nothing for it is not left
/// beside it (Q4): the other had looked before.
///
/// Fails if who meets a claimed waiter passes it by without a word, or if the word is not heeded.
#[test]
fn a_waiter_claimed_elsewhere_hears_of_a_push() {
    explore(3, || {
        let (store, client) = (Arc::new(Store::default()), Client::of(&[0, 1]));
        let (its, who) = (Arc::clone(&store), Arc::clone(&client));
        store.queues.register(&Group(&store.followers), &who);
        // Its second look, at one of its keys.
        let other = thread::spawn(move || its.serve(vec![name(1)]));
        store.push(0);
        other.join().unwrap();
        assert_eq!((client.answers(), store.left()), (1, 0), "asleep beside its element");
    });
}

/// Who is answered is not timed out, and who is timed out takes nothing.
///
/// Fails if `end` ends a wait that is claimed.
#[test]
fn a_waiter_is_answered_or_gives_up() {
    explore(3, || {
        let (store, client) = (Arc::new(Store::default()), Client::of(&[0]));
        store.block(&client);
        let its = Arc::clone(&store);
        let other = thread::spawn(move || its.push(0));
        let gave_up = client.claim.end();
        if gave_up {
            store.queues.unregister(&Group(&store.followers), &client);
        }
        other.join().unwrap();
        let want = if gave_up { (0, 1) } else { (1, 0) };
        assert_eq!((client.answers(), store.left()), want);
        assert!(!store.queues.waits(&name(0)) && !store.followers.wait_for(7));
    });
}

/// A client for which others look in vain is ended by who insists on it.
///
/// Fails if a claimed wait passes for one that has ended.
#[test]
fn a_waiter_that_gets_nothing_can_be_ended() {
    explore(3, || {
        let (store, client) = (Arc::new(Store::default()), Client::of(&[0]));
        store.block(&client);
        let its = Arc::clone(&store);
        let other = thread::spawn(move || its.serve(vec![name(0)]));
        let ended = loop {
            if client.claim.end() {
                break true;
            }
            if client.claim.has_ended() {
                break false;
            }
            thread::yield_now();
        };
        assert!(ended, "told to be answered, but nobody answered it");
        store.queues.unregister(&Group(&store.followers), &client);
        other.join().unwrap();
        assert!(!store.queues.waits(&name(0)) && !store.followers.wait_for(7));
    });
}

/// A client whose connection closes while somebody looks for it takes nothing afterwards.
///
/// Fails if `leave` does not tell whoever has claimed it.
#[test]
fn a_waiter_that_is_gone_takes_nothing() {
    explore(3, || {
        let (store, client) = (Arc::new(Store::default()), Client::of(&[0]));
        store.block(&client);
        let its = Arc::clone(&store);
        let other = thread::spawn(move || its.serve(vec![name(0)]));
        if client.claim.leave() {
            store.queues.unregister(&Group(&store.followers), &client);
        }
        other.join().unwrap();
        assert!(!store.queues.waits(&name(0)) && !store.followers.wait_for(7));
        store.push(0);
        assert_eq!((client.answers(), store.left()), (0, 1), "an element went to nobody");
    });
}

/// A client is not passed over because one before it gives up meanwhile (Q5).
///
/// Fails if `look_on` counts by position.
#[test]
fn a_waiter_is_not_passed_over() {
    explore(3, || {
        let store = Arc::new(Store::default());
        let (first, second) = (Client::of(&[0]), Client::of(&[0]));
        store.block(&first);
        store.block(&second);
        let its = Arc::clone(&store);
        let other = thread::spawn(move || its.push(0));
        let gave_up = first.claim.end();
        if gave_up {
            store.queues.unregister(&Group(&store.followers), &first);
        }
        other.join().unwrap();
        assert_eq!(store.left(), 0, "asleep beside its element");
        assert_eq!((first.answers(), second.answers()), if gave_up { (0, 1) } else { (1, 0) });
    });
}
