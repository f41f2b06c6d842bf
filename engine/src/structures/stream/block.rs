//! A run of entries in one piece of memory.
//!
//! Why it exists: an entry on its own would cost more in pointers than in data, and the entries
//! of a stream mostly have the same fields. A block says its fields once, in the *master*, and
//! its first id once; entries say how they differ. The scheme is Redis's (its "macro nodes"), so
//! that blocks split where Redis's do and approximate trimming removes the same entries; the
//! bytes are our own, and fewer.
//! Not here: which entry is in which block (`index`), and what deleting means to the stream
//! (`log`).
//!
//! ```text
//! bytes:  | master's fields | entry | entry | ...
//! entry:  | flags | ms - master's | seq - master's | [count] | payload | length so far |
//!           1 byte  varint          zigzag varint    varint              readable backwards
//! payload: values alone if the fields are the master's, else field, value, field, value ...
//! ```
//!
//! Invariants
//! - B1: the ids of the entries ascend; none is below `master` or above `last`.
//! - B2: `live` entries are not marked dead; `dead` were removed, in place or by compaction.
//! - B3: `dead_bytes` are the bytes of entries marked dead; at most half of all after an edit.

use super::element::Element;
use super::id::StreamId;
use crate::structures::cow::{CowVec, Unshared};

/// The entry was removed.
const DEAD: u8 = 1;
/// The entry has the master's fields.
const SAME_FIELDS: u8 = 2;
/// Compacting smaller blocks would win nothing.
const COMPACT_BYTES_MIN: usize = 128;
/// Redis's listpack: total length, number of elements, end mark.
const LISTPACK_FRAME_BYTES: usize = 7;
/// Blocks never grow beyond this, whatever the setting: Redis's limit.
const BLOCK_BYTES_MAX: usize = 1 << 30;

/// When a block is full. Redis's `stream-node-max-bytes` and `stream-node-max-entries`; zero for
/// no limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BlockLimits {
    /// Bytes, counted as Redis counts them.
    pub bytes_max: usize,
    /// Entries, removed ones included.
    pub entries_max: usize,
}

/// One block. A clone shares the bytes.
#[derive(Clone, Debug)]
pub(super) struct Block {
    bytes: CowVec<u8>,
    master: StreamId,
    last: StreamId,
    fields: usize,
    entries_at: usize,
    live: usize,
    dead: usize,
    dead_bytes: usize,
    /// Bytes of the elements in a listpack of Redis, its two counters left out.
    listpack_bytes: usize,
}

/// An entry of a stream, borrowed from its block.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    id: StreamId,
    block: &'a Block,
    start: usize,
    payload: usize,
    fields: usize,
    flags: u8,
}

impl<'a> Entry<'a> {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> StreamId {
        self.id
    }

    /// Number of its fields.
    #[must_use]
    pub const fn field_count(&self) -> usize {
        self.fields
    }

    /// Its fields with their values, in the order of XADD.
    pub fn pairs(&self) -> impl Iterator<Item = (Element<'a>, Element<'a>)> + use<'a> {
        let (bytes, same) = (&*self.block.bytes, self.flags & SAME_FIELDS != 0);
        let (mut master, mut at) = (0, self.payload);
        (0..self.fields).map(move |_| {
            let from = if same { &mut master } else { &mut at };
            let field;
            (field, *from) = Element::decode(bytes, *from);
            let value;
            (value, at) = Element::decode(bytes, at);
            (field, value)
        })
    }

    /// Whether its fields are those of its block's master.
    pub(crate) const fn has_master_fields(&self) -> bool {
        self.flags & SAME_FIELDS != 0
    }

    /// Whether it was removed.
    pub(super) const fn is_dead(&self) -> bool {
        self.flags & DEAD != 0
    }

    /// Where its last value ends.
    fn payload_end(&self) -> usize {
        let elements = if self.flags & SAME_FIELDS != 0 { 1 } else { 2 } * self.fields;
        (0..elements).fold(self.payload, |at, _| Element::skip(&self.block.bytes, at))
    }
}

impl Block {
    /// An empty block whose master has the fields of these pairs.
    pub(super) fn new(master: StreamId, pairs: &[&[u8]]) -> Self {
        Self::with_fields(master, pairs.iter().step_by(2))
    }

