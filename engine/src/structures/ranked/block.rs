//! A packed block of sorted entries: a leaf or an inner node of the tree.
//!
//! Why it exists: an element costs its score, its member's bytes, two bytes of offset and one of
//! tag, and nothing for pointers; a search touches a few neighbouring cache lines. Inner nodes
//! have the same form: what is extra there is the child and how many elements are below it.
//!
//! One allocation, without gaps, so that inserting is four moves within it:
//!
//! ```text
//! scores      extras           offsets     members
//! n x 8       n x EXTRA        n x 2       back to back
//! f64 LE      tag, or child    u16 LE      at their offsets; the end is the next one's start
//!             and count
//! ```
//!
//! Bit 15 of an offset says that the member is long: what lies there is 4 bytes, its number in
//! the arena of long members.
//!
//! Invariants
//! - B1: entries ascend by score, then member bytes, without equals.
//! - B2: offsets ascend, the first is 0, and no block has more than [`BYTES_MAX`] bytes.
//! - B3: a member of more than [`SHORT_MAX`] bytes is long; so a full block has at least seven
//!   entries and always splits into two that are not empty.
//! - B4: the first entry of an inner node is minus infinity without a member.

use std::cmp::Ordering;
use std::ops::Range;

use super::arena::{Arena, Heap, room_for};
use super::search::{self, SCORE, score_at};
use crate::prefetch;
use crate::structures::cow::CowVec;

/// Most bytes of a block. Larger ones need fewer inner nodes but longer moves: with members of
/// 16 bytes, a block of 2 KiB holds 75 (`cargo bench --bench ranked`).
pub(super) const BYTES_MAX: usize = CowVec::<u8>::capacity_within(2048);
/// Below this a block looks for a neighbour to merge with.
pub(super) const BYTES_MIN: usize = BYTES_MAX / 4;
/// Most bytes of two blocks that merge: a later insertion must not split them at once.
pub(super) const JOINED_MAX: usize = BYTES_MAX * 3 / 4;
/// Most bytes of a member that lies in the block.
pub(super) const SHORT_MAX: usize = 255;

const OFFSET: usize = 2;
const LONG: u16 = 1 << 15;

const _: () = assert!(BYTES_MAX < LONG as usize, "offsets need a free bit");
const _: () = assert!(BYTES_MAX / (SHORT_MAX + SCORE + OFFSET + 12) >= 7, "blocks must split");

/// No block: the end of the chain of leaves.
pub(super) const NONE: u32 = u32::MAX;

/// A leaf: what is extra is 8 bits of the member's hash.
pub(super) type Leaf = Block<1>;
/// An inner node: what is extra is the child (u32) and the elements below it (u64).
///
/// Its entries are separators: everything in child `i` is at least entry `i`, and below entry
/// `i + 1`. Entry 0 is below everything (B4).
pub(super) type Inner = Block<12>;

/// The members that do not lie in blocks.
pub(super) type Long = Arena<CowVec<u8>>;

/// See the module. A clone shares the bytes.
#[derive(Clone, Debug)]
pub(super) struct Block<const EXTRA: usize> {
    bytes: CowVec<u8>,
    len: u16,
    /// The leaf before this one.
    pub(super) previous: u32,
    /// The leaf behind this one.
    pub(super) next: u32,
}

impl<const EXTRA: usize> Default for Block<EXTRA> {
    fn default() -> Self {
        Self { bytes: CowVec::new(), len: 0, previous: NONE, next: NONE }
    }
}

impl<const EXTRA: usize> Heap for Block<EXTRA> {
    fn heap(&self) -> usize {
        self.bytes.heap_bytes()
    }
}

/// A member as it lies in a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) is_long: bool,
}

impl Raw<'_> {
    /// Number of the long member.
    pub(super) fn long_id(self) -> Option<u32> {
        self.is_long.then(|| u32::from_le_bytes(self.bytes.try_into().expect("four bytes")))
    }
}

impl<const EXTRA: usize> Block<EXTRA> {
    /// Bytes of an entry besides its member.
    const FIXED: usize = SCORE + EXTRA + OFFSET;

