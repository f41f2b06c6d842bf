//! Quicklist: a long list as a deque of listpack blocks.
//!
//! Why it exists: one listpack makes each insertion a copy of the whole list, one node per element
//! costs more than the element. Blocks of a few KiB bound the copy and share the overhead among
//! hundreds of elements (Redis's quicklist by M. Stancliff). Where Redis links its nodes, the
//! headers of blocks here lie side by side (`spine`): finding an index reads 32 bytes per block,
//! in sequence. Both ends are O(1). A clone shares all blocks until they are edited. Blocks far
//! from the ends may be compressed (`depth`). Not for short lists: those are one listpack.
//!
//! ```text
//! blocks:  [ room|count|entries ] [ ... ] ... [ large element ] ... [ ... ]
//!          ^ LPUSH, LPOP                                      RPUSH, RPOP ^
//! ```
//!
//! A block at an end of a list that has grown is allocated whole: it will be filled. A block that
//! another has been opened beside gives up what it did not use.
//!
//! Invariants
//! - Q1: no block is empty.
//! - Q2: `len` is the sum of the blocks' entries, `blocks_memory` that of their heap bytes.
//! - Q3: an element that is large by the limit in force when it came has a block of its own.
//! - Q4: the first and the last `depth` blocks are not compressed, and with depth 0 none is.
//! - Q5: any other block is compressed if it was worth that when it was last edited.

mod block;
mod depth;
mod limit;
pub mod properties;
mod read;
#[cfg(test)]
mod tests;

use crate::structures::cow::CowVec;
use crate::structures::listpack::{Entry, ListpackBuf};
use crate::structures::spine::Spine;
use block::Block;

pub use block::Opened;
pub use limit::BlockLimit;

/// From so many blocks on, new ones at the ends are allocated whole.
const WHOLE_FROM_BLOCKS: usize = 4;
/// A closed block may waste this share of its memory.
const WASTE_SHARE: usize = 8;

/// A list of listpack blocks.
///
/// # Examples
/// ```
/// use engine::structures::quicklist::{BlockLimit, Quicklist};
///
/// let limit = BlockLimit::from_setting(-2);
/// let mut list = Quicklist::new();
/// list.push_back(b"world", limit);
/// list.push_front(b"hello", limit);
/// assert_eq!(list.get(1, |entry| entry.eq_bytes(b"world")), Some(true));
/// assert_eq!(list.pop_front(|entry| entry.eq_bytes(b"hello")), Some(true));
/// assert_eq!(list.len(), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Quicklist {
    blocks: Spine<Block>,
    len: usize,
    blocks_memory: usize,
    depth: u16,
}

impl Quicklist {
    /// A list without elements, none of whose blocks is compressed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A list without elements, whose blocks are compressed but for `depth` at each end; none for
    /// a depth of 0. That stays so: elements are not compressed and expanded by a setting.
    #[must_use]
    pub fn with_depth(depth: u16) -> Self {
        Self { depth, ..Self::default() }
    }

    /// A list of one block, or of none.
    #[must_use]
    pub(crate) fn from_block(block: ListpackBuf, depth: u16) -> Self {
        let mut list = Self::with_depth(depth);
        list.push_block(block);
        list
    }

    /// Adds a last element. Cost: amortized O(value).
    #[inline]
    pub fn push_back(&mut self, value: &[u8], limit: BlockLimit) {
        if !self.blocks.back().is_some_and(|last| limit.admits(last, value.len())) {
            self.close(self.blocks.len().wrapping_sub(1));
            let block = ListpackBuf::with_room(0, self.room(limit));
            self.blocks_memory += block.memory();
            self.blocks.push_back(Block::Plain(block));
            self.cover_from_back();
        }
        self.edit_back(|block| block.push_back(value)).expect("there is a block now");
    }

