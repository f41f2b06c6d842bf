//! A run of buckets for one prefix of the hash, and its replacement by others.
//!
//! Why it exists: the map grows and shrinks one segment at a time, and nobody waits for
//! whoever does it: a resize freezes the old segment, so its content is a constant that any
//! thread can copy; the first copy published wins.
//!
//! ```text
//!   | depth, count, prefix, resize, earliest deadline | bucket 0 | bucket 1 | … | bucket n-1 |
//!     64 bytes                                          buckets in hash order
//! ```
//!
//! Invariants
//! - S1: `resize` goes from null to an operation once; only a merge that could not get its
//!   second source goes back to null, before anything was frozen.
//! - S2: once an operation's `outcome` is set, its sources are superseded: whoever finds a frozen
//!   word follows the outcome. Until then the frozen content is current, for nobody can write.
//! - S3: a superseded segment stays allocated until no directory entry leads to it, directly
//!   or through other superseded segments (directory.rs), and no guard can hold it.
//!
//! Ordering edges
//! - `resize-install`: CAS or store of `resize` -> load of `resize`. Carries the operation.
//! - `resize-outcome`: CAS of `outcome` -> load of `outcome`. Carries the new segments.
//! - `resize-phase`: store of `started` -> load of `started`. A merge freezes nothing before both
//!   of its sources are installed.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::{self, NonNull, null_mut};

use crate::guard::{Guard, Reclaim};
use crate::sync::{AtomicBool, AtomicPtr, Counter, Ordering};

use super::bucket::{Bucket, SLOTS, Walk};
use super::deadline::{DeadlineMinimum, NEVER};
use super::word::{ADDRESS_BITS, Word};

/// Bucket counts a segment may have. Header and buckets fill an allocator size class each
/// (512 B, 1, 1.5 and 2 KiB). The largest splits into two of `SPLIT_BUCKETS`.
#[cfg(not(loom))]
pub const LADDER: [usize; 4] = [7, 15, 23, 31];
/// See above; small enough for loom.
#[cfg(loom)]
pub const LADDER: [usize; 2] = [1, 2];
/// Buckets of each half after a split: 23 of 32 keeps the fill between 66 and 100 % of 8 per
/// bucket, where one of 15 would start overfull. docs/src/decisions/segments.md does the sums.
pub const SPLIT_BUCKETS: usize = if cfg!(loom) { 1 } else { 23 };
/// Entries per bucket, on average, at which a segment grows or splits.
const FILL_MAX: usize = SLOTS;

/// Where a directory's entry holds the number of buckets, above the segment's address, and where
/// the depth.
const COUNT_SHIFT: u32 = ADDRESS_BITS;
const DEPTH_SHIFT: u32 = COUNT_SHIFT + 8;
const _: () = assert!(usize::BITS == 64, "user space ends below 2^48");
const _: () = assert!(LADDER[LADDER.len() - 1] <= 0xff, "a count is a byte of an entry");

/// Where the words come from and what they mean; the map knows neither keys nor deadlines.
pub trait Resident {
    /// The full hash of the key behind a record or intent word.
    fn hash(&self, word: Word) -> u64;
    /// The deadline of the record behind the word, or [`NEVER`].
    fn deadline_ms(&self, word: Word) -> u64;
    /// Hints that `hash` will be asked about this word soon.
    fn prefetch(&self, _word: Word) {}
}

/// What every operation on the map carries: the right to hold pointers, and the thread's books.
#[derive(Clone, Copy, Debug)]
pub struct Pinned<'t> {
    pub(crate) guard: &'t Guard<'t>,
    /// Bytes of directories, segments and overflow buckets, as this thread changed them.
    pub(crate) index_bytes: &'t Counter,
}

/// A segment's fixed part; buckets follow it in the same allocation.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Segment {
    /// Hash bits that all keys of the segment share.
    depth: u32,
    bucket_count: u32,
    /// Those bits, at the top of a hash.
    prefix: u64,
    resize: AtomicPtr<Resize>,
    pub(super) deadline: DeadlineMinimum,
}

