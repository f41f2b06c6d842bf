//! The member index: which leaf a member is in, without the member.
//!
//! Why it exists: a score is asked for by member, the tree is ordered by score. An entry is 8
//! bytes, 32 bits of the member's hash and the leaf's number; the member itself is compared in
//! the leaf. Not a map: several entries may match, and the caller looks into each leaf.
//!
//! Growing moves one segment at a time (extendible hashing: Fagin, Nievergelt, Pippenger and
//! Strong, "Extendible Hashing", TODS 1979): the top bits of the hash choose a directory entry,
//! that names a segment of at most some 4 KiB. A segment grows in steps of about a fifth, so that
//! it is always at least 70 % full, and splits in two when it is full at its largest.
//!
//! Within a segment entries lie in the order of their hashes (ordered linear probing: Amble and
//! Knuth, "Ordered hash tables", Computer Journal 1974): a search for what is absent ends at the
//! first larger hash instead of the next gap, and a scan in hash order is a walk.
//!
//! ```text
//! directory   [ 0 | 0 | 1 | 2 ]       2^depth entries, by the top bits
//! segment 0   . e e . e . e e e .     home = the bits behind those, scaled to the slots;
//!                                     an entry is at its home or behind it, without a gap
//! ```
//!
//! Invariants
//! - I1: the entries of a segment ascend by hash fragment from front to back.
//! - I2: no entry is before its home, and there is no gap between the two.
//! - I3: all entries of a segment agree in its first `depth` bits, and the directory names it at
//!   each index that begins with them.

use super::arena::{Arena, Heap, room_for};
use crate::structures::cow::CowVec;

/// Most slots of a segment: 4 KiB, which split in some 4 us.
const SLOTS_MAX: usize = CowVec::<u64>::capacity_within(4096);
/// Fewest slots of a segment.
const SLOTS_MIN: usize = CowVec::<u64>::capacity_within(128);
/// Entries two buddies may have when they merge; well below what splits.
const MERGED_MAX: usize = SLOTS_MAX / 2;
/// The directory stops doubling here: more would not tell entries apart any better.
const DEPTH_MAX: u8 = 26;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Index {
    directory: Vec<u32>,
    segments: Arena<Segment>,
    /// Bits that choose a directory entry.
    depth: u8,
    /// Segments as deep as the directory: at none it halves.
    deepest: usize,
}

/// A run of the hash space.
#[derive(Clone, Debug, Default)]
struct Segment {
    /// 0 for a gap, else the fragment in the high half and the leaf plus one in the low.
    slots: CowVec<u64>,
    used: usize,
    depth: u8,
}

impl Heap for Segment {
    fn heap(&self) -> usize {
        self.slots.heap_bytes()
    }
}

const fn fragment_of(entry: u64) -> u32 {
    (entry >> 32) as u32
}

/// The leaf of an entry.
#[expect(clippy::cast_possible_truncation, reason = "the low half")]
const fn leaf_of(entry: u64) -> u32 {
    entry as u32 - 1
}

fn entry(fragment: u32, leaf: u32) -> u64 {
    u64::from(fragment) << 32 | u64::from(leaf + 1)
}

/// Where an entry belongs among `slots` slots of a segment at `depth`.
#[inline]
fn home(fragment: u32, depth: u8, slots: usize) -> usize {
    // The last sixteenth is nobody's home, so that runs seldom reach the end.
    let homes = (slots - slots / 16) as u64;
    let rest = u64::from(fragment) << depth & 0xFFFF_FFFF;
    usize::try_from((rest * homes) >> 32).expect("below the number of slots")
}

impl Segment {
    fn with_room_for(entries: usize, depth: u8) -> Self {
        let mut slots = CowVec::new();
        slots.unshare().resize(room_for::<u64>((entries * 5 / 4).max(SLOTS_MIN)), 0);
        Self { slots, used: 0, depth }
    }

    /// Where an entry belongs if nothing is in its way.
    #[inline]
    fn home(&self, fragment: u32) -> usize {
        home(fragment, self.depth, self.slots.len())
    }

    /// The first slot from the fragment's home on that is a gap or not below it.
    #[inline]
    fn lower_bound(&self, fragment: u32) -> usize {
        let mut at = self.home(fragment);
        while let Some(&slot) = self.slots.get(at)
            && slot != 0
            && fragment_of(slot) < fragment
        {
            at += 1;
        }
        at
    }