    /// Adds a first element. Cost: amortized O(value).
    #[inline]
    pub fn push_front(&mut self, value: &[u8], limit: BlockLimit) {
        if !self.blocks.front().is_some_and(|first| limit.admits(first, value.len())) {
            self.close(0);
            let block = ListpackBuf::with_room(self.room(limit), 0);
            self.blocks_memory += block.memory();
            self.blocks.push_front(Block::Plain(block));
            self.cover_from_front();
        }
        self.edit_front(|block| block.push_front(value)).expect("there is a block now");
    }

    /// Adds a block behind the last, as it is; nothing if it is empty.
    pub(crate) fn push_block(&mut self, block: ListpackBuf) {
        if !block.is_empty() {
            self.len += block.len();
            self.blocks_memory += block.memory();
            self.blocks.push_back(Block::Plain(block));
            self.cover_from_back();
        }
    }

    /// Removes the last element, and answers what `take` made of it. Cost: O(1).
    #[inline]
    pub fn pop_back<R>(&mut self, take: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let block = self.blocks.back()?;
        if block.len() == 1 {
            let last = self.blocks.len() - 1;
            return self.pop_block(last, take);
        }
        self.edit_back(|block| block.pop_back(take))?
    }

    /// Removes the first element, and answers what `take` made of it. Cost: O(1).
    #[inline]
    pub fn pop_front<R>(&mut self, take: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let block = self.blocks.front()?;
        if block.len() == 1 {
            return self.pop_block(0, take);
        }
        self.edit_front(|block| block.pop_front(take))?
    }

    /// Removes a block with its only element.
    #[cold]
    fn pop_block<R>(&mut self, block: usize, take: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let taken = self.block(block).open().as_ref().front().map(take);
        self.drop_blocks(block, block + 1);
        self.uncover();
        taken
    }

    /// Adds an element before element `index`, or behind the last.
    ///
    /// Cost: O(blocks) and the bytes of one or two blocks. A full block is split, and the halves
    /// join their neighbours where these have room.
    ///
    /// # Panics
    /// If `index` is more than the number of elements.
    pub fn insert(&mut self, index: usize, value: &[u8], limit: BlockLimit) {
        assert!(index <= self.len, "element {index} cannot come after {}", self.len);
        if index == 0 {
            return self.push_front(value, limit);
        }
        if index == self.len {
            return self.push_back(value, limit);
        }
        let (block, offset) = self.locate(index);
        let len_before = self.blocks.len();
        let admits = |at: usize| limit.admits(self.block(at), value.len());
        if admits(block) {
            self.edit(block, |block| block.insert(offset, value));
        } else if offset > 0 {
            self.split(block, offset);
            self.insert_block(block + 1, value);
            // From the right, so that the positions on the left stay what they are.
            self.merge(block + 2, limit);
            self.merge(block + 1, limit);
            self.merge(block, limit);
            self.merge(block.wrapping_sub(1), limit);
        } else if block > 0 && admits(block - 1) {
            self.edit(block - 1, |block| block.push_back(value));
        } else {
            self.insert_block(block, value);
        }
        self.settle(block.saturating_sub(1), block + 4, len_before);
    }

    /// Puts another value in place of element `index`. Cost: as [`Quicklist::insert`].
    ///
    /// # Panics
    /// If there is no such element.
    pub fn replace(&mut self, index: usize, value: &[u8], limit: BlockLimit) {
        assert!(index < self.len, "no element {index} among {}", self.len);
        let (block, offset) = self.locate(index);
        let len_before = self.blocks.len();
        let alone = self.block(block).len() == 1;
        if alone || !limit.is_large(value.len()) {
            self.edit_block(block, |block| {
                if alone {
                    // Not to copy a large element that is shared, only to lose it.
                    *block = Block::Plain(ListpackBuf::new());
                    return block.plain_mut().push_back(value);
                }
                let block = block.plain_mut();
                block.replace(offset, value);
                block.shrink_if_sparse();
            });
            let count = self.block(block).len();
            // Values that grow in place would make a block that is slow to edit.
            if self.block(block).bytes_len() > 2 * limit.bytes_max() && count > 1 {
                self.split(block, count / 2);
            }
            // A large element has taken the place of another.
            if self.block(block).memory() > 2 * limit.bytes_max() {
                self.close(block);
            }
            self.settle(block, block + 2, len_before);
            return;
        }
        self.remove(index, 1);
        self.insert(index, value, limit);
    }

