//! The entries of a stream and the numbers that go with them.
//!
//! Why it exists: what XADD, XDEL and XTRIM do to blocks, to the first and the last id and to the
//! counters belongs together; consumer groups only look at it.
//!
//! Invariants
//! - L1: `len` is the number of live entries; `first_id` is the least of their ids, and zero if
//!   there are none. It is recorded because the lag of a group is derived from it.
//! - L2: no entry has an id above `last_id`, whether it was removed or not.

use super::block::{Block, BlockLimits, Entry};
use super::id::StreamId;
use super::index::{Between, Blocks};

/// Strings of one entry may not be longer in all: Redis's limit.
pub const ENTRY_BYTES_MAX: usize = 1 << 30;

/// The id that an entry is to get.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NewId {
    /// The time, or the id after the last if that is greater.
    Auto,
    /// This id.
    Exact(StreamId),
    /// This millisecond, and the next number in it.
    Within(u64),
}

/// Which entries a trim removes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keep {
    /// Those with this id or a greater one stay.
    From(StreamId),
    /// This many of the newest stay.
    Newest(u64),
}

/// How a trim removes them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Precision {
    /// Whole blocks only, and no more than this many entries; zero for no limit.
    Blocks(u64),
    /// All of them.
    Exact,
}

/// The entries.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub(super) blocks: Blocks,
    len: u64,
    first_id: StreamId,
    last_id: StreamId,
    max_deleted_id: StreamId,
    added: i64,
}

impl Log {
    /// Number of entries. Cost: O(1).
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no entries.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The id that was given last; the entry may have been removed since.
    #[must_use]
    pub const fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The id of the first entry; zero if there is none.
    #[must_use]
    pub const fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The greatest id that XDEL removed.
    #[must_use]
    pub const fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// Number of entries that were ever added.
    #[must_use]
    pub const fn added(&self) -> i64 {
        self.added
    }

    /// Number of blocks.
    #[must_use]
    pub fn block_count(&self) -> usize {
        self.blocks.count()
    }

    /// Bytes of memory, without the log itself. Cost: O(1).
    #[must_use]
    pub fn memory(&self) -> usize {
        self.blocks.memory()
    }

    /// The id that a new entry gets; `None` if it would not be above the last.
    #[must_use]
    pub fn new_id(&self, wanted: NewId, now_ms: u64) -> Option<StreamId> {
        let last = self.last_id;
        let id = match wanted {
            NewId::Auto if now_ms > last.ms => StreamId::new(now_ms, 0),
            NewId::Auto => last.next()?,
            NewId::Exact(id) => id,
            NewId::Within(ms) if ms == last.ms => StreamId::new(ms, last.seq.checked_add(1)?),
            NewId::Within(ms) => StreamId::new(ms, 0),
        };
        (id > last).then_some(id)
    }

    /// Adds an entry; `pairs` are its fields, each with its value behind it.
    ///
    /// Cost: O(its size), amortized; no search.
    ///
    /// # Panics
    /// If `id` is not above the last one, or the strings are longer than [`ENTRY_BYTES_MAX`].
    pub fn append(&mut self, id: StreamId, pairs: &[&[u8]], limits: BlockLimits) {
        assert!(id > self.last_id, "ids ascend (L2)");
        let bytes = pairs.iter().map(|string| string.len()).sum();
        assert!(bytes <= ENTRY_BYTES_MAX, "the caller refuses larger entries");
        if self.blocks.tail().is_none_or(|tail| tail.is_full(bytes, limits)) {
            self.blocks.push(Block::new(id, pairs));
        }
        self.append_to_tail(id, pairs);
    }

    /// Begins a block with a master of its own, above all entries; false if it would not be.
    ///
    /// Entries have to follow: no block stays empty.
    pub(crate) fn open_block<F: AsRef<[u8]>>(&mut self, master: StreamId, fields: &[F]) -> bool {
        let is_above = self.blocks.tail().is_none_or(|tail| tail.last() < master);
        if is_above {
            self.blocks.push(Block::with_fields(master, fields.iter()));
        }
        is_above
    }

    /// Adds an entry to the block that was begun last, however full it is; false if its id is not
    /// above all others.
    pub(crate) fn append_to_block(&mut self, id: StreamId, pairs: &[&[u8]]) -> bool {
        let is_above = self.blocks.tail().is_some_and(|tail| tail.master() <= id);
        if id <= self.last_id || !is_above {
            return false;
        }
        self.append_to_tail(id, pairs);
        true
    }

    fn append_to_tail(&mut self, id: StreamId, pairs: &[&[u8]]) {
        self.blocks.change_tail(|tail| tail.append(id, pairs));
        self.last_id = id;
        self.added = self.added.saturating_add(1);
        self.len += 1;
        if self.len == 1 {
            self.first_id = id;
        }
    }

