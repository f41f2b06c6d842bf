//! Who waits for a key, in order of arrival, and who answers whom.
//!
//! Why it exists: a command that found nothing is kept, and run again by whoever changes one of its
//! keys. Several threads change keys at the same time, a waiter may wait for several, and it may
//! give up meanwhile; here is decided which thread runs it, so that it is answered once and never
//! left asleep. Not for running it, nor for telling it: that is the host's.
//!
//! Invariants
//! - Q1: a waiter is on the queue of each of its keys, and counted among the followers of each,
//!   from before its second look at them until it is answered or has given up.
//! - Q2: its [`Claim`] decides who answers: one thread at a time has claimed it, and what has ended
//!   is never claimed again.
//! - Q3: a queue is served by one thread at a time; a change that comes meanwhile makes that
//!   thread look again.
//! - Q4: who meets a waiter that another thread has claimed leaves word and goes; that thread
//!   serves all keys of the waiter once more when it is done with it. What it looked at may have
//!   been older than the change that the first came for.
//! - Q5: a queue is walked by the numbers of arrival, not by position: others leave it meanwhile.
//!
//! Ordering edges
//! - `follow-announce` (follow.rs): a waiter is counted in, and looks; a writer publishes, and
//!   looks at the count.
//! - Everything else is under a queue's lock. The claim is one word, and the rest of a waiter never
//!   changes, so it orders nothing. Who finds word left (Q4) takes the lock of a queue afterwards
//!   which who left it had taken before: that carries the change.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError};

use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering};

/// Locks, so that keys of different waiters rarely meet.
const SHARDS: usize = if cfg!(loom) { 1 } else { 64 };

const WAITING: u32 = 0;
const CLAIMED: u32 = 1;
const ENDED: u32 = 2;
/// With `CLAIMED`: another thread came by (Q4).
const PASSED: u32 = 4;
/// With `CLAIMED`: the waiter is gone, so it ends when it is given back.
const LEFT: u32 = 8;

/// A database and a key.
pub type Name = (u16, Box<[u8]>);

/// Who may answer a waiter.
#[derive(Debug, Default)]
pub struct Claim(AtomicU32);

/// What came of a try to claim.
#[derive(Debug, Eq, PartialEq)]
enum Tried {
    /// Another thread has it, and will serve its keys again.
    Elsewhere,
    Ended,
    Mine,
}

impl Claim {
    /// Replaces the word by what `to` makes of it; returns the old one. `None` leaves it.
    fn turn(&self, to: impl Fn(u32) -> Option<u32>) -> u32 {
        // ORDER: Relaxed (unpaired); the word orders nothing, see the header.
        let mut word = self.0.load(Ordering::Relaxed);
        while let Some(new) = to(word) {
            // ORDER: Relaxed (unpaired); as above.
            match self.0.compare_exchange(word, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        word
    }

    fn take(&self) -> Tried {
        let word = self.turn(|word| match word {
            WAITING => Some(CLAIMED),
            ENDED => None,
            claimed => Some(claimed | PASSED),
        });
        match word {
            WAITING => Tried::Mine,
            ENDED => Tried::Ended,
            _ => Tried::Elsewhere,
        }
    }

    /// Gives the claim back; returns the word it had.
    fn release(&self) -> u32 {
        self.turn(|word| Some(if word & LEFT == 0 { WAITING } else { ENDED }))
    }

    /// Ends a claimed wait; returns the word it had.
    fn answer(&self) -> u32 {
        self.turn(|_| Some(ENDED))
    }

    /// Ends the wait; false when somebody is answering it, or has. Who ended it takes it off its
    /// queues with [`Queues::unregister`]. Who was refused tries again unless it
    /// [`Claim::has_ended`]: whoever has claimed it may find nothing for it.
    #[must_use]
    pub fn end(&self) -> bool {
        self.turn(|word| (word == WAITING).then_some(ENDED)) == WAITING
    }

    /// Whether the wait is over, which it stays.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        // ORDER: Relaxed (unpaired); the word orders nothing, see the header.
        self.0.load(Ordering::Relaxed) == ENDED
    }

    /// Ends the wait of somebody who is gone, now or as soon as whoever has claimed it is done;
    /// true when that is now, as for [`Claim::end`].
    #[must_use]
    pub fn leave(&self) -> bool {
        let word = self.turn(|word| match word {
            WAITING => Some(ENDED),
            ENDED => None,
            claimed => Some(claimed | LEFT),
        });
        word == WAITING
    }
}

/// Somebody who waits for keys.
pub trait Waiter {
    /// Who may answer it.
    fn claim(&self) -> &Claim;
    /// The keys it waits for, each once.
    fn keys(&self) -> Vec<Name>;
    /// Whether it finds nothing where `other` found nothing.
    fn is_like(&self, other: &Self) -> bool;
}

/// Where those who wait for a key are counted: see [`crate::Followers`].
pub trait Counts {
    /// Counts one in.
    fn follow(&self, key: &[u8]);
    /// Counts one out.
    fn unfollow(&self, key: &[u8]);
}

impl Counts for crate::Engine {
    fn follow(&self, key: &[u8]) {
        self.follow_key(key);
    }

