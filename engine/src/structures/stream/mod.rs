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

use super::cow::CowBox;

/// A stream. A clone shares blocks, groups and pending entries until they are edited; the first
/// edit of a shared group copies its consumers.
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
    groups: BTreeMap<Box<[u8]>, CowBox<Group>>,
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
    pub fn memory(&self) -> usize {
        self.log.memory() + self.group_bytes
    }

    /// Number of groups.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, &**group))
    }

    /// The group with this name.
    #[must_use]
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name).map(|group| &**group)
    }

    /// Adds a group; false if there is one with this name.
    pub fn create_group(&mut self, name: &[u8], group: Group) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        self.group_bytes += Self::group_cost(name, &group);
        self.groups.insert(name.into(), CowBox::new(group));
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
        // As it was counted: a copy's vectors may have less room.
        let before = Self::group_cost(name, group);
        let group = group.unshare();
        let result = change(&self.log, group);
        self.group_bytes = self.group_bytes - before + Self::group_cost(name, group);
        Some(result)
    }

    fn group_cost(name: &[u8], group: &Group) -> usize {
        let entry = tree_entry_bytes::<Box<[u8]>, CowBox<Group>>();
        name.len() + group.memory() + CowBox::<Group>::heap_bytes() + entry
    }
}

/// Bytes that an entry of the standard library's tree takes on average, its node's share
/// included: nodes hold eleven and are about two thirds full.
const fn tree_entry_bytes<K, V>() -> usize {
    (size_of::<K>() + size_of::<V>()) * 3 / 2 + 2
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::structures::cow::copied;

    /// What an edit after a snapshot copies: a block of entries, and of pending ones two.
    #[test]
    fn an_edit_of_a_shared_stream_copies_its_blocks_only() {
        let limits = BlockLimits { bytes_max: 4096, entries_max: 100 };
        let id = |ms| StreamId::new(ms, 0);
        let mut stream = Stream::default();
        for ms in 1..=60_000 {
            stream.log_mut().append(id(ms), &[b"field", b"some value"], limits);
        }
        stream.create_group(b"group", Group::new(StreamId::MIN, Some(0)));
        stream.change_group(b"group", |log, group| {
            let (consumer, _) = group.meet(b"consumer", 1);
            group.deliver(log, consumer, 50_000, false, 1, |_| ());
        });
        assert_eq!(copied::take(), 0, "nothing is shared");
        let shared = stream.clone();
        let mut most = 0;
        for step in 1..500 {
            stream.log_mut().append(id(60_000 + step), &[b"field", b"some value"], limits);
            most = most.max(copied::take());
            stream.log_mut().remove(&[id(step * 97)]);
            most = most.max(copied::take());
            stream.change_group(b"group", |log, group| {
                let consumer = group.find(b"consumer").expect("it was met");
                assert!(group.acknowledge(id(step * 89)));
                group.deliver(log, consumer, 1, false, 2, |_| ());
            });
            most = most.max(copied::take());
            stream.log_mut().trim(Keep::Newest(60_000 - step), Precision::Exact);
            most = most.max(copied::take());
        }
        assert!(most <= 32 * 1024, "{most} bytes for one edit");
        let pending = |stream: &Stream| stream.group(b"group").map(Group::pending_count);
        assert_eq!((shared.log().len(), pending(&shared)), (60_000, Some(50_000)));
        assert_eq!(shared.log().range(StreamId::MIN, StreamId::MAX).count(), 60_000);
        assert_eq!(pending(&stream), Some(50_000));
    }
}
