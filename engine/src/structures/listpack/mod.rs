//! Listpack: strings and integers packed back to back in one block, readable from both ends.
//!
//! Why it exists: most collections are small, and a small one needs no index, only few bytes. An
//! entry costs two bytes over a short string and integers take one to nine bytes in all. The
//! entries are encoded exactly as in Redis's listpack (S. Sanfilippo's specification of 2017,
//! `listpack.c` of Redis 7), so a dump is these bytes between its six-byte header and its end
//! byte `0xFF`; neither is kept in memory. Not for many entries: all but the ends is a walk.
//!
//! ```text
//! packed form:  count | entry | entry | ...
//! count:        one byte below 255, else 255 and four bytes (little endian)
//! entry:        encoding | data | back-length (of encoding and data; 7 bits a byte, read from
//!                                              the right, the high bit says that more follow)
//!
//! encoding      data
//! 0vvvvvvv                            integer 0..=127
//! 10llllll      l bytes               string shorter than 64
//! 110vvvvv      1 byte                integer of 13 bits
//! 1110llll      1 byte of l, l bytes  string shorter than 4096
//! 11110000      4 bytes of l, l bytes string
//! 111100ww      2, 3, 4 bytes         integer of 16 (01), 24 (10) or 32 bits (11)
//! 11110100      8 bytes               integer of 64 bits
//! ```
//!
//! Invariants
//! - L1: the count is that of the entries, and the entries fill the block.
//! - L2: every entry has its shortest encoding, and decimals that read back the same are integers.
//!   So two entries are equal exactly when their encodings are.

mod encoding;
mod owned;

use std::borrow::Cow;

use crate::ReplySink;
use crate::commands::number;

use encoding::{Encoded, decode, decode_back, whole_size};
pub use owned::{ListpackBuf, Popped};

/// One entry of a listpack.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// A string that is no canonical 64-bit decimal.
    Bytes(&'a [u8]),
    /// A canonical decimal, kept as a number.
    Int(i64),
}

impl<'a> Entry<'a> {
    /// Length of the text form, in bytes.
    #[must_use]
    pub fn len(self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Int(number) => itoa::Buffer::new().format(number).len(),
        }
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        matches!(self, Self::Bytes([]))
    }

    /// The text form. Allocates for integers; see [`Entry::with_bytes`] for a way without.
    #[must_use]
    pub fn to_bytes(self) -> Cow<'a, [u8]> {
        match self {
            Self::Bytes(bytes) => Cow::Borrowed(bytes),
            Self::Int(number) => Cow::Owned(itoa::Buffer::new().format(number).into()),
        }
    }

    /// Calls `f` with the text form, without allocating.
    #[inline]
    pub fn with_bytes<R>(self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Self::Bytes(bytes) => f(bytes),
            Self::Int(number) => f(itoa::Buffer::new().format(number).as_bytes()),
        }
    }

    /// Whether the text form is `bytes`.
    #[must_use]
    pub fn eq_bytes(self, bytes: &[u8]) -> bool {
        match self {
            Self::Bytes(own) => own == bytes,
            Self::Int(number) => itoa::Buffer::new().format(number).as_bytes() == bytes,
        }
    }

    /// The number, where the text is a canonical 64-bit decimal.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        match self {
            Self::Bytes(bytes) => number::integer(bytes),
            Self::Int(number) => Some(number),
        }
    }

    /// Writes the text as one bulk reply.
    #[inline]
    pub fn write(self, sink: &mut dyn ReplySink) {
        self.with_bytes(|bytes| sink.bulk(bytes));
    }
}

/// A borrowed listpack: a count and the bytes of the entries.
///
/// # Examples
/// ```
/// use engine::structures::listpack::{Listpack, ListpackBuf};
///
/// let mut owned = ListpackBuf::new();
/// owned.push_back(b"name");
/// owned.push_back(b"42");
/// let packed = owned.as_packed().to_vec();
///
/// let view = Listpack::from_packed(&packed);
/// assert_eq!(view.len(), 2);
/// assert_eq!(view.get(1).and_then(|entry| entry.integer()), Some(42));
/// assert_eq!(view.find(b"name", 1), Some(0));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Listpack<'a> {
    count: usize,
    entries: &'a [u8],
}

impl<'a> Listpack<'a> {
    /// Reads what [`ListpackBuf::as_packed`] gave. Cost: O(1).
    ///
    /// # Panics
    /// If `bytes` has no whole count. Damaged entries panic where they are met.
    #[must_use]
    pub fn from_packed(bytes: &'a [u8]) -> Self {
        match bytes {
            [owned::COUNT_LONG, a, b, c, d, entries @ ..] => {
                let count = u32::from_le_bytes([*a, *b, *c, *d]);
                Self { count: usize::try_from(count).expect("32 bits fit a usize"), entries }
            }
            [count, entries @ ..] => Self { count: usize::from(*count), entries },
            [] => panic!("a packed listpack begins with its count"),
        }
    }

    /// `count` entries that are kept without their count.
    #[inline]
    pub(in crate::structures) const fn from_entries(count: usize, entries: &'a [u8]) -> Self {
        Self { count, entries }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(self) -> usize {
        self.count
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// Bytes of all entries, without the count.
    #[must_use]
    pub fn bytes_len(self) -> usize {
        self.entries.len()
    }

    /// The encoded entries, as they are in a dump between header and end byte.
    #[must_use]
    pub fn entries(self) -> &'a [u8] {
        self.entries
    }

    /// All entries, from either end.
    #[must_use]
    pub fn iter(self) -> Iter<'a> {
        Iter { count: self.count, entries: self.entries }
    }

