//! A sequence of blocks whose clones share it: the spine of lists, streams and time series.
//!
//! Why it exists: those structures are thousands of blocks in order, edited mostly at the ends. In
//! one array a clone would count up every block (a list of 5 million elements of 100 bytes has
//! 64,000 of them), and a block put in the middle would move all the headers behind it. So the
//! headers come in chunks of up to [`CHUNK`], which are shared (`cow`). Not for blocks that clone
//! by copying what they own: the first edit of a shared chunk clones all its blocks.
//!
//! ```text
//! chunks:  [ block block ... ] [ block ... ] ... [ block block ]      a deque of vectors
//! ```
//!
//! Invariants
//! - S1: no chunk is empty, and none has more than [`CHUNK`] blocks.
//! - S2: `len` is the number of blocks, `heap` the sum of the chunks' allocations.

use std::collections::{VecDeque, vec_deque};
use std::slice;

use super::cow::CowVec;

/// Most blocks of a chunk.
const CHUNK: usize = 64;
/// A deque of so few chunks is not worth shrinking.
const SPARSE_CHUNKS_MIN: usize = 16;

/// Where a block is. Void after blocks were added or removed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Spot {
    chunk: usize,
    slot: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Spine<T> {
    chunks: VecDeque<CowVec<T>>,
    len: usize,
    heap: usize,
}

/// Keeps the capacity, because `memory` counts it.
impl<T> Clone for Spine<T> {
    fn clone(&self) -> Self {
        let mut chunks = VecDeque::with_capacity(self.chunks.capacity());
        chunks.extend(self.chunks.iter().cloned());
        Self { chunks, ..*self }
    }
}

impl<T> Default for Spine<T> {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), len: 0, heap: 0 }
    }
}

impl<T> Spine<T> {
    /// Number of blocks.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Bytes on the heap, without what the blocks own. Cost: O(1).
    pub(super) fn memory(&self) -> usize {
        self.heap + self.chunks.capacity() * size_of::<CowVec<T>>()
    }

    #[inline]
    pub(super) fn front(&self) -> Option<&T> {
        self.chunks.front().and_then(|chunk| chunk.first())
    }

    #[inline]
    pub(super) fn back(&self) -> Option<&T> {
        self.chunks.back().and_then(|chunk| chunk.last())
    }

    /// Where block `index` is. Cost: O(1) near the ends, else O(chunks).
    ///
    /// # Panics
    /// If there is no such block.
    #[inline]
    pub(super) fn spot(&self, index: usize) -> Spot {
        assert!(index < self.len, "no block {index} among {}", self.len);
        let first = &self.chunks[0];
        if index < first.len() {
            return Spot { chunk: 0, slot: index };
        }
        let (last, behind) = (self.chunks.len() - 1, self.len - index);
        let count = self.chunks[last].len();
        if behind <= count {
            return Spot { chunk: last, slot: count - behind };
        }
        self.spot_inside(index)
    }

    fn spot_inside(&self, index: usize) -> Spot {
        let mut slot = index;
        for (chunk, blocks) in self.chunks.iter().enumerate() {
            if slot < blocks.len() {
                return Spot { chunk, slot };
            }
            slot -= blocks.len();
        }
        unreachable!("the chunks have fewer than {} blocks (S2)", self.len)
    }

    /// The block at a spot.
    #[inline]
    pub(super) fn at(&self, spot: Spot) -> &T {
        &self.chunks[spot.chunk][spot.slot]
    }