    /// Number of entries.
    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Bytes in use.
    #[inline]
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Whether an entry with a member of `bytes` packed bytes fits.
    #[inline]
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.bytes.len() + Self::FIXED + bytes <= BYTES_MAX
    }

    /// Asks for the cache lines of some bytes, so that they come at once and not one by one.
    #[inline]
    fn prefetch(&self, range: Range<usize>) {
        let bytes = &self.bytes[range];
        for line in bytes.chunks(64) {
            prefetch::read(&line[0]);
        }
        // The block need not begin where a line does.
        if let Some(last) = bytes.last() {
            prefetch::read(last);
        }
    }

    /// Asks for what a search looks at.
    #[inline]
    pub(super) fn prefetch_scores(&self) {
        self.prefetch(0..self.len() * SCORE);
    }

    /// Asks for all of it: what an insertion or removal moves.
    #[inline]
    pub(super) fn prefetch_whole(&self) {
        self.prefetch(0..self.size());
    }

    #[inline]
    pub(super) fn score(&self, at: usize) -> f64 {
        score_at(&self.bytes, at)
    }

    /// Only where the order stays the same.
    #[inline]
    pub(super) fn set_score(&mut self, at: usize, score: f64) {
        self.bytes.unshare()[at * SCORE..][..SCORE].copy_from_slice(&score.to_le_bytes());
    }

    #[inline]
    fn extra_start(&self, at: usize) -> usize {
        self.len() * SCORE + at * EXTRA
    }

    #[inline]
    pub(super) fn extra(&self, at: usize) -> [u8; EXTRA] {
        let start = self.extra_start(at);
        self.bytes[start..start + EXTRA].try_into().expect("EXTRA bytes")
    }

    #[inline]
    fn set_extra(&mut self, at: usize, extra: [u8; EXTRA]) {
        let start = self.extra_start(at);
        self.bytes.unshare()[start..start + EXTRA].copy_from_slice(&extra);
    }

    #[inline]
    fn offset_start(&self, at: usize) -> usize {
        self.len() * (SCORE + EXTRA) + at * OFFSET
    }

    #[inline]
    fn offset(&self, at: usize) -> u16 {
        let start = self.offset_start(at);
        u16::from_le_bytes(self.bytes[start..start + OFFSET].try_into().expect("two bytes"))
    }

    /// Where the member begins in `bytes`; at `len`, where the block ends.
    #[inline]
    fn member_start(&self, at: usize) -> usize {
        if at == self.len() {
            return self.bytes.len();
        }
        self.len() * Self::FIXED + usize::from(self.offset(at) & !LONG)
    }

    /// The member as it lies here.
    #[inline]
    pub(super) fn raw(&self, at: usize) -> Raw<'_> {
        let bytes = &self.bytes[self.member_start(at)..self.member_start(at + 1)];
        Raw { bytes, is_long: self.offset(at) & LONG != 0 }
    }

    /// The member itself.
    #[inline]
    pub(super) fn member<'a>(&'a self, at: usize, long: &'a Long) -> &'a [u8] {
        let raw = self.raw(at);
        match raw.long_id() {
            None => raw.bytes,
            Some(id) => long.get(id),
        }
    }

    /// Members and scores of some entries.
    #[inline]
    pub(super) fn elements<'a>(
        &'a self,
        range: Range<usize>,
        long: &'a Long,
    ) -> impl Iterator<Item = (&'a [u8], f64)> {
        let mut start = self.member_start(range.start);
        range.map(move |at| {
            let bytes = &self.bytes[start..self.member_start(at + 1)];
            start += bytes.len();
            let is_long = self.offset(at) & LONG != 0;
            let member = match (Raw { bytes, is_long }).long_id() {
                None => bytes,
                Some(id) => long.get(id),
            };
            (member, self.score(at))
        })
    }

    /// How many entries are below `(score, member)`, or at most it with `or_equal`.
    #[inline]
    pub(super) fn search(&self, score: f64, member: &[u8], or_equal: bool, long: &Long) -> usize {
        let scores = &self.bytes[..self.len() * SCORE];
        let from = search::below(scores, score);
        if from == self.len() || self.score(from) != score {
            return from;
        }
        let ties = search::at_most(&scores[from * SCORE..], score);
        let mut range = from..from + ties;
        while !range.is_empty() {
            let middle = range.start + range.len() / 2;
            let before = match self.member(middle, long).cmp(member) {
                Ordering::Less => true,
                Ordering::Equal => or_equal,
                Ordering::Greater => false,
            };
            if before { range.start = middle + 1 } else { range.end = middle }
        }
        range.start
    }

    /// How many entries satisfy `holds`, which is true up to some entry and false from there.
    pub(super) fn partition(&self, long: &Long, holds: impl Fn(f64, &[u8]) -> bool) -> usize {
        let mut range = 0..self.len();
        while !range.is_empty() {
            let middle = range.start + range.len() / 2;
            if holds(self.score(middle), self.member(middle, long)) {
                range.start = middle + 1;
            } else {
                range.end = middle;
            }
        }
        range.start
    }

    /// Inserts an entry in front of entry `at`.
    pub(super) fn insert(&mut self, at: usize, score: f64, extra: [u8; EXTRA], member: Raw<'_>) {
        debug_assert!(self.has_room(member.bytes.len()), "the caller has split the block");
        let (old, grown) = (self.bytes.len(), Self::FIXED + member.bytes.len());
        self.reserve(grown);
        let places =
            [at * SCORE, self.extra_start(at), self.offset_start(at), self.member_start(at)];
        let offset = places[3] - self.len() * Self::FIXED;
        let bytes = self.bytes.unshare();
        bytes.resize(old + grown, 0);
        let bytes = &mut **bytes;
        // From the back: what lies between two places moves by what was inserted before it.
        bytes.copy_within(places[3]..old, places[3] + grown);
        bytes.copy_within(places[2]..places[3], places[2] + Self::FIXED);
        bytes.copy_within(places[1]..places[2], places[1] + SCORE + EXTRA);
        bytes.copy_within(places[0]..places[1], places[0] + SCORE);
        bytes[places[0]..][..SCORE].copy_from_slice(&score.to_le_bytes());
        bytes[places[1] + SCORE..][..EXTRA].copy_from_slice(&extra);
        let offset = u16::try_from(offset).expect("below BYTES_MAX (B2)");
        let offset = if member.is_long { offset | LONG } else { offset };
        bytes[places[2] + SCORE + EXTRA..][..OFFSET].copy_from_slice(&offset.to_le_bytes());
        bytes[places[3] + Self::FIXED..][..member.bytes.len()].copy_from_slice(member.bytes);
        self.len += 1;
        let moved = u16::try_from(member.bytes.len()).expect("a short member");
        self.shift_offsets(at + 1, |offset| offset + moved);
    }

    /// Removes entries.
    pub(super) fn remove(&mut self, range: Range<usize>) {
        let (count, end) = (range.len(), self.bytes.len());
        let (start, stop) = (self.member_start(range.start), self.member_start(range.end));
        let extras = self.extra_start(range.start)..self.extra_start(range.end);
        let offsets = self.offset_start(range.start)..self.offset_start(range.end);
        let bytes = self.bytes.unshare();
        // From the front, each part by what was removed before it.
        bytes.copy_within(range.end * SCORE..extras.start, range.start * SCORE);
        bytes.copy_within(extras.end..offsets.start, extras.start - count * SCORE);
        bytes.copy_within(offsets.end..start, offsets.start - count * (SCORE + EXTRA));
        bytes.copy_within(stop..end, start - count * Self::FIXED);
        bytes.truncate(end - (stop - start) - count * Self::FIXED);
        self.len -= u16::try_from(count).expect("part of the entries");
        let removed = u16::try_from(stop - start).expect("below BYTES_MAX (B2)");
        self.shift_offsets(range.start, |offset| offset - removed);
        // An eighth is left, so that elements that come and go do not reallocate each time.
        let enough = room_for::<u8>(self.bytes.len() * 9 / 8);
        if enough < self.bytes.capacity() {
            self.bytes.unshare().shrink_to(enough);
        }
    }

    /// The entry in front of which to split: the halves have about as many bytes.
    pub(super) fn middle(&self) -> usize {
        let before = |at: usize| at * Self::FIXED + usize::from(self.offset(at) & !LONG);
        let half = self.bytes.len() / 2;
        let mut range = 1..self.len() - 1;
        while !range.is_empty() {
            let middle = range.start + range.len() / 2;
            if before(middle) < half { range.start = middle + 1 } else { range.end = middle }
        }
        range.start
    }

    /// Splits the entries from `at` on off into a block of their own.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let right = self.copy(at..self.len());
        let left = self.copy(0..at);
        self.bytes = left.bytes;
        self.len = left.len;
        right
    }

    fn copy(&self, range: Range<usize>) -> Self {
        let mut copy = Self { len: u16::try_from(range.len()).expect("a part"), ..Self::default() };
        let (start, stop) = (self.member_start(range.start), self.member_start(range.end));
        copy.reserve(range.len() * Self::FIXED + stop - start);
        let bytes = copy.bytes.unshare();
        bytes.extend_from_slice(&self.bytes[range.start * SCORE..range.end * SCORE]);
        let extras = self.extra_start(range.start)..self.extra_start(range.end);
        bytes.extend_from_slice(&self.bytes[extras]);
        let offsets = self.offset_start(range.start)..self.offset_start(range.end);
        bytes.extend_from_slice(&self.bytes[offsets]);
        bytes.extend_from_slice(&self.bytes[start..stop]);
        let cut = u16::try_from(start - self.len() * Self::FIXED).expect("below BYTES_MAX (B2)");
        copy.shift_offsets(0, |offset| offset - cut);
        copy
    }

    /// Both blocks' entries in one. The links are the first's.
    pub(super) fn joined(&self, right: &Self) -> Self {
        let mut joined = Self { len: self.len + right.len, bytes: CowVec::new(), ..*self };
        joined.reserve(self.size() + right.size());
        for part in 0..4 {
            for block in [self, right] {
                let ends = [
                    0,
                    block.extra_start(0),
                    block.offset_start(0),
                    block.len() * Self::FIXED,
                    block.size(),
                ];
                let bytes = joined.bytes.unshare();
                bytes.extend_from_slice(&block.bytes[ends[part]..ends[part + 1]]);
            }
        }
        let before = u16::try_from(self.size() - self.len() * Self::FIXED).expect("see B2");
        joined.shift_offsets(self.len(), |offset| offset + before);
        joined
    }

    #[inline]
    fn shift_offsets(&mut self, from: usize, shift: impl Fn(u16) -> u16) {
        let range = self.offset_start(from)..self.len() * Self::FIXED;
        for offset in self.bytes.unshare()[range].as_chunks_mut::<OFFSET>().0 {
            // The flag in bit 15 stays: nothing carries into it (B2).
            *offset = shift(u16::from_le_bytes(*offset)).to_le_bytes();
        }
    }

    #[inline]
    fn reserve(&mut self, more: usize) {
        let wanted = self.bytes.len() + more;
        if wanted > self.bytes.capacity() {
            let more = room_for::<u8>(wanted) - self.bytes.len();
            self.bytes.unshare().reserve_exact(more);
        }
    }
}