    /// An empty block whose master has these fields.
    pub(super) fn with_fields<F: AsRef<[u8]>>(
        master: StreamId,
        names: impl ExactSizeIterator<Item = F>,
    ) -> Self {
        let mut bytes = CowVec::new();
        let fields = names.len();
        let number = |number: usize| Element::Int(wide(number)).listpack_bytes();
        // The number of fields, and the zero behind them.
        let mut listpack_bytes = number(fields) + number(0);
        for field in names {
            let field = Element::of(field.as_ref());
            listpack_bytes += field.listpack_bytes();
            field.encode(bytes.unshare());
        }
        Self {
            entries_at: bytes.len(),
            bytes,
            master,
            last: master,
            fields,
            live: 0,
            dead: 0,
            dead_bytes: 0,
            listpack_bytes,
        }
    }

    pub(super) const fn master(&self) -> StreamId {
        self.master
    }

    /// Number of the master's fields.
    pub(super) const fn field_count(&self) -> usize {
        self.fields
    }

    /// The master's fields.
    pub(super) fn fields(&self) -> impl Iterator<Item = Element<'_>> {
        let mut at = 0;
        (0..self.fields).map(move |_| {
            let field;
            (field, at) = Element::decode(&self.bytes, at);
            field
        })
    }

    /// The id that was appended last, of a live entry or not.
    pub(super) const fn last(&self) -> StreamId {
        self.last
    }

    /// Number of entries that were not removed.
    pub(super) const fn live(&self) -> usize {
        self.live
    }

    /// Bytes of memory, without the block itself.
    pub(super) fn memory(&self) -> usize {
        self.bytes.heap_bytes()
    }

    /// Whether an entry with strings of `bytes` bytes has to go into a new block.
    pub(super) fn is_full(&self, bytes: usize, limits: BlockLimits) -> bool {
        let bytes_max = match limits.bytes_max {
            1..BLOCK_BYTES_MAX => limits.bytes_max,
            _ => BLOCK_BYTES_MAX,
        };
        let counter = |number: usize| Element::Int(wide(number)).listpack_bytes();
        let used =
            LISTPACK_FRAME_BYTES + self.listpack_bytes + counter(self.live) + counter(self.dead);
        let count = self.live + self.dead;
        used + bytes >= bytes_max || (limits.entries_max > 0 && count >= limits.entries_max)
    }

    /// Adds an entry at the end. Cost: O(its size).
    ///
    /// # Panics
    /// If `id` is not above every other.
    pub(super) fn append(&mut self, id: StreamId, pairs: &[&[u8]]) {
        assert!(id > self.last || self.live + self.dead == 0, "ids ascend (B1)");
        let start = self.bytes.len();
        let same = self.has_fields(pairs);
        let (ms, seq) = (id.ms - self.master.ms, id.seq.wrapping_sub(self.master.seq));
        let flags = if same { SAME_FIELDS } else { 0 };
        let bytes = self.bytes.unshare();
        bytes.push(flags);
        put_varint(ms, bytes);
        put_varint(zigzag(seq.cast_signed()), bytes);
        let count = pairs.len() / 2;
        // The three numbers in front, and the number of elements behind.
        let mut elements = 3 + count;
        let number = |number: i64| Element::Int(number).listpack_bytes();
        let mut listpack_bytes =
            number(i64::from(flags)) + number(ms.cast_signed()) + number(seq.cast_signed());
        if !same {
            put_varint(wide(count).cast_unsigned(), bytes);
            listpack_bytes += number(wide(count));
            elements += count + 1;
        }
        for (index, string) in pairs.iter().enumerate() {
            if !same || index % 2 == 1 {
                let element = Element::of(string);
                listpack_bytes += element.listpack_bytes();
                element.encode(bytes);
            }
        }
        put_length_behind(bytes.len() - start, bytes);
        self.listpack_bytes += listpack_bytes + number(wide(elements));
        self.live += 1;
        self.last = id;
    }

    fn has_fields(&self, pairs: &[&[u8]]) -> bool {
        let mut at = 0;
        pairs.len() / 2 == self.fields
            && pairs.iter().step_by(2).all(|field| {
                let master;
                (master, at) = Element::decode(&self.bytes, at);
                master == Element::of(field)
            })
    }

    /// Gives back what the block will not grow into.
    pub(super) fn shrink(&mut self) {
        self.bytes.unshare().shrink_to(0);
    }

    // --- Walking: positions are between entries --------------------------------------------

    pub(super) const fn start(&self) -> usize {
        self.entries_at
    }

    pub(super) fn end(&self) -> usize {
        self.bytes.len()
    }

    /// The entry that begins at a position before the end.
    #[inline]
    pub(super) fn entry(&self, start: usize) -> Entry<'_> {
        let flags = self.bytes[start];
        let (ms, at) = varint(&self.bytes, start + 1);
        let (seq, at) = varint(&self.bytes, at);
        let seq = self.master.seq.wrapping_add(unzigzag(seq).cast_unsigned());
        let (fields, payload) = if flags & SAME_FIELDS != 0 {
            (self.fields, at)
        } else {
            let (count, at) = varint(&self.bytes, at);
            (usize::try_from(count).expect("fields that were arguments"), at)
        };
        let id = StreamId::new(self.master.ms + ms, seq);
        Entry { id, block: self, start, payload, fields, flags }
    }

    /// The position behind an entry of this block.
    pub(super) fn after(&self, entry: &Entry<'_>) -> usize {
        let end = entry.payload_end();
        end + length_groups(end - entry.start)
    }

    /// The position before the entry that ends at a position behind the start.
    #[inline]
    pub(super) fn before(&self, end: usize) -> usize {
        let (mut length, mut shift, mut at) = (0, 0, end);
        loop {
            at -= 1;
            length |= usize::from(self.bytes[at] & 0x7f) << shift;
            if self.bytes[at] & 0x80 == 0 {
                return at - length;
            }
            shift += 7;
        }
    }

    /// The position before the first entry for which `is_beyond` holds, as it does for all after.
    ///
    /// Cost: O(entries beyond). Walks from the end, where lengths lead from entry to entry and
    /// values need not be looked at.
    pub(super) fn seek(&self, is_beyond: impl Fn(StreamId) -> bool) -> usize {
        let mut at = self.end();
        while at > self.entries_at {
            let before = self.before(at);
            if !is_beyond(self.entry(before).id) {
                break;
            }
            at = before;
        }
        at
    }

    // --- Removing ---------------------------------------------------------------------------

    /// The position of a live entry.
    pub(super) fn find(&self, id: StreamId) -> Option<usize> {
        let at = self.seek(|other| other >= id);
        let entry = (at < self.end()).then(|| self.entry(at))?;
        (entry.id == id && !entry.is_dead()).then_some(at)
    }

    /// Removes the live entry at a position. Positions are void afterwards.
    pub(super) fn remove(&mut self, at: usize) {
        let end = self.kill(at);
        debug_assert!(end > at, "entries are not empty");
        self.compact();
    }

    /// Removes the live entries from the front for which `goes` holds; says how many.
    pub(super) fn trim(&mut self, mut goes: impl FnMut(StreamId, usize) -> bool) -> usize {
        let (mut at, mut removed) = (self.entries_at, 0);
        while at < self.bytes.len() {
            let entry = self.entry(at);
            if !goes(entry.id, removed) {
                break;
            }
            if entry.is_dead() {
                at = self.after(&entry);
            } else {
                at = self.kill(at);
                removed += 1;
            }
        }
        self.compact();
        removed
    }

    /// Marks a live entry dead; answers where it ends.
    fn kill(&mut self, at: usize) -> usize {
        let end = self.after(&self.entry(at));
        self.bytes.unshare()[at] |= DEAD;
        self.live -= 1;
        self.dead += 1;
        self.dead_bytes += end - at;
        end
    }

    /// Drops dead entries when they are more than half of the bytes, which makes removing O(1)
    /// amortized. `dead` goes on counting them: Redis keeps them, and they fill its nodes.
    fn compact(&mut self) {
        if self.bytes.len() < COMPACT_BYTES_MIN || self.dead_bytes * 2 <= self.bytes.len() {
            return;
        }
        let mut live = CowVec::with_capacity(self.bytes.len() - self.dead_bytes);
        let kept = live.unshare();
        kept.extend_from_slice(&self.bytes[..self.entries_at]);
        let mut at = self.entries_at;
        while at < self.bytes.len() {
            let entry = self.entry(at);
            let end = self.after(&entry);
            if !entry.is_dead() {
                kept.extend_from_slice(&self.bytes[at..end]);
            }
            at = end;
        }
        self.bytes = live;
        self.dead_bytes = 0;
    }
}

