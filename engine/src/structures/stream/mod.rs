//! A stream: entries under ascending ids, and groups of consumers that share them.
//!
//! Why it exists: a log that is appended to at one end, trimmed at the other and read by range
//! needs neither a tree per entry nor an allocation per field. Entries are packed into blocks
//! that say repeated fields once; a tree holds the blocks.
//! Not for readers while it is edited: the keyspace keeps them apart.
//!
//! ```text
//! Stream
//!   log     entries in blocks (`block`), the blocks in order (`index`), counters (`log`)
//!   groups  name -> group: what was read, pending entries, consumers (`group`)
//! ```
//!
//! Invariants
//! - S1: `group_bytes` is the memory of all groups and their names.

mod block;
mod element;
mod foreign;
mod group;
mod id;
mod index;
mod log;
#[doc(hidden)]
pub mod properties;

use std::collections::BTreeMap;

pub use block::{BlockLimits, Entry};
pub use element::Element;
pub use foreign::Node;
pub use group::{Claim, Claimed, Consumer, ConsumerIndex, Group, Pending};
pub use id::StreamId;
pub use log::{ENTRY_BYTES_MAX, Keep, Log, NewId, Precision, Range, RangeBack};

/// A stream.
///
/// # Examples
/// ```
/// use engine::structures::stream::{BlockLimits, Stream, StreamId};
///
/// let limits = BlockLimits { bytes_max: 4096, entries_max: 100 };
/// let mut stream = Stream::default();
/// stream.log_mut().append(StreamId::new(5, 0), &[b"field", b"value"], limits);
/// let entry = stream.log().range(StreamId::MIN, StreamId::MAX).next().expect("added");
/// let (field, value) = entry.pairs().next().expect("one field");
/// assert_eq!((&*field.to_bytes(), &*value.to_bytes()), (&b"field"[..], &b"value"[..]));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stream {
    log: Log,
    groups: BTreeMap<Box<[u8]>, Group>,
    group_bytes: usize,
}

impl Stream {
    /// The entries.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// The entries, to be changed.
    pub const fn log_mut(&mut self) -> &mut Log {
        &mut self.log
    }

    /// Bytes of memory, without the stream itself. Cost: O(1).
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.log.memory() + self.group_bytes
    }

    /// Number of groups.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, group))
    }

    /// The group with this name.
    #[must_use]
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// Adds a group; false if there is one with this name.
    pub fn create_group(&mut self, name: &[u8], group: Group) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        self.group_bytes += Self::group_cost(name, &group);
        self.groups.insert(name.into(), group);
        true
    }

    /// Removes a group with all it holds; false if there is none.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        let Some(group) = self.groups.remove(name) else { return false };
        self.group_bytes -= Self::group_cost(name, &group);
        true
    }

    /// Changes a group, which may look at the entries meanwhile; `None` if there is none.
    pub fn change_group<R>(
        &mut self,
        name: &[u8],
        change: impl FnOnce(&Log, &mut Group) -> R,
    ) -> Option<R> {
        let group = self.groups.get_mut(name)?;
        let before = Self::group_cost(name, group);
        let result = change(&self.log, group);
        self.group_bytes = self.group_bytes - before + Self::group_cost(name, group);
        Some(result)
    }

    fn group_cost(name: &[u8], group: &Group) -> usize {
        name.len() + group.memory() + tree_entry_bytes::<Box<[u8]>, Group>()
    }
}

/// Bytes that an entry of the standard library's tree takes on average, its node's share
/// included: nodes hold eleven and are about two thirds full.
const fn tree_entry_bytes<K, V>() -> usize {
    (size_of::<K>() + size_of::<V>()) * 3 / 2 + 2
}
