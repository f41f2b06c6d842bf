//! From a hash to its segment: a hint that repairs itself.
//!
//! Why it exists: extendible hashing (Fagin et al., TODS 1979) without the global doubling and
//! without a lock on the way to a key. The hash space is cut into 64 groups; each has a
//! directory of its own, so that a doubling copies a 64th of the pointers. An entry may lag
//! behind the resizes: it then leads to a superseded segment, whose frozen words send the
//! reader on (segment.rs, S2). So a directory is corrected at leisure, by whoever gets the
//! group's repair flag; nobody waits for it.
//!
//! Invariants
//! - Y1: every entry leads to the current segment of its prefix, directly or through successors. It
//!   is what [`Segment::entry`] gave: it tells the bucket, too.
//! - Y2: only the holder of `repairing` stores entries, swaps directories, and retires
//!   superseded segments; it retires one only when no entry of the current directory leads to it.
//!
//! Ordering edges
//! - `directory-publish`: store of `directory` or of an entry -> load of the same. Carries the
//!   directory or the segment.
//! - `repair-flag`: swap of `repairing` to true (Acquire) <- store of false (Release).

use std::ptr::null_mut;

use crate::guard::Reclaim;
use crate::sync::{AtomicBool, AtomicPtr, Ordering};

use super::bucket::{Bucket, SLOTS};
use super::deadline::{DeadlineMinimum, NEVER};
use super::segment::{LADDER, Pinned, Resize, Segment};

/// Hash bits that choose the group.
pub(super) const GROUP_BITS: u32 = if cfg!(loom) { 1 } else { 6 };
/// Number of groups.
pub(crate) const GROUPS: usize = 1 << GROUP_BITS;

/// The segments of one group, by the hash bits behind the group's.
#[derive(Debug)]
struct Directory {
    bits: u32,
    entries: Box<[AtomicPtr<Segment>]>,
}

/// One 64th of the hash space.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Group {
    /// Null until the first insert.
    directory: AtomicPtr<Directory>,
    repairing: AtomicBool,
    /// The earliest deadline of its segments.
    pub(super) deadline: DeadlineMinimum,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            directory: AtomicPtr::new(null_mut()),
            repairing: AtomicBool::new(false),
            deadline: DeadlineMinimum::new(NEVER),
        }
    }
}

impl Directory {
    fn bytes(&self) -> u64 {
        (size_of::<Self>() + size_of_val(&*self.entries)) as u64
    }

    #[inline]
    fn index(&self, hash: u64) -> usize {
        if self.bits == 0 {
            return 0;
        }
        let behind = hash << GROUP_BITS >> (64 - self.bits);
        usize::try_from(behind).expect("a directory's index")
    }

    #[inline]
    fn entry(&self, index: usize) -> *mut Segment {
        // ORDER(directory-publish): SeqCst, as a protected load; it includes Acquire.
        self.entries[index].load(Ordering::SeqCst)
    }

    #[inline]
    fn segment(&self, index: usize) -> &Segment {
        // SAFETY: entries are never null, and Y2 keeps what they lead to.
        unsafe { &*Segment::of_entry(self.entry(index)) }
    }

    /// The same map with more bits.
    fn widened(&self, bits: u32) -> Self {
        let entries = (0..1_usize << bits)
            // ORDER(directory-publish): Relaxed; only the holder of the flag stores entries (Y2).
            .map(|i| self.entries[i >> (bits - self.bits)].load(Ordering::Relaxed))
            .map(AtomicPtr::new)
            .collect();
        Self { bits, entries }
    }
}

impl Reclaim for Directory {
    unsafe fn reclaim(pointer: *mut Self) {
        // SAFETY: boxed; owned by the caller.
        drop(unsafe { Box::from_raw(pointer) });
    }
}

/// What a group without segments begins with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Room {
    /// Of its directory: two to the power of this many segments.
    pub(super) bits: u32,
    /// Of each segment.
    pub(super) buckets: usize,
}

impl Room {
    /// Without knowing better.
    pub(super) const FIRST: Self = Self { bits: 0, buckets: LADDER[0] };

    /// For so many entries, up to seven eighths of what makes a segment grow: they are not spread
    /// evenly. At the least the segments are half full, as after a split.
    pub(super) fn of(entries: usize) -> Self {
        let mut bits = 0;
        loop {
            let each = entries.div_ceil(1 << bits);
            let wanted = (each + each.div_ceil(7)).div_ceil(SLOTS);
            match LADDER.iter().find(|&&step| step >= wanted) {
                Some(&buckets) => return Self { bits, buckets },
                None => bits += 1,
            }
        }
    }
}

/// Segments and operations met while repairing.
#[derive(Default)]
struct Met {
    superseded: Vec<*const Segment>,
    current: Vec<*const Segment>,
    operations: Vec<*mut Resize>,
    /// The least depth met: how far up the repair has to reach.
    depth_min: u32,
    depth_max: u32,
}