    /// The entries with this fragment.
    #[inline]
    fn matching(&self, fragment: u32) -> impl Iterator<Item = (usize, u32)> {
        let start = self.lower_bound(fragment);
        let entries = self.slots[start..].iter().enumerate();
        entries
            .take_while(move |&(_, &slot)| slot != 0 && fragment_of(slot) == fragment)
            .map(move |(at, &slot)| (start + at, leaf_of(slot)))
    }

    /// Inserts, or says that there is no room.
    fn insert(&mut self, fragment: u32, leaf: u32) -> bool {
        if (self.used + 1) * 8 > self.slots.len() * 7 {
            return false;
        }
        let at = self.lower_bound(fragment);
        let Some(run) = self.slots[at.min(self.slots.len())..].iter().position(|&slot| slot == 0)
        else {
            return false;
        };
        let slots = self.slots.unshare();
        slots.copy_within(at..at + run, at + 1);
        slots[at] = entry(fragment, leaf);
        self.used += 1;
        true
    }

    /// Empties a slot; what follows it moves up (I2).
    fn remove_at(&mut self, at: usize) {
        let moves =
            |at: &usize| self.slots[*at] != 0 && self.home(fragment_of(self.slots[*at])) < *at;
        let end = (at + 1..self.slots.len()).take_while(moves).last().unwrap_or(at);
        let slots = self.slots.unshare();
        slots.copy_within(at + 1..=end, at);
        slots[end] = 0;
        self.used -= 1;
    }

    fn entries(&self) -> impl Iterator<Item = u64> {
        self.slots.iter().copied().filter(|&slot| slot != 0)
    }

    /// Appends entries in ascending order.
    fn fill(&mut self, entries: impl Iterator<Item = u64>) -> bool {
        let (shift, len) = (self.depth, self.slots.len());
        let slots = self.slots.unshare();
        let mut from = 0;
        for entry in entries {
            let at = home(fragment_of(entry), shift, len).max(from);
            let Some(slot) = slots.get_mut(at) else { return false };
            *slot = entry;
            self.used += 1;
            from = at + 1;
        }
        true
    }

    /// A segment of these ascending entries with room for more, and more than `slots` slots.
    fn of(entries: &[u64], depth: u8, slots: usize) -> Self {
        let mut room = entries.len();
        loop {
            let mut segment = Self::with_room_for(room, depth);
            if segment.slots.len() > slots && segment.fill(entries.iter().copied()) {
                return segment;
            }
            // Too few, or runs reached the end though there are gaps.
            room += room / 8 + 1;
        }
    }
}

impl Default for Index {
    fn default() -> Self {
        let mut segments = Arena::default();
        let first = segments.add(Segment::with_room_for(0, 0));
        Self { directory: vec![first], segments, depth: 0, deepest: 1 }
    }
}

impl Index {
    #[inline]
    fn place(&self, fragment: u32) -> usize {
        let place = u64::from(fragment) << self.depth >> 32;
        usize::try_from(place).expect("below 2^depth")
    }

    /// Asks for the head of a fragment's segment.
    #[inline]
    pub(super) fn prefetch_segment(&self, fragment: u32) {
        self.segments.prefetch(self.directory[self.place(fragment)]);
    }

    /// Asks for the slots where a fragment's entries are.
    #[inline]
    pub(super) fn prefetch_slots(&self, fragment: u32) {
        let segment = self.segments.get(self.directory[self.place(fragment)]);
        // Runs are short, but may cross into the next line.
        for at in [segment.home(fragment), segment.home(fragment) + 8] {
            if let Some(slot) = segment.slots.get(at) {
                crate::prefetch::read(slot);
            }
        }
    }

    /// Asks for what an edit of a fragment's entries looks at first: whether they are shared.
    #[inline]
    pub(super) fn prefetch_count(&self, fragment: u32) {
        let segment = self.segments.get(self.directory[self.place(fragment)]);
        segment.slots.prefetch_count();
    }

    /// The leaves that may hold a member of this hash.
    #[inline]
    pub(super) fn leaves(&self, fragment: u32) -> impl Iterator<Item = u32> {
        let segment = self.segments.get(self.directory[self.place(fragment)]);
        segment.matching(fragment).map(|(_, leaf)| leaf)
    }