/// A segment's replacement in progress.
#[derive(Debug)]
pub(super) struct Resize {
    plan: Plan,
    /// One source, or both halves of a merge, lower prefix first.
    sources: [*const Segment; 2],
    started: AtomicBool,
    outcome: AtomicPtr<Outcome>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Plan {
    /// Two segments of one bit more become their parent.
    Merge { buckets: usize },
    /// The same prefix in another number of buckets.
    Rebucket { buckets: usize },
    /// One bit more.
    Split,
}

/// The segments that replace the sources; the second is null unless split.
#[derive(Debug)]
pub(super) struct Outcome {
    segments: [*mut Segment; 2],
}

fn layout(bucket_count: usize) -> Layout {
    let bytes = size_of::<Segment>() + bucket_count * size_of::<Bucket>();
    Layout::from_size_align(bytes, align_of::<Segment>().max(align_of::<Bucket>()))
        .expect("at most a few KiB")
}

impl Segment {
    /// Allocates an empty segment.
    pub(super) fn allocate(depth: u32, prefix: u64, bucket_count: usize) -> NonNull<Self> {
        let layout = layout(bucket_count);
        // SAFETY: the layout holds at least a header.
        let raw = unsafe { alloc(layout) }.cast::<Self>();
        let Some(pointer) = NonNull::new(raw) else { handle_alloc_error(layout) };
        let header = Self {
            depth,
            bucket_count: u32::try_from(bucket_count).expect("from the ladder"),
            prefix,
            resize: AtomicPtr::new(null_mut()),
            deadline: DeadlineMinimum::new(NEVER),
        };
        // SAFETY: freshly allocated for a header and the buckets.
        unsafe { raw.write(header) };
        // SAFETY: the buckets follow the header inside the allocation.
        let first = unsafe { raw.add(1) }.cast::<Bucket>();
        for i in 0..bucket_count {
            // SAFETY: `i` is below the count the allocation was made for.
            let bucket = unsafe { first.add(i) };
            // SAFETY: allocated, aligned, not yet initialised.
            unsafe { bucket.write(Bucket::default()) };
        }
        pointer
    }

    /// Bytes of the segment without overflow buckets.
    pub(super) fn bytes(&self) -> usize {
        layout(self.buckets().len()).size()
    }

    /// Its buckets, in hash order.
    #[inline]
    pub(crate) fn buckets(&self) -> &[Bucket] {
        let count = self.bucket_count as usize;
        // SAFETY: the buckets follow the header in the same allocation.
        let first = unsafe { ptr::from_ref(self).add(1) }.cast::<Bucket>();
        // SAFETY: `count` initialised buckets, alive as long as the segment.
        unsafe { std::slice::from_raw_parts(first, count) }
    }

    /// Hash bits that all keys of the segment share.
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    /// Those bits, at the top of a hash whose other bits are zero.
    pub(super) fn prefix(&self) -> u64 {
        self.prefix
    }

    /// Position of the bucket for `hash`.
    #[inline]
    pub(super) fn bucket_index(&self, hash: u64) -> usize {
        bucket_index(hash, self.depth, self.bucket_count)
    }

    /// What a directory keeps of it: its address, and above that what leads to a hash's bucket, so
    /// that a lookup need not wait for the header.
    pub(super) fn entry(&self) -> *mut Self {
        let shape = (self.depth as usize) << DEPTH_SHIFT | self.buckets().len() << COUNT_SHIFT;
        let address = ptr::from_ref(self).cast_mut();
        assert!(address.addr() >> COUNT_SHIFT == 0, "user space ends below 2^48");
        address.map_addr(|address| address | shape)
    }

    /// The segment of an entry.
    #[inline]
    pub(super) fn of_entry(entry: *mut Self) -> *mut Self {
        entry.map_addr(|bits| bits & ((1 << COUNT_SHIFT) - 1))
    }

    /// The chain for `hash` in the segment of an entry, whose header is not looked at.
    ///
    /// # Safety
    /// The entry is that of a segment which outlives the result.
    #[inline]
    pub(super) unsafe fn chain_of_entry<'m>(entry: *mut Self, hash: u64) -> &'m Bucket {
        let bits = entry.addr() as u64;
        let (depth, count) = ((bits >> DEPTH_SHIFT) as u32, (bits >> COUNT_SHIFT) as u32 & 0xff);
        // SAFETY: the buckets follow the header in the same allocation.
        let first = unsafe { Self::of_entry(entry).add(1) }.cast::<Bucket>();
        // SAFETY: below the count of initialised buckets.
        let bucket = unsafe { first.add(bucket_index(hash, depth, count)) };
        // SAFETY: alive as long as the segment is, by the caller.
        unsafe { &*bucket }
    }

