//! What the engine remembers for one client between commands.

use crate::tid::Tid;

/// One client's state: the selected database, its watched keys, its habits.
#[derive(Debug, Default)]
pub struct Scope {
    /// The selected database.
    pub db: u16,
    /// `CLIENT NO-TOUCH`: reads leave the access clocks alone.
    pub no_touch: bool,
    /// The client has subscriptions: in version 2 it reads messages only, so PING answers in
    /// the shape of one.
    pub subscribed: bool,
    /// Keys under WATCH.
    pub(crate) watches: Vec<Watch>,
    /// Keys that the client's script wanted when it had to go back: it takes them first when it is
    /// run again.
    pub(crate) wanted: Vec<(u16, Box<[u8]>)>,
}

/// A watched key and the version it had.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) db: u16,
    pub(crate) key: Box<[u8]>,
    /// The version of the record, or of the pinned tombstone of an absent key.
    pub(crate) tid: Tid,
    /// Whether the key was absent, so that a pin has to be given back.
    pub(crate) absent: bool,
    /// How often its database had been emptied or swapped.
    pub(crate) generation: u64,
}

impl Scope {
    /// Number of keys watched.
    #[must_use]
    pub fn watching(&self) -> usize {
        self.watches.len()
    }

    /// Whether any key is watched.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        !self.watches.is_empty()
    }
}
