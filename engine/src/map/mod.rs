//! The keyspace's map: hash to word, lock-free, growing and shrinking one segment at a time.
//!
//! Why it exists: every reactor works on one shared map; readers never lock and never write
//! shared memory, writers CAS one word. The map moves [`Word`]s; what is behind them (records,
//! intents, tombstones) is the keyspace's business, which it asks through [`Resident`].
//!
//! ```text
//!   hash  63 … 58 | 57 …            | next 32       | …  15 … 0
//!         group   | directory index | bucket (scaled)|    tag
//! ```
//!
//! Files in reading order: word, bucket (the core that loom models), tags, deadline, segment
//! (resizing), directory, this file, scan.
//!
//! Invariants
//! - M1: a key that is present for the whole of a lookup is found by it (I3): entries do not move
//!   within a chain (B1), and a frozen chain either is current or says what replaced it (S2).
//! - M2: buckets are in hash order, so a position in hash space is a cursor for good (scan.rs).

pub mod bucket;
pub mod deadline;
mod directory;
mod scan;
pub mod segment;
mod tags;
pub mod word;

use crate::sync::{AtomicU64, spin_hint};

use bucket::{Bucket, Insert, Walk, load, replace};
use deadline::NEVER;
pub(crate) use directory::GROUPS;
use directory::{GROUP_BITS, Group, Room};
pub use scan::Cursor;
use segment::{LADDER, Pinned, Resident, Segment};
use word::Word;

/// Spins before a thread that met a frozen segment helps to replace it: about the time one
/// replacement takes, so that helpers work only when the first thread was interrupted.
const SPINS_BEFORE_HELP: u32 = if cfg!(loom) { 0 } else { 2_000 };

/// Where a key is, or would be.
#[derive(Debug)]
pub enum Place<'m> {
    /// Its confirmed entry, in a slot of a segment that was current.
    Entry {
        /// The slot, for a CAS.
        slot: &'m AtomicU64,
        /// The slot's word.
        word: Word,
        /// The segment, for [`Map::note_deadline`].
        segment: &'m Segment,
    },
    /// Nowhere.
    Vacant,
}

/// A concurrent map from 64-bit hashes to words.
#[derive(Debug)]
pub struct Map {
    groups: Box<[Group]>,
}

impl Default for Map {
    fn default() -> Self {
        Self { groups: (0..GROUPS).map(|_| Group::default()).collect() }
    }
}

/// The tag of a hash: bits no other part of the lookup uses.
#[inline]
#[must_use]
pub const fn tag_of(hash: u64) -> u16 {
    #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are the tag")]
    let tag = hash as u16;
    tag
}

impl Map {
    #[inline]
    fn group(&self, hash: u64) -> &Group {
        &self.groups[usize::try_from(hash >> (64 - GROUP_BITS)).expect("six bits")]
    }

    /// Finds the word of the entry for which `matches` holds.
    ///
    /// Never waits: while a segment is being replaced its frozen content is current.
    #[inline]
    pub fn find(
        &self,
        hash: u64,
        matches: impl FnMut(Word) -> bool,
        pinned: Pinned<'_>,
    ) -> Option<Word> {
        self.find_slot(hash, matches, pinned).map(|(_, word)| word)
    }