impl Leaf {
    /// Asks for the tags and the offsets of the members.
    #[inline]
    pub(super) fn prefetch_tags(&self) {
        self.prefetch(self.extra_start(0)..self.len() * Self::FIXED);
    }

    /// Asks for the member that is most likely the one whose hash has this tag, and its score;
    /// tags and offsets should be cached.
    #[inline]
    pub(super) fn prefetch_tagged(&self, tag: u8) {
        if let Some(at) = self.tagged(tag).next() {
            let start = self.member_start(at);
            let end = (start + prefetch::compared(0)).min(self.size());
            prefetch::read(&self.bytes[at * SCORE]);
            self.prefetch(start..end);
        }
    }

    /// Position of a member whose hash has this tag.
    #[inline]
    pub(super) fn find(&self, tag: u8, member: &[u8], long: &Long) -> Option<usize> {
        self.prefetch_tags();
        self.tagged(tag).find(|&at| {
            // Where the member lies if all are equally long; so its line comes with its offset's.
            let (start, end) = (self.len() * Self::FIXED, self.size());
            let guess = start + (end - start) / self.len() * at;
            prefetch::read(&self.bytes[guess.min(end - 1)]);
            prefetch::read(&self.bytes[at * SCORE]);
            self.member(at, long) == member
        })
    }

