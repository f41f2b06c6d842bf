//! The blocks of a stream, ordered by their first ids.
//!
//! Why it exists: XADD appends to the last block, which must not cost a search, and a range
//! begins in the block before its start, which must not cost a walk. The blocks lie in a spine,
//! whose ends are near and whose middle is searched; a clone shares them.
//!
//! Invariants
//! - N1: ids in a block are below the first id of the next.
//! - N2: `bytes` is the memory of all blocks.

use super::block::Block;
use super::id::StreamId;
use crate::structures::spine::{Iter, Spine, Spot};

/// The ordered blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    spine: Spine<Block>,
    bytes: usize,
}

/// Blocks in order, from both ends.
pub(super) type Between<'a> = Iter<'a, Block>;

impl Blocks {
    pub(super) const fn count(&self) -> usize {
        self.spine.len()
    }

    /// Bytes of memory. Cost: O(1).
    pub(super) fn memory(&self) -> usize {
        self.bytes + self.spine.memory()
    }

    #[inline]
    pub(super) fn tail(&self) -> Option<&Block> {
        self.spine.back()
    }

    pub(super) fn first(&self) -> Option<&Block> {
        self.spine.front()
    }

    /// Changes the tail. Cost: O(1) over `change`.
    #[inline]
    pub(super) fn change_tail(&mut self, change: impl FnOnce(&mut Block)) {
        let tail = self.spine.back_mut().expect("a tail was seen");
        let before = tail.memory();
        change(tail);
        self.bytes = self.bytes - before + tail.memory();
    }

    /// Adds a block behind all others.
    pub(super) fn push(&mut self, block: Block) {
        if self.spine.len() > 0 {
            self.change_tail(Block::shrink);
        }
        self.bytes += block.memory();
        self.spine.push_back(block);
    }

    /// The last block that begins at an id or before it.
    fn spot(&self, id: StreamId) -> Option<Spot> {
        match self.spine.back() {
            Some(tail) if tail.master() <= id => self.spine.before(None),
            _ => self.spine.before(self.spine.partition_point(|block| block.master() <= id)),
        }
    }

    /// The block in which `id` is if it is anywhere.
    pub(super) fn around(&self, id: StreamId) -> Option<&Block> {
        self.spot(id).map(|spot| self.spine.at(spot))
    }

    /// Changes the block with this first id.
    pub(super) fn change(&mut self, master: StreamId, change: impl FnOnce(&mut Block)) {
        let spot = self.spot(master).expect("the block was seen");
        let block = self.spine.at_mut(spot);
        let before = block.memory();
        change(block);
        self.bytes = self.bytes - before + block.memory();
    }

    /// Removes the block with this first id.
    pub(super) fn remove(&mut self, master: StreamId) {
        let spot = self.spot(master).expect("the block was seen");
        let removed = self.spine.remove(spot);
        debug_assert_eq!(removed.master(), master, "it is that block");
        self.bytes -= removed.memory();
    }

    /// The blocks that may hold ids from `start` to `end`, in order.
    pub(super) fn between(&self, start: StreamId, end: StreamId) -> Between<'_> {
        // A reader that waits for news asks again and again for what is behind the last.
        if self.tail().is_none_or(|tail| tail.last() < start) || start > end {
            return Between::default();
        }
        let behind = self.spine.partition_point(|block| block.master() <= end);
        self.spine.between(self.spot(start), behind)
    }
}