    /// The chain for `hash`.
    #[inline]
    pub(super) fn chain(&self, hash: u64) -> &Bucket {
        &self.buckets()[self.bucket_index(hash)]
    }

    /// The lowest hash whose bucket is `index`; `None` behind the last bucket's end of the space.
    pub(super) fn bucket_start(&self, index: usize) -> Option<u64> {
        let behind = ((index as u64) << 32).div_ceil(u64::from(self.bucket_count));
        let offset = u128::from(behind) << 32 >> self.depth;
        u64::try_from(u128::from(self.prefix) + offset).ok()
    }

    #[inline]
    fn resize(&self) -> Option<&Resize> {
        // ORDER(resize-install): SeqCst, as a protected load; it includes Acquire.
        let pointer = self.resize.load(Ordering::SeqCst);
        // SAFETY: an installed operation lives as long as its sources (S3).
        unsafe { pointer.as_ref() }
    }

    /// The segment that replaced this one, on the way to `hash`; `None` while it is current.
    #[inline]
    pub(super) fn successor(&self, hash: u64) -> Option<&Self> {
        let outcome = self.resize()?.outcome()?;
        Some(outcome.towards(hash))
    }

    /// All successors, for repair. The second is `None` unless this segment was split.
    pub(super) fn successors(&self) -> Option<(&Self, Option<&Self>)> {
        let outcome = self.resize()?.outcome()?;
        // SAFETY: published segments live as long as what leads to them (S3).
        let first = unsafe { &*outcome.segments[0] };
        // SAFETY: as above.
        Some((first, unsafe { outcome.segments[1].as_ref() }))
    }

    /// The operation that supersedes this segment, for whoever retires it.
    pub(super) fn resize_pointer(&self) -> *mut Resize {
        // ORDER(resize-install): SeqCst, as a protected load.
        self.resize.load(Ordering::SeqCst)
    }

    /// Completes the resize that froze this segment. Any number of threads may.
    pub(super) fn help(&self, resident: &impl Resident, pinned: Pinned<'_>) {
        if let Some(resize) = self.resize() {
            resize.complete(resident, pinned);
        }
    }

    /// Entries, counting every slot that is not empty.
    pub(super) fn entries(&self) -> usize {
        fetch(self.buckets());
        self.buckets().iter().map(count_chain).sum()
    }

    /// What a full chain at `index` calls for. Looks at the neighbours first, so that the
    /// common answer (one chain is longer than the others) is cheap.
    pub(super) fn growth(&self, index: usize) -> Option<Plan> {
        const NEIGHBOURS: usize = 8;
        let buckets = self.buckets();
        let from =
            index.saturating_sub(NEIGHBOURS / 2).min(buckets.len().saturating_sub(NEIGHBOURS));
        let near = &buckets[from..buckets.len().min(from + NEIGHBOURS)];
        fetch(near);
        let near_entries: usize = near.iter().map(count_chain).sum();
        // An eighth of slack: the neighbours are a sample.
        if near_entries * 8 < near.len() * FILL_MAX * 7 || self.entries() < buckets.len() * FILL_MAX
        {
            return None;
        }
        match LADDER.iter().find(|&&step| step > buckets.len()) {
            Some(&buckets) => Some(Plan::Rebucket { buckets }),
            None => Some(Plan::Split),
        }
    }

    /// Starts and completes a resize of this segment alone; does nothing if one is under way.
    pub(super) fn resize_alone(&self, plan: Plan, resident: &impl Resident, pinned: Pinned<'_>) {
        let resize = Box::into_raw(Box::new(Resize {
            plan,
            sources: [self, ptr::null()],
            started: AtomicBool::new(true),
            outcome: AtomicPtr::new(null_mut()),
        }));
        // ORDER(resize-install): SeqCst on success releases the operation.
        let installed =
            self.resize.compare_exchange(null_mut(), resize, Ordering::SeqCst, Ordering::Relaxed);
        if installed.is_err() {
            // SAFETY: not installed, so still ours alone.
            drop(unsafe { Box::from_raw(resize) });
        }
        self.help(resident, pinned);
    }