impl Met {
    fn visit(&mut self, segment: &Segment) {
        let pointer = std::ptr::from_ref(segment);
        if self.superseded.contains(&pointer) || self.current.contains(&pointer) {
            return;
        }
        self.depth_min = self.depth_min.min(segment.depth());
        let Some((first, second)) = segment.successors() else {
            self.depth_max = self.depth_max.max(segment.depth());
            self.current.push(pointer);
            return;
        };
        self.superseded.push(pointer);
        let operation = segment.resize_pointer();
        if !self.operations.contains(&operation) {
            self.operations.push(operation);
        }
        self.visit(first);
        if let Some(second) = second {
            self.visit(second);
        }
    }
}

impl Group {
    #[inline]
    fn directory(&self) -> Option<&Directory> {
        // ORDER(directory-publish): SeqCst, as a protected load; it includes Acquire.
        let pointer = self.directory.load(Ordering::SeqCst);
        // SAFETY: a directory is retired, so a guard keeps it.
        unsafe { pointer.as_ref() }
    }

    /// The segment for `hash`, perhaps superseded; `None` while the group is empty.
    #[inline]
    pub(super) fn segment(&self, hash: u64) -> Option<&Segment> {
        let directory = self.directory()?;
        Some(directory.segment(directory.index(hash)))
    }

    /// The same with its chain for `hash`; what is in the segment's header is not looked at.
    #[inline]
    pub(super) fn chain(&self, hash: u64) -> Option<(&Segment, &Bucket)> {
        let directory = self.directory()?;
        let entry = directory.entry(directory.index(hash));
        // SAFETY: entries are never null, and Y2 keeps what they lead to.
        let segment = unsafe { &*Segment::of_entry(entry) };
        // SAFETY: as above; Y1.
        Some((segment, unsafe { Segment::chain_of_entry(entry, hash) }))
    }

    /// The segment for `hash`, creating the group's first one if need be.
    pub(super) fn segment_or_create(&self, hash: u64, pinned: Pinned<'_>) -> &Segment {
        loop {
            if let Some(segment) = self.segment(hash) {
                return segment;
            }
            self.begin(hash, Room::FIRST, pinned);
        }
    }

    /// Makes room for the keys of a group that has none yet, the one of `hash`; does nothing to
    /// any other.
    pub(super) fn begin(&self, hash: u64, room: Room, pinned: Pinned<'_>) {
        if self.directory().is_some() {
            return;
        }
        let Room { bits, buckets } = room;
        let group = hash & !(u64::MAX >> GROUP_BITS);
        let depth = GROUP_BITS + bits;
        let entries: Box<[_]> = (0..1_u64 << bits)
            .map(|index| group | index.checked_shl(64 - depth).unwrap_or(0))
            .map(|prefix| Segment::allocate(depth, prefix, buckets))
            // SAFETY: just allocated, and nobody else knows it.
            .map(|segment| AtomicPtr::new(unsafe { segment.as_ref() }.entry()))
            .collect();
        let directory = Box::into_raw(Box::new(Directory { bits, entries }));
        // ORDER(directory-publish): SeqCst on success releases the directory and its segments.
        let installed = self.directory.compare_exchange(
            null_mut(),
            directory,
            Ordering::SeqCst,
            Ordering::Relaxed,
        );
        // SAFETY: installed, and the guard keeps it, or ours alone.
        let made = unsafe { &*directory };
        if installed.is_ok() {
            let segments = (0..made.entries.len()).map(|index| made.segment(index).bytes() as u64);
            pinned.index_bytes.add(segments.sum::<u64>() + made.bytes());
            return;
        }
        for entry in &made.entries {
            // ORDER(directory-publish): Relaxed; ours alone.
            let segment = Segment::of_entry(entry.load(Ordering::Relaxed));
            // SAFETY: not installed: ours alone.
            unsafe { Segment::reclaim(segment) };
        }
        // SAFETY: as above.
        unsafe { Directory::reclaim(directory) };
    }

    /// Calls `visit` with every segment the directory leads to, superseded ones included, from the
    /// one for the hash `from` on, and stops where it says `false`.
    pub(super) fn segments<'g>(&'g self, from: u64, mut visit: impl FnMut(&'g Segment) -> bool) {
        let Some(directory) = self.directory() else { return };
        let mut index = directory.index(from);
        while index < directory.entries.len() {
            let segment = directory.segment(index);
            if !visit(segment) {
                return;
            }
            let local = segment.depth() - GROUP_BITS;
            let width = directory.bits.saturating_sub(local);
            index = ((index >> width) + 1) << width;
        }
    }

