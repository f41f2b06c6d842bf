//! A stream as its parts: for whoever writes one down, or makes one of what was written.
//!
//! Why it exists: which entries share a block is kept across a dump, because approximate trims
//! remove whole blocks. Not for commands: those see entries.

use super::block::{Block, Entry};
use super::element::Element;
use super::group::{ConsumerIndex, Group};
use super::id::StreamId;
use super::log::Log;

/// A block that is being read.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a>(&'a Block);

impl<'a> Node<'a> {
    /// The id that those of its entries are written relative to: not above any of them.
    #[must_use]
    pub const fn master(self) -> StreamId {
        self.0.master()
    }

    /// Number of the fields that are written once.
    #[must_use]
    pub const fn field_count(self) -> usize {
        self.0.field_count()
    }

    /// The fields that are written once.
    pub fn fields(self) -> impl Iterator<Item = Element<'a>> {
        self.0.fields()
    }

    /// Number of its entries.
    #[must_use]
    pub const fn live(self) -> usize {
        self.0.live()
    }

    /// Its entries.
    pub fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        let block = self.0;
        let mut at = block.start();
        let all = std::iter::from_fn(move || {
            let entry = (at < block.end()).then(|| block.entry(at))?;
            at = block.after(&entry);
            Some(entry)
        });
        all.filter(|entry| !entry.is_dead())
    }
}

impl Log {
    /// The blocks, in order.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        self.blocks.between(StreamId::MIN, StreamId::MAX).map(Node)
    }
}

impl Group {
    /// Makes a consumer as it was; `None` if there is one with this name.
    pub(crate) fn restore_consumer(
        &mut self,
        name: &[u8],
        seen_ms: i64,
        active_ms: Option<i64>,
    ) -> Option<ConsumerIndex> {
        let index = self.create(name, seen_ms)?;
        self.set_active(index, active_ms);
        Some(index)
    }
}