    /// Merges two sibling segments, if neither is being resized.
    pub(super) fn merge(
        lower: &Self,
        upper: &Self,
        buckets: usize,
        resident: &impl Resident,
        pinned: Pinned<'_>,
    ) -> bool {
        let resize = Box::into_raw(Box::new(Resize {
            plan: Plan::Merge { buckets },
            sources: [lower, upper],
            started: AtomicBool::new(false),
            outcome: AtomicPtr::new(null_mut()),
        }));
        let mut installed: Vec<&Self> = Vec::with_capacity(2);
        for source in [lower, upper] {
            // ORDER(resize-install): SeqCst on success releases the operation.
            let result = source.resize.compare_exchange(
                null_mut(),
                resize,
                Ordering::SeqCst,
                Ordering::Relaxed,
            );
            if result.is_err() {
                for source in installed {
                    // ORDER(resize-install): SeqCst; the operation ends before it began.
                    source.resize.store(null_mut(), Ordering::SeqCst);
                }
                // SAFETY: unlinked, boxed above; others may hold it under their guards.
                unsafe { pinned.guard.retire(resize, size_of::<Resize>()) };
                return false;
            }
            installed.push(source);
        }
        // SAFETY: installed in both sources, so alive as long as they are (S3).
        let resize = unsafe { &*resize };
        // ORDER(resize-phase): Release; whoever sees it finds both sources installed.
        resize.started.store(true, Ordering::Release);
        resize.complete(resident, pinned);
        true
    }
}

/// Position of the bucket for `hash` among `count`: the 32 bits behind the prefix, scaled.
#[inline]
fn bucket_index(hash: u64, depth: u32, count: u32) -> usize {
    let behind = (hash << depth) >> 32;
    usize::try_from((behind * u64::from(count)) >> 32).expect("below the count")
}

/// Asks for the lines of buckets together, and for those of their overflow: one after the other
/// they cost a store that grows an eighth of its time.
fn fetch(buckets: &[Bucket]) {
    buckets.iter().for_each(crate::prefetch::read);
    for bucket in buckets {
        bucket.prefetch_overflow();
    }
}

/// Entries of one chain.
fn count_chain(bucket: &Bucket) -> usize {
    let mut count = 0;
    bucket.walk(|_, word| {
        count += usize::from(!word.is_empty());
        Walk::Go
    });
    count
}

impl Outcome {
    #[inline]
    fn towards(&self, hash: u64) -> &Segment {
        // SAFETY: published segments live as long as what leads to them (S3).
        let first = unsafe { &*self.segments[0] };
        // SAFETY: as above.
        match unsafe { self.segments[1].as_ref() } {
            Some(second) if hash >= second.prefix => second,
            _ => first,
        }
    }
}

impl Resize {
    #[inline]
    fn outcome(&self) -> Option<&Outcome> {
        // ORDER(resize-outcome): SeqCst, as a protected load; it includes Acquire.
        let pointer = self.outcome.load(Ordering::SeqCst);
        // SAFETY: a published outcome lives as long as its operation.
        unsafe { pointer.as_ref() }
    }

    fn sources(&self) -> impl Iterator<Item = &Segment> {
        // SAFETY: whoever holds the operation reached it through a source, under a guard that
        // keeps both sources (they are retired together).
        self.sources.iter().filter_map(|source| unsafe { source.as_ref() })
    }

    /// Freezes the sources, copies them, and publishes the copy unless another was first.
    fn complete(&self, resident: &impl Resident, pinned: Pinned<'_>) {
        // ORDER(resize-phase): Acquire; nothing is frozen before both sources are installed.
        if !self.started.load(Ordering::Acquire) || self.outcome().is_some() {
            return;
        }
        for source in self.sources() {
            source.buckets().iter().for_each(Bucket::freeze);
        }
        let outcome = Box::into_raw(Box::new(self.copy(resident)));
        // ORDER(resize-outcome): SeqCst on success releases the new segments.
        let published =
            self.outcome.compare_exchange(null_mut(), outcome, Ordering::SeqCst, Ordering::Relaxed);
        // SAFETY: published, or still ours.
        let segments = unsafe { &*outcome }.segments;
        if published.is_ok() {
            for segment in segments.into_iter().filter(|segment| !segment.is_null()) {
                // SAFETY: just published; the guard keeps it.
                pinned.index_bytes.add(unsafe { &*segment }.bytes_with_overflow() as u64);
            }
            return;
        }
        for segment in segments.into_iter().filter(|segment| !segment.is_null()) {
            // SAFETY: never published: nobody else has it.
            unsafe { Segment::reclaim(segment) };
        }
        // SAFETY: never published: nobody else has it.
        drop(unsafe { Box::from_raw(outcome) });
    }