    /// The same with its slot. As long as that holds exactly this word, the entry is current: a
    /// replaced segment's words are frozen, and the word found is not.
    #[inline]
    pub fn find_slot<'m>(
        &'m self,
        hash: u64,
        mut matches: impl FnMut(Word) -> bool,
        pinned: Pinned<'m>,
    ) -> Option<(&'m AtomicU64, Word)> {
        let (mut segment, mut chain) = self.group(hash).chain(hash)?;
        loop {
            let found = chain.find(tag_of(hash), &mut matches);
            if !found.frozen {
                return found.entry;
            }
            let Some(successor) = segment.successor(hash) else {
                return found.entry;
            };
            self.group(hash).repair(hash, pinned);
            (segment, chain) = (successor, successor.chain(hash));
        }
    }

    /// Finds the slot of the entry for which `matches` holds, in a segment that can be written.
    #[inline]
    pub fn place<'m>(
        &'m self,
        hash: u64,
        mut matches: impl FnMut(Word) -> bool,
        resident: &impl Resident,
        pinned: Pinned<'m>,
    ) -> Place<'m> {
        let Some((mut segment, mut chain)) = self.group(hash).chain(hash) else {
            return Place::Vacant;
        };
        loop {
            let found = chain.find(tag_of(hash), &mut matches);
            if found.frozen {
                segment = self.thaw(segment, hash, resident, pinned);
                chain = segment.chain(hash);
                continue;
            }
            return match found.entry {
                Some((slot, word)) => Place::Entry { slot, word, segment },
                None => Place::Vacant,
            };
        }
    }

    /// The segment that replaces a frozen one, once there is one. Helps after a while.
    #[cold]
    fn thaw<'m>(
        &'m self,
        segment: &'m Segment,
        hash: u64,
        resident: &impl Resident,
        pinned: Pinned<'m>,
    ) -> &'m Segment {
        let mut spins = 0;
        loop {
            if let Some(successor) = segment.successor(hash) {
                self.group(hash).repair(hash, pinned);
                return successor;
            }
            if spins < SPINS_BEFORE_HELP {
                spins += 1;
                spin_hint();
            } else {
                segment.help(resident, pinned);
            }
        }
    }

    /// Inserts `word` unless an entry for which `matches` holds may be there.
    ///
    /// True: inserted. False: look at the key again; others may have seen `word` meanwhile, so
    /// what is behind it must be retired, not freed, if it is not inserted after all.
    pub fn insert(
        &self,
        hash: u64,
        word: Word,
        mut matches: impl FnMut(Word) -> bool,
        resident: &impl Resident,
        pinned: Pinned<'_>,
    ) -> bool {
        let mut segment = self.group(hash).segment_or_create(hash, pinned);
        loop {
            let mut grew = false;
            let grow = |bucket: Bucket| {
                grew = true;
                pinned.index_bytes.add(size_of::<Bucket>() as u64);
                Box::into_raw(Box::new(bucket))
            };
            match segment.chain(hash).insert(word, &mut matches, grow) {
                Insert::Done => {
                    self.note_deadline(segment, hash, resident.deadline_ms(word));
                    if grew && let Some(plan) = segment.growth(segment.bucket_index(hash)) {
                        segment.resize_alone(plan, resident, pinned);
                        self.group(hash).repair(hash, pinned);
                    }
                    return true;
                }
                Insert::Frozen => segment = self.thaw(segment, hash, resident, pinned),
                Insert::Lost => return false,
            }
        }
    }

    /// Makes room for about `entries` entries where nothing is yet, so that they come in without
    /// resizes. Cost: the memory they will need at least.
    pub fn reserve(&self, entries: usize, pinned: Pinned<'_>) {
        let room = Room::of(entries.div_ceil(GROUPS));
        if room == Room::FIRST {
            return;
        }
        for (number, group) in (0_u64..).zip(&self.groups) {
            group.begin(number << (64 - GROUP_BITS), room, pinned);
        }
    }

    /// Tells the sweep of a deadline published in `segment`.
    #[inline]
    pub fn note_deadline(&self, segment: &Segment, hash: u64, deadline_ms: u64) {
        if deadline_ms != NEVER {
            segment.deadline.lower(deadline_ms);
            self.group(hash).deadline.lower(deadline_ms);
        }
    }

    /// Replaces exactly `old` by `new` wherever the chain of `hash` holds it.
    ///
    /// False when it is not there: somebody else replaced it.
    pub fn replace_word(
        &self,
        hash: u64,
        old: Word,
        new: Word,
        resident: &impl Resident,
        pinned: Pinned<'_>,
    ) -> bool {
        loop {
            match self.place(hash, |word| word == old, resident, pinned) {
                Place::Vacant => return false,
                Place::Entry { slot, word, segment } => {
                    if replace(slot, word, new) {
                        if !new.is_empty() {
                            self.note_deadline(segment, hash, resident.deadline_ms(new));
                        }
                        return true;
                    }
                }
            }
        }
    }

    /// Empties the slots in the chain of `hash` for which `dead` holds, and hands their words
    /// out. Merges the segment with its sibling when both have become nearly empty.
    ///
    /// False when a resize or another writer got in the way of a slot: come again.
    pub fn clear(
        &self,
        hash: u64,
        mut dead: impl FnMut(Word) -> bool,
        mut cleared: impl FnMut(Word),
        resident: &impl Resident,
        pinned: Pinned<'_>,
    ) -> bool {
        let Some(segment) = self.group(hash).segment(hash) else { return true };
        let mut count = 0;
        let mut complete = true;
        segment.chain(hash).walk(|slot, word| {
            complete &= !word.is_frozen();
            let settled = !word.is_empty() && !word.is_frozen() && !word.is_tentative();
            if settled && dead(word) {
                if replace(slot, word, Word::EMPTY) {
                    cleared(word);
                    count += 1;
                } else {
                    complete = false;
                }
            }
            Walk::Go
        });
        if count > 0 {
            self.shrink(segment, hash, resident, pinned);
        }
        complete
    }

    /// Merges or shrinks a segment that has become nearly empty around `hash`.
    pub(crate) fn shrink(
        &self,
        segment: &Segment,
        hash: u64,
        resident: &impl Resident,
        pinned: Pinned<'_>,
    ) {
        const NEIGHBOURS: usize = 8;
        let buckets = segment.buckets();
        let from = segment.bucket_index(hash).min(buckets.len().saturating_sub(NEIGHBOURS));
        let near = &buckets[from..buckets.len().min(from + NEIGHBOURS)];
        // A sample first: an eighth full or less.
        let near_entries = near.iter().map(Bucket::entries).sum::<usize>();
        if near_entries > near.len() || segment.successor(hash).is_some() {
            return;
        }
        let entries = segment.entries();
        let floor = LADDER[0];
        if segment.depth() > GROUP_BITS {
            let bit = 1 << (64 - segment.depth());
            let Some(sibling) = self.group(hash).segment(segment.prefix() ^ bit) else { return };
            let together = entries + sibling.entries();
            if sibling.depth() != segment.depth() || together > 2 * buckets.len() {
                return;
            }
            let (lower, upper) =
                if segment.prefix() & bit == 0 { (segment, sibling) } else { (sibling, segment) };
            let count = rung(together);
            if Segment::merge(lower, upper, count, resident, pinned) {
                self.group(hash).repair(hash, pinned);
            }
        } else if buckets.len() > floor && entries * 4 < buckets.len() {
            let plan = segment::Plan::Rebucket { buckets: rung(entries) };
            segment.resize_alone(plan, resident, pinned);
            self.group(hash).repair(hash, pinned);
        }
    }

    /// Hints that the chain of `hash` will be looked at soon; its first bucket, for
    /// [`Map::prefetch_entry`].
    #[inline]
    pub fn prefetch_chain(&self, hash: u64) -> Option<&Bucket> {
        let (_, bucket) = self.group(hash).chain(hash)?;
        crate::prefetch::read(bucket);
        Some(bucket)
    }

    /// Calls `hint` with the words that may be the entry of `hash`, for prefetching what is behind
    /// them; the bucket should be cached. If there is none, the chain's next bucket is asked for
    /// and returned: one key in ten is not in its first.
    #[inline]
    pub fn prefetch_entry(
        bucket: &Bucket,
        hash: u64,
        mut hint: impl FnMut(Word),
    ) -> Option<&Bucket> {
        let words: [Word; bucket::SLOTS] = std::array::from_fn(|i| load(bucket.slot(i)));
        let mut is_here = false;
        for i in tags::matching(&words, tag_of(hash)) {
            if !words[i].is_empty() && !words[i].is_overflow() {
                is_here = true;
                hint(words[i].thawed());
            }
        }
        if is_here { None } else { bucket.prefetch_overflow() }
    }

    /// Takes every word out of a map nobody else can reach, and frees the map's own memory.
    pub fn drain(mut self, mut visit: impl FnMut(Word)) {
        for group in &mut self.groups {
            group.segments(0, |segment| {
                visit_current(segment, &mut visit);
                true
            });
            // SAFETY: `self` is owned: nobody else can reach the group.
            unsafe { group.free() };
        }
        self.groups = Box::default();
    }
}