    /// Adds an entry.
    pub(super) fn insert(&mut self, fragment: u32, leaf: u32) {
        loop {
            let id = self.directory[self.place(fragment)];
            if self.segments.get_mut(id).insert(fragment, leaf) {
                return;
            }
            self.make_room(fragment, id);
        }
    }

    fn find(&self, fragment: u32, leaf: u32) -> (u32, usize) {
        let id = self.directory[self.place(fragment)];
        let found = self.segments.get(id).matching(fragment).find(|&(_, at)| at == leaf);
        (id, found.expect("every element has an entry").0)
    }

    /// Removes the entry of an element that is in `leaf`.
    pub(super) fn remove(&mut self, fragment: u32, leaf: u32) {
        let (id, at) = self.find(fragment, leaf);
        let segment = self.segments.get_mut(id);
        segment.remove_at(at);
        let shrinks = segment.used * 2 < segment.slots.len() && segment.slots.len() > SLOTS_MIN;
        if shrinks && !self.merge(fragment, id) {
            self.rebuild(id, 0);
        }
    }

    /// An element has moved from one leaf to another.
    #[inline]
    pub(super) fn replace(&mut self, fragment: u32, from: u32, to: u32) {
        let (id, at) = self.find(fragment, from);
        self.segments.get_mut(id).slots.unshare()[at] = entry(fragment, to);
    }

    /// Visits entries whose fragment is at least `from` in ascending order, until told to stop.
    pub(super) fn walk(&self, from: u32, mut visit: impl FnMut(u32, u32) -> bool) {
        let mut place = self.place(from);
        while let Some(&id) = self.directory.get(place) {
            let segment = self.segments.get(id);
            for entry in segment.entries().filter(|&entry| fragment_of(entry) >= from) {
                if !visit(fragment_of(entry), leaf_of(entry)) {
                    return;
                }
            }
            // Every index of the segment: they are neighbours (I3).
            let width = 1 << (self.depth - segment.depth);
            place = (place / width + 1) * width;
        }
    }

    /// Bytes on the heap.
    pub(super) fn memory(&self) -> usize {
        self.segments.memory() + self.directory.capacity() * size_of::<u32>()
    }

    /// Grows a full segment, or splits it when it is at its largest.
    fn make_room(&mut self, fragment: u32, id: u32) {
        let segment = self.segments.get(id);
        let slots = segment.slots.len();
        if slots >= SLOTS_MAX && segment.used * 2 > slots && segment.depth < DEPTH_MAX {
            self.split(fragment, id);
        } else {
            self.rebuild(id, slots);
        }
    }

    /// Gives a segment as many slots as its entries call for, but more than `slots`.
    fn rebuild(&mut self, id: u32, slots: usize) {
        self.segments.edit(id, |segment| {
            let entries: Vec<u64> = segment.entries().collect();
            *segment = Segment::of(&entries, segment.depth, slots);
        });
    }

    fn split(&mut self, fragment: u32, id: u32) {
        let (entries, depth) = {
            let segment = self.segments.get(id);
            (segment.entries().collect::<Vec<u64>>(), segment.depth)
        };
        if depth == self.depth {
            self.directory = self.directory.iter().flat_map(|&id| [id, id]).collect();
            self.depth += 1;
            self.deepest = 0;
        }
        let upper = |entry: &u64| *entry << depth >> 63 == 1;
        let cut = entries.partition_point(|entry| !upper(entry));
        self.segments.edit(id, |left| *left = Segment::of(&entries[..cut], depth + 1, 0));
        let right = self.segments.add(Segment::of(&entries[cut..], depth + 1, 0));
        let width = 1 << (self.depth - depth);
        let start = self.place(fragment) / width * width;
        self.directory[start + width / 2..start + width].fill(right);
        if depth + 1 == self.depth {
            self.deepest += 2;
        }
    }