    /// Copies the frozen sources into new segments nobody can see yet.
    fn copy(&self, resident: &impl Resident) -> Outcome {
        let first = self.sources().next().expect("an operation has a source");
        let (depth, prefix) = (first.depth, first.prefix);
        let segments = match self.plan {
            Plan::Merge { buckets } => {
                let parent = depth - 1;
                let kept = prefix & !(u64::MAX >> parent);
                [Segment::allocate(parent, kept, buckets).as_ptr(), null_mut()]
            }
            Plan::Rebucket { buckets } => {
                [Segment::allocate(depth, prefix, buckets).as_ptr(), null_mut()]
            }
            Plan::Split => {
                let upper = prefix | 1 << (63 - depth);
                [prefix, upper].map(|p| Segment::allocate(depth + 1, p, SPLIT_BUCKETS).as_ptr())
            }
        };
        let outcome = Outcome { segments };
        let mut grow = |bucket: Bucket| Box::into_raw(Box::new(bucket));
        let mut words = Vec::with_capacity(SLOTS * LADDER[LADDER.len() - 1]);
        for source in self.sources() {
            for bucket in source.buckets() {
                bucket.walk(|_, word| {
                    if !word.is_empty() && !word.is_tentative() {
                        resident.prefetch(word.thawed());
                        words.push(word.thawed());
                    }
                    Walk::Go
                });
            }
        }
        for word in words {
            let hash = resident.hash(word);
            let segment = outcome.towards(hash);
            segment.chain(hash).push_private(word, &mut grow);
            let deadline = resident.deadline_ms(word);
            if deadline < segment.deadline.peek() {
                segment.deadline.lower(deadline);
            }
        }
        outcome
    }
}

impl Segment {
    /// Bytes of the segment and its overflow buckets.
    pub(super) fn bytes_with_overflow(&self) -> usize {
        let mut bytes = self.bytes();
        for bucket in self.buckets() {
            bucket.overflow_buckets(|_| bytes += size_of::<Bucket>());
        }
        bytes
    }
}

impl Reclaim for Segment {
    unsafe fn reclaim(pointer: *mut Self) {
        // SAFETY: the caller owns the segment.
        let segment = unsafe { &*pointer };
        let layout = layout(segment.buckets().len());
        let mut overflow = Vec::new();
        for bucket in segment.buckets() {
            bucket.overflow_buckets(|bucket| overflow.push(bucket));
        }
        for bucket in overflow {
            // SAFETY: boxed by `grow`; B3 ends with the segment.
            drop(unsafe { Box::from_raw(bucket) });
        }
        #[cfg(loom)]
        {
            let count = segment.buckets().len();
            // SAFETY: as above.
            let first = unsafe { pointer.add(1) }.cast::<Bucket>();
            for i in 0..count {
                // SAFETY: initialised, dropped once; loom's atomics own memory.
                unsafe { ptr::drop_in_place(first.add(i)) };
            }
            // SAFETY: as above.
            unsafe { ptr::drop_in_place(pointer) };
        }
        // SAFETY: allocated in `allocate` with this layout; nothing in it needs dropping.
        unsafe { dealloc(pointer.cast::<u8>(), layout) };
    }
}

impl Reclaim for Resize {
    unsafe fn reclaim(pointer: *mut Self) {
        // SAFETY: boxed, owned by the caller.
        let resize = unsafe { Box::from_raw(pointer) };
        // ORDER(resize-outcome): Relaxed; nobody else has the operation any more.
        let outcome = resize.outcome.load(Ordering::Relaxed);
        if !outcome.is_null() {
            // SAFETY: boxed by `complete`; it goes with its operation, its segments do not.
            drop(unsafe { Box::from_raw(outcome) });
        }
    }
}

/// What a loom model needs to call the map: a collector that keeps everything, and a counter.
#[cfg(loom)]
#[derive(Debug)]
pub struct Bench {
    collector: crate::guard::Collector,
    index_bytes: Counter,
}

#[cfg(loom)]
impl Default for Bench {
    fn default() -> Self {
        Self { collector: crate::guard::Collector::new(), index_bytes: Counter::default() }
    }
}

#[cfg(loom)]
impl Bench {
    /// Runs `work` under a guard.
    pub fn pinned<R>(&self, work: impl FnOnce(Pinned<'_>) -> R) -> R {
        let guard = self.collector.enter();
        work(Pinned { guard: &guard, index_bytes: &self.index_bytes })
    }
}