    /// Block `index`, if there is one. Cost: as [`Spine::spot`].
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        (index < self.len).then(|| self.at(self.spot(index)))
    }

    /// How many blocks are before the first of which `is_it` is true. Visits those in order.
    #[inline]
    pub(super) fn position(&self, mut is_it: impl FnMut(&T) -> bool) -> Option<usize> {
        let mut before = 0;
        for chunk in &self.chunks {
            if let Some(at) = chunk.iter().position(&mut is_it) {
                return Some(before + at);
            }
            before += chunk.len();
        }
        None
    }

    /// How many blocks are behind the last of which `is_it` is true. Visits those from the last.
    #[inline]
    pub(super) fn position_back(&self, mut is_it: impl FnMut(&T) -> bool) -> Option<usize> {
        let mut behind = 0;
        for chunk in self.chunks.iter().rev() {
            if let Some(at) = chunk.iter().rev().position(&mut is_it) {
                return Some(behind + at);
            }
            behind += chunk.len();
        }
        None
    }

    /// The first spot for whose block `holds` is false; it must be true up to some block and false
    /// from there on. `None` if it is true for all. Cost: O(log n).
    pub(super) fn partition_point(&self, holds: impl Fn(&T) -> bool) -> Option<Spot> {
        let holds_for_last = |chunk: &CowVec<T>| chunk.last().is_some_and(&holds);
        let chunk = self.chunks.partition_point(holds_for_last);
        let slot = self.chunks.get(chunk)?.partition_point(&holds);
        Some(Spot { chunk, slot })
    }

    /// The spot before another, or the last for none.
    pub(super) fn before(&self, spot: Option<Spot>) -> Option<Spot> {
        let end = Spot { chunk: self.chunks.len(), slot: 0 };
        let Spot { chunk, slot } = spot.unwrap_or(end);
        if let Some(slot) = slot.checked_sub(1) {
            return Some(Spot { chunk, slot });
        }
        let chunk = chunk.checked_sub(1)?;
        Some(Spot { chunk, slot: self.chunks[chunk].len() - 1 })
    }

    /// The spot behind another, if there is a block.
    pub(super) fn behind(&self, spot: Spot) -> Option<Spot> {
        let Spot { chunk, slot } = spot;
        if slot + 1 < self.chunks[chunk].len() {
            return Some(Spot { chunk, slot: slot + 1 });
        }
        (chunk + 1 < self.chunks.len()).then_some(Spot { chunk: chunk + 1, slot: 0 })
    }

    /// All blocks, in order.
    pub(super) fn iter(&self) -> All<'_, T> {
        All { blocks: self.between(None, None), left: self.len }
    }

    /// The blocks from `start` (the first for none) up to but without `end` (to the last for none).
    pub(super) fn between(&self, start: Option<Spot>, end: Option<Spot>) -> Iter<'_, T> {
        let start = start.unwrap_or(Spot { chunk: 0, slot: 0 });
        let end = end.unwrap_or(Spot { chunk: self.chunks.len(), slot: 0 });
        if start >= end {
            return Iter::default();
        }
        let part = |chunk: usize, from: usize, to: Option<usize>| match self.chunks.get(chunk) {
            Some(blocks) => blocks[from..to.unwrap_or(blocks.len())].iter(),
            None => [].iter(),
        };
        if start.chunk == end.chunk {
            let front = part(start.chunk, start.slot, Some(end.slot));
            return Iter { front, ..Iter::default() };
        }
        Iter {
            front: part(start.chunk, start.slot, None),
            chunks: self.chunks.range(start.chunk + 1..end.chunk),
            back: part(end.chunk, 0, Some(end.slot)),
        }
    }
}

impl<T: Clone> Spine<T> {
    /// The block at a spot, for editing.
    #[inline]
    pub(super) fn at_mut(&mut self, spot: Spot) -> &mut T {
        &mut self.chunks[spot.chunk].unshare()[spot.slot]
    }

    /// The first block, for editing.
    #[inline]
    pub(super) fn front_mut(&mut self) -> Option<&mut T> {
        self.chunks.front_mut().and_then(|chunk| chunk.unshare().first_mut())
    }

    /// The last block, for editing.
    #[inline]
    pub(super) fn back_mut(&mut self) -> Option<&mut T> {
        self.chunks.back_mut().and_then(|chunk| chunk.unshare().last_mut())
    }

    /// Changes the number of blocks of a chunk, and keeps S2.
    #[inline]
    fn change<R>(&mut self, chunk: usize, change: impl FnOnce(&mut CowVec<T>) -> R) -> R {
        let chunk = &mut self.chunks[chunk];
        let (len, heap) = (chunk.len(), chunk.heap_bytes());
        let result = change(chunk);
        self.len = self.len - len + chunk.len();
        self.heap = self.heap - heap + chunk.heap_bytes();
        result
    }

