//! A run of elements that share a prefix of the hash: one block, packed.
//!
//! Why it exists: a segment grows, shrinks, splits and merges by itself, at a few hundred
//! nanoseconds each, so the table has no other resize. Its block is the whole cost per element:
//!
//! ```text
//!   | 64 tags (1 B) | 64 places (2 B) | elements, back to back (entry.rs) … | free |
//!     a cache line    two               ^192                              used^
//!
//!   tag:   hash bits 0..8
//!   place: hash bits 8..12 << 12 | position in the block
//! ```
//!
//! Tags and places are dense: element `i` has the `i`-th of each, the last element fills the
//! hole that a removal leaves. So 64 tags answer a lookup without empty ones among them, twelve
//! bits of hash are compared before an element is visited, and nothing is probed twice.
//!
//! Invariants
//! - G1: `count <= TAGS`; tags and places of elements `0..count` are those of their hashes.
//! - G2: elements lie in `HEAD..used`; `waste` of those bytes belong to none.
//! - G3: a block is at most [`BLOCK_MAX`] bytes and of a length that `sizes` lists, or empty: then
//!   the segment is vacant, a place in the directory that belongs to a neighbour.
//! - G4: `extra` is there if an element has a box or a deadline; its `earliest` is never later
//!   than any element's deadline. `timed` is the number of elements with one.

use super::entry::{self, INLINE_MAX, NEVER, Part, Piece, Shape};
use super::sizes::{BLOCK_MAX, block_len, size_class};
use super::tags::{self, TAGS};
use super::{Deadline, Element};
use crate::prefetch;
use crate::structures::cow::{CowBox, CowVec};

/// Bytes of tags and places.
pub(super) const HEAD: usize = 3 * TAGS;
/// Bytes of a block's count of those who share it.
const COUNT_BYTES: usize = CowVec::<u8>::bytes_for(1) - 1;
/// Elements of two segments that may become one: half of what one holds, so that it does not
/// split soon.
const MERGED_MAX: usize = TAGS / 2;
/// Elements at which a segment looks for another to merge with.
pub(super) const MERGE_AT: u8 = 16;

const _: () = assert!(BLOCK_MAX <= 1 << 12, "a place has twelve bits for the position");

/// The segment has no room: split it and try again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full;

/// What only segments with long parts or deadlines need.
#[derive(Clone, Debug)]
struct Extra {
    boxes: Vec<Option<CowVec<u8>>>,
    /// Bytes of the boxes as the allocator rounds them.
    boxed_bytes: usize,
    /// Never later than any element's deadline.
    earliest: u64,
}

/// See the module. A clone shares block and boxes.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    block: CowVec<u8>,
    extra: Option<CowBox<Extra>>,
    used: u16,
    waste: u16,
    count: u8,
    /// Hash bits that all elements share.
    pub(super) depth: u8,
    timed: u8,
}

const _: () = assert!(size_of::<Segment>() == 32, "two to a cache line");

impl Segment {
    /// A segment without elements for a prefix of `depth` bits.
    pub(super) fn new(depth: u8) -> Self {
        Self::with_room(depth, 0)
    }

    fn with_room(depth: u8, bytes: usize) -> Self {
        let block = CowVec::filled(0, block_len(HEAD + bytes));
        Self { block, used: narrow(HEAD), depth, ..Self::default() }
    }

    /// Whether this is no segment (G3).
    #[inline]
    pub(super) fn is_vacant(&self) -> bool {
        self.block.is_empty()
    }

    /// Number of elements.
    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Number of elements with a deadline.
    pub(super) fn timed(&self) -> usize {
        usize::from(self.timed)
    }

    /// Never later than any element's deadline.
    pub(super) fn earliest(&self) -> u64 {
        self.extra.as_ref().map_or(NEVER, |extra| extra.earliest)
    }