/// Visits the words of the current segments behind one that may be superseded. A map at rest
/// has at most a few of those, and a merge's second source leads where its first did.
fn visit_current(segment: &Segment, visit: &mut impl FnMut(Word)) {
    match segment.successors() {
        None => {
            for bucket in segment.buckets() {
                bucket.walk(|_, word| {
                    if !word.is_empty() && !word.is_tentative() {
                        visit(word.thawed());
                    }
                    Walk::Go
                });
            }
        }
        Some((first, second)) => {
            if first.depth() < segment.depth() && segment.prefix() != first.prefix() {
                return;
            }
            visit_current(first, visit);
            if let Some(second) = second {
                visit_current(second, visit);
            }
        }
    }
}

/// The smallest bucket count that holds `entries` at half fill.
fn rung(entries: usize) -> usize {
    let wanted = entries.div_ceil(bucket::SLOTS / 2);
    *LADDER.iter().find(|&&step| step >= wanted).unwrap_or(&LADDER[LADDER.len() - 1])
}

impl Drop for Map {
    fn drop(&mut self) {
        for group in &mut self.groups {
            // SAFETY: `self` is dropped: nobody else can reach the group.
            unsafe { group.free() };
        }
    }
}

impl Bucket {
    /// Entries of the chain.
    fn entries(&self) -> usize {
        let mut count = 0;
        self.walk(|_, word| {
            count += usize::from(!word.is_empty());
            Walk::Go
        });
        count
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A hint has no result but the calls of its closure.
    #[test]
    fn hints_reach_every_bucket_of_a_chain() {
        let first = Bucket::default();
        let mut grow = |bucket: Bucket| Box::into_raw(Box::new(bucket));
        let words: Vec<Word> = (1..=20).map(|n| Word::record(n, usize::from(n) * 64)).collect();
        for &word in &words {
            first.push_private(word, &mut grow);
        }
        let hinted = |tag: u16| {
            let (mut hints, mut next) = (Vec::new(), Some(&first));
            while let Some(bucket) = next {
                next = Map::prefetch_entry(bucket, u64::from(tag), |word| hints.push(word));
            }
            hints
        };
        for &word in &words {
            assert_eq!(hinted(word.tag()), [word]);
        }
        assert_eq!(hinted(21), []);
        let mut others = Vec::new();
        first.overflow_buckets(|bucket| others.push(bucket));
        assert_eq!(others.len(), 2, "seven words each, and the last bucket eight");
        for bucket in others {
            // SAFETY: boxed by `grow`, and not looked at any more.
            drop(unsafe { Box::from_raw(bucket) });
        }
    }
}