    fn unfollow(&self, key: &[u8]) {
        self.unfollow_key(key);
    }
}

#[derive(Debug)]
struct Queue<W> {
    /// With their numbers, which grow.
    waiters: VecDeque<(u64, Arc<W>)>,
    last: u64,
    serving: bool,
    again: bool,
}

impl<W> Default for Queue<W> {
    fn default() -> Self {
        Self { waiters: VecDeque::new(), last: 0, serving: false, again: false }
    }
}

type Shard<W> = HashMap<Name, Queue<W>>;

/// All waiters by their keys.
#[derive(Debug)]
pub struct Queues<W> {
    hasher: RandomState,
    shards: Box<[Mutex<Shard<W>>]>,
}

impl<W> Default for Queues<W> {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(HashMap::new())).collect();
        Self { hasher: RandomState::new(), shards }
    }
}

fn lock<W>(shard: &Mutex<Shard<W>>) -> MutexGuard<'_, Shard<W>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<W: Waiter> Queues<W> {
    fn shard(&self, name: &Name) -> MutexGuard<'_, Shard<W>> {
        let hash = self.hasher.hash_one(name);
        lock(&self.shards[usize::try_from(hash % SHARDS as u64).expect("below SHARDS")])
    }

    /// Puts a waiter at the end of its queues. Its keys have to be served afterwards: what it
    /// waits for may have come before it was counted (Q1). Who else could end its wait is told of
    /// it only then: a waiter that has ended before would stay on its queues for good.
    pub fn register(&self, counts: &impl Counts, waiter: &Arc<W>) {
        for name in waiter.keys() {
            counts.follow(&name.1);
            let mut shard = self.shard(&name);
            let queue = shard.entry(name).or_default();
            queue.last += 1;
            queue.waiters.push_back((queue.last, Arc::clone(waiter)));
        }
    }

    /// Takes a waiter that has ended off its queues.
    pub fn unregister(&self, counts: &impl Counts, waiter: &W) {
        for name in waiter.keys() {
            let mut shard = self.shard(&name);
            let Some(queue) = shard.get_mut(&name) else { continue };
            let is_it = |(_, other): &(u64, Arc<W>)| std::ptr::eq(&raw const **other, waiter);
            if let Some(at) = queue.waiters.iter().position(is_it) {
                queue.waiters.remove(at);
                counts.unfollow(&name.1);
            }
            if queue.waiters.is_empty() && !queue.serving {
                shard.remove(&name);
            }
        }
    }

    /// Whether anybody waits for the key.
    #[must_use]
    pub fn waits(&self, name: &Name) -> bool {
        self.shard(name).contains_key(name)
    }

    /// Every key that somebody waits for.
    #[must_use]
    pub fn keys(&self) -> Vec<Name> {
        let names =
            |shard: &Mutex<Shard<W>>| -> Vec<Name> { lock(shard).keys().cloned().collect() };
        self.shards.iter().flat_map(names).collect()
    }

    /// Begins to serve a key that has changed; `None` when nobody waits, or another thread is at
    /// it (Q3).
    pub fn serve<'q, C: Counts>(
        &'q self,
        counts: &'q C,
        name: &'q Name,
    ) -> Option<Serving<'q, W, C>> {
        let mut shard = self.shard(name);
        let queue = shard.get_mut(name)?;
        if queue.serving {
            queue.again = true;
            return None;
        }
        queue.serving = true;
        Some(Serving { queues: self, counts, name, at: 0, hopeless: Vec::new(), rest: Vec::new() })
    }

    /// Ends serving; true when the key changed meanwhile and has to be served again.
    fn finish(&self, name: &Name, abandon: bool) -> bool {
        let mut shard = self.shard(name);
        let Some(queue) = shard.get_mut(name) else { return false };
        if std::mem::take(&mut queue.again) && !abandon {
            return true;
        }
        queue.serving = false;
        if queue.waiters.is_empty() {
            shard.remove(name);
        }
        false
    }
}

