//! From a hash to a segment, and how segments multiply.
//!
//! Why it exists: every step that makes the table larger or smaller touches one segment, one
//! chunk or the root, each of which is small. Layout and invariants are those of the module
//! above (T1, T2).

use super::entry::NEVER;
use super::segment::{MERGE_AT, Segment};
use super::sizes::size_class;
use crate::structures::cow::CowBox;

/// Bits of the largest chunk: 512 slots, 16 KiB.
pub(super) const CHUNK_BITS_MAX: u8 = 9;
/// Bits of chunks that may become one.
const CHUNK_BITS_MERGED: u8 = CHUNK_BITS_MAX - 2;
/// Bits that a segment's prefix may have. So many would take fields that were chosen with the
/// seed in hand.
pub(super) const DEPTH_MAX: u8 = 48;

/// A directory of the segments of one prefix. A clone shares their blocks.
///
/// Behind a pointer of its own, not in the root: so the slots, a power of two, fill what the
/// allocator gives for them.
#[derive(Debug)]
pub(super) struct Chunk {
    /// 2^bits of them; none in a vacant chunk (T1).
    slots: Vec<Segment>,
    /// Never later than any deadline below.
    earliest: u64,
    /// Hash bits that lead to the chunk.
    depth: u8,
    bits: u8,
}

/// Where a segment is: chunk in the root, slot in the chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    chunk: usize,
    slot: usize,
}

/// What [`Directory::sweep`] did.
#[derive(Debug)]
pub(super) struct Swept {
    pub(super) removed: usize,
    /// Bytes of segments that are more now.
    pub(super) grown: isize,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    root: Vec<CowBox<Chunk>>,
    bits: u8,
    /// Never later than any deadline below.
    earliest: u64,
    /// Bytes of root and chunks.
    bytes: usize,
}

/// `bits` bits of the hash behind the first `skip`, as a number.
#[inline]
fn bits_of(hash: u64, skip: u8, bits: u8) -> usize {
    let shifted = (hash << skip).unbounded_shr(64 - u32::from(bits));
    usize::try_from(shifted).expect("a directory fits into memory")
}

impl Clone for Chunk {
    fn clone(&self) -> Self {
        #[cfg(test)]
        crate::structures::cow::copied::note(self.memory());
        Self { slots: self.slots.clone(), ..*self }
    }
}

impl Chunk {
    fn vacant() -> Self {
        Self { slots: Vec::new(), earliest: NEVER, depth: 0, bits: 0 }
    }

    #[inline]
    fn is_vacant(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes on the heap.
    fn memory(&self) -> usize {
        size_class(CowBox::<Self>::heap_bytes())
            + size_class(self.slots.capacity() * size_of::<Segment>())
    }

    #[inline]
    fn slot(&self, hash: u64) -> usize {
        let mut slot = bits_of(hash, self.depth, self.bits);
        while self.slots[slot].is_vacant() {
            slot &= slot - 1;
        }
        slot
    }

    /// Slots of a segment (T1).
    fn span(&self, segment: &Segment) -> usize {
        1 << (self.depth + self.bits - segment.depth)
    }

    /// Twice the slots; every segment has twice as many.
    fn double(&mut self) {
        let mut slots = Vec::with_capacity(self.slots.len() * 2);
        for segment in self.slots.drain(..) {
            slots.push(segment);
            slots.push(Segment::default());
        }
        self.slots = slots;
        self.bits += 1;
    }

    /// Half the slots, while no segment needs them all.
    fn shrink(&mut self) {
        while self.bits > 0 && self.slots.iter().skip(1).step_by(2).all(Segment::is_vacant) {
            self.slots = every_other(&mut self.slots);
            self.bits -= 1;
        }
    }

    /// Halves a chunk with more than one segment.
    fn split(&mut self) -> Self {
        self.bits -= 1;
        self.depth += 1;
        let upper = self.slots.drain(self.slots.len() / 2..).collect();
        self.slots.shrink_to_fit();
        Self { slots: upper, ..*self }
    }

    /// Makes one chunk of two neighbours, this one being the lower.
    fn merge(&mut self, mut upper: Self) {
        while self.bits < upper.bits {
            self.double();
        }
        while upper.bits < self.bits {
            upper.double();
        }
        self.slots.reserve_exact(upper.slots.len());
        self.slots.append(&mut upper.slots);
        self.bits += 1;
        self.depth -= 1;
        self.earliest = self.earliest.min(upper.earliest);
    }

    /// Merges the segment in `slot` with its neighbours as long as the two are small. Returns how
    /// many bytes of segments that made.
    fn merge_segments(&mut self, mut slot: usize) -> isize {
        let mut grown = 0;
        loop {
            let segment = &self.slots[slot];
            if segment.depth == self.depth || segment.len() > usize::from(MERGE_AT) {
                return grown;
            }
            // The neighbour's slots are as many and belong to segments at this depth or deeper.
            let buddy = slot ^ self.span(segment);
            if !segment.can_merge(&self.slots[buddy]) {
                return grown;
            }
            let (low, high) = (slot.min(buddy), slot.max(buddy));
            let upper = std::mem::take(&mut self.slots[high]);
            let lower = std::mem::take(&mut self.slots[low]);
            let before = lower.memory() + upper.memory();
            self.slots[low] = lower.merge(upper);
            grown += difference(self.slots[low].memory(), before);
            slot = low;
        }
    }
}

/// Moves the elements at even positions into a vector of their own.
fn every_other<T>(all: &mut Vec<T>) -> Vec<T> {
    let mut kept = Vec::with_capacity(all.len() / 2);
    kept.extend(all.drain(..).step_by(2));
    kept
}

fn difference(after: usize, before: usize) -> isize {
    after.wrapping_sub(before).cast_signed()
}

impl Directory {
    /// One chunk with one segment.
    pub(super) fn new() -> Self {
        let chunk = Chunk { slots: vec![Segment::new(0)], earliest: NEVER, depth: 0, bits: 0 };
        let bytes = size_class(size_of::<CowBox<Chunk>>()) + chunk.memory();
        Self { root: vec![CowBox::new(chunk)], bits: 0, earliest: NEVER, bytes }
    }

