//! One reactor's subscriptions, and its queue of messages to deliver.
//!
//! Why it exists: the connections of a reactor are its own, so finding and feeding the
//! subscribers among them takes no lock. A message to ten thousand of them is ten thousand
//! writes to sockets; they are spread over as many loop turns as it takes, and other
//! connections have their turns in between.
//!
//! Invariants
//! - Q1: the queue is delivered in order, and a message to the end before the next begins.
//! - Q2: a member leaves the tables before its connection's slot is given to another.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use engine::sync::Counter;
use protocol::{Encoder, Version};

use super::registry::Entered;
use super::{Broker, Filter, Publication, Space};

/// Units of delivery per loop turn. A connection that is given its first message of the turn will
/// cost a write to its socket, some 5 us; one that is given another costs a copy.
const UNITS_PER_TURN: usize = 1_024;
/// With so many messages waiting, a turn is longer: a few hundred connections, and several messages
/// for each of them in one write, which is what lets the queue drain.
const DEEP_MESSAGES: usize = 16;
/// Units of such a turn.
const UNITS_PER_DEEP_TURN: usize = 8 * UNITS_PER_TURN;
/// Units of the first message; so a turn serves some 64 connections, in about half a
/// millisecond.
const UNITS_PER_CONNECTION: usize = 16;
/// Bytes of a message that weigh as much in the backlog as one receiver.
const BYTES_PER_RECEIVER: u64 = 1_024;
/// Backlog of a reactor (receivers to serve) above which PUBLISH waits: half a second of work.
pub(crate) const BACKLOG_MAX: u64 = 100_000;

/// A subscriber of a name.
#[derive(Debug)]
struct Member {
    /// Where its connection is.
    slot: usize,
    filter: Option<Arc<Filter>>,
}

/// The members of each name of a space, by the number of their subscription.
type Members = HashMap<Arc<[u8]>, BTreeMap<u64, Member>>;

/// A connection's subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    names: [HashMap<Arc<[u8]>, u64>; Space::COUNT],
}

impl Subscriptions {
    /// How many in one space.
    #[must_use]
    pub(crate) fn count(&self, space: Space) -> usize {
        self.names[space.index()].len()
    }

    /// Whether there is none.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.names.iter().all(HashMap::is_empty)
    }

    /// The names in one space, in the order of their subscription.
    #[must_use]
    pub(crate) fn names(&self, space: Space) -> Vec<Arc<[u8]>> {
        let mut names: Vec<_> = self.names[space.index()].iter().collect();
        names.sort_unstable_by_key(|(_, number)| **number);
        names.into_iter().map(|(name, _)| Arc::clone(name)).collect()
    }
}

/// What a delivery needs of the reactor's connections.
pub(crate) trait Feed {
    /// The version of the connection in a slot; `None` when it takes nothing any more.
    fn version(&self, slot: usize) -> Option<Version>;
    /// Appends a frame to its output; true when this is its first in this turn.
    fn feed(&mut self, slot: usize, frame: &Arc<[u8]>) -> bool;
}

/// A message being delivered.
#[derive(Debug)]
struct Delivery {
    publication: Arc<Publication>,
    /// What it weighs in the backlog.
    weight: u64,
    /// 0 for the channel's subscribers, then one for each pattern.
    stage: usize,
    /// The last subscription of the stage that was served.
    after: u64,
    /// The frame of this stage by version, encoded when the first connection needs it.
    frames: [Option<Arc<[u8]>>; 3],
}

/// One reactor's half of publish and subscribe.
#[derive(Debug, Default)]
pub(crate) struct Local {
    members: [Members; Space::COUNT],
    queue: VecDeque<Delivery>,
    backlog: u64,
}

