//! A table from bytes to bytes that grows a segment at a time and keeps its elements packed.
//!
//! Why it exists: it is the large form of hashes, and of sets (with empty values). A table of
//! nodes costs 40 to 60 bytes per element on top of its bytes, four cache misses per lookup, and
//! a pause or a second table while it grows. This one costs about 10 bytes and two misses, and
//! no insertion does more than split one segment of 64 elements. Not for shared use: readers
//! and editors are kept apart by whoever owns it.
//!
//! ```text
//!   hash:  | bits to a chunk | bits to a segment | …  | 12 bits of tag |
//!
//!   root                chunk: 2^bits slots           segment (segment.rs)
//!   [ chunk 0    ] ---> [ segment 00x ] ------------> | tags | places | elements … |
//!   [  (vacant)  ]      [  (vacant)   ]
//!   [ chunk 10   ]      [ segment 010 ]
//!   [ chunk 11   ]      [ segment 011 ]
//! ```
//!
//! It is extendible hashing (Fagin, Nievergelt, Pippenger and Strong, "Extendible Hashing - A
//! Fast Access Method for Dynamic Files", TODS 1979) twice over: a directory in one piece would
//! have to double in one step, 50 MB of it at 100M elements; here a chunk doubles up to
//! 16 KiB and then splits, and the root above the chunks is small. Where the original has several
//! directory entries lead to one segment, ours has it in the first and leaves the others vacant:
//! whoever finds a vacant one clears the lowest set bit of its position until it is not.
//!
//! Invariants
//! - T1: the slots `s .. s + 2^(bits - local)` of a chunk, `local` being a segment's depth less
//!   the chunk's, belong to that segment: it is in the first, the others are vacant. Every slot
//!   belongs to one segment. Chunks in the root likewise.
//! - T2: a segment at depth d holds exactly the elements whose hash begins with its d bits.
//! - T3: `len`, `timed` and `bytes` are the sums over all segments; `earliest` of a chunk and of
//!   the table is never later than any deadline below it.

mod directory;
mod entry;
pub mod properties;
mod segment;
mod sizes;
mod tags;
#[cfg(all(test, not(loom)))]
mod tests;
mod walk;

use self::directory::{Directory, Spot};
use self::entry::NEVER;
use self::segment::MERGE_AT;

/// An element: a field with its value and perhaps a deadline.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Element<'a> {
    /// The field, or a set's member.
    pub field: &'a [u8],
    /// Its value; empty in a set.
    pub value: &'a [u8],
    deadline: u64,
}

impl Element<'_> {
    /// When the element expires, in Unix milliseconds.
    #[must_use]
    pub fn expire_at_ms(&self) -> Option<u64> {
        (self.deadline != NEVER).then_some(self.deadline)
    }

    /// Whether the element has not expired at `now_ms`.
    #[inline]
    #[must_use]
    pub fn is_live(&self, now_ms: u64) -> bool {
        now_ms <= self.deadline
    }
}

/// What becomes of an element's deadline when its value is written.
#[derive(Clone, Copy, Debug)]
enum Deadline {
    Keep,
    Set(u64),
}

/// A table from fields to values, or of members alone: see the module.
///
/// A clone shares all segments until they are edited. Cost: O(n / 20,000).
///
/// Elements may have deadlines. The table has no clock: methods that take `now_ms` treat an
/// element whose deadline is before it as absent, the others see every element, and
/// [`SmartHash::remove_due`] removes what has expired. As long as no deadline has been set, the two
/// are the same.
///
/// # Examples
/// ```
/// use engine::structures::smart_hash::SmartHash;
/// let mut table = SmartHash::new(42);
/// assert!(table.insert(b"field", b"value"));
/// assert!(!table.insert(b"field", b"other"), "it was there");
/// assert_eq!(table.get(b"field"), Some(&b"other"[..]));
/// assert!(table.remove(b"field"));
/// assert!(table.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct SmartHash {
    directory: Directory,
    seed: u64,
    len: usize,
    timed: usize,
    /// Bytes of segments.
    bytes: usize,
}

