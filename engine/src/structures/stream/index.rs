//! The blocks of a stream, ordered by their first ids.
//!
//! Why it exists: XADD appends to the last block, which must not cost a search, and a range
//! begins in the block before its start, which must not cost a walk. So the last block stands
//! apart, and the others are in a tree.
//!
//! ```text
//! sealed: BTreeMap  first id -> block, block, block ...      tail: block
//! ```
//!
//! Invariants
//! - N1: ids in a block are below the first id of the next; the tail's are the greatest.
//! - N2: there is no tail only if there are no blocks.
//! - N3: `bytes` is the memory of all blocks.

use std::collections::{BTreeMap, btree_map};

use super::block::Block;
use super::id::StreamId;
use super::tree_entry_bytes;

/// The ordered blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    sealed: BTreeMap<StreamId, Block>,
    tail: Option<Block>,
    bytes: usize,
}

/// Blocks in order, from both ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Between<'a> {
    sealed: btree_map::Range<'a, StreamId, Block>,
    tail: Option<&'a Block>,
}

impl<'a> Iterator for Between<'a> {
    type Item = &'a Block;

    fn next(&mut self) -> Option<&'a Block> {
        self.sealed.next().map(|(_, block)| block).or_else(|| self.tail.take())
    }
}

impl DoubleEndedIterator for Between<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.tail.take().or_else(|| self.sealed.next_back().map(|(_, block)| block))
    }
}

impl Blocks {
    pub(super) fn count(&self) -> usize {
        self.sealed.len() + usize::from(self.tail.is_some())
    }

    /// Bytes of memory. Cost: O(1).
    pub(super) const fn memory(&self) -> usize {
        self.bytes
    }

    pub(super) const fn tail(&self) -> Option<&Block> {
        self.tail.as_ref()
    }

    pub(super) fn first(&self) -> Option<&Block> {
        self.sealed.first_key_value().map(|(_, block)| block).or(self.tail.as_ref())
    }

    /// Changes the tail. Cost: O(1) over `change`.
    pub(super) fn change_tail(&mut self, change: impl FnOnce(&mut Block)) {
        let tail = self.tail.as_mut().expect("a tail was seen");
        let before = cost(tail);
        change(tail);
        self.bytes = self.bytes - before + cost(tail);
    }

    /// Adds a block behind all others.
    pub(super) fn push(&mut self, block: Block) {
        self.bytes += cost(&block);
        if let Some(mut old) = self.tail.replace(block) {
            self.bytes -= cost(&old);
            old.shrink();
            self.bytes += cost(&old);
            self.sealed.insert(old.master(), old);
        }
    }

    /// The block in which `id` is if it is anywhere.
    pub(super) fn around(&self, id: StreamId) -> Option<&Block> {
        match &self.tail {
            Some(tail) if tail.master() <= id => Some(tail),
            _ => self.sealed.range(..=id).next_back().map(|(_, block)| block),
        }
    }

    /// Changes the block with this first id.
    pub(super) fn change(&mut self, master: StreamId, change: impl FnOnce(&mut Block)) {
        match self.sealed.get_mut(&master) {
            Some(block) => {
                let before = cost(block);
                change(block);
                self.bytes = self.bytes - before + cost(block);
            }
            None => self.change_tail(change),
        }
    }

    /// Removes the block with this first id.
    pub(super) fn remove(&mut self, master: StreamId) {
        let removed = match self.sealed.remove(&master) {
            Some(block) => block,
            None => {
                let next = self.sealed.pop_last().map(|(_, block)| block);
                std::mem::replace(&mut self.tail, next).expect("the block was seen")
            }
        };
        self.bytes -= cost(&removed);
    }

    /// The blocks that may hold ids from `start` to `end`, in order.
    pub(super) fn between(&self, start: StreamId, end: StreamId) -> Between<'_> {
        let tail = self.tail.as_ref().filter(|tail| tail.master() <= end && start <= tail.last());
        let first = self.sealed.range(..=start).next_back().map_or(start, |(master, _)| *master);
        let sealed = if first <= end { self.sealed.range(first..=end) } else { <_>::default() };
        Between { sealed, tail }
    }
}

/// Bytes that a block adds.
fn cost(block: &Block) -> usize {
    block.memory() + tree_entry_bytes::<StreamId, Block>()
}