    /// Positions of the members whose hash has this tag.
    #[inline]
    pub(super) fn tagged(&self, tag: u8) -> impl Iterator<Item = usize> {
        search::tags(&self.bytes[self.len() * SCORE..], self.len(), tag)
    }
}

impl Inner {
    /// What is extra of an inner entry.
    pub(super) fn link(child: u32, count: u64) -> [u8; 12] {
        let mut extra = [0; 12];
        extra[..4].copy_from_slice(&child.to_le_bytes());
        extra[4..].copy_from_slice(&count.to_le_bytes());
        extra
    }

    /// The child at a position.
    #[inline]
    pub(super) fn child(&self, at: usize) -> u32 {
        let start = self.extra_start(at);
        u32::from_le_bytes(self.bytes[start..start + 4].try_into().expect("four bytes"))
    }

    /// Elements below the child at a position.
    #[inline]
    pub(super) fn count(&self, at: usize) -> u64 {
        let start = self.extra_start(at) + 4;
        u64::from_le_bytes(self.bytes[start..start + 8].try_into().expect("eight bytes"))
    }

    /// Elements below the children before a position.
    #[inline]
    pub(super) fn count_before(&self, at: usize) -> u64 {
        let links = &self.bytes[self.extra_start(0)..self.extra_start(at)];
        let count = |link: &[u8; 12]| {
            u64::from_le_bytes(link[4..].try_into().expect("eight of twelve bytes"))
        };
        links.as_chunks::<12>().0.iter().map(count).sum()
    }