#[inline]
fn hash_with(seed: u64, field: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(field, seed)
}

impl SmartHash {
    /// An empty table. `seed` keeps clients from choosing fields that collide, and is the same
    /// for the life of the table.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let directory = Directory::new();
        let bytes = directory.first().memory();
        Self { directory, seed, len: 0, timed: 0, bytes }
    }

    #[inline]
    fn hash(&self, field: &[u8]) -> u64 {
        hash_with(self.seed, field)
    }

    /// Number of elements, expired ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes on the heap, as the allocator rounds them. O(1).
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes + self.directory.memory()
    }

    // --- Reading -------------------------------------------------------------------------

    /// The element with that field.
    #[inline]
    #[must_use]
    pub fn find(&self, field: &[u8]) -> Option<Element<'_>> {
        let hash = self.hash(field);
        let segment = self.directory.segment(hash);
        segment.find(hash, field).map(|index| segment.element(index))
    }

    /// The value of a field.
    #[inline]
    #[must_use]
    pub fn get(&self, field: &[u8]) -> Option<&[u8]> {
        self.find(field).map(|element| element.value)
    }

    /// The element with that field, if it has not expired at `now_ms`.
    #[inline]
    #[must_use]
    pub fn find_live(&self, field: &[u8], now_ms: u64) -> Option<Element<'_>> {
        self.find(field).filter(|element| element.is_live(now_ms))
    }

    /// Whether the field is there.
    #[inline]
    #[must_use]
    pub fn contains(&self, field: &[u8]) -> bool {
        let hash = self.hash(field);
        self.directory.segment(hash).find(hash, field).is_some()
    }

    /// Hints that these fields will be asked for soon: a field alone costs two cache misses, one
    /// after the other, many at once share them.
    pub fn prefetch(&self, fields: &[&[u8]]) {
        let mut hashes = [0; 64];
        for group in fields.chunks(hashes.len()) {
            for (hash, field) in hashes.iter_mut().zip(group) {
                *hash = self.hash(field);
                self.directory.segment(*hash).prefetch_head();
            }
            if group.len() > 1 {
                for &hash in &hashes[..group.len()] {
                    self.directory.segment(hash).prefetch_element(hash);
                }
            }
        }
    }

    // --- Writing -------------------------------------------------------------------------

    /// Sets the value of a field, without a deadline. Returns whether the field is new.
    pub fn insert(&mut self, field: &[u8], value: &[u8]) -> bool {
        self.put(field, value, Deadline::Set(NEVER))
    }

    /// The same with a deadline.
    pub fn insert_until(&mut self, field: &[u8], value: &[u8], expire_at_ms: u64) -> bool {
        self.put(field, value, Deadline::Set(expire_at_ms))
    }

    /// Sets the value of a field and keeps its deadline. Returns whether the field is new.
    pub fn update(&mut self, field: &[u8], value: &[u8]) -> bool {
        self.put(field, value, Deadline::Keep)
    }

    fn put(&mut self, field: &[u8], value: &[u8], deadline: Deadline) -> bool {
        let hash = self.hash(field);
        loop {
            let spot = self.directory.spot(hash);
            let segment = self.directory.at(spot);
            let before = (segment.memory(), segment.timed());
            let done = match segment.find(hash, field) {
                Some(index) => segment.update(index, value, deadline).map(|()| false),
                None => {
                    let deadline = match deadline {
                        Deadline::Keep => NEVER,
                        Deadline::Set(deadline) => deadline,
                    };
                    segment.push(hash, field, value, deadline).map(|()| true)
                }
            };
            let Ok(is_new) = done else {
                self.split(spot);
                continue;
            };
            self.account(spot, before);
            if is_new {
                self.len += 1;
            }
            return is_new;
        }
    }

    /// Brings the sums up to date after a segment was changed (T3). They share lines with what
    /// every reader needs, so what has not changed is not written.
    #[inline]
    fn account(&mut self, spot: Spot, (bytes, timed): (usize, usize)) {
        let segment = self.directory.at(spot);
        let (bytes_now, timed_now) = (segment.memory(), segment.timed());
        if bytes_now != bytes {
            self.bytes = self.bytes + bytes_now - bytes;
        }
        if timed | timed_now != 0 {
            let earliest = segment.earliest();
            self.timed = self.timed + timed_now - timed;
            self.directory.lower_earliest(spot, earliest);
        }
    }

    fn split(&mut self, spot: Spot) {
        let seed = self.seed;
        let grown = self.directory.split(spot, |field| hash_with(seed, field));
        self.bytes = self.bytes.wrapping_add_signed(grown);
    }

    /// Sets or clears the deadline of a field. Returns whether the field is there.
    pub fn set_deadline(&mut self, field: &[u8], expire_at_ms: Option<u64>) -> bool {
        let Some(element) = self.find(field) else {
            return false;
        };
        if element.expire_at_ms() != expire_at_ms {
            let value = element.value.to_vec();
            self.put(field, &value, Deadline::Set(expire_at_ms.unwrap_or(NEVER)));
        }
        true
    }

    /// Removes a field. Returns whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let hash = self.hash(field);
        let spot = self.directory.spot(hash);
        let Some(index) = self.directory.look(spot).find(hash, field) else {
            return false;
        };
        let segment = self.directory.at(spot);
        let before = (segment.memory(), segment.timed());
        segment.remove(index);
        let is_small = segment.len() <= usize::from(MERGE_AT);
        self.account(spot, before);
        self.len -= 1;
        if is_small {
            self.merge(spot);
        }
        true
    }

    fn merge(&mut self, spot: Spot) {
        let grown = self.directory.merge(spot);
        self.bytes = self.bytes.wrapping_add_signed(grown);
    }

    /// Removes every element. Frees segment by segment, without recursion.
    pub fn clear(&mut self) {
        *self = Self::new(self.seed);
    }

    // --- Deadlines -----------------------------------------------------------------------

    /// Number of elements with a deadline.
    #[must_use]
    pub fn timed_len(&self) -> usize {
        self.timed
    }

    /// A time at or before the earliest deadline of the table; `None` when there is none.
    #[must_use]
    pub fn earliest_deadline_ms(&self) -> Option<u64> {
        let earliest = if self.timed == 0 { NEVER } else { self.directory.earliest() };
        (earliest != NEVER).then_some(earliest)
    }

    /// Number of elements that have not expired at `now_ms`. O(1) unless some have.
    #[must_use]
    pub fn live_len(&self, now_ms: u64) -> usize {
        if self.earliest_deadline_ms().is_none_or(|earliest| earliest >= now_ms) {
            return self.len;
        }
        self.len - self.directory.count_due(now_ms)
    }

    /// Removes elements that have expired at `now_ms`, at most `limit` of them, showing each
    /// field to `gone`. Returns how many it removed.
    ///
    /// Cost: segments without an expired element are skipped by one comparison each, chunks of
    /// 512 segments likewise.
    pub fn remove_due(&mut self, now_ms: u64, limit: usize, mut gone: impl FnMut(&[u8])) -> usize {
        if self.earliest_deadline_ms().is_none_or(|earliest| earliest >= now_ms) {
            return 0;
        }
        let (mut removed, mut position) = (0, Some(0));
        while let Some(at) = position
            && removed < limit
        {
            let spot = self.directory.spot(at);
            position = self.directory.behind_chunk(spot);
            let swept = self.directory.sweep(spot, now_ms, limit - removed, &mut gone);
            removed += swept.removed;
            self.len -= swept.removed;
            self.timed -= swept.removed;
            self.bytes = self.bytes.wrapping_add_signed(swept.grown);
        }
        self.directory.refresh_earliest();
        removed
    }
}
