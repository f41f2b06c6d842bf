//! A listpack that owns its bytes, with room at both ends.
//!
//! Why it exists: editing is where a listpack needs space. Pushing at either end is amortized
//! O(1): the room in front grows by half as the room behind does, and entries that have moved
//! through the block (a queue) are slid back instead of growing it.
//!
//! ```text
//! bytes:  room in front | count | entries | (spare capacity)
//!                               ^ start   ^ bytes.len()
//! ```
//!
//! Invariants
//! - B1: `bytes` is empty, or `start` is at least `HEAD_BYTES` and the packed count lies right
//!   before `start`.
//! - B2: `bytes[start..]` are `count` whole entries.

use smallvec::SmallVec;

use super::encoding::{Encoded, decode, decode_foreign};
use super::{Entry, Listpack, whole_size, whole_size_back};
use crate::structures::cow::CowVec;

/// The first byte of a packed count that has four bytes more.
pub(super) const COUNT_LONG: u8 = 255;
/// The longest packed count.
const HEAD_BYTES: usize = 5;
/// Room at either end of a fresh copy: the next push or two need no other allocation.
const ROOM_BYTES: usize = 64;
/// Smaller allocations are not worth a copy.
const SPARSE_BYTES_MIN: usize = 512;

/// What a pop gave, for who keeps it: on the stack for short strings.
pub type Popped = SmallVec<[u8; 64]>;

/// An owned listpack. A clone shares the bytes until one of the two is edited.
///
/// # Examples
/// ```
/// use engine::structures::listpack::ListpackBuf;
///
/// let mut queue = ListpackBuf::new();
/// queue.push_back(b"second");
/// queue.push_front(b"first");
/// assert_eq!(queue.pop_front(|entry| entry.eq_bytes(b"first")), Some(true));
/// assert_eq!(queue.as_ref().len(), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ListpackBuf {
    bytes: CowVec<u8>,
    start: usize,
    count: usize,
}

impl ListpackBuf {
    /// Bytes before the entries of an allocation: the longest packed count.
    pub(in crate::structures) const HEAD_BYTES: usize = HEAD_BYTES;

