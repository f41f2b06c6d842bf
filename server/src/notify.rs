//! Keyspace events on their way to their channels.
//!
//! Why it exists: the engine notes what happened to keys; here each event becomes the one or two
//! messages that `notify-keyspace-events` asks for. Whoever ran the commands calls it when they
//! are done: a reactor after a command or a transaction, the background thread after a sweep.

use engine::{Changes, Classes, Event, Turn};

use crate::pubsub::{Broker, Plan, Space};
use crate::reactor::Core;
use crate::shared::{Message, Shared};
use crate::tracking;

/// The messages of `events` that have a receiver, in order.
pub(crate) fn plan(broker: &Broker, classes: Classes, events: &[Event], plans: &mut Vec<Plan>) {
    let mut channel = Vec::with_capacity(64);
    for Event { db, name, key, .. } in events {
        let messages = [
            (classes.by_key(), "keyspace", &**key, name.as_bytes()),
            (classes.by_event(), "keyevent", name.as_bytes(), &**key),
        ];
        for (_, kind, last, payload) in messages.into_iter().filter(|(wanted, ..)| *wanted) {
            channel.clear();
            channel.extend_from_slice(format!("__{kind}@{db}__:").as_bytes());
            channel.extend_from_slice(last);
            plans.extend(broker.plan(Space::Channel, &channel, payload));
        }
    }
}

/// Tells everybody what a thread that is no reactor did.
pub(crate) fn tell(shared: &Shared, changes: Changes) {
    tracking::invalidate(shared, &changes, None);
    let mut plans = Vec::new();
    plan(&shared.broker, shared.settings.load().events, &changes.events, &mut plans);
    for plan in plans {
        plan.send(&shared.reactors, None);
    }
    if !changes.keys.is_empty() {
        shared.reactors[0].send(Message::Changed(changes.keys));
    }
}

impl Core {
    /// Takes what the last commands of a turn changed, publishes the events among it, and tells
    /// those who keep copies.
    pub(crate) fn take_changes(&mut self, turn: &mut Turn<'_>) -> Changes {
        let changes = turn.take_changes();
        tracking::invalidate(&self.shared, &changes, self.origin);
        if !changes.events.is_empty() {
            self.publish_events(&changes.events);
        }
        changes
    }

    /// Puts what happened to keys behind what was published before.
    #[cold]
    pub(crate) fn publish_events(&mut self, events: &[Event]) {
        plan(&self.shared.broker, self.settings.events, events, &mut self.outbox);
    }

    /// Whether events are wanted, and some reactor has more to deliver than it can soon: then who
    /// makes more of them waits.
    pub(crate) fn must_hold_events(&self) -> bool {
        let behind = |reactor| self.is_behind(reactor);
        self.settings.events != Classes::default() && (0..self.shared.reactors.len()).any(behind)
    }
}

#[cfg(test)]
mod tests {
    use engine::Class;

    use super::*;

    #[test]
    fn nobody_listening_means_no_message() {
        let key = b"k".as_slice().into();
        let events = [Event { class: Class::String, db: 3, name: "set", key }];
        let mut plans = Vec::new();
        plan(&Broker::default(), Classes::parse("KEA").unwrap(), &events, &mut plans);
        assert!(plans.is_empty());
    }
}