    /// Bytes on the heap.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        // Not `heap_bytes`: nobody asks a vacant one, and this runs twice per edit.
        COUNT_BYTES + self.block.capacity() + self.extra.as_ref().map_or(0, |extra| extra.memory())
    }

    /// Bytes that elements take.
    fn live(&self) -> usize {
        usize::from(self.used - self.waste) - HEAD
    }

    /// Asks for the lines of tags and places.
    #[inline]
    pub(super) fn prefetch_head(&self) {
        for line in self.block[..HEAD].as_chunks::<TAGS>().0 {
            prefetch::read(line);
        }
    }

    /// Asks for the element that a hash leads to, if there is one.
    #[inline]
    pub(super) fn prefetch_element(&self, hash: u64) {
        let tags = self.block.first_chunk().expect("not vacant (G3)");
        let mut mask = tags::matching(tags, tag(hash));
        // Elements of one collection are of about one length.
        let len = prefetch::compared(self.live() / self.len().max(1));
        while mask != 0 {
            let index = mask.trailing_zeros() as usize;
            if index >= self.len() {
                return;
            }
            let found = self.place(index);
            if (found ^ place_bits(hash)) >> 12 == 0 {
                let start = usize::from(found & 0xfff);
                let end = (start + len).min(self.block.len()) - 1;
                prefetch::read(&self.block[start]);
                if len > 64 {
                    prefetch::read(&self.block[(start + 64).min(end)]);
                }
                prefetch::read(&self.block[end]);
            }
            mask &= mask - 1;
        }
    }

    // --- Finding -------------------------------------------------------------------------

    /// The number of the element with that field.
    #[inline]
    pub(super) fn find(&self, hash: u64, field: &[u8]) -> Option<usize> {
        let (tags, places) = self.block.split_first_chunk().expect("not vacant (G3)");
        // Their lines come while the tags are on the way, instead of after them.
        prefetch::read(&places[0]);
        prefetch::read(&places[TAGS]);
        let place = place_bits(hash);
        let mut mask = tags::matching(tags, tag(hash));
        while mask != 0 {
            let index = mask.trailing_zeros() as usize;
            if index >= self.len() {
                return None;
            }
            let found = self.place(index);
            if (found ^ place) >> 12 == 0 {
                let part = entry::parse_field(&self.block, usize::from(found & 0xfff));
                if self.resolve(part) == field {
                    return Some(index);
                }
            }
            mask &= mask - 1;
        }
        None
    }

    #[inline]
    fn place(&self, index: usize) -> u16 {
        let at = TAGS + 2 * index;
        u16::from_le_bytes([self.block[at], self.block[at + 1]])
    }

    fn set_place(&mut self, index: usize, place: u16) {
        let at = TAGS + 2 * index;
        self.block.unshare()[at..at + 2].copy_from_slice(&place.to_le_bytes());
    }

    fn start(&self, index: usize) -> usize {
        usize::from(self.place(index) & 0xfff)
    }

    #[inline]
    fn resolve(&self, part: Part) -> &[u8] {
        match part {
            Part::Inline { start, len } => &self.block[start..start + len],
            Part::Boxed(number) => {
                let extra = self.extra.as_ref().expect("an element has a box (G4)");
                extra.boxes[number].as_ref().expect("the box of a live element")
            }
        }
    }

    /// The element of that number.
    #[inline]
    pub(super) fn element(&self, index: usize) -> Element<'_> {
        let shape = entry::parse(&self.block, self.start(index));
        Element {
            field: self.resolve(shape.field),
            value: self.resolve(shape.value),
            deadline: shape.deadline,
        }
    }

    // --- Changing ------------------------------------------------------------------------

    /// Adds an element whose field is not there yet.
    pub(super) fn push(
        &mut self,
        hash: u64,
        field: &[u8],
        value: &[u8],
        deadline: u64,
    ) -> Result<(), Full> {
        if self.len() == TAGS {
            return Err(Full);
        }
        let need = entry::encoded_len(plan(field), plan(value), deadline);
        self.make_room(need)?;
        let field = self.lodge(field);
        let value = self.lodge(value);
        self.append(tag(hash), place_bits(hash), field, value, deadline);
        Ok(())
    }

    /// Writes an element behind the others; there is room.
    fn append(
        &mut self,
        tag: u8,
        place_bits: u16,
        field: Piece<'_>,
        value: Piece<'_>,
        deadline: u64,
    ) {
        let index = self.len();
        let start = usize::from(self.used);
        let block = self.block.unshare();
        let len = entry::write(&mut block[start..], field, value, deadline);
        block[index] = tag;
        let place = place_bits & 0xf000 | self.used;
        block[TAGS + 2 * index..][..2].copy_from_slice(&place.to_le_bytes());
        self.used += narrow(len);
        self.count += 1;
        self.note(deadline);
    }

    /// Counts a deadline in (G4).
    fn note(&mut self, deadline: u64) {
        if deadline != NEVER {
            self.timed += 1;
            let extra = self.extra.get_or_insert_with(Extra::new).unshare();
            extra.earliest = extra.earliest.min(deadline);
        }
    }

    /// Gives the element of that number another value and deadline. A value of the same length
    /// is overwritten where it lies, if the element keeps its shape.
    pub(super) fn update(
        &mut self,
        index: usize,
        value: &[u8],
        deadline: Deadline,
    ) -> Result<(), Full> {
        let start = self.start(index);
        let shape = entry::parse(&self.block, start);
        let deadline = match deadline {
            Deadline::Keep => shape.deadline,
            Deadline::Set(deadline) => deadline,
        };
        if deadline == shape.deadline && self.overwrite(shape.value, value) {
            return Ok(());
        }
        let field_len = self.resolve(shape.field).len();
        let need = entry::encoded_len(zeros(field_len), plan(value), deadline);
        self.make_room(need)?;
        self.rewrite(index, value, deadline);
        Ok(())
    }

    /// Puts `value` over one of the same length.
    fn overwrite(&mut self, part: Part, value: &[u8]) -> bool {
        match part {
            Part::Inline { start, len } => {
                let fits = len == value.len();
                if fits {
                    self.block.unshare()[start..start + len].copy_from_slice(value);
                }
                fits
            }
            Part::Boxed(_) if self.resolve(part).len() != value.len() => false,
            Part::Boxed(number) => {
                let extra = self.extra.as_mut().expect("an element has a box (G4)").unshare();
                let old = extra.boxes[number].as_mut().expect("the box of a live element");
                if old.is_unique() {
                    old.unshare().copy_from_slice(value);
                } else {
                    *old = value.into();
                }
                true
            }
        }
    }

    /// Writes the element of that number anew, behind the others; there is room.
    fn rewrite(&mut self, index: usize, value: &[u8], deadline: u64) {
        let (start, place) = (self.start(index), self.place(index));
        let shape = entry::parse(&self.block, start);
        self.forget(shape.deadline);
        self.evict(shape.value);
        let value = self.lodge(value);
        let mut copy = [0; INLINE_MAX];
        let field = match shape.field {
            Part::Boxed(number) => Piece::Boxed(number),
            Part::Inline { start, len } => {
                copy[..len].copy_from_slice(&self.block[start..start + len]);
                Piece::Inline(&copy[..len])
            }
        };
        let at = usize::from(self.used);
        let len = entry::write(&mut self.block.unshare()[at..], field, value, deadline);
        self.set_place(index, place & 0xf000 | self.used);
        self.used += narrow(len);
        self.waste += narrow(shape.end - start);
        self.note(deadline);
    }

    /// Counts a deadline out.
    fn forget(&mut self, deadline: u64) {
        self.timed -= u8::from(deadline != NEVER);
        if self.timed == 0
            && let Some(extra) = &mut self.extra
        {
            extra.unshare().earliest = NEVER;
        }
    }

    /// Removes the element of that number; the last one takes its place.
    pub(super) fn remove(&mut self, index: usize) {
        let start = self.start(index);
        let shape = entry::parse(&self.block, start);
        self.forget(shape.deadline);
        self.evict(shape.field);
        self.evict(shape.value);
        if shape.end == usize::from(self.used) {
            self.used = narrow(start);
        } else {
            self.waste += narrow(shape.end - start);
        }
        let last = self.len() - 1;
        let block = self.block.unshare();
        block[index] = block[last];
        let (from, to) = (TAGS + 2 * last, TAGS + 2 * index);
        block.copy_within(from..from + 2, to);
        self.count -= 1;
        if self.timed == 0 && self.extra.as_ref().is_some_and(|extra| extra.boxed_bytes == 0) {
            self.extra = None;
        }
        if block_len(HEAD + self.live() * 2) < self.block.len() {
            self.rebuild(block_len(HEAD + self.live() + self.live() / 8));
        }
    }

    /// Makes sure that `need` bytes fit behind the elements.
    fn make_room(&mut self, need: usize) -> Result<(), Full> {
        if usize::from(self.used) + need <= self.block.len() {
            return Ok(());
        }
        let bytes = HEAD + self.live() + need;
        if bytes > BLOCK_MAX {
            return Err(Full);
        }
        // A sixteenth more, or elements that change their length would have it rebuilt each time.
        self.rebuild(block_len((bytes + bytes / 16).min(BLOCK_MAX)));
        Ok(())
    }

    /// Moves the elements into a block of another length, without the waste.
    fn rebuild(&mut self, block_len: usize) {
        let mut rebuilt = CowVec::filled(0, block_len);
        let block = rebuilt.unshare();
        block[..HEAD].copy_from_slice(&self.block[..HEAD]);
        let mut used = HEAD;
        for index in 0..self.len() {
            let place = self.place(index);
            let start = usize::from(place & 0xfff);
            let entry = &self.block[start..entry::parse(&self.block, start).end];
            block[used..used + entry.len()].copy_from_slice(entry);
            let place = place & 0xf000 | narrow(used);
            block[TAGS + 2 * index..][..2].copy_from_slice(&place.to_le_bytes());
            used += entry.len();
        }
        self.block = rebuilt;
        (self.used, self.waste) = (narrow(used), 0);
    }

    // --- Boxes ---------------------------------------------------------------------------

    /// What to write for these bytes: themselves, or the number of a new box.
    fn lodge<'a>(&mut self, bytes: &'a [u8]) -> Piece<'a> {
        if bytes.len() <= INLINE_MAX {
            return Piece::Inline(bytes);
        }
        self.lodge_box(bytes.into())
    }

    fn lodge_box(&mut self, bytes: CowVec<u8>) -> Piece<'static> {
        let extra = self.extra.get_or_insert_with(Extra::new).unshare();
        extra.boxed_bytes += size_class(bytes.heap_bytes());
        let free = extra.boxes.iter().position(Option::is_none);
        let number = free.unwrap_or(extra.boxes.len());
        if free.is_none() {
            extra.boxes.push(None);
        }
        extra.boxes[number] = Some(bytes);
        Piece::Boxed(number)
    }

    /// Frees the box of a part that goes.
    fn evict(&mut self, part: Part) {
        if let Part::Boxed(number) = part {
            drop(self.take_box(number));
        }
    }

    fn take_box(&mut self, number: usize) -> CowVec<u8> {
        let extra = self.extra.as_mut().expect("an element has a box (G4)").unshare();
        let bytes = extra.boxes[number].take().expect("the box of a live element");
        extra.boxed_bytes -= size_class(bytes.heap_bytes());
        bytes
    }

    // --- Splitting and merging -----------------------------------------------------------

    /// Halves the segment by the next bit of the hash.
    pub(super) fn split(mut self, hash: impl Fn(&[u8]) -> u64) -> (Self, Self) {
        let bit = 63 - u32::from(self.depth);
        let mut upper = 0_u64;
        let mut bytes = [0; 2];
        for index in 0..self.len() {
            let start = self.start(index);
            let shape = entry::parse(&self.block, start);
            let side = hash(self.resolve(shape.field)) >> bit & 1;
            upper |= side << index;
            bytes[usize::from(side == 1)] += shape.end - start;
        }
        let depth = self.depth + 1;
        // Some room for what is to come, as `make_room` would give it.
        let room = |bytes: usize| (bytes + bytes / 16).min(BLOCK_MAX - HEAD);
        let mut low = Self::with_room(depth, room(bytes[0]));
        let mut high = Self::with_room(depth, room(bytes[1]));
        for index in 0..self.len() {
            let target = if upper >> index & 1 == 0 { &mut low } else { &mut high };
            target.take_from(&mut self, index);
        }
        (low, high)
    }

    /// Whether [`Segment::merge`] makes one of the two that is far from splitting.
    pub(super) fn can_merge(&self, other: &Self) -> bool {
        self.depth == other.depth
            && self.len() + other.len() <= MERGED_MAX
            && HEAD + self.live() + other.live() <= BLOCK_MAX / 2
    }

    /// Makes one segment of two neighbours.
    pub(super) fn merge(mut self, mut other: Self) -> Self {
        let bytes = self.live() + other.live();
        let mut merged = Self::with_room(self.depth - 1, bytes + bytes / 16);
        for source in [&mut self, &mut other] {
            for index in 0..source.len() {
                merged.take_from(source, index);
            }
        }
        merged
    }

    /// Moves an element here, boxes and all. The source is not fit for anything else afterwards.
    fn take_from(&mut self, source: &mut Self, index: usize) {
        let (tag, place) = (source.block[index], source.place(index));
        let start = source.start(index);
        let Shape { field, value, deadline, end } = entry::parse(&source.block, start);
        if let (Part::Inline { .. }, Part::Inline { .. }) = (field, value) {
            let used = usize::from(self.used);
            let target = self.len();
            let block = self.block.unshare();
            block[used..used + end - start].copy_from_slice(&source.block[start..end]);
            block[target] = tag;
            self.set_place(target, place & 0xf000 | self.used);
            self.used += narrow(end - start);
            self.count += 1;
            self.note(deadline);
            return;
        }
        let mut lodge = |part| match part {
            Part::Boxed(number) => self.lodge_box(source.take_box(number)),
            Part::Inline { .. } => Piece::Inline(&[]),
        };
        let boxes = [lodge(field), lodge(value)];
        let piece = |part, boxed| match part {
            Part::Boxed(_) => boxed,
            Part::Inline { start, len } => Piece::Inline(&source.block[start..start + len]),
        };
        let (field, value) = (piece(field, boxes[0]), piece(value, boxes[1]));
        self.append(tag, place, field, value, deadline);
    }

    // --- Deadlines -----------------------------------------------------------------------

    /// Removes elements whose deadline is before `now_ms`, at most `limit`, after showing each
    /// field to `gone`. Returns how many.
    pub(super) fn remove_due(
        &mut self,
        now_ms: u64,
        limit: usize,
        gone: &mut impl FnMut(&[u8]),
    ) -> usize {
        if self.earliest() >= now_ms {
            return 0;
        }
        let mut removed = 0;
        let mut earliest = NEVER;
        for index in (0..self.len()).rev() {
            let element = self.element(index);
            if element.is_live(now_ms) || removed == limit {
                earliest = earliest.min(element.deadline);
                continue;
            }
            gone(element.field);
            self.remove(index);
            removed += 1;
        }
        if let Some(extra) = &mut self.extra {
            extra.unshare().earliest = earliest;
        }
        removed
    }

    /// How many elements' deadline is before `now_ms`.
    pub(super) fn count_due(&self, now_ms: u64) -> usize {
        if self.earliest() >= now_ms {
            return 0;
        }
        (0..self.len()).filter(|&index| !self.element(index).is_live(now_ms)).count()
    }
}

