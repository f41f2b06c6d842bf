//! A session's way into the log: a chain of chunks with one writer and one reader.
//!
//! Why it exists: a write must not touch memory that sessions share (I2), and must not be seen by
//! the log before it is published. The session writes its entry behind what it has published and
//! makes it visible by one store; the log thread takes whole published ranges. Not a ring: a
//! chunk is as long as the longest entry needs, and what the disk cannot keep up with makes the
//! chain longer, up to the limit that [`Budget`] watches.
//!
//! ```text
//! LaneWriter ---------------------------------------------+
//!                                                         v
//! LaneReader --> [chunk: published, last, next] --> [chunk: published, last, next] --> null
//!                 taken|to take........        |     to take....|staged...|
//! ```
//!
//! Invariants
//! - L1: bytes of a chunk below `published` are never written again while the reader may look.
//! - L2: the writer alone writes `published`, `last` and `next`; `published` only grows, and is
//!   final once `next` is not null.
//! - L3: a chunk belongs to the chain, to the spare place, or to nobody: whoever swaps it out of
//!   the spare place owns it.
//!
//! Ordering edges
//! - `log-publish`: store of `published` (Release) -> load (Acquire). Carries the bytes below it
//!   and the TID of the last entry.
//! - `log-chain`: store of `next` (Release) -> load (Acquire). Carries the new chunk, and the
//!   final `published` of the old one.
//! - `log-spare`: swap of the spare place (Release) -> swap (Acquire). Carries a chunk that its
//!   last user is done with.
//! - `log-lane-end`: store of `ended` (Release) -> load (Acquire). Carries the last publication.

use std::ptr::null_mut;
use std::sync::Arc;

use super::bytes::{Bytes, Gather};
use super::entry::{self, HEADER_BYTES, VARINT_BYTES_MAX};
use crate::Tid;
use crate::sync::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// Bytes in chunks of all lanes, against the limit. The chunk that a lane's reader is at does not
/// count, so that lanes at rest, however many, use nothing.
#[derive(Debug)]
pub struct Budget {
    used: AtomicU64,
    limit: AtomicU64,
}