    pub(super) fn push_back(&mut self, block: T) {
        if self.chunks.back().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push_back(CowVec::new());
        }
        self.change(self.chunks.len() - 1, |chunk| chunk.unshare().push(block));
    }

    pub(super) fn push_front(&mut self, block: T) {
        if self.chunks.front().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push_front(CowVec::new());
        }
        self.change(0, |chunk| chunk.unshare().insert(0, block));
    }

    /// Puts a block before block `index`, or behind the last.
    ///
    /// # Panics
    /// If `index` is more than the number of blocks.
    pub(super) fn insert(&mut self, index: usize, block: T) {
        if index == self.len {
            return self.push_back(block);
        }
        self.insert_at(self.spot(index), block);
    }

    /// Puts a block behind that at a spot.
    pub(super) fn insert_behind(&mut self, spot: Spot, block: T) {
        self.insert_at(Spot { slot: spot.slot + 1, ..spot }, block);
    }

    /// `spot` may be the end of its chunk.
    fn insert_at(&mut self, spot: Spot, block: T) {
        let Spot { mut chunk, mut slot } = spot;
        if self.chunks[chunk].len() == CHUNK {
            let tail = self.change(chunk, |chunk| chunk.unshare().split_off(CHUNK / 2));
            self.chunks.insert(chunk + 1, CowVec::new());
            self.change(chunk + 1, |new| *new = tail);
            if slot > CHUNK / 2 {
                (chunk, slot) = (chunk + 1, slot - CHUNK / 2);
            }
        }
        self.change(chunk, |chunk| chunk.unshare().insert(slot, block));
    }

    /// Takes the block at a spot out.
    pub(super) fn remove(&mut self, spot: Spot) -> T {
        let block = self.change(spot.chunk, |chunk| chunk.unshare().remove(spot.slot));
        self.tidy(spot.chunk);
        block
    }

    /// Drops a chunk that has become empty, or joins it to the next if both are sparse.
    fn tidy(&mut self, chunk: usize) {
        let here = self.chunks[chunk].len();
        if here == 0 {
            self.drop_chunk(chunk);
            return;
        }
        let Some(next) = self.chunks.get(chunk + 1) else { return };
        if here + next.len() <= CHUNK / 4 {
            let mut next = self.change(chunk + 1, std::mem::take);
            self.change(chunk, |chunk| chunk.unshare().append(next.unshare()));
            self.drop_chunk(chunk + 1);
        }
    }

    /// Removes a chunk, in which there may be blocks.
    fn drop_chunk(&mut self, chunk: usize) {
        let gone = self.chunks.remove(chunk).expect("a chunk was seen there");
        self.heap -= gone.heap_bytes();
        self.len -= gone.len();
        let (used, room) = (self.chunks.len(), self.chunks.capacity());
        if room > SPARSE_CHUNKS_MIN && used < room / 8 {
            self.chunks.shrink_to(2 * used);
        }
    }

    /// Removes the blocks `start..end` after showing each to `gone`.
    ///
    /// Cost: O(blocks removed), and two chunks; chunks that go as a whole are not copied.
    ///
    /// # Panics
    /// If they are not all there.
    pub(super) fn remove_range(&mut self, start: usize, end: usize, mut gone: impl FnMut(&T)) {
        let mut left = end - start;
        while left > 0 {
            let Spot { chunk, slot } = self.spot(start);
            let blocks = &self.chunks[chunk];
            let until = blocks.len().min(slot + left);
            left -= until - slot;
            blocks[slot..until].iter().for_each(&mut gone);
            if until - slot == blocks.len() {
                self.drop_chunk(chunk);
            } else {
                self.change(chunk, |chunk| chunk.unshare().remove_range(slot..until));
            }
        }
    }

    /// Checks the invariants.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self) {
        assert!(self.chunks.iter().all(|chunk| (1..=CHUNK).contains(&chunk.len())), "S1");
        assert_eq!(self.len, self.chunks.iter().map(|chunk| chunk.len()).sum::<usize>(), "S2");
        assert_eq!(self.heap, self.chunks.iter().map(CowVec::heap_bytes).sum::<usize>(), "S2");
    }
}

/// Blocks in order, from both ends.
#[derive(Debug)]
pub(super) struct Iter<'a, T> {
    front: slice::Iter<'a, T>,
    chunks: vec_deque::Iter<'a, CowVec<T>>,
    back: slice::Iter<'a, T>,
}

impl<T> Default for Iter<'_, T> {
    fn default() -> Self {
        Self { front: [].iter(), chunks: vec_deque::Iter::default(), back: [].iter() }
    }
}

impl<T> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        let Self { front, chunks, back } = self;
        Self { front: front.clone(), chunks: chunks.clone(), back: back.clone() }
    }
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    #[inline]
    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(block) = self.front.next() {
                return Some(block);
            }
            match self.chunks.next() {
                Some(chunk) => self.front = chunk.iter(),
                None => return self.back.next(),
            }
        }
    }
}