impl Local {
    /// Subscribes a connection to a name. A subscription that is there already keeps its place
    /// and gets the new filter, or none.
    pub(crate) fn subscribe(
        &mut self,
        broker: &Broker,
        (reactor, slot): (usize, usize),
        own: &mut Subscriptions,
        space: Space,
        (name, filter): (&[u8], Option<&Filter>),
    ) {
        if let Some(number) = own.names[space.index()].get(name) {
            let members = self.members[space.index()].get(name);
            let member = members.and_then(|members| members.get(number));
            let member = member.expect("a subscription is in both tables");
            if member.filter.as_deref() == filter {
                return;
            }
            self.unsubscribe(broker, reactor, own, space, name);
        }
        if own.is_empty() {
            broker.count_subscriber(true);
        }
        let entered = broker.space(space).enter(name, filter.cloned(), reactor);
        let Entered { name, filter, number } = entered;
        own.names[space.index()].insert(Arc::clone(&name), number);
        let members = self.members[space.index()].entry(name).or_default();
        members.insert(number, Member { slot, filter });
    }

    /// Takes a subscription back; nothing if there is none.
    pub(crate) fn unsubscribe(
        &mut self,
        broker: &Broker,
        reactor: usize,
        own: &mut Subscriptions,
        space: Space,
        name: &[u8],
    ) {
        let Some(number) = own.names[space.index()].remove(name) else { return };
        let members = self.members[space.index()].get_mut(name);
        let members = members.expect("a subscription is in both tables");
        let member = members.remove(&number).expect("a subscription is in both tables");
        if members.is_empty() {
            self.members[space.index()].remove(name);
        }
        broker.space(space).leave(name, member.filter.as_ref(), reactor);
        if own.is_empty() {
            broker.count_subscriber(false);
        }
    }

    /// Takes all subscriptions of a connection back (Q2).
    pub(crate) fn unsubscribe_all(
        &mut self,
        broker: &Broker,
        reactor: usize,
        own: &mut Subscriptions,
    ) {
        for space in [Space::Channel, Space::Pattern, Space::Shard] {
            for name in own.names(space) {
                self.unsubscribe(broker, reactor, own, space, &name);
            }
        }
    }

    /// Puts a message behind the others.
    pub(crate) fn enqueue(&mut self, publication: Arc<Publication>, receivers: u64) {
        let weight = receivers + publication.payload.len() as u64 / BYTES_PER_RECEIVER;
        self.backlog += weight;
        let frames = [None, None, None];
        self.queue.push_back(Delivery { publication, weight, stage: 0, after: 0, frames });
    }

    /// Whether messages wait.
    #[must_use]
    pub(crate) fn is_busy(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Receivers that wait for messages in the queue.
    #[must_use]
    pub(crate) fn backlog(&self) -> u64 {
        self.backlog
    }

    /// Delivers a turn's share, and says in `shown` how much is left.
    pub(crate) fn deliver(&mut self, feed: &mut impl Feed, shown: &Counter) {
        let is_deep = self.queue.len() >= DEEP_MESSAGES;
        let mut units = if is_deep { UNITS_PER_DEEP_TURN } else { UNITS_PER_TURN };
        while let Some(delivery) = self.queue.front_mut() {
            if !delivery.go_on(&self.members, feed, &mut units) {
                break;
            }
            self.backlog -= delivery.weight;
            self.queue.pop_front();
        }
        shown.set(self.backlog);
    }
}

impl Delivery {
    /// Serves members until the units are used up; true when all of them have been served.
    fn go_on(
        &mut self,
        members: &[Members; Space::COUNT],
        feed: &mut impl Feed,
        units: &mut usize,
    ) -> bool {
        let publication = Arc::clone(&self.publication);
        while self.stage <= publication.patterns.len() {
            let (space, name, last) = match self.stage {
                0 => (publication.space, &*publication.channel, publication.last),
                stage => {
                    (Space::Pattern, &*publication.patterns[stage - 1], publication.pattern_last)
                }
            };
            let reached = (Bound::Excluded(self.after), Bound::Included(last.max(self.after + 1)));
            let waiting = members[space.index()].get(name).into_iter();
            for (&number, member) in waiting.flat_map(|members| members.range(reached)) {
                if *units == 0 {
                    return false;
                }
                if number > last {
                    break;
                }
                self.after = number;
                self.serve(member, feed, units);
            }
            self.stage += 1;
            self.after = 0;
            self.frames = [None, None, None];
        }
        true
    }

