//! Keyspace events: what happened to which key, for those who asked to be told.
//!
//! Why it exists: a command tells its events where it knows them; whether anybody listens is one
//! load. Events are kept in the session, in order, until the host takes them after the command
//! ([`crate::Turn::take_changes`]) and publishes them.

use crate::context::Context;

/// The classes of events, by the letters of `notify-keyspace-events`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum Class {
    /// `e`: evicted for `maxmemory`.
    Evicted = 1 << 0,
    /// `x`: the deadline has passed.
    Expired = 1 << 1,
    /// `g`: commands of any type.
    Generic = 1 << 2,
    /// `h`: hashes.
    Hash = 1 << 3,
    /// `m`: a key that was read and was not there.
    KeyMiss = 1 << 4,
    /// `l`: lists.
    List = 1 << 5,
    /// `d`: types that are modules in Redis, such as time series.
    Module = 1 << 6,
    /// `n`: a key that was not there before.
    New = 1 << 7,
    /// `s`: sets.
    Set = 1 << 8,
    /// `z`: sorted sets.
    SortedSet = 1 << 9,
    /// `t`: streams.
    Stream = 1 << 10,
    /// `$`: strings.
    String = 1 << 11,
}

/// Something that happened to a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Its class.
    pub class: Class,
    /// Its name, such as `lpush`.
    pub name: &'static str,
    /// The key's database.
    pub db: u16,
    /// The key.
    pub key: Box<[u8]>,
}

impl Context<'_> {
    /// Tells an event of a key in the selected database. Called after the change.
    ///
    /// Cost: a load while nobody listens.
    #[inline]
    pub fn notify(&mut self, class: Class, name: &'static str, key: &[u8]) {
        self.notify_in(self.scope.db, class, name, key);
    }

    /// The same in another database.
    #[inline]
    pub fn notify_in(&mut self, db: u16, class: Class, name: &'static str, key: &[u8]) {
        if self.shared.tunables.event_classes() & class as u32 != 0 {
            self.state.changes.events.push(Event { class, name, db, key: key.into() });
        }
    }
}
