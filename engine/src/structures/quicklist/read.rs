//! Reading a list of blocks.
//!
//! Why it exists: a compressed block is expanded for as long as somebody looks at it, so entries
//! are shown to a function instead of handed out.

use std::ops::ControlFlow;

use super::Quicklist;
use super::block::{Block, Opened};
use crate::structures::listpack::{Entry, Listpack};
use crate::structures::spine;

impl Quicklist {
    /// Number of elements.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Heap bytes. Cost: O(1).
    #[must_use]
    pub fn memory(&self) -> usize {
        self.blocks.memory() + self.blocks_memory
    }

    /// The blocks, in order. Each is expanded as the iterator comes to it.
    pub fn blocks(&self) -> impl DoubleEndedIterator<Item = Opened<'_>> + ExactSizeIterator {
        self.blocks.iter().map(Block::open)
    }

    /// What `look` makes of the element at `index`. Cost: O(blocks) and a walk within one.
    pub fn get<R>(&self, index: usize, look: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        if index >= self.len {
            return None;
        }
        let (block, offset) = self.locate(index);
        self.block(block).open().as_ref().get(offset).map(look)
    }

    /// Visits `count` elements from `start` on. Cost: as [`Quicklist::get`], then O(1) each.
    ///
    /// # Panics
    /// If there are not so many.
    #[inline]
    pub fn each(&self, start: usize, count: usize, mut visit: impl FnMut(Entry<'_>)) {
        let all = self.parts(start, count, |part, from, here| {
            part.each(from, here, &mut visit);
            ControlFlow::Continue(())
        });
        debug_assert!(all.is_continue(), "nobody asked to stop");
    }

    /// Visits up to `count` elements from `start` on, until `visit` breaks. Cost: likewise.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn each_until(
        &self,
        start: usize,
        count: usize,
        mut visit: impl FnMut(Entry<'_>) -> ControlFlow<()>,
    ) {
        let _ = self.parts(start, count, |part, from, here| {
            part.slice(from, from + here).iter().try_for_each(&mut visit)
        });
    }

    /// Visits up to `count` elements before element `end`, the last first, until `visit` breaks.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn each_back_until(
        &self,
        end: usize,
        count: usize,
        mut visit: impl FnMut(Entry<'_>) -> ControlFlow<()>,
    ) {
        assert!(count <= end && end <= self.len, "{count} before {end} of {}", self.len);
        if count == 0 {
            return;
        }
        let (last, offset) = self.locate(end - 1);
        let (mut until, mut left) = (offset + 1, count);
        for block in self.between(0, last + 1).rev() {
            let until_here = until.min(block.len());
            let here = left.min(until_here);
            let open = block.open();
            let part = open.as_ref().slice(until_here - here, until_here);
            if part.iter().rev().try_for_each(&mut visit).is_break() {
                return;
            }
            (until, left) = (usize::MAX, left - here);
            if left == 0 {
                return;
            }
        }
    }

    /// Shows `count` elements from `start` on, block by block: a block, and which of its entries.
    #[inline]
    fn parts(
        &self,
        start: usize,
        count: usize,
        mut visit: impl FnMut(Listpack<'_>, usize, usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        assert!(start + count <= self.len, "{start}+{count} is beyond {}", self.len);
        if count == 0 {
            return ControlFlow::Continue(());
        }
        let (first, mut offset) = self.locate(start);
        let mut left = count;
        for block in self.between(first, self.blocks.len()) {
            let here = left.min(block.len() - offset);
            visit(block.open().as_ref(), offset, here)?;
            offset = 0;
            left -= here;
            if left == 0 {
                break;
            }
        }
        ControlFlow::Continue(())
    }

    /// The index of the first element equal to `needle`. Cost: O(bytes).
    #[must_use]
    pub fn find(&self, needle: &[u8]) -> Option<usize> {
        let mut before = 0;
        for block in self.blocks() {
            let block = block.as_ref();
            if let Some(index) = block.find(needle, 1) {
                return Some(before + index);
            }
            before += block.len();
        }
        None
    }

    /// Which block holds element `index`, and where in it. Walks from the nearer end.
    pub(super) fn locate(&self, index: usize) -> (usize, usize) {
        debug_assert!(index < self.len, "element {index} of {}", self.len);
        let found = if index < self.len / 2 {
            let mut offset = index;
            let at = self.blocks.position(|block| {
                let here = offset < block.len();
                offset -= if here { 0 } else { block.len() };
                here
            });
            at.map(|at| (at, offset))
        } else {
            let (mut behind, mut count) = (self.len - index, 0);
            let at = self.blocks.position_back(|block| {
                count = block.len();
                let here = behind <= count;
                behind -= if here { 0 } else { count };
                here
            });
            at.map(|at| (self.blocks.len() - 1 - at, count - behind))
        };
        found.expect("the blocks have all elements (Q2)")
    }

    #[inline]
    pub(super) fn block(&self, index: usize) -> &Block {
        self.blocks.at(self.blocks.spot(index))
    }

    /// The blocks `first..last`.
    pub(super) fn between(&self, first: usize, last: usize) -> spine::Iter<'_, Block> {
        let spot = |index: usize| (index < self.blocks.len()).then(|| self.blocks.spot(index));
        if first >= last {
            return spine::Iter::default();
        }
        self.blocks.between(spot(first), spot(last))
    }
}
