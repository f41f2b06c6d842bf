//! Who wants to know of changes: clients that wait for a key, and whoever follows them all.
//!
//! Why it exists: a write must find out whether anybody cares at the price of two loads of lines
//! that hardly ever change. The keys that somebody may care about are noted in the session; the
//! host takes them after the command and acts (`Turn::take_changes`).
//!
//! Ordering edges
//! - `follow-announce`: a follower counts itself in and then looks at the key; a writer publishes
//!   and then looks at the counts. A store-load pair on two variables: all four are SeqCst (an
//!   edit in place has the fence of its latch in between).

use crate::events::Event;
use crate::sync::{AtomicU32, Ordering};

/// Keys are told apart by this many groups of hashes.
const GROUPS: usize = 256;

/// A key that changed, was created, or is gone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Changed {
    /// Its database.
    pub db: u16,
    /// Its name.
    pub key: Box<[u8]>,
}

/// What a session's commands changed, as far as anybody may want to know.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The keys.
    pub keys: Vec<Changed>,
    /// Events that somebody listens for, in order.
    pub events: Vec<Event>,
    /// Whole databases changed: every key may be another one now.
    pub whole: bool,
}

impl Changes {
    /// Whether there is nothing to tell.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.events.is_empty() && !self.whole
    }
}

/// How many follow.
#[derive(Debug)]
pub struct Followers {
    all: AtomicU32,
    groups: Box<[AtomicU32]>,
}

impl Default for Followers {
    fn default() -> Self {
        let groups = (0..GROUPS).map(|_| AtomicU32::new(0)).collect();
        Self { all: AtomicU32::new(0), groups }
    }
}

impl Followers {
    fn group(&self, hash: u64) -> &AtomicU32 {
        // The low bits are the slot's tag; any will do.
        let group = usize::try_from(hash % GROUPS as u64).expect("below GROUPS");
        &self.groups[group]
    }

    /// Whether somebody may want to know of a change to a key with this hash. Asked after the
    /// change was published.
    #[inline]
    #[must_use]
    pub fn are_there(&self, hash: u64) -> bool {
        // ORDER(follow-announce): SeqCst; orders the publication before this look.
        let one = self.group(hash).load(Ordering::SeqCst) != 0;
        // ORDER(follow-announce): SeqCst; as above.
        one || self.all.load(Ordering::SeqCst) != 0
    }

    /// Whether somebody waits for a key of this hash's group.
    #[inline]
    #[must_use]
    pub fn wait_for(&self, hash: u64) -> bool {
        // ORDER(follow-announce): SeqCst; as above.
        self.group(hash).load(Ordering::SeqCst) != 0
    }

    /// Counts a follower of one key in; it looks at the key afterwards.
    pub fn join(&self, hash: u64) {
        // ORDER(follow-announce): SeqCst; before the follower's look at the key.
        self.group(hash).fetch_add(1, Ordering::SeqCst);
    }

    /// Counts it out.
    pub fn part(&self, hash: u64) {
        // ORDER(follow-announce): SeqCst; nobody relies on when this is seen.
        let before = self.group(hash).fetch_sub(1, Ordering::SeqCst);
        debug_assert!(before > 0, "counted in before");
    }

    /// Counts a follower of all keys in.
    pub fn join_all(&self) {
        // ORDER(follow-announce): SeqCst; as for one key.
        self.all.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts it out.
    pub fn part_all(&self) {
        // ORDER(follow-announce): SeqCst; as for one key.
        let before = self.all.fetch_sub(1, Ordering::SeqCst);
        debug_assert!(before > 0, "counted in before");
    }
}