    /// Replaces child and count.
    pub(super) fn set_link(&mut self, at: usize, child: u32, count: u64) {
        self.set_extra(at, Self::link(child, count));
    }

    /// Replaces the count.
    #[inline]
    pub(super) fn set_count(&mut self, at: usize, count: u64) {
        let start = self.extra_start(at) + 4;
        self.bytes.unshare()[start..start + 8].copy_from_slice(&count.to_le_bytes());
    }

    /// Position of the child that `(score, member)` belongs to.
    #[inline]
    pub(super) fn child_for(&self, score: f64, member: &[u8], long: &Long) -> usize {
        self.search(score, member, true, long) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(bytes: &[u8]) -> Raw<'_> {
        Raw { bytes, is_long: false }
    }

    fn texts(block: &Leaf, long: &Long) -> String {
        let text = |at| {
            let member = String::from_utf8(block.member(at, long).to_vec()).unwrap();
            format!("{member}={}/{}", block.score(at), block.extra(at)[0])
        };
        (0..block.len()).map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn entries_are_inserted_removed_split_and_joined() {
        let mut long = Long::default();
        let id = long.add(b"a long one".as_slice().into()).to_le_bytes();
        let mut block = Leaf::default();
        block.insert(0, 2.0, [2], short(b"two"));
        block.insert(0, 1.0, [1], short(b""));
        block.insert(2, 3.0, [3], Raw { bytes: &id, is_long: true });
        block.insert(2, 2.5, [9], short(b"half"));
        assert_eq!(texts(&block, &long), "=1/1 two=2/2 half=2.5/9 a long one=3/3");
        assert_eq!(block.size(), 4 * 11 + 3 + 4 + 4);
        let right = block.split_off(1);
        assert_eq!(texts(&block, &long), "=1/1");
        assert_eq!(texts(&right, &long), "two=2/2 half=2.5/9 a long one=3/3");
        let mut joined = block.joined(&right);
        assert_eq!(texts(&joined, &long), "=1/1 two=2/2 half=2.5/9 a long one=3/3");
        joined.remove(1..3);
        assert_eq!(texts(&joined, &long), "=1/1 a long one=3/3");
        joined.remove(0..2);
        assert_eq!((joined.len(), joined.size()), (0, 0));
    }

    #[test]
    fn searching_counts_smaller_entries() {
        let long = Long::default();
        let mut block = Leaf::default();
        for (at, (score, member)) in
            [(1.0, "a"), (2.0, "b"), (2.0, "d"), (2.0, "f"), (3.0, "a")].into_iter().enumerate()
        {
            block.insert(at, score, [0], short(member.as_bytes()));
        }
        let search =
            |score, member: &str, equal| block.search(score, member.as_bytes(), equal, &long);
        assert_eq!(
            [search(0.0, "z", false), search(1.0, "", false), search(1.0, "b", true)],
            [0, 0, 1]
        );
        assert_eq!(
            [search(2.0, "d", false), search(2.0, "d", true), search(2.0, "c", true)],
            [2, 3, 2]
        );
        assert_eq!([search(2.0, "z", false), search(9.0, "", true)], [4, 5]);
        assert_eq!(block.partition(&long, |score, _| score < 2.0), 1);
        assert_eq!(block.find(0, b"d", &long), Some(2));
        assert_eq!(block.find(1, b"d", &long), None);
    }
}