    /// Removes `count` elements from `index` on. Cost: O(blocks) and the bytes of two blocks.
    ///
    /// # Panics
    /// If there are not so many elements.
    pub fn remove(&mut self, index: usize, count: usize) {
        assert!(index + count <= self.len, "{index}+{count} is beyond {}", self.len);
        if count == 0 {
            return;
        }
        let (mut first, offset) = self.locate(index);
        let len_before = self.blocks.len();
        let mut left = count;
        if offset > 0 {
            let here = left.min(self.block(first).len() - offset);
            self.edit(first, |block| {
                block.remove(offset, here);
                block.shrink_if_sparse();
            });
            left -= here;
            first += 1;
        }
        let mut last = first;
        for block in self.between(first, self.blocks.len()) {
            if block.len() > left {
                break;
            }
            left -= block.len();
            last += 1;
        }
        self.drop_blocks(first, last);
        if left > 0 {
            self.edit(first, |block| {
                block.remove(0, left);
                block.shrink_if_sparse();
            });
        }
        self.settle(first.saturating_sub(1), first + 1, len_before);
    }

    /// Keeps the elements from `start` up to `end`. Cost: as two [`Quicklist::remove`].
    ///
    /// # Panics
    /// If the range is not within the list.
    pub fn trim(&mut self, start: usize, end: usize) {
        assert!(start <= end && end <= self.len, "{start}..{end} is not in {}", self.len);
        self.remove(end, self.len - end);
        self.remove(0, start);
    }

    /// Removes up to `max` elements equal to `value`, from the first or from the last on.
    /// Answers how many were removed. Cost: O(bytes).
    pub fn remove_equal(&mut self, value: &[u8], max: usize, from_back: bool) -> usize {
        let contains = |block: &Block| block.open().as_ref().find(value, 1).is_some();
        let len_before = self.blocks.len();
        let mut removed = 0;
        // The blocks that are left to look at. Those without an equal element are not edited, for
        // they may be shared.
        let (mut first, mut last) = (0, self.blocks.len());
        while removed < max {
            let mut left = self.between(first, last);
            let found = if from_back {
                left.rev().position(contains).map(|passed| last - 1 - passed)
            } else {
                left.position(contains).map(|passed| first + passed)
            };
            let Some(at) = found else { break };
            let here = self.block(at).open().as_ref().count_equal(value).min(max - removed);
            removed += here;
            let goes = here == self.block(at).len();
            if goes {
                self.drop_blocks(at, at + 1);
            } else {
                self.edit(at, |block| {
                    block.remove_equal(value, here, from_back);
                    block.shrink_if_sparse();
                });
                self.cover(at);
            }
            let stays = usize::from(!goes);
            if from_back { last = at } else { (first, last) = (at + stays, last - 1 + stays) }
        }
        self.settle(0, 0, len_before);
        removed
    }

    /// The list as one listpack, if it is one block without a large element and within the limit,
    /// or within half of it after it has shrunk. Leaves an empty list then.
    pub fn take_small(&mut self, limit: BlockLimit, shrinking: bool) -> Option<ListpackBuf> {
        let only = self.blocks.front().filter(|_| self.blocks.len() == 1)?;
        if !limit.fits_listpack(BlockLimit::with_frame(only.bytes_len()), only.len(), shrinking) {
            return None;
        }
        if only.len() == 1 && limit.is_large(only.open().as_ref().front()?.len()) {
            return None;
        }
        let first = self.blocks.spot(0);
        let mut block = std::mem::take(self).blocks.remove(first).into_plain();
        block.shrink_if_sparse();
        Some(block)
    }