impl<T> DoubleEndedIterator for Iter<'_, T> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(block) = self.back.next_back() {
                return Some(block);
            }
            match self.chunks.next_back() {
                Some(chunk) => self.back = chunk.iter(),
                None => return self.front.next_back(),
            }
        }
    }
}

/// All blocks, whose number is known.
#[derive(Clone, Debug)]
pub(super) struct All<'a, T> {
    blocks: Iter<'a, T>,
    left: usize,
}

impl<'a, T> Iterator for All<'a, T> {
    type Item = &'a T;

    #[inline]
    fn next(&mut self) -> Option<&'a T> {
        let block = self.blocks.next()?;
        self.left -= 1;
        Some(block)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> DoubleEndedIterator for All<'_, T> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let block = self.blocks.next_back()?;
        self.left -= 1;
        Some(block)
    }
}

impl<T> ExactSizeIterator for All<'_, T> {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn random(seed: &mut u64) -> usize {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        usize::try_from(*seed >> 33).expect("31 bits")
    }

    fn edit(spine: &mut Spine<u32>, model: &mut Vec<u32>, seed: &mut u64) {
        let (number, len) = (u32::try_from(random(seed) % 1_000).expect("small"), model.len());
        let at = random(seed) % (len + 1);
        match random(seed) % 12 {
            0..=2 => {
                spine.push_back(number);
                model.push(number);
            }
            3 | 4 => {
                spine.push_front(number);
                model.insert(0, number);
            }
            5..=7 => {
                spine.insert(at, number);
                model.insert(at, number);
            }
            8 | 9 if at < len => assert_eq!(spine.remove(spine.spot(at)), model.remove(at)),
            10 if random(seed).is_multiple_of(8) => {
                let end = at + random(seed) % (len - at + 1);
                let mut gone = Vec::new();
                spine.remove_range(at, end, |&block| gone.push(block));
                assert_eq!(gone, model.drain(at..end).collect::<Vec<_>>());
            }
            _ if at < len => {
                *spine.at_mut(spine.spot(at)) = number;
                model[at] = number;
            }
            _ => {}
        }
    }

    #[test]
    fn it_agrees_with_a_vector_and_so_do_its_clones() {
        for seed in 1..=20 {
            let mut state = seed;
            let (mut spine, mut model) = (Spine::default(), Vec::new());
            let mut kept: Vec<(Spine<u32>, Vec<u32>)> = Vec::new();
            for step in 0..3_000 {
                edit(&mut spine, &mut model, &mut state);
                if step % 300 == 0 {
                    kept.push((spine.clone(), model.clone()));
                }
                assert_eq!(spine.len(), model.len(), "SEED={seed} step={step}");
                assert_eq!(spine.front(), model.first());
                assert_eq!(spine.back(), model.last());
            }
            kept.push((spine, model));
            for (spine, model) in kept {
                spine.check();
                assert!(spine.iter().eq(&model), "SEED={seed}");
                assert!(spine.iter().rev().eq(model.iter().rev()), "SEED={seed}");
                assert_eq!(spine.iter().len(), model.len());
                for start in (0..model.len()).step_by(37) {
                    let (from, to) = (spine.spot(start), spine.spot(model.len() - 1));
                    let want = &model[start..model.len() - 1];
                    assert!(spine.between(Some(from), Some(to)).eq(want), "SEED={seed} {start}");
                    assert_eq!(spine.at(from), &model[start]);
                    let before = start.checked_sub(1).map(|before| spine.spot(before));
                    assert_eq!(spine.before(Some(from)), before, "SEED={seed} {start}");
                }
            }
        }
    }

    #[test]
    fn partition_points_are_those_of_the_sequence() {
        let mut spine = Spine::default();
        (0..1_000).for_each(|number| spine.push_back(number * 2));
        for bound in [0, 1, 126, 127, 128, 777, 1_998] {
            let spot = spine.partition_point(|&number| number < bound);
            assert_eq!(spot.map(|spot| *spine.at(spot)), Some((bound + 1) / 2 * 2), "{bound}");
        }
        assert_eq!(spine.partition_point(|_| true), None);
        assert_eq!(spine.before(None).map(|spot| *spine.at(spot)), Some(1_998));
        assert_eq!(Spine::<u32>::default().partition_point(|_| true), None);
        assert_eq!(Spine::<u32>::default().before(None), None);
    }
}
