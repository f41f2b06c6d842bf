//! Keyspace events: what happened to which key, for those who asked to be told.
//!
//! Why it exists: a command tells its events where it knows them, in Redis's words and order;
//! whether anybody listens is one load. Events are kept in the session, in order, until the host
//! takes them after the command, or after the commit of a transaction
//! ([`crate::Turn::take_changes`]), and publishes them. Not for the log: see `journal`.

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

impl Class {
    /// All classes in the order in which Redis shows them, with their letters.
    const ALL: [(Self, char); 12] = [
        (Self::Generic, 'g'),
        (Self::String, '$'),
        (Self::List, 'l'),
        (Self::Set, 's'),
        (Self::Hash, 'h'),
        (Self::SortedSet, 'z'),
        (Self::Expired, 'x'),
        (Self::Evicted, 'e'),
        (Self::Stream, 't'),
        (Self::Module, 'd'),
        (Self::New, 'n'),
        (Self::KeyMiss, 'm'),
    ];

    const fn bit(self) -> u32 {
        self as u32
    }
}

/// Every class.
const ALL_BITS: u32 = (Class::String.bit() << 1) - 1;

/// A set of classes, and to which channels their events go.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Classes(u32);

impl Classes {
    const KEYSPACE: u32 = 1 << 16;
    const KEYEVENT: u32 = 1 << 17;
    /// What `A` stands for: all but missed and new keys.
    const MOST: u32 = ALL_BITS & !(Class::KeyMiss.bit() | Class::New.bit());

    /// Reads the letters of `notify-keyspace-events`; `None` for one that is none.
    ///
    /// # Examples
    /// ```
    /// use engine::Classes;
    /// assert_eq!(Classes::parse("KEg$lshzxetd").expect("known letters").to_string(), "AKE");
    /// assert_eq!(Classes::parse("q"), None);
    /// ```
    #[must_use]
    pub fn parse(letters: &str) -> Option<Self> {
        let mut bits = 0;
        for letter in letters.chars() {
            bits |= match letter {
                'A' => Self::MOST,
                'E' => Self::KEYEVENT,
                'K' => Self::KEYSPACE,
                _ => Class::ALL.iter().find(|(_, known)| *known == letter)?.0.bit(),
            };
        }
        Some(Self(bits))
    }

    /// Whether events go to the channels named after the keys.
    #[must_use]
    pub const fn by_key(self) -> bool {
        self.0 & Self::KEYSPACE != 0
    }

    /// Whether events go to the channels named after the events.
    #[must_use]
    pub const fn by_event(self) -> bool {
        self.0 & Self::KEYEVENT != 0
    }

    /// The classes that somebody can listen for: none, if the events go to no channel.
    #[must_use]
    pub const fn wanted(self) -> u32 {
        if self.by_key() || self.by_event() { self.0 & ALL_BITS } else { 0 }
    }
}

/// The letters as Redis shows them. Behind an `A` it leaves `n` out, and so does this.
impl std::fmt::Display for Classes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let most = self.0 & Self::MOST == Self::MOST;
        let (missed, rest) = Class::ALL.split_last().expect("not empty");
        let has = |class: &Class| self.0 & class.bit() != 0;
        if most {
            f.write_str("A")?;
        } else {
            for (_, letter) in rest.iter().filter(|(class, _)| has(class)) {
                write!(f, "{letter}")?;
            }
        }
        let channels = [(Self::KEYSPACE, "K"), (Self::KEYEVENT, "E")];
        for (_, letter) in channels.iter().filter(|(bit, _)| self.0 & bit != 0) {
            f.write_str(letter)?;
        }
        if has(&missed.0) { write!(f, "{}", missed.1) } else { Ok(()) }
    }
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
        if self.shared.tunables.event_classes() & class as u32 != 0 && !self.replays {
            self.state.changes.events.push(Event { class, name, db, key: key.into() });
        }
    }

    /// Takes the events so far, for a host that has to keep them in order with its own.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.state.changes.events)
    }

    /// Says that a reading command did not find its key.
    #[inline]
    pub(crate) fn notify_missed(&mut self, db: u16, key: &[u8]) {
        self.notify_in(db, Class::KeyMiss, "keymiss", key);
    }

    /// Says what a write over an absent key means: one that had expired is gone, a new one is
    /// there.
    #[inline]
    pub(crate) fn notify_created(&mut self, db: u16, key: &[u8], lapsed: bool) {
        if lapsed {
            self.notify_in(db, Class::Expired, "expired", key);
        }
        self.notify_in(db, Class::New, "new", key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_shown_as_redis_shows_them() {
        for (given, shown) in [
            ("", ""),
            ("AKEn", "AKE"),
            ("KEn", "nKE"),
            ("g$lshzxetd", "A"),
            ("g$lshzxet", "g$lshzxet"),
            ("dtexzhsl$g", "A"),
            ("mAnKE", "AKEm"),
            ("Kmn", "nKm"),
            ("K", "K"),
        ] {
            assert_eq!(Classes::parse(given).unwrap().to_string(), shown, "{given}");
        }
        for given in ["q", "KEgq", " ", "k"] {
            assert_eq!(Classes::parse(given), None, "{given}");
        }
    }

    #[test]
    fn classes_without_a_channel_are_not_wanted() {
        assert_eq!(Classes::parse("A").unwrap().wanted(), 0);
        let both = Classes::parse("Kg").unwrap();
        assert!(both.wanted() & Class::Generic.bit() != 0);
        assert!(both.wanted() & Class::New.bit() == 0);
        assert!(Classes::parse("A").unwrap().0 & (Class::KeyMiss.bit() | Class::New.bit()) == 0);
    }
}