    fn serve(&mut self, member: &Member, feed: &mut impl Feed, units: &mut usize) {
        let passed = &self.publication.passed;
        let wants = member
            .filter
            .as_ref()
            .is_none_or(|filter| passed.iter().any(|passed| Arc::ptr_eq(passed, filter)));
        let Some(version) = feed.version(member.slot).filter(|_| wants) else {
            *units -= 1;
            return;
        };
        let index = usize::from(version.number() - 2);
        let frame = match &self.frames[index] {
            Some(frame) => frame,
            None => {
                let frame = self.encode(version);
                self.frames[index].insert(frame)
            }
        };
        let cost = if feed.feed(member.slot, frame) { UNITS_PER_CONNECTION } else { 1 };
        *units = units.saturating_sub(cost);
    }

    fn encode(&self, version: Version) -> Arc<[u8]> {
        let Publication { space, channel, payload, patterns, .. } = &*self.publication;
        let mut bytes = Vec::with_capacity(channel.len() + payload.len() + 64);
        let mut encoder = Encoder::new(&mut bytes, version);
        match (self.stage, space) {
            (0, Space::Shard) => {
                encoder.push(3);
                encoder.bulk(b"smessage");
            }
            (0, _) => {
                encoder.push(3);
                encoder.bulk(b"message");
            }
            (stage, _) => {
                encoder.push(4);
                encoder.bulk(b"pmessage");
                encoder.bulk(&patterns[stage - 1]);
            }
        }
        encoder.bulk(channel);
        encoder.bulk(payload);
        bytes.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connections that note what they were fed.
    #[derive(Default)]
    struct Notes(Vec<(usize, String)>);

    impl Feed for Notes {
        fn version(&self, slot: usize) -> Option<Version> {
            (slot != 13).then_some(if slot.is_multiple_of(2) {
                Version::Two
            } else {
                Version::Three
            })
        }

        fn feed(&mut self, slot: usize, frame: &Arc<[u8]>) -> bool {
            let first = self.0.iter().all(|(known, _)| *known != slot);
            self.0.push((slot, String::from_utf8_lossy(frame).into_owned()));
            first
        }
    }

    struct Stage {
        broker: Broker,
        local: Local,
        shown: Counter,
    }

    impl Stage {
        fn new() -> Self {
            let (broker, local) = (Broker::default(), Local::default());
            Self { broker, local, shown: Counter::default() }
        }

        fn publish(&mut self, space: Space, channel: &[u8], payload: &[u8]) -> u64 {
            let Some(plan) = self.broker.plan(space, channel, payload) else { return 0 };
            let receivers = plan.receivers();
            plan.send(&[], Some((0, &mut self.local)));
            receivers
        }

        fn subscribe(&mut self, slot: usize, own: &mut Subscriptions, space: Space, name: &[u8]) {
            self.local.subscribe(&self.broker, (0, slot), own, space, (name, None));
        }

        fn deliver(&mut self) -> Vec<(usize, String)> {
            let mut notes = Notes::default();
            self.local.deliver(&mut notes, &self.shown);
            notes.0
        }
    }

    #[test]
    fn a_message_comes_in_the_form_of_each_version_and_for_each_pattern() {
        let mut stage = Stage::new();
        let (mut two, mut three) = (Subscriptions::default(), Subscriptions::default());
        stage.subscribe(2, &mut two, Space::Channel, b"news");
        stage.subscribe(3, &mut three, Space::Channel, b"news");
        stage.subscribe(3, &mut three, Space::Pattern, b"n*");
        stage.subscribe(3, &mut three, Space::Shard, b"news");
        assert_eq!(stage.publish(Space::Channel, b"news", b"hi"), 3);
        assert_eq!(stage.publish(Space::Shard, b"news", b"yo"), 1);
        assert_eq!(stage.publish(Space::Channel, b"else", b"hi"), 0);
        let got = stage.deliver();
        let message = "3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n";
        assert_eq!(got[0], (2, format!("*{message}")));
        assert_eq!(got[1], (3, format!(">{message}")));
        assert!(got[2].1.starts_with(">4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews"));
        assert!(got[3].1.starts_with(">3\r\n$8\r\nsmessage"));
        assert_eq!((got.len(), stage.broker.subscribers()), (4, 2));
        stage.local.unsubscribe_all(&stage.broker, 0, &mut three);
        stage.local.unsubscribe_all(&stage.broker, 0, &mut two);
        assert_eq!(stage.broker.subscribers(), 0);
        assert!(stage.local.members.iter().all(HashMap::is_empty));
    }

    #[test]
    fn who_subscribes_later_does_not_get_what_was_published_before() {
        let mut stage = Stage::new();
        let (mut early, mut late) = (Subscriptions::default(), Subscriptions::default());
        stage.subscribe(1, &mut early, Space::Channel, b"c");
        stage.publish(Space::Channel, b"c", b"first");
        stage.subscribe(2, &mut late, Space::Channel, b"c");
        stage.publish(Space::Channel, b"c", b"second");
        let slots: Vec<usize> = stage.deliver().into_iter().map(|(slot, _)| slot).collect();
        assert_eq!(slots, [1, 1, 2]);
    }

    #[test]
    fn a_crowd_is_served_in_slices_and_nobody_twice() {
        let mut stage = Stage::new();
        let mut all: Vec<Subscriptions> = (0..500).map(|_| Subscriptions::default()).collect();
        for (slot, own) in all.iter_mut().enumerate() {
            stage.subscribe(slot, own, Space::Channel, b"c");
        }
        assert_eq!(stage.publish(Space::Channel, b"c", b"m"), 500);
        assert_eq!(stage.local.backlog(), 500);
        let mut served = Vec::new();
        let mut turns = 0;
        while stage.local.is_busy() {
            let slice = stage.deliver();
            assert!(slice.len() <= UNITS_PER_TURN / UNITS_PER_CONNECTION + 1);
            served.extend(slice.into_iter().map(|(slot, _)| slot));
            turns += 1;
            if turns == 2 {
                // One that was served and one that was not go away.
                for slot in [0, 499] {
                    stage.local.unsubscribe_all(&stage.broker, 0, &mut all[slot]);
                }
            }
        }
        let expected: Vec<usize> = (0..499).filter(|slot| *slot != 13).collect();
        assert_eq!(served, expected, "13 takes nothing, 499 left in time");
        assert_eq!((stage.local.backlog(), stage.shown.get()), (0, 0));
        assert!(turns > 5);
    }

    #[test]
    fn many_messages_come_several_at_a_time() {
        let mut stage = Stage::new();
        let mut all: Vec<Subscriptions> = (0..100).map(|_| Subscriptions::default()).collect();
        for (slot, own) in all.iter_mut().enumerate() {
            stage.subscribe(slot, own, Space::Channel, b"c");
        }
        for _ in 0..DEEP_MESSAGES {
            assert_eq!(stage.publish(Space::Channel, b"c", b"m"), 100);
        }
        let first = stage.deliver();
        assert!(first.iter().filter(|(slot, _)| *slot == 7).count() > 1);
    }

    #[test]
    fn a_filter_is_asked_by_the_publisher_and_can_be_taken_back() {
        let mut stage = Stage::new();
        let mut own = Subscriptions::default();
        let filter = Filter::new(b"$.a", b"1").unwrap();
        let mut subscribe = |stage: &mut Stage, filter: Option<&Filter>| {
            let name = (b"c".as_slice(), filter);
            stage.local.subscribe(&stage.broker, (0, 1), &mut own, Space::Channel, name);
        };
        subscribe(&mut stage, Some(&filter));
        assert_eq!(stage.publish(Space::Channel, b"c", b"{\"a\":1}"), 1);
        assert_eq!(stage.publish(Space::Channel, b"c", b"{\"a\":2}"), 0);
        assert_eq!(stage.deliver().len(), 1);
        subscribe(&mut stage, None);
        assert_eq!(stage.publish(Space::Channel, b"c", b"{\"a\":2}"), 1);
        assert_eq!(stage.deliver().len(), 1);
    }
}