    /// Changes one block and keeps Q2.
    #[inline]
    fn edit_block<R>(&mut self, block: usize, change: impl FnOnce(&mut Block) -> R) -> R {
        let block = self.blocks.at_mut(self.blocks.spot(block));
        Self::change(block, &mut self.len, &mut self.blocks_memory, change)
    }

    /// Changes the entries of one block likewise.
    #[inline]
    fn edit<R>(&mut self, block: usize, change: impl FnOnce(&mut ListpackBuf) -> R) -> R {
        self.edit_block(block, |block| change(block.plain_mut()))
    }

    /// Changes the first block likewise.
    #[inline]
    fn edit_front<R>(&mut self, change: impl FnOnce(&mut ListpackBuf) -> R) -> Option<R> {
        let block = self.blocks.front_mut()?;
        let change = |block: &mut Block| change(block.plain_mut());
        Some(Self::change(block, &mut self.len, &mut self.blocks_memory, change))
    }

    /// Changes the last block likewise.
    #[inline]
    fn edit_back<R>(&mut self, change: impl FnOnce(&mut ListpackBuf) -> R) -> Option<R> {
        let block = self.blocks.back_mut()?;
        let change = |block: &mut Block| change(block.plain_mut());
        Some(Self::change(block, &mut self.len, &mut self.blocks_memory, change))
    }

    #[inline]
    fn change<R>(
        block: &mut Block,
        all_len: &mut usize,
        all_memory: &mut usize,
        change: impl FnOnce(&mut Block) -> R,
    ) -> R {
        let (memory, len) = (block.memory(), block.len());
        let result = change(block);
        *all_memory = *all_memory - memory + block.memory();
        *all_len = *all_len - len + block.len();
        result
    }

    /// Gives up unused room in a block beside which another is opened.
    fn close(&mut self, block: usize) {
        let Some(Block::Plain(closed)) = self.blocks.get(block) else { return };
        if closed.memory() - closed.bytes_len() > closed.memory() / WASTE_SHARE {
            self.edit(block, ListpackBuf::shrink_to_fit);
        }
    }

    /// Bytes of room for a new block at an end.
    fn room(&self, limit: BlockLimit) -> usize {
        match limit {
            BlockLimit::Bytes(bytes_max) if self.blocks.len() >= WHOLE_FROM_BLOCKS => {
                CowVec::<u8>::capacity_within(bytes_max) - ListpackBuf::HEAD_BYTES
            }
            _ => 0,
        }
    }

    fn insert_block(&mut self, at: usize, value: &[u8]) {
        let mut block = ListpackBuf::new();
        block.push_back(value);
        self.blocks_memory += block.memory();
        self.len += 1;
        self.blocks.insert(at, Block::Plain(block));
    }

    /// Makes two blocks of one.
    fn split(&mut self, block: usize, offset: usize) {
        let tail = self.edit(block, |block| {
            let tail = block.split_off(offset);
            block.shrink_to_fit();
            tail
        });
        self.blocks_memory += tail.memory();
        self.len += tail.len();
        self.blocks.insert(block + 1, Block::Plain(tail));
    }

    /// Joins a block and the next one, if both are there and small enough.
    fn merge(&mut self, block: usize, limit: BlockLimit) {
        let (Some(first), Some(second)) =
            (self.blocks.get(block), self.blocks.get(block.wrapping_add(1)))
        else {
            return;
        };
        if !limit.admits_both(first, second) {
            return;
        }
        let second = self.blocks.remove(self.blocks.spot(block + 1));
        self.blocks_memory -= second.memory();
        self.len -= second.len();
        self.edit(block, |block| block.extend(second.open().as_ref()));
    }

    fn drop_blocks(&mut self, first: usize, last: usize) {
        let Self { blocks, len, blocks_memory, .. } = self;
        blocks.remove_range(first, last, |block| {
            *blocks_memory -= block.memory();
            *len -= block.len();
        });
    }
}