    /// The first entry. Cost: O(1).
    #[must_use]
    pub fn front(self) -> Option<Entry<'a>> {
        self.iter().next()
    }

    /// The last entry. Cost: O(1).
    #[must_use]
    pub fn back(self) -> Option<Entry<'a>> {
        self.iter().next_back()
    }

    /// The entry at `index`. Cost: O(index), or O(len - index) if that is less.
    #[must_use]
    pub fn get(self, index: usize) -> Option<Entry<'a>> {
        (index < self.count).then(|| decode(&self.entries[self.offset_of(index)..]).0)
    }

    /// The entries from `start` up to `end`. Cost: as two [`Listpack::get`].
    ///
    /// # Panics
    /// If the range is not within the listpack.
    #[must_use]
    pub fn slice(self, start: usize, end: usize) -> Self {
        assert!(start <= end && end <= self.count, "{start}..{end} is not in {}", self.count);
        let from = self.offset_of(start);
        let rest = Self { count: self.count - start, entries: &self.entries[from..] };
        let to = rest.offset_of(end - start);
        Self { count: end - start, entries: &rest.entries[..to] }
    }

    /// Visits `count` entries from `start` on: faster than an iterator, which keeps both ends.
    ///
    /// # Panics
    /// If there are not so many.
    #[inline]
    pub fn each(self, start: usize, count: usize, mut visit: impl FnMut(Entry<'a>)) {
        assert!(start + count <= self.count, "{start}+{count} is beyond {}", self.count);
        let mut rest = &self.entries[self.offset_of(start)..];
        for _ in 0..count {
            let (entry, size) = decode(rest);
            rest = &rest[size..];
            visit(entry);
        }
    }

    /// The index of the first entry equal to `needle` among entries 0, `stride`, 2 `stride`, ...
    ///
    /// Cost: O(len); the encodings are compared, nothing is decoded.
    ///
    /// # Panics
    /// If `stride` is zero.
    #[must_use]
    pub fn find(self, needle: &[u8], stride: usize) -> Option<usize> {
        self.find_from(needle, stride).map(|(index, _)| index)
    }

    /// The same, with the entries from the found one on: what a pair's value is read from.
    ///
    /// # Panics
    /// If `stride` is zero.
    #[must_use]
    pub fn find_from(self, needle: &[u8], stride: usize) -> Option<(usize, Iter<'a>)> {
        assert!(stride > 0, "a stride of zero looks at one entry for ever");
        let needle = Encoded::of_bytes(needle);
        let mut rest = self.entries;
        let mut index = 0;
        while index < self.count {
            // L2: equal entries have equal encodings.
            if needle.is_at(rest) {
                return Some((index, Iter { count: self.count - index, entries: rest }));
            }
            for _ in 0..stride.min(self.count - index) {
                rest = &rest[whole_size(rest)..];
            }
            index += stride;
        }
        None
    }

    /// How many entries are equal to `needle`. Cost: O(len), as [`Listpack::find`].
    #[must_use]
    pub fn count_equal(self, needle: &[u8]) -> usize {
        let needle = Encoded::of_bytes(needle);
        let mut rest = self.entries;
        let mut equal = 0;
        for _ in 0..self.count {
            equal += usize::from(needle.is_at(rest));
            rest = &rest[whole_size(rest)..];
        }
        equal
    }

    /// Where entry `index` begins; the end of the block for `index == count`.
    fn offset_of(self, index: usize) -> usize {
        debug_assert!(index <= self.count, "entry {index} of {}", self.count);
        if index <= self.count / 2 {
            let mut at = 0;
            for _ in 0..index {
                at += whole_size(&self.entries[at..]);
            }
            return at;
        }
        let mut at = self.entries.len();
        for _ in index..self.count {
            at -= whole_size_back(&self.entries[..at]);
        }
        at
    }
}

/// Bytes of the last entry with its back-length.
#[inline]
fn whole_size_back(entries: &[u8]) -> usize {
    let (size, back) = decode_back(entries);
    size + back
}

impl<'a> IntoIterator for Listpack<'a> {
    type IntoIter = Iter<'a>;
    type Item = Entry<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// A value to compare entries with, parsed once.
#[derive(Clone, Copy, Debug)]
pub struct Needle<'n> {
    bytes: &'n [u8],
    integer: Option<i64>,
}

impl<'n> Needle<'n> {
    /// Prepares `bytes` for comparisons.
    #[must_use]
    pub fn new(bytes: &'n [u8]) -> Self {
        Self { bytes, integer: number::integer(bytes) }
    }

    /// Whether the entry's text is the value.
    #[must_use]
    #[inline]
    pub fn is(self, entry: Entry<'_>) -> bool {
        match entry {
            Entry::Bytes(bytes) => bytes == self.bytes,
            Entry::Int(number) => self.integer == Some(number),
        }
    }
}

/// Walks over the entries of a listpack, from either end.
#[derive(Clone, Debug, Default)]
pub struct Iter<'a> {
    count: usize,
    entries: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        self.count = self.count.checked_sub(1)?;
        let (entry, size) = decode(self.entries);
        self.entries = &self.entries[size..];
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let (rest, last) =
            self.entries.split_at(self.entries.len() - whole_size_back(self.entries));
        self.entries = rest;
        Some(decode(last).0)
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests;