    /// The first segment.
    pub(super) fn first(&self) -> &Segment {
        &self.root[0].slots[0]
    }

    /// Bytes of root and chunks.
    pub(super) fn memory(&self) -> usize {
        self.bytes
    }

    /// The same, counted.
    pub(super) fn count_bytes(&self) -> usize {
        self.root_memory() + self.root.iter().map(|chunk| chunk.memory()).sum::<usize>()
    }

    fn root_memory(&self) -> usize {
        size_class(self.root.capacity() * size_of::<CowBox<Chunk>>())
    }

    fn account(&mut self, after: usize, before: usize) {
        self.bytes = self.bytes.wrapping_add_signed(difference(after, before));
    }

    #[inline]
    fn chunk_index(&self, hash: u64) -> usize {
        let mut index = bits_of(hash, 0, self.bits);
        while self.root[index].is_vacant() {
            index &= index - 1;
        }
        index
    }

    /// The segment of a hash.
    #[inline]
    pub(super) fn segment(&self, hash: u64) -> &Segment {
        let chunk = &self.root[self.chunk_index(hash)];
        &chunk.slots[chunk.slot(hash)]
    }

    /// Where the segment of a hash is.
    #[inline]
    pub(super) fn spot(&self, hash: u64) -> Spot {
        let chunk = self.chunk_index(hash);
        Spot { chunk, slot: self.root[chunk].slot(hash) }
    }

    /// The segment there.
    #[inline]
    pub(super) fn look(&self, spot: Spot) -> &Segment {
        &self.root[spot.chunk].slots[spot.slot]
    }

    /// The segment there, for editing.
    #[inline]
    pub(super) fn at(&mut self, spot: Spot) -> &mut Segment {
        &mut self.root[spot.chunk].unshare().slots[spot.slot]
    }

    /// Upper bound of the depth of all segments, for sampling.
    pub(super) fn depth_bound(&self) -> u8 {
        if self.bits == 0 { self.root[0].bits } else { self.bits + CHUNK_BITS_MAX }
    }

    /// All segments, in hash order.
    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> + Clone {
        let slots = self.root.iter().flat_map(|chunk| chunk.slots.iter());
        slots.filter(|segment| !segment.is_vacant())
    }

    // --- Growing -------------------------------------------------------------------------

    /// Splits a segment, or what is in the way of that; the caller tries again. Returns how many
    /// bytes of segments that made.
    pub(super) fn split(&mut self, spot: Spot, hash: impl Fn(&[u8]) -> u64) -> isize {
        let Spot { chunk: index, slot } = spot;
        let chunk = self.root[index].unshare();
        let span = chunk.span(&chunk.slots[slot]);
        if span > 1 {
            let segment = std::mem::take(&mut chunk.slots[slot]);
            assert!(segment.depth < DEPTH_MAX, "64 fields agree in 48 bits of a keyed hash");
            let before = segment.memory();
            let (low, high) = segment.split(hash);
            let after = low.memory() + high.memory();
            chunk.slots[slot] = low;
            chunk.slots[slot + span / 2] = high;
            return difference(after, before);
        }
        if chunk.bits < CHUNK_BITS_MAX {
            let before = chunk.memory();
            chunk.double();
            let after = chunk.memory();
            self.account(after, before);
        } else {
            self.split_chunk(index);
        }
        0
    }

    fn split_chunk(&mut self, mut index: usize) {
        if self.root[index].depth == self.bits {
            let before = self.root_memory();
            let mut root = Vec::with_capacity(self.root.len() * 2);
            // Vacant chunks share one.
            let vacant = CowBox::new(Chunk::vacant());
            let vacant_bytes = (self.root.len() * vacant.memory()).cast_signed();
            self.bytes = self.bytes.wrapping_add_signed(vacant_bytes);
            for chunk in self.root.drain(..) {
                root.push(chunk);
                root.push(vacant.clone());
            }
            self.root = root;
            self.bits += 1;
            index *= 2;
            self.account(self.root_memory(), before);
        }
        let span = 1_usize << (self.bits - self.root[index].depth);
        let before = self.root[index].memory();
        let upper = CowBox::new(self.root[index].unshare().split());
        let before = before + self.root[index + span / 2].memory();
        self.account(self.root[index].memory() + upper.memory(), before);
        self.root[index + span / 2] = upper;
    }

