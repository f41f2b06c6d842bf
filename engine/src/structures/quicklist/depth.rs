//! Which blocks of a list are compressed: all but some at each end.
//!
//! Why it exists: edits move blocks over the border in both directions; each says here which
//! blocks it touched, and pays for those alone. Pushing compresses the one block that leaves the
//! depth, popping expands the one that comes into it.
//!
//! Invariants: Q4 and Q5 of the parent.

use super::Quicklist;
use super::block::Block;

impl Quicklist {
    /// Whether a block is so far from both ends that it may be compressed.
    fn is_inner(&self, block: usize) -> bool {
        let (depth, len) = (usize::from(self.depth), self.blocks.len());
        depth > 0 && block >= depth && block < len.saturating_sub(depth)
    }

    /// Compresses a block, if it is inner.
    pub(super) fn cover(&mut self, block: usize) {
        if self.is_inner(block) {
            self.edit_block(block, Block::compress);
        }
    }

    /// After a first block was added: compresses the one that has left the depth.
    pub(super) fn cover_from_front(&mut self) {
        self.cover(usize::from(self.depth));
    }

    /// After a last block was added: likewise.
    pub(super) fn cover_from_back(&mut self) {
        self.cover(self.blocks.len().wrapping_sub(1 + usize::from(self.depth)));
    }

    /// After blocks were taken away: expands those that have come within the depth.
    ///
    /// Cost: O(depth), and the bytes of those blocks.
    pub(super) fn uncover(&mut self) {
        let (depth, len) = (usize::from(self.depth), self.blocks.len());
        let front = self.between(0, depth.min(len)).enumerate();
        let back = self.between(len.saturating_sub(depth), len).enumerate();
        let back = back.map(|(at, block)| (len.saturating_sub(depth) + at, block));
        let compressed = |(at, block): (usize, &Block)| block.is_compressed().then_some(at);
        let all: Vec<usize> = front.chain(back).filter_map(compressed).collect();
        for at in all {
            self.edit(at, |_| ());
        }
    }

    /// After an edit that touched the blocks `first..last`, when there had been `len_before`.
    pub(super) fn settle(&mut self, first: usize, last: usize, len_before: usize) {
        if self.depth == 0 {
            return;
        }
        let (depth, len) = (usize::from(self.depth), self.blocks.len());
        if len < len_before {
            self.uncover();
        }
        for block in first..last.min(len) {
            self.cover(block);
        }
        // Blocks that were added within the depth have pushed as many out of it.
        for more in 0..len.saturating_sub(len_before) {
            if first < depth {
                self.cover(depth + more);
            }
            if last + depth > len {
                self.cover(len.wrapping_sub(1 + depth + more));
            }
        }
    }
}