    /// No entries, no allocation.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: CowVec::new(), start: 0, count: 0 }
    }

    /// No entries, and room for so many bytes of entries at each end.
    #[must_use]
    pub fn with_room(front: usize, back: usize) -> Self {
        let start = HEAD_BYTES + front;
        let mut bytes = CowVec::with_capacity(start + back);
        bytes.unshare().resize(start, 0);
        Self { bytes, start, count: 0 }
    }

    /// A copy of what [`ListpackBuf::as_packed`] gave, with room at both ends.
    ///
    /// # Panics
    /// If `bytes` has no whole count.
    #[must_use]
    pub fn from_packed(bytes: &[u8]) -> Self {
        Self::from(Listpack::from_packed(bytes))
    }

    /// A copy of entries that were made elsewhere, if they are whole; in the shortest encodings
    /// (L2), whatever they were in. Cost: O(bytes).
    #[must_use]
    pub(crate) fn from_foreign(entries: &[u8]) -> Option<Self> {
        let mut copy = Self::with_room(0, entries.len());
        let mut rest = entries;
        while !rest.is_empty() {
            let (entry, size) = decode_foreign(rest)?;
            match entry {
                Entry::Bytes(bytes) => copy.push_back(bytes),
                Entry::Int(_) => copy.push_back_entry(entry),
            }
            rest = &rest[size..];
        }
        Some(copy)
    }

    /// Count and entries in one piece. Cost: O(1).
    #[must_use]
    pub fn as_packed(&self) -> &[u8] {
        if self.bytes.is_empty() {
            return &[0];
        }
        let head = if self.count < usize::from(COUNT_LONG) { 1 } else { HEAD_BYTES };
        &self.bytes[self.start - head..]
    }

    /// For reading.
    #[must_use]
    #[inline]
    pub fn as_ref(&self) -> Listpack<'_> {
        Listpack { count: self.count, entries: &self.bytes[self.start..] }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of all entries, without count and room.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Heap bytes: entries, count and room.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes.heap_bytes()
    }

    /// Adds a last entry. Cost: amortized O(value).
    #[inline]
    pub fn push_back(&mut self, value: &[u8]) {
        self.append(Encoded::of_bytes(value));
    }

    /// Adds a last entry that comes from another listpack.
    #[inline]
    pub fn push_back_entry(&mut self, entry: Entry<'_>) {
        self.append(Encoded::of(entry));
    }

    fn append(&mut self, value: Encoded<'_>) {
        self.room_back(value.whole_size());
        self.count += 1;
        let bytes = self.bytes.unshare();
        value.append_to(bytes);
        write_count(bytes, self.start, self.count);
    }

    /// Adds a first entry. Cost: amortized O(value).
    #[inline]
    pub fn push_front(&mut self, value: &[u8]) {
        self.prepend(Encoded::of_bytes(value));
    }

    /// Adds a first entry that comes from another listpack.
    #[inline]
    pub fn push_front_entry(&mut self, entry: Entry<'_>) {
        self.prepend(Encoded::of(entry));
    }

    fn prepend(&mut self, value: Encoded<'_>) {
        let size = value.whole_size();
        self.room_front(size);
        let from = self.start - size;
        let bytes = self.bytes.unshare();
        value.write_to(&mut bytes[from..self.start]);
        self.start = from;
        self.count += 1;
        write_count(bytes, from, self.count);
    }

    /// Removes the last entry, and answers what `take` made of it. Cost: O(1).
    #[inline]
    pub fn pop_back<R>(&mut self, take: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        if self.count == 0 {
            return None;
        }
        let end = self.bytes.len() - whole_size_back(&self.bytes[self.start..]);
        let taken = take(decode(&self.bytes[end..]).0);
        self.truncate_to(end);
        Some(taken)
    }

    /// Removes the first entry, and answers what `take` made of it. Cost: O(1).
    #[inline]
    pub fn pop_front<R>(&mut self, take: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        if self.count == 0 {
            return None;
        }
        let (entry, size) = decode(&self.bytes[self.start..]);
        let taken = take(entry);
        self.start += size;
        self.set_count(self.count - 1);
        Some(taken)
    }

    /// Removes the last entry, which somebody has read already.
    ///
    /// # Panics
    /// If there are no entries.
    #[inline]
    pub fn drop_back(&mut self) {
        self.truncate_to(self.bytes.len() - whole_size_back(&self.bytes[self.start..]));
    }

    /// Removes the last entry, which begins at `end`.
    #[inline]
    fn truncate_to(&mut self, end: usize) {
        self.count -= 1;
        let bytes = self.bytes.unshare();
        bytes.truncate(end);
        write_count(bytes, self.start, self.count);
    }

    /// Removes the first entry, which somebody has read already.
    ///
    /// # Panics
    /// If there are no entries.
    #[inline]
    pub fn drop_front(&mut self) {
        self.start += whole_size(&self.bytes[self.start..]);
        self.set_count(self.count - 1);
    }

    /// Adds an entry before entry `index`, or behind the last. Cost: O(bytes).
    ///
    /// # Panics
    /// If `index` is more than the number of entries.
    pub fn insert(&mut self, index: usize, value: &[u8]) {
        assert!(index <= self.count, "entry {index} cannot come after {}", self.count);
        let value = Encoded::of_bytes(value);
        if index == self.count {
            return self.append(value);
        }
        let at = self.as_ref().offset_of(index);
        let size = value.whole_size();
        self.change_size(at, 0, size);
        value.write_to(&mut self.bytes.unshare()[self.start + at..][..size]);
        self.set_count(self.count + 1);
    }

    /// Puts another value in place of entry `index`. Cost: O(bytes), or O(value) where the
    /// encodings are equally long.
    ///
    /// # Panics
    /// If there is no such entry.
    pub fn replace(&mut self, index: usize, value: &[u8]) {
        assert!(index < self.count, "no entry {index} among {}", self.count);
        let value = Encoded::of_bytes(value);
        let at = self.as_ref().offset_of(index);
        let (old, new) = (whole_size(&self.bytes[self.start + at..]), value.whole_size());
        self.change_size(at, old, new);
        value.write_to(&mut self.bytes.unshare()[self.start + at..][..new]);
        self.set_count(self.count);
    }

    /// Removes `count` entries from `index` on. Cost: O(bytes).
    ///
    /// # Panics
    /// If there are not so many entries.
    pub fn remove(&mut self, index: usize, count: usize) {
        let gone = self.as_ref().slice(index, index + count).bytes_len();
        let at = self.as_ref().offset_of(index);
        self.change_size(at, gone, 0);
        self.set_count(self.count - count);
    }

    /// Removes up to `max` entries equal to `value`, from the first or from the last on. Answers
    /// how many were removed. Cost: O(bytes).
    pub fn remove_equal(&mut self, value: &[u8], max: usize, from_back: bool) -> usize {
        let equal = self.as_ref().count_equal(value);
        let removed = equal.min(max);
        // From the last on: the first ones are those that stay.
        let mut kept = if from_back { equal - removed } else { 0 };
        let mut left = removed;
        let value = Encoded::of_bytes(value);
        if removed == 0 {
            return 0;
        }
        let (mut read, mut write) = (self.start, self.start);
        let bytes = self.bytes.unshare();
        while left > 0 {
            let size = whole_size(&bytes[read..]);
            if !value.is_at(&bytes[read..]) {
                bytes.copy_within(read..read + size, write);
                write += size;
            } else if kept > 0 {
                kept -= 1;
                bytes.copy_within(read..read + size, write);
                write += size;
            } else {
                left -= 1;
            }
            read += size;
        }
        let end = bytes.len();
        bytes.copy_within(read..end, write);
        bytes.truncate(end - (read - write));
        self.set_count(self.count - removed);
        removed
    }

    /// Keeps the first `count` entries.
    pub fn truncate(&mut self, count: usize) {
        if count < self.count {
            self.remove(count, self.count - count);
        }
    }

    /// Removes every entry and keeps the allocation.
    pub fn clear(&mut self) {
        self.bytes.unshare().truncate(self.start);
        self.set_count(0);
    }

    /// Adds all entries of `other` behind the last. Cost: O(bytes of `other`).
    pub fn extend(&mut self, other: Listpack<'_>) {
        self.room_back(other.bytes_len());
        self.bytes.unshare().extend_from_slice(other.entries());
        self.set_count(self.count + other.len());
    }

    /// Moves the entries from `index` on into a listpack of their own. Cost: O(bytes).
    ///
    /// # Panics
    /// If `index` is more than the number of entries.
    #[must_use]
    pub fn split_off(&mut self, index: usize) -> Self {
        let tail = Self::from(self.as_ref().slice(index, self.count));
        self.truncate(index);
        tail
    }

    /// Gives up the room at both ends.
    pub fn shrink_to_fit(&mut self) {
        if self.bytes.capacity() > HEAD_BYTES + self.bytes_len() {
            let mut exact = Self::with_room(0, self.bytes_len());
            exact.extend(self.as_ref());
            *self = exact;
        }
    }

    /// Gives up the room if most of the allocation is room.
    pub(in crate::structures) fn shrink_if_sparse(&mut self) {
        if self.memory() >= SPARSE_BYTES_MIN && self.bytes_len() < self.memory() / 4 {
            self.shrink_to_fit();
        }
    }

    fn set_count(&mut self, count: usize) {
        self.count = count;
        if !self.bytes.is_empty() {
            write_count(self.bytes.unshare(), self.start, count);
        }
    }

    /// Room for `extra` bytes behind the entries.
    #[inline]
    fn room_back(&mut self, extra: usize) {
        if self.bytes.is_empty() || self.bytes.capacity() - self.bytes.len() < extra {
            self.make_room_back(extra);
        }
    }

    #[cold]
    fn make_room_back(&mut self, extra: usize) {
        let live = self.bytes_len();
        if self.bytes.is_empty() {
            *self = Self::with_room(0, extra.max(ROOM_BYTES));
        } else if self.start - HEAD_BYTES >= extra.max(live) {
            let bytes = self.bytes.unshare();
            bytes.copy_within(self.start.., HEAD_BYTES);
            bytes.truncate(HEAD_BYTES + live);
            self.start = HEAD_BYTES;
        } else {
            self.bytes.unshare().reserve_exact(extra.max(live / 2).max(ROOM_BYTES));
        }
    }

    /// Room for `extra` bytes (and the count) before the entries.
    #[inline]
    fn room_front(&mut self, extra: usize) {
        if self.start < HEAD_BYTES + extra {
            self.make_room_front(extra);
        }
    }

    #[cold]
    fn make_room_front(&mut self, extra: usize) {
        let live = self.bytes_len();
        let spare = self.bytes.capacity() - self.bytes.len();
        if spare >= extra.max(live) && !self.bytes.is_empty() {
            let end = self.bytes.len();
            let bytes = self.bytes.unshare();
            bytes.resize(end + spare, 0);
            bytes.copy_within(self.start..end, self.start + spare);
            self.start += spare;
        } else {
            let mut roomy = Self::with_room(extra.max(live / 2).max(ROOM_BYTES), live);
            roomy.bytes.unshare().extend_from_slice(&self.bytes[self.start..]);
            roomy.count = self.count;
            *self = roomy;
        }
    }

    /// Makes the `old` bytes at `at` (from the first entry) `new` bytes, of any contents.
    ///
    /// Moves whichever side is shorter, if there is room on that side.
    fn change_size(&mut self, at: usize, old: usize, new: usize) {
        let (from, end) = (self.start + at, self.bytes.len());
        let front_is_shorter = at < self.bytes_len() - at - old;
        if front_is_shorter && self.start + old >= HEAD_BYTES + new {
            let start = self.start + old - new;
            self.bytes.unshare().copy_within(self.start..from, start);
            self.start = start;
        } else if new <= old {
            let bytes = self.bytes.unshare();
            bytes.copy_within(from + old.., from + new);
            bytes.truncate(end - (old - new));
        } else {
            self.room_back(new - old);
            // Making room may have moved everything.
            let (from, end) = (self.start + at, self.bytes.len());
            let bytes = self.bytes.unshare();
            bytes.resize(end + (new - old), 0);
            bytes.copy_within(from + old..end, from + new);
        }
    }
}

/// Writes the packed count before the entries that begin at `start`.
#[inline]
fn write_count(bytes: &mut [u8], start: usize, count: usize) {
    match u8::try_from(count) {
        Ok(short) if short < COUNT_LONG => bytes[start - 1] = short,
        _ => {
            let long = u32::try_from(count).expect("fewer entries than 4 GiB have bytes");
            bytes[start - HEAD_BYTES] = COUNT_LONG;
            bytes[start - 4..start].copy_from_slice(&long.to_le_bytes());
        }
    }
}

impl From<Listpack<'_>> for ListpackBuf {
    /// A copy with room at both ends.
    fn from(view: Listpack<'_>) -> Self {
        let mut copy = Self::with_room(ROOM_BYTES, view.bytes_len() + ROOM_BYTES);
        copy.extend(view);
        copy
    }
}