    /// The entries with ids from `start` to `end`, both included.
    ///
    /// Cost: O(log blocks) for the first, plus a block; O(1) for each that follows.
    #[must_use]
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        Range { blocks: self.blocks.between(start, end), block: None, start, end }
    }

    /// The same from `end` down to `start`.
    #[must_use]
    pub fn range_back(&self, start: StreamId, end: StreamId) -> RangeBack<'_> {
        RangeBack { blocks: self.blocks.between(start, end), block: None, start, end }
    }

    /// The entry with this id.
    #[must_use]
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        let block = self.blocks.around(id)?;
        block.find(id).map(|at| block.entry(at))
    }

    /// The greatest id of an entry that is there.
    #[must_use]
    pub fn greatest_id(&self) -> Option<StreamId> {
        self.range_back(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id())
    }

    /// Removes entries as XDEL does; says how many there were.
    ///
    /// Cost: O(log blocks) and a block for each.
    pub fn remove(&mut self, ids: &[StreamId]) -> u64 {
        let mut removed = 0;
        let mut first_went = false;
        for &id in ids {
            if self.remove_one(id) {
                removed += 1;
                first_went |= id == self.first_id;
                self.max_deleted_id = self.max_deleted_id.max(id);
            }
        }
        if first_went {
            self.record_first();
        }
        removed
    }

    fn remove_one(&mut self, id: StreamId) -> bool {
        let Some(block) = self.blocks.around(id) else { return false };
        let Some(at) = block.find(id) else { return false };
        let master = block.master();
        if block.live() == 1 {
            self.blocks.remove(master);
        } else {
            self.blocks.change(master, |block| block.remove(at));
        }
        self.len -= 1;
        true
    }

    fn record_first(&mut self) {
        let first = self.range(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id());
        self.first_id = first.unwrap_or(StreamId::MIN);
    }

    /// Removes entries from the front as XTRIM does; says how many.
    ///
    /// Cost: O(blocks removed), and a block.
    pub fn trim(&mut self, keep: Keep, precision: Precision) -> u64 {
        let mut removed = 0;
        while let Some(block) = self.blocks.first() {
            let entries = u64::try_from(block.live()).expect("a number of entries");
            if matches!(keep, Keep::Newest(max) if self.len <= max) {
                break;
            }
            if let Precision::Blocks(limit @ 1..) = precision
                && removed + entries > limit
            {
                break;
            }
            let whole = match keep {
                Keep::From(id) => block.last() < id,
                Keep::Newest(max) => self.len - entries >= max,
            };
            let master = block.master();
            if whole {
                self.blocks.remove(master);
                self.len -= entries;
                removed += entries;
                continue;
            }
            if precision == Precision::Exact {
                removed += self.trim_block(master, keep);
            }
            break;
        }
        if removed > 0 {
            self.record_first();
        }
        removed
    }

    /// Removes the first entries of the block that stays, partly at least.
    fn trim_block(&mut self, master: StreamId, keep: Keep) -> u64 {
        let mut removed = 0;
        let surplus = match keep {
            Keep::From(_) => u64::MAX,
            Keep::Newest(max) => self.len - max,
        };
        self.blocks.change(master, |block| {
            removed = block.trim(|id, gone| match keep {
                Keep::From(first) => id < first,
                Keep::Newest(_) => u64::try_from(gone).expect("a number of entries") < surplus,
            });
        });
        // What stayed of it may have been removed before.
        if self.blocks.first().is_some_and(|block| block.live() == 0) {
            self.blocks.remove(master);
        }
        let removed = u64::try_from(removed).expect("a number of entries");
        self.len -= removed;
        removed
    }

    /// Sets what XSETID sets; the caller has checked that no entry is above `last_id`.
    pub fn set_ids(&mut self, last_id: StreamId, added: Option<i64>, deleted: Option<StreamId>) {
        self.last_id = last_id;
        self.added = added.unwrap_or(self.added);
        self.max_deleted_id = deleted.unwrap_or(self.max_deleted_id);
    }
}

/// Entries in ascending order; see [`Log::range`].
#[derive(Clone, Debug)]
pub struct Range<'a> {
    blocks: Between<'a>,
    block: Option<(&'a Block, usize)>,
    start: StreamId,
    end: StreamId,
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let Some((block, at)) = self.block.filter(|(block, at)| *at < block.end()) else {
                let block = self.blocks.next()?;
                let at = if block.master() >= self.start {
                    block.start()
                } else {
                    block.seek(|id| id >= self.start)
                };
                self.block = Some((block, at));
                continue;
            };
            let entry = block.entry(at);
            if entry.id() > self.end {
                self.block = Some((block, block.end()));
                self.blocks = Between::default();
                return None;
            }
            self.block = Some((block, block.after(&entry)));
            if !entry.is_dead() {
                return Some(entry);
            }
        }
    }
}

/// Entries in descending order; see [`Log::range_back`].
#[derive(Clone, Debug)]
pub struct RangeBack<'a> {
    blocks: Between<'a>,
    block: Option<(&'a Block, usize)>,
    start: StreamId,
    end: StreamId,
}

impl<'a> Iterator for RangeBack<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let Some((block, end)) = self.block.filter(|(block, end)| *end > block.start()) else {
                let block = self.blocks.next_back()?;
                let end = if block.last() <= self.end {
                    block.end()
                } else {
                    block.seek(|id| id > self.end)
                };
                self.block = Some((block, end));
                continue;
            };
            let at = block.before(end);
            let entry = block.entry(at);
            if entry.id() < self.start {
                self.block = Some((block, block.start()));
                self.blocks = Between::default();
                return None;
            }
            self.block = Some((block, at));
            if !entry.is_dead() {
                return Some(entry);
            }
        }
    }
}