    // --- Shrinking -----------------------------------------------------------------------

    /// Merges a small segment with its neighbours, and what that makes possible above. Returns
    /// how many bytes of segments that made.
    pub(super) fn merge(&mut self, spot: Spot) -> isize {
        let grown = self.root[spot.chunk].unshare().merge_segments(spot.slot);
        if grown != 0 {
            self.merge_chunks(spot.chunk);
        }
        grown
    }

    fn merge_chunks(&mut self, mut index: usize) {
        let before = self.root[index].memory();
        self.root[index].unshare().shrink();
        self.account(self.root[index].memory(), before);
        while let Some((low, high)) = self.mergeable(index) {
            let upper = std::mem::replace(self.root[high].unshare(), Chunk::vacant());
            let before = self.root[low].memory() + upper.memory();
            self.root[low].unshare().merge(upper);
            self.account(self.root[low].memory() + self.root[high].memory(), before);
            index = self.shrink_root(low);
        }
    }

    /// A chunk and its neighbour, if the two together are still small.
    fn mergeable(&self, index: usize) -> Option<(usize, usize)> {
        let chunk = &self.root[index];
        if chunk.depth == 0 {
            return None;
        }
        let buddy = index ^ (1 << (self.bits - chunk.depth));
        let other = &self.root[buddy];
        let bits = chunk.bits.max(other.bits);
        (other.depth == chunk.depth && bits <= CHUNK_BITS_MERGED)
            .then_some((index.min(buddy), index.max(buddy)))
    }

    /// Halves the root while no chunk needs all of it. Returns where the chunk `index` is now.
    fn shrink_root(&mut self, mut index: usize) -> usize {
        let before = self.root_memory();
        while self.bits > 0 && self.root.iter().skip(1).step_by(2).all(|chunk| chunk.is_vacant()) {
            let vacant: usize =
                self.root.iter().skip(1).step_by(2).map(|chunk| chunk.memory()).sum();
            self.bytes -= vacant;
            self.root = every_other(&mut self.root);
            self.bits -= 1;
            index /= 2;
        }
        self.account(self.root_memory(), before);
        index
    }

    // --- Deadlines -----------------------------------------------------------------------

    /// A time at or before every deadline.
    pub(super) fn earliest(&self) -> u64 {
        self.earliest
    }

    /// Tells chunk and root of a deadline below them.
    pub(super) fn lower_earliest(&mut self, spot: Spot, deadline: u64) {
        if deadline < self.root[spot.chunk].earliest {
            self.root[spot.chunk].unshare().earliest = deadline;
        }
        self.earliest = self.earliest.min(deadline);
    }

    /// Finds the earliest deadline anew, after sweeps. O(root).
    pub(super) fn refresh_earliest(&mut self) {
        self.earliest = self.root.iter().map(|chunk| chunk.earliest).min().unwrap_or(NEVER);
    }

    /// How many elements' deadline is before `now_ms`.
    pub(super) fn count_due(&self, now_ms: u64) -> usize {
        let due = self.root.iter().filter(|chunk| chunk.earliest < now_ms);
        let segments = due.flat_map(|chunk| chunk.slots.iter());
        segments.map(|segment| segment.count_due(now_ms)).sum()
    }

    /// Where the hashes behind a chunk begin; `None` behind the last one.
    pub(super) fn behind_chunk(&self, spot: Spot) -> Option<u64> {
        let span = 1_usize << (self.bits - self.root[spot.chunk].depth);
        let next = spot.chunk + span;
        (next < self.root.len())
            .then(|| u64::try_from(next).expect("64-bit or less") << (64 - u32::from(self.bits)))
    }

    /// Removes up to `limit` elements of a chunk whose deadline is before `now_ms`, showing each
    /// field to `gone`, and merges what has become small.
    pub(super) fn sweep(
        &mut self,
        spot: Spot,
        now_ms: u64,
        limit: usize,
        gone: &mut impl FnMut(&[u8]),
    ) -> Swept {
        let mut swept = Swept { removed: 0, grown: 0 };
        if self.root[spot.chunk].earliest >= now_ms {
            return swept;
        }
        let chunk = self.root[spot.chunk].unshare();
        for segment in &mut chunk.slots {
            let before = segment.memory();
            swept.removed += segment.remove_due(now_ms, limit - swept.removed, gone);
            swept.grown += difference(segment.memory(), before);
        }
        chunk.earliest = chunk.slots.iter().map(Segment::earliest).min().unwrap_or(NEVER);
        for slot in (0..chunk.slots.len()).rev() {
            if !chunk.slots[slot].is_vacant() {
                swept.grown += chunk.merge_segments(slot);
            }
        }
        self.merge_chunks(spot.chunk);
        swept
    }
}