/// A key that is being served, from [`Serving::next`] to the `None` it ends with. Each waiter that
/// comes out of it goes back by [`Serving::answered`], [`Serving::nothing`] or [`Serving::busy`].
#[derive(Debug)]
pub struct Serving<'q, W, C> {
    queues: &'q Queues<W>,
    counts: &'q C,
    name: &'q Name,
    /// The number of the last waiter that was looked at.
    at: u64,
    /// Those that found nothing, and speak for others.
    hopeless: Vec<Arc<W>>,
    /// Keys to be served afterwards (Q4).
    rest: Vec<Name>,
}

impl<W: Waiter, C: Counts> Serving<'_, W, C> {
    /// The next waiter, claimed; `None` when all have been looked at, which ends the serving.
    #[expect(clippy::should_implement_trait, reason = "what it gives out has to be given back")]
    pub fn next(&mut self) -> Option<Arc<W>> {
        loop {
            while let Some(waiter) = self.look_on() {
                match waiter.claim().take() {
                    Tried::Mine => return Some(waiter),
                    Tried::Ended => {}
                    Tried::Elsewhere => {
                        self.queues.finish(self.name, true);
                        return None;
                    }
                }
            }
            if !self.queues.finish(self.name, false) {
                return None;
            }
            self.at = 0;
            self.hopeless.clear();
        }
    }

    /// The next one on the queue that is not without hope.
    fn look_on(&mut self) -> Option<Arc<W>> {
        let shard = self.queues.shard(self.name);
        let waiters = &shard.get(self.name)?.waiters;
        let from = waiters.partition_point(|&(number, _)| number <= self.at);
        let hopes = |waiter: &W| !self.hopeless.iter().any(|other| waiter.is_like(other));
        let (number, waiter) = waiters.range(from..).find(|(_, waiter)| hopes(waiter))?;
        self.at = *number;
        Some(Arc::clone(waiter))
    }

    fn note(&mut self, waiter: &W, word: u32) {
        if word & PASSED != 0 {
            self.rest.extend(waiter.keys());
        }
    }

    /// It has its answer; to be told to it only now.
    pub fn answered(&mut self, waiter: &W) {
        self.queues.unregister(self.counts, waiter);
        let word = waiter.claim().answer();
        self.note(waiter, word);
    }

    /// It found nothing, and waits on. If it speaks for others, those like it are passed over.
    pub fn nothing(&mut self, waiter: Arc<W>, speaks: bool) {
        self.give_back(&waiter);
        if speaks {
            self.hopeless.push(waiter);
        }
    }

    fn give_back(&mut self, waiter: &W) {
        let word = waiter.claim().release();
        self.note(waiter, word);
        if word & LEFT != 0 {
            self.queues.unregister(self.counts, waiter);
        }
    }

    /// It could not be run now: ends the serving. The key is to be served again later.
    pub fn busy(mut self, waiter: &W) -> Vec<Name> {
        self.give_back(waiter);
        self.queues.finish(self.name, true);
        self.rest.push(self.name.clone());
        self.rest
    }

    /// What has to be served besides, after the end.
    #[must_use]
    pub fn rest(self) -> Vec<Name> {
        self.rest
    }
}