impl Budget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { used: AtomicU64::new(0), limit: AtomicU64::new(limit) }
    }

    /// Bytes in chunks.
    #[must_use]
    pub fn used(&self) -> u64 {
        // ORDER: Relaxed (unpaired); a limit that is kept roughly.
        self.used.load(Ordering::Relaxed)
    }

    /// Changes the limit.
    pub fn set_limit(&self, limit: u64) {
        // ORDER: Relaxed (unpaired); a setting.
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Whether the limit is passed. Both words change once per chunk, so they stay in the cache.
    #[inline]
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        // ORDER: Relaxed (unpaired); a setting.
        self.used() > self.limit.load(Ordering::Relaxed)
    }

    /// Whether half of it is used: time to empty lanes, whatever the pace.
    #[must_use]
    pub fn is_half_used(&self) -> bool {
        // ORDER: Relaxed (unpaired); a setting.
        self.used() > self.limit.load(Ordering::Relaxed) / 2
    }

    fn add(&self, bytes: usize) {
        // ORDER: Relaxed (unpaired); as above.
        self.used.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn subtract(&self, bytes: usize) {
        // ORDER: Relaxed (unpaired); as above.
        self.used.fetch_sub(bytes as u64, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Chunk {
    published: AtomicUsize,
    /// The TID of the last published entry.
    last: AtomicU64,
    next: AtomicPtr<Chunk>,
    bytes: Bytes,
}

impl Chunk {
    fn boxed(capacity: usize) -> *mut Self {
        Box::into_raw(Box::new(Self {
            published: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            next: AtomicPtr::new(null_mut()),
            bytes: Bytes::new(capacity),
        }))
    }
}

/// What both ends share beside the chain.
#[derive(Debug)]
struct Lane {
    spare: AtomicPtr<Chunk>,
    ended: AtomicBool,
    budget: Arc<Budget>,
    chunk_bytes: usize,
}

impl Drop for Lane {
    fn drop(&mut self) {
        // ORDER(log-spare): Acquire; the chunk's last user is done with it.
        let spare = self.spare.swap(null_mut(), Ordering::Acquire);
        if !spare.is_null() {
            // SAFETY: L3: swapped out, so ours.
            drop(unsafe { Box::from_raw(spare) });
        }
    }
}

/// The session's end.
#[derive(Debug)]
pub struct LaneWriter {
    lane: Arc<Lane>,
    chunk: *mut Chunk,
    /// Where the entry being staged begins: what is published.
    start: usize,
    /// Where its next byte goes.
    end: usize,
    capacity: usize,
}

// SAFETY: the writer owns its end of the chain, whose fields are atomics or are handed over by
// `log-publish`; it has no thread of its own.
unsafe impl Send for LaneWriter {}

/// The log thread's end.
#[derive(Debug)]
pub struct LaneReader {
    lane: Arc<Lane>,
    chunk: *mut Chunk,
    taken: usize,
    /// The TID of the last entry seen published.
    last: Tid,
}

// SAFETY: as for the writer.
unsafe impl Send for LaneReader {}

/// A lane whose chunks have `chunk_bytes` bytes, or more where an entry needs them.
#[must_use]
pub fn lane(budget: Arc<Budget>, chunk_bytes: usize) -> (LaneWriter, LaneReader) {
    assert!(chunk_bytes >= HEADER_BYTES, "a chunk has room for an entry's header");
    let chunk = Chunk::boxed(chunk_bytes);
    let spare = AtomicPtr::new(null_mut());
    let lane = Arc::new(Lane { spare, ended: AtomicBool::new(false), budget, chunk_bytes });
    let reader = LaneReader { lane: Arc::clone(&lane), chunk, taken: 0, last: Tid::ZERO };
    (LaneWriter { lane, chunk, start: 0, end: 0, capacity: chunk_bytes }, reader)
}

impl LaneWriter {
    fn chunk(&self) -> &Chunk {
        // SAFETY: L3: the writer's chunk is in the chain until the writer has left it, and the
        // reader frees none before.
        unsafe { &*self.chunk }
    }

    /// Adds an effect to the entry being staged. Returns whether a new chunk was begun.
    #[inline]
    pub fn stage(&mut self, db: u16, words: &[&[u8]]) -> bool {
        let payload: usize = words.iter().map(|word| word.len() + VARINT_BYTES_MAX).sum();
        let needed = HEADER_BYTES + 2 * VARINT_BYTES_MAX + payload;
        let grown = self.capacity - self.end < needed;
        if grown {
            self.grow(needed);
        }
        if self.end == self.start {
            self.end += HEADER_BYTES;
        }
        self.put_number(u64::from(db));
        self.put_number(words.len() as u64);
        for word in words {
            self.put_number(word.len() as u64);
            self.put(word);
        }
        grown
    }

    /// The staged effects are an entry: makes it visible. Without any, nothing happens; returns
    /// whether something did.
    #[inline]
    pub fn publish(&mut self, tid: Tid, now_ms: u64) -> bool {
        if self.end == self.start {
            return false;
        }
        let header = entry::header(self.end - self.start, tid, now_ms);
        let chunk = self.chunk();
        // SAFETY: L1: above `published`, and `stage` left room.
        unsafe { chunk.bytes.write(self.start, &header) };
        // ORDER(log-publish): Relaxed; the store below carries it.
        chunk.last.store(tid.to_bits(), Ordering::Relaxed);
        // ORDER(log-publish): Release; the entry's bytes are visible to who sees them counted.
        chunk.published.store(self.end, Ordering::Release);
        self.start = self.end;
        true
    }

    /// Forgets the staged effects.
    #[inline]
    pub fn withdraw(&mut self) {
        self.end = self.start;
    }

    #[inline]
    fn put_number(&mut self, number: u64) {
        let mut varint = [0; VARINT_BYTES_MAX];
        let length = entry::put_varint(number, &mut varint);
        self.put(&varint[..length]);
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        debug_assert!(self.capacity - self.end >= bytes.len(), "room was made");
        // SAFETY: L1: above `published`; `stage` made room for everything it puts.
        unsafe { self.chunk().bytes.write(self.end, bytes) };
        self.end += bytes.len();
    }

    /// Begins a chunk with room for `needed` bytes behind what is staged, and moves that there.
    #[cold]
    fn grow(&mut self, needed: usize) {
        let staged = self.end - self.start;
        // Doubled, so that an entry of many effects is moved a few times only.
        let wanted = if staged == 0 { needed } else { (needed + staged) * 2 };
        let fresh = self.new_chunk(wanted);
        // SAFETY: L3: just made or swapped out of the spare place; the reader does not know it.
        let new = unsafe { &*fresh };
        if staged > 0 {
            // SAFETY: both chunks are the writer's in this range (L1), and the new one has room.
            unsafe { self.chunk().bytes.copy_to(self.start, staged, &new.bytes) };
        }
        self.capacity = new.bytes.capacity();
        // ORDER(log-chain): Release; the new chunk, and the last word on the old one.
        self.chunk().next.store(fresh, Ordering::Release);
        self.chunk = fresh;
        self.start = 0;
        self.end = staged;
    }

    fn new_chunk(&self, wanted: usize) -> *mut Chunk {
        if wanted <= self.lane.chunk_bytes {
            // ORDER(log-spare): Acquire; its last user is done with it.
            let spare = self.lane.spare.swap(null_mut(), Ordering::Acquire);
            if !spare.is_null() {
                // SAFETY: L3: ours now.
                let chunk = unsafe { &*spare };
                self.lane.budget.add(chunk.bytes.capacity());
                // ORDER(log-publish): Relaxed; handed over by `log-chain`.
                chunk.published.store(0, Ordering::Relaxed);
                // ORDER(log-chain): Relaxed; handed over by the store in the chunk before it.
                chunk.next.store(null_mut(), Ordering::Relaxed);
                return spare;
            }
        }
        let capacity = wanted.max(self.lane.chunk_bytes);
        self.lane.budget.add(capacity);
        Chunk::boxed(capacity)
    }
}

impl Drop for LaneWriter {
    fn drop(&mut self) {
        // ORDER(log-lane-end): Release; the last publication is visible to who sees the end.
        self.lane.ended.store(true, Ordering::Release);
    }
}

impl LaneReader {
    /// Appends published entries to `into`, whole chunks' worth of them, until about `limit`
    /// bytes are there; returns whether nothing is left.
    pub fn take(&mut self, into: &mut impl Gather, limit: usize) -> bool {
        loop {
            // SAFETY: L3: the reader's chunk is in the chain until the reader has left it.
            let chunk = unsafe { &*self.chunk };
            // ORDER(log-chain): Acquire; if there is a next one, `published` below is final.
            let next = chunk.next.load(Ordering::Acquire);
            // ORDER(log-publish): Acquire; the bytes below it are visible.
            let published = chunk.published.load(Ordering::Acquire);
            if published > self.taken {
                // ORDER(log-publish): Relaxed; at least as new as `published`.
                self.last = Tid::from_bits(chunk.last.load(Ordering::Relaxed));
                // SAFETY: L1: published.
                unsafe { chunk.bytes.append_to(self.taken, published, into) };
                self.taken = published;
            }
            if next.is_null() {
                return true;
            }
            self.recycle(next);
            if into.gathered() >= limit {
                return false;
            }
        }
    }

    /// Whether something is published that was not taken.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        // SAFETY: as in `take`.
        let chunk = unsafe { &*self.chunk };
        // ORDER(log-publish): Relaxed; taken by `take`, which synchronises.
        chunk.published.load(Ordering::Relaxed) > self.taken
            // ORDER(log-chain): Relaxed; as above.
            || !chunk.next.load(Ordering::Relaxed).is_null()
    }

    /// The TID of the last entry that was taken, or of a later one.
    #[must_use]
    pub fn last(&self) -> Tid {
        self.last
    }

    /// Whether the session is gone: after this a last `take` empties the lane for good.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        // ORDER(log-lane-end): Acquire; what it published last is visible.
        self.lane.ended.load(Ordering::Acquire)
    }

    /// Leaves a chunk that is taken whole.
    fn recycle(&mut self, next: *mut Chunk) {
        let spent = std::mem::replace(&mut self.chunk, next);
        self.taken = 0;
        // SAFETY: L3: in the chain, and the reader's from now on.
        let counted = unsafe { &*next }.bytes.capacity();
        self.lane.budget.subtract(counted);
        // SAFETY: L3: both ends have left it.
        let capacity = unsafe { &*spent }.bytes.capacity();
        let mut freed = spent;
        if capacity == self.lane.chunk_bytes {
            // ORDER(log-spare): AcqRel; we are done with ours, and free what another left.
            freed = self.lane.spare.swap(spent, Ordering::AcqRel);
        }
        if !freed.is_null() {
            // SAFETY: L3: in no place any more.
            drop(unsafe { Box::from_raw(freed) });
        }
    }
}

impl Drop for LaneReader {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nothing is worth a second panic.
            return;
        }
        let ended = self.has_ended();
        let mut dropped = Vec::new();
        while !self.take(&mut dropped, 1 << 20) {
            dropped.clear();
        }
        if ended {
            // SAFETY: L3: the writer is gone, and this is the chain's last chunk.
            drop(unsafe { Box::from_raw(self.chunk) });
        }
        // Otherwise a session still writes there: the chunk is lost, which is better than freeing
        // it under its writer. The log's owner ends sessions first.
    }
}
