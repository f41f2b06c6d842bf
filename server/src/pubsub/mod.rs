//! Publish and subscribe over any number of reactors.
//!
//! Why it exists: a message has to reach connections that live on other threads, in order, and
//! PUBLISH has to answer how many there were, without a lock around delivery and without a
//! reactor that stalls because a channel has many subscribers.
//!
//! - Each reactor has the subscriptions of its own connections ([`Local`]); nobody else touches
//!   them.
//! - What a publisher has to know is shared ([`registry::Registry`]): per channel, how many
//!   subscriptions each reactor has. It changes when somebody subscribes, and is only read by a
//!   publisher.
//! - A message travels once to each reactor with subscribers, as an `Arc<Publication>` in the
//!   mailbox. The reactor encodes it once per protocol version and lets its connections' outputs
//!   refer to those bytes.
//! - A reactor delivers from a queue, so much per loop turn and the rest in turns to come. The
//!   queue is first in, first out, so messages of one publisher never change places.
//!
//! Invariants
//! - P1: a subscription is in the registry before it is answered, so a message published after
//!   the answer finds it.
//! - P2: subscriptions of a name are numbered in the order in which they were made; a message
//!   carries the last number at its time, and later subscriptions do not get it. So nobody
//!   receives what was published before they asked, however long it queued.
//! - P3: a message of a transaction leaves after the commit: who receives it finds the writes.

pub(crate) mod commands;
pub(crate) mod feed;
mod filter;
mod local;
mod registry;

use std::sync::Arc;

use engine::sync::{AtomicU64, Ordering};
use smallvec::SmallVec;

pub(crate) use self::filter::{Filter, Payload};
pub(crate) use self::local::{Local, Subscriptions};
use self::registry::{Audience, Registry};
use crate::shared::{Handle, Message};

/// The three spaces of names, which know nothing of each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Space {
    /// SUBSCRIBE.
    Channel,
    /// PSUBSCRIBE.
    Pattern,
    /// SSUBSCRIBE.
    Shard,
}

impl Space {
    /// How many there are.
    pub(crate) const COUNT: usize = 3;

    /// Position among all, `0..COUNT`.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// A message on its way to the reactors with subscribers.
#[derive(Debug)]
pub(crate) struct Publication {
    space: Space,
    channel: Box<[u8]>,
    payload: Box<[u8]>,
    /// Subscriptions of the channel up to this number get it (P2).
    last: u64,
    /// The same for patterns.
    pattern_last: u64,
    /// Patterns with subscribers that the channel matches.
    patterns: Vec<Arc<[u8]>>,
    /// Filters that the payload passed.
    passed: Vec<Arc<Filter>>,
}

/// A publication with everything that sending it takes.
#[derive(Debug)]
pub(crate) struct Plan {
    publication: Arc<Publication>,
    audience: Audience,
}

impl Plan {
    /// How many will receive it.
    #[must_use]
    pub(crate) fn receivers(&self) -> u64 {
        self.audience.iter().map(|(_, count)| count).sum()
    }

    /// The reactors it goes to.
    pub(crate) fn reactors(&self) -> impl Iterator<Item = usize> {
        self.audience.iter().map(|(reactor, _)| *reactor)
    }

    /// Hands it to the reactors; `own` (position and queue) gets its part without a mailbox.
    pub(crate) fn send(self, reactors: &[Arc<Handle>], own: Option<(usize, &mut Local)>) {
        let (own, mut local) = own.unzip();
        for (reactor, count) in self.audience {
            let publication = Arc::clone(&self.publication);
            match &mut local {
                Some(local) if own == Some(reactor) => local.enqueue(publication, count),
                _ => reactors[reactor].send(Message::Publish(publication, count)),
            }
        }
    }
}

/// The shared half of publish and subscribe.
#[derive(Debug)]
pub(crate) struct Broker {
    spaces: [Registry; Space::COUNT],
    /// Connections with a subscription.
    subscribers: AtomicU64,
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            // Patterns are walked as a whole, so they are in one table.
            spaces: [Registry::new(64), Registry::new(1), Registry::new(64)],
            subscribers: AtomicU64::new(0),
        }
    }
}

impl Broker {
    fn space(&self, space: Space) -> &Registry {
        &self.spaces[space.index()]
    }

    /// Names with subscribers, for INFO.
    #[must_use]
    pub(crate) fn names(&self, space: Space) -> u64 {
        self.space(space).len()
    }

    /// Connections with a subscription, for INFO.
    #[must_use]
    pub(crate) fn subscribers(&self) -> u64 {
        // ORDER: Relaxed (unpaired); a count.
        self.subscribers.load(Ordering::Relaxed)
    }

    /// Counts connections with a subscription up or down.
    fn count_subscriber(&self, up: bool) {
        let change = if up { 1 } else { u64::MAX };
        // ORDER: Relaxed (unpaired); a count.
        self.subscribers.fetch_add(change, Ordering::Relaxed);
    }

    /// Finds out who gets a message. `None` when nobody does, which costs two loads.
    ///
    /// The payload is parsed at most once, and only if the channel has a subscription with a
    /// filter.
    #[must_use]
    pub(crate) fn plan(&self, space: Space, channel: &[u8], payload: &[u8]) -> Option<Plan> {
        let mut audience = SmallVec::new();
        let mut publication = Publication {
            space,
            channel: Box::default(),
            payload: Box::default(),
            last: 0,
            pattern_last: 0,
            patterns: Vec::new(),
            passed: Vec::new(),
        };
        let mut parsed = Payload::new(payload);
        publication.last = self.space(space).look_up(
            channel,
            |filter| filter.admits(&mut parsed),
            &mut audience,
            &mut publication.passed,
        );
        if space == Space::Channel {
            publication.pattern_last = self.space(Space::Pattern).look_up_patterns(
                channel,
                &mut audience,
                &mut publication.patterns,
            );
        }
        if audience.is_empty() {
            return None;
        }
        publication.channel = channel.into();
        publication.payload = payload.into();
        Some(Plan { publication: Arc::new(publication), audience })
    }
}