    /// Points the entries around `hash` at the current segments and retires what they led to.
    /// Does nothing when another thread is repairing the group.
    #[cold]
    pub(super) fn repair(&self, hash: u64, pinned: Pinned<'_>) {
        // ORDER(repair-flag): Acquire; the last holder's stores are visible.
        if self.repairing.swap(true, Ordering::Acquire) {
            return;
        }
        self.repair_alone(hash, pinned);
        // ORDER(repair-flag): Release; our stores are visible to the next holder.
        self.repairing.store(false, Ordering::Release);
    }

    fn repair_alone(&self, hash: u64, pinned: Pinned<'_>) {
        let Some(directory) = self.directory() else { return };
        let mut depth = directory.segment(directory.index(hash)).depth();
        // Reach up until nothing met covers more than the range that is looked at.
        let met = loop {
            let mut met = Met { depth_min: depth, ..Met::default() };
            for index in covered(directory, hash, depth) {
                met.visit(directory.segment(index));
            }
            if met.depth_min == depth {
                break met;
            }
            depth = met.depth_min;
        };
        if met.superseded.is_empty() {
            return;
        }
        let bits = met.depth_max - GROUP_BITS;
        let wide = (bits > directory.bits).then(|| directory.widened(bits));
        let target = wide.as_ref().unwrap_or(directory);
        for index in covered(target, hash, depth) {
            let first = (index as u64).checked_shl(64 - target.bits - GROUP_BITS).unwrap_or(0);
            let group = hash & !(u64::MAX >> GROUP_BITS);
            let current = follow(target.segment(index), group | first);
            // ORDER(directory-publish): SeqCst releases the segment.
            target.entries[index].store(current.entry(), Ordering::SeqCst);
        }
        if let Some(wide) = wide {
            self.swap_directory(directory, wide, pinned);
        }
        retire(&met, pinned);
    }

    fn swap_directory(&self, old: &Directory, wide: Directory, pinned: Pinned<'_>) {
        pinned.index_bytes.add(wide.bytes().wrapping_sub(old.bytes()));
        // ORDER(directory-publish): SeqCst releases the wider directory.
        let old = self.directory.swap(Box::into_raw(Box::new(wide)), Ordering::SeqCst);
        // SAFETY: unlinked by the swap, boxed when it was made.
        let bytes = unsafe { &*old }.bytes();
        let bytes = usize::try_from(bytes).expect("allocated");
        // SAFETY: as above, and only the holder of the flag retires directories (Y2).
        unsafe { pinned.guard.retire(old, bytes) };
    }

    /// Frees everything at once.
    ///
    /// # Safety
    /// Nobody else can reach the group.
    pub(super) unsafe fn free(&mut self) {
        let Some(directory) = self.directory() else { return };
        let mut met = Met { depth_min: u32::MAX, ..Met::default() };
        for index in 0..directory.entries.len() {
            met.visit(directory.segment(index));
        }
        for segment in met.superseded.into_iter().chain(met.current) {
            // SAFETY: each was met once, and nobody else can reach them.
            unsafe { Segment::reclaim(segment.cast_mut()) };
        }
        for operation in met.operations {
            // SAFETY: as above.
            unsafe { Resize::reclaim(operation) };
        }
        // ORDER(directory-publish): Relaxed; nobody else can reach the group.
        let directory = self.directory.swap(null_mut(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { Directory::reclaim(directory) };
    }
}

/// Indexes of the entries that share the first `depth` bits of `hash`.
fn covered(directory: &Directory, hash: u64, depth: u32) -> std::ops::Range<usize> {
    let local = depth - GROUP_BITS;
    let width = directory.bits.saturating_sub(local);
    let first = directory.index(hash) >> width << width;
    first..first + (1 << width)
}

/// The current segment for `hash`, from one that may be superseded.
fn follow(mut segment: &Segment, hash: u64) -> &Segment {
    while let Some(next) = segment.successor(hash) {
        segment = next;
    }
    segment
}

/// Retires superseded segments and their operations, which nothing leads to any more.
fn retire(met: &Met, pinned: Pinned<'_>) {
    for &segment in &met.superseded {
        // SAFETY: still held by our guard.
        let bytes = unsafe { &*segment }.bytes_with_overflow();
        pinned.index_bytes.subtract(bytes as u64);
        // SAFETY: Y2: no entry leads to it; met once, and only we retire.
        unsafe { pinned.guard.retire(segment.cast_mut(), bytes) };
    }
    for &operation in &met.operations {
        // SAFETY: reached only through the segments above.
        unsafe { pinned.guard.retire(operation, size_of::<Resize>()) };
    }
    pinned.guard.flush();
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn room_is_between_half_and_seven_eighths_full() {
        for entries in 0..20_000 {
            let Room { bits, buckets } = Room::of(entries);
            let slots = (buckets * SLOTS) << bits;
            assert!(entries * 8 <= slots * 7, "{entries} in {slots} slots");
            // The smallest steps of the ladder are further apart.
            assert!(bits == 0 || entries * 2 > slots, "{entries} in {slots} slots");
        }
        assert_eq!(Room::of(0), Room::FIRST);
    }
}