    /// Merges a segment with its buddy, when both are sparse; false when they stay.
    fn merge(&mut self, fragment: u32, id: u32) -> bool {
        let segment = self.segments.get(id);
        let depth = segment.depth;
        if depth == 0 {
            return false;
        }
        let width = 1 << (self.depth - depth);
        let start = self.place(fragment) / width * width;
        let buddy = self.directory[start ^ width];
        let other = self.segments.get(buddy);
        if other.depth != depth || segment.used + other.used > MERGED_MAX {
            return false;
        }
        let (low, high) = if start & width == 0 { (segment, other) } else { (other, segment) };
        let entries: Vec<u64> = low.entries().chain(high.entries()).collect();
        self.segments.edit(id, |segment| *segment = Segment::of(&entries, depth - 1, 0));
        drop(self.segments.take(buddy));
        self.directory[start & !width..][..2 * width].fill(id);
        if depth == self.depth {
            self.deepest -= 2;
            self.halve();
        }
        true
    }

    /// Halves the directory while no segment needs its last bit.
    fn halve(&mut self) {
        while self.deepest == 0 && self.depth > 0 {
            self.directory = self.directory.iter().copied().step_by(2).collect();
            self.depth -= 1;
            let deepest = |&&id: &&u32| self.segments.get(id).depth == self.depth;
            self.deepest = self.directory.iter().filter(deepest).count();
        }
    }

    /// Checks every invariant.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self, entries: usize) {
        assert_eq!(self.directory.len(), 1 << self.depth);
        let (mut place, mut seen, mut deepest) = (0, 0, 0);
        while place < self.directory.len() {
            let segment = self.segments.get(self.directory[place]);
            let width = 1 << (self.depth - segment.depth);
            assert_eq!(place % width, 0, "I3: aligned");
            assert!(
                self.directory[place..place + width].iter().all(|&id| id == self.directory[place])
            );
            deepest += usize::from(segment.depth == self.depth);
            let mut before = None;
            let mut gap = 0;
            for (at, &slot) in segment.slots.iter().enumerate() {
                if slot == 0 {
                    gap = at + 1;
                    continue;
                }
                let fragment = fragment_of(slot);
                assert!(before <= Some(fragment), "I1");
                let home = segment.home(fragment);
                assert!(gap <= home && home <= at, "I2: {gap} {home} {at}");
                assert_eq!(self.place(fragment) / width * width, place, "I3");
                before = Some(fragment);
                seen += 1;
            }
            assert_eq!(segment.used, segment.entries().count());
            place += width;
        }
        assert_eq!((seen, deepest), (entries, self.deepest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fragments of distinct numbers, as a hash would spread them.
    fn spread(number: u32) -> u32 {
        number.wrapping_mul(0x9E37_79B1) ^ number << 7
    }

    #[test]
    fn entries_are_found_while_it_grows_and_shrinks() {
        let mut index = Index::default();
        for number in 0..20_000 {
            index.insert(spread(number), number % 1_000);
            if number % 1_999 == 0 {
                index.check(number as usize + 1);
            }
        }
        assert!(index.depth >= 5, "it has split: {}", index.depth);
        for number in 0..20_000 {
            assert!(index.leaves(spread(number)).any(|leaf| leaf == number % 1_000), "{number}");
            index.replace(spread(number), number % 1_000, number);
        }
        let full = index.memory();
        for number in 0..19_990 {
            index.remove(spread(number), number);
            if number % 1_777 == 0 {
                index.check(19_999 - number as usize);
            }
        }
        index.check(10);
        assert!(index.depth <= 1, "it has merged: {}", index.depth);
        assert!(index.memory() * 10 < full, "{} of {full}", index.memory());
    }

    #[test]
    fn equal_fragments_are_kept_apart_by_their_leaf() {
        let mut index = Index::default();
        for leaf in 0..100 {
            index.insert(u32::MAX, leaf);
        }
        assert_eq!(index.leaves(u32::MAX).count(), 100);
        for leaf in (0..100).rev() {
            index.remove(u32::MAX, leaf);
        }
        index.check(0);
    }

    #[test]
    fn a_walk_visits_everything_from_a_fragment_on() {
        let mut index = Index::default();
        let mut all: Vec<u32> = (0..5_000).map(spread).collect();
        all.iter().for_each(|&fragment| index.insert(fragment, 1));
        all.sort_unstable();
        for from in [0, 1, all[77], all[77] + 1, u32::MAX] {
            let mut seen = Vec::new();
            index.walk(from, |fragment, _| {
                seen.push(fragment);
                true
            });
            assert_eq!(seen, all[all.partition_point(|&one| one < from)..]);
        }
    }
}