impl Extra {
    fn new() -> CowBox<Self> {
        CowBox::new(Self { boxes: Vec::new(), boxed_bytes: 0, earliest: NEVER })
    }

    fn memory(&self) -> usize {
        let boxes = self.boxes.capacity() * size_of::<Option<CowVec<u8>>>();
        size_class(CowBox::<Self>::heap_bytes()) + size_class(boxes) + self.boxed_bytes
    }
}

#[inline]
fn tag(hash: u64) -> u8 {
    hash.to_le_bytes()[0]
}

/// Bits 8..12 of the hash at the top of a place.
#[inline]
fn place_bits(hash: u64) -> u16 {
    let [_, second, ..] = hash.to_le_bytes();
    u16::from(second & 0xf) << 12
}

/// What `lodge` will say, as far as lengths go: all numbers of boxes are equally long.
fn plan(bytes: &[u8]) -> Piece<'_> {
    if bytes.len() <= INLINE_MAX { Piece::Inline(bytes) } else { Piece::Boxed(0) }
}

/// A piece of that length whose bytes do not matter.
fn zeros(len: usize) -> Piece<'static> {
    const ZEROS: [u8; INLINE_MAX] = [0; INLINE_MAX];
    ZEROS.get(..len).map_or(Piece::Boxed(0), Piece::Inline)
}

fn narrow(bytes: usize) -> u16 {
    u16::try_from(bytes).expect("a position in a block is at most BLOCK_MAX (G3)")
}