fn wide(number: usize) -> i64 {
    i64::try_from(number).expect("sizes are below 2^63")
}

const fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

fn put_varint(mut number: u64, out: &mut Unshared<u8>) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

#[inline]
fn varint(bytes: &[u8], mut at: usize) -> (u64, usize) {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes[at];
        at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return (number, at);
        }
        shift += 7;
    }
}

/// Groups of seven bits that a length takes.
fn length_groups(length: usize) -> usize {
    let bits = usize::BITS - length.leading_zeros();
    usize::try_from(bits.div_ceil(7).max(1)).expect("at most ten")
}

/// Writes the length of what is in front, to be read from behind: every byte but the first says
/// that another is before it.
fn put_length_behind(length: usize, out: &mut Unshared<u8>) {
    for group in (0..length_groups(length)).rev() {
        let more = if group + 1 == length_groups(length) { 0 } else { 0x80 };
        out.push((length >> (7 * group)).to_le_bytes()[0] & 0x7f | more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMITS: BlockLimits = BlockLimits { bytes_max: 0, entries_max: 0 };

    /// The entries as they were added, dead ones left out.
    fn live(block: &Block) -> Vec<(StreamId, Vec<Vec<u8>>)> {
        let (mut at, mut all) = (block.start(), Vec::new());
        while at < block.end() {
            let entry = block.entry(at);
            assert_eq!(block.before(block.after(&entry)), at, "both directions agree");
            if !entry.is_dead() {
                let strings = entry.pairs().flat_map(|(field, value)| [field, value]);
                all.push((entry.id(), strings.map(|one| one.to_bytes().into_owned()).collect()));
            }
            at = block.after(&entry);
        }
        assert_eq!((at, all.len()), (block.end(), block.live()));
        all
    }

    #[test]
    fn entries_come_back_with_their_fields_and_order() {
        let id = StreamId::new;
        let long = vec![b'x'; 70_000];
        let ids = [id(5, 9), id(5, 10), id(6, 0), id(6, u64::MAX), id(u64::MAX, 3)];
        let entries: [&[&[u8]]; 5] = [
            &[b"f", b"1"],
            &[b"f", b"-300000"],
            &[b"f", b"v", b"g", b""],
            &[b"g", &long],
            &[b"f", &long[..4_000]],
        ];
        let mut block = Block::new(ids[0], entries[0]);
        for (id, pairs) in ids.iter().zip(entries) {
            block.append(*id, pairs);
        }
        let owned = |pairs: &[&[u8]]| pairs.iter().map(|one| one.to_vec()).collect();
        let want: Vec<_> = ids.iter().copied().zip(entries.map(owned)).collect();
        assert_eq!(live(&block), want);
        assert_eq!((block.master(), block.last()), (ids[0], ids[4]));
        for (index, id) in ids.iter().enumerate() {
            let mut without = block.clone();
            without.remove(block.find(*id).expect("present"));
            let mut want = want.clone();
            want.remove(index);
            assert_eq!(live(&without), want);
            assert_eq!(without.find(*id), None);
        }
        assert_eq!(block.find(id(6, 1)), None);
    }

    #[test]
    fn dead_entries_go_when_they_are_half() {
        let mut block = Block::new(StreamId::new(1, 0), &[b"field", b""]);
        for ms in 1..=100 {
            block.append(StreamId::new(ms, 0), &[b"field", b"some value of some length"]);
        }
        let bytes = block.end();
        assert_eq!(block.trim(|id, removed| removed < 100 && id.ms <= 60), 60);
        assert!(block.end() < bytes / 2, "{} of {bytes}", block.end());
        assert_eq!((block.live(), block.dead), (40, 60));
        assert_eq!(live(&block)[0].0, StreamId::new(61, 0));
    }

    #[test]
    fn fullness_is_redis_s() {
        let mut block = Block::new(StreamId::new(1, 0), &[b"f", b"v"]);
        block.append(StreamId::new(1, 0), &[b"f", b"v"]);
        // Frame, counters, fields, field, zero; flags, ms, seq, value, count.
        let bytes = 7 + 2 + 2 + 2 + 3 + 2 + 2 + 2 + 2 + 3 + 2;
        let full = |bytes_max, entries_max, more| {
            block.is_full(more, BlockLimits { bytes_max, entries_max })
        };
        assert!(!full(bytes + 11, 0, 10) && full(bytes + 10, 0, 10));
        assert!(!full(0, 2, 10) && full(0, 1, 10));
        assert!(!block.is_full(1 << 20, NO_LIMITS) && block.is_full(1 << 30, NO_LIMITS));
    }

    #[test]
    fn lengths_read_backwards() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 1 << 30] {
            let mut block = Block::new(StreamId::MIN, &[]);
            block.bytes = CowVec::filled(0, 3);
            put_length_behind(length, block.bytes.unshare());
            assert_eq!(block.bytes.len(), 3 + length_groups(length));
            // Only the sum is read; a position before the block would underflow.
            if length <= 3 {
                assert_eq!(block.before(block.end()), 3 - length);
            }
        }
    }
}
